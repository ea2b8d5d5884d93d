/*
 * report.h - the bench's figures, for people on a terminal and as Markdown.
 *
 * A ratio to a limit is above 1 when the limit is kept, whichever way it points.
 */
#ifndef PHUSA_BENCH_REPORT_H
#define PHUSA_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "load.h"
#include "service.h"

#define REPORT_SHAPES_MAX 32u

struct shape_result {
    double p50_ms, p99_ms;
    uint32_t runs;
    uint64_t row_count; /* of the answer that was checked */
};

struct report { /* of one server */
    char name[32], version[128];
    struct load_result load;
    double settle_s;
    double load_cpu_s, settled_cpu_s;                            /* both from the server's start */
    uint64_t load_rss_bytes, settled_rss_bytes, asked_rss_bytes; /* peaks up to there */
    uint64_t written_bytes;
    struct service_sizes sizes;
    struct shape_result shapes[REPORT_SHAPES_MAX];
};

struct report_head {
    const char *commit;
    uint32_t hosts, hours, connections, batch_rows;
};

void report_print(FILE *to, bool markdown, const struct report_head *head,
                  const struct report *reports, uint32_t report_count);

#endif
