/*
 * dataset.c - random walks, and their lines.
 *
 * On the fly, because it is cheap: 10 table look-ups for the steps and 13 copies for the text of a
 * row, about 0.1 us, so 1 s of CPU in a load of 8.64 M rows. The report says what it was.
 */
#include "dataset.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUE_MAX        100
#define STEP_TABLE_BITS  12 /* of a random number; five steps from each */
#define STEP_TABLE_SIZE  (1u << STEP_TABLE_BITS)
#define STEPS_PER_RANDOM 5u
#define PIECE_BYTES      32u

static const char *const field_names[DATASET_FIELD_COUNT] = {
    "usage_user", "usage_system",  "usage_idle",  "usage_nice",  "usage_iowait",
    "usage_irq",  "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice",
};

struct piece { /* copied whole; `bytes` of it count */
    char text[PIECE_BYTES - 1];
    uint8_t bytes;
};

struct dataset {
    uint32_t host_count, step_count;
    char (*prefixes)[DATASET_LINE_MAX / 2]; /* a host's measurement and tags, and a space */
    uint16_t *prefix_bytes;
    float *walks;    /* host x field */
    uint8_t *values; /* step x host x field */
    float steps[STEP_TABLE_SIZE];
    struct piece pieces[DATASET_FIELD_COUNT][VALUE_MAX + 1]; /* "usage_user=57i," */

    pthread_mutex_t lock; /* guards what follows, and the making of rows */
    uint64_t random_state;
    uint64_t next_row;
    uint64_t cpu_ns;
};

/* Quantiles of N(0, 1) in the middle of each of the table's equal parts, by bisection of erf. */
static void fill_steps(float *steps)
{
    for (uint32_t i = 0; i < STEP_TABLE_SIZE; i++) {
        const double share = (i + 0.5) / STEP_TABLE_SIZE;
        double low = -8, high = 8;
        for (int turn = 0; turn < 50; turn++) {
            const double middle = (low + high) / 2;
            if (0.5 * (1 + erf(middle / M_SQRT2)) < share)
                low = middle;
            else
                high = middle;
        }
        steps[i] = (float)low;
    }
}

static void fill_pieces(struct dataset *dataset)
{
    for (uint32_t field = 0; field < DATASET_FIELD_COUNT; field++) {
        for (int value = 0; value <= VALUE_MAX; value++) {
            struct piece *const piece = &dataset->pieces[field][value];
            const char *const separator = field + 1 < DATASET_FIELD_COUNT ? "," : " ";
            piece->bytes = (uint8_t)snprintf(piece->text, sizeof piece->text, "%s=%di%s",
                                             field_names[field], value, separator);
        }
    }
}

static void fill_prefix(struct dataset *dataset, uint32_t host)
{
    static const char *const regions[] = {"us-east-1", "us-west-1",      "us-west-2",
                                          "eu-west-1", "eu-central-1",   "ap-southeast-1",
                                          "sa-east-1", "ap-southeast-2", "ap-northeast-1"};
    static const char *const systems[] = {"Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"};
    static const char *const teams[] = {"SF", "NYC", "LON", "CHI"};
    static const char *const environments[] = {"production", "staging", "test"};
    uint64_t *const random = &dataset->random_state;
    const char *const region = regions[bench_random_below(random, 9)];
    char *const prefix = dataset->prefixes[host];
    dataset->prefix_bytes[host] = (uint16_t)snprintf(
        prefix, sizeof dataset->prefixes[host],
        "cpu,hostname=host_%u,region=%s,datacenter=%s%c,rack=%u,os=%s,arch=%s,team=%s,service=%u,"
        "service_version=%u,service_environment=%s ",
        host, region, region, 'a' + (int)bench_random_below(random, 3),
        (unsigned)bench_random_below(random, 100), systems[bench_random_below(random, 3)],
        bench_random_below(random, 2) == 0 ? "x64" : "x86", teams[bench_random_below(random, 4)],
        (unsigned)bench_random_below(random, 20), (unsigned)bench_random_below(random, 2),
        environments[bench_random_below(random, 3)]);
}

struct dataset *dataset_open(uint64_t seed, uint32_t host_count, uint32_t hours)
{
    struct dataset *const dataset = bench_alloc(1, sizeof *dataset);
    const size_t walk_count = (size_t)host_count * DATASET_FIELD_COUNT;
    pthread_mutex_init(&dataset->lock, NULL);
    dataset->host_count = host_count;
    dataset->step_count = hours * 360;
    dataset->random_state = seed;
    dataset->prefixes = bench_alloc(host_count, sizeof *dataset->prefixes);
    dataset->prefix_bytes = bench_alloc(host_count, sizeof *dataset->prefix_bytes);
    dataset->walks = bench_alloc(walk_count, sizeof *dataset->walks);
    dataset->values = bench_alloc(walk_count * dataset->step_count, 1);
    fill_steps(dataset->steps);
    fill_pieces(dataset);
    for (uint32_t host = 0; host < host_count; host++)
        fill_prefix(dataset, host);
    for (size_t i = 0; i < walk_count; i++)
        dataset->walks[i] = (float)bench_random_below(&dataset->random_state, VALUE_MAX);
    return dataset;
}

