/*
 * printer.h - the rows of an answer on standard output: as a table, as CSV, or as they came.
 *
 * Rows are printed as they arrive. A table's widths come from the first PRINTER_WIDTH_ROWS rows
 * of each series; a longer value later pushes its row out, but loses nothing.
 *
 * Ownership  the struct owns the rows it holds back; zero it, set the members above the line,
 *            printer_deinit() to end.
 * Errors     printer_sink()'s callbacks return false when standard output is gone.
 */
#ifndef PHUSA_CLIENT_PRINTER_H
#define PHUSA_CLIENT_PRINTER_H

#include <stdio.h>

#include "lib/phusa_client.h"
#include "lib/textbuf.h"
#include "localtz.h"

#define PRINTER_WIDTH_ROWS 1000u

enum printer_format { PRINTER_TABLE, PRINTER_CSV, PRINTER_JSON };

struct printer {
    enum printer_format format;
    FILE *output;
    FILE *errors; /* messages of the server and failed statements; may be NULL */
    struct localtz
        *zone;        /* show times, which arrive as ns, as clock time here; NULL: as they are */
    bool is_terminal; /* escape control characters, so that data cannot steer the terminal */

    /* -- its own -- */
    struct phusa_client_series *series; /* NULL until the first */
    struct textbuf held;                /* cells waiting for their widths: kind, text, NUL */
    size_t held_rows;
    size_t *widths;
    bool *right; /* columns of numbers */
    bool header_printed;
    uint64_t series_count, row_count;
    struct textbuf cell;
    struct textbuf last_header; /* CSV: not repeated while it stays the same */
};

struct phusa_client_sink printer_sink(struct printer *printer);
/* Print what is held back: at the end of an answer. */
bool printer_finish(struct printer *printer);
void printer_deinit(struct printer *printer);

/* "2014-11-02T05:30:00Z" or "...+07:00", with as many fractional digits as it needs. */
void printer_time_text(char text[static 48], int64_t time_ns, const struct localtz *zone);

#endif
