/*
 * csv.c - the CSV reader.
 *
 * Each row is parsed in the read buffer, quoted cells are unescaped in place. A row that ends
 * beyond the buffer is parsed again from its start after the next read: rows are short, and a
 * parser without suspended states is one that can be believed. So that in-place unescaping never
 * spoils a second parse, the end of the row is found first (find_row_end), then cut into cells.
 */
#include "csv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES_FIRST (1u << 20)

struct csv {
    int fd;
    char delimiter;
    bool ended;
    char *buffer;
    size_t capacity, begin, end; /* unread bytes are buffer[begin, end) */
    uint64_t offset, line;       /* of buffer[begin] */
    struct csv_cell *cells;
    size_t cell_capacity;
};

bool csv_open(struct csv **csv, int fd, char delimiter, uint64_t offset, uint64_t line)
{
    assert(csv != NULL);
    struct csv *opened = calloc(1, sizeof *opened);
    if (opened == NULL) return false;
    *opened = (struct csv){.fd = fd, .delimiter = delimiter, .offset = offset, .line = line};
    opened->buffer = malloc(BUFFER_BYTES_FIRST);
    opened->capacity = BUFFER_BYTES_FIRST;
    if (opened->buffer == NULL) {
        csv_close(opened);
        return false;
    }
    *csv = opened;
    return true;
}

void csv_close(struct csv *csv)
{
    if (csv == NULL) return;
    free(csv->buffer);
    free(csv->cells);
    free(csv);
}

/* More bytes behind buffer[end); *grown is false at the end of the file and at the row limit. */
static bool read_more(struct csv *csv, bool *grown)
{
    *grown = false;
    if (csv->ended) return true;
    if (csv->begin > 0) {
        memmove(csv->buffer, csv->buffer + csv->begin, csv->end - csv->begin);
        csv->end -= csv->begin;
        csv->begin = 0;
    }
    if (csv->end == csv->capacity) {
        if (csv->capacity >= CSV_ROW_BYTES_MAX) return true;
        char *buffer = realloc(csv->buffer, csv->capacity * 2);
        if (buffer == NULL) return false;
        csv->buffer = buffer;
        csv->capacity *= 2;
    }
    ssize_t count;
    do {
        count = pread(csv->fd, csv->buffer + csv->end, csv->capacity - csv->end,
                      (off_t)(csv->offset + csv->end));
    } while (count < 0 && errno == EINTR);
    if (count < 0) return false;
    csv->ended = count == 0;
    csv->end += (size_t)count;
    *grown = count > 0;
    return true;
}

struct row_end {
    size_t content_bytes; /* without the line end */
    size_t total_bytes;   /* with it */
    uint64_t newline_count;
    bool found, in_quotes;
};

/* Where the row at `bytes` ends. A quote opens only at the start of a cell. */
static struct row_end find_row_end(const char *bytes, size_t size_bytes, char delimiter)
{
    struct row_end end = {0};
    bool cell_start = true;
    for (size_t i = 0; i < size_bytes; i++) {
        const char c = bytes[i];
        if (end.in_quotes) {
            const char *quote = memchr(bytes + i, '"', size_bytes - i);
            const size_t stop = quote == NULL ? size_bytes : (size_t)(quote - bytes);
            for (const char *at = bytes + i; (at = memchr(at, '\n', (size_t)(bytes + stop - at)));
                 at++)
                end.newline_count++;
            i = stop;
            if (quote == NULL) break;
            if (i + 1 < size_bytes && bytes[i + 1] == '"')
                i++;
            else
                end.in_quotes = false;
        } else if (c == '\n') {
            end.content_bytes = i > 0 && bytes[i - 1] == '\r' ? i - 1 : i;
            end.total_bytes = i + 1;
            end.newline_count++;
            end.found = true;
            break;
        } else if (c == '"' && cell_start) {
            end.in_quotes = true;
            cell_start = false;
        } else {
            cell_start = c == delimiter;
        }
    }
    return end;
}

static struct csv_cell *add_cell(struct csv *csv, size_t count)
{
    if (count == csv->cell_capacity) {
        const size_t capacity = csv->cell_capacity == 0 ? 64 : csv->cell_capacity * 2;
        struct csv_cell *cells = realloc(csv->cells, capacity * sizeof *cells);
        if (cells == NULL) return NULL;
        csv->cells = cells;
        csv->cell_capacity = capacity;
    }
    return &csv->cells[count];
}

