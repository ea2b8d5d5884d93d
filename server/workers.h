/*
 * workers.h - the threads on which blocking calls of the engine run: queries, flush, seal.
 *
 * A fixed number of threads and a bounded queue, so that requests can neither multiply threads nor
 * pile up. They are ours and not libuv's, whose four are shared by everything in a process and
 * whose queue has no end.
 */
#ifndef PHUSAD_WORKERS_H
#define PHUSAD_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

struct work {
    struct work *next;
    void (*run)(struct work *work); /* on a worker; the work may be freed in it */
};

struct workers;
/* NULL without memory or threads. */
struct workers *workers_create(unsigned count);
/* Runs what is queued to its end, then joins. NULL is allowed. */
void workers_free(struct workers *workers);
/* false: the queue is full. Any thread. */
bool workers_submit(struct workers *workers, struct work *work);

#endif
