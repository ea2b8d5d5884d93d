/*
 * chunk.h - an immutable, compressed run of rows of one series: one time column, N field
 * columns, each in 1..8 vectors of 1,024 rows with statistics per column and per vector.
 *
 * The head, merges and seals build chunks; data files keep them; queries read them.
 *
 * Ownership  A chunk_view borrows its bytes: for stored chunks until the file is unpinned.
 *            Nothing here keeps memory; decoding fills a caller's chunk_scratch.
 * Threads    Views of one chunk may be used from many threads, one view each.
 * Errors     PHUSA_ECORRUPT for every kind of damage; PHUSA_EVERSION from a newer release.
 * Checksums  CRC-32C over the header (which holds all statistics) when opened, and over each
 *            column when it is first decoded into a scratch.
 */
#ifndef PHUSA_CHUNK_CHUNK_H
#define PHUSA_CHUNK_CHUNK_H

#include "base/buffer.h"
#include "chunk/aggregate.h"

/* ---- building ---- */

/* Append the chunk of `rows` (1..CHUNK_ROWS_MAX of them: here row_count may exceed one
 * vector) to `out`. lsn_min..lsn_max: the positions of the writes the rows came from. A column
 * without any value is left out: find columns by field id, not by their place in `rows`.
 * PHUSA_ENOMEM: nothing was appended. */
PHUSA_MUST_USE phusa_status chunk_build(struct buffer *out, const struct rows *rows,
                                        uint64_t lsn_min, uint64_t lsn_max);

/* ---- reading ---- */

struct chunk_view {
    const uint8_t *bytes;
    size_t size_bytes;
    uint32_t row_count;
    uint32_t vector_count;
    uint32_t column_count;
    int64_t time_min_ns, time_max_ns; /* of the first and last row, both inclusive */
    uint64_t lsn_min, lsn_max;
    /* private to this folder follows */
    uint32_t header_bytes; /* where the columns' bytes begin */
    uint32_t header_crc;
    uint8_t flags, directory_width;
    uint64_t unit_ns; /* every time is time_min_ns plus a multiple of it; the step where constant */
    const uint8_t *directory;
    /* Unless times are of constant step: of each vector. */
    int64_t first_ns[CHUNK_VECTORS_MAX], last_ns[CHUNK_VECTORS_MAX];
    uint32_t times_offset[CHUNK_VECTORS_MAX + 1];
};
PHUSA_MUST_USE phusa_status chunk_open(struct chunk_view *chunk, const void *bytes,
                                       size_t size_bytes);
/* Verify every column's checksum and decode all of it: for `check`. */
PHUSA_MUST_USE phusa_status chunk_check(const struct chunk_view *chunk);

/* Rows of vector v (all but the last are full) and its time bounds, from the header. */
uint32_t chunk_vector_rows(const struct chunk_view *chunk, uint32_t vector);
void chunk_vector_times(const struct chunk_view *chunk, uint32_t vector, int64_t *first_ns,
                        int64_t *last_ns);

/* Column index by field id, or -1. Columns are in ascending order of field id. */
int chunk_find(const struct chunk_view *chunk, uint16_t field_id);
uint16_t chunk_field_id(const struct chunk_view *chunk, uint32_t column);
enum phusa_type chunk_type(const struct chunk_view *chunk, uint32_t column);

/* The statistics of one column, of vector v or of the whole chunk (CHUNK_WHOLE): those of
 * `want` into `out` (initialised by this call; deinit it). `out->have` may lack some of `want`,
 * where the format does not keep them (long strings, sums of very unlike doubles, chunks of up to
 * 16 rows): then decode. out->count is always right. Strings of first and last point into the
 * chunk. Decodes no values. */
#define CHUNK_WHOLE UINT32_MAX
PHUSA_MUST_USE phusa_status chunk_statistics(const struct chunk_view *chunk, uint32_t column,
                                             uint32_t vector, uint8_t want, struct aggregate *out);

/* Room for one decoded vector of times and of one column; reused call after call. Its
 * pointers are valid until the next decode into the same scratch. */
struct chunk_scratch {
    _Alignas(64) int64_t times_ns[VECTOR_ROWS_MAX];
    _Alignas(64) uint64_t present[VECTOR_ROWS_MAX / 64];
    _Alignas(64) union {
        double f[VECTOR_ROWS_MAX];
        int64_t i[VECTOR_ROWS_MAX];
        uint64_t u[VECTOR_ROWS_MAX];
        uint8_t b[VECTOR_ROWS_MAX];
        struct phusa_text s[VECTOR_ROWS_MAX];
    } values;
    struct buffer text; /* bytes of decoded strings that are not stored plainly */
    /* What is known of the chunk last used, told by its place and its header's checksum: the
     * columns whose checksums held (of the first 256), and the vector that times_ns holds. */
    uint64_t verified[4];
    const uint8_t *verified_bytes;
    uint32_t verified_crc;
    uint32_t times_vector;
};
void chunk_scratch_init(struct chunk_scratch *scratch);
void chunk_scratch_deinit(struct chunk_scratch *scratch);

/* Times of vector v into scratch->times_ns. */
PHUSA_MUST_USE phusa_status chunk_times(const struct chunk_view *chunk, uint32_t vector,
                                        struct chunk_scratch *scratch);
/* Column values of vector v, dense, into scratch; `out` points there. */
PHUSA_MUST_USE phusa_status chunk_decode(const struct chunk_view *chunk, uint32_t column,
                                         uint32_t vector, struct chunk_scratch *scratch,
                                         struct vector *out);
/* The row of vector v with the first time >= t (chunk_vector_rows() if none): arithmetic for
 * times of constant step, else by decoding the times into the scratch. */
PHUSA_MUST_USE phusa_status chunk_lower_bound(const struct chunk_view *chunk, uint32_t vector,
                                              int64_t time_ns, struct chunk_scratch *scratch,
                                              uint32_t *row);
/* Fused decode and aggregate: fold consecutive row ranges of one vector, [bounds[k],
 * bounds[k+1]) into *states[k], for k < range_count. Runs on packed integers where it can.
 * Same answers as chunk_decode() and aggregate_rows(). A NULL state skips its range. */
PHUSA_MUST_USE phusa_status chunk_aggregate(const struct chunk_view *chunk, uint32_t column,
                                            uint32_t vector, const uint32_t *bounds,
                                            uint32_t range_count, struct aggregate *const *states,
                                            struct chunk_scratch *scratch);

#endif
