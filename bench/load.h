/*
 * load.h - the timed load: 4 connections, 10,000 rows a request, the next when the last is
 * acknowledged.
 */
#ifndef PHUSA_BENCH_LOAD_H
#define PHUSA_BENCH_LOAD_H

#include "dataset.h"

#define LOAD_CONNECTIONS 4u
#define LOAD_BATCH_ROWS  10000u

struct load_result {
    double seconds; /* from the first request to the last acknowledgement */
    uint64_t value_count, line_bytes;
    double ack_p50_ms, ack_p99_ms;
    double generator_cpu_s; /* of the seconds' CPU time, the loader's making of lines */
};

/* Into the database "bench", which is there. The program ends when a write is not answered 204. */
void load_run(struct dataset *dataset, uint16_t port, struct load_result *result);

/* The k-th of 100 parts of `count` values, which are put in order. */
double load_percentile(double *values, size_t count, unsigned percent);

#endif
