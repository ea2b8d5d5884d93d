/* read.c - questions: InfluxQL, and the struct form, both to one tree and one executor. */
#include "db.h"

#include "base/status.h"
#include "query/execute.h"
#include "query/functions.h"
#include "text/influxql.h"

#include <assert.h>
#include <stdlib.h>

/* ---- what query/ needs of the facade ---- */

static struct index *pin_index(void *owner, uint32_t database)
{
    return db_index_pin(owner, database);
}

static void unpin_index(void *owner, struct index *index)
{
    db_index_unpin(owner, index);
}

static phusa_status pin_manifest(void *owner, uint32_t policy, struct manifest *out)
{
    return db_manifest_pin(owner, policy, out);
}

static void unpin_manifest(void *owner, struct manifest *manifest)
{
    (void)owner;
    db_manifest_unpin(manifest);
}

static int64_t now(void *owner)
{
    return db_now_ns(owner);
}

static phusa_status create_database(void *owner, const char *name, const char *zone,
                                    const char *policy_name,
                                    const struct phusa_policy_options *policy,
                                    struct phusa_error *error)
{
    return db_create_database(owner, name, zone, policy_name, policy, error);
}

static phusa_status drop_database(void *owner, const char *name, struct phusa_error *error)
{
    return db_drop_database(owner, name, error);
}

static phusa_status set_zone(void *owner, const char *database, const char *zone,
                             struct phusa_error *error)
{
    return phusa_set_time_zone(owner, database, zone, error);
}

static phusa_status create_policy(void *owner, const char *database, const char *name,
                                  const struct phusa_policy_options *policy,
                                  struct phusa_error *error)
{
    return db_create_policy(owner, database, name, policy, error);
}

static phusa_status alter_policy(void *owner, const char *database, const char *name,
                                 const struct phusa_interval *duration,
                                 const struct phusa_interval *shard, bool make_default,
                                 struct phusa_error *error)
{
    return db_alter_policy(owner, database, name, duration, shard, make_default, error);
}

static phusa_status drop_policy(void *owner, const char *database, const char *name,
                                struct phusa_error *error)
{
    return phusa_drop_policy(owner, database, name, error);
}

void read_init_environment(struct phusa *db)
{
    db->environment = (struct query_environment){
        .catalog = db->catalog,
        .zones = db->zones,
        .counters = &db->counters,
        .owner = db,
        .index_pin = pin_index,
        .index_unpin = unpin_index,
        .manifest_pin = pin_manifest,
        .manifest_unpin = unpin_manifest,
        .now_ns = now,
        .create_database = create_database,
        .drop_database = drop_database,
        .set_zone = set_zone,
        .create_policy = create_policy,
        .alter_policy = alter_policy,
        .drop_policy = drop_policy,
        .bytes_max = db->options.query_bytes_max,
        .time_ns_max = db->options.query_time_ns_max,
        .rows_max = db->options.query_rows_max,
        .values_max = db->options.query_values_max,
    };
}

/* ---- InfluxQL ---- */

static const struct phusa_query_options no_options;

phusa_status phusa_query(struct phusa *db, const char *text, size_t size_bytes,
                         const struct phusa_query_options *options, const struct phusa_sink *sink,
                         struct phusa_error *error)
{
    assert(db != NULL);
    assert(sink != NULL);
    if (size_bytes > STATEMENT_BYTES_MAX)
        return error_set(error, PHUSA_ELIMIT, "the request has more than %u bytes",
                         STATEMENT_BYTES_MAX);
    atomic_fetch_add_explicit(&db->count.queries, 1, memory_order_relaxed);
    struct arena arena;
    arena_init(&arena, db->options.query_bytes_max);
    struct request request;
    phusa_status status = influxql_parse(text, size_bytes, &arena, &request, error);
    if (status == PHUSA_OK)
        status = execute_request(&db->environment, &request,
                                 options == NULL ? &no_options : options, sink);
    arena_deinit(&arena);
    return status;
}

/* ---- the struct form ---- */

struct builder {
    struct arena arena;
    bool no_memory;
};

static struct expr *new_expr(struct builder *b, enum expr_kind kind)
{
    struct expr *expr = arena_zalloc(&b->arena, sizeof *expr);
    if (expr == NULL) {
        b->no_memory = true;
        return NULL;
    }
    expr->kind = kind;
    return expr;
}

static struct expr *name_expr(struct builder *b, const char *name, enum expr_cast cast)
{
    struct expr *expr = new_expr(b, EXPR_NAME);
    if (expr == NULL) return NULL;
    expr->reference.name = text_of(name);
    expr->reference.cast = cast;
    return expr;
}

static struct expr *binary_expr(struct builder *b, enum expr_operator op, struct expr *left,
                                struct expr *right)
{
    struct expr *expr = new_expr(b, EXPR_BINARY);
    if (expr == NULL || left == NULL || right == NULL) return NULL;
    expr->binary.op = op;
    expr->binary.left = left;
    expr->binary.right = right;
    return expr;
}

static struct expr *time_expr(struct builder *b, enum expr_operator op, int64_t time_ns)
{
    struct expr *value = new_expr(b, EXPR_INTEGER);
    if (value == NULL) return NULL;
    value->integer = time_ns;
    return binary_expr(b, op, name_expr(b, "time", CAST_NONE), value);
}

