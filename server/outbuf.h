/*
 * outbuf.h - a growing run of bytes in which answers and messages are put together.
 *
 * Without memory it turns `bad` and drops what follows, so that a writer checks once, at the end.
 */
#ifndef PHUSAD_OUTBUF_H
#define PHUSAD_OUTBUF_H

#include "phusa.h"

#include <stdarg.h>
#include <string.h>

struct outbuf {
    char *bytes;
    size_t size_bytes;
    size_t capacity_bytes;
    bool bad;
};

void outbuf_deinit(struct outbuf *out); /* and ready for use again */
/* Room for size_bytes more, or NULL (and bad). The caller adds what it used to size_bytes. */
char *outbuf_grow(struct outbuf *out, size_t size_bytes);
void outbuf_print(struct outbuf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop the first bytes. */
void outbuf_shift(struct outbuf *out, size_t size_bytes);
/* The bytes, to be freed with free(); the buffer is empty afterwards. NULL when nothing is in it.
 */
char *outbuf_take(struct outbuf *out, size_t *size_bytes);

static inline char *outbuf_reserve(struct outbuf *out, size_t size_bytes)
{
    if (!out->bad && out->capacity_bytes - out->size_bytes >= size_bytes)
        return out->bytes + out->size_bytes;
    return outbuf_grow(out, size_bytes);
}
static inline void outbuf_put(struct outbuf *out, const void *bytes, size_t size_bytes)
{
    if (size_bytes == 0) return;
    char *room = outbuf_reserve(out, size_bytes);
    if (room == NULL) return;
    memcpy(room, bytes, size_bytes);
    out->size_bytes += size_bytes;
}
static inline void outbuf_byte(struct outbuf *out, char byte)
{
    char *room = outbuf_reserve(out, 1);
    if (room == NULL) return;
    *room = byte;
    out->size_bytes++;
}
static inline void outbuf_text(struct outbuf *out, struct phusa_text text)
{
    outbuf_put(out, text.bytes, text.size_bytes);
}
static inline void outbuf_str(struct outbuf *out, const char *text)
{
    outbuf_put(out, text, strlen(text));
}
static inline void outbuf_clear(struct outbuf *out)
{
    out->size_bytes = 0;
    out->bad = false;
}

#endif
