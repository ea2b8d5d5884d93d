/*
 * session.c - the conversation of `phusa query`.
 */
#include "session.h"

#include <assert.h>
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define QUERY_TIMEOUT_MS (10 * 60 * 1000) /* a long scan says nothing until its first chunk */

bool session_open(struct session *session)
{
    assert(session != NULL);
    struct phusa_client_options options = tool_client_options();
    if (options.timeout_ms == 0) options.timeout_ms = QUERY_TIMEOUT_MS;
    if (options.retry_ms_max == 0) options.retry_ms_max = 5000; /* somebody is waiting */
    struct phusa_client_error error;
    if (phusa_client_open(&session->client, &options, &error) == PHUSA_CLIENT_OK) return true;
    fprintf(stderr, "phusa: %s\n", error.text);
    return false;
}

void session_deinit(struct session *session)
{
    phusa_client_close(session->client);
    session->client = NULL;
}

bool session_set_format(struct session *session, const char *name)
{
    if (strcmp(name, "table") == 0)
        session->format = PRINTER_TABLE;
    else if (strcmp(name, "csv") == 0)
        session->format = PRINTER_CSV;
    else if (strcmp(name, "json") == 0)
        session->format = PRINTER_JSON;
    else {
        fprintf(stderr, "phusa: the format is one of table, csv and json, not \"%s\"\n", name);
        return false;
    }
    return true;
}

bool session_set_epoch(struct session *session, const char *name)
{
    if (strcmp(name, "rfc3339") == 0)
        name = "";
    else if (!tool_precision_is_known("epoch", name))
        return false;
    strcpy(session->epoch, name);
    return true;
}

bool session_set_zone(struct session *session, const char *name)
{
    const char *reason;
    struct localtz *zone = &session->zone;
    if (!localtz_open(zone, name, &reason)) {
        fprintf(stderr, "phusa: %s: %s\n", name, reason);
        return false;
    }
    session->has_zone = true;
    session->epoch[0] = 0;
    return true;
}

bool session_set_database(struct session *session, const char *name)
{
    const char *dot = strchr(name, '.');
    const size_t database_bytes = dot == NULL ? strlen(name) : (size_t)(dot - name);
    const char *policy = dot == NULL ? "" : dot + 1;
    if (database_bytes >= sizeof session->database ||
        strlen(policy) >= sizeof session->retention_policy) {
        fputs("phusa: the name of the database is too long\n", stderr);
        return false;
    }
    memcpy(session->database, name, database_bytes);
    session->database[database_bytes] = 0;
    strcpy(session->retention_policy, policy);
    return true;
}

int session_run(struct session *session, const char *statements)
{
    struct printer printer = {
        .format = session->format,
        .output = stdout,
        .errors = stderr,
        .zone = session->has_zone ? &session->zone : NULL,
        .is_terminal = isatty(STDOUT_FILENO) != 0,
    };
    const struct phusa_client_sink sink = printer_sink(&printer);
    const struct phusa_client_query query = {
        .statements = statements,
        .database = session->database,
        .retention_policy = session->retention_policy,
        .epoch = session->has_zone ? "ns" : session->epoch,
    };
    tool_catch_interrupt();
    struct phusa_client_error error = {0};
    const phusa_client_status status = phusa_client_query(session->client, &query, &sink, &error);
    const bool printed = printer_finish(&printer);
    printer_deinit(&printer);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    if (status == PHUSA_CLIENT_OK) return printed ? TOOL_DONE : TOOL_FAILED;
    if (status == PHUSA_CLIENT_ESTATEMENT) return TOOL_REFUSED; /* the sink has shown it */
    if (status == PHUSA_CLIENT_ESTOPPED && !printed)
        fputs("phusa: cannot write to standard output\n", stderr);
    else
        fprintf(stderr, "phusa: %s\n", error.text);
    return status == PHUSA_CLIENT_EREFUSED ? TOOL_REFUSED : TOOL_FAILED;
}

static void print_session_help(void)
{
    puts("A statement of InfluxQL ends with ';' and may take several lines:\n"
         "  SELECT mean(m) FROM level WHERE time > now() - 30d GROUP BY time(1d), station;\n"
         "  SHOW DATABASES;  SHOW MEASUREMENTS;  SHOW FIELD KEYS FROM level;\n"
         "\n"
         "Of this prompt:\n"
         "  use DB[.RP]          the database of the statements that follow\n"
         "  precision P          times as numbers: ns u ms s m h; or as text: rfc3339\n"
         "  format F             table, csv or json\n"
         "  tz ZONE              show times on the clock of ZONE: Asia/Ho_Chi_Minh, +07:00\n"
         "  help                 this text\n"
         "  quit                 or Ctrl-D\n"
         "Ctrl-C clears the line, or stops a statement that is running.");
}

/* Cut off spaces and ';' at the end, and quotes around the word. */
static void tidy_word(char *word)
{
    size_t bytes = strlen(word);
    while (bytes > 0 && (isspace((unsigned char)word[bytes - 1]) || word[bytes - 1] == ';'))
        word[--bytes] = 0;
    if (bytes >= 2 && word[0] == '"' && word[bytes - 1] == '"') {
        memmove(word, word + 1, bytes - 2);
        word[bytes - 2] = 0;
    }
}

bool session_command(struct session *session, const char *line)
{
    char word[16] = "", rest[512] = "";
    line += strspn(line, " \t");
    const size_t word_bytes = strcspn(line, " \t\r\n;");
    if (word_bytes == 0 || word_bytes >= sizeof word) return false;
    memcpy(word, line, word_bytes);
    line += word_bytes;
    line += strspn(line, " \t");
    if (strlen(line) >= sizeof rest) return false;
    strcpy(rest, line);
    tidy_word(rest);

    if (strcasecmp(word, "quit") == 0 || strcasecmp(word, "exit") == 0)
        session->quit = true;
    else if (strcasecmp(word, "help") == 0)
        print_session_help();
    else if (rest[0] == 0)
        return false;
    else if (strcasecmp(word, "use") == 0)
        (void)session_set_database(session, rest);
    else if (strcasecmp(word, "format") == 0)
        (void)session_set_format(session, rest);
    else if (strcasecmp(word, "tz") == 0)
        (void)session_set_zone(session, rest);
    else if (strcasecmp(word, "precision") == 0)
        session->has_zone = session->has_zone && !session_set_epoch(session, rest);
    else
        return false;
    return true;
}
