/* parse_select.c - SELECT. */
#include "text/parser.h"

#include "base/bytes.h"

/* ---- columns ---- */

/* The sign of a comparison, AND or OR in the tree; NULL: there is none. */
static const char *find_condition(const struct expr *expr)
{
    static const char *const signs[] = {
        [OP_EQUAL] = "=",       [OP_NOT_EQUAL] = "!=", [OP_LESS] = "<",
        [OP_LESS_EQUAL] = "<=", [OP_GREATER] = ">",    [OP_GREATER_EQUAL] = ">=",
        [OP_MATCH] = "=~",      [OP_NOT_MATCH] = "!~", [OP_AND] = "AND",
        [OP_OR] = "OR",
    };
    const char *sign = NULL;
    if (expr->kind == EXPR_BINARY) {
        sign = signs[expr->binary.op];
        if (sign == NULL) sign = find_condition(expr->binary.left);
        if (sign == NULL) sign = find_condition(expr->binary.right);
    }
    for (size_t i = 0; expr->kind == EXPR_CALL && sign == NULL && i < expr->call.argument_count;
         i++)
        sign = find_condition(expr->call.arguments[i]);
    return sign;
}

static phusa_status parse_column(struct parser *p, struct select_column *column)
{
    *column = (struct select_column){0};
    const struct token begin = p->token;
    phusa_status status = parse_expr_or_regex(p, &column->expr);
    if (status != PHUSA_OK) return status;
    const char *sign = find_condition(column->expr);
    if (sign != NULL) {
        unsigned line;
        unsigned character;
        token_place(&p->lexer, &begin, &line, &character);
        return parse_fail(p, PHUSA_ESYNTAX,
                          "invalid operator %s in SELECT clause at line %u, char %u; operator is "
                          "intended for WHERE clause",
                          sign, line, character);
    }
    bool has_alias;
    status = parse_accept(p, TOKEN_AS, &has_alias);
    if (status != PHUSA_OK || !has_alias) return status;
    return parse_name(p, &column->alias);
}

