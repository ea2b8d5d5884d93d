/*
 * db.c - opens a directory and wires the modules: who owns what is in db.h.
 *
 * Opening:  lock -> catalogue (orphans go) -> indexes -> log replayed into a head -> threads.
 * Closing:  no more writes -> sequencer ends -> head flushed -> clean end marked.
 */
#include "db.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/status.h"
#include "calendar/partition.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define DEFAULT_POLICY_NAME "autogen"

int64_t db_now_ns(const struct phusa *db)
{
    return db->options.clock != NULL ? db->options.clock(db->options.clock_context)
                                     : clock_wall_ns();
}

void db_refuse_writes(struct phusa *db, phusa_status status, const char *reason)
{
    pthread_mutex_lock(&db->queue_mutex);
    const bool first = db->refusing == PHUSA_OK;
    if (first) {
        db->refusing = status;
        snprintf(db->refusing_reason, sizeof db->refusing_reason, "%s", reason);
    }
    pthread_mutex_unlock(&db->queue_mutex);
    if (first) log_write(&db->log, PHUSA_LOG_ERROR, "writes are refused: %s", reason);
}

/* ---- options ---- */

void phusa_options_init(struct phusa_options *options)
{
    *options = (struct phusa_options){0};
}

static void set_default(size_t *value, size_t fallback)
{
    if (*value == 0) *value = fallback;
}

static size_t memory_bytes(void)
{
    struct sysinfo info;
    return sysinfo(&info) == 0 ? (size_t)info.totalram * info.mem_unit : HEAD_BYTES_DEFAULT * 4;
}

static phusa_status take_options(struct phusa *db, const struct phusa_options *options,
                                 struct phusa_error *error)
{
    if (options != NULL) db->options = *options;
    struct phusa_options *o = &db->options;
    const size_t quarter = memory_bytes() / 4;
    set_default(&o->head_bytes_max, quarter < HEAD_BYTES_DEFAULT ? quarter : HEAD_BYTES_DEFAULT);
    set_default(&o->wal_bytes_max, WAL_BYTES_DEFAULT);
    set_default(&o->wal_segment_bytes, WAL_SEGMENT_BYTES_DEFAULT);
    set_default(&o->query_bytes_max, QUERY_BYTES_DEFAULT);
    if (o->flush_interval_ns == 0) o->flush_interval_ns = FLUSH_INTERVAL_NS_DEFAULT;
    if (o->seal_grace_ns == 0) o->seal_grace_ns = SEAL_GRACE_NS_DEFAULT;
    if (o->query_time_ns_max == 0) o->query_time_ns_max = QUERY_TIME_NS_DEFAULT;
    if (o->query_rows_max == 0) o->query_rows_max = QUERY_ROWS_DEFAULT;
    if (o->query_values_max == 0) o->query_values_max = QUERY_VALUES_DEFAULT;
    if (o->open_files_max == 0) o->open_files_max = OPEN_FILES_DEFAULT;
    if (o->wal_segment_bytes < WAL_SEGMENT_BYTES_MIN || o->wal_segment_bytes % 4096 != 0)
        return error_set(error, PHUSA_EINVAL,
                         "wal_segment_bytes is %zu; it must be a multiple of 4096 and at least %u",
                         o->wal_segment_bytes, WAL_SEGMENT_BYTES_MIN);
    return PHUSA_OK;
}

/* ---- the directory ---- */

static phusa_status io_error(struct phusa_error *error, const char *what, const char *path)
{
    const int number = errno;
    const phusa_status status = status_from_errno(number);
    return error_set(error, status, "cannot %s %s: %s", what, path, strerror(number));
}

/* DIR's own name must be on disk before anything in it counts, also where an earlier start made it
 * and got no further. A parent that we may not read was made by somebody else, and DIR with it. */
static phusa_status make_directory(struct phusa *db, struct phusa_error *error)
{
    if (mkdir(db->dir, 0700) != 0 && errno != EEXIST) return io_error(error, "create", db->dir);
    char path[4096];
    snprintf(path, sizeof path, "%s/..", db->dir);
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES ? PHUSA_OK : io_error(error, "open", path);
    const phusa_status status = fsync(fd) == 0 ? PHUSA_OK : io_error(error, "sync", path);
    close(fd);
    return status;
}

