/*
 * condition.h - a WHERE clause taken apart: a range of time, which series, and what is left to
 * ask of each row.
 */
#ifndef PHUSA_QUERY_CONDITION_H
#define PHUSA_QUERY_CONDITION_H

#include "calendar/zone.h"
#include "index/index.h"
#include "query/budget.h"
#include "query/pattern.h"
#include "query/statement.h"

/* Patterns of a statement are on the heap: freed together, at its end. */
struct pattern_list {
    struct pattern **items;
    size_t count, capacity;
};
void pattern_list_free(struct pattern_list *list);
PHUSA_MUST_USE phusa_status pattern_list_add(struct pattern_list *list, struct budget *budget,
                                             struct phusa_text text, struct pattern **out);

struct condition {
    bool has_start, has_end;
    int64_t start_ns, end_ns; /* [start_ns, end_ns); all time where not given */
    struct expr *rest;        /* without time; NULL: nothing left */
};
/* Times without an offset are local times of `zone`. PHUSA_EINVAL: time where it cannot be used,
 * e.g. under OR. */
PHUSA_MUST_USE phusa_status condition_split(struct budget *budget, struct expr *where,
                                            const struct zone *zone, int64_t now_ns,
                                            struct condition *out);

/* What a name in `rest` is. */
typedef bool (*condition_is_field_fn)(void *context, const struct expr *name);

/* Which series can have matching rows, as a tree for the index; NULL: all. *residual: the conjuncts
 * that their rows must still be asked, NULL: none. */
PHUSA_MUST_USE phusa_status condition_series(struct budget *budget, struct expr *rest,
                                             condition_is_field_fn is_field, void *context,
                                             struct pattern_list *patterns,
                                             struct tag_filter **filter, struct expr **residual);

/* Is it the name time? */
bool expr_is_time(const struct expr *expr);

#endif
