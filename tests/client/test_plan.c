/*
 * Guards how a CSV row becomes a line: columns to their roles, escapes, NA words, types, and the
 * hours that summer time doubles or takes.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/plan.h"

static struct localtz zone;

static struct plan_spec spec_of(const char *zone_name, const char *format)
{
    const char *reason;
    struct plan_spec spec = {.measurement = "m",
                             .time_columns = "t",
                             .na_words = "NA,",
                             .delimiter = ',',
                             .decimal_mark = '.',
                             .zone = &zone};
    cr_assert(localtz_open(&zone, zone_name, &reason));
    cr_assert_null(timeformat_compile(&spec.time_format, format));
    return spec;
}

/* Convert a whole text; bad rows become "! LINE COLUMN REASON", rows without values "-". The spec
 * is used up. NULL when there is no plan for it. */
static char *convert(struct plan_spec *spec, const char *file_name, const char *text,
                     struct plan_clock *clock)
{
    char path[] = "/tmp/phusa-test-plan-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)unlink(path);
    struct csv *csv = NULL;
    struct csv_row row;
    struct plan plan;
    struct textbuf body = {0};
    char *header[16];
    cr_assert(plan_spec_begin(spec));
    cr_assert(csv_open(&csv, fd, spec->delimiter, 0, 1));
    cr_assert_eq(csv_next(csv, &row), CSV_ROW);
    const size_t columns = row.cell_count;
    for (size_t i = 0; i < columns; i++)
        header[i] = strndup(row.cells[i].text, row.cells[i].text_bytes);
    const uint64_t offset = row.end_offset, line = row.end_line;
    while (csv_next(csv, &row) == CSV_ROW)
        if (row.problem == NULL) cr_assert(plan_infer(spec, header, columns, &row));
    csv_close(csv);
    const bool made = plan_make(&plan, spec, file_name, header, columns);
    for (size_t i = 0; i < columns; i++)
        free(header[i]);
    if (!made) {
        (void)close(fd);
        plan_spec_deinit(spec);
        return NULL;
    }
    cr_assert(csv_open(&csv, fd, spec->delimiter, offset, line));
    while (csv_next(csv, &row) == CSV_ROW) {
        struct plan_point point;
        const enum plan_outcome outcome = plan_convert(&plan, &row, &body, &point);
        if (outcome == PLAN_BAD)
            cr_assert(
                textbuf_print(&body, "! %d %zu %s\n", (int)row.line, point.column, point.reason));
        if (outcome == PLAN_EMPTY) cr_assert(textbuf_print(&body, "-\n"));
    }
    csv_close(csv);
    (void)close(fd);
    if (clock != NULL) *clock = plan.clock;
    plan_deinit(&plan);
    plan_spec_deinit(spec);
    return body.bytes == NULL ? strdup("") : body.bytes;
}

Test(plan, columns_become_tags_fields_and_time)
{
    struct plan_spec spec = spec_of("UTC", "iso");
    spec.measurement = "a b,c";
    spec.tag_columns = "station,z";
    spec.ignored_columns = "no";
    cr_assert(option_list_add(&spec.constant_tags, "m=x,y z"));
    cr_assert(option_list_add(&spec.filename_tags, "f=Data_([A-Z]+)"));
    cr_assert(option_list_add(&spec.renames, "PM2.5=pm 25"));
    cr_assert(option_list_add(&spec.renames, "station=site"));
    char *lines = convert(&spec, "/x/Data_ABC_1.csv",
                          "no,t,PM2.5,wd,station,z,ok\n"
                          "1,2014-11-02,4,N \"W,Can Tho,q=1,true\n"
                          "2,2014-11-02T00:00:00.5Z,NA,NA,,NA,false\n"
                          "3,2014-11-02,,NA,x,,\n",
                          NULL);
    cr_assert_str_eq(lines, "a\\ b\\,c,f=ABC,m=x\\,y\\ z,site=Can\\ Tho,z=q\\=1 "
                            "pm\\ 25=4,wd=\"N \\\"W\",ok=true 1414886400000000000\n"
                            "a\\ b\\,c,f=ABC,m=x\\,y\\ z ok=false 1414886400500000000\n"
                            "-\n");
    free(lines);
}

