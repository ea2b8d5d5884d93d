/*
 * jstream.c - a JSON reader that can be interrupted after any byte.
 *
 * Every state is in the struct, so a piece may end inside a string, an escape or a number. The
 * one fast path is the inside of a string, which is copied up to the next quote or backslash.
 */
#include "jstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void jstream_deinit(struct jstream *stream)
{
    assert(stream != NULL);
    textbuf_deinit(&stream->text);
}

static phusa_client_status emit(struct jstream *stream, enum jstream_event event, const char *text,
                                size_t text_bytes)
{
    if (!stream->callback(stream->context, event, text, text_bytes)) return PHUSA_CLIENT_ESTOPPED;
    return PHUSA_CLIENT_OK;
}

static phusa_client_status keep(struct jstream *stream, const char *bytes, size_t size_bytes)
{
    if (stream->text.used + size_bytes > JSTREAM_TEXT_BYTES_MAX) return PHUSA_CLIENT_ENOMEM;
    if (!textbuf_append(&stream->text, bytes, size_bytes)) return PHUSA_CLIENT_ENOMEM;
    return PHUSA_CLIENT_OK;
}

static phusa_client_status keep_code_point(struct jstream *stream, unsigned code)
{
    char utf8[4];
    size_t size_bytes;
    if (code < 0x80) {
        utf8[0] = (char)code;
        size_bytes = 1;
    } else if (code < 0x800) {
        utf8[0] = (char)(0xC0 | code >> 6);
        utf8[1] = (char)(0x80 | (code & 63));
        size_bytes = 2;
    } else if (code < 0x10000) {
        utf8[0] = (char)(0xE0 | code >> 12);
        utf8[1] = (char)(0x80 | (code >> 6 & 63));
        utf8[2] = (char)(0x80 | (code & 63));
        size_bytes = 3;
    } else {
        utf8[0] = (char)(0xF0 | code >> 18);
        utf8[1] = (char)(0x80 | (code >> 12 & 63));
        utf8[2] = (char)(0x80 | (code >> 6 & 63));
        utf8[3] = (char)(0x80 | (code & 63));
        size_bytes = 4;
    }
    return keep(stream, utf8, size_bytes);
}

/* Half a surrogate pair that stays alone becomes U+FFFD, as browsers do. */
static phusa_client_status settle_surrogate(struct jstream *stream)
{
    if (stream->high_surrogate == 0) return PHUSA_CLIENT_OK;
    stream->high_surrogate = 0;
    return keep_code_point(stream, 0xFFFD);
}

static phusa_client_status end_escape_hex(struct jstream *stream)
{
    const unsigned unit = stream->hex_value;
    stream->state = JSTREAM_IN_STRING;
    if (unit >= 0xDC00 && unit < 0xE000 && stream->high_surrogate != 0) {
        const unsigned high = stream->high_surrogate;
        stream->high_surrogate = 0;
        return keep_code_point(stream, 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00));
    }
    const phusa_client_status status = settle_surrogate(stream);
    if (status != PHUSA_CLIENT_OK) return status;
    if (unit >= 0xD800 && unit < 0xDC00) {
        stream->high_surrogate = unit;
        return PHUSA_CLIENT_OK;
    }
    return keep_code_point(stream, unit >= 0xDC00 && unit < 0xE000 ? 0xFFFD : unit);
}

static phusa_client_status end_string(struct jstream *stream)
{
    const phusa_client_status status = settle_surrogate(stream);
    if (status != PHUSA_CLIENT_OK) return status;
    if (!textbuf_reserve(&stream->text, 0)) return PHUSA_CLIENT_ENOMEM;
    stream->state = stream->string_is_key ? JSTREAM_COLON : JSTREAM_AFTER;
    return emit(stream, stream->string_is_key ? JSTREAM_KEY : JSTREAM_STRING, stream->text.bytes,
                stream->text.used);
}

static phusa_client_status in_escape(struct jstream *stream, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c == 'u') {
        stream->state = JSTREAM_IN_HEX;
        stream->hex_digits = 0;
        stream->hex_value = 0;
        return PHUSA_CLIENT_OK;
    }
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found == NULL) return PHUSA_CLIENT_EANSWER;
    stream->state = JSTREAM_IN_STRING;
    const phusa_client_status status = settle_surrogate(stream);
    if (status != PHUSA_CLIENT_OK) return status;
    return keep(stream, &to[found - from], 1);
}

