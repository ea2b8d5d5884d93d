/*
 * fuzz_codec.c - decodes anything, and round-trips: the input as an encoded vector of each kind,
 * and as the values of one.
 */
#include "codec/codec.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_anything(const uint8_t *bytes, size_t size, uint32_t count)
{
    static int64_t integers[CODEC_COUNT_MAX];
    static double doubles[CODEC_COUNT_MAX];
    static uint8_t booleans[CODEC_COUNT_MAX];
    static struct phusa_text texts[CODEC_COUNT_MAX];
    static struct codec_units units;
    bool are_units;
    (void)!codec_decode_floats(bytes, size, count, doubles);
    (void)!codec_decode_times(bytes, size, -7, count, integers);
    (void)!codec_decode_booleans(bytes, size, count, booleans);
    (void)!codec_float_units(bytes, size, count, count / 3, count, &units, &are_units);
    if (codec_integer_units(bytes, size, count, true, 0, count, &units) == PHUSA_OK && count > 0) {
        __int128 squares;
        (void)codec_units_sum(&units, 0, count);
        (void)codec_units_squares(&units, 0, count, &squares);
        (void)codec_units_min(&units, 0, count);
        (void)codec_units_max(&units, 0, count);
        codec_units_to_floats(&units, doubles);
    }
    size_t work_bytes = 0;
    if (codec_strings_decode_work_bytes(bytes, size, count, &work_bytes) != PHUSA_OK) return;
    void *work = malloc(work_bytes + 1);
    if (work == NULL) abort();
    (void)!codec_decode_strings(bytes, size, count, texts, work, work_bytes);
    free(work);
}

/* Both kernels: the same bytes, and the values again. */
static void round_trip_integers(const int64_t *values, uint32_t count, bool is_unsigned)
{
    static uint8_t bytes[2][CODEC_VECTOR_BYTES_MAX];
    static int64_t back[CODEC_COUNT_MAX];
    size_t sizes[2];
    for (int avx2 = 0; avx2 < 2; avx2++) {
        codec_use_avx2(avx2);
        sizes[avx2] = codec_encode_integers(values, count, is_unsigned, bytes[avx2]);
        if (codec_decode_integers(bytes[avx2], sizes[avx2], count, back) != PHUSA_OK) abort();
        if (memcmp(back, values, count * sizeof *back) != 0) abort();
    }
    if (sizes[0] != sizes[1] || memcmp(bytes[0], bytes[1], sizes[0]) != 0) abort();
}

static void round_trip_floats(const double *values, uint32_t count, uint8_t decimals)
{
    static uint8_t bytes[CODEC_VECTOR_BYTES_MAX];
    static double back[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        if (values[i] - values[i] != 0) return; /* NaN and infinities are refused at the door */
    const size_t size = codec_encode_floats(values, count, decimals, bytes);
    if (codec_decode_floats(bytes, size, count, back) != PHUSA_OK) abort();
    if (memcmp(back, values, count * sizeof *back) != 0) abort();
}

static void round_trip_strings(const uint8_t *data, size_t size)
{
    static struct phusa_text values[CODEC_COUNT_MAX], back[CODEC_COUNT_MAX];
    uint32_t count = 0;
    for (size_t at = 0; at < size && count < CODEC_COUNT_MAX; count++) {
        const size_t length = data[at] % 40 < size - at ? data[at] % 40 : size - at;
        values[count] = (struct phusa_text){(const char *)data + at, length};
        at += length + 1;
    }
    uint8_t *bytes = malloc(codec_strings_bytes_max(values, count));
    size_t work_bytes = codec_strings_encode_work_bytes(values, count);
    void *work = malloc(work_bytes + 1);
    const size_t encoded = codec_encode_strings(values, count, bytes, work, work_bytes);
    free(work);
    if (codec_strings_decode_work_bytes(bytes, encoded, count, &work_bytes) != PHUSA_OK) abort();
    work = malloc(work_bytes + 1);
    if (codec_decode_strings(bytes, encoded, count, back, work, work_bytes) != PHUSA_OK) abort();
    for (uint32_t i = 0; i < count; i++)
        if (!text_equal(values[i], back[i])) abort();
    free(work);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) return 0;
    const uint32_t count = load_u16(data) % (CODEC_COUNT_MAX + 1);
    const uint8_t choice = data[2];
    data += 3;
    size -= 3;
    codec_use_avx2(choice & 1);
    decode_anything(data, size, count);

    static int64_t integers[CODEC_COUNT_MAX];
    static double doubles[CODEC_COUNT_MAX];
    const uint32_t given = size / 8 < CODEC_COUNT_MAX ? (uint32_t)(size / 8) : CODEC_COUNT_MAX;
    memcpy(integers, data, given * 8);
    memcpy(doubles, data, given * 8);
    round_trip_integers(integers, given, choice & 2);
    round_trip_floats(doubles, given, choice);
    /* Narrow values, which random words never are. */
    const uint32_t narrow = size < CODEC_COUNT_MAX ? (uint32_t)size : CODEC_COUNT_MAX;
    for (uint32_t i = 0; i < narrow; i++) {
        integers[i] = (int64_t)((uint64_t)data[i] << (choice % 57));
        doubles[i] = data[i] / 100.0;
    }
    round_trip_integers(integers, narrow, choice & 2);
    round_trip_floats(doubles, narrow, choice);
    round_trip_strings(data, size);
    return 0;
}
