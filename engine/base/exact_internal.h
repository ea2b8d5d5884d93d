/*
 * exact_internal.h - what exact.c, exact_round.c and exact_bytes.c share; nobody else's.
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
/* Make sure of sum->wide. */
phusa_status exact_widen(struct exact *sum, struct arena *arena);

/* The decimal part, whole: magnitude / 10^decimals with the fewest decimals. */
struct exact_decimal_part {
    uint64_t magnitude[DECIMAL_LIMBS_MAX];
    unsigned count; /* without leading zeros */
    unsigned decimals;
    bool negative;
};
void exact_decimal_part(const struct exact *sum, struct exact_decimal_part *out);

#endif
