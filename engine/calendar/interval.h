/*
 * interval.h - the windows of GROUP BY time(interval, offset) in a zone.
 *
 * Windows are consecutive and cover all time; each begins where the one before ends, and is
 * known by its start. Three kinds:
 *
 *   clock   below a day, or no whole number of days: begins whenever the zone's clock shows a
 *           multiple of the interval (since 1970-01-01T00:00 local) plus the offset. An hour
 *           that the clock shows twice is two windows of 1h; with 6h the windows of that
 *           day begin at 00, 06, 12 and 18 h and one lasts an hour longer.
 *   days    whole days: local days, of 23 or 25 hours where the clock changes, counted from
 *           1970-01-01; whole weeks begin on Monday (InfluxDB: Thursday), counted from 1970-01-05.
 *   months  local months, counted from January 1970: so quarters begin in January, April ...
 *
 * A day or month whose first minute the clock jumps over begins at the jump; one whose first
 * minute it shows twice, at the first. A day that a zone left out has no window. The offset
 * (either sign) is counted on the clock too: time(1mo, 14d) begins on the 15th at midnight,
 * time(1y, 3mo) in April.
 *
 * The first and the last window are cut at INT64_MIN and INT64_MAX.
 *
 * Threads  any; nothing is kept.
 * Units    nanoseconds since 1970.
 */
#ifndef PHUSA_CALENDAR_INTERVAL_H
#define PHUSA_CALENDAR_INTERVAL_H

#include "calendar/zone.h"

struct window_spec {
    struct phusa_interval every;  /* one member positive, the other zero */
    struct phusa_interval offset; /* at most one member not zero; months only with months */
    const struct zone *zone;      /* never NULL: zone_utc() */
};
struct window {
    int64_t start_ns; /* the window's label */
    int64_t end_ns;
};

/* PHUSA_EINVAL: not of the forms above.  PHUSA_ERANGE: more than 10,000 years. The functions
 * below want a spec that passed. */
PHUSA_MUST_USE phusa_status window_spec_check(const struct window_spec *spec);

/* The window that contains time_ns. */
struct window window_at(const struct window_spec *spec, int64_t time_ns);
/* The windows after and before; false, touching nothing, where time ends. */
bool window_next(const struct window_spec *spec, struct window *window);
bool window_previous(const struct window_spec *spec, struct window *window);
/* How many windows [start_ns, end_ns) touches, as many as window_next() would visit; takes
 * microseconds, whatever the number, except for local days over centuries. */
uint64_t window_count(const struct window_spec *spec, int64_t start_ns, int64_t end_ns);

#endif
