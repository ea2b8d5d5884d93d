/*
 * respond.h - the writing of answers, between serve.c and respond.c only.
 */
#ifndef PHUSAD_RESPOND_H
#define PHUSAD_RESPOND_H

#include "serve.h"

/* Choose the request's id: the client's, or one of ours. */
void respond_request_id(struct exchange *exchange);
/* text/plain, as Go's servers refuse paths and methods. */
void respond_plain(struct exchange *exchange, int status, const char *headers, const char *text);
/* An answer to something that never became an exchange. The caller then finishes the connection. */
void respond_fault(struct conn *conn, int status, const char *reason);
/* The answer has been handed over whole: the door may go on. Defined in serve.c. */
void exchange_complete(struct exchange *exchange);

#endif
