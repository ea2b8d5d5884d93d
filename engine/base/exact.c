/* exact.c - adding to exact sums; see exact.h. */
#include "base/exact.h"

#include "base/exact_internal.h"
#include "base/mem.h"

#include <assert.h>
#include <math.h>

const double exact_power10_double[EXACT_DECIMALS_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

unsigned __int128 exact_power10(unsigned n)
{
    static const uint64_t low[20] = {1u,
                                     10u,
                                     100u,
                                     1000u,
                                     10000u,
                                     100000u,
                                     1000000u,
                                     10000000u,
                                     100000000u,
                                     1000000000u,
                                     10000000000u,
                                     100000000000u,
                                     1000000000000u,
                                     10000000000000u,
                                     100000000000000u,
                                     1000000000000000u,
                                     10000000000000000u,
                                     100000000000000000u,
                                     1000000000000000000u,
                                     10000000000000000000u};
    assert(n <= EXACT_SQUARE_DECIMALS);
    return n < 20 ? low[n] : (unsigned __int128)low[19] * low[n - 19];
}

void exact_multiply(unsigned __int128 a, unsigned __int128 b, uint64_t out[4])
{
    const uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64);
    const uint64_t b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    const unsigned __int128 p00 = (unsigned __int128)a0 * b0;
    const unsigned __int128 p01 = (unsigned __int128)a0 * b1 + (uint64_t)(p00 >> 64);
    const unsigned __int128 p10 = (unsigned __int128)a1 * b0 + (uint64_t)p01;
    const unsigned __int128 p11 =
        (unsigned __int128)a1 * b1 + (uint64_t)(p01 >> 64) + (uint64_t)(p10 >> 64);
    out[0] = (uint64_t)p00;
    out[1] = (uint64_t)p10;
    out[2] = (uint64_t)p11;
    out[3] = (uint64_t)(p11 >> 64);
}

/* ---- what a double counts as ------------------------------------------ */

/* The largest e at which |x| * 10^e rounds to 15 digits or fewer; -1 when there is none. If x is
 * decimal at any e, then it is at this one, with zeros appended. */
static int widest_scale(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    /* floor(exponent * log10(2)), which is floor(log10 |x|) or one less */
    const int digits = (int)((exponent * INT64_C(1292913986)) >> 32);
    int e = 14 - digits;
    if (e > (int)EXACT_DECIMALS_MAX) e = (int)EXACT_DECIMALS_MAX;
    while (e >= 0 && fabs(x) * exact_power10_double[e] >= 999999999999999.5)
        e--;
    return e;
}

/* The same number with the fewest decimals. Fifteen digits end in at most 14 = 8 + 4 + 2 zeros. */
static void strip_zeros(int64_t *units, int *e)
{
    if (*units == 0) *e = 0;
    static const int64_t powers[] = {100000000, 10000, 100, 10};
    for (int i = 0, zeros = 8; i < 4; i++, zeros /= 2)
        if (*e >= zeros && *units % powers[i] == 0) {
            *units /= powers[i];
            *e -= zeros;
        }
}

bool exact_decimal(double x, unsigned hint, int64_t *units, uint8_t *decimals)
{
    int64_t m;
    if (hint <= EXACT_DECIMALS_MAX && exact_decimal_at(x, hint, &m)) {
        *units = m;
        *decimals = (uint8_t)hint;
        return true;
    }
    int e = widest_scale(x);
    if (e < 0 || !exact_decimal_at(x, (unsigned)e, &m)) return false;
    strip_zeros(&m, &e);
    *units = m;
    *decimals = (uint8_t)e;
    return true;
}

/* ---- limbs ------------------------------------------------------------ */

static uint64_t sign_limb(const struct limbs *l)
{
    return l->count > 0 && l->limb[l->count - 1] >> 63 ? UINT64_MAX : 0;
}

/* Let the window cover limbs [low, high), the value unchanged. */
static phusa_status limbs_cover(struct limbs *l, unsigned low, unsigned high, struct arena *arena)
{
    if (l->count > 0) {
        if (l->base < low) low = l->base;
        if (l->base + l->count > high) high = l->base + l->count;
    }
    const unsigned count = high - low, below = l->count > 0 ? l->base - low : 0;
    const uint64_t sign = sign_limb(l);
    if (count > l->capacity) {
        const unsigned capacity = count + 2;
        uint64_t *grown = arena != NULL ? arena_array(arena, capacity, sizeof *grown)
                                        : mem_array(capacity, sizeof *grown);
        if (grown == NULL) return PHUSA_ENOMEM;
        if (l->count > 0) memcpy(grown + below, l->limb, l->count * sizeof *grown);
        if (arena == NULL) mem_free(l->limb);
        l->limb = grown;
        l->capacity = (uint16_t)capacity;
    } else if (below > 0) {
        memmove(l->limb + below, l->limb, l->count * sizeof *l->limb);
    }
    memset(l->limb, 0, below * sizeof *l->limb);
    for (unsigned i = below + l->count; i < count; i++)
        l->limb[i] = sign;
    l->base = (uint16_t)low;
    l->count = (uint16_t)count;
    return PHUSA_OK;
}

