/*
 * test_codec.c - guards that every vector comes back bit by bit, on both sets of kernels, and
 * that aggregates over packed integers say what the values say.
 */
#include "codec/codec.h"

#include "base/exact.h"
#include "random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

static uint64_t random_width(struct random *r, unsigned bits)
{
    return bits == 0 ? 0 : random_u64(r) >> (64 - bits);
}

/* ---- integers ---- */

/* Encode and decode with both kernels: the same bytes, the same values. Returns the size. */
static size_t expect_integers(const int64_t *values, uint32_t count, bool is_unsigned)
{
    uint8_t bytes[2][CODEC_VECTOR_BYTES_MAX];
    size_t size[2];
    for (int avx2 = 0; avx2 < 2; avx2++) {
        codec_use_avx2(avx2);
        size[avx2] = codec_encode_integers(values, count, is_unsigned, bytes[avx2]);
        cr_assert_leq(size[avx2], CODEC_VECTOR_BYTES_MAX);
        /* A buffer of just the size, so that a sanitizer sees a read past it. */
        uint8_t *exact = malloc(size[avx2] + !size[avx2]);
        memcpy(exact, bytes[avx2], size[avx2]);
        int64_t back[CODEC_COUNT_MAX];
        cr_assert_eq(codec_decode_integers(exact, size[avx2], count, back), PHUSA_OK);
        cr_assert_eq(memcmp(back, values, count * sizeof *values), 0, "avx2 %d count %u", avx2,
                     count);
        free(exact);
    }
    cr_assert_eq(size[0], size[1]);
    cr_assert_eq(memcmp(bytes[0], bytes[1], size[0]), 0);
    return size[0];
}

static const uint32_t counts[] = {0,   1,   2,   3,   7,   8,   9,   31,  63,  64,   65,   100,
                                  255, 256, 257, 300, 511, 512, 513, 768, 769, 1000, 1023, 1024};
#define COUNT_OF_COUNTS (sizeof counts / sizeof counts[0])

Test(codec, integers_of_every_width_come_back)
{
    struct random r = random_seeded();
    int64_t values[CODEC_COUNT_MAX];
    for (unsigned bits = 0; bits <= 64; bits++)
        for (size_t k = 0; k < COUNT_OF_COUNTS; k++) {
            const uint64_t base = random_u64(&r) >> random_below(&r, 64);
            for (uint32_t i = 0; i < counts[k]; i++)
                values[i] = (int64_t)(base + random_width(&r, bits));
            expect_integers(values, counts[k], random_below(&r, 2) == 1);
        }
}

Test(codec, walks_of_every_width_come_back)
{
    struct random r = random_seeded();
    int64_t values[CODEC_COUNT_MAX];
    for (unsigned bits = 0; bits <= 64; bits++)
        for (size_t k = 0; k < COUNT_OF_COUNTS; k++) {
            uint64_t at = random_u64(&r);
            const uint64_t drift = random_width(&r, bits) / 2;
            for (uint32_t i = 0; i < counts[k]; i++)
                values[i] = (int64_t)(at += random_width(&r, bits) - drift);
            expect_integers(values, counts[k], random_below(&r, 2) == 1);
        }
}

Test(codec, spikes_in_calm_series_are_patched)
{
    struct random r = random_seeded();
    int64_t values[CODEC_COUNT_MAX];
    for (unsigned round = 0; round < 300; round++) {
        const unsigned calm = (unsigned)random_below(&r, 20),
                       spike = 1 + (unsigned)random_below(&r, 64);
        const uint64_t every = 5 + random_below(&r, 300);
        const bool walk = random_below(&r, 2) == 1;
        uint64_t at = random_width(&r, 40);
        for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++) {
            const uint64_t x = random_width(&r, random_below(&r, every) == 0 ? spike : calm);
            values[i] = (int64_t)(walk ? (at += x) : x);
        }
        expect_integers(values, CODEC_COUNT_MAX, round % 2 == 1);
    }
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        values[i] = (int64_t)random_below(&r, 4);
    const size_t calm_bytes = expect_integers(values, CODEC_COUNT_MAX, false);
    for (uint32_t i = 100; i < CODEC_COUNT_MAX; i += 128)
        values[i] = INT64_C(1) << 30;
    cr_assert_leq(expect_integers(values, CODEC_COUNT_MAX, false), calm_bytes + 80);
}

