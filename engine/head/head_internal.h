/*
 * head_internal.h - how a head lies in its region. This folder only.
 *
 *     tables[256] -> slots -> entry (policy, series)
 *                               strand (one shape) -> block -> block -> ...    rows, by LSN
 *                               strand (another)   -> block -> ...
 *
 * The region is one mapping, used from the bottom up and freed whole. Everything in it is
 * named by its place, in units of 8 bytes, so that a u32 reaches 32 GiB.
 *
 * A strand keeps the rows of a series that have one set of fields. Most series have one strand.
 * A gauge that sends each field on its own line has one per field; if the rows lay in one chain,
 * each of them would begin a new block.
 *
 * What readers see: the appender writes a row, then raises the block's count (release); it
 * fills a block, strand or entry, then links it (release). Readers load counts and links
 * (acquire), so what they reach is whole, and they need no lock. Nothing is ever moved; tables
 * grow by a new copy, and the old one stays in the region for those who still probe it.
 */
#ifndef PHUSA_HEAD_HEAD_INTERNAL_H
#define PHUSA_HEAD_HEAD_INTERNAL_H

#include "head/head.h"

#include <assert.h>
#include <stdatomic.h>

typedef uint32_t place; /* 0: none */
typedef _Atomic uint32_t atomic_place;
#define PLACE_BYTES 8u

/* A set of fields, shared by all strands that have it. Never changes. */
struct head_shape {
    uint32_t field_count;
    uint32_t hash;
    place next; /* with the same hash bucket; the appender's */
    bool has_string, has_float;
    struct points_field fields[]; /* ascending by id */
};

/*
 * A row, in units of 8 bytes so that slots are aligned:
 *     0            8               12            12 + 4*mask words
 *     | time i64   | lsn delta u32 | mask u32... | (4 bytes if needed) | 8-byte slot per field |
 * Bit f of the mask: field f of the shape has a value. The slot of a string is the place of
 * its length (u32) and bytes.
 */
static inline uint32_t row_mask_words(uint32_t field_count)
{
    return (field_count + 31) / 32;
}
static inline uint32_t row_slots_offset(uint32_t field_count)
{
    return (12 + 4 * row_mask_words(field_count) + 7) & ~7u;
}
static inline uint32_t row_bytes(uint32_t field_count)
{
    return row_slots_offset(field_count) + 8 * field_count;
}
static inline int64_t row_time_ns(const uint8_t *row)
{
    return (int64_t)load_u64(row);
}
static inline uint32_t row_lsn_delta(const uint8_t *row)
{
    return load_u32(row + 8);
}
static inline bool row_has(const uint8_t *row, uint32_t field)
{
    return load_u32(row + 12 + 4 * (field / 32)) >> (field % 32) & 1;
}

/* Blocks grow by half (1, 2, 3, 5, 8 ... rows) up to 64 rows or 8 KiB: little for an idle series,
 * few links for a busy one. */
#define BLOCK_ROWS_MAX  64u
#define BLOCK_BYTES_MAX 8192u
struct head_block {
    atomic_place next;
    _Atomic uint16_t count; /* rows that readers may see */
    uint8_t capacity;
    _Atomic uint8_t flags; /* set before the count that includes the row which broke them */
    uint8_t rows[];
};
#define BLOCK_UNSORTED 1u /* times do not strictly ascend */
#define BLOCK_PARTIAL  2u /* some row lacks some field of the shape */
_Static_assert(sizeof(struct head_block) == 8, "rows are aligned to 8 and headers are small");

/* The greatest decimals of each field follow it, if the shape has floats: a byte each, a hint
 * that readers may see early. */
struct head_strand {
    place shape;
    place first;
    place last; /* the appender's */
    atomic_place next;
};
static inline _Atomic uint8_t *strand_decimals(struct head_strand *strand)
{
    return (_Atomic uint8_t *)(strand + 1);
}

struct head_entry {
    uint64_t series;
    place policy;
    place next_in_policy;
    place recent;              /* the strand appended to last; the appender's */
    uint32_t strand_count;     /* the appender's */
    struct head_strand strand; /* the first; the others are extra_strands */
};
_Static_assert(sizeof(struct head_entry) == 40, "an idle series is cheap");

/* Past STRANDS_WALKED strands a series' strand of a shape is found by a table, so that a client who
 * sends ever other sets of fields costs memory, not time. */
#define STRANDS_WALKED 16u
struct extra_strand {
    place owner; /* the entry */
    uint32_t unused;
    struct head_strand strand;
};

struct head_policy {
    uint32_t policy;
    atomic_place next;
    atomic_place entries; /* newest first */
    _Atomic int64_t time_min_ns, time_max_ns;
};

/* Open addressing; a slot is 32 bits of a hash and the place of an entry (or extra strand). */
struct head_table {
    uint32_t slot_count; /* a power of two */
    uint32_t used;       /* the appender's */
    _Atomic uint64_t slots[];
};
#define TABLE_COUNT 256u /* growth copies one of them: 4,096 entries of a million */

#define SHAPE_BUCKETS 256u
#define SHAPE_MEMO    16u
struct head {
    uint8_t *region;
    size_t budget_bytes;
    uint64_t lsn_start;
    int64_t created_ns;
    _Atomic uint32_t references;

    atomic_place policies;                   /* newest first */
    atomic_place tables[TABLE_COUNT];        /* (policy, series) -> entry */
    atomic_place strand_tables[TABLE_COUNT]; /* (entry, shape) -> extra strand; the appender's */

    /* The appender's; the atomics are its alone to write and for head_stats() to read. */
    _Atomic uint32_t used; /* places */
    _Atomic uint64_t points, values, series, lsn_end;
    place policy_recent;
    place shape_buckets[SHAPE_BUCKETS];
    struct {
        const struct points_field *fields; /* where it was seen last; verified on use */
        place shape;
    } shape_memo[SHAPE_MEMO];
};

static inline void *head_at(const struct head *head, place at)
{
    return head->region + (size_t)at * PLACE_BYTES;
}
static inline const struct head_shape *head_shape_at(const struct head *head, place at)
{
    return head_at(head, at);
}

/* Bottom-up allocation: 0 when the budget is used up. */
place head_take(struct head *head, size_t size_bytes);

/* ---- head_table.c ---- */

uint64_t head_hash(uint64_t owner, uint64_t member);
/* Bit patterns of policy (by its place) and series; of entry and shape. NULL, 0: there is none. */
struct head_entry *head_find(const struct head *head, place policy, uint64_t series, uint64_t hash);
place head_find_strand(const struct head *head, place entry, place shape, uint64_t hash);
/* Room for one more in the table that `hash` belongs to. PHUSA_ELIMIT. */
PHUSA_MUST_USE phusa_status head_reserve_slot(struct head *head, atomic_place *tables,
                                              uint64_t hash);
void head_publish(struct head *head, atomic_place *tables, place what, uint64_t hash);
/* Begin to fetch the slot of a hash; then say which place it likely leads to (0: none). */
void head_prefetch_slot(const struct head *head, uint64_t hash);
place head_guess(const struct head *head, uint64_t hash);
/* NULL: there is none. */
struct head_policy *head_find_policy(const struct head *head, uint32_t policy, place *at);

/* ---- head_shape.c ---- */

/* The place of a shape, taken in if it is new. PHUSA_ELIMIT. */
PHUSA_MUST_USE phusa_status head_intern_shape(struct head *head, const struct points_shape *fields,
                                              place *shape);

#endif
