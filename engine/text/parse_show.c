/* parse_show.c - SHOW. */
#include "text/parser.h"

/* [LIMIT n] [OFFSET n] [SLIMIT n] [SOFFSET n] */
static phusa_status parse_limits(struct parser *p, struct statement *statement)
{
    phusa_status status = parse_optional_count(p, TOKEN_LIMIT, &statement->limit);
    if (status == PHUSA_OK) status = parse_optional_count(p, TOKEN_OFFSET, &statement->row_offset);
    if (status == PHUSA_OK)
        status = parse_optional_count(p, TOKEN_SLIMIT, &statement->series_limit);
    if (status == PHUSA_OK)
        status = parse_optional_count(p, TOKEN_SOFFSET, &statement->series_offset);
    return status;
}

/* [WHERE ...] [ORDER BY ...] [LIMIT ...] ...; the order is taken in and has no meaning, as the
 * answers are names. */
static phusa_status parse_rest(struct parser *p, struct statement *statement)
{
    bool descending = false;
    phusa_status status = parse_optional_where(p, &statement->where);
    if (status == PHUSA_OK) status = parse_optional_order(p, &descending);
    return status == PHUSA_OK ? parse_limits(p, statement) : status;
}

/* [WITH MEASUREMENT = name | =~ /pattern/] */
static phusa_status parse_with_measurement(struct parser *p, struct statement *statement)
{
    bool has_with;
    phusa_status status = parse_accept(p, TOKEN_WITH, &has_with);
    if (status != PHUSA_OK || !has_with) return status;
    status = parse_expect(p, TOKEN_MEASUREMENT, "MEASUREMENT");
    if (status != PHUSA_OK) return status;
    const bool by_name = p->token.kind == TOKEN_EQUAL;
    if (!by_name && p->token.kind != TOKEN_MATCH) return parse_unexpected(p, "=, =~");
    status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    struct source *source = arena_zalloc(p->arena, sizeof *source);
    if (source == NULL) return parse_no_memory(p);
    source->kind = by_name ? SOURCE_NAME : SOURCE_REGEX;
    source->offset = p->token.offset;
    status = by_name ? parse_name(p, &source->name) : parse_regex(p, &source->name);
    if (status != PHUSA_OK) return status;
    statement->sources = source;
    statement->source_count = 1;
    return PHUSA_OK;
}

/* ---- WITH KEY ---- */

static phusa_status parse_key_list(struct parser *p, struct key_clause *keys)
{
    phusa_status status = parse_expect(p, TOKEN_LEFT, "(");
    if (status != PHUSA_OK) return status;
    size_t capacity = 0;
    bool more = true;
    while (more) {
        struct phusa_text name;
        status = parse_name(p, &name);
        if (status != PHUSA_OK) return status;
        keys->values =
            parse_append(p, keys->values, &keys->value_count, &capacity, sizeof name, &name);
        if (keys->values == NULL) return parse_no_memory(p);
        status = parse_accept(p, TOKEN_COMMA, &more);
        if (status != PHUSA_OK) return status;
    }
    return parse_expect(p, TOKEN_RIGHT, ")");
}

static phusa_status parse_one_key(struct parser *p, struct key_clause *keys)
{
    keys->values = arena_zalloc(p->arena, sizeof *keys->values);
    if (keys->values == NULL) return parse_no_memory(p);
    keys->value_count = 1;
    const bool by_pattern = keys->kind == KEY_MATCH || keys->kind == KEY_NOT_MATCH;
    return by_pattern ? parse_regex(p, keys->values) : parse_name(p, keys->values);
}

