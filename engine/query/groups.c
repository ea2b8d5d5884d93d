/* groups.c - see groups.h. */
#include "query/groups.h"

#include <stdlib.h>

/* ---- groups ---- */

struct member {
    const struct phusa_text *values;
    uint64_t series;
    const struct phusa_text *tags;
    size_t key_count;
};

static int compare_values(const struct phusa_text *a, const struct phusa_text *b, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (a[k].bytes == b[k].bytes && a[k].size_bytes == b[k].size_bytes) continue;
        const int order = text_compare(a[k], b[k]);
        if (order != 0) return order;
    }
    return 0;
}

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    const int order = compare_values(a->values, b->values, a->key_count);
    if (order != 0) return order;
    return a->series < b->series ? -1 : a->series > b->series;
}

static phusa_status make_groups(struct groups *groups, const struct plan *plan,
                                struct member *members, size_t count, struct budget *budget)
{
    struct arena *arena = &budget->arena;
    groups->items = arena_array(arena, count + 1, sizeof *groups->items);
    uint64_t *series = arena_array(arena, count + 1, sizeof *series);
    struct phusa_text *tags = arena_array(arena, count * plan->tag_count + 1, sizeof *tags);
    if (groups->items == NULL || series == NULL || tags == NULL) return budget_no_memory(budget);
    groups->count = 0;
    for (size_t i = 0; i < count; i++) {
        series[i] = members[i].series;
        for (uint32_t t = 0; t < plan->tag_count; t++)
            tags[i * plan->tag_count + t] = members[i].tags[t];
        if (i == 0 ||
            compare_values(members[i].values, members[i - 1].values, plan->group_key_count) != 0)
            groups->items[groups->count++] = (struct group){.tag_values = members[i].values,
                                                            .series = &series[i],
                                                            .tags = &tags[i * plan->tag_count]};
        groups->items[groups->count - 1].series_count++;
    }
    return PHUSA_OK;
}

phusa_status groups_select(struct groups *groups, const struct plan *plan, struct budget *budget)
{
    struct arena *arena = &budget->arena;
    uint64_t *series;
    size_t count;
    phusa_status status =
        index_select(plan->index, plan->measurement, plan->series_filter, arena, &series, &count);
    if (status == PHUSA_ELIMIT) return budget_pattern_failed(budget);
    if (status != PHUSA_OK) return budget_no_memory(budget);
    struct phusa_text *values, *tags;
    status = index_series_tags(plan->index, series, count, plan->group_keys, plan->group_key_count,
                               arena, &values);
    if (status == PHUSA_OK)
        status = index_series_tags(plan->index, series, count, plan->tag_keys, plan->tag_count,
                                   arena, &tags);
    if (status == PHUSA_ENOMEM) return budget_no_memory(budget);
    if (status != PHUSA_OK)
        return error_set(budget->error, status, "cannot read the index: %s",
                         phusa_status_text(status));
    struct member *members = arena_array(arena, count + 1, sizeof *members);
    if (members == NULL) return budget_no_memory(budget);
    for (size_t i = 0; i < count; i++)
        members[i] = (struct member){.values = &values[i * plan->group_key_count],
                                     .series = series[i],
                                     .tags = &tags[i * plan->tag_count],
                                     .key_count = plan->group_key_count};
    if (plan->group_key_count > 0) qsort(members, count, sizeof *members, compare_members);
    return make_groups(groups, plan, members, count, budget);
}

bool manifest_range(const struct manifest *manifest, uint32_t policy, int64_t *start_ns,
                    int64_t *end_ns)
{
    int64_t min_ns = INT64_MAX, max_ns = INT64_MIN;
    for (size_t i = 0; manifest->files != NULL && i < manifest->files->file_count; i++) {
        const struct file_info *info = &manifest->files->files[i]->info;
        if (info->time_min_ns < min_ns) min_ns = info->time_min_ns;
        if (info->time_max_ns > max_ns) max_ns = info->time_max_ns;
    }
    for (unsigned i = 0; i < manifest->head_count; i++) {
        int64_t head_min_ns, head_max_ns;
        if (!head_times(manifest->heads[i], policy, &head_min_ns, &head_max_ns)) continue;
        if (head_min_ns < min_ns) min_ns = head_min_ns;
        if (head_max_ns > max_ns) max_ns = head_max_ns;
    }
    if (min_ns > max_ns) return false;
    if (min_ns > *start_ns) *start_ns = min_ns;
    if (max_ns < *end_ns) *end_ns = max_ns == INT64_MAX ? max_ns : max_ns + 1;
    return *start_ns < *end_ns;
}

/* ---- row filter ---- */

static void find_tags(const struct plan *plan, const struct node *node, bool *used)
{
    if (node == NULL) return;
    if (node->kind == NODE_SLOT && plan->slots[node->slot].kind == SLOT_TAG)
        used[plan->slots[node->slot].index] = true;
    if (node->kind != NODE_BINARY) return;
    find_tags(plan, node->left, used);
    find_tags(plan, node->right, used);
}

phusa_status row_filter_init(struct row_filter *filter, const struct plan *plan,
                             struct budget *budget)
{
    *filter = (struct row_filter){.plan = plan, .budget = budget};
    arena_init(&filter->scratch, budget->arena.budget_bytes);
    filter->slots = arena_zalloc(&budget->arena, (plan->slot_count + 1) * sizeof *filter->slots);
    filter->tag_rows = arena_array(&budget->arena, (size_t)plan->tag_count * VECTOR_ROWS_MAX + 1,
                                   sizeof *filter->tag_rows);
    filter->tag_used =
        arena_zalloc(&budget->arena, (plan->tag_count + 1) * sizeof *filter->tag_used);
    if (filter->slots == NULL || filter->tag_rows == NULL || filter->tag_used == NULL)
        return budget_no_memory(budget);
    find_tags(plan, plan->row_filter, filter->tag_used);
    return PHUSA_OK;
}

void row_filter_deinit(struct row_filter *filter)
{
    arena_deinit(&filter->scratch);
}

void row_filter_series(struct row_filter *filter, const struct phusa_text *tags)
{
    if (filter->plan->row_filter == NULL) return;
    for (uint32_t t = 0; t < filter->plan->tag_count; t++)
        for (uint32_t r = 0; filter->tag_used[t] && r < VECTOR_ROWS_MAX; r++)
            filter->tag_rows[t * VECTOR_ROWS_MAX + r] = tags[t];
}

phusa_status row_filter_apply(struct row_filter *filter, const struct rows *rows,
                              const uint64_t **selection)
{
    const struct plan *plan = filter->plan;
    *selection = NULL;
    if (plan->row_filter == NULL) return PHUSA_OK;
    for (uint32_t s = 0; s < plan->slot_count; s++) {
        const struct slot *slot = &plan->slots[s];
        if (slot->kind == SLOT_FIELD)
            filter->slots[s] = rows->columns[slot->index];
        else if (slot->kind == SLOT_TAG)
            filter->slots[s] = (struct vector){
                .type = PHUSA_STRING, .s = &filter->tag_rows[slot->index * VECTOR_ROWS_MAX]};
    }
    arena_reset(&filter->scratch);
    bool failed = false;
    uint64_t *bits;
    const phusa_status status = node_select(plan->row_filter, filter->slots, rows->row_count,
                                            &filter->scratch, &bits, &failed);
    if (status != PHUSA_OK) return budget_no_memory(filter->budget);
    if (failed) return budget_pattern_failed(filter->budget);
    *selection = bits;
    return PHUSA_OK;
}