static phusa_status lock_directory(struct phusa *db, struct phusa_error *error)
{
    if (!db->options.read_only) {
        const phusa_status status = make_directory(db, error);
        if (status != PHUSA_OK) return status;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/lock", db->dir);
    const int flags = db->options.read_only ? O_RDONLY : O_RDWR | O_CREAT;
    db->lock_fd = open(path, flags | O_CLOEXEC, 0600);
    if (db->lock_fd < 0 && db->options.read_only && errno == ENOENT) return PHUSA_OK;
    if (db->lock_fd < 0) return io_error(error, "open", path);
    if (flock(db->lock_fd, LOCK_EX | LOCK_NB) == 0) return PHUSA_OK;
    return error_set(error, PHUSA_ELOCKED,
                     "%s is in use by another process; stop it first (it holds %s)", db->dir, path);
}

/* ---- indexes ---- */

static phusa_status add_index(struct phusa *db, const struct database_info *database, bool unclean,
                              struct phusa_error *error)
{
    struct index *index;
    phusa_status status = index_open(db->dir, database->id, database->index_generation,
                                     db->options.read_only, unclean, &db->log, &index, error);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&db->indexes_mutex);
    const bool grown = MEM_GROW(db->indexes, db->index_capacity, db->index_count + 1);
    if (grown)
        db->indexes[db->index_count++] = (struct open_index){
            .database = database->id, .generation = database->index_generation, .index = index};
    pthread_mutex_unlock(&db->indexes_mutex);
    if (grown) return PHUSA_OK;
    index_close(index);
    return error_set(error, PHUSA_ENOMEM, "out of memory");
}

struct index *db_index_pin(struct phusa *db, uint32_t database)
{
    struct index *index = NULL;
    pthread_mutex_lock(&db->indexes_mutex);
    for (size_t i = 0; i < db->index_count; i++) {
        struct open_index *open = &db->indexes[i];
        if (open->database != database || open->dropped) continue;
        open->pins++;
        index = open->index;
        break;
    }
    pthread_mutex_unlock(&db->indexes_mutex);
    return index;
}

/* Take entry i out when nobody holds it any more; the caller closes and removes it after. */
static bool take_dropped(struct phusa *db, size_t i, struct open_index *out)
{
    if (!db->indexes[i].dropped || db->indexes[i].pins > 0) return false;
    *out = db->indexes[i];
    db->indexes[i] = db->indexes[--db->index_count];
    return true;
}

static void close_dropped(struct phusa *db, const struct open_index *open)
{
    index_close(open->index);
    index_remove(db->dir, open->database, open->generation);
}

void db_index_unpin(struct phusa *db, struct index *index)
{
    struct open_index gone;
    bool close = false;
    pthread_mutex_lock(&db->indexes_mutex);
    for (size_t i = 0; i < db->index_count; i++) {
        if (db->indexes[i].index != index) continue;
        db->indexes[i].pins--;
        close = take_dropped(db, i, &gone);
        break;
    }
    pthread_mutex_unlock(&db->indexes_mutex);
    if (close) close_dropped(db, &gone);
}

static void drop_index(struct phusa *db, uint32_t database)
{
    struct open_index gone;
    bool close = false;
    pthread_mutex_lock(&db->indexes_mutex);
    for (size_t i = 0; i < db->index_count; i++) {
        if (db->indexes[i].database != database) continue;
        db->indexes[i].dropped = true;
        close = take_dropped(db, i, &gone);
        break;
    }
    pthread_mutex_unlock(&db->indexes_mutex);
    if (close) close_dropped(db, &gone);
}

/* Index files of databases that are gone: a drop was interrupted. */
static void remove_orphan_indexes(struct phusa *db)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/index", db->dir);
    DIR *dir = opendir(path);
    if (dir == NULL) return;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        uint32_t database, generation;
        struct database_info info;
        if (sscanf(entry->d_name, "%" SCNu32 ".g%" SCNu32 ".mdb", &database, &generation) != 2)
            continue;
        if (catalog_get_database(db->catalog, database, &info) &&
            info.index_generation == generation)
            continue;
        index_remove(db->dir, database, generation);
    }
    closedir(dir);
}

