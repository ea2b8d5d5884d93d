/*
 * failure.c - statuses and their texts.
 */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

phusa_client_status failure_set(struct phusa_client_error *error, phusa_client_status status,
                                const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
        error->http_status = 0;
    }
    return status;
}

const char *phusa_client_status_text(phusa_client_status status)
{
    switch (status) {
    case PHUSA_CLIENT_OK:
        return "done";
    case PHUSA_CLIENT_PARTIAL:
        return "some lines were refused";
    case PHUSA_CLIENT_EINVAL:
        return "a wrong argument";
    case PHUSA_CLIENT_ENOMEM:
        return "no memory";
    case PHUSA_CLIENT_EUNREACHABLE:
        return "the server cannot be reached";
    case PHUSA_CLIENT_ETIMEOUT:
        return "the server did not answer in time";
    case PHUSA_CLIENT_EREFUSED:
        return "the server refused the request";
    case PHUSA_CLIENT_ESERVER:
        return "the server failed";
    case PHUSA_CLIENT_EANSWER:
        return "not an answer of a phusa server";
    case PHUSA_CLIENT_ESTATEMENT:
        return "a statement failed";
    case PHUSA_CLIENT_ESTOPPED:
        return "stopped";
    }
    return "unknown status";
}
