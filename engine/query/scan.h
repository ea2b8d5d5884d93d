/*
 * scan.h - one series over a range of time, out of files and heads: as whole chunks where one
 * stands alone, as merged rows where pieces overlap.
 *
 * Pieces (stored chunks, and what each head has) that overlap in time form a cluster. A
 * cluster of one chunk is handed over as that chunk, so that its statistics can answer; all
 * else becomes rows, the newest value of each field and time.
 *
 * Threads  one at a time for a scan; the manifest is pinned by the caller.
 */
#ifndef PHUSA_QUERY_SCAN_H
#define PHUSA_QUERY_SCAN_H

#include "chunk/chunk.h"
#include "query/budget.h"
#include "query/environment.h"

struct scan {
    const struct query_environment *environment;
    const struct manifest *manifest;
    uint32_t policy;
    struct phusa_interval width;
    struct budget *budget;
    const uint16_t *field_ids; /* ascending: the columns asked for */
    const enum phusa_type *types;
    uint32_t field_count;
    struct file_cursor **cursors;  /* one for each file, opened when first needed */
    struct chunk_scratch *scratch; /* one for each field, and one more for the times */
    struct vector *vectors;        /* field_count of them: the rows handed out */
    struct vector *null_vectors;   /* all-null columns of each type asked for */
    struct arena arena;            /* the pieces of one series */
};

/* Calls come in ascending order of time. */
struct scan_visitor {
    void *context;
    /* Rows of the chunk within [start_ns, end_ns) count. columns[i]: the chunk's column of
     * field i, or -1; at least one is there. */
    phusa_status (*chunk)(void *context, const struct chunk_view *chunk, const int *columns,
                          int64_t start_ns, int64_t end_ns);
    /* Rows [from, to) count; the columns are those asked for, in their order. */
    phusa_status (*rows)(void *context, const struct rows *rows, uint32_t from, uint32_t to);
};

PHUSA_MUST_USE phusa_status scan_init(struct scan *scan,
                                      const struct query_environment *environment,
                                      const struct manifest *manifest, uint32_t policy,
                                      struct phusa_interval width, const uint16_t *field_ids,
                                      const enum phusa_type *types, uint32_t field_count,
                                      struct budget *budget);
void scan_deinit(struct scan *scan);
PHUSA_MUST_USE phusa_status scan_series(struct scan *scan, uint64_t series, int64_t start_ns,
                                        int64_t end_ns, const struct scan_visitor *visitor);
/* Without reading them: about how many rows scan_series() would visit, added to *rows (a part of a
 * chunk counts as that part of its rows, so less than one is possible where there are some);
 * *first_ns is lowered to the earliest time that a row may have. */
PHUSA_MUST_USE phusa_status scan_estimate(struct scan *scan, uint64_t series, int64_t start_ns,
                                          int64_t end_ns, double *rows, int64_t *first_ns);
/* Turn a chunk into calls of visitor->rows. */
PHUSA_MUST_USE phusa_status scan_chunk_rows(struct scan *scan, const struct chunk_view *chunk,
                                            const int *columns, int64_t start_ns, int64_t end_ns,
                                            const struct scan_visitor *visitor);

/* The sentence for a chunk or file that could not be read. */
phusa_status scan_failed(const struct scan *scan, phusa_status status);

#endif
