/*
 * lines.c - find the line ends at which line protocol may be cut.
 *
 *   START --'#'--> COMMENT --\n--> START        START --other--> KEY
 *   KEY --' '--> FIELDS      FIELDS --'="'--> STRING --'"'--> FIELDS
 *   KEY, FIELDS --\n--> START (a cut)           KEY, FIELDS, STRING: '\' hides one byte
 *
 * A line end behind a backslash ends the line all the same, but is no cut.
 */
#include "lines.h"

#include <assert.h>
#include <string.h>

enum { START, COMMENT, KEY, KEY_HIDDEN, FIELDS, FIELDS_HIDDEN, STRING, STRING_HIDDEN };

static void mark_cut(struct lines *lines, uint64_t offset)
{
    lines->cut_offset = offset;
    lines->cut_newline_count = lines->newline_count;
    lines->cut_point_count = lines->point_count;
}

/* Most lines have neither quote nor backslash: then the line end is all that counts. Returns the
 * bytes of such a line with its end, or 0 when there is no whole one here. */
static size_t plain_line(const char *bytes, size_t size_bytes)
{
    const char *end = memchr(bytes, '\n', size_bytes);
    if (end == NULL) return 0;
    const size_t line_bytes = (size_t)(end - bytes);
    if (memchr(bytes, '\\', line_bytes) != NULL || memchr(bytes, '"', line_bytes) != NULL) return 0;
    return line_bytes + 1;
}

static void step(struct lines *lines, char c)
{
    switch (lines->state) {
    case START:
        if (c == '\n' || c == ' ' || c == '\t' || c == '\r') break;
        if (c == '#') {
            lines->state = COMMENT;
            break;
        }
        lines->point_count++;
        lines->state = c == '\\' ? KEY_HIDDEN : KEY;
        break;
    case COMMENT:
        if (c == '\n') lines->state = START;
        break;
    case KEY:
        if (c == '\\')
            lines->state = KEY_HIDDEN;
        else if (c == ' ')
            lines->state = FIELDS;
        else if (c == '\n')
            lines->state = START;
        lines->previous = 0;
        break;
    case KEY_HIDDEN:
        lines->state = c == '\n' ? START : KEY;
        break;
    case FIELDS:
        if (c == '\\')
            lines->state = FIELDS_HIDDEN;
        else if (c == '"' && lines->previous == '=')
            lines->state = STRING;
        else if (c == '\n')
            lines->state = START;
        lines->previous = c;
        break;
    case FIELDS_HIDDEN:
        lines->state = c == '\n' ? START : FIELDS;
        lines->previous = 0;
        break;
    case STRING:
        if (c == '\\')
            lines->state = STRING_HIDDEN;
        else if (c == '"')
            lines->state = FIELDS;
        break;
    case STRING_HIDDEN:
        lines->state = STRING;
        break;
    default:
        assert(false); /* no such state */
    }
}

size_t lines_feed(struct lines *lines, const char *bytes, size_t size_bytes, uint64_t points_max)
{
    assert(lines != NULL);
    const char *at = bytes;
    const char *const end = bytes + size_bytes;
    while (at < end) {
        if (lines->state == START && *at != '#' && *at != '\n' && *at != '\r' && *at != ' ' &&
            *at != '\t') {
            const size_t line_bytes = plain_line(at, (size_t)(end - at));
            if (line_bytes > 0) {
                at += line_bytes;
                lines->newline_count++;
                lines->point_count++;
                mark_cut(lines, lines->offset + (uint64_t)(at - bytes));
                if (lines->point_count >= points_max) break;
                continue;
            }
        }
        const char c = *at++;
        const bool hidden = lines->state == KEY_HIDDEN || lines->state == FIELDS_HIDDEN;
        if (c == '\n') lines->newline_count++;
        step(lines, c);
        if (c == '\n' && lines->state == START && !hidden) {
            mark_cut(lines, lines->offset + (uint64_t)(at - bytes));
            if (lines->point_count >= points_max) break;
        }
    }
    lines->offset += (uint64_t)(at - bytes);
    return (size_t)(at - bytes);
}