static phusa_status open_indexes(struct phusa *db, struct phusa_error *error)
{
    struct database_info *databases;
    size_t count;
    phusa_status status = catalog_databases(db->catalog, &databases, &count);
    if (status != PHUSA_OK) return error_set(error, status, "out of memory");
    const bool unclean = catalog_was_unclean(db->catalog);
    for (size_t i = 0; status == PHUSA_OK && i < count; i++)
        status = add_index(db, &databases[i], unclean, error);
    mem_free(databases);
    if (status == PHUSA_OK && !db->options.read_only) remove_orphan_indexes(db);
    return status;
}

/* ---- manifests ---- */

phusa_status db_manifest_pin(struct phusa *db, uint32_t policy, struct manifest *out)
{
    struct manifest manifest = {0};
    /* The LSN first: a head that is taken after it can only hold more. */
    manifest.lsn_end = atomic_load_explicit(&db->visible_lsn, memory_order_acquire);
    pthread_mutex_lock(&db->view_mutex);
    if (db->frozen != NULL) manifest.heads[manifest.head_count++] = head_ref(db->frozen);
    manifest.heads[manifest.head_count++] = head_ref(db->active);
    /* Within the lock: a flush that ended since has its runs in here. */
    manifest.files = catalog_files(db->catalog, policy);
    pthread_mutex_unlock(&db->view_mutex);
    if (manifest.files == NULL) {
        db_manifest_unpin(&manifest);
        return PHUSA_ENOTFOUND;
    }
    *out = manifest;
    return PHUSA_OK;
}

void db_manifest_unpin(struct manifest *manifest)
{
    for (unsigned i = 0; i < manifest->head_count; i++)
        head_unref(manifest->heads[i]);
    if (manifest->files != NULL) file_set_release(manifest->files);
    *manifest = (struct manifest){0};
}

/* ---- databases and policies ---- */

static phusa_status check_name(const char *what, const char *name, struct phusa_error *error)
{
    const size_t size = name == NULL ? 0 : strlen(name);
    if (size == 0) return error_set(error, PHUSA_EINVAL, "%s name required", what);
    if (size > NAME_BYTES_MAX)
        return error_set(error, PHUSA_EINVAL, "%s name has %zu bytes; at most %u are taken", what,
                         size, NAME_BYTES_MAX);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return error_set(error, PHUSA_EINVAL, "%s name holds a control character", what);
    return PHUSA_OK;
}

static phusa_status find_database(struct phusa *db, const char *name, struct database_info *out,
                                  struct phusa_error *error)
{
    if (name == NULL || *name == '\0')
        return error_set(error, PHUSA_EINVAL, "database name required");
    if (catalog_find_database(db->catalog, text_of(name), out)) return PHUSA_OK;
    return error_set(error, PHUSA_ENOTFOUND, "database not found: \"%s\"", name);
}

static const struct phusa_interval default_shard = {.months = 1};

static bool is_zero(struct phusa_interval interval)
{
    return interval.months == 0 && interval.ns == 0;
}

static phusa_status make_policy(const char *name, const struct phusa_policy_options *options,
                                struct policy_info *out, struct phusa_error *error)
{
    phusa_status status = check_name("retention policy", name, error);
    if (status != PHUSA_OK) return status;
    struct policy_info policy = {.shard = default_shard};
    snprintf(policy.name, sizeof policy.name, "%s", name);
    if (options != NULL) policy.duration = options->duration;
    if (options != NULL && !is_zero(options->shard)) policy.shard = options->shard;
    if (policy.duration.ns < 0 || policy.duration.months < 0)
        return error_set(error, PHUSA_EINVAL, "a DURATION cannot be negative");
    status = partition_width_check(policy.shard);
    if (status != PHUSA_OK)
        return error_set(error, status,
                         "SHARD DURATION must be between 1h and 10,000 years, e.g. 1mo or 10y");
    *out = policy;
    return PHUSA_OK;
}

static bool same_interval(struct phusa_interval a, struct phusa_interval b)
{
    return a.months == b.months && a.ns == b.ns;
}

static phusa_status check_zone(struct phusa *db, const char *zone, struct phusa_error *error)
{
    const struct zone *found;
    if (strlen(zone) > NAME_BYTES_MAX)
        return error_set(error, PHUSA_EINVAL, "time zone name is too long");
    return zone_find(db->zones, zone, strlen(zone), &found, error);
}

