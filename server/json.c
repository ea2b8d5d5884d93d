/* json.c - see json.h. */
#include "json.h"

#include <math.h>

/* Bytes that stand for themselves inside a string. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* The size of the UTF-8 sequence at p, 1 to 4; 0: malformed (overlong and surrogates too). */
static size_t utf8_size(const unsigned char *p, size_t left)
{
    const unsigned char c = p[0];
    if (c < 0x80) return 1;
    if (c < 0xc2 || c > 0xf4) return 0;
    const size_t size = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (left < size) return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (c == 0xe0 && p[1] < 0xa0) return 0;
    if (c == 0xed && p[1] > 0x9f) return 0;
    if (c == 0xf0 && p[1] < 0x90) return 0;
    if (c == 0xf4 && p[1] > 0x8f) return 0;
    return size;
}

static void put_unicode(struct outbuf *out, unsigned code)
{
    static const char digits[] = "0123456789abcdef";
    const char text[6] = {'\\',
                          'u',
                          digits[code >> 12 & 15],
                          digits[code >> 8 & 15],
                          digits[code >> 4 & 15],
                          digits[code & 15]};
    outbuf_put(out, text, sizeof text);
}

/* One character that does not stand for itself; returns its size in the source. */
static size_t put_special(struct outbuf *out, const unsigned char *p, size_t left)
{
    const unsigned char c = *p;
    if (c >= 0x80) {
        const size_t size = utf8_size(p, left);
        if (size == 0) {
            put_unicode(out, 0xfffd);
            return 1;
        }
        if (size == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
            put_unicode(out, 0x2000u | (p[2] & 0x3fu));
        else
            outbuf_put(out, p, size);
        return size;
    }
    switch (c) {
    case '"':
        outbuf_put(out, "\\\"", 2);
        break;
    case '\\':
        outbuf_put(out, "\\\\", 2);
        break;
    case '\n':
        outbuf_put(out, "\\n", 2);
        break;
    case '\r':
        outbuf_put(out, "\\r", 2);
        break;
    case '\t':
        outbuf_put(out, "\\t", 2);
        break;
    default:
        put_unicode(out, c);
        break;
    }
    return 1;
}

void json_string(struct outbuf *out, struct phusa_text text)
{
    const unsigned char *p = (const unsigned char *)text.bytes;
    outbuf_byte(out, '"');
    size_t i = 0;
    while (i < text.size_bytes) {
        const size_t start = i;
        while (i < text.size_bytes && is_plain(p[i]))
            i++;
        outbuf_put(out, p + start, i - start);
        if (i < text.size_bytes) i += put_special(out, p + i, text.size_bytes - i);
    }
    outbuf_byte(out, '"');
}

void json_double(struct outbuf *out, double value)
{
    if (!isfinite(value)) {
        outbuf_put(out, "null", 4);
        return;
    }
    char *room = outbuf_reserve(out, PHUSA_DOUBLE_BYTES_MAX);
    if (room != NULL) out->size_bytes += phusa_print_double(value, room);
}

void json_uint64(struct outbuf *out, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    outbuf_put(out, digits + n, sizeof digits - n);
}

void json_int64(struct outbuf *out, int64_t value)
{
    if (value < 0) outbuf_byte(out, '-');
    json_uint64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_time(struct outbuf *out, int64_t ns)
{
    char *room = outbuf_reserve(out, PHUSA_TIME_BYTES_MAX + 2);
    if (room == NULL) return;
    room[0] = '"';
    const size_t size = phusa_print_time(ns, room + 1);
    room[size + 1] = '"';
    out->size_bytes += size + 2;
}
