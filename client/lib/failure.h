/*
 * failure.h - fill in a phusa_client_error and pass its status on.
 */
#ifndef PHUSA_CLIENT_FAILURE_H
#define PHUSA_CLIENT_FAILURE_H

#include "phusa_client.h"

/* Fill `error` (which may be NULL) and return `status`. The text is cut to fit. */
phusa_client_status failure_set(struct phusa_client_error *error, phusa_client_status status,
                                const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