static phusa_status create_database(struct phusa *db, const char *name, const char *zone,
                                    const struct policy_info *policy, struct phusa_error *error)
{
    struct database_info database;
    if (catalog_find_database(db->catalog, text_of(name), &database)) {
        struct policy_info there;
        if (policy == NULL) return PHUSA_OK;
        if (catalog_find_policy(db->catalog, database.id, text_of(policy->name), &there) &&
            same_interval(there.duration, policy->duration) &&
            same_interval(there.shard, policy->shard))
            return PHUSA_OK;
        return error_set(error, PHUSA_EEXISTS,
                         "database \"%s\" exists, without that retention policy; use CREATE "
                         "RETENTION POLICY",
                         name);
    }
    struct policy_info first;
    phusa_status status = PHUSA_OK;
    if (policy != NULL)
        first = *policy;
    else
        status = make_policy(DEFAULT_POLICY_NAME, NULL, &first, error);
    if (status != PHUSA_OK) return status;
    status = catalog_create_database(db->catalog, name, zone == NULL ? "UTC" : zone, &first,
                                     &database, error);
    if (status != PHUSA_OK) return status;
    status = add_index(db, &database, false, error);
    if (status == PHUSA_OK) return status;
    struct phusa_error ignored;
    (void)!catalog_drop_database(db->catalog, database.id, &ignored);
    return status;
}

phusa_status db_create_database(struct phusa *db, const char *name, const char *zone,
                                const char *policy_name, const struct phusa_policy_options *options,
                                struct phusa_error *error)
{
    phusa_status status = check_name("database", name, error);
    struct policy_info policy;
    const bool has_policy = options != NULL || policy_name != NULL;
    if (status == PHUSA_OK && has_policy)
        status = make_policy(policy_name == NULL ? DEFAULT_POLICY_NAME : policy_name, options,
                             &policy, error);
    if (status == PHUSA_OK && zone != NULL) status = check_zone(db, zone, error);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&db->ddl_mutex);
    status = create_database(db, name, zone, has_policy ? &policy : NULL, error);
    pthread_mutex_unlock(&db->ddl_mutex);
    return status;
}

phusa_status db_drop_database(struct phusa *db, const char *name, struct phusa_error *error)
{
    struct database_info database;
    pthread_mutex_lock(&db->ddl_mutex);
    phusa_status status = PHUSA_OK;
    /* As InfluxDB: dropping what is not there is no error. */
    if (catalog_find_database(db->catalog, text_of(name), &database)) {
        status = catalog_drop_database(db->catalog, database.id, error);
        if (status == PHUSA_OK) drop_index(db, database.id);
    }
    pthread_mutex_unlock(&db->ddl_mutex);
    return status;
}

static phusa_status create_policy(struct phusa *db, const char *database_name,
                                  struct policy_info *policy, bool make_default,
                                  struct phusa_error *error)
{
    struct database_info database;
    const phusa_status status = find_database(db, database_name, &database, error);
    if (status != PHUSA_OK) return status;
    struct policy_info there;
    policy->database = database.id;
    uint32_t id;
    if (!catalog_find_policy(db->catalog, database.id, text_of(policy->name), &there))
        return catalog_create_policy(db->catalog, policy, make_default, &id, error);
    if (same_interval(there.duration, policy->duration) &&
        same_interval(there.shard, policy->shard) &&
        (!make_default || there.id == database.default_policy))
        return PHUSA_OK;
    return error_set(error, PHUSA_EEXISTS,
                     "retention policy \"%s\" exists, with other options; use ALTER RETENTION "
                     "POLICY",
                     policy->name);
}

phusa_status db_create_policy(struct phusa *db, const char *database, const char *name,
                              const struct phusa_policy_options *options, struct phusa_error *error)
{
    struct policy_info policy;
    phusa_status status = make_policy(name, options, &policy, error);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&db->ddl_mutex);
    status = create_policy(db, database, &policy, options != NULL && options->is_default, error);
    pthread_mutex_unlock(&db->ddl_mutex);
    return status;
}

/* With the mutex held: the policy of these names. */
static phusa_status find_policy(struct phusa *db, const char *database_name, const char *name,
                                struct database_info *database, struct policy_info *policy,
                                struct phusa_error *error)
{
    const phusa_status status = find_database(db, database_name, database, error);
    if (status != PHUSA_OK) return status;
    if (catalog_find_policy(db->catalog, database->id, text_of(name), policy)) return PHUSA_OK;
    return error_set(error, PHUSA_ENOTFOUND, "retention policy not found: %s", name);
}

