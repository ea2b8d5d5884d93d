/*
 * Guards: one thread appends and syncs while others prepare, release and look at statistics; no
 * access of theirs races with one of its, and the log reads back whole (run under ThreadSanitizer
 * by `make tsan`). A program of its own, because Criterion cannot start under ThreadSanitizer.
 */
#include "wal/wal.h"

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS        4000u
#define PAYLOAD_BYTES 3000u
#define LSNS          3u
#define KEPT          60u /* groups that are not released yet */

static struct wal *wal;
static _Atomic uint64_t durable; /* groups */
static _Atomic bool done;

#define EXPECT(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))
static void fail(const char *what, int line)
{
    fprintf(stderr, "wal_race.c:%d: %s is false\n", line, what);
    exit(1);
}

static uint64_t released_groups(void)
{
    const uint64_t now = atomic_load(&durable);
    return now > KEPT ? now - KEPT : 0;
}

static void *release(void *unused)
{
    while (!atomic_load(&done)) {
        wal_release(wal, 1 + released_groups() * LSNS);
        usleep(500);
    }
    return NULL;
}

static void *prepare(void *unused)
{
    while (!atomic_load(&done)) {
        EXPECT(wal_prepare(wal) == PHUSA_OK);
        usleep(200);
    }
    return NULL;
}

static void *watch(void *unused)
{
    uint64_t before = 0;
    while (!atomic_load(&done)) {
        struct wal_stats stats;
        wal_stats(wal, &stats);
        EXPECT(stats.durable_lsn >= before);
        before = stats.durable_lsn;
        usleep(100);
    }
    return NULL;
}

static void append_all(void)
{
    static uint8_t payload[PAYLOAD_BYTES];
    for (uint64_t i = 0; i < GROUPS; i++) {
        memset(payload, (int)(i % 251), sizeof payload);
        EXPECT(wal_append(wal, &(struct wal_group){.first_lsn = 1 + i * LSNS,
                                                   .lsn_count = LSNS,
                                                   .payload = payload,
                                                   .payload_bytes = sizeof payload}) == PHUSA_OK);
        if (i % 3 != 0) continue;
        EXPECT(wal_sync(wal) == PHUSA_OK);
        atomic_store(&durable, i + 1);
    }
    EXPECT(wal_sync(wal) == PHUSA_OK);
}

static phusa_status expect_next(void *context, const struct wal_group *group)
{
    uint64_t *next = context;
    const uint64_t i = (group->first_lsn - 1) / LSNS;
    EXPECT(*next == 0 || i == *next);
    EXPECT(group->payload_bytes == PAYLOAD_BYTES && group->payload[7] == i % 251);
    *next = i + 1;
    return PHUSA_OK;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    return remove(path);
}

int main(void)
{
    char dir[] = "/dev/shm/phusa-race-XXXXXX";
    EXPECT(mkdtemp(dir) != NULL);
    const struct wal_options options = {.segment_bytes = WAL_SEGMENT_BYTES_MIN};
    uint64_t next = 0;
    EXPECT(wal_open(dir, &options, 0, expect_next, &next, &wal, NULL) == PHUSA_OK);
    void *(*const bodies[])(void *) = {release, prepare, watch, watch};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, bodies[i], NULL) == 0);
    append_all();
    atomic_store(&done, true);
    for (size_t i = 0; i < 4; i++)
        EXPECT(pthread_join(threads[i], NULL) == 0);
    wal_close(wal);
    const uint64_t from_lsn = 1 + released_groups() * LSNS;
    EXPECT(wal_open(dir, &options, from_lsn, expect_next, &next, &wal, NULL) == PHUSA_OK);
    EXPECT(next == GROUPS && wal_next_lsn(wal) == 1 + GROUPS * LSNS);
    wal_close(wal);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    printf("wal_race: %u groups beside release, prepare and statistics\n", GROUPS);
    return 0;
}
