/*
 * kill.c - SIGKILL at any time and at any call, and every acknowledged batch is there.
 *
 *     kill --scenario wal|db [--kills 200] [--batches 60] [--seed S] [--expect-loss] [--faults]
 *
 * A child writes batches and says which were acknowledged; it is killed after a random time, or by
 * the recorder at the n-th call that changes something: before it, after it, or with a write half
 * done. The directory is reopened in another process and compared, and the next child goes on with
 * it, so that starts after kills are killed as well. What was seen once must stay, and what was
 * not there once must not come back.
 *
 * With --faults the n-th call fails instead, for want of room or for worse, and the child goes on
 * as well as it may: nothing acknowledged is lost, and no later write is refused for ever.
 *
 * The page cache survives a kill, so a build without syncs passes. The negative control
 * (--expect-loss) is a build that acknowledges before it writes.
 */
#include "scenario.h"

#include "powerloss/trace.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIVES_MAX   6u /* kills of one directory */
#define SECONDS_MAX 60u
#define LINES_BYTES 65536u
#define BAD_MAX     20u /* then something is wrong and known to be */

struct campaign {
    const struct scenario *scenario;
    struct random random;
    uint64_t kill_count, batch_count;
    bool expect_loss, faults;
    char dir[64], db[96], count_file[96];
    struct history *history; /* shared with the children that verify */
    uint64_t calls;          /* of a whole workload */
    uint64_t took_us;
    uint64_t killed, survived, refused, good, bad;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Read what the child says until it is dead; kill it when its time has come (-1: never). The number
 * of the signal that it died of, or 0. */
static int listen_to(struct campaign *c, pid_t pid, int from, int64_t kill_at_us)
{
    static char lines[LINES_BYTES];
    size_t held = 0;
    for (;;) {
        int wait_ms = -1;
        if (kill_at_us >= 0) {
            const int64_t left_us = kill_at_us - now_us();
            if (left_us <= 0) {
                kill(pid, SIGKILL);
                kill_at_us = -1;
            } else {
                wait_ms = (int)(left_us / 1000);
            }
        }
        struct pollfd ready = {from, POLLIN, 0};
        if (poll(&ready, 1, wait_ms) <= 0) continue;
        const ssize_t n = read(from, lines + held, sizeof lines - held);
        if (n <= 0) break;
        held += (size_t)n;
        const char *last = memrchr(lines, '\n', held);
        if (last == NULL) continue;
        const size_t whole = (size_t)(last - lines) + 1;
        history_add(c->history, lines, whole);
        memmove(lines, lines + whole, held - whole);
        held -= whole;
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        status = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the workload ended with %d\n", WEXITSTATUS(status));
        c->bad++;
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int run_workload(struct campaign *c, const char *const *environment, int64_t kill_after_us)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0) abort();
    char released[24];
    snprintf(released, sizeof released, "%" PRIu64, c->history->released);
    setenv(RELEASED_ENV, released, 1);
    const pid_t pid = workload_start(c->scenario, c->db, random_u64(&c->random), c->history->begun,
                                     c->batch_count, pipes[1], environment);
    close(pipes[1]);
    const int died = listen_to(c, pid, pipes[0], kill_after_us < 0 ? -1 : now_us() + kill_after_us);
    close(pipes[0]);
    return died;
}

static void fresh_directory(struct campaign *c)
{
    scratch_remove(c->db);
    memset(c->history, 0, sizeof *c->history);
}

/* How many calls and how long a whole life takes. */
static void measure(struct campaign *c)
{
    char dir_env[128], count_env[160];
    snprintf(dir_env, sizeof dir_env, "%s=%s", TRACE_DIR, c->db);
    snprintf(count_env, sizeof count_env, "%s=%s", TRACE_COUNT_FILE, c->count_file);
    const char *environment[] = {dir_env, count_env, NULL};
    const int64_t start_us = now_us();
    if (run_workload(c, environment, -1) != 0 || c->bad > 0) {
        fprintf(stderr, "the workload does not even end by itself\n");
        exit(2);
    }
    c->took_us = (uint64_t)(now_us() - start_us);
    FILE *file = fopen(c->count_file, "r");
    if (file == NULL || fscanf(file, "%" SCNu64, &c->calls) != 1 || c->calls == 0) {
        fprintf(stderr, "the recorder counted nothing\n");
        exit(2);
    }
    fclose(file);
    if (!verify_apart(c->scenario, c->db, c->history, true, SECONDS_MAX)) {
        fprintf(stderr, "and this without a kill\n");
        exit(2);
    }
    fresh_directory(c);
}

/* What happens to the next child: its environment, and when it is killed from outside (-1: it is
 * not). */
struct fate {
    char dir[128], at[64], how[64], words[96];
    const char *environment[6];
    int64_t kill_after_us;
};

static void choose_call(struct campaign *c, struct fate *fate, const char *how)
{
    /* Half of them early: the start is short and matters. */
    const uint64_t reach = random_below(&c->random, 2) == 0 ? 60 : c->calls;
    const uint64_t at = 1 + random_below(&c->random, reach < c->calls ? reach : c->calls);
    snprintf(fate->at, sizeof fate->at, "%s=%" PRIu64, TRACE_KILL_AT, at);
    snprintf(fate->how, sizeof fate->how, "%s=%s", TRACE_KILL_HOW, how);
    snprintf(fate->words, sizeof fate->words, "%s call %" PRIu64, how, at);
}

static void choose_fate(struct campaign *c, struct fate *fate)
{
    static const char *const ways[] = {"before", "after", "torn"}, *const errors[] = {"EIO",
                                                                                      "ENOSPC"};
    size_t n = 0;
    *fate = (struct fate){.kill_after_us = -1};
    snprintf(fate->dir, sizeof fate->dir, "%s=%s", TRACE_DIR, c->db);
    fate->environment[n++] = fate->dir;
    if (c->faults) {
        choose_call(c, fate, errors[random_below(&c->random, 2)]);
        fate->environment[n++] = FAULTS_ENV "=1";
    } else if (!c->expect_loss && random_below(&c->random, 2) == 0) {
        fate->kill_after_us = (int64_t)random_below(&c->random, c->took_us);
        snprintf(fate->words, sizeof fate->words, "after %" PRId64 " us", fate->kill_after_us);
    } else {
        /* The control is about calls that come too late. */
        choose_call(c, fate, ways[c->expect_loss ? 0 : random_below(&c->random, 3)]);
    }
    if (fate->at[0] != '\0') {
        fate->environment[n++] = fate->at;
        fate->environment[n++] = fate->how;
    }
    if (random_below(&c->random, 2) == 0) fate->environment[n] = BACKGROUND_ENV "=1";
}

/* One life of the child, and a look at what it left. */
static bool live_once(struct campaign *c)
{
    struct fate fate;
    choose_fate(c, &fate);
    const uint64_t bad_before = c->bad, refused_before = c->history->refused;
    const int died = run_workload(c, fate.environment, fate.kill_after_us);
    c->refused += c->history->refused - refused_before;
    if (died == SIGKILL || c->faults)
        c->killed++;
    else
        c->survived++;
    if (died != 0 && died != SIGKILL) {
        fprintf(stderr, "the workload died by signal %d\n", died);
        c->bad++;
    }
    const bool ok =
        verify_apart(c->scenario, c->db, c->history, random_below(&c->random, 4) == 0, SECONDS_MAX);
    if ((!ok || c->bad > bad_before) && !c->expect_loss) fprintf(stderr, "%s\n", fate.words);
    return ok;
}

static void campaign_run(struct campaign *c)
{
    measure(c);
    uint64_t lives = 0;
    const uint64_t bad_max = c->expect_loss ? 1 : BAD_MAX;
    while (c->killed < c->kill_count && c->survived <= 2 * c->kill_count && c->bad < bad_max) {
        const uint64_t killed_before = c->killed, bad_before = c->bad;
        const bool ok = live_once(c);
        if (!ok) c->bad++;
        if (c->killed > killed_before && c->bad == bad_before) c->good++;
        if (!ok || ++lives >= LIVES_MAX || c->history->begun > BATCHES_MAX / 2) {
            fresh_directory(c);
            lives = 0;
        }
    }
}

int main(int argc, char **argv)
{
    workload_main(argc, argv);
    struct campaign c = {
        .scenario = scenario_find(option(argc, argv, "--scenario", "db")),
        .kill_count = strtoull(option(argc, argv, "--kills", "200"), NULL, 0),
        .batch_count = strtoull(option(argc, argv, "--batches", "60"), NULL, 0),
        .expect_loss = has_option(argc, argv, "--expect-loss"),
        .faults = has_option(argc, argv, "--faults"),
    };
    const char *given = option(argc, argv, "--seed", getenv("PHUSA_SEED"));
    const uint64_t seed = given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 0);
    c.random = random_from(seed);
    c.history =
        mmap(NULL, sizeof *c.history, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c.history == MAP_FAILED) return 2;
    scratch_make(c.dir);
    snprintf(c.db, sizeof c.db, "%s/db", c.dir);
    snprintf(c.count_file, sizeof c.count_file, "%s/calls", c.dir);
    const char *what = c.faults ? "faults" : "kill";
    printf("%s %s: PHUSA_SEED=%" PRIu64 "\n", what, c.scenario->name, seed);
    fflush(stdout);
    const int64_t start_us = now_us();
    campaign_run(&c);
    printf("%s %s: %" PRIu64 " of them, %" PRIu64 " lives that ended by themselves, %" PRIu64
           " writes refused, %" PRIu64 " calls a life, %.1f s\n",
           what, c.scenario->name, c.killed, c.survived, c.refused, c.calls,
           (double)(now_us() - start_us) / 1e6);
    if (c.expect_loss) {
        printf("kill %s, control that acknowledges too early: kill %" PRIu64
               " lost something, as one must\n",
               c.scenario->name, c.bad > 0 ? c.killed : 0);
        printf("%d passed, %d failed\n", c.bad > 0, c.bad == 0);
        return c.bad == 0;
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", c.good, c.bad);
    return c.bad > 0;
}
