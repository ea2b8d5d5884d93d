/* buffer.c - see buffer.h. */
#include "base/buffer.h"

#include "base/mem.h"

void buffer_deinit(struct buffer *b)
{
    mem_free(b->bytes);
    buffer_init(b);
}

uint8_t *buffer_reserve(struct buffer *b, size_t size_bytes)
{
    size_t wanted;
    if (b->bad || __builtin_add_overflow(b->size_bytes, size_bytes, &wanted) ||
        !MEM_GROW(b->bytes, b->capacity_bytes, wanted)) {
        b->bad = true;
        return NULL;
    }
    return b->bytes + b->size_bytes;
}

void buffer_put(struct buffer *b, const void *bytes, size_t size_bytes)
{
    uint8_t *p = buffer_reserve(b, size_bytes);
    if (p == NULL || size_bytes == 0) return;
    memcpy(p, bytes, size_bytes);
    b->size_bytes += size_bytes;
}

void buffer_put_u8(struct buffer *b, uint8_t v)
{
    buffer_put(b, &v, sizeof v);
}

void buffer_put_u16(struct buffer *b, uint16_t v)
{
    buffer_put(b, &v, sizeof v);
}

void buffer_put_u32(struct buffer *b, uint32_t v)
{
    buffer_put(b, &v, sizeof v);
}

void buffer_put_u64(struct buffer *b, uint64_t v)
{
    buffer_put(b, &v, sizeof v);
}

void buffer_put_varint(struct buffer *b, uint64_t v)
{
    uint8_t *p = buffer_reserve(b, VARINT_BYTES_MAX);
    if (p != NULL) b->size_bytes += (size_t)(put_varint(p, v) - p);
}

void buffer_put_zigzag(struct buffer *b, int64_t v)
{
    buffer_put_varint(b, zigzag(v));
}

void buffer_put_text(struct buffer *b, struct phusa_text text)
{
    buffer_put_varint(b, text.size_bytes);
    buffer_put(b, text.bytes, text.size_bytes);
}
