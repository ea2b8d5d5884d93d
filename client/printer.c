/*
 * printer.c - answers for people (table), for spreadsheets (CSV) and for programs (JSON).
 */
#include "printer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#define HELD_BYTES_MAX (4u << 20)
#define WIDTH_MAX      60 /* a longer cell does not push the others of its column out */

/* -- times -- */

void printer_time_text(char text[static 48], int64_t time_ns, const struct localtz *zone)
{
    int64_t second = time_ns / 1000000000, ns = time_ns % 1000000000;
    if (ns < 0) {
        ns += 1000000000;
        second--;
    }
    const int32_t offset_s = zone == NULL ? 0 : localtz_offset_s(zone, second);
    const time_t local = (time_t)(second + offset_s);
    struct tm clock;
    (void)gmtime_r(&local, &clock);
    int used = snprintf(text, 48, "%04d-%02d-%02dT%02d:%02d:%02d", clock.tm_year + 1900,
                        clock.tm_mon + 1, clock.tm_mday, clock.tm_hour, clock.tm_min, clock.tm_sec);
    if (ns != 0) {
        used += snprintf(text + used, 48 - (size_t)used, ".%09" PRId64, ns);
        while (text[used - 1] == '0')
            used--;
    }
    if (offset_s == 0) {
        (void)snprintf(text + used, 48 - (size_t)used, "Z");
    } else {
        const int32_t minutes = abs(offset_s) / 60;
        (void)snprintf(text + used, 48 - (size_t)used, "%c%02d:%02d", offset_s < 0 ? '-' : '+',
                       minutes / 60, minutes % 60);
    }
}

/* -- cells -- */

/* Columns that a text takes on a terminal. */
static size_t text_width(const char *text, size_t text_bytes)
{
    size_t width = 0;
    mbstate_t state = {0};
    while (text_bytes > 0) {
        wchar_t wide;
        size_t bytes = mbrtowc(&wide, text, text_bytes, &state);
        if (bytes == (size_t)-1 || bytes == (size_t)-2 || bytes == 0) {
            state = (mbstate_t){0};
            bytes = 1;
            width++;
        } else {
            const int cells = wcwidth(wide);
            width += cells > 0 ? (size_t)cells : 0;
        }
        text += bytes;
        text_bytes -= bytes;
    }
    return width;
}

static bool append_visible(struct textbuf *to, const char *text, size_t text_bytes)
{
    for (size_t i = 0; i < text_bytes; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool c1 = c == 0xC2 && i + 1 < text_bytes && (unsigned char)text[i + 1] < 0xA0;
        bool good;
        if (c == '\n')
            good = textbuf_append(to, "\\n", 2);
        else if (c == '\t')
            good = textbuf_append(to, "\\t", 2);
        else if (c < 0x20 || c == 0x7F || c1)
            good = textbuf_print(to, "\\x%02X", c);
        else
            good = textbuf_append(to, text + i, 1);
        if (!good) return false;
    }
    return true;
}

static bool is_time_column(const struct printer *printer, size_t column)
{
    return strcmp(printer->series->columns[column], "time") == 0;
}

/* The text of a value, in printer->cell. */
static bool set_cell(struct printer *printer, size_t column, const struct phusa_client_value *value)
{
    struct textbuf *cell = &printer->cell;
    textbuf_clear(cell);
    if (value->kind == PHUSA_CLIENT_NUMBER && printer->zone != NULL &&
        is_time_column(printer, column)) {
        char text[48];
        printer_time_text(text, strtoll(value->text, NULL, 10), printer->zone);
        return textbuf_append(cell, text, strlen(text));
    }
    if (printer->format == PRINTER_TABLE)
        return append_visible(cell, value->text, value->text_bytes) && textbuf_reserve(cell, 1);
    return textbuf_append(cell, value->text, value->text_bytes);
}

/* -- the series at hand -- */

static void forget_series(struct printer *printer)
{
    struct phusa_client_series *series = printer->series;
    if (series == NULL) return;
    free((void *)(uintptr_t)series->name);
    for (size_t i = 0; i < series->tag_count; i++) {
        free((void *)(uintptr_t)series->tags[i].key);
        free((void *)(uintptr_t)series->tags[i].value);
    }
    for (size_t i = 0; i < series->column_count; i++)
        free((void *)(uintptr_t)series->columns[i]);
    free((void *)(uintptr_t)series->tags);
    free((void *)(uintptr_t)series->columns);
    free(series);
    free(printer->widths);
    free(printer->right);
    printer->series = NULL;
    printer->widths = NULL;
    printer->right = NULL;
}

