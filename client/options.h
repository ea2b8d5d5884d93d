/*
 * options.h - the command line: tables of options, their values, and help made from them.
 *
 *     --name VALUE   --name=VALUE   --flag   --   (the rest are operands)   - (an operand)
 *
 * Ownership  values point into argv; lists own their arrays (option_list_deinit).
 * Errors     a message on standard error, with the nearest known name, and false.
 */
#ifndef PHUSA_CLIENT_OPTIONS_H
#define PHUSA_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_list {
    const char **items;
    size_t count, capacity;
};

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_COUNT,    /* uint64_t, decimal, at least 1 */
    OPTION_DURATION, /* int64_t milliseconds: 500ms 30s 5m 1h; a number alone is seconds */
    OPTION_LIST,     /* struct option_list: may be given several times */
};

struct option {
    const char *name; /* without dashes; NULL ends a table */
    enum option_kind kind;
    void *target;
    const char *value_name; /* for the help; NULL for a flag */
    const char *help;
};

#define OPTION_TABLES_MAX 3

struct option_set {
    const struct option *tables[OPTION_TABLES_MAX]; /* NULL: unused */
};

/* Read argv[first..argc) into the targets; what is no option goes to *operands. */
bool options_parse(const struct option_set *set, int argc, char *const *argv, int first,
                   struct option_list *operands);

bool option_list_add(struct option_list *list, const char *item);
void option_list_deinit(struct option_list *list);

/* The table for people, one option a line, wrapped at 80 columns. */
void options_print_help(const struct option *table);

/* The name nearest to `text`, or NULL when none is near enough to be a slip of the finger. */
const char *nearest_name(const char *text, const char *const *names, size_t name_count);

#endif
