/*
 * test_interval.c - guards calendar/interval: windows tile all time and begin where the local
 * clock says, through every change of it.
 */
#include "calendar/interval.h"

#include "calendar/civil.h"
#include "calendar/duration.h"
#include "random.h"
#include "tzif_bytes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MINUTE (60 * NS_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static struct zone_table *open_system_zones(void)
{
    if (access("/usr/share/zoneinfo/Europe/Paris", R_OK) != 0)
        cr_skip_test("there is no /usr/share/zoneinfo: install tzdata");
    struct zone_table *table;
    cr_assert_eq(zone_table_create(NULL, &table), PHUSA_OK);
    return table;
}

static const struct zone *find(struct zone_table *table, const char *name)
{
    const struct zone *zone = NULL;
    cr_assert_eq(zone_find(table, name, strlen(name), &zone, NULL), PHUSA_OK, "%s", name);
    return zone;
}

static struct phusa_interval interval(const char *text)
{
    struct phusa_interval out;
    cr_assert_eq(duration_parse(text, strlen(text), &out), PHUSA_OK, "%s", text);
    return out;
}

/* ---- known answers ---------------------------------------------------- */

/* Local days, weeks, months, quarters and years, found with Python's zoneinfo by going through
 * the minutes: zone, interval, offset, a time, start and end of its window, in seconds. */
