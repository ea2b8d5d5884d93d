/*
 * compact_flush.c - a frozen head's points of one policy to one run; see compact.h.
 *
 * Keys ascend by partition first, while a head hands out series by series. Nearly all points
 * of a head lie in its last partition, so that one is written straight to the file, series by
 * series. What is older (late points, a backfill) is read before that in a pass of its own, and
 * its chunks wait in memory, compressed, until they are sorted.
 */
#include "rollup/compact.h"

#include "base/mem.h"
#include "calendar/partition.h"
#include "rollup/compact_rows.h"

#include <assert.h>
#include <stdlib.h>

struct flush {
    struct head *head;
    const struct policy_info *policy;
    uint64_t lsn_end;
    compact_cancel_fn cancel;
    void *context;
    struct file_writer *writer;
    uint64_t *series;
    size_t series_count;
    struct arena lists; /* series */
    struct arena rows;  /* of one series */
    struct buffer room;
    struct rows_part part;
    /* chunks of older partitions */
    struct arena waiting_bytes;
    struct stored_chunk *waiting;
    size_t waiting_count, waiting_capacity;
};

static phusa_status add_now(void *context, const struct stored_chunk *chunk)
{
    struct flush *f = context;
    return file_writer_add(f->writer, chunk);
}

static phusa_status add_later(void *context, const struct stored_chunk *chunk)
{
    struct flush *f = context;
    if (!MEM_GROW(f->waiting, f->waiting_capacity, f->waiting_count + 1)) return PHUSA_ENOMEM;
    struct stored_chunk *kept = &f->waiting[f->waiting_count];
    *kept = *chunk;
    kept->bytes = (const uint8_t *)arena_copy(&f->waiting_bytes, chunk->bytes, chunk->size_bytes);
    if (kept->bytes == NULL) return PHUSA_ENOMEM;
    f->waiting_count++;
    return PHUSA_OK;
}

/* One slice of rows, which may reach over several partitions. */
static phusa_status add_slice(struct flush *f, const struct rows *rows, struct rows_origin *origin,
                              const struct chunk_sink *sink)
{
    uint32_t from = 0;
    while (from < rows->row_count) {
        int64_t start_ns;
        int64_t end_ns;
        origin->partition = partition_of(f->policy->shard, rows->times_ns[from]);
        partition_range(f->policy->shard, origin->partition, &start_ns, &end_ns);
        uint32_t to = rows->row_count;
        if (end_ns <= rows->times_ns[to - 1]) {
            to = from + 1;
            while (rows->times_ns[to] < end_ns)
                to++;
        }
        phusa_status status = PHUSA_OK;
        const struct rows *piece = rows;
        if (from > 0 || to < rows->row_count) {
            status = rows_part_set(&f->part, rows, from, to);
            piece = &f->part.rows;
        }
        if (status == PHUSA_OK) status = rows_to_chunks(piece, origin, &f->room, sink);
        if (status != PHUSA_OK) return status;
        from = to;
    }
    return PHUSA_OK;
}

static phusa_status flush_series(struct flush *f, uint64_t series, int64_t start_ns, int64_t end_ns,
                                 const struct chunk_sink *sink)
{
    struct head_reader *reader;
    arena_reset(&f->rows);
    phusa_status status = head_read(f->head, f->policy->id, series, start_ns, end_ns, f->lsn_end,
                                    NULL, 0, CHUNK_ROWS_MAX, &f->rows, &reader);
    if (status != PHUSA_OK || reader == NULL) return status;
    struct rows_origin origin = {.series = series};
    for (;;) {
        struct rows rows;
        status = head_reader_next(reader, end_ns, &rows, &origin.lsn_min, &origin.lsn_max);
        if (status != PHUSA_OK || rows.row_count == 0) return status;
        status = add_slice(f, &rows, &origin, sink);
        if (status != PHUSA_OK) return status;
    }
}

static phusa_status flush_range(struct flush *f, int64_t start_ns, int64_t end_ns,
                                const struct chunk_sink *sink)
{
    for (size_t i = 0; i < f->series_count; i++) {
        if (f->cancel != NULL && f->cancel(f->context)) return PHUSA_ECANCELLED;
        const phusa_status status = flush_series(f, f->series[i], start_ns, end_ns, sink);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static int compare_places(const void *left, const void *right)
{
    const struct stored_chunk *a = left;
    const struct stored_chunk *b = right;
    if (a->partition != b->partition) return a->partition < b->partition ? -1 : 1;
    if (a->series != b->series) return a->series < b->series ? -1 : 1;
    return (a->time_min_ns > b->time_min_ns) - (a->time_min_ns < b->time_min_ns);
}

static phusa_status flush_older(struct flush *f, int64_t start_ns, int64_t end_ns)
{
    const struct chunk_sink later = {add_later, f};
    phusa_status status = flush_range(f, start_ns, end_ns, &later);
    if (f->waiting_count > 0)
        qsort(f->waiting, f->waiting_count, sizeof *f->waiting, compare_places);
    for (size_t i = 0; i < f->waiting_count && status == PHUSA_OK; i++)
        status = file_writer_add(f->writer, &f->waiting[i]);
    arena_deinit(&f->waiting_bytes);
    return status;
}

static phusa_status flush_all(struct flush *f, int64_t time_min_ns, int64_t time_max_ns)
{
    const struct phusa_interval width = f->policy->shard;
    const int32_t last = partition_of(width, time_max_ns);
    int64_t start_ns;
    int64_t end_ns;
    partition_range(width, last, &start_ns, &end_ns);
    phusa_status status =
        head_series(f->head, f->policy->id, &f->lists, &f->series, &f->series_count);
    if (status == PHUSA_OK && time_min_ns < start_ns)
        status = flush_older(f, time_min_ns, start_ns);
    const struct chunk_sink now = {add_now, f};
    if (status == PHUSA_OK) status = flush_range(f, start_ns, INT64_MAX, &now);
    return status;
}

phusa_status compact_flush(struct catalog *catalog, const char *dir, struct head *head,
                           const struct policy_info *policy, compact_cancel_fn cancel,
                           void *context, struct file_info *out)
{
    assert(catalog != NULL && dir != NULL && head != NULL);
    assert(policy != NULL);
    assert(out != NULL);

    int64_t time_min_ns;
    int64_t time_max_ns;
    if (!head_times(head, policy->id, &time_min_ns, &time_max_ns)) return PHUSA_ENOTFOUND;
    struct head_stats stats;
    head_stats(head, &stats);
    struct flush f = {.head = head,
                      .policy = policy,
                      .lsn_end = stats.lsn_end,
                      .cancel = cancel,
                      .context = context};
    buffer_init(&f.room);
    arena_init(&f.lists, SIZE_MAX / 2);
    arena_init(&f.rows, SIZE_MAX / 2);
    arena_init(&f.waiting_bytes, SIZE_MAX / 2);
    phusa_status status = file_writer_create(dir, policy->id, catalog_next_file_number(catalog),
                                             false, &f.writer, NULL);
    if (status == PHUSA_OK) {
        status = flush_all(&f, time_min_ns, time_max_ns);
        if (status == PHUSA_OK)
            status = file_writer_finish(f.writer, out);
        else
            file_writer_abort(f.writer);
    }
    mem_free(f.waiting);
    rows_part_deinit(&f.part);
    buffer_deinit(&f.room);
    arena_deinit(&f.lists);
    arena_deinit(&f.rows);
    arena_deinit(&f.waiting_bytes);
    return status;
}
