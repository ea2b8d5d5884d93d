/*
 * http.h - one persistent HTTP/1.1 connection to 127.0.0.1: as little as a loader needs.
 *
 * Ownership  the answer's body belongs to the connection, until its next request.
 * Threads    one connection, one thread.
 * Errors     the program ends: a lost connection, silence for HTTP_SILENCE_S, or an answer that is
 *            no HTTP. What the status of an answer means is the caller's business.
 */
#ifndef PHUSA_BENCH_HTTP_H
#define PHUSA_BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_SILENCE_S 600

struct http {
    uint16_t port;
    int fd; /* -1: not connected yet */
    char *answer;
    size_t used, capacity;
    const char *body; /* NUL-terminated */
    size_t body_bytes;
};

void http_init(struct http *http, uint16_t port);
void http_deinit(struct http *http);

/* Is somebody listening? */
bool http_is_up(uint16_t port);

/* `headers`: "Name: value\r\n"..., or "". The answer's status. */
int http_request(struct http *http, const char *method, const char *path, const char *headers,
                 const char *body, size_t body_bytes);

/* GET /query with `q` of `db`. */
int http_query(struct http *http, const char *db, const char *q, bool csv);

#endif
