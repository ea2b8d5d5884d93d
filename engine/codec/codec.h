/*
 * codec.h - columns of values to bytes and back: one vector of up to CODEC_COUNT_MAX values,
 * without its gaps, at a time.
 *
 * The chunk decides what is stored and where; how a vector's values become bytes is decided
 * here alone, and FORMAT.md says how. The bytes do not know their own size or count: the caller
 * keeps both. A vector of no values is no bytes.
 *
 * Ownership  everything is the caller's; nothing here allocates or keeps anything.
 * Threads    any.
 * Errors     Encoders cannot fail. Decoders take any bytes: PHUSA_ECORRUPT for what no encoder
 *            wrote, and never a read or write out of bounds. What a decoder filled before it
 *            noticed is garbage.
 * Speed      kernels for AVX2 are chosen at run time; without it the same bytes and answers.
 */
#ifndef PHUSA_CODEC_CODEC_H
#define PHUSA_CODEC_CODEC_H

#include "base/bytes.h"
#include "base/limits.h"

#define CODEC_COUNT_MAX        VECTOR_ROWS_MAX
/* Room that an encoder of numbers, times or booleans must be given. */
#define CODEC_VECTOR_BYTES_MAX 12288u

/* ---- integers: int64, and uint64 by its bits ---- */

size_t codec_encode_integers(const int64_t *values, uint32_t count, bool is_unsigned, uint8_t *out);
PHUSA_MUST_USE phusa_status codec_decode_integers(const uint8_t *bytes, size_t size_bytes,
                                                  uint32_t count, int64_t *values);

/* ---- floats: any finite double, back bit by bit; infinities and NaN are damage ---- */

/* decimals: the scale to try first (PHUSA_DECIMALS_UNKNOWN: find one). */
size_t codec_encode_floats(const double *values, uint32_t count, uint8_t decimals, uint8_t *out);
PHUSA_MUST_USE phusa_status codec_decode_floats(const uint8_t *bytes, size_t size_bytes,
                                                uint32_t count, double *values);
/* The scale of an encoded vector, PHUSA_DECIMALS_UNKNOWN where it has none. */
uint8_t codec_float_decimals(const uint8_t *bytes, size_t size_bytes);
/* A scale that suits most of the values, so that the vectors of a column share one;
 * PHUSA_DECIMALS_UNKNOWN when few are decimal. */
uint8_t codec_find_decimals(const double *values, size_t count);

/* ---- units: packed integers, unpacked but not scaled, to aggregate on ---- */

/* Value i is  reference + multiplier * narrow[i]  or  reference + multiplier * wide[i], modulo
 * 2^64 and, for floats, over 10^decimals; multiplier is at least 1. Without wrapping for what
 * an encoder wrote. */
struct codec_units {
    bool is_narrow;
    bool is_unsigned;
    uint8_t decimals;
    uint32_t count;
    uint64_t reference;
    uint64_t multiplier;
    union {
        uint32_t narrow[CODEC_COUNT_MAX];
        uint64_t wide[CODEC_COUNT_MAX];
    };
};
/* Only values [from, to) are sure to be filled. */
PHUSA_MUST_USE phusa_status codec_integer_units(const uint8_t *bytes, size_t size_bytes,
                                                uint32_t count, bool is_unsigned, uint32_t from,
                                                uint32_t to, struct codec_units *units);
/* *are_units false (and PHUSA_OK): not every value is a decimal, see base/exact.h; then decode. */
PHUSA_MUST_USE phusa_status codec_float_units(const uint8_t *bytes, size_t size_bytes,
                                              uint32_t count, uint32_t from, uint32_t to,
                                              struct codec_units *units, bool *are_units);

/* The double nearest to units / 10^decimals, decimals at most 18. */
double codec_decimal(int64_t units, unsigned decimals);
/* One value, as int64 or as the bits of a uint64; not divided by 10^decimals. */
static inline uint64_t codec_unit(const struct codec_units *u, uint32_t i)
{
    return u->reference + u->multiplier * (u->is_narrow ? u->narrow[i] : u->wide[i]);
}
/* Over values [from, to), from < to. Exact. */
__int128 codec_units_sum(const struct codec_units *units, uint32_t from, uint32_t to);
/* false: 128 bits may not hold it; then square one by one. */
bool codec_units_squares(const struct codec_units *units, uint32_t from, uint32_t to,
                         __int128 *squares);
/* The index of the first least or greatest. */
uint32_t codec_units_min(const struct codec_units *units, uint32_t from, uint32_t to);
uint32_t codec_units_max(const struct codec_units *units, uint32_t from, uint32_t to);
/* All of them, as int64 (or uint64 bits) and as doubles divided by 10^decimals. */
void codec_units_to_integers(const struct codec_units *units, int64_t *values);
void codec_units_to_floats(const struct codec_units *units, double *values);

/* ---- times: strictly ascending int64; the first is kept by the caller ---- */

size_t codec_encode_times(const int64_t *times_ns, uint32_t count, uint8_t *out);
PHUSA_MUST_USE phusa_status codec_decode_times(const uint8_t *bytes, size_t size_bytes,
                                               int64_t first_ns, uint32_t count, int64_t *times_ns);

/* ---- booleans: bytes of 0 or 1; and bitmaps of rows ---- */

size_t codec_encode_booleans(const uint8_t *values, uint32_t count, uint8_t *out);
PHUSA_MUST_USE phusa_status codec_decode_booleans(const uint8_t *bytes, size_t size_bytes,
                                                  uint32_t count, uint8_t *values);
/* The same bytes from and to bits; bits beyond `count` are written as zero. */
size_t codec_encode_bits(const uint64_t *words, uint32_t count, uint8_t *out);
PHUSA_MUST_USE phusa_status codec_decode_bits(const uint8_t *bytes, size_t size_bytes,
                                              uint32_t count, uint64_t *words);

/* ---- strings: up to STRING_BYTES_MAX bytes each, any bytes ---- */

/* Room for the encoder's output, and for its work. */
size_t codec_strings_bytes_max(const struct phusa_text *values, uint32_t count);
size_t codec_strings_encode_work_bytes(const struct phusa_text *values, uint32_t count);
size_t codec_encode_strings(const struct phusa_text *values, uint32_t count, uint8_t *out,
                            void *work, size_t work_bytes);
/* Room the decoder needs beside the texts: 0 when they are stored plainly and point into
 * `bytes`, else their bytes and the decompressor's. */
PHUSA_MUST_USE phusa_status codec_strings_decode_work_bytes(const uint8_t *bytes, size_t size_bytes,
                                                            uint32_t count, size_t *work_bytes);
/* The texts point into `bytes` or into `work`. */
PHUSA_MUST_USE phusa_status codec_decode_strings(const uint8_t *bytes, size_t size_bytes,
                                                 uint32_t count, struct phusa_text *values,
                                                 void *work, size_t work_bytes);

/* ---- for tests ---- */

/* Use the AVX2 kernels or not, from now on; false: this CPU has none. */
bool codec_use_avx2(bool wanted);

#endif
