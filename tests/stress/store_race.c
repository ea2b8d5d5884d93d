/*
 * Guards: a reader that pins a set of files sees every row that was committed before, once, while
 * flushes, merges, seals and unlinks go on beside it; and no access of theirs races with one of
 * its (run under ThreadSanitizer by `make tsan`).
 *
 * One thread flushes heads of new rows, one merges and seals what it finds, three read. No row
 * is ever written twice, so counting them tells. A program of its own, because Criterion cannot
 * start under ThreadSanitizer.
 */
#include "chunk/chunk.h"
#include "rollup/compact.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERIES  40u
#define ROWS    50u /* of a series in one head */
#define FLUSHES 120u
#define READERS 3
#define HOUR_NS (INT64_C(3600) * 1000000000)

static char dir[] = "/tmp/phusa-race-XXXXXX";
static struct catalog *catalog;
static struct policy_info policy;
static _Atomic uint64_t flushed; /* rows whose commit has returned */
static _Atomic uint64_t started; /* rows whose commit has begun */
static _Atomic uint64_t reads, jobs;
static _Atomic bool stop;

#define EXPECT(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))
static void fail(const char *what, int line)
{
    fprintf(stderr, "store_race.c:%d: %s is false\n", line, what);
    _exit(1);
}

static struct head *fill_head(uint64_t *lsn, unsigned flush)
{
    struct head *head;
    EXPECT(head_create(16 << 20, *lsn, &head) == PHUSA_OK);
    const struct points_field field = {3, PHUSA_INTEGER};
    const struct points_shape shape = {&field, 1};
    const uint8_t decimals = 0;
    const struct phusa_text text = {"", 0};
    for (unsigned i = 0; i < SERIES * ROWS; i++) {
        const union points_value value = {.i = i};
        const struct points_row row = {
            .series = UINT64_C(1) << 32 | i % SERIES,
            .lsn = (*lsn)++,
            .time_ns = (int64_t)(flush * ROWS + i / SERIES) * (HOUR_NS / 10),
            .fields = &shape,
            .values = &value,
            .decimals = &decimals,
            .texts = &text,
        };
        EXPECT(head_append(head, policy.id, &row) == PHUSA_OK);
    }
    return head;
}

static void *flush_main(void *context)
{
    (void)context;
    uint64_t lsn = 1;
    for (unsigned flush = 0; flush < FLUSHES; flush++) {
        struct head *head = fill_head(&lsn, flush);
        struct file_info info;
        EXPECT(compact_flush(catalog, dir, head, &policy, NULL, NULL, &info) == PHUSA_OK);
        head_unref(head);
        const struct catalog_change change = {
            .added = &info, .added_count = 1, .flushed_lsn = lsn, .recorded_at_ns = flush};
        atomic_fetch_add(&started, SERIES * ROWS);
        EXPECT(catalog_commit(catalog, &change, NULL) == PHUSA_OK);
        atomic_fetch_add(&flushed, SERIES * ROWS);
    }
    return NULL;
}

static void *compact_main(void *context)
{
    (void)context;
    for (unsigned round = 0; !stop; round++) {
        const struct compact_options options = {
            .now_ns = INT64_C(1) << 60, .grace_ns = 0, .force = round % 8 == 7};
        enum compact_job job;
        EXPECT(compact_step(catalog, dir, &policy, &options, &job, NULL) == PHUSA_OK);
        if (job != COMPACT_NOTHING)
            atomic_fetch_add(&jobs, 1);
        else
            usleep(1000);
    }
    return NULL;
}

static uint64_t count_rows(struct data_file *file)
{
    struct file_cursor *cursor;
    uint64_t rows = 0;
    EXPECT(file_cursor_open(file, &cursor) == PHUSA_OK);
    for (uint64_t s = 0; s < SERIES; s++) {
        EXPECT(file_cursor_seek(cursor, UINT64_C(1) << 32 | s, policy.shard, 0, INT64_MAX) ==
               PHUSA_OK);
        struct stored_chunk chunk;
        bool found = true;
        while (found) {
            EXPECT(file_cursor_next(cursor, &chunk, &found) == PHUSA_OK);
            if (!found) break;
            struct chunk_view view;
            EXPECT(chunk_open(&view, chunk.bytes, chunk.size_bytes) == PHUSA_OK);
            rows += view.row_count;
        }
    }
    file_cursor_close(cursor);
    return rows;
}

static void *read_main(void *context)
{
    (void)context;
    while (!stop) {
        const uint64_t least = flushed;
        struct file_set *set = catalog_files(catalog, policy.id);
        const uint64_t most = started;
        uint64_t rows = 0;
        for (size_t i = 0; i < set->file_count; i++)
            rows += count_rows(set->files[i]);
        file_set_release(set);
        EXPECT(rows >= least);
        EXPECT(rows <= most);
        atomic_fetch_add(&reads, 1);
    }
    return NULL;
}

int main(void)
{
    EXPECT(mkdtemp(dir) != NULL);
    EXPECT(catalog_open(dir, false, 3, NULL, &catalog, NULL) == PHUSA_OK);
    const struct policy_info shape = {.name = "p", .shard = {0, 100 * HOUR_NS}};
    struct database_info database;
    EXPECT(catalog_create_database(catalog, "d", "UTC", &shape, &database, NULL) == PHUSA_OK);
    EXPECT(catalog_get_policy(catalog, database.default_policy, &policy));

    pthread_t flusher, compactor, readers[READERS];
    pthread_create(&flusher, NULL, flush_main, NULL);
    pthread_create(&compactor, NULL, compact_main, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, read_main, NULL);
    pthread_join(flusher, NULL);
    stop = true;
    pthread_join(compactor, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    EXPECT(reads > READERS);
    EXPECT(jobs > 3);
    catalog_close(catalog, true);
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", dir);
    EXPECT(system(command) == 0);
    printf("store_race: %u flushes, %llu jobs, %llu reads of whole sets\n", FLUSHES,
           (unsigned long long)jobs, (unsigned long long)reads);
    return 0;
}
