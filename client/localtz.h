/*
 * localtz.h - local time to instants and back, for a fixed offset or a named zone.
 *
 * Named zones come from the system's zoneinfo through libc, whose rules for reading it are as
 * old and as tested as the files themselves.
 *
 * A local time that happens twice (the hour that summer time gives back) has two instants, one
 * that never happens (the hour it takes) has none; localtz_resolve() says which it met, and the
 * caller decides.
 *
 * Threads  one zone a process: libc keeps it in the environment's TZ. Open it before threads.
 * Units    seconds since 1970; local seconds are those that the same clock face has in UTC.
 */
#ifndef PHUSA_CLIENT_LOCALTZ_H
#define PHUSA_CLIENT_LOCALTZ_H

#include <stdbool.h>
#include <stdint.h>

#define LOCALTZ_DAYS_CACHED 1024u

struct localtz {
    bool named;
    int32_t offset_s; /* east of Greenwich, if not named */
    struct localtz_day {
        bool known, quiet; /* quiet: one offset from the day before to the day after */
        int32_t offset_s;
        int64_t day;
    } days[LOCALTZ_DAYS_CACHED];
};

enum localtz_kind {
    LOCALTZ_PLAIN,
    LOCALTZ_TWICE, /* first and second differ */
    LOCALTZ_NEVER, /* both are the instant that lies as far behind the gap's start */
};

struct localtz_instants {
    enum localtz_kind kind;
    int64_t first_s, second_s;
    bool quiet; /* no change of the clock from the day before to the day after */
};

/* UTC, Z, +07:00, -0530, +7, or a name like Asia/Ho_Chi_Minh. False: *reason says why not. */
bool localtz_open(struct localtz *zone, const char *text, const char **reason);

struct localtz_instants localtz_resolve(struct localtz *zone, int64_t local_s);

/* Seconds to add to an instant for the local clock. */
int32_t localtz_offset_s(const struct localtz *zone, int64_t instant_s);

#endif