static const struct {
    const char *zone, *every, *offset;
    int64_t at_s, start_s, end_s;
} known[] = {
    {"Europe/Paris", "1d", "0s", INT64_C(1541332800), INT64_C(1541286000), INT64_C(1541372400)},
    {"Europe/Paris", "7d", "0s", INT64_C(1541332800), INT64_C(1540767600), INT64_C(1541372400)},
    {"Europe/Paris", "1mo", "0s", INT64_C(1541332800), INT64_C(1541026800), INT64_C(1543618800)},
    {"Europe/Paris", "1d", "0s", INT64_C(1711886400), INT64_C(1711839600), INT64_C(1711922400)},
    {"Europe/Paris", "7d", "0s", INT64_C(1711886400), INT64_C(1711321200), INT64_C(1711922400)},
    {"Europe/Paris", "1mo", "0s", INT64_C(1711886400), INT64_C(1709247600), INT64_C(1711922400)},
    {"Europe/Paris", "1d", "0s", INT64_C(1730030400), INT64_C(1729980000), INT64_C(1730070000)},
    {"Europe/Paris", "7d", "0s", INT64_C(1730030400), INT64_C(1729461600), INT64_C(1730070000)},
    {"Europe/Paris", "1mo", "0s", INT64_C(1730030400), INT64_C(1727733600), INT64_C(1730415600)},
    {"Europe/Paris", "1d", "0s", INT64_C(-43200), INT64_C(-90000), INT64_C(-3600)},
    {"Europe/Paris", "7d", "0s", INT64_C(-43200), INT64_C(-262800), INT64_C(342000)},
    {"Europe/Paris", "1mo", "0s", INT64_C(-43200), INT64_C(-2682000), INT64_C(-3600)},
    {"Europe/Paris", "1d", "0s", INT64_C(1709251140), INT64_C(1709247600), INT64_C(1709334000)},
    {"Europe/Paris", "7d", "0s", INT64_C(1709251140), INT64_C(1708902000), INT64_C(1709506800)},
    {"Europe/Paris", "1mo", "0s", INT64_C(1709251140), INT64_C(1709247600), INT64_C(1711922400)},
    {"Europe/Paris", "3mo", "0s", INT64_C(1711927800), INT64_C(1711922400), INT64_C(1719784800)},
    {"Europe/Paris", "12mo", "0s", INT64_C(1704074400), INT64_C(1704063600), INT64_C(1735686000)},
    {"Europe/Paris", "1mo", "14d", INT64_C(1710028800), INT64_C(1707951600), INT64_C(1710457200)},
    {"Europe/Paris", "12mo", "3mo", INT64_C(1707523200), INT64_C(1680300000), INT64_C(1711922400)},
    {"America/New_York", "1d", "0s", INT64_C(1541332800), INT64_C(1541304000), INT64_C(1541394000)},
    {"America/New_York", "7d", "0s", INT64_C(1541332800), INT64_C(1540785600), INT64_C(1541394000)},
    {"America/New_York", "1mo", "0s", INT64_C(1541332800), INT64_C(1541044800),
     INT64_C(1543640400)},
    {"America/New_York", "1d", "0s", INT64_C(1711886400), INT64_C(1711857600), INT64_C(1711944000)},
    {"America/New_York", "7d", "0s", INT64_C(1711886400), INT64_C(1711339200), INT64_C(1711944000)},
    {"America/New_York", "1mo", "0s", INT64_C(1711886400), INT64_C(1709269200),
     INT64_C(1711944000)},
    {"America/New_York", "1d", "0s", INT64_C(1730030400), INT64_C(1730001600), INT64_C(1730088000)},
    {"America/New_York", "7d", "0s", INT64_C(1730030400), INT64_C(1729483200), INT64_C(1730088000)},
    {"America/New_York", "1mo", "0s", INT64_C(1730030400), INT64_C(1727755200),
     INT64_C(1730433600)},
    {"America/New_York", "1d", "0s", INT64_C(-43200), INT64_C(-68400), INT64_C(18000)},
    {"America/New_York", "7d", "0s", INT64_C(-43200), INT64_C(-241200), INT64_C(363600)},
    {"America/New_York", "1mo", "0s", INT64_C(-43200), INT64_C(-2660400), INT64_C(18000)},
    {"America/New_York", "1d", "0s", INT64_C(1709251140), INT64_C(1709182800), INT64_C(1709269200)},
    {"America/New_York", "7d", "0s", INT64_C(1709251140), INT64_C(1708923600), INT64_C(1709528400)},
    {"America/New_York", "1mo", "0s", INT64_C(1709251140), INT64_C(1706763600),
     INT64_C(1709269200)},
    {"America/New_York", "3mo", "0s", INT64_C(1711927800), INT64_C(1704085200),
     INT64_C(1711944000)},
    {"America/New_York", "12mo", "0s", INT64_C(1704074400), INT64_C(1672549200),
     INT64_C(1704085200)},
    {"America/New_York", "1mo", "14d", INT64_C(1710028800), INT64_C(1707973200),
     INT64_C(1710475200)},
    {"America/New_York", "12mo", "3mo", INT64_C(1707523200), INT64_C(1680321600),
     INT64_C(1711944000)},
    {"Asia/Ho_Chi_Minh", "1d", "0s", INT64_C(1541332800), INT64_C(1541264400), INT64_C(1541350800)},
    {"Asia/Ho_Chi_Minh", "7d", "0s", INT64_C(1541332800), INT64_C(1540746000), INT64_C(1541350800)},
    {"Asia/Ho_Chi_Minh", "1mo", "0s", INT64_C(1541332800), INT64_C(1541005200),
     INT64_C(1543597200)},
    {"Asia/Ho_Chi_Minh", "1d", "0s", INT64_C(1711886400), INT64_C(1711818000), INT64_C(1711904400)},
    {"Asia/Ho_Chi_Minh", "7d", "0s", INT64_C(1711886400), INT64_C(1711299600), INT64_C(1711904400)},
    {"Asia/Ho_Chi_Minh", "1mo", "0s", INT64_C(1711886400), INT64_C(1709226000),
     INT64_C(1711904400)},
    {"Asia/Ho_Chi_Minh", "1d", "0s", INT64_C(1730030400), INT64_C(1729962000), INT64_C(1730048400)},
    {"Asia/Ho_Chi_Minh", "7d", "0s", INT64_C(1730030400), INT64_C(1729443600), INT64_C(1730048400)},
    {"Asia/Ho_Chi_Minh", "1mo", "0s", INT64_C(1730030400), INT64_C(1727715600),
     INT64_C(1730394000)},
    {"Asia/Ho_Chi_Minh", "1d", "0s", INT64_C(-43200), INT64_C(-115200), INT64_C(-28800)},
    {"Asia/Ho_Chi_Minh", "7d", "0s", INT64_C(-43200), INT64_C(-288000), INT64_C(316800)},
    {"Asia/Ho_Chi_Minh", "1mo", "0s", INT64_C(-43200), INT64_C(-2707200), INT64_C(-28800)},
    {"Asia/Ho_Chi_Minh", "1d", "0s", INT64_C(1709251140), INT64_C(1709226000), INT64_C(1709312400)},
    {"Asia/Ho_Chi_Minh", "7d", "0s", INT64_C(1709251140), INT64_C(1708880400), INT64_C(1709485200)},
    {"Asia/Ho_Chi_Minh", "1mo", "0s", INT64_C(1709251140), INT64_C(1709226000),
     INT64_C(1711904400)},
    {"Asia/Ho_Chi_Minh", "3mo", "0s", INT64_C(1711927800), INT64_C(1711904400),
     INT64_C(1719766800)},
    {"Asia/Ho_Chi_Minh", "12mo", "0s", INT64_C(1704074400), INT64_C(1704042000),
     INT64_C(1735664400)},
    {"Asia/Ho_Chi_Minh", "1mo", "14d", INT64_C(1710028800), INT64_C(1707930000),
     INT64_C(1710435600)},
    {"Asia/Ho_Chi_Minh", "12mo", "3mo", INT64_C(1707523200), INT64_C(1680282000),
     INT64_C(1711904400)},
    {"Australia/Lord_Howe", "1d", "0s", INT64_C(1541332800), INT64_C(1541250000),
     INT64_C(1541336400)},
    {"Australia/Lord_Howe", "7d", "0s", INT64_C(1541332800), INT64_C(1540731600),
     INT64_C(1541336400)},
    {"Australia/Lord_Howe", "1mo", "0s", INT64_C(1541332800), INT64_C(1540990800),
     INT64_C(1543582800)},
    {"Australia/Lord_Howe", "1d", "0s", INT64_C(1711886400), INT64_C(1711803600),
     INT64_C(1711890000)},
    {"Australia/Lord_Howe", "7d", "0s", INT64_C(1711886400), INT64_C(1711285200),
     INT64_C(1711890000)},
    {"Australia/Lord_Howe", "1mo", "0s", INT64_C(1711886400), INT64_C(1709211600),
     INT64_C(1711890000)},
    {"Australia/Lord_Howe", "1d", "0s", INT64_C(1730030400), INT64_C(1729947600),
     INT64_C(1730034000)},
    {"Australia/Lord_Howe", "7d", "0s", INT64_C(1730030400), INT64_C(1729429200),
     INT64_C(1730034000)},
    {"Australia/Lord_Howe", "1mo", "0s", INT64_C(1730030400), INT64_C(1727703000),
     INT64_C(1730379600)},
    {"Australia/Lord_Howe", "1d", "0s", INT64_C(-43200), INT64_C(-122400), INT64_C(-36000)},
    {"Australia/Lord_Howe", "7d", "0s", INT64_C(-43200), INT64_C(-295200), INT64_C(309600)},
    {"Australia/Lord_Howe", "1mo", "0s", INT64_C(-43200), INT64_C(-2714400), INT64_C(-36000)},
    {"Australia/Lord_Howe", "1d", "0s", INT64_C(1709251140), INT64_C(1709211600),
     INT64_C(1709298000)},
    {"Australia/Lord_Howe", "7d", "0s", INT64_C(1709251140), INT64_C(1708866000),
     INT64_C(1709470800)},
    {"Australia/Lord_Howe", "1mo", "0s", INT64_C(1709251140), INT64_C(1709211600),
     INT64_C(1711890000)},
    {"Australia/Lord_Howe", "3mo", "0s", INT64_C(1711927800), INT64_C(1711890000),
     INT64_C(1719754200)},
    {"Australia/Lord_Howe", "12mo", "0s", INT64_C(1704074400), INT64_C(1704027600),
     INT64_C(1735650000)},
    {"Australia/Lord_Howe", "1mo", "14d", INT64_C(1710028800), INT64_C(1707915600),
     INT64_C(1710421200)},
    {"Australia/Lord_Howe", "12mo", "3mo", INT64_C(1707523200), INT64_C(1680267600),
     INT64_C(1711890000)},
    {"America/Sao_Paulo", "1d", "0s", INT64_C(1541332800), INT64_C(1541300400),
     INT64_C(1541383200)},
    {"America/Sao_Paulo", "7d", "0s", INT64_C(1541332800), INT64_C(1540782000),
     INT64_C(1541383200)},
    {"America/Sao_Paulo", "1mo", "0s", INT64_C(1541332800), INT64_C(1541041200),
     INT64_C(1543629600)},
    {"America/Sao_Paulo", "1d", "0s", INT64_C(1711886400), INT64_C(1711854000),
     INT64_C(1711940400)},
    {"America/Sao_Paulo", "7d", "0s", INT64_C(1711886400), INT64_C(1711335600),
     INT64_C(1711940400)},
    {"America/Sao_Paulo", "1mo", "0s", INT64_C(1711886400), INT64_C(1709262000),
     INT64_C(1711940400)},
    {"America/Sao_Paulo", "1d", "0s", INT64_C(1730030400), INT64_C(1729998000),
     INT64_C(1730084400)},
    {"America/Sao_Paulo", "7d", "0s", INT64_C(1730030400), INT64_C(1729479600),
     INT64_C(1730084400)},
    {"America/Sao_Paulo", "1mo", "0s", INT64_C(1730030400), INT64_C(1727751600),
     INT64_C(1730430000)},
    {"America/Sao_Paulo", "1d", "0s", INT64_C(-43200), INT64_C(-75600), INT64_C(10800)},
    {"America/Sao_Paulo", "7d", "0s", INT64_C(-43200), INT64_C(-248400), INT64_C(356400)},
    {"America/Sao_Paulo", "1mo", "0s", INT64_C(-43200), INT64_C(-2667600), INT64_C(10800)},
    {"America/Sao_Paulo", "1d", "0s", INT64_C(1709251140), INT64_C(1709175600),
     INT64_C(1709262000)},
    {"America/Sao_Paulo", "7d", "0s", INT64_C(1709251140), INT64_C(1708916400),
     INT64_C(1709521200)},
    {"America/Sao_Paulo", "1mo", "0s", INT64_C(1709251140), INT64_C(1706756400),
     INT64_C(1709262000)},
    {"America/Sao_Paulo", "3mo", "0s", INT64_C(1711927800), INT64_C(1704078000),
     INT64_C(1711940400)},
    {"America/Sao_Paulo", "12mo", "0s", INT64_C(1704074400), INT64_C(1672542000),
     INT64_C(1704078000)},
    {"America/Sao_Paulo", "1mo", "14d", INT64_C(1710028800), INT64_C(1707966000),
     INT64_C(1710471600)},
    {"America/Sao_Paulo", "12mo", "3mo", INT64_C(1707523200), INT64_C(1680318000),
     INT64_C(1711940400)},
    {"Pacific/Apia", "1d", "0s", INT64_C(1325246400), INT64_C(1325239200), INT64_C(1325325600)},
    {"Pacific/Apia", "1d", "0s", INT64_C(1325160000), INT64_C(1325152800), INT64_C(1325239200)},
    {"UTC", "6mo", "0s", INT64_C(-26438400), INT64_C(-31536000), INT64_C(-15897600)},
    {"UTC", "7d", "0s", INT64_C(1795514340), INT64_C(1795392000), INT64_C(1795996800)},
    {"UTC", "14d", "0s", INT64_C(-655260), INT64_C(-864000), INT64_C(345600)},
};

