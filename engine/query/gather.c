/*
 * gather.c - see gather.h.
 *
 * A group's rows are put out slice of time by slice: a slice whose rows (as the directories of the
 * files estimate them) are too many is halved, and halved again. So memory is bounded, LIMIT stops
 * early from either end, and only one slice has to be sorted:
 *
 *     [----------------------------)   4,000,000 rows: halve
 *     [-------------)                  2,000,000 ...
 *     [---)                              500,000: scan every series, sort by time, hand over
 */
#include "query/gather.h"

#include "base/mem.h"

#include <assert.h>

/* Every slice opens and decodes each series' chunks anew, whole vectors of them, so slices are as
 * large as a part of the query's memory allows: with 64 Ki rows, 12 h of 1,000 series (4 M rows)
 * were read 30 times over. */
#define SLICE_MEMORY_PART 4
#define SLICE_ROWS_MIN    (16u << 10)
#define SLICE_ROWS_MAX    (1u << 20)
#define TEXT_BYTES_GUESS  64u

/* Rows of one slice, column by column, in blocks of VECTOR_ROWS_MAX. */
struct row_block {
    int64_t times_ns[VECTOR_ROWS_MAX];
    uint32_t series[VECTOR_ROWS_MAX]; /* index in the group */
    struct {
        uint64_t present[VECTOR_ROWS_MAX / 64];
        void *values;
    } columns[];
};

#define SPLITS_UNKNOWN UINT64_MAX

struct order_entry {
    uint64_t time; /* biased, so that it sorts as unsigned */
    uint32_t place;
};

struct gather {
    const struct plan *plan;
    struct budget *budget;
    struct answer *answer;
    struct scan scan;
    struct row_filter filter;
    const struct group *group;
    uint32_t series_index;
    struct arena slice; /* blocks and texts of one slice */
    struct row_block **blocks;
    size_t block_count, block_capacity;
    uint64_t row_count;
    uint64_t splits_left; /* of the group; an estimate that halving does not lower must end too */
    /* what answer_rows() gets */
    int64_t times_ns[VECTOR_ROWS_MAX];
    struct vector *slots;
    void **slot_values;
    uint64_t (*slot_present)[VECTOR_ROWS_MAX / 64];
};

/* ---- collecting ---- */

static phusa_status no_memory(struct gather *g)
{
    return error_set(g->budget->error, PHUSA_ELIMIT,
                     "query needs more than %zu MiB of memory; ask for a shorter time range or use "
                     "LIMIT",
                     g->slice.budget_bytes >> 20);
}

static phusa_status add_block(struct gather *g)
{
    const struct plan *plan = g->plan;
    struct row_block *block =
        arena_zalloc(&g->slice, sizeof *block + plan->field_count * sizeof block->columns[0]);
    if (block == NULL) return no_memory(g);
    for (uint32_t i = 0; i < plan->field_count; i++) {
        if (!plan->field_selected[i]) continue;
        block->columns[i].values =
            arena_alloc(&g->slice, VECTOR_ROWS_MAX * vector_slot_bytes(plan->field_types[i]));
        if (block->columns[i].values == NULL) return no_memory(g);
    }
    if (!MEM_GROW(g->blocks, g->block_capacity, g->block_count + 1)) return no_memory(g);
    g->blocks[g->block_count++] = block;
    return PHUSA_OK;
}

/* Copy one value; texts are copied too, since what they point into does not last. */
static phusa_status copy_value(struct gather *g, enum phusa_type type, const struct vector *from,
                               uint32_t row, void *values, uint32_t slot)
{
    if (type == PHUSA_BOOLEAN) {
        ((uint8_t *)values)[slot] = from->b[row];
    } else if (type != PHUSA_STRING) {
        ((uint64_t *)values)[slot] = from->u[row];
    } else {
        const char *copy = arena_copy(&g->slice, from->s[row].bytes, from->s[row].size_bytes);
        if (copy == NULL) return no_memory(g);
        ((struct phusa_text *)values)[slot] = (struct phusa_text){copy, from->s[row].size_bytes};
    }
    return PHUSA_OK;
}

