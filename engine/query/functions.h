/*
 * functions.h - the functions of SELECT over many values: one table entry each.
 *
 * A function either reads the shared aggregate of its field (chunk/aggregate.h), which statistics
 * can answer without decoding, or it asks to see every value (`collects`). Adding one is
 * adding an entry; nothing else knows their names.
 */
#ifndef PHUSA_QUERY_FUNCTIONS_H
#define PHUSA_QUERY_FUNCTIONS_H

#include "chunk/aggregate.h"
#include "query/budget.h"

/* Every value of one field in one window, in no order: numbers as they are, strings never. */
struct collection {
    struct aggregate_point *points;
    size_t count, capacity;
};

/* What was folded of one field in one window of one group. */
struct cell {
    struct aggregate aggregate;
    struct collection collection;  /* only where a function of the plan collects */
    struct phusa_text first, last; /* of string fields: where aggregate's were copied to */
};

struct result {
    bool present;
    bool has_time; /* selectors: time_ns is the point's own */
    int64_t time_ns;
    union aggregate_value value;
};

#define TYPE_BIT(type) (1u << (type))
#define TYPES_NUMBER   (TYPE_BIT(PHUSA_FLOAT) | TYPE_BIT(PHUSA_INTEGER) | TYPE_BIT(PHUSA_UNSIGNED))
#define TYPES_ANY      (TYPES_NUMBER | TYPE_BIT(PHUSA_BOOLEAN) | TYPE_BIT(PHUSA_STRING))

struct function {
    const char *name;
    unsigned parameter_count; /* numbers after the field */
    unsigned types;           /* TYPE_BITs of the fields it takes */
    uint8_t needs;            /* AGGREGATE_* bits of the cell */
    bool collects;
    bool selector;
    bool zero_when_empty; /* count: 0, not null, in a window without values */
    enum phusa_type (*type_of)(enum phusa_type field);
    /* May reorder the collection. The cell has at least one value. */
    phusa_status (*finish)(struct cell *cell, double parameter, struct result *out,
                           struct phusa_error *error);
};

/* NULL: no such function. */
const struct function *function_find(struct phusa_text name);

#endif
