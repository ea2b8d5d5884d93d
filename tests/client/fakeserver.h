/*
 * fakeserver.h - an HTTP server on a loopback port that answers by a script and remembers what
 * it was asked.
 *
 * One connection at a time, one step a request. After the last step it stops listening, so a
 * request too many is a refused connection.
 *
 * Ownership  fakeserver_start() allocates, fakeserver_stop() joins the thread and frees.
 */
#ifndef TESTS_CLIENT_FAKESERVER_H
#define TESTS_CLIENT_FAKESERVER_H

#include <stdbool.h>
#include <stddef.h>

#define FAKESERVER_STEPS_MAX 32

struct fakeserver_step {
    const char *answer; /* sent as it is; NULL: nothing */
    bool close;         /* the connection, after the answer */
    bool early;         /* answer after the headers, and close without reading the body */
    int silence_ms;     /* before the answer */
    size_t piece_bytes; /* send in pieces of so many bytes; 0: at once */
};

struct fakeserver_request {
    char *bytes; /* head and body, NUL-terminated */
    size_t head_bytes, size_bytes;
    int connection; /* from 1 */
};

struct fakeserver {
    int port;
    char url[64];
    const struct fakeserver_step *steps;
    size_t step_count;
    struct fakeserver_request requests[FAKESERVER_STEPS_MAX];
    size_t request_count; /* read it after fakeserver_stop_and_keep() or between calls */
    int listener;
    unsigned long thread;
};

void fakeserver_start(struct fakeserver *server, const struct fakeserver_step *steps,
                      size_t step_count);
/* Waits for the script's end, or cuts it short. */
void fakeserver_stop(struct fakeserver *server);
void fakeserver_free(struct fakeserver *server);

/* A port where nobody listens. */
int fakeserver_unused_port(void);

#endif
