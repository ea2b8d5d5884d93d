/*
 * encoder_json.c - answers as JSON; see encoder.h.
 *
 * With "pretty", Go's MarshalIndent puts each value on a line of its own, four spaces a level. The
 * brackets are counted here, so both forms are one code.
 */
#include "encoder.h"
#include "json.h"

/* ---- punctuation ---- */

static void new_line(struct encoder *encoder)
{
    outbuf_byte(&encoder->out, '\n');
    for (unsigned i = 0; i < encoder->depth; i++)
        outbuf_put(&encoder->out, "    ", 4);
}

/* Before each value of an array and each key of an object. */
static inline void next_item(struct encoder *encoder)
{
    const uint64_t bit = UINT64_C(1) << encoder->depth;
    if (encoder->filled & bit) outbuf_byte(&encoder->out, ',');
    encoder->filled |= bit;
    if (encoder->options.pretty) new_line(encoder);
}

static inline void open_bracket(struct encoder *encoder, char bracket)
{
    outbuf_byte(&encoder->out, bracket);
    encoder->depth++;
    encoder->filled &= ~(UINT64_C(1) << encoder->depth);
}

static inline void close_bracket(struct encoder *encoder, char bracket)
{
    const bool filled = encoder->filled >> encoder->depth & 1;
    encoder->depth--;
    if (encoder->options.pretty && filled) new_line(encoder);
    outbuf_byte(&encoder->out, bracket);
}

static void key(struct encoder *encoder, const char *name)
{
    next_item(encoder);
    outbuf_byte(&encoder->out, '"');
    outbuf_str(&encoder->out, name);
    outbuf_put(&encoder->out, "\": ", encoder->options.pretty ? 3 : 2);
}

static void key_text(struct encoder *encoder, struct phusa_text name)
{
    next_item(encoder);
    json_string(&encoder->out, name);
    outbuf_put(&encoder->out, ": ", encoder->options.pretty ? 2 : 1);
}

/* ---- results and series ---- */

static void open_results(struct encoder *encoder)
{
    open_bracket(encoder, '{');
    key(encoder, "results");
    open_bracket(encoder, '[');
}

static void close_results(struct encoder *encoder)
{
    close_bracket(encoder, ']');
    close_bracket(encoder, '}');
    outbuf_byte(&encoder->out, '\n');
}

static void open_result(struct encoder *encoder)
{
    if (encoder->options.chunked) open_results(encoder);
    next_item(encoder);
    open_bracket(encoder, '{');
    key(encoder, "statement_id");
    json_uint64(&encoder->out, encoder->statement);
    encoder->result_open = true;
}

static void close_series(struct encoder *encoder, bool partial)
{
    if (!encoder->series_open) return;
    if (encoder->values_open) close_bracket(encoder, ']');
    if (partial) {
        key(encoder, "partial");
        outbuf_str(&encoder->out, "true");
    }
    close_bracket(encoder, '}');
    encoder->series_open = encoder->values_open = false;
}

static void put_messages(struct encoder *encoder)
{
    if (encoder->messages.size_bytes == 0) return;
    key(encoder, "messages");
    open_bracket(encoder, '[');
    /* "level\0text\0" each, in the order they came. */
    const char *next = encoder->messages.bytes;
    const char *end = next + encoder->messages.size_bytes;
    while (next < end) {
        next_item(encoder);
        open_bracket(encoder, '{');
        key(encoder, "level");
        json_string(&encoder->out, (struct phusa_text){next, strlen(next)});
        next += strlen(next) + 1;
        key(encoder, "text");
        json_string(&encoder->out, (struct phusa_text){next, strlen(next)});
        next += strlen(next) + 1;
        close_bracket(encoder, '}');
    }
    close_bracket(encoder, ']');
    outbuf_clear(&encoder->messages);
}

/* `partial`: more of this statement will follow, in other objects. */
static void close_result(struct encoder *encoder, bool series_partial, bool partial,
                         const char *error)
{
    const bool has_series = encoder->series_open;
    close_series(encoder, series_partial);
    if (has_series) close_bracket(encoder, ']');
    if (!partial) put_messages(encoder);
    if (partial) {
        key(encoder, "partial");
        outbuf_str(&encoder->out, "true");
    }
    if (error != NULL) {
        key(encoder, "error");
        json_string(&encoder->out, (struct phusa_text){error, strlen(error)});
    }
    close_bracket(encoder, '}');
    encoder->result_open = false;
    if (encoder->options.chunked) close_results(encoder);
}

static void put_series_head(struct encoder *encoder, const struct phusa_series_header *header)
{
    struct outbuf *out = &encoder->out;
    if (header->name.size_bytes > 0) {
        key(encoder, "name");
        json_string(out, header->name);
    }
    if (header->tag_count > 0) {
        key(encoder, "tags");
        open_bracket(encoder, '{');
        for (size_t i = 0; i < header->tag_count; i++) {
            key_text(encoder, header->tags[i].key);
            json_string(out, header->tags[i].value);
        }
        close_bracket(encoder, '}');
    }
    key(encoder, "columns");
    open_bracket(encoder, '[');
    for (size_t i = 0; i < header->column_count; i++) {
        next_item(encoder);
        json_string(out, header->columns[i]);
    }
    close_bracket(encoder, ']');
}

