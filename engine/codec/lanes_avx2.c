/*
 * lanes_avx2.c - the AVX2 half of lanes.h.
 *
 * Per 8 values: unpacking takes about 5 instructions, a prefix sum 10, a sum 5. All of it works
 * on a vector in L1, so loads are free; Zen 3 and later do 2 to 4 of these a cycle.
 */
#include "codec/lanes.h"

#include <assert.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2        __attribute__((target("avx2,fma")))
#define AVX2_INLINE AVX2 __attribute__((always_inline)) static inline

AVX2_INLINE __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}
AVX2_INLINE void store(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

/* ---- unpacking: one unrolled body for each width, chosen by a switch ---- */

#define STEP(s)                                                                           \
    do {                                                                                  \
        const unsigned word = (s)*width / 32, shift = (s)*width % 32;                     \
        __m256i v = _mm256_srli_epi32(load(packed + 32 * word), (int)shift);              \
        if (shift + width > 32)                                                           \
            v = _mm256_or_si256(                                                          \
                v, _mm256_slli_epi32(load(packed + 32 * (word + 1)), (int)(32 - shift))); \
        if (shift + width != 32) v = _mm256_and_si256(v, mask);                           \
        store(out + 8 * (s), _mm256_add_epi32(v, base));                                  \
    } while (0)
#define STEPS_8(s) \
    STEP(s);       \
    STEP((s) + 1); \
    STEP((s) + 2); \
    STEP((s) + 3); \
    STEP((s) + 4); \
    STEP((s) + 5); \
    STEP((s) + 6); \
    STEP((s) + 7)

AVX2_INLINE void unpack_width(const uint8_t *packed, __m256i base, uint32_t *out,
                              const unsigned width)
{
    const __m256i mask = _mm256_set1_epi32((int)(UINT32_MAX >> (32 - width)));
    STEPS_8(0);
    STEPS_8(8);
    STEPS_8(16);
    STEPS_8(24);
}

#define CASE(w)                              \
    case w:                                  \
        unpack_width(packed, start, out, w); \
        break
#define CASES_4(w) \
    CASE(w);       \
    CASE(w + 1);   \
    CASE(w + 2);   \
    CASE(w + 3)

AVX2 static void unpack(const uint8_t *packed, unsigned width, uint32_t base, uint32_t *out)
{
    const __m256i start = _mm256_set1_epi32((int)base);
    switch (width) {
    case 0:
        for (unsigned i = 0; i < BLOCK_COUNT; i += 8)
            store(out + i, start);
        break;
        CASES_4(1);
        CASES_4(5);
        CASES_4(9);
        CASES_4(13);
        CASES_4(17);
        CASES_4(21);
        CASES_4(25);
        CASES_4(29);
    default:
        assert(width <= 32);
    }
}

/* ---- encoding ---- */

AVX2 static void pack(const uint32_t *v, uint32_t base, unsigned width, uint8_t *packed)
{
    assert(width <= 32);
    if (width == 0) return;
    const __m256i start = _mm256_set1_epi32((int)base);
    const __m256i mask = _mm256_set1_epi32((int)(UINT32_MAX >> (32 - width)));
    __m256i pending = _mm256_setzero_si256();
    unsigned filled = 0;
    for (unsigned step = 0; step < 32; step++) {
        const __m256i x = _mm256_and_si256(_mm256_sub_epi32(load(v + 8 * step), start), mask);
        pending = _mm256_or_si256(pending, _mm256_sll_epi32(x, _mm_cvtsi32_si128((int)filled)));
        filled += width;
        if (filled < 32) continue;
        store(packed, pending);
        packed += 32;
        filled -= 32;
        /* The bits of x that did not fit; shifting by its whole width leaves none. */
        pending = _mm256_srl_epi32(x, _mm_cvtsi32_si128((int)(width - filled)));
    }
}

AVX2_INLINE int32_t least_of_8(__m256i v)
{
    int32_t part[8];
    store(part, v);
    int32_t least = part[0];
    for (unsigned k = 1; k < 8; k++)
        least = part[k] < least ? part[k] : least;
    return least;
}

AVX2 static void split(const int32_t *r, uint32_t count, uint32_t *residuals, uint32_t *deltas,
                       int32_t *least, int32_t *step)
{
    __m256i low = _mm256_set1_epi32(r[0]), low_step = _mm256_set1_epi32(INT32_MAX);
    uint32_t i = 1;
    for (; i + 8 <= count; i += 8) {
        const __m256i x = load(r + i);
        low = _mm256_min_epi32(low, x);
        low_step = _mm256_min_epi32(low_step, _mm256_sub_epi32(x, load(r + i - 1)));
    }
    int32_t a = least_of_8(low), b = least_of_8(low_step);
    for (; i < count; i++) {
        a = r[i] < a ? r[i] : a;
        b = r[i] - r[i - 1] < b ? r[i] - r[i - 1] : b;
    }
    if (count == 1) b = 0;
    low = _mm256_set1_epi32(a);
    low_step = _mm256_set1_epi32(b);
    residuals[0] = (uint32_t)(r[0] - a);
    deltas[0] = 0;
    for (i = 1; i + 8 <= count; i += 8) {
        const __m256i x = load(r + i);
        const __m256i d = _mm256_sub_epi32(x, load(r + i - 1));
        store(residuals + i, _mm256_sub_epi32(x, low));
        store(deltas + i, _mm256_sub_epi32(d, low_step));
    }
    for (; i < count; i++) {
        residuals[i] = (uint32_t)(r[i] - a);
        deltas[i] = (uint32_t)(r[i] - r[i - 1]) - (uint32_t)b;
    }
    *least = a;
    *step = b;
}

AVX2 static uint32_t outside(const uint32_t *v, uint32_t count, uint32_t base, unsigned width)
{
    const __m256i start = _mm256_set1_epi32((int)base);
    const __m128i shift = _mm_cvtsi32_si128((int)width);
    const __m256i zero = _mm256_setzero_si256();
    __m256i inside = zero;
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i high = _mm256_srl_epi32(_mm256_sub_epi32(load(v + i), start), shift);
        inside = _mm256_sub_epi32(inside, _mm256_cmpeq_epi32(high, zero));
    }
    uint32_t part[8], n = i;
    store(part, inside);
    for (unsigned k = 0; k < 8; k++)
        n -= part[k];
    for (; i < count; i++)
        n += (v[i] - base) >> width != 0;
    return n;
}