static phusa_client_status in_hex(struct jstream *stream, char c)
{
    unsigned digit;
    if (c >= '0' && c <= '9')
        digit = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
        digit = (unsigned)(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
        digit = (unsigned)(c - 'A') + 10;
    else
        return PHUSA_CLIENT_EANSWER;
    stream->hex_value = stream->hex_value * 16 + digit;
    return ++stream->hex_digits == 4 ? end_escape_hex(stream) : PHUSA_CLIENT_OK;
}

/* -?digits[.digits][(e|E)[+-]digits], with at least one digit in each place */
static bool number_is_good(const char *text)
{
    if (*text == '-') text++;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0) return false;
    text += digits;
    if (*text == '.') {
        digits = strspn(++text, "0123456789");
        if (digits == 0) return false;
        text += digits;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+' || *text == '-') text++;
        digits = strspn(text, "0123456789");
        if (digits == 0) return false;
        text += digits;
    }
    return *text == 0;
}

static phusa_client_status end_scalar(struct jstream *stream)
{
    const char *const text = stream->text.bytes;
    const size_t text_bytes = stream->text.used;
    const bool number = stream->state == JSTREAM_IN_NUMBER;
    stream->state = JSTREAM_AFTER;
    if (number) {
        if (!number_is_good(text)) return PHUSA_CLIENT_EANSWER;
        return emit(stream, JSTREAM_NUMBER, text, text_bytes);
    }
    if (strcmp(text, "true") == 0) return emit(stream, JSTREAM_TRUE, text, text_bytes);
    if (strcmp(text, "false") == 0) return emit(stream, JSTREAM_FALSE, text, text_bytes);
    if (strcmp(text, "null") == 0) return emit(stream, JSTREAM_NULL, text, text_bytes);
    return PHUSA_CLIENT_EANSWER;
}

static phusa_client_status begin_nested(struct jstream *stream, bool object)
{
    if (stream->depth == JSTREAM_DEPTH_MAX) return PHUSA_CLIENT_EANSWER;
    stream->is_object[stream->depth++] = object;
    stream->state = object ? JSTREAM_KEY_OR_END : JSTREAM_VALUE_OR_END;
    return emit(stream, object ? JSTREAM_OBJECT_BEGIN : JSTREAM_ARRAY_BEGIN, "", 0);
}

static phusa_client_status end_nested(struct jstream *stream, bool object)
{
    if (stream->depth == 0 || stream->is_object[stream->depth - 1] != object)
        return PHUSA_CLIENT_EANSWER;
    stream->depth--;
    stream->state = JSTREAM_AFTER;
    return emit(stream, object ? JSTREAM_OBJECT_END : JSTREAM_ARRAY_END, "", 0);
}

static phusa_client_status begin_text(struct jstream *stream, enum jstream_state state, char c)
{
    textbuf_clear(&stream->text);
    stream->state = state;
    stream->high_surrogate = 0;
    if (state == JSTREAM_IN_STRING) return PHUSA_CLIENT_OK;
    return keep(stream, &c, 1);
}

static phusa_client_status begin_value(struct jstream *stream, char c)
{
    if (c == '{') return begin_nested(stream, true);
    if (c == '[') return begin_nested(stream, false);
    if (c == ']' && stream->state == JSTREAM_VALUE_OR_END) return end_nested(stream, false);
    if (c == '"') {
        stream->string_is_key = false;
        return begin_text(stream, JSTREAM_IN_STRING, c);
    }
    if (c == '-' || (c >= '0' && c <= '9')) return begin_text(stream, JSTREAM_IN_NUMBER, c);
    if (c == 't' || c == 'f' || c == 'n') return begin_text(stream, JSTREAM_IN_WORD, c);
    return PHUSA_CLIENT_EANSWER;
}

