/*
 * query.c - `phusa query`: a statement from the command line, many from standard input, or a
 * prompt on a terminal.
 */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATEMENT_BYTES_MAX (1u << 20) /* the server's limit too */

static struct {
    const char *database, *retention_policy, *epoch, *format, *zone;
} settings;

static const struct option query_options[] = {
    {"db", OPTION_TEXT, &settings.database, "DB", "the database, unless the statement names it"},
    {"rp", OPTION_TEXT, &settings.retention_policy, "RP", "the retention policy"},
    {"format", OPTION_TEXT, &settings.format, "F",
     "table, csv or json (as the server sends it: an object a line); default table"},
    {"epoch", OPTION_TEXT, &settings.epoch, "P",
     "times as whole numbers of ns, u, ms, s, m or h since 1970; default: as text, in UTC"},
    {"tz", OPTION_TEXT, &settings.zone, "ZONE",
     "show times on the clock of ZONE: Asia/Ho_Chi_Minh, +07:00. How GROUP BY time cuts days is "
     "the statement's own business: tz('Asia/Ho_Chi_Minh')"},
    {NULL, OPTION_FLAG, NULL, NULL, NULL},
};

void query_help(void)
{
    puts("Usage: phusa query [--db DB] [OPTIONS] ['STATEMENT; ...']\n"
         "\n"
         "Ask in InfluxQL. Without a statement: a prompt on a terminal, else statements from\n"
         "standard input, each ending with ';'. Rows are printed as they arrive, however many.\n"
         "\n"
         "Exit code: 0 answered, 1 a statement failed, 2 could not.\n"
         "\n"
         "Options:");
    options_print_help(query_options);
    options_print_help(tool_global_options);
}

static bool apply_settings(struct session *session)
{
    if (settings.epoch != NULL && settings.zone != NULL) {
        fputs("phusa: --epoch makes numbers of times, --tz clock time: give one of them\n", stderr);
        return false;
    }
    if (settings.database != NULL) {
        if (!session_set_database(session, settings.database)) return false;
        /* On the command line the whole word is the name, dots too. */
        if (strlen(settings.database) >= sizeof session->database) return false;
        strcpy(session->database, settings.database);
        session->retention_policy[0] = 0;
    }
    if (settings.retention_policy != NULL) {
        if (strlen(settings.retention_policy) >= sizeof session->retention_policy) return false;
        strcpy(session->retention_policy, settings.retention_policy);
    }
    if (settings.format != NULL && !session_set_format(session, settings.format)) return false;
    if (settings.epoch != NULL && !session_set_epoch(session, settings.epoch)) return false;
    return settings.zone == NULL || session_set_zone(session, settings.zone);
}

static int worse(int a, int b)
{
    return a > b ? a : b;
}

/* One line of standard input: a command of the tool, or more of a statement. */
static int take_line(struct session *session, struct textbuf *pending, const char *line,
                     size_t line_bytes)
{
    int code = TOOL_DONE;
    if (pending->used == 0 && session_command(session, line)) return code;
    if (pending->used + line_bytes > STATEMENT_BYTES_MAX ||
        !textbuf_append(pending, line, line_bytes)) {
        fputs("phusa: a statement does not end within 1 MiB; is a quote not closed?\n", stderr);
        session->quit = true;
        return TOOL_FAILED;
    }
    size_t bytes;
    while ((bytes = statement_bytes(pending->bytes)) > 0) {
        char *statement = strndup(pending->bytes, bytes);
        if (statement == NULL) return TOOL_FAILED;
        if (!statement_is_blank(statement)) code = worse(code, session_run(session, statement));
        free(statement);
        pending->used -= bytes;
        memmove(pending->bytes, pending->bytes + bytes, pending->used + 1);
    }
    if (statement_is_blank(pending->bytes)) textbuf_clear(pending);
    return code;
}

static int run_standard_input(struct session *session)
{
    struct textbuf pending = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t count;
    int code = TOOL_DONE;
    while (!session->quit && (count = getline(&line, &capacity, stdin)) > 0)
        code = worse(code, take_line(session, &pending, line, (size_t)count));
    /* The last ';' may be missing. */
    if (!session->quit && pending.used > 0) code = worse(code, session_run(session, pending.bytes));
    free(line);
    textbuf_deinit(&pending);
    return code;
}

static int run_operands(struct session *session, const struct option_list *operands)
{
    int code = TOOL_DONE;
    for (size_t i = 0; i < operands->count; i++)
        code = worse(code, session_run(session, operands->items[i]));
    return code;
}

int query_main(int argc, char **argv)
{
    static struct session session; /* with its cache of days too large for the stack */
    struct option_list operands = {0};
    int code;
    if (!tool_parse(query_options, argc, argv, 2, &operands, query_help, &code)) goto out;
    code = TOOL_FAILED;
    if (!apply_settings(&session) || !session_open(&session)) goto out;
    if (operands.count > 0)
        code = run_operands(&session, &operands);
    else if (isatty(STDIN_FILENO))
        code = prompt_run(&session);
    else
        code = run_standard_input(&session);
out:
    session_deinit(&session);
    option_list_deinit(&operands);
    return code;
}
