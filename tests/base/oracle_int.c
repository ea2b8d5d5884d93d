/* oracle_int.c - see oracle_int.h. */
#include "oracle_int.h"

#include <assert.h>
#include <string.h>

static void trim(struct oracle_int *a)
{
    while (a->count > 0 && a->digit[a->count - 1] == 0)
        a->count--;
    if (a->count == 0) a->negative = false;
}

void oracle_set(struct oracle_int *a, int64_t v)
{
    const uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    a->negative = v < 0;
    a->count = 2;
    a->digit[0] = (uint32_t)magnitude;
    a->digit[1] = (uint32_t)(magnitude >> 32);
    trim(a);
}

static int compare_magnitude(const struct oracle_int *a, const struct oracle_int *b)
{
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->digit[i] != b->digit[i]) return a->digit[i] < b->digit[i] ? -1 : 1;
    return 0;
}

int oracle_compare(const struct oracle_int *a, const struct oracle_int *b)
{
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

static void combine(struct oracle_int *a, const struct oracle_int *b, bool b_negative)
{
    struct oracle_int big = *a, small = *b;
    small.negative = b_negative;
    if (compare_magnitude(a, b) < 0) {
        big = small;
        small = *a;
    }
    const bool same = big.negative == small.negative;
    int64_t carry = 0;
    const int count = big.count + 1;
    assert(count <= ORACLE_DIGITS);
    for (int i = 0; i < count; i++) {
        const int64_t x = i < big.count ? big.digit[i] : 0,
                      y = i < small.count ? small.digit[i] : 0;
        const int64_t sum = x + (same ? y : -y) + carry;
        a->digit[i] = (uint32_t)sum;
        carry = sum >> 32;
    }
    a->negative = big.negative;
    a->count = count;
    trim(a);
}

void oracle_add(struct oracle_int *a, const struct oracle_int *b)
{
    combine(a, b, b->negative);
}

void oracle_subtract(struct oracle_int *a, const struct oracle_int *b)
{
    combine(a, b, !b->negative);
}

void oracle_multiply(struct oracle_int *a, const struct oracle_int *b)
{
    struct oracle_int product;
    memset(&product, 0, sizeof product);
    assert(a->count + b->count <= ORACLE_DIGITS);
    product.negative = a->negative != b->negative;
    product.count = a->count + b->count;
    for (int i = 0; i < a->count; i++) {
        uint64_t carry = 0;
        for (int k = 0; k < b->count; k++) {
            carry += (uint64_t)a->digit[i] * b->digit[k] + product.digit[i + k];
            product.digit[i + k] = (uint32_t)carry;
            carry >>= 32;
        }
        product.digit[i + b->count] = (uint32_t)carry;
    }
    trim(&product);
    *a = product;
}

void oracle_multiply_small(struct oracle_int *a, uint32_t b)
{
    struct oracle_int factor;
    oracle_set(&factor, b);
    oracle_multiply(a, &factor);
}

void oracle_shift_left(struct oracle_int *a, unsigned bits)
{
    for (; bits >= 31; bits -= 31)
        oracle_multiply_small(a, UINT32_C(1) << 31);
    oracle_multiply_small(a, UINT32_C(1) << bits);
}
