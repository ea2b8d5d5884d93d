/* sample.h - rows for tests of chunks: every type, every pattern of gaps, awkward values. */
#ifndef TESTS_CHUNK_SAMPLE_H
#define TESTS_CHUNK_SAMPLE_H

#include "chunk/chunk.h"

#include "random.h"

#define SAMPLE_COLUMNS_MAX 12u

/* Owns what `rows` points at. */
struct sample {
    struct rows rows;
    int64_t *times_ns;
    uint16_t field_ids[SAMPLE_COLUMNS_MAX];
    struct vector columns[SAMPLE_COLUMNS_MAX];
    void *values[SAMPLE_COLUMNS_MAX];
    uint64_t *present[SAMPLE_COLUMNS_MAX];
};

enum sample_times { TIMES_EVEN, TIMES_JITTERED, TIMES_RANDOM, TIMES_FIRST_AGE, TIMES_KINDS };

/* Random rows: column kinds, gaps and times drawn from `r`. Every row has a value. */
void sample_random(struct sample *s, struct random *r, uint32_t row_count, uint32_t column_count);
/* Ten integers 0..100 that walk by normal(0, 1), ten seconds apart: as TSBS's cpu. */
void sample_cpu(struct sample *s, struct random *r, uint32_t row_count, uint32_t column_count);
void sample_free(struct sample *s);

/* The value of a row of a vector, equal bit by bit? */
bool sample_equal(const struct vector *a, size_t row_a, const struct vector *b, size_t row_b);

#endif
