/*
 * pattern.h - regular expressions by PCRE2, with limits, so that no pattern runs away.
 *
 * A pattern matches anywhere in a text, as in InfluxQL.
 *
 * Threads  one at a time for a pattern.
 */
#ifndef PHUSA_QUERY_PATTERN_H
#define PHUSA_QUERY_PATTERN_H

#include "base/status.h"

struct pattern;
PHUSA_MUST_USE phusa_status pattern_compile(struct phusa_text text, struct pattern **out,
                                            struct phusa_error *error);
void pattern_free(struct pattern *pattern);
/* *failed is set (and never cleared) when a match limit was hit. */
bool pattern_match(struct pattern *pattern, struct phusa_text text, bool *failed);

#endif
