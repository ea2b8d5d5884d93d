/*
 * zone_internal.h - what zone.c, tzif.c and tz_rule.c share; nobody else's.
 *
 * A zone is a list of spans of one offset, the first from INT64_MIN on. The rule for years
 * beyond a file's table is written out up to the last year that int64 nanoseconds reach, so
 * that a look-up is one binary search: some 600 spans, 7 KB.
 */
#ifndef PHUSA_CALENDAR_ZONE_INTERNAL_H
#define PHUSA_CALENDAR_ZONE_INTERNAL_H

#include "calendar/zone.h"

#define ZONE_YEAR_FIRST 1677 /* int64 nanoseconds are 1677-09-21 to 2262-04-11 */
#define ZONE_YEAR_LAST  2263
#define ZONE_OFFSET_MAX (26 * 3600 - 1) /* RFC 8536, 3.2: less than 26 hours */

struct zone {
    char *name;
    uint32_t rules_crc;
    size_t count; /* at least 1 */
    size_t starts_capacity, offsets_capacity;
    int64_t *starts_s; /* ascending; the first is INT64_MIN */
    int32_t *offsets_s;
};

/* From start_s on the offset is offset_s. Times must not go back; a later one for the same
 * moment replaces. */
PHUSA_MUST_USE phusa_status zone_add_span(struct zone *zone, int64_t start_s, int32_t offset_s);

/* The rule of a TZif footer, a POSIX TZ string: CET-1CEST,M3.5.0,M10.5.0/3. */
struct tz_day {
    char kind; /* 'J' 1..365 without leap days, '0' 0..365 with them, 'M' month.week.weekday */
    int month, week, day;
    int time_s; /* after local midnight, -167..167 hours */
};
struct tz_rule {
    int32_t offset_s; /* standard time, local - UTC */
    bool has_dst;
    int32_t dst_offset_s;
    struct tz_day dst_start, dst_end;
};
/* PHUSA_ECORRUPT: not such a rule. */
PHUSA_MUST_USE phusa_status tz_rule_parse(const char *text, size_t size_bytes, struct tz_rule *out);
/* The two changes of a year, in order of time. */
struct tz_change {
    int64_t utc_s;
    int32_t offset_s; /* from then on */
};
void tz_rule_changes(const struct tz_rule *rule, int64_t year, struct tz_change out[2]);

#endif
