/* scan.c - see scan.h. */
#include "text/scan.h"

/* The bytes of the UTF-8 character at `p`, 0 if it is none (NUL included). */
static size_t character_bytes(const uint8_t *p, size_t size_bytes)
{
    if (p[0] < 0x80) return p[0] != 0;
    if (p[0] < 0xc2 || size_bytes < 2 || (p[1] & 0xc0) != 0x80) return 0;
    if (p[0] < 0xe0) return 2;
    if (size_bytes < 3 || (p[2] & 0xc0) != 0x80) return 0;
    if (p[0] < 0xf0) {
        if (p[0] == 0xe0 && p[1] < 0xa0) return 0; /* overlong */
        if (p[0] == 0xed && p[1] > 0x9f) return 0; /* surrogates */
        return 3;
    }
    if (size_bytes < 4 || (p[3] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;                  /* overlong */
    if (p[0] > 0xf4 || (p[0] == 0xf4 && p[1] > 0x8f)) return 0; /* above U+10FFFF */
    return 4;
}

const char *scan_text_fault(const char *p, const char *end)
{
    for (;;) {
        p = scan_plain(p, end);
        if (p == end) return end;
        const size_t size = character_bytes((const uint8_t *)p, (size_t)(end - p));
        if (size == 0) return p;
        p += size;
    }
}
