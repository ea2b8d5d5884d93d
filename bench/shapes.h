/*
 * shapes.h - the query shapes of TSBS's cpu-only set, as InfluxQL, and what must come out.
 *
 * A shape is asked many times; each time is a question: hosts and times at random, from a fixed
 * seed. The first answer of each shape is fetched as CSV and every row of it compared with what
 * the dataset says.
 *
 * Threads  one.
 */
#ifndef PHUSA_BENCH_SHAPES_H
#define PHUSA_BENCH_SHAPES_H

#include "dataset.h"

#define SHAPE_HOSTS_MAX 8u
#define QUESTION_BYTES  4096u

enum shape_kind {
    SHAPE_MAX,        /* max of the fields by window, some hosts together */
    SHAPE_MEAN,       /* mean of the fields by hour, each host */
    SHAPE_HIGH,       /* rows with usage_user > 90 */
    SHAPE_LAST,       /* the last row of each host */
    SHAPE_MAX_LATEST, /* max by minute, the last five before a time */
};

struct shape {
    const char *name;
    enum shape_kind kind;
    uint32_t field_count, host_count, hours; /* host_count 0: all */
    uint32_t window_s;
    double limit_ms; /* 0: none */
};

struct question {
    uint32_t hosts[SHAPE_HOSTS_MAX];
    int64_t start_ns, end_ns;
    char text[QUESTION_BYTES];
};

extern const struct shape shapes[];
extern const uint32_t shape_count;

void question_make(struct question *question, const struct shape *shape,
                   const struct dataset *dataset, uint64_t *random_state);

/* Compare an answer, CSV. The number of rows that must be there; the program ends when one is
 * missing, wrong, or too many. */
uint64_t question_check(const struct question *question, const struct shape *shape,
                        const struct dataset *dataset, const char *csv);

#endif
