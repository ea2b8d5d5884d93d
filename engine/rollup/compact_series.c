/*
 * compact_series.c - see compact_series.h.
 *
 *   pieces by time   [--------]  [-----]        [--]  [-] [--------------]  [-]
 *                                     [----]
 *   groups                full   overlap----    small..   full              small
 *   put out            copied    built again together     copied            copied (alone)
 */
#include "rollup/compact_series.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

/* From here on a chunk is worth keeping as it is. */
#define FULL_ROWS_MIN (CHUNK_ROWS_MAX / 4 * 3)

void series_merger_init(struct series_merger *m)
{
    *m = (struct series_merger){.pieces = NULL};
    rows_store_init(&m->store);
    buffer_init(&m->room);
}

void series_merger_deinit(struct series_merger *m)
{
    mem_free(m->pieces);
    mem_free(m->views);
    mem_free(m->sources);
    mem_free(m->field_ids);
    mem_free(m->types);
    rows_store_deinit(&m->store);
    buffer_deinit(&m->room);
}

phusa_status series_merger_add(struct series_merger *m, const struct stored_chunk *chunk,
                               uint64_t precedence)
{
    assert(m->piece_count == 0 || (m->pieces[0].chunk.series == chunk->series &&
                                   m->pieces[0].chunk.partition == chunk->partition));
    if (!MEM_GROW(m->pieces, m->piece_capacity, m->piece_count + 1)) return PHUSA_ENOMEM;
    m->pieces[m->piece_count++] = (struct piece){*chunk, precedence};
    return PHUSA_OK;
}

/* ---- fields ---- */

