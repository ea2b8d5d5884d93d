/*
 * httpconn.h - one HTTP/1.1 connection that is kept open from request to request.
 *
 * Plain sockets and poll(): a client waits for one answer at a time, so an event loop would
 * only hide the order of things.
 *
 * Ownership  the struct owns its socket; httpconn_init() to begin, httpconn_deinit() to end.
 * Threads    one.
 * Errors     a status, a sentence in *error, and in *answer how far the exchange came, so that
 *            the caller can judge whether a repeat is harmless. A failed exchange closes the
 *            connection; the next one opens a new one.
 */
#ifndef PHUSA_CLIENT_HTTPCONN_H
#define PHUSA_CLIENT_HTTPCONN_H

#include "serverurl.h"

struct httpconn {
    const struct serverurl *url; /* borrowed; outlives the connection */
    int connect_timeout_ms;
    int timeout_ms; /* silence; < 0: for ever */
    bool (*interrupted)(void *context);
    void *interrupted_context;
    int fd; /* -1: closed */
};

struct httpconn_request {
    const char *head; /* request line and headers with their empty line */
    size_t head_bytes;
    const char *body;
    size_t body_bytes;
};

struct httpconn_answer {
    /* Set by the caller: the body as it arrives, status known. Anything but PHUSA_CLIENT_OK ends
     * the exchange with that status. */
    phusa_client_status (*body)(void *context, int http_status, const char *bytes,
                                size_t size_bytes);
    void *body_context;

    int http_status;
    char version[64];   /* X-Influxdb-Version, or X-Phusa-Version, cut to fit */
    int retry_after_ms; /* -1: the header was not there or is a date */
    bool connected;     /* a socket was there to send on */
    bool reused;        /* ... and it had served a request before */
    bool began;         /* the first byte of an answer arrived */
};

void httpconn_init(struct httpconn *connection, const struct serverurl *url);
void httpconn_deinit(struct httpconn *connection);

PHUSA_CLIENT_MUST_USE phusa_client_status httpconn_exchange(struct httpconn *connection,
                                                            const struct httpconn_request *request,
                                                            struct httpconn_answer *answer,
                                                            struct phusa_client_error *error);

/* Pause, unless interrupted: PHUSA_CLIENT_ESTOPPED. */
PHUSA_CLIENT_MUST_USE phusa_client_status httpconn_pause(const struct httpconn *connection,
                                                         int pause_ms);

#endif
