/* execute.c - see execute.h. */
#include "query/execute.h"

#include "query/context.h"

#include <stdlib.h>

phusa_status context_database(struct context *c, struct phusa_text name, struct database_info *out)
{
    if (name.bytes == NULL && c->options->database != NULL) name = text_of(c->options->database);
    if (name.bytes == NULL || name.size_bytes == 0)
        return error_set(c->budget.error, PHUSA_EINVAL, "database name required");
    if (catalog_find_database(c->environment->catalog, name, out)) return PHUSA_OK;
    return error_set(c->budget.error, PHUSA_ENOTFOUND, "database not found: %.*s",
                     (int)name.size_bytes, name.bytes);
}

phusa_status context_zone(struct context *c, const struct database_info *database,
                          struct phusa_text name, const struct zone **out)
{
    if (name.bytes == NULL) name = text_of(database->zone);
    return zone_find(c->environment->zones, name.bytes, name.size_bytes, out, c->budget.error);
}

phusa_status context_name(struct context *c, struct phusa_text name, const char **out)
{
    if (memchr(name.bytes, '\0', name.size_bytes) != NULL)
        return error_set(c->budget.error, PHUSA_EINVAL, "a name cannot hold a NUL");
    *out = arena_copy(&c->budget.arena, name.bytes, name.size_bytes);
    return *out == NULL ? budget_no_memory(&c->budget) : PHUSA_OK;
}

static phusa_status add_matching(struct context *c, const struct source *source,
                                 const struct phusa_text *names, const uint32_t *ids,
                                 size_t name_count, struct measurement_ref *list, size_t *count)
{
    struct pattern *pattern = NULL;
    if (source->kind == SOURCE_REGEX) {
        const phusa_status status =
            pattern_list_add(&c->patterns, &c->budget, source->name, &pattern);
        if (status != PHUSA_OK) return status;
    }
    bool failed = false;
    for (size_t i = 0; i < name_count; i++) {
        const bool meant = pattern != NULL ? pattern_match(pattern, names[i], &failed)
                                           : text_equal(names[i], source->name);
        bool there = false;
        for (size_t k = 0; k < *count; k++)
            there |= list[k].id == ids[i];
        if (meant && !there) list[(*count)++] = (struct measurement_ref){ids[i], names[i]};
    }
    return failed ? budget_pattern_failed(&c->budget) : PHUSA_OK;
}

static int compare_refs(const void *left, const void *right)
{
    const struct measurement_ref *a = left, *b = right;
    return text_compare(a->name, b->name);
}

phusa_status context_measurements(struct context *c, struct index *index,
                                  const struct source *sources, size_t source_count,
                                  struct measurement_ref **out, size_t *count)
{
    struct arena *arena = &c->budget.arena;
    *count = 0;
    if (source_count == 1 && sources[0].kind == SOURCE_NAME) {
        struct measurement_ref *one = arena_alloc(arena, sizeof *one);
        if (one == NULL) return budget_no_memory(&c->budget);
        one->name = sources[0].name;
        *count = index_find_measurement(index, one->name, &one->id);
        *out = one;
        return PHUSA_OK;
    }
    struct phusa_text *names;
    uint32_t *ids;
    size_t name_count;
    if (index_measurements(index, arena, &names, &ids, &name_count) != PHUSA_OK)
        return budget_no_memory(&c->budget);
    struct measurement_ref *list = arena_array(arena, name_count + 1, sizeof *list);
    if (list == NULL) return budget_no_memory(&c->budget);
    if (source_count == 0)
        for (size_t i = 0; i < name_count; i++)
            list[(*count)++] = (struct measurement_ref){ids[i], names[i]};
    for (size_t s = 0; s < source_count; s++) {
        const phusa_status status =
            add_matching(c, &sources[s], names, ids, name_count, list, count);
        if (status != PHUSA_OK) return status;
    }
    qsort(list, *count, sizeof *list, compare_refs);
    *out = list;
    return PHUSA_OK;
}

static phusa_status run(struct context *c)
{
    const struct statement *statement = c->statement;
    if (statement->changes && c->options->read_only)
        return error_set(c->budget.error, PHUSA_EINVAL,
                         "this statement changes the database; send it by POST");
    if (statement->kind == STATEMENT_SELECT) return select_run(c, statement->select);
    if (statement->kind >= STATEMENT_SHOW_DATABASES || statement->kind == STATEMENT_EXPLAIN)
        return show_run(c);
    return change_run(c);
}

static phusa_status run_statement(const struct query_environment *environment,
                                  const struct statement *statement, unsigned number,
                                  const struct phusa_query_options *options,
                                  const struct phusa_sink *sink, bool *failed)
{
    struct phusa_error error = {0};
    struct context c = {.environment = environment,
                        .options = options,
                        .sink = sink,
                        .number = number,
                        .statement = statement};
    phusa_status status = sink->statement_begin(sink->context, number);
    if (status != PHUSA_OK) return status;
    budget_init(&c.budget, environment, options->cancel, &error);
    status = run(&c);
    pattern_list_free(&c.patterns);
    atomic_fetch_add_explicit(&environment->counters->values_read, c.budget.values,
                              memory_order_relaxed);
    budget_deinit(&c.budget);
    /* A status without a sentence is the sink's own: it wants no more. */
    if (status != PHUSA_OK && error.status == PHUSA_OK) return status;
    *failed = status != PHUSA_OK;
    return sink->statement_end(sink->context, number, *failed ? &error : NULL);
}

phusa_status execute_request(const struct query_environment *environment,
                             const struct request *request,
                             const struct phusa_query_options *options,
                             const struct phusa_sink *sink)
{
    bool failed = false;
    for (size_t i = 0; i < request->statement_count && !failed; i++) {
        const phusa_status status = run_statement(environment, &request->statements[i], (unsigned)i,
                                                  options, sink, &failed);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}
