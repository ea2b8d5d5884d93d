/*
 * httpconn.c - one HTTP/1.1 connection.
 *
 *   closed --connect--> idle --send--> sending --all sent--> reading --answer--> idle
 *                                         |                     |
 *                                         +---- any failure ----+--> closed
 *
 * The socket is read while the request is still being sent: a server that refuses a large body
 * answers early and closes, and its reason is worth more than "broken pipe".
 */
#include "httpconn.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "failure.h"

#define READ_BYTES        65536
#define POLL_SLICE_MS     100 /* how soon `interrupted` is noticed */
#define RETRY_AFTER_S_MAX 3600

void httpconn_init(struct httpconn *connection, const struct serverurl *url)
{
    assert(connection != NULL);
    *connection = (struct httpconn){.url = url, .fd = -1};
}

void httpconn_deinit(struct httpconn *connection)
{
    assert(connection != NULL);
    if (connection->fd >= 0) (void)close(connection->fd);
    connection->fd = -1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait until the socket (-1: none) is ready or timeout_ms (< 0: for ever) have passed.
 * *ready is what poll() saw. */
static phusa_client_status wait_for(const struct httpconn *connection, int fd, short events,
                                    int timeout_ms, short *ready)
{
    const int64_t deadline_ms = now_ms() + timeout_ms;
    for (;;) {
        if (connection->interrupted != NULL &&
            connection->interrupted(connection->interrupted_context))
            return PHUSA_CLIENT_ESTOPPED;
        int64_t left_ms = timeout_ms < 0 ? POLL_SLICE_MS : deadline_ms - now_ms();
        if (left_ms < 0) return PHUSA_CLIENT_ETIMEOUT;
        if (connection->interrupted != NULL && left_ms > POLL_SLICE_MS) left_ms = POLL_SLICE_MS;
        struct pollfd poller = {.fd = fd, .events = events};
        const int count = poll(&poller, 1, (int)left_ms);
        if (count > 0) {
            *ready = poller.revents;
            return PHUSA_CLIENT_OK;
        }
        if (count == 0 && timeout_ms >= 0 && now_ms() >= deadline_ms) return PHUSA_CLIENT_ETIMEOUT;
    }
}

phusa_client_status httpconn_pause(const struct httpconn *connection, int pause_ms)
{
    short ready;
    const phusa_client_status status = wait_for(connection, -1, 0, pause_ms, &ready);
    return status == PHUSA_CLIENT_ETIMEOUT ? PHUSA_CLIENT_OK : status;
}

static phusa_client_status connect_one(struct httpconn *connection, const struct addrinfo *address,
                                       int *error_number)
{
    const int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                          address->ai_protocol);
    if (fd < 0) {
        *error_number = errno;
        return PHUSA_CLIENT_EUNREACHABLE;
    }
    phusa_client_status status = PHUSA_CLIENT_OK;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        *error_number = errno;
        short ready;
        status = errno != EINPROGRESS
                     ? PHUSA_CLIENT_EUNREACHABLE
                     : wait_for(connection, fd, POLLOUT, connection->connect_timeout_ms, &ready);
        if (status == PHUSA_CLIENT_OK) {
            socklen_t size_bytes = sizeof *error_number;
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, error_number, &size_bytes);
            if (*error_number != 0) status = PHUSA_CLIENT_EUNREACHABLE;
        }
        if (status == PHUSA_CLIENT_ETIMEOUT) *error_number = ETIMEDOUT;
    }
    if (status != PHUSA_CLIENT_OK) {
        (void)close(fd);
        return status;
    }
    const int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->fd = fd;
    return PHUSA_CLIENT_OK;
}

static phusa_client_status open_socket(struct httpconn *connection,
                                       struct phusa_client_error *error)
{
    const struct serverurl *url = connection->url;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    const int found = getaddrinfo(url->host, url->port, &hints, &addresses);
    if (found != 0)
        return failure_set(error, PHUSA_CLIENT_EUNREACHABLE,
                           "no address for the host name %s (%s); is the name right?", url->host,
                           gai_strerror(found));

