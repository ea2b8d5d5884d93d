/*
 * Guards: readers of an index beside the thread that adds and one that checkpoints see whole
 * series, and no access of theirs races with one of its (run under ThreadSanitizer by `make tsan`).
 *
 * Series n of measurement 1 has the tags id = n, parity = n % 2 and, every seventh, rare = n % 5,
 * so that a reader can tell from a series' tags whether it is whole.
 */
#include "base/buffer.h"
#include "index/index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERIES  8000u
#define READERS 2

static struct index *index_;
static _Atomic uint32_t added;
static _Atomic uint64_t reads, checkpoints;

#define EXPECT(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))
static void fail(const char *what, int line)
{
    fprintf(stderr, "index_race.c:%d: %s is false\n", line, what);
    exit(1);
}

static struct phusa_text number_text(char text[16], uint32_t n)
{
    return (struct phusa_text){text, (size_t)snprintf(text, 16, "%u", n)};
}

static void put_key(struct buffer *key, uint32_t n)
{
    char text[16];
    buffer_clear(key);
    buffer_put_text(key, text_of("m"));
    buffer_put_text(key, text_of("id"));
    buffer_put_text(key, number_text(text, n));
    buffer_put_text(key, text_of("parity"));
    buffer_put_text(key, number_text(text, n % 2));
    if (n % 7 == 0) {
        buffer_put_text(key, text_of("rare"));
        buffer_put_text(key, number_text(text, n % 5));
    }
}

static void *add_all(void *unused)
{
    (void)unused;
    struct buffer key;
    buffer_init(&key);
    EXPECT(index_add_measurement(index_, 1, text_of("m")) == PHUSA_OK);
    for (uint32_t n = 0; n < SERIES; n++) {
        char name[16];
        const struct index_field field = {(uint16_t)(n / 100), PHUSA_FLOAT,
                                          number_text(name, n / 100)};
        if (n % 100 == 0) EXPECT(index_add_field(index_, 1, &field) == PHUSA_OK);
        put_key(&key, n);
        EXPECT(index_add_series(index_, SERIES_ID(1, n),
                                (struct phusa_text){(const char *)key.bytes, key.size_bytes}) ==
               PHUSA_OK);
        atomic_store_explicit(&added, n + 1, memory_order_release);
    }
    buffer_deinit(&key);
    return NULL;
}

static bool match_one(void *context, struct phusa_text value, bool *failed)
{
    (void)context;
    (void)failed;
    return value.size_bytes == 1 && value.bytes[0] == '1';
}

static void select_odd(struct arena *arena, uint64_t draw)
{
    const uint32_t least = atomic_load_explicit(&added, memory_order_acquire);
    const struct tag_filter equal = {
        .kind = TAG_EQUAL, .key = text_of("parity"), .value = text_of("1")};
    const struct tag_filter match = {
        .kind = TAG_MATCH, .key = text_of("parity"), .match = match_one};
    uint64_t *series;
    size_t count;
    EXPECT(index_select(index_, 1, draw % 2 ? &equal : &match, arena, &series, &count) == PHUSA_OK);
    EXPECT(count >= least / 2);
    for (size_t s = 0; s < count; s++)
        EXPECT(series[s] == SERIES_ID(1, 2 * s + 1));
    if (count == 0) return;
    const struct phusa_text keys[] = {text_of("id"), text_of("rare")};
    struct phusa_text *tags;
    EXPECT(index_series_tags(index_, series, count, keys, 2, arena, &tags) == PHUSA_OK);
    const size_t s = draw % count;
    char text[16];
    EXPECT(text_equal(tags[2 * s], number_text(text, 2 * (uint32_t)s + 1)));
    EXPECT((tags[2 * s + 1].size_bytes > 0) == ((2 * s + 1) % 7 == 0));
    size_t value_count;
    EXPECT(index_tag_values(index_, 1, keys[1], NULL, 0, arena, &tags, &value_count) == PHUSA_OK);
    EXPECT(value_count <= 5);
}