static phusa_status take_row(struct gather *g, const struct rows *rows, uint32_t row)
{
    const struct plan *plan = g->plan;
    bool any = false;
    for (uint32_t i = 0; !any && i < plan->field_count; i++)
        any = plan->field_selected[i] && vector_has(&rows->columns[i], row);
    if (!any) return PHUSA_OK;
    const uint32_t slot = (uint32_t)(g->row_count % VECTOR_ROWS_MAX);
    if (slot == 0) {
        const phusa_status status = add_block(g);
        if (status != PHUSA_OK) return status;
    }
    struct row_block *block = g->blocks[g->block_count - 1];
    for (uint32_t i = 0; i < plan->field_count; i++) {
        if (!plan->field_selected[i] || !vector_has(&rows->columns[i], row)) continue;
        bit_set(block->columns[i].present, slot);
        const phusa_status status = copy_value(g, plan->field_types[i], &rows->columns[i], row,
                                               block->columns[i].values, slot);
        if (status != PHUSA_OK) return status;
    }
    block->times_ns[slot] = rows->times_ns[row];
    block->series[slot] = g->series_index;
    g->row_count++;
    return PHUSA_OK;
}

static phusa_status take_rows(void *context, const struct rows *rows, uint32_t from, uint32_t to)
{
    struct gather *g = context;
    const uint64_t *selection;
    phusa_status status = row_filter_apply(&g->filter, rows, &selection);
    for (uint32_t r = from; status == PHUSA_OK && r < to; r++)
        if (selection == NULL || bit_get(selection, r)) status = take_row(g, rows, r);
    return status;
}

static phusa_status take_chunk(void *context, const struct chunk_view *chunk, const int *columns,
                               int64_t start_ns, int64_t end_ns)
{
    struct gather *g = context;
    const struct scan_visitor visitor = {.context = g, .rows = take_rows};
    return scan_chunk_rows(&g->scan, chunk, columns, start_ns, end_ns, &visitor);
}

/* ---- ordering ---- */

/* By time; rows of equal time stay in the order of series. Least significant digits first, and
 * only those digits in which the times differ. */
static bool sort_entries(struct arena *arena, struct order_entry **entries, size_t count)
{
    uint64_t low = UINT64_MAX, high = 0;
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        const uint64_t time = (*entries)[i].time;
        if (i > 0 && time < (*entries)[i - 1].time) sorted = false;
        if (time < low) low = time;
        if (time > high) high = time;
    }
    if (sorted) return true;
    struct order_entry *from = *entries, *to = arena_array(arena, count, sizeof *to);
    if (to == NULL) return false;
    for (unsigned shift = 0; shift < 64 && (high - low) >> shift != 0; shift += 11) {
        uint32_t places[2048] = {0};
        for (size_t i = 0; i < count; i++)
            places[(from[i].time - low) >> shift & 2047]++;
        uint32_t next = 0;
        for (size_t d = 0; d < 2048; d++) {
            const uint32_t n = places[d];
            places[d] = next;
            next += n;
        }
        for (size_t i = 0; i < count; i++)
            to[places[(from[i].time - low) >> shift & 2047]++] = from[i];
        struct order_entry *swap = from;
        from = to;
        to = swap;
    }
    *entries = from;
    return true;
}

/* ---- handing over ---- */

static void put_row(struct gather *g, const struct order_entry *entry, uint32_t row)
{
    const struct plan *plan = g->plan;
    const struct row_block *block = g->blocks[entry->place / VECTOR_ROWS_MAX];
    const uint32_t from = entry->place % VECTOR_ROWS_MAX;
    g->times_ns[row] = block->times_ns[from];
    for (uint32_t s = 0; s < plan->slot_count; s++) {
        const struct slot *slot = &plan->slots[s];
        if (g->slot_values[s] == NULL) continue;
        if (slot->kind == SLOT_TAG) {
            const struct phusa_text value =
                g->group->tags[(size_t)block->series[from] * plan->tag_count + slot->index];
            ((struct phusa_text *)g->slot_values[s])[row] = value;
            if (value.size_bytes > 0) bit_set(g->slot_present[s], row);
            continue;
        }
        if (!bit_get(block->columns[slot->index].present, from)) continue;
        bit_set(g->slot_present[s], row);
        const size_t bytes = vector_slot_bytes(slot->type);
        memcpy((uint8_t *)g->slot_values[s] + row * bytes,
               (const uint8_t *)block->columns[slot->index].values + from * bytes, bytes);
    }
}

