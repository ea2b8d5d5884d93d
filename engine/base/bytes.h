/*
 * bytes.h - fixed-width integers, varints and text in byte buffers.
 *
 * Files are little-endian; keys of data files are big-endian so that they sort. A reader
 * never goes past its end: after the first short or malformed read it stays `bad` and
 * every later read gives zero, so that a decoder may check once, at the end of a record.
 */
#ifndef PHUSA_BASE_BYTES_H
#define PHUSA_BASE_BYTES_H

#include "phusa.h"

#include <string.h>

static inline uint16_t load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store_u16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "load_u*() and every FORMAT.md assume a little-endian machine");

static inline uint32_t load_be32(const void *p)
{
    return __builtin_bswap32(load_u32(p));
}
static inline uint64_t load_be64(const void *p)
{
    return __builtin_bswap64(load_u64(p));
}
static inline void store_be32(void *p, uint32_t v)
{
    store_u32(p, __builtin_bswap32(v));
}
static inline void store_be64(void *p, uint64_t v)
{
    store_u64(p, __builtin_bswap64(v));
}

/* Small magnitudes to small codes: 0, -1, 1, -2 ... become 0, 1, 2, 3 ... */
static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (0 - ((uint64_t)v >> 63));
}
static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* LEB128: seven bits a byte, low first. Returns the byte after. */
#define VARINT_BYTES_MAX 10
static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

struct reader {
    const uint8_t *next;
    const uint8_t *end;
    bool bad;
};

static inline struct reader reader_of(const void *bytes, size_t size_bytes)
{
    return (struct reader){bytes, (const uint8_t *)bytes + size_bytes, false};
}
static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->next);
}
/* `size_bytes` bytes in place, or NULL (and bad) when fewer are left. */
static inline const uint8_t *read_bytes(struct reader *r, size_t size_bytes)
{
    if (r->bad || size_bytes > reader_left(r)) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->next;
    r->next += size_bytes;
    return p;
}
static inline uint8_t read_u8(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 1);
    return p == NULL ? 0 : *p;
}
static inline uint16_t read_u16(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 2);
    return p == NULL ? 0 : load_u16(p);
}
static inline uint32_t read_u32(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 4);
    return p == NULL ? 0 : load_u32(p);
}
static inline uint64_t read_u64(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 8);
    return p == NULL ? 0 : load_u64(p);
}
static inline uint64_t read_varint(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->bad || r->next == r->end) break;
        const uint8_t byte = *r->next++;
        if (shift == 63 && byte > 1) break; /* more than 64 bits */
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
    r->bad = true;
    return 0;
}
static inline int64_t read_zigzag(struct reader *r)
{
    return unzigzag(read_varint(r));
}
/* A varint length and that many bytes, in place. */
static inline struct phusa_text read_text(struct reader *r)
{
    const uint64_t size = read_varint(r);
    if (r->bad || size > reader_left(r)) {
        r->bad = true;
        return (struct phusa_text){"", 0};
    }
    return (struct phusa_text){(const char *)read_bytes(r, (size_t)size), (size_t)size};
}

/* Bits of a present-bitmap, see phusa_column. */
static inline bool bit_get(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *words, size_t i)
{
    words[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline bool text_equal(struct phusa_text a, struct phusa_text b)
{
    if (a.size_bytes != b.size_bytes) return false;
    return a.size_bytes == 0 || memcmp(a.bytes, b.bytes, a.size_bytes) == 0;
}
/* As memcmp over the common part, then the shorter first. */
static inline int text_compare(struct phusa_text a, struct phusa_text b)
{
    const size_t common = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    const int order = common == 0 ? 0 : memcmp(a.bytes, b.bytes, common);
    if (order != 0) return order;
    return a.size_bytes < b.size_bytes ? -1 : a.size_bytes > b.size_bytes;
}
static inline struct phusa_text text_of(const char *nul_terminated)
{
    return (struct phusa_text){nul_terminated, strlen(nul_terminated)};
}

#endif
