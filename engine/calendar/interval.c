/*
 * interval.c - windows; see interval.h.
 *
 * Three ways to the same answers, from fast to general:
 *   grid    UTC, and no months: a window is found by one remainder
 *   clock   a grid on the clock of a zone, anew in each span of one offset
 *   dates   local days and months: the n-th window begins when the clock first shows its date
 */
#include "calendar/interval.h"

#include "calendar/civil.h"

#include <assert.h>

#define MONTHS_MAX  120000 /* 10,000 years */
#define NS_PER_WEEK (7 * NS_PER_DAY)
#define MONDAY_DAYS 4 /* 1970-01-05 was the first Monday */

/* Local times and the ends of windows may lie a little outside int64. */
typedef __int128 wide;

static int64_t cut(wide ns)
{
    return ns < INT64_MIN ? INT64_MIN : ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static wide floor_divide(wide a, wide b)
{
    return a / b - (a % b < 0);
}

static int64_t floor_quotient(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t floor_remainder(int64_t a, int64_t b)
{
    const int64_t r = a % b;
    return r < 0 ? r + b : r;
}

phusa_status window_spec_check(const struct window_spec *spec)
{
    const struct phusa_interval every = spec->every, offset = spec->offset;
    if (every.months < 0 || every.ns < 0 || (every.months > 0) == (every.ns > 0))
        return PHUSA_EINVAL;
    if (offset.months != 0 && (offset.ns != 0 || every.months == 0)) return PHUSA_EINVAL;
    if (every.months > MONTHS_MAX || offset.months > MONTHS_MAX || offset.months < -MONTHS_MAX)
        return PHUSA_ERANGE;
    return PHUSA_OK;
}

static bool by_days(const struct window_spec *spec)
{
    return spec->every.months > 0 || spec->every.ns % NS_PER_DAY == 0;
}
static bool by_grid(const struct window_spec *spec)
{
    return spec->every.months == 0 && zone_is_utc(spec->zone);
}

/* ---- grids ------------------------------------------------------------ */

/* Where a grid is anchored, in [0, every.ns). */
static int64_t grid_offset(const struct window_spec *spec)
{
    int64_t offset = floor_remainder(spec->offset.ns, spec->every.ns);
    if (spec->every.ns % NS_PER_WEEK == 0)
        offset = (int64_t)(((wide)offset + MONDAY_DAYS * NS_PER_DAY) % spec->every.ns);
    return offset;
}

/* How long ago, on a clock that is local_ns ahead, the grid's last line was. */
static int64_t phase(const struct window_spec *spec, int64_t time_ns, int64_t local_ns)
{
    const int64_t every = spec->every.ns;
    wide p = (wide)floor_remainder(time_ns, every) + floor_remainder(local_ns, every) -
             grid_offset(spec);
    if (p >= every) p -= every;
    if (p < 0) p += every;
    assert(p >= 0 && p < every);
    return (int64_t)p;
}

static struct window grid_window(const struct window_spec *spec, int64_t time_ns)
{
    const wide start = (wide)time_ns - phase(spec, time_ns, 0);
    return (struct window){cut(start), cut(start + spec->every.ns)};
}

/* ---- clocks ----------------------------------------------------------- */

struct span {
    wide start_ns, end_ns;
    int64_t offset_ns;
};

static struct span span_at(const struct window_spec *spec, int64_t time_ns)
{
    const struct zone_span z = zone_span_at(spec->zone, floor_quotient(time_ns, NS_PER_S));
    return (struct span){(wide)z.start_s * NS_PER_S, (wide)z.end_s * NS_PER_S,
                         z.offset_s * NS_PER_S};
}

static wide clock_start(const struct window_spec *spec, int64_t time_ns)
{
    for (;;) {
        const struct span span = span_at(spec, time_ns);
        const wide line = (wide)time_ns - phase(spec, time_ns, span.offset_ns);
        if (line >= span.start_ns || span.start_ns <= INT64_MIN) return line;
        /* The clock was changed since that line. If it jumped over the line, the window began
         * then; otherwise it began before, on the clock as it was. */
        const int64_t before_ns = (int64_t)(span.start_ns - 1);
        const int64_t was = span_at(spec, before_ns).offset_ns;
        if (line + span.offset_ns >= span.start_ns + was) return span.start_ns;
        time_ns = before_ns;
    }
}

static wide clock_end(const struct window_spec *spec, int64_t time_ns)
{
    for (;;) {
        const struct span span = span_at(spec, time_ns);
        const wide line = (wide)time_ns - phase(spec, time_ns, span.offset_ns) + spec->every.ns;
        if (line < span.end_ns || span.end_ns > INT64_MAX) return line;
        const int64_t change_ns = (int64_t)span.end_ns;
        const int64_t becomes = span_at(spec, change_ns).offset_ns;
        if (phase(spec, change_ns, becomes) == 0) return change_ns;
        if (line + span.offset_ns < span.end_ns + becomes) return change_ns; /* jumped over */
        time_ns = change_ns;
    }
}

/* The window after `window`, if the clock is not changed from the start of that to the end of this.
 * Then window->end_ns is a line of the grid. */
static bool clock_next(const struct window_spec *spec, struct window *window)
{
    const struct span span = span_at(spec, window->end_ns);
    const wide end = (wide)window->end_ns + spec->every.ns;
    if (window->start_ns < span.start_ns || end >= span.end_ns) return false;
    *window = (struct window){window->end_ns, cut(end)};
    return true;
}

static struct window clock_window(const struct window_spec *spec, int64_t time_ns)
{
    return (struct window){cut(clock_start(spec, time_ns)), cut(clock_end(spec, time_ns))};
}

/* Lines of the grid at or before a time, counted from anywhere. */
static wide lines_until(const struct window_spec *spec, wide time_ns, int64_t local_ns)
{
    return floor_divide(time_ns + local_ns - grid_offset(spec), spec->every.ns);
}

/* How many windows begin after first_ns, up to and including last_ns. */
static uint64_t clock_starts(const struct window_spec *spec, int64_t first_ns, int64_t last_ns)
{
    wide count = 0;
    for (wide at = first_ns; at < last_ns;) {
        const struct span span = span_at(spec, (int64_t)at + 1);
        const wide end = span.end_ns - 1 < last_ns ? span.end_ns - 1 : last_ns;
        count += lines_until(spec, end, span.offset_ns) - lines_until(spec, at, span.offset_ns);
        /* A change of the clock that jumped over a line began a window without being one. */
        if (at + 1 == span.start_ns && clock_start(spec, (int64_t)(at + 1)) == at + 1 &&
            phase(spec, (int64_t)(at + 1), span.offset_ns) != 0)
            count++;
        at = end;
    }
    return (uint64_t)count;
}

/* ---- dates ------------------------------------------------------------ */

static bool by_weeks(const struct window_spec *spec)
{
    return spec->every.ns % NS_PER_WEEK == 0;
}

/* Where the n-th window begins. */
static wide date_start(const struct window_spec *spec, int64_t n)
{
    int64_t days;
    if (spec->every.months > 0)
        days = civil_days_of_month(n * spec->every.months + spec->offset.months);
    else
        days = n * (spec->every.ns / NS_PER_DAY) + (by_weeks(spec) ? MONDAY_DAYS : 0);
    const int64_t local_s = days * S_PER_DAY + floor_quotient(spec->offset.ns, NS_PER_S);
    const int64_t rest_ns = floor_remainder(spec->offset.ns, NS_PER_S);
    const int64_t utc_s = zone_local_to_utc(spec->zone, local_s);
    /* Where the clock jumped over local_s, it jumped over its fraction too. */
    if (rest_ns != 0 && utc_s + zone_offset_at(spec->zone, utc_s) != local_s)
        return (wide)utc_s * NS_PER_S;
    return (wide)utc_s * NS_PER_S + rest_ns;
}

/* The number of the window that contains a time, by the date that the clock shows. */
static int64_t date_number(const struct window_spec *spec, int64_t time_ns)
{
    const int64_t utc_s = floor_quotient(time_ns, NS_PER_S);
    int64_t local_s = utc_s + zone_offset_at(spec->zone, utc_s);
    local_s -= floor_quotient(spec->offset.ns, NS_PER_S);
    if (floor_remainder(time_ns, NS_PER_S) < floor_remainder(spec->offset.ns, NS_PER_S)) local_s--;
    const int64_t days = floor_quotient(local_s, S_PER_DAY);
    if (spec->every.months > 0)
        return floor_quotient(civil_month_of_days(days) - spec->offset.months, spec->every.months);
    return floor_quotient(days - (by_weeks(spec) ? MONDAY_DAYS : 0), spec->every.ns / NS_PER_DAY);
}

static struct window date_window(const struct window_spec *spec, int64_t time_ns)
{
    int64_t n = date_number(spec, time_ns);
    wide start = date_start(spec, n), end = date_start(spec, n + 1);
    /* Where a clock shows a date twice, its second showing belongs to the date after; and an
     * offset of days is more months in February than in March. */
    for (; end <= time_ns; n++) {
        start = end;
        end = date_start(spec, n + 2);
    }
    for (; start > time_ns; n--) {
        end = start;
        start = date_start(spec, n - 1);
    }
    return (struct window){cut(start), cut(end)};
}

/* ---- all -------------------------------------------------------------- */

struct window window_at(const struct window_spec *spec, int64_t time_ns)
{
    assert(window_spec_check(spec) == PHUSA_OK);
    if (by_grid(spec)) return grid_window(spec, time_ns);
    return by_days(spec) ? date_window(spec, time_ns) : clock_window(spec, time_ns);
}

bool window_next(const struct window_spec *spec, struct window *window)
{
    if (window->end_ns == INT64_MAX) return false;
    if (by_grid(spec) && window->end_ns != INT64_MIN) {
        const wide end = (wide)window->end_ns + spec->every.ns;
        *window = (struct window){window->end_ns, cut(end)};
    } else if (by_days(spec) || !clock_next(spec, window)) {
        *window = window_at(spec, window->end_ns);
    }
    return true;
}

bool window_previous(const struct window_spec *spec, struct window *window)
{
    if (window->start_ns == INT64_MIN) return false;
    *window = window_at(spec, window->start_ns - 1);
    return true;
}

uint64_t window_count(const struct window_spec *spec, int64_t start_ns, int64_t end_ns)
{
    if (start_ns >= end_ns) return 0;
    const int64_t last_ns = end_ns - 1;
    if (by_grid(spec))
        return (uint64_t)(lines_until(spec, last_ns, 0) - lines_until(spec, start_ns, 0)) + 1;
    if (!by_days(spec)) return clock_starts(spec, start_ns, last_ns) + 1;
    /* Not the difference of their numbers: a day that was left out has a number. */
    uint64_t count = 1;
    for (struct window w = window_at(spec, start_ns); w.end_ns <= last_ns; count++)
        if (!window_next(spec, &w)) break;
    return count;
}