/* Found by the chunk's tests: in short blocks the median may lie outside the packed range. */
Test(codec, walks_with_steps_of_all_sizes_come_back)
{
    struct random r = random_seeded();
    int64_t values[CODEC_COUNT_MAX];
    for (unsigned round = 0; round < 4000; round++) {
        const uint32_t count = 1 + (uint32_t)random_below(&r, round % 2 == 0 ? 80 : 600);
        const unsigned least = (unsigned)random_below(&r, 50),
                       span = 1 + (unsigned)random_below(&r, 40);
        const bool falls = random_below(&r, 2) == 1;
        uint64_t at = random_u64(&r) >> random_below(&r, 64);
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t x = random_u64(&r) >> (least + random_below(&r, span)) % 64;
            values[i] = (int64_t)(falls ? (at -= x) : (at += x));
        }
        expect_integers(values, count, round % 4 < 2);
    }
}

Test(codec, ends_of_the_range_come_back)
{
    struct random r = random_seeded();
    const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    int64_t values[CODEC_COUNT_MAX];
    for (uint32_t count = 1; count <= CODEC_COUNT_MAX; count = count * 2 + 1)
        for (unsigned round = 0; round < 20; round++) {
            for (uint32_t i = 0; i < count; i++)
                values[i] = ends[random_below(&r, 7)];
            expect_integers(values, count, round % 2 == 1);
        }
    const int64_t wrap[2] = {INT64_MIN, INT64_MAX};
    expect_integers(wrap, 2, false);
    expect_integers(wrap, 2, true);
}

