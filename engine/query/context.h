/*
 * context.h - one statement being run: what every kind of statement needs. Private to query/.
 */
#ifndef PHUSA_QUERY_CONTEXT_H
#define PHUSA_QUERY_CONTEXT_H

#include "query/budget.h"
#include "query/condition.h"
#include "query/statement.h"

struct context {
    const struct query_environment *environment;
    const struct phusa_query_options *options;
    const struct phusa_sink *sink;
    unsigned number; /* of the statement */
    const struct statement *statement;
    struct budget budget;
    struct pattern_list patterns;
};

/* The database of a statement: the one it names, else the request's. */
PHUSA_MUST_USE phusa_status context_database(struct context *c, struct phusa_text name,
                                             struct database_info *out);
PHUSA_MUST_USE phusa_status context_zone(struct context *c, const struct database_info *database,
                                         struct phusa_text name, const struct zone **out);
/* NUL-terminated copy of a name from the statement. */
PHUSA_MUST_USE phusa_status context_name(struct context *c, struct phusa_text name,
                                         const char **out);

/* Measurements that a FROM clause means: all of the index when there are no sources. */
struct measurement_ref {
    uint32_t id;
    struct phusa_text name;
};
PHUSA_MUST_USE phusa_status context_measurements(struct context *c, struct index *index,
                                                 const struct source *sources, size_t source_count,
                                                 struct measurement_ref **out, size_t *count);

/* ---- kinds of statements ---- */
PHUSA_MUST_USE phusa_status select_run(struct context *c, const struct select_statement *select);
PHUSA_MUST_USE phusa_status show_run(struct context *c);
PHUSA_MUST_USE phusa_status change_run(struct context *c);

#endif
