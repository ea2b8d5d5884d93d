/*
 * head.h - recent points in memory, as packed rows in one arena, chains of blocks per series.
 *
 * One head is active and takes every durable point, of all policies; when its budget, the
 * log's or its age is reached it is frozen and a new one takes over, while the old one is
 * flushed to runs and then released.
 *
 * Ownership  reference-counted: head_ref() and head_unref().
 * Threads    head_append*: one thread. Reading: any, at the same time, without a lock; a reader
 *            sees the points with an LSN below the `lsn_end` it gives and nothing of later ones.
 * Memory     16 bytes and 8 a field for each row, 56 for a series' first row.
 */
#ifndef PHUSA_HEAD_HEAD_H
#define PHUSA_HEAD_HEAD_H

#include "base/arena.h"
#include "chunk/vector.h"
#include "wal/record.h"

struct head;

/* Address space for budget_bytes (64 KiB .. 32 GiB; else it is brought there) is reserved at once
 * and taken from the system as used. lsn_start: the LSN of the first point it can get.
 * PHUSA_ENOMEM. */
PHUSA_MUST_USE phusa_status head_create(size_t budget_bytes, uint64_t lsn_start, struct head **out);
struct head *head_ref(struct head *head);
void head_unref(struct head *head); /* NULL is allowed */

/* Add one durable point. Strings are copied. PHUSA_ELIMIT: it does not fit; nothing was added:
 * freeze this head and put it into a new one, which takes a first row of any size. PHUSA_EINVAL:
 * LSNs do not ascend, or no field. */
PHUSA_MUST_USE phusa_status head_append(struct head *head, uint32_t policy,
                                        const struct points_row *row);
/* The same for several rows in order, which are fetched from memory together: with a million
 * series in turn four times as fast. *appended (never untouched) says how many went in. */
PHUSA_MUST_USE phusa_status head_append_rows(struct head *head, uint32_t policy,
                                             const struct points_row *rows, size_t count,
                                             size_t *appended);

struct head_stats {
    uint64_t points, values, series;
    size_t used_bytes, budget_bytes;
    uint64_t lsn_start, lsn_end; /* of the points in it */
    int64_t created_ns;          /* monotonic */
};
void head_stats(struct head *head, struct head_stats *out);

/* Policies and series that have points, ascending: for flush. Into the arena. */
PHUSA_MUST_USE phusa_status head_policies(struct head *head, struct arena *arena,
                                          uint32_t **policies, size_t *count);
PHUSA_MUST_USE phusa_status head_series(struct head *head, uint32_t policy, struct arena *arena,
                                        uint64_t **series, size_t *count);
/* Earliest and latest time of a policy's points; false: it has none. */
bool head_times(struct head *head, uint32_t policy, int64_t *time_min_ns, int64_t *time_max_ns);

/* The rows of one series in [start_ns, end_ns), ascending, one row a time (the newest value of each
 * field), handed out in slices; for queries, and for flush to cut into chunks. */
struct head_reader;
/* field_ids (ascending) NULL: every field. Columns are those of the fields asked for that rows
 * in the range may have, so a field that no row has may be missing; rows with none of them are left
 * out. *out NULL (and PHUSA_OK): no such rows. Memory comes from the arena: one slice of
 * min(slice_rows_max, rows) rows, 16 bytes a block of rows, and only where times are not ascending
 * or fields came on lines of their own 48 bytes a row; reset it between series. Strings that are
 * handed out live as long as the head. */
PHUSA_MUST_USE phusa_status head_read(struct head *head, uint32_t policy, uint64_t series,
                                      int64_t start_ns, int64_t end_ns, uint64_t lsn_end,
                                      const uint16_t *field_ids, uint32_t field_count,
                                      uint32_t slice_rows_max, struct arena *arena,
                                      struct head_reader **out);
/* Bounds of what it will hand out. */
int64_t head_reader_time_min(const struct head_reader *reader);
int64_t head_reader_time_max(const struct head_reader *reader);
uint32_t head_reader_rows(const struct head_reader *reader);
/* Go to where at most row_count rows are left, forwards or back: for those who want the last. */
void head_reader_skip_to_last(struct head_reader *reader, uint32_t row_count);
/* Up to slice_rows_max rows before end_ns (pass INT64_MAX for no further bound); row_count 0: none
 * left before end_ns. The rows live until the next call. PHUSA_ENOMEM: no memory for the slice.
 * lsn_min, lsn_max: of what was handed out; may be NULL. */
PHUSA_MUST_USE phusa_status head_reader_next(struct head_reader *reader, int64_t end_ns,
                                             struct rows *rows, uint64_t *lsn_min,
                                             uint64_t *lsn_max);

/* Verify every chain, for tests; no append may run. PHUSA_ECORRUPT: an invariant is broken. */
PHUSA_MUST_USE phusa_status head_check(struct head *head);

#endif
