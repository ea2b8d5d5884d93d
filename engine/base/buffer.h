/*
 * buffer.h - a growing run of bytes on the heap, for records whose size is not known ahead.
 *
 * After a failed allocation it stays `bad` and drops what follows, so that a writer may
 * check once, at the end.
 */
#ifndef PHUSA_BASE_BUFFER_H
#define PHUSA_BASE_BUFFER_H

#include "base/bytes.h"

struct buffer {
    uint8_t *bytes;
    size_t size_bytes;
    size_t capacity_bytes;
    bool bad;
};

static inline void buffer_init(struct buffer *b)
{
    *b = (struct buffer){0};
}
void buffer_deinit(struct buffer *b);
static inline void buffer_clear(struct buffer *b)
{
    b->size_bytes = 0;
    b->bad = false;
}
/* Room for size_bytes more, at the returned place; NULL (and bad) without memory. The caller
 * then adds what it used to size_bytes. */
uint8_t *buffer_reserve(struct buffer *b, size_t size_bytes);
void buffer_put(struct buffer *b, const void *bytes, size_t size_bytes);
void buffer_put_u8(struct buffer *b, uint8_t v);
void buffer_put_u16(struct buffer *b, uint16_t v);
void buffer_put_u32(struct buffer *b, uint32_t v);
void buffer_put_u64(struct buffer *b, uint64_t v);
void buffer_put_varint(struct buffer *b, uint64_t v);
void buffer_put_zigzag(struct buffer *b, int64_t v);
void buffer_put_text(struct buffer *b, struct phusa_text text); /* read_text()'s twin */

#endif
