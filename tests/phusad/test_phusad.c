/*
 * test_phusad.c - the program phusad as an operator meets it, with the real engine: started, asked,
 * stopped, killed, started again; exit codes, signals, settings, the look into a directory.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOST          "Host: x\r\n"
#define ARGUMENTS_MAX 16

struct run {
    pid_t pid;
    FILE *out; /* stdout and stderr together */
    unsigned http_port, tcp_port;
    char ready[400];
};

/* The program of this build: beside the folder of the test's own. */
static const char *program(void)
{
    static char path[4200];
    char self[4096];
    const ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    cr_assert_gt(size, 0);
    self[size] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(self, '/') = '\0';
    snprintf(path, sizeof path, "%s/phusad", self);
    cr_assert_eq(access(path, X_OK), 0, "%s is not built", path);
    return path;
}

static void spawn(struct run *run, const char *const *arguments)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    const char *argv[ARGUMENTS_MAX + 2] = {program()};
    for (int i = 0; arguments[i] != NULL; i++) {
        cr_assert_lt(i, ARGUMENTS_MAX);
        argv[i + 1] = arguments[i];
    }
    run->pid = fork();
    cr_assert_geq(run->pid, 0);
    if (run->pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    run->out = fdopen(ends[0], "r");
}

/* Everything it still says, and its exit code (or minus the signal that ended it). */
static int finish(struct run *run, char *output, size_t output_bytes)
{
    size_t n = 0;
    char line[2000];
    while (fgets(line, sizeof line, run->out) != NULL)
        n += (size_t)snprintf(output + n, n < output_bytes ? output_bytes - n : 0, "%s", line);
    fclose(run->out);
    int status;
    cr_assert_eq(waitpid(run->pid, &status, 0), run->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void wait_ready(struct run *run)
{
    run->ready[0] = '\0';
    while (strstr(run->ready, " ready: ") == NULL)
        cr_assert_not_null(fgets(run->ready, sizeof run->ready, run->out), "it ended: %s",
                           run->ready);
    cr_assert_eq(sscanf(strstr(run->ready, "http "), "http 127.0.0.1:%u, tcp 127.0.0.1:%u",
                        &run->http_port, &run->tcp_port),
                 2, "%s", run->ready);
}

static void start(struct run *run, const char *dir)
{
    const char *const arguments[] = {"--data-dir", dir,           "--http-bind", "127.0.0.1:0",
                                     "--tcp-bind", "127.0.0.1:0", NULL};
    spawn(run, arguments);
    wait_ready(run);
}

static int stop(struct run *run, int signal_number)
{
    char output[8000] = "";
    kill(run->pid, signal_number);
    const int code = finish(run, output, sizeof output);
    if (signal_number != SIGKILL) cr_assert_eq(code, 0, "exit code %d: %s", code, output);
    return code;
}

/* Run to the end; its exit code. */
static int run_once(char *output, size_t output_bytes, ...)
{
    const char *arguments[ARGUMENTS_MAX + 1] = {NULL};
    va_list list;
    va_start(list, output_bytes);
    for (int i = 0; i < ARGUMENTS_MAX && (arguments[i] = va_arg(list, const char *)) != NULL; i++)
        continue;
    va_end(list);
    struct run run;
    output[0] = '\0';
    spawn(&run, arguments);
    return finish(&run, output, output_bytes);
}

static const char *scratch(void)
{
    static char dir[] = "/tmp/phusad-test-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    return dir;
}

static void sweep(const char *dir)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

static void create_database(const struct run *run)
{
    struct reply reply = {0};
    cr_assert_eq(wire_ask(run->http_port, &reply,
                          "POST /query?q=CREATE+DATABASE+d HTTP/1.1\r\n" HOST "\r\n"),
                 200);
    cr_assert_str_eq(reply.body, "{\"results\":[{\"statement_id\":0}]}\n");
    reply_free(&reply);
}

static void write_lines(const struct run *run, const char *body)
{
    struct reply reply = {0};
    cr_assert_eq(wire_ask(run->http_port, &reply,
                          "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
                          strlen(body), body),
                 204, "%s", reply.body);
    reply_free(&reply);
}

static void expect_query(const struct run *run, const char *q, const char *wanted)
{
    struct reply reply = {0};
    cr_assert_eq(wire_ask(run->http_port, &reply,
                          "GET /query?db=d&epoch=ns&q=%s HTTP/1.1\r\n" HOST "\r\n", q),
                 200);
    cr_assert_str_eq(reply.body, wanted);
    reply_free(&reply);
}

static const char two_points[] = "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\","
                                 "\"columns\":[\"time\",\"t\",\"v\"],"
                                 "\"values\":[[1,\"a\",1.5],[2,\"b\",-0.25]]}]}]}\n";

Test(phusad, points_survive_an_orderly_end)
{
    const char *dir = scratch();
    struct run run;
    start(&run, dir);
    create_database(&run);
    write_lines(&run, "m,t=a v=1.5 1\nm,t=b v=-0.25 2\n");
    expect_query(&run, "SELECT+*+FROM+m", two_points);
    stop(&run, SIGTERM);
    start(&run, dir);
    cr_assert_not_null(strstr(run.ready, ", 2 series, started in "), "%s", run.ready);
    expect_query(&run, "SELECT+*+FROM+m", two_points);
    stop(&run, SIGINT);
    sweep(dir);
}

Test(phusad, acknowledged_points_survive_a_kill)
{
    const char *dir = scratch();
    struct run run;
    start(&run, dir);
    create_database(&run);
    write_lines(&run, "m,t=a v=1.5 1");
    const int fd = wire_connect(run.tcp_port);
    say(fd, "# db d\n# ack\nm,t=b v=-0.25 2\n");
    cr_assert_str_eq(hear_line(fd), "ack 3");
    cr_assert_eq(stop(&run, SIGKILL), -SIGKILL);
    close(fd);
    start(&run, dir);
    expect_query(&run, "SELECT+*+FROM+m", two_points);
    stop(&run, SIGTERM);
    sweep(dir);
}

Test(phusad, a_write_under_way_is_answered_before_the_end)
{
    const char *dir = scratch();
    struct run run;
    start(&run, dir);
    create_database(&run);
    const int fd = wire_connect(run.http_port);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 30\r\n\r\nm,t=a v=1.5 1\n");
    usleep(50 * 1000);
    kill(run.pid, SIGTERM);
    usleep(50 * 1000);
    say(fd, "m,t=b v=-0.25 2\n");
    struct reply reply = {0};
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204);
    close(fd);
    stop(&run, 0);
    start(&run, dir);
    expect_query(&run, "SELECT+*+FROM+m", two_points);
    stop(&run, SIGTERM);
    sweep(dir);
}

Test(phusad, it_ends_in_five_seconds_whatever_is_under_way)
{
    const char *dir = scratch();
    struct run run;
    start(&run, dir);
    create_database(&run);
    const int half = wire_connect(run.http_port), idle = wire_connect(run.http_port);
    say(half, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\nm v=1\n");
    usleep(50 * 1000);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    stop(&run, SIGTERM);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_leq(after.tv_sec - before.tv_sec, 6); /* the promise, and a busy machine's slack */
    close(half);
    close(idle);
    sweep(dir);
}

Test(phusad, one_process_at_a_time_has_a_directory)
{
    const char *dir = scratch();
    struct run run;
    start(&run, dir);
    char output[4000];
    cr_assert_eq(run_once(output, sizeof output, "--data-dir", dir, "--http-bind", "127.0.0.1:0",
                          "--tcp-bind", "off", NULL),
                 1);
    cr_assert_not_null(strstr(output, dir), "%s", output);
    stop(&run, SIGTERM);
    sweep(dir);
}

Test(phusad, a_port_that_is_taken_is_an_error)
{
    const char *dir = scratch();
    struct run run;
    start(&run, dir);
    char output[4000], address[40], other[100];
    snprintf(address, sizeof address, "127.0.0.1:%u", run.http_port);
    snprintf(other, sizeof other, "%s/other", dir);
    cr_assert_eq(run_once(output, sizeof output, "--data-dir", other, "--http-bind", address, NULL),
                 1);
    cr_assert_not_null(strstr(output, "cannot listen on 127.0.0.1:"), "%s", output);
    stop(&run, SIGTERM);
    sweep(dir);
}

Test(phusad, check_and_stat_look_into_a_closed_directory)
{
    const char *dir = scratch();
    char output[16000];
    struct run run;
    start(&run, dir);
    create_database(&run);
    write_lines(&run, "m,t=a v=1.5 1");
    stop(&run, SIGTERM);
    cr_assert_eq(run_once(output, sizeof output, "check", dir, NULL), 0, "%s", output);
    cr_assert_not_null(strstr(output, "0 faults"));
    cr_assert_eq(run_once(output, sizeof output, "stat", dir, NULL), 0, "%s", output);
    cr_assert_gt(strlen(output), 20);
    cr_assert_eq(run_once(output, sizeof output, "dump", dir, NULL), 0, "%s", output);
    cr_assert_eq(run_once(output, sizeof output, "check", "/no/such/dir", NULL), 2, "%s", output);
    cr_assert_eq(run_once(output, sizeof output, "check", NULL), 2);
    sweep(dir);
}

Test(phusad, wrong_usage_is_explained)
{
    char output[8000];
    cr_assert_eq(run_once(output, sizeof output, NULL), 2);
    cr_assert_not_null(strstr(output, "--data-dir"));
    cr_assert_eq(run_once(output, sizeof output, "--help", NULL), 0);
    cr_assert_not_null(strstr(output, "--http-bind"));
    cr_assert_eq(run_once(output, sizeof output, "--version", NULL), 0);
    cr_assert_eq(strncmp(output, "phusad 0.", 9), 0);
    cr_assert_eq(run_once(output, sizeof output, "--config", "/no/such", NULL), 2);
}

Test(phusad, sighup_opens_the_log_anew)
{
    const char *dir = scratch();
    char log[100], moved[100], data[100];
    snprintf(log, sizeof log, "%s/log", dir);
    snprintf(moved, sizeof moved, "%s/log.1", dir);
    snprintf(data, sizeof data, "%s/data", dir);
    struct run run;
    const char *const arguments[] = {"--data-dir",  data,         "--http-bind",
                                     "127.0.0.1:0", "--tcp-bind", "127.0.0.1:0",
                                     "--log-file",  log,          NULL};
    spawn(&run, arguments);
    wait_ready(&run);
    cr_assert_eq(rename(log, moved), 0);
    kill(run.pid, SIGHUP);
    for (int i = 0; i < 200 && access(log, F_OK) != 0; i++)
        usleep(10 * 1000);
    cr_assert_eq(access(log, F_OK), 0);
    stop(&run, SIGTERM);
    struct stat status;
    cr_assert_eq(stat(log, &status), 0);
    cr_assert_gt(status.st_size, 0);
    sweep(dir);
}
