/*
 * json.h - JSON out, to the byte as Go's encoding/json writes it, because clients and their tests
 * compare: '<', '>', '&', U+2028 and U+2029 are escaped, what is not UTF-8 becomes U+FFFD.
 */
#ifndef PHUSAD_JSON_H
#define PHUSAD_JSON_H

#include "outbuf.h"

/* With its quotes. */
void json_string(struct outbuf *out, struct phusa_text text);
void json_double(struct outbuf *out, double value); /* what JSON cannot say becomes null */
void json_int64(struct outbuf *out, int64_t value);
void json_uint64(struct outbuf *out, uint64_t value);
/* A time in RFC 3339, with its quotes. */
void json_time(struct outbuf *out, int64_t ns);

#endif
