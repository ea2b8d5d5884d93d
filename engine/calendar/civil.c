/* civil.c - see civil.h. */
#include "calendar/civil.h"

#include "calendar/calendar_internal.h"

#include <assert.h>

/* ---- days ------------------------------------------------------------- */

/* Years are counted from March, so that the leap day is the last of a year and the months
 * before it follow 153 days in every five: 31 30 31 30 31, 31 30 31 30 31, 31 (28).
 * 400 years have 146,097 days; 1970-01-01 is day 719,468 after 0000-03-01. */
#define DAYS_PER_400_YEARS 146097
#define DAYS_FROM_MARCH_0  719468

int64_t civil_days(int64_t year, int month, int day)
{
    assert(month >= 1 && month <= 12);
    const int64_t y = year - (month <= 2);
    const int64_t era = floor_divide(y, 400), year_of_era = y - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_400_YEARS + day_of_era - DAYS_FROM_MARCH_0;
}

struct civil civil_of_days(int64_t days)
{
    const int64_t z = days + DAYS_FROM_MARCH_0;
    const int64_t era = floor_divide(z, DAYS_PER_400_YEARS);
    const int64_t day = z - era * DAYS_PER_400_YEARS;
    /* Take out the leap days before dividing: one in 1,460 days, but not one in 36,524. */
    const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    const int month = (int)((5 * day_of_year + 2) / 153); /* 0 is March */
    struct civil c;
    c.day = (int)(day_of_year - (153 * month + 2) / 5) + 1;
    c.month = month < 10 ? month + 3 : month - 9;
    c.year = era * 400 + year + (c.month <= 2);
    return c;
}

bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    assert(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && civil_is_leap(year));
}

int civil_weekday(int64_t days)
{
    const int64_t from_monday = (days + 3) % 7; /* 1970-01-01 was a Thursday */
    return (int)(from_monday < 0 ? from_monday + 7 : from_monday) + 1;
}

int64_t civil_month_of_days(int64_t days)
{
    const struct civil c = civil_of_days(days);
    return (c.year - 1970) * 12 + c.month - 1;
}

int64_t civil_days_of_month(int64_t month)
{
    const int64_t year = floor_divide(month, 12);
    return civil_days(1970 + year, (int)(month - year * 12) + 1, 1);
}

/* ---- text ------------------------------------------------------------- */

/* Exactly `count` digits, of a number between least and most. */
static bool take_number(struct cursor *c, int count, int least, int most, int *out)
{
    int v = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit_next(c)) return false;
        v = v * 10 + (*c->next++ - '0');
    }
    *out = v;
    return v >= least && v <= most;
}

/* 2006-01-02 */
static bool take_date(struct cursor *c, int64_t *days)
{
    int year, month, day;
    if (!take_number(c, 4, 0, 9999, &year) || !take(c, '-') || !take_number(c, 2, 1, 12, &month) ||
        !take(c, '-') || !take_number(c, 2, 1, civil_month_days(year, month), &day))
        return false;
    *days = civil_days(year, month, day);
    return true;
}

/* 15:04  15:04:05  15:04:05.999999999 */
static bool take_clock(struct cursor *c, int64_t *seconds, int64_t *ns)
{
    int hour, minute, second = 0;
    *ns = 0;
    if (!take_number(c, 2, 0, 23, &hour) || !take(c, ':') || !take_number(c, 2, 0, 59, &minute))
        return false;
    if (take(c, ':')) {
        if (!take_number(c, 2, 0, 59, &second)) return false;
        if (take(c, '.')) {
            if (!is_digit_next(c)) return false;
            for (int64_t unit = NS_PER_S / 10; is_digit_next(c); unit /= 10) {
                if (unit == 0) return false;
                *ns += unit * (*c->next++ - '0');
            }
        }
    }
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* Z  +07:00  -03:30 */
static bool take_offset(struct cursor *c, int *offset_s)
{
    int hours, minutes;
    *offset_s = 0;
    if (take(c, 'Z')) return true;
    const bool west = take(c, '-');
    if (!west && !take(c, '+')) return false;
    if (!take_number(c, 2, 0, 23, &hours) || !take(c, ':') || !take_number(c, 2, 0, 59, &minutes))
        return false;
    *offset_s = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

phusa_status civil_parse(const char *text, size_t size_bytes, int64_t *ns, bool *is_local)
{
    struct cursor c = {text, text + size_bytes};
    int64_t days, seconds = 0, fraction_ns = 0, result;
    int offset_s = 0;
    bool local = true;
    if (!take_date(&c, &days)) return PHUSA_ESYNTAX;
    if (c.next < c.end) {
        if (!take(&c, 'T') && !take(&c, ' ')) return PHUSA_ESYNTAX;
        if (!take_clock(&c, &seconds, &fraction_ns)) return PHUSA_ESYNTAX;
        if (c.next < c.end) {
            if (!take_offset(&c, &offset_s) || c.next < c.end) return PHUSA_ESYNTAX;
            local = false;
        }
    }
    const int64_t total_s = days * S_PER_DAY + seconds - offset_s;
    const __int128 total_ns = (__int128)total_s * NS_PER_S + fraction_ns;
    if (__builtin_add_overflow(total_ns, 0, &result)) return PHUSA_ERANGE;
    *ns = result;
    *is_local = local;
    return PHUSA_OK;
}

static char *put_number(char *p, int count, int64_t v)
{
    for (int i = count - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + count;
}

size_t civil_print(int64_t ns, int offset_s, char *out)
{
    const int64_t utc_s = floor_divide(ns, NS_PER_S);
    const int64_t rest_ns = ns % NS_PER_S, fraction_ns = rest_ns < 0 ? rest_ns + NS_PER_S : rest_ns;
    const int64_t local_s = utc_s + offset_s;
    const int64_t days = floor_divide(local_s, S_PER_DAY);
    const int64_t seconds = local_s - days * S_PER_DAY;
    const struct civil date = civil_of_days(days);
    char *p = put_number(out, 4, date.year);
    *p++ = '-';
    p = put_number(p, 2, date.month);
    *p++ = '-';
    p = put_number(p, 2, date.day);
    *p++ = 'T';
    p = put_number(p, 2, seconds / 3600);
    *p++ = ':';
    p = put_number(p, 2, seconds / 60 % 60);
    *p++ = ':';
    p = put_number(p, 2, seconds % 60);
    if (fraction_ns != 0) {
        *p++ = '.';
        p = put_number(p, 9, fraction_ns);
        while (p[-1] == '0')
            p--;
    }
    if (offset_s == 0) {
        *p++ = 'Z';
        return (size_t)(p - out);
    }
    /* Offsets of odd seconds are of the time before standard time; Go cuts them to minutes. */
    const int minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
    *p++ = offset_s < 0 ? '-' : '+';
    p = put_number(p, 2, minutes / 60);
    *p++ = ':';
    p = put_number(p, 2, minutes % 60);
    return (size_t)(p - out);
}
