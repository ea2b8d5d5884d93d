/* wire.c - see wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

int wire_connect(unsigned port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&name, sizeof name), 0, "%s", strerror(errno));
    const struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

bool try_say(int fd, const void *bytes, size_t size_bytes)
{
    const char *next = bytes;
    while (size_bytes > 0) {
        const ssize_t n = send(fd, next, size_bytes, MSG_NOSIGNAL);
        if (n <= 0) return false;
        next += n;
        size_bytes -= (size_t)n;
    }
    return true;
}

void say_bytes(int fd, const void *bytes, size_t size_bytes)
{
    cr_assert(try_say(fd, bytes, size_bytes), "the server does not listen");
}

void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* ---- answers ---- */

static bool read_byte(int fd, char *out)
{
    const ssize_t n = recv(fd, out, 1, 0);
    cr_assert(n >= 0 || errno == ECONNRESET, "no answer in time");
    return n == 1;
}

static void read_body(int fd, struct reply *reply, size_t size_bytes)
{
    char *grown = realloc(reply->body, reply->body_bytes + size_bytes + 1);
    cr_assert_not_null(grown);
    reply->body = grown;
    while (size_bytes > 0) {
        const ssize_t n = recv(fd, grown + reply->body_bytes, size_bytes, 0);
        cr_assert_gt(n, 0, "the answer's body is cut short");
        reply->body_bytes += (size_t)n;
        size_bytes -= (size_t)n;
    }
    grown[reply->body_bytes] = '\0';
}

static size_t read_chunk_size(int fd)
{
    char line[32] = "";
    for (size_t n = 0; n < sizeof line - 1; n++) {
        cr_assert(read_byte(fd, &line[n]));
        if (line[n] == '\n') break;
    }
    return strtoul(line, NULL, 16);
}

static bool hear_head_of(int fd, struct reply *reply)
{
    reply_free(reply);
    size_t n = 0;
    while (n < sizeof reply->head - 1) {
        if (!read_byte(fd, &reply->head[n])) {
            cr_assert_eq(n, 0, "the answer's head is cut short");
            return false;
        }
        n++;
        if (n >= 4 && memcmp(reply->head + n - 4, "\r\n\r\n", 4) == 0) break;
    }
    reply->head[n] = '\0';
    cr_assert_eq(sscanf(reply->head, "HTTP/1.%*d %d", &reply->status), 1, "%s", reply->head);
    return true;
}

void hear_head(int fd, struct reply *reply)
{
    cr_assert(hear_head_of(fd, reply), "closed without an answer");
}

bool try_hear(int fd, struct reply *reply)
{
    if (!hear_head_of(fd, reply)) return false;
    const char *length = reply_header(reply, "Content-Length");
    if (length != NULL) {
        read_body(fd, reply, strtoul(length, NULL, 10));
        return true;
    }
    const char *coding = reply_header(reply, "Transfer-Encoding");
    if (coding == NULL) return true; /* and no body */
    cr_assert_str_eq(coding, "chunked");
    read_body(fd, reply, 0);
    size_t size;
    while ((size = read_chunk_size(fd)) > 0) {
        read_body(fd, reply, size);
        char end;
        cr_assert(read_byte(fd, &end) && read_byte(fd, &end));
    }
    char end;
    cr_assert(read_byte(fd, &end) && read_byte(fd, &end));
    return true;
}

void hear(int fd, struct reply *reply)
{
    cr_assert(try_hear(fd, reply), "closed without an answer");
}

const char *reply_header(const struct reply *reply, const char *name)
{
    static char value[600];
    const size_t size = strlen(name);
    for (const char *line = strstr(reply->head, "\r\n"); line != NULL;
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) != 0 || line[size] != ':') continue;
        const char *start = line + size + 1;
        while (*start == ' ')
            start++;
        const size_t length = strcspn(start, "\r");
        snprintf(value, sizeof value, "%.*s", (int)length, start);
        return value;
    }
    return NULL;
}

void reply_free(struct reply *reply)
{
    free(reply->body);
    *reply = (struct reply){0};
}

bool closes_within(int fd, int ms)
{
    char dump[4096];
    for (;;) {
        struct pollfd poller = {fd, POLLIN, 0};
        if (poll(&poller, 1, ms) <= 0) return false;
        if (recv(fd, dump, sizeof dump, 0) <= 0) return true;
    }
}

const char *hear_line(int fd)
{
    static char line[700];
    size_t n = 0;
    while (n < sizeof line - 1) {
        if (!read_byte(fd, &line[n])) return NULL;
        if (line[n] == '\n') break;
        n++;
    }
    line[n] = '\0';
    return line;
}

int wire_ask(unsigned port, struct reply *reply, const char *format, ...)
{
    char text[16384];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cr_assert_lt((size_t)size, sizeof text);
    const int fd = wire_connect(port);
    say(fd, text);
    hear(fd, reply);
    close(fd);
    return reply->status;
}