phusa_status db_alter_policy(struct phusa *db, const char *database_name, const char *name,
                             const struct phusa_interval *duration,
                             const struct phusa_interval *shard, bool make_default,
                             struct phusa_error *error)
{
    struct database_info database;
    struct policy_info policy;
    pthread_mutex_lock(&db->ddl_mutex);
    phusa_status status = find_policy(db, database_name, name, &database, &policy, error);
    if (status == PHUSA_OK) {
        if (duration != NULL) policy.duration = *duration;
        if (shard != NULL && !is_zero(*shard)) policy.shard = *shard;
        status = partition_width_check(policy.shard);
        if (status != PHUSA_OK)
            error_set(error, status,
                      "SHARD DURATION must be between 1h and 10,000 years, e.g. 1mo or 10y");
    }
    if (status == PHUSA_OK)
        status = catalog_alter_policy(db->catalog, &policy, make_default, error);
    pthread_mutex_unlock(&db->ddl_mutex);
    return status;
}

phusa_status phusa_create_database(struct phusa *db, const char *name, struct phusa_error *error)
{
    return db_create_database(db, name, NULL, NULL, NULL, error);
}

phusa_status phusa_drop_database(struct phusa *db, const char *name, struct phusa_error *error)
{
    const phusa_status status = check_name("database", name, error);
    return status != PHUSA_OK ? status : db_drop_database(db, name, error);
}

phusa_status phusa_create_policy(struct phusa *db, const char *database, const char *name,
                                 const struct phusa_policy_options *options,
                                 struct phusa_error *error)
{
    return db_create_policy(db, database, name, options, error);
}

phusa_status phusa_drop_policy(struct phusa *db, const char *database_name, const char *name,
                               struct phusa_error *error)
{
    struct database_info database;
    struct policy_info policy;
    phusa_status status = check_name("retention policy", name, error);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&db->ddl_mutex);
    status = find_policy(db, database_name, name, &database, &policy, error);
    if (status == PHUSA_OK && policy.id == database.default_policy)
        status = error_set(error, PHUSA_EINVAL,
                           "\"%s\" is the default retention policy of \"%s\"; make another one the "
                           "default first",
                           name, database_name);
    if (status == PHUSA_OK) status = catalog_drop_policy(db->catalog, policy.id, error);
    pthread_mutex_unlock(&db->ddl_mutex);
    return status;
}

phusa_status phusa_set_time_zone(struct phusa *db, const char *database_name, const char *zone,
                                 struct phusa_error *error)
{
    struct database_info database;
    if (zone == NULL) zone = "UTC";
    phusa_status status = check_zone(db, zone, error);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&db->ddl_mutex);
    status = find_database(db, database_name, &database, error);
    if (status == PHUSA_OK) status = catalog_set_zone(db->catalog, database.id, zone, error);
    pthread_mutex_unlock(&db->ddl_mutex);
    return status;
}

/* ---- open ---- */

static phusa_status replay_group(void *context, const struct wal_group *group)
{
    return sequencer_replay(context, group);
}

static phusa_status open_log(struct phusa *db, struct phusa_error *error)
{
    const struct wal_options options = {.segment_bytes = db->options.wal_segment_bytes,
                                        .read_only = db->options.read_only,
                                        .repair = db->options.repair_wal,
                                        .log = &db->log};
    const uint64_t from_lsn = catalog_flushed_lsn(db->catalog);
    db->replay_from_lsn = from_lsn;
    db->recorded_at_ns = catalog_recorded_at_ns(db->catalog);
    struct wal *wal;
    struct phusa_error reason = {0};
    const phusa_status status =
        wal_open(db->dir, &options, from_lsn, replay_group, db, &wal, &reason);
    if (status != PHUSA_OK)
        return error_set(error, status, "%s",
                         reason.text[0] != '\0' ? reason.text : "the log cannot be replayed");
    db->wal = wal;
    atomic_store(&db->visible_lsn, wal_next_lsn(wal));
    /* What a replay that filled the head has flushed meanwhile. */
    if (!db->options.read_only) wal_release(wal, catalog_flushed_lsn(db->catalog));
    return PHUSA_OK;
}

