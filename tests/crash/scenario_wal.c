/*
 * scenario_wal.c - the log alone: groups of all sizes, several to a sync, segments that are
 * released and used again, and reopening now and then.
 */
#include "scenario.h"

#include "random.h"
#include "wal/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAYLOAD_MAX   60000u
#define DEFINES_ALONE UINT64_MAX /* instead of a batch's number */

static uint64_t lsns_of(uint64_t batch)
{
    return 1 + batch % 3;
}
static uint64_t lsn_before(uint64_t batch)
{
    static const uint64_t part[3] = {0, 1, 3};
    return 1 + batch / 3 * 6 + part[batch % 3];
}
static uint64_t batch_at(uint64_t lsn)
{
    uint64_t batch = (lsn - 1) / 6 * 3;
    while (lsn_before(batch) < lsn)
        batch++;
    return batch;
}

static size_t payload_of(uint64_t batch, uint8_t bytes[PAYLOAD_MAX])
{
    const uint64_t bits = mixed(batch + 1);
    size_t size_bytes = 8 + bits % 1500;
    if (batch % 13 == 5) size_bytes = 8 + bits % PAYLOAD_MAX;
    if (size_bytes > PAYLOAD_MAX) size_bytes = PAYLOAD_MAX;
    for (size_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(bits >> i % 7 * 8 ^ i);
    store_u64(bytes, batch);
    return size_bytes;
}

struct found {
    struct history *history;
    uint64_t next; /* batches before this were seen */
    bool begun;
    char problem[200];
};

static phusa_status take(void *context, const struct wal_group *group)
{
    struct found *f = context;
    static uint8_t expected[PAYLOAD_MAX];
    const uint64_t batch = group->payload_bytes < 8 ? 0 : load_u64(group->payload);
    if (batch == DEFINES_ALONE && group->lsn_count == 0) return PHUSA_OK;
    if (batch >= BATCHES_MAX || (f->begun && batch != f->next) ||
        payload_of(batch, expected) != group->payload_bytes ||
        memcmp(expected, group->payload, group->payload_bytes) != 0 ||
        group->first_lsn != lsn_before(batch) || group->lsn_count != lsns_of(batch))
        snprintf(f->problem, sizeof f->problem, "a group that was never written, after %" PRIu64,
                 f->next);
    f->begun = true;
    f->next = batch + 1;
    return PHUSA_OK;
}

static phusa_status open_log(const char *dir, uint64_t released, struct found *found,
                             struct wal **wal, struct phusa_error *error)
{
    const struct wal_options options = {.segment_bytes = WAL_SEGMENT_BYTES_MIN};
    found->begun = false;
    return wal_open(dir, &options, lsn_before(released), take, found, wal, error);
}

static phusa_status append(struct wal *wal, uint64_t batch)
{
    static uint8_t payload[PAYLOAD_MAX];
    const size_t size_bytes = payload_of(batch, payload);
    return wal_append(wal, &(struct wal_group){
                               .first_lsn = lsn_before(batch),
                               .lsn_count = lsns_of(batch),
                               .recorded_at_ns = (int64_t)batch,
                               .payload = payload,
                               .payload_bytes = size_bytes,
                           });
}

static void must(phusa_status status, const char *what)
{
    if (status == PHUSA_OK) return;
    fprintf(stderr, "workload: %s: %s\n", what, phusa_status_text(status));
    _exit(97);
}

/* Some groups, one sync. */
static uint64_t write_some(struct wal *wal, struct random *random, uint64_t batch)
{
    const uint64_t first = batch;
    if (random_below(random, 10) == 0) {
        uint8_t alone[8];
        store_u64(alone, DEFINES_ALONE);
        must(wal_append(wal, &(struct wal_group){.first_lsn = wal_next_lsn(wal),
                                                 .payload = alone,
                                                 .payload_bytes = sizeof alone}),
             "append");
    }
    for (uint64_t n = 1 + random_below(random, 4); n > 0; n--, batch++) {
        mark('b', batch);
        must(append(wal, batch), "append");
    }
    must(wal_sync(wal), "sync");
    for (uint64_t b = first; b < batch; b++)
        mark('a', b);
    return batch;
}

static void work(const char *dir, uint64_t seed, uint64_t first_batch, uint64_t batch_count)
{
    struct random random = random_from(seed);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) must(PHUSA_EIO, "mkdir");
    char parent[256];
    snprintf(parent, sizeof parent, "%s/..", dir);
    const int fd = open(parent, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || fsync(fd) != 0) must(PHUSA_EIO, "sync the parent");
    close(fd);
    struct found found = {0};
    struct wal *wal;
    /* What the catalogue would know. */
    const char *known = getenv(RELEASED_ENV);
    uint64_t released = known == NULL ? 0 : strtoull(known, NULL, 10);
    must(open_log(dir, released, &found, &wal, NULL), "open");
    uint64_t batch = batch_at(wal_next_lsn(wal));
    const uint64_t end = batch + batch_count;
    while (batch < end) {
        batch = write_some(wal, &random, batch);
        if (random_below(&random, 6) == 0) must(wal_prepare(wal), "prepare");
        if (random_below(&random, 8) == 0) {
            const uint64_t kept = batch - released < 25 ? batch - released : 25;
            released = batch - random_below(&random, kept + 1);
            mark('r', released);
            wal_release(wal, lsn_before(released));
        }
        if (random_below(&random, 20) == 0) {
            /* As after a kill: groups in the page cache that were never synced. What the new owner
             * of the log is shown is as good as acknowledged. */
            const uint64_t first = batch;
            for (uint64_t n = random_below(&random, 3); n > 0; n--, batch++) {
                mark('b', batch);
                must(append(wal, batch), "append");
            }
            wal_close(wal);
            must(open_log(dir, released, &found, &wal, NULL), "reopen");
            for (uint64_t b = first; b < batch; b++)
                mark('a', b);
        }
    }
    wal_close(wal);
}

