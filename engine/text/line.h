/*
 * line.h - line protocol to batches.
 *
 *     level,site=can-tho,gauge=7 value=1.72,quality="good" 1700000000000000000
 *
 * Text is fed in pieces of any size; how it was cut makes no difference. Good lines join the
 * batch, bad ones are remembered there with their place and a reason (batch_refuse), and a line
 * joins whole or not at all.
 *
 * Lines      A record ends at a newline outside a string; it is known by the number of the line
 *            it began on, and columns count on from there. A record longer than LINE_BYTES_MAX is
 *            refused as soon as that is seen, and skipped to its end.
 * Ownership  line_parser_open() makes it, line_parser_close() frees it. Batches are the caller's;
 *            any batch may be passed at any time.
 * Threads    one at a time for a parser and for a batch.
 * Units      nanoseconds; bytes.
 * Errors     PHUSA_ENOMEM only: give up the batch and reset the parser.
 */
#ifndef PHUSA_TEXT_LINE_H
#define PHUSA_TEXT_LINE_H

#include "index/batch.h"

struct line_parser;

struct line_options {
    int64_t precision_ns;     /* of timestamps; at least 1 */
    int64_t now_ns;           /* for lines without one; cut to the precision, as InfluxDB does */
    phusa_comment_fn comment; /* NULL: comments are ignored */
    void *context;
};

PHUSA_MUST_USE phusa_status line_parser_open(struct line_parser **out);
void line_parser_close(struct line_parser *parser); /* NULL is allowed */
/* Forget an unfinished line, and count lines from 1 again. Memory is kept, up to a few MiB. */
void line_parser_reset(struct line_parser *parser);

/* Take `size_bytes` of text; `last` ends an unfinished line. Stops early, *taken < size_bytes,
 * before the batch exceeds PHUSA_BATCH_BYTES_MAX: the caller writes and clears the batch and
 * feeds the rest. Also stops behind a comment whose callback returned true. */
PHUSA_MUST_USE phusa_status line_parser_feed(struct line_parser *parser, struct batch *batch,
                                             const char *text, size_t size_bytes, bool last,
                                             const struct line_options *options, size_t *taken);
/* Lines finished since open or reset, comments and blank ones included. */
uint64_t line_parser_line_count(const struct line_parser *parser);

#endif
