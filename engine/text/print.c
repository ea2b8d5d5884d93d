/* print.c - statements as canonical text: keywords in capitals, names quoted where they must be. */
#include "text/influxql.h"

#include "base/decimal.h"
#include "calendar/duration.h"
#include "text/lexer.h"

#include <assert.h>
#include <math.h>

/* ---- words ---- */

static void put(struct buffer *out, const char *text)
{
    buffer_put(out, text, strlen(text));
}

static void put_quoted(struct buffer *out, struct phusa_text text, char quote)
{
    buffer_put_u8(out, (uint8_t)quote);
    for (size_t i = 0; i < text.size_bytes; i++) {
        const char c = text.bytes[i];
        if (c == '\n') {
            put(out, "\\n");
            continue;
        }
        if (c == '\\' || c == quote) buffer_put_u8(out, '\\');
        buffer_put_u8(out, (uint8_t)c);
    }
    buffer_put_u8(out, (uint8_t)quote);
}

static bool is_plain_name(struct phusa_text text)
{
    if (text.size_bytes == 0 || !lexer_starts_name(text.bytes[0])) return false;
    for (size_t i = 1; i < text.size_bytes; i++)
        if (!lexer_starts_name(text.bytes[i]) && !lexer_is_digit(text.bytes[i])) return false;
    return !lexer_is_keyword(text);
}

static void put_name(struct buffer *out, struct phusa_text text)
{
    if (is_plain_name(text))
        buffer_put(out, text.bytes, text.size_bytes);
    else
        put_quoted(out, text, '"');
}

static void put_regex(struct buffer *out, struct phusa_text pattern)
{
    buffer_put_u8(out, '/');
    for (size_t i = 0; i < pattern.size_bytes; i++) {
        if (pattern.bytes[i] == '/') buffer_put_u8(out, '\\');
        buffer_put_u8(out, (uint8_t)pattern.bytes[i]);
    }
    buffer_put_u8(out, '/');
}

static void put_count(struct buffer *out, uint64_t count)
{
    char text[DECIMAL_BYTES_MAX];
    buffer_put(out, text, decimal_print_uint64(count, text));
}

static void put_duration(struct buffer *out, struct phusa_interval interval)
{
    char text[DURATION_BYTES_MAX];
    buffer_put(out, text, duration_print(interval, text));
}

/* So that it reads back as a float. */
static void put_float(struct buffer *out, double x)
{
    char text[DECIMAL_BYTES_MAX];
    const size_t size = decimal_print_double(x, text);
    buffer_put(out, text, size);
    if (memchr(text, '.', size) == NULL && memchr(text, 'e', size) == NULL) put(out, ".0");
}

/* ---- expressions ---- */

static const struct {
    const char *sign;
    int precedence;
} operators[] = {
    [OP_ADD] = {" + ", 4},        [OP_SUBTRACT] = {" - ", 4},       [OP_MULTIPLY] = {" * ", 5},
    [OP_DIVIDE] = {" / ", 5},     [OP_MODULO] = {" % ", 5},         [OP_BIT_AND] = {" & ", 5},
    [OP_BIT_OR] = {" | ", 4},     [OP_BIT_XOR] = {" ^ ", 4},        [OP_EQUAL] = {" = ", 3},
    [OP_NOT_EQUAL] = {" != ", 3}, [OP_LESS] = {" < ", 3},           [OP_LESS_EQUAL] = {" <= ", 3},
    [OP_GREATER] = {" > ", 3},    [OP_GREATER_EQUAL] = {" >= ", 3}, [OP_MATCH] = {" =~ ", 3},
    [OP_NOT_MATCH] = {" !~ ", 3}, [OP_AND] = {" AND ", 2},          [OP_OR] = {" OR ", 1},
};

static void put_cast(struct buffer *out, enum expr_cast cast)
{
    static const char *const casts[] = {
        [CAST_NONE] = "",           [CAST_FIELD] = "::field",     [CAST_TAG] = "::tag",
        [CAST_FLOAT] = "::float",   [CAST_INTEGER] = "::integer", [CAST_UNSIGNED] = "::unsigned",
        [CAST_STRING] = "::string", [CAST_BOOLEAN] = "::boolean",
    };
    put(out, casts[cast]);
}