static phusa_status start_threads(struct phusa *db, struct phusa_error *error)
{
    if (db->options.read_only) return PHUSA_OK;
    db->flusher_runs = pthread_create(&db->flusher, NULL, flusher_main, db) == 0;
    if (db->flusher_runs)
        db->sequencer_runs = pthread_create(&db->sequencer, NULL, sequencer_main, db) == 0;
    if (db->sequencer_runs) return PHUSA_OK;
    return error_set(error, PHUSA_ENOMEM, "cannot start a thread");
}

static void init_locks(struct phusa *db)
{
    pthread_mutex_init(&db->ddl_mutex, NULL);
    pthread_mutex_init(&db->indexes_mutex, NULL);
    pthread_mutex_init(&db->view_mutex, NULL);
    pthread_mutex_init(&db->queue_mutex, NULL);
    pthread_cond_init(&db->queue_filled, NULL);
    pthread_cond_init(&db->queue_drained, NULL);
    pthread_mutex_init(&db->flusher_mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&db->flusher_wanted, &monotonic);
    pthread_cond_init(&db->flusher_done, NULL);
    pthread_condattr_destroy(&monotonic);
}

static void end_threads(struct phusa *db)
{
    pthread_mutex_lock(&db->queue_mutex);
    db->stopping = true;
    pthread_cond_broadcast(&db->queue_filled);
    pthread_mutex_unlock(&db->queue_mutex);
    if (db->sequencer_runs) pthread_join(db->sequencer, NULL);
    pthread_mutex_lock(&db->flusher_mutex);
    db->flusher_stopping = true;
    pthread_cond_broadcast(&db->flusher_wanted);
    pthread_cond_broadcast(&db->flusher_done);
    pthread_mutex_unlock(&db->flusher_mutex);
    if (db->flusher_runs) pthread_join(db->flusher, NULL);
    db->sequencer_runs = db->flusher_runs = false;
}

/* Free whatever is there; for close and for an open that failed. */
static void teardown(struct phusa *db, bool clean)
{
    if (db->wal != NULL) wal_close(db->wal);
    sequencer_deinit(db);
    head_unref(db->active);
    head_unref(db->frozen);
    for (size_t i = 0; i < db->index_count; i++)
        index_close(db->indexes[i].index);
    mem_free(db->indexes);
    if (db->catalog != NULL) catalog_close(db->catalog, clean);
    if (db->zones != NULL) zone_table_free(db->zones);
    mem_free(db->queue);
    if (db->lock_fd >= 0) close(db->lock_fd);
    log_deinit(&db->log);
    mem_free(db->dir);
    mem_free(db);
}

static phusa_status open_all(struct phusa *db, struct phusa_error *error)
{
    phusa_status status = lock_directory(db, error);
    if (status != PHUSA_OK) return status;
    status = catalog_open(db->dir, db->options.read_only, db->options.open_files_max, &db->log,
                          &db->catalog, error);
    if (status == PHUSA_OK) status = open_indexes(db, error);
    if (status != PHUSA_OK) return status;
    db->queue = mem_array(WRITE_QUEUE_BATCHES_MAX, sizeof *db->queue);
    if (db->queue == NULL || zone_table_create(db->options.zoneinfo_dir, &db->zones) != PHUSA_OK ||
        sequencer_init(db) != PHUSA_OK ||
        head_create(db->options.head_bytes_max / 2, catalog_flushed_lsn(db->catalog),
                    &db->active) != PHUSA_OK)
        return error_set(error, PHUSA_ENOMEM, "out of memory");
    read_init_environment(db);
    status = open_log(db, error);
    return status != PHUSA_OK ? status : start_threads(db, error);
}

phusa_status phusa_open(const char *dir, const struct phusa_options *options, struct phusa **out,
                        struct phusa_error *error)
{
    assert(dir != NULL);
    assert(out != NULL);
    struct phusa *db = mem_zalloc(sizeof *db);
    if (db == NULL) return error_set(error, PHUSA_ENOMEM, "out of memory");
    db->lock_fd = -1;
    init_locks(db);
    phusa_status status = take_options(db, options, error);
    log_init(&db->log, db->options.log, db->options.log_context);
    db->dir = mem_copy_text(dir, strlen(dir));
    if (status == PHUSA_OK && db->dir == NULL)
        status = error_set(error, PHUSA_ENOMEM, "out of memory");
    if (status == PHUSA_OK) status = open_all(db, error);
    if (status == PHUSA_OK) {
        *out = db;
        return PHUSA_OK;
    }
    end_threads(db);
    teardown(db, false);
    return status;
}

