/*
 * head.c - life of a head, and appending to it.
 *
 * One row of 10 integers is 96 bytes: two cache lines of its block. With the series' entry and
 * strand it touches five lines, all of them in L2 while some thousand series take turns (25 ns a
 * row), and all of them missing with a million: head_append_rows() therefore fetches those of 16
 * rows at a time.
 */
#include "head/head.h"

#include "base/clock.h"
#include "base/mem.h"
#include "head/head_internal.h"

#include <sys/mman.h>

#define BUDGET_BYTES_MIN    ((size_t)64 << 10)
#define BUDGET_BYTES_MAX    ((size_t)UINT32_MAX * PLACE_BYTES - FIRST_ROW_BYTES_MAX)
#define HUGE_PAGE_BYTES     ((size_t)2 << 20)
/* A head without points takes one row of any size, or a row that is larger than the budget would go
 * from head to head for ever. The strings of a row are in one group of the log; the rest is for its
 * slots and shape. Address space, not memory. */
#define FIRST_ROW_BYTES_MAX ((size_t)WAL_GROUP_BYTES_MAX + (1u << 20))

/* ---- life ---- */

phusa_status head_create(size_t budget_bytes, uint64_t lsn_start, struct head **out)
{
    if (budget_bytes < BUDGET_BYTES_MIN) budget_bytes = BUDGET_BYTES_MIN;
    if (budget_bytes > BUDGET_BYTES_MAX) budget_bytes = BUDGET_BYTES_MAX;
    struct head *head = mem_zalloc(sizeof *head);
    if (head == NULL) return PHUSA_ENOMEM;
    void *region = mmap(NULL, budget_bytes + FIRST_ROW_BYTES_MAX, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) {
        mem_free(head);
        return PHUSA_ENOMEM;
    }
    /* A page fault every 42 rows costs more than the rows do. Only a hint. */
    if (budget_bytes >= 16 * HUGE_PAGE_BYTES) (void)madvise(region, budget_bytes, MADV_HUGEPAGE);
    head->region = region;
    head->budget_bytes = budget_bytes;
    head->lsn_start = lsn_start;
    head->created_ns = clock_monotonic_ns();
    atomic_init(&head->references, 1);
    atomic_init(&head->used, 1); /* place 0 is "none" */
    atomic_init(&head->lsn_end, lsn_start);
    *out = head;
    return PHUSA_OK;
}

struct head *head_ref(struct head *head)
{
    atomic_fetch_add_explicit(&head->references, 1, memory_order_relaxed);
    return head;
}

void head_unref(struct head *head)
{
    if (head == NULL) return;
    if (atomic_fetch_sub_explicit(&head->references, 1, memory_order_acq_rel) != 1) return;
    munmap(head->region, head->budget_bytes + FIRST_ROW_BYTES_MAX);
    mem_free(head);
}

place head_take(struct head *head, size_t size_bytes)
{
    const uint32_t used = atomic_load_explicit(&head->used, memory_order_relaxed);
    const size_t places = (size_bytes + PLACE_BYTES - 1) / PLACE_BYTES;
    const bool empty = atomic_load_explicit(&head->points, memory_order_relaxed) == 0;
    const size_t limit = (head->budget_bytes + (empty ? FIRST_ROW_BYTES_MAX : 0)) / PLACE_BYTES;
    if (used + places > limit) return 0;
    atomic_store_explicit(&head->used, used + (uint32_t)places, memory_order_relaxed);
    return used;
}

void head_stats(struct head *head, struct head_stats *out)
{
    *out = (struct head_stats){
        .points = atomic_load_explicit(&head->points, memory_order_relaxed),
        .values = atomic_load_explicit(&head->values, memory_order_relaxed),
        .series = atomic_load_explicit(&head->series, memory_order_relaxed),
        .used_bytes = (size_t)atomic_load_explicit(&head->used, memory_order_relaxed) * PLACE_BYTES,
        .budget_bytes = head->budget_bytes,
        .lsn_start = head->lsn_start,
        .lsn_end = atomic_load_explicit(&head->lsn_end, memory_order_relaxed),
        .created_ns = head->created_ns,
    };
}

/* ---- where a row goes ---- */