/* An operand of an operator of this precedence; a tree that was not parsed may need parentheses
 * that nobody wrote. */
static void put_operand(struct buffer *out, const struct expr *expr, int precedence)
{
    const bool needs = expr->kind == EXPR_BINARY && !expr->binary.parenthesised &&
                       operators[expr->binary.op].precedence < precedence;
    if (needs) buffer_put_u8(out, '(');
    influxql_print_expr(out, expr);
    if (needs) buffer_put_u8(out, ')');
}

static void put_binary(struct buffer *out, const struct expr *expr)
{
    const int precedence = operators[expr->binary.op].precedence;
    if (expr->binary.parenthesised) buffer_put_u8(out, '(');
    put_operand(out, expr->binary.left, precedence);
    put(out, operators[expr->binary.op].sign);
    put_operand(out, expr->binary.right, precedence + 1);
    if (expr->binary.parenthesised) buffer_put_u8(out, ')');
}

static void put_call(struct buffer *out, const struct expr *expr)
{
    buffer_put(out, expr->call.function.bytes, expr->call.function.size_bytes);
    buffer_put_u8(out, '(');
    for (size_t i = 0; i < expr->call.argument_count; i++) {
        if (i > 0) put(out, ", ");
        influxql_print_expr(out, expr->call.arguments[i]);
    }
    buffer_put_u8(out, ')');
}

void influxql_print_expr(struct buffer *out, const struct expr *expr)
{
    char text[DECIMAL_BYTES_MAX];
    switch (expr->kind) {
    case EXPR_FLOAT:
        put_float(out, expr->number);
        break;
    case EXPR_INTEGER:
        buffer_put(out, text, decimal_print_int64(expr->integer, text));
        break;
    case EXPR_UNSIGNED:
        put_count(out, expr->unsigned_integer);
        break;
    case EXPR_STRING:
        put_quoted(out, expr->text, '\'');
        break;
    case EXPR_BOOLEAN:
        put(out, expr->boolean ? "true" : "false");
        break;
    case EXPR_DURATION:
        put_duration(out, expr->duration);
        break;
    case EXPR_NOW:
        put(out, "now()");
        break;
    case EXPR_REGEX:
        put_regex(out, expr->text);
        break;
    case EXPR_NAME:
        put_name(out, expr->reference.name);
        put_cast(out, expr->reference.cast);
        break;
    case EXPR_WILDCARD:
        buffer_put_u8(out, '*');
        put_cast(out, expr->reference.cast);
        break;
    case EXPR_CALL:
        put_call(out, expr);
        break;
    case EXPR_BINARY:
        put_binary(out, expr);
        break;
    }
}

/* ---- clauses ---- */

static void put_source(struct buffer *out, const struct source *source)
{
    if (source->kind == SOURCE_SUBQUERY) {
        buffer_put_u8(out, '(');
        influxql_print_select(out, source->subquery);
        buffer_put_u8(out, ')');
        return;
    }
    if (source->database.bytes != NULL) {
        put_name(out, source->database);
        buffer_put_u8(out, '.');
    }
    if (source->policy.bytes != NULL) put_name(out, source->policy);
    if (source->policy.bytes != NULL || source->database.bytes != NULL) buffer_put_u8(out, '.');
    if (source->kind == SOURCE_REGEX)
        put_regex(out, source->name);
    else
        put_name(out, source->name);
}

static void put_sources(struct buffer *out, const struct source *sources, size_t source_count)
{
    if (source_count > 0) put(out, " FROM ");
    for (size_t i = 0; i < source_count; i++) {
        if (i > 0) put(out, ", ");
        put_source(out, &sources[i]);
    }
}

static void put_where(struct buffer *out, const struct expr *where)
{
    if (where == NULL) return;
    put(out, " WHERE ");
    influxql_print_expr(out, where);
}

static void put_clause_count(struct buffer *out, const char *keyword, uint64_t count)
{
    if (count == 0) return;
    put(out, keyword);
    put_count(out, count);
}

static void put_on(struct buffer *out, struct phusa_text database)
{
    if (database.bytes == NULL) return;
    put(out, " ON ");
    put_name(out, database);
}

/* ---- SELECT ---- */

