/*
 * flusher.c - the background: frozen heads to runs, merges, seals.
 *
 *     active --freeze--> frozen --flush--> runs, named by a catalogue commit --> log released
 *
 * A frozen head stays visible until the commit that names its runs is done: a query that pins its
 * manifest in between sees a point twice, and once too few never. Two copies of a point are one.
 *
 * No room on disk: the unit is aborted and tried again every second; reads go on.
 */
#include "db.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/status.h"
#include "rollup/compact.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define RETRY_NS INT64_C(1000000000)

static struct head *frozen_ref(struct phusa *db)
{
    pthread_mutex_lock(&db->view_mutex);
    struct head *head = db->frozen == NULL ? NULL : head_ref(db->frozen);
    pthread_mutex_unlock(&db->view_mutex);
    return head;
}

/* ---- flush ---- */

static phusa_status checkpoint_indexes(struct phusa *db)
{
    struct database_info *databases;
    size_t count;
    phusa_status status = catalog_databases(db->catalog, &databases, &count);
    if (status != PHUSA_OK) return status;
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        struct index *index = db_index_pin(db, databases[i].id);
        if (index == NULL) continue;
        status = index_checkpoint(index);
        db_index_unpin(db, index);
    }
    mem_free(databases);
    return status;
}

static phusa_status flush_policies(struct phusa *db, struct head *head, struct arena *arena,
                                   struct file_info **files, size_t *file_count)
{
    uint32_t *policies;
    size_t count;
    phusa_status status = head_policies(head, arena, &policies, &count);
    if (status != PHUSA_OK) return status;
    *files = arena_array(arena, count + 1, sizeof **files);
    if (*files == NULL) return PHUSA_ENOMEM;
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        struct policy_info policy;
        if (!catalog_get_policy(db->catalog, policies[i], &policy)) continue; /* dropped */
        status =
            compact_flush(db->catalog, db->dir, head, &policy, NULL, NULL, &(*files)[*file_count]);
        if (status == PHUSA_OK) (*file_count)++;
    }
    return status;
}

/* One head to runs, and the commit that names them. Definitions reach the index files before, so
 * that the log before the head's end is no longer needed. */
static phusa_status flush_head(struct phusa *db, struct head *head, struct phusa_error *error)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct head_stats stats;
    head_stats(head, &stats);
    struct file_info *files = NULL;
    size_t file_count = 0;
    phusa_status status = flush_policies(db, head, &arena, &files, &file_count);
    if (status == PHUSA_OK) status = checkpoint_indexes(db);
    bool committed = false;
    if (status == PHUSA_OK) {
        const struct catalog_change change = {.added = files,
                                              .added_count = file_count,
                                              .flushed_lsn = stats.lsn_end,
                                              .recorded_at_ns = db->recorded_at_ns};
        status = catalog_commit(db->catalog, &change, error);
        committed = true;
    }
    const bool undone = !committed || status == PHUSA_ENOSPC || status == PHUSA_ENOMEM;
    for (size_t i = 0; status != PHUSA_OK && undone && i < file_count; i++)
        file_remove(db->dir, &files[i]);
    arena_deinit(&arena);
    if (status == PHUSA_OK) return status;
    if (status != PHUSA_ENOSPC && status != PHUSA_ENOMEM)
        db_refuse_writes(db, PHUSA_EFAILED,
                         "a data file or the catalogue could not be written; restart the server");
    return error_set(error, status, "points in memory could not be written to a data file: %s",
                     phusa_status_text(status));
}

