/* tzif_bytes.c - see tzif_bytes.h. */
#include "tzif_bytes.h"

#include "base/bytes.h"

static uint8_t *put_be32(uint8_t *p, uint32_t v)
{
    store_be32(p, v);
    return p + 4;
}

static uint8_t *put_header(uint8_t *p, size_t times, size_t types, size_t chars)
{
    memset(p, 0, 44);
    memcpy(p, "TZif2", 5);
    p = put_be32(p + 32, (uint32_t)times);
    p = put_be32(p, (uint32_t)types);
    return put_be32(p, (uint32_t)chars);
}

size_t tzif_write(uint8_t *out, const int64_t *times, const int32_t *offsets, size_t count,
                  const char *footer)
{
    uint8_t *p = put_header(out, 0, 1, 4);
    p = put_be32(p, 0); /* the one type, and its name */
    memset(p, 0, 6);
    p = put_header(p + 6, count, count + 1, 4);
    for (size_t i = 0; i < count; i++, p += 8)
        store_be64(p, (uint64_t)times[i]);
    for (size_t i = 0; i < count; i++)
        *p++ = (uint8_t)(i + 1);
    for (size_t i = 0; i <= count; i++) {
        p = put_be32(p, (uint32_t)offsets[i]);
        *p++ = 0;
        *p++ = 0;
    }
    memcpy(p, "XXX", 4);
    p += 4;
    *p++ = '\n';
    memcpy(p, footer, strlen(footer));
    p += strlen(footer);
    *p++ = '\n';
    return (size_t)(p - out);
}
