/*
 * gzip.h - gzip bodies in, gzip answers out; the only file that knows zlib is gzip.c.
 *
 * What comes in is bounded while it is inflated, by bytes and by ratio, before anything else looks
 * at it: 25 MB of zeros are 25 GB inflated.
 *
 * Threads  one at a time for each object.
 */
#ifndef PHUSAD_GZIP_H
#define PHUSAD_GZIP_H

#include "outbuf.h"
#include "phusa.h"

struct gunzip;

/* NULL without memory. */
struct gunzip *gunzip_create(void);
void gunzip_free(struct gunzip *gunzip);

/* Inflate from *bytes, which moves on, to at most `room` bytes at `out`; returns their number.
 * *error is NULL, or static text that says what is wrong with the body. Call again while it gives
 * output; with no input, it hands out what it holds. */
size_t gunzip_next(struct gunzip *gunzip, struct phusa_text *bytes, char *out, size_t room,
                   const char **error);
/* Whether the stream stands at the end of a gzip member: false means that the body was cut. */
bool gunzip_whole(const struct gunzip *gunzip);
/* Whether *error was about size rather than about form. */
bool gunzip_too_large(const struct gunzip *gunzip);

struct gzip;
struct gzip *gzip_create(void);
void gzip_free(struct gzip *gzip);
/* Compress bytes onto `out`; with `last`, end the stream. */
void gzip_put(struct gzip *gzip, const char *bytes, size_t size_bytes, bool last,
              struct outbuf *out);

#endif
