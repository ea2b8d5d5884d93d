/*
 * wire.h - a client for tests that says exactly the bytes it is told to, and reads HTTP answers and
 * lines.
 *
 * Its own failures are Criterion assertions. Reads and writes time out after 10 s.
 */
#ifndef WIRE_H
#define WIRE_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>

/* A socket to a port of this machine. */
int wire_connect(unsigned port);
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
int wire_ask(unsigned port, struct reply *reply, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
