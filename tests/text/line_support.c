/* line_support.c - see line_support.h. */
#include "line_support.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void put_printed(struct buffer *out, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cr_assert_lt((size_t)size, sizeof text);
    buffer_put(out, text, (size_t)size);
}

static void put_value(struct buffer *out, const struct batch *batch, enum phusa_type type,
                      union batch_value value, uint8_t decimals)
{
    switch (type) {
    case PHUSA_FLOAT:
        put_printed(out, "%.17g/%u", value.f, decimals);
        break;
    case PHUSA_INTEGER:
        put_printed(out, "%" PRId64 "i", value.i);
        break;
    case PHUSA_UNSIGNED:
        put_printed(out, "%" PRIu64 "u", value.u);
        break;
    case PHUSA_BOOLEAN:
        buffer_put(out, value.u == 1 ? "true" : value.u == 0 ? "false" : "?", value.u == 0 ? 5 : 4);
        break;
    case PHUSA_STRING:
        buffer_put_u8(out, '"');
        buffer_put(out, batch->strings[value.string].bytes,
                   batch->strings[value.string].size_bytes);
        buffer_put_u8(out, '"');
        break;
    }
}

static void put_key(struct buffer *out, const struct batch_key *key)
{
    struct reader r = reader_of(key->bytes, key->size_bytes);
    for (int i = 0; reader_left(&r) > 0; i++) {
        const struct phusa_text text = read_text(&r);
        if (i > 0) buffer_put_u8(out, i % 2 == 1 ? '|' : '=');
        buffer_put(out, text.bytes, text.size_bytes);
    }
}

static void put_row(struct buffer *out, const struct batch *batch, const struct batch_row *row)
{
    const struct batch_shape *shape = &batch->shapes[row->shape];
    put_printed(out, "%" PRIu64 ": ", row->line);
    put_key(out, &batch->keys[row->key]);
    for (uint32_t i = 0; i < shape->field_count; i++) {
        buffer_put_u8(out, ' ');
        buffer_put(out, shape->names[i].bytes, shape->names[i].size_bytes);
        buffer_put_u8(out, '=');
        put_value(out, batch, shape->types[i], batch->values[row->first_value + i],
                  batch->decimals[row->first_value + i]);
    }
    put_printed(out, " @%" PRId64 "\n", row->time_ns);
}

void dump_batch(struct buffer *out, const struct batch *batch)
{
    cr_assert_null(batch_check(batch));
    for (size_t i = 0; i < batch->row_count; i++)
        put_row(out, batch, &batch->rows[i]);
    for (size_t i = 0; i < batch->refusal_kept; i++)
        put_printed(out, "%" PRIu64 "! %u %s\n", batch->refusals[i].line, batch->refusals[i].column,
                    batch->refusals[i].reason);
    buffer_put_u8(out, 0);
    cr_assert(!out->bad);
    out->size_bytes--;
}

void feed_copy(struct line_parser *parser, struct batch *batch, const char *text, size_t size_bytes,
               bool last, const struct line_options *options)
{
    char *copy = malloc(size_bytes == 0 ? 1 : size_bytes);
    cr_assert_not_null(copy);
    if (size_bytes > 0) memcpy(copy, text, size_bytes);
    size_t taken;
    cr_assert_eq(line_parser_feed(parser, batch, copy, size_bytes, last, options, &taken),
                 PHUSA_OK);
    cr_assert_eq(taken, size_bytes);
    free(copy);
}

void dump_text(struct buffer *out, const char *text, size_t size_bytes,
               const struct line_options *options)
{
    struct batch batch;
    struct line_parser *parser;
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    feed_copy(parser, &batch, text, size_bytes, true, options);
    dump_batch(out, &batch);
    line_parser_close(parser);
    batch_deinit(&batch);
}
