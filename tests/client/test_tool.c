/*
 * Guards the commands as a user meets them, against a scripted server: exit codes, what is sent,
 * and that an import that was cut short goes on where it was acknowledged, losing no row.
 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../client/tool.h"
#include "fakeserver.h"

#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define ROWS       100

static char directory[64];

static char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    if (directory[0] == 0) {
        strcpy(directory, "/tmp/phusa-test-tool-XXXXXX");
        cr_assert_not_null(mkdtemp(directory));
    }
    (void)snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void remove_all(void)
{
    static const char *const names[] = {"in.csv", "in.lp", "state", "bad.csv"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(path_of(names[i]));
    (void)rmdir(directory);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    (void)fclose(file);
}

/* Rows 0..99, one second apart. */
static void write_rows(const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("t,v\n", file);
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "%d,%d.5\n", i, i);
    (void)fclose(file);
}

/* Run the program that was built beside this one, and wait for its exit code. */
static int run_tool(char **argv)
{
    char path[512];
    const ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    cr_assert(bytes > 0);
    path[bytes] = 0; /* build/VARIANT/tests/client.test */
    for (int i = 0; i < 2; i++)
        *strrchr(path, '/') = 0;
    strcat(path, "/phusa");

    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    cr_assert_eq(posix_spawn_file_actions_init(&actions), 0);
    cr_assert_eq(
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0), 0);
    cr_assert_eq(posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO), 0);
    cr_assert_eq(posix_spawn(&child, path, &actions, NULL, argv, environ), 0, "%s", path);
    (void)posix_spawn_file_actions_destroy(&actions);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "status %x", (unsigned)status);
    return WEXITSTATUS(status);
}
#define RUN(...) run_tool((char *[]){"phusa", __VA_ARGS__, NULL})

static void note_rows(const struct fakeserver *server, size_t request_count, bool seen[ROWS])
{
    for (size_t i = 0; i < request_count; i++) {
        const char *at = server->requests[i].bytes + server->requests[i].head_bytes;
        int second;
        while (sscanf(at, "m v=%d.5", &second) == 1) {
            cr_assert(second >= 0 && second < ROWS);
            char expected[64];
            const int bytes = snprintf(expected, sizeof expected, "m v=%d.5 %lld\n", second,
                                       second * 1000000000ll);
            cr_assert_eq(strncmp(at, expected, (size_t)bytes), 0);
            seen[second] = true;
            at += bytes;
        }
        cr_assert_eq(*at, 0, "%s", at);
    }
}

Test(tool, an_import_cut_short_goes_on_where_it_was_acknowledged)
{
    char *csv = path_of("in.csv"), *state = path_of("state");
    write_rows(csv);
    for (size_t good = 0; good < 10; good++) {
        /* `good` batches of ten rows are acknowledged, then the server is gone. */
        struct fakeserver first, second;
        struct fakeserver_step steps[FAKESERVER_STEPS_MAX];
        for (size_t i = 0; i < good; i++)
            steps[i] = (struct fakeserver_step){.answer = NO_CONTENT};
        steps[good] = (struct fakeserver_step){.close = true}; /* received, never acknowledged */
        (void)unlink(state);
        fakeserver_start(&first, steps, good + 1);
        const int code = RUN("import", "csv", csv, "--db", "d", "--measurement", "m", "--time", "t",
                             "--time-format", "epoch:s", "--batch-rows", "10", "--connections", "1",
                             "--retry", "0s", "--state", state, "--url", first.url);
        fakeserver_stop(&first);
        cr_assert_eq(code, TOOL_FAILED, "%d", code);

        for (size_t i = 0; i < 12; i++)
            steps[i] = (struct fakeserver_step){.answer = NO_CONTENT};
        fakeserver_start(&second, steps, 12);
        cr_assert_eq(RUN("import", "csv", csv, "--db", "d", "--measurement", "m", "--time", "t",
                         "--time-format", "epoch:s", "--batch-rows", "10", "--connections", "1",
                         "--state", state, "--url", second.url),
                     TOOL_DONE);
        fakeserver_stop(&second);

        bool acknowledged[ROWS] = {false}, again[ROWS] = {false};
        note_rows(&first, good, acknowledged);
        note_rows(&second, second.request_count, again);
        for (int i = 0; i < ROWS; i++) {
            cr_assert(acknowledged[i] || again[i], "row %d is lost after %zu batches", i, good);
            cr_assert_not(acknowledged[i] && again[i], "row %d was sent again", i);
        }
        fakeserver_free(&first);
        fakeserver_free(&second);
    }
    remove_all();
}