phusa_status flusher_flush(struct phusa *db, struct phusa_error *error)
{
    struct head *head = frozen_ref(db);
    if (head == NULL) return PHUSA_OK;
    struct head_stats stats;
    head_stats(head, &stats);
    const int64_t began_ns = clock_monotonic_ns();
    const phusa_status status = flush_head(db, head, error);
    if (status == PHUSA_OK) {
        pthread_mutex_lock(&db->view_mutex);
        db->frozen = NULL;
        pthread_mutex_unlock(&db->view_mutex);
        head_unref(head); /* the view's */
        if (db->wal != NULL) wal_release(db->wal, stats.lsn_end);
        atomic_fetch_add(&db->count.flushes, 1);
        log_write(&db->log, PHUSA_LOG_DEBUG, "flushed %llu points of %llu series in %lld ms",
                  (unsigned long long)stats.points, (unsigned long long)stats.series,
                  (long long)((clock_monotonic_ns() - began_ns) / 1000000));
    }
    head_unref(head);
    return status;
}

/* ---- freeze ---- */

/* Wait until no head is frozen; the flusher wakes us after each attempt. */
static phusa_status wait_for_flush(struct phusa *db, bool patient)
{
    if (!db->flusher_runs) {
        struct phusa_error error = {0};
        const phusa_status status = flusher_flush(db, &error);
        if (status != PHUSA_OK) log_write(&db->log, PHUSA_LOG_ERROR, "%s", error.text);
        return status;
    }
    pthread_mutex_lock(&db->flusher_mutex);
    phusa_status status = PHUSA_OK;
    while (db->flushed_count < db->frozen_count) {
        if (db->flusher_stopping) status = PHUSA_ECANCELLED;
        if (db->flush_status != PHUSA_OK && !patient) status = db->flush_status;
        if (status != PHUSA_OK) break;
        pthread_cond_wait(&db->flusher_done, &db->flusher_mutex);
    }
    pthread_mutex_unlock(&db->flusher_mutex);
    return status;
}

phusa_status flusher_freeze(struct phusa *db, bool patient)
{
    struct head_stats stats;
    head_stats(db->active, &stats);
    if (stats.points == 0) return PHUSA_OK;
    phusa_status status = wait_for_flush(db, patient);
    if (status != PHUSA_OK) return status;
    struct head *fresh;
    status = head_create(db->options.head_bytes_max / 2, stats.lsn_end, &fresh);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&db->view_mutex);
    assert(db->frozen == NULL);
    db->frozen = db->active;
    db->active = fresh;
    pthread_mutex_unlock(&db->view_mutex);
    if (!db->flusher_runs) return wait_for_flush(db, patient);
    pthread_mutex_lock(&db->flusher_mutex);
    db->frozen_count++;
    pthread_cond_signal(&db->flusher_wanted);
    pthread_mutex_unlock(&db->flusher_mutex);
    return PHUSA_OK;
}

/* The queue's only entry without a batch; the sequencer freezes when it comes to it. */
static void request_freeze(struct phusa *db)
{
    pthread_mutex_lock(&db->queue_mutex);
    if (!db->stopping && db->queue_count < WRITE_QUEUE_BATCHES_MAX) {
        const size_t last = (db->queue_first + db->queue_count) % WRITE_QUEUE_BATCHES_MAX;
        db->queue[last] = (struct write_job){0};
        db->queue_count++;
        pthread_cond_signal(&db->queue_filled);
    }
    pthread_mutex_unlock(&db->queue_mutex);
}

/* ---- merges and seals ---- */

static void flush_waiting(struct phusa *db)
{
    struct phusa_error error = {0};
    const phusa_status status = flusher_flush(db, &error);
    pthread_mutex_lock(&db->flusher_mutex);
    const bool news = status != db->flush_status;
    db->flush_status = status;
    db->flush_error = error;
    if (status == PHUSA_OK) db->flushed_count = db->frozen_count;
    pthread_cond_broadcast(&db->flusher_done);
    pthread_mutex_unlock(&db->flusher_mutex);
    if (news && status != PHUSA_OK)
        log_write(&db->log, PHUSA_LOG_ERROR, "%s; trying again every second", error.text);
    else if (news)
        log_write(&db->log, PHUSA_LOG_INFO, "points in memory reach the disk again");
}

