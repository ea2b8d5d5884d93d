/*
 * scan.c - see scan.h.
 *
 * Clusters of pieces, by start; each piece of a cluster overlaps the ones before it:
 *
 *     file 1   |--- A ---|--- B ---|          |--- E ---|
 *     file 2                   |- C -|
 *     head                          |-- D --|
 *              (A)       (B C D)              (E)
 */
#include "query/scan.h"

#include "base/mem.h"
#include "chunk/merge.h"

#include <assert.h>
#include <stdlib.h>

struct piece {
    int64_t time_min_ns, time_max_ns; /* inclusive, within the range asked for */
    uint64_t precedence;
    struct stored_chunk stored; /* of a file, or: */
    struct head *head;
    uint32_t head_rows;
};

struct pieces {
    struct piece *items;
    size_t count, capacity;
};

phusa_status scan_init(struct scan *scan, const struct query_environment *environment,
                       const struct manifest *manifest, uint32_t policy,
                       struct phusa_interval width, const uint16_t *field_ids,
                       const enum phusa_type *types, uint32_t field_count, struct budget *budget)
{
    assert(field_count > 0);
    static const uint64_t none[VECTOR_ROWS_MAX / 64];
    static const struct phusa_text zeros[VECTOR_ROWS_MAX];
    *scan = (struct scan){.environment = environment,
                          .manifest = manifest,
                          .policy = policy,
                          .width = width,
                          .budget = budget,
                          .field_ids = field_ids,
                          .types = types,
                          .field_count = field_count};
    arena_init(&scan->arena, environment->bytes_max);
    struct arena *arena = &budget->arena;
    const size_t file_count = manifest->files == NULL ? 0 : manifest->files->file_count;
    scan->cursors = arena_zalloc(arena, (file_count + 1) * sizeof *scan->cursors);
    scan->vectors = arena_array(arena, field_count, sizeof *scan->vectors);
    scan->null_vectors = arena_array(arena, field_count, sizeof *scan->null_vectors);
    /* Not from the arena: a scratch wants the alignment of vector registers. */
    scan->scratch = aligned_alloc(64, (field_count + 1) * sizeof *scan->scratch);
    if (scan->scratch == NULL) return error_set(budget->error, PHUSA_ENOMEM, "out of memory");
    for (uint32_t i = 0; i <= field_count; i++)
        chunk_scratch_init(&scan->scratch[i]);
    if (scan->cursors == NULL || scan->vectors == NULL || scan->null_vectors == NULL)
        return budget_no_memory(budget);
    for (uint32_t i = 0; i < field_count; i++)
        scan->null_vectors[i] = (struct vector){
            .type = types[i], .decimals = PHUSA_DECIMALS_UNKNOWN, .present = none, .values = zeros};
    return PHUSA_OK;
}

void scan_deinit(struct scan *scan)
{
    if (scan->cursors != NULL && scan->manifest->files != NULL)
        for (size_t i = 0; i < scan->manifest->files->file_count; i++)
            if (scan->cursors[i] != NULL) file_cursor_close(scan->cursors[i]);
    if (scan->scratch != NULL)
        for (uint32_t i = 0; i <= scan->field_count; i++)
            chunk_scratch_deinit(&scan->scratch[i]);
    free(scan->scratch);
    arena_deinit(&scan->arena);
}

/* ---- which pieces there are ---- */

static phusa_status no_memory(struct scan *scan)
{
    return error_set(scan->budget->error, PHUSA_ELIMIT,
                     "query needs more than %zu MiB of memory for one series; ask for a shorter "
                     "time range",
                     scan->arena.budget_bytes >> 20);
}