Test(plan, bad_rows_name_their_column_and_leave_nothing_behind)
{
    struct plan_spec spec = spec_of("UTC", "iso");
    spec.tag_columns = "g";
    spec.field_columns = "f:float,i:int";
    char *lines = convert(&spec, "x.csv",
                          "t,g,f,i\n"
                          ",a,1,1\n"
                          "2014-13-01,a,1,1\n"
                          "2014-11-02,a,x,1\n"
                          "2014-11-02,a,1,1.5\n"
                          "2014-11-02,a\\,1,1\n"
                          "2014-11-02,\"a\nb\",1,1\n"
                          "2014-11-02,a,1\n"
                          "2014-11-02,a,1,1,1\n"
                          "2014-11-02,\"a\"b,1,1\n"
                          "2014-11-02,a,1,1\n",
                          NULL);
    cr_assert_str_eq(lines, "! 2 1 the time is missing\n"
                            "! 3 1 a month outside 1 to 12\n"
                            "! 4 3 not a number\n"
                            "! 5 4 not a whole number\n"
                            "! 6 2 a tag's value cannot end in a backslash\n"
                            "! 7 2 a tag's value cannot have a line break\n"
                            "! 9 0 fewer cells than the header\n"
                            "! 10 0 more cells than the header\n"
                            "! 11 2 something follows the closing quote of a cell\n"
                            "m,g=a f=1,i=1i 1414886400000000000\n");
    free(lines);
}

Test(plan, types_widen_to_what_all_rows_fit)
{
    struct plan_spec spec = spec_of("UTC", "epoch:s");
    char *lines = convert(&spec, "x.csv",
                          "t,whole,mixed,flag,none\n"
                          "1,1,1,true,NA\n"
                          "2,2,x,false,NA\n"
                          "3,2.5,true,NA,NA\n",
                          NULL);
    cr_assert_str_eq(lines, "m whole=1,mixed=\"1\",flag=true 1000000000\n"
                            "m whole=2,mixed=\"x\",flag=false 2000000000\n"
                            "m whole=2.5,mixed=\"true\" 3000000000\n");
    free(lines);
}

Test(plan, several_columns_make_the_time)
{
    struct plan_spec spec = spec_of("Asia/Shanghai", "parts");
    spec.time_columns = "year,month,day,hour";
    char *lines = convert(&spec, "x.csv", "v,year,month,day,hour\n4,2013,3,1,0\n", NULL);
    cr_assert_str_eq(lines, "m v=4 1362067200000000000\n");
    free(lines);
    spec = spec_of("UTC", "%d.%m.%Y %H:%M");
    spec.time_columns = "d,h";
    lines = convert(&spec, "x.csv", "d,h,v\n2.11.2014,1:30,5\n", NULL);
    cr_assert_str_eq(lines, "m v=5 1414891800000000000\n");
    free(lines);
}

Test(plan, an_hour_that_comes_twice_is_the_second_where_the_series_has_reached_the_first)
{
    struct plan_spec spec = spec_of("America/New_York", "%m/%d/%Y %H:%M");
    spec.tag_columns = "s";
    struct plan_clock clock;
    char *lines = convert(&spec, "x.csv",
                          "t,s,v\n"
                          "11/2/2014 0:30,a,1\n11/2/2014 0:30,b,1\n"
                          "11/2/2014 1:00,a,2\n11/2/2014 1:00,b,2\n"
                          "11/2/2014 1:30,a,3\n"
                          "11/2/2014 1:00,a,4\n"
                          "11/2/2014 1:30,a,5\n11/2/2014 1:30,b,5\n"
                          "11/2/2014 2:00,a,6\n"
                          "3/9/2014 2:30,a,7\n",
                          &clock);
    cr_assert_str_eq(lines, "m,s=a v=1 1414902600000000000\nm,s=b v=1 1414902600000000000\n"
                            "m,s=a v=2 1414904400000000000\nm,s=b v=2 1414904400000000000\n"
                            "m,s=a v=3 1414906200000000000\n"
                            "m,s=a v=4 1414908000000000000\n"
                            "m,s=a v=5 1414909800000000000\nm,s=b v=5 1414906200000000000\n"
                            "m,s=a v=6 1414911600000000000\n"
                            "m,s=a v=7 1394350200000000000\n");
    free(lines);
    cr_assert_eq(clock.twice_first, 4);
    cr_assert_eq(clock.twice_second, 2);
    cr_assert_eq(clock.never, 1);
}

Test(plan, mistakes_of_the_command_line_are_found)
{
    static const struct {
        const char *tags, *fields, *time, *header;
    } wrong[] = {
        {"nope", NULL, "t", "t,a\n"},  {NULL, "nope:int", "t", "t,a\n"},
        {NULL, NULL, "nope", "t,a\n"}, {NULL, NULL, "t", "t,a,a\n"},
        {"a", NULL, "t", "t,a\n"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct plan_spec spec = spec_of("UTC", "iso");
        spec.tag_columns = wrong[i].tags;
        spec.field_columns = wrong[i].fields;
        spec.time_columns = wrong[i].time;
        cr_assert_null(convert(&spec, "x.csv", wrong[i].header, NULL), "%zu", i);
    }
}
