/*
 * Guards local time: offsets, named zones with summer time, the hour that comes twice and the
 * hour that never comes, every hour from 1970 to 2037 against libc's own mktime.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../client/localtz.h"
#include "../../client/timeformat.h"

static struct localtz zone; /* too large for a stack frame */

static void open_zone(const char *name)
{
    const char *reason = NULL;
    if (!localtz_open(&zone, name, &reason)) cr_skip_test("%s: %s", name, reason);
}

static int64_t local(int year, unsigned month, unsigned day, int hour, int minute)
{
    return timeformat_days(year, month, day) * 86400 + hour * 3600 + minute * 60;
}

Test(localtz, reads_offsets)
{
    const char *reason;
    static const struct {
        const char *text;
        int32_t offset_s;
    } good[] = {{"UTC", 0}, {"Z", 0}, {"+07:00", 25200}, {"-0530", -19800}, {"+7", 25200}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(localtz_open(&zone, good[i].text, &reason), "%s", good[i].text);
        cr_assert_eq(localtz_resolve(&zone, 100000).first_s, 100000 - good[i].offset_s);
    }
    static const char *const bad[] = {"",          "+",    "+25",         "+07:60",   "+123",
                                      "Mars/Base", "../x", "/etc/passwd", "+07:00:00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(localtz_open(&zone, bad[i], &reason), "%s", bad[i]);
}

Test(localtz, shanghai_is_eight_hours_ahead)
{
    open_zone("Asia/Shanghai");
    const struct localtz_instants instants = localtz_resolve(&zone, local(2013, 3, 1, 0, 0));
    cr_assert_eq(instants.kind, LOCALTZ_PLAIN);
    cr_assert_eq(instants.first_s, 1362067200);
    cr_assert(instants.quiet);
}

Test(localtz, the_hour_that_comes_twice_has_two_instants)
{
    open_zone("America/New_York");
    const struct localtz_instants instants = localtz_resolve(&zone, local(2014, 11, 2, 1, 30));
    cr_assert_eq(instants.kind, LOCALTZ_TWICE);
    cr_assert_eq(instants.first_s, 1414906200);
    cr_assert_eq(instants.second_s, 1414909800);
    cr_assert_not(instants.quiet);
    cr_assert_eq(localtz_resolve(&zone, local(2014, 11, 2, 0, 59)).kind, LOCALTZ_PLAIN);
    cr_assert_eq(localtz_resolve(&zone, local(2014, 11, 2, 2, 0)).kind, LOCALTZ_PLAIN);
    cr_assert_eq(localtz_resolve(&zone, local(2014, 11, 2, 2, 0)).first_s, 1414911600);
}

Test(localtz, the_hour_that_never_comes_is_shifted_forward)
{
    open_zone("America/New_York");
    const struct localtz_instants instants = localtz_resolve(&zone, local(2014, 3, 9, 2, 30));
    cr_assert_eq(instants.kind, LOCALTZ_NEVER);
    cr_assert_eq(instants.first_s, 1394350200, "03:30 EDT");
    cr_assert_eq(localtz_resolve(&zone, local(2014, 3, 9, 3, 0)).first_s, 1394348400);
}

Test(localtz, a_day_that_never_comes_is_shifted_by_a_day)
{
    open_zone("Pacific/Apia");
    const struct localtz_instants instants = localtz_resolve(&zone, local(2011, 12, 30, 12, 0));
    cr_assert_eq(instants.kind, LOCALTZ_NEVER);
    cr_assert_eq(instants.first_s + localtz_offset_s(&zone, instants.first_s),
                 local(2011, 12, 31, 12, 0));
}

/* What an instant shows on the clock must lead back to it, for every hour of 68 years. */
static void expect_round_trip(const char *name)
{
    open_zone(name);
    for (int64_t instant_s = 0; instant_s < 2145916800; instant_s += 3600) {
        const time_t instant = (time_t)instant_s;
        struct tm clock;
        cr_assert_not_null(localtime_r(&instant, &clock));
        const int64_t shown_s = local(clock.tm_year + 1900, (unsigned)clock.tm_mon + 1,
                                      (unsigned)clock.tm_mday, clock.tm_hour, clock.tm_min) +
                                clock.tm_sec;
        const struct localtz_instants found = localtz_resolve(&zone, shown_s);
        cr_assert(found.first_s == instant_s ||
                      (found.kind == LOCALTZ_TWICE && found.second_s == instant_s),
                  "%s: %lld", name, (long long)instant_s);
        if (found.kind == LOCALTZ_TWICE) cr_assert(found.first_s < found.second_s);
        cr_assert_neq(found.kind, LOCALTZ_NEVER);
    }
}

Test(localtz, every_hour_leads_back_in_new_york)
{
    expect_round_trip("America/New_York");
}
Test(localtz, every_hour_leads_back_in_berlin)
{
    expect_round_trip("Europe/Berlin");
}
Test(localtz, every_hour_leads_back_in_lord_howe_of_half_hour_changes)
{
    expect_round_trip("Australia/Lord_Howe");
}
Test(localtz, every_hour_leads_back_in_ho_chi_minh)
{
    expect_round_trip("Asia/Ho_Chi_Minh");
}
