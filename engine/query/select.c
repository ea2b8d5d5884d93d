/* select.c - SELECT: for each measurement of FROM a plan, its groups, and a run. */
#include "query/context.h"
#include "query/fold.h"
#include "query/gather.h"

static phusa_status run_plan(struct context *c, const struct plan *plan)
{
    struct groups groups;
    phusa_status status = groups_select(&groups, plan, &c->budget);
    if (status != PHUSA_OK || groups.count == 0) return status;
    struct manifest manifest = {0};
    const struct query_environment *environment = c->environment;
    status = environment->manifest_pin(environment->owner, plan->policy.id, &manifest);
    if (status != PHUSA_OK)
        return error_set(c->budget.error, status, "retention policy %s is gone", plan->policy.name);
    struct answer answer;
    status = answer_init(&answer, plan, c->number, c->sink, &c->budget);
    if (status == PHUSA_OK)
        status = plan->is_aggregate
                     ? fold_run(plan, environment, &manifest, &groups, &answer, &c->budget)
                     : gather_run(plan, environment, &manifest, &groups, &answer, &c->budget);
    answer_deinit(&answer);
    environment->manifest_unpin(environment->owner, &manifest);
    return status;
}

static phusa_status find_policy(struct context *c, const struct database_info *database,
                                struct phusa_text name, struct policy_info *out)
{
    if (name.bytes == NULL && c->options->policy != NULL) name = text_of(c->options->policy);
    const bool found =
        name.bytes == NULL || name.size_bytes == 0
            ? catalog_get_policy(c->environment->catalog, database->default_policy, out)
            : catalog_find_policy(c->environment->catalog, database->id, name, out);
    if (found) return PHUSA_OK;
    return error_set(c->budget.error, PHUSA_ENOTFOUND, "retention policy not found: %.*s",
                     (int)name.size_bytes, name.bytes == NULL ? "" : name.bytes);
}

static phusa_status run_source(struct context *c, const struct select_statement *select,
                               const struct source *source)
{
    if (source->kind == SOURCE_SUBQUERY)
        return error_set(c->budget.error, PHUSA_EUNSUPPORTED,
                         "subqueries are not supported yet; query the measurement itself");
    struct database_info database;
    struct policy_info policy;
    const struct zone *zone;
    phusa_status status = context_database(c, source->database, &database);
    if (status == PHUSA_OK) status = find_policy(c, &database, source->policy, &policy);
    if (status == PHUSA_OK) status = context_zone(c, &database, select->zone, &zone);
    if (status != PHUSA_OK) return status;
    const struct query_environment *environment = c->environment;
    struct index *index = environment->index_pin(environment->owner, database.id);
    if (index == NULL)
        return error_set(c->budget.error, PHUSA_ENOTFOUND, "database not found: %s", database.name);
    struct measurement_ref *measurements;
    size_t count = 0;
    status = context_measurements(c, index, source, 1, &measurements, &count);
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        struct plan plan;
        bool empty;
        status = plan_select(&plan, &empty, environment, &c->budget, &c->patterns, select, zone,
                             index, measurements[i].id, measurements[i].name, &policy);
        if (status == PHUSA_OK && !empty) status = run_plan(c, &plan);
    }
    environment->index_unpin(environment->owner, index);
    return status;
}

phusa_status select_run(struct context *c, const struct select_statement *select)
{
    phusa_status status = PHUSA_OK;
    for (size_t i = 0; status == PHUSA_OK && i < select->source_count; i++)
        status = run_source(c, select, &select->sources[i]);
    return status;
}
