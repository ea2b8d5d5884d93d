/*
 * execute.h - runs the statements of a request, one after another, into a sink.
 */
#ifndef PHUSA_QUERY_EXECUTE_H
#define PHUSA_QUERY_EXECUTE_H

#include "query/environment.h"
#include "query/statement.h"

/* A statement's error goes to the sink's statement_end, and ends the request. The status is not
 * PHUSA_OK only where the sink said so. */
PHUSA_MUST_USE phusa_status execute_request(const struct query_environment *environment,
                                            const struct request *request,
                                            const struct phusa_query_options *options,
                                            const struct phusa_sink *sink);

#endif