Test(interval, local_days_and_months_begin_when_the_clock_shows_them)
{
    struct zone_table *table = open_system_zones();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct window_spec spec = {interval(known[i].every), interval(known[i].offset),
                                         find(table, known[i].zone)};
        const struct window w = window_at(&spec, known[i].at_s * NS_PER_S);
        cr_expect_eq(w.start_ns, known[i].start_s * NS_PER_S, "%s %s at %lld: %lld", known[i].zone,
                     known[i].every, (long long)known[i].at_s, (long long)w.start_ns);
        cr_expect_eq(w.end_ns, known[i].end_s * NS_PER_S, "%s %s at %lld: %lld", known[i].zone,
                     known[i].every, (long long)known[i].at_s, (long long)w.end_ns);
    }
    zone_table_free(table);
}

Test(interval, fixed_windows_of_utc)
{
    static const struct {
        const char *every;
        int64_t offset_ns, at_ns, start_ns, end_ns;
    } cases[] = {
        {"10s", 0, 25 * NS_PER_S, 20 * NS_PER_S, 30 * NS_PER_S},
        {"10s", 0, -1, -10 * NS_PER_S, 0},
        {"10s", 3 * NS_PER_S, 2 * NS_PER_S, -7 * NS_PER_S, 3 * NS_PER_S},
        {"10s", -17 * NS_PER_S, 2 * NS_PER_S, -7 * NS_PER_S, 3 * NS_PER_S},
        {"1h", 0, 90 * MINUTE, HOUR, 2 * HOUR},
        {"1d", 0, -DAY, -DAY, 0},
        {"1d", 6 * HOUR, 0, -18 * HOUR, 6 * HOUR},
        {"1w", 0, 0, -3 * DAY, 4 * DAY}, /* 1970-01-01 was a Thursday */
        {"7d", DAY, 0, -2 * DAY, 5 * DAY},
        {"1ns", 0, -5, -5, -4},
        {"1d", 0, INT64_MIN, INT64_MIN, INT64_C(-9223286400000000000)},
        {"1d", 0, INT64_MAX - 1, INT64_C(9223286400000000000), INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct window_spec spec = {
            interval(cases[i].every), {0, cases[i].offset_ns}, zone_utc()};
        cr_assert_eq(window_spec_check(&spec), PHUSA_OK);
        const struct window w = window_at(&spec, cases[i].at_ns);
        cr_assert_eq(w.start_ns, cases[i].start_ns, "case %zu", i);
        cr_assert_eq(w.end_ns, cases[i].end_ns, "case %zu", i);
    }
}

/* The starts of the windows of one local day, as the clock shows them. */
static void expect_starts(const struct window_spec *spec, int64_t from_ns, int64_t to_ns,
                          const char *expected)
{
    char text[1024] = "";
    size_t size = 0;
    struct window w = window_at(spec, from_ns);
    while (w.start_ns < to_ns) {
        const int64_t s = w.start_ns / NS_PER_S;
        const int64_t local_s = s + zone_offset_at(spec->zone, s);
        size +=
            (size_t)snprintf(text + size, sizeof text - size, "%s%02d:%02d", size > 0 ? " " : "",
                             (int)(local_s / 3600 % 24), (int)(local_s / 60 % 60));
        if (!window_next(spec, &w)) break;
    }
    cr_expect_str_eq(text, expected);
}

Test(interval, an_hour_shown_twice_is_two_windows_and_six_hours_become_seven)
{
    struct zone_table *table = open_system_zones();
    struct window_spec spec = {{0, HOUR}, {0, 0}, find(table, "Europe/Paris")};
    const int64_t autumn = (civil_days(2024, 10, 27) * S_PER_DAY - 7200) * NS_PER_S;
    const int64_t spring = (civil_days(2024, 3, 31) * S_PER_DAY - 3600) * NS_PER_S;
    expect_starts(&spec, autumn, autumn + 6 * HOUR, "00:00 01:00 02:00 02:00 03:00 04:00");
    expect_starts(&spec, spring, spring + 5 * HOUR, "00:00 01:00 03:00 04:00 05:00");
    spec.every.ns = 6 * HOUR;
    expect_starts(&spec, autumn, autumn + 25 * HOUR, "00:00 06:00 12:00 18:00");
    expect_starts(&spec, spring, spring + 23 * HOUR, "00:00 06:00 12:00 18:00");
    spec.every.ns = 2 * HOUR;
    expect_starts(&spec, autumn, autumn + 8 * HOUR, "00:00 02:00 02:00 04:00 06:00");
    expect_starts(&spec, spring, spring + 7 * HOUR, "00:00 03:00 04:00 06:00");
    spec.zone = find(table, "Australia/Lord_Howe");
    spec.every.ns = HOUR;
    const int64_t april = (civil_days(2024, 4, 7) * S_PER_DAY - 39600) * NS_PER_S;
    expect_starts(&spec, april, april + 5 * HOUR, "00:00 01:00 02:00 03:00 04:00");
    spec.every.ns = 15 * MINUTE;
    expect_starts(&spec, april + HOUR, april + 3 * HOUR,
                  "01:00 01:15 01:30 01:45 01:30 01:45 02:00 02:15");
    spec.zone = find(table, "America/Sao_Paulo");
    spec.every.ns = 12 * HOUR;
    const int64_t november = (civil_days(2018, 11, 4) * S_PER_DAY + 3 * 3600) * NS_PER_S;
    expect_starts(&spec, november, november + 23 * HOUR, "01:00 12:00");
    zone_table_free(table);
}

Test(interval, specs_that_mean_nothing_are_refused)
{
    const struct zone *utc = zone_utc();
    static const struct {
        struct phusa_interval every, offset;
        phusa_status status;
    } cases[] = {
        {{0, 0}, {0, 0}, PHUSA_EINVAL},       {{1, 1}, {0, 0}, PHUSA_EINVAL},
        {{-1, 0}, {0, 0}, PHUSA_EINVAL},      {{0, -1}, {0, 0}, PHUSA_EINVAL},
        {{0, DAY}, {1, 0}, PHUSA_EINVAL},     {{1, 0}, {1, 1}, PHUSA_EINVAL},
        {{120001, 0}, {0, 0}, PHUSA_ERANGE},  {{1, 0}, {120001, 0}, PHUSA_ERANGE},
        {{1, 0}, {-120001, 0}, PHUSA_ERANGE}, {{12, 0}, {3, 0}, PHUSA_OK},
        {{1, 0}, {0, 14 * DAY}, PHUSA_OK},    {{0, 1}, {0, INT64_MIN}, PHUSA_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct window_spec spec = {cases[i].every, cases[i].offset, utc};
        cr_assert_eq(window_spec_check(&spec), cases[i].status, "case %zu", i);
    }
}

/* ---- the model: minute by minute -------------------------------------- */

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The number of the local date's window, by the rules of the calendar alone. */
static int64_t date_number(const struct window_spec *spec, int64_t local_s)
{
    const int64_t days = floor_divide(local_s - spec->offset.ns / NS_PER_S, S_PER_DAY);
    if (spec->every.months > 0) {
        const struct civil c = civil_of_days(days);
        return floor_divide(c.year * 12 + c.month - 1 - (1970 * 12) - spec->offset.months,
                            spec->every.months);
    }
    const int64_t n = spec->every.ns / DAY;
    return floor_divide(days - (n % 7 == 0 ? 4 : 0), n);
}

/* Does a window begin at this minute? Its clock shows local_s, a minute ago it showed before_s. */
static bool begins(const struct window_spec *spec, int64_t local_s, int64_t before_s,
                   int64_t *newest_date)
{
    if (spec->every.months > 0 || spec->every.ns % DAY == 0) {
        const int64_t n = date_number(spec, local_s);
        if (n <= *newest_date) return false;
        *newest_date = n;
        return true;
    }
    const int64_t every_s = spec->every.ns / NS_PER_S, offset_s = spec->offset.ns / NS_PER_S;
    if (local_s <= before_s)
        return floor_divide(local_s - offset_s, every_s) * every_s == local_s - offset_s;
    return floor_divide(local_s - offset_s, every_s) > floor_divide(before_s - offset_s, every_s);
}

static void check_minutes(const struct window_spec *spec, int64_t from_s, int64_t to_s)
{
    const struct zone *zone = spec->zone;
    struct window w = window_at(spec, from_s * NS_PER_S);
    int64_t before_s = from_s + zone_offset_at(zone, from_s);
    int64_t newest = 0;
    if (spec->every.months > 0 || spec->every.ns % DAY == 0) {
        /* A date seen before from_s may be shown again after it. */
        newest = INT64_MIN;
        for (int64_t t = from_s - 2 * S_PER_DAY; t <= from_s; t += 60) {
            const int64_t n = date_number(spec, t + zone_offset_at(zone, t));
            if (n > newest) newest = n;
        }
    }
    uint64_t count = 1;
    for (int64_t t = from_s + 60; t < to_s; t += 60) {
        const int64_t local_s = t + zone_offset_at(zone, t);
        if (begins(spec, local_s, before_s, &newest)) {
            cr_assert_eq(w.end_ns, t * NS_PER_S, "%s %lld %lld: a window begins at %lld, not %lld",
                         zone_name(zone), (long long)spec->every.months, (long long)spec->every.ns,
                         (long long)t, (long long)(w.end_ns / NS_PER_S));
            cr_assert(window_next(spec, &w));
            cr_assert_eq(w.start_ns, t * NS_PER_S);
            count++;
        }
        cr_assert(w.start_ns <= t * NS_PER_S && t * NS_PER_S < w.end_ns,
                  "%s %lld %lld: no window begins at %lld", zone_name(zone),
                  (long long)spec->every.months, (long long)spec->every.ns,
                  (long long)(w.end_ns / NS_PER_S));
        if (t % 540 == 0) {
            const struct window here = window_at(spec, t * NS_PER_S + 1);
            cr_assert(here.start_ns == w.start_ns && here.end_ns == w.end_ns);
        }
        before_s = local_s;
    }
    cr_assert_eq(window_count(spec, from_s * NS_PER_S, (to_s - 60) * NS_PER_S + 1), count);
}

Test(interval, windows_begin_at_the_minutes_that_the_clock_says)
{
    static const char *const names[] = {
        "Europe/Paris",        "America/New_York",  "Asia/Ho_Chi_Minh",
        "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia",
        "America/St_Johns",    "America/Havana",    "UTC"};
    static const int64_t minutes[] = {1,   5,   7,   10,  15,   30,   45,   60,   90,    120,
                                      180, 360, 420, 720, 1080, 1440, 2160, 2880, 10080, 20160};
    struct zone_table *table = open_system_zones();
    struct random random = random_seeded();
    for (int i = 0; i < 1500; i++) {
        const struct zone *zone = find(table, names[i % 9]);
        struct window_spec spec = {{0, 0}, {0, 0}, zone};
        const uint64_t shape = random_u64(&random);
        if (shape % 4 == 0) {
            spec.every.months = (int64_t)(1 + (shape >> 8) % 12);
            if (shape >> 16 & 1) spec.offset.months = (int64_t)(shape >> 20) % 24;
        } else {
            spec.every.ns = minutes[(shape >> 8) % 20] * MINUTE;
        }
        if (spec.offset.months == 0 && (shape >> 3 & 1))
            spec.offset.ns = ((int64_t)((shape >> 20) % 4000) - 2000) * MINUTE;
        /* around a change of the clock, of the last hundred years */
        const int64_t somewhere = (int64_t)(random_u64(&random) % 3000000000) - 1200000000;
        int64_t middle = zone_span_at(zone, somewhere).end_s;
        if (middle > INT64_C(4000000000) || middle % 60 != 0) middle = somewhere / 60 * 60;
        const int64_t from_s = middle - (int64_t)(random_u64(&random) % 4000) * 60;
        /* Before standard time clocks were off by seconds, which no minute begins with. */
        if (zone_offset_at(zone, from_s - 2 * S_PER_DAY) % 60 != 0) continue;
        check_minutes(&spec, from_s, middle + 4000 * 60);
    }
    zone_table_free(table);
}

/* A clock that was changed by odd amounts, forth and back, within hours. */
Test(interval, clocks_may_change_as_they_like)
{
    static const int64_t times[] = {-86400, 0, 3600, 7200, 7260, 50000 / 60 * 60, 100020, 200040};
    static const int32_t offsets[] = {0, 25200, 27000, 3600, 3660, 86340, -43200, 60, 7200};
    uint8_t bytes[TZIF_BYTES_MAX];
    struct zone *zone = NULL;
    cr_assert_eq(zone_decode("Odd", bytes, tzif_write(bytes, times, offsets, 8, ""), &zone),
                 PHUSA_OK);
    static const int64_t minutes[] = {1, 7, 10, 60, 61, 240, 720, 1000, 1440, 2880, 10080};
    for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++)
        for (int64_t offset = -90; offset <= 90; offset += 45) {
            const struct window_spec spec = {{0, minutes[i] * MINUTE}, {0, offset * MINUTE}, zone};
            check_minutes(&spec, -400020, 500040);
        }
    zone_free(zone);
}

/* ---- tiling ----------------------------------------------------------- */

static void check_tiles(const struct window_spec *spec, int64_t at_ns)
{
    const struct window w = window_at(spec, at_ns);
    cr_assert(w.start_ns <= at_ns && at_ns < w.end_ns);
    struct window same = window_at(spec, w.start_ns);
    cr_assert(same.start_ns == w.start_ns && same.end_ns == w.end_ns);
    same = window_at(spec, w.end_ns - 1);
    cr_assert(same.start_ns == w.start_ns && same.end_ns == w.end_ns);
    struct window next = w, previous = w;
    if (window_next(spec, &next)) {
        cr_assert_eq(next.start_ns, w.end_ns);
        const struct window there = window_at(spec, w.end_ns);
        cr_assert(there.start_ns == next.start_ns && there.end_ns == next.end_ns);
    } else {
        cr_assert_eq(w.end_ns, INT64_MAX);
    }
    if (window_previous(spec, &previous))
        cr_assert_eq(previous.end_ns, w.start_ns);
    else
        cr_assert_eq(w.start_ns, INT64_MIN);
    cr_assert_eq(window_count(spec, w.start_ns, w.end_ns), 1);
    if (next.start_ns != w.start_ns) cr_assert_eq(window_count(spec, w.start_ns, next.end_ns), 2);
}

Test(interval, windows_tile_all_time_to_its_ends)
{
    static const char *const names[] = {"UTC", "Europe/Paris", "Asia/Ho_Chi_Minh", "Pacific/Apia"};
    struct zone_table *table = open_system_zones();
    struct random random = random_seeded();
    for (int i = 0; i < 20000; i++) {
        struct window_spec spec = {{0, 0}, {0, 0}, find(table, names[i % 4])};
        const uint64_t shape = random_u64(&random);
        if (shape % 3 == 0)
            spec.every.months = (int64_t)(1 + (shape >> 8) % (shape & 64 ? 120000 : 24));
        else if (shape % 3 == 1)
            spec.every.ns = (int64_t)(1 + (random_u64(&random) >> 1 >> (shape >> 8) % 63));
        else
            spec.every.ns = (int64_t)(1 + (shape >> 8) % 400) * DAY;
        if (spec.every.months == 0 && spec.every.ns <= 0) spec.every.ns = INT64_MAX;
        if (shape >> 40 & 1) spec.offset.ns = (int64_t)random_u64(&random) >> (shape >> 48) % 64;
        if (spec.every.months > 0 && spec.offset.ns == 0 && (shape >> 41 & 1))
            spec.offset.months = (int64_t)(shape >> 48) % 1000 - 500;
        cr_assert_eq(window_spec_check(&spec), PHUSA_OK);
        check_tiles(&spec, (int64_t)random_u64(&random) >> (shape >> 32) % 30);
        check_tiles(&spec, i % 2 ? INT64_MIN : INT64_MAX - 1);
    }
    zone_table_free(table);
}

Test(interval, counts_as_many_windows_as_it_visits)
{
    static const char *const names[] = {"UTC", "Europe/Paris", "Australia/Lord_Howe",
                                        "Pacific/Apia"};
    struct zone_table *table = open_system_zones();
    struct random random = random_seeded();
    for (int i = 0; i < 1500; i++) {
        struct window_spec spec = {{0, 0}, {0, 0}, find(table, names[i % 4])};
        const uint64_t shape = random_u64(&random);
        if (shape % 3 == 0)
            spec.every.months = (int64_t)(1 + (shape >> 8) % 24);
        else
            spec.every.ns = (int64_t)(1 + (shape >> 8) % 3000) * 17 * MINUTE;
        if (shape % 3 == 2) spec.every.ns = (int64_t)(1 + (shape >> 8) % 30) * DAY;
        const int64_t start_ns =
            ((int64_t)(random_u64(&random) % 3000000000) - 1000000000) * NS_PER_S;
        const int64_t end_ns = start_ns + 1 + (int64_t)(random_u64(&random) % 60000000) * NS_PER_S;
        uint64_t visited = 1;
        struct window w = window_at(&spec, start_ns);
        while (window_next(&spec, &w) && w.start_ns < end_ns)
            visited++;
        cr_assert_eq(window_count(&spec, start_ns, end_ns), visited);
    }
    const struct window_spec hourly = {{0, HOUR}, {0, 0}, find(table, "Europe/Paris")};
    cr_assert_eq(window_count(&hourly, 5, 5), 0);
    cr_assert_eq(window_count(&hourly, 5, 4), 0);
    cr_assert_gt(window_count(&hourly, INT64_MIN, INT64_MAX), UINT64_C(5000000));
    zone_table_free(table);
}
