/*
 * exact_round.c - from exact sums to the nearest double.
 *
 * A total is a fraction n / (10^d * 2^t) of integers; so are a mean and a variance. One
 * routine, nearest(), divides two big integers to 64 bits and a sticky bit, from which every
 * double, subnormals included, is rounded once.
 */
#include "base/exact.h"

#include "base/exact_internal.h"

#include <assert.h>
#include <math.h>

/* The widest number is the numerator of a variance: the square of a sum of 75 limbs, brought to
 * a common denominator of another 4, and one for the shifts of a division. */
#define BIG_LIMBS 168
struct big {
    unsigned count; /* no leading zeros; 0: the number is 0 */
    bool negative;
    uint64_t limb[BIG_LIMBS];
};

static void big_trim(struct big *b)
{
    while (b->count > 0 && b->limb[b->count - 1] == 0)
        b->count--;
}

static void big_set(struct big *b, unsigned __int128 v)
{
    b->negative = false;
    b->limb[0] = (uint64_t)v;
    b->limb[1] = (uint64_t)(v >> 64);
    b->count = 2;
    big_trim(b);
}

static unsigned big_bits(const struct big *b)
{
    if (b->count == 0) return 0;
    return 64 * b->count - (unsigned)__builtin_clzll(b->limb[b->count - 1]);
}

static void big_multiply_u64(struct big *b, uint64_t v)
{
    uint64_t carry = 0;
    for (unsigned i = 0; i < b->count; i++) {
        const unsigned __int128 p = (unsigned __int128)b->limb[i] * v + carry;
        b->limb[i] = (uint64_t)p;
        carry = (uint64_t)(p >> 64);
    }
    if (carry != 0) {
        assert(b->count < BIG_LIMBS);
        b->limb[b->count++] = carry;
    }
    big_trim(b);
}

static void big_multiply_power10(struct big *b, unsigned n)
{
    for (; n >= 19; n -= 19)
        big_multiply_u64(b, (uint64_t)exact_power10(19));
    if (n > 0) big_multiply_u64(b, (uint64_t)exact_power10(n));
}

static void big_square(struct big *b)
{
    struct big square;
    assert(2 * b->count <= BIG_LIMBS);
    memset(square.limb, 0, 2 * b->count * sizeof square.limb[0]);
    for (unsigned i = 0; i < b->count; i++) {
        uint64_t carry = 0;
        for (unsigned k = 0; k < b->count; k++) {
            const unsigned __int128 p =
                (unsigned __int128)b->limb[i] * b->limb[k] + square.limb[i + k] + carry;
            square.limb[i + k] = (uint64_t)p;
            carry = (uint64_t)(p >> 64);
        }
        square.limb[i + b->count] = carry;
    }
    b->count *= 2;
    b->negative = false;
    memcpy(b->limb, square.limb, b->count * sizeof square.limb[0]);
    big_trim(b);
}

static void big_shift_left(struct big *b, unsigned bits)
{
    if (b->count == 0 || bits == 0) return;
    const unsigned limbs = bits / 64, rest = bits % 64;
    assert(b->count + limbs + 1 <= BIG_LIMBS);
    b->limb[b->count] = 0;
    for (unsigned i = b->count + 1; i-- > 0;) {
        const uint64_t low = i > 0 && rest > 0 ? b->limb[i - 1] >> (64 - rest) : 0;
        b->limb[i + limbs] = b->limb[i] << rest | low;
    }
    memset(b->limb, 0, limbs * sizeof b->limb[0]);
    b->count += limbs + 1;
    big_trim(b);
}

