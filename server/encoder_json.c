/*
 * answer_json.c - answers as JSON; see answer.h.
 *
 * With "pretty", Go's MarshalIndent puts each value on a line of its own, four spaces a level. The
 * brackets are counted here, so both forms are one code.
 */
#include "answer.h"
#include "json.h"

/* ---- punctuation ---- */

static void new_line(struct answer *answer)
{
    outbuf_byte(&answer->out, '\n');
    for (unsigned i = 0; i < answer->depth; i++)
        outbuf_put(&answer->out, "    ", 4);
}

/* Before each value of an array and each key of an object. */
static inline void next_item(struct answer *answer)
{
    const uint64_t bit = UINT64_C(1) << answer->depth;
    if (answer->filled & bit) outbuf_byte(&answer->out, ',');
    answer->filled |= bit;
    if (answer->options.pretty) new_line(answer);
}

static inline void open_bracket(struct answer *answer, char bracket)
{
    outbuf_byte(&answer->out, bracket);
    answer->depth++;
    answer->filled &= ~(UINT64_C(1) << answer->depth);
}

static inline void close_bracket(struct answer *answer, char bracket)
{
    const bool filled = answer->filled >> answer->depth & 1;
    answer->depth--;
    if (answer->options.pretty && filled) new_line(answer);
    outbuf_byte(&answer->out, bracket);
}

static void key(struct answer *answer, const char *name)
{
    next_item(answer);
    outbuf_byte(&answer->out, '"');
    outbuf_str(&answer->out, name);
    outbuf_put(&answer->out, "\": ", answer->options.pretty ? 3 : 2);
}

static void key_text(struct answer *answer, struct phusa_text name)
{
    next_item(answer);
    json_string(&answer->out, name);
    outbuf_put(&answer->out, ": ", answer->options.pretty ? 2 : 1);
}

/* ---- results and series ---- */

static void open_results(struct answer *answer)
{
    open_bracket(answer, '{');
    key(answer, "results");
    open_bracket(answer, '[');
}

static void close_results(struct answer *answer)
{
    close_bracket(answer, ']');
    close_bracket(answer, '}');
    outbuf_byte(&answer->out, '\n');
}

static void open_result(struct answer *answer)
{
    if (answer->options.chunked) open_results(answer);
    next_item(answer);
    open_bracket(answer, '{');
    key(answer, "statement_id");
    json_uint64(&answer->out, answer->statement);
    answer->result_open = true;
}

static void close_series(struct answer *answer, bool partial)
{
    if (!answer->series_open) return;
    if (answer->values_open) close_bracket(answer, ']');
    if (partial) {
        key(answer, "partial");
        outbuf_str(&answer->out, "true");
    }
    close_bracket(answer, '}');
    answer->series_open = answer->values_open = false;
}

static void put_messages(struct answer *answer)
{
    if (answer->messages.size_bytes == 0) return;
    key(answer, "messages");
    open_bracket(answer, '[');
    /* "level\0text\0" each, in the order they came. */
    const char *next = answer->messages.bytes;
    const char *end = next + answer->messages.size_bytes;
    while (next < end) {
        next_item(answer);
        open_bracket(answer, '{');
        key(answer, "level");
        json_string(&answer->out, (struct phusa_text){next, strlen(next)});
        next += strlen(next) + 1;
        key(answer, "text");
        json_string(&answer->out, (struct phusa_text){next, strlen(next)});
        next += strlen(next) + 1;
        close_bracket(answer, '}');
    }
    close_bracket(answer, ']');
    outbuf_clear(&answer->messages);
}

/* `partial`: more of this statement will follow, in other objects. */
static void close_result(struct answer *answer, bool series_partial, bool partial,
                         const char *error)
{
    const bool has_series = answer->series_open;
    close_series(answer, series_partial);
    if (has_series) close_bracket(answer, ']');
    if (!partial) put_messages(answer);
    if (partial) {
        key(answer, "partial");
        outbuf_str(&answer->out, "true");
    }
    if (error != NULL) {
        key(answer, "error");
        json_string(&answer->out, (struct phusa_text){error, strlen(error)});
    }
    close_bracket(answer, '}');
    answer->result_open = false;
    if (answer->options.chunked) close_results(answer);
}

