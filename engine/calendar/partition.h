/*
 * partition.h - which partition of a policy a time belongs to.
 *
 * Partitions are counted in UTC from 1970-01-01: number n of a width of one month is the n-th
 * month after January 1970. Numbers never depend on a zone, so a change of zone moves no data.
 */
#ifndef PHUSA_CALENDAR_PARTITION_H
#define PHUSA_CALENDAR_PARTITION_H

#include "phusa.h"

#define PARTITION_NS_MIN (INT64_C(3600) * 1000000000)

/* PHUSA_EINVAL: not one positive member, or nanoseconds below an hour: narrower ones make more
 * files than points.  PHUSA_ERANGE: over 10,000 years. */
PHUSA_MUST_USE phusa_status partition_width_check(struct phusa_interval width);

/* The width must have passed partition_width_check(); then every time has a number. */
int32_t partition_of(struct phusa_interval width, int64_t time_ns);
/* [*start_ns, *end_ns), cut to int64: the last partition of all ends at INT64_MAX. */
void partition_range(struct phusa_interval width, int32_t number, int64_t *start_ns,
                     int64_t *end_ns);

#endif
