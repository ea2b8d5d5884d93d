/*
 * tool.h - what the commands of `phusa` share: the options of every command, exit codes, the
 * interrupt, and the commands themselves.
 */
#ifndef PHUSA_CLIENT_TOOL_H
#define PHUSA_CLIENT_TOOL_H

#include "lib/phusa_client.h"
#include "options.h"

enum tool_exit {
    TOOL_DONE = 0,
    TOOL_REFUSED = 1, /* some lines, rows or statements; all others are done */
    TOOL_FAILED = 2,  /* could not */
};

struct tool_globals {
    const char *url, *user, *token;
    int64_t timeout_ms, retry_ms; /* -1: the command's default */
    bool help, version;
};

extern struct tool_globals tool_globals;
extern const struct option tool_global_options[];

/* Read the command line of a command with its own options and the global ones. False: the
 * command ends now with *code (help was printed, or a mistake reported). */
bool tool_parse(const struct option *own, int argc, char **argv, int first,
                struct option_list *operands, void (*help)(void), int *code);

/* The client options that follow from the globals and the environment. */
struct phusa_client_options tool_client_options(void);

/* After the first Ctrl-C: true, and a second one ends the process at once. */
void tool_catch_interrupt(void);
bool tool_interrupted(void *unused);

/* Run CREATE DATABASE; a message on standard error when it fails. */
bool tool_create_database(const char *database);

/* Is `precision` one of ns u ms s m h? Says so on standard error if not. */
bool tool_precision_is_known(const char *option_name, const char *precision);

/* The commands: argv[2..] are their arguments. They return the exit code. */
int ping_main(int argc, char **argv);
int write_main(int argc, char **argv);
int query_main(int argc, char **argv);
int import_main(int argc, char **argv);

/* Their help, on standard output. */
void ping_help(void);
void write_help(void);
void query_help(void);
void import_help(void);

#endif
