/*
 * index.c - an index of 100,000 and of 1,000,000 series with 5 tags (one of them distinct): how
 * fast it takes definitions, is written, is opened, finds and selects, and what it weighs.
 *
 *   build/release/bench/micro/index DIR      DIR is scratch; its index/1.g1.mdb is replaced
 */
#include "base/buffer.h"
#include "base/clock.h"
#include "index/index.h"

#include <stdio.h>
#include <stdlib.h>

static void must(phusa_status status, const char *what)
{
    if (status == PHUSA_OK) return;
    fprintf(stderr, "%s: %s\n", what, phusa_status_text(status));
    exit(1);
}

/* CPU time: the machine may be busy. Waits for the disk are not in it. */
static int64_t lap_ns;
static double lap_ms(void)
{
    const int64_t now_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID), took_ns = now_ns - lap_ns;
    lap_ns = now_ns;
    return (double)took_ns / 1e6;
}

static void put_key(struct buffer *key, uint32_t n)
{
    const struct {
        const char *key, *format;
        uint32_t value;
    } tags[] = {{"datacenter", "dc-%u", n * 7 % 27},
                {"host", "host_%u", n},
                {"os", "os%u", n % 3},
                {"rack", "%u", n * 31 % 100},
                {"service", "%u", n * 13 % 20}};
    char value[32];
    buffer_clear(key);
    buffer_put_text(key, text_of("cpu"));
    for (int t = 0; t < 5; t++) {
        /* Formats are the table's above. */
        snprintf(value, sizeof value,
                 t == 0   ? "dc-%u"
                 : t == 1 ? "host_%u"
                 : t == 2 ? "os%u"
                          : "%u",
                 tags[t].value);
        buffer_put_text(key, text_of(tags[t].key));
        buffer_put_text(key, text_of(value));
    }
}

static void define(struct index *index, uint32_t count, struct hash128 *hashes)
{
    struct buffer key;
    buffer_init(&key);
    must(index_add_measurement(index, 1, text_of("cpu")), "measurement");
    for (uint32_t n = 0; n < count; n++) {
        put_key(&key, n);
        hashes[n] = hash_bytes(key.bytes, key.size_bytes);
        must(index_add_series(index, SERIES_ID(1, n),
                              (struct phusa_text){(const char *)key.bytes, key.size_bytes}),
             "series");
    }
    buffer_deinit(&key);
}

static bool match_seven(void *context, struct phusa_text value, bool *failed)
{
    (void)context;
    (void)failed;
    return value.size_bytes > 0 && value.bytes[value.size_bytes - 1] == '7';
}

static void measure_select(struct index *index, const char *name, const struct tag_filter *filter)
{
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    uint64_t *series;
    size_t count = 0;
    double best = 1e9;
    for (int run = 0; run < 7; run++) {
        arena_reset(&arena);
        lap_ms();
        must(index_select(index, 1, filter, &arena, &series, &count), "select");
        const double took = lap_ms();
        if (took < best) best = took;
    }
    printf("  select %-28s %8.3f ms  %zu series\n", name, best, count);
    arena_deinit(&arena);
}

static void measure_tags(struct index *index)
{
    struct arena arena;
    arena_init(&arena, (size_t)512 << 20);
    uint64_t *series;
    size_t count, value_count;
    struct phusa_text *texts;
    const struct phusa_text keys[] = {text_of("host"), text_of("rack")};
    must(index_select(index, 1, NULL, &arena, &series, &count), "select");
    lap_ms();
    must(index_series_tags(index, series, count, keys, 2, &arena, &texts), "tags");
    printf("  tags of all series, 2 keys          %8.3f ms\n", lap_ms());
    must(index_tag_values(index, 1, keys[0], NULL, 0, &arena, &texts, &value_count), "values");
    printf("  tag values of the distinct key      %8.3f ms\n", lap_ms());
    arena_deinit(&arena);
}

static void measure(const char *dir, uint32_t count)
{
    struct index *index;
    struct index_stats stats;
    struct phusa_error error;
    struct hash128 *hashes = malloc(count * sizeof *hashes);
    uint64_t *found = malloc(count * sizeof *found);
    index_remove(dir, 1, 1);
    must(index_open(dir, 1, 1, false, false, NULL, &index, &error), error.text);
    printf("%u series\n", count);
    lap_ms();
    define(index, count, hashes);
    printf("  add                                 %8.1f ms\n", lap_ms());
    must(index_checkpoint(index), "checkpoint");
    printf("  checkpoint                          %8.1f ms\n", lap_ms());
    index_stats(index, &stats);
    printf("  memory %.1f bytes/series, file %.1f bytes/series\n",
           (double)stats.memory_bytes / count, (double)stats.file_bytes / count);
    index_close(index);
    lap_ms();
    must(index_open(dir, 1, 1, false, false, NULL, &index, &error), error.text);
    printf("  open                                %8.1f ms\n", lap_ms());
    index_find_all(index, hashes, sizeof *hashes, count, found);
    printf("  find                                %8.1f ns/series\n", lap_ms() * 1e6 / count);
    const struct tag_filter host = {
        .kind = TAG_EQUAL, .key = text_of("host"), .value = text_of("host_77")};
    struct tag_filter rack = {.kind = TAG_EQUAL, .key = text_of("rack"), .value = text_of("77")};
    struct tag_filter os = {.kind = TAG_EQUAL, .key = text_of("os"), .value = text_of("os1")};
    const struct tag_filter both = {.kind = TAG_AND, .left = &rack, .right = &os};
    const struct tag_filter not_os = {.kind = TAG_NOT, .left = &os};
    const struct tag_filter match = {
        .kind = TAG_MATCH, .key = text_of("host"), .match = match_seven};
    measure_select(index, "host = one", &host);
    measure_select(index, "rack = one AND os = one", &both);
    measure_select(index, "os != one", &not_os);
    measure_select(index, "host =~ /7$/", &match);
    measure_tags(index);
    index_close(index);
    index_remove(dir, 1, 1);
    free(hashes);
    free(found);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/tmp";
    measure(dir, 100000);
    measure(dir, 1000000);
    return 0;
}
