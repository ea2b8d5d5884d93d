/*
 * http.c - requests with a length, answers with a length or in chunks.
 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench.h"

#define READ_BYTES     (256u << 10)
#define PATH_MAX_BYTES 8192u

void http_init(struct http *http, uint16_t port)
{
    *http = (struct http){.port = port, .fd = -1};
}

void http_deinit(struct http *http)
{
    if (http->fd >= 0) close(http->fd);
    free(http->answer);
    *http = (struct http){.fd = -1};
}

static int connect_local(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

bool http_is_up(uint16_t port)
{
    const int fd = connect_local(port);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void open_connection(struct http *http)
{
    const struct timeval silence = {.tv_sec = HTTP_SILENCE_S};
    const int one = 1;
    http->fd = connect_local(http->port);
    if (http->fd < 0) bench_fail("cannot connect to port %u: %s", http->port, strerror(errno));
    setsockopt(http->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    setsockopt(http->fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
    setsockopt(http->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void send_all(struct http *http, struct iovec *parts, int part_count)
{
    while (part_count > 0) {
        const struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)part_count};
        const ssize_t sent = sendmsg(http->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) bench_fail("sending to port %u: %s", http->port, strerror(errno));
        size_t left = (size_t)sent;
        while (part_count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            part_count--;
        }
        if (part_count == 0) return;
        parts->iov_base = (char *)parts->iov_base + left;
        parts->iov_len -= left;
    }
}

static void receive_more(struct http *http)
{
    if (http->capacity - http->used < READ_BYTES + 1) {
        http->capacity = http->capacity * 2 + READ_BYTES + 1;
        http->answer = bench_grow(http->answer, http->capacity);
    }
    ssize_t got;
    do
        got = recv(http->fd, http->answer + http->used, http->capacity - http->used - 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) bench_fail("waiting for port %u: %s", http->port, strerror(errno));
    if (got == 0) bench_fail("port %u closed the connection within an answer", http->port);
    http->used += (size_t)got;
    http->answer[http->used] = 0;
}

/* The value of a header of the head that ends at `head_bytes`, or NULL. */
static const char *find_header(const struct http *http, size_t head_bytes, const char *name)
{
    const char *line = http->answer;
    while (line < http->answer + head_bytes) {
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            return line + strlen(name) + 1;
        line = strstr(line, "\r\n") + 2;
    }
    return NULL;
}

/* Take the chunks' lengths out, in place; from there the body is one piece. */
static void receive_chunks(struct http *http, size_t body_at)
{
    size_t from = body_at, to = body_at;
    while (true) {
        char *end;
        while ((end = strstr(http->answer + from, "\r\n")) == NULL)
            receive_more(http);
        char *digits_end;
        const size_t chunk_bytes = strtoul(http->answer + from, &digits_end, 16);
        if (digits_end == http->answer + from) bench_fail("a chunk without a length");
        const size_t data_at = (size_t)(end + 2 - http->answer);
        while (http->used < data_at + chunk_bytes + 2)
            receive_more(http);
        memmove(http->answer + to, http->answer + data_at, chunk_bytes);
        to += chunk_bytes;
        from = data_at + chunk_bytes + 2;
        if (chunk_bytes == 0) break;
    }
    http->answer[to] = 0;
    http->body_bytes = to - body_at;
}

static int receive_answer(struct http *http)
{
    char *head_end = NULL;
    http->used = 0;
    do
        receive_more(http);
    while ((head_end = strstr(http->answer, "\r\n\r\n")) == NULL);
    const size_t head_bytes = (size_t)(head_end + 2 - http->answer);
    const size_t body_at = head_bytes + 2;
    if (strncmp(http->answer, "HTTP/1.1 ", 9) != 0) bench_fail("an answer that is no HTTP/1.1");
    const int status = atoi(http->answer + 9);
    const char *const length = find_header(http, head_bytes, "Content-Length");
    if (find_header(http, head_bytes, "Transfer-Encoding") != NULL) {
        receive_chunks(http, body_at);
    } else {
        http->body_bytes = length == NULL ? 0 : strtoul(length, NULL, 10);
        while (http->used < body_at + http->body_bytes)
            receive_more(http);
    }
    http->body = http->answer + body_at;
    return status;
}

int http_request(struct http *http, const char *method, const char *path, const char *headers,
                 const char *body, size_t body_bytes)
{
    char head[PATH_MAX_BYTES + 512];
    if (http->fd < 0) open_connection(http);
    const int head_bytes = snprintf(head, sizeof head,
                                    "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%sContent-Length: "
                                    "%zu\r\n\r\n",
                                    method, path, http->port, headers, body_bytes);
    if (head_bytes < 0 || (size_t)head_bytes >= sizeof head) bench_fail("a request too long");
    struct iovec parts[2] = {{head, (size_t)head_bytes}, {(void *)(uintptr_t)body, body_bytes}};
    send_all(http, parts, 2);
    return receive_answer(http);
}

int http_query(struct http *http, const char *db, const char *q, bool csv)
{
    char path[PATH_MAX_BYTES];
    int used = snprintf(path, sizeof path, "/query?db=%s&q=", db);
    for (const char *at = q; *at != 0; at++) {
        if ((size_t)used + 4 > sizeof path) bench_fail("a statement too long");
        const bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                           (*at >= '0' && *at <= '9') || strchr("-_.", *at) != NULL;
        used += snprintf(path + used, sizeof path - (size_t)used, plain ? "%c" : "%%%02X",
                         (unsigned char)*at);
    }
    return http_request(http, "GET", path, csv ? "Accept: application/csv\r\n" : "", NULL, 0);
}
