/*
 * parse_expr.c - expressions, by precedence:
 *
 *     OR  <  AND  <  = != < <= > >= =~ !~  <  + - | ^  <  * / % &
 *
 * each of them leaning to the left. A minus before a number belongs to it, before anything else
 * it is -1 times that, as in InfluxDB.
 */
#include "text/parser.h"

#include "base/bytes.h"
#include "base/decimal.h"

#include <assert.h>

#define OPERAND "identifier, string, number, bool"

static struct expr *new_expr(struct parser *p, enum expr_kind kind, uint32_t offset)
{
    struct expr *expr = arena_zalloc(p->arena, sizeof *expr);
    if (expr == NULL) return NULL;
    expr->kind = kind;
    expr->offset = offset;
    return expr;
}

/* ---- literals ---- */

static phusa_status parse_integer(struct parser *p, bool negative, struct expr *expr)
{
    const struct phusa_text text = p->token.text;
    uint64_t magnitude;
    if (decimal_parse_uint64(text.bytes, text.size_bytes, &magnitude) != PHUSA_OK ||
        (negative && magnitude > (uint64_t)INT64_MAX + 1)) {
        unsigned line;
        unsigned character;
        token_place(&p->lexer, &p->token, &line, &character);
        return parse_fail(p, PHUSA_ESYNTAX, "unable to parse integer at line %u, char %u", line,
                          character);
    }
    if (!negative && magnitude > INT64_MAX) {
        expr->kind = EXPR_UNSIGNED;
        expr->unsigned_integer = magnitude;
    } else {
        expr->kind = EXPR_INTEGER;
        expr->integer = (int64_t)(negative ? 0 - magnitude : magnitude);
    }
    return parse_advance(p);
}

static phusa_status parse_number(struct parser *p, bool negative, struct expr *expr)
{
    uint8_t decimals;
    const struct phusa_text text = p->token.text;
    double value;
    if (decimal_parse_double(text.bytes, text.size_bytes, &value, &decimals) != PHUSA_OK) {
        unsigned line;
        unsigned character;
        token_place(&p->lexer, &p->token, &line, &character);
        return parse_fail(p, PHUSA_ESYNTAX, "unable to parse number at line %u, char %u", line,
                          character);
    }
    expr->kind = EXPR_FLOAT;
    expr->number = negative ? -value : value;
    return parse_advance(p);
}

/* The number or duration that comes next; *is_literal: whether there is one. */
static phusa_status parse_literal(struct parser *p, bool negative, struct expr *expr,
                                  bool *is_literal)
{
    *is_literal = true;
    switch (p->token.kind) {
    case TOKEN_INTEGER:
        return parse_integer(p, negative, expr);
    case TOKEN_NUMBER:
        return parse_number(p, negative, expr);
    case TOKEN_DURATION: {
        expr->kind = EXPR_DURATION;
        const phusa_status status = parse_duration(p, &expr->duration);
        if (status != PHUSA_OK || !negative) return status;
        expr->duration.ns = -expr->duration.ns;
        expr->duration.months = -expr->duration.months;
        return status;
    }
    default:
        *is_literal = false;
        return PHUSA_OK;
    }
}

/* ---- names and calls ---- */

static phusa_status parse_cast(struct parser *p, bool wildcard, enum expr_cast *cast)
{
    static const struct {
        const char *word;
        enum expr_cast cast;
    } casts[] = {
        {"float", CAST_FLOAT},   {"integer", CAST_INTEGER}, {"unsigned", CAST_UNSIGNED},
        {"string", CAST_STRING}, {"boolean", CAST_BOOLEAN},
    };
    bool has_colons;
    phusa_status status = parse_accept(p, TOKEN_COLONS, &has_colons);
    if (status != PHUSA_OK || !has_colons) return status;
    if (p->token.kind == TOKEN_FIELD || p->token.kind == TOKEN_TAG) {
        *cast = p->token.kind == TOKEN_FIELD ? CAST_FIELD : CAST_TAG;
        return parse_advance(p);
    }
    if (wildcard) return parse_unexpected(p, "field, tag");
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++) {
        if (!parse_at_word(p, casts[i].word)) continue;
        *cast = casts[i].cast;
        return parse_advance(p);
    }
    return parse_unexpected(p, "float, integer, unsigned, string, boolean, field, tag");
}

static phusa_status parse_arguments(struct parser *p, struct expr *call)
{
    size_t capacity = 0;
    struct expr **array = NULL;
    bool more = p->token.kind != TOKEN_RIGHT;
    while (more) {
        struct expr *argument;
        phusa_status status = parse_expr_or_regex(p, &argument);
        if (status != PHUSA_OK) return status;
        array = parse_append(p, array, &call->call.argument_count, &capacity, sizeof argument,
                             &argument);
        if (array == NULL) return parse_no_memory(p);
        status = parse_accept(p, TOKEN_COMMA, &more);
        if (status != PHUSA_OK) return status;
    }
    call->call.arguments = array;
    return parse_expect(p, TOKEN_RIGHT, ")");
}

