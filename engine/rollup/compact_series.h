/*
 * compact_series.h - the chunks of one series in one partition, from several files, made into
 * few that do not overlap; for compact*.c only.
 *
 * A full chunk that nothing overlaps is passed on byte by byte, and so are smaller ones where
 * building them again would save few. Neighbours that overlap or are small are decoded, merged (the
 * newest value of each field wins) and built again.
 *
 * Memory   what chunk/merge.h takes, and one chunk's rows.
 * Threads  one at a time.
 * Errors   PHUSA_ECORRUPT: a chunk is damaged.
 */
#ifndef PHUSA_ROLLUP_COMPACT_SERIES_H
#define PHUSA_ROLLUP_COMPACT_SERIES_H

#include "chunk/merge.h"
#include "rollup/compact_rows.h"

/* A chunk and how new its file is. */
struct piece {
    struct stored_chunk chunk;
    uint64_t precedence;
};

struct series_merger {
    /* what is in hand: pieces of one series and partition */
    struct piece *pieces;
    size_t piece_count, piece_capacity;
    /* those to be built again, by the pieces' numbers: [pending_from, pending_to) */
    size_t pending_from, pending_to;
    uint64_t pending_rows;
    bool pending_overlap;
    /* the same as sources of a merge */
    struct chunk_view *views;
    struct merge_source *sources;
    size_t view_capacity, source_capacity;
    uint16_t *field_ids;
    enum phusa_type *types;
    uint32_t field_count;
    size_t field_capacity, type_capacity;
    struct rows_store store;
    struct buffer room;
};
void series_merger_init(struct series_merger *m);
void series_merger_deinit(struct series_merger *m);
/* Any order; of one series and partition until series_merger_put(). The chunk's bytes are borrowed.
 */
PHUSA_MUST_USE phusa_status series_merger_add(struct series_merger *m,
                                              const struct stored_chunk *chunk,
                                              uint64_t precedence);
/* Put out what was added, ascending, and be empty again. */
PHUSA_MUST_USE phusa_status series_merger_put(struct series_merger *m,
                                              const struct chunk_sink *sink);

#endif
