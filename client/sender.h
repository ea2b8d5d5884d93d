/*
 * sender.h - send batches over several connections, keeping the order that matters.
 *
 * The caller fills batches; threads, one for each connection, write them. Batches that hold the
 * same series at the same time are never in flight together, so the last one of a file wins as
 * it would over one connection. `acknowledged` sees the batches in the order they were
 * submitted, whatever order their answers come in: what it has seen is stored, whole.
 *
 *   free --sender_take--> caller --sender_submit--> queued --> in flight --> answered
 *     ^                                                                         |
 *     +------------------- acknowledged, in order of submission ----------------+
 *
 * Ownership  the sender owns its batches; one is the caller's between take and submit.
 * Threads    take, submit, drain and close: one thread. `acknowledged` is called by any of the
 *            sender's threads, under its lock: one call at a time; it must not call back.
 * Memory     connections + 2 batches.
 * Errors     the first write that fails for good stops the sender: submit returns false, and
 *            sender_failure() has the reason.
 */
#ifndef PHUSA_CLIENT_SENDER_H
#define PHUSA_CLIENT_SENDER_H

#include "lib/phusa_client.h"
#include "lib/textbuf.h"

#define SENDER_CONNECTIONS_MAX 16u
#define BATCH_REFUSALS_MAX     10000u /* kept of one answer; the rest is counted */

struct batch_refusal {
    uint64_t line, column;
    char *reason, *excerpt; /* owned */
};

struct batch {
    struct textbuf body;
    uint64_t point_count, value_count;
    uint64_t last_line;  /* of the source; the caller's, for `acknowledged` */
    uint64_t first_line; /* the source's line of the body's first line ... */
    uint64_t *line_of;   /* ... or, if line_count > 0, of each of them */
    size_t line_count, line_capacity;
    /* The time range of its points and a hash of (series, time) of each; empty when the caller
     * sends over one connection and need not care. */
    int64_t time_min, time_max;
    uint64_t *keys;
    size_t key_count, key_capacity;
    bool keys_sorted;

    size_t source; /* the caller's: which file, and how far it has been read with this batch */
    uint64_t source_offset, source_line, warm_offset, warm_line;
    uint32_t tail_crc;

    /* Set by the sender: */
    uint64_t sequence;
    bool answered;
    uint64_t refused_count;
    struct batch_refusal *refusals;
    size_t refusal_count, refusal_capacity;
    char reason[512]; /* the answer's sentence when refused_count > 0 */
};

bool batch_add_line(struct batch *batch, uint64_t source_line);
bool batch_add_key(struct batch *batch, uint64_t key, int64_t time_ns);
/* The source's line of a line of the body (from 1). 0: not known. */
uint64_t batch_source_line(const struct batch *batch, uint64_t body_line);

struct sender_options {
    struct phusa_client_options client;
    struct phusa_client_target target;
    unsigned connections; /* 1..SENDER_CONNECTIONS_MAX */
    void (*acknowledged)(void *context, const struct batch *batch);
    void *context;
};

struct sender;

/* False, with a sentence in *error. What options point to must outlive the sender. */
bool sender_open(struct sender **sender, const struct sender_options *options,
                 struct phusa_client_error *error);
/* An empty batch; blocks until one is free. NULL once the sender has stopped. */
struct batch *sender_take(struct sender *sender);
/* Hand it in (an empty one is acknowledged in its turn, unsent); blocks while a batch with equal
 * points is in flight. False: the sender stopped. */
bool sender_submit(struct sender *sender, struct batch *batch);
/* Wait until all is acknowledged. False: the sender stopped before. */
bool sender_drain(struct sender *sender);
/* The reason why the sender stopped; PHUSA_CLIENT_OK if it did not. */
phusa_client_status sender_failure(struct sender *sender, struct phusa_client_error *error);
/* Ends the threads, after what is in flight. NULL is allowed. */
void sender_close(struct sender *sender);

#endif
