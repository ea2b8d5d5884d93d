/*
 * plan.h - a SELECT on one measurement, with every name and type resolved.
 *
 * Slots are what expressions are made of: fields and tags as scanned, and calls, which stand for
 * the result of a function. In a query without calls the columns are expressions over fields and
 * tags; with calls, over calls.
 */
#ifndef PHUSA_QUERY_PLAN_H
#define PHUSA_QUERY_PLAN_H

#include "calendar/interval.h"
#include "query/condition.h"
#include "query/eval.h"
#include "query/functions.h"

enum slot_kind { SLOT_FIELD, SLOT_TAG, SLOT_CALL };
struct slot {
    enum slot_kind kind;
    enum phusa_type type;
    struct phusa_text name; /* of the field or tag */
    uint16_t field_id;
    uint32_t index; /* FIELD: column of the scan. TAG: place in tag_keys. CALL: place in calls */
};

struct call {
    const struct function *function;
    uint32_t field; /* column of the scan */
    double parameter;
    enum phusa_type type;
};

struct plan_column {
    struct phusa_text name;
    struct node *node;
};

struct plan {
    const struct select_statement *select;
    struct policy_info policy;
    struct index *index;
    uint32_t measurement;
    struct phusa_text measurement_name;

    struct condition range;
    int64_t now_ns;
    struct tag_filter *series_filter; /* NULL: every series */
    struct node *row_filter;          /* over slots; NULL: every row */

    bool has_window;
    struct window_spec window;
    struct phusa_text *group_keys; /* sorted */
    size_t group_key_count;

    struct slot *slots;
    uint32_t slot_count;
    struct phusa_text *tag_keys; /* of the tag slots */
    uint32_t tag_count;
    uint16_t *field_ids; /* the scan's columns, ascending */
    enum phusa_type *field_types;
    bool *field_selected; /* named by SELECT, not only by WHERE */
    uint32_t field_count;
    struct call *calls;
    uint32_t call_count;

    struct plan_column *columns;
    uint32_t column_count;
    bool is_aggregate;
    bool is_single_selector; /* without windows the row carries the point's own time */
};

/* *empty: nothing of what was named exists, so there is no answer. Memory from the budget. */
PHUSA_MUST_USE phusa_status plan_select(struct plan *plan, bool *empty,
                                        const struct query_environment *environment,
                                        struct budget *budget, struct pattern_list *patterns,
                                        const struct select_statement *select,
                                        const struct zone *zone, struct index *index,
                                        uint32_t measurement, struct phusa_text name,
                                        const struct policy_info *policy);

#endif
