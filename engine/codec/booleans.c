/*
 * booleans.c - bits, as one value for all, as a bitmap, or as the lengths of runs: a pump that
 * switches three times in a thousand rows takes five bytes instead of 128.
 */
#include "codec/codec.h"

#include <assert.h>

enum { BITS_ALL_FALSE, BITS_ALL_TRUE, BITS_MAP, BITS_RUNS_FALSE, BITS_RUNS_TRUE };

#define WORD_COUNT_MAX (CODEC_COUNT_MAX / 64)

static uint64_t word_mask(uint32_t count, uint32_t word)
{
    const uint32_t rest = count - 64 * word;
    return rest >= 64 ? UINT64_MAX : (UINT64_C(1) << rest) - 1;
}

/* The first bit at or after `from` that differs from `value`, or count. */
static uint32_t run_end(const uint64_t *words, uint32_t count, uint32_t from, bool value)
{
    while (from < count) {
        const uint64_t word = (value ? ~words[from / 64] : words[from / 64]) >> (from % 64);
        if (word != 0) {
            from += (uint32_t)__builtin_ctzll(word);
            return from < count ? from : count;
        }
        from = (from / 64 + 1) * 64;
    }
    return count;
}

/* Bytes written, or 0 when they would be more than size_bytes_max. */
static size_t encode_runs(const uint64_t *words, uint32_t count, size_t size_bytes_max,
                          uint8_t *out)
{
    uint8_t *p = out;
    bool value = (words[0] & 1) != 0;
    *p++ = value ? BITS_RUNS_TRUE : BITS_RUNS_FALSE;
    for (uint32_t at = 0; at < count; value = !value) {
        const uint32_t end = run_end(words, count, at, value);
        p = put_varint(p, end - at);
        at = end;
        if ((size_t)(p - out) > size_bytes_max) return 0;
    }
    return (size_t)(p - out);
}

size_t codec_encode_bits(const uint64_t *words, uint32_t count, uint8_t *out)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) return 0;
    const bool value = (words[0] & 1) != 0;
    if (run_end(words, count, 0, value) == count) {
        out[0] = value ? BITS_ALL_TRUE : BITS_ALL_FALSE;
        return 1;
    }
    const size_t map_bytes = 1 + (count + 7) / 8;
    const size_t runs_bytes = encode_runs(words, count, map_bytes - 1, out);
    if (runs_bytes != 0) return runs_bytes;
    uint64_t map[WORD_COUNT_MAX] = {0};
    for (uint32_t w = 0; w < (count + 63) / 64; w++)
        map[w] = words[w] & word_mask(count, w);
    out[0] = BITS_MAP;
    memcpy(out + 1, map, map_bytes - 1);
    return map_bytes;
}

static void set_range(uint64_t *words, uint32_t from, uint32_t to)
{
    for (uint32_t w = from / 64; from < to; w++) {
        const uint64_t above = UINT64_MAX << (from % 64);
        const uint64_t below = word_mask(to, w);
        words[w] |= above & below;
        from = (w + 1) * 64;
    }
}

static phusa_status decode_runs(struct reader *in, uint32_t count, bool value, uint64_t *words)
{
    for (uint32_t at = 0; at < count; value = !value) {
        const uint64_t length = read_varint(in);
        if (length == 0 || length > count - at) return PHUSA_ECORRUPT;
        if (value) set_range(words, at, at + (uint32_t)length);
        at += (uint32_t)length;
    }
    return reader_left(in) > 0 ? PHUSA_ECORRUPT : PHUSA_OK;
}

phusa_status codec_decode_bits(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                               uint64_t *words)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) return size_bytes == 0 ? PHUSA_OK : PHUSA_ECORRUPT;
    struct reader in = reader_of(bytes, size_bytes);
    const uint8_t form = read_u8(&in);
    if (in.bad) return PHUSA_ECORRUPT;
    const uint32_t word_count = (count + 63) / 64;
    memset(words, 0, word_count * sizeof *words);
    switch (form) {
    case BITS_ALL_TRUE:
        set_range(words, 0, count);
        /* fall through */
    case BITS_ALL_FALSE:
        return reader_left(&in) > 0 ? PHUSA_ECORRUPT : PHUSA_OK;
    case BITS_MAP:
        if (reader_left(&in) != (count + 7) / 8) return PHUSA_ECORRUPT;
        memcpy(words, in.next, reader_left(&in));
        const uint64_t last = words[word_count - 1];
        return (last & ~word_mask(count, word_count - 1)) != 0 ? PHUSA_ECORRUPT : PHUSA_OK;
    case BITS_RUNS_FALSE:
    case BITS_RUNS_TRUE:
        return decode_runs(&in, count, form == BITS_RUNS_TRUE, words);
    default:
        return PHUSA_ECORRUPT;
    }
}

size_t codec_encode_booleans(const uint8_t *values, uint32_t count, uint8_t *out)
{
    assert(count <= CODEC_COUNT_MAX);
    uint64_t words[WORD_COUNT_MAX] = {0};
    for (uint32_t i = 0; i < count; i++)
        words[i / 64] |= (uint64_t)(values[i] != 0) << (i % 64);
    return codec_encode_bits(words, count, out);
}

phusa_status codec_decode_booleans(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                                   uint8_t *values)
{
    uint64_t words[WORD_COUNT_MAX];
    const phusa_status status = codec_decode_bits(bytes, size_bytes, count, words);
    if (status != PHUSA_OK) return status;
    for (uint32_t i = 0; i < count; i++)
        values[i] = bit_get(words, i);
    return PHUSA_OK;
}
