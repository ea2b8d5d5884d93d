/*
 * Guards the reading of times: what is accepted, what is refused, and that a date is the right
 * number of seconds (against libc's timegm, which shares no code with ours).
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../client/timeformat.h"
#include "random.h"

static struct random rng;

static const char *parse(const char *format_text, const char *text, struct timeformat_time *time)
{
    struct timeformat format;
    cr_assert_null(timeformat_compile(&format, format_text), "%s", format_text);
    const struct timeformat_text one = {text, strlen(text)};
    return timeformat_parse(&format, &one, 1, time);
}

static void expect(const char *format, const char *text, int64_t second, int32_t ns)
{
    struct timeformat_time time;
    const char *problem = parse(format, text, &time);
    cr_assert_null(problem, "%s by %s: %s", text, format, problem);
    cr_assert_eq(time.second - time.offset_s, second, "%s by %s: %lld", text, format,
                 (long long)(time.second - time.offset_s));
    cr_assert_eq(time.ns, ns, "%s: %d ns", text, time.ns);
}

static void expect_refused(const char *format, const char *text)
{
    struct timeformat_time time;
    cr_assert_not_null(parse(format, text, &time), "%s by %s", text, format);
}

Test(timeformat, reads_iso_with_parts_left_out)
{
    expect("iso", "2014-11-02T01:30:00Z", 1414891800, 0);
    expect("iso", "2014-11-02 01:30", 1414891800, 0);
    expect("iso", "2014-11-02T01:30:00.5+07:00", 1414891800 - 7 * 3600, 500000000);
    expect("iso", "2014-11-02T01:30:00-0530", 1414891800 + 19800, 0);
    expect("iso", "2014-11-02", 1414886400, 0);
    expect("iso", "2014/11/02 00:00:00", 1414886400, 0);
    expect("iso", "2014-11", 1414800000, 0);
    expect("iso", " 2014-11-02T24:00 ", 1414972800, 0);
    expect("iso", "1969-12-31T23:59:59.000000001Z", -1, 1);
    expect("iso", "2000-02-29", 951782400, 0);
}

Test(timeformat, refuses_what_is_no_time)
{
    static const char *const bad[] = {"",
                                      "NA",
                                      "2014",
                                      "2014-13-01",
                                      "2014-02-29",
                                      "2014-11-31",
                                      "2014-11-00",
                                      "14-11-02",
                                      "2014-11-02T25:00",
                                      "2014-11-02T23:60",
                                      "2014-11-02T24:01",
                                      "2014-11-02x",
                                      "2014-11-02T01:30:00.",
                                      "2014-11-02T01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused("iso", bad[i]);
    expect_refused("%Y-%j", "2014-366");
    expect_refused("%d/%m/%Y", "31/2/2014");
    expect_refused("%I %p", "13 PM");
    expect_refused("epoch:s", "1e9");
    expect_refused("epoch:s", "99999999999");
}

Test(timeformat, reads_epochs_with_fractions)
{
    expect("epoch:s", "1414891800", 1414891800, 0);
    expect("epoch:s", "1414891800.25", 1414891800, 250000000);
    expect("epoch:s", "-0.5", -1, 500000000);
    expect("epoch:ms", "1414891800123", 1414891800, 123000000);
    expect("epoch:ns", "-1", -1, 999999999);
}

Test(timeformat, reads_patterns)
{
    expect("%m/%d/%Y %H:%M", "11/2/2014 1:30", 1414891800, 0);
    expect("%d-%b-%y %I:%M:%S %p", "02-Nov-14 01:30:00 AM", 1414891800, 0);
    expect("%d %B %Y %I %p", "2 november 2014 12 am", 1414886400, 0);
    expect("%F %T.%f", "2014-11-02 01:30:00.000250", 1414891800, 250000);
    expect("%FT%R%z", "2014-11-02T01:30+01:00", 1414888200, 0);
    expect("%Y-%j", "2016-366", 1483142400, 0);
    expect("%Y", "1960", -315619200, 0);
    expect("%a %d %b %Y", "Sun 02 Nov 2014", 1414886400, 0);
}

Test(timeformat, refuses_formats_it_does_not_know)
{
    struct timeformat format;
    cr_assert_not_null(timeformat_compile(&format, "%Q"));
    cr_assert_not_null(timeformat_compile(&format, "year"));
    cr_assert_not_null(timeformat_compile(&format, "%Y-%"));
}

Test(timeformat, joins_parts)
{
    struct timeformat format;
    struct timeformat_time time;
    cr_assert_null(timeformat_compile(&format, "parts"));
    const struct timeformat_text parts[] = {{"2013", 4}, {"3", 1}, {"1", 1}, {"0", 1}};
    cr_assert_null(timeformat_parse(&format, parts, 4, &time));
    cr_assert_eq(time.second, 1362096000);
    cr_assert_not(time.has_offset);
    const struct timeformat_text bad[] = {{"2013", 4}, {"NA", 2}};
    cr_assert_not_null(timeformat_parse(&format, bad, 2, &time));
}

Test(timeformat, days_agree_with_libc_over_four_centuries)
{
    rng = random_seeded();
    for (int i = 0; i < 20000; i++) {
        struct tm clock = {.tm_year = (int)random_below(&rng, 500) - 200,
                           .tm_mon = (int)random_below(&rng, 12),
                           .tm_mday = (int)random_below(&rng, 28) + 1};
        const int64_t days = timeformat_days(clock.tm_year + 1900, (unsigned)clock.tm_mon + 1,
                                             (unsigned)clock.tm_mday);
        cr_assert_eq(days * 86400, (int64_t)timegm(&clock));
    }
}
