/* scenario.c - see scenario.h. */
#include "scenario.h"

#include "powerloss/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK_FD 1000 /* far from what a program opens by itself */

uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void mark(char kind, uint64_t number)
{
    char line[32];
    const int n = snprintf(line, sizeof line, "%c %" PRIu64 "\n", kind, number);
    if (write(MARK_FD, line, (size_t)n) != n) _exit(99);
}

static void history_line(struct history *history, char kind, uint64_t number)
{
    if (number >= BATCHES_MAX) abort();
    if (kind == 'b') {
        history->state[number] = BATCH_BEGUN;
        if (number >= history->begun) history->begun = number + 1;
    }
    if (kind == 'a') {
        history->state[number] = BATCH_ACKED;
        history->acked++;
    }
    if (kind == 'x') history->refused++;
    if (kind == 'r') history->released = number;
}

void history_add(struct history *history, const char *text, size_t size_bytes)
{
    const char *end = text + size_bytes;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        char kind;
        uint64_t number;
        if (stop == NULL || sscanf(text, "%c %" SCNu64, &kind, &number) != 2) return;
        history_line(history, kind, number);
        text = stop + 1;
    }
}

static char made_path[64];
static pid_t made_by;
static void remove_made(void)
{
    if (getpid() == made_by) scratch_remove(made_path);
}

void scratch_make(char path[64])
{
    const char *given = getenv("TMPDIR");
    const char *parent = given != NULL                   ? given
                         : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                                                         : "/tmp";
    char made[64];
    snprintf(made, sizeof made, "%s/phusa-crash-XXXXXX", parent);
    char *resolved = mkdtemp(made) == NULL ? NULL : realpath(made, NULL);
    if (resolved == NULL || strlen(resolved) >= 64) {
        perror(made);
        exit(2);
    }
    strcpy(path, resolved);
    strcpy(made_path, resolved);
    free(resolved);
    made_by = getpid();
    atexit(remove_made);
}

void scratch_keep(void)
{
    made_by = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    return remove(path);
}

void scratch_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the workload's process ---- */

/* The recorder lies beside the program. */
static const char *recorder_path(void)
{
    static char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n < 0) abort();
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "powerloss-record.so");
    return path;
}

int workload_start(const struct scenario *scenario, const char *dir, uint64_t seed,
                   uint64_t first_batch, uint64_t batch_count, int mark_to,
                   const char *const *environment)
{
    const pid_t pid = fork();
    if (pid != 0) return pid;
    char numbers[3][24];
    snprintf(numbers[0], 24, "%" PRIu64, seed);
    snprintf(numbers[1], 24, "%" PRIu64, first_batch);
    snprintf(numbers[2], 24, "%" PRIu64, batch_count);
    dup2(mark_to, MARK_FD);
    char fd_text[24];
    snprintf(fd_text, sizeof fd_text, "%d", MARK_FD);
    setenv(TRACE_MARK_FD_ENV, fd_text, 1);
    for (; environment != NULL && *environment != NULL; environment++)
        putenv((char *)(uintptr_t)*environment);
    setenv("LD_PRELOAD", recorder_path(), 1);
    execl("/proc/self/exe", "workload", "--work", scenario->name, dir, numbers[0], numbers[1],
          numbers[2], (char *)NULL);
    perror("exec");
    _exit(98);
}

void workload_main(int argc, char **argv)
{
    if (argc != 7 || strcmp(argv[1], "--work") != 0) return;
    unsetenv("LD_PRELOAD");
    const struct scenario *scenario = scenario_find(argv[2]);
    scenario->work(argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10),
                   strtoull(argv[6], NULL, 10));
    exit(0);
}

bool verify_apart(const struct scenario *scenario, const char *dir, struct history *history,
                  bool go_on, unsigned seconds_max)
{
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(seconds_max);
        _exit(scenario->verify(dir, history, go_on) ? 0 : 1);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        status = 0;
    if (WIFSIGNALED(status))
        fprintf(stderr, "reopening died by signal %d%s\n", WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? " (it took too long)" : "");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const struct scenario *scenario_find(const char *name)
{
    static const struct scenario *const all[] = {&scenario_wal, &scenario_db};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    fprintf(stderr, "no scenario %s\n", name);
    exit(2);
}

const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    return otherwise;
}

bool has_option(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return false;
}
