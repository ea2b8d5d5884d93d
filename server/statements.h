/*
 * statements.h - where the statements of a request begin, and which of them change anything.
 *
 * For one purpose: a GET that changes something works, as in InfluxDB 1.x, but its answer says that
 * it should have been a POST. Only the engine understands statements; this splits them by ';'
 * outside quotes and comments and looks at the first word, and a mistake costs a missing warning.
 */
#ifndef PHUSAD_STATEMENTS_H
#define PHUSAD_STATEMENTS_H

#include "phusa.h"

/* Take the next statement off *text, without spaces around it; empty ones are passed over.
 * false: there is none left. */
bool next_statement(struct phusa_text *text, struct phusa_text *statement);
bool changes_something(struct phusa_text statement);

#endif
