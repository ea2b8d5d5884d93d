/* encoder_csv.c - answers as CSV; see encoder.h. Cells are quoted where Go's encoding/csv quotes.
 */
#include "encoder.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>

static bool needs_quotes(struct phusa_text text)
{
    if (text.size_bytes == 0) return false;
    if (text.bytes[0] == ' ' || text.bytes[0] == '\t') return true;
    if (text.size_bytes == 2 && memcmp(text.bytes, "\\.", 2) == 0) return true;
    for (size_t i = 0; i < text.size_bytes; i++) {
        const char c = text.bytes[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r') return true;
    }
    return false;
}

static void put_cell(struct outbuf *out, struct phusa_text text)
{
    if (!needs_quotes(text)) {
        outbuf_text(out, text);
        return;
    }
    outbuf_byte(out, '"');
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.bytes[i] == '"') outbuf_byte(out, '"');
        outbuf_byte(out, text.bytes[i]);
    }
    outbuf_byte(out, '"');
}

/* Without an exponent, as InfluxDB's CSV: 1e+21 is written out, 1e-7 is 0.0000001. */
static void put_double(struct outbuf *out, double value)
{
    if (!isfinite(value)) return;
    char text[PHUSA_DOUBLE_BYTES_MAX];
    const size_t size = phusa_print_double(value, text);
    const char *e = memchr(text, 'e', size);
    if (e == NULL) {
        outbuf_put(out, text, size);
        return;
    }
    char digits[PHUSA_DOUBLE_BYTES_MAX];
    int count = 0, point = 0;
    bool after_point = false;
    for (const char *p = text; p < e; p++) {
        if (*p == '-') {
            outbuf_byte(out, '-');
        } else if (*p == '.') {
            after_point = true;
        } else {
            digits[count++] = *p;
            if (!after_point) point++;
        }
    }
    int exponent = 0;
    const bool negative = e[1] == '-';
    for (const char *p = e + 1; p < text + size; p++)
        if (*p >= '0' && *p <= '9') exponent = exponent * 10 + (*p - '0');
    point += negative ? -exponent : exponent;
    if (point <= 0) {
        outbuf_put(out, "0.", 2);
        for (int i = point; i < 0; i++)
            outbuf_byte(out, '0');
        outbuf_put(out, digits, (size_t)count);
        return;
    }
    for (int i = 0; i < count || i < point; i++) {
        if (i == point) outbuf_byte(out, '.');
        outbuf_byte(out, i < count ? digits[i] : '0');
    }
}

static void put_value(struct outbuf *out, const struct phusa_column *column, size_t row)
{
    if (column->present != NULL && !(column->present[row / 64] >> (row % 64) & 1)) return;
    switch (column->type) {
    case PHUSA_FLOAT:
        put_double(out, column->f[row]);
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
        put_cell(out, column->s[row]);
        break;
    }
}

/* Commas, blanks and equal signs of a tag are escaped as in line protocol. */
static void put_tag_text(struct outbuf *out, struct phusa_text text)
{
    for (size_t i = 0; i < text.size_bytes; i++) {
        const char c = text.bytes[i];
        if (c == ',' || c == ' ' || c == '=') outbuf_byte(out, '\\');
        outbuf_byte(out, c);
    }
}

static phusa_status statement_begin(void *context, unsigned statement)
{
    struct encoder *encoder = context;
    encoder->statement = statement;
    encoder->series_open = false; /* the first series of a statement has a header */
    return PHUSA_OK;
}

static void put_header(struct encoder *encoder, const struct phusa_series_header *header)
{
    struct outbuf line = {0};
    outbuf_str(&line, "name,tags");
    for (size_t i = 0; i < header->column_count; i++) {
        outbuf_byte(&line, ',');
        put_cell(&line, header->columns[i]);
    }
    outbuf_byte(&line, '\n');
    struct outbuf *last = &encoder->header;
    const bool same = !line.bad && last->size_bytes == line.size_bytes &&
                      memcmp(last->bytes, line.bytes, line.size_bytes) == 0;
    if (!same || !encoder->series_open) {
        if (last->size_bytes > 0) outbuf_byte(&encoder->out, '\n');
        outbuf_put(&encoder->out, line.bytes, line.size_bytes);
        if (line.bad) encoder->out.bad = true;
        outbuf_deinit(last);
        *last = line;
    } else {
        outbuf_deinit(&line);
    }
}

static phusa_status series_begin(void *context, const struct phusa_series_header *header)
{
    struct encoder *encoder = context;
    put_header(encoder, header);
    struct outbuf tags = {0};
    for (size_t i = 0; i < header->tag_count; i++) {
        if (i > 0) outbuf_byte(&tags, ',');
        put_tag_text(&tags, header->tags[i].key);
        outbuf_byte(&tags, '=');
        put_tag_text(&tags, header->tags[i].value);
    }
    outbuf_clear(&encoder->series);
    put_cell(&encoder->series, header->name);
    outbuf_byte(&encoder->series, ',');
    put_cell(&encoder->series, (struct phusa_text){tags.bytes, tags.size_bytes});
    if (tags.bad) encoder->series.bad = true;
    outbuf_deinit(&tags);
    encoder->series_open = true;
    encoder->has_time = header->has_time;
    encoder->column_count = header->column_count - header->has_time;
    return encoder_check(encoder);
}

static phusa_status rows(void *context, const struct phusa_rows *rows)
{
    struct encoder *encoder = context;
    struct outbuf *out = &encoder->out;
    for (size_t row = 0; row < rows->row_count; row++) {
        outbuf_put(out, encoder->series.bytes, encoder->series.size_bytes);
        if (encoder->has_time) {
            outbuf_byte(out, ',');
            json_int64(out, rows->times_ns[row] / encoder->options.epoch_ns);
        }
        for (size_t c = 0; c < encoder->column_count; c++) {
            outbuf_byte(out, ',');
            put_value(out, &rows->columns[c], row);
        }
        outbuf_byte(out, '\n');
        const phusa_status status = encoder_check(encoder);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status message(void *context, unsigned statement, const char *level, const char *text)
{
    return PHUSA_OK; /* CSV has no place for it, in InfluxDB neither */
}

static phusa_status statement_end(void *context, unsigned statement,
                                  const struct phusa_error *error)
{
    struct encoder *encoder = context;
    if (error == NULL) return PHUSA_OK;
    if (encoder->header.size_bytes > 0) outbuf_byte(&encoder->out, '\n');
    outbuf_clear(&encoder->header);
    outbuf_str(&encoder->header, "error\n");
    encoder_error(&encoder->out, ENCODER_CSV, false, error->text);
    return encoder_check(encoder);
}

const struct phusa_sink encoder_csv_sink = {
    .statement_begin = statement_begin,
    .series_begin = series_begin,
    .rows = rows,
    .message = message,
    .statement_end = statement_end,
};
