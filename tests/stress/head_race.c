/*
 * Guards: readers of a head beside its appender see whole rows and all rows below their LSN, and no
 * access of theirs races with one of its (run under ThreadSanitizer by `make tsan`).
 *
 * One thread appends; row k of a series has the values (k, 2k, ...), so that a reader can tell from
 * the sums whether it saw each row once. A program of its own, because Criterion cannot start
 * under ThreadSanitizer.
 */
#include "head/head.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SERIES  500u
#define ROWS    120000u
#define READERS 3

static struct head *head;
static _Atomic uint64_t appended; /* LSNs below this are in */
static _Atomic uint64_t reads;

#define EXPECT(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))
static void fail(const char *what, int line)
{
    fprintf(stderr, "head_race.c:%d: %s is false\n", line, what);
    exit(1);
}

/* Every third series sends its two fields on lines of their own, every seventh runs backwards;
 * LSN l is row l / SERIES of series l % SERIES. */
static void append(uint64_t lsn)
{
    const uint64_t series = lsn % SERIES, k = lsn / SERIES;
    const struct points_field fields[] = {{0, PHUSA_INTEGER}, {1, PHUSA_FLOAT}, {2, PHUSA_STRING}};
    union points_value values[3] = {{.i = (int64_t)k}, {.f = 2.0 * (double)k}};
    const uint8_t decimals[3] = {0, (uint8_t)(k % 5), 0};
    const struct phusa_text texts[3] = {{NULL, 0}, {NULL, 0}, {"0123456789abcdef", k % 17}};
    const uint32_t first = series % 3 == 0 ? (uint32_t)(k % 2) : 0;
    const struct points_shape shape = {fields + first, series % 3 == 0 ? 1 : 3};
    const struct points_row row = {.series = series,
                                   .lsn = lsn,
                                   .time_ns = series % 7 == 0 ? -(int64_t)k : (int64_t)k,
                                   .fields = &shape,
                                   .values = values + first,
                                   .decimals = decimals + first,
                                   .texts = texts + first};
    EXPECT(head_append(head, 1 + (uint32_t)(series % 2), &row) == PHUSA_OK);
    atomic_store_explicit(&appended, lsn + 1, memory_order_release);
}

static void *append_all(void *unused)
{
    (void)unused;
    for (uint64_t lsn = 0; lsn < ROWS; lsn++)
        append(lsn);
    return NULL;
}

static void check_row(uint64_t series, const struct rows *rows, uint32_t r, uint64_t *seen)
{
    const int64_t time_ns = rows->times_ns[r];
    const int64_t k = series % 7 == 0 ? -time_ns : time_ns;
    for (uint32_t c = 0; c < rows->column_count; c++) {
        const struct vector *column = &rows->columns[c];
        if (!vector_has(column, r)) continue;
        if (column->type == PHUSA_INTEGER) EXPECT(column->i[r] == k);
        if (column->type == PHUSA_FLOAT) EXPECT(column->f[r] == 2.0 * (double)k);
        if (column->type == PHUSA_STRING) {
            EXPECT(column->s[r].size_bytes == (size_t)(k % 17));
            EXPECT(memcmp(column->s[r].bytes, "0123456789abcdef", (size_t)(k % 17)) == 0);
        }
    }
    *seen += (uint64_t)k + 1;
}

static void read_series(uint64_t series, struct arena *arena)
{
    const uint64_t lsn_end = atomic_load_explicit(&appended, memory_order_acquire);
    const uint64_t expected = lsn_end / SERIES + (lsn_end % SERIES > series);
    struct head_reader *reader;
    EXPECT(head_read(head, 1 + (uint32_t)(series % 2), series, INT64_MIN, INT64_MAX, lsn_end, NULL,
                     0, 64, arena, &reader) == PHUSA_OK);
    EXPECT((reader == NULL ? 0 : head_reader_rows(reader)) == expected);
    uint64_t seen = 0, count = 0;
    struct rows rows = {.row_count = reader != NULL};
    while (rows.row_count > 0) {
        EXPECT(head_reader_next(reader, INT64_MAX, &rows, NULL, NULL) == PHUSA_OK);
        for (uint32_t r = 0; r < rows.row_count; r++)
            check_row(series, &rows, r, &seen);
        count += rows.row_count;
    }
    EXPECT(count == expected);
    EXPECT(seen == expected * (expected + 1) / 2);
    atomic_fetch_add(&reads, 1);
}

static void *read_all(void *seed)
{
    struct arena arena;
    arena_init(&arena, 16 << 20);
    uint64_t draw = (uint64_t)(uintptr_t)seed;
    while (atomic_load_explicit(&appended, memory_order_relaxed) < ROWS) {
        draw = draw * UINT64_C(6364136223846793005) + 1442695040888963407u;
        read_series((draw >> 33) % SERIES, &arena);
        if (draw >> 60 == 0) {
            uint64_t *series;
            size_t count;
            EXPECT(head_series(head, 1, &arena, &series, &count) == PHUSA_OK);
            EXPECT(count <= SERIES / 2);
            struct head_stats stats;
            head_stats(head, &stats);
            EXPECT(stats.points <= ROWS);
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return NULL;
}

int main(void)
{
    if (head_create((size_t)256 << 20, 0, &head) != PHUSA_OK) return 1;
    pthread_t appender, readers[READERS];
    for (uintptr_t r = 0; r < READERS; r++)
        if (pthread_create(&readers[r], NULL, read_all, (void *)(r + 1)) != 0) return 1;
    if (pthread_create(&appender, NULL, append_all, NULL) != 0) return 1;
    pthread_join(appender, NULL);
    for (int r = 0; r < READERS; r++)
        pthread_join(readers[r], NULL);
    EXPECT(head_check(head) == PHUSA_OK);
    EXPECT(atomic_load(&reads) > 0);
    head_unref(head);
    printf("head_race: %u rows appended, %llu reads\n", ROWS,
           (unsigned long long)atomic_load(&reads));
    return 0;
}