static phusa_status parse_columns(struct parser *p, struct select_statement *select)
{
    size_t capacity = 0;
    bool more = true;
    while (more) {
        struct select_column column;
        phusa_status status = parse_column(p, &column);
        if (status != PHUSA_OK) return status;
        select->columns = parse_append(p, select->columns, &select->column_count, &capacity,
                                       sizeof column, &column);
        if (select->columns == NULL) return parse_no_memory(p);
        status = parse_accept(p, TOKEN_COMMA, &more);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

/* ---- GROUP BY ---- */

static phusa_status take_window(struct parser *p, struct select_statement *select,
                                const struct expr *call)
{
    if (!text_equal(call->call.function, text_of("time")))
        return parse_fail(p, PHUSA_ESYNTAX, "only time() calls allowed in dimensions");
    if (select->has_window)
        return parse_fail(p, PHUSA_ESYNTAX, "multiple time dimensions not allowed");
    const size_t count = call->call.argument_count;
    if (count < 1 || count > 2)
        return parse_fail(p, PHUSA_ESYNTAX, "time dimension expected 1 or 2 arguments");
    const struct expr *window = call->call.arguments[0];
    if (window->kind != EXPR_DURATION)
        return parse_fail(p, PHUSA_ESYNTAX, "time dimension must have duration argument");
    if (window->duration.ns <= 0 && window->duration.months <= 0)
        return parse_fail(p, PHUSA_ESYNTAX, "time dimension must have a positive duration");
    select->has_window = true;
    select->window = window->duration;
    if (count == 1) return PHUSA_OK;
    const struct expr *offset = call->call.arguments[1];
    if (offset->kind == EXPR_DURATION)
        select->window_offset = offset->duration;
    else if (offset->kind == EXPR_NOW)
        select->offset_is_now = true;
    else
        return parse_fail(p, PHUSA_ESYNTAX, "time dimension offset must be duration or now()");
    return PHUSA_OK;
}

/* What was parsed as an expression, as a dimension; *is_window: it was time(...), and is kept. */
static phusa_status take_dimension(struct parser *p, struct select_statement *select,
                                   const struct expr *expr, struct dimension *dimension,
                                   bool *is_window)
{
    *is_window = false;
    *dimension = (struct dimension){.offset = expr->offset};
    const bool as_tag = expr->kind == EXPR_NAME || expr->kind == EXPR_WILDCARD;
    if (as_tag && expr->reference.cast != CAST_NONE && expr->reference.cast != CAST_TAG)
        return parse_fail(p, PHUSA_ESYNTAX, "only time and tag dimensions allowed");
    switch (expr->kind) {
    case EXPR_CALL:
        *is_window = true;
        return take_window(p, select, expr);
    case EXPR_REGEX:
        dimension->kind = DIMENSION_REGEX;
        dimension->name = expr->text;
        return PHUSA_OK;
    case EXPR_WILDCARD:
        dimension->kind = DIMENSION_WILDCARD;
        return PHUSA_OK;
    case EXPR_NAME:
        if (text_equal(expr->reference.name, text_of("time")))
            return parse_fail(p, PHUSA_ESYNTAX,
                              "time() is a function and expects at least one argument");
        dimension->kind = DIMENSION_TAG;
        dimension->name = expr->reference.name;
        return PHUSA_OK;
    default:
        return parse_fail(p, PHUSA_ESYNTAX, "only time and tag dimensions allowed");
    }
}

static phusa_status parse_optional_group(struct parser *p, struct select_statement *select)
{
    bool more;
    phusa_status status = parse_accept(p, TOKEN_GROUP, &more);
    if (status != PHUSA_OK || !more) return status;
    status = parse_expect(p, TOKEN_BY, "BY");
    if (status != PHUSA_OK) return status;
    size_t capacity = 0;
    while (more) {
        struct expr *expr;
        struct dimension dimension;
        bool is_window;
        status = parse_expr_or_regex(p, &expr);
        if (status == PHUSA_OK) status = take_dimension(p, select, expr, &dimension, &is_window);
        if (status != PHUSA_OK) return status;
        if (!is_window) {
            select->dimensions = parse_append(p, select->dimensions, &select->dimension_count,
                                              &capacity, sizeof dimension, &dimension);
            if (select->dimensions == NULL) return parse_no_memory(p);
        }
        status = parse_accept(p, TOKEN_COMMA, &more);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

/* ---- fill(), tz() ---- */

/* A call of `name` if it comes next, else NULL. */
static phusa_status parse_optional_call(struct parser *p, const char *name, struct expr **call)
{
    *call = NULL;
    if (!parse_at_word(p, name)) return PHUSA_OK;
    struct expr *expr;
    const phusa_status status = parse_expr(p, &expr);
    if (status != PHUSA_OK) return status;
    if (expr->kind != EXPR_CALL)
        return parse_fail(p, PHUSA_ESYNTAX, "%s must be a function call", name);
    *call = expr;
    return PHUSA_OK;
}

static phusa_status take_fill(struct parser *p, struct select_statement *select,
                              const struct expr *argument)
{
    static const struct {
        const char *word;
        enum fill_kind fill;
    } fills[] = {{"null", FILL_NULL},
                 {"none", FILL_NONE},
                 {"previous", FILL_PREVIOUS},
                 {"linear", FILL_LINEAR}};
    select->has_fill = true;
    if (argument->kind == EXPR_FLOAT || argument->kind == EXPR_INTEGER) {
        select->fill = FILL_NUMBER;
        select->fill_number =
            argument->kind == EXPR_FLOAT ? argument->number : (double)argument->integer;
        return PHUSA_OK;
    }
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        if (argument->kind != EXPR_NAME ||
            !text_equal(argument->reference.name, text_of(fills[i].word)))
            continue;
        select->fill = fills[i].fill;
        return PHUSA_OK;
    }
    return parse_fail(p, PHUSA_ESYNTAX, "expected number argument in fill()");
}

static phusa_status parse_optional_fill(struct parser *p, struct select_statement *select)
{
    struct expr *call;
    const phusa_status status = parse_optional_call(p, "fill", &call);
    if (status != PHUSA_OK || call == NULL) return status;
    if (call->call.argument_count != 1)
        return parse_fail(p, PHUSA_ESYNTAX,
                          "fill requires an argument, e.g.: 0, null, none, previous, linear");
    return take_fill(p, select, call->call.arguments[0]);
}

static phusa_status parse_optional_zone(struct parser *p, struct select_statement *select)
{
    struct expr *call;
    const phusa_status status = parse_optional_call(p, "tz", &call);
    if (status != PHUSA_OK || call == NULL) return status;
    if (call->call.argument_count != 1)
        return parse_fail(p, PHUSA_ESYNTAX, "tz requires exactly one argument");
    if (call->call.arguments[0]->kind != EXPR_STRING)
        return parse_fail(p, PHUSA_ESYNTAX, "expected string argument in tz()");
    select->zone = call->call.arguments[0]->text;
    return PHUSA_OK;
}

/* ---- SELECT ---- */

static phusa_status parse_clauses(struct parser *p, struct select_statement *select)
{
    phusa_status status = parse_optional_where(p, &select->where);
    if (status == PHUSA_OK) status = parse_optional_group(p, select);
    if (status == PHUSA_OK) status = parse_optional_fill(p, select);
    if (status == PHUSA_OK) status = parse_optional_order(p, &select->descending);
    if (status == PHUSA_OK) status = parse_optional_count(p, TOKEN_LIMIT, &select->limit);
    if (status == PHUSA_OK) status = parse_optional_count(p, TOKEN_OFFSET, &select->row_offset);
    if (status == PHUSA_OK) status = parse_optional_count(p, TOKEN_SLIMIT, &select->series_limit);
    if (status == PHUSA_OK) status = parse_optional_count(p, TOKEN_SOFFSET, &select->series_offset);
    return status == PHUSA_OK ? parse_optional_zone(p, select) : status;
}

phusa_status parse_select(struct parser *p, struct select_statement **out)
{
    struct select_statement *select = arena_zalloc(p->arena, sizeof *select);
    if (select == NULL) return parse_no_memory(p);
    phusa_status status = parse_columns(p, select);
    if (status != PHUSA_OK) return status;
    if (p->token.kind == TOKEN_INTO)
        return parse_fail(p, PHUSA_EUNSUPPORTED, "SELECT INTO is not offered");
    status = parse_expect(p, TOKEN_FROM, "FROM");
    if (status != PHUSA_OK) return status;
    status = parse_sources(p, true, &select->sources, &select->source_count);
    if (status != PHUSA_OK) return status;
    status = parse_clauses(p, select);
    if (status == PHUSA_OK) *out = select;
    return status;
}