static void put_window(struct buffer *out, const struct select_statement *select)
{
    put(out, "time(");
    put_duration(out, select->window);
    if (select->offset_is_now) put(out, ", now()");
    if (select->window_offset.ns != 0 || select->window_offset.months != 0) {
        put(out, ", ");
        put_duration(out, select->window_offset);
    }
    buffer_put_u8(out, ')');
}

static void put_group(struct buffer *out, const struct select_statement *select)
{
    if (!select->has_window && select->dimension_count == 0) return;
    put(out, " GROUP BY ");
    if (select->has_window) put_window(out, select);
    for (size_t i = 0; i < select->dimension_count; i++) {
        const struct dimension *dimension = &select->dimensions[i];
        if (i > 0 || select->has_window) put(out, ", ");
        if (dimension->kind == DIMENSION_WILDCARD)
            buffer_put_u8(out, '*');
        else if (dimension->kind == DIMENSION_REGEX)
            put_regex(out, dimension->name);
        else
            put_name(out, dimension->name);
    }
}

static void put_fill(struct buffer *out, const struct select_statement *select)
{
    static const char *const fills[] = {
        [FILL_NULL] = "null",     [FILL_NONE] = "none", [FILL_PREVIOUS] = "previous",
        [FILL_LINEAR] = "linear", [FILL_NUMBER] = NULL,
    };
    if (!select->has_fill) return;
    put(out, " fill(");
    if (select->fill == FILL_NUMBER)
        put_float(out, select->fill_number);
    else
        put(out, fills[select->fill]);
    buffer_put_u8(out, ')');
}

void influxql_print_select(struct buffer *out, const struct select_statement *select)
{
    put(out, "SELECT ");
    for (size_t i = 0; i < select->column_count; i++) {
        if (i > 0) put(out, ", ");
        influxql_print_expr(out, select->columns[i].expr);
        if (select->columns[i].alias.bytes == NULL) continue;
        put(out, " AS ");
        put_name(out, select->columns[i].alias);
    }
    put_sources(out, select->sources, select->source_count);
    put_where(out, select->where);
    put_group(out, select);
    put_fill(out, select);
    if (select->descending) put(out, " ORDER BY time DESC");
    put_clause_count(out, " LIMIT ", select->limit);
    put_clause_count(out, " OFFSET ", select->row_offset);
    put_clause_count(out, " SLIMIT ", select->series_limit);
    put_clause_count(out, " SOFFSET ", select->series_offset);
    if (select->zone.bytes == NULL) return;
    put(out, " tz(");
    put_quoted(out, select->zone, '\'');
    buffer_put_u8(out, ')');
}

/* ---- the others ---- */

static void put_span(struct buffer *out, const char *keyword, bool has, struct phusa_interval span)
{
    if (!has) return;
    put(out, keyword);
    if (span.ns == 0 && span.months == 0)
        put(out, "INF");
    else
        put_duration(out, span);
}

static void put_policy(struct buffer *out, const struct policy_clause *policy)
{
    put_span(out, " DURATION ", policy->has_duration, policy->duration);
    if (policy->has_replication) put(out, " REPLICATION 1");
    put_span(out, " SHARD DURATION ", policy->has_shard, policy->shard);
    if (policy->is_default) put(out, " DEFAULT");
}

static void put_zone(struct buffer *out, struct phusa_text zone)
{
    if (zone.bytes == NULL) return;
    put(out, " TZ ");
    put_quoted(out, zone, '\'');
}

static void put_keys(struct buffer *out, const struct key_clause *keys)
{
    static const char *const signs[] = {
        [KEY_ANY] = "",     [KEY_EQUAL] = " = ",  [KEY_NOT_EQUAL] = " != ",
        [KEY_IN] = " IN (", [KEY_MATCH] = " =~ ", [KEY_NOT_MATCH] = " !~ ",
    };
    if (keys->kind == KEY_ANY) return;
    put(out, " WITH KEY");
    put(out, signs[keys->kind]);
    const bool by_pattern = keys->kind == KEY_MATCH || keys->kind == KEY_NOT_MATCH;
    for (size_t i = 0; i < keys->value_count; i++) {
        if (i > 0) put(out, ", ");
        if (by_pattern)
            put_regex(out, keys->values[i]);
        else
            put_name(out, keys->values[i]);
    }
    if (keys->kind == KEY_IN) buffer_put_u8(out, ')');
}