/* The function's name is passed by; '(' comes next. */
static phusa_status parse_call(struct parser *p, struct phusa_text name, struct expr *expr)
{
    expr->kind = EXPR_CALL;
    char *lower = arena_copy(p->arena, name.bytes, name.size_bytes);
    if (lower == NULL) return parse_no_memory(p);
    for (size_t i = 0; i < name.size_bytes; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z') lower[i] = (char)(lower[i] - 'A' + 'a');
    expr->call.function = (struct phusa_text){lower, name.size_bytes};
    phusa_status status = parse_enter(p);
    if (status != PHUSA_OK) return status;
    status = parse_expect(p, TOKEN_LEFT, "(");
    if (status == PHUSA_OK) status = parse_arguments(p, expr);
    if (status != PHUSA_OK) return status;
    parse_leave(p);
    if (expr->call.argument_count == 0 && text_equal(expr->call.function, text_of("now")))
        expr->kind = EXPR_NOW;
    return PHUSA_OK;
}

/* a.b.c is one name with dots in it. */
static phusa_status parse_reference(struct parser *p, struct expr *expr)
{
    expr->kind = EXPR_NAME;
    struct segments segments;
    phusa_status status = parse_segments(p, &segments);
    if (status != PHUSA_OK) return status;
    if (segments.has_regex) return parse_fail(p, PHUSA_ESYNTAX, "a regex cannot follow a dot here");
    struct phusa_text name = segments.names[0];
    for (size_t i = 1; i < segments.count; i++) {
        const char *joined =
            arena_print(p->arena, "%.*s.%.*s", (int)name.size_bytes, name.bytes,
                        (int)segments.names[i].size_bytes, segments.names[i].bytes);
        if (joined == NULL) return parse_no_memory(p);
        name = text_of(joined);
    }
    expr->reference.name = name;
    return parse_cast(p, false, &expr->reference.cast);
}

static bool at_adjacent_left(const struct parser *p)
{
    return p->token.end < p->lexer.size_bytes && p->lexer.text[p->token.end] == '(';
}

static phusa_status parse_name_or_call(struct parser *p, struct expr *expr)
{
    const struct token token = p->token;
    const bool quoted = p->lexer.text[token.offset] == '"';
    if (quoted || !at_adjacent_left(p)) return parse_reference(p, expr);
    const phusa_status status = parse_advance(p);
    return status != PHUSA_OK ? status : parse_call(p, token.text, expr);
}

/* DISTINCT name, or distinct(...) */
static phusa_status parse_distinct(struct parser *p, struct expr *expr)
{
    const bool is_call = at_adjacent_left(p);
    phusa_status status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    if (is_call) return parse_call(p, text_of("distinct"), expr);
    struct expr *argument = new_expr(p, EXPR_NAME, p->token.offset);
    struct expr **arguments = arena_array(p->arena, 1, sizeof *arguments);
    if (argument == NULL || arguments == NULL) return parse_no_memory(p);
    status = parse_name(p, &argument->reference.name);
    if (status != PHUSA_OK) return status;
    arguments[0] = argument;
    expr->kind = EXPR_CALL;
    expr->call.function = text_of("distinct");
    expr->call.arguments = arguments;
    expr->call.argument_count = 1;
    return PHUSA_OK;
}

/* ---- operands ---- */

static phusa_status parse_operand(struct parser *p, struct expr **out);

/* In parentheses. */
static phusa_status parse_group(struct parser *p, struct expr **out)
{
    phusa_status status = parse_enter(p);
    if (status != PHUSA_OK) return status;
    status = parse_expect(p, TOKEN_LEFT, "(");
    if (status == PHUSA_OK) status = parse_expr(p, out);
    if (status == PHUSA_OK) status = parse_expect(p, TOKEN_RIGHT, ")");
    if (status != PHUSA_OK) return status;
    parse_leave(p);
    if ((*out)->kind == EXPR_BINARY) (*out)->binary.parenthesised = true;
    return PHUSA_OK;
}

/* A sign; what follows must be a number, a name, a call or a group. */
static phusa_status parse_signed(struct parser *p, struct expr **out)
{
    const uint32_t offset = p->token.offset;
    const bool negative = p->token.kind == TOKEN_SUBTRACT;
    phusa_status status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    struct expr *expr = new_expr(p, EXPR_INTEGER, offset);
    if (expr == NULL) return parse_no_memory(p);
    bool is_literal;
    status = parse_literal(p, negative, expr, &is_literal);
    if (status != PHUSA_OK) return status;
    if (is_literal) {
        *out = expr;
        return PHUSA_OK;
    }
    if (p->token.kind != TOKEN_NAME && p->token.kind != TOKEN_LEFT)
        return parse_unexpected(p, "identifier, number, duration, (");
    struct expr *operand;
    status = parse_operand(p, &operand);
    if (status != PHUSA_OK) return status;
    expr->integer = negative ? -1 : 1;
    struct expr *product = new_expr(p, EXPR_BINARY, offset);
    if (product == NULL) return parse_no_memory(p);
    product->binary.op = OP_MULTIPLY;
    product->binary.left = expr;
    product->binary.right = operand;
    product->binary.parenthesised = true;
    *out = product;
    return PHUSA_OK;
}

static phusa_status parse_simple(struct parser *p, struct expr *expr)
{
    switch (p->token.kind) {
    case TOKEN_NAME:
        return parse_name_or_call(p, expr);
    case TOKEN_DISTINCT:
        return parse_distinct(p, expr);
    case TOKEN_STRING:
        expr->kind = EXPR_STRING;
        expr->text = p->token.text;
        return parse_advance(p);
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        expr->kind = EXPR_BOOLEAN;
        expr->boolean = p->token.kind == TOKEN_TRUE;
        return parse_advance(p);
    case TOKEN_MULTIPLY: {
        expr->kind = EXPR_WILDCARD;
        const phusa_status status = parse_advance(p);
        return status != PHUSA_OK ? status : parse_cast(p, true, &expr->reference.cast);
    }
    default:
        return parse_unexpected(p, OPERAND);
    }
}

static phusa_status parse_operand(struct parser *p, struct expr **out)
{
    if (p->token.kind == TOKEN_LEFT) return parse_group(p, out);
    if (p->token.kind == TOKEN_ADD || p->token.kind == TOKEN_SUBTRACT) return parse_signed(p, out);
    struct expr *expr = new_expr(p, EXPR_INTEGER, p->token.offset);
    if (expr == NULL) return parse_no_memory(p);
    bool is_literal;
    phusa_status status = parse_literal(p, false, expr, &is_literal);
    if (status == PHUSA_OK && !is_literal) status = parse_simple(p, expr);
    if (status == PHUSA_OK) *out = expr;
    return status;
}

/* ---- operators ---- */

_Static_assert(TOKEN_OR - TOKEN_ADD == OP_OR - OP_ADD, "operators are in one order");

/* 0: none. */
static int precedence(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_OR:
        return 1;
    case TOKEN_AND:
        return 2;
    case TOKEN_EQUAL:
    case TOKEN_NOT_EQUAL:
    case TOKEN_LESS:
    case TOKEN_LESS_EQUAL:
    case TOKEN_GREATER:
    case TOKEN_GREATER_EQUAL:
    case TOKEN_MATCH:
    case TOKEN_NOT_MATCH:
        return 3;
    case TOKEN_ADD:
    case TOKEN_SUBTRACT:
    case TOKEN_BIT_OR:
    case TOKEN_BIT_XOR:
        return 4;
    case TOKEN_MULTIPLY:
    case TOKEN_DIVIDE:
    case TOKEN_MODULO:
    case TOKEN_BIT_AND:
        return 5;
    default:
        return 0;
    }
}