static phusa_status add_piece(struct scan *scan, struct pieces *pieces, const struct piece *piece)
{
    if (pieces->count == pieces->capacity) {
        const size_t capacity = pieces->capacity == 0 ? 16 : pieces->capacity * 2;
        struct piece *items = arena_array(&scan->arena, capacity, sizeof *items);
        if (items == NULL) return no_memory(scan);
        if (pieces->count > 0) memcpy(items, pieces->items, pieces->count * sizeof *items);
        pieces->items = items;
        pieces->capacity = capacity;
    }
    pieces->items[pieces->count++] = *piece;
    return PHUSA_OK;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

phusa_status scan_failed(const struct scan *scan, phusa_status status)
{
    if (status == PHUSA_ECORRUPT)
        return error_set(scan->budget->error, status,
                         "a data file is damaged here; run 'phusad check' on the directory and "
                         "restore what it names");
    if (status == PHUSA_ENOMEM) return error_set(scan->budget->error, status, "out of memory");
    return error_set(scan->budget->error, status, "cannot read a data file: %s",
                     phusa_status_text(status));
}

static phusa_status gather_file(struct scan *scan, size_t file_index, uint64_t series,
                                int64_t start_ns, int64_t end_ns, struct pieces *pieces)
{
    struct data_file *file = scan->manifest->files->files[file_index];
    if (file->info.time_max_ns < start_ns || file->info.time_min_ns >= end_ns) return PHUSA_OK;
    struct file_cursor **cursor = &scan->cursors[file_index];
    phusa_status status = PHUSA_OK;
    if (*cursor == NULL) status = file_cursor_open(file, cursor);
    if (status == PHUSA_OK)
        status = file_cursor_seek(*cursor, series, scan->width, start_ns, end_ns);
    while (status == PHUSA_OK) {
        struct piece piece = {.precedence = file_index};
        bool found = false;
        status = file_cursor_next(*cursor, &piece.stored, &found);
        if (status != PHUSA_OK || !found) break;
        piece.time_min_ns = later(piece.stored.time_min_ns, start_ns);
        piece.time_max_ns = earlier(piece.stored.time_max_ns, end_ns - 1);
        if (piece.time_min_ns > piece.time_max_ns) continue;
        status = add_piece(scan, pieces, &piece);
        if (status != PHUSA_OK) return status;
    }
    return status == PHUSA_OK ? status : scan_failed(scan, status);
}

static phusa_status head_open(struct scan *scan, struct head *head, uint64_t series,
                              int64_t start_ns, int64_t end_ns, uint32_t slice_rows_max,
                              struct head_reader **reader)
{
    *reader = NULL;
    const phusa_status status =
        head_read(head, scan->policy, series, start_ns, end_ns, scan->manifest->lsn_end,
                  scan->field_ids, scan->field_count, slice_rows_max, &scan->arena, reader);
    return status == PHUSA_ENOMEM ? no_memory(scan) : status;
}

static phusa_status gather_head(struct scan *scan, unsigned head_index, uint64_t series,
                                int64_t start_ns, int64_t end_ns, struct pieces *pieces)
{
    struct head *head = scan->manifest->heads[head_index];
    struct head_reader *reader;
    const phusa_status status =
        head_open(scan, head, series, start_ns, end_ns, VECTOR_ROWS_MAX, &reader);
    if (status != PHUSA_OK || reader == NULL) return status;
    const struct piece piece = {.time_min_ns = head_reader_time_min(reader),
                                .time_max_ns = head_reader_time_max(reader),
                                .precedence = UINT32_MAX + (uint64_t)head_index,
                                .head = head,
                                .head_rows = head_reader_rows(reader)};
    return add_piece(scan, pieces, &piece);
}

static int compare_pieces(const void *left, const void *right)
{
    const struct piece *a = left, *b = right;
    if (a->time_min_ns != b->time_min_ns) return a->time_min_ns < b->time_min_ns ? -1 : 1;
    return a->precedence < b->precedence ? -1 : a->precedence > b->precedence;
}

static phusa_status gather(struct scan *scan, uint64_t series, int64_t start_ns, int64_t end_ns,
                           struct pieces *pieces)
{
    arena_reset(&scan->arena);
    *pieces = (struct pieces){0};
    if (start_ns >= end_ns) return PHUSA_OK;
    phusa_status status = budget_read(scan->budget, 0); /* many series may have nothing to read */
    const size_t file_count = scan->manifest->files == NULL ? 0 : scan->manifest->files->file_count;
    for (size_t i = 0; status == PHUSA_OK && i < file_count; i++)
        status = gather_file(scan, i, series, start_ns, end_ns, pieces);
    for (unsigned i = 0; status == PHUSA_OK && i < scan->manifest->head_count; i++)
        status = gather_head(scan, i, series, start_ns, end_ns, pieces);
    if (status == PHUSA_OK && pieces->count > 1)
        qsort(pieces->items, pieces->count, sizeof *pieces->items, compare_pieces);
    return status;
}

phusa_status scan_estimate(struct scan *scan, uint64_t series, int64_t start_ns, int64_t end_ns,
                           double *rows, int64_t *first_ns)
{
    struct pieces pieces;
    const phusa_status status = gather(scan, series, start_ns, end_ns, &pieces);
    if (status != PHUSA_OK) return status;
    for (size_t i = 0; i < pieces.count; i++) {
        const struct piece *p = &pieces.items[i];
        *first_ns = earlier(*first_ns, p->time_min_ns);
        if (p->head != NULL) {
            *rows += p->head_rows;
            continue;
        }
        const double whole = (double)p->stored.time_max_ns - (double)p->stored.time_min_ns + 1;
        const double part = (double)p->time_max_ns - (double)p->time_min_ns + 1;
        *rows += (double)p->stored.row_count * (part / whole);
    }
    return PHUSA_OK;
}

/* ---- handing them over ---- */

/* Find the columns asked for. *types_differ: one is kept in another type than it has now. */
static bool find_columns(const struct scan *scan, const struct chunk_view *chunk, int *columns,
                         bool *types_differ)
{
    bool any = false;
    *types_differ = false;
    for (uint32_t i = 0; i < scan->field_count; i++) {
        columns[i] = chunk_find(chunk, scan->field_ids[i]);
        if (columns[i] < 0) continue;
        any = true;
        if (chunk_type(chunk, (uint32_t)columns[i]) != scan->types[i]) *types_differ = true;
    }
    return any;
}

static phusa_status visit_merged(struct scan *scan, uint64_t series, const struct piece *pieces,
                                 size_t count, const struct scan_visitor *visitor)
{
    struct merge_source *sources = arena_zalloc(&scan->arena, count * sizeof *sources);
    struct chunk_view *views = arena_array(&scan->arena, count, sizeof *views);
    struct rows *slices = arena_array(&scan->arena, count, sizeof *slices);
    if (sources == NULL || views == NULL || slices == NULL) return no_memory(scan);
    int64_t start_ns = INT64_MAX, last_ns = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        const struct piece *p = &pieces[i];
        start_ns = earlier(start_ns, p->time_min_ns);
        last_ns = later(last_ns, p->time_max_ns);
        sources[i].precedence = p->precedence;
        if (p->head == NULL) {
            const phusa_status status =
                chunk_open(&views[i], p->stored.bytes, p->stored.size_bytes);
            if (status != PHUSA_OK) return scan_failed(scan, status);
            sources[i].chunk = &views[i];
            continue;
        }
        struct head_reader *reader;
        phusa_status status = head_open(scan, p->head, series, p->time_min_ns, p->time_max_ns + 1,
                                        UINT32_MAX, &reader);
        if (status == PHUSA_OK)
            status = head_reader_next(reader, INT64_MAX, &slices[i], NULL, NULL);
        if (status != PHUSA_OK) return status == PHUSA_ENOMEM ? no_memory(scan) : status;
        sources[i].rows = &slices[i];
    }
    struct merge *merge = NULL;
    phusa_status status = merge_create(&merge, sources, (uint32_t)count, scan->field_ids,
                                       scan->types, scan->field_count, start_ns, last_ns + 1);
    while (status == PHUSA_OK) {
        struct rows rows;
        status = merge_next(merge, &rows);
        if (status != PHUSA_OK || rows.row_count == 0) break;
        status = budget_read(scan->budget, (uint64_t)rows.row_count * rows.column_count);
        if (status == PHUSA_OK) status = visitor->rows(visitor->context, &rows, 0, rows.row_count);
        if (status != PHUSA_OK) goto out;
    }
    if (status != PHUSA_OK) status = scan_failed(scan, status);
out:
    merge_free(merge);
    return status;
}

