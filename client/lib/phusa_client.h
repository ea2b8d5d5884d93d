/*
 * phusa_client.h - libphusa-client: write points to a phusa server and ask it questions, over
 * HTTP. For gateways, loaders and tools. Needs libhttp_parser and zlib, nothing else.
 *
 *     struct phusa_client *client;
 *     struct phusa_client_error error;
 *     struct phusa_client_options options = {.url = "http://127.0.0.1:8086"};
 *     if (phusa_client_open(&client, &options, &error) != PHUSA_CLIENT_OK) puts(error.text);
 *     struct phusa_client_target target = {.database = "rivers"};
 *     phusa_client_write(client, &target, "level,station=cantho m=1.42\n", 28, NULL, &error);
 *     phusa_client_close(client);
 *
 * Ownership  a client owns its connection and its buffers. What it is given is borrowed for the
 *            call; what it hands to a callback lives until the callback returns.
 * Threads    one client is used by one thread at a time; several clients are independent.
 *            Every call blocks, at most for the timeouts below.
 * Memory     bounded: one row of an answer (at most 16 MiB) and, for gzip, one compressed body.
 * Signals    never raised (no SIGPIPE); a caught signal makes a waiting call ask `interrupted`.
 * Units      milliseconds where a name says _ms.
 * Errors     a phusa_client_status; `error` (which may be NULL) then says in a sentence what
 *            failed and what to do about it. Out-parameters are untouched on failure, except
 *            where said.
 *
 * Retries    A connection that is refused, unreachable or closed while idle, and an answer 503,
 *            are tried again, after a pause that doubles from 0.1 s to 5 s with jitter, or after
 *            the server's Retry-After, until retry_ms_max has passed. A write whose answer was
 *            lost is sent again too: the same points twice are the same points. A query whose
 *            answer was lost is not. Any 4xx is final: the same request would meet it again.
 */
#ifndef PHUSA_CLIENT_H
#define PHUSA_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PHUSA_CLIENT_MUST_USE __attribute__((warn_unused_result))

typedef enum phusa_client_status {
    PHUSA_CLIENT_OK = 0,
    PHUSA_CLIENT_PARTIAL = -1,      /* some lines were refused; all others are stored */
    PHUSA_CLIENT_EINVAL = -2,       /* the caller's arguments */
    PHUSA_CLIENT_ENOMEM = -3,       /* no memory, or an answer's row above the limit */
    PHUSA_CLIENT_EUNREACHABLE = -4, /* no connection, or lost before the answer */
    PHUSA_CLIENT_ETIMEOUT = -5,     /* silence for longer than timeout_ms */
    PHUSA_CLIENT_EREFUSED = -6,     /* the server answered 4xx: nothing of the request was done */
    PHUSA_CLIENT_ESERVER = -7,      /* the server answered 5xx, to the end of the retries */
    PHUSA_CLIENT_EANSWER = -8,      /* what came back is not an answer of a phusa server */
    PHUSA_CLIENT_ESTATEMENT = -9,   /* the answer is complete, but a statement in it failed */
    PHUSA_CLIENT_ESTOPPED = -10,    /* a callback or `interrupted` said stop */
} phusa_client_status;

struct phusa_client_error {
    int http_status; /* of the answer, or 0 */
    char text[1024];
};

/* A few words for a status: "no memory". Static. */
const char *phusa_client_status_text(phusa_client_status status);

/* -- opening -- */

struct phusa_client; /* opaque */

/* Zeroed members mean their defaults. All text is copied. */
struct phusa_client_options {
    const char *url;  /* http://[user:password@]host[:8086][/prefix]; NULL: http://127.0.0.1:8086 */
    const char *user; /* NULL: those of the url, or none */
    const char *password;   /* goes with user */
    const char *token;      /* sent as "Authorization: Token ..."; goes before user and password */
    const char *agent;      /* User-Agent; NULL: libphusa-client/VERSION */
    int connect_timeout_ms; /* of each attempt; 0: 5,000 */
    int timeout_ms;         /* silence while sending or waiting; 0: 60,000; < 0: for ever */
    int retry_ms_max;       /* of all attempts of a call together; 0: 30,000; < 0: no retries */
    bool gzip;              /* compress the bodies of writes */
    /* Asked about ten times a second while waiting, and after each caught signal; true ends
     * the call with PHUSA_CLIENT_ESTOPPED. May be NULL. */
    bool (*interrupted)(void *context);
    void *interrupted_context;
};

