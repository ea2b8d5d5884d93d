/*
 * server.h - phusad as a whole: the engine, the threads, the counters.
 *
 *   main thread      waits for signals
 *   loop threads     sockets, parsing; never wait for the disk
 *   workers          queries, flush and seal
 *   engine threads   call back when a submitted batch is durable
 *
 * Threads  server_start(), server_stop(): one thread. The struct is read by all; what changes is
 *          atomic.
 */
#ifndef PHUSAD_SERVER_H
#define PHUSAD_SERVER_H

#include "config.h"
#include "logger.h"
#include "phusa.h"

#include <stdatomic.h>

struct loop;
struct workers;

/* Counted since the start; /metrics prints them. */
struct counters {
    _Atomic uint64_t connections_total[2]; /* HTTP, TCP */
    _Atomic uint64_t connections_refused;
    _Atomic uint64_t requests[6]; /* by the first digit of the status; 0 is not used */
    _Atomic uint64_t write_bytes; /* payload taken from /write and the raw door */
    _Atomic uint64_t tcp_lines, tcp_lines_refused;
    _Atomic uint64_t busy_waits; /* times that the engine's queue was full */
    _Atomic uint64_t queries_cancelled;
};

struct server {
    const struct config *config;
    struct phusa *db;
    struct logger *logger;
    struct workers *workers;
    struct workers *housekeeper; /* one thread for flush and seal: queries never wait for them */
    struct loop *loops;
    unsigned loop_count;
    struct address http_bind, tcp_bind; /* with the ports as bound */
    _Atomic size_t connection_count;    /* open now, both doors, all loops */
    _Atomic size_t gathering_count;     /* writes that hold a batch */
    _Atomic bool stopping;
    int64_t started_ns; /* monotonic */
    int64_t start_ns;   /* how long it took */
    struct counters counters;
};

/* Open the directory, bind, run. NULL: *error holds a sentence. `config` and `logger` must
 * outlive the server. */
struct server *server_start(const struct config *config, struct logger *logger, char *error,
                            size_t error_bytes);
/* How large a write lets its batch grow: a share of what all may hold. */
size_t server_batch_bytes(struct server *server);
/* Answer what is in flight, flush, free. The outcome of the flush. */
phusa_status server_stop(struct server *server);

#endif
