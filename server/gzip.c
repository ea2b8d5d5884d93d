/* gzip.c - see gzip.h. */
#include "gzip.h"
#include "bounds.h"

#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW 15
#define GZIP_HEADER 16 /* added to the window: gzip, not zlib */
/* Answers are repetitive text: level 1 takes them to about a sixth at 150 MB/s, level 6 to an
 * eighth at a third of that speed. */
#define GZIP_LEVEL  1

struct gunzip {
    z_stream stream;
    uint64_t in_bytes;
    uint64_t out_bytes;
    bool ended; /* a member has ended and no other has begun */
    bool too_large;
};

struct gunzip *gunzip_create(void)
{
    struct gunzip *gunzip = calloc(1, sizeof *gunzip);
    if (gunzip == NULL) return NULL;
    if (inflateInit2(&gunzip->stream, GZIP_WINDOW + GZIP_HEADER) != Z_OK) {
        free(gunzip);
        return NULL;
    }
    return gunzip;
}

void gunzip_free(struct gunzip *gunzip)
{
    if (gunzip == NULL) return;
    inflateEnd(&gunzip->stream);
    free(gunzip);
}

static const char *over_bounds(struct gunzip *gunzip)
{
    gunzip->too_large = true;
    if (gunzip->out_bytes > INFLATED_BYTES_MAX)
        return "the body is too large once it is unzipped; send it in parts";
    if (gunzip->out_bytes > INFLATE_RATIO_FREE &&
        gunzip->out_bytes / INFLATE_RATIO_MAX > gunzip->in_bytes)
        return "the body is compressed beyond any real measurements; send it plain";
    gunzip->too_large = false;
    return NULL;
}

size_t gunzip_next(struct gunzip *gunzip, struct phusa_text *bytes, char *out, size_t room,
                   const char **error)
{
    *error = NULL;
    z_stream *stream = &gunzip->stream;
    if (gunzip->ended) {
        if (bytes->size_bytes == 0) return 0;
        /* RFC 1952: members may follow each other. */
        if (inflateReset(stream) != Z_OK) {
            *error = "gzip: cannot go on";
            return 0;
        }
        gunzip->ended = false;
    }
    const uInt given = bytes->size_bytes > UINT32_MAX ? UINT32_MAX : (uInt)bytes->size_bytes;
    const uInt wanted = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
    stream->next_in = (Bytef *)(uintptr_t)bytes->bytes;
    stream->avail_in = given;
    stream->next_out = (Bytef *)out;
    stream->avail_out = wanted;
    const int outcome = inflate(stream, Z_NO_FLUSH);
    const size_t used = given - stream->avail_in;
    const size_t made = wanted - stream->avail_out;
    bytes->bytes += used;
    bytes->size_bytes -= used;
    gunzip->in_bytes += used;
    gunzip->out_bytes += made;
    if (outcome == Z_STREAM_END)
        gunzip->ended = true;
    else if (outcome == Z_MEM_ERROR)
        *error = "gzip: no memory";
    else if (outcome != Z_OK && outcome != Z_BUF_ERROR)
        *error = "gzip: invalid data";
    if (*error == NULL) *error = over_bounds(gunzip);
    return made;
}

bool gunzip_whole(const struct gunzip *gunzip)
{
    return gunzip->ended;
}

bool gunzip_too_large(const struct gunzip *gunzip)
{
    return gunzip->too_large;
}

struct gzip {
    z_stream stream;
};

struct gzip *gzip_create(void)
{
    struct gzip *gzip = calloc(1, sizeof *gzip);
    if (gzip == NULL) return NULL;
    if (deflateInit2(&gzip->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW + GZIP_HEADER, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

void gzip_free(struct gzip *gzip)
{
    if (gzip == NULL) return;
    deflateEnd(&gzip->stream);
    free(gzip);
}

void gzip_put(struct gzip *gzip, const char *bytes, size_t size_bytes, bool last,
              struct outbuf *out)
{
    z_stream *stream = &gzip->stream;
    stream->next_in = (Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)size_bytes; /* blocks of an answer: far below 4 GiB */
    do {
        const size_t room_bytes = size_bytes / 4 + 4096;
        char *room = outbuf_reserve(out, room_bytes);
        if (room == NULL) return;
        stream->next_out = (Bytef *)room;
        stream->avail_out = (uInt)room_bytes;
        deflate(stream, last ? Z_FINISH : Z_NO_FLUSH);
        out->size_bytes += room_bytes - stream->avail_out;
    } while (stream->avail_out == 0);
}
