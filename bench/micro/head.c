/*
 * head.c - how fast rows go into a head and come out again.
 *
 *   append  ns a row of 10 integers, 1,000 and 1,000,000 series in turn, one at a time and by
 *           the batch, and bytes a value
 *   read    values a second of whole series, in slices of 1,024 rows
 *
 * Best of 5 runs in one process: compare the lines of one run, not runs.
 */
#include "base/clock.h"
#include "head/head.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS   5
#define FIELDS 10
#define BATCH  64

static struct points_field fields[FIELDS];
static union points_value values[FIELDS];
static const struct points_shape shape = {fields, FIELDS};

static void must(phusa_status status)
{
    if (status == PHUSA_OK) return;
    fprintf(stderr, "%s\n", phusa_status_text(status));
    exit(1);
}

static struct points_row row_of(uint64_t lsn, uint64_t series_count)
{
    /* The order in which series take turns is not that of their ids. */
    return (struct points_row){.series = lsn * 7919 % series_count,
                               .lsn = lsn,
                               .time_ns = (int64_t)(lsn / series_count) * 1000000000,
                               .fields = &shape,
                               .values = values};
}

static void fill(struct head *head, uint64_t series_count, uint64_t rows, bool batched)
{
    struct points_row batch[BATCH];
    for (uint64_t lsn = 0; lsn < rows; lsn += BATCH) {
        for (uint64_t b = 0; b < BATCH; b++)
            batch[b] = row_of(lsn + b, series_count);
        size_t appended;
        if (batched) must(head_append_rows(head, 1, batch, BATCH, &appended));
        for (uint64_t b = 0; b < BATCH && !batched; b++)
            must(head_append(head, 1, &batch[b]));
    }
}

static void measure_append(uint64_t series_count, uint64_t rows, bool batched)
{
    const uint64_t first = (series_count + BATCH - 1) / BATCH * BATCH;
    int64_t best_ns = INT64_MAX;
    double bytes = 0;
    for (int run = 0; run < RUNS; run++) {
        struct head *head;
        must(head_create((size_t)1 << 30, 0, &head));
        fill(head, series_count, first, batched); /* first rows: counted apart */
        struct points_row batch[BATCH];
        const int64_t start_ns = clock_monotonic_ns();
        for (uint64_t lsn = first; lsn < first + rows; lsn += BATCH) {
            for (uint64_t b = 0; b < BATCH; b++)
                batch[b] = row_of(lsn + b, series_count);
            size_t appended;
            if (batched) must(head_append_rows(head, 1, batch, BATCH, &appended));
            for (uint64_t b = 0; b < BATCH && !batched; b++)
                must(head_append(head, 1, &batch[b]));
        }
        const int64_t took_ns = clock_monotonic_ns() - start_ns;
        if (took_ns < best_ns) best_ns = took_ns;
        struct head_stats stats;
        head_stats(head, &stats);
        bytes = (double)stats.used_bytes / (double)stats.values;
        head_unref(head);
    }
    printf("append  %8llu series  %-10s %6.1f ns/row  %5.1f M values/s  %5.2f bytes/value\n",
           (unsigned long long)series_count, batched ? "by batch" : "one by one",
           (double)best_ns / (double)rows, (double)rows * FIELDS * 1e3 / (double)best_ns, bytes);
}

static void measure_read(uint64_t series_count, uint64_t rows)
{
    struct head *head;
    must(head_create((size_t)1 << 30, 0, &head));
    fill(head, series_count, rows, true);
    int64_t best_ns = INT64_MAX;
    uint64_t read = 0;
    for (int run = 0; run < RUNS; run++) {
        struct arena arena;
        arena_init(&arena, 16 << 20);
        read = 0;
        const int64_t start_ns = clock_monotonic_ns();
        for (uint64_t series = 0; series < series_count; series++) {
            struct head_reader *reader;
            must(head_read(head, 1, series, INT64_MIN, INT64_MAX, UINT64_MAX, NULL, 0, 1024, &arena,
                           &reader));
            struct rows slice = {.row_count = reader != NULL};
            while (slice.row_count > 0) {
                must(head_reader_next(reader, INT64_MAX, &slice, NULL, NULL));
                read += slice.row_count * (uint64_t)slice.column_count;
            }
            arena_reset(&arena);
        }
        const int64_t took_ns = clock_monotonic_ns() - start_ns;
        if (took_ns < best_ns) best_ns = took_ns;
        arena_deinit(&arena);
    }
    printf("read    %8llu series  %-10s %6.1f ns/series %7.1f M values/s\n",
           (unsigned long long)series_count, "", (double)best_ns / (double)series_count,
           (double)read * 1e3 / (double)best_ns);
    head_unref(head);
}

int main(void)
{
    for (uint16_t f = 0; f < FIELDS; f++) {
        fields[f] = (struct points_field){f, PHUSA_INTEGER};
        values[f].i = 1000 + f;
    }
    measure_append(1000, 2000000 / BATCH * BATCH, false);
    measure_append(1000, 2000000 / BATCH * BATCH, true);
    measure_append(1000000, 3000000 / BATCH * BATCH, false);
    measure_append(1000000, 3000000 / BATCH * BATCH, true);
    measure_read(1000, 2000000);
    measure_read(100000, 2000000);
    return 0;
}
