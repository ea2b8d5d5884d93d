/*
 * plan.h - which column of a CSV file is what, and a row turned into a line of line protocol.
 *
 *     time,station,level,quality          --measurement river --time time --tags station
 *     2024-01-01 00:00,Can Tho,1.42,ok    --time-zone +07:00
 *       -> river,station=Can\ Tho level=1.42,quality="ok" 1704042000000000000
 *
 * A plan_spec is what the command line says, for all files; a plan is made of it for the header
 * of one file. Types that nobody states come from the rows that plan_infer() is shown, of all
 * files, before the first plan is made: so they do not depend on where an import is resumed.
 *
 * Ownership  a spec borrows the command line's texts and owns its type table; a plan owns its
 *            own. Both have a deinit.
 * Threads    one.
 * Errors     plan_make() says on standard error what is wrong. A row is never fatal.
 */
#ifndef PHUSA_CLIENT_PLAN_H
#define PHUSA_CLIENT_PLAN_H

#include <regex.h>

#include "cellvalue.h"
#include "csv.h"
#include "localtz.h"
#include "options.h"
#include "timeformat.h"

#define PLAN_INFER_ROWS  10000u /* of each file */
#define PLAN_FOLD_SERIES 65536u /* series remembered while clocks change */

struct plan_type {
    char *name;          /* of the column */
    enum cell_type type; /* CELL_AUTO: to be inferred */
    bool stated;
    bool saw_number, saw_bool, saw_text;
};

struct plan_spec {
    const char *measurement;
    const char *time_columns, *tag_columns, *field_columns, *ignored_columns; /* a,b,c or NULL */
    struct option_list constant_tags;                                         /* key=value */
    struct option_list filename_tags;                                         /* key=regex */
    struct option_list renames;                                               /* old=new */
    const char *na_words;                                                     /* a,b,c */
    char delimiter, decimal_mark;
    struct timeformat time_format;
    struct localtz *zone;

    /* -- found out -- */
    struct plan_type *types;
    size_t type_count, type_capacity;
};

struct plan_tag {
    size_t column; /* or SIZE_MAX: constant */
    char *key;     /* escaped, for the order */
    char *text;    /* ",key=" or, constant, ",key=value" */
    size_t text_bytes;
};

struct plan_field {
    size_t column;
    char *text; /* "key=" */
    size_t text_bytes;
    enum cell_type type;
    bool inferred;
    bool mixed; /* inferred as string although some cells are numbers: worth a word */
};

/* What the clock did to the rows, over all files. */
struct plan_clock {
    uint64_t twice_first, twice_second, never;
};

struct plan {
    const struct plan_spec *spec;
    size_t column_count;
    char **names;      /* of the columns, as in the header */
    char *measurement; /* escaped */
    size_t measurement_bytes;
    struct plan_tag *tags; /* in the order of their keys, as the server keeps them */
    size_t tag_count;
    struct plan_field *fields;
    size_t field_count;
    size_t time_columns[TIMEFORMAT_PARTS_MAX];
    size_t time_column_count;
    struct textbuf na;     /* words, each with its NUL */
    struct textbuf joined; /* of several time columns under a pattern */
    struct plan_clock clock;
    /* The last instants of the series in the current stretch of rows around a clock change. */
    struct plan_fold {
        uint64_t key;
        int64_t instant_s;
    } * folds;
    size_t fold_count;
    bool quiet; /* the last row was of a day without a change */
};

enum plan_outcome {
    PLAN_POINT,
    PLAN_EMPTY, /* no field has a value: nothing to store */
    PLAN_BAD,
    PLAN_NO_MEMORY,
};

struct plan_point {
    size_t value_count;
    int64_t time_ns;
    uint64_t key;       /* of its series */
    const char *reason; /* of PLAN_BAD; static */
    size_t column;      /* from 1; 0: the row as a whole */
};

/* What is stated in --fields goes into the type table. False: said on standard error. */
bool plan_spec_begin(struct plan_spec *spec);
void plan_spec_deinit(struct plan_spec *spec);

/* Show one row of a file; `header` is its first row's names, copied. False: no memory. */
bool plan_infer(struct plan_spec *spec, char *const *header, size_t column_count,
                const struct csv_row *row);

/* Does the file's name give its tags, the header the columns? */
bool plan_make(struct plan *plan, const struct plan_spec *spec, const char *file_name,
               char *const *header, size_t column_count);
void plan_deinit(struct plan *plan);

/* Append the row's line with its '\n' to `to`, which is unchanged unless PLAN_POINT. */
enum plan_outcome plan_convert(struct plan *plan, const struct csv_row *row, struct textbuf *to,
                               struct plan_point *point);

/* A few words for a type, and whether it was inferred, for --dry-run. */
const char *plan_type_name(enum cell_type type);

#endif
