/*
 * prompt.c - the interactive prompt; the only caller of libedit.
 *
 * Ctrl-C is taken from the terminal as a key, not as a signal, while a line is edited: so it can
 * clear the line, and the statement begun on the lines before it, without a signal handler that
 * touches the editor.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define HISTORY_ENTRIES_MAX 1000

static bool continued; /* a statement has begun on an earlier line */
static bool cleared;   /* by Ctrl-C */

static char *prompt_text(EditLine *editor)
{
    static char first[] = "phusa> ", next[] = "  ...> ";
    (void)editor;
    return continued ? next : first;
}

static unsigned char clear_line(EditLine *editor, int key)
{
    (void)editor;
    (void)key;
    cleared = true;
    return CC_NEWLINE;
}

/* ~/.phusa_history, made readable for its owner only before anything is in it. */
static bool history_path(char *path, size_t path_bytes)
{
    const char *home = getenv("HOME");
    if (home == NULL || home[0] == 0) return false;
    const int bytes = snprintf(path, path_bytes, "%s/.phusa_history", home);
    if (bytes < 0 || (size_t)bytes >= path_bytes) return false;
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    (void)fchmod(fd, 0600);
    (void)close(fd);
    return true;
}

/* A password must not be kept in a file. */
static bool may_be_kept(const char *statement)
{
    return strcasestr(statement, "password") == NULL;
}

static void remember(History *kept, const char *text)
{
    HistEvent event;
    char *line = strdup(text);
    if (line == NULL) return;
    size_t bytes = strlen(line);
    while (bytes > 0 && line[bytes - 1] == '\n')
        line[--bytes] = 0;
    for (char *at = line; *at != 0; at++)
        if (*at == '\n') *at = ' ';
    if (bytes > 0 && may_be_kept(line)) (void)history(kept, &event, H_ENTER, line);
    free(line);
}

/* Run every statement that is complete; what is left begins the next one. */
static void run_complete(struct session *session, struct textbuf *pending, History *kept)
{
    size_t bytes;
    while (!session->quit && (bytes = statement_bytes(pending->bytes)) > 0) {
        char *statement = strndup(pending->bytes, bytes);
        if (statement == NULL) return;
        if (!statement_is_blank(statement)) {
            remember(kept, statement);
            (void)session_run(session, statement);
        }
        free(statement);
        pending->used -= bytes;
        memmove(pending->bytes, pending->bytes + bytes, pending->used + 1);
    }
    if (statement_is_blank(pending->bytes)) textbuf_clear(pending);
}

static void converse(struct session *session, EditLine *editor, History *kept)
{
    struct textbuf pending = {0};
    while (!session->quit) {
        int count = 0;
        continued = pending.used > 0;
        cleared = false;
        const char *line = el_gets(editor, &count);
        if (line == NULL || count <= 0) {
            putchar('\n');
            break;
        }
        if (cleared) {
            puts("^C");
            textbuf_clear(&pending);
            continue;
        }
        if (!continued && session_command(session, line)) {
            remember(kept, line);
            continue;
        }
        if (!textbuf_append(&pending, line, (size_t)count)) break;
        run_complete(session, &pending, kept);
    }
    textbuf_deinit(&pending);
}

static void greet(struct session *session)
{
    struct phusa_client_ping ping;
    struct phusa_client_error error;
    if (phusa_client_ping(session->client, &ping, &error) == PHUSA_CLIENT_OK)
        printf("Connected, server version %s. Statements end with ';'. Type help or quit.\n",
               ping.version[0] != 0 ? ping.version : "unknown");
    else
        fprintf(stderr, "phusa: %s\n", error.text);
}

static void prepare(EditLine *editor, History *kept, const char *path)
{
    HistEvent event;
    (void)history(kept, &event, H_SETSIZE, HISTORY_ENTRIES_MAX);
    (void)history(kept, &event, H_SETUNIQUE, 1);
    if (path != NULL) (void)history(kept, &event, H_LOAD, path);
    (void)el_set(editor, EL_PROMPT, prompt_text);
    (void)el_set(editor, EL_EDITOR, "emacs");
    (void)el_set(editor, EL_HIST, history, kept);
    (void)el_set(editor, EL_ADDFN, "phusa-clear", "Clear the statement", clear_line);
    (void)el_set(editor, EL_BIND, "^C", "phusa-clear", NULL);
    (void)el_set(editor, EL_SETTY, "-d", "-isig", NULL);
}

int prompt_run(struct session *session)
{
    char path[1024];
    HistEvent event;
    const bool has_path = history_path(path, sizeof path);
    EditLine *editor = el_init("phusa", stdin, stdout, stderr);
    History *kept = history_init();
    int code = TOOL_FAILED;
    if (editor == NULL || kept == NULL) {
        fputs("phusa: no memory for the prompt\n", stderr);
        goto out;
    }
    prepare(editor, kept, has_path ? path : NULL);
    greet(session);
    converse(session, editor, kept);
    if (has_path) (void)history(kept, &event, H_SAVE, path);
    code = TOOL_DONE;
out:
    if (kept != NULL) history_end(kept);
    if (editor != NULL) el_end(editor);
    return code;
}
