/*
 * test_duration.c - guards calendar/duration: spans of time read and print as InfluxQL has them,
 * and a month is never taken for a number of days.
 */
#include "calendar/duration.h"

#include "random.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

Test(duration, reads_every_unit)
{
    static const struct {
        const char *text;
        int64_t months, ns;
    } cases[] = {
        {"10ns", 0, 10},
        {"10u", 0, 10000},
        {"10us", 0, 10000},
        {"10\xc2\xb5", 0, 10000},
        {"10\xce\xbc", 0, 10000},
        {"10ms", 0, 10000000},
        {"10s", 0, 10 * SECOND},
        {"1m", 0, 60 * SECOND},
        {"1h30m", 0, 5400 * SECOND},
        {"1m30s500ms", 0, 90 * SECOND + 500000000},
        {"1d", 0, 86400 * SECOND},
        {"1w", 0, 604800 * SECOND},
        {"1mo", 1, 0},
        {"1q", 3, 0},
        {"1y", 12, 0},
        {"1y6mo", 18, 0},
        {"0s", 0, 0},
        {"15250w", 0, SECOND * 604800 * 15250},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct phusa_interval interval = {-1, -1};
        const size_t size = strlen(cases[i].text);
        cr_assert_eq(duration_parse(cases[i].text, size, &interval), PHUSA_OK, "%s", cases[i].text);
        cr_assert_eq(interval.months, cases[i].months, "%s", cases[i].text);
        cr_assert_eq(interval.ns, cases[i].ns, "%s", cases[i].text);
        cr_assert_eq(duration_scan(cases[i].text, size), size, "%s", cases[i].text);
    }
}

Test(duration, refuses_what_is_no_duration)
{
    static const struct {
        const char *text;
        phusa_status status;
    } cases[] = {
        {"", PHUSA_ESYNTAX},
        {"10", PHUSA_ESYNTAX},
        {"s", PHUSA_ESYNTAX},
        {"10x", PHUSA_ESYNTAX},
        {"-10s", PHUSA_ESYNTAX},
        {"1.5h", PHUSA_ESYNTAX},
        {"1 h", PHUSA_ESYNTAX},
        {"1h ", PHUSA_ESYNTAX},
        {"1mo1d", PHUSA_ESYNTAX},
        {"1h1y", PHUSA_ESYNTAX},
        {"1\xc2", PHUSA_ESYNTAX},
        {"10M", PHUSA_ESYNTAX},
        {"15251w", PHUSA_ERANGE},
        {"9223372036854775808ns", PHUSA_ERANGE},
        {"15250w1w", PHUSA_ERANGE},
        {"999999999999999999y", PHUSA_ERANGE},
        {"99999999999999999999999999mo", PHUSA_ERANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct phusa_interval interval = {-1, -1};
        cr_assert_eq(duration_parse(cases[i].text, strlen(cases[i].text), &interval),
                     cases[i].status, "%s", cases[i].text);
        cr_assert(interval.months == -1 && interval.ns == -1);
    }
}

Test(duration, scans_as_far_as_a_duration_goes)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {{"10m)", 3}, {"1h30m,", 5}, {"10m5", 3}, {"10", 0},
                 {"10e5", 0}, {"x", 0},      {"", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(duration_scan(cases[i].text, strlen(cases[i].text)), cases[i].size, "%s",
                     cases[i].text);
}

Test(duration, prints_the_largest_unit_that_divides)
{
    static const struct {
        struct phusa_interval interval;
        const char *text, *hms;
    } cases[] = {
        {{0, 0}, "0s", "0s"},
        {{0, 5400 * SECOND}, "90m", "1h30m0s"},
        {{0, 604800 * SECOND}, "1w", "168h0m0s"},
        {{0, 86400 * SECOND}, "1d", "24h0m0s"},
        {{0, 90 * SECOND}, "90s", "1m30s"},
        {{0, 1500000000}, "1500ms", "1500ms"},
        {{0, 1}, "1ns", "1ns"},
        {{0, 2000}, "2u", "2u"},
        {{0, -21600 * SECOND}, "-6h", "-6h0m0s"},
        {{1, 0}, "1mo", "1mo"},
        {{3, 0}, "1q", "1q"},
        {{24, 0}, "2y", "2y"},
        {{0, INT64_MAX}, "9223372036854775807ns", "9223372036854775807ns"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[DURATION_BYTES_MAX + 1];
        text[duration_print(cases[i].interval, text)] = '\0';
        cr_assert_str_eq(text, cases[i].text);
        text[duration_print_hms(cases[i].interval, text)] = '\0';
        cr_assert_str_eq(text, cases[i].hms);
    }
}

Test(duration, reads_back_what_it_prints)
{
    struct random random = random_seeded();
    static const int64_t units[] = {1, 1000, 1000000, SECOND, 60 * SECOND, 3600 * SECOND};
    for (int i = 0; i < 20000; i++) {
        struct phusa_interval interval = {0, 0}, back = {-1, -1};
        if (i % 3 == 0)
            interval.months = (int64_t)(random_u64(&random) >> 2 >> random_u64(&random) % 62);
        else
            interval.ns = (int64_t)(random_u64(&random) % 2000000) * units[random_u64(&random) % 6];
        char text[DURATION_BYTES_MAX];
        const size_t size = duration_print(interval, text);
        cr_assert_leq(size, sizeof text);
        cr_assert_eq(duration_parse(text, size, &back), PHUSA_OK);
        cr_assert(back.months == interval.months && back.ns == interval.ns);
    }
}
