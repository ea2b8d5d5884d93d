/* change.c - statements that change something: each is a call of the facade. */
#include "query/context.h"

static phusa_status database_name(struct context *c, const char **out)
{
    struct phusa_text name = c->statement->database;
    if (name.bytes == NULL && c->options->database != NULL) name = text_of(c->options->database);
    if (name.bytes == NULL || name.size_bytes == 0)
        return error_set(c->budget.error, PHUSA_EINVAL, "database name required");
    return context_name(c, name, out);
}

static struct phusa_policy_options policy_options(const struct policy_clause *clause)
{
    return (struct phusa_policy_options){
        .duration = clause->duration, .shard = clause->shard, .is_default = clause->is_default};
}

static phusa_status create_database(struct context *c, const char *name)
{
    const struct query_environment *e = c->environment;
    const char *zone = NULL, *policy_name = NULL;
    phusa_status status = PHUSA_OK;
    if (c->statement->zone.bytes != NULL) status = context_name(c, c->statement->zone, &zone);
    if (status == PHUSA_OK && c->statement->policy_name.bytes != NULL)
        status = context_name(c, c->statement->policy_name, &policy_name);
    if (status != PHUSA_OK) return status;
    const struct phusa_policy_options options = policy_options(&c->statement->policy);
    return e->create_database(e->owner, name, zone, policy_name,
                              c->statement->has_policy ? &options : NULL, c->budget.error);
}

static phusa_status change_policy(struct context *c, const char *name)
{
    const struct query_environment *e = c->environment;
    const struct policy_clause *clause = &c->statement->policy;
    const char *database;
    const phusa_status status = database_name(c, &database);
    if (status != PHUSA_OK) return status;
    if (c->statement->kind == STATEMENT_DROP_POLICY)
        return e->drop_policy(e->owner, database, name, c->budget.error);
    if (c->statement->kind == STATEMENT_ALTER_POLICY)
        return e->alter_policy(
            e->owner, database, name, clause->has_duration ? &clause->duration : NULL,
            clause->has_shard ? &clause->shard : NULL, clause->is_default, c->budget.error);
    const struct phusa_policy_options options = policy_options(clause);
    return e->create_policy(e->owner, database, name, &options, c->budget.error);
}

phusa_status change_run(struct context *c)
{
    const struct query_environment *e = c->environment;
    const char *name = "";
    phusa_status status = PHUSA_OK;
    if (c->statement->name.bytes != NULL) status = context_name(c, c->statement->name, &name);
    if (status != PHUSA_OK) return status;
    switch (c->statement->kind) {
    case STATEMENT_CREATE_DATABASE:
        return create_database(c, name);
    case STATEMENT_ALTER_DATABASE: {
        const char *zone;
        status = context_name(c, c->statement->zone, &zone);
        return status != PHUSA_OK ? status : e->set_zone(e->owner, name, zone, c->budget.error);
    }
    case STATEMENT_DROP_DATABASE:
        return e->drop_database(e->owner, name, c->budget.error);
    case STATEMENT_CREATE_POLICY:
    case STATEMENT_ALTER_POLICY:
    case STATEMENT_DROP_POLICY:
        return change_policy(c, name);
    default:
        return error_set(c->budget.error, PHUSA_EUNSUPPORTED,
                         "deleting points, series and measurements is not supported yet; DROP "
                         "DATABASE and DROP RETENTION POLICY are");
    }
}
