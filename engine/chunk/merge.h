/*
 * merge.h - one ascending sequence of rows out of several that overlap in time: for each
 * time and field the value of the newest source that has one.
 *
 * Used where pieces of one series overlap: by queries (chunks of several files, and the
 * heads), by merges and by seals.
 *
 * Ownership  Sources are borrowed until merge_free(). The rows handed out live until the
 *            next merge_next().
 */
#ifndef PHUSA_CHUNK_MERGE_H
#define PHUSA_CHUNK_MERGE_H

#include "chunk/chunk.h"

/* One ascending sequence: a chunk, or rows in memory (a head's; any row_count). Higher
 * precedence wins; no two are equal. */
struct merge_source {
    const struct chunk_view *chunk; /* or NULL and: */
    const struct rows *rows;
    uint64_t precedence;
};

struct merge;
/* field_ids: ascending, the columns wanted (a field that no source has gives an all-null
 * column). types[i]: the type that field i is put out as; a source that holds integers where a
 * float is asked is widened; any other difference is PHUSA_ETYPE. Rows outside [start_ns, end_ns),
 * and rows in which none of the fields has a value, are left out. */
PHUSA_MUST_USE phusa_status merge_create(struct merge **out, const struct merge_source *sources,
                                         uint32_t source_count, const uint16_t *field_ids,
                                         const enum phusa_type *types, uint32_t field_count,
                                         int64_t start_ns, int64_t end_ns);
void merge_free(struct merge *merge);
/* Up to VECTOR_ROWS_MAX rows, often fewer; row_count 0 at the end. Vectors of a single source are
 * handed out where they lie. After a failure only merge_free(). */
PHUSA_MUST_USE phusa_status merge_next(struct merge *merge, struct rows *rows);

#endif