Test(tool, a_state_of_another_import_is_refused)
{
    char *csv = path_of("in.csv"), *state = path_of("state");
    struct fakeserver server;
    const struct fakeserver_step steps[] = {{.answer = NO_CONTENT}, {.answer = NO_CONTENT}};
    write_file(csv, "t,v\n1,1\n");
    fakeserver_start(&server, steps, 2);
    cr_assert_eq(RUN("import", "csv", csv, "--db", "d", "--measurement", "m", "--time", "t",
                     "--time-format", "epoch:s", "--state", state, "--url", server.url),
                 TOOL_DONE);
    cr_assert_eq(RUN("import", "csv", csv, "--db", "d", "--measurement", "other", "--time", "t",
                     "--time-format", "epoch:s", "--state", state, "--url", server.url),
                 TOOL_FAILED);
    fakeserver_stop(&server);
    cr_assert_eq(server.request_count, 1);
    fakeserver_free(&server);
    remove_all();
}

Test(tool, bad_rows_are_written_down_and_the_others_sent)
{
    char *csv = path_of("in.csv"), *bad = path_of("bad.csv");
    struct fakeserver server;
    const struct fakeserver_step steps[] = {{.answer = NO_CONTENT}};
    write_file(csv, "t,v\n1,1\n,2\n3,\"x\n4,4\n");
    fakeserver_start(&server, steps, 1);
    cr_assert_eq(RUN("import", "csv", csv, "--db", "d", "--measurement", "m", "--time", "t",
                     "--time-format", "epoch:s", "--bad-rows", bad, "--url", server.url),
                 TOOL_REFUSED);
    fakeserver_stop(&server);
    cr_assert_str_eq(server.requests[0].bytes + server.requests[0].head_bytes,
                     "m v=1 1000000000\nm v=4 4000000000\n");
    char text[512] = "", expected[512];
    FILE *file = fopen(bad, "r");
    cr_assert_not_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    (void)fclose(file);
    (void)snprintf(expected, sizeof expected,
                   "file,line,column,reason,text\n\"%s\",3,\"t\",\"the time is missing\",\"\"\n"
                   "\"%s\",4,\"t\",\"a quote is not closed\",\"\"\n",
                   csv, csv);
    cr_assert_str_eq(text, expected);
    fakeserver_free(&server);
    remove_all();
}

Test(tool, a_write_is_cut_at_line_ends_outside_of_strings)
{
    char *lines = path_of("in.lp");
    struct fakeserver server;
    const struct fakeserver_step steps[] = {
        {.answer = NO_CONTENT}, {.answer = NO_CONTENT}, {.answer = NO_CONTENT}};
    write_file(lines,
               "m f=\"a\nb\" 1\nm f=\"c\" 2\n# comment\nm f=\"\n\" 3\nm f=\"d\" 4\nm f=\"e\" 5");
    fakeserver_start(&server, steps, 3);
    cr_assert_eq(RUN("write", "--db", "d", "--precision", "s", "--batch-points", "2", lines,
                     "--url", server.url),
                 TOOL_DONE);
    fakeserver_stop(&server);
    cr_assert_eq(server.request_count, 3);
    static const char *const bodies[] = {"m f=\"a\nb\" 1\nm f=\"c\" 2\n",
                                         "# comment\nm f=\"\n\" 3\nm f=\"d\" 4\n", "m f=\"e\" 5\n"};
    for (int i = 0; i < 3; i++)
        cr_assert_str_eq(server.requests[i].bytes + server.requests[i].head_bytes, bodies[i]);
    fakeserver_free(&server);
    remove_all();
}

Test(tool, exit_codes_tell_refused_from_failed)
{
    char *lines = path_of("in.lp");
    struct fakeserver server;
    const struct fakeserver_step steps[] = {
        {.answer = "HTTP/1.1 400 Bad\r\n\r\n{\"error\":\"partial write\","
                   "\"refused\":[{\"line\":1,\"reason\":\"r\"}],\"refused_count\":1}",
         .close = true},
        {.answer = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", .close = true},
        {.answer = "HTTP/1.1 200 OK\r\n\r\n{\"results\":[{\"error\":\"oh no\"}]}", .close = true},
        {.answer = NO_CONTENT, .close = true}};
    write_file(lines, "m f=1\n");
    fakeserver_start(&server, steps, 4);
    cr_assert_eq(RUN("write", "--db", "d", lines, "--url", server.url), 1);
    cr_assert_eq(RUN("write", "--db", "d", lines, "--url", server.url), 2);
    cr_assert_eq(RUN("query", "SHOW X", "--url", server.url), 1);
    cr_assert_eq(RUN("ping", "--url", server.url), 0);
    fakeserver_stop(&server);
    cr_assert_eq(RUN("ping", "--url", server.url), 1, "nobody is there");
    cr_assert_eq(RUN("write", lines, "--url", server.url), 2, "no --db");
    cr_assert_eq(RUN("write", "--db", "d", "/nonexistent", "--url", server.url), 2);
    cr_assert_eq(RUN("import", "cvs", lines, "--url", server.url), 2);
    fakeserver_free(&server);
    remove_all();
}
