/*
 * exact.h - sums that are the same double in every order, by every path.
 *
 * Floating-point addition is not associative, so a sum kept per chunk, per rollup window or
 * per thread would differ in its last bits from a recount. Here a sum is an exact rational
 * number, added to without any rounding and rounded once, when somebody asks.
 *
 * What a double stands for is a property of its value, never of where it is stored: a double
 * is *decimal* iff it is the nearest double to m/10^e with |m| < 10^15 and 0 <= e <= 18, and
 * then it counts as that m/10^e (there is only one such number: 15 digits survive a double).
 * So 0.1 + 0.2 is 0.3. Every other double counts as the binary fraction that it is; -0.0
 * counts as 0. Integers count as themselves. NaN and infinities never come here.
 *
 *   total = units/10^decimals            one 128-bit addition per value or per vector
 *         + wide: integer/10^36          what 128 bits could not hold
 *         + wide: integer*2^-2176        the doubles that are not decimal, and their squares
 *
 * Memory     `wide` is taken from `arena`, or from the heap where `arena` is NULL: the same
 *            choice in every call for one sum. exact_deinit() frees the heap's; after an arena
 *            nothing has to be freed. Most sums never need it.
 * Threads    one at a time for a sum that changes.
 * Range      2^64 additions of anything below cannot overflow.
 * Errors     PHUSA_ENOMEM only, and the sum is then unchanged, unless said otherwise.
 */
#ifndef PHUSA_BASE_EXACT_H
#define PHUSA_BASE_EXACT_H

#include "base/arena.h"
#include "base/bytes.h"

#define EXACT_UNITS_MAX       (INT64_C(1000000000000000) - 1) /* |m| of a decimal double */
#define EXACT_DECIMALS_MAX    18u                             /* e of a decimal double */
#define EXACT_SQUARE_DECIMALS (2 * EXACT_DECIMALS_MAX)        /* 2e of its square */

struct exact_wide;
struct exact {
    __int128 units;
    struct exact_wide *wide; /* usually NULL */
    uint8_t decimals;        /* 0..EXACT_SQUARE_DECIMALS */
};

/* All zeroes is a valid, empty sum. */
static inline void exact_init(struct exact *sum)
{
    *sum = (struct exact){0};
}
void exact_deinit(struct exact *sum);

/* Is x (finite) decimal? Then *units / 10^*decimals is what it counts as, |*units| at most
 * EXACT_UNITS_MAX. `hint` is tried first (PHUSA_DECIMALS_UNKNOWN: none) and kept if it holds,
 * so that a column stays at one scale; otherwise *decimals is the smallest that holds. */
bool exact_decimal(double x, unsigned hint, int64_t *units, uint8_t *decimals);

PHUSA_MUST_USE phusa_status exact_add_units_slow(struct exact *sum, __int128 units,
                                                 unsigned decimals, struct arena *arena);
/* Add units / 10^decimals, decimals at most EXACT_SQUARE_DECIMALS: the sum over a vector of
 * decimals of one scale e, or of their squares at 2e, or of integers at 0. The values added up
 * must each have met EXACT_UNITS_MAX at that scale if they stand for doubles, otherwise
 * they are not what exact_decimal() says of them. */
PHUSA_MUST_USE static inline phusa_status exact_add_units(struct exact *sum, __int128 units,
                                                          unsigned decimals, struct arena *arena)
{
    __int128 total;
    if (decimals != sum->decimals || __builtin_add_overflow(sum->units, units, &total))
        return exact_add_units_slow(sum, units, decimals, arena);
    sum->units = total;
    return PHUSA_OK;
}
PHUSA_MUST_USE static inline phusa_status exact_add_int64(struct exact *sum, int64_t x,
                                                          struct arena *arena)
{
    return exact_add_units(sum, x, 0, arena);
}
PHUSA_MUST_USE static inline phusa_status exact_add_uint64(struct exact *sum, uint64_t x,
                                                           struct arena *arena)
{
    return exact_add_units(sum, x, 0, arena);
}
/* x finite. */
PHUSA_MUST_USE phusa_status exact_add_double(struct exact *sum, double x, unsigned hint,
                                             struct arena *arena);
/* Many at once, several times faster. On PHUSA_ENOMEM some may have been added. */
PHUSA_MUST_USE phusa_status exact_add_doubles(struct exact *sum, const double *x, size_t count,
                                              unsigned hint, struct arena *arena);

/* The same for the squares of values, into a sum of squares. */
PHUSA_MUST_USE phusa_status exact_add_square_int64(struct exact *sum, int64_t x,
                                                   struct arena *arena);
PHUSA_MUST_USE phusa_status exact_add_square_uint64(struct exact *sum, uint64_t x,
                                                    struct arena *arena);
PHUSA_MUST_USE phusa_status exact_add_square_double(struct exact *sum, double x, unsigned hint,
                                                    struct arena *arena);
PHUSA_MUST_USE phusa_status exact_add_square_doubles(struct exact *sum, const double *x,
                                                     size_t count, unsigned hint,
                                                     struct arena *arena);

/* sum += other, sum -= other. `other` may live elsewhere; it is copied from. On PHUSA_ENOMEM a
 * part of it may have been added: give the sum up. */
PHUSA_MUST_USE phusa_status exact_merge(struct exact *sum, const struct exact *other,
                                        struct arena *arena);
PHUSA_MUST_USE phusa_status exact_subtract(struct exact *sum, const struct exact *other,
                                           struct arena *arena);

/* The nearest double to the total, to its quotient by count, and to the sample variance
 * (sum of squares - sum^2/count) / (count - 1): each rounded once, ties to even, beyond the
 * largest double to infinity. count > 0 for the mean; a variance of fewer than two is 0.
 * A standard deviation is the sqrt() of the rounded variance. */
double exact_round(const struct exact *sum);
double exact_mean(const struct exact *sum, uint64_t count);
double exact_variance(const struct exact *sum, const struct exact *squares, uint64_t count);
/* The total, where it is an integer that fits; else PHUSA_ERANGE. */
PHUSA_MUST_USE phusa_status exact_int64(const struct exact *sum, int64_t *out);
PHUSA_MUST_USE phusa_status exact_uint64(const struct exact *sum, uint64_t *out);

/* Bytes, see FORMAT.md: 2 + what the total needs, usually 5 to 10. Equal totals of the same
 * kinds of values give equal bytes, however they came about. Returns the size. */
#define EXACT_BYTES_MAX 656
size_t exact_encode(const struct exact *sum, uint8_t out[EXACT_BYTES_MAX]);
/* Takes from `in` what exact_encode() wrote, and no more. PHUSA_ECORRUPT: it did not write that.
 * *out need not have been initialised. */
PHUSA_MUST_USE phusa_status exact_decode(struct exact *out, struct reader *in, struct arena *arena);

#endif
