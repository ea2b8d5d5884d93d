/*
 * harness.h - a server of our own for a test (on the fake engine, ports chosen by the kernel), and
 * a client that says exactly the bytes it is told to.
 *
 * Failures of the harness itself are Criterion assertions.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "fake_phusa.h"
#include "server.h"

#include <criterion/criterion.h>

/* Database "d" is there. */
struct server *harness_start(void);
struct server *harness_start_with(const struct config *config);
void harness_stop(struct server *server);

/* A socket to the HTTP or raw door; reads time out after 10 s. */
int http_connect(const struct server *server);
int tcp_connect(const struct server *server);
void say(int fd, const char *text);
void say_bytes(int fd, const void *bytes, size_t size_bytes);
/* Say it, if the other side still takes it. */
bool try_say(int fd, const void *bytes, size_t size_bytes);

struct reply {
    int status;
    char head[4096];
    char *body; /* NUL behind it; chunks put together; freed by the next hear() on the reply */
    size_t body_bytes;
};
/* One answer; without_body: to a HEAD. */
void hear(int fd, struct reply *reply);
void hear_head(int fd, struct reply *reply);
/* false: the connection was closed instead. */
bool try_hear(int fd, struct reply *reply);
/* The value of a header, or NULL. Static. */
const char *reply_header(const struct reply *reply, const char *name);
void reply_free(struct reply *reply);
/* Whether the other side closes within so much time; what it says before is dropped. */
bool closes_within(int fd, int ms);
/* A line from a raw door, without its end; static. NULL: closed. */
const char *hear_line(int fd);

/* Connect, say, hear, close. Returns the status. */
int ask(const struct server *server, struct reply *reply, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
