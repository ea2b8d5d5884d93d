/*
 * influxql.h - InfluxQL to the trees of query/statement.h, and back.
 *
 * The grammar is InfluxQL 1.8's for the statements that statement.h names, with these additions:
 * names may hold any letters unquoted; numbers may have exponents; durations mo, q, y;
 * CREATE DATABASE d TZ 'zone' and ALTER DATABASE d TZ 'zone'.
 *
 * Ownership  trees lie in the arena, and may point into the text: it must live as long.
 * Threads    any.
 * Errors     PHUSA_ESYNTAX with InfluxDB's sentence: "found FROM, expected identifier at line 1,
 *            char 8".  PHUSA_ELIMIT: too long, too deep, too many statements or the arena's
 *            budget.  PHUSA_ENOMEM.
 */
#ifndef PHUSA_TEXT_INFLUXQL_H
#define PHUSA_TEXT_INFLUXQL_H

#include "base/buffer.h"
#include "query/statement.h"

/* Statements separated by ';', of which some may be empty. */
PHUSA_MUST_USE phusa_status influxql_parse(const char *text, size_t size_bytes, struct arena *arena,
                                           struct request *out, struct phusa_error *error);

/* Canonical text, which parses to the same tree. buffer->bad without memory. */
void influxql_print(struct buffer *out, const struct statement *statement);
void influxql_print_select(struct buffer *out, const struct select_statement *select);
void influxql_print_expr(struct buffer *out, const struct expr *expr);

#endif