static struct expr *where_expr(struct builder *b, const struct phusa_select *select)
{
    struct expr *where = binary_expr(b, OP_AND, time_expr(b, OP_GREATER_EQUAL, select->start_ns),
                                     time_expr(b, OP_LESS, select->end_ns));
    for (size_t i = 0; i < select->predicate_count && where != NULL; i++) {
        static const enum expr_operator operators[] = {[PHUSA_EQ] = OP_EQUAL,
                                                       [PHUSA_NE] = OP_NOT_EQUAL,
                                                       [PHUSA_REGEX] = OP_MATCH,
                                                       [PHUSA_NOT_REGEX] = OP_NOT_MATCH};
        const struct phusa_tag_predicate *p = &select->predicates[i];
        const bool is_regex = p->match == PHUSA_REGEX || p->match == PHUSA_NOT_REGEX;
        struct expr *value = new_expr(b, is_regex ? EXPR_REGEX : EXPR_STRING);
        if (value == NULL) return NULL;
        value->text = text_of(p->value);
        where =
            binary_expr(b, OP_AND, where,
                        binary_expr(b, operators[p->match], name_expr(b, p->key, CAST_TAG), value));
    }
    return where;
}

static struct expr *column_expr(struct builder *b, const struct phusa_select_column *column)
{
    struct expr *field = name_expr(b, column->field, CAST_FIELD);
    if (column->function == NULL) return field;
    struct expr *call = new_expr(b, EXPR_CALL);
    struct expr *parameter = new_expr(b, EXPR_FLOAT);
    struct expr **arguments = arena_array(&b->arena, 2, sizeof(struct expr *));
    if (call == NULL || parameter == NULL || arguments == NULL) {
        b->no_memory = true;
        return NULL;
    }
    parameter->number = column->argument;
    arguments[0] = field;
    arguments[1] = parameter;
    call->call.function = text_of(column->function);
    call->call.arguments = arguments;
    const struct function *function = function_find(call->call.function);
    call->call.argument_count = function == NULL ? 1 : 1 + function->parameter_count;
    return call;
}

static struct select_statement *select_tree(struct builder *b, const struct phusa_select *select)
{
    struct arena *arena = &b->arena;
    struct select_statement *tree = arena_zalloc(arena, sizeof *tree);
    struct source *source = arena_zalloc(arena, sizeof *source);
    const size_t column_count = select->column_count == 0 ? 1 : select->column_count;
    struct select_column *columns = arena_zalloc(arena, column_count * sizeof *columns);
    struct dimension *dimensions =
        arena_zalloc(arena, (select->group_tag_count + 1) * sizeof *dimensions);
    if (tree == NULL || source == NULL || columns == NULL || dimensions == NULL) return NULL;
    source->name = text_of(select->measurement);
    if (select->database != NULL) source->database = text_of(select->database);
    if (select->policy != NULL) source->policy = text_of(select->policy);
    for (size_t i = 0; i < select->column_count; i++)
        columns[i].expr = column_expr(b, &select->columns[i]);
    if (select->column_count == 0) {
        columns[0].expr = new_expr(b, EXPR_WILDCARD);
        if (columns[0].expr != NULL) columns[0].expr->reference.cast = CAST_FIELD;
    }
    for (size_t i = 0; i < select->group_tag_count; i++)
        dimensions[i] =
            (struct dimension){.kind = DIMENSION_TAG, .name = text_of(select->group_tags[i])};
    *tree = (struct select_statement){
        .columns = columns,
        .column_count = column_count,
        .sources = source,
        .source_count = 1,
        .where = where_expr(b, select),
        .has_window = select->window.months != 0 || select->window.ns != 0,
        .window = select->window,
        .dimensions = dimensions,
        .dimension_count = select->group_tag_count,
        .has_fill = true,
        .fill = FILL_NONE,
        .descending = select->descending,
        .limit = select->limit,
    };
    if (select->zone != NULL) tree->zone = text_of(select->zone);
    return b->no_memory || tree->where == NULL ? NULL : tree;
}

phusa_status phusa_select(struct phusa *db, const struct phusa_select *select,
                          const struct phusa_query_options *options, const struct phusa_sink *sink,
                          struct phusa_error *error)
{
    assert(db != NULL);
    assert(select != NULL);
    assert(sink != NULL);
    if (select->measurement == NULL || select->database == NULL)
        return error_set(error, PHUSA_EINVAL, "a database and a measurement are required");
    for (size_t i = 0; i < select->column_count; i++)
        if (select->columns[i].field == NULL)
            return error_set(error, PHUSA_EINVAL, "column %zu names no field", i);
    atomic_fetch_add_explicit(&db->count.queries, 1, memory_order_relaxed);
    struct builder b = {0};
    arena_init(&b.arena, db->options.query_bytes_max);
    struct select_statement *tree = select_tree(&b, select);
    phusa_status status = PHUSA_ENOMEM;
    if (tree == NULL) {
        error_set(error, status, "out of memory");
    } else {
        struct statement statement = {.kind = STATEMENT_SELECT, .select = tree};
        const struct request request = {.statements = &statement, .statement_count = 1};
        status = execute_request(&db->environment, &request,
                                 options == NULL ? &no_options : options, sink);
    }
    arena_deinit(&b.arena);
    return status;
}