static phusa_status intern_policy(struct head *head, uint32_t policy, place *out)
{
    if (head->policy_recent != 0 &&
        ((struct head_policy *)head_at(head, head->policy_recent))->policy == policy) {
        *out = head->policy_recent;
        return PHUSA_OK;
    }
    place at;
    if (head_find_policy(head, policy, &at) == NULL) {
        at = head_take(head, sizeof(struct head_policy));
        if (at == 0) return PHUSA_ELIMIT;
        struct head_policy *p = head_at(head, at);
        p->policy = policy;
        atomic_init(&p->next, atomic_load_explicit(&head->policies, memory_order_relaxed));
        atomic_init(&p->entries, 0);
        atomic_init(&p->time_min_ns, INT64_MAX);
        atomic_init(&p->time_max_ns, INT64_MIN);
        atomic_store_explicit(&head->policies, at, memory_order_release);
    }
    head->policy_recent = at;
    *out = at;
    return PHUSA_OK;
}

/* May rows of shape `part` lie in a strand of `whole`? If it has all their fields and they fill
 * at least half of its slots. */
static bool joins(const struct head_shape *part, const struct head_shape *whole)
{
    if (part->field_count > whole->field_count) return false;
    if (2 * part->field_count < whole->field_count) return false;
    uint32_t w = 0;
    for (uint32_t p = 0; p < part->field_count; p++, w++) {
        while (w < whole->field_count && whole->fields[w].id < part->fields[p].id)
            w++;
        if (w == whole->field_count || whole->fields[w].id != part->fields[p].id ||
            whole->fields[w].type != part->fields[p].type)
            return false;
    }
    return true;
}

static place strand_place(const struct head *head, const struct head_strand *strand)
{
    return (place)((size_t)((const uint8_t *)strand - head->region) / PLACE_BYTES);
}

static struct head_strand *next_strand(const struct head *head, struct head_strand *strand)
{
    const place next = atomic_load_explicit(&strand->next, memory_order_relaxed);
    return next == 0 ? NULL : head_at(head, next);
}

static place entry_place(const struct head *head, const struct head_entry *entry)
{
    return (place)((size_t)((const uint8_t *)entry - head->region) / PLACE_BYTES);
}

/* The strand for rows of `shape` in an entry that has some already; NULL: none suits. Fields
 * that come each on a line of its own come in the same order every time, so the strand after the
 * recent one is tried before searching. */
static struct head_strand *find_strand(const struct head *head, struct head_entry *entry,
                                       place shape)
{
    struct head_strand *recent = head_at(head, entry->recent);
    if (recent->shape == shape) return recent;
    struct head_strand *after = next_strand(head, recent);
    if (after == NULL) after = &entry->strand;
    if (after->shape == shape) return after;

    struct head_strand *joined = NULL;
    struct head_strand *strand = &entry->strand;
    for (uint32_t s = 0; s < STRANDS_WALKED && strand != NULL; s++) {
        if (strand->shape == shape) return strand;
        if (joined == NULL && joins(head_shape_at(head, shape), head_shape_at(head, strand->shape)))
            joined = strand;
        strand = next_strand(head, strand);
    }
    if (strand == NULL) return joined;
    const place entry_at = entry_place(head, entry);
    const place found = head_find_strand(head, entry_at, shape, head_hash(entry_at, shape));
    return found != 0 ? head_at(head, found) : joined;
}

static size_t decimals_bytes(const struct head_shape *shape)
{
    return shape->has_float ? shape->field_count : 0;
}

static void init_strand(const struct head *head, struct head_strand *strand, place shape)
{
    strand->shape = shape;
    strand->first = 0;
    strand->last = 0;
    atomic_init(&strand->next, 0);
    for (size_t f = 0; f < decimals_bytes(head_shape_at(head, shape)); f++)
        atomic_init(&strand_decimals(strand)[f], 0);
}

/* What an append is about to add: nothing of it is linked until every piece is there. */
struct addition {
    const struct points_row *row;
    uint64_t hash;
    place policy, shape;
    struct head_entry *entry;
    bool new_entry;
    struct head_strand *strand;
    bool new_extra;           /* a strand that is not the entry's own */
    struct head_block *block; /* with room for the row */
    bool new_block;
};

/* What is there already, and room in the tables for what is not: tables that grew stay grown,
 * whatever becomes of the append. */
static phusa_status find_place(struct head *head, struct addition *a)
{
    a->entry = head_find(head, a->policy, a->row->series, a->hash);
    if (a->entry == NULL) return head_reserve_slot(head, head->tables, a->hash);
    a->strand = find_strand(head, a->entry, a->shape);
    if (a->strand != NULL || a->entry->strand_count < STRANDS_WALKED) return PHUSA_OK;
    return head_reserve_slot(head, head->strand_tables,
                             head_hash(entry_place(head, a->entry), a->shape));
}