/* Nothing is sent yet: a client opens while its server is down. */
PHUSA_CLIENT_MUST_USE phusa_client_status
phusa_client_open(struct phusa_client **client, const struct phusa_client_options *options,
                  struct phusa_client_error *error);

/* NULL is allowed. */
void phusa_client_close(struct phusa_client *client);

/* -- calls -- */

struct phusa_client_ping {
    char version[64];       /* as the server says it; empty if it does not */
    uint64_t round_trip_ns; /* of the request that was answered, connecting included */
};
PHUSA_CLIENT_MUST_USE phusa_client_status phusa_client_ping(struct phusa_client *client,
                                                            struct phusa_client_ping *ping,
                                                            struct phusa_client_error *error);

struct phusa_client_target {
    const char *database;         /* required */
    const char *retention_policy; /* NULL: the database's default */
    const char *precision;        /* of the body's timestamps: ns u ms s m h; NULL: ns */
};

/* A line that the server did not take. `line` counts from 1 in the body; 0: not said. */
struct phusa_client_refusal {
    uint64_t line;
    uint64_t column;     /* in bytes from 1; 0: not said */
    const char *reason;  /* never NULL */
    const char *excerpt; /* never NULL; may be empty */
};

struct phusa_client_write_result {
    uint64_t refused_count; /* lines; at least 1 after PHUSA_CLIENT_PARTIAL */
    uint64_t attempts;      /* requests sent, 1 when nothing had to be repeated */
    /* Called for each refusal that the answer lists (it may list fewer than refused_count).
     * Set by the caller, may be NULL. */
    void (*refusal)(void *context, const struct phusa_client_refusal *refusal);
    void *refusal_context;
};

/* Write `bytes`: lines of line protocol, whole, at most 16 MiB by the server's default.
 * PHUSA_CLIENT_OK: every line is on the server's disk.  PHUSA_CLIENT_PARTIAL: all but
 * result->refused_count are. `result` may be NULL; its counts are also set on failure. */
PHUSA_CLIENT_MUST_USE phusa_client_status phusa_client_write(
    struct phusa_client *client, const struct phusa_client_target *target, const char *bytes,
    size_t size_bytes, struct phusa_client_write_result *result, struct phusa_client_error *error);

enum phusa_client_value_kind {
    PHUSA_CLIENT_NULL,
    PHUSA_CLIENT_BOOL,   /* text is "true" or "false" */
    PHUSA_CLIENT_NUMBER, /* text is the number as the server wrote it: no digit is lost */
    PHUSA_CLIENT_STRING, /* UTF-8, unescaped; may contain NUL */
};

struct phusa_client_value {
    enum phusa_client_value_kind kind;
    const char *text; /* NUL-terminated as well; "" for null */
    size_t text_bytes;
};

struct phusa_client_tag {
    const char *key, *value;
};

struct phusa_client_series {
    uint64_t statement_id;
    const char *name; /* may be empty */
    const struct phusa_client_tag *tags;
    size_t tag_count;
    const char *const *columns;
    size_t column_count;
};

/* Where an answer goes, as it arrives. Every member may be NULL. A callback that returns false
 * ends the call (PHUSA_CLIENT_ESTOPPED) and closes the connection. */
struct phusa_client_sink {
    void *context;
    /* Before the first row of each series; once, however many chunks the series comes in. */
    bool (*series)(void *context, const struct phusa_client_series *series);
    bool (*row)(void *context, const struct phusa_client_value *values, size_t value_count);
    bool (*message)(void *context, uint64_t statement_id, const char *level, const char *text);
    /* A statement that failed; the others of the request still answer. */
    bool (*statement_error)(void *context, uint64_t statement_id, const char *text);
    /* The answer's bytes as they are, before they are decoded. */
    bool (*raw)(void *context, const char *bytes, size_t size_bytes);
};

struct phusa_client_query {
    const char *statements; /* InfluxQL, one or several with ';' */
    const char *database;   /* NULL: named in the statements */
    const char *retention_policy;
    const char *epoch;   /* ns u ms s m h: times as numbers; NULL: as RFC 3339 text */
    unsigned chunk_rows; /* rows in each piece of the answer; 0: 10,000 */
};

/* PHUSA_CLIENT_ESTATEMENT when at least one statement failed; `error` holds the first one's
 * text. Rows seen before a failure are good. */
PHUSA_CLIENT_MUST_USE phusa_client_status phusa_client_query(struct phusa_client *client,
                                                             const struct phusa_client_query *query,
                                                             const struct phusa_client_sink *sink,
                                                             struct phusa_client_error *error);

#ifdef __cplusplus
}
#endif
#endif
