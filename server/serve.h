/*
 * serve.h - the HTTP door: requests of a connection, one after the other, each an exchange that a
 * handler answers.
 *
 * The stages of a connection; requests that come early wait as input until it is their turn, so
 * answers go out in order:
 *
 *     HEAD --head is whole--> BODY --body is whole--> ANSWER --answer is handed over--> HEAD
 *       |                      |                                                      (or close)
 *       |                      +-- answered early: the rest of the body is read and dropped, if
 *       |                          it is short; else the connection closes
 *       +-- malformed: 400 ... and close
 *
 * An answer that is complete may free its exchange at once: a handler touches neither it nor its
 * own state after exchange_answer() and its like.
 *
 * Threads  the connection's loop. Handlers that wait for others keep a pointer to the exchange
 *          until their gone() is called, and no longer.
 */
#ifndef PHUSAD_SERVE_H
#define PHUSAD_SERVE_H

#include "conn.h"
#include "form.h"
#include "gzip.h"
#include "http.h"

struct exchange;

struct route {
    const char *path;
    unsigned verbs;    /* bits 1u << VERB_... that it takes; OPTIONS is answered for it */
    const char *allow; /* for the header of a 405 */
    /* The head is in, exchange->form holds the address's parameters. May answer. */
    void (*begin)(struct exchange *exchange); /* NULL: nothing to do */
    /* A piece of the body, unzipped. Returns how much was used; if not all, it has set
     * conn->hold and will call conn_resume(). NULL: the body is gathered in exchange->text, up to
     * FORM_BYTES_MAX. */
    size_t (*body)(struct exchange *exchange, const char *bytes, size_t size_bytes);
    /* The body is whole. Answers, now or later; called again by conn_alarm() until it has. */
    void (*end)(struct exchange *exchange);
    /* Answered in full, or the client has gone: free exchange->state. NULL: it has none. */
    void (*gone)(struct exchange *exchange);
    /* A streamed answer may go on: less than WRITE_LOW_BYTES are unsent. */
    void (*drained)(struct exchange *exchange);
    bool eof_is_gone; /* a client that ends its side has lost interest: a browser tab was closed */
};

struct exchange {
    struct conn *conn;
    struct server *server;
    const struct route *route; /* NULL: answered before one was found */
    char *head_bytes;          /* what `head` points into */
    struct http_head head;
    struct form form;   /* of the address, */
    struct form posted; /* and of the body, which counts before it */
    struct http_body body;
    uint64_t body_bytes; /* payload so far, as sent */
    struct gunzip *gunzip;
    struct outbuf plain; /* unzipped and not yet taken, from plain_start */
    size_t plain_start;
    size_t turn_bytes; /* unzipped in this turn of the loop */
    bool body_ended;
    struct outbuf text; /* the body, for routes without body() */
    void *state;        /* the handler's */
    char request_id[80];
    bool close;    /* after the answer */
    bool answered; /* the answer's head is out */
    bool complete; /* all of it is */
    bool streaming;
    bool framed; /* the stream is sent in chunks */
};

extern const struct door serve_door;
extern const struct door serve_full_door; /* for connections beyond the bound: 503 */

/* The whole answer. type NULL: application/json. The bytes are copied. */
void exchange_answer(struct exchange *exchange, int status, const char *type, const char *bytes,
                     size_t size_bytes);
/* The same with headers of the handler's own: whole lines, each ending in CRLF. */
void exchange_answer_with(struct exchange *exchange, int status, const char *type,
                          const char *headers, const char *bytes, size_t size_bytes);
/* {"error":"..."} and X-Influxdb-Error, as InfluxDB does. A 503 carries Retry-After. */
void exchange_error(struct exchange *exchange, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a body of the handler's own. */
void exchange_answer_error(struct exchange *exchange, int status, const char *type,
                           const char *text, const char *bytes, size_t size_bytes);

/* An answer of unknown size: begin, put as long as the client keeps up (conn_unsent()), end. */
void exchange_stream_begin(struct exchange *exchange, int status, const char *type,
                           const char *headers);
void exchange_stream_put(struct exchange *exchange, char *bytes, size_t size_bytes); /* owned */
void exchange_stream_end(struct exchange *exchange);
/* Cut it off, so that the client notices that something is missing. */
void exchange_stream_break(struct exchange *exchange);

/* A parameter of the request, or NULL when it is absent or empty. */
const char *exchange_param(const struct exchange *exchange, const char *name);
bool exchange_wants_gzip(const struct exchange *exchange);

#endif
