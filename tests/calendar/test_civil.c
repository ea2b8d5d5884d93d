/*
 * test_civil.c - guards calendar/civil: dates are those of the calendar on the wall, before 1970
 * too, and times are read and written as InfluxDB does.
 */
#include "calendar/civil.h"

#include "random.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

/* From Python's datetime. */
static const struct {
    int year, month, day;
    int64_t days;
    int weekday;
} dates[] = {
    {1677, 9, 21, -106752, 2}, {1700, 2, 28, -98557, 7},  {1700, 3, 1, -98556, 1},
    {1800, 12, 31, -61727, 3}, {1899, 12, 31, -25568, 7}, {1900, 2, 28, -25509, 3},
    {1900, 3, 1, -25508, 4},   {1904, 2, 29, -24048, 1},  {1969, 12, 31, -1, 3},
    {1970, 1, 1, 0, 4},        {1970, 1, 5, 4, 1},        {1999, 12, 31, 10956, 5},
    {2000, 2, 29, 11016, 2},   {2000, 3, 1, 11017, 3},    {2004, 2, 29, 12477, 7},
    {2018, 11, 4, 17839, 7},   {2024, 2, 29, 19782, 4},   {2024, 12, 31, 20088, 2},
    {2026, 11, 24, 20781, 2},  {2100, 2, 28, 47540, 7},   {2100, 3, 1, 47541, 1},
    {2262, 4, 11, 106751, 5},
};

Test(civil, knows_days_and_weekdays)
{
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        cr_assert_eq(civil_days(dates[i].year, dates[i].month, dates[i].day), dates[i].days);
        const struct civil c = civil_of_days(dates[i].days);
        cr_assert(c.year == dates[i].year && c.month == dates[i].month && c.day == dates[i].day);
        cr_assert_eq(civil_weekday(dates[i].days), dates[i].weekday);
    }
}

/* Day by day through 800 years, by nothing but the rules. */
Test(civil, counts_every_day_once)
{
    int64_t year = 1600, day_of_month = 1;
    int month = 1, weekday = 6; /* 1600-01-01 was a Saturday */
    for (int64_t days = civil_days(1600, 1, 1); year < 2400; days++) {
        const struct civil c = civil_of_days(days);
        cr_assert(c.year == year && c.month == month && c.day == day_of_month, "day %lld",
                  (long long)days);
        cr_assert_eq(civil_days(year, month, (int)day_of_month), days);
        cr_assert_eq(civil_weekday(days), weekday);
        cr_assert_eq(civil_month_of_days(days), (year - 1970) * 12 + month - 1);
        if (day_of_month == 1) cr_assert_eq(civil_days_of_month(civil_month_of_days(days)), days);
        weekday = weekday % 7 + 1;
        if (++day_of_month <= civil_month_days(year, month)) continue;
        day_of_month = 1;
        if (++month <= 12) continue;
        month = 1;
        year++;
    }
}

Test(civil, agrees_with_gmtime)
{
    struct random random = random_seeded();
    for (int i = 0; i < 100000; i++) {
        const int64_t ns = (int64_t)random_u64(&random);
        const time_t s = ns / NS_PER_S - (ns % NS_PER_S < 0);
        struct tm tm;
        char expected[64], text[CIVIL_BYTES_MAX + 1];
        gmtime_r(&s, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &tm);
        const size_t size = civil_print(ns, 0, text);
        cr_assert_eq(memcmp(text, expected, 19), 0, "%.*s is not %s", (int)size, text, expected);
        cr_assert_eq(text[size - 1], 'Z');
        int64_t back = 0;
        bool is_local = true;
        cr_assert_eq(civil_parse(text, size, &back, &is_local), PHUSA_OK);
        cr_assert(back == ns && !is_local);
        const int offset_s = (int)(random_u64(&random) % 1560 * 60) - 46800;
        const size_t there = civil_print(ns, offset_s, text);
        if (civil_parse(text, there, &back, &is_local) == PHUSA_OK)
            cr_assert(back == ns && !is_local, "%.*s", (int)there, text);
    }
}

