/*
 * csv.h - read CSV as in RFC 4180, and as it is really written: any delimiter, LF or CRLF, a
 * byte order mark, quoted cells with delimiters, quotes ("") and line ends in them.
 *
 * A row that cannot be read is returned with `problem` set, and reading goes on behind it: with
 * a quote that never ends, at the line after the one where it began. Blank lines are skipped.
 *
 * Ownership  csv_open() allocates, csv_close() frees; the file stays the caller's. A row's cells
 *            live until the next csv_next().
 * Memory     a buffer of 1 MiB that grows to CSV_ROW_BYTES_MAX.
 * Errors     CSV_ERROR with errno set: the file could not be read.
 */
#ifndef PHUSA_CLIENT_CSV_H
#define PHUSA_CLIENT_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_ROW_BYTES_MAX (4u << 20)
#define CSV_CELLS_MAX     16384u /* of one row */

struct csv_cell {
    const char *text; /* unquoted, without its NUL */
    size_t text_bytes;
    bool quoted;
};

struct csv_row {
    const struct csv_cell *cells;
    size_t cell_count;
    uint64_t line;       /* from 1: of the row's first character */
    uint64_t offset;     /* in the file: of the row ... */
    uint64_t end_offset; /* ... and behind it */
    uint64_t end_line;   /* of the row after it */
    const char *problem; /* NULL, or why the cells are not to be used; static */
    size_t problem_column;
};

enum csv_result { CSV_ROW, CSV_END, CSV_ERROR };

struct csv;

/* Reads `fd` from `offset`, which is at the start of line `line`. False: no memory. */
bool csv_open(struct csv **csv, int fd, char delimiter, uint64_t offset, uint64_t line);
enum csv_result csv_next(struct csv *csv, struct csv_row *row);
void csv_close(struct csv *csv); /* NULL is allowed */

#endif
