/*
 * line.c - how fast one core turns line protocol into batches. Opens text/.
 *
 * Prints MB/s, lines/s and values/s of generated lines (fixed seed), as the median of some rounds
 * after one to warm up, by the processor time of the thread; each round fills and clears one batch
 * again and again.
 */
#include "base/clock.h"
#include "text/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS     9
#define TEXT_BYTES ((size_t)64 << 20)

static uint64_t state = 42;
static unsigned next_random(unsigned bound)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(state >> 33) % bound;
}

/* TSBS cpu: 10 tags, 10 integers. */
static int print_cpu(char *out, size_t size, unsigned series, int64_t time_ns)
{
    static const char *const fields[] = {
        "usage_user", "usage_system",  "usage_idle",  "usage_nice",  "usage_iowait",
        "usage_irq",  "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"};
    int used = snprintf(out, size,
                        "cpu,hostname=host_%u,region=eu-central-1,datacenter=eu-central-1a,rack=%u,"
                        "os=Ubuntu16.04LTS,arch=x86,team=SF,service=%u,service_version=1,"
                        "service_environment=production ",
                        series, series % 100, series % 20);
    for (int i = 0; i < 10; i++)
        used += snprintf(out + used, size - (size_t)used, "%s%s=%ui", i == 0 ? "" : ",", fields[i],
                         next_random(101));
    return used + snprintf(out + used, size - (size_t)used, " %lld\n", (long long)time_ns);
}

static int print_float(char *out, size_t size, unsigned series, int64_t time_ns)
{
    return snprintf(out, size, "level,station=s%06u,river=hau value=%u.%02u %lld\n", series,
                    next_random(5), next_random(100), (long long)time_ns);
}

static int print_mixed(char *out, size_t size, unsigned series, int64_t time_ns)
{
    return snprintf(out, size,
                    "gauge,id=g%u,site=can-tho level=%u.%03u,flow=-%u.%u,state=\"ok\",n=%ui,on=%s "
                    "%lld\r\n",
                    series, next_random(9), next_random(1000), next_random(900), next_random(10),
                    next_random(100000), next_random(2) == 0 ? "t" : "false", (long long)time_ns);
}

/* One field a line, ten lines a series and time, as from agents that write what they read at once.
 */
static int print_single(char *out, size_t size, unsigned series, int64_t time_ns)
{
    static const char *const fields[] = {"user", "system", "idle",  "nice",  "iowait",
                                         "irq",  "soft",   "steal", "guest", "guest_nice"};
    int used = 0;
    for (int i = 0; i < 10; i++)
        used += snprintf(out + used, size - (size_t)used, "cpu,host=h%u,dc=east %s=%u.%u %lld\n",
                         series, fields[i], next_random(100), next_random(10), (long long)time_ns);
    return used;
}

struct set {
    const char *name;
    int (*print)(char *out, size_t size, unsigned series, int64_t time_ns);
    unsigned series_count;
    bool shuffled;
    unsigned values; /* of a line */
    size_t batch_bytes;
};

static const struct set sets[] = {
    {"cpu: 10 tags, 10 integers", print_cpu, 1000, false, 10, 4 << 20},
    {"cpu, 1 MB batches, all series anew in each", print_cpu, 100000, false, 10, 1 << 20},
    {"one float", print_float, 1000, false, 1, 4 << 20},
    {"one float, 1 M series shuffled, 640 kB batches", print_float, 1000000, true, 1, 640 << 10},
    {"one float, 1 M series shuffled, 4 MB batches", print_float, 1000000, true, 1, 4 << 20},
    {"5 mixed fields, CRLF", print_mixed, 10000, true, 5, 4 << 20},
    {"ten lines of one float each", print_single, 1000, false, 10, 4 << 20},
};

static size_t generate(char *text, const struct set *set, size_t *line_count)
{
    size_t used = 0;
    for (*line_count = 0; used < TEXT_BYTES - 1024; ++*line_count) {
        const unsigned series = set->shuffled ? next_random(set->series_count)
                                              : (unsigned)(*line_count % set->series_count);
        const int64_t time_ns =
            1451606400000000000 + (int64_t)(*line_count / set->series_count) * 10000000000;
        used += (size_t)set->print(text + used, 1024, series, time_ns);
    }
    return used;
}

static void parse(struct line_parser *parser, struct batch *batch, const char *text, size_t size,
                  size_t batch_bytes)
{
    const struct line_options options = {.precision_ns = 1, .now_ns = 0};
    for (size_t at = 0; at < size;) {
        const size_t piece = size - at < batch_bytes ? size - at : batch_bytes;
        size_t taken;
        if (line_parser_feed(parser, batch, text + at, piece, false, &options, &taken) != PHUSA_OK)
            abort();
        at += taken;
        if (batch->refused_count != 0) {
            fprintf(stderr, "refused: %s\n", batch->refusals[0].reason);
            abort();
        }
        batch_clear(batch);
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure(char *text, const struct set *set)
{
    size_t line_count;
    const size_t size = generate(text, set, &line_count);
    struct batch batch;
    struct line_parser *parser;
    batch_init(&batch);
    if (line_parser_open(&parser) != PHUSA_OK) abort();
    double seconds[ROUNDS];
    for (int round = -1; round < ROUNDS; round++) {
        const int64_t begin_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
        parse(parser, &batch, text, size, set->batch_bytes);
        if (round >= 0)
            seconds[round] = (double)(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / 1e9;
    }
    qsort(seconds, ROUNDS, sizeof seconds[0], compare);
    const double median = seconds[ROUNDS / 2];
    printf("%-44s %5.0f MB/s  %6.2f M lines/s  %6.2f M values/s  (best %.0f MB/s)\n", set->name,
           (double)size / median / 1e6,
           (double)line_count * (set->print == print_single ? 10 : 1) / median / 1e6,
           (double)(line_count * set->values) / median / 1e6, (double)size / seconds[0] / 1e6);
    line_parser_close(parser);
    batch_deinit(&batch);
}

int main(int argc, char **argv)
{
    char *text = malloc(TEXT_BYTES);
    if (text == NULL) return 1;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if (argc < 2 || strtoul(argv[1], NULL, 10) == i) measure(text, &sets[i]);
    free(text);
    return 0;
}
