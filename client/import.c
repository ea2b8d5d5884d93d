/*
 * import.c - `phusa import csv`: files to points.
 *
 * One thread reads and converts, the sender's threads send. The command line is read here;
 * importrun.c does the work.
 */
#include "importrun.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS_DEFAULT  10000u
#define CONNECTIONS_DEFAULT 4u

static struct {
    const char *time_format, *time_zone, *delimiter, *na_words, *columns;
    bool decimal_comma, create;
    struct import_settings import;
    struct plan_spec spec;
} settings = {
    .import = {.batch_rows = BATCH_ROWS_DEFAULT, .connections = CONNECTIONS_DEFAULT},
};

static const struct option import_options[] = {
    {"db", OPTION_TEXT, &settings.import.database, "DB", "the database to write to (required)"},
    {"rp", OPTION_TEXT, &settings.import.retention_policy, "RP",
     "the retention policy; default: the database's own"},
    {"create-db", OPTION_FLAG, &settings.create, NULL, "create the database if it is not there"},
    {"measurement", OPTION_TEXT, &settings.spec.measurement, "M",
     "the measurement of all points (required)"},
    {"time", OPTION_TEXT, &settings.spec.time_columns, "COL[,COL...]",
     "the column that holds the time, or several that make it up (required)"},
    {"time-format", OPTION_TEXT, &settings.time_format, "F",
     "how the time is written: iso (default for one column), parts (default for several: year, "
     "month, day, hour, minute, second in this order), epoch:s, epoch:ms, epoch:u, epoch:ns, or "
     "like strptime: '%m/%d/%Y %H:%M' (several columns are joined by a space)"},
    {"time-zone", OPTION_TEXT, &settings.time_zone, "ZONE",
     "the zone of times that do not say it: Asia/Ho_Chi_Minh, +07:00; default UTC"},
    {"tags", OPTION_TEXT, &settings.spec.tag_columns, "COL[,COL...]", "columns that become tags"},
    {"fields", OPTION_TEXT, &settings.spec.field_columns, "COL[:TYPE],...",
     "columns that become fields, with their types: float, int, uint, bool, string; default: "
     "every other column, types inferred"},
    {"ignore", OPTION_TEXT, &settings.spec.ignored_columns, "COL[,COL...]", "columns to leave out"},
    {"rename", OPTION_LIST, &settings.spec.renames, "OLD=NEW",
     "store column OLD under the name NEW; may be repeated"},
    {"tag", OPTION_LIST, &settings.spec.constant_tags, "KEY=VALUE",
     "a tag of every point; may be repeated"},
    {"tag-from-filename", OPTION_LIST, &settings.spec.filename_tags, "KEY=REGEX",
     "a tag from the file's name: the first group of the regular expression (or all it matches)"},
    {"na", OPTION_TEXT, &settings.na_words, "WORD[,WORD...]",
     "cells that mean \"no value\", an empty word for empty cells; default: NA and empty"},
    {"delimiter", OPTION_TEXT, &settings.delimiter, "C", "between cells; default ','; or: tab"},
    {"decimal-comma", OPTION_FLAG, &settings.decimal_comma, NULL, "numbers are written 3,14"},
    {"columns", OPTION_TEXT, &settings.columns, "COL,COL...",
     "the names of the columns, for files without a header row"},
    {"batch-rows", OPTION_COUNT, &settings.import.batch_rows, "N",
     "rows in a request; default 10000"},
    {"connections", OPTION_COUNT, &settings.import.connections, "N",
     "requests in flight, 1 to 16; default 4"},
    {"gzip", OPTION_FLAG, &settings.import.gzip, NULL,
     "compress the requests: worth it on slow lines"},
    {"state", OPTION_TEXT, &settings.import.state_path, "FILE",
     "remember in FILE what is stored; a repeat goes on there"},
    {"bad-rows", OPTION_TEXT, &settings.import.bad_rows_path, "FILE",
     "write every bad row to FILE, as CSV: file, line, column, reason, text"},
    {"dry-run", OPTION_FLAG, &settings.import.dry_run, NULL,
     "send nothing; print the first points and the columns' types"},
    {NULL, OPTION_FLAG, NULL, NULL, NULL},
};

