/* outbuf.c - see outbuf.h. */
#include "outbuf.h"

#include <stdio.h>
#include <stdlib.h>

void outbuf_deinit(struct outbuf *out)
{
    free(out->bytes);
    *out = (struct outbuf){0};
}

char *outbuf_grow(struct outbuf *out, size_t size_bytes)
{
    if (out->bad) return NULL;
    size_t wanted;
    if (__builtin_add_overflow(out->size_bytes, size_bytes, &wanted)) {
        out->bad = true;
        return NULL;
    }
    if (wanted > out->capacity_bytes) {
        size_t capacity = out->capacity_bytes < 256 ? 256 : out->capacity_bytes * 2;
        if (capacity < wanted) capacity = wanted;
        char *grown = realloc(out->bytes, capacity);
        if (grown == NULL) {
            out->bad = true;
            return NULL;
        }
        out->bytes = grown;
        out->capacity_bytes = capacity;
    }
    return out->bytes + out->size_bytes;
}

void outbuf_print(struct outbuf *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *room = size < 0 ? NULL : outbuf_reserve(out, (size_t)size + 1);
    if (room != NULL) {
        vsnprintf(room, (size_t)size + 1, format, again);
        out->size_bytes += (size_t)size;
    }
    va_end(again);
}

void outbuf_shift(struct outbuf *out, size_t size_bytes)
{
    if (size_bytes >= out->size_bytes) {
        out->size_bytes = 0;
        return;
    }
    memmove(out->bytes, out->bytes + size_bytes, out->size_bytes - size_bytes);
    out->size_bytes -= size_bytes;
}

char *outbuf_take(struct outbuf *out, size_t *size_bytes)
{
    char *bytes = out->bytes;
    *size_bytes = out->size_bytes;
    *out = (struct outbuf){0};
    return bytes;
}
