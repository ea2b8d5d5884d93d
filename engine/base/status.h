/*
 * status.h - outcomes: the codes of phusa.h, and sentences for people.
 *
 * A function that can fail returns a phusa_status. Where a person will read the
 * outcome it also takes a `struct phusa_error *`, which may be NULL.
 */
#ifndef PHUSA_BASE_STATUS_H
#define PHUSA_BASE_STATUS_H

#include "phusa.h"

/* Fill `error` (which may be NULL) and return `status`, so that a caller can write
 * `return error_set(error, PHUSA_EINVAL, "...")`. The text is cut to fit. */
phusa_status error_set(struct phusa_error *error, phusa_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* PHUSA_ENOSPC for ENOSPC, EDQUOT and EFBIG, PHUSA_ENOMEM for ENOMEM, PHUSA_ENOTFOUND for
 * ENOENT, else PHUSA_EIO. */
phusa_status status_from_errno(int error_number);

/* "float", "integer" ...: what InfluxQL calls a type. Static. */
const char *type_text(enum phusa_type type);

#endif
