/*
 * duration.h - spans of time as text: 10s, 1h30m, 1w, 3mo, 1q, 1y.
 *
 * Units: ns, u or µ (us too), ms, s, m, h, d, w; and of the calendar mo, q, y. A span is
 * nanoseconds or months, never both: a month has no length until it is known which.
 */
#ifndef PHUSA_CALENDAR_DURATION_H
#define PHUSA_CALENDAR_DURATION_H

#include "phusa.h"

/* No sign and no spaces: the caller's grammar has them. PHUSA_ESYNTAX: not a duration, or months
 * together with a length.  PHUSA_ERANGE: beyond int64. */
PHUSA_MUST_USE phusa_status duration_parse(const char *text, size_t size_bytes,
                                           struct phusa_interval *out);
/* The bytes at the start of `text` that look like a duration (digits and units, as far as they
 * alternate); 0 for a plain number. For lexers. */
size_t duration_scan(const char *text, size_t size_bytes);

/* In the largest single unit that divides it: 90m, 1w, 1q, 0s; a minus sign before negatives. No
 * NUL; returns the size. */
#define DURATION_BYTES_MAX 40
size_t duration_print(struct phusa_interval interval, char *out);
/* As InfluxDB shows policies: 168h0m0s, 0s; months as above. */
size_t duration_print_hms(struct phusa_interval interval, char *out);

#endif
