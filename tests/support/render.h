/*
 * render.h - answers as text, for tests that compare whole answers:
 *
 *     # statement 0
 *     cpu{host=a} time usage
 *     1970-01-01T00:00:00Z 1.5
 *     ! the error of the statement
 *
 * A missing value is "-".
 */
#ifndef TESTS_SUPPORT_RENDER_H
#define TESTS_SUPPORT_RENDER_H

#include "phusa.h"

/* Run a request and render it; the caller frees. `database` may be NULL. */
char *render_query(struct phusa *db, const char *database, const char *text);
char *render_select(struct phusa *db, const struct phusa_select *select);
/* Write lines (ns) to the default policy and expect `status`; the refusals, a line each, when
 * refusals is not NULL (the caller frees). */
phusa_status write_lines(struct phusa *db, const char *database, const char *lines,
                         char **refusals);

#endif