/* Open the series array, if this is the result's first, and an object in it. */
static void open_series(struct encoder *encoder, bool first)
{
    if (first) {
        key(encoder, "series");
        open_bracket(encoder, '[');
    }
    next_item(encoder);
    open_bracket(encoder, '{');
    encoder->series_open = true;
    encoder->values_open = false;
}

/* The next chunk of the same series: its head is repeated from encoder->series. */
static void next_chunk(struct encoder *encoder)
{
    close_result(encoder, true, true, NULL);
    open_result(encoder);
    open_series(encoder, true);
    outbuf_put(&encoder->out, encoder->series.bytes, encoder->series.size_bytes);
    encoder->filled |= UINT64_C(1) << encoder->depth;
    encoder->object_rows = 0;
}

/* ---- rows ---- */

static void put_time(struct encoder *encoder, int64_t ns)
{
    if (encoder->options.epoch_ns == 0)
        json_time(&encoder->out, ns);
    else
        json_int64(&encoder->out, ns / encoder->options.epoch_ns); /* towards zero, as Go does */
}

static inline void put_value(struct outbuf *out, const struct phusa_column *column, size_t row)
{
    if (column->present != NULL && !(column->present[row / 64] >> (row % 64) & 1)) {
        outbuf_put(out, "null", 4);
        return;
    }
    switch (column->type) {
    case PHUSA_FLOAT:
        json_double(out, column->f[row]);
        break;
    case PHUSA_INTEGER:
        json_int64(out, column->i[row]);
        break;
    case PHUSA_UNSIGNED:
        json_uint64(out, column->u[row]);
        break;
    case PHUSA_BOOLEAN:
        outbuf_str(out, column->b[row] ? "true" : "false");
        break;
    case PHUSA_STRING:
        json_string(out, column->s[row]);
        break;
    }
}

static void put_row(struct encoder *encoder, const struct phusa_rows *rows, size_t row)
{
    next_item(encoder);
    open_bracket(encoder, '[');
    if (encoder->has_time) {
        next_item(encoder);
        put_time(encoder, rows->times_ns[row]);
    }
    for (size_t c = 0; c < encoder->column_count; c++) {
        next_item(encoder);
        put_value(&encoder->out, &rows->columns[c], row);
    }
    close_bracket(encoder, ']');
}

/* ---- the sink ---- */

static phusa_status statement_begin(void *context, unsigned statement)
{
    struct encoder *encoder = context;
    if (encoder->statement_count++ == 0 && !encoder->options.chunked) open_results(encoder);
    encoder->statement = statement;
    if (!encoder->options.chunked) open_result(encoder);
    return encoder_check(encoder);
}

static phusa_status series_begin(void *context, const struct phusa_series_header *header)
{
    struct encoder *encoder = context;
    const bool first = !encoder->series_open;
    if (encoder->options.chunked) {
        if (encoder->result_open) close_result(encoder, false, true, NULL);
        open_result(encoder);
        open_series(encoder, true);
    } else {
        close_series(encoder, false);
        open_series(encoder, first);
    }
    const size_t start = encoder->out.size_bytes;
    put_series_head(encoder, header);
    if (encoder->options.chunked && !encoder->out.bad) {
        outbuf_clear(&encoder->series);
        outbuf_put(&encoder->series, encoder->out.bytes + start, encoder->out.size_bytes - start);
    }
    encoder->has_time = header->has_time;
    encoder->column_count = header->column_count - header->has_time;
    encoder->object_rows = 0;
    return encoder_check(encoder);
}

static phusa_status rows(void *context, const struct phusa_rows *rows)
{
    struct encoder *encoder = context;
    for (size_t row = 0; row < rows->row_count; row++) {
        /* InfluxDB cuts points, never what SHOW lists. */
        if (encoder->options.chunked && encoder->has_time &&
            encoder->object_rows == encoder->options.chunk_rows)
            next_chunk(encoder);
        if (!encoder->values_open) {
            key(encoder, "values");
            open_bracket(encoder, '[');
            encoder->values_open = true;
        }
        put_row(encoder, rows, row);
        encoder->object_rows++;
        const phusa_status status = encoder_check(encoder);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status message(void *context, unsigned statement, const char *level, const char *text)
{
    struct encoder *encoder = context;
    outbuf_put(&encoder->messages, level, strlen(level) + 1);
    outbuf_put(&encoder->messages, text, strlen(text) + 1);
    return encoder_check(encoder);
}

static phusa_status statement_end(void *context, unsigned statement,
                                  const struct phusa_error *error)
{
    struct encoder *encoder = context;
    if (!encoder->result_open) open_result(encoder);
    close_result(encoder, false, false, error == NULL ? NULL : error->text);
    return encoder_check(encoder);
}

const struct phusa_sink encoder_json_sink = {
    .statement_begin = statement_begin,
    .series_begin = series_begin,
    .rows = rows,
    .message = message,
    .statement_end = statement_end,
};

void encoder_json_end(struct encoder *encoder)
{
    if (encoder->options.chunked) return;
    if (encoder->statement_count == 0) open_results(encoder);
    close_results(encoder);
}
