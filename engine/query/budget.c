/* budget.c - see budget.h. */
#include "query/budget.h"

#include "base/clock.h"

#include <inttypes.h>

void budget_init(struct budget *budget, const struct query_environment *environment,
                 volatile bool *cancel, struct phusa_error *error)
{
    *budget = (struct budget){
        .error = error,
        .deadline_ns = clock_monotonic_ns() + environment->time_ns_max,
        .time_ns_max = environment->time_ns_max,
        .values_max = environment->values_max,
        .rows_max = environment->rows_max,
        .cancel = cancel,
    };
    arena_init(&budget->arena, environment->bytes_max);
}

void budget_deinit(struct budget *budget)
{
    arena_deinit(&budget->arena);
}

phusa_status budget_read(struct budget *budget, uint64_t values)
{
    if (budget->cancel != NULL && __atomic_load_n(budget->cancel, __ATOMIC_RELAXED))
        return error_set(budget->error, PHUSA_ECANCELLED, "query interrupted");
    budget->values += values;
    if (budget->values > budget->values_max)
        return error_set(budget->error, PHUSA_ELIMIT,
                         "query reads more than %" PRIu64
                         " values; ask for a shorter time range or fewer series",
                         budget->values_max);
    if (clock_monotonic_ns() > budget->deadline_ns)
        return error_set(budget->error, PHUSA_ELIMIT,
                         "query took longer than %" PRId64
                         " s; ask for a shorter time range or fewer series",
                         budget->time_ns_max / 1000000000);
    return PHUSA_OK;
}

phusa_status budget_answer(struct budget *budget, uint64_t rows)
{
    if (budget->cancel != NULL && __atomic_load_n(budget->cancel, __ATOMIC_RELAXED))
        return error_set(budget->error, PHUSA_ECANCELLED, "query interrupted");
    budget->rows += rows;
    if (budget->rows > budget->rows_max)
        return error_set(budget->error, PHUSA_ELIMIT,
                         "answer has more than %" PRIu64 " rows; use LIMIT or larger windows",
                         budget->rows_max);
    return PHUSA_OK;
}

phusa_status budget_no_memory(struct budget *budget)
{
    if (!arena_exhausted(&budget->arena))
        return error_set(budget->error, PHUSA_ENOMEM, "out of memory");
    return error_set(budget->error, PHUSA_ELIMIT,
                     "query needs more than %zu MiB of memory; ask for a shorter time range, "
                     "fewer groups or larger windows",
                     budget->arena.budget_bytes >> 20);
}

phusa_status budget_pattern_failed(struct budget *budget)
{
    return error_set(budget->error, PHUSA_ELIMIT,
                     "a regular expression hit its match limit; write a simpler one");
}