phusa_status limbs_add(struct limbs *l, const uint64_t *v, unsigned count, unsigned position,
                       bool negative, struct arena *arena)
{
    while (count > 0 && v[count - 1] == 0)
        count--;
    if (count == 0) return PHUSA_OK;
    /* One more limb than either operand, unless the top one is free, so that the sign of the
     * result has its place. */
    unsigned high = position + count + 1;
    if (l->count > 0) {
        const uint64_t top = l->limb[l->count - 1];
        const unsigned end = (unsigned)l->base + l->count + (top != 0 && top != UINT64_MAX);
        if (end > high) high = end;
    }
    if (l->count == 0 || position < l->base || high > (unsigned)l->base + l->count) {
        const phusa_status status = limbs_cover(l, position, high, arena);
        if (status != PHUSA_OK) return status;
    }
    uint64_t *p = l->limb + (position - l->base);
    uint64_t *const end = l->limb + l->count;
    uint64_t carry = 0;
    for (unsigned i = 0; i < count; i++, p++)
        *p = negative ? subtract_borrow(*p, v[i], &carry) : add_carry(*p, v[i], &carry);
    for (; carry != 0 && p < end; p++)
        *p = negative ? subtract_borrow(*p, 0, &carry) : add_carry(*p, 0, &carry);
    return PHUSA_OK;
}

unsigned limbs_magnitude(const struct limbs *l, uint64_t *out, bool *negative)
{
    *negative = sign_limb(l) != 0;
    uint64_t carry = *negative;
    for (unsigned i = 0; i < l->count; i++) {
        out[i] = (*negative ? ~l->limb[i] : l->limb[i]) + carry;
        carry = carry && out[i] == 0;
    }
    unsigned count = l->count;
    while (count > 0 && out[count - 1] == 0)
        count--;
    return count;
}

/* ---- adding ----------------------------------------------------------- */

void exact_deinit(struct exact *sum)
{
    if (sum->wide != NULL && sum->wide->arena == NULL) {
        mem_free(sum->wide->decimal.limb);
        mem_free(sum->wide->binary.limb);
        mem_free(sum->wide);
    }
    exact_init(sum);
}

phusa_status exact_widen(struct exact *sum, struct arena *arena)
{
    if (sum->wide != NULL) {
        assert(sum->wide->arena == arena);
        return PHUSA_OK;
    }
    struct exact_wide *wide =
        arena != NULL ? arena_alloc(arena, sizeof *wide) : mem_alloc(sizeof *wide);
    if (wide == NULL) return PHUSA_ENOMEM;
    *wide = (struct exact_wide){.arena = arena};
    sum->wide = wide;
    return PHUSA_OK;
}

static phusa_status add_wide_decimal(struct exact *sum, unsigned __int128 magnitude, bool negative,
                                     unsigned decimals, struct arena *arena)
{
    const phusa_status status = exact_widen(sum, arena);
    if (status != PHUSA_OK) return status;
    uint64_t v[4];
    exact_multiply(magnitude, exact_power10(WIDE_DECIMALS - decimals), v);
    return limbs_add(&sum->wide->decimal, v, 4, 0, negative, arena);
}

/* units * 10^by, unless it does not fit. */
static bool rescale(__int128 units, unsigned by, __int128 *out)
{
    const unsigned __int128 factor = exact_power10(by);
    return !__builtin_mul_overflow(units, (__int128)factor, out);
}

phusa_status exact_add_units_slow(struct exact *sum, __int128 units, unsigned decimals,
                                  struct arena *arena)
{
    assert(decimals <= EXACT_SQUARE_DECIMALS);
    if (units == 0) return PHUSA_OK;
    if (sum->units == 0) {
        sum->units = units;
        sum->decimals = (uint8_t)decimals;
        return PHUSA_OK;
    }
    __int128 a = sum->units, b = units, total;
    const unsigned common = decimals > sum->decimals ? decimals : sum->decimals;
    if (rescale(a, common - sum->decimals, &a) && rescale(b, common - decimals, &b) &&
        !__builtin_add_overflow(a, b, &total)) {
        sum->units = total;
        sum->decimals = (uint8_t)common;
        return PHUSA_OK;
    }
    /* What was gathered goes to the wide part, and the narrow one starts anew. */
    const phusa_status status =
        add_wide_decimal(sum, exact_abs(sum->units), sum->units < 0, sum->decimals, arena);
    if (status != PHUSA_OK) return status;
    sum->units = units;
    sum->decimals = (uint8_t)decimals;
    return PHUSA_OK;
}

