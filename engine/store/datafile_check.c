/*
 * datafile_check.c - every checksum and every claim of one data file, for `phusad check`; see
 * datafile.h.
 *
 * The pages come first: a file whose pages are damaged is not opened, and its chunks are not
 * looked at.
 */
#include "base/mem.h"
#include "base/status.h"
#include "chunk/chunk.h"
#include "store/bundle.h"
#include "store/env_pages.h"
#include "store/files.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct inspection {
    struct data_file *file;
    phusa_line_fn line;
    void *context;
    uint64_t *fault_count;
    struct file_info seen; /* counted from what is in the file */
    struct stored_chunk last;
};

static void fault(struct inspection *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fault(struct inspection *in, const char *format, ...)
{
    char what[PHUSA_ERROR_TEXT_BYTES];
    char text[2 * PHUSA_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text, "%s: %s", file_path(in->file), what);
    in->line(in->context, text);
    ++*in->fault_count;
}

static void fault_of_chunk(struct inspection *in, const struct stored_chunk *c, const char *what)
{
    fault(in, "partition %" PRId32 " series %" PRIu64 " time %" PRId64 ": %s", c->partition,
          c->series, c->time_min_ns, what);
}

static void check_place(struct inspection *in, const struct stored_chunk *c)
{
    const struct stored_chunk *last = &in->last;
    if (in->seen.chunk_count == 0) return;
    if (bundle_compare(bundle_place(last), bundle_place(c)) >= 0)
        fault_of_chunk(in, c, "not in order");
    else if (last->partition == c->partition && last->series == c->series &&
             c->time_min_ns <= last->time_max_ns)
        fault_of_chunk(in, c, "overlaps the chunk before it");
}

static void check_chunk(struct inspection *in, const struct stored_chunk *c)
{
    struct chunk_view view;
    const phusa_status status = chunk_open(&view, c->bytes, c->size_bytes);
    if (status != PHUSA_OK) {
        fault_of_chunk(in, c, phusa_status_text(status));
        return;
    }
    if (view.row_count != c->row_count || view.time_min_ns != c->time_min_ns ||
        view.time_max_ns != c->time_max_ns)
        fault_of_chunk(in, c, "the bundle says otherwise than the chunk");
    const phusa_status inside = chunk_check(&view);
    if (inside != PHUSA_OK) fault_of_chunk(in, c, phusa_status_text(inside));
}

static void count_chunk(struct inspection *in, const struct stored_chunk *c)
{
    struct file_info *seen = &in->seen;
    const bool first = seen->chunk_count++ == 0;
    if (first) seen->partition_min = c->partition;
    seen->partition_max = c->partition;
    if (first || c->time_min_ns < seen->time_min_ns) seen->time_min_ns = c->time_min_ns;
    if (first || c->time_max_ns > seen->time_max_ns) seen->time_max_ns = c->time_max_ns;
    if (first || c->lsn_min < seen->lsn_min) seen->lsn_min = c->lsn_min;
    if (first || c->lsn_max > seen->lsn_max) seen->lsn_max = c->lsn_max;
    seen->point_count += c->row_count;
    seen->value_count += c->value_count;
}

static void check_totals(struct inspection *in)
{
    const struct file_info *said = &in->file->info;
    const struct file_info *seen = &in->seen;
    if (said->chunk_count != seen->chunk_count || said->point_count != seen->point_count ||
        said->value_count != seen->value_count)
        fault(in,
              "the catalogue counts %" PRIu64 " chunks, %" PRIu64 " points and %" PRIu64
              " values; there are %" PRIu64 ", %" PRIu64 " and %" PRIu64,
              said->chunk_count, said->point_count, said->value_count, seen->chunk_count,
              seen->point_count, seen->value_count);
    if (said->partition_min > seen->partition_min || said->partition_max < seen->partition_max ||
        said->time_min_ns > seen->time_min_ns || said->time_max_ns < seen->time_max_ns ||
        said->lsn_min > seen->lsn_min || said->lsn_max < seen->lsn_max)
        fault(in, "its bounds in the catalogue are too narrow");
}

static phusa_status check_chunks(struct inspection *in)
{
    struct file_cursor *cursor;
    phusa_status status = file_cursor_open(in->file, &cursor);
    if (status != PHUSA_OK) return status;
    status = file_cursor_all(cursor);
    bool found = true;
    while (status == PHUSA_OK) {
        struct stored_chunk chunk;
        status = file_cursor_next(cursor, &chunk, &found);
        if (status != PHUSA_OK || !found) break;
        check_place(in, &chunk);
        check_chunk(in, &chunk);
        count_chunk(in, &chunk);
        in->last = chunk;
    }
    file_cursor_close(cursor);
    if (status == PHUSA_OK) check_totals(in);
    return status;
}

phusa_status file_check(struct data_file *file, phusa_line_fn line, void *context,
                        uint64_t *fault_count)
{
    assert(file != NULL);
    assert(line != NULL);

    struct inspection in = {
        .file = file, .line = line, .context = context, .fault_count = fault_count};
    uint32_t crc;
    uint64_t size_bytes;
    struct phusa_error error;
    phusa_status status = pages_crc(file_path(file), &crc, &size_bytes, &error);
    if (status == PHUSA_ENOMEM) return status;
    if (status != PHUSA_OK) {
        fault(&in, "%s", error.text);
        return PHUSA_OK;
    }
    if (crc != file->info.pages_crc || size_bytes != file->info.size_bytes) {
        fault(&in, "its pages are not as they were written");
        return PHUSA_OK;
    }
    status = check_chunks(&in);
    if (status == PHUSA_ENOMEM) return status;
    if (status != PHUSA_OK)
        fault(&in, "unreadable after %" PRIu64 " chunks: %s", in.seen.chunk_count,
              phusa_status_text(status));
    return PHUSA_OK;
}
