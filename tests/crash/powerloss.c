/*
 * powerloss.c - what a power cut may leave, rebuilt thousands of times and reopened.
 *
 *     powerloss --scenario wal|db [--states 2000] [--batches 300] [--seed S] [--state K] [--keep]
 *               [--expect-loss]
 *
 * A workload is recorded once: every write, sync and name, and what was acknowledged when. Then
 * each state cuts the record at some operation, builds the directory as the power cut could have
 * left it there (lab.h), opens it and compares: nothing acknowledged is missing, no batch is there
 * by half, no value is there that was not written. State K of a seed is always the same, given the
 * same record; --state repeats one, --keep leaves the directory.
 *
 * --expect-loss is the negative control, for a build whose syncs do nothing: it passes if
 * acknowledged batches are found missing.
 */
#include "lab.h"
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS     2u
#define SECONDS_MAX 60u /* for one reopening; only a hang takes that long */

struct campaign {
    const struct scenario *scenario;
    uint64_t seed, state_count, batch_count;
    int64_t only; /* this state; -1: all */
    bool keep, expect_loss;
    char dir[64];
    uint8_t *trace;
    size_t trace_bytes;
    uint64_t op_count;
};

static void *map_file(const char *path, size_t *size_bytes)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        perror(path);
        exit(2);
    }
    *size_bytes = (size_t)st.st_size;
    void *bytes = mmap(NULL, *size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    return bytes;
}

/* Run the workload under the recorder, and see that the record is the whole truth. */
static void record(struct campaign *c)
{
    char base[80], db[96], trace[80], dir_env[160], file_env[160];
    snprintf(base, sizeof base, "%s/base", c->dir);
    snprintf(db, sizeof db, "%s/db", base);
    snprintf(trace, sizeof trace, "%s/trace", c->dir);
    snprintf(dir_env, sizeof dir_env, "%s=%s", TRACE_DIR, base);
    snprintf(file_env, sizeof file_env, "%s=%s", TRACE_FILE, trace);
    mkdir(base, 0700);
    const char *environment[] = {dir_env, file_env, NULL};
    const int null = open("/dev/null", O_WRONLY);
    const pid_t pid =
        workload_start(c->scenario, db, c->seed, 0, c->batch_count, null, environment);
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "the workload ended with status %x\n", (unsigned)status);
        exit(2);
    }
    close(null);
    c->trace = map_file(trace, &c->trace_bytes);
    struct lab *lab = lab_create(c->trace, c->trace_bytes);
    const struct trace_op *op;
    const uint8_t *data;
    while (lab_step(lab, &op, &data))
        c->op_count++;
    char difference[1024];
    if (!lab_matches(lab, base, difference, sizeof difference)) {
        fprintf(stderr, "the recorder missed something: %s\n", difference);
        exit(2);
    }
    lab_free(lab);
}

/* Where the power goes in state k: states are spread evenly over the record. */
static uint64_t cut_of(const struct campaign *c, uint64_t k)
{
    return (uint64_t)((unsigned __int128)(c->op_count + 1) * k / c->state_count);
}

static bool try_state(const struct campaign *c, const struct lab *lab, struct history *history,
                      uint64_t k, const char *dir)
{
    struct random random = random_from(c->seed * 1000003 + k);
    char db[96];
    snprintf(db, sizeof db, "%s/db", dir);
    if (mkdir(dir, 0700) != 0) {
        perror(dir);
        abort();
    }
    lab_build(lab, &random, dir);
    alarm(SECONDS_MAX);
    const bool ok = c->scenario->verify(db, history, random_below(&random, 8) == 0);
    alarm(0);
    if (!c->keep) scratch_remove(dir);
    return ok;
}

/* What the processes of one worker know of each other. */
struct progress {
    uint64_t state; /* being tried */
    uint64_t bad;
};

static void report(const struct campaign *c, const struct progress *progress)
{
    fprintf(stderr, "state %" PRIu64 " of seed %" PRIu64 ", cut at operation %" PRIu64 "\n",
            progress->state, c->seed, cut_of(c, progress->state));
}