static phusa_status parse_pattern(struct parser *p, struct expr **out)
{
    struct expr *expr = new_expr(p, EXPR_REGEX, p->token.offset);
    if (expr == NULL) return parse_no_memory(p);
    const phusa_status status = parse_regex(p, &expr->text);
    if (status == PHUSA_OK) *out = expr;
    return status;
}

/* Operands joined by operators of at least this precedence. */
static phusa_status parse_chain(struct parser *p, int least, struct expr **out)
{
    struct expr *left;
    phusa_status status = parse_operand(p, &left);
    if (status != PHUSA_OK) return status;
    for (;;) {
        const struct token token = p->token;
        const int level = precedence(token.kind);
        if (level == 0 || level < least) break;
        if (p->operators++ == EXPRESSION_OPERATORS_MAX)
            return parse_fail(p, PHUSA_ELIMIT, "an expression of more than %u operators",
                              EXPRESSION_OPERATORS_MAX);
        status = parse_advance(p);
        if (status != PHUSA_OK) return status;
        struct expr *right;
        if (token.kind == TOKEN_MATCH || token.kind == TOKEN_NOT_MATCH)
            status = parse_pattern(p, &right);
        else
            status = parse_chain(p, level + 1, &right);
        if (status != PHUSA_OK) return status;
        struct expr *binary = new_expr(p, EXPR_BINARY, token.offset);
        if (binary == NULL) return parse_no_memory(p);
        binary->binary.op = (enum expr_operator)(token.kind - TOKEN_ADD + OP_ADD);
        binary->binary.left = left;
        binary->binary.right = right;
        left = binary;
    }
    *out = left;
    return PHUSA_OK;
}

phusa_status parse_expr(struct parser *p, struct expr **out)
{
    return parse_chain(p, 1, out);
}

phusa_status parse_expr_or_regex(struct parser *p, struct expr **out)
{
    return p->token.kind == TOKEN_DIVIDE ? parse_pattern(p, out) : parse_expr(p, out);
}