Test(civil, reads_the_forms_of_influxdb)
{
    static const struct {
        const char *text;
        int64_t ns;
        bool is_local;
    } cases[] = {
        {"1970-01-01", 0, true},
        {"2006-01-02", INT64_C(1136160000000000000), true},
        {"2006-01-02 15:04:05", INT64_C(1136214245000000000), true},
        {"2006-01-02 15:04", INT64_C(1136214240000000000), true},
        {"2006-01-02 15:04:05.5", INT64_C(1136214245500000000), true},
        {"2006-01-02T15:04:05.999999999", INT64_C(1136214245999999999), true},
        {"2006-01-02T15:04:05Z", INT64_C(1136214245000000000), false},
        {"2006-01-02T15:04:05.000000001Z", INT64_C(1136214245000000001), false},
        {"2006-01-02T15:04:05+07:00", INT64_C(1136189045000000000), false},
        {"2006-01-02 15:04:05-03:30", INT64_C(1136226845000000000), false},
        {"1969-12-31T23:59:59.999Z", -1000000, false},
        {"1677-09-21T00:12:43.145224192Z", INT64_MIN, false},
        {"2262-04-11T23:47:16.854775807Z", INT64_MAX, false},
        {"2262-04-12T06:47:16.854775807+07:00", INT64_MAX, false},
        {"2024-02-29", INT64_C(1709164800000000000), true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = -1;
        bool is_local = !cases[i].is_local;
        cr_assert_eq(civil_parse(cases[i].text, strlen(cases[i].text), &ns, &is_local), PHUSA_OK,
                     "%s", cases[i].text);
        cr_assert_eq(ns, cases[i].ns, "%s", cases[i].text);
        cr_assert_eq(is_local, cases[i].is_local, "%s", cases[i].text);
    }
}

Test(civil, refuses_what_is_no_time)
{
    static const struct {
        const char *text;
        phusa_status status;
    } cases[] = {
        {"", PHUSA_ESYNTAX},
        {"2006", PHUSA_ESYNTAX},
        {"2006-1-2", PHUSA_ESYNTAX},
        {"2006-13-01", PHUSA_ESYNTAX},
        {"2006-00-01", PHUSA_ESYNTAX},
        {"2006-01-00", PHUSA_ESYNTAX},
        {"2006-01-32", PHUSA_ESYNTAX},
        {"2023-02-29", PHUSA_ESYNTAX},
        {"1900-02-29", PHUSA_ESYNTAX},
        {"2006-01-02 24:00:00", PHUSA_ESYNTAX},
        {"2006-01-02 15:60:00", PHUSA_ESYNTAX},
        {"2006-01-02 15:04:60", PHUSA_ESYNTAX},
        {"2006-01-02 15", PHUSA_ESYNTAX},
        {"2006-01-02 15:04:05.", PHUSA_ESYNTAX},
        {"2006-01-02 15:04:05.1234567890", PHUSA_ESYNTAX},
        {"2006-01-02T15:04:05+0700", PHUSA_ESYNTAX},
        {"2006-01-02T15:04:05+07:00 ", PHUSA_ESYNTAX},
        {"2006-01-02Z", PHUSA_ESYNTAX},
        {"2006-01-02x15:04:05Z", PHUSA_ESYNTAX},
        {"-006-01-02", PHUSA_ESYNTAX},
        {"1677-09-21T00:12:43.145224191Z", PHUSA_ERANGE},
        {"2262-04-11T23:47:16.854775808Z", PHUSA_ERANGE},
        {"0000-01-01", PHUSA_ERANGE},
        {"9999-12-31T23:59:59Z", PHUSA_ERANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = 42;
        bool is_local = true;
        cr_assert_eq(civil_parse(cases[i].text, strlen(cases[i].text), &ns, &is_local),
                     cases[i].status, "%s", cases[i].text);
        cr_assert(ns == 42 && is_local);
    }
}

Test(civil, prints_as_go_does)
{
    static const struct {
        int64_t ns;
        int offset_s;
        const char *text;
    } cases[] = {
        {INT64_C(1795514378123000000), 0, "2026-11-24T09:59:38.123Z"},
        {INT64_C(1795514378000000000), 25200, "2026-11-24T16:59:38+07:00"},
        {0, -12600, "1969-12-31T20:30:00-03:30"},
        {-1, 0, "1969-12-31T23:59:59.999999999Z"},
        {INT64_MIN, 0, "1677-09-21T00:12:43.145224192Z"},
        {INT64_MAX, 50400, "2262-04-12T13:47:16.854775807+14:00"},
        {INT64_C(1000), 0, "1970-01-01T00:00:00.000001Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[CIVIL_BYTES_MAX + 1];
        text[civil_print(cases[i].ns, cases[i].offset_s, text)] = '\0';
        cr_assert_str_eq(text, cases[i].text);
    }
}