Test(codec, what_is_regular_takes_a_few_bytes)
{
    int64_t values[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        values[i] = 42;
    cr_assert_eq(expect_integers(values, CODEC_COUNT_MAX, false), 2);
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        values[i] = 1000 - 3 * (int64_t)i;
    cr_assert_leq(expect_integers(values, CODEC_COUNT_MAX, false), 4);
    /* Whole thousands cost what their thousands cost. */
    struct random r = random_seeded();
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        values[i] = 1000 * (int64_t)random_below(&r, 16);
    cr_assert_leq(expect_integers(values, CODEC_COUNT_MAX, false), 512 + 20);
}

/* ---- units ---- */

struct naive {
    __int128 sum;
    uint32_t min, max;
};

static struct naive aggregate_naively(const int64_t *v, bool is_unsigned, uint32_t from,
                                      uint32_t to)
{
    struct naive n = {0, from, from};
    for (uint32_t i = from; i < to; i++) {
        n.sum += is_unsigned ? (__int128)(uint64_t)v[i] : (__int128)v[i];
        const bool less = is_unsigned ? (uint64_t)v[i] < (uint64_t)v[n.min] : v[i] < v[n.min];
        const bool more = is_unsigned ? (uint64_t)v[i] > (uint64_t)v[n.max] : v[i] > v[n.max];
        if (less) n.min = i;
        if (more) n.max = i;
    }
    return n;
}

static void expect_units(const int64_t *values, uint32_t count, bool is_unsigned, struct random *r)
{
    uint8_t bytes[CODEC_VECTOR_BYTES_MAX];
    const size_t size = codec_encode_integers(values, count, is_unsigned, bytes);
    static struct codec_units units;
    for (unsigned round = 0; round < 8; round++) {
        codec_use_avx2(round % 2 == 0);
        uint32_t from = (uint32_t)random_below(r, count), to = (uint32_t)random_below(r, count);
        if (from > to) {
            const uint32_t swap = from;
            from = to;
            to = swap;
        }
        to++;
        memset(&units, 0xa5, sizeof units);
        cr_assert_eq(codec_integer_units(bytes, size, count, is_unsigned, from, to, &units),
                     PHUSA_OK);
        const struct naive want = aggregate_naively(values, is_unsigned, from, to);
        cr_assert(codec_units_sum(&units, from, to) == want.sum);
        cr_assert_eq(codec_units_min(&units, from, to), want.min);
        cr_assert_eq(codec_units_max(&units, from, to), want.max);
        __int128 squares, want_squares = 0;
        if (!codec_units_squares(&units, from, to, &squares)) continue;
        for (uint32_t i = from; i < to; i++) {
            const __int128 v = is_unsigned ? (__int128)(uint64_t)values[i] : (__int128)values[i];
            want_squares += v * v;
        }
        cr_assert(squares == want_squares);
    }
}

Test(codec, aggregates_on_packed_integers_equal_a_recount)
{
    struct random r = random_seeded();
    int64_t values[CODEC_COUNT_MAX];
    for (unsigned bits = 0; bits <= 64; bits++)
        for (unsigned round = 0; round < 6; round++) {
            const uint32_t count = 1 + (uint32_t)random_below(&r, CODEC_COUNT_MAX);
            uint64_t at = random_width(&r, (unsigned)random_below(&r, 65));
            const uint64_t factor = round == 5 ? 1 + random_below(&r, 100) : 1;
            for (uint32_t i = 0; i < count; i++)
                values[i] =
                    (int64_t)(factor * (round % 2 == 0 ? at + random_width(&r, bits)
                                                       : (at += random_width(&r, bits) / 64)));
            expect_units(values, count, round >= 3, &r);
        }
}

/* ---- floats ---- */

static size_t expect_floats(const double *values, uint32_t count, uint8_t decimals)
{
    size_t size[2];
    uint8_t bytes[2][CODEC_VECTOR_BYTES_MAX];
    for (int avx2 = 0; avx2 < 2; avx2++) {
        codec_use_avx2(avx2);
        size[avx2] = codec_encode_floats(values, count, decimals, bytes[avx2]);
        cr_assert_leq(size[avx2], CODEC_VECTOR_BYTES_MAX);
        uint8_t *exact = malloc(size[avx2] + !size[avx2]);
        memcpy(exact, bytes[avx2], size[avx2]);
        double back[CODEC_COUNT_MAX];
        cr_assert_eq(codec_decode_floats(exact, size[avx2], count, back), PHUSA_OK);
        cr_assert_eq(memcmp(back, values, count * sizeof *values), 0, "avx2 %d count %u", avx2,
                     count);
        free(exact);
    }
    cr_assert_eq(size[0], size[1]);
    cr_assert_eq(memcmp(bytes[0], bytes[1], size[0]), 0);
    return size[0];
}

static double power_of_ten(unsigned n)
{
    double p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

Test(codec, decimals_of_every_scale_and_size_come_back)
{
    struct random r = random_seeded();
    double values[CODEC_COUNT_MAX];
    for (unsigned e = 0; e <= 18; e++)
        for (unsigned bits = 1; bits <= 49; bits++) {
            const double reference = (double)(random_width(&r, 49) * (bits % 2));
            for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++) {
                double unit = (double)random_width(&r, bits) - (double)(UINT64_C(1) << (bits - 1));
                unit += reference; /* stays below 10^15 */
                values[i] = unit == 0 ? 0.0 : unit / power_of_ten(e);
            }
            const size_t size = expect_floats(values, CODEC_COUNT_MAX, (uint8_t)e);
            cr_assert_leq(size, bits * CODEC_COUNT_MAX / 8 + 300, "e %u bits %u", e, bits);
            expect_floats(values, CODEC_COUNT_MAX, PHUSA_DECIMALS_UNKNOWN);
            expect_floats(values, 1 + (uint32_t)random_below(&r, 300),
                          (uint8_t)random_below(&r, 19));
        }
}

Test(codec, doubles_that_are_no_decimals_come_back)
{
    struct random r = random_seeded();
    const double odd[] = {-0.0,
                          0.0,
                          DBL_MAX,
                          -DBL_MAX,
                          DBL_MIN,
                          DBL_TRUE_MIN,
                          -DBL_TRUE_MIN,
                          1.0 / 3,
                          0x1p53 - 1,
                          0x1p53,
                          0x1p53 + 2,
                          -0x1p53,
                          1e15,
                          1e15 - 1,
                          -1e15 + 1,
                          1e300,
                          1e-300,
                          0.1 + 0.2,
                          1e-17,
                          -1e18,
                          123456.789,
                          5e-324,
                          999999999999999.0,
                          0x1p-1022,
                          M_PI};
    enum { ODD_COUNT = sizeof odd / sizeof odd[0] };
    double values[CODEC_COUNT_MAX];
    for (unsigned percent = 0; percent <= 100; percent += 4)
        for (size_t k = 0; k < COUNT_OF_COUNTS; k++) {
            for (uint32_t i = 0; i < counts[k]; i++)
                values[i] = random_below(&r, 100) < percent
                                ? odd[random_below(&r, ODD_COUNT)]
                                : (double)((int64_t)random_below(&r, 2000) - 1000) / 10;
            for (uint32_t i = 0; i < counts[k]; i++)
                if (values[i] == 0 && percent == 0) values[i] = 0.0;
            expect_floats(values, counts[k], 1);
            expect_floats(values, counts[k], PHUSA_DECIMALS_UNKNOWN);
        }
    for (unsigned round = 0; round < 100; round++) {
        for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++) {
            uint64_t bits = random_u64(&r);
            if (round % 4 == 1) bits = bits >> 12 | UINT64_C(0x4010000000000000);
            if (round % 4 == 2) bits &= ~UINT64_C(0x1fffffff); /* once a float32 */
            if ((bits >> 52 & 0x7ff) == 0x7ff) bits &= ~(UINT64_C(1) << 62);
            memcpy(&values[i], &bits, 8);
        }
        expect_floats(values, CODEC_COUNT_MAX, PHUSA_DECIMALS_UNKNOWN);
    }
}

