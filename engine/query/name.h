/*
 * name.h - what the columns of an answer are called, as in InfluxDB: a call by its function, a
 * field by its name, anything calculated by the names in it: mean(x)*2 is mean, a + b is a_b.
 */
#ifndef PHUSA_QUERY_NAME_H
#define PHUSA_QUERY_NAME_H

#include "query/statement.h"

/* Without an alias and on its own; empty for what has no name (a constant). It may point into the
 * expression; otherwise it lies in `arena`. PHUSA_ENOMEM. */
PHUSA_MUST_USE phusa_status select_column_name(const struct expr *expr, struct arena *arena,
                                               struct phusa_text *out);
/* Of all columns together, out[0..column_count): an alias is taken as it is, then a name that is
 * there already gets _1, _2 ... Wildcards must have been replaced before. PHUSA_ENOMEM. */
PHUSA_MUST_USE phusa_status select_column_names(const struct select_column *columns,
                                                size_t column_count, struct arena *arena,
                                                struct phusa_text *out);

#endif
