/*
 * line_support.h - what a batch holds, as text that tests can compare.
 *
 *     3: level|gauge=7 value=1.72/2 n=5i on=true quality="good" @1700000000000000000
 *     4! 7 missing tag value: leave a tag out that has none
 *
 * A row: its line, series with sorted tags, fields (a float with its decimals) and time. A refusal:
 * its line, column and reason.
 */
#ifndef PHUSA_TESTS_LINE_SUPPORT_H
#define PHUSA_TESTS_LINE_SUPPORT_H

#include "base/buffer.h"
#include "text/line.h"

/* Rows, then refusals; NUL at the end, which size_bytes does not count. */
void dump_batch(struct buffer *out, const struct batch *batch);
void put_printed(struct buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Feed a copy of exactly this size, so that the sanitizer sees any byte read beyond it. Asserts
 * that all of it is taken. */
void feed_copy(struct line_parser *parser, struct batch *batch, const char *text, size_t size_bytes,
               bool last, const struct line_options *options);
/* The whole text in one piece with a fresh parser; dumped. */
void dump_text(struct buffer *out, const char *text, size_t size_bytes,
               const struct line_options *options);

#endif