/* A head's rows carry the columns that its blocks had: bring them into the order asked for. */
static const struct rows *in_order(struct scan *scan, const struct rows *rows, struct rows *out)
{
    uint32_t c = 0;
    for (uint32_t i = 0; i < scan->field_count; i++) {
        while (c < rows->column_count && rows->field_ids[c] < scan->field_ids[i])
            c++;
        const bool there = c < rows->column_count && rows->field_ids[c] == scan->field_ids[i];
        scan->vectors[i] = there ? rows->columns[c] : scan->null_vectors[i];
    }
    *out = (struct rows){.row_count = rows->row_count,
                         .column_count = scan->field_count,
                         .times_ns = rows->times_ns,
                         .field_ids = scan->field_ids,
                         .columns = scan->vectors};
    return out;
}

static phusa_status visit_head(struct scan *scan, uint64_t series, const struct piece *piece,
                               const struct scan_visitor *visitor)
{
    struct head_reader *reader;
    phusa_status status = head_open(scan, piece->head, series, piece->time_min_ns,
                                    piece->time_max_ns + 1, VECTOR_ROWS_MAX, &reader);
    if (status != PHUSA_OK || reader == NULL) return status;
    for (;;) {
        struct rows rows, ordered;
        status = head_reader_next(reader, INT64_MAX, &rows, NULL, NULL);
        if (status == PHUSA_ENOMEM) return no_memory(scan);
        if (status != PHUSA_OK || rows.row_count == 0) return status;
        status = budget_read(scan->budget, (uint64_t)rows.row_count * scan->field_count);
        if (status == PHUSA_OK)
            status =
                visitor->rows(visitor->context, in_order(scan, &rows, &ordered), 0, rows.row_count);
        if (status != PHUSA_OK) return status;
    }
}

