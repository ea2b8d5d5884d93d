/*
 * exact_bulk.c - many doubles into an exact sum at once.
 *
 * Decimals of the column's scale are added in one register. The others go to an accumulator of
 * their own (after Neal, "Fast exact summation using small and large superaccumulators", 2015):
 * a row of 128-bit slots, one for every 32 binary places, each of which takes a mantissa shifted
 * by less than 32, so that nothing is carried until the end:
 *
 *   a 64-bit piece << 31 is below 2^95, and 2^32 of them are below 2^127
 */
#include "base/exact.h"

#include "base/exact_internal.h"

#define SLOT_BITS    32
#define SLOTS        134 /* squares reach bit 2 * 2045 + 106 */
#define PIECES_MAX   (UINT32_C(1) << 30)
#define SUM_POINT    (BINARY_POINT_BITS - 1074)     /* where bit 0 of a sum's slots lies, */
#define SQUARE_POINT (BINARY_POINT_BITS - 2 * 1074) /* and of squares' */
_Static_assert(2 * 2045 + 64 < SLOTS * SLOT_BITS, "the upper piece of any square has its slot");

struct slots {
    unsigned first, last; /* those in use; first > last: none */
    __int128 slot[SLOTS]; /* of those not in use, undefined */
};

static void slots_init(struct slots *s)
{
    s->first = 1;
    s->last = 0;
}

static void slots_extend(struct slots *s, unsigned i)
{
    if (s->first > s->last) {
        s->first = s->last = i;
        s->slot[i] = 0;
    }
    while (s->first > i)
        s->slot[--s->first] = 0;
    while (s->last < i)
        s->slot[++s->last] = 0;
}

static inline void slots_add(struct slots *s, uint64_t piece, unsigned bit, bool negative)
{
    const unsigned i = bit / SLOT_BITS;
    if (i < s->first || i > s->last) slots_extend(s, i);
    const __int128 shifted = (__int128)piece << bit % SLOT_BITS;
    s->slot[i] += negative ? -shifted : shifted;
}

static phusa_status slots_flush(struct slots *s, unsigned point, struct exact *sum,
                                struct arena *arena)
{
    phusa_status status = PHUSA_OK;
    for (unsigned i = s->first; i <= s->last && status == PHUSA_OK; i++)
        status = exact_add_binary(sum, exact_abs(s->slot[i]), i * SLOT_BITS + point, s->slot[i] < 0,
                                  arena);
    slots_init(s);
    return status;
}

static inline void slots_add_double(struct slots *s, double x)
{
    unsigned exponent;
    const uint64_t mantissa = exact_split_double(x, &exponent);
    slots_add(s, mantissa, exponent, signbit(x) != 0);
}

static inline void slots_add_square(struct slots *s, double x)
{
    unsigned exponent;
    const uint64_t mantissa = exact_split_double(x, &exponent);
    const unsigned __int128 square = (unsigned __int128)mantissa * mantissa;
    slots_add(s, (uint64_t)square, 2 * exponent, false);
    slots_add(s, (uint64_t)(square >> 64), 2 * exponent + 64, false);
}

/* Some of a column's values, few enough for the slots and for `units`: 10^15 * 2^29 < 2^127, and
 * squares 10^30 * 2^27 < 2^127. */
#define PART_MAX (1u << 20)
_Static_assert(2 * PART_MAX < PIECES_MAX, "slots do not overflow");

static phusa_status add_part(struct exact *sum, const double *x, size_t count, unsigned *scale,
                             bool squares, struct arena *arena)
{
    phusa_status status = PHUSA_OK;
    struct slots slots;
    slots_init(&slots);
    const unsigned fold = squares ? 2 : 1;
    __int128 units = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t m;
        uint8_t e;
        if (*scale <= EXACT_DECIMALS_MAX && exact_decimal_at(x[i], *scale, &m)) {
            units += squares ? (__int128)m * m : m;
        } else if (!exact_decimal(x[i], PHUSA_DECIMALS_UNKNOWN, &m, &e)) {
            if (squares)
                slots_add_square(&slots, x[i]);
            else
                slots_add_double(&slots, x[i]);
        } else if (e > *scale || *scale > EXACT_DECIMALS_MAX) {
            /* A finer scale: the values before most likely fit it too, and those that follow. */
            if (units != 0) status = exact_add_units(sum, units, fold * *scale, arena);
            units = squares ? (__int128)m * m : m;
            *scale = e;
        } else { /* too large for this scale */
            status = exact_add_units(sum, squares ? (__int128)m * m : m, fold * e, arena);
        }
        if (status != PHUSA_OK) return status;
    }
    if (units != 0) status = exact_add_units(sum, units, fold * *scale, arena);
    if (status != PHUSA_OK) return status;
    return slots_flush(&slots, squares ? SQUARE_POINT : SUM_POINT, sum, arena);
}

static phusa_status add_all(struct exact *sum, const double *x, size_t count, unsigned hint,
                            bool squares, struct arena *arena)
{
    phusa_status status = PHUSA_OK;
    unsigned scale = exact_likely_decimals(sum, hint, squares);
    while (count > 0 && status == PHUSA_OK) {
        const size_t part = count < PART_MAX ? count : PART_MAX;
        status = add_part(sum, x, part, &scale, squares, arena);
        x += part;
        count -= part;
    }
    return status;
}

phusa_status exact_add_doubles(struct exact *sum, const double *x, size_t count, unsigned hint,
                               struct arena *arena)
{
    return add_all(sum, x, count, hint, false, arena);
}

phusa_status exact_add_square_doubles(struct exact *sum, const double *x, size_t count,
                                      unsigned hint, struct arena *arena)
{
    return add_all(sum, x, count, hint, true, arena);
}
