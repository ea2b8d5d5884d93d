/*
 * test_decimal.c - guards base/decimal: text of numbers reads as the nearest double and nothing
 * but numbers reads; doubles print as the shortest text that reads back, in InfluxDB's form.
 */
#include "base/decimal.h"

#include "random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <string.h>

/* ---- doubles in ------------------------------------------------------- */

#define UNKNOWN PHUSA_DECIMALS_UNKNOWN
static const struct {
    const char *text;
    double value;
    uint8_t decimals;
} readable[] = {
    {"0", 0, 0},
    {"7", 7, 0},
    {"+7", 7, 0},
    {"-7", -7, 0},
    {"21.5", 21.5, 1},
    {"21.50", 21.5, 2},
    {"1.", 1, 0},
    {".5", 0.5, 1},
    {"-.5e1", -5, 0},
    {"1.5e-3", 0.0015, 4},
    {"12e3", 12000, 0},
    {"1.25E+1", 12.5, 1},
    {"0.1", 0.1, 1},
    {"00012.50", 12.5, 2},
    {"1e-18", 1e-18, 18},
    {"1e-19", 1e-19, UNKNOWN},
    {"0.000000000000000001", 1e-18, 18},
    {"0.0000000000000000001", 1e-19, UNKNOWN},
    {"123456789012345678", 123456789012345678.0, 0},
    {"9007199254740993", 9007199254740992.0, 0}, /* ties to even */
    {"9007199254740995", 9007199254740996.0, 0},
    {"9007199254740993.00000000000000000000000000000000000000000000001", 9007199254740994.0,
     UNKNOWN},
    {"18446744073709551615", 18446744073709551616.0, 0},
    {"99999999999999999999999", 1e23, 0},
    {"100000000000000000000000", 1e23, 0},
    {"1.7976931348623157e308", 1.7976931348623157e308, 0},
    {"1.7976931348623158e308", 1.7976931348623157e308, 0},
    {"5e-324", 5e-324, UNKNOWN},
    {"2.4703282292062328e-324", 5e-324, UNKNOWN}, /* just above half of the smallest */
    {"2.4703282292062327e-324", 0, UNKNOWN},
    {"1e-400", 0, UNKNOWN},
    {"0e999999999999999999999", 0, 0},
    {"0.000e-5", 0, 8},
    {"2.2250738585072011e-308", 2.2250738585072011e-308, UNKNOWN}, /* once hung PHP and Java */
    {"1e0000000000000000000001", 10, 0},
};

Test(decimal, reads_numbers_and_their_decimals)
{
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) {
        double x = -1;
        uint8_t decimals = 99;
        const char *const text = readable[i].text;
        cr_assert_eq(decimal_parse_double(text, strlen(text), &x, &decimals), PHUSA_OK, "%s", text);
        cr_assert_eq(x, readable[i].value, "%s is %.17g", text, x);
        cr_assert_eq(decimals, readable[i].decimals, "%s has %u", text, decimals);
    }
}

Test(decimal, keeps_the_sign_of_zero)
{
    double x = 1;
    uint8_t decimals;
    cr_assert_eq(decimal_parse_double("-0", 2, &x, &decimals), PHUSA_OK);
    cr_assert(x == 0 && signbit(x));
    cr_assert_eq(decimal_parse_double("-1e-999", 7, &x, &decimals), PHUSA_OK);
    cr_assert(x == 0 && signbit(x));
}

Test(decimal, refuses_what_is_no_number)
{
    static const char *const texts[] = {
        "",     "+",        "-",     ".",         "e5",       "1e",        "1e+",
        "1e-",  "--1",      "+-1",   "1.2.3",     "0x10",     "inf",       "nan",
        "1 ",   " 1",       "1_0",   "1,5",       "1i",       "1e5x",      "1e5.0",
        "-.e1", "\xd9\xa1", "1\x80", "12345678a", "1234567:", "12345678/", "NaN",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double x = 42;
        uint8_t decimals = 42;
        cr_assert_eq(decimal_parse_double(texts[i], strlen(texts[i]), &x, &decimals), PHUSA_ESYNTAX,
                     "%s", texts[i]);
        cr_assert(x == 42 && decimals == 42);
    }
}

