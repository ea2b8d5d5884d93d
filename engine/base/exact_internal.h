/*
 * exact_internal.h - what exact.c, exact_bulk.c, exact_round.c and exact_bytes.c share; nobody
 * else's.
 *
 * A `struct limbs` is a signed integer that is stored only where it is not zero:
 *
 *   value = sum of limb[i] * 2^(64 * (base + i)), in two's complement,
 *
 * so that a sum of doubles near 1 takes three or four limbs of the 68 that all doubles and
 * their squares could need.
 */
#ifndef PHUSA_BASE_EXACT_INTERNAL_H
#define PHUSA_BASE_EXACT_INTERNAL_H

#include "base/exact.h"

#include <assert.h>
#include <math.h>

/* The binary part counts in 2^-2176: the square of the smallest double is 2^-2148, and a
 * multiple of 64 keeps limbs aligned. The square of the largest, 2^64 times, reaches bit
 * 2048 + 64 above the point, and sums that were read from disk another 64. */
#define BINARY_POINT_BITS 2176
#define BINARY_LIMBS_MAX  72
/* The decimal part counts in 10^-36: 2^128 units times 10^36 < 2^120, 2^64 times, is 312 bits;
 * sums read from disk may have 320, 2^64 times; then a limb for the sign. */
#define WIDE_DECIMALS     EXACT_SQUARE_DECIMALS
#define DECIMAL_LIMBS_MAX 8

struct limbs {
    uint64_t *limb;
    uint16_t base;
    uint16_t count; /* 0: the value is 0 */
    uint16_t capacity;
};
struct exact_wide {
    struct arena *arena; /* NULL: the heap */
    struct limbs decimal;
    struct limbs binary;
};

/* l += or -= v[0..count) * 2^(64 * position). PHUSA_ENOMEM: unchanged. */
phusa_status limbs_add(struct limbs *l, const uint64_t *v, unsigned count, unsigned position,
                       bool negative, struct arena *arena);
/* |l|, in limbs from `base` on; returns how many are left without leading zeros. */
unsigned limbs_magnitude(const struct limbs *l, uint64_t *out, bool *negative);

/* a + b + *carry, and the new carry; likewise a - b - *borrow. Compilers make adc and sbb of it. */
static inline uint64_t add_carry(uint64_t a, uint64_t b, uint64_t *carry)
{
    const unsigned __int128 sum = (unsigned __int128)a + b + *carry;
    *carry = (uint64_t)(sum >> 64);
    return (uint64_t)sum;
}
static inline uint64_t subtract_borrow(uint64_t a, uint64_t b, uint64_t *borrow)
{
    const unsigned __int128 difference = (unsigned __int128)a - b - *borrow;
    *borrow = (uint64_t)(difference >> 64) & 1;
    return (uint64_t)difference;
}

/* 10^n for n up to 36. */
unsigned __int128 exact_power10(unsigned n);
static inline unsigned __int128 exact_abs(__int128 v)
{
    return v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
}
/* The product of two 128-bit numbers. */
void exact_multiply(unsigned __int128 a, unsigned __int128 b, uint64_t out[4]);
/* Add +-mantissa * 2^(bit - BINARY_POINT_BITS). */
phusa_status exact_add_binary(struct exact *sum, unsigned __int128 mantissa, unsigned bit,
                              bool negative, struct arena *arena);
/* Make sure of sum->wide. */
phusa_status exact_widen(struct exact *sum, struct arena *arena);

extern const double exact_power10_double[EXACT_DECIMALS_MAX + 1];

/* The integer nearest to v, |v| < 2^51, without a call or a branch: adding 1.5 * 2^52 leaves it
 * in the low bits of the mantissa. */
static inline int64_t nearest_int(double v)
{
    const double magic = 6755399441055744.0;
    const double shifted = v + magic;
    int64_t bits, magic_bits;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&magic_bits, &magic, sizeof magic_bits);
    return bits - magic_bits;
}

/* Is x the nearest double to m/10^e for some |m| < 10^15? Both m and 10^e are exact doubles, so
 * the division is correctly rounded: it *is* the nearest double. And m can only be the
 * integer next to x * 10^e, since the two roundings on the way move it by less than 0.25. */
static inline bool exact_decimal_at(double x, unsigned e, int64_t *units)
{
    const double scaled = x * exact_power10_double[e];
    if (!(fabs(scaled) < 1e15)) return false;
    const int64_t m = nearest_int(scaled);
    *units = m;
    return (double)m / exact_power10_double[e] == x && m <= EXACT_UNITS_MAX &&
           m >= -EXACT_UNITS_MAX;
}

/* |x| = mantissa * 2^(exponent - 1074), exponent >= 0 */
static inline uint64_t exact_split_double(double x, unsigned *exponent)
{
    assert(isfinite(x));
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const unsigned biased = (unsigned)(bits >> 52 & 0x7ff);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    *exponent = biased == 0 ? 0 : biased - 1;
    return biased == 0 ? fraction : fraction | UINT64_C(1) << 52;
}

/* Without a hint, the scale of what is there already is the likeliest. */
static inline unsigned exact_likely_decimals(const struct exact *sum, unsigned hint, bool squares)
{
    if (hint <= EXACT_DECIMALS_MAX || sum->units == 0) return hint;
    return squares ? sum->decimals / 2u : sum->decimals;
}

/* The decimal part, whole: magnitude / 10^decimals with the fewest decimals. */
struct exact_decimal_part {
    uint64_t magnitude[DECIMAL_LIMBS_MAX];
    unsigned count; /* without leading zeros */
    unsigned decimals;
    bool negative;
};
void exact_decimal_part(const struct exact *sum, struct exact_decimal_part *out);

#endif
