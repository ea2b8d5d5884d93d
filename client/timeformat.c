/*
 * timeformat.c - times in text.
 *
 * libc's strptime is not used: it knows no fractions, skips what it does not understand, and
 * takes 31 February.
 */
#include "timeformat.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DAY_S 86400

static const char *const not_a_time = "not a time in the expected format";

struct reader {
    const char *at, *end;
};

/* What has been read so far. */
struct fields {
    int64_t year;
    unsigned month, day, day_of_year, hour, minute, second;
    int32_t ns;
    bool has_day_of_year, twelve_hours, afternoon, has_offset;
    int32_t offset_s;
};

int64_t timeformat_days(int64_t year, unsigned month, unsigned day)
{
    /* Years that begin in March end with the leap day: 400 of them are 146,097 days, and day
     * (153 m + 2) / 5 begins month m from March. */
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t year_of_era = y - era * 400;
    const int64_t month_from_march = (month + 9) % 12;
    const int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2 ? 1u : 0u);
}

/* At most digits_max digits, at least one. */
static bool read_number(struct reader *reader, unsigned digits_max, unsigned *value)
{
    unsigned number = 0, digits = 0;
    while (digits < digits_max && reader->at < reader->end && isdigit((unsigned char)*reader->at)) {
        number = number * 10 + (unsigned)(*reader->at++ - '0');
        digits++;
    }
    if (digits == 0) return false;
    *value = number;
    return true;
}

static bool read_char(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c) return false;
    reader->at++;
    return true;
}

static bool read_fraction(struct reader *reader, int32_t *ns)
{
    int32_t value = 0, scale = 100000000;
    const char *start = reader->at;
    while (reader->at < reader->end && isdigit((unsigned char)*reader->at)) {
        value += (*reader->at++ - '0') * scale; /* beyond nanoseconds scale is 0: cut off */
        scale /= 10;
    }
    *ns = value;
    return reader->at > start;
}

/* Z, +7, +07, +0700 or +07:00 */
static bool read_offset(struct reader *reader, struct fields *fields)
{
    unsigned hours = 0, minutes = 0;
    fields->has_offset = true;
    fields->offset_s = 0;
    if (read_char(reader, 'Z') || read_char(reader, 'z')) return true;
    const bool west = read_char(reader, '-');
    if (!west && !read_char(reader, '+')) return false;
    if (!read_number(reader, 2, &hours)) return false;
    if (read_char(reader, ':') || (reader->at < reader->end && isdigit((unsigned char)*reader->at)))
        if (!read_number(reader, 2, &minutes)) return false;
    if (hours > 15 || minutes > 59) return false;
    fields->offset_s = (west ? -1 : 1) * (int32_t)(hours * 3600 + minutes * 60);
    return true;
}

static const char *finish(const struct fields *fields, struct timeformat_time *time)
{
    unsigned hour = fields->hour;
    if (fields->twelve_hours) {
        if (hour < 1 || hour > 12) return "an hour outside 1 to 12";
        hour = hour % 12 + (fields->afternoon ? 12 : 0);
    }
    /* 24:00 is the end of a day, second 60 a leap second: both are the next one's start. */
    const bool day_end =
        hour == 24 && fields->minute == 0 && fields->second == 0 && fields->ns == 0;
    if (hour > 23 && !day_end) return "an hour outside 0 to 24";
    if (fields->minute > 59) return "a minute outside 0 to 59";
    if (fields->second > 60) return "a second outside 0 to 60";
    int64_t days;
    if (fields->has_day_of_year) {
        const unsigned days_in_year = 337 + days_in_month(fields->year, 2);
        if (fields->day_of_year < 1 || fields->day_of_year > days_in_year)
            return "a day that the year does not have";
        days = timeformat_days(fields->year, 1, 1) + fields->day_of_year - 1;
    } else {
        if (fields->month < 1 || fields->month > 12) return "a month outside 1 to 12";
        if (fields->day < 1 || fields->day > days_in_month(fields->year, fields->month))
            return "a day that the month does not have";
        days = timeformat_days(fields->year, fields->month, fields->day);
    }
    *time = (struct timeformat_time){
        .second = days * DAY_S + (int64_t)hour * 3600 + fields->minute * 60 + fields->second,
        .ns = fields->ns,
        .has_offset = fields->has_offset,
        .offset_s = fields->offset_s,
    };
    return NULL;
}

/* -- iso -- */

