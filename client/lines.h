/*
 * lines.h - where a stream of line protocol may be cut in two: at line ends, never inside a
 * quoted string (which may contain line ends).
 *
 *     m,tag=a f="one
 *     two",g=1 1000          <- one point on two lines; the only cut is after it
 *
 * Where readings of a malformed line could differ, it is not cut: behind a backslash outside of a
 * string. Only a quote right behind an unescaped '=' among the fields opens a
 * string, so that a stray quote does not swallow the lines after it.
 *
 * Errors  none; a stream without line ends simply offers no cut.
 */
#ifndef PHUSA_CLIENT_LINES_H
#define PHUSA_CLIENT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero it to begin a stream. */
struct lines {
    unsigned char state;
    char previous;          /* byte before, inside the fields */
    uint64_t newline_count; /* line ends seen, those inside strings too */
    uint64_t point_count;   /* lines that are neither blank nor comments, ended or begun */
    /* Of the last place where the stream may be cut: offset from the stream's start, and the
     * counts up to there. */
    uint64_t offset, cut_offset, cut_newline_count, cut_point_count;
};

/* Take the next bytes; stops behind the first cut at or after `points_max` points, and returns
 * how many bytes were taken. Call it again with the rest. */
size_t lines_feed(struct lines *lines, const char *bytes, size_t size_bytes, uint64_t points_max);

#endif
