/*
 * head_read.c - the rows of one series in a range of times, in order of time, in columns.
 *
 * First the blocks in question are listed, each with the rows of it that count (pieces). Then
 * one of two ways:
 *
 *   in order   one strand, times strictly ascending throughout, no row without all of its
 *              fields: nearly always. Pieces are handed out as they lie, each column of a
 *              piece copied while the piece is in L1.
 *   by row     rows are listed (time, LSN, place), sorted if they are not sorted, and rows of
 *              equal time are laid over each other, oldest first.
 */
#include "head/head.h"

#include "head/head_internal.h"

/* A strand that takes part. */
struct source {
    struct head_strand *strand;
    const struct head_shape *shape;
    uint32_t slots_offset, row_bytes;
    uint32_t rows;         /* in range */
    const int32_t *fields; /* for each column: the field of the shape, or -1 */
};

/* Rows of one block. */
struct piece {
    const uint8_t *rows;
    uint32_t count;
    uint32_t source;
};

struct row_ref {
    int64_t time_ns;
    uint32_t lsn_delta;
    uint32_t source;
    const uint8_t *row;
};

struct head_reader {
    const struct head *head;
    struct arena *arena;
    int64_t time_min_ns, time_max_ns;
    uint32_t row_count; /* to hand out, altogether */
    uint32_t slice_rows_max;

    struct source *sources;
    uint32_t source_count, source_capacity;
    struct piece *pieces;
    uint32_t piece_count, piece_capacity;
    struct row_ref *refs; /* NULL: in order */
    uint32_t ref_count;
    uint32_t next;     /* piece or ref */
    uint32_t next_row; /* of the piece */

    uint32_t column_count;
    uint16_t *field_ids;
    struct vector *columns;
    int64_t *times_ns;  /* NULL: no slice yet */
    void **values;      /* of each column, what columns[].values points to */
    uint64_t **present; /* likewise */
};

/* What is asked. */
struct request {
    struct head *head;
    int64_t start_ns, end_ns;
    uint64_t lsn_end;
    const uint16_t *field_ids;
    uint32_t field_count;
    struct arena *arena;
};

/* ---- which rows ---- */