static const char *parse_iso(struct reader reader, struct timeformat_time *time)
{
    struct fields fields = {.month = 1, .day = 1};
    unsigned year;
    const char *const start = reader.at;
    if (!read_number(&reader, 4, &year) || reader.at - start != 4) return not_a_time;
    fields.year = year;
    const char dash = reader.at < reader.end && *reader.at == '/' ? '/' : '-';
    if (!read_char(&reader, dash) || !read_number(&reader, 2, &fields.month)) return not_a_time;
    if (read_char(&reader, dash) && !read_number(&reader, 2, &fields.day)) return not_a_time;
    if (reader.at == reader.end) return finish(&fields, time);

    if (!read_char(&reader, 'T') && !read_char(&reader, ' ') && !read_char(&reader, 't'))
        return not_a_time;
    if (!read_number(&reader, 2, &fields.hour) || !read_char(&reader, ':') ||
        !read_number(&reader, 2, &fields.minute))
        return not_a_time;
    if (read_char(&reader, ':')) {
        if (!read_number(&reader, 2, &fields.second)) return not_a_time;
        if ((read_char(&reader, '.') || read_char(&reader, ',')) &&
            !read_fraction(&reader, &fields.ns))
            return not_a_time;
    }
    (void)read_char(&reader, ' ');
    if (reader.at < reader.end && !read_offset(&reader, &fields)) return not_a_time;
    return reader.at == reader.end ? finish(&fields, time) : not_a_time;
}

/* -- epoch -- */

/* A number of units: its whole part exactly, a fraction to the nanosecond. */
static const char *parse_epoch(struct reader reader, int64_t unit_ns, struct timeformat_time *time)
{
    const bool negative = read_char(&reader, '-');
    __int128 total_ns = 0;
    const char *const start = reader.at;
    while (reader.at < reader.end && isdigit((unsigned char)*reader.at)) {
        if (reader.at - start > 20) return "a time outside 1677 to 2262";
        total_ns = total_ns * 10 + (*reader.at++ - '0');
    }
    if (reader.at == start) return not_a_time;
    total_ns *= unit_ns;
    if (read_char(&reader, '.')) {
        int64_t scale_ns = unit_ns;
        while (reader.at < reader.end && isdigit((unsigned char)*reader.at)) {
            scale_ns /= 10;
            total_ns += (*reader.at++ - '0') * scale_ns;
        }
    }
    if (reader.at != reader.end) return not_a_time;
    if (negative) total_ns = -total_ns;
    if (total_ns > INT64_MAX || total_ns < -INT64_MAX) return "a time outside 1677 to 2262";
    int64_t second = (int64_t)(total_ns / 1000000000), ns = (int64_t)(total_ns % 1000000000);
    if (ns < 0) {
        ns += 1000000000;
        second--;
    }
    *time = (struct timeformat_time){second, (int32_t)ns, true, 0};
    return NULL;
}

/* -- parts -- */

static const char *parse_parts(const struct timeformat_text *texts, size_t count,
                               struct timeformat_time *time)
{
    unsigned values[TIMEFORMAT_PARTS_MAX] = {0, 1, 1, 0, 0, 0};
    int32_t ns = 0;
    assert(count >= 1 && count <= TIMEFORMAT_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct reader reader = {texts[i].text, texts[i].text + texts[i].text_bytes};
        if (!read_number(&reader, i == 0 ? 4 : 2, &values[i]))
            return "a part of the time is missing";
        if (i == 5 && read_char(&reader, '.') && !read_fraction(&reader, &ns)) return not_a_time;
        if (reader.at != reader.end) return not_a_time;
    }
    const struct fields fields = {.year = values[0],
                                  .month = values[1],
                                  .day = values[2],
                                  .hour = values[3],
                                  .minute = values[4],
                                  .second = values[5],
                                  .ns = ns};
    return finish(&fields, time);
}

/* -- patterns -- */

static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};
static const char *const day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};

/* A full name or its first three letters; *index from 0. */
static bool read_name(struct reader *reader, const char *const *names, unsigned count,
                      unsigned *index)
{
    const size_t left = (size_t)(reader->end - reader->at);
    for (unsigned i = 0; i < count; i++) {
        const size_t full_bytes = strlen(names[i]);
        size_t taken = 0;
        if (left >= full_bytes && strncasecmp(reader->at, names[i], full_bytes) == 0)
            taken = full_bytes;
        else if (left >= 3 && strncasecmp(reader->at, names[i], 3) == 0)
            taken = 3;
        if (taken == 0) continue;
        reader->at += taken;
        *index = i;
        return true;
    }
    return false;
}

static void skip_spaces(struct reader *reader)
{
    while (reader->at < reader->end && isspace((unsigned char)*reader->at))
        reader->at++;
}

static bool read_half_day(struct reader *reader, struct fields *fields)
{
    if (reader->end - reader->at < 2) return false;
    const bool am = strncasecmp(reader->at, "AM", 2) == 0;
    if (!am && strncasecmp(reader->at, "PM", 2) != 0) return false;
    fields->afternoon = !am;
    reader->at += 2;
    return true;
}

static const char *composed(char letter)
{
    switch (letter) {
    case 'F':
        return "%Y-%m-%d";
    case 'T':
        return "%H:%M:%S";
    case 'D':
        return "%m/%d/%y";
    case 'R':
        return "%H:%M";
    default:
        return NULL;
    }
}

static bool is_letter_known(char letter)
{
    return letter != 0 && strchr("YmdeHkIMSybBhjpzfaAnt%FTDR", letter) != NULL;
}

