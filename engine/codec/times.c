/*
 * times.c - vectors of ascending times: steps, deltas, or distances from a straight line.
 *
 * Regular times are a progression, which the integer codec writes in a few bytes; so are its
 * deltas the best for times that drift. Times that jitter around a fixed rate are cheaper as
 * distances from the line: a delta carries the jitter of two times, a distance that of one,
 * which saves half a bit, and more when patched.
 */
#include "codec/codec.h"

#include <assert.h>

enum { TIMES_PLAIN, TIMES_LINE };

/* The slope has 16 bits after the point; i * slope must not overflow. */
#define SLOPE_SHIFT     16
#define LINE_RANGE_BITS 44

static uint64_t on_line(uint32_t i, uint64_t slope)
{
    return (i * slope) >> SLOPE_SHIFT;
}

static uint64_t common_divisor(const uint64_t *r, uint32_t count)
{
    uint64_t divisor = 0;
    for (uint32_t i = 0; i < count && divisor != 1; i++) {
        uint64_t a = r[i], b = divisor;
        while (b != 0) {
            const uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        divisor = a;
    }
    return divisor;
}

/* 0: it does not suit. */
static size_t encode_line(const uint64_t *r, uint32_t count, uint8_t *out)
{
    const uint64_t divisor = common_divisor(r, count);
    if (divisor == 0) return 0;
    const uint64_t range = r[count - 1] / divisor;
    if (range >> LINE_RANGE_BITS != 0) return 0;
    const uint64_t slope = (range << SLOPE_SHIFT) / (count - 1);
    int64_t distances[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        distances[i] = (int64_t)(r[i] / divisor - on_line(i, slope));
    uint8_t *p = out;
    *p++ = TIMES_LINE;
    p = put_varint(p, divisor);
    p = put_varint(p, slope);
    p += codec_encode_integers(distances, count, false, p);
    return (size_t)(p - out);
}

size_t codec_encode_times(const int64_t *times_ns, uint32_t count, uint8_t *out)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count <= 1) return 0;
    uint64_t r[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        r[i] = (uint64_t)times_ns[i] - (uint64_t)times_ns[0];
    out[0] = TIMES_PLAIN;
    const size_t plain = 1 + codec_encode_integers((const int64_t *)r, count, true, out + 1);
    if (plain <= 16) return plain;
    uint8_t line[CODEC_VECTOR_BYTES_MAX];
    const size_t line_bytes = encode_line(r, count, line);
    if (line_bytes == 0 || line_bytes >= plain) return plain;
    memcpy(out, line, line_bytes);
    return line_bytes;
}

phusa_status codec_decode_times(const uint8_t *bytes, size_t size_bytes, int64_t first_ns,
                                uint32_t count, int64_t *times_ns)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count <= 1) {
        if (size_bytes != 0) return PHUSA_ECORRUPT;
        if (count == 1) times_ns[0] = first_ns;
        return PHUSA_OK;
    }
    struct reader in = reader_of(bytes, size_bytes);
    const uint8_t form = read_u8(&in);
    uint64_t divisor = 1, slope = 0;
    if (form == TIMES_LINE) {
        divisor = read_varint(&in);
        slope = read_varint(&in);
    }
    if (in.bad || form > TIMES_LINE) return PHUSA_ECORRUPT;
    const phusa_status status = codec_decode_integers(in.next, reader_left(&in), count, times_ns);
    if (status != PHUSA_OK) return status;
    for (uint32_t i = 0; i < count; i++)
        times_ns[i] =
            (int64_t)((uint64_t)first_ns + divisor * (on_line(i, slope) + (uint64_t)times_ns[i]));
    return times_ns[0] == first_ns ? PHUSA_OK : PHUSA_ECORRUPT;
}
