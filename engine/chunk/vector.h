/*
 * vector.h - up to VECTOR_ROWS_MAX rows of one column, and up to as many rows of several.
 *
 * What the codecs make of a stored column, what a head hands over, what a merge puts out
 * and what the operators of a query work on. Values are dense: slot r belongs to row r, and
 * the slot of a row without a value holds zero (an empty text), so that kernels may run over it.
 *
 * Ownership  The arrays belong to whoever filled the vector: an arena, a scratch, or the caller.
 */
#ifndef PHUSA_CHUNK_VECTOR_H
#define PHUSA_CHUNK_VECTOR_H

#include "base/bytes.h"
#include "base/limits.h"

/* Field ids are u16, of one measurement, never reused. The top ones are the store's own
 * columns, all PHUSA_INTEGER; only policies with history keep them. */
#define FIELD_ID_MAX       0xffefu
#define FIELD_ID_LSN       0xfff0u
#define FIELD_ID_KNOWN_AT  0xfff1u
#define FIELD_ID_ORIGIN    0xfff2u
#define FIELD_ID_OPERATION 0xfff3u

struct vector {
    enum phusa_type type;
    uint8_t decimals;        /* floats: a scale that suits the values, or PHUSA_DECIMALS_UNKNOWN */
    const uint64_t *present; /* NULL: every row has a value */
    union {
        const void *values; /* row_count slots of vector_slot_bytes(type) */
        const double *f;
        const int64_t *i;
        const uint64_t *u;
        const uint8_t *b;
        const struct phusa_text *s;
    };
};

static inline size_t vector_slot_bytes(enum phusa_type type)
{
    return type == PHUSA_BOOLEAN ? 1 : type == PHUSA_STRING ? sizeof(struct phusa_text) : 8;
}
static inline bool vector_has(const struct vector *v, size_t row)
{
    return v->present == NULL || bit_get(v->present, row);
}
/* Words of a bitmap for `count` rows. */
static inline size_t bitmap_words(size_t count)
{
    return (count + 63) / 64;
}

/* Rows of one series, strictly ascending in time, at least one field in each. */
struct rows {
    uint32_t row_count;
    uint32_t column_count;
    const int64_t *times_ns;
    const uint16_t *field_ids;    /* column_count of them, ascending */
    const struct vector *columns; /* likewise */
};

#endif
