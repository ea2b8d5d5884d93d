/*
 * timeformat.h - read a time from text, by a format that was compiled once.
 *
 *   iso        2014-11-02T01:30:00.5+07:00 and what may be left out of it: zone, fraction,
 *              seconds, time, day; 'T' may be a space, '-' in the date a '/'
 *   epoch:s    a number since 1970, of s, ms, u or ns; with or without a fraction
 *   parts      year, month, day, hour, minute, second: one text for each
 *   otherwise  as strptime: %Y %m %d %H %M %S %y %b %B %e %j %I %p %z %f %F %T %D %R %a %A %n %%
 *              (%f: digits of a fraction of a second; numbers may have fewer digits than usual)
 *
 * Errors  NULL when read; else why not, in static text.
 */
#ifndef PHUSA_CLIENT_TIMEFORMAT_H
#define PHUSA_CLIENT_TIMEFORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMEFORMAT_PARTS_MAX 6u

enum timeformat_kind { TIMEFORMAT_ISO, TIMEFORMAT_EPOCH, TIMEFORMAT_PARTS, TIMEFORMAT_PATTERN };

struct timeformat {
    enum timeformat_kind kind;
    int64_t unit_ns;     /* of an epoch */
    const char *pattern; /* borrowed */
};

struct timeformat_text {
    const char *text;
    size_t text_bytes;
};

struct timeformat_time {
    int64_t second;   /* as the clock shows it, counted as if it were UTC */
    int32_t ns;       /* 0..999,999,999 */
    bool has_offset;  /* the text says its zone (an epoch does): then ... */
    int32_t offset_s; /* ... east of Greenwich */
};

const char *timeformat_compile(struct timeformat *format, const char *text);
/* `texts` is one, or for parts up to six. */
const char *timeformat_parse(const struct timeformat *format, const struct timeformat_text *texts,
                             size_t text_count, struct timeformat_time *time);

/* Days since 1970 of a day of the Gregorian calendar; month 1..12. */
int64_t timeformat_days(int64_t year, unsigned month, unsigned day);

#endif