Test(codec, float_units_are_what_exact_sums_take_the_values_for)
{
    struct random r = random_seeded();
    double values[CODEC_COUNT_MAX];
    static struct codec_units units;
    uint8_t bytes[CODEC_VECTOR_BYTES_MAX];
    for (unsigned e = 0; e <= 18; e++) {
        struct exact want, got;
        exact_init(&want);
        exact_init(&got);
        for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
            values[i] = (double)random_width(&r, 49) / power_of_ten(e);
        const size_t size = codec_encode_floats(values, CODEC_COUNT_MAX, (uint8_t)e, bytes);
        bool are_units = false;
        cr_assert_eq(
            codec_float_units(bytes, size, CODEC_COUNT_MAX, 0, CODEC_COUNT_MAX, &units, &are_units),
            PHUSA_OK);
        cr_assert(are_units);
        cr_assert_eq(
            exact_add_doubles(&want, values, CODEC_COUNT_MAX, PHUSA_DECIMALS_UNKNOWN, NULL),
            PHUSA_OK);
        cr_assert_eq(exact_add_units(&got, codec_units_sum(&units, 0, CODEC_COUNT_MAX),
                                     units.decimals, NULL),
                     PHUSA_OK);
        cr_assert_eq(exact_round(&want), exact_round(&got));
        exact_deinit(&want);
        exact_deinit(&got);
    }
}

/* ---- times ---- */

static size_t expect_times(const int64_t *times, uint32_t count)
{
    uint8_t bytes[CODEC_VECTOR_BYTES_MAX];
    const size_t size = codec_encode_times(times, count, bytes);
    uint8_t *exact = malloc(size + !size);
    memcpy(exact, bytes, size);
    int64_t back[CODEC_COUNT_MAX];
    cr_assert_eq(codec_decode_times(exact, size, times[0], count, back), PHUSA_OK);
    cr_assert_eq(memcmp(back, times, count * sizeof *times), 0);
    free(exact);
    return size;
}

Test(codec, times_come_back)
{
    struct random r = random_seeded();
    int64_t times[CODEC_COUNT_MAX];
    const int64_t units[] = {1, 1000, 1000000, 1000000000};
    for (unsigned u = 0; u < 4; u++)
        for (unsigned jitter = 0; jitter < 24; jitter++)
            for (size_t k = 1; k < COUNT_OF_COUNTS; k++) {
                int64_t at = (int64_t)random_width(&r, 33) - (INT64_C(1) << 32);
                for (uint32_t i = 0; i < counts[k]; i++) {
                    times[i] = (at + (int64_t)random_width(&r, jitter)) * units[u];
                    at += (INT64_C(1) << jitter) >> (u == 3 ? 4 : 0);
                }
                expect_times(times, counts[k]);
            }
    times[0] = INT64_MIN + 2;
    for (uint32_t i = 1; i < CODEC_COUNT_MAX; i++)
        times[i] = times[i - 1] + (INT64_MAX >> 10) * 2 + (int64_t)random_below(&r, 1000);
    times[CODEC_COUNT_MAX - 1] = INT64_MAX - 1;
    expect_times(times, CODEC_COUNT_MAX);
}

