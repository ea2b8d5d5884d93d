/* lanes.c - the plain C half of lanes.h, and the choice between the halves. */
#include "codec/lanes.h"

#include <assert.h>
#include <stdatomic.h>

const double codec_power_of_ten[19] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                       1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

/* The loops over 8 lanes are left to the compiler, which makes SSE2 of them. */
static void unpack(const uint8_t *packed, unsigned width, uint32_t base, uint32_t *out)
{
    assert(width <= 32);
    uint32_t words[8 * 33] = {0}; /* one row more, so that the last step may look ahead */
    memcpy(words, packed, 32 * (size_t)width);
    const uint32_t mask = width == 32 ? UINT32_MAX : (UINT32_C(1) << width) - 1;
    for (unsigned step = 0; step < 32; step++) {
        const unsigned shift = step * width % 32;
        const uint32_t *low = words + 8 * (step * width / 32);
        uint32_t *to = out + 8 * step;
        if (shift + width <= 32) {
            for (unsigned lane = 0; lane < 8; lane++)
                to[lane] = base + (low[lane] >> shift & mask);
        } else {
            for (unsigned lane = 0; lane < 8; lane++)
                to[lane] = base + ((low[lane] >> shift | low[lane + 8] << (32 - shift)) & mask);
        }
    }
}

static void pack(const uint32_t *v, uint32_t base, unsigned width, uint8_t *packed)
{
    assert(width <= 32);
    uint32_t words[8 * 33] = {0};
    const uint32_t mask = width == 0 ? 0 : UINT32_MAX >> (32 - width);
    for (unsigned step = 0; step < 32 && width > 0; step++) {
        const unsigned shift = step * width % 32;
        const uint32_t *from = v + 8 * step;
        uint32_t *to = words + 8 * (step * width / 32);
        for (unsigned lane = 0; lane < 8; lane++)
            to[lane] |= ((from[lane] - base) & mask) << shift;
        if (shift + width > 32)
            for (unsigned lane = 0; lane < 8; lane++)
                to[lane + 8] |= ((from[lane] - base) & mask) >> (32 - shift);
    }
    memcpy(packed, words, 32 * (size_t)width);
}

static void split(const int32_t *r, uint32_t count, uint32_t *residuals, uint32_t *deltas,
                  int32_t *least, int32_t *step)
{
    int32_t low = r[0], least_step = count > 1 ? INT32_MAX : 0;
    for (uint32_t i = 1; i < count; i++)
        low = r[i] < low ? r[i] : low;
    for (uint32_t i = 1; i < count; i++)
        least_step = r[i] - r[i - 1] < least_step ? r[i] - r[i - 1] : least_step;
    for (uint32_t i = 0; i < count; i++)
        residuals[i] = (uint32_t)(r[i] - low);
    deltas[0] = 0;
    for (uint32_t i = 1; i < count; i++)
        deltas[i] = (uint32_t)(r[i] - r[i - 1]) - (uint32_t)least_step;
    *least = low;
    *step = least_step;
}

static uint32_t outside(const uint32_t *v, uint32_t count, uint32_t base, unsigned width)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        n += (v[i] - base) >> width != 0;
    return n;
}

static uint32_t locate(const uint32_t *v, uint32_t count, uint32_t base, unsigned width,
                       uint8_t *positions)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((v[i] - base) >> width != 0) positions[n++] = (uint8_t)i;
    return n;
}

static void extent(const int64_t *v, uint32_t count, uint64_t flip, int64_t *low, int64_t *high)
{
    int64_t least = (int64_t)((uint64_t)v[0] ^ flip), greatest = least;
    for (uint32_t i = 1; i < count; i++) {
        const int64_t x = (int64_t)((uint64_t)v[i] ^ flip);
        least = x < least ? x : least;
        greatest = x > greatest ? x : greatest;
    }
    *low = least;
    *high = greatest;
}

static void prefix(uint32_t *v, uint32_t count, uint32_t first, uint32_t step)
{
    uint32_t total = first - step;
    for (uint32_t i = 0; i < count; i++)
        v[i] = total += step + v[i];
}

static uint64_t sum(const uint32_t *v, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += v[i];
    return total;
}

static uint64_t squares(const uint32_t *v, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += (uint64_t)v[i] * v[i];
    return total;
}

static uint32_t min(const uint32_t *v, uint32_t count)
{
    uint32_t least = v[0];
    for (uint32_t i = 1; i < count; i++)
        least = v[i] < least ? v[i] : least;
    return least;
}

static uint32_t max(const uint32_t *v, uint32_t count)
{
    uint32_t greatest = v[0];
    for (uint32_t i = 1; i < count; i++)
        greatest = v[i] > greatest ? v[i] : greatest;
    return greatest;
}

static uint32_t find(const uint32_t *v, uint32_t count, uint32_t wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (v[i] == wanted) return i;
    assert(false && "the value is there");
    return 0;
}

static void to_floats(const uint32_t *v, uint32_t count, int64_t reference, uint64_t multiplier,
                      unsigned decimals, double *out)
{
    const double divisor = codec_power_of_ten[decimals];
    for (uint32_t i = 0; i < count; i++)
        out[i] = (double)(reference + (int64_t)(multiplier * v[i])) / divisor;
}

static void to_integers(const uint32_t *v, uint32_t count, uint64_t reference, uint64_t multiplier,
                        int64_t *out)
{
    if (multiplier == 1) {
        for (uint32_t i = 0; i < count; i++)
            out[i] = (int64_t)(reference + v[i]);
    } else {
        for (uint32_t i = 0; i < count; i++)
            out[i] = (int64_t)(reference + multiplier * v[i]);
    }
}

const struct lanes lanes_scalar = {pack, split,   outside, locate, extent, unpack,    prefix,
                                   sum,  squares, min,     max,    find,   to_floats, to_integers};

static const struct lanes *_Atomic active;

bool codec_use_avx2(bool wanted)
{
#if defined(__x86_64__)
    const bool possible = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    atomic_store(&active, wanted && possible ? &lanes_avx2 : &lanes_scalar);
    return possible;
#else
    atomic_store(&active, &lanes_scalar);
    return false;
#endif
}

const struct lanes *lanes_active(void)
{
    const struct lanes *chosen = atomic_load_explicit(&active, memory_order_relaxed);
    if (chosen != NULL) return chosen;
    codec_use_avx2(true);
    return atomic_load(&active);
}
