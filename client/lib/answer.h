/*
 * answer.h - the JSON of a server turned into calls: rows of a query, refusals of a write.
 *
 * A query's answer is one object, or with chunked=true one object a line:
 *   {"results":[{"statement_id":0,"series":[{"name":"air","tags":{"station":"x"},
 *    "columns":["time","mean"],"values":[[0,1.5]],"partial":true}],"messages":[..]},
 *    {"statement_id":1,"error":"..."}]}    or    {"error":"..."}
 * A series that comes in several chunks is announced once.
 *
 * A refused write's is {"error":"...","refused":[{"line":1,"column":5,"reason":"...",
 * "excerpt":"..."}],"refused_count":N,"accepted":N}; InfluxDB has only "error".
 *
 * Ownership  both structs own their buffers: init, feed, deinit. What the callbacks get lives
 *            until they return.
 * Errors     PHUSA_CLIENT_EANSWER for anything of another shape.
 */
#ifndef PHUSA_CLIENT_ANSWER_H
#define PHUSA_CLIENT_ANSWER_H

#include "jstream.h"

#define ANSWER_DEPTH_MAX     12
#define ANSWER_COLUMNS_MAX   8192u /* twice the fields of a measurement */
#define ANSWER_ROW_BYTES_MAX (16u << 20)

/* A list of texts in one buffer; offsets, because the buffer moves as it grows. */
struct answer_list {
    struct textbuf text;
    struct answer_item {
        enum phusa_client_value_kind kind;
        size_t offset, size_bytes;
    } * items;
    size_t count, capacity;
};

struct answer {
    const struct phusa_client_sink *sink;
    struct jstream json;
    /* Where we are: place[0] is the outermost object. */
    unsigned char place[ANSWER_DEPTH_MAX];
    unsigned depth;
    char key[32]; /* the last one, cut: of interest are short ones only */

    uint64_t statement_id;
    struct textbuf name, level, message;
    struct answer_list tags; /* key, value, key, value ... */
    struct answer_list columns;
    struct answer_list row;
    struct phusa_client_value *values; /* of the row, for the callback */
    size_t values_capacity;

    struct textbuf announced; /* name, tags, columns of the series last announced */
    bool announced_partial;   /* ... and it goes on in the next chunk */
    bool series_open;         /* the series being read has been announced */
    unsigned result_count, error_count;
    struct textbuf first_error;
};

void answer_init(struct answer *answer, const struct phusa_client_sink *sink);
void answer_deinit(struct answer *answer);
PHUSA_CLIENT_MUST_USE phusa_client_status answer_feed(struct answer *answer, const char *bytes,
                                                      size_t size_bytes);
PHUSA_CLIENT_MUST_USE phusa_client_status answer_finish(struct answer *answer);

/* The answer to a write that was not taken whole, or to any request that was refused. */
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