Test(codec, jittered_times_cost_their_jitter_and_regular_times_nothing)
{
    struct random r = random_seeded();
    int64_t times[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        times[i] = 1700000000 * INT64_C(1000000000) + i * INT64_C(10000000000);
    cr_assert_leq(expect_times(times, CODEC_COUNT_MAX), 10);
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        times[i] += (int64_t)random_below(&r, 10) * 1000000;
    /* 3.3 bits of jitter */
    cr_assert_leq(expect_times(times, CODEC_COUNT_MAX), CODEC_COUNT_MAX * 5 / 8);
}

/* ---- booleans ---- */

Test(codec, booleans_come_back)
{
    struct random r = random_seeded();
    uint8_t values[CODEC_COUNT_MAX], back[CODEC_COUNT_MAX], bytes[CODEC_VECTOR_BYTES_MAX];
    for (unsigned round = 0; round < 2000; round++) {
        const uint32_t count = 1 + (uint32_t)random_below(&r, CODEC_COUNT_MAX);
        const uint64_t every = 1 + random_below(&r, 400);
        uint8_t value = random_below(&r, 2) == 1;
        for (uint32_t i = 0; i < count; i++) {
            if (random_below(&r, every) == 0) value = !value;
            values[i] = value;
        }
        const size_t size = codec_encode_booleans(values, count, bytes);
        cr_assert_leq(size, 1 + (count + 7) / 8);
        cr_assert_eq(codec_decode_booleans(bytes, size, count, back), PHUSA_OK);
        cr_assert_eq(memcmp(values, back, count), 0);
    }
}

/* ---- strings ---- */

static size_t expect_strings(const struct phusa_text *values, uint32_t count)
{
    uint8_t *bytes = malloc(codec_strings_bytes_max(values, count));
    const size_t encode_bytes = codec_strings_encode_work_bytes(values, count);
    void *work = malloc(encode_bytes + 1);
    const size_t size = codec_encode_strings(values, count, bytes, work, encode_bytes);
    free(work);
    cr_assert_leq(size, codec_strings_bytes_max(values, count));
    bytes = realloc(bytes, size + !size);
    size_t decode_bytes = 0;
    cr_assert_eq(codec_strings_decode_work_bytes(bytes, size, count, &decode_bytes), PHUSA_OK);
    work = malloc(decode_bytes + 1);
    struct phusa_text back[CODEC_COUNT_MAX];
    cr_assert_eq(codec_decode_strings(bytes, size, count, back, work, decode_bytes), PHUSA_OK);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(text_equal(values[i], back[i]), "string %u", i);
    free(work);
    free(bytes);
    return size;
}

Test(codec, strings_come_back)
{
    struct random r = random_seeded();
    static char pool[STRING_BYTES_MAX];
    for (size_t i = 0; i < sizeof pool; i++)
        pool[i] = (char)(random_below(&r, 20) == 0 ? 0 : 'a' + random_below(&r, 6));
    struct phusa_text values[CODEC_COUNT_MAX];
    for (unsigned round = 0; round < 200; round++) {
        const uint32_t count = 1 + (uint32_t)random_below(&r, CODEC_COUNT_MAX);
        const uint64_t distinct = 1 + random_below(&r, round % 3 == 0 ? 8 : 2000);
        const uint64_t longest = round % 50 == 0 ? STRING_BYTES_MAX : random_below(&r, 60);
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t which = random_below(&r, distinct);
            size_t size = (which * 7919) % (longest + 1);
            if (round % 50 == 0 && i > 20) size %= 10;
            values[i] = (struct phusa_text){pool + which % (sizeof pool - size + 1), size};
        }
        expect_strings(values, count);
    }
}

