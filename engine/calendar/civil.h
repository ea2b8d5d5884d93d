/*
 * civil.h - dates of the Gregorian calendar (for all times, as in ISO 8601) and times as text.
 *
 * Days and seconds are counted from 1970-01-01, negative before. Nothing here knows zones: a
 * local time is written as the UTC time that would show the same on the clock.
 *
 * Threads  any.
 * Units    int64 seconds or nanoseconds since 1970; offsets in seconds east of Greenwich.
 */
#ifndef PHUSA_CALENDAR_CIVIL_H
#define PHUSA_CALENDAR_CIVIL_H

#include "phusa.h"

#define NS_PER_S   INT64_C(1000000000)
#define S_PER_DAY  INT64_C(86400)
#define NS_PER_DAY (S_PER_DAY * NS_PER_S)

struct civil {
    int64_t year; /* astronomical: 0 is 1 BC */
    int month;    /* 1..12 */
    int day;      /* 1..31 */
};

/* Years between -2^31 and 2^31. civil_days() takes any day number of the month: March 0 is the
 * last of February. */
int64_t civil_days(int64_t year, int month, int day);
struct civil civil_of_days(int64_t days);
bool civil_is_leap(int64_t year);
int civil_month_days(int64_t year, int month);
int civil_weekday(int64_t days); /* 1 Monday .. 7 Sunday */

/* Months since January 1970 of a day, and the first day of such a month. */
int64_t civil_month_of_days(int64_t days);
int64_t civil_days_of_month(int64_t month);

/* A time as people write it in statements:  2006-01-02  2006-01-02 15:04  2006-01-02 15:04:05.999
 * with ' ' or 'T' between, one to nine digits of fraction, and none, 'Z' or an offset +07:00 at
 * the end. *is_local: there was none, so *ns is a local time of whichever zone applies.
 * PHUSA_ESYNTAX: not of this form, or no such day (2023-02-29).  PHUSA_ERANGE: outside the
 * int64 nanoseconds. */
PHUSA_MUST_USE phusa_status civil_parse(const char *text, size_t size_bytes, int64_t *ns,
                                        bool *is_local);

/* As Go's RFC3339Nano: 2026-11-24T09:59:38.123Z, zeros of the fraction trimmed; with an offset
 * other than 0, the local time and +07:00. No NUL; returns the size. */
#define CIVIL_BYTES_MAX 40
size_t civil_print(int64_t ns, int offset_s, char *out);

#endif