static void find_one(struct arena *arena, struct buffer *key, uint64_t draw)
{
    const uint32_t least = atomic_load_explicit(&added, memory_order_acquire);
    if (least == 0) return;
    const uint32_t n = (uint32_t)(draw % least);
    uint64_t series;
    put_key(key, n);
    EXPECT(index_find_series(index_, hash_bytes(key->bytes, key->size_bytes), &series));
    EXPECT(series == SERIES_ID(1, n));
    struct phusa_text found;
    EXPECT(index_series_key(index_, series, arena, &found) == PHUSA_OK);
    EXPECT(text_equal(found, (struct phusa_text){(const char *)key->bytes, key->size_bytes}));
    struct index_field *fields;
    size_t count;
    EXPECT(index_fields(index_, 1, arena, &fields, &count) == PHUSA_OK);
    EXPECT(count >= (least + 99) / 100);
    EXPECT(index_tag_keys(index_, 1, arena, &(struct phusa_text *){NULL}, &count) == PHUSA_OK);
    EXPECT(count >= 2 && count <= 3);
}

static void *read_all(void *seed)
{
    struct arena arena;
    struct buffer key;
    arena_init(&arena, 64 << 20);
    buffer_init(&key);
    uint64_t draw = (uint64_t)(uintptr_t)seed;
    while (atomic_load_explicit(&added, memory_order_relaxed) < SERIES) {
        draw = draw * UINT64_C(6364136223846793005) + 1442695040888963407u;
        if (draw >> 61 == 0)
            select_odd(&arena, draw >> 20);
        else
            find_one(&arena, &key, draw >> 20);
        arena_reset(&arena);
        atomic_fetch_add(&reads, 1);
    }
    buffer_deinit(&key);
    arena_deinit(&arena);
    return NULL;
}

static void *checkpoint_all(void *unused)
{
    (void)unused;
    while (atomic_load_explicit(&added, memory_order_relaxed) < SERIES) {
        EXPECT(index_checkpoint(index_) == PHUSA_OK);
        atomic_fetch_add(&checkpoints, 1);
        struct index_stats stats;
        index_stats(index_, &stats);
        EXPECT(stats.series <= SERIES);
        usleep(1000);
    }
    return NULL;
}

static void print_fault(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

static void expect_sound(void)
{
    uint64_t faults = 0;
    EXPECT(index_check(index_, print_fault, NULL, &faults) == PHUSA_OK && faults == 0);
}

int main(void)
{
    char dir[] = "/tmp/phusa-index-race-XXXXXX";
    if (mkdtemp(dir) == NULL) return 1;
    EXPECT(index_open(dir, 1, 1, false, false, NULL, &index_, NULL) == PHUSA_OK);
    pthread_t adder, keeper, readers[READERS];
    for (uintptr_t r = 0; r < READERS; r++)
        if (pthread_create(&readers[r], NULL, read_all, (void *)(r + 1)) != 0) return 1;
    if (pthread_create(&keeper, NULL, checkpoint_all, NULL) != 0) return 1;
    if (pthread_create(&adder, NULL, add_all, NULL) != 0) return 1;
    pthread_join(adder, NULL);
    pthread_join(keeper, NULL);
    for (int r = 0; r < READERS; r++)
        pthread_join(readers[r], NULL);
    expect_sound();
    EXPECT(index_checkpoint(index_) == PHUSA_OK);
    index_close(index_);
    EXPECT(index_open(dir, 1, 1, false, true, NULL, &index_, NULL) == PHUSA_OK);
    EXPECT(index_next_ordinal(index_, 1) == SERIES);
    expect_sound();
    index_close(index_);
    index_remove(dir, 1, 1);
    char path[64];
    snprintf(path, sizeof path, "%s/index", dir);
    if (rmdir(path) != 0 || rmdir(dir) != 0) return 1;
    printf("index_race: %u series added, %llu reads, %llu checkpoints\n", SERIES,
           (unsigned long long)atomic_load(&reads), (unsigned long long)atomic_load(&checkpoints));
    return 0;
}