Test(decimal, refuses_numbers_beyond_the_largest_double)
{
    static const char *const texts[] = {"1e309", "-1e309", "1.7976931348623159e308",
                                        "1e99999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double x = 42;
        uint8_t decimals = 42;
        cr_assert_eq(decimal_parse_double(texts[i], strlen(texts[i]), &x, &decimals), PHUSA_ERANGE,
                     "%s", texts[i]);
        cr_assert(x == 42 && decimals == 42);
    }
}

/* The text has a size and no NUL: a digit just after it must not be read. */
static void expect_like_strtod(const char *text, size_t size)
{
    char copy[4200];
    memcpy(copy, text, size);
    copy[size] = '\0';
    const double expected = strtod(copy, NULL);
    copy[size] = '9';
    double x = 42;
    uint8_t decimals;
    const phusa_status status = decimal_parse_double(copy, size, &x, &decimals);
    if (isinf(expected)) {
        cr_assert_eq(status, PHUSA_ERANGE, "%.*s", (int)size, text);
        return;
    }
    cr_assert_eq(status, PHUSA_OK, "%.*s", (int)size, text);
    cr_assert_eq(memcmp(&x, &expected, sizeof x), 0, "%.*s is %a, not %a", (int)size, text,
                 expected, x);
}

static size_t any_number(struct random *random, char *text)
{
    char *p = text;
    const uint64_t shape = random_u64(random);
    if (shape % 4 == 0) *p++ = '-';
    const int whole = (int)(shape >> 8 & 0xff) % 22, fraction = (int)(shape >> 16 & 0xff) % 25;
    for (int i = 0; i < whole; i++)
        *p++ = (char)('0' + (shape >> 3 & 1 && i < 9 ? 0 : random_u64(random) % 10));
    if (fraction > 0 || whole == 0) {
        *p++ = '.';
        for (int i = 0; i <= fraction; i++)
            *p++ = (char)('0' + (shape >> 4 & 1 && i < 12 ? 0 : random_u64(random) % 10));
    }
    if (shape >> 5 & 1)
        p += sprintf(p, "e%d",
                     (int)(random_u64(random) % (shape >> 6 & 1 ? 700 : 60)) -
                         (shape >> 6 & 1 ? 350 : 30));
    return (size_t)(p - text);
}

Test(decimal, reads_the_same_double_as_strtod)
{
    struct random random = random_seeded();
    char text[128];
    for (int i = 0; i < 300000; i++)
        expect_like_strtod(text, any_number(&random, text));
}

/* Midpoints between doubles, to all their digits, and an ulp of text to either side. */
Test(decimal, rounds_midpoints_to_even_however_many_digits_it_takes)
{
    struct random random = random_seeded();
    char text[4100];
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = random_u64(&random) >> 1;
        if (i % 4 == 0) bits >>= 12; /* subnormals */
        if (i % 4 == 1) bits = (bits & ((UINT64_C(1) << 52) - 1)) | (uint64_t)(1023 + i % 64) << 52;
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x) || x >= DBL_MAX) continue;
        const long double middle = ((long double)x + (long double)nextafter(x, INFINITY)) / 2;
        int size = snprintf(text, sizeof text, "%.1100Lf", middle);
        while (size > 0 && text[size - 1] == '0')
            size--;
        expect_like_strtod(text, (size_t)size);
        text[size] = '1';
        expect_like_strtod(text, (size_t)size + 1);
        memset(text + size, '0', 900);
        text[size + 900] = '1';
        expect_like_strtod(text, (size_t)size + 901);
        if (text[size - 1] > '0' && text[size - 1] <= '9') text[size - 1]--;
        expect_like_strtod(text, (size_t)size);
    }
}

Test(decimal, knows_nothing_of_locales)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL)
        cr_skip_test("no locale with a decimal comma is installed");
    double x = 0;
    uint8_t decimals;
    const char *const text = "2.2250738585072011e-308";
    cr_assert_eq(decimal_parse_double(text, strlen(text), &x, &decimals), PHUSA_OK);
    cr_assert_eq(x, 2.2250738585072011e-308);
    char out[DECIMAL_BYTES_MAX];
    cr_assert_eq(decimal_print_double(x, out), strlen("2.225073858507201e-308"));
    cr_assert_eq(memcmp(out, "2.225073858507201e-308", 22), 0);
}

