/*
 * points.h - what writing and reading of points share; see record.h, and FORMAT.md for the bytes.
 * This folder only.
 *
 * On the way of every value in, and of every value again at replay: at 10 M values a second in
 * rows of ten, a row may cost a microsecond in all, so this gets a twentieth of it. Lengths
 * therefore stand apart from the bytes they count, four bits a value, and a value is one
 * unaligned load or store of 8 bytes of which its length counts: no loop over bytes and no
 * branch that depends on data, as a varint needs.
 *
 *     row   [lengths] [series] [time] [shape]  [codes, 4 bits a field]  [bytes of the values]
 *
 * A row of ten small integers of a series seen in order takes 1 + 1 + 0..5 + 5 + 10 bytes.
 */
#ifndef PHUSA_WAL_POINTS_H
#define PHUSA_WAL_POINTS_H

#include "wal/record.h"

#define POINTS_DECIMALS_MAX  18u
#define POINTS_FLAG_KNOWN_AT 1u
#define POINTS_FLOAT_RAW     8u /* codes of floats; 0..7: bytes of units, the scale as before */
#define POINTS_FLOAT_SCALED  8u /* 9..15: a scale, then code - 8 bytes of units */
enum points_shape_code { SHAPE_SAME, SHAPE_NEXT, SHAPE_U8, SHAPE_U32 };

static const double points_power_of_ten[POINTS_DECIMALS_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

/* The 3 bits of a length: 0..6, and 7 for 8 bytes. */
static inline unsigned points_length_of_code(unsigned code)
{
    return code + (code == 7);
}

/* Where the scale last used for a field of a shape is kept. */
static inline unsigned points_scale_slot(uint32_t shape, uint32_t field)
{
    return (shape * 29 + field) % POINTS_SCALES;
}

/* What a row without strings takes at most, and the 8 bytes that its loads and stores may go
 * beyond. */
#define POINTS_ROW_START_MAX   (1 + 8 + 8 + 4) /* lengths, series, time, shape */
#define POINTS_VALUE_BYTES_MAX 9u              /* a scale or nothing, and 8 bytes */
#define POINTS_SLACK_BYTES     8u
static inline size_t points_row_bytes_max(uint32_t field_count)
{
    return POINTS_ROW_START_MAX + (field_count + 1) / 2 +
           (size_t)field_count * POINTS_VALUE_BYTES_MAX + POINTS_SLACK_BYTES;
}

#endif