static phusa_status visit_chunk(struct scan *scan, uint64_t series, const struct piece *piece,
                                const struct scan_visitor *visitor)
{
    struct chunk_view chunk;
    phusa_status status = chunk_open(&chunk, piece->stored.bytes, piece->stored.size_bytes);
    if (status != PHUSA_OK) return scan_failed(scan, status);
    int *columns = arena_array(&scan->arena, scan->field_count, sizeof *columns);
    if (columns == NULL) return no_memory(scan);
    bool types_differ;
    if (!find_columns(scan, &chunk, columns, &types_differ)) return PHUSA_OK;
    if (types_differ) return visit_merged(scan, series, piece, 1, visitor);
    return visitor->chunk(visitor->context, &chunk, columns, piece->time_min_ns,
                          piece->time_max_ns + 1);
}

phusa_status scan_series(struct scan *scan, uint64_t series, int64_t start_ns, int64_t end_ns,
                         const struct scan_visitor *visitor)
{
    struct pieces pieces;
    phusa_status status = gather(scan, series, start_ns, end_ns, &pieces);
    for (size_t i = 0; status == PHUSA_OK && i < pieces.count;) {
        size_t end = i + 1;
        int64_t last_ns = pieces.items[i].time_max_ns;
        for (; end < pieces.count && pieces.items[end].time_min_ns <= last_ns; end++)
            last_ns = later(last_ns, pieces.items[end].time_max_ns);
        if (end - i > 1)
            status = visit_merged(scan, series, &pieces.items[i], end - i, visitor);
        else if (pieces.items[i].head != NULL)
            status = visit_head(scan, series, &pieces.items[i], visitor);
        else
            status = visit_chunk(scan, series, &pieces.items[i], visitor);
        i = end;
    }
    return status;
}

phusa_status scan_chunk_rows(struct scan *scan, const struct chunk_view *chunk, const int *columns,
                             int64_t start_ns, int64_t end_ns, const struct scan_visitor *visitor)
{
    struct chunk_scratch *times = &scan->scratch[scan->field_count];
    atomic_fetch_add_explicit(&scan->environment->counters->chunks_decoded, 1,
                              memory_order_relaxed);
    for (uint32_t v = 0; v < chunk->vector_count; v++) {
        int64_t first_ns, last_ns;
        chunk_vector_times(chunk, v, &first_ns, &last_ns);
        if (last_ns < start_ns) continue;
        if (first_ns >= end_ns) break;
        const uint32_t row_count = chunk_vector_rows(chunk, v);
        phusa_status status = budget_read(scan->budget, (uint64_t)row_count * scan->field_count);
        if (status != PHUSA_OK) return status;
        status = chunk_times(chunk, v, times);
        for (uint32_t i = 0; status == PHUSA_OK && i < scan->field_count; i++) {
            if (columns[i] < 0)
                scan->vectors[i] = scan->null_vectors[i];
            else
                status = chunk_decode(chunk, (uint32_t)columns[i], v, &scan->scratch[i],
                                      &scan->vectors[i]);
        }
        if (status != PHUSA_OK) return scan_failed(scan, status);
        uint32_t from = 0, to = row_count;
        while (from < to && times->times_ns[from] < start_ns)
            from++;
        while (to > from && times->times_ns[to - 1] >= end_ns)
            to--;
        const struct rows rows = {.row_count = row_count,
                                  .column_count = scan->field_count,
                                  .times_ns = times->times_ns,
                                  .field_ids = scan->field_ids,
                                  .columns = scan->vectors};
        if (from < to) status = visitor->rows(visitor->context, &rows, from, to);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}
