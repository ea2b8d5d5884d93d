/*
 * tool.c - what the commands share.
 */
#include "tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/textbuf.h"

struct tool_globals tool_globals = {.timeout_ms = -1, .retry_ms = -1};

const struct option tool_global_options[] = {
    {"url", OPTION_TEXT, &tool_globals.url, "URL",
     "the server; default: the environment's PHUSA_URL, else http://127.0.0.1:8086"},
    {"user", OPTION_TEXT, &tool_globals.user, "NAME",
     "log in as NAME, with the password in the environment's PHUSA_PASSWORD"},
    {"token", OPTION_TEXT, &tool_globals.token, "TOKEN",
     "log in by a token; default: the environment's PHUSA_TOKEN"},
    {"timeout", OPTION_DURATION, &tool_globals.timeout_ms, "TIME",
     "how long the server may stay silent; default 60s, for queries 10m"},
    {"retry", OPTION_DURATION, &tool_globals.retry_ms, "TIME",
     "how long to go on trying when the server is down or overloaded; 0s: not at all"},
    {"help", OPTION_FLAG, &tool_globals.help, NULL, "this text"},
    {"version", OPTION_FLAG, &tool_globals.version, NULL, "the version of this program"},
    {NULL, OPTION_FLAG, NULL, NULL, NULL},
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void tool_catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    interrupted = 0;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool tool_interrupted(void *unused)
{
    (void)unused;
    return interrupted != 0;
}

/* -1, not said, is the library's 0; and 0, "none", is its negative. */
static int own_default(int said_ms)
{
    return said_ms < 0 ? 0 : said_ms == 0 ? -1 : said_ms;
}

struct phusa_client_options tool_client_options(void)
{
    const char *url = tool_globals.url != NULL ? tool_globals.url : getenv("PHUSA_URL");
    return (struct phusa_client_options){
        .url = url != NULL && url[0] != 0 ? url : NULL,
        .user = tool_globals.user,
        .password = tool_globals.user != NULL ? getenv("PHUSA_PASSWORD") : NULL,
        .token = tool_globals.token != NULL ? tool_globals.token : getenv("PHUSA_TOKEN"),
        .agent = "phusa/" PHUSA_VERSION,
        .timeout_ms = own_default((int)tool_globals.timeout_ms),
        .retry_ms_max = own_default((int)tool_globals.retry_ms),
        .interrupted = tool_interrupted,
    };
}

bool tool_parse(const struct option *own, int argc, char **argv, int first,
                struct option_list *operands, void (*help)(void), int *code)
{
    const struct option_set set = {{own, tool_global_options}};
    *code = TOOL_FAILED;
    if (!options_parse(&set, argc, argv, first, operands)) return false;
    *code = TOOL_DONE;
    if (tool_globals.help)
        help();
    else if (tool_globals.version)
        puts("phusa " PHUSA_VERSION " (" PHUSA_COMMIT ")");
    else
        return true;
    return false;
}

bool tool_create_database(const char *database)
{
    struct phusa_client_error error;
    struct phusa_client *client = NULL;
    const struct phusa_client_options options = tool_client_options();
    struct textbuf statement = {0};
    bool good = textbuf_append(&statement, "CREATE DATABASE \"", 17);
    for (const char *at = database; good && *at != 0; at++) {
        if (*at == '"' || *at == '\\') good = textbuf_append(&statement, "\\", 1);
        good = good && textbuf_append(&statement, at, 1);
    }
    good = good && textbuf_append(&statement, "\"", 1);
    if (!good) {
        fputs("phusa: no memory\n", stderr);
        goto out;
    }
    const struct phusa_client_query query = {.statements = statement.bytes};
    good = phusa_client_open(&client, &options, &error) == PHUSA_CLIENT_OK &&
           phusa_client_query(client, &query, NULL, &error) == PHUSA_CLIENT_OK;
    if (!good) fprintf(stderr, "phusa: cannot create database %s: %s\n", database, error.text);
out:
    phusa_client_close(client);
    textbuf_deinit(&statement);
    return good;
}

bool tool_precision_is_known(const char *option_name, const char *precision)
{
    static const char *const known[] = {"ns", "u", "ms", "s", "m", "h"};
    if (precision == NULL) return true;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(precision, known[i]) == 0) return true;
    fprintf(stderr, "phusa: --%s is one of ns, u, ms, s, m and h, not \"%s\"\n", option_name,
            precision);
    return false;
}
