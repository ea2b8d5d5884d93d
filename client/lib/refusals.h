/*
 * refusals.h - what a server says when it does not take a request whole.
 *
 *   {"error":"...","refused":[{"line":1,"column":5,"reason":"...","excerpt":"..."}],
 *    "refused_count":N,"accepted":N}
 *
 * InfluxDB has only "error"; the second version of its API says "message".
 *
 * Ownership  the struct owns its buffers: init, read, deinit.
 */
#ifndef PHUSA_CLIENT_REFUSALS_H
#define PHUSA_CLIENT_REFUSALS_H

#include "jstream.h"

struct refusals {
    void (*callback)(void *context, const struct phusa_client_refusal *refusal); /* or NULL */
    void *context;
    struct jstream json;
    unsigned depth;
    bool in_refused, in_refusal;
    char key[32];
    struct textbuf error; /* the member "error" (or "message", as in API v2) */
    struct textbuf reason, excerpt;
    uint64_t line, column;
    uint64_t listed_count, refused_count, accepted_count;
    bool has_refused_count;
};

void refusals_init(struct refusals *refusals);
void refusals_deinit(struct refusals *refusals);
/* Take what can be understood of a whole answer. One that is no JSON, or was cut, leaves what
 * stood before the damage: the HTTP status has already said what matters. */
void refusals_read(struct refusals *refusals, const char *bytes, size_t size_bytes);

#endif
