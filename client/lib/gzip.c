/*
 * gzip.c - compress a body in one call; zlib's only caller.
 */
#include "gzip.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <zlib.h>

#define WINDOW_BITS_GZIP (15 + 16) /* zlib's way to say: with gzip's header and CRC */

bool gzip_pack(struct textbuf *to, const char *bytes, size_t size_bytes)
{
    assert(to != NULL);
    if (size_bytes > UINT_MAX) return false;

    z_stream stream = {0};
    if (deflateInit2(&stream, 1, Z_DEFLATED, WINDOW_BITS_GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    bool good = false;
    const unsigned long bound = deflateBound(&stream, (unsigned long)size_bytes);
    textbuf_clear(to);
    if (bound > UINT_MAX || !textbuf_reserve(to, bound)) goto out;

    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size_bytes;
    stream.next_out = (Bytef *)to->bytes;
    stream.avail_out = (uInt)bound;
    good = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (good) to->used = stream.total_out;
out:
    (void)deflateEnd(&stream);
    return good;
}