phusa_status phusa_close(struct phusa *db)
{
    if (db == NULL) return PHUSA_OK;
    end_threads(db);
    phusa_status status = PHUSA_OK;
    struct phusa_error error = {0};
    if (!db->options.read_only && db->refusing == PHUSA_OK) {
        status = flusher_flush(db, &error);
        if (status == PHUSA_OK) status = flusher_freeze(db, false); /* flushes, without a thread */
    } else if (!db->options.read_only) {
        status = db->refusing;
    }
    if (status != PHUSA_OK)
        log_write(&db->log, PHUSA_LOG_WARN, "closed without a flush; the log keeps it: %s",
                  error.text[0] != '\0' ? error.text : phusa_status_text(status));
    teardown(db, status == PHUSA_OK);
    return status;
}

/* ---- statistics ---- */

static void count_files(struct phusa *db, struct phusa_stats *out)
{
    struct database_info *databases;
    size_t database_count;
    if (catalog_databases(db->catalog, &databases, &database_count) != PHUSA_OK) return;
    out->databases = database_count;
    for (size_t d = 0; d < database_count; d++) {
        struct policy_info *policies;
        size_t policy_count;
        if (catalog_policies(db->catalog, databases[d].id, &policies, &policy_count) != PHUSA_OK)
            continue;
        for (size_t p = 0; p < policy_count; p++) {
            struct file_set *files = catalog_files(db->catalog, policies[p].id);
            for (size_t i = 0; files != NULL && i < files->file_count; i++) {
                const struct file_info *info = &files->files[i]->info;
                out->files++;
                out->file_bytes += info->size_bytes;
                out->file_points += info->point_count;
                out->file_values += info->value_count;
            }
            file_set_release(files);
        }
        mem_free(policies);
        struct index *index = db_index_pin(db, databases[d].id);
        if (index == NULL) continue;
        struct index_stats stats;
        index_stats(index, &stats);
        out->measurements += stats.measurements;
        out->series += stats.series;
        db_index_unpin(db, index);
    }
    mem_free(databases);
}

static void count_heads(struct phusa *db, struct phusa_stats *out)
{
    pthread_mutex_lock(&db->view_mutex);
    struct head *heads[2] = {head_ref(db->active),
                             db->frozen == NULL ? NULL : head_ref(db->frozen)};
    pthread_mutex_unlock(&db->view_mutex);
    for (int i = 0; i < 2; i++) {
        if (heads[i] == NULL) continue;
        struct head_stats stats;
        head_stats(heads[i], &stats);
        out->head_bytes += stats.used_bytes;
        out->head_points += stats.points;
        out->head_series += stats.series;
        head_unref(heads[i]);
    }
}

void phusa_stats(struct phusa *db, struct phusa_stats *out)
{
    struct phusa_stats s = {
        .points_written = db->count.points,
        .values_written = db->count.values,
        .points_refused = db->count.refused,
        .batches_written = db->count.batches,
        .flushes = db->count.flushes,
        .merges = db->count.merges,
        .seals = db->count.seals,
        .queries = db->count.queries,
        .query_values_read = db->counters.values_read,
        .query_chunks_decoded = db->counters.chunks_decoded,
        .query_chunks_by_statistics = db->counters.chunks_by_statistics,
    };
    struct wal_stats wal;
    wal_stats(db->wal, &wal);
    s.wal_bytes = wal.appended_bytes;
    s.wal_syncs = wal.syncs;
    s.wal_segments = wal.segments;
    s.durable_lsn = wal.durable_lsn;
    count_heads(db, &s);
    count_files(db, &s);
    pthread_mutex_lock(&db->queue_mutex);
    s.writable = db->refusing == PHUSA_OK && !db->options.read_only;
    snprintf(s.reason, sizeof s.reason, "%s",
             db->options.read_only ? "opened read-only" : db->refusing_reason);
    pthread_mutex_unlock(&db->queue_mutex);
    pthread_mutex_lock(&db->flusher_mutex);
    if (s.writable && db->flush_status != PHUSA_OK) {
        s.writable = false;
        snprintf(s.reason, sizeof s.reason, "points in memory cannot be written to disk: %s",
                 phusa_status_text(db->flush_status));
    }
    pthread_mutex_unlock(&db->flusher_mutex);
    *out = s;
}