void import_help(void)
{
    puts("Usage: phusa import csv FILE... --db DB --measurement M --time COL [OPTIONS]\n"
         "\n"
         "Load CSV files (RFC 4180, with a header row). A row that cannot be read, or that the\n"
         "server refuses, is listed with file, line, column and reason, the first 20 of them;\n"
         "all others are stored. Loading a file again changes nothing: equal points are stored\n"
         "once. Where a file holds a point twice, the later row wins.\n"
         "\n"
         "Types that --fields does not state are inferred from the first 10,000 rows of each\n"
         "file: numbers are float (whole ones too: the next row may be 7.5), true and false are\n"
         "bool, anything else is string. A later cell that does not fit is a bad row.\n"
         "\n"
         "A local time that happens twice, when summer time ends, is taken as the first of the\n"
         "two, unless the row before it of the same series has already reached that: then as\n"
         "the second. A local time that never happens, when summer time begins, is shifted\n"
         "forward by the gap. Both are counted at the end.\n"
         "\n"
         "Exit code: 0 all stored, 1 some rows bad or refused, 2 could not.\n"
         "\n"
         "Options:");
    options_print_help(import_options);
    options_print_help(tool_global_options);
    puts("\n"
         "Examples:\n"
         "  phusa import csv PRSA_*.csv --db air --measurement air --tags station --ignore No \\\n"
         "    --time year,month,day,hour --time-zone Asia/Shanghai\n"
         "  phusa import csv AEP_hourly.csv --db load --measurement load --tag area=AEP \\\n"
         "    --time datetime --time-format '%m/%d/%Y %H:%M' --time-zone America/New_York");
}

static bool missing(const char *option)
{
    fprintf(stderr, "phusa: import csv needs --%s; phusa help import has examples\n", option);
    return false;
}

static bool check_delimiter(struct plan_spec *spec)
{
    const char *text = settings.delimiter == NULL ? "," : settings.delimiter;
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0) text = "\t";
    if (strlen(text) != 1 || strchr("\"\r\n", text[0]) != NULL) {
        fprintf(stderr, "phusa: --delimiter is one character or tab, not \"%s\"\n", text);
        return false;
    }
    spec->delimiter = text[0];
    spec->decimal_mark = settings.decimal_comma ? ',' : '.';
    return true;
}

static bool check_time(struct plan_spec *spec)
{
    static struct localtz zone; /* with its cache of days too large for the stack */
    const bool several = strchr(spec->time_columns, ',') != NULL;
    const char *format = settings.time_format;
    if (format == NULL) format = several ? "parts" : "iso";
    const char *problem = timeformat_compile(&spec->time_format, format);
    if (problem != NULL) {
        fprintf(stderr, "phusa: --time-format \"%s\": %s\n", format, problem);
        return false;
    }
    const char *zone_name = settings.time_zone == NULL ? "UTC" : settings.time_zone;
    if (!localtz_open(&zone, zone_name, &problem)) {
        fprintf(stderr, "phusa: --time-zone %s: %s\n", zone_name, problem);
        return false;
    }
    spec->zone = &zone;
    return true;
}

/* What makes one import another than the one that a state file remembers. */
static uint64_t options_hash(const struct plan_spec *spec)
{
    const char *const texts[] = {
        settings.import.database,
        settings.import.retention_policy,
        spec->measurement,
        spec->time_columns,
        settings.time_format,
        settings.time_zone,
        spec->tag_columns,
        spec->field_columns,
        spec->ignored_columns,
        settings.na_words,
        settings.delimiter,
        settings.columns,
        settings.decimal_comma ? "," : ".",
    };
    const struct option_list *const lists[] = {&spec->renames, &spec->constant_tags,
                                               &spec->filename_tags};
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, each text with its NUL */
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = texts[i] == NULL ? "" : texts[i];
        do
            hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
        while (*text++ != 0);
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t j = 0; j < lists[i]->count; j++) {
            const char *text = lists[i]->items[j];
            do
                hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
            while (*text++ != 0);
        }
    }
    return hash;
}

static bool check_settings(void)
{
    struct plan_spec *spec = &settings.spec;
    if (settings.import.database == NULL && !settings.import.dry_run) return missing("db");
    if (spec->measurement == NULL) return missing("measurement");
    if (spec->time_columns == NULL) return missing("time");
    if (settings.import.connections > SENDER_CONNECTIONS_MAX) {
        fprintf(stderr, "phusa: --connections is at most %u\n", SENDER_CONNECTIONS_MAX);
        return false;
    }
    spec->na_words = settings.na_words == NULL ? "NA," : settings.na_words;
    settings.import.columns = settings.columns;
    if (!check_delimiter(spec) || !check_time(spec) || !plan_spec_begin(spec)) return false;
    settings.import.options_hash = options_hash(spec);
    return true;
}

int import_main(int argc, char **argv)
{
    struct option_list operands = {0};
    int code;
    if (!tool_parse(import_options, argc, argv, 2, &operands, import_help, &code)) goto out;
    code = TOOL_FAILED;
    if (operands.count == 0 || strcmp(operands.items[0], "csv") != 0) {
        fputs("phusa: say what to import: phusa import csv FILE... ; phusa help import has more\n",
              stderr);
        goto out;
    }
    if (operands.count == 1) {
        fputs("phusa: import csv needs at least one FILE\n", stderr);
        goto out;
    }
    if (!check_settings()) goto out;
    tool_catch_interrupt();
    if (settings.create && !settings.import.dry_run &&
        !tool_create_database(settings.import.database))
        goto out;
    code = import_run(&settings.import, &settings.spec, operands.items + 1, operands.count - 1);
out:
    plan_spec_deinit(&settings.spec);
    option_list_deinit(&operands);
    return code;
}