static phusa_status give_slice(struct gather *g)
{
    const size_t count = g->row_count;
    struct order_entry *entries = arena_array(&g->slice, count + 1, sizeof *entries);
    if (entries == NULL) return no_memory(g);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct order_entry){
            .time = (uint64_t)g->blocks[i / VECTOR_ROWS_MAX]->times_ns[i % VECTOR_ROWS_MAX] ^
                    UINT64_C(1) << 63,
            .place = (uint32_t)i};
    if (!sort_entries(&g->slice, &entries, count)) return no_memory(g);
    const bool down = g->plan->select->descending;
    for (size_t given = 0; given < count && answer_wants_rows(g->answer);) {
        const uint32_t n =
            count - given < VECTOR_ROWS_MAX ? (uint32_t)(count - given) : VECTOR_ROWS_MAX;
        memset(g->slot_present, 0, g->plan->slot_count * sizeof *g->slot_present);
        for (uint32_t r = 0; r < n; r++, given++)
            put_row(g, &entries[down ? count - 1 - given : given], r);
        for (uint32_t s = 0; s < g->plan->slot_count; s++) {
            g->slots[s] = (struct vector){.type = g->plan->slots[s].type,
                                          .decimals = PHUSA_DECIMALS_UNKNOWN,
                                          .present = g->slot_present[s],
                                          .values = g->slot_values[s]};
        }
        const phusa_status status = answer_rows(g->answer, g->times_ns, g->slots, n);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status run_slice(struct gather *g, int64_t start_ns, int64_t end_ns)
{
    const struct scan_visitor visitor = {.context = g, .chunk = take_chunk, .rows = take_rows};
    arena_reset(&g->slice);
    g->block_count = 0;
    g->row_count = 0;
    for (size_t s = 0; s < g->group->series_count; s++) {
        g->series_index = (uint32_t)s;
        row_filter_series(&g->filter, &g->group->tags[s * g->plan->tag_count]);
        const phusa_status status =
            scan_series(&g->scan, g->group->series[s], start_ns, end_ns, &visitor);
        if (status != PHUSA_OK) return status;
    }
    return give_slice(g);
}

/* Put out [start_ns, end_ns), in halves where it is too much at once. */
static phusa_status run_range(struct gather *g, int64_t start_ns, int64_t end_ns,
                              uint64_t rows_target)
{
    if (start_ns >= end_ns || !answer_wants_rows(g->answer)) return PHUSA_OK;
    double rows = 0;
    int64_t first_ns = end_ns;
    for (size_t s = 0; s < g->group->series_count; s++) {
        const phusa_status status =
            scan_estimate(&g->scan, g->group->series[s], start_ns, end_ns, &rows, &first_ns);
        if (status != PHUSA_OK) return status;
    }
    if (first_ns >= end_ns) return PHUSA_OK;
    if (first_ns > start_ns) start_ns = first_ns;
    const uint64_t span = (uint64_t)end_ns - (uint64_t)start_ns;
    if (g->splits_left == SPLITS_UNKNOWN)
        g->splits_left = 64 + 4 * (uint64_t)(rows / (double)rows_target);
    if (rows <= (double)rows_target || span < 2 || g->splits_left == 0)
        return run_slice(g, start_ns, end_ns);
    g->splits_left--;
    const int64_t middle_ns = (int64_t)((uint64_t)start_ns + span / 2);
    const bool down = g->plan->select->descending;
    phusa_status status = down ? run_range(g, middle_ns, end_ns, rows_target)
                               : run_range(g, start_ns, middle_ns, rows_target);
    if (status == PHUSA_OK)
        status = down ? run_range(g, start_ns, middle_ns, rows_target)
                      : run_range(g, middle_ns, end_ns, rows_target);
    return status;
}

/* How many rows a slice may have; what a row takes is told by add_block() and give_slice(). */
static uint64_t slice_rows(const struct gather *g)
{
    uint64_t row_bytes = sizeof(int64_t) + sizeof(uint32_t) + 2 * sizeof(struct order_entry);
    for (uint32_t i = 0; i < g->plan->field_count; i++) {
        if (!g->plan->field_selected[i]) continue;
        row_bytes += vector_slot_bytes(g->plan->field_types[i]) + 1;
        if (g->plan->field_types[i] == PHUSA_STRING) row_bytes += TEXT_BYTES_GUESS;
    }
    const uint64_t rows = g->slice.budget_bytes / SLICE_MEMORY_PART / row_bytes;
    return rows < SLICE_ROWS_MIN ? SLICE_ROWS_MIN : rows > SLICE_ROWS_MAX ? SLICE_ROWS_MAX : rows;
}

static phusa_status run_group(struct gather *g, const struct group *group, int64_t start_ns,
                              int64_t end_ns)
{
    const struct select_statement *select = g->plan->select;
    g->group = group;
    g->splits_left = SPLITS_UNKNOWN;
    answer_series(g->answer, group->tag_values);
    uint64_t rows_target = slice_rows(g);
    /* With a small LIMIT small slices do, unless WHERE throws most rows away; but a slice costs a
     * seek for each series, so it should give some rows of each. */
    if (select->limit > 0 && g->plan->row_filter == NULL) {
        const uint64_t wanted = (select->limit + select->row_offset) * 2 + group->series_count * 2;
        if (wanted < rows_target) rows_target = wanted;
    }
    if (rows_target < group->series_count * 2) rows_target = group->series_count * 2;
    return run_range(g, start_ns, end_ns, rows_target);
}

/* ---- the statement ---- */

static phusa_status prepare(struct gather *g, const struct query_environment *environment,
                            const struct manifest *manifest)
{
    const struct plan *plan = g->plan;
    struct arena *arena = &g->budget->arena;
    g->slots = arena_zalloc(arena, (plan->slot_count + 1) * sizeof *g->slots);
    g->slot_values = arena_zalloc(arena, (plan->slot_count + 1) * sizeof *g->slot_values);
    g->slot_present = arena_zalloc(arena, (plan->slot_count + 1) * sizeof *g->slot_present);
    if (g->slots == NULL || g->slot_values == NULL || g->slot_present == NULL)
        return budget_no_memory(g->budget);
    for (uint32_t s = 0; s < plan->slot_count; s++) {
        const struct slot *slot = &plan->slots[s];
        if (slot->kind == SLOT_FIELD && !plan->field_selected[slot->index]) continue;
        g->slot_values[s] = arena_zalloc(arena, VECTOR_ROWS_MAX * vector_slot_bytes(slot->type));
        if (g->slot_values[s] == NULL) return budget_no_memory(g->budget);
    }
    const phusa_status status =
        scan_init(&g->scan, environment, manifest, plan->policy.id, plan->policy.shard,
                  plan->field_ids, plan->field_types, plan->field_count, g->budget);
    return status != PHUSA_OK ? status : row_filter_init(&g->filter, plan, g->budget);
}

phusa_status gather_run(const struct plan *plan, const struct query_environment *environment,
                        const struct manifest *manifest, const struct groups *groups,
                        struct answer *answer, struct budget *budget)
{
    int64_t start_ns = plan->range.start_ns, end_ns = plan->range.end_ns;
    if (!manifest_range(manifest, plan->policy.id, &start_ns, &end_ns)) return PHUSA_OK;
    struct gather *g = arena_zalloc(&budget->arena, sizeof *g);
    if (g == NULL) return budget_no_memory(budget);
    g->plan = plan;
    g->budget = budget;
    g->answer = answer;
    arena_init(&g->slice, budget->arena.budget_bytes);
    phusa_status status = prepare(g, environment, manifest);
    for (size_t i = 0; status == PHUSA_OK && i < groups->count; i++) {
        if (!answer_wants_series(answer)) break;
        status = run_group(g, &groups->items[i], start_ns, end_ns);
    }
    row_filter_deinit(&g->filter);
    scan_deinit(&g->scan);
    arena_deinit(&g->slice);
    mem_free(g->blocks);
    return status;
}
