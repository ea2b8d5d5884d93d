/* status.c - see status.h. */
#include "base/status.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

phusa_status error_set(struct phusa_error *error, phusa_status status, const char *format, ...)
{
    assert(status < 0);
    if (error == NULL) return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

phusa_status status_from_errno(int error_number)
{
    switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return PHUSA_ENOSPC;
    case ENOMEM:
        return PHUSA_ENOMEM;
    case ENOENT:
        return PHUSA_ENOTFOUND;
    default:
        return PHUSA_EIO;
    }
}

const char *phusa_status_text(phusa_status status)
{
    switch (status) {
    case PHUSA_OK:
        return "ok";
    case PHUSA_EINVAL:
        return "invalid argument";
    case PHUSA_ENOMEM:
        return "out of memory";
    case PHUSA_EIO:
        return "disk failure";
    case PHUSA_ENOSPC:
        return "no space on disk";
    case PHUSA_ECORRUPT:
        return "damaged data";
    case PHUSA_EVERSION:
        return "unknown format version";
    case PHUSA_ENOTFOUND:
        return "not found";
    case PHUSA_EEXISTS:
        return "exists already";
    case PHUSA_ETYPE:
        return "field type conflict";
    case PHUSA_ELIMIT:
        return "limit exceeded";
    case PHUSA_EBUSY:
        return "busy";
    case PHUSA_EFAILED:
        return "refused after an earlier disk failure";
    case PHUSA_ELOCKED:
        return "locked by another process";
    case PHUSA_ESYNTAX:
        return "syntax error";
    case PHUSA_ECANCELLED:
        return "cancelled";
    case PHUSA_ERANGE:
        return "out of range";
    case PHUSA_EUNSUPPORTED:
        return "not supported";
    case PHUSA_EPARTIAL:
        return "some points were refused";
    default:
        return "unknown status";
    }
}

const char *type_text(enum phusa_type type)
{
    static const char *const texts[] = {
        [PHUSA_FLOAT] = "float",     [PHUSA_INTEGER] = "integer", [PHUSA_UNSIGNED] = "unsigned",
        [PHUSA_BOOLEAN] = "boolean", [PHUSA_STRING] = "string",
    };
    return texts[type];
}

const char *phusa_version(void)
{
    return PHUSA_VERSION;
}

const char *phusa_commit(void)
{
    return PHUSA_COMMIT;
}
