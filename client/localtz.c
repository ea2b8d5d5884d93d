/*
 * localtz.c - local time and instants.
 *
 * The instants of a local time L follow from the offsets a day before and a day after it:
 *
 *   New York, 2014-11-02, 01:30: before -4 h, after -5 h
 *     L + 4 h = 05:30Z, whose offset is -4 h: it is one       -> happens twice
 *     L + 5 h = 06:30Z, whose offset is -5 h: it is one
 *   New York, 2014-03-09, 02:30: before -5 h, after -4 h
 *     L + 5 h = 07:30Z, whose offset is -4 h: it is not       -> never happens; the first of
 *     L + 4 h = 06:30Z, whose offset is -5 h: it is not          them shows 03:30: shifted forward
 *
 * That holds while the clock changes at most once within two days, as it has since 1970.
 */
#include "localtz.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400

static bool parse_offset(const char *text, int32_t *offset_s)
{
    if (strcmp(text, "UTC") == 0 || strcmp(text, "Z") == 0 || strcmp(text, "GMT") == 0) {
        *offset_s = 0;
        return true;
    }
    if (*text != '+' && *text != '-') return false;
    int digits[4];
    size_t count = 0;
    for (const char *at = text + 1; *at != 0; at++) {
        if (*at == ':' && count == 2) continue;
        if (!isdigit((unsigned char)*at) || count == 4) return false;
        digits[count++] = *at - '0';
    }
    int hours, minutes = 0;
    if (count == 1)
        hours = digits[0];
    else if (count == 2 || count == 4)
        hours = digits[0] * 10 + digits[1];
    else
        return false;
    if (count == 4) minutes = digits[2] * 10 + digits[3];
    if (hours > 15 || minutes > 59) return false;
    *offset_s = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* libc takes any name, and silently means UTC when there is no such file. */
static bool zone_exists(const char *name)
{
    const char *directory = getenv("TZDIR");
    char path[512];
    if (name[0] == '/' || name[0] == '.' || name[0] == 0 || strstr(name, "..") != NULL)
        return false;
    const int bytes = snprintf(path, sizeof path, "%s/%s",
                               directory != NULL ? directory : "/usr/share/zoneinfo", name);
    return bytes > 0 && (size_t)bytes < sizeof path && access(path, R_OK) == 0;
}

bool localtz_open(struct localtz *zone, const char *text, const char **reason)
{
    assert(zone != NULL);
    int32_t offset_s;
    if (parse_offset(text, &offset_s)) {
        *zone = (struct localtz){.offset_s = offset_s};
        return true;
    }
    if (!zone_exists(text)) {
        *reason =
            access("/usr/share/zoneinfo", R_OK) == 0
                ? "no such time zone; one looks like Asia/Ho_Chi_Minh or +07:00"
                : "time zones by name need the package tzdata; an offset like +07:00 does not";
        return false;
    }
    char value[512];
    (void)snprintf(value, sizeof value, ":%s", text);
    if (setenv("TZ", value, 1) != 0) {
        *reason = "no memory";
        return false;
    }
    tzset();
    *zone = (struct localtz){.named = true};
    return true;
}

int32_t localtz_offset_s(const struct localtz *zone, int64_t instant_s)
{
    if (!zone->named) return zone->offset_s;
    const time_t instant = (time_t)instant_s;
    struct tm clock;
    if (localtime_r(&instant, &clock) == NULL) return 0;
    return (int32_t)clock.tm_gmtoff;
}

static int64_t day_of(int64_t seconds)
{
    return seconds >= 0 ? seconds / DAY_S : -((DAY_S - 1 - seconds) / DAY_S);
}

/* A day's offset if nothing changes around it: asked once a day of the file, not once a row. */
static const struct localtz_day *look_up(struct localtz *zone, int64_t local_s)
{
    const int64_t day = day_of(local_s);
    struct localtz_day *cached = &zone->days[(uint64_t)day % LOCALTZ_DAYS_CACHED];
    if (cached->known && cached->day == day) return cached;
    const int32_t before_s = localtz_offset_s(zone, (day - 1) * DAY_S);
    const int32_t after_s = localtz_offset_s(zone, (day + 2) * DAY_S);
    *cached = (struct localtz_day){true, before_s == after_s, before_s, day};
    return cached;
}

struct localtz_instants localtz_resolve(struct localtz *zone, int64_t local_s)
{
    assert(zone != NULL);
    if (!zone->named) {
        const int64_t instant_s = local_s - zone->offset_s;
        return (struct localtz_instants){LOCALTZ_PLAIN, instant_s, instant_s, true};
    }
    const struct localtz_day *day = look_up(zone, local_s);
    if (day->quiet) {
        const int64_t instant_s = local_s - day->offset_s;
        return (struct localtz_instants){LOCALTZ_PLAIN, instant_s, instant_s, true};
    }
    const int32_t before_s = localtz_offset_s(zone, local_s - DAY_S);
    const int32_t after_s = localtz_offset_s(zone, local_s + DAY_S);
    const int64_t first_s = local_s - before_s, second_s = local_s - after_s;
    const bool first = localtz_offset_s(zone, first_s) == before_s;
    const bool second = localtz_offset_s(zone, second_s) == after_s;
    if (first && second && first_s != second_s)
        return (struct localtz_instants){LOCALTZ_TWICE, first_s, second_s, false};
    if (first) return (struct localtz_instants){LOCALTZ_PLAIN, first_s, first_s, false};
    if (second) return (struct localtz_instants){LOCALTZ_PLAIN, second_s, second_s, false};
    return (struct localtz_instants){LOCALTZ_NEVER, first_s, first_s, false};
}
