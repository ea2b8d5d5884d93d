/*
 * aggregate.h - what one column says over a range of rows: the state that statistics keep,
 * queries fold and rollups store.
 *
 * A field of the struct is only meaningful when its bit in `have` is set. Sums are exact
 * (base/exact.h), so folding in any order and grouping gives the same answer.
 *
 * Rows are folded in ascending time within one call; calls may come in any order of time.
 */
#ifndef PHUSA_CHUNK_AGGREGATE_H
#define PHUSA_CHUNK_AGGREGATE_H

#include "base/exact.h"
#include "chunk/vector.h"

enum {
    AGGREGATE_COUNT = 1 << 0,
    AGGREGATE_SUM = 1 << 1,
    AGGREGATE_SQUARES = 1 << 2,
    AGGREGATE_MIN = 1 << 3, /* with the time of its first occurrence */
    AGGREGATE_MAX = 1 << 4,
    AGGREGATE_FIRST = 1 << 5,
    AGGREGATE_LAST = 1 << 6,
    AGGREGATE_ALL = (1 << 7) - 1,
};

/* A value of any type; a string is borrowed from the vector it came from. */
union aggregate_value {
    double f;
    int64_t i;
    uint64_t u;
    bool b;
    struct phusa_text s;
};
struct aggregate_point {
    int64_t time_ns;
    union aggregate_value value;
};

struct aggregate {
    enum phusa_type type;
    uint8_t have;
    uint64_t count; /* 0: nothing was folded, the points below are undefined */
    struct exact sum;
    struct exact squares;
    struct aggregate_point min, max; /* numbers and booleans; the earliest of equals */
    struct aggregate_point first, last;
};

void aggregate_init(struct aggregate *a, enum phusa_type type, uint8_t have);
void aggregate_deinit(struct aggregate *a);
/* Fold rows [from, to) of `v`. PHUSA_ENOMEM only (an exact sum that went wide). */
PHUSA_MUST_USE phusa_status aggregate_rows(struct aggregate *a, const int64_t *times_ns,
                                           const struct vector *v, uint32_t from, uint32_t to);
/* Fold another state of the same type; b->have must include a->have. */
PHUSA_MUST_USE phusa_status aggregate_merge(struct aggregate *a, const struct aggregate *b);

#endif
