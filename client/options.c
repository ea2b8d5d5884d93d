/*
 * options.c - the command line.
 */
#include "options.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX      96 /* options of one command, all tables */
#define NEAR_BYTES_MAX 40 /* longer words are nobody's slip */
#define HELP_COLUMN    26
#define HELP_WIDTH     80

bool option_list_add(struct option_list *list, const char *item)
{
    assert(list != NULL);
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        const char **items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL) {
            fputs("phusa: no memory\n", stderr);
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return true;
}

void option_list_deinit(struct option_list *list)
{
    assert(list != NULL);
    free(list->items);
    *list = (struct option_list){0};
}

/* -- nearest -- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Changed, missing, additional and swapped letters between two words. */
static unsigned distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned cost[NEAR_BYTES_MAX + 1][NEAR_BYTES_MAX + 1];
    for (unsigned i = 0; i <= a_bytes; i++)
        cost[i][0] = i;
    for (unsigned j = 0; j <= b_bytes; j++)
        cost[0][j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        for (size_t j = 1; j <= b_bytes; j++) {
            const char x = (char)tolower((unsigned char)a[i - 1]);
            const char y = (char)tolower((unsigned char)b[j - 1]);
            unsigned best = cost[i - 1][j - 1] + (x == y ? 0 : 1);
            best = least(best, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, cost[i - 2][j - 2] + 1);
            cost[i][j] = best;
        }
    }
    return cost[a_bytes][b_bytes];
}

const char *nearest_name(const char *text, const char *const *names, size_t name_count)
{
    const size_t text_bytes = strlen(text);
    if (text_bytes > NEAR_BYTES_MAX) return NULL;
    const char *best = NULL;
    unsigned best_distance = (unsigned)text_bytes / 3 + 2; /* from here on it is another word */
    for (size_t i = 0; i < name_count; i++) {
        const size_t name_bytes = strlen(names[i]);
        if (name_bytes > NEAR_BYTES_MAX) continue;
        const unsigned d = distance(text, text_bytes, names[i], name_bytes);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

/* -- values -- */

static bool parse_count(const char *text, uint64_t *value)
{
    uint64_t number = 0;
    if (*text == 0 || strlen(text) > 18) return false;
    for (; *text != 0; text++) {
        if (!isdigit((unsigned char)*text)) return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    if (number == 0) return false;
    *value = number;
    return true;
}

static bool parse_duration(const char *text, int64_t *value_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    if (!isdigit((unsigned char)*text) || strlen(text) > 12) return false;
    const long long number = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) != 0 || number > INT32_MAX / units[i].ms) continue;
        *value_ms = number * units[i].ms;
        return true;
    }
    return false;
}

static bool set_value(const struct option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return true;
    case OPTION_TEXT:
        *(const char **)option->target = value;
        return true;
    case OPTION_LIST:
        return option_list_add(option->target, value);
    case OPTION_COUNT:
        if (parse_count(value, option->target)) return true;
        fprintf(stderr, "phusa: --%s wants a whole number above 0, not \"%s\"\n", option->name,
                value);
        return false;
    case OPTION_DURATION:
        if (parse_duration(value, option->target)) return true;
        fprintf(stderr, "phusa: --%s wants a duration like 500ms, 30s or 5m, not \"%s\"\n",
                option->name, value);
        return false;
    }
    return false;
}

/* -- parsing -- */

static const struct option *find_option(const struct option_set *set, const char *name,
                                        size_t name_bytes)
{
    for (size_t t = 0; t < OPTION_TABLES_MAX; t++) {
        for (const struct option *at = set->tables[t]; at != NULL && at->name != NULL; at++)
            if (strlen(at->name) == name_bytes && memcmp(at->name, name, name_bytes) == 0)
                return at;
    }
    return NULL;
}

static void report_unknown(const struct option_set *set, const char *argument, size_t name_bytes)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (size_t t = 0; t < OPTION_TABLES_MAX; t++) {
        for (const struct option *at = set->tables[t]; at != NULL && at->name != NULL; at++)
            if (count < NAMES_MAX) names[count++] = at->name;
    }
    const size_t dashes = strspn(argument, "-");
    char name[NEAR_BYTES_MAX + 2];
    (void)snprintf(name, sizeof name, "%.*s", (int)name_bytes, argument + dashes);
    const char *nearest = nearest_name(name, names, count);
    if (nearest != NULL)
        fprintf(stderr, "phusa: unknown option %.*s; did you mean --%s?\n",
                (int)(dashes + name_bytes), argument, nearest);
    else
        fprintf(stderr, "phusa: unknown option %.*s; --help lists what there is\n",
                (int)(dashes + name_bytes), argument);
}

/* argv[*i] is an option; *i moves on by its value. */
static bool parse_option(const struct option_set *set, int argc, char *const *argv, int *i)
{
    const char *const argument = argv[*i];
    const char *const name = argument + strspn(argument, "-");
    const size_t name_bytes = strcspn(name, "=");
    const bool two_dashes = name - argument == 2;
    const struct option *option = two_dashes ? find_option(set, name, name_bytes) : NULL;
    if (option == NULL) {
        report_unknown(set, argument, name_bytes);
        return false;
    }
    const char *value = name[name_bytes] == '=' ? name + name_bytes + 1 : NULL;
    if (option->kind == OPTION_FLAG) {
        if (value == NULL) return set_value(option, NULL);
        fprintf(stderr, "phusa: --%s takes no value\n", option->name);
        return false;
    }
    if (value == NULL) {
        if (*i + 1 >= argc) {
            fprintf(stderr, "phusa: --%s needs a value: --%s %s\n", option->name, option->name,
                    option->value_name);
            return false;
        }
        value = argv[++*i];
    }
    return set_value(option, value);
}

bool options_parse(const struct option_set *set, int argc, char *const *argv, int first,
                   struct option_list *operands)
{
    assert(set != NULL);
    bool only_operands = false;
    for (int i = first; i < argc; i++) {
        const char *argument = argv[i];
        if (!only_operands && strcmp(argument, "--") == 0) {
            only_operands = true;
        } else if (only_operands || argument[0] != '-' || argument[1] == 0) {
            if (!option_list_add(operands, argument)) return false;
        } else if (!parse_option(set, argc, argv, &i)) {
            return false;
        }
    }
    return true;
}

/* -- help -- */

static void print_wrapped(const char *text, int column)
{
    int at = column;
    while (*text != 0) {
        const int word_bytes = (int)strcspn(text, " ");
        if (at > HELP_COLUMN && at + 1 + word_bytes > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        } else if (at > HELP_COLUMN) {
            putchar(' ');
            at++;
        }
        printf("%.*s", word_bytes, text);
        at += word_bytes;
        text += word_bytes;
        text += strspn(text, " ");
    }
    putchar('\n');
}

void options_print_help(const struct option *table)
{
    for (const struct option *at = table; at->name != NULL; at++) {
        int column = printf("  --%s%s%s", at->name, at->value_name == NULL ? "" : " ",
                            at->value_name == NULL ? "" : at->value_name);
        if (column >= HELP_COLUMN - 1) {
            putchar('\n');
            column = 0;
        }
        printf("%*s", HELP_COLUMN - column, "");
        print_wrapped(at->help, HELP_COLUMN);
    }
}
