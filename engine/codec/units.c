/* units.c - sums, squares, extremes and values of unpacked integers, see codec.h. */
#include "codec/lanes.h"

#include <assert.h>

/* Values and references below 2^57 and 2^10 of them: no term of a sum of squares reaches 2^126. */
#define SQUARE_BITS 57

static __int128 extend(const struct codec_units *u, uint64_t bits)
{
    return u->is_unsigned ? (__int128)bits : (__int128)(int64_t)bits;
}

static unsigned __int128 sum_wide(const uint64_t *v, uint32_t count)
{
    unsigned __int128 sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += v[i];
    return sum;
}

__int128 codec_units_sum(const struct codec_units *units, uint32_t from, uint32_t to)
{
    assert(from < to && to <= units->count);
    const unsigned __int128 sum = units->is_narrow
                                      ? lanes_active()->sum(units->narrow + from, to - from)
                                      : sum_wide(units->wide + from, to - from);
    return (__int128)((unsigned __int128)extend(units, units->reference) * (to - from) +
                      units->multiplier * sum);
}

static bool squares_narrow(const struct codec_units *u, uint32_t from, uint32_t to, __int128 *out)
{
    const struct lanes *lanes = lanes_active();
    const uint32_t *v = u->narrow + from;
    const uint32_t count = to - from, greatest = lanes->max(v, count);
    const __int128 limit = (__int128)1 << SQUARE_BITS;
    const __int128 reference = extend(u, u->reference);
    if (reference <= -limit || reference >= limit) return false;
    if ((unsigned __int128)u->multiplier * greatest >= (unsigned __int128)limit) return false;

    unsigned __int128 squares = 0;
    if (greatest < UINT32_C(1) << 26) {
        squares = lanes->squares(v, count);
    } else {
        for (uint32_t i = 0; i < count; i++)
            squares += (uint64_t)v[i] * v[i];
    }
    /* (r + m*v)^2 = r^2 + 2*r*m*v + m^2*v^2; m is below 2^57 unless every v is zero. */
    const __int128 m = greatest == 0 ? 0 : (__int128)u->multiplier;
    const __int128 sum = (__int128)lanes->sum(v, count);
    *out = reference * reference * count + 2 * reference * (m * sum) + m * m * (__int128)squares;
    return true;
}

bool codec_units_squares(const struct codec_units *units, uint32_t from, uint32_t to,
                         __int128 *squares)
{
    assert(from < to && to <= units->count);
    if (units->is_narrow) return squares_narrow(units, from, to, squares);
    const __int128 limit = (__int128)1 << SQUARE_BITS;
    __int128 total = 0;
    for (uint32_t i = from; i < to; i++) {
        const __int128 v = extend(units, codec_unit(units, i));
        if (v <= -limit || v >= limit) return false;
        total += v * v;
    }
    *squares = total;
    return true;
}

/* The multiplier is not negative and nothing wraps, so the order is that of the parts. */

uint32_t codec_units_min(const struct codec_units *units, uint32_t from, uint32_t to)
{
    assert(from < to && to <= units->count);
    if (units->is_narrow) {
        const struct lanes *lanes = lanes_active();
        const uint32_t *v = units->narrow + from;
        return from + lanes->find(v, to - from, lanes->min(v, to - from));
    }
    uint32_t best = from;
    for (uint32_t i = from + 1; i < to; i++)
        if (units->wide[i] < units->wide[best]) best = i;
    return best;
}

uint32_t codec_units_max(const struct codec_units *units, uint32_t from, uint32_t to)
{
    assert(from < to && to <= units->count);
    if (units->is_narrow) {
        const struct lanes *lanes = lanes_active();
        const uint32_t *v = units->narrow + from;
        return from + lanes->find(v, to - from, lanes->max(v, to - from));
    }
    uint32_t best = from;
    for (uint32_t i = from + 1; i < to; i++)
        if (units->wide[i] > units->wide[best]) best = i;
    return best;
}

double codec_decimal(int64_t units, unsigned decimals)
{
    assert(decimals <= 18);
    return (double)units / codec_power_of_ten[decimals];
}

void codec_units_to_integers(const struct codec_units *units, int64_t *values)
{
    if (units->is_narrow) {
        lanes_active()->to_integers(units->narrow, units->count, units->reference,
                                    units->multiplier, values);
        return;
    }
    for (uint32_t i = 0; i < units->count; i++)
        values[i] = (int64_t)codec_unit(units, i);
}

void codec_units_to_floats(const struct codec_units *units, double *values)
{
    assert(units->decimals <= 18);
    const int64_t reference = (int64_t)units->reference;
    const int64_t limit = INT64_C(1) << 52;
    if (units->is_narrow && reference > -limit && reference < limit &&
        units->multiplier < UINT64_C(1) << 20) {
        lanes_active()->to_floats(units->narrow, units->count, reference, units->multiplier,
                                  units->decimals, values);
        return;
    }
    const double divisor = codec_power_of_ten[units->decimals];
    for (uint32_t i = 0; i < units->count; i++)
        values[i] = (double)(int64_t)codec_unit(units, i) / divisor;
}
