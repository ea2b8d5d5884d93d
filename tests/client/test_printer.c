/*
 * Guards what people and spreadsheets get to see of an answer: aligned columns, quoted cells,
 * and no control character of the data on the terminal.
 */
#include <criterion/criterion.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/printer.h"

static char *printed;
static size_t printed_bytes;

static struct printer begin(enum printer_format format)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return (struct printer){.format = format, .output = open_memstream(&printed, &printed_bytes)};
}

static void series(struct printer *printer, const char *name, const char *tag_value)
{
    static const char *const columns[] = {"time", "value", "note"};
    const struct phusa_client_tag tag = {"site", tag_value};
    const struct phusa_client_sink sink = printer_sink(printer);
    const struct phusa_client_series head = {0, name, &tag, tag_value != NULL, columns, 3};
    cr_assert(sink.series(printer, &head));
}

static void row(struct printer *printer, const char *time, const char *value, const char *note)
{
    const struct phusa_client_value values[] = {
        {PHUSA_CLIENT_NUMBER, time, strlen(time)},
        {value == NULL ? PHUSA_CLIENT_NULL : PHUSA_CLIENT_NUMBER, value == NULL ? "" : value,
         value == NULL ? 0 : strlen(value)},
        {PHUSA_CLIENT_STRING, note, strlen(note)},
    };
    const struct phusa_client_sink sink = printer_sink(printer);
    cr_assert(sink.row(printer, values, 3));
}

static void expect(struct printer *printer, const char *expected)
{
    cr_assert(printer_finish(printer));
    (void)fclose(printer->output);
    cr_assert_str_eq(printed, expected);
    printer_deinit(printer);
    free(printed);
}

Test(printer, tables_are_aligned_by_what_is_seen)
{
    struct printer printer = begin(PRINTER_TABLE);
    series(&printer, "level", "C\xE1\xBA\xA7n Th\xC6\xA1");
    row(&printer, "1000", "1.5", "C\xE1\xBA\xA7n");
    row(&printer, "20", NULL, "low\x1b[31m\n");
    row(&printer, "3", "-12", "");
    series(&printer, "rain", NULL);
    row(&printer, "1", "2", "x");
    expect(&printer, "level: site=C\xE1\xBA\xA7n Th\xC6\xA1\n"
                     "time  value  note\n"
                     "----  -----  -------------\n"
                     "1000    1.5  C\xE1\xBA\xA7n\n"
                     "  20         low\\x1B[31m\\n\n"
                     "   3    -12  \n"
                     "\n"
                     "rain\n"
                     "time  value  note\n"
                     "----  -----  ----\n"
                     "   1      2  x\n");
}

Test(printer, csv_is_quoted_and_one_header_serves_alike_series)
{
    struct printer printer = begin(PRINTER_CSV);
    series(&printer, "a,b", "x");
    row(&printer, "1", "2", "say \"hi\"\n");
    series(&printer, "c", NULL);
    row(&printer, "3", NULL, "");
    expect(&printer, "name,tags,time,value,note\n"
                     "\"a,b\",site=x,1,2,\"say \"\"hi\"\"\n\"\n"
                     "c,,3,,\n");
}

Test(printer, times_are_shown_in_a_zone)
{
    char text[48];
    struct localtz *zone = calloc(1, sizeof *zone);
    const char *reason;
    cr_assert(localtz_open(zone, "+07:00", &reason));
    printer_time_text(text, 1414891800500000000, zone);
    cr_assert_str_eq(text, "2014-11-02T08:30:00.5+07:00");
    printer_time_text(text, -1, NULL);
    cr_assert_str_eq(text, "1969-12-31T23:59:59.999999999Z");
    printer_time_text(text, INT64_MIN + 2, NULL);
    cr_assert_str_eq(text, "1677-09-21T00:12:43.145224194Z");
    cr_assert(localtz_open(zone, "-00:30", &reason));
    printer_time_text(text, 0, zone);
    cr_assert_str_eq(text, "1969-12-31T23:30:00-00:30");
    free(zone);
}

Test(printer, a_long_answer_holds_back_only_its_first_rows)
{
    struct printer printer = begin(PRINTER_TABLE);
    series(&printer, "m", NULL);
    for (unsigned i = 0; i < PRINTER_WIDTH_ROWS * 3; i++) {
        row(&printer, "1", "2", "x");
        cr_assert(printer.held_rows < PRINTER_WIDTH_ROWS);
    }
    cr_assert_eq(printer.row_count, PRINTER_WIDTH_ROWS * 3);
    cr_assert(printer_finish(&printer));
    (void)fclose(printer.output);
    printer_deinit(&printer);
    free(printed);
}
