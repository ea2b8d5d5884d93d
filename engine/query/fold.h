/*
 * fold.h - runs a plan with calls: series of a group are folded into cells, one for each window and
 * field, and the cells finished into rows.
 */
#ifndef PHUSA_QUERY_FOLD_H
#define PHUSA_QUERY_FOLD_H

#include "query/groups.h"

PHUSA_MUST_USE phusa_status fold_run(const struct plan *plan,
                                     const struct query_environment *environment,
                                     const struct manifest *manifest, const struct groups *groups,
                                     struct answer *answer, struct budget *budget);

#endif
