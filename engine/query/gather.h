/*
 * gather.h - runs a plan without calls: rows of each group's series, in order of time.
 */
#ifndef PHUSA_QUERY_GATHER_H
#define PHUSA_QUERY_GATHER_H

#include "query/groups.h"

PHUSA_MUST_USE phusa_status gather_run(const struct plan *plan,
                                       const struct query_environment *environment,
                                       const struct manifest *manifest, const struct groups *groups,
                                       struct answer *answer, struct budget *budget);

#endif
