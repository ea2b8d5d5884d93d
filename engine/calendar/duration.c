/* duration.c - see duration.h. */
#include "calendar/duration.h"

#include "base/bytes.h"
#include "base/decimal.h"

static const struct unit {
    const char *name;
    int64_t months, ns; /* one of them */
} units[] = {
    /* Longer names first, where one begins with another. */
    {"mo", 1, 0},
    {"ms", 0, 1000000},
    {"us", 0, 1000},
    {"ns", 0, 1},
    {"y", 12, 0},
    {"q", 3, 0},
    {"w", 0, INT64_C(604800000000000)},
    {"d", 0, INT64_C(86400000000000)},
    {"h", 0, INT64_C(3600000000000)},
    {"m", 0, INT64_C(60000000000)},
    {"s", 0, INT64_C(1000000000)},
    {"u", 0, 1000},
    {"\xc2\xb5", 0, 1000}, /* U+00B5 micro sign */
    {"\xce\xbc", 0, 1000}, /* U+03BC Greek mu */
};
#define UNIT_COUNT (sizeof units / sizeof units[0])

static size_t digits_at(const char *p, const char *end)
{
    const char *const start = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return (size_t)(p - start);
}

static const struct unit *unit_at(const char *p, const char *end)
{
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        const size_t size = strlen(units[i].name);
        if ((size_t)(end - p) >= size && memcmp(p, units[i].name, size) == 0) return &units[i];
    }
    return NULL;
}

size_t duration_scan(const char *text, size_t size_bytes)
{
    const char *p = text, *const end = text + size_bytes;
    for (;;) {
        const size_t digits = digits_at(p, end);
        const struct unit *unit = digits > 0 ? unit_at(p + digits, end) : NULL;
        if (unit == NULL) return (size_t)(p - text);
        p += digits + strlen(unit->name);
    }
}

phusa_status duration_parse(const char *text, size_t size_bytes, struct phusa_interval *out)
{
    const char *p = text, *const end = text + size_bytes;
    struct phusa_interval sum = {0, 0};
    bool months = false, length = false, over = false;
    if (p == end) return PHUSA_ESYNTAX;
    while (p < end) {
        int64_t count = 0, months_added, ns_added;
        const size_t digits = digits_at(p, end);
        const struct unit *unit = digits > 0 ? unit_at(p + digits, end) : NULL;
        if (unit == NULL) return PHUSA_ESYNTAX;
        over |= decimal_parse_int64(p, digits, &count) != PHUSA_OK;
        over |= __builtin_mul_overflow(count, unit->months, &months_added);
        over |= __builtin_mul_overflow(count, unit->ns, &ns_added);
        over |= __builtin_add_overflow(sum.months, months_added, &sum.months);
        over |= __builtin_add_overflow(sum.ns, ns_added, &sum.ns);
        months |= unit->months > 0;
        length |= unit->ns > 0;
        p += digits + strlen(unit->name);
    }
    if (months && length) return PHUSA_ESYNTAX;
    if (over) return PHUSA_ERANGE;
    *out = sum;
    return PHUSA_OK;
}

/* "-90" and then the unit that divides it. */
static size_t print_in(int64_t total, const char *const *names, const int64_t *sizes, char *out)
{
    while (total % *sizes != 0)
        names++, sizes++;
    const size_t size = decimal_print_int64(total / *sizes, out);
    memcpy(out + size, *names, strlen(*names));
    return size + strlen(*names);
}

size_t duration_print(struct phusa_interval interval, char *out)
{
    static const char *const month_names[] = {"y", "q", "mo"};
    static const int64_t month_sizes[] = {12, 3, 1};
    static const char *const ns_names[] = {"w", "d", "h", "m", "s", "ms", "u", "ns"};
    static const int64_t ns_sizes[] = {INT64_C(604800000000000),
                                       INT64_C(86400000000000),
                                       INT64_C(3600000000000),
                                       INT64_C(60000000000),
                                       INT64_C(1000000000),
                                       1000000,
                                       1000,
                                       1};
    if (interval.months != 0) return print_in(interval.months, month_names, month_sizes, out);
    if (interval.ns != 0) return print_in(interval.ns, ns_names, ns_sizes, out);
    memcpy(out, "0s", 2);
    return 2;
}

size_t duration_print_hms(struct phusa_interval interval, char *out)
{
    if (interval.months != 0) return duration_print(interval, out);
    /* Go leaves out hours, and minutes, that are 0 at the front; below a second it has smaller
     * units, which no policy has. */
    const int64_t ns_per_s = 1000000000;
    if (interval.ns == 0 || interval.ns % ns_per_s != 0) return duration_print(interval, out);
    const int64_t s = interval.ns / ns_per_s, hours = s / 3600, minutes = s / 60 % 60;
    char *p = out;
    if (hours != 0) {
        p += decimal_print_int64(hours, p);
        *p++ = 'h';
    }
    if (hours != 0 || minutes != 0) {
        p += decimal_print_int64(minutes, p);
        *p++ = 'm';
    }
    p += decimal_print_int64(s % 60, p);
    *p++ = 's';
    return (size_t)(p - out);
}