static bool asked(const struct request *q, uint16_t field_id)
{
    if (q->field_ids == NULL) return true;
    uint32_t low = 0, high = q->field_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (q->field_ids[middle] < field_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < q->field_count && q->field_ids[low] == field_id;
}

static bool asked_any(const struct request *q, const struct head_shape *shape)
{
    for (uint32_t f = 0; f < shape->field_count; f++)
        if (asked(q, shape->fields[f].id)) return true;
    return false;
}

/* The first of `count` rows whose LSN is not below lsn_end. */
static uint32_t rows_before_lsn(const struct request *q, const uint8_t *rows, uint32_t count,
                                uint32_t row_bytes_each)
{
    while (count > 0 &&
           q->head->lsn_start + row_lsn_delta(rows + (size_t)(count - 1) * row_bytes_each) >=
               q->lsn_end)
        count--;
    return count;
}

/* The first of `count` rows of ascending time that is not before `time_ns`. */
static uint32_t rows_before_time(const uint8_t *rows, uint32_t count, uint32_t row_bytes_each,
                                 int64_t time_ns)
{
    uint32_t low = 0;
    while (low < count) {
        const uint32_t middle = low + (count - low) / 2;
        if (row_time_ns(rows + (size_t)middle * row_bytes_each) < time_ns)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static phusa_status add_piece(struct head_reader *reader, struct arena *arena, struct piece piece)
{
    if (reader->piece_count == reader->piece_capacity) {
        const uint32_t capacity = reader->piece_capacity == 0 ? 8 : 2 * reader->piece_capacity;
        struct piece *pieces = arena_array(arena, capacity, sizeof *pieces);
        if (pieces == NULL) return PHUSA_ENOMEM;
        if (reader->piece_count > 0)
            memcpy(pieces, reader->pieces, reader->piece_count * sizeof *pieces);
        reader->pieces = pieces;
        reader->piece_capacity = capacity;
    }
    reader->pieces[reader->piece_count++] = piece;
    return PHUSA_OK;
}

/* The part of a block that is in range; *in_order is cleared if it cannot be handed out as it
 * lies after a row of *last_ns. */
static phusa_status list_block(struct head_reader *reader, const struct request *q, uint32_t s,
                               struct head_block *block, uint32_t visible, int64_t *last_ns,
                               bool *in_order)
{
    struct source *source = &reader->sources[s];
    const uint32_t bytes = source->row_bytes;
    const uint8_t *rows = block->rows;
    /* After the count: the flags tell of every row in it. */
    const uint8_t flags = atomic_load_explicit(&block->flags, memory_order_relaxed);
    if (flags & BLOCK_PARTIAL) *in_order = false;
    if (flags & BLOCK_UNSORTED) {
        *in_order = false; /* and all of it is a piece: rows are looked at one by one later */
    } else {
        const uint32_t before = rows_before_time(rows, visible, bytes, q->start_ns);
        visible = rows_before_time(rows, visible, bytes, q->end_ns);
        if (before >= visible) return PHUSA_OK;
        rows += (size_t)before * bytes;
        visible -= before;
        if (source->rows > 0 && row_time_ns(rows) <= *last_ns) *in_order = false;
        *last_ns = row_time_ns(rows + (size_t)(visible - 1) * bytes);
    }
    source->rows += visible;
    return add_piece(reader, q->arena, (struct piece){rows, visible, s});
}

static phusa_status list_strand(struct head_reader *reader, const struct request *q, uint32_t s,
                                bool *in_order)
{
    struct source *source = &reader->sources[s];
    int64_t last_ns = 0;
    place at = source->strand->first;
    while (at != 0) {
        struct head_block *block = head_at(q->head, at);
        const uint32_t count = atomic_load_explicit(&block->count, memory_order_acquire);
        const uint32_t visible = rows_before_lsn(q, block->rows, count, source->row_bytes);
        if (visible > 0) {
            const phusa_status status =
                list_block(reader, q, s, block, visible, &last_ns, in_order);
            if (status != PHUSA_OK) return status;
        }
        if (visible < block->capacity) break; /* LSNs ascend: no later block counts */
        at = atomic_load_explicit(&block->next, memory_order_acquire);
    }
    return PHUSA_OK;
}

static phusa_status add_source(struct head_reader *reader, struct arena *arena,
                               struct head_strand *strand, const struct head_shape *shape)
{
    if (reader->source_count == reader->source_capacity) {
        const uint32_t capacity = reader->source_capacity == 0 ? 2 : 4 * reader->source_capacity;
        struct source *sources = arena_array(arena, capacity, sizeof *sources);
        if (sources == NULL) return PHUSA_ENOMEM;
        if (reader->source_count > 0)
            memcpy(sources, reader->sources, reader->source_count * sizeof *sources);
        reader->sources = sources;
        reader->source_capacity = capacity;
    }
    reader->sources[reader->source_count] = (struct source){
        .strand = strand,
        .shape = shape,
        .slots_offset = row_slots_offset(shape->field_count),
        .row_bytes = row_bytes(shape->field_count),
    };
    return PHUSA_OK;
}

/* Every piece of every strand that has rows in range. */
static phusa_status list_entry(struct head_reader *reader, const struct request *q,
                               struct head_entry *entry, bool *in_order)
{
    struct head_strand *strand = &entry->strand;
    for (;;) {
        const struct head_shape *shape = head_shape_at(q->head, strand->shape);
        if (asked_any(q, shape)) {
            phusa_status status = add_source(reader, q->arena, strand, shape);
            if (status == PHUSA_OK) status = list_strand(reader, q, reader->source_count, in_order);
            if (status != PHUSA_OK) return status;
            if (reader->sources[reader->source_count].rows > 0) reader->source_count++;
        }
        const place next = atomic_load_explicit(&strand->next, memory_order_acquire);
        if (next == 0) break;
        strand = head_at(q->head, next);
    }
    if (reader->source_count > 1) *in_order = false;
    return PHUSA_OK;
}

/* ---- which columns ---- */

static phusa_status list_field_ids(struct head_reader *reader, const struct request *q)
{
    if (reader->source_count == 1) {
        const struct head_shape *shape = reader->sources[0].shape;
        reader->field_ids = arena_array(q->arena, shape->field_count, sizeof(uint16_t));
        if (reader->field_ids == NULL) return PHUSA_ENOMEM;
        for (uint32_t f = 0; f < shape->field_count; f++)
            if (asked(q, shape->fields[f].id))
                reader->field_ids[reader->column_count++] = shape->fields[f].id;
        return PHUSA_OK;
    }
    uint64_t *seen = arena_zalloc(q->arena, (UINT16_MAX + 1) / 8);
    if (seen == NULL) return PHUSA_ENOMEM;
    uint32_t count = 0;
    for (uint32_t s = 0; s < reader->source_count; s++) {
        const struct head_shape *shape = reader->sources[s].shape;
        for (uint32_t f = 0; f < shape->field_count; f++) {
            const uint16_t id = shape->fields[f].id;
            if (bit_get(seen, id) || !asked(q, id)) continue;
            bit_set(seen, id);
            count++;
        }
    }
    reader->field_ids = arena_array(q->arena, count, sizeof(uint16_t));
    if (reader->field_ids == NULL) return PHUSA_ENOMEM;
    for (uint32_t id = 0; id <= UINT16_MAX; id++)
        if (bit_get(seen, id)) reader->field_ids[reader->column_count++] = (uint16_t)id;
    return PHUSA_OK;
}

/* Which field of the source's shape each column is. */
static phusa_status map_source(struct head_reader *reader, struct source *source,
                               struct arena *arena)
{
    int32_t *fields = arena_array(arena, reader->column_count, sizeof *fields);
    if (fields == NULL) return PHUSA_ENOMEM;
    uint32_t f = 0;
    for (uint32_t c = 0; c < reader->column_count; c++) {
        while (f < source->shape->field_count && source->shape->fields[f].id < reader->field_ids[c])
            f++;
        const bool has =
            f < source->shape->field_count && source->shape->fields[f].id == reader->field_ids[c];
        fields[c] = has ? (int32_t)f : -1;
    }
    source->fields = fields;
    return PHUSA_OK;
}

static bool readable_as(enum phusa_type stored, enum phusa_type wanted)
{
    return stored == wanted ||
           (wanted == PHUSA_FLOAT && (stored == PHUSA_INTEGER || stored == PHUSA_UNSIGNED));
}

/* A field is altered from integer to float at most, and then older integers are widened. (The
 * newest source will not tell: a row without the field may join an older strand.) */
static phusa_status set_column(struct head_reader *reader, uint32_t c)
{
    struct vector *column = &reader->columns[c];
    for (uint32_t s = 0; s < reader->source_count; s++) {
        const struct source *source = &reader->sources[s];
        if (source->fields[c] < 0) continue;
        const enum phusa_type type = source->shape->fields[source->fields[c]].type;
        if (column->type == 0 || type == PHUSA_FLOAT) column->type = type;
        if (type != PHUSA_FLOAT) continue;
        const uint8_t decimals = atomic_load_explicit(
            &strand_decimals(source->strand)[source->fields[c]], memory_order_relaxed);
        if (decimals > column->decimals) column->decimals = decimals;
    }
    for (uint32_t s = 0; s < reader->source_count; s++) {
        const struct source *source = &reader->sources[s];
        if (source->fields[c] < 0) continue;
        const enum phusa_type type = source->shape->fields[source->fields[c]].type;
        if (!readable_as(type, column->type)) return PHUSA_ECORRUPT;
    }
    return PHUSA_OK;
}

static phusa_status make_columns(struct head_reader *reader, const struct request *q)
{
    phusa_status status = list_field_ids(reader, q);
    if (status != PHUSA_OK) return status;
    for (uint32_t s = 0; s < reader->source_count; s++) {
        status = map_source(reader, &reader->sources[s], q->arena);
        if (status != PHUSA_OK) return status;
    }
    reader->columns = arena_zalloc(q->arena, reader->column_count * sizeof *reader->columns);
    if (reader->columns == NULL) return PHUSA_ENOMEM;
    for (uint32_t c = 0; c < reader->column_count; c++) {
        status = set_column(reader, c);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

/* ---- by row: listing and sorting ---- */

static bool has_any(const struct head_reader *reader, const struct source *source,
                    const uint8_t *row)
{
    for (uint32_t c = 0; c < reader->column_count; c++)
        if (source->fields[c] >= 0 && row_has(row, (uint32_t)source->fields[c])) return true;
    return false;
}

static bool ref_before(const struct row_ref *a, const struct row_ref *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->lsn_delta < b->lsn_delta;
}

/* End of the ascending run that begins at `start`. */
static uint32_t run_end(const struct row_ref *refs, uint32_t start, uint32_t count)
{
    uint32_t end = start + 1;
    while (end < count && !ref_before(&refs[end], &refs[end - 1]))
        end++;
    return end;
}

static void merge_runs(const struct row_ref *a, uint32_t a_count, const struct row_ref *b,
                       uint32_t b_count, struct row_ref *out)
{
    while (a_count > 0 && b_count > 0) {
        if (ref_before(b, a)) {
            *out++ = *b++;
            b_count--;
        } else {
            *out++ = *a++;
            a_count--;
        }
    }
    memcpy(out, a_count > 0 ? a : b, (a_count + b_count) * sizeof *out);
}

/* Merge sort of the runs that are there: what comes out of order comes in long ascending runs
 * (a strand, a resent batch, a backfill), and three runs take two passes. */
static phusa_status sort_refs(struct head_reader *reader, struct arena *arena)
{
    const uint32_t count = reader->ref_count;
    if (run_end(reader->refs, 0, count) == count) return PHUSA_OK;
    struct row_ref *from = reader->refs;
    struct row_ref *to = arena_array(arena, count, sizeof *to);
    if (to == NULL) return PHUSA_ENOMEM;
    for (;;) {
        uint32_t runs = 0;
        for (uint32_t start = 0; start < count; runs++) {
            const uint32_t middle = run_end(from, start, count);
            const uint32_t end = middle == count ? count : run_end(from, middle, count);
            merge_runs(from + start, middle - start, from + middle, end - middle, to + start);
            start = end;
        }
        struct row_ref *merged = to;
        to = from;
        from = merged;
        if (runs == 1) break;
    }
    reader->refs = from;
    return PHUSA_OK;
}

static phusa_status list_rows(struct head_reader *reader, const struct request *q)
{
    size_t count = 0;
    for (uint32_t s = 0; s < reader->source_count; s++)
        count += reader->sources[s].rows;
    reader->refs = arena_array(q->arena, count, sizeof *reader->refs);
    if (reader->refs == NULL) return PHUSA_ENOMEM;
    for (uint32_t p = 0; p < reader->piece_count; p++) {
        const struct piece *piece = &reader->pieces[p];
        const struct source *source = &reader->sources[piece->source];
        for (uint32_t r = 0; r < piece->count; r++) {
            const uint8_t *row = piece->rows + (size_t)r * source->row_bytes;
            const int64_t time_ns = row_time_ns(row);
            if (time_ns < q->start_ns || time_ns >= q->end_ns) continue;
            if (!has_any(reader, source, row)) continue;
            reader->refs[reader->ref_count++] =
                (struct row_ref){time_ns, row_lsn_delta(row), piece->source, row};
        }
    }
    if (reader->ref_count == 0) return PHUSA_OK;
    const phusa_status status = sort_refs(reader, q->arena);
    if (status != PHUSA_OK) return status;
    for (uint32_t r = 0; r < reader->ref_count; r++)
        reader->row_count += r == 0 || reader->refs[r].time_ns != reader->refs[r - 1].time_ns;
    reader->time_min_ns = reader->refs[0].time_ns;
    reader->time_max_ns = reader->refs[reader->ref_count - 1].time_ns;
    return PHUSA_OK;
}

/* ---- opening ---- */

static void bound_pieces(struct head_reader *reader)
{
    const struct source *source = &reader->sources[0];
    const struct piece *last = &reader->pieces[reader->piece_count - 1];
    reader->row_count = source->rows;
    reader->time_min_ns = row_time_ns(reader->pieces[0].rows);
    reader->time_max_ns = row_time_ns(last->rows + (size_t)(last->count - 1) * source->row_bytes);
}

/* Made when the first rows are asked for: a caller may only want the bounds. */
static phusa_status make_slice(struct head_reader *reader)
{
    const uint32_t rows = reader->slice_rows_max;
    struct arena *arena = reader->arena;
    int64_t *times_ns = arena_array(arena, rows, sizeof *times_ns);
    reader->values = arena_array(arena, reader->column_count, sizeof *reader->values);
    reader->present = arena_zalloc(arena, reader->column_count * sizeof *reader->present);
    if (times_ns == NULL || reader->values == NULL || reader->present == NULL) return PHUSA_ENOMEM;
    for (uint32_t c = 0; c < reader->column_count; c++) {
        reader->values[c] = arena_array(arena, rows, vector_slot_bytes(reader->columns[c].type));
        if (reader->values[c] == NULL) return PHUSA_ENOMEM;
        reader->columns[c].values = reader->values[c];
        if (reader->refs == NULL) continue;
        reader->present[c] = arena_array(arena, bitmap_words(rows), sizeof(uint64_t));
        if (reader->present[c] == NULL) return PHUSA_ENOMEM;
    }
    reader->times_ns = times_ns;
    return PHUSA_OK;
}

phusa_status head_read(struct head *head, uint32_t policy, uint64_t series, int64_t start_ns,
                       int64_t end_ns, uint64_t lsn_end, const uint16_t *field_ids,
                       uint32_t field_count, uint32_t slice_rows_max, struct arena *arena,
                       struct head_reader **out)
{
    assert(head != NULL && arena != NULL && out != NULL);
    assert(slice_rows_max > 0);
    const struct request q = {head, start_ns, end_ns, lsn_end, field_ids, field_count, arena};
    place policy_at;
    struct head_entry *entry = NULL;
    if (head_find_policy(head, policy, &policy_at) != NULL)
        entry = head_find(head, policy_at, series, head_hash(policy_at, series));
    if (entry == NULL) {
        *out = NULL;
        return PHUSA_OK;
    }
    struct head_reader *reader = arena_zalloc(arena, sizeof *reader);
    if (reader == NULL) return PHUSA_ENOMEM;
    reader->head = head;
    reader->arena = arena;
    bool in_order = true;
    phusa_status status = list_entry(reader, &q, entry, &in_order);
    if (status == PHUSA_OK && reader->piece_count > 0) {
        status = make_columns(reader, &q);
        if (status == PHUSA_OK && in_order) bound_pieces(reader);
        if (status == PHUSA_OK && !in_order) status = list_rows(reader, &q);
    }
    if (status != PHUSA_OK) return status;
    reader->slice_rows_max =
        reader->row_count < slice_rows_max ? reader->row_count : slice_rows_max;
    *out = reader->row_count > 0 ? reader : NULL;
    return PHUSA_OK;
}

int64_t head_reader_time_min(const struct head_reader *reader)
{
    return reader->time_min_ns;
}

int64_t head_reader_time_max(const struct head_reader *reader)
{
    return reader->time_max_ns;
}

uint32_t head_reader_rows(const struct head_reader *reader)
{
    return reader->row_count;
}

void head_reader_skip_to_last(struct head_reader *reader, uint32_t row_count)
{
    if (row_count >= reader->row_count) row_count = reader->row_count;
    if (reader->refs != NULL) {
        uint32_t r = reader->ref_count;
        while (row_count > 0 && r > 0) {
            r--;
            row_count -= r == 0 || reader->refs[r].time_ns != reader->refs[r - 1].time_ns;
        }
        reader->next = r;
        return;
    }
    uint32_t p = reader->piece_count;
    reader->next_row = 0;
    while (row_count > 0) {
        const uint32_t count = reader->pieces[--p].count;
        reader->next_row = count > row_count ? count - row_count : 0;
        row_count -= count - reader->next_row;
    }
    reader->next = p;
}

/* ---- handing out ---- */

static struct phusa_text string_at(const struct head *head, uint64_t slot)
{
    const uint8_t *bytes = head_at(head, (place)slot);
    return (struct phusa_text){(const char *)bytes + 4, load_u32(bytes)};
}

static double widened(enum phusa_type type, uint64_t slot)
{
    return type == PHUSA_INTEGER ? (double)(int64_t)slot : (double)slot;
}

static void copy_slot(const struct head *head, enum phusa_type from, enum phusa_type to,
                      uint64_t slot, void *values, uint32_t r)
{
    if (to == PHUSA_STRING)
        ((struct phusa_text *)values)[r] = string_at(head, slot);
    else if (to == PHUSA_BOOLEAN)
        ((uint8_t *)values)[r] = (uint8_t)slot;
    else if (from != to)
        ((double *)values)[r] = widened(from, slot);
    else
        ((uint64_t *)values)[r] = slot;
}

/* One column of `count` rows that all have it, to values[r...]. */
static void copy_column(const struct head_reader *reader, const struct source *source, uint32_t c,
                        const uint8_t *rows, uint32_t count, uint32_t r)
{
    const uint32_t field = (uint32_t)source->fields[c];
    const enum phusa_type from = source->shape->fields[field].type;
    const enum phusa_type to = reader->columns[c].type;
    const uint8_t *slot = rows + source->slots_offset + 8 * (size_t)field;
    const size_t step = source->row_bytes;
    void *values = reader->values[c];
    if (from == to && to != PHUSA_STRING && to != PHUSA_BOOLEAN) {
        uint64_t *next = (uint64_t *)values + r;
        for (uint32_t k = 0; k < count; k++, slot += step)
            next[k] = load_u64(slot);
        return;
    }
    for (uint32_t k = 0; k < count; k++, slot += step)
        copy_slot(reader->head, from, to, load_u64(slot), values, r + k);
}

/* Blocks of a series lie apart: fetch the next while this one is copied. */
static void fetch_piece(const struct head_reader *reader, uint32_t p, size_t row_bytes_each)
{
    if (p >= reader->piece_count) return;
    const uint8_t *rows = reader->pieces[p].rows;
    const uint8_t *end = rows + reader->pieces[p].count * row_bytes_each;
    for (; rows < end; rows += 64)
        __builtin_prefetch(rows);
}

static uint32_t next_in_order(struct head_reader *reader, int64_t end_ns, uint32_t *lsn_first,
                              uint32_t *lsn_last)
{
    const struct source *source = &reader->sources[0];
    const size_t step = source->row_bytes;
    uint32_t filled = 0;
    while (filled < reader->slice_rows_max && reader->next < reader->piece_count) {
        const struct piece *piece = &reader->pieces[reader->next];
        const uint8_t *rows = piece->rows + reader->next_row * step;
        fetch_piece(reader, reader->next + 1, step);
        uint32_t count = piece->count - reader->next_row;
        if (count > reader->slice_rows_max - filled) count = reader->slice_rows_max - filled;
        const bool ends = row_time_ns(rows + (count - 1) * step) >= end_ns;
        if (ends) count = rows_before_time(rows, count, source->row_bytes, end_ns);
        if (count == 0) break;
        for (uint32_t k = 0; k < count; k++)
            reader->times_ns[filled + k] = row_time_ns(rows + k * step);
        for (uint32_t c = 0; c < reader->column_count; c++)
            copy_column(reader, source, c, rows, count, filled);
        if (filled == 0) *lsn_first = row_lsn_delta(rows);
        *lsn_last = row_lsn_delta(rows + (count - 1) * step);
        filled += count;
        reader->next_row += count;
        if (reader->next_row == piece->count) {
            reader->next++;
            reader->next_row = 0;
        }
        if (ends) break;
    }
    return filled;
}

static void clear_slice(struct head_reader *reader)
{
    const size_t rows = reader->slice_rows_max;
    for (uint32_t c = 0; c < reader->column_count; c++) {
        memset(reader->present[c], 0, bitmap_words(rows) * 8);
        memset(reader->values[c], 0, rows * vector_slot_bytes(reader->columns[c].type));
        reader->columns[c].present = NULL;
        if (reader->columns[c].type != PHUSA_STRING) continue;
        for (size_t r = 0; r < rows; r++)
            ((struct phusa_text *)reader->values[c])[r].bytes = "";
    }
}

/* The values of a row over those of older rows of the same time. */
static void lay_over(struct head_reader *reader, const struct row_ref *ref, uint32_t r)
{
    const struct source *source = &reader->sources[ref->source];
    for (uint32_t c = 0; c < reader->column_count; c++) {
        if (source->fields[c] < 0) continue;
        const uint32_t field = (uint32_t)source->fields[c];
        if (!row_has(ref->row, field)) continue;
        copy_slot(reader->head, source->shape->fields[field].type, reader->columns[c].type,
                  load_u64(ref->row + source->slots_offset + 8 * (size_t)field), reader->values[c],
                  r);
        bit_set(reader->present[c], r);
    }
}

static bool all_present(const uint64_t *present, uint32_t rows)
{
    for (uint32_t w = 0; w < rows / 64; w++)
        if (present[w] != UINT64_MAX) return false;
    return rows % 64 == 0 || present[rows / 64] == (UINT64_C(1) << rows % 64) - 1;
}

static uint32_t next_by_row(struct head_reader *reader, int64_t end_ns, uint32_t *lsn_first,
                            uint32_t *lsn_last)
{
    uint32_t filled = 0;
    clear_slice(reader);
    *lsn_first = UINT32_MAX;
    *lsn_last = 0;
    while (reader->next < reader->ref_count) {
        const struct row_ref *ref = &reader->refs[reader->next];
        const bool same = filled > 0 && ref->time_ns == reader->times_ns[filled - 1];
        if (!same && (filled == reader->slice_rows_max || ref->time_ns >= end_ns)) break;
        if (!same) reader->times_ns[filled++] = ref->time_ns;
        lay_over(reader, ref, filled - 1);
        if (ref->lsn_delta < *lsn_first) *lsn_first = ref->lsn_delta;
        if (ref->lsn_delta > *lsn_last) *lsn_last = ref->lsn_delta;
        reader->next++;
    }
    for (uint32_t c = 0; c < reader->column_count; c++)
        if (!all_present(reader->present[c], filled))
            reader->columns[c].present = reader->present[c];
    return filled;
}

phusa_status head_reader_next(struct head_reader *reader, int64_t end_ns, struct rows *rows,
                              uint64_t *lsn_min, uint64_t *lsn_max)
{
    assert(reader != NULL && rows != NULL);
    uint32_t lsn_first = 0, lsn_last = 0;
    if (reader->times_ns == NULL) {
        const phusa_status status = make_slice(reader);
        if (status != PHUSA_OK) return status;
    }
    const uint32_t filled = reader->refs == NULL
                                ? next_in_order(reader, end_ns, &lsn_first, &lsn_last)
                                : next_by_row(reader, end_ns, &lsn_first, &lsn_last);
    *rows = (struct rows){filled, reader->column_count, reader->times_ns, reader->field_ids,
                          reader->columns};
    if (lsn_min != NULL && filled > 0) *lsn_min = reader->head->lsn_start + lsn_first;
    if (lsn_max != NULL && filled > 0) *lsn_max = reader->head->lsn_start + lsn_last;
    return PHUSA_OK;
}