    phusa_client_status status = PHUSA_CLIENT_EUNREACHABLE;
    int error_number = 0;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        status = connect_one(connection, at, &error_number);
        if (status == PHUSA_CLIENT_OK || status == PHUSA_CLIENT_ESTOPPED) break;
    }
    freeaddrinfo(addresses);
    if (status == PHUSA_CLIENT_OK) return status;
    if (status == PHUSA_CLIENT_ESTOPPED) return failure_set(error, status, "stopped");
    const char *advice = error_number == ECONNREFUSED ? "; is phusad running there?" : "";
    return failure_set(error, PHUSA_CLIENT_EUNREACHABLE, "cannot connect to %s port %s: %s%s",
                       url->host, url->port, strerror(error_number), advice);
}

/* -- reading the answer -- */

enum header { HEADER_OTHER, HEADER_VERSION, HEADER_RETRY_AFTER };

struct reading {
    struct httpconn_answer *answer;
    char name[32]; /* of the header being read, cut */
    size_t name_bytes;
    char value[64];
    size_t value_bytes;
    bool in_value;
    bool complete;
    bool keep_alive;
    phusa_client_status status; /* of the body callback */
};

static void header_done(struct reading *reading)
{
    struct httpconn_answer *answer = reading->answer;
    reading->name[reading->name_bytes] = 0;
    reading->value[reading->value_bytes] = 0;
    const bool phusa = strcasecmp(reading->name, "X-Phusa-Version") == 0;
    const bool influx = strcasecmp(reading->name, "X-Influxdb-Version") == 0;
    if (phusa || (influx && answer->version[0] == 0)) {
        size_t used = 0; /* it will be printed: no control characters from the network */
        for (size_t i = 0; i < reading->value_bytes; i++)
            if (isprint((unsigned char)reading->value[i]))
                answer->version[used++] = reading->value[i];
        answer->version[used] = 0;
    } else if (strcasecmp(reading->name, "Retry-After") == 0 &&
               isdigit((unsigned char)reading->value[0])) {
        const long seconds = strtol(reading->value, NULL, 10);
        answer->retry_after_ms =
            seconds > RETRY_AFTER_S_MAX ? RETRY_AFTER_S_MAX * 1000 : (int)seconds * 1000;
    }
    reading->name_bytes = 0;
    reading->value_bytes = 0;
    reading->in_value = false;
}

static void append_cut(char *to, size_t to_bytes, size_t *used, const char *from, size_t from_bytes)
{
    const size_t room = to_bytes - 1 - *used;
    const size_t take = from_bytes < room ? from_bytes : room;
    memcpy(to + *used, from, take);
    *used += take;
}

static int on_message_begin(http_parser *parser)
{
    struct reading *reading = parser->data;
    reading->name_bytes = 0;
    reading->value_bytes = 0;
    reading->in_value = false;
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct reading *reading = parser->data;
    if (reading->in_value) header_done(reading);
    append_cut(reading->name, sizeof reading->name, &reading->name_bytes, at, length);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct reading *reading = parser->data;
    reading->in_value = true;
    append_cut(reading->value, sizeof reading->value, &reading->value_bytes, at, length);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct reading *reading = parser->data;
    if (reading->in_value) header_done(reading);
    reading->answer->http_status = (int)parser->status_code;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    struct reading *reading = parser->data;
    struct httpconn_answer *answer = reading->answer;
    if (answer->body == NULL) return 0;
    reading->status = answer->body(answer->body_context, answer->http_status, at, length);
    return reading->status == PHUSA_CLIENT_OK ? 0 : 1;
}

static int on_message_complete(http_parser *parser)
{
    struct reading *reading = parser->data;
    if (parser->status_code / 100 == 1) return 0; /* "100 Continue": the answer is still to come */
    reading->complete = true;
    reading->keep_alive = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1); /* what follows an answer nobody asked for */
    return 0;
}

