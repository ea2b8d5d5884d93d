/*
 * load.c - the loader's threads.
 */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "http.h"

struct load {
    struct dataset *dataset;
    uint16_t port;
    uint64_t start_ns;
    pthread_mutex_t lock; /* guards what follows */
    double *acks_ms;
    size_t ack_count;
    uint64_t row_count, line_bytes;
};

static void count_ack(struct load *load, uint32_t rows, size_t bytes, uint64_t took_ns)
{
    pthread_mutex_lock(&load->lock);
    load->acks_ms[load->ack_count++] = (double)took_ns / NS_PER_MS;
    load->row_count += rows;
    load->line_bytes += bytes;
    const double seconds = (double)(bench_now_ns() - load->start_ns) / (double)NS_PER_S;
    bench_progress("load: %3.0f %%, %.2f M values/s",
                   100.0 * (double)load->row_count / (double)dataset_row_count(load->dataset),
                   (double)(load->row_count * DATASET_FIELD_COUNT) / seconds / 1e6);
    pthread_mutex_unlock(&load->lock);
}

static void *send_batches(void *context)
{
    struct load *const load = context;
    char *const body = bench_alloc(LOAD_BATCH_ROWS, DATASET_LINE_MAX);
    struct http http;
    uint32_t rows;
    size_t bytes;
    http_init(&http, load->port);
    while ((bytes = dataset_next_batch(load->dataset, body, LOAD_BATCH_ROWS, &rows)) > 0) {
        const uint64_t sent_ns = bench_now_ns();
        const int status = http_request(&http, "POST", "/write?db=bench", "", body, bytes);
        if (status != 204) bench_fail("a write was answered %d: %.300s", status, http.body);
        count_ack(load, rows, bytes, bench_now_ns() - sent_ns);
    }
    http_deinit(&http);
    free(body);
    return NULL;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double load_percentile(double *values, size_t count, unsigned percent)
{
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, compare_doubles);
    const size_t index = count * percent / 100;
    return values[index < count ? index : count - 1];
}

void load_run(struct dataset *dataset, uint16_t port, struct load_result *result)
{
    struct load load = {.dataset = dataset, .port = port};
    pthread_t threads[LOAD_CONNECTIONS];
    pthread_mutex_init(&load.lock, NULL);
    load.acks_ms = bench_alloc(dataset_row_count(dataset) / LOAD_BATCH_ROWS + 1, sizeof(double));
    load.start_ns = bench_now_ns();
    for (unsigned i = 0; i < LOAD_CONNECTIONS; i++)
        if (pthread_create(&threads[i], NULL, send_batches, &load) != 0) bench_fail("no thread");
    for (unsigned i = 0; i < LOAD_CONNECTIONS; i++)
        pthread_join(threads[i], NULL);
    bench_progress("%s", "");

    result->seconds = (double)(bench_now_ns() - load.start_ns) / (double)NS_PER_S;
    result->value_count = load.row_count * DATASET_FIELD_COUNT;
    result->line_bytes = load.line_bytes;
    result->ack_p50_ms = load_percentile(load.acks_ms, load.ack_count, 50);
    result->ack_p99_ms = load_percentile(load.acks_ms, load.ack_count, 99);
    result->generator_cpu_s = (double)dataset_cpu_ns(dataset) / (double)NS_PER_S;
    free(load.acks_ms);
    pthread_mutex_destroy(&load.lock);
}
