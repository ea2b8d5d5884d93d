/*
 * textbuf.c - growing text; see textbuf.h.
 */
#include "textbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void textbuf_deinit(struct textbuf *text)
{
    assert(text != NULL);
    free(text->bytes);
    *text = (struct textbuf){0};
}

bool textbuf_reserve(struct textbuf *text, size_t more_bytes)
{
    assert(text != NULL);
    if (more_bytes >= SIZE_MAX / 4 - text->used) return false;
    const size_t need = text->used + more_bytes + 1;
    if (need <= text->capacity) return true;

    size_t capacity = text->capacity == 0 ? 256 : text->capacity;
    while (capacity < need)
        capacity *= 2;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL) return false;
    text->bytes = bytes;
    text->capacity = capacity;
    text->bytes[text->used] = 0;
    return true;
}

bool textbuf_append(struct textbuf *text, const char *bytes, size_t size_bytes)
{
    if (!textbuf_reserve(text, size_bytes)) return false;
    if (size_bytes > 0) memcpy(text->bytes + text->used, bytes, size_bytes);
    text->used += size_bytes;
    text->bytes[text->used] = 0;
    return true;
}

bool textbuf_print(struct textbuf *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int need = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (need < 0 || !textbuf_reserve(text, (size_t)need)) return false;

    va_start(arguments, format);
    (void)vsnprintf(text->bytes + text->used, (size_t)need + 1, format, arguments);
    va_end(arguments);
    text->used += (size_t)need;
    return true;
}

bool textbuf_append_percent(struct textbuf *text, const char *string)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (const char *at = string; *at != 0; at++) {
        const bool good = strchr(plain, *at) != NULL
                              ? textbuf_append(text, at, 1)
                              : textbuf_print(text, "%%%02X", (unsigned char)*at);
        if (!good) return false;
    }
    return true;
}

bool textbuf_append_base64(struct textbuf *text, const char *bytes, size_t size_bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size_bytes; i += 3) {
        const size_t left = size_bytes - i;
        uint32_t bits = (uint32_t)(unsigned char)bytes[i] << 16;
        if (left > 1) bits |= (uint32_t)(unsigned char)bytes[i + 1] << 8;
        if (left > 2) bits |= (uint32_t)(unsigned char)bytes[i + 2];
        const char group[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                               left > 1 ? digits[bits >> 6 & 63] : '=',
                               left > 2 ? digits[bits & 63] : '='};
        if (!textbuf_append(text, group, 4)) return false;
    }
    return true;
}
