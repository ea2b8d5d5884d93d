/*
 * progress.h - a bar with rate and remaining time, on a terminal only.
 *
 *     [########>           ]  43 %  1.9 M values/s  0:07 left
 *
 * Threads  the caller's lock; one bar a process.
 */
#ifndef PHUSA_CLIENT_PROGRESS_H
#define PHUSA_CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;           /* standard error is a terminal */
    bool drawn;           /* a bar stands on the current line */
    uint64_t total_bytes; /* 0: unknown, as from a pipe */
    uint64_t first_bytes; /* done before this run */
    uint64_t start_ns, last_ns;
    const char *unit; /* "points" */
};

void progress_begin(struct progress *progress, uint64_t first_bytes, uint64_t total_bytes,
                    const char *unit);
/* At most ten times a second something is drawn; call it as often as you like. */
void progress_update(struct progress *progress, uint64_t done_bytes, uint64_t unit_count);
/* Take the bar away, before a message and at the end. */
void progress_clear(struct progress *progress);
double progress_seconds(const struct progress *progress);

#endif
