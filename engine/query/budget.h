/*
 * budget.h - what one statement may cost: memory, time, values read, rows answered. Charged
 * here and nowhere else.
 */
#ifndef PHUSA_QUERY_BUDGET_H
#define PHUSA_QUERY_BUDGET_H

#include "base/arena.h"
#include "base/status.h"
#include "query/environment.h"

struct budget {
    struct arena arena; /* everything a statement keeps */
    struct phusa_error *error;
    int64_t deadline_ns; /* monotonic */
    int64_t time_ns_max;
    uint64_t values, values_max;
    uint64_t rows, rows_max;
    volatile bool *cancel;
};

void budget_init(struct budget *budget, const struct query_environment *environment,
                 volatile bool *cancel, struct phusa_error *error);
void budget_deinit(struct budget *budget);
/* Before reading `values` more. PHUSA_ELIMIT or PHUSA_ECANCELLED; the error says which limit and
 * what to ask instead. */
PHUSA_MUST_USE phusa_status budget_read(struct budget *budget, uint64_t values);
PHUSA_MUST_USE phusa_status budget_answer(struct budget *budget, uint64_t rows);
/* PHUSA_ELIMIT when the statement's memory is used up, else PHUSA_ENOMEM: after a failed
 * allocation. */
phusa_status budget_no_memory(struct budget *budget);
/* PHUSA_ELIMIT, after pattern_match() set *failed. */
phusa_status budget_pattern_failed(struct budget *budget);

#endif
