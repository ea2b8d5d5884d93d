/*
 * dataset.h - the bench's data: what TSBS calls devops, cpu only, by a generator of our own.
 *
 * `host_count` hosts, each with 10 tags, report 10 whole numbers 0..100 every 10 s: random walks
 * with steps N(0, 1) that stop at both ends. Rows come in order of time, all hosts at each time.
 * Values are kept, one byte each, so that any answer can be computed from them.
 *
 * Ownership  the dataset owns its memory; dataset_close() ends it.
 * Threads    dataset_next_batch() may be called by several; what it made is read afterwards.
 * Units      steps of 10 s from DATASET_START_NS; host numbers and field numbers from 0.
 * Errors     the program ends (bench.h): a bench without its data has nothing to say.
 */
#ifndef PHUSA_BENCH_DATASET_H
#define PHUSA_BENCH_DATASET_H

#include <stdint.h>

#include "bench.h"

#define DATASET_FIELD_COUNT 10u
#define DATASET_START_NS    INT64_C(1451606400000000000) /* 2016-01-01 */
#define DATASET_STEP_NS     (INT64_C(10) * NS_PER_S)
#define DATASET_LINE_MAX    640u

struct dataset;

struct dataset *dataset_open(uint64_t seed, uint32_t host_count, uint32_t hours);
void dataset_close(struct dataset *dataset);

uint32_t dataset_host_count(const struct dataset *dataset);
uint32_t dataset_step_count(const struct dataset *dataset);
uint64_t dataset_row_count(const struct dataset *dataset);
int64_t dataset_end_ns(const struct dataset *dataset);
const char *dataset_field_name(uint32_t field);

/* Write the next lines, at most row_count, to `to` (row_count * DATASET_LINE_MAX bytes); the
 * bytes written, 0 at the end. *rows becomes how many. */
size_t dataset_next_batch(struct dataset *dataset, char *to, uint32_t row_count, uint32_t *rows);

/* CPU time spent in dataset_next_batch() so far, of all threads. */
uint64_t dataset_cpu_ns(const struct dataset *dataset);

uint8_t dataset_value(const struct dataset *dataset, uint32_t host, uint32_t step, uint32_t field);

/* The steps whose times lie in [start_ns, end_ns): [*first, *end), cut to those there are. */
void dataset_steps(const struct dataset *dataset, int64_t start_ns, int64_t end_ns, uint32_t *first,
                   uint32_t *end);

#endif
