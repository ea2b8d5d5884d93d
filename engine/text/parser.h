/*
 * parser.h - the parts of InfluxQL's parser, for text/parse*.c and influxql.c only.
 *
 * Recursive descent with one token ahead. A function that fails has filled parser->error; its
 * status is all that its caller needs to hand on.
 *
 *   influxql.c      requests, and which statement it is
 *   parse.c         tokens, names, numbers, sources: what all statements share
 *   parse_expr.c    expressions
 *   parse_select.c  SELECT
 *   parse_show.c    SHOW
 *   parse_admin.c   CREATE, ALTER, DROP, DELETE
 */
#ifndef PHUSA_TEXT_PARSER_H
#define PHUSA_TEXT_PARSER_H

#include "base/limits.h"
#include "query/statement.h"
#include "text/lexer.h"

struct parser {
    struct lexer lexer;
    struct arena *arena;
    struct token token; /* that comes next */
    unsigned depth;     /* of parentheses, calls and subqueries around it */
    unsigned operators; /* in the expression at hand, whose tree may be so deep */
    struct phusa_error *error;
};

/* ---- parse.c ---- */

/* "found TOKEN, expected `expected` at line L, char C" */
PHUSA_MUST_USE phusa_status parse_unexpected(struct parser *p, const char *expected);
PHUSA_MUST_USE phusa_status parse_fail(struct parser *p, phusa_status status, const char *format,
                                       ...) __attribute__((format(printf, 3, 4)));
PHUSA_MUST_USE phusa_status parse_no_memory(struct parser *p);
/* The next token. */
PHUSA_MUST_USE phusa_status parse_advance(struct parser *p);
/* If the next token is of this kind, pass it by. */
PHUSA_MUST_USE phusa_status parse_accept(struct parser *p, enum token_kind kind, bool *accepted);
/* It must be. */
PHUSA_MUST_USE phusa_status parse_expect(struct parser *p, enum token_kind kind,
                                         const char *expected);
PHUSA_MUST_USE phusa_status parse_expect_two(struct parser *p, enum token_kind first,
                                             const char *first_expected, enum token_kind second,
                                             const char *second_expected);
PHUSA_MUST_USE phusa_status parse_name(struct parser *p, struct phusa_text *out);
/* Is the next token this name, in any case? For words that are no keywords. */
bool parse_at_word(const struct parser *p, const char *word);
/* Where a regular expression may stand: if the next token is a '/', it becomes TOKEN_REGEX. */
PHUSA_MUST_USE phusa_status parse_look_for_regex(struct parser *p);
/* A regular expression must follow. */
PHUSA_MUST_USE phusa_status parse_regex(struct parser *p, struct phusa_text *pattern);
/* [KEYWORD integer] */
PHUSA_MUST_USE phusa_status parse_optional_count(struct parser *p, enum token_kind keyword,
                                                 uint64_t *count);
PHUSA_MUST_USE phusa_status parse_string(struct parser *p, struct phusa_text *out);
/* A span as of a retention policy; INF is {0,0}. */
PHUSA_MUST_USE phusa_status parse_span(struct parser *p, struct phusa_interval *out);

PHUSA_MUST_USE phusa_status parse_enter(struct parser *p);
void parse_leave(struct parser *p);

/* One or more segments: a.b.c, a..c; the last may be a regular expression. */
struct segments {
    struct phusa_text names[3];
    size_t count;
    bool has_regex;
    struct phusa_text pattern;
};
PHUSA_MUST_USE phusa_status parse_segments(struct parser *p, struct segments *out);
/* FROM is passed by already. */
PHUSA_MUST_USE phusa_status parse_sources(struct parser *p, bool subqueries,
                                          struct source **sources, size_t *source_count);
/* [ON database] */
PHUSA_MUST_USE phusa_status parse_optional_on(struct parser *p, struct phusa_text *database);
/* [FROM sources], without subqueries */
PHUSA_MUST_USE phusa_status parse_optional_from(struct parser *p, struct statement *statement);
/* [WHERE condition] */
PHUSA_MUST_USE phusa_status parse_optional_where(struct parser *p, struct expr **where);
/* [ORDER BY [time] [ASC|DESC]] */
PHUSA_MUST_USE phusa_status parse_optional_order(struct parser *p, bool *descending);

/* Append to an array in the arena: NULL without memory. Arrays double, so an array of n leaves
 * less than n behind. */
void *parse_append(struct parser *p, void *array, size_t *count, size_t *capacity,
                   size_t size_bytes, const void *item);

/* ---- parse_expr.c, parse_select.c, parse_show.c, parse_admin.c ---- */

PHUSA_MUST_USE phusa_status parse_expr(struct parser *p, struct expr **out);
/* Or a regular expression alone: a column, an argument, a dimension. */
PHUSA_MUST_USE phusa_status parse_expr_or_regex(struct parser *p, struct expr **out);
PHUSA_MUST_USE phusa_status parse_duration(struct parser *p, struct phusa_interval *out);
/* SELECT is passed by already. */
PHUSA_MUST_USE phusa_status parse_select(struct parser *p, struct select_statement **out);
PHUSA_MUST_USE phusa_status parse_show(struct parser *p, struct statement *statement);
PHUSA_MUST_USE phusa_status parse_create(struct parser *p, struct statement *statement);
PHUSA_MUST_USE phusa_status parse_alter(struct parser *p, struct statement *statement);
PHUSA_MUST_USE phusa_status parse_drop(struct parser *p, struct statement *statement);
PHUSA_MUST_USE phusa_status parse_delete(struct parser *p, struct statement *statement);

#endif