/* One %-letter that is not composed of others. */
static bool read_letter(struct reader *reader, char letter, struct fields *fields)
{
    unsigned number = 0;
    switch (letter) {
    case 'Y':
        if (!read_number(reader, 4, &number)) return false;
        fields->year = number;
        return true;
    case 'y': /* as POSIX: 69 to 99 are of the last century */
        if (!read_number(reader, 2, &number)) return false;
        fields->year = number < 69 ? 2000 + number : 1900 + number;
        return true;
    case 'm':
        return read_number(reader, 2, &fields->month);
    case 'd':
    case 'e':
        skip_spaces(reader);
        return read_number(reader, 2, &fields->day);
    case 'j':
        fields->has_day_of_year = true;
        return read_number(reader, 3, &fields->day_of_year);
    case 'I':
        fields->twelve_hours = true;
        return read_number(reader, 2, &fields->hour);
    case 'H':
    case 'k':
        skip_spaces(reader);
        return read_number(reader, 2, &fields->hour);
    case 'M':
        return read_number(reader, 2, &fields->minute);
    case 'S':
        return read_number(reader, 2, &fields->second);
    case 'f':
        return read_fraction(reader, &fields->ns);
    case 'p':
        return read_half_day(reader, fields);
    case 'z':
        return read_offset(reader, fields);
    case 'b':
    case 'B':
    case 'h':
        if (!read_name(reader, month_names, 12, &fields->month)) return false;
        fields->month++;
        return true;
    case 'a':
    case 'A':
        return read_name(reader, day_names, 7, &number);
    case 'n':
    case 't':
        skip_spaces(reader);
        return true;
    case '%':
        return read_char(reader, '%');
    default:
        return false;
    }
}

static bool read_pattern(struct reader *reader, const char *pattern, struct fields *fields)
{
    for (; *pattern != 0; pattern++) {
        if (isspace((unsigned char)*pattern)) {
            skip_spaces(reader);
        } else if (*pattern != '%') {
            if (!read_char(reader, *pattern)) return false;
        } else {
            const char letter = *++pattern;
            const char *inner = composed(letter);
            const bool good = inner != NULL ? read_pattern(reader, inner, fields)
                                            : read_letter(reader, letter, fields);
            if (!good) return false;
        }
    }
    return true;
}

static const char *parse_pattern(struct reader reader, const char *pattern,
                                 struct timeformat_time *time)
{
    struct fields fields = {.year = 1970, .month = 1, .day = 1};
    if (!read_pattern(&reader, pattern, &fields) || reader.at != reader.end) return not_a_time;
    return finish(&fields, time);
}

/* -- the doors -- */

const char *timeformat_compile(struct timeformat *format, const char *text)
{
    static const struct {
        const char *name;
        int64_t unit_ns;
    } epochs[] = {{"epoch:s", 1000000000},
                  {"epoch:ms", 1000000},
                  {"epoch:u", 1000},
                  {"epoch:us", 1000},
                  {"epoch:ns", 1}};
    assert(format != NULL);
    *format = (struct timeformat){.kind = TIMEFORMAT_PATTERN, .pattern = text};
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++) {
        if (strcmp(text, epochs[i].name) != 0) continue;
        *format = (struct timeformat){.kind = TIMEFORMAT_EPOCH, .unit_ns = epochs[i].unit_ns};
        return NULL;
    }
    if (strcmp(text, "iso") == 0) format->kind = TIMEFORMAT_ISO;
    if (strcmp(text, "parts") == 0) format->kind = TIMEFORMAT_PARTS;
    if (format->kind != TIMEFORMAT_PATTERN) return NULL;
    bool has_letter = false;
    for (const char *at = text; *at != 0; at++) {
        if (*at != '%') continue;
        if (!is_letter_known(*++at)) return "a %-letter that is not known here";
        has_letter = true;
    }
    return has_letter ? NULL : "not a format: iso, epoch:s|ms|u|ns, parts, or one like %Y-%m-%d";
}

const char *timeformat_parse(const struct timeformat *format, const struct timeformat_text *texts,
                             size_t text_count, struct timeformat_time *time)
{
    assert(format != NULL && texts != NULL && text_count > 0);
    if (format->kind == TIMEFORMAT_PARTS) return parse_parts(texts, text_count, time);
    struct reader reader = {texts[0].text, texts[0].text + texts[0].text_bytes};
    while (reader.at < reader.end && *reader.at == ' ')
        reader.at++;
    while (reader.end > reader.at && reader.end[-1] == ' ')
        reader.end--;
    if (reader.at == reader.end) return "the time is missing";
    switch (format->kind) {
    case TIMEFORMAT_ISO:
        return parse_iso(reader, time);
    case TIMEFORMAT_EPOCH:
        return parse_epoch(reader, format->unit_ns, time);
    default:
        return parse_pattern(reader, format->pattern, time);
    }
}