static const http_parser_settings parser_settings = {
    .on_message_begin = on_message_begin,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static phusa_client_status lost(const struct httpconn *connection, struct phusa_client_error *error,
                                const char *why)
{
    return failure_set(error, PHUSA_CLIENT_EUNREACHABLE,
                       "the connection to %s port %s was lost before the answer: %s",
                       connection->url->host, connection->url->port, why);
}

/* Read once what is there. *closed: the server ended the connection. */
static phusa_client_status read_some(struct httpconn *connection, http_parser *parser,
                                     struct reading *reading, bool *closed,
                                     struct phusa_client_error *error)
{
    char bytes[READ_BYTES];
    const ssize_t count = recv(connection->fd, bytes, sizeof bytes, 0);
    if (count < 0) {
        if (errno == EAGAIN || errno == EINTR) return PHUSA_CLIENT_OK;
        return lost(connection, error, strerror(errno));
    }
    *closed = count == 0;
    if (count > 0) reading->answer->began = true;
    /* Zero bytes tell the parser that the connection ended: that completes an answer without
     * a length. */
    const size_t parsed = http_parser_execute(parser, &parser_settings, bytes, (size_t)count);
    if (reading->status != PHUSA_CLIENT_OK)
        return failure_set(error, reading->status, "%s", phusa_client_status_text(reading->status));
    if (reading->complete) {
        /* Bytes that nobody asked for would be taken for the next answer. */
        if (parsed < (size_t)count) reading->keep_alive = false;
        return PHUSA_CLIENT_OK;
    }
    if (count == 0) {
        if (!reading->answer->began) return lost(connection, error, "closed by the server");
        return lost(connection, error, "closed in the middle of the answer");
    }
    if (HTTP_PARSER_ERRNO(parser) != HPE_OK)
        return failure_set(error, PHUSA_CLIENT_EANSWER,
                           "%s port %s does not answer as a phusa server does (%s); is the "
                           "address right?",
                           connection->url->host, connection->url->port,
                           http_errno_description(HTTP_PARSER_ERRNO(parser)));
    return PHUSA_CLIENT_OK;
}

/* Send what is left. *sent counts over head and body. A broken connection is no failure yet:
 * the answer may still be waiting to be read (*broken). */
static void send_some(struct httpconn *connection, const struct httpconn_request *request,
                      size_t *sent, bool *broken)
{
    struct iovec parts[2];
    int part_count = 0;
    if (*sent < request->head_bytes)
        parts[part_count++] =
            (struct iovec){(char *)(uintptr_t)request->head + *sent, request->head_bytes - *sent};
    const size_t body_sent = *sent > request->head_bytes ? *sent - request->head_bytes : 0;
    if (body_sent < request->body_bytes)
        parts[part_count++] = (struct iovec){(char *)(uintptr_t)request->body + body_sent,
                                             request->body_bytes - body_sent};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)part_count};
    const ssize_t count = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    if (count >= 0)
        *sent += (size_t)count;
    else if (errno != EAGAIN && errno != EINTR)
        *broken = true;
}

static phusa_client_status exchange(struct httpconn *connection,
                                    const struct httpconn_request *request, struct reading *reading,
                                    struct phusa_client_error *error)
{
    const size_t size_bytes = request->head_bytes + request->body_bytes;
    size_t sent = 0;
    bool broken = false, closed = false;
    http_parser parser;
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = reading;

    while (!reading->complete) {
        const bool sending = sent < size_bytes && !broken;
        short ready = 0;
        phusa_client_status status =
            wait_for(connection, connection->fd, (short)(POLLIN | (sending ? POLLOUT : 0)),
                     connection->timeout_ms, &ready);
        if (status == PHUSA_CLIENT_ETIMEOUT)
            return failure_set(error, status, "%s port %s has been silent for %d s%s",
                               connection->url->host, connection->url->port,
                               connection->timeout_ms / 1000,
                               sending ? " and takes no more bytes" : "");
        if (status != PHUSA_CLIENT_OK) return failure_set(error, status, "stopped");
        if (sending && (ready & POLLOUT) != 0) send_some(connection, request, &sent, &broken);
        if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0) {
            status = read_some(connection, &parser, reading, &closed, error);
            if (status != PHUSA_CLIENT_OK) return status;
        }
    }
    if (sent < size_bytes || closed) reading->keep_alive = false;
    return PHUSA_CLIENT_OK;
}

phusa_client_status httpconn_exchange(struct httpconn *connection,
                                      const struct httpconn_request *request,
                                      struct httpconn_answer *answer,
                                      struct phusa_client_error *error)
{
    assert(connection != NULL);
    assert(request != NULL && request->head != NULL);
    assert(answer != NULL);

    answer->http_status = 0;
    answer->version[0] = 0;
    answer->retry_after_ms = -1;
    answer->began = false;
    answer->reused = connection->fd >= 0;
    answer->connected = answer->reused;
    if (!answer->connected) {
        const phusa_client_status status = open_socket(connection, error);
        if (status != PHUSA_CLIENT_OK) return status;
        answer->connected = true;
    }

    struct reading reading = {.answer = answer};
    const phusa_client_status status = exchange(connection, request, &reading, error);
    if (status != PHUSA_CLIENT_OK || !reading.keep_alive) httpconn_deinit(connection);
    return status;
}
