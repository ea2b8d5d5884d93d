/*
 * textbuf.h - a growing run of bytes, with a NUL kept behind it.
 *
 * Ownership  the struct owns `bytes`; zero it to begin, textbuf_deinit() to end.
 * Errors     a failed growth returns false and changes nothing.
 */
#ifndef PHUSA_CLIENT_TEXTBUF_H
#define PHUSA_CLIENT_TEXTBUF_H

#include <stdbool.h>
#include <stddef.h>

struct textbuf {
    char *bytes; /* NULL until the first byte */
    size_t used, capacity;
};

void textbuf_deinit(struct textbuf *text);
bool textbuf_reserve(struct textbuf *text, size_t more_bytes); /* and one for the NUL */
bool textbuf_append(struct textbuf *text, const char *bytes, size_t size_bytes);
bool textbuf_print(struct textbuf *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* As in a URL: letters, digits and -._~ as they are, the rest as %XX. */
bool textbuf_append_percent(struct textbuf *text, const char *string);
bool textbuf_append_base64(struct textbuf *text, const char *bytes, size_t size_bytes);

static inline void textbuf_clear(struct textbuf *text)
{
    text->used = 0;
    if (text->bytes != NULL) text->bytes[0] = 0;
}

#endif
