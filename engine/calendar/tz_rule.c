/* tz_rule.c - POSIX TZ strings as RFC 8536 (3.3) has them in the footers of TZif files. */
#include "calendar/zone_internal.h"

#include "calendar/calendar_internal.h"
#include "calendar/civil.h"

static bool take_number(struct cursor *c, int least, int most, int *out)
{
    int v = 0;
    if (!is_digit_next(c)) return false;
    while (is_digit_next(c)) {
        v = v * 10 + (*c->next++ - '0');
        if (v > most) return false;
    }
    *out = v;
    return v >= least;
}

/* "CET", or "<+0530>" */
static bool take_name(struct cursor *c)
{
    const char *const start = c->next;
    if (take(c, '<')) {
        while (c->next < c->end && *c->next != '>')
            c->next++;
        return take(c, '>') && c->next - start >= 5;
    }
    while (c->next < c->end &&
           ((*c->next >= 'A' && *c->next <= 'Z') || (*c->next >= 'a' && *c->next <= 'z')))
        c->next++;
    return c->next - start >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct cursor *c, int hours_max, int *seconds)
{
    const bool negative = take(c, '-');
    if (!negative) take(c, '+');
    int hours, minutes = 0, rest = 0;
    if (!take_number(c, 0, hours_max, &hours)) return false;
    if (take(c, ':')) {
        if (!take_number(c, 0, 59, &minutes)) return false;
        if (take(c, ':') && !take_number(c, 0, 59, &rest)) return false;
    }
    *seconds = (hours * 3600 + minutes * 60 + rest) * (negative ? -1 : 1);
    return true;
}

/* M3.5.0/2  J60  59/-1 */
static bool take_day(struct cursor *c, struct tz_day *day)
{
    *day = (struct tz_day){.time_s = 2 * 3600};
    bool good;
    if (take(c, 'M')) {
        day->kind = 'M';
        good = take_number(c, 1, 12, &day->month) && take(c, '.') &&
               take_number(c, 1, 5, &day->week) && take(c, '.') && take_number(c, 0, 6, &day->day);
    } else if (take(c, 'J')) {
        day->kind = 'J';
        good = take_number(c, 1, 365, &day->day);
    } else {
        day->kind = '0';
        good = take_number(c, 0, 365, &day->day);
    }
    return good && (!take(c, '/') || take_time(c, 167, &day->time_s));
}

phusa_status tz_rule_parse(const char *text, size_t size_bytes, struct tz_rule *out)
{
    struct cursor c = {text, text + size_bytes};
    struct tz_rule rule = {0};
    int west_s;
    if (!take_name(&c) || !take_time(&c, 24, &west_s)) return PHUSA_ECORRUPT;
    rule.offset_s = -west_s; /* POSIX counts to the west */
    if (c.next < c.end) {
        rule.has_dst = true;
        if (!take_name(&c)) return PHUSA_ECORRUPT;
        rule.dst_offset_s = rule.offset_s + 3600;
        if (c.next < c.end && *c.next != ',') {
            if (!take_time(&c, 24, &west_s)) return PHUSA_ECORRUPT;
            rule.dst_offset_s = -west_s;
        }
        if (!take(&c, ',') || !take_day(&c, &rule.dst_start) || !take(&c, ',') ||
            !take_day(&c, &rule.dst_end) || c.next < c.end)
            return PHUSA_ECORRUPT;
    }
    *out = rule;
    return PHUSA_OK;
}

static int64_t days_of(const struct tz_day *day, int64_t year)
{
    const int64_t january = civil_days(year, 1, 1);
    if (day->kind == '0') return january + day->day;
    if (day->kind == 'J') return january + day->day - 1 + (day->day >= 60 && civil_is_leap(year));
    /* The week-th such weekday of the month; the fifth is the last, if there are but four. */
    const int64_t first = civil_days(year, day->month, 1);
    const int ahead = (day->day + 7 - civil_weekday(first) % 7) % 7; /* Sunday is 0 */
    int in_month = ahead + 7 * (day->week - 1);
    while (in_month >= civil_month_days(year, day->month))
        in_month -= 7;
    return first + in_month;
}

void tz_rule_changes(const struct tz_rule *rule, int64_t year, struct tz_change out[2])
{
    const struct tz_day *const start = &rule->dst_start, *const end = &rule->dst_end;
    const struct tz_change to_dst = {
        days_of(start, year) * S_PER_DAY + start->time_s - rule->offset_s, rule->dst_offset_s};
    const struct tz_change to_standard = {
        days_of(end, year) * S_PER_DAY + end->time_s - rule->dst_offset_s, rule->offset_s};
    const bool dst_first = to_dst.utc_s <= to_standard.utc_s;
    out[0] = dst_first ? to_dst : to_standard;
    out[1] = dst_first ? to_standard : to_dst;
}
