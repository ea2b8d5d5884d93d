/* chunk_internal.h - the layout of a chunk, for this folder only. See FORMAT.md. */
#ifndef PHUSA_CHUNK_CHUNK_INTERNAL_H
#define PHUSA_CHUNK_CHUNK_INTERNAL_H

#include "chunk/chunk.h"
#include "codec/codec.h"

#define CHUNK_VERSION 1

enum {
    CHUNK_WHOLE_CRC = 1, /* small: one checksum over everything */
    CHUNK_WIDTH_2 = 2,   /* numbers of the directory are 2 bytes wide ... */
    CHUNK_WIDTH_4 = 4,   /* ... or 4; else 1 */
    CHUNK_EVEN_TIMES = 8,
    CHUNK_FLAGS = 15,
};
#define CHUNK_SMALL_BYTES      1024u /* up to this size the checksum covers everything */
#define CHUNK_STATISTICS_ROWS  17u   /* with fewer, decoding is as fast as reading statistics */
#define CHUNK_TIME_SCALE_MAX   9u
#define CHUNK_RECORD_BYTES_MAX 255u

/* The type byte of a directory entry. */
enum { COLUMN_TYPE = 7, COLUMN_GAPS = 8, COLUMN_STATISTICS = 16, COLUMN_FLAGS = 31 };

/* Times of the rows of one vector: an array, or, where it is NULL, an even step. */
struct row_times {
    const int64_t *ns;
    int64_t first_ns;
    uint64_t step_ns;
};
static inline int64_t row_time(const struct row_times *times, uint32_t row)
{
    if (times->ns != NULL) return times->ns[row];
    return (int64_t)((uint64_t)times->first_ns + times->step_ns * row);
}

/* ---- aggregate.c ---- */

bool aggregate_less(enum phusa_type type, union aggregate_value x, union aggregate_value y);
/* Count `count` values whose extremes and ends are these (NULL where not wanted). */
void aggregate_points(struct aggregate *a, uint64_t count, const struct aggregate_point *min,
                      const struct aggregate_point *max, const struct aggregate_point *first,
                      const struct aggregate_point *last);

/* ---- fold.c: aggregates over units ---- */

/* Values [from, to) of `units`, which are the present rows of a vector in order. present NULL:
 * row and value are the same. PHUSA_ENOMEM. */
PHUSA_MUST_USE phusa_status fold_units(struct aggregate *a, const struct codec_units *units,
                                       uint32_t from, uint32_t to, const uint64_t *present,
                                       const struct row_times *times);

/* ---- record.c: statistics as bytes ---- */

/* What a record's times are relative to: its vector, or the chunk. */
struct record_base {
    int64_t first_ns, last_ns;
    uint64_t unit_ns; /* not 0 */
    uint32_t row_count;
    bool has_gaps;
};
/* Bytes written, at most CHUNK_RECORD_BYTES_MAX. decimals: the scale of floats, or
 * PHUSA_DECIMALS_UNKNOWN. */
size_t record_encode(const struct aggregate *a, const struct record_base *base, uint8_t decimals,
                     uint8_t *out);
/* Initialises *out, on success only. PHUSA_ECORRUPT, PHUSA_ENOMEM. */
PHUSA_MUST_USE phusa_status record_decode(const uint8_t *bytes, size_t size_bytes,
                                          const struct record_base *base, enum phusa_type type,
                                          uint8_t want, struct aggregate *out);

/* ---- chunk.c: finding things ---- */

struct column_layout {
    uint8_t flags; /* of the directory */
    const uint8_t *section;
    size_t section_bytes;
    const uint8_t *body;
    size_t body_bytes;
};
void column_layout(const struct chunk_view *chunk, uint32_t column, struct column_layout *out);
/* The bytes of one vector. PHUSA_ECORRUPT. */
PHUSA_MUST_USE phusa_status column_vector(const struct chunk_view *chunk,
                                          const struct column_layout *column, uint32_t vector,
                                          const uint8_t **bytes, size_t *size_bytes);
/* ---- decode.c ---- */

/* Where a decoded vector goes: VECTOR_ROWS_MAX slots, a bitmap, the bytes of compressed texts. */
struct column_room {
    union {
        void *values;
        double *f;
        int64_t *i;
        uint8_t *b;
        struct phusa_text *s;
    };
    uint64_t *present;
    struct buffer *text;
};
/* As chunk_decode(), but to `room`; the scratch only remembers which checksums held. */
PHUSA_MUST_USE phusa_status column_decode(const struct chunk_view *chunk, uint32_t column,
                                          uint32_t vector, struct chunk_scratch *scratch,
                                          const struct column_room *room, struct vector *out);

/* Sections begin with a checksum unless the chunk has one for everything. */
static inline size_t section_crc_bytes(const struct chunk_view *chunk)
{
    return (chunk->flags & CHUNK_WHOLE_CRC) != 0 ? 0 : 4;
}

#endif