static void put_with_measurement(struct buffer *out, const struct statement *statement)
{
    if (statement->source_count == 0) return;
    const bool by_pattern = statement->sources[0].kind == SOURCE_REGEX;
    put(out, by_pattern ? " WITH MEASUREMENT =~ " : " WITH MEASUREMENT = ");
    put_source(out, &statement->sources[0]);
}

static void put_show(struct buffer *out, const struct statement *statement, const char *words)
{
    put(out, words);
    put_on(out, statement->database);
    if (statement->kind == STATEMENT_SHOW_MEASUREMENTS)
        put_with_measurement(out, statement);
    else
        put_sources(out, statement->sources, statement->source_count);
    put_keys(out, &statement->keys);
    put_where(out, statement->where);
    put_clause_count(out, " LIMIT ", statement->limit);
    put_clause_count(out, " OFFSET ", statement->row_offset);
    put_clause_count(out, " SLIMIT ", statement->series_limit);
    put_clause_count(out, " SOFFSET ", statement->series_offset);
}

static void put_database(struct buffer *out, const struct statement *statement, const char *words)
{
    put(out, words);
    put_name(out, statement->name);
    if (statement->has_policy) {
        put(out, " WITH");
        put_policy(out, &statement->policy);
        if (statement->policy_name.bytes != NULL) {
            put(out, " NAME ");
            put_name(out, statement->policy_name);
        }
    }
    put_zone(out, statement->zone);
}

static void put_named(struct buffer *out, const struct statement *statement, const char *words)
{
    put(out, words);
    put_name(out, statement->name);
    put_on(out, statement->database);
    put_policy(out, &statement->policy);
}

static void put_deletion(struct buffer *out, const struct statement *statement, const char *words)
{
    put(out, words);
    put_sources(out, statement->sources, statement->source_count);
    put_where(out, statement->where);
}

void influxql_print(struct buffer *out, const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_SELECT:
        influxql_print_select(out, statement->select);
        break;
    case STATEMENT_EXPLAIN:
        put(out, "EXPLAIN ");
        influxql_print_select(out, statement->select);
        break;
    case STATEMENT_CREATE_DATABASE:
        put_database(out, statement, "CREATE DATABASE ");
        break;
    case STATEMENT_ALTER_DATABASE:
        put_database(out, statement, "ALTER DATABASE ");
        break;
    case STATEMENT_DROP_DATABASE:
        put_named(out, statement, "DROP DATABASE ");
        break;
    case STATEMENT_CREATE_POLICY:
        put_named(out, statement, "CREATE RETENTION POLICY ");
        break;
    case STATEMENT_ALTER_POLICY:
        put_named(out, statement, "ALTER RETENTION POLICY ");
        break;
    case STATEMENT_DROP_POLICY:
        put_named(out, statement, "DROP RETENTION POLICY ");
        break;
    case STATEMENT_DROP_MEASUREMENT:
        put_named(out, statement, "DROP MEASUREMENT ");
        break;
    case STATEMENT_DROP_SERIES:
        put_deletion(out, statement, "DROP SERIES");
        break;
    case STATEMENT_DELETE:
        put_deletion(out, statement, "DELETE");
        break;
    case STATEMENT_SHOW_DATABASES:
        put_show(out, statement, "SHOW DATABASES");
        break;
    case STATEMENT_SHOW_POLICIES:
        put_show(out, statement, "SHOW RETENTION POLICIES");
        break;
    case STATEMENT_SHOW_MEASUREMENTS:
        put_show(out, statement, "SHOW MEASUREMENTS");
        break;
    case STATEMENT_SHOW_TAG_KEYS:
        put_show(out, statement, "SHOW TAG KEYS");
        break;
    case STATEMENT_SHOW_TAG_VALUES:
        put_show(out, statement, "SHOW TAG VALUES");
        break;
    case STATEMENT_SHOW_FIELD_KEYS:
        put_show(out, statement, "SHOW FIELD KEYS");
        break;
    case STATEMENT_SHOW_SERIES:
        put_show(out, statement, "SHOW SERIES");
        break;
    }
}
