/* parse_admin.c - CREATE, ALTER, DROP and DELETE. */
#include "text/parser.h"

#include "base/decimal.h"

/* ---- options of policies ---- */

/* One node keeps one copy: the number is taken in and means nothing. */
static phusa_status parse_replication(struct parser *p, struct policy_clause *policy)
{
    if (p->token.kind != TOKEN_INTEGER) return parse_unexpected(p, "integer");
    int64_t copies;
    if (decimal_parse_int64(p->token.text.bytes, p->token.text.size_bytes, &copies) != PHUSA_OK ||
        copies < 1 || copies > INT32_MAX) {
        unsigned line;
        unsigned character;
        token_place(&p->lexer, &p->token, &line, &character);
        return parse_fail(p, PHUSA_ESYNTAX,
                          "invalid value %.*s: must be 1 <= n <= 2147483647 at line %u, char %u",
                          (int)p->token.text.size_bytes, p->token.text.bytes, line, character);
    }
    policy->has_replication = true;
    return parse_advance(p);
}

/* The option whose first word comes next, if it is one of these and new; *found: it was. */
static phusa_status parse_policy_option(struct parser *p, struct policy_clause *policy, bool *found)
{
    const enum token_kind word = p->token.kind;
    const bool again = (word == TOKEN_DURATION_WORD && policy->has_duration) ||
                       (word == TOKEN_REPLICATION && policy->has_replication) ||
                       (word == TOKEN_SHARD && policy->has_shard) ||
                       (word == TOKEN_DEFAULT && policy->is_default);
    *found = word == TOKEN_DURATION_WORD || word == TOKEN_REPLICATION || word == TOKEN_SHARD ||
             word == TOKEN_DEFAULT;
    if (!*found) return PHUSA_OK;
    if (again) {
        unsigned line;
        unsigned character;
        token_place(&p->lexer, &p->token, &line, &character);
        const struct phusa_text name = token_found(&p->token);
        return parse_fail(p, PHUSA_ESYNTAX, "found duplicate %.*s option at line %u, char %u",
                          (int)name.size_bytes, name.bytes, line, character);
    }
    phusa_status status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    if (word == TOKEN_DURATION_WORD) {
        policy->has_duration = true;
        return parse_span(p, &policy->duration);
    }
    if (word == TOKEN_REPLICATION) return parse_replication(p, policy);
    if (word == TOKEN_SHARD) {
        policy->has_shard = true;
        status = parse_expect(p, TOKEN_DURATION_WORD, "DURATION");
        return status == PHUSA_OK ? parse_span(p, &policy->shard) : status;
    }
    policy->is_default = true;
    return PHUSA_OK;
}

static phusa_status parse_policy_options(struct parser *p, struct policy_clause *policy)
{
    bool found = true;
    phusa_status status = PHUSA_OK;
    while (status == PHUSA_OK && found)
        status = parse_policy_option(p, policy, &found);
    return status;
}

/* ---- databases ---- */

/* WITH [DURATION d] [REPLICATION n] [SHARD DURATION d] [NAME n] */
static phusa_status parse_database_policy(struct parser *p, struct statement *statement)
{
    bool has_with;
    phusa_status status = parse_accept(p, TOKEN_WITH, &has_with);
    if (status != PHUSA_OK || !has_with) return status;
    statement->has_policy = true;
    if (p->token.kind != TOKEN_DURATION_WORD && p->token.kind != TOKEN_REPLICATION &&
        p->token.kind != TOKEN_SHARD && p->token.kind != TOKEN_NAME_WORD)
        return parse_unexpected(p, "DURATION, NAME, REPLICATION, SHARD");
    bool found = true;
    while (found && p->token.kind != TOKEN_DEFAULT) {
        status = parse_policy_option(p, &statement->policy, &found);
        if (status != PHUSA_OK) return status;
    }
    bool has_name;
    status = parse_accept(p, TOKEN_NAME_WORD, &has_name);
    if (status != PHUSA_OK || !has_name) return status;
    return parse_name(p, &statement->policy_name);
}

static phusa_status parse_create_database(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_CREATE_DATABASE;
    phusa_status status = parse_name(p, &statement->name);
    if (status == PHUSA_OK) status = parse_database_policy(p, statement);
    if (status != PHUSA_OK || !parse_at_word(p, "tz")) return status;
    status = parse_advance(p);
    return status == PHUSA_OK ? parse_string(p, &statement->zone) : status;
}