AVX2 static uint32_t locate(const uint32_t *v, uint32_t count, uint32_t base, unsigned width,
                            uint8_t *positions)
{
    const __m256i start = _mm256_set1_epi32((int)base);
    const __m128i shift = _mm_cvtsi32_si128((int)width);
    const __m256i zero = _mm256_setzero_si256();
    uint32_t i = 0, n = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i high = _mm256_srl_epi32(_mm256_sub_epi32(load(v + i), start), shift);
        const __m256i inside = _mm256_cmpeq_epi32(high, zero);
        unsigned mask = ~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(inside)) & 0xff;
        for (; mask != 0; mask &= mask - 1)
            positions[n++] = (uint8_t)(i + (unsigned)__builtin_ctz(mask));
    }
    for (; i < count; i++)
        if ((v[i] - base) >> width != 0) positions[n++] = (uint8_t)i;
    return n;
}

AVX2 static void extent(const int64_t *v, uint32_t count, uint64_t flip, int64_t *low,
                        int64_t *high)
{
    const __m256i turn = _mm256_set1_epi64x((long long)flip);
    const int64_t first = (int64_t)((uint64_t)v[0] ^ flip);
    __m256i least = _mm256_set1_epi64x(first), greatest = least;
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const __m256i x = _mm256_xor_si256(load(v + i), turn);
        least = _mm256_blendv_epi8(least, x, _mm256_cmpgt_epi64(least, x));
        greatest = _mm256_blendv_epi8(greatest, x, _mm256_cmpgt_epi64(x, greatest));
    }
    int64_t a[4], b[4];
    store(a, least);
    store(b, greatest);
    for (unsigned k = 1; k < 4; k++) {
        a[0] = a[k] < a[0] ? a[k] : a[0];
        b[0] = b[k] > b[0] ? b[k] : b[0];
    }
    for (; i < count; i++) {
        const int64_t x = (int64_t)((uint64_t)v[i] ^ flip);
        a[0] = x < a[0] ? x : a[0];
        b[0] = x > b[0] ? x : b[0];
    }
    *low = a[0];
    *high = b[0];
}