/* Asked between the series of a merge or seal. A head that waits is flushed on the way: a job that
 * gave up for each of them would, under steady writes, never end. Where the disk does not take
 * the head it will not take the job's files either. */
static bool gives_up(void *context)
{
    struct phusa *db = context;
    pthread_mutex_lock(&db->flusher_mutex);
    const bool waits = db->flushed_count < db->frozen_count;
    pthread_mutex_unlock(&db->flusher_mutex);
    if (waits) flush_waiting(db);
    pthread_mutex_lock(&db->flusher_mutex);
    const bool stops = db->flusher_stopping || db->flush_status != PHUSA_OK;
    pthread_mutex_unlock(&db->flusher_mutex);
    return stops;
}

/* One job of one policy; *did: there was one. `force`: seal what is still open, too. */
static phusa_status compact_policy(struct phusa *db, const struct policy_info *policy, bool force,
                                   bool *did)
{
    struct phusa_error error = {0};
    enum compact_job job = COMPACT_NOTHING;
    const struct compact_options options = {.now_ns = db_now_ns(db),
                                            .grace_ns = db->options.seal_grace_ns,
                                            .force = force,
                                            .cancel = gives_up,
                                            .context = db};
    const phusa_status status = compact_step(db->catalog, db->dir, policy, &options, &job, &error);
    if (job == COMPACT_MERGE) atomic_fetch_add(&db->count.merges, 1);
    if (job == COMPACT_SEAL) atomic_fetch_add(&db->count.seals, 1);
    *did = job != COMPACT_NOTHING;
    if (status != PHUSA_OK && status != PHUSA_ECANCELLED)
        log_write(&db->log, PHUSA_LOG_ERROR, "merging files of policy %s: %s", policy->name,
                  error.text[0] != '\0' ? error.text : phusa_status_text(status));
    return status;
}

/* Jobs of every policy until there are none. */
static phusa_status compact_all(struct phusa *db, bool force)
{
    struct database_info *databases;
    size_t database_count;
    phusa_status status = catalog_databases(db->catalog, &databases, &database_count);
    if (status != PHUSA_OK) return status;
    for (size_t d = 0; status == PHUSA_OK && d < database_count; d++) {
        struct policy_info *policies;
        size_t policy_count;
        status = catalog_policies(db->catalog, databases[d].id, &policies, &policy_count);
        if (status != PHUSA_OK) break;
        for (size_t p = 0; status == PHUSA_OK && p < policy_count; p++) {
            bool did = true;
            while (status == PHUSA_OK && did)
                status = compact_policy(db, &policies[p], force, &did);
            if (status == PHUSA_ENOTFOUND) status = PHUSA_OK; /* dropped meanwhile */
        }
        mem_free(policies);
    }
    mem_free(databases);
    return status;
}

/* ---- the thread ---- */

static bool head_is_old(struct phusa *db)
{
    if (db->options.background_off) return false;
    pthread_mutex_lock(&db->view_mutex);
    struct head *head = head_ref(db->active);
    pthread_mutex_unlock(&db->view_mutex);
    struct head_stats stats;
    head_stats(head, &stats);
    head_unref(head);
    return stats.points > 0 &&
           clock_monotonic_ns() - stats.created_ns > db->options.flush_interval_ns;
}

/* Sleep until there is work or a second has passed; a disk that does not take a head is tried again
 * every second. */
static void wait_for_work(struct phusa *db)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    while (!db->flusher_stopping &&
           (db->flush_status != PHUSA_OK ||
            (db->seals_done == db->seals_wanted && db->flushed_count == db->frozen_count)))
        if (pthread_cond_timedwait(&db->flusher_wanted, &db->flusher_mutex, &until) == ETIMEDOUT)
            break;
}

