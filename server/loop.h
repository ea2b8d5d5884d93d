/*
 * loop.h - a loop thread: its listeners, its connections, its clockwork, and mail from other
 * threads.
 *
 * One loop is the default. With more, each has listeners of its own on the same ports
 * (SO_REUSEPORT) and the kernel deals the connections out; nothing is shared between loops but the
 * server's counters, the engine and the workers.
 *
 * Threads  Everything is the loop thread's, but loop_post() and what says so.
 */
#ifndef PHUSAD_LOOP_H
#define PHUSAD_LOOP_H

#include "server.h"

#include <pthread.h>
#include <uv.h>

/* A message to a loop, embedded in what it is about. In one list at a time: post it again only
 * after it ran. */
struct mail {
    struct mail *next;
    void (*run)(struct mail *mail); /* on the loop thread */
};

struct conn;

struct loop {
    uv_loop_t uv;
    struct server *server;
    pthread_t thread;
    uv_tcp_t http_listener;
    uv_tcp_t tcp_listener;
    uv_async_t wake;
    uv_timer_t tick;  /* deadlines, every TICK_MS */
    uv_timer_t alarm; /* the soonest of conn->alarm_ns */
    uv_idle_t turn;   /* runs while somebody has yielded or rests */
    uv_check_t count; /* counts the turns */
    uint64_t turn_count;

    pthread_mutex_t mail_mutex;
    struct mail *mail_first; /* under mail_mutex */
    struct mail **mail_last; /* under mail_mutex */

    struct conn *conns; /* all of this loop */
    size_t conn_count;
    size_t pending;   /* errands in other threads that will end in a mail to this loop */
    char *read_bytes; /* READ_BYTES; borrowed by whichever socket is being read */
    int64_t date_s;
    char date[40]; /* of the Date header, without a NUL */
    size_t date_bytes;

    struct mail stop_mail;
    bool stopping;
    int64_t stop_deadline_ns;
};

/* Bind the listeners. On failure, *error says which and why, and the loop needs no deinit. */
bool loop_init(struct loop *loop, struct server *server, char *error, size_t error_bytes);
bool loop_start(struct loop *loop);
/* Ask it to end: no new connections, what is in flight is answered. Any thread. */
void loop_stop(struct loop *loop);
/* Wait until it has ended, and free what it held. */
void loop_join(struct loop *loop);

/* Any thread. */
void loop_post(struct loop *loop, struct mail *mail);
/* The loop ends only when every errand has come back. */
void loop_errand_begin(struct loop *loop);
void loop_errand_end(struct loop *loop);

/* Now, in ns of the monotonic clock, as of this turn of the loop. */
int64_t loop_now_ns(const struct loop *loop);
/* For the Date header. */
struct phusa_text loop_date(struct loop *loop);
/* Call conn_turn() for everybody who has yielded, after the sockets had their turn. */
void loop_turn_again(struct loop *loop);
/* Call conn_ring() for alarms that have run down, so much later. */
void loop_alarm_set(struct loop *loop, uint64_t after_ms);
/* A connection has gone: the loop may be waiting for that. */
void loop_check_stop(struct loop *loop);

#endif
