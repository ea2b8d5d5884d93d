/*
 * fake_phusa.h - how tests steer fake_phusa.c, an engine of a few hundred lines that keeps points
 * in memory: it makes the server wait, fail and stream on demand.
 *
 * Statements it knows, beside CREATE DATABASE, DROP DATABASE, SHOW DATABASES and
 * SELECT * FROM name (all points, fields as columns):
 *
 *     FAKE ROWS n       one series "rows" of n rows: time i s, f = i/2, i, b, s = "text i"
 *     FAKE SERIES k n   k series "s" with the tag t = 0.., n rows each
 *     FAKE HOSTILE      names and values that attack what prints them
 *     FAKE SLOW         runs until it is cancelled (10 s at most)
 *     FAKE ERROR text   fails with the text
 *     FAKE NONE         no series
 */
#ifndef FAKE_PHUSA_H
#define FAKE_PHUSA_H

#include "phusa.h"

/* Of the next submits, so many answer PHUSA_EBUSY. */
void fake_busy(unsigned count);
/* How long a batch takes to become durable. */
void fake_delay_ms(unsigned ms);
/* What batches come back with; PHUSA_OK: they are stored. */
void fake_fail(phusa_status status);
/* Points stored in all databases. */
size_t fake_points(void);
/* Queries that run now. */
unsigned fake_running(void);
void fake_writable(bool writable);
unsigned fake_flushes(void);

#endif
