/*
 * serverurl.c - take apart the address of a server.
 */
#include "serverurl.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "failure.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool copy_plain(char *to, size_t to_bytes, const char *from, size_t from_bytes)
{
    if (from_bytes >= to_bytes) return false;
    memcpy(to, from, from_bytes);
    to[from_bytes] = 0;
    return true;
}

static bool copy_decoded(char *to, size_t to_bytes, const char *from, size_t from_bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < from_bytes; i++) {
        char c = from[i];
        if (c == '%') {
            const int high = i + 1 < from_bytes ? hex_digit(from[i + 1]) : -1;
            const int low = i + 2 < from_bytes ? hex_digit(from[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (used + 1 >= to_bytes) return false;
        to[used++] = c;
    }
    to[used] = 0;
    return true;
}

static bool parse_credentials(struct serverurl *url, const char *at, size_t size_bytes)
{
    const char *colon = memchr(at, ':', size_bytes);
    const size_t user_bytes = colon == NULL ? size_bytes : (size_t)(colon - at);
    if (!copy_decoded(url->user, sizeof url->user, at, user_bytes)) return false;
    if (colon == NULL) return true;
    return copy_decoded(url->password, sizeof url->password, colon + 1,
                        size_bytes - user_bytes - 1);
}

static bool parse_port(struct serverurl *url, const char *at, size_t size_bytes)
{
    unsigned port = 0;
    if (size_bytes == 0 || size_bytes > 5) return false;
    for (size_t i = 0; i < size_bytes; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        port = port * 10 + (unsigned)(at[i] - '0');
    }
    return port > 0 && port <= 65535 && copy_plain(url->port, sizeof url->port, at, size_bytes);
}

/* host, host:port, [v6] or [v6]:port */
static bool parse_authority(struct serverurl *url, const char *at, size_t size_bytes)
{
    const char *const end = at + size_bytes;
    const char *host_end;
    if (size_bytes > 0 && at[0] == '[') {
        host_end = memchr(at, ']', size_bytes);
        if (host_end == NULL || host_end == at + 1) return false;
        if (!copy_plain(url->host, sizeof url->host, at + 1, (size_t)(host_end - at - 1)))
            return false;
        host_end++;
    } else {
        host_end = memchr(at, ':', size_bytes);
        if (host_end == NULL) host_end = end;
        if (host_end == at) return false;
        if (!copy_plain(url->host, sizeof url->host, at, (size_t)(host_end - at))) return false;
    }
    if (host_end == end) return copy_plain(url->port, sizeof url->port, "8086", 4);
    return *host_end == ':' && parse_port(url, host_end + 1, (size_t)(end - host_end - 1));
}

phusa_client_status serverurl_parse(struct serverurl *url, const char *text,
                                    struct phusa_client_error *error)
{
    assert(url != NULL);
    assert(text != NULL);

    const char *at = text;
    const char *shown = strchr(text, '@') == NULL ? text : "this address"; /* no password */
    if (strncasecmp(at, "https://", 8) == 0)
        return failure_set(error, PHUSA_CLIENT_EINVAL,
                           "%s: https is not supported; give an http:// address, if need be "
                           "that of a TLS proxy on this machine",
                           shown);
    if (strncasecmp(at, "http://", 7) == 0) {
        at += 7;
    } else if (strstr(at, "://") != NULL) {
        return failure_set(error, PHUSA_CLIENT_EINVAL,
                           "%s: only http:// addresses are understood, like http://127.0.0.1:8086",
                           shown);
    }

    struct serverurl parsed = {0};
    const size_t authority_bytes = strcspn(at, "/?#");
    const char *sign = memrchr(at, '@', authority_bytes);
    const char *host = sign == NULL ? at : sign + 1;
    size_t prefix_bytes = strlen(at + authority_bytes);
    const char *prefix = at + authority_bytes;
    while (prefix_bytes > 0 && prefix[prefix_bytes - 1] == '/')
        prefix_bytes--;

    bool good = strpbrk(text, " \t\r\n?#") == NULL;
    good = good && (sign == NULL || parse_credentials(&parsed, at, (size_t)(sign - at)));
    good = good && parse_authority(&parsed, host, (size_t)(at + authority_bytes - host));
    good = good && copy_plain(parsed.prefix, sizeof parsed.prefix, prefix, prefix_bytes);
    if (!good)
        return failure_set(error, PHUSA_CLIENT_EINVAL,
                           "%s is not the address of a server; one looks like "
                           "http://127.0.0.1:8086 or http://user:password@host:8086",
                           shown);
    *url = parsed;
    return PHUSA_CLIENT_OK;
}
