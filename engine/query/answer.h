/*
 * answer.h - the last steps of a SELECT, for one series of the answer: fill, compute the
 * columns, drop empty rows, OFFSET and LIMIT, hand over to the sink.
 *
 * Series are begun at their first row, so that one without rows leaves no trace.
 */
#ifndef PHUSA_QUERY_ANSWER_H
#define PHUSA_QUERY_ANSWER_H

#include "query/plan.h"

struct answer {
    const struct plan *plan;
    struct budget *budget;
    const struct phusa_sink *sink;
    unsigned statement;
    struct phusa_text *column_names;  /* "time" first */
    struct phusa_column *columns;     /* handed to the sink */
    struct vector *values;            /* one for each plan column */
    struct arena scratch, transposed; /* of one block */
    /* SLIMIT and SOFFSET over all series; LIMIT and OFFSET in the current one */
    uint64_t series_seen;
    struct phusa_pair *tags;
    bool series_begun, series_skipped;
    uint64_t rows_skipped, rows_given;
    /* fill(previous): the last value of each call */
    struct result *previous;
    bool filled; /* the results come filled already */
};

PHUSA_MUST_USE phusa_status answer_init(struct answer *answer, const struct plan *plan,
                                        unsigned statement, const struct phusa_sink *sink,
                                        struct budget *budget);
void answer_deinit(struct answer *answer);
/* The next series: values of the plan's group keys, in their order. */
void answer_series(struct answer *answer, const struct phusa_text *tag_values);
/* false: LIMIT or SLIMIT is reached, further rows of this series would be thrown away. */
bool answer_wants_rows(const struct answer *answer);
bool answer_wants_series(const struct answer *answer);

/* Rows of a query without calls: a vector for each slot. */
PHUSA_MUST_USE phusa_status answer_rows(struct answer *answer, const int64_t *times_ns,
                                        const struct vector *slots, uint32_t row_count);
/* Rows of a query with calls: results[row * call_count + call], which this may change. Fills, and
 * leaves out what fill(none) leaves out. `ascending` as the rows come. */
PHUSA_MUST_USE phusa_status answer_results(struct answer *answer, const int64_t *times_ns,
                                           struct result *results, uint32_t row_count);

#endif