/* ---- prefix sums ---- */

/* Within a register by two shifts and adds in each half, the lower half's total carried to the
 * upper; across registers by one add, so the chain costs a cycle per 8 values. */
AVX2 static void prefix(uint32_t *v, uint32_t count, uint32_t first, uint32_t step)
{
    const __m256i steps =
        _mm256_mullo_epi32(_mm256_set1_epi32((int)step), _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8));
    const __m256i eight = _mm256_set1_epi32((int)(8 * step));
    const __m256i last = _mm256_set1_epi32(7);
    __m256i carry = _mm256_add_epi32(_mm256_set1_epi32((int)(first - step)), steps);
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i x = load(v + i);
        x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
        x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
        x = _mm256_add_epi32(x, _mm256_shuffle_epi32(_mm256_permute2x128_si256(x, x, 0x08), 0xff));
        store(v + i, _mm256_add_epi32(x, carry));
        carry =
            _mm256_add_epi32(carry, _mm256_add_epi32(_mm256_permutevar8x32_epi32(x, last), eight));
    }
    uint32_t total = i == 0 ? first - step : v[i - 1];
    for (; i < count; i++)
        v[i] = total += step + v[i];
}

/* ---- aggregates ---- */

AVX2_INLINE uint64_t sum_of_4(__m256i v)
{
    uint64_t part[4];
    store(part, v);
    return part[0] + part[1] + part[2] + part[3];
}

AVX2 static uint64_t sum(const uint32_t *v, uint32_t count)
{
    const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
    __m256i even = _mm256_setzero_si256(), odd = even;
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i x = load(v + i);
        even = _mm256_add_epi64(even, _mm256_and_si256(x, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(x, 32));
    }
    uint64_t total = sum_of_4(_mm256_add_epi64(even, odd));
    for (; i < count; i++)
        total += v[i];
    return total;
}

AVX2 static uint64_t squares(const uint32_t *v, uint32_t count)
{
    __m256i even = _mm256_setzero_si256(), odd = even;
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i x = load(v + i);
        const __m256i y = _mm256_srli_epi64(x, 32);
        even = _mm256_add_epi64(even, _mm256_mul_epu32(x, x));
        odd = _mm256_add_epi64(odd, _mm256_mul_epu32(y, y));
    }
    uint64_t total = sum_of_4(_mm256_add_epi64(even, odd));
    for (; i < count; i++)
        total += (uint64_t)v[i] * v[i];
    return total;
}

AVX2 static uint32_t min(const uint32_t *v, uint32_t count)
{
    uint32_t least = v[0], i = 0;
    if (count >= 8) {
        __m256i x = load(v);
        for (i = 8; i + 8 <= count; i += 8)
            x = _mm256_min_epu32(x, load(v + i));
        uint32_t part[8];
        store(part, x);
        for (unsigned k = 0; k < 8; k++)
            least = part[k] < least ? part[k] : least;
    }
    for (; i < count; i++)
        least = v[i] < least ? v[i] : least;
    return least;
}

AVX2 static uint32_t max(const uint32_t *v, uint32_t count)
{
    uint32_t greatest = v[0], i = 0;
    if (count >= 8) {
        __m256i x = load(v);
        for (i = 8; i + 8 <= count; i += 8)
            x = _mm256_max_epu32(x, load(v + i));
        uint32_t part[8];
        store(part, x);
        for (unsigned k = 0; k < 8; k++)
            greatest = part[k] > greatest ? part[k] : greatest;
    }
    for (; i < count; i++)
        greatest = v[i] > greatest ? v[i] : greatest;
    return greatest;
}