static int big_compare_magnitude(const struct big *a, const struct big *b)
{
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (unsigned i = a->count; i-- > 0;)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* a = |larger| - |smaller|, a being either */
static void big_subtract_magnitude(struct big *a, const struct big *larger,
                                   const struct big *smaller)
{
    uint64_t borrow = 0;
    for (unsigned i = 0; i < larger->count; i++)
        a->limb[i] =
            subtract_borrow(larger->limb[i], i < smaller->count ? smaller->limb[i] : 0, &borrow);
    a->count = larger->count;
    big_trim(a);
}

static void big_add(struct big *a, const struct big *b)
{
    if (a->negative != b->negative) {
        if (big_compare_magnitude(a, b) >= 0) {
            big_subtract_magnitude(a, a, b);
        } else {
            big_subtract_magnitude(a, b, a);
            a->negative = b->negative;
        }
        return;
    }
    uint64_t carry = 0;
    const unsigned count = a->count > b->count ? a->count : b->count;
    for (unsigned i = 0; i < count; i++)
        a->limb[i] =
            add_carry(i < a->count ? a->limb[i] : 0, i < b->count ? b->limb[i] : 0, &carry);
    a->count = count;
    if (carry != 0) {
        assert(a->count < BIG_LIMBS);
        a->limb[a->count++] = carry;
    }
}

/* ---- rounding --------------------------------------------------------- */

/* The double nearest to (quotient + a little, if `sticky`) * 2^exponent, quotient >= 2^62. */
static double round_bits(uint64_t quotient, bool sticky, int exponent, bool negative)
{
    assert(quotient >> 62 != 0);
    const int top = exponent + 63 - __builtin_clzll(quotient); /* exponent of the leading bit */
    if (top > 1023) return negative ? -INFINITY : INFINITY;
    if (top < -1075) return negative ? -0.0 : 0.0; /* below half of the smallest */
    /* Doubles here are multiples of 2^unit; drop the bits below. */
    const int unit = top < -1022 ? -1074 : top - 52;
    const unsigned drop = (unsigned)(unit - exponent); /* 10..65 */
    const unsigned __int128 value = (unsigned __int128)quotient << 1 | sticky;
    const unsigned __int128 half = (unsigned __int128)1 << drop;
    uint64_t mantissa = (uint64_t)(value >> (drop + 1));
    const unsigned __int128 rest = value & ((half << 1) - 1);
    if (rest > half || (rest == half && (mantissa & 1))) mantissa++;
    const double magnitude = ldexp((double)mantissa, unit);
    return negative ? -magnitude : magnitude;
}

/* The double nearest to n / d; both are used up. One digit of Knuth's algorithm D (TAOCP 4.3.1),
 * with 64-bit digits: n is shifted so that the quotient has 63 or 64 bits. */
static double nearest(struct big *n, struct big *d)
{
    assert(d->count > 0);
    if (n->count == 0) return 0;
    unsigned d_shift = 64 * d->count - big_bits(d);
    while (d->count * 64 + (d_shift / 64) * 64 + 63 < big_bits(n))
        d_shift += 64;
    big_shift_left(d, d_shift);
    const unsigned n_shift = 64 * d->count + 63 - big_bits(n);
    big_shift_left(n, n_shift);

    const unsigned top = d->count;
    const uint64_t divisor = d->limb[top - 1];
    assert(n->count == top + 1 && divisor >> 63 == 1 && n->limb[top] >> 63 == 0);
    uint64_t q = (uint64_t)(((unsigned __int128)n->limb[top] << 64 | n->limb[top - 1]) / divisor);
    /* n -= q * d; q is at most 2 too large, and then n is negative: add d back. */
    uint64_t carry = 0;
    uint64_t borrow = 0;
    for (unsigned i = 0; i < top; i++) {
        const unsigned __int128 p = (unsigned __int128)q * d->limb[i] + carry;
        carry = (uint64_t)(p >> 64);
        n->limb[i] = subtract_borrow(n->limb[i], (uint64_t)p, &borrow);
    }
    n->limb[top] = subtract_borrow(n->limb[top], carry, &borrow);
    while (borrow != 0) {
        uint64_t over = 0;
        for (unsigned i = 0; i < top; i++)
            n->limb[i] = add_carry(n->limb[i], d->limb[i], &over);
        n->limb[top] = add_carry(n->limb[top], 0, &over);
        if (over != 0) borrow = 0;
        q--;
    }
    big_trim(n);
    return round_bits(q, n->count > 0, (int)d_shift - (int)n_shift, n->negative);
}

/* ---- totals as fractions ---------------------------------------------- */

/* A total is n / (10^decimals * 2^twos). */
struct fraction {
    struct big n;
    unsigned decimals;
    unsigned twos;
};

static void add_binary_part(struct fraction *f, const struct limbs *l)
{
    struct big b;
    assert(l->count <= BINARY_LIMBS_MAX);
    b.count = limbs_magnitude(l, b.limb, &b.negative);
    if (b.count == 0) return;
    const unsigned bit = 64u * l->base;
    if (bit > BINARY_POINT_BITS)
        big_shift_left(&b, bit - BINARY_POINT_BITS);
    else
        f->twos = BINARY_POINT_BITS - bit;
    big_multiply_power10(&b, f->decimals);
    big_shift_left(&f->n, f->twos);
    big_add(&f->n, &b);
}

static void fraction_of(const struct exact *sum, struct fraction *f)
{
    f->twos = 0;
    if (sum->wide == NULL) {
        big_set(&f->n, exact_abs(sum->units));
        f->n.negative = sum->units < 0;
        f->decimals = sum->decimals;
        return;
    }
    struct exact_decimal_part d;
    exact_decimal_part(sum, &d);
    f->n.count = d.count;
    f->n.negative = d.negative;
    memcpy(f->n.limb, d.magnitude, d.count * sizeof f->n.limb[0]);
    f->decimals = d.decimals;
    add_binary_part(f, &sum->wide->binary);
}

static const double power10_double[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define DOUBLE_INT_MAX (INT64_C(1) << 53) /* integers up to here are exact doubles */

static bool fits_double(const struct exact *sum)
{
    return sum->wide == NULL && sum->units <= DOUBLE_INT_MAX && sum->units >= -DOUBLE_INT_MAX;
}

double exact_round(const struct exact *sum)
{
    /* Of two exact doubles one division rounds once: nearly every sum ends here. */
    if (fits_double(sum) && sum->decimals <= 22)
        return (double)(int64_t)sum->units / power10_double[sum->decimals];
    struct fraction f;
    struct big d;
    fraction_of(sum, &f);
    big_set(&d, 1);
    big_multiply_power10(&d, f.decimals);
    big_shift_left(&d, f.twos);
    return nearest(&f.n, &d);
}

double exact_mean(const struct exact *sum, uint64_t count)
{
    assert(count > 0);
    if (fits_double(sum) && sum->decimals < 16) {
        const unsigned __int128 divisor = exact_power10(sum->decimals) * count;
        if (divisor <= DOUBLE_INT_MAX)
            return (double)(int64_t)sum->units / (double)(uint64_t)divisor;
    }
    struct fraction f;
    struct big d;
    fraction_of(sum, &f);
    big_set(&d, count);
    big_multiply_power10(&d, f.decimals);
    big_shift_left(&d, f.twos);
    return nearest(&f.n, &d);
}

/* With S = s/(10^a 2^p) and Q = q/(10^c 2^r):
 *   (Q - S^2/count) / (count - 1) = (count q 10^(A-c) 2^(P-r) - s^2 10^(A-2a) 2^(P-2p))
 *                                 / (10^A 2^P count (count - 1)),   A = max(2a, c), P = max(2p, r)
 */
double exact_variance(const struct exact *sum, const struct exact *squares, uint64_t count)
{
    if (count < 2) return 0;
    struct fraction s, q;
    fraction_of(sum, &s);
    fraction_of(squares, &q);
    const unsigned decimals = 2 * s.decimals > q.decimals ? 2 * s.decimals : q.decimals;
    const unsigned twos = 2 * s.twos > q.twos ? 2 * s.twos : q.twos;
    big_square(&s.n);
    big_multiply_power10(&s.n, decimals - 2 * s.decimals);
    big_shift_left(&s.n, twos - 2 * s.twos);
    big_multiply_u64(&q.n, count);
    big_multiply_power10(&q.n, decimals - q.decimals);
    big_shift_left(&q.n, twos - q.twos);
    s.n.negative = true;
    big_add(&q.n, &s.n);
    /* Squares cannot be fewer than that, unless the two are not of the same values. */
    if (q.n.negative || q.n.count == 0) return 0;

    struct big d;
    big_set(&d, (unsigned __int128)count * (count - 1));
    big_multiply_power10(&d, decimals);
    big_shift_left(&d, twos);
    return nearest(&q.n, &d);
}
