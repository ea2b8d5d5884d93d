/*
 * lab.h - a disk in memory that follows a trace (support/powerloss/trace.h), and builds the
 * directory in any state that a power cut at this moment could have left.
 *
 * What it takes a disk to do: what was synced is there. Of each sector of 512 bytes of a file
 * written since its sync there is any of the contents it had since then, each sector for
 * itself; of the file's size likewise. Of the names made, changed and removed in a directory since
 * its sync there is a prefix, or, harsher than file systems with a journal, any part
 * whose steps are possible. A sync of a file says nothing about its name.
 */
#ifndef TESTS_CRASH_LAB_H
#define TESTS_CRASH_LAB_H

#include "powerloss/trace.h"
#include "random.h"

#include <stdbool.h>
#include <stddef.h>

struct lab;

/* `trace` must live as long. */
struct lab *lab_create(const uint8_t *trace, size_t trace_bytes);
void lab_free(struct lab *lab);

/* Take the next operation in; *op and *data tell which. False at the end. Aborts on a trace that is
 * none. */
bool lab_step(struct lab *lab, const struct trace_op **op, const uint8_t **data);

/* Write a possible state below `dir`, which is empty. */
void lab_build(const struct lab *lab, struct random *random, const char *dir);
/* Does `dir` hold exactly what the trace says, all of it synced or not? Lock files do not count.
 * The first difference is described. */
bool lab_matches(const struct lab *lab, const char *dir, char *difference, size_t difference_bytes);

#endif
