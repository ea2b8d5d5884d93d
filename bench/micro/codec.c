/*
 * codec.c - what a core does with columns: bytes per value, and values per second to encode, to
 * decode and to aggregate.
 *
 *   make micro && build/release/bench/micro/codec
 *
 * Fixed seeds. Every figure is the best of several rounds over chunks that stay in the cache: on
 * a shared machine the best is the least disturbed.
 */
#include "chunk/chunk.h"
#include "codec/codec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS    CHUNK_ROWS_MAX
#define COLUMNS 10u
#define ROUNDS  15

/* splitmix64 */
struct random {
    uint64_t state;
};

static struct random random_from(uint64_t seed)
{
    return (struct random){seed};
}

static uint64_t random_u64(struct random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t random_below(struct random *r, uint64_t bound)
{
    return random_u64(r) % bound;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double random_normal(struct random *r)
{
    const double u = ((double)(random_u64(r) >> 11) + 1) * 0x1p-53;
    const double v = (double)(random_u64(r) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

struct set {
    const char *name;
    enum phusa_type type;
    void (*fill)(struct random *r, void *column, uint32_t rows);
};

static void fill_cpu(struct random *r, void *column, uint32_t rows)
{
    int64_t *v = column;
    double at = (double)random_below(r, 101);
    for (uint32_t i = 0; i < rows; i++) {
        at += random_normal(r);
        at = at < 0 ? 0 : at > 100 ? 100 : at;
        v[i] = (int64_t)at;
    }
}

static void fill_temperature(struct random *r, void *column, uint32_t rows)
{
    double *v = column, at = 25;
    for (uint32_t i = 0; i < rows; i++) {
        at += random_normal(r) * 0.05;
        v[i] = round(at * 10) / 10;
    }
}

static void fill_counter(struct random *r, void *column, uint32_t rows)
{
    int64_t *v = column, at = 0;
    for (uint32_t i = 0; i < rows; i++)
        v[i] = at += 1000000000 + (int64_t)(random_normal(r) * 30);
}

static void fill_computed(struct random *r, void *column, uint32_t rows)
{
    double *v = column;
    for (uint32_t i = 0; i < rows; i++)
        v[i] = sin((double)random_below(r, 1000000));
}

static const struct set sets[] = {
    {"cpu: ints 0..100, walk", PHUSA_INTEGER, fill_cpu},
    {"temperature, 1 decimal", PHUSA_FLOAT, fill_temperature},
    {"counter, 1e9 a step", PHUSA_INTEGER, fill_counter},
    {"computed doubles", PHUSA_FLOAT, fill_computed},
};

struct column_set {
    int64_t times[ROWS];
    uint16_t ids[COLUMNS];
    struct vector vectors[COLUMNS];
    int64_t values[COLUMNS][ROWS];
};

static double best_of(double best, double value)
{
    return value > best ? value : best;
}

static double encode_speed(const struct rows *rows, struct buffer *out)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        buffer_clear(out);
        const double start = now_s();
        if (chunk_build(out, rows, 1, 2) != PHUSA_OK) abort();
        best = best_of(best, ROWS * (double)COLUMNS / (now_s() - start));
    }
    return best;
}

static double decode_speed(const struct chunk_view *chunk, struct chunk_scratch *scratch)
{
    double best = 0;
    struct vector v;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = now_s();
        for (uint32_t c = 0; c < COLUMNS; c++)
            for (uint32_t k = 0; k < chunk->vector_count; k++)
                if (chunk_decode(chunk, c, k, scratch, &v) != PHUSA_OK) abort();
        best = best_of(best, ROWS * (double)COLUMNS / (now_s() - start));
    }
    return best;
}

/* Windows of 360 rows, as an hour at 10 s: each vector is cut at bounds that do not fit it. */
static double aggregate_speed(const struct chunk_view *chunk, uint8_t have,
                              struct chunk_scratch *scratch)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        static struct aggregate windows[ROWS / 360 + 1];
        const double start = now_s();
        for (uint32_t c = 0; c < COLUMNS; c++) {
            for (uint32_t w = 0; w < ROWS / 360 + 1; w++)
                aggregate_init(&windows[w], chunk_type(chunk, c), have);
            for (uint32_t k = 0; k < chunk->vector_count; k++) {
                uint32_t bounds[6], ranges = 0;
                struct aggregate *states[5];
                const uint32_t from = k * VECTOR_ROWS_MAX;
                bounds[0] = 0;
                for (uint32_t row = from; row < from + VECTOR_ROWS_MAX;) {
                    const uint32_t end = (row / 360 + 1) * 360;
                    states[ranges] = &windows[row / 360];
                    row = end < from + VECTOR_ROWS_MAX ? end : from + VECTOR_ROWS_MAX;
                    bounds[++ranges] = row - from;
                }
                if (chunk_aggregate(chunk, c, k, bounds, ranges, states, scratch) != PHUSA_OK)
                    abort();
            }
            for (uint32_t w = 0; w < ROWS / 360 + 1; w++)
                aggregate_deinit(&windows[w]);
        }
        best = best_of(best, ROWS * (double)COLUMNS / (now_s() - start));
    }
    return best;
}

