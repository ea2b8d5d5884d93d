/*
 * gzip.h - compress a body in one call.
 */
#ifndef PHUSA_CLIENT_GZIP_H
#define PHUSA_CLIENT_GZIP_H

#include "textbuf.h"

/* Replace *to by `bytes` in gzip's format, level 1: line protocol shrinks to a sixth or less at
 * about 100 MB/s of one core. False: no memory. */
bool gzip_pack(struct textbuf *to, const char *bytes, size_t size_bytes);

#endif