/* Every WORKERSth state from the one in `progress` on. */
static void try_states(const struct campaign *c, struct progress *progress, const char *dir)
{
    /* Memory that is given back is memory that has to be faulted in again, thousands of times. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    struct lab *lab = lab_create(c->trace, c->trace_bytes);
    struct history *history = calloc(1, sizeof *history);
    struct history *copy = calloc(1, sizeof *copy);
    uint64_t done = 0;
    for (; progress->state < c->state_count; progress->state += WORKERS) {
        for (; done < cut_of(c, progress->state); done++) {
            const struct trace_op *op;
            const uint8_t *data;
            if (!lab_step(lab, &op, &data)) break;
            if (op->kind == TRACE_MARK) history_add(history, (const char *)data, op->data_bytes);
        }
        if (c->only >= 0 && (uint64_t)c->only != progress->state) continue;
        memcpy(copy, history, offsetof(struct history, state) + history->begun + 2);
        if (try_state(c, lab, copy, progress->state, dir)) continue;
        report(c, progress);
        progress->bad++;
    }
    free(history);
    free(copy);
    lab_free(lab);
}

/* States are tried in a child, and after a crash in another one. */
static void work_through(const struct campaign *c, uint64_t worker, struct progress *progress)
{
    char dir[80];
    snprintf(dir, sizeof dir, "%s/w%" PRIu64, c->dir, worker);
    progress->state = worker;
    while (progress->state < c->state_count) {
        const pid_t pid = fork();
        if (pid == 0) {
            try_states(c, progress, dir);
            _exit(0);
        }
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            status = 0;
        if (status == 0) break;
        fprintf(stderr, "reopening ended with status %x%s\n", (unsigned)status,
                WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
        report(c, progress);
        progress->bad++;
        progress->state += WORKERS;
        if (!c->keep) scratch_remove(dir);
    }
}

/* The number of bad states. */
static uint64_t run_workers(const struct campaign *c)
{
    struct progress *progress =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[WORKERS];
    for (uint64_t w = 0; w < WORKERS; w++) {
        pids[w] = fork();
        if (pids[w] == 0) {
            if (c->expect_loss && !freopen("/dev/null", "w", stderr)) _exit(2);
            work_through(c, w, &progress[w]);
            _exit(0);
        }
    }
    uint64_t total = 0;
    for (uint64_t w = 0; w < WORKERS; w++) {
        int status;
        if (waitpid(pids[w], &status, 0) != pids[w] || status != 0) {
            fprintf(stderr, "a worker ended with status %x\n", (unsigned)status);
            exit(2);
        }
        total += progress[w].bad;
    }
    return total;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    workload_main(argc, argv);
    struct campaign c = {
        .scenario = scenario_find(option(argc, argv, "--scenario", "wal")),
        .state_count = strtoull(option(argc, argv, "--states", "2000"), NULL, 0),
        .batch_count = strtoull(option(argc, argv, "--batches", "300"), NULL, 0),
        .only = strtoll(option(argc, argv, "--state", "-1"), NULL, 0),
        .keep = has_option(argc, argv, "--keep"),
        .expect_loss = has_option(argc, argv, "--expect-loss"),
    };
    const char *seed = option(argc, argv, "--seed", getenv("PHUSA_SEED"));
    c.seed = seed == NULL ? (uint64_t)time(NULL) : strtoull(seed, NULL, 0);
    if (c.state_count == 0) c.state_count = 1;
    scratch_make(c.dir);
    printf("powerloss %s: PHUSA_SEED=%" PRIu64 ", in %s\n", c.scenario->name, c.seed, c.dir);
    fflush(stdout);
    record(&c);
    const int64_t start_ms = now_ms();
    const uint64_t bad = run_workers(&c);
    const int64_t took_ms = now_ms() - start_ms;
    const uint64_t states = c.only < 0 ? c.state_count : 1;
    printf("powerloss %s: %" PRIu64 " states of %" PRIu64 " operations in %.1f s\n",
           c.scenario->name, states, c.op_count, (double)took_ms / 1000);
    if (c.keep) scratch_keep();
    if (c.expect_loss) {
        printf("powerloss %s, control without syncs: %" PRIu64 " of %" PRIu64
               " states lost something, as they must\n",
               c.scenario->name, bad, states);
        printf("%d passed, %d failed\n", bad > 0, bad == 0);
        return bad == 0;
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", states - bad, bad);
    return bad > 0;
}