static phusa_client_status after_value(struct jstream *stream, char c)
{
    if (c == '}') return end_nested(stream, true);
    if (c == ']') return end_nested(stream, false);
    if (c != ',') return PHUSA_CLIENT_EANSWER;
    stream->state = stream->is_object[stream->depth - 1] ? JSTREAM_KEY_NEXT : JSTREAM_VALUE;
    return PHUSA_CLIENT_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* One byte outside of any text. Between documents AFTER at depth 0 is VALUE again. */
static phusa_client_status structure(struct jstream *stream, char c)
{
    if (is_space(c)) return PHUSA_CLIENT_OK;
    if (stream->state == JSTREAM_AFTER && stream->depth == 0) stream->state = JSTREAM_VALUE;
    switch (stream->state) {
    case JSTREAM_VALUE:
    case JSTREAM_VALUE_OR_END:
        return begin_value(stream, c);
    case JSTREAM_KEY_NEXT:
    case JSTREAM_KEY_OR_END:
        if (c == '}' && stream->state == JSTREAM_KEY_OR_END) return end_nested(stream, true);
        if (c != '"') return PHUSA_CLIENT_EANSWER;
        stream->string_is_key = true;
        return begin_text(stream, JSTREAM_IN_STRING, c);
    case JSTREAM_COLON:
        if (c != ':') return PHUSA_CLIENT_EANSWER;
        stream->state = JSTREAM_VALUE;
        return PHUSA_CLIENT_OK;
    case JSTREAM_AFTER:
        return after_value(stream, c);
    default:
        return PHUSA_CLIENT_EANSWER;
    }
}

/* The bytes of a string up to its end, an escape or the end of the piece. */
static phusa_client_status in_string(struct jstream *stream, const char **at, const char *end)
{
    const char *stop = *at;
    while (stop < end && *stop != '"' && *stop != '\\') {
        if ((unsigned char)*stop < 0x20) return PHUSA_CLIENT_EANSWER;
        stop++;
    }
    const size_t size_bytes = (size_t)(stop - *at);
    if (size_bytes > 0) {
        phusa_client_status status = settle_surrogate(stream);
        if (status == PHUSA_CLIENT_OK) status = keep(stream, *at, size_bytes);
        if (status != PHUSA_CLIENT_OK) return status;
    }
    *at = stop;
    if (stop == end) return PHUSA_CLIENT_OK;
    *at = stop + 1;
    if (*stop == '"') return end_string(stream);
    stream->state = JSTREAM_IN_ESCAPE;
    return PHUSA_CLIENT_OK;
}

static bool continues_scalar(enum jstream_state state, char c)
{
    if (state == JSTREAM_IN_WORD) return c >= 'a' && c <= 'z';
    return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

static phusa_client_status step(struct jstream *stream, const char **at, const char *end)
{
    const char c = **at;
    switch (stream->state) {
    case JSTREAM_IN_STRING:
        return in_string(stream, at, end);
    case JSTREAM_IN_ESCAPE:
        (*at)++;
        return in_escape(stream, c);
    case JSTREAM_IN_HEX:
        (*at)++;
        return in_hex(stream, c);
    case JSTREAM_IN_NUMBER:
    case JSTREAM_IN_WORD:
        /* The byte that ends a number belongs to what follows it: it is not consumed here. */
        if (!continues_scalar(stream->state, c)) return end_scalar(stream);
        (*at)++;
        return keep(stream, &c, 1);
    case JSTREAM_BROKEN:
        return PHUSA_CLIENT_EANSWER;
    default:
        (*at)++;
        return structure(stream, c);
    }
}

phusa_client_status jstream_feed(struct jstream *stream, const char *bytes, size_t size_bytes)
{
    assert(stream != NULL);
    assert(stream->callback != NULL);

    const char *at = bytes;
    const char *const end = bytes + size_bytes;
    while (at < end) {
        const phusa_client_status status = step(stream, &at, end);
        if (status != PHUSA_CLIENT_OK) {
            stream->state = JSTREAM_BROKEN;
            return status;
        }
    }
    return PHUSA_CLIENT_OK;
}

phusa_client_status jstream_finish(struct jstream *stream)
{
    assert(stream != NULL);
    if (stream->state == JSTREAM_IN_NUMBER || stream->state == JSTREAM_IN_WORD) {
        const phusa_client_status status = end_scalar(stream);
        if (status != PHUSA_CLIENT_OK) return status;
    }
    const bool between = stream->state == JSTREAM_AFTER || stream->state == JSTREAM_VALUE;
    return between && stream->depth == 0 ? PHUSA_CLIENT_OK : PHUSA_CLIENT_EANSWER;
}
