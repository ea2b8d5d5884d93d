/*
 * scan.h - searches in text for the line parser's hot path: 16 bytes at a time by SSE2 where there
 * is SSE2, 8 digits at a time by arithmetic in a 64-bit word.
 *
 * None reads beyond `end`, except scan_digits(), which says so.
 */
#ifndef PHUSA_TEXT_SCAN_H
#define PHUSA_TEXT_SCAN_H

#include "base/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The first `a` or `b` in [p, end), or `end`. */
static inline const char *scan_either(const char *p, const char *end, char a, char b)
{
#ifdef __SSE2__
    const __m128i as = _mm_set1_epi8(a);
    const __m128i bs = _mm_set1_epi8(b);
    for (; end - p >= 16; p += 16) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
        const unsigned hits = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(block, as), _mm_cmpeq_epi8(block, bs)));
        if (hits != 0) return p + __builtin_ctz(hits);
    }
#endif
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

/* The first byte in [p, end) that is NUL or not ASCII, or `end`. */
static inline const char *scan_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* As signed bytes, NUL and those from 0x80 on are the ones not above 0. */
        const unsigned plain =
            (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(block, _mm_setzero_si128()));
        if (plain != 0xffff) return p + __builtin_ctz(~plain);
    }
#endif
    while (p < end && (signed char)*p > 0)
        p++;
    return p;
}

/* The first byte in [p, end) that is NUL or not valid UTF-8 (RFC 3629: no surrogates, no
 * overlong forms), or `end`. */
const char *scan_text_fault(const char *p, const char *end);

/* Up to eight digits at `p`, of which all 8 bytes must be readable: their number, and in *value
 * what they say.
 *
 * x ^ '0' turns a digit into 0..9 and anything else into a byte from 10 on; adding 0x76 carries
 * such a byte into its top bit (bytes that have it already keep it). Shifting the digits to the
 * word's high end leaves zeros, which are digits too, before them; then pairs, fours and eights
 * are joined by multiplication. */
static inline unsigned scan_digits(const char *p, uint64_t *value)
{
    uint64_t x = load_u64(p) ^ UINT64_C(0x3030303030303030);
    const uint64_t others =
        (((x & UINT64_C(0x7f7f7f7f7f7f7f7f)) + UINT64_C(0x7676767676767676)) | x) &
        UINT64_C(0x8080808080808080);
    const unsigned count = others == 0 ? 8 : (unsigned)__builtin_ctzll(others) / 8;
    if (count == 0) return 0;
    x <<= 64 - 8 * count;
    x = x * 10 + (x >> 8);
    x = ((x & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
         ((x >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
        32;
    *value = x;
    return count;
}

#endif
