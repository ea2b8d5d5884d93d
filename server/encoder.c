/* answer.c - what both forms share; see answer.h. */
#include "answer.h"
#include "bounds.h"
#include "json.h"

void answer_init(struct answer *answer, const struct answer_options *options)
{
    *answer = (struct answer){.options = *options};
    if (answer->options.chunk_rows == 0) answer->options.chunk_rows = CHUNK_ROWS_DEFAULT;
    if (options->format == ANSWER_CSV && options->epoch_ns == 0) answer->options.epoch_ns = 1;
}

void answer_deinit(struct answer *answer)
{
    outbuf_deinit(&answer->out);
    outbuf_deinit(&answer->series);
    outbuf_deinit(&answer->header);
    outbuf_deinit(&answer->messages);
}

struct phusa_sink answer_sink(struct answer *answer)
{
    struct phusa_sink sink =
        answer->options.format == ANSWER_CSV ? answer_csv_sink : answer_json_sink;
    sink.context = answer;
    return sink;
}

void answer_end(struct answer *answer)
{
    if (answer->options.format == ANSWER_JSON) answer_json_end(answer);
}

phusa_status answer_check(struct answer *answer)
{
    if (answer->out.bad || answer->series.bad || answer->header.bad || answer->messages.bad)
        return PHUSA_ENOMEM;
    if (answer->out.size_bytes < ANSWER_BLOCK_BYTES || answer->full == NULL) return PHUSA_OK;
    return answer->full(answer->context, &answer->out);
}

void answer_error(struct outbuf *out, enum answer_format format, const char *text)
{
    const struct phusa_text words = {text, strlen(text)};
    if (format == ANSWER_JSON) {
        outbuf_str(out, "{\"error\":");
        json_string(out, words);
        outbuf_str(out, "}\n");
        return;
    }
    outbuf_str(out, "error\n\"");
    for (size_t i = 0; i < words.size_bytes; i++) {
        if (text[i] == '"') outbuf_byte(out, '"');
        outbuf_byte(out, text[i]);
    }
    outbuf_str(out, "\"\n");
}

const char *answer_type(enum answer_format format)
{
    return format == ANSWER_CSV ? "text/csv" : "application/json";
}