static bool copy_series(struct printer *printer, const struct phusa_client_series *from)
{
    struct phusa_client_series *series = calloc(1, sizeof *series);
    struct phusa_client_tag *tags = calloc(from->tag_count + 1, sizeof *tags);
    const char **columns = calloc(from->column_count + 1, sizeof *columns);
    printer->widths = calloc(from->column_count + 1, sizeof *printer->widths);
    printer->right = calloc(from->column_count + 1, sizeof *printer->right);
    if (series == NULL || tags == NULL || columns == NULL) {
        free(series);
        free(tags);
        free(columns);
        return false;
    }
    bool good = printer->widths != NULL && printer->right != NULL;
    *series = (struct phusa_client_series){
        from->statement_id, strdup(from->name), tags, from->tag_count, columns, from->column_count};
    printer->series = series;
    good = good && series->name != NULL;
    for (size_t i = 0; i < from->tag_count; i++) {
        tags[i] = (struct phusa_client_tag){strdup(from->tags[i].key), strdup(from->tags[i].value)};
        good = good && tags[i].key != NULL && tags[i].value != NULL;
    }
    for (size_t i = 0; i < from->column_count; i++) {
        columns[i] = strdup(from->columns[i]);
        good = good && columns[i] != NULL;
    }
    return good;
}

/* -- table -- */

static void put_padded(FILE *output, const char *text, size_t text_bytes, size_t width, bool right,
                       bool last)
{
    const size_t taken = text_width(text, text_bytes);
    const int padding = taken < width ? (int)(width - taken) : 0;
    if (right) fprintf(output, "%*s", padding, "");
    (void)fwrite(text, 1, text_bytes, output);
    if (!right && !last) fprintf(output, "%*s", padding, "");
    fputs(last ? "\n" : "  ", output);
}

/* "level: station=Cần Thơ", the column names, a line under them. */
static void print_table_header(struct printer *printer)
{
    const struct phusa_client_series *series = printer->series;
    FILE *output = printer->output;
    printer->header_printed = true;
    if (printer->series_count > 1) fputc('\n', output);
    struct textbuf title = {0};
    (void)append_visible(&title, series->name, strlen(series->name));
    for (size_t i = 0; i < series->tag_count; i++) {
        (void)textbuf_print(&title, "%s", i == 0 ? (title.used > 0 ? ": " : "") : ", ");
        (void)append_visible(&title, series->tags[i].key, strlen(series->tags[i].key));
        (void)textbuf_append(&title, "=", 1);
        (void)append_visible(&title, series->tags[i].value, strlen(series->tags[i].value));
    }
    if (title.used > 0) fprintf(output, "%s\n", title.bytes);
    textbuf_deinit(&title);

    for (size_t i = 0; i < series->column_count; i++) {
        const char *name = series->columns[i];
        const size_t width = text_width(name, strlen(name));
        if (width > printer->widths[i]) printer->widths[i] = width;
        put_padded(output, name, strlen(name), printer->widths[i], printer->right[i],
                   i + 1 == series->column_count);
    }
    for (size_t i = 0; i < series->column_count; i++) {
        for (size_t j = 0; j < printer->widths[i]; j++)
            fputc('-', output);
        fputs(i + 1 == series->column_count ? "\n" : "  ", output);
    }
}

/* Held rows are cells one after the other: text and its NUL (a cell has none inside: it has
 * been made visible). */
static void print_held(struct printer *printer)
{
    if (printer->series == NULL) return;
    if (!printer->header_printed) print_table_header(printer);
    const size_t columns = printer->series->column_count;
    const char *at = printer->held.bytes;
    for (size_t row = 0; row < printer->held_rows; row++) {
        for (size_t i = 0; i < columns; i++) {
            const size_t cell_bytes = strlen(at);
            put_padded(printer->output, at, cell_bytes, printer->widths[i], printer->right[i],
                       i + 1 == columns);
            at += cell_bytes + 1;
        }
    }
    textbuf_clear(&printer->held);
    printer->held_rows = 0;
}

static bool table_row(struct printer *printer, const struct phusa_client_value *values,
                      size_t count)
{
    const bool settled = printer->header_printed;
    for (size_t i = 0; i < count; i++) {
        if (!set_cell(printer, i, &values[i])) return false;
        const char *text = printer->cell.bytes == NULL ? "" : printer->cell.bytes;
        const size_t text_bytes = printer->cell.used;
        if (settled) {
            put_padded(printer->output, text, text_bytes, printer->widths[i], printer->right[i],
                       i + 1 == count);
            continue;
        }
        if (values[i].kind == PHUSA_CLIENT_NUMBER && !(printer->zone && is_time_column(printer, i)))
            printer->right[i] = true;
        size_t width = text_width(text, text_bytes);
        if (width > WIDTH_MAX) width = WIDTH_MAX;
        if (width > printer->widths[i]) printer->widths[i] = width;
        if (!textbuf_append(&printer->held, text, text_bytes + 1)) return false;
    }
    if (settled) return true;
    printer->held_rows++;
    if (printer->held_rows == PRINTER_WIDTH_ROWS || printer->held.used > HELD_BYTES_MAX)
        print_held(printer);
    return true;
}

/* -- CSV: name, tags in one cell as key=value pairs, then the columns -- */

