/*
 * fakeserver.c - the scripted server.
 */
#include "fakeserver.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX (1u << 20)

static void pause_ms(int ms)
{
    const struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

static size_t body_bytes_of(const char *head)
{
    const char *found = strcasestr(head, "Content-Length:");
    return found == NULL ? 0 : (size_t)strtoull(found + 15, NULL, 10);
}

/* Read one request; false when the client has gone. */
static bool read_request(int fd, bool only_head, struct fakeserver_request *request)
{
    char *bytes = malloc(REQUEST_BYTES_MAX + 1);
    size_t used = 0;
    char *end = NULL;
    while (end == NULL || (!only_head && used < request->head_bytes + body_bytes_of(bytes))) {
        const ssize_t count =
            recv(fd, bytes + used, only_head && used > 0 ? 1 : REQUEST_BYTES_MAX - used, 0);
        if (count <= 0) {
            free(bytes);
            return false;
        }
        used += (size_t)count;
        bytes[used] = 0;
        end = strstr(bytes, "\r\n\r\n");
        if (end != NULL) request->head_bytes = (size_t)(end - bytes) + 4;
        if (only_head && end != NULL) break;
    }
    request->bytes = bytes;
    request->size_bytes = used;
    return true;
}

static void send_answer(int fd, const struct fakeserver_step *step)
{
    if (step->silence_ms > 0) pause_ms(step->silence_ms);
    if (step->answer == NULL) return;
    const size_t size_bytes = strlen(step->answer);
    const size_t piece = step->piece_bytes == 0 ? size_bytes : step->piece_bytes;
    for (size_t at = 0; at < size_bytes; at += piece) {
        const size_t left = size_bytes - at;
        (void)send(fd, step->answer + at, left < piece ? left : piece, MSG_NOSIGNAL);
        if (step->piece_bytes > 0) pause_ms(1);
    }
}

static void *serve(void *argument)
{
    struct fakeserver *server = argument;
    int connection = 0, fd = -1;
    while (server->request_count < server->step_count) {
        if (fd < 0) {
            fd = accept(server->listener, NULL, NULL);
            if (fd < 0) return NULL; /* stopped */
            connection++;
        }
        const struct fakeserver_step *step = &server->steps[server->request_count];
        struct fakeserver_request *request = &server->requests[server->request_count];
        if (!read_request(fd, step->early, request)) {
            (void)close(fd);
            fd = -1;
            continue;
        }
        request->connection = connection;
        server->request_count++;
        send_answer(fd, step);
        if (step->early) (void)shutdown(fd, SHUT_WR);
        if (step->early) pause_ms(50);
        if (step->close || step->early) {
            (void)close(fd);
            fd = -1;
        }
    }
    (void)shutdown(server->listener, SHUT_RDWR);
    if (fd >= 0) (void)close(fd);
    return NULL;
}

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t address_bytes = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(fd >= 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &address_bytes), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

void fakeserver_start(struct fakeserver *server, const struct fakeserver_step *steps,
                      size_t step_count)
{
    *server = (struct fakeserver){.steps = steps, .step_count = step_count};
    cr_assert(step_count <= FAKESERVER_STEPS_MAX);
    server->listener = listen_somewhere(&server->port);
    (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", server->port);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, serve, server), 0);
    server->thread = thread;
}

void fakeserver_stop(struct fakeserver *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
}

void fakeserver_free(struct fakeserver *server)
{
    for (size_t i = 0; i < server->request_count; i++)
        free(server->requests[i].bytes);
}

int fakeserver_unused_port(void)
{
    int port;
    const int fd = listen_somewhere(&port);
    (void)close(fd);
    return port;
}