/* Where a field is or belongs; fields come nearly always in the same order. */
static uint32_t field_place(const struct series_merger *m, uint16_t id, uint32_t guess)
{
    if (guess < m->field_count && m->field_ids[guess] == id) return guess;
    uint32_t low = 0;
    uint32_t high = m->field_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (m->field_ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_integer(enum phusa_type type)
{
    return type == PHUSA_INTEGER || type == PHUSA_UNSIGNED;
}

/* A field may have been altered from integers to floats, nothing else. */
static phusa_status widen(enum phusa_type *type, enum phusa_type other)
{
    if (*type == other) return PHUSA_OK;
    if ((*type == PHUSA_FLOAT && is_integer(other)) ||
        (other == PHUSA_FLOAT && is_integer(*type))) {
        *type = PHUSA_FLOAT;
        return PHUSA_OK;
    }
    return PHUSA_ECORRUPT;
}

static phusa_status add_field(struct series_merger *m, uint32_t at, uint16_t id,
                              enum phusa_type type)
{
    if (!MEM_GROW(m->field_ids, m->field_capacity, m->field_count + 1) ||
        !MEM_GROW(m->types, m->type_capacity, m->field_count + 1))
        return PHUSA_ENOMEM;
    const size_t after = m->field_count - at;
    memmove(m->field_ids + at + 1, m->field_ids + at, after * sizeof *m->field_ids);
    memmove(m->types + at + 1, m->types + at, after * sizeof *m->types);
    m->field_ids[at] = id;
    m->types[at] = type;
    m->field_count++;
    return PHUSA_OK;
}

static phusa_status add_fields(struct series_merger *m, const struct chunk_view *view)
{
    uint32_t guess = 0;
    for (uint32_t c = 0; c < view->column_count; c++) {
        const uint16_t id = chunk_field_id(view, c);
        const enum phusa_type type = chunk_type(view, c);
        const uint32_t at = field_place(m, id, guess);
        phusa_status status = PHUSA_OK;
        if (at < m->field_count && m->field_ids[at] == id)
            status = widen(&m->types[at], type);
        else
            status = add_field(m, at, id, type);
        if (status != PHUSA_OK) return status;
        guess = at + 1;
    }
    return PHUSA_OK;
}

/* ---- building again ---- */

/* Open the pending pieces, and what they say of their writes. */
static phusa_status open_pending(struct series_merger *m, struct rows_origin *origin)
{
    const size_t count = m->pending_to - m->pending_from;
    if (!MEM_GROW(m->views, m->view_capacity, count) ||
        !MEM_GROW(m->sources, m->source_capacity, count))
        return PHUSA_ENOMEM;
    m->field_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &m->pieces[m->pending_from + i];
        const struct stored_chunk *chunk = &piece->chunk;
        phusa_status status = chunk_open(&m->views[i], chunk->bytes, chunk->size_bytes);
        if (status == PHUSA_OK && m->views[i].row_count != chunk->row_count)
            status = PHUSA_ECORRUPT;
        if (status == PHUSA_OK) status = add_fields(m, &m->views[i]);
        if (status != PHUSA_OK) return status;
        /* Of pieces of one file that do not overlap none is newer; the merge wants an order. */
        m->sources[i] = (struct merge_source){.chunk = &m->views[i],
                                              .precedence = piece->precedence * m->piece_count + i};
        if (i == 0 || chunk->lsn_min < origin->lsn_min) origin->lsn_min = chunk->lsn_min;
        if (i == 0 || chunk->lsn_max > origin->lsn_max) origin->lsn_max = chunk->lsn_max;
    }
    origin->series = m->pieces[0].chunk.series;
    origin->partition = m->pieces[0].chunk.partition;
    return PHUSA_OK;
}

/* How many chunks so many rows take at least. */
static uint64_t chunks_of(uint64_t row_count)
{
    return (row_count + CHUNK_ROWS_MAX - 1) / CHUNK_ROWS_MAX;
}

/* Rows of each chunk, so that the last one is no remnant of a few. */
static uint32_t even_rows(uint64_t row_count)
{
    const uint64_t chunks = chunks_of(row_count);
    const uint64_t rows = (row_count + chunks - 1) / chunks;
    return (uint32_t)rows;
}

static phusa_status put_store(struct series_merger *m, const struct rows_origin *origin,
                              const struct chunk_sink *sink)
{
    if (m->store.rows.row_count == 0) return PHUSA_OK;
    const phusa_status status = rows_to_chunks(&m->store.rows, origin, &m->room, sink);
    rows_store_clear(&m->store);
    return status;
}

static phusa_status put_merged(struct series_merger *m, struct merge *merge,
                               const struct rows_origin *origin, const struct chunk_sink *sink)
{
    for (;;) {
        struct rows rows;
        phusa_status status = merge_next(merge, &rows);
        if (status != PHUSA_OK) return status;
        if (rows.row_count == 0) return put_store(m, origin, sink);
        for (uint32_t from = 0; from < rows.row_count;) {
            uint32_t taken;
            status = rows_store_add(&m->store, &rows, from, &taken);
            if (status == PHUSA_OK && rows_store_is_full(&m->store))
                status = put_store(m, origin, sink);
            if (status != PHUSA_OK) return status;
            from += taken;
        }
    }
}

static phusa_status put_rebuilt(struct series_merger *m, const struct chunk_sink *sink)
{
    struct rows_origin origin = {0};
    phusa_status status = open_pending(m, &origin);
    if (status == PHUSA_OK)
        status = rows_store_begin(&m->store, m->field_ids, m->types, m->field_count,
                                  even_rows(m->pending_rows));
    if (status != PHUSA_OK) return status;
    struct merge *merge;
    status = merge_create(&merge, m->sources, (uint32_t)(m->pending_to - m->pending_from),
                          m->field_ids, m->types, m->field_count, INT64_MIN, INT64_MAX);
    if (status != PHUSA_OK) return status;
    status = put_merged(m, merge, &origin, sink);
    merge_free(merge);
    return status;
}

/* ---- putting out ---- */

static phusa_status put_copy(const struct stored_chunk *chunk, const struct chunk_sink *sink)
{
    struct chunk_view view;
    const phusa_status status = chunk_open(&view, chunk->bytes, chunk->size_bytes);
    return status == PHUSA_OK ? sink->add(sink->context, chunk) : status;
}

/* Chunks of 5,000 rows are not full, but no better for being built again. */
static bool is_worth_building(const struct series_merger *m)
{
    const size_t count = m->pending_to - m->pending_from;
    return m->pending_overlap || chunks_of(m->pending_rows) * 4 <= count * 3;
}

static phusa_status put_pending(struct series_merger *m, const struct chunk_sink *sink)
{
    phusa_status status = PHUSA_OK;
    if (m->pending_from == m->pending_to) return status;
    if (is_worth_building(m)) {
        status = put_rebuilt(m, sink);
    } else {
        for (size_t i = m->pending_from; i < m->pending_to && status == PHUSA_OK; i++)
            status = put_copy(&m->pieces[i].chunk, sink);
    }
    m->pending_from = m->pending_to;
    m->pending_rows = 0;
    m->pending_overlap = false;
    return status;
}

static int compare_times(const void *left, const void *right)
{
    const struct piece *a = left;
    const struct piece *b = right;
    if (a->chunk.time_min_ns != b->chunk.time_min_ns)
        return a->chunk.time_min_ns < b->chunk.time_min_ns ? -1 : 1;
    return (a->precedence > b->precedence) - (a->precedence < b->precedence);
}

/* The end of the group that begins at `from`: pieces that overlap, one way or another. */
static size_t group_end(const struct series_merger *m, size_t from, uint64_t *row_count)
{
    int64_t reach_ns = m->pieces[from].chunk.time_max_ns;
    *row_count = m->pieces[from].chunk.row_count;
    size_t to = from + 1;
    for (; to < m->piece_count && m->pieces[to].chunk.time_min_ns <= reach_ns; to++) {
        const struct stored_chunk *chunk = &m->pieces[to].chunk;
        if (chunk->time_max_ns > reach_ns) reach_ns = chunk->time_max_ns;
        *row_count += chunk->row_count;
    }
    return to;
}

phusa_status series_merger_put(struct series_merger *m, const struct chunk_sink *sink)
{
    if (m->piece_count > 1) qsort(m->pieces, m->piece_count, sizeof *m->pieces, compare_times);
    m->pending_from = m->pending_to = 0;
    m->pending_rows = 0;
    m->pending_overlap = false;
    phusa_status status = PHUSA_OK;
    for (size_t from = 0; from < m->piece_count && status == PHUSA_OK;) {
        uint64_t row_count;
        const size_t to = group_end(m, from, &row_count);
        if (to == from + 1 && row_count >= FULL_ROWS_MIN) {
            status = put_pending(m, sink);
            if (status == PHUSA_OK) status = put_copy(&m->pieces[from].chunk, sink);
            m->pending_from = m->pending_to = to;
        } else {
            m->pending_to = to;
            m->pending_rows += row_count;
            m->pending_overlap |= to > from + 1;
        }
        from = to;
    }
    if (status == PHUSA_OK) status = put_pending(m, sink);
    m->piece_count = 0;
    return status;
}