/* Unescape a quoted cell in place; returns the byte behind its closing quote, or NULL. */
static char *take_quoted(char *at, const char *end, struct csv_cell *cell)
{
    char *from = at + 1, *to = at + 1;
    *cell = (struct csv_cell){.text = at + 1, .quoted = true};
    while (from < end) {
        if (*from == '"') {
            if (from + 1 >= end || from[1] != '"') break;
            from++;
        }
        *to++ = *from++;
    }
    cell->text_bytes = (size_t)(to - (at + 1));
    return from < end ? from + 1 : NULL;
}

/* Cut [at, end) into cells. False: no memory. */
static bool cut_cells(struct csv *csv, char *at, const char *end, struct csv_row *row)
{
    size_t count = 0;
    for (;;) {
        if (count == CSV_CELLS_MAX) {
            row->problem = "more than 16384 cells in a row";
            row->problem_column = count + 1;
            break;
        }
        struct csv_cell *cell = add_cell(csv, count);
        if (cell == NULL) return false;
        count++;
        if (at < end && *at == '"') {
            at = take_quoted(at, end, cell);
            if (at == NULL || (at < end && *at != csv->delimiter)) {
                row->problem = at == NULL ? "a quote is not closed"
                                          : "something follows the closing quote of a cell";
                row->problem_column = count;
                break;
            }
        } else {
            const char *stop = at;
            while (stop < end && *stop != csv->delimiter)
                stop++;
            *cell = (struct csv_cell){.text = at, .text_bytes = (size_t)(stop - at)};
            at += stop - at;
        }
        if (at == end) break;
        at++; /* the delimiter */
    }
    row->cells = csv->cells;
    row->cell_count = count;
    return true;
}

static void skip_byte_order_mark(struct csv *csv)
{
    if (csv->offset != 0 || csv->end - csv->begin < 3) return;
    if (memcmp(csv->buffer + csv->begin, "\xEF\xBB\xBF", 3) != 0) return;
    csv->begin += 3;
    csv->offset += 3;
}

static void consume(struct csv *csv, size_t bytes, uint64_t newline_count)
{
    csv->begin += bytes;
    csv->offset += bytes;
    csv->line += newline_count;
}

/* The row whose quote never ends is its first line only. */
static struct row_end first_line(const char *bytes, size_t size_bytes)
{
    const char *newline = memchr(bytes, '\n', size_bytes);
    const size_t line_bytes = newline == NULL ? size_bytes : (size_t)(newline - bytes) + 1;
    return (struct row_end){.content_bytes = line_bytes,
                            .total_bytes = line_bytes,
                            .newline_count = newline == NULL ? 0 : 1,
                            .found = true};
}

enum csv_result csv_next(struct csv *csv, struct csv_row *row)
{
    assert(csv != NULL);
    for (;;) {
        skip_byte_order_mark(csv);
        const size_t left = csv->end - csv->begin;
        struct row_end end = find_row_end(csv->buffer + csv->begin, left, csv->delimiter);
        const char *problem = NULL;
        if (!end.found) {
            bool grown;
            if (!read_more(csv, &grown)) return CSV_ERROR;
            if (grown) continue;
            if (left == 0) return CSV_END;
            if (end.in_quotes || !csv->ended) {
                problem = end.in_quotes ? "a quote is not closed" : "a row longer than 4 MiB";
                end = first_line(csv->buffer + csv->begin, left);
            } else {
                end.content_bytes = left;
                end.total_bytes = left;
                if (csv->buffer[csv->begin + left - 1] == '\r') end.content_bytes--;
            }
        }
        char *const bytes = csv->buffer + csv->begin;
        *row = (struct csv_row){.line = csv->line,
                                .offset = csv->offset,
                                .problem = problem,
                                .problem_column = problem == NULL ? 0 : 1};
        consume(csv, end.total_bytes, end.newline_count);
        row->end_offset = csv->offset;
        row->end_line = csv->line;
        if (problem != NULL) return CSV_ROW;
        if (end.content_bytes == 0) continue; /* a blank line */
        return cut_cells(csv, bytes, bytes + end.content_bytes, row) ? CSV_ROW : CSV_ERROR;
    }
}
