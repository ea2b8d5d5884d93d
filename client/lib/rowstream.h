/*
 * rowstream.h - the JSON of a query's answer turned into calls: a series, its rows.
 *
 * A query's answer is one object, or with chunked=true one object a line:
 *   {"results":[{"statement_id":0,"series":[{"name":"air","tags":{"station":"x"},
 *    "columns":["time","mean"],"values":[[0,1.5]],"partial":true}],"messages":[..]},
 *    {"statement_id":1,"error":"..."}]}    or    {"error":"..."}
 * A series that comes in several chunks is announced once.
 *
 * Ownership  the struct owns its buffers: init, feed, deinit. What the callbacks get lives until
 *            they return.
 * Errors     PHUSA_CLIENT_EANSWER for anything of another shape.
 */
#ifndef PHUSA_CLIENT_ROWSTREAM_H
#define PHUSA_CLIENT_ROWSTREAM_H

#include "jstream.h"

#define ROWSTREAM_DEPTH_MAX     12
#define ROWSTREAM_COLUMNS_MAX   8192u /* twice the fields of a measurement */
#define ROWSTREAM_ROW_BYTES_MAX (16u << 20)

/* A list of texts in one buffer; offsets, because the buffer moves as it grows. */
struct rowstream_list {
    struct textbuf text;
    struct rowstream_item {
        enum phusa_client_value_kind kind;
        size_t offset, size_bytes;
    } * items;
    size_t count, capacity;
};

struct rowstream {
    const struct phusa_client_sink *sink;
    struct jstream json;
    /* Where we are: place[0] is the outermost object. */
    unsigned char place[ROWSTREAM_DEPTH_MAX];
    unsigned depth;
    char key[32]; /* the last one, cut: of interest are short ones only */

    uint64_t statement_id;
    struct textbuf name, level, message;
    struct rowstream_list tags; /* key, value, key, value ... */
    struct rowstream_list columns;
    struct rowstream_list row;
    struct phusa_client_value *values; /* of the row, for the callback */
    size_t values_capacity;

    struct textbuf announced; /* name, tags, columns of the series last announced */
    bool announced_partial;   /* ... and it goes on in the next chunk */
    bool series_open;         /* the series being read has been announced */
    unsigned result_count, error_count;
    struct textbuf first_error;
};

void rowstream_init(struct rowstream *stream, const struct phusa_client_sink *sink);
void rowstream_deinit(struct rowstream *stream);
PHUSA_CLIENT_MUST_USE phusa_client_status rowstream_feed(struct rowstream *stream,
                                                         const char *bytes, size_t size_bytes);
PHUSA_CLIENT_MUST_USE phusa_client_status rowstream_finish(struct rowstream *stream);

#endif