Test(codec, repeated_strings_cost_their_codes_and_text_is_compressed)
{
    struct phusa_text values[CODEC_COUNT_MAX];
    static char lines[CODEC_COUNT_MAX][64];
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        values[i] = text_of(i % 2 == 0 ? "pump on" : "pump off");
    cr_assert_leq(expect_strings(values, CODEC_COUNT_MAX), 128 + 40);
    size_t total = 0;
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++) {
        snprintf(lines[i], sizeof lines[i], "gate %u opened by operator %u at level %u", i % 13, i,
                 i * 7);
        values[i] = text_of(lines[i]);
        total += values[i].size_bytes;
    }
    cr_assert_lt(expect_strings(values, CODEC_COUNT_MAX), total / 2);
    for (uint32_t i = 0; i < CODEC_COUNT_MAX; i++)
        values[i] = (struct phusa_text){NULL, 0};
    cr_assert_leq(expect_strings(values, CODEC_COUNT_MAX), 8);
}

/* ---- damage ---- */

/* Any bytes may come: no crash, no read or write out of bounds (the sanitizers watch). */
static void decode_anything(const uint8_t *bytes, size_t size, uint32_t count)
{
    static int64_t integers[CODEC_COUNT_MAX];
    static double doubles[CODEC_COUNT_MAX];
    static uint8_t booleans[CODEC_COUNT_MAX];
    static struct phusa_text texts[CODEC_COUNT_MAX];
    static struct codec_units units;
    bool are_units;
    (void)!codec_decode_integers(bytes, size, count, integers);
    (void)!codec_decode_floats(bytes, size, count, doubles);
    (void)!codec_decode_times(bytes, size, 5, count, integers);
    (void)!codec_decode_booleans(bytes, size, count, booleans);
    if (codec_integer_units(bytes, size, count, false, 0, count, &units) == PHUSA_OK && count > 0) {
        __int128 squares;
        (void)codec_units_sum(&units, 0, count);
        (void)codec_units_squares(&units, 0, count, &squares);
        (void)codec_units_min(&units, 0, count);
        (void)codec_units_max(&units, 0, count);
    }
    (void)!codec_float_units(bytes, size, count, 0, count, &units, &are_units);
    size_t work_bytes = 0;
    if (codec_strings_decode_work_bytes(bytes, size, count, &work_bytes) != PHUSA_OK) return;
    void *work = malloc(work_bytes + 1);
    if (codec_decode_strings(bytes, size, count, texts, work, work_bytes) == PHUSA_OK) {
        volatile char sink = 0;
        for (uint32_t i = 0; i < count; i++)
            for (size_t k = 0; k < texts[i].size_bytes; k++)
                sink = (char)(sink ^ texts[i].bytes[k]);
    }
    free(work);
}

Test(codec, damaged_bytes_are_refused_or_decoded_but_never_overrun)
{
    struct random r = random_seeded();
    for (unsigned round = 0; round < 20000; round++) {
        codec_use_avx2(round % 2 == 0);
        const size_t size = random_below(&r, round % 10 == 0 ? 3000 : 60);
        uint8_t *bytes = malloc(size + !size);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(random_below(&r, 3) == 0 ? random_below(&r, 8) : random_u64(&r));
        decode_anything(bytes, size, (uint32_t)random_below(&r, CODEC_COUNT_MAX + 1));
        free(bytes);
    }
}

Test(codec, every_bit_flip_and_cut_of_a_vector_is_survived)
{
    struct random r = random_seeded();
    int64_t values[600];
    for (unsigned kind = 0; kind < 4; kind++) {
        uint64_t at = 1000;
        for (uint32_t i = 0; i < 600; i++)
            values[i] = (int64_t)(kind == 0   ? random_below(&r, 50) + (i == 77) * UINT64_C(5000)
                                  : kind == 1 ? (at += random_below(&r, 9))
                                  : kind == 2 ? random_u64(&r)
                                              : (at += random_width(&r, 35)));
        uint8_t bytes[CODEC_VECTOR_BYTES_MAX];
        const size_t size = codec_encode_integers(values, 600, false, bytes);
        for (size_t bit = 0; bit<size * 8; bit += size> 1000 ? 14 : 1) {
            uint8_t *copy = malloc(size);
            memcpy(copy, bytes, size);
            copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            decode_anything(copy, size, 600);
            free(copy);
        }
        for (size_t cut = 0; cut < size; cut += 1 + cut / 50) {
            uint8_t *copy = malloc(cut + !cut);
            memcpy(copy, bytes, cut);
            int64_t back[600];
            cr_assert_eq(codec_decode_integers(copy, cut, 600, back), PHUSA_ECORRUPT, "cut %zu",
                         cut);
            free(copy);
        }
    }
}