/* ---- integers in and out ---------------------------------------------- */

Test(decimal, reads_integers_to_their_limits)
{
    static const struct {
        const char *text;
        phusa_status i_status, u_status;
        int64_t i;
        uint64_t u;
    } cases[] = {
        {"0", PHUSA_OK, PHUSA_OK, 0, 0},
        {"-0", PHUSA_OK, PHUSA_ESYNTAX, 0, 0},
        {"+12", PHUSA_OK, PHUSA_OK, 12, 12},
        {"-12", PHUSA_OK, PHUSA_ESYNTAX, -12, 0},
        {"00000000000000000000000000012", PHUSA_OK, PHUSA_OK, 12, 12},
        {"9223372036854775807", PHUSA_OK, PHUSA_OK, INT64_MAX, INT64_MAX},
        {"9223372036854775808", PHUSA_ERANGE, PHUSA_OK, 0, UINT64_C(1) << 63},
        {"-9223372036854775808", PHUSA_OK, PHUSA_ESYNTAX, INT64_MIN, 0},
        {"-9223372036854775809", PHUSA_ERANGE, PHUSA_ESYNTAX, 0, 0},
        {"18446744073709551615", PHUSA_ERANGE, PHUSA_OK, 0, UINT64_MAX},
        {"18446744073709551616", PHUSA_ERANGE, PHUSA_ERANGE, 0, 0},
        {"99999999999999999999999999999999999999999", PHUSA_ERANGE, PHUSA_ERANGE, 0, 0},
        {"", PHUSA_ESYNTAX, PHUSA_ESYNTAX, 0, 0},
        {"+", PHUSA_ESYNTAX, PHUSA_ESYNTAX, 0, 0},
        {"-", PHUSA_ESYNTAX, PHUSA_ESYNTAX, 0, 0},
        {"1.0", PHUSA_ESYNTAX, PHUSA_ESYNTAX, 0, 0},
        {"12345678a", PHUSA_ESYNTAX, PHUSA_ESYNTAX, 0, 0},
        {"99999999999999999999999a", PHUSA_ESYNTAX, PHUSA_ESYNTAX, 0, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const char *const text = cases[k].text;
        int64_t i = 0;
        uint64_t u = 0;
        cr_assert_eq(decimal_parse_int64(text, strlen(text), &i), cases[k].i_status, "%s", text);
        cr_assert_eq(decimal_parse_uint64(text, strlen(text), &u), cases[k].u_status, "%s", text);
        cr_assert_eq(i, cases[k].i, "%s", text);
        cr_assert_eq(u, cases[k].u, "%s", text);
    }
}

Test(decimal, prints_integers_as_printf_does)
{
    struct random random = random_seeded();
    for (int k = 0; k < 100000; k++) {
        const uint64_t v = k == 0 ? 0 : k == 1 ? UINT64_C(1) << 63 : random_u64(&random) >> k % 64;
        char expected[32], out[DECIMAL_BYTES_MAX];
        int size = sprintf(expected, "%" PRIu64, v);
        cr_assert_eq(decimal_print_uint64(v, out), (size_t)size);
        cr_assert_eq(memcmp(out, expected, (size_t)size), 0, "%s", expected);
        uint64_t u = 0;
        cr_assert_eq(decimal_parse_uint64(out, (size_t)size, &u), PHUSA_OK);
        cr_assert_eq(u, v);
        size = sprintf(expected, "%" PRId64, -(int64_t)(v >> 1) - (k == 1));
        cr_assert_eq(decimal_print_int64(-(int64_t)(v >> 1) - (k == 1), out), (size_t)size);
        cr_assert_eq(memcmp(out, expected, (size_t)size), 0, "%s", expected);
    }
}

/* ---- doubles out ------------------------------------------------------ */

Test(decimal, prints_doubles_in_the_form_of_influxdb)
{
    static const struct {
        double x;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {7, "7"},
        {-21.5, "-21.5"},
        {0.1, "0.1"},
        {100, "100"},
        {1e20, "100000000000000000000"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e21, "1e+21"},
        {-1.5e300, "-1.5e+300"},
        {0.000001, "0.000001"},
        {0.00000123, "0.00000123"},
        {0.00000099, "9.9e-7"},
        {1e-7, "1e-7"},
        {1.25e-10, "1.25e-10"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {0.30000000000000004, "0.30000000000000004"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {9007199254740993.0, "9007199254740992"},
        {2251799813685248.5, "2251799813685248.5"},
        {1e15, "1000000000000000"},
        {99999999999999990.0, "99999999999999980"},
        {5.684341886080802e-14, "5.684341886080802e-14"}, /* 2^-44: the gap below is half */
        {9.5367431640625e-7, "9.5367431640625e-7"},
        {1e23, "1e+23"},
        {-1.2345678901234567e-5, "-0.000012345678901234568"},
        {123456.7890123456, "123456.7890123456"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[DECIMAL_BYTES_MAX + 1];
        out[decimal_print_double(cases[i].x, out)] = '\0';
        cr_expect_str_eq(out, cases[i].text);
    }
}

/* By trying every precision with printf; at a power of two also the next number up, which may be
 * shorter than what printf rounds to. */
static int shortest_size(double x)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        sprintf(text, "%.*e", digits - 1, x);
        if (strtod(text, NULL) == x) return digits;
        char *e = strchr(text, 'e');
        for (char *p = e - 1; p >= text; p--) {
            if (*p == '.') continue;
            if (*p != '9') {
                (*p)++;
                break;
            }
            *p = '0';
        }
        if (strtod(text, NULL) == x) return digits;
    }
    cr_assert(false);
    return 0;
}

static void expect_shortest(double x)
{
    char out[DECIMAL_BYTES_MAX + 1], correct[40];
    const size_t size = decimal_print_double(x, out);
    cr_assert_leq(size, DECIMAL_BYTES_MAX);
    out[size] = '\0';
    cr_assert_eq(strtod(out, NULL), x, "%s is not %.17g", out, x);
    char digits[40];
    int count = 0;
    for (const char *p = out; *p != '\0' && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && (count > 0 || *p != '0')) digits[count++] = *p;
    while (count > 0 && digits[count - 1] == '0')
        count--;
    cr_assert_eq(count, shortest_size(x), "%s for %.17g", out, x);
    /* Of the shortest the nearest, which is what printf rounds to where that reads back. */
    sprintf(correct, "%.*e", count - 1, x);
    if (strtod(correct, NULL) != x) return;
    memmove(correct + (x < 0) + 1, correct + (x < 0) + 1 + (count > 1), (size_t)count);
    cr_assert_eq(memcmp(correct + (x < 0), digits, (size_t)count), 0, "%s for %.17g", out, x);
}

Test(decimal, prints_the_shortest_text_that_reads_back)
{
    struct random random = random_seeded();
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = random_u64(&random);
        double x;
        memcpy(&x, &bits, sizeof x);
        switch (i % 6) {
        case 0: /* any */
            break;
        case 1: /* a mean of a sensor */
            x = (double)(int64_t)(bits % 1000000) / 100 / (double)(1 + (bits >> 32) % 100);
            break;
        case 2: /* powers of two, and beside them */
            x = ldexp(1, (int)(bits % 2098) - 1074);
            if (bits >> 20 & 1) x = nextafter(x, bits >> 21 & 1 ? 0 : INFINITY);
            break;
        case 3: /* around the borders of the fast ways */
            x = (double)(bits >> 11) * 0x1p-53 * (bits & 1 ? 1e18 : 1e-10);
            break;
        case 4: /* decimals */
            x = (double)(int64_t)(bits % 1000000000000000) / pow(10, (double)(bits >> 50 & 15));
            break;
        default: /* powers of ten, and beside them */
            x = pow(10, (double)(bits % 40) - 20);
            if (bits >> 20 & 1) x = nextafter(x, bits >> 21 & 1 ? 0 : INFINITY);
        }
        if (!isfinite(x) || x == 0) continue;
        expect_shortest(x);
        expect_shortest(-x);
    }
}