AVX2 static uint32_t find(const uint32_t *v, uint32_t count, uint32_t wanted)
{
    const __m256i w = _mm256_set1_epi32((int)wanted);
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i same = _mm256_cmpeq_epi32(load(v + i), w);
        const unsigned mask = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(same));
        if (mask != 0) return i + (uint32_t)__builtin_ctz(mask);
    }
    for (; i < count; i++)
        if (v[i] == wanted) return i;
    assert(false && "the value is there");
    return 0;
}

/* ---- doubles ---- */

/* u/d for an integer |u| < 2^53 and d = 10^e, e <= 18, rounded as a division rounds, by three
 * multiplications. q = u*(1/d) is off by at most 2 of its last places (ulp); the remainder
 * u - q*d is then exact in a fused multiply-add, and the correction it brings leaves an error below
 * 2^-51 ulp before the last rounding. u/d itself is never nearer than 2^-43 ulp to the middle
 * between two doubles, because that distance is a multiple of ulp/(2*5^e); so the last rounding
 * goes the same way. */
AVX2_INLINE __m256d divide(__m256d u, __m256d d, __m256d inverse)
{
    const __m256d q = _mm256_mul_pd(u, inverse);
    const __m256d remainder = _mm256_fnmadd_pd(q, d, u);
    return _mm256_fmadd_pd(remainder, inverse, q);
}

AVX2 static void to_floats(const uint32_t *v, uint32_t count, int64_t reference,
                           uint64_t multiplier, unsigned decimals, double *out)
{
    /* AVX2 converts int32 only: flip the top bit, and take 2^31 into the reference. */
    const __m256i flip = _mm256_set1_epi32(INT32_MIN);
    const __m256d start =
        _mm256_set1_pd((double)(reference + (int64_t)(multiplier * UINT64_C(0x80000000))));
    const __m256d factor = _mm256_set1_pd((double)multiplier);
    const double divisor = codec_power_of_ten[decimals];
    const __m256d d = _mm256_set1_pd(divisor), inverse = _mm256_set1_pd(1.0 / divisor);
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i x = _mm256_xor_si256(load(v + i), flip);
        __m256d a = _mm256_cvtepi32_pd(_mm256_castsi256_si128(x));
        __m256d b = _mm256_cvtepi32_pd(_mm256_extracti128_si256(x, 1));
        a = _mm256_fmadd_pd(a, factor, start);
        b = _mm256_fmadd_pd(b, factor, start);
        if (decimals > 0) {
            a = divide(a, d, inverse);
            b = divide(b, d, inverse);
        }
        _mm256_storeu_pd(out + i, a);
        _mm256_storeu_pd(out + i + 4, b);
    }
    for (; i < count; i++)
        out[i] = (double)(reference + (int64_t)(multiplier * v[i])) / divisor;
}

AVX2 static void to_integers(const uint32_t *v, uint32_t count, uint64_t reference,
                             uint64_t multiplier, int64_t *out)
{
    const __m256i start = _mm256_set1_epi64x((long long)reference);
    uint32_t i = 0;
    if (multiplier == 1) {
        for (; i + 4 <= count; i += 4) {
            const __m256i x = _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)(v + i)));
            store(out + i, _mm256_add_epi64(x, start));
        }
    } else if (multiplier <= UINT32_MAX) {
        const __m256i factor = _mm256_set1_epi64x((long long)multiplier);
        for (; i + 4 <= count; i += 4) {
            const __m256i x = _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)(v + i)));
            store(out + i, _mm256_add_epi64(_mm256_mul_epu32(x, factor), start));
        }
    }
    for (; i < count; i++)
        out[i] = (int64_t)(reference + multiplier * v[i]);
}

const struct lanes lanes_avx2 = {pack, split,   outside, locate, extent, unpack,    prefix,
                                 sum,  squares, min,     max,    find,   to_floats, to_integers};
#endif
