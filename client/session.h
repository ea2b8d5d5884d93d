/*
 * session.h - a running conversation of `phusa query`: statements to the server, the few
 * commands of the tool itself, and where one statement ends.
 *
 * Ownership  the session owns its client and the names it was told; session_deinit() to end.
 * Errors     reported on standard error; the functions return a tool_exit.
 */
#ifndef PHUSA_CLIENT_SESSION_H
#define PHUSA_CLIENT_SESSION_H

#include "printer.h"
#include "tool.h"

struct session {
    struct phusa_client *client;
    char database[256]; /* "" : named in the statements */
    char retention_policy[256];
    char epoch[4]; /* "" : times as text */
    enum printer_format format;
    bool has_zone;
    struct localtz zone;
    bool quit;
};

bool session_open(struct session *session);
void session_deinit(struct session *session);

bool session_set_format(struct session *session, const char *name);
bool session_set_epoch(struct session *session, const char *name); /* or "rfc3339" */
bool session_set_zone(struct session *session, const char *name);
/* "db" or "db.rp" */
bool session_set_database(struct session *session, const char *name);

/* Send statements and print their answers. Ctrl-C stops them. */
int session_run(struct session *session, const char *statements);

/* If `line` is one of the tool's own commands (use, precision, format, tz, help, quit), do it
 * and return true. */
bool session_command(struct session *session, const char *line);

/* The bytes of the first statement in `text` with its ';', or 0 when it does not end here. A ';'
 * in a quoted name, string, comment or regular expression does not end one. */
size_t statement_bytes(const char *text);
/* Nothing but spaces, comments and ';'? */
bool statement_is_blank(const char *text);

/* The interactive prompt, on a terminal. */
int prompt_run(struct session *session);

#endif
