/*
 * compact_rows.h - from rows of one series to chunks of a data file; for compact*.c only.
 *
 * Memory   one chunk's rows and one chunk's bytes; kept from call to call.
 * Threads  one at a time.
 */
#ifndef PHUSA_ROLLUP_COMPACT_ROWS_H
#define PHUSA_ROLLUP_COMPACT_ROWS_H

#include "base/arena.h"
#include "chunk/chunk.h"
#include "store/datafile.h"

/* Where finished chunks go: to a file_writer, or aside for later. The bytes die with the call. */
struct chunk_sink {
    phusa_status (*add)(void *context, const struct stored_chunk *chunk);
    void *context;
};

/* Of which series, and from which writes, rows are. */
struct rows_origin {
    int32_t partition;
    uint64_t series;
    uint64_t lsn_min, lsn_max;
};

/* ---- building ---- */

/* Build one chunk of `rows` (at most CHUNK_ROWS_MAX), or several if it gets too large: long
 * strings. `room` is overwritten. */
PHUSA_MUST_USE phusa_status rows_to_chunks(const struct rows *rows,
                                           const struct rows_origin *origin, struct buffer *room,
                                           const struct chunk_sink *sink);

/* A part of some rows: [from, to). Times and values are borrowed, present bits copied. */
struct rows_part {
    struct rows rows;
    struct vector *columns;
    uint64_t *present;
    size_t column_capacity, present_capacity;
};
void rows_part_deinit(struct rows_part *part);
PHUSA_MUST_USE phusa_status rows_part_set(struct rows_part *part, const struct rows *rows,
                                          uint32_t from, uint32_t to);

/* ---- gathering ---- */

/* Rows that come in small pieces, until there are enough for a chunk. */
struct rows_store {
    struct rows rows; /* valid while the store is not changed */
    uint32_t capacity;
    int64_t *times_ns;
    uint16_t *field_ids;
    struct vector *columns;
    uint8_t **values;   /* what the columns point to ... */
    uint64_t **present; /* ... without const */
    uint8_t *room;      /* of all of it */
    size_t room_bytes;
    struct arena text;
    size_t text_bytes;
};
void rows_store_init(struct rows_store *store);
void rows_store_deinit(struct rows_store *store);
/* Empty, for these fields. Sets the capacity: rows_max, or less when there are many columns; always
 * a multiple of VECTOR_ROWS_MAX. */
PHUSA_MUST_USE phusa_status rows_store_begin(struct rows_store *store, const uint16_t *field_ids,
                                             const enum phusa_type *types, uint32_t field_count,
                                             uint32_t rows_max);
void rows_store_clear(struct rows_store *store);
/* As many of the rows [from, ...) as there is room for; *taken. Same fields in the same order. */
PHUSA_MUST_USE phusa_status rows_store_add(struct rows_store *store, const struct rows *rows,
                                           uint32_t from, uint32_t *taken);
bool rows_store_is_full(const struct rows_store *store);

#endif
