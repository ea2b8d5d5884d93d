/*
 * main.c - `phusa`: choose the command.
 */
#include "tool.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    void (*help)(void);
    const char *summary;
} commands[] = {
    {"ping", ping_main, ping_help, "is the server there?"},
    {"write", write_main, write_help, "send line protocol from files or standard input"},
    {"query", query_main, query_help, "ask in InfluxQL, or open a prompt"},
    {"import", import_main, import_help, "load CSV files"},
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_overview(void)
{
    puts("phusa - talk to a phusa time-series server\n"
         "\n"
         "Usage: phusa COMMAND [OPTIONS] [OPERANDS]\n"
         "\n"
         "Commands:");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("  help       more about a command: phusa help import\n"
         "\n"
         "Options of every command:");
    options_print_help(tool_global_options);
    puts("\n"
         "Examples:\n"
         "  phusa ping\n"
         "  phusa write --db rivers --create-db levels.lp\n"
         "  phusa query --db rivers 'SELECT max(m) FROM level GROUP BY station'\n"
         "  phusa import csv air.csv --db air --measurement air --time time --tags station");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0) return &commands[i];
    return NULL;
}

static int report_unknown(const char *name)
{
    const char *names[COMMAND_COUNT + 1] = {"help"};
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i + 1] = commands[i].name;
    const char *nearest = nearest_name(name, names, COMMAND_COUNT + 1);
    if (nearest != NULL)
        fprintf(stderr, "phusa: unknown command \"%s\"; did you mean %s?\n", name, nearest);
    else
        fprintf(stderr, "phusa: unknown command \"%s\"; phusa --help lists what there is\n", name);
    return TOOL_FAILED;
}

static int print_help(const char *name)
{
    if (name == NULL) {
        print_overview();
        return TOOL_DONE;
    }
    const struct command *command = find_command(name);
    if (command == NULL) return report_unknown(name);
    command->help();
    return TOOL_DONE;
}

int main(int argc, char **argv)
{
    /* Widths of table columns need to know the encoding; numbers keep their full stop. */
    if (setlocale(LC_CTYPE, "") == NULL || strcmp(setlocale(LC_CTYPE, NULL), "C") == 0)
        (void)setlocale(LC_CTYPE, "C.UTF-8");

    if (argc < 2) {
        print_overview();
        return TOOL_FAILED;
    }
    const char *const name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return print_help(NULL);
    if (strcmp(name, "help") == 0) return print_help(argc > 2 ? argv[2] : NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("phusa " PHUSA_VERSION " (" PHUSA_COMMIT ")");
        return TOOL_DONE;
    }
    const struct command *command = find_command(name);
    return command == NULL ? report_unknown(name) : command->run(argc, argv);
}
