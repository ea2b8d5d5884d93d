/*
 * encoder.h - the rows of a query as text: InfluxDB 1.x's JSON or its CSV, written while they come.
 *
 * JSON, plain:    {"results":[{"statement_id":0,"series":[{"name","tags","columns","values"}],
 *                 "messages":[],"error":""}]}
 * JSON, chunked:  one such object a line, each with at most chunk_rows points of one series;
 *                 "partial":true on a series that goes on, and on a result that does.
 * CSV:            name,tags,time,...; a blank line and a new header where the columns change or a
 *                 statement ends. InfluxDB drops a statement's error here; we print it as it
 *                 prints that of a request: a header "error", and the text.
 *
 * Threads  one at a time.
 */
#ifndef PHUSAD_ENCODER_H
#define PHUSAD_ENCODER_H

#include "outbuf.h"

enum encoder_format { ENCODER_JSON, ENCODER_CSV };

struct encoder_options {
    enum encoder_format format;
    bool pretty;
    bool chunked;
    uint64_t chunk_rows;
    int64_t epoch_ns; /* times as integers of this unit; 0: RFC 3339 (CSV: ns) */
};

struct encoder {
    struct encoder_options options;
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

void encoder_init(struct encoder *encoder, const struct encoder_options *options);
void encoder_deinit(struct encoder *encoder);
/* Where phusa_query() is to write. Its context is the encoder. */
struct phusa_sink encoder_sink(struct encoder *encoder);
/* Everything has come. */
void encoder_end(struct encoder *encoder);
/* What answers a request that is wrong as a whole; the text has no end of line. */
void encoder_error(struct outbuf *out, enum encoder_format format, bool pretty, const char *text);
const char *encoder_type(enum encoder_format format); /* Content-Type */

/* Between encoder.c and its two forms. */
extern const struct phusa_sink encoder_json_sink;
extern const struct phusa_sink encoder_csv_sink;
void encoder_json_end(struct encoder *encoder);
phusa_status encoder_check(struct encoder *encoder); /* `full` when it is time; PHUSA_ENOMEM */

#endif