static phusa_status take_entry(struct head *head, struct addition *a)
{
    if (a->entry != NULL) return PHUSA_OK;
    const place at =
        head_take(head, sizeof(struct head_entry) + decimals_bytes(head_shape_at(head, a->shape)));
    if (at == 0) return PHUSA_ELIMIT;
    a->entry = head_at(head, at);
    a->new_entry = true;
    a->entry->series = a->row->series;
    a->entry->policy = a->policy;
    a->entry->strand_count = 1;
    a->strand = &a->entry->strand;
    init_strand(head, a->strand, a->shape);
    return PHUSA_OK;
}

static phusa_status take_strand(struct head *head, struct addition *a)
{
    if (a->strand != NULL) return PHUSA_OK;
    const place at = head_take(head, sizeof(struct extra_strand) +
                                         decimals_bytes(head_shape_at(head, a->shape)));
    if (at == 0) return PHUSA_ELIMIT;
    struct extra_strand *extra = head_at(head, at);
    extra->owner = entry_place(head, a->entry);
    extra->unused = 0;
    a->strand = &extra->strand;
    a->new_extra = true;
    init_strand(head, a->strand, a->shape);
    return PHUSA_OK;
}

static phusa_status take_block(struct head *head, struct addition *a)
{
    uint32_t capacity = 1;
    if (a->strand->last != 0) {
        struct head_block *last = head_at(head, a->strand->last);
        if (atomic_load_explicit(&last->count, memory_order_relaxed) < last->capacity) {
            a->block = last;
            return PHUSA_OK;
        }
        capacity = last->capacity + (last->capacity + 1u) / 2;
    }
    const uint32_t bytes = row_bytes(head_shape_at(head, a->strand->shape)->field_count);
    if (capacity > BLOCK_ROWS_MAX) capacity = BLOCK_ROWS_MAX;
    if (capacity > 1 && capacity * bytes > BLOCK_BYTES_MAX) {
        capacity = BLOCK_BYTES_MAX / bytes;
        if (capacity == 0) capacity = 1;
    }
    const place at = head_take(head, sizeof(struct head_block) + (size_t)capacity * bytes);
    if (at == 0) return PHUSA_ELIMIT;
    a->block = head_at(head, at);
    a->new_block = true;
    atomic_init(&a->block->next, 0);
    atomic_init(&a->block->count, 0);
    a->block->capacity = (uint8_t)capacity;
    atomic_init(&a->block->flags, 0);
    return PHUSA_OK;
}

/* ---- the row itself ---- */

static phusa_status put_string(struct head *head, struct phusa_text text, uint8_t *slot)
{
    assert(text.size_bytes <= UINT32_MAX);
    const place at = head_take(head, 4 + text.size_bytes);
    if (at == 0) return PHUSA_ELIMIT;
    uint8_t *bytes = head_at(head, at);
    store_u32(bytes, (uint32_t)text.size_bytes);
    if (text.size_bytes > 0) memcpy(bytes + 4, text.bytes, text.size_bytes);
    store_u64(slot, at);
    return PHUSA_OK;
}

static void raise_decimals(struct head_strand *strand, uint32_t field, uint8_t decimals)
{
    _Atomic uint8_t *most = &strand_decimals(strand)[field];
    if (decimals > atomic_load_explicit(most, memory_order_relaxed))
        atomic_store_explicit(most, decimals, memory_order_relaxed);
}

