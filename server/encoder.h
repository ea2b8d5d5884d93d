/*
 * answer.h - the rows of a query as text: InfluxDB 1.x's JSON or its CSV, written while they come.
 *
 * JSON, plain:    {"results":[{"statement_id":0,"series":[{"name","tags","columns","values"}],
 *                 "messages":[],"error":""}]}
 * JSON, chunked:  one such object a line, each with at most chunk_rows rows of one series;
 *                 "partial":true on a series that goes on, and on a result that does.
 * CSV:            name,tags,time,...; a blank line and a new header where the columns change or a
 *                 statement ends. InfluxDB drops a statement's error here; we print it as it
 *                 prints that of a request: a header "error", and the text.
 *
 * Threads  one at a time.
 */
#ifndef PHUSAD_ANSWER_H
#define PHUSAD_ANSWER_H

#include "outbuf.h"

enum answer_format { ANSWER_JSON, ANSWER_CSV };

struct answer_options {
    enum answer_format format;
    bool pretty;
    bool chunked;
    uint64_t chunk_rows;
    int64_t epoch_ns; /* times as integers of this unit; 0: RFC 3339 (CSV: ns) */
};

struct answer {
    struct answer_options options;
    struct outbuf out;
    /* Called when `out` has grown beyond ANSWER_BLOCK_BYTES; takes what is in it. A status other
     * than OK ends the query. */
    phusa_status (*full)(void *context, struct outbuf *out);
    void *context;

    unsigned statement;
    unsigned statement_count;
    unsigned depth;   /* of open brackets */
    uint64_t filled;  /* bit d: something was written at depth d */
    bool series_open; /* inside a series, */
    bool values_open; /* inside its rows, */
    bool result_open; /* inside a result */
    bool has_time;
    size_t column_count;  /* without time */
    uint64_t object_rows; /* in this chunk */
    struct outbuf series; /* CSV: name and tags of each row. Chunked JSON: "name", "tags", ... */
    struct outbuf header; /* CSV: the last header line */
    struct outbuf messages;
};

void answer_init(struct answer *answer, const struct answer_options *options);
void answer_deinit(struct answer *answer);
/* Where phusa_query() is to write. Its context is the answer. */
struct phusa_sink answer_sink(struct answer *answer);
/* Everything has come. */
void answer_end(struct answer *answer);
/* What answers a request that is wrong as a whole; the text has no end of line. */
void answer_error(struct outbuf *out, enum answer_format format, const char *text);
const char *answer_type(enum answer_format format); /* Content-Type */

/* Between answer.c and its two forms. */
extern const struct phusa_sink answer_json_sink;
extern const struct phusa_sink answer_csv_sink;
void answer_json_end(struct answer *answer);
phusa_status answer_check(struct answer *answer); /* `full` when it is time; PHUSA_ENOMEM */

#endif