static void put_series_head(struct answer *answer, const struct phusa_series_header *header)
{
    struct outbuf *out = &answer->out;
    if (header->name.size_bytes > 0) {
        key(answer, "name");
        json_string(out, header->name);
    }
    if (header->tag_count > 0) {
        key(answer, "tags");
        open_bracket(answer, '{');
        for (size_t i = 0; i < header->tag_count; i++) {
            key_text(answer, header->tags[i].key);
            json_string(out, header->tags[i].value);
        }
        close_bracket(answer, '}');
    }
    key(answer, "columns");
    open_bracket(answer, '[');
    for (size_t i = 0; i < header->column_count; i++) {
        next_item(answer);
        json_string(out, header->columns[i]);
    }
    close_bracket(answer, ']');
}

/* Open the series array, if this is the result's first, and an object in it. */
static void open_series(struct answer *answer, bool first)
{
    if (first) {
        key(answer, "series");
        open_bracket(answer, '[');
    }
    next_item(answer);
    open_bracket(answer, '{');
    answer->series_open = true;
    answer->values_open = false;
}

/* The next chunk of the same series: its head is repeated from answer->series. */
static void next_chunk(struct answer *answer)
{
    close_result(answer, true, true, NULL);
    open_result(answer);
    open_series(answer, true);
    outbuf_put(&answer->out, answer->series.bytes, answer->series.size_bytes);
    answer->filled |= UINT64_C(1) << answer->depth;
    answer->object_rows = 0;
}

/* ---- rows ---- */

static void put_time(struct answer *answer, int64_t ns)
{
    if (answer->options.epoch_ns == 0)
        json_time(&answer->out, ns);
    else
        json_int64(&answer->out, ns / answer->options.epoch_ns); /* towards zero, as Go does */
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

static void put_row(struct answer *answer, const struct phusa_rows *rows, size_t row)
{
    next_item(answer);
    open_bracket(answer, '[');
    if (answer->has_time) {
        next_item(answer);
        put_time(answer, rows->times_ns[row]);
    }
    for (size_t c = 0; c < answer->column_count; c++) {
        next_item(answer);
        put_value(&answer->out, &rows->columns[c], row);
    }
    close_bracket(answer, ']');
}

/* ---- the sink ---- */

static phusa_status statement_begin(void *context, unsigned statement)
{
    struct answer *answer = context;
    if (answer->statement_count++ == 0 && !answer->options.chunked) open_results(answer);
    answer->statement = statement;
    if (!answer->options.chunked) open_result(answer);
    return answer_check(answer);
}

static phusa_status series_begin(void *context, const struct phusa_series_header *header)
{
    struct answer *answer = context;
    const bool first = !answer->series_open;
    if (answer->options.chunked) {
        if (answer->result_open) close_result(answer, false, true, NULL);
        open_result(answer);
        open_series(answer, true);
    } else {
        close_series(answer, false);
        open_series(answer, first);
    }
    const size_t start = answer->out.size_bytes;
    put_series_head(answer, header);
    if (answer->options.chunked && !answer->out.bad) {
        outbuf_clear(&answer->series);
        outbuf_put(&answer->series, answer->out.bytes + start, answer->out.size_bytes - start);
    }
    answer->has_time = header->has_time;
    answer->column_count = header->column_count - header->has_time;
    answer->object_rows = 0;
    return answer_check(answer);
}

static phusa_status rows(void *context, const struct phusa_rows *rows)
{
    struct answer *answer = context;
    for (size_t row = 0; row < rows->row_count; row++) {
        if (answer->options.chunked && answer->object_rows == answer->options.chunk_rows)
            next_chunk(answer);
        if (!answer->values_open) {
            key(answer, "values");
            open_bracket(answer, '[');
            answer->values_open = true;
        }
        put_row(answer, rows, row);
        answer->object_rows++;
        const phusa_status status = answer_check(answer);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status message(void *context, unsigned statement, const char *level, const char *text)
{
    struct answer *answer = context;
    outbuf_put(&answer->messages, level, strlen(level) + 1);
    outbuf_put(&answer->messages, text, strlen(text) + 1);
    return answer_check(answer);
}

static phusa_status statement_end(void *context, unsigned statement,
                                  const struct phusa_error *error)
{
    struct answer *answer = context;
    if (!answer->result_open) open_result(answer);
    close_result(answer, false, false, error == NULL ? NULL : error->text);
    return answer_check(answer);
}

const struct phusa_sink answer_json_sink = {
    .statement_begin = statement_begin,
    .series_begin = series_begin,
    .rows = rows,
    .message = message,
    .statement_end = statement_end,
};

void answer_json_end(struct answer *answer)
{
    if (answer->options.chunked) return;
    if (answer->statement_count == 0) open_results(answer);
    close_results(answer);
}