static phusa_status parse_alter_database(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_ALTER_DATABASE;
    phusa_status status = parse_name(p, &statement->name);
    if (status != PHUSA_OK) return status;
    if (!parse_at_word(p, "tz")) return parse_unexpected(p, "TZ");
    status = parse_advance(p);
    return status == PHUSA_OK ? parse_string(p, &statement->zone) : status;
}

/* ---- policies ---- */

/* POLICY name ON database */
static phusa_status parse_policy_name(struct parser *p, struct statement *statement)
{
    phusa_status status = parse_expect(p, TOKEN_POLICY, "POLICY");
    if (status == PHUSA_OK) status = parse_name(p, &statement->name);
    if (status == PHUSA_OK) status = parse_expect(p, TOKEN_ON, "ON");
    return status == PHUSA_OK ? parse_name(p, &statement->database) : status;
}

static phusa_status parse_create_policy(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_CREATE_POLICY;
    struct policy_clause *policy = &statement->policy;
    phusa_status status = parse_policy_name(p, statement);
    if (status == PHUSA_OK) status = parse_expect(p, TOKEN_DURATION_WORD, "DURATION");
    if (status == PHUSA_OK) status = parse_span(p, &policy->duration);
    policy->has_duration = true;
    if (status == PHUSA_OK) status = parse_expect(p, TOKEN_REPLICATION, "REPLICATION");
    if (status == PHUSA_OK) status = parse_replication(p, policy);
    return status == PHUSA_OK ? parse_policy_options(p, policy) : status;
}

static phusa_status parse_alter_policy(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_ALTER_POLICY;
    phusa_status status = parse_policy_name(p, statement);
    if (status != PHUSA_OK) return status;
    bool found;
    status = parse_policy_option(p, &statement->policy, &found);
    if (status != PHUSA_OK) return status;
    if (!found) return parse_unexpected(p, "DURATION, REPLICATION, SHARD, DEFAULT");
    return parse_policy_options(p, &statement->policy);
}

/* ---- which ---- */

phusa_status parse_create(struct parser *p, struct statement *statement)
{
    statement->changes = true;
    const enum token_kind word = p->token.kind;
    if (word != TOKEN_DATABASE && word != TOKEN_RETENTION)
        return parse_unexpected(p, "DATABASE, RETENTION");
    const phusa_status status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    return word == TOKEN_DATABASE ? parse_create_database(p, statement)
                                  : parse_create_policy(p, statement);
}

phusa_status parse_alter(struct parser *p, struct statement *statement)
{
    statement->changes = true;
    const enum token_kind word = p->token.kind;
    if (word != TOKEN_DATABASE && word != TOKEN_RETENTION)
        return parse_unexpected(p, "DATABASE, RETENTION");
    const phusa_status status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    return word == TOKEN_DATABASE ? parse_alter_database(p, statement)
                                  : parse_alter_policy(p, statement);
}

/* FROM and WHERE, of which one must be there. */
static phusa_status parse_from_where(struct parser *p, struct statement *statement)
{
    if (p->token.kind != TOKEN_FROM && p->token.kind != TOKEN_WHERE)
        return parse_unexpected(p, "FROM, WHERE");
    const phusa_status status = parse_optional_from(p, statement);
    return status == PHUSA_OK ? parse_optional_where(p, &statement->where) : status;
}

phusa_status parse_drop(struct parser *p, struct statement *statement)
{
    statement->changes = true;
    const enum token_kind word = p->token.kind;
    if (word != TOKEN_DATABASE && word != TOKEN_MEASUREMENT && word != TOKEN_RETENTION &&
        word != TOKEN_SERIES)
        return parse_unexpected(p, "DATABASE, MEASUREMENT, RETENTION, SERIES");
    const phusa_status status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    switch (word) {
    case TOKEN_DATABASE:
        statement->kind = STATEMENT_DROP_DATABASE;
        return parse_name(p, &statement->name);
    case TOKEN_MEASUREMENT:
        statement->kind = STATEMENT_DROP_MEASUREMENT;
        return parse_name(p, &statement->name);
    case TOKEN_RETENTION:
        statement->kind = STATEMENT_DROP_POLICY;
        return parse_policy_name(p, statement);
    default:
        statement->kind = STATEMENT_DROP_SERIES;
        return parse_from_where(p, statement);
    }
}

phusa_status parse_delete(struct parser *p, struct statement *statement)
{
    statement->changes = true;
    statement->kind = STATEMENT_DELETE;
    return parse_from_where(p, statement);
}