/* ---- the examples of engine/codec/FORMAT.md ---- */

static void expect_bytes(const uint8_t *bytes, size_t size, const char *hex)
{
    char text[3 * 64 + 1] = "";
    cr_assert_leq(size, 64);
    for (size_t i = 0; i < size; i++)
        snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
    cr_assert_eq(strlen(text), strlen(hex) + 1, "%s", text);
    cr_assert_eq(memcmp(text, hex, strlen(hex)), 0, "%s", text);
}

Test(codec, bytes_are_those_of_the_format)
{
    uint8_t out[CODEC_VECTOR_BYTES_MAX];
    const int64_t plain[] = {20, 21, 21, 23, 22, 40, 22};
    expect_bytes(out, codec_encode_integers(plain, 7, false, out), "02 28 05 00 20 84 21 a8 00");
    const int64_t falling[] = {1000, 997, 994, 991};
    expect_bytes(out, codec_encode_integers(falling, 4, false, out), "01 d0 0f 05");
    const int64_t rising[] = {1000, 1010, 1021, 1030, 1040, 1050, 1061, 1070};
    expect_bytes(out, codec_encode_integers(rising, 8, false, out), "02 d0 0f 42 00 12 24 25");
    int64_t spike[40];
    for (int i = 0; i < 40; i++)
        spike[i] = i == 5 ? 40 : i % 2;
    expect_bytes(out, codec_encode_integers(spike, 40, false, out),
                 "02 00 81 00 8a aa aa aa aa 01 06 05 14");
    const double decimals[] = {21.5, 21.7, 21.4, 22, 21.9};
    expect_bytes(out, codec_encode_floats(decimals, 5, 1, out), "01 02 ac 03 03 00 19 5c");
    const double mixed[] = {21.5, 21.7, -0.0, 22, 21.9, 21.8, 21.7, 21.6, 21.5, 21.4};
    expect_bytes(out, codec_encode_floats(mixed, 10, 1, out),
                 "21 01 02 00 00 00 00 00 00 00 00 80 02 ac 03 03 00 d9 5c 4e 01");
    const int64_t times[] = {0, 10, 20, 31, 40, 50};
    expect_bytes(out, codec_encode_times(times, 6, out), "00 02 00 42 00 12 94 04");
    const uint8_t booleans[] = {1, 0, 1, 1, 0, 1, 0, 0, 1, 0};
    expect_bytes(out, codec_encode_booleans(booleans, 10, out), "02 2d 01");
    const struct phusa_text strings[] = {{"on", 2}, {"off", 3}, {"on", 2}, {"on", 2}};
    expect_bytes(out, codec_encode_strings(strings, 4, out, NULL, 0),
                 "01 02 03 01 04 02 05 02 00 01 00 02 6f 6e 6f 66 66");
}

/* One full block of 3 bits, lane by lane as the format says. */
Test(codec, full_blocks_lie_in_lanes)
{
    int64_t values[256];
    uint8_t out[CODEC_VECTOR_BYTES_MAX];
    for (unsigned i = 0; i < 256; i++)
        values[i] = i * 5 % 8 * (i % 3 != 0); /* 0..7 without order, so no deltas */
    const size_t size = codec_encode_integers(values, 256, false, out);
    cr_assert_eq(size, 4 + 3 * 32);
    cr_assert_eq(out[2], 3); /* narrow, reference 0, width 3, base 0 */
    const uint8_t *packed = out + 4;
    for (unsigned i = 0; i < 256; i++) {
        const unsigned lane = i % 8, bit = i / 8 * 3;
        uint64_t words = load_u32(packed + 4 * (8 * (bit / 32) + lane));
        if (bit / 32 < 2)
            words |= (uint64_t)load_u32(packed + 4 * (8 * (bit / 32 + 1) + lane)) << 32;
        cr_assert_eq(words >> (bit % 32) & 7, values[i], "value %u", i);
    }
}
