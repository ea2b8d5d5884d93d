/* encoder.c - what both forms share; see encoder.h. */
#include "encoder.h"
#include "bounds.h"
#include "json.h"

void encoder_init(struct encoder *encoder, const struct encoder_options *options)
{
    *encoder = (struct encoder){.options = *options};
    if (encoder->options.chunk_rows == 0) encoder->options.chunk_rows = CHUNK_ROWS_DEFAULT;
    if (options->format == ENCODER_CSV && options->epoch_ns == 0) encoder->options.epoch_ns = 1;
}

void encoder_deinit(struct encoder *encoder)
{
    outbuf_deinit(&encoder->out);
    outbuf_deinit(&encoder->series);
    outbuf_deinit(&encoder->header);
    outbuf_deinit(&encoder->messages);
}

struct phusa_sink encoder_sink(struct encoder *encoder)
{
    struct phusa_sink sink =
        encoder->options.format == ENCODER_CSV ? encoder_csv_sink : encoder_json_sink;
    sink.context = encoder;
    return sink;
}

void encoder_end(struct encoder *encoder)
{
    if (encoder->options.format == ENCODER_JSON) encoder_json_end(encoder);
}

phusa_status encoder_check(struct encoder *encoder)
{
    if (encoder->out.bad || encoder->series.bad || encoder->header.bad || encoder->messages.bad)
        return PHUSA_ENOMEM;
    if (encoder->out.size_bytes < ANSWER_BLOCK_BYTES || encoder->full == NULL) return PHUSA_OK;
    return encoder->full(encoder->context, &encoder->out);
}

void encoder_error(struct outbuf *out, enum encoder_format format, bool pretty, const char *text)
{
    const struct phusa_text words = {text, strlen(text)};
    if (format == ENCODER_JSON) {
        outbuf_str(out, pretty ? "{\n    \"error\": " : "{\"error\":");
        json_string(out, words);
        outbuf_str(out, pretty ? "\n}\n" : "}\n");
        return;
    }
    outbuf_str(out, "error\n\"");
    for (size_t i = 0; i < words.size_bytes; i++) {
        if (text[i] == '"') outbuf_byte(out, '"');
        outbuf_byte(out, text[i]);
    }
    outbuf_str(out, "\"\n");
}

const char *encoder_type(enum encoder_format format)
{
    return format == ENCODER_CSV ? "text/csv" : "application/json";
}
