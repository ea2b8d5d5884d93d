/* head_list.c - which policies and series a head holds, and whether it is whole. */
#include "head/head.h"

#include "head/head_internal.h"

#include <stdlib.h>

/* ---- lists ---- */

static struct head_policy *policy_at(const struct head *head, place at)
{
    return at == 0 ? NULL : head_at(head, at);
}

static struct head_policy *first_policy(const struct head *head)
{
    return policy_at(head, atomic_load_explicit(&head->policies, memory_order_acquire));
}

static struct head_policy *next_policy(const struct head *head, const struct head_policy *policy)
{
    return policy_at(head, atomic_load_explicit(&policy->next, memory_order_relaxed));
}

/* A policy is named before its first row is in. */
static place first_entry(const struct head_policy *policy)
{
    return atomic_load_explicit(&policy->entries, memory_order_acquire);
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

phusa_status head_policies(struct head *head, struct arena *arena, uint32_t **policies,
                           size_t *count)
{
    assert(head != NULL && arena != NULL && policies != NULL && count != NULL);
    struct head_policy *const first = first_policy(head);
    size_t capacity = 0;
    for (const struct head_policy *p = first; p != NULL; p = next_policy(head, p))
        capacity++;
    uint32_t *list = arena_array(arena, capacity, sizeof *list);
    if (list == NULL) return PHUSA_ENOMEM;
    size_t found = 0;
    for (const struct head_policy *p = first; p != NULL; p = next_policy(head, p))
        if (first_entry(p) != 0) list[found++] = p->policy;
    qsort(list, found, sizeof *list, compare_u32);
    *policies = list;
    *count = found;
    return PHUSA_OK;
}

phusa_status head_series(struct head *head, uint32_t policy, struct arena *arena, uint64_t **series,
                         size_t *count)
{
    assert(head != NULL && arena != NULL && series != NULL && count != NULL);
    place at;
    const struct head_policy *p = head_find_policy(head, policy, &at);
    /* Entries are linked in front, so that from this one on the list stands still. */
    const place first = p == NULL ? 0 : first_entry(p);
    size_t found = 0;
    for (place e = first; e != 0; found++)
        e = ((const struct head_entry *)head_at(head, e))->next_in_policy;
    uint64_t *list = arena_array(arena, found, sizeof *list);
    if (list == NULL) return PHUSA_ENOMEM;
    bool ascending = true;
    size_t n = found; /* oldest first: new series often have ascending ids */
    for (place e = first; e != 0;) {
        const struct head_entry *entry = head_at(head, e);
        list[--n] = entry->series;
        if (n + 1 < found && list[n] > list[n + 1]) ascending = false;
        e = entry->next_in_policy;
    }
    if (!ascending) qsort(list, found, sizeof *list, compare_u64);
    *series = list;
    *count = found;
    return PHUSA_OK;
}

bool head_times(struct head *head, uint32_t policy, int64_t *time_min_ns, int64_t *time_max_ns)
{
    place at;
    struct head_policy *p = head_find_policy(head, policy, &at);
    if (p == NULL || first_entry(p) == 0) return false;
    *time_min_ns = atomic_load_explicit(&p->time_min_ns, memory_order_relaxed);
    *time_max_ns = atomic_load_explicit(&p->time_max_ns, memory_order_relaxed);
    return true;
}

/* ---- check ---- */

struct tally {
    const struct head *head;
    const struct head_policy *policy;
    uint64_t points, values, series;
};

static bool in_region(const struct head *head, uint64_t at, uint64_t size_bytes)
{
    const uint64_t used = atomic_load_explicit(&head->used, memory_order_relaxed);
    return at != 0 && at < used && size_bytes <= (used - at) * PLACE_BYTES;
}

static bool check_string(const struct head *head, uint64_t slot)
{
    return in_region(head, slot, 4) &&
           in_region(head, slot, 4 + (uint64_t)load_u32(head_at(head, (place)slot)));
}

/* Values of the row, or 0 if it is not whole. */
static uint32_t check_row(const struct head *head, const struct head_shape *shape,
                          const uint8_t *row)
{
    uint32_t values = 0;
    for (uint32_t f = 0; f < shape->field_count; f++) {
        if (!row_has(row, f)) continue;
        const uint64_t slot = load_u64(row + row_slots_offset(shape->field_count) + 8 * (size_t)f);
        if (shape->fields[f].type == PHUSA_STRING && !check_string(head, slot)) return 0;
        if (shape->fields[f].type == PHUSA_BOOLEAN && slot > 1) return 0;
        values++;
    }
    return values;
}

static bool check_block(struct tally *tally, const struct head_shape *shape,
                        const struct head_block *block, uint64_t *lsn_next)
{
    const uint32_t bytes = row_bytes(shape->field_count);
    const uint32_t count = atomic_load_explicit(&block->count, memory_order_acquire);
    const uint8_t flags = atomic_load_explicit(&block->flags, memory_order_relaxed);
    if (count == 0 || count > block->capacity || block->capacity > BLOCK_ROWS_MAX) return false;
    for (uint32_t r = 0; r < count; r++) {
        const uint8_t *row = block->rows + (size_t)r * bytes;
        if (row_lsn_delta(row) < *lsn_next) return false;
        *lsn_next = (uint64_t)row_lsn_delta(row) + 1;
        const uint32_t values = check_row(tally->head, shape, row);
        if (values == 0) return false;
        if (values < shape->field_count && !(flags & BLOCK_PARTIAL)) return false;
        if (r > 0 && row_time_ns(row - bytes) >= row_time_ns(row) && !(flags & BLOCK_UNSORTED))
            return false;
        if (row_time_ns(row) < atomic_load(&tally->policy->time_min_ns) ||
            row_time_ns(row) > atomic_load(&tally->policy->time_max_ns))
            return false;
        tally->points++;
        tally->values += values;
    }
    return tally->head->lsn_start + *lsn_next <= atomic_load(&tally->head->lsn_end);
}

static bool check_strand(struct tally *tally, const struct head_strand *strand)
{
    const struct head *head = tally->head;
    if (!in_region(head, strand->shape, sizeof(struct head_shape))) return false;
    const struct head_shape *shape = head_shape_at(head, strand->shape);
    for (uint32_t f = 1; f < shape->field_count; f++)
        if (shape->fields[f - 1].id >= shape->fields[f].id) return false;
    uint64_t lsn_next = 0;
    place last = 0;
    for (place at = strand->first; at != 0;) {
        if (!in_region(head, at, sizeof(struct head_block))) return false;
        const struct head_block *block = head_at(head, at);
        const uint64_t rows_bytes = (uint64_t)block->capacity * row_bytes(shape->field_count);
        if (!in_region(head, at, sizeof *block + rows_bytes)) return false;
        if (!check_block(tally, shape, block, &lsn_next)) return false;
        last = at;
        at = atomic_load_explicit(&block->next, memory_order_acquire);
    }
    return last != 0 && last == strand->last;
}

static bool check_entry(struct tally *tally, place policy, place at)
{
    const struct head *head = tally->head;
    const struct head_entry *entry = head_at(head, at);
    if (entry->policy != policy) return false;
    if (head_find(head, policy, entry->series, head_hash(policy, entry->series)) != entry)
        return false;
    uint32_t strands = 1;
    const struct head_strand *strand = &entry->strand;
    for (;; strands++) {
        if (!check_strand(tally, strand)) return false;
        const place next = atomic_load_explicit(&strand->next, memory_order_acquire);
        if (next == 0) break;
        if (strands >= STRANDS_WALKED) {
            const place shape = ((const struct head_strand *)head_at(head, next))->shape;
            if (head_find_strand(head, at, shape, head_hash(at, shape)) != next) return false;
        }
        strand = head_at(head, next);
    }
    tally->series++;
    return strands == entry->strand_count;
}

phusa_status head_check(struct head *head)
{
    struct tally tally = {.head = head};
    for (struct head_policy *p = first_policy(head); p != NULL; p = next_policy(head, p)) {
        const place policy = (place)((size_t)((uint8_t *)p - head->region) / PLACE_BYTES);
        tally.policy = p;
        for (place e = first_entry(p); e != 0;) {
            if (!in_region(head, e, sizeof(struct head_entry))) return PHUSA_ECORRUPT;
            if (!check_entry(&tally, policy, e)) return PHUSA_ECORRUPT;
            e = ((const struct head_entry *)head_at(head, e))->next_in_policy;
        }
    }
    const bool same = tally.points == atomic_load(&head->points) &&
                      tally.values == atomic_load(&head->values) &&
                      tally.series == atomic_load(&head->series);
    return same ? PHUSA_OK : PHUSA_ECORRUPT;
}
