/*
 * db.h - the facade's own structure: what wires the modules together. Private to the .c files
 * beside it.
 *
 * Threads
 *   callers     phusa_submit() queues a batch; queries run on the caller's thread
 *   sequencer   one: resolves names, appends to the WAL, syncs, applies to the head, calls back
 *   flusher     one: writes frozen heads out as runs, merges, seals
 *
 * Lock order, left before right; none is held across a disk wait but those of catalog and index,
 * which readers never wait for:
 *   ddl_mutex > indexes_mutex > view_mutex > (locks inside the modules)
 *   queue_mutex and flusher_mutex: nothing is taken while they are held
 */
#ifndef PHUSA_DB_H
#define PHUSA_DB_H

#include "base/log.h"
#include "calendar/zone.h"
#include "head/head.h"
#include "index/batch.h"
#include "index/index.h"
#include "query/environment.h"
#include "store/catalog.h"
#include "text/line.h"
#include "wal/wal.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- indexes ---- */

struct open_index {
    uint32_t database, generation;
    struct index *index;
    uint32_t pins;
    bool dropped; /* closed and removed when the last pin goes */
};

/* ---- the queue of writes ---- */

/* A batch to write, or (batch NULL) a request to freeze the head. */
struct write_job {
    struct phusa_batch *batch;
    phusa_done_fn done;
    void *context;
};

struct phusa_batch {
    struct phusa *db;
    uint32_t database, policy;
    struct batch batch;
    struct line_parser *parser; /* made when lines are first fed */
    phusa_comment_fn comment;
    void *comment_context;
    uint64_t points_added; /* by phusa_batch_add(), the ordinal in refusals */
};

struct phusa {
    char *dir;
    struct phusa_options options;
    struct log log;
    int lock_fd;
    struct catalog *catalog;
    struct zone_table *zones;
    struct wal *wal;
    struct query_environment environment;
    struct query_counters counters;
    pthread_mutex_t ddl_mutex; /* one change of databases and policies at a time */

    pthread_mutex_t indexes_mutex;
    struct open_index *indexes; /* guarded by indexes_mutex */
    size_t index_count, index_capacity;

    /* What queries see. Frozen heads are on their way to disk. */
    pthread_mutex_t view_mutex;
    struct head *active; /* guarded by view_mutex; appended to by the sequencer alone */
    struct head *frozen; /* guarded by view_mutex; NULL: none */
    _Atomic uint64_t visible_lsn;

    pthread_mutex_t queue_mutex;
    pthread_cond_t queue_filled, queue_drained;
    struct write_job *queue; /* ring of WRITE_QUEUE_BATCHES_MAX; guarded by queue_mutex */
    size_t queue_first, queue_count, queue_bytes;
    bool stopping;         /* guarded by queue_mutex */
    phusa_status refusing; /* guarded by queue_mutex: why no write is taken; PHUSA_OK: they are */
    char refusing_reason[160];

    pthread_mutex_t flusher_mutex;
    pthread_cond_t flusher_wanted, flusher_done;
    bool flusher_stopping;
    uint64_t frozen_count, flushed_count; /* heads frozen and flushed so far */
    uint64_t seals_wanted, seals_done;
    phusa_status flush_status; /* of the last attempt */
    phusa_status seal_status;
    struct phusa_error flush_error;

    pthread_t sequencer, flusher;
    bool sequencer_runs, flusher_runs;
    struct sequencer_state *state;  /* the sequencer's own */
    uint64_t replay_from_lsn;       /* points before it were in runs when the store was opened */
    _Atomic int64_t recorded_at_ns; /* the greatest given out; the sequencer writes it */

    struct {
        _Atomic uint64_t points, values, refused, batches, flushes, merges, seals, queries;
    } count;
};

/* ---- db.c ---- */
int64_t db_now_ns(const struct phusa *db);
struct index *db_index_pin(struct phusa *db, uint32_t database);
void db_index_unpin(struct phusa *db, struct index *index);
/* Writes are refused from now on; the first reason stays. */
void db_refuse_writes(struct phusa *db, phusa_status status, const char *reason);
phusa_status db_manifest_pin(struct phusa *db, uint32_t policy, struct manifest *out);
void db_manifest_unpin(struct manifest *manifest);

/* ---- sequencer.c ---- */
PHUSA_MUST_USE phusa_status sequencer_init(struct phusa *db);
void sequencer_deinit(struct phusa *db);
void *sequencer_main(void *db);
/* Apply one group of the log to index and head, as replay does it. */
PHUSA_MUST_USE phusa_status sequencer_replay(struct phusa *db, const struct wal_group *group);

/* ---- flusher.c ---- */
void *flusher_main(void *db);
/* Hand the active head over to the flusher and begin a new one, after the one frozen before is on
 * disk. If that one cannot be written: patient, wait until it can (or the store closes); else give
 * the status of the failed attempt. The sequencer only (and replay and close, when it does not
 * run: then the frozen head is flushed on this thread). */
PHUSA_MUST_USE phusa_status flusher_freeze(struct phusa *db, bool patient);
/* Write the frozen head out now, on this thread: replay and close. */
PHUSA_MUST_USE phusa_status flusher_flush(struct phusa *db, struct phusa_error *error);

/* ---- read.c ---- */
void read_init_environment(struct phusa *db);

/* ---- db.c: what statements change ---- */
phusa_status db_create_database(struct phusa *db, const char *name, const char *zone,
                                const char *policy_name, const struct phusa_policy_options *policy,
                                struct phusa_error *error);
phusa_status db_drop_database(struct phusa *db, const char *name, struct phusa_error *error);
phusa_status db_create_policy(struct phusa *db, const char *database, const char *name,
                              const struct phusa_policy_options *options,
                              struct phusa_error *error);
phusa_status db_alter_policy(struct phusa *db, const char *database, const char *name,
                             const struct phusa_interval *duration,
                             const struct phusa_interval *shard, bool make_default,
                             struct phusa_error *error);

#endif