void *flusher_main(void *context)
{
    struct phusa *db = context;
    int64_t compact_after_ns = 0;
    for (;;) {
        pthread_mutex_lock(&db->flusher_mutex);
        wait_for_work(db);
        const bool stopping = db->flusher_stopping;
        const bool flush = db->flushed_count < db->frozen_count;
        const uint64_t seals = db->seals_wanted;
        const bool seal = db->seals_done < seals;
        pthread_mutex_unlock(&db->flusher_mutex);
        if (stopping) return NULL;
        if (flush) flush_waiting(db);
        if (head_is_old(db)) request_freeze(db);
        if (!db->options.read_only && db->wal != NULL) (void)!wal_prepare(db->wal);
        if (seal) {
            const phusa_status status = compact_all(db, true);
            if (status == PHUSA_ECANCELLED) continue; /* it stops, or has no room: see gives_up() */
            pthread_mutex_lock(&db->flusher_mutex);
            db->seals_done = seals;
            db->seal_status = status;
            pthread_cond_broadcast(&db->flusher_done);
            pthread_mutex_unlock(&db->flusher_mutex);
        } else if (!db->options.background_off && clock_monotonic_ns() > compact_after_ns) {
            const phusa_status status = compact_all(db, false);
            if (status != PHUSA_OK && status != PHUSA_ECANCELLED)
                compact_after_ns = clock_monotonic_ns() + 10 * RETRY_NS;
        }
    }
}

/* ---- on request ---- */

struct freeze_wait {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    phusa_status status;
};

static void freeze_done(void *context, phusa_status status, const struct phusa_error *error)
{
    (void)error;
    struct freeze_wait *wait = context;
    pthread_mutex_lock(&wait->mutex);
    wait->done = true;
    wait->status = status;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->mutex);
}

phusa_status phusa_flush(struct phusa *db, struct phusa_error *error)
{
    assert(db != NULL);
    if (db->options.read_only) return PHUSA_OK;
    struct freeze_wait wait = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                               .cond = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&db->queue_mutex);
    while (db->queue_count == WRITE_QUEUE_BATCHES_MAX)
        pthread_cond_wait(&db->queue_drained, &db->queue_mutex);
    const size_t last = (db->queue_first + db->queue_count) % WRITE_QUEUE_BATCHES_MAX;
    db->queue[last] = (struct write_job){.done = freeze_done, .context = &wait};
    db->queue_count++;
    pthread_cond_signal(&db->queue_filled);
    pthread_mutex_unlock(&db->queue_mutex);
    pthread_mutex_lock(&wait.mutex);
    while (!wait.done)
        pthread_cond_wait(&wait.cond, &wait.mutex);
    pthread_mutex_unlock(&wait.mutex);
    phusa_status status = wait.status;
    pthread_mutex_lock(&db->flusher_mutex);
    const uint64_t frozen_count = db->frozen_count;
    while (status == PHUSA_OK && db->flushed_count < frozen_count) {
        pthread_cond_wait(&db->flusher_done, &db->flusher_mutex);
        if (db->flushed_count < frozen_count) status = db->flush_status;
    }
    const struct phusa_error flush_error = db->flush_error;
    pthread_mutex_unlock(&db->flusher_mutex);
    if (status == PHUSA_OK) return status;
    return error_set(error, status, "%s",
                     flush_error.text[0] != '\0' ? flush_error.text : phusa_status_text(status));
}

phusa_status phusa_seal(struct phusa *db, struct phusa_error *error)
{
    phusa_status status = phusa_flush(db, error);
    if (status != PHUSA_OK || db->options.read_only) return status;
    pthread_mutex_lock(&db->flusher_mutex);
    const uint64_t ticket = ++db->seals_wanted;
    pthread_cond_signal(&db->flusher_wanted);
    while (db->seals_done < ticket && !db->flusher_stopping)
        pthread_cond_wait(&db->flusher_done, &db->flusher_mutex);
    status = db->seals_done < ticket ? PHUSA_ECANCELLED : db->seal_status;
    pthread_mutex_unlock(&db->flusher_mutex);
    if (status == PHUSA_OK) return status;
    return error_set(error, status, "sealing failed: %s; the log of the server says more",
                     phusa_status_text(status));
}