static void put_csv(FILE *output, const char *text, size_t text_bytes)
{
    bool quote = text_bytes == 0 ? false : text[0] == ' ' || text[text_bytes - 1] == ' ';
    for (size_t i = 0; i < text_bytes && !quote; i++)
        quote = strchr(",\"\r\n", text[i]) != NULL;
    if (!quote) {
        (void)fwrite(text, 1, text_bytes, output);
        return;
    }
    fputc('"', output);
    for (size_t i = 0; i < text_bytes; i++) {
        if (text[i] == '"') fputc('"', output);
        fputc(text[i], output);
    }
    fputc('"', output);
}

static bool csv_header(struct printer *printer)
{
    const struct phusa_client_series *series = printer->series;
    struct textbuf header = {0};
    bool good = true;
    for (size_t i = 0; good && i < series->column_count; i++)
        good = textbuf_append(&header, series->columns[i], strlen(series->columns[i]) + 1);
    const bool same = good && printer->last_header.bytes != NULL &&
                      header.used == printer->last_header.used &&
                      memcmp(header.bytes, printer->last_header.bytes, header.used) == 0;
    if (good && !same) {
        if (printer->series_count > 1) fputc('\n', printer->output);
        fputs("name,tags", printer->output);
        for (size_t i = 0; i < series->column_count; i++) {
            fputc(',', printer->output);
            put_csv(printer->output, series->columns[i], strlen(series->columns[i]));
        }
        fputc('\n', printer->output);
    }
    textbuf_deinit(&printer->last_header);
    printer->last_header = header;
    return good;
}

static bool csv_row(struct printer *printer, const struct phusa_client_value *values, size_t count)
{
    const struct phusa_client_series *series = printer->series;
    put_csv(printer->output, series->name, strlen(series->name));
    fputc(',', printer->output);
    struct textbuf *cell = &printer->cell;
    textbuf_clear(cell);
    for (size_t i = 0; i < series->tag_count; i++)
        if (!textbuf_print(cell, "%s%s=%s", i == 0 ? "" : ",", series->tags[i].key,
                           series->tags[i].value))
            return false;
    put_csv(printer->output, cell->bytes == NULL ? "" : cell->bytes, cell->used);
    for (size_t i = 0; i < count; i++) {
        fputc(',', printer->output);
        if (!set_cell(printer, i, &values[i])) return false;
        put_csv(printer->output, cell->bytes, cell->used);
    }
    fputc('\n', printer->output);
    return true;
}

/* -- the sink -- */

static bool on_series(void *context, const struct phusa_client_series *series)
{
    struct printer *printer = context;
    if (printer->format == PRINTER_JSON) return true;
    if (printer->format == PRINTER_TABLE) print_held(printer);
    forget_series(printer);
    printer->series_count++;
    printer->header_printed = false;
    if (!copy_series(printer, series)) return false;
    if (printer->format == PRINTER_CSV && !csv_header(printer)) return false;
    return ferror(printer->output) == 0;
}

static bool on_row(void *context, const struct phusa_client_value *values, size_t count)
{
    struct printer *printer = context;
    printer->row_count++;
    bool good = true;
    if (printer->format == PRINTER_TABLE) good = table_row(printer, values, count);
    if (printer->format == PRINTER_CSV) good = csv_row(printer, values, count);
    return good && ferror(printer->output) == 0;
}

static bool on_message(void *context, uint64_t statement_id, const char *level, const char *text)
{
    struct printer *printer = context;
    (void)statement_id;
    if (printer->errors != NULL) fprintf(printer->errors, "%s: %s\n", level, text);
    return true;
}

static bool on_statement_error(void *context, uint64_t statement_id, const char *text)
{
    struct printer *printer = context;
    (void)statement_id;
    if (printer->format == PRINTER_TABLE) print_held(printer);
    (void)fflush(printer->output);
    if (printer->errors != NULL) fprintf(printer->errors, "error: %s\n", text);
    return true;
}

static bool on_raw(void *context, const char *bytes, size_t size_bytes)
{
    struct printer *printer = context;
    return fwrite(bytes, 1, size_bytes, printer->output) == size_bytes;
}

struct phusa_client_sink printer_sink(struct printer *printer)
{
    assert(printer != NULL && printer->output != NULL);
    return (struct phusa_client_sink){
        .context = printer,
        .series = on_series,
        .row = on_row,
        .message = on_message,
        .statement_error = on_statement_error,
        .raw = printer->format == PRINTER_JSON ? on_raw : NULL,
    };
}

bool printer_finish(struct printer *printer)
{
    assert(printer != NULL);
    if (printer->format == PRINTER_TABLE) print_held(printer);
    return fflush(printer->output) == 0 && ferror(printer->output) == 0;
}

void printer_deinit(struct printer *printer)
{
    assert(printer != NULL);
    forget_series(printer);
    textbuf_deinit(&printer->held);
    textbuf_deinit(&printer->cell);
    textbuf_deinit(&printer->last_header);
}