phusa_status exact_add_binary(struct exact *sum, unsigned __int128 mantissa, unsigned bit,
                              bool negative, struct arena *arena)
{
    const phusa_status status = exact_widen(sum, arena);
    if (status != PHUSA_OK) return status;
    const unsigned shift = bit % 64;
    const uint64_t low = (uint64_t)mantissa, high = (uint64_t)(mantissa >> 64);
    const uint64_t v[3] = {low << shift, high << shift | (shift > 0 ? low >> (64 - shift) : 0),
                           shift > 0 ? high >> (64 - shift) : 0};
    return limbs_add(&sum->wide->binary, v, 3, bit / 64, negative, arena);
}

static phusa_status add_binary_double(struct exact *sum, double x, struct arena *arena)
{
    unsigned exponent;
    const uint64_t mantissa = exact_split_double(x, &exponent);
    return exact_add_binary(sum, mantissa, exponent + BINARY_POINT_BITS - 1074, signbit(x) != 0,
                            arena);
}

static phusa_status add_binary_square(struct exact *sum, double x, struct arena *arena)
{
    unsigned exponent;
    const uint64_t mantissa = exact_split_double(x, &exponent);
    return exact_add_binary(sum, (unsigned __int128)mantissa * mantissa,
                            2 * exponent + BINARY_POINT_BITS - 2 * 1074, false, arena);
}

phusa_status exact_add_double(struct exact *sum, double x, unsigned hint, struct arena *arena)
{
    int64_t m;
    uint8_t e;
    if (exact_decimal(x, exact_likely_decimals(sum, hint, false), &m, &e))
        return exact_add_units(sum, m, e, arena);
    return add_binary_double(sum, x, arena);
}

/* ---- squares ---------------------------------------------------------- */

phusa_status exact_add_square_int64(struct exact *sum, int64_t x, struct arena *arena)
{
    return exact_add_units(sum, (__int128)x * x, 0, arena);
}

phusa_status exact_add_square_uint64(struct exact *sum, uint64_t x, struct arena *arena)
{
    const unsigned __int128 square = (unsigned __int128)x * x;
    if (square >> 127 == 0) return exact_add_units(sum, (__int128)square, 0, arena);
    return add_wide_decimal(sum, square, false, 0, arena);
}

phusa_status exact_add_square_double(struct exact *sum, double x, unsigned hint,
                                     struct arena *arena)
{
    int64_t m;
    uint8_t e;
    if (exact_decimal(x, exact_likely_decimals(sum, hint, true), &m, &e))
        return exact_add_units(sum, (__int128)m * m, 2u * e, arena);
    return add_binary_square(sum, x, arena);
}

/* ---- sums of sums ----------------------------------------------------- */

static phusa_status add_limbs(struct limbs *to, const struct limbs *from, bool negate,
                              struct arena *arena)
{
    uint64_t magnitude[BINARY_LIMBS_MAX];
    bool negative;
    assert(from->count <= BINARY_LIMBS_MAX);
    const unsigned count = limbs_magnitude(from, magnitude, &negative);
    return limbs_add(to, magnitude, count, from->base, negative != negate, arena);
}

static phusa_status combine(struct exact *sum, const struct exact *other, bool negate,
                            struct arena *arena)
{
    assert(sum != other);
    phusa_status status;
    if (negate && other->units == (__int128)((unsigned __int128)1 << 127))
        status = add_wide_decimal(sum, exact_abs(other->units), false, other->decimals, arena);
    else
        status =
            exact_add_units(sum, negate ? -other->units : other->units, other->decimals, arena);
    if (status != PHUSA_OK || other->wide == NULL) return status;
    status = exact_widen(sum, arena);
    if (status != PHUSA_OK) return status;
    status = add_limbs(&sum->wide->decimal, &other->wide->decimal, negate, arena);
    if (status != PHUSA_OK) return status;
    return add_limbs(&sum->wide->binary, &other->wide->binary, negate, arena);
}

phusa_status exact_merge(struct exact *sum, const struct exact *other, struct arena *arena)
{
    return combine(sum, other, false, arena);
}

phusa_status exact_subtract(struct exact *sum, const struct exact *other, struct arena *arena)
{
    return combine(sum, other, true, arena);
}
