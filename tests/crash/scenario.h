/*
 * scenario.h - a program that writes numbered batches and says so, and what must be found of them
 * after it was cut off.
 *
 * It says `b N` before batch N is handed over, `a N` when it has been acknowledged, `x N` when it
 * was refused, and `r N` when batches before N may be gone from the place that is looked at.
 */
#ifndef TESTS_CRASH_SCENARIO_H
#define TESTS_CRASH_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCHES_MAX 65536u

enum batch_state {
    BATCH_NONE,   /* must not be there */
    BATCH_BEGUN,  /* all of it, or nothing */
    BATCH_ACKED,  /* must be there */
    BATCH_ABSENT, /* was looked for and not found: must not come back */
};
struct history {
    uint64_t begun;          /* batches before this were begun */
    uint64_t acked, refused; /* how many */
    uint64_t released;
    uint8_t state[BATCHES_MAX];
};
/* Take in what the workload said: whole lines. */
void history_add(struct history *history, const char *text, size_t size_bytes);

struct scenario {
    const char *name;
    /* Write batches from first_batch on to `dir`, which may be missing. Ends by itself. */
    void (*work)(const char *dir, uint64_t seed, uint64_t first_batch, uint64_t batch_count);
    /* Open `dir` and compare; batches that were begun become acknowledged or absent, for what was
     * seen once must stay so. With `go_on` also write to it, reopen and compare again. False:
     * stderr says what is wrong. */
    bool (*verify)(const char *dir, struct history *history, bool go_on);
};
extern const struct scenario scenario_wal;
extern const struct scenario scenario_db;
const struct scenario *scenario_find(const char *name);

/* In the environment of a workload that goes on: what history->released was. */
#define RELEASED_ENV "PHUSA_CRASH_RELEASED"

/* In the environment of a workload whose disk fails once: it is not to give up. */
#define FAULTS_ENV "PHUSA_CRASH_FAULTS"

/* In the environment of a workload that is to use threads, its own and the engine's. */
#define BACKGROUND_ENV "PHUSA_CRASH_BACKGROUND"

/* For the workload: say something. */
void mark(char kind, uint64_t number);
/* For both: bytes that follow from a number. */
uint64_t mixed(uint64_t x);

/* A directory of our own below the memory's file system (TMPDIR says where), removed when this
 * process exits unless it is to be kept. */
void scratch_make(char path[64]);
void scratch_keep(void);
void scratch_remove(const char *path);

/* Start this program again as a workload, with the recorder before it. `mark_to` is where it says
 * things; environment: NAME=VALUE strings, NULL at the end. The pid. */
int workload_start(const struct scenario *scenario, const char *dir, uint64_t seed,
                   uint64_t first_batch, uint64_t batch_count, int mark_to,
                   const char *const *environment);
/* In main(), first: if the program was started so, work and exit. */
void workload_main(int argc, char **argv);

/* Run verify() in a child with a time limit: a crash is an answer too. */
bool verify_apart(const struct scenario *scenario, const char *dir, struct history *history,
                  bool go_on, unsigned seconds_max);

/* An option "--name value" of the command line, or `otherwise`. */
const char *option(int argc, char **argv, const char *name, const char *otherwise);
bool has_option(int argc, char **argv, const char *name);

#endif