/* Every field of the strand has a value: the usual case. */
static phusa_status fill_whole(struct head *head, const struct addition *a,
                               const struct head_shape *shape, uint8_t *mask, uint8_t *slots)
{
    const uint32_t n = shape->field_count;
    for (uint32_t w = 0; w < row_mask_words(n); w++)
        store_u32(mask + 4 * w, n - 32 * w >= 32 ? UINT32_MAX : (1u << n % 32) - 1);
    memcpy(slots, a->row->values, 8 * (size_t)n);
    if (shape->has_float)
        for (uint32_t f = 0; f < n; f++)
            raise_decimals(a->strand, f, a->row->decimals[f]);
    if (!shape->has_string) return PHUSA_OK;
    for (uint32_t f = 0; f < n; f++) {
        if (shape->fields[f].type != PHUSA_STRING) continue;
        const phusa_status status = put_string(head, a->row->texts[f], slots + 8 * f);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status fill_partial(struct head *head, const struct addition *a,
                                 const struct head_shape *shape, uint8_t *mask, uint8_t *slots)
{
    const struct points_shape *fields = a->row->fields;
    memset(mask, 0, 4 * (size_t)row_mask_words(shape->field_count));
    memset(slots, 0, 8 * (size_t)shape->field_count);
    uint32_t f = 0;
    for (uint32_t p = 0; p < fields->field_count; p++, f++) {
        while (shape->fields[f].id != fields->fields[p].id)
            f++;
        assert(f < shape->field_count);
        uint8_t *word = mask + 4 * (f / 32);
        store_u32(word, load_u32(word) | 1u << f % 32);
        store_u64(slots + 8 * f, a->row->values[p].u);
        if (shape->fields[f].type == PHUSA_FLOAT) raise_decimals(a->strand, f, a->row->decimals[p]);
        if (shape->fields[f].type != PHUSA_STRING) continue;
        const phusa_status status = put_string(head, a->row->texts[p], slots + 8 * f);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status fill_row(struct head *head, const struct addition *a)
{
    const struct head_shape *shape = head_shape_at(head, a->strand->shape);
    const uint32_t bytes = row_bytes(shape->field_count);
    const uint32_t count = atomic_load_explicit(&a->block->count, memory_order_relaxed);
    uint8_t *row = a->block->rows + (size_t)count * bytes;
    uint8_t *slots = row + row_slots_offset(shape->field_count);
    const bool whole = a->shape == a->strand->shape;

    const phusa_status status = whole ? fill_whole(head, a, shape, row + 12, slots)
                                      : fill_partial(head, a, shape, row + 12, slots);
    if (status != PHUSA_OK) return status;
    store_u64(row, (uint64_t)a->row->time_ns);
    store_u32(row + 8, (uint32_t)(a->row->lsn - head->lsn_start));

    uint8_t flags = whole ? 0 : BLOCK_PARTIAL;
    if (count > 0 && row_time_ns(row - bytes) >= a->row->time_ns) flags |= BLOCK_UNSORTED;
    flags |= atomic_load_explicit(&a->block->flags, memory_order_relaxed);
    atomic_store_explicit(&a->block->flags, flags, memory_order_relaxed);
    return PHUSA_OK;
}

/* ---- showing it ---- */

static void count_up(_Atomic uint64_t *counter, uint64_t n)
{
    /* One thread adds, so a plain sum will do: no locked instruction. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static void link_block(struct head *head, const struct addition *a)
{
    const place at = (place)((size_t)((uint8_t *)a->block - head->region) / PLACE_BYTES);
    if (a->strand->last == 0) {
        a->strand->first = at;
    } else {
        struct head_block *last = head_at(head, a->strand->last);
        atomic_store_explicit(&last->next, at, memory_order_release);
    }
    a->strand->last = at;
}

/* After the recent strand, so that those of alternating rows stand in the order in which they
 * come; once the part that is walked is full, behind it and into the table. */
static void link_extra(struct head *head, const struct addition *a)
{
    const place at = strand_place(head, a->strand);
    struct head_strand *before = head_at(head, a->entry->recent);
    if (a->entry->strand_count >= STRANDS_WALKED) {
        before = &a->entry->strand;
        for (uint32_t s = 1; s < STRANDS_WALKED; s++)
            before = next_strand(head, before);
        head_publish(head, head->strand_tables,
                     at - (place)(offsetof(struct extra_strand, strand) / PLACE_BYTES),
                     head_hash(entry_place(head, a->entry), a->shape));
    }
    atomic_init(&a->strand->next, atomic_load_explicit(&before->next, memory_order_relaxed));
    atomic_store_explicit(&before->next, at, memory_order_release);
    a->entry->strand_count++;
}

static void link_entry(struct head *head, const struct addition *a)
{
    struct head_policy *policy = head_at(head, a->policy);
    const place at = entry_place(head, a->entry);
    a->entry->next_in_policy = atomic_load_explicit(&policy->entries, memory_order_relaxed);
    head_publish(head, head->tables, at, a->hash);
    atomic_store_explicit(&policy->entries, at, memory_order_release);
    count_up(&head->series, 1);
}

static void widen_times(struct head_policy *policy, int64_t time_ns)
{
    if (time_ns < atomic_load_explicit(&policy->time_min_ns, memory_order_relaxed))
        atomic_store_explicit(&policy->time_min_ns, time_ns, memory_order_relaxed);
    if (time_ns > atomic_load_explicit(&policy->time_max_ns, memory_order_relaxed))
        atomic_store_explicit(&policy->time_max_ns, time_ns, memory_order_relaxed);
}

static void show(struct head *head, const struct addition *a)
{
    widen_times(head_at(head, a->policy), a->row->time_ns);
    const uint32_t count = atomic_load_explicit(&a->block->count, memory_order_relaxed);
    atomic_store_explicit(&a->block->count, (uint16_t)(count + 1), memory_order_release);
    if (a->new_block) link_block(head, a);
    if (a->new_extra) link_extra(head, a);
    a->entry->recent = strand_place(head, a->strand);
    if (a->new_entry) link_entry(head, a);
    count_up(&head->points, 1);
    count_up(&head->values, a->row->fields->field_count);
    atomic_store_explicit(&head->lsn_end, a->row->lsn + 1, memory_order_release);
}

/* ---- appending ---- */

static phusa_status check_row(const struct head *head, const struct points_row *row)
{
    if (row->fields->field_count == 0) return PHUSA_EINVAL;
    if (row->lsn < atomic_load_explicit(&head->lsn_end, memory_order_relaxed)) return PHUSA_EINVAL;
    if (row->lsn - head->lsn_start > UINT32_MAX) return PHUSA_ELIMIT;
    return PHUSA_OK;
}

static phusa_status append_row(struct head *head, place policy, uint64_t hash,
                               const struct points_row *row)
{
    struct addition a = {.row = row, .hash = hash, .policy = policy};
    phusa_status status = check_row(head, row);
    if (status != PHUSA_OK) return status;
    status = head_intern_shape(head, row->fields, &a.shape);
    if (status != PHUSA_OK) return status;
    status = find_place(head, &a);
    if (status != PHUSA_OK) return status;

    const uint32_t mark = atomic_load_explicit(&head->used, memory_order_relaxed);
    status = take_entry(head, &a);
    if (status == PHUSA_OK) status = take_strand(head, &a);
    if (status == PHUSA_OK) status = take_block(head, &a);
    if (status == PHUSA_OK) status = fill_row(head, &a);
    if (status == PHUSA_OK)
        show(head, &a);
    else
        atomic_store_explicit(&head->used, mark, memory_order_relaxed);
    return status;
}

#define FETCHED_TOGETHER 16u

/* Four waves over some rows, so that their cache misses overlap: slot, entry, block, row. */
static void fetch(const struct head *head, const uint64_t *hashes, uint32_t count)
{
    const struct head_entry *entries[FETCHED_TOGETHER];
    const struct head_block *blocks[FETCHED_TOGETHER];
    for (uint32_t r = 0; r < count; r++)
        head_prefetch_slot(head, hashes[r]);
    for (uint32_t r = 0; r < count; r++) {
        const place at = head_guess(head, hashes[r]);
        entries[r] = at == 0 ? NULL : head_at(head, at);
        if (at != 0) __builtin_prefetch(entries[r]);
    }
    for (uint32_t r = 0; r < count; r++) {
        if (entries[r] == NULL) continue;
        blocks[r] = head_at(head, entries[r]->strand.last);
        __builtin_prefetch(blocks[r], 1);
    }
    for (uint32_t r = 0; r < count; r++) {
        if (entries[r] == NULL) continue;
        const uint32_t bytes =
            row_bytes(head_shape_at(head, entries[r]->strand.shape)->field_count);
        const uint8_t *row = blocks[r]->rows + bytes * (size_t)atomic_load_explicit(
                                                           &blocks[r]->count, memory_order_relaxed);
        __builtin_prefetch(row, 1);
        __builtin_prefetch(row + 64, 1);
    }
}

/* Below, entries and blocks are in L2 anyway and fetching ahead only costs. */
#define FETCH_SERIES_MIN 4096u

phusa_status head_append_rows(struct head *head, uint32_t policy, const struct points_row *rows,
                              size_t count, size_t *appended)
{
    assert(head != NULL && appended != NULL);
    assert(rows != NULL || count == 0);
    *appended = 0;
    place policy_at;
    phusa_status status = intern_policy(head, policy, &policy_at);
    if (status != PHUSA_OK) return status;
    while (*appended < count) {
        const size_t left = count - *appended;
        const uint32_t together = left < FETCHED_TOGETHER ? (uint32_t)left : FETCHED_TOGETHER;
        uint64_t hashes[FETCHED_TOGETHER];
        for (uint32_t r = 0; r < together; r++)
            hashes[r] = head_hash(policy_at, rows[*appended + r].series);
        if (together > 1 &&
            atomic_load_explicit(&head->series, memory_order_relaxed) > FETCH_SERIES_MIN)
            fetch(head, hashes, together);
        for (uint32_t r = 0; r < together; r++) {
            status = append_row(head, policy_at, hashes[r], &rows[*appended]);
            if (status != PHUSA_OK) return status;
            (*appended)++;
        }
    }
    return PHUSA_OK;
}

phusa_status head_append(struct head *head, uint32_t policy, const struct points_row *row)
{
    size_t appended;
    return head_append_rows(head, policy, row, 1, &appended);
}