void dataset_close(struct dataset *dataset)
{
    pthread_mutex_destroy(&dataset->lock);
    free(dataset->prefixes);
    free(dataset->prefix_bytes);
    free(dataset->walks);
    free(dataset->values);
    free(dataset);
}

uint32_t dataset_host_count(const struct dataset *dataset)
{
    return dataset->host_count;
}

uint32_t dataset_step_count(const struct dataset *dataset)
{
    return dataset->step_count;
}

uint64_t dataset_row_count(const struct dataset *dataset)
{
    return (uint64_t)dataset->host_count * dataset->step_count;
}

int64_t dataset_end_ns(const struct dataset *dataset)
{
    return DATASET_START_NS + (int64_t)dataset->step_count * DATASET_STEP_NS;
}

const char *dataset_field_name(uint32_t field)
{
    return field_names[field];
}

static void walk(struct dataset *dataset, uint32_t host, uint8_t *values)
{
    float *const walks = &dataset->walks[(size_t)host * DATASET_FIELD_COUNT];
    uint64_t random = 0;
    for (uint32_t field = 0; field < DATASET_FIELD_COUNT; field++) {
        if (field % STEPS_PER_RANDOM == 0) random = bench_random(&dataset->random_state);
        float value = walks[field] + dataset->steps[random % STEP_TABLE_SIZE];
        random >>= STEP_TABLE_BITS;
        if (value < 0) value = 0;
        if (value > VALUE_MAX) value = VALUE_MAX;
        walks[field] = value;
        values[field] = (uint8_t)value;
    }
}

/* `to` has room for DATASET_LINE_MAX bytes; `time` is the row's, 19 digits and a newline. */
static size_t write_line(const struct dataset *dataset, uint32_t host, const uint8_t *values,
                         const char *time, char *to)
{
    char *at = to;
    memcpy(at, dataset->prefixes[host], sizeof dataset->prefixes[host]);
    at += dataset->prefix_bytes[host];
    for (uint32_t field = 0; field < DATASET_FIELD_COUNT; field++) {
        const struct piece *const piece = &dataset->pieces[field][values[field]];
        memcpy(at, piece->text, sizeof piece->text);
        at += piece->bytes;
    }
    memcpy(at, time, 20);
    return (size_t)(at + 20 - to);
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * (uint64_t)NS_PER_S + (uint64_t)now.tv_nsec;
}

size_t dataset_next_batch(struct dataset *dataset, char *to, uint32_t row_count, uint32_t *rows)
{
    size_t bytes = 0;
    uint32_t made = 0;
    char time[24] = "";
    pthread_mutex_lock(&dataset->lock);
    const uint64_t cpu_start_ns = thread_cpu_ns();
    while (made < row_count && dataset->next_row < dataset_row_count(dataset)) {
        const uint64_t step = dataset->next_row / dataset->host_count;
        const uint32_t host = (uint32_t)(dataset->next_row % dataset->host_count);
        if (host == 0 || made == 0)
            snprintf(time, sizeof time, "%lld\n",
                     (long long)(DATASET_START_NS + (int64_t)step * DATASET_STEP_NS));
        uint8_t *const values = &dataset->values[dataset->next_row * DATASET_FIELD_COUNT];
        walk(dataset, host, values);
        bytes += write_line(dataset, host, values, time, to + bytes);
        dataset->next_row++;
        made++;
    }
    dataset->cpu_ns += thread_cpu_ns() - cpu_start_ns;
    pthread_mutex_unlock(&dataset->lock);
    *rows = made;
    return bytes;
}

uint64_t dataset_cpu_ns(const struct dataset *dataset)
{
    return dataset->cpu_ns;
}

uint8_t dataset_value(const struct dataset *dataset, uint32_t host, uint32_t step, uint32_t field)
{
    return dataset
        ->values[((uint64_t)step * dataset->host_count + host) * DATASET_FIELD_COUNT + field];
}

static uint32_t step_from(const struct dataset *dataset, int64_t time_ns)
{
    if (time_ns <= DATASET_START_NS) return 0;
    const int64_t step = (time_ns - DATASET_START_NS + DATASET_STEP_NS - 1) / DATASET_STEP_NS;
    return step > dataset->step_count ? dataset->step_count : (uint32_t)step;
}

void dataset_steps(const struct dataset *dataset, int64_t start_ns, int64_t end_ns, uint32_t *first,
                   uint32_t *end)
{
    *first = step_from(dataset, start_ns);
    *end = step_from(dataset, end_ns);
    if (*end < *first) *end = *first;
}
