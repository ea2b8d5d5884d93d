/*
 * datafile.h - runs and parts: immutable LMDB files of bundles, which hold the chunks of
 * consecutive series.
 *
 *     DIR/data/POLICY/000045.run.mdb   what one flush or merge wrote; any partitions
 *     DIR/data/POLICY/000041.part.mdb  one partition, or neighbouring sparse ones, sealed
 *
 * Built once in key order, synced, then named by a catalogue commit. Key: big-endian
 * partition, series id, first time. See FORMAT.md.
 *
 * Ownership  A chunk's bytes lie in the file's map: valid while a file_set that holds the file
 *            is held.
 * Threads    A writer and a cursor belong to one thread; files are shared.
 */
#ifndef PHUSA_STORE_DATAFILE_H
#define PHUSA_STORE_DATAFILE_H

#include "base/limits.h"
#include "base/log.h"

struct file_info {
    uint32_t policy;
    uint64_t number;
    bool sealed; /* a part */
    uint64_t lsn_min, lsn_max;
    int32_t partition_min, partition_max;
    int64_t time_min_ns, time_max_ns; /* inclusive */
    int64_t recorded_at_ns; /* nothing in it was taken in later; 0: catalog_commit() fills it in */
    uint64_t size_bytes, point_count, value_count, chunk_count;
    uint32_t pages_crc; /* of the B-tree's pages, meta pages included; overflow pages excluded */
};

/* One named file; lives as long as a file_set holds it. */
struct data_file {
    struct file_info info;
};

/* ---- writing ---- */

struct file_writer;
PHUSA_MUST_USE phusa_status file_writer_create(const char *dir, uint32_t policy, uint64_t number,
                                               bool sealed, struct file_writer **out,
                                               struct phusa_error *error);
struct stored_chunk {
    int32_t partition;
    uint64_t series;
    const uint8_t *bytes;
    size_t size_bytes;
    int64_t time_min_ns, time_max_ns;
    uint64_t lsn_min, lsn_max;
    uint32_t row_count;
    uint64_t value_count; /* non-null values, for the statistics */
};
/* Ascending by (partition, series, time), the chunks of one series without overlap: PHUSA_EINVAL
 * otherwise. The bytes are copied. PHUSA_ENOSPC: abort, retry later. After any failure only abort
 * is allowed. */
PHUSA_MUST_USE phusa_status file_writer_add(struct file_writer *writer,
                                            const struct stored_chunk *chunk);
/* Synced, its directory synced, not yet named. Frees the writer in any case; on failure the
 * file is removed. PHUSA_EINVAL when nothing was added. */
PHUSA_MUST_USE phusa_status file_writer_finish(struct file_writer *writer, struct file_info *out);
void file_writer_abort(struct file_writer *writer); /* NULL is allowed */
/* Bytes so far, about: for writers that cut at a size. */
uint64_t file_writer_bytes(const struct file_writer *writer);
/* Unlink a finished file that no commit has named nor ever will. */
void file_remove(const char *dir, const struct file_info *info);

/* ---- reading ---- */

struct file_cursor;
/* Opens the file if it is not open (its page checksum is verified the first time). A file_set that
 * holds the file must be held until the cursor is closed. PHUSA_ECORRUPT: the file is missing, cut
 * or damaged; the log names it. */
PHUSA_MUST_USE phusa_status file_cursor_open(struct data_file *file, struct file_cursor **out);
void file_cursor_close(struct file_cursor *cursor);
/* Aim at the chunks of `series` that overlap [start_ns, end_ns); `width` is the policy's. Cheap
 * when called with ascending series ids. */
PHUSA_MUST_USE phusa_status file_cursor_seek(struct file_cursor *cursor, uint64_t series,
                                             struct phusa_interval width, int64_t start_ns,
                                             int64_t end_ns);
/* Aim at every chunk of the file, in key order. */
PHUSA_MUST_USE phusa_status file_cursor_all(struct file_cursor *cursor);
/* The next chunk, ascending in time (for _all: in key order); *found false at the end. The bytes
 * are not yet verified: chunk_open() does that. */
PHUSA_MUST_USE phusa_status file_cursor_next(struct file_cursor *cursor, struct stored_chunk *chunk,
                                             bool *found);

/* ---- inspection ---- */

/* Verify the pages, every bundle and every chunk of one file, and its info against them. Each fault
 * is added to *fault_count and described by a line. The file_set must be held. */
PHUSA_MUST_USE phusa_status file_check(struct data_file *file, phusa_line_fn line, void *context,
                                       uint64_t *fault_count);

#endif