static double statistics_speed(const struct chunk_view *chunk, uint32_t vector)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = now_s();
        for (uint32_t k = 0; k < 1000; k++) {
            struct aggregate a;
            if (chunk_statistics(chunk, k % COLUMNS, vector, AGGREGATE_ALL, &a) != PHUSA_OK)
                abort();
            aggregate_deinit(&a);
        }
        best = best_of(best, 1000 / (now_s() - start));
    }
    return best;
}

static void measure(const struct set *set, bool avx2)
{
    static struct column_set s;
    static struct chunk_scratch scratch;
    struct random r = random_from(42);
    for (uint32_t i = 0; i < ROWS; i++)
        s.times[i] = INT64_C(1451606400000000000) + (int64_t)i * INT64_C(10000000000);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        set->fill(&r, s.values[c], ROWS);
        s.ids[c] = (uint16_t)c;
        s.vectors[c] =
            (struct vector){.type = set->type,
                            .decimals = set->fill == fill_temperature ? 1 : PHUSA_DECIMALS_UNKNOWN,
                            .values = s.values[c]};
    }
    const struct rows rows = {ROWS, COLUMNS, s.times, s.ids, s.vectors};
    struct buffer out;
    buffer_init(&out);
    codec_use_avx2(avx2);
    const double encode = encode_speed(&rows, &out);
    struct chunk_view chunk;
    if (chunk_open(&chunk, out.bytes, out.size_bytes) != PHUSA_OK) abort();
    chunk_scratch_init(&scratch);
    const double decode = decode_speed(&chunk, &scratch);
    const double sum = aggregate_speed(&chunk, AGGREGATE_COUNT | AGGREGATE_SUM, &scratch);
    const double max = aggregate_speed(&chunk, AGGREGATE_MAX, &scratch);
    const double all = aggregate_speed(&chunk, AGGREGATE_ALL, &scratch);
    printf("%-24s %-6s %6.3f B/value  header %6.4f  encode %5.0f M/s  decode %5.2f G/s  "
           "sum %5.2f  max %5.2f  all %5.2f G/s  stats %4.1f M/s, vector's %4.1f\n",
           set->name, avx2 ? "avx2" : "scalar", (double)out.size_bytes / ROWS / COLUMNS,
           (double)chunk.header_bytes / ROWS / COLUMNS, encode * 1e-6, decode * 1e-9, sum * 1e-9,
           max * 1e-9, all * 1e-9, statistics_speed(&chunk, CHUNK_WHOLE) * 1e-6,
           statistics_speed(&chunk, 7) * 1e-6);
    chunk_scratch_deinit(&scratch);
    buffer_deinit(&out);
}

int main(void)
{
    for (size_t k = 0; k < sizeof sets / sizeof sets[0]; k++) {
        measure(&sets[k], true);
        measure(&sets[k], false);
    }
    return 0;
}