static bool complain(const struct found *found, const char *what, const char *why)
{
    fprintf(stderr, "%s (batch %" PRIu64 "): %s\n", what, found->next, why);
    return false;
}

static bool look(const char *dir, struct history *history, struct found *found, struct wal **wal)
{
    struct phusa_error error = {0};
    *found = (struct found){.history = history, .next = history->released};
    const phusa_status status = open_log(dir, history->released, found, wal, &error);
    if (status != PHUSA_OK) return complain(found, "the log does not open", error.text);
    if (found->problem[0] != '\0') return complain(found, "a wrong group", found->problem);
    const uint64_t next = batch_at(wal_next_lsn(*wal));
    if (found->begun && found->next != next) return complain(found, "the LSN", "is not the next");
    for (uint64_t b = history->released; b < history->begun; b++) {
        if (b >= next && history->state[b] == BATCH_ACKED)
            return complain(found, "an acknowledged batch", "is lost");
        /* One that is gone is written again under the same number. */
        history->state[b] = b < next ? BATCH_ACKED : BATCH_NONE;
    }
    if (next > history->begun) return complain(found, "a batch", "was never begun");
    history->begun = next;
    return true;
}

static bool verify(const char *dir, struct history *history, bool go_on)
{
    struct found found = {0};
    struct wal *wal;
    if (access(dir, F_OK) != 0) {
        return history->acked == 0 || complain(&found, "the directory", "is gone");
    }
    if (!look(dir, history, &found, &wal)) return false;
    if (go_on && history->begun + 1 < BATCHES_MAX) {
        const uint64_t batch = history->begun;
        if (append(wal, batch) != PHUSA_OK || wal_sync(wal) != PHUSA_OK)
            return complain(&found, "the log", "takes no more");
        history->state[batch] = BATCH_ACKED;
        history->begun = batch + 1;
        wal_close(wal);
        if (!look(dir, history, &found, &wal)) return false;
    }
    wal_close(wal);
    return true;
}

const struct scenario scenario_wal = {"wal", work, verify};
