/*
 * bundle.h - one value of a data file: chunks of consecutive series behind a directory that
 * is read without touching them. FORMAT.md has the bytes.
 *
 * Ownership  A view borrows its bytes; so do the chunks it hands out.
 * Errors     PHUSA_ECORRUPT for bytes that are no bundle, PHUSA_EVERSION for a newer one's.
 */
#ifndef PHUSA_STORE_BUNDLE_H
#define PHUSA_STORE_BUNDLE_H

#include "base/buffer.h"
#include "store/datafile.h"

#define BUNDLE_HEADER_BYTES 16u

/* Where a bundle or a chunk stands: the key, compared in this order. */
struct bundle_place {
    int32_t partition;
    uint64_t series;
    int64_t time_ns;
};
#define BUNDLE_KEY_BYTES 20u
void bundle_key(struct bundle_place place, uint8_t key[BUNDLE_KEY_BYTES]);
struct bundle_place bundle_place_of(const uint8_t key[BUNDLE_KEY_BYTES]);
static inline struct bundle_place bundle_place(const struct stored_chunk *chunk)
{
    return (struct bundle_place){chunk->partition, chunk->series, chunk->time_min_ns};
}
/* Negative, zero or positive, as memcmp of the keys. */
static inline int bundle_compare(struct bundle_place a, struct bundle_place b)
{
    if (a.partition != b.partition) return a.partition < b.partition ? -1 : 1;
    if (a.series != b.series) return a.series < b.series ? -1 : 1;
    return (a.time_ns > b.time_ns) - (a.time_ns < b.time_ns);
}

/* ---- writing ---- */

struct bundle_builder {
    struct buffer directory;
    struct buffer chunks;
    uint32_t chunk_count;
    struct bundle_place first;
    struct stored_chunk previous; /* its bytes are gone */
};
void bundle_init(struct bundle_builder *b);
void bundle_deinit(struct bundle_builder *b);
void bundle_clear(struct bundle_builder *b);
/* In key order. PHUSA_ENOMEM: clear or deinit. */
PHUSA_MUST_USE phusa_status bundle_add(struct bundle_builder *b, const struct stored_chunk *chunk);
static inline size_t bundle_bytes(const struct bundle_builder *b)
{
    return BUNDLE_HEADER_BYTES + b->directory.size_bytes + b->chunks.size_bytes;
}
/* bundle_bytes() of them. */
void bundle_write(const struct bundle_builder *b, uint8_t *room);

/* ---- reading ---- */

struct bundle_view {
    struct reader directory;
    const uint8_t *chunks;
    size_t chunks_bytes;
    uint32_t chunk_count;
    /* the next one: */
    uint32_t index;
    size_t offset_bytes;
    struct stored_chunk previous;
};
/* Verifies the checksum of header and directory. */
PHUSA_MUST_USE phusa_status bundle_open(struct bundle_view *view, const void *bytes,
                                        size_t size_bytes);
PHUSA_MUST_USE phusa_status bundle_next(struct bundle_view *view, struct stored_chunk *chunk,
                                        bool *found);

#endif
