/*
 * serverurl.h - take apart the address of a server: http://user:password@host:port/prefix.
 *
 * The scheme may be left out, the port is 8086 unless said, a host may be [::1]. User and
 * password are percent-decoded. https is refused with a sentence: this library has no TLS.
 */
#ifndef PHUSA_CLIENT_SERVERURL_H
#define PHUSA_CLIENT_SERVERURL_H

#include "phusa_client.h"

struct serverurl {
    char host[256]; /* without brackets */
    char port[8];
    char prefix[256]; /* "" or "/path", without a slash at its end */
    char user[128];   /* "" when the address names none */
    char password[256];
};

/* PHUSA_CLIENT_EINVAL, with a sentence in *error, when `text` is no such address. */
PHUSA_CLIENT_MUST_USE phusa_client_status serverurl_parse(struct serverurl *url, const char *text,
                                                          struct phusa_client_error *error);

#endif