static phusa_status parse_with_key(struct parser *p, struct key_clause *keys)
{
    phusa_status status = parse_expect_two(p, TOKEN_WITH, "WITH", TOKEN_KEY, "KEY");
    if (status != PHUSA_OK) return status;
    switch (p->token.kind) {
    case TOKEN_IN:
        keys->kind = KEY_IN;
        break;
    case TOKEN_EQUAL:
        keys->kind = KEY_EQUAL;
        break;
    case TOKEN_NOT_EQUAL:
        keys->kind = KEY_NOT_EQUAL;
        break;
    case TOKEN_MATCH:
        keys->kind = KEY_MATCH;
        break;
    case TOKEN_NOT_MATCH:
        keys->kind = KEY_NOT_MATCH;
        break;
    default:
        return parse_unexpected(p, "IN, =, =~");
    }
    status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    return keys->kind == KEY_IN ? parse_key_list(p, keys) : parse_one_key(p, keys);
}

/* ---- which ---- */

static phusa_status parse_show_tag(struct parser *p, struct statement *statement)
{
    const bool values = p->token.kind == TOKEN_VALUES;
    if (!values && p->token.kind != TOKEN_KEYS) return parse_unexpected(p, "KEYS, VALUES");
    statement->kind = values ? STATEMENT_SHOW_TAG_VALUES : STATEMENT_SHOW_TAG_KEYS;
    phusa_status status = parse_advance(p);
    if (status == PHUSA_OK) status = parse_optional_on(p, &statement->database);
    if (status == PHUSA_OK) status = parse_optional_from(p, statement);
    if (status == PHUSA_OK && values) status = parse_with_key(p, &statement->keys);
    return status == PHUSA_OK ? parse_rest(p, statement) : status;
}

static phusa_status parse_show_field(struct parser *p, struct statement *statement)
{
    bool descending = false;
    statement->kind = STATEMENT_SHOW_FIELD_KEYS;
    phusa_status status = parse_expect(p, TOKEN_KEYS, "KEYS");
    if (status == PHUSA_OK) status = parse_optional_on(p, &statement->database);
    if (status == PHUSA_OK) status = parse_optional_from(p, statement);
    if (status == PHUSA_OK) status = parse_optional_order(p, &descending);
    return status == PHUSA_OK ? parse_limits(p, statement) : status;
}

static phusa_status parse_show_measurements(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_SHOW_MEASUREMENTS;
    phusa_status status = parse_optional_on(p, &statement->database);
    if (status == PHUSA_OK) status = parse_with_measurement(p, statement);
    return status == PHUSA_OK ? parse_rest(p, statement) : status;
}

static phusa_status parse_show_series(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_SHOW_SERIES;
    phusa_status status = parse_optional_on(p, &statement->database);
    if (status == PHUSA_OK) status = parse_optional_from(p, statement);
    return status == PHUSA_OK ? parse_rest(p, statement) : status;
}

static phusa_status parse_show_policies(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_SHOW_POLICIES;
    const phusa_status status = parse_expect(p, TOKEN_POLICIES, "POLICIES");
    return status == PHUSA_OK ? parse_optional_on(p, &statement->database) : status;
}

phusa_status parse_show(struct parser *p, struct statement *statement)
{
    static const struct {
        enum token_kind word;
        phusa_status (*parse)(struct parser *p, struct statement *statement);
    } shows[] = {
        {TOKEN_FIELD, parse_show_field},   {TOKEN_MEASUREMENTS, parse_show_measurements},
        {TOKEN_SERIES, parse_show_series}, {TOKEN_RETENTION, parse_show_policies},
        {TOKEN_TAG, parse_show_tag},
    };
    if (p->token.kind == TOKEN_DATABASES) {
        statement->kind = STATEMENT_SHOW_DATABASES;
        return parse_advance(p);
    }
    for (size_t i = 0; i < sizeof shows / sizeof *shows; i++) {
        if (p->token.kind != shows[i].word) continue;
        const phusa_status status = parse_advance(p);
        return status == PHUSA_OK ? shows[i].parse(p, statement) : status;
    }
    return parse_unexpected(p, "DATABASES, FIELD, MEASUREMENTS, RETENTION, SERIES, TAG");
}
