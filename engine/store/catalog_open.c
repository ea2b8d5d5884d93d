/*
 * catalog_open.c - from the file to memory and back at the end; see catalog.h.
 *
 *   no catalog.mdb, and no data     a new one is built as catalog.new.mdb, synced, renamed
 *   no catalog.mdb, but data        refused: it was lost
 *   catalog.mdb                     pages checked, mapped, every record verified, and all of
 *                                   them against the state record
 *
 * Then files that no record names are removed, and the mark of a clean end is taken off.
 */
#include "store/catalog_internal.h"

#include "base/mem.h"
#include "base/status.h"
#include "calendar/partition.h"
#include "store/disk.h"
#include "store/env_pages.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* ---- the first open ---- */

static phusa_status put_first_state(struct env *env)
{
    struct env_txn *txn;
    phusa_status status = env_begin_write(env, &txn);
    if (status != PHUSA_OK) return status;
    struct buffer value;
    buffer_init(&value);
    const struct catalog_state state = {.txn_id = env_txn_id(txn),
                                        .next_database = 1,
                                        .next_policy = 1,
                                        .next_file = 1,
                                        .is_clean = true};
    catalog_encode_state(&value, &state);
    const struct catalog_key key = catalog_key_of_state();
    status = value.bad ? PHUSA_ENOMEM
                       : env_put(txn, env_bytes_of(key.bytes, key.size_bytes),
                                 env_bytes_of(value.bytes, value.size_bytes));
    buffer_deinit(&value);
    if (status == PHUSA_OK) return env_commit(txn);
    env_abort(txn);
    return status;
}

/* Under another name until it is whole: a power cut leaves a catalogue or none. */
static phusa_status create(const char *dir, const char *path, const char *building,
                           struct phusa_error *error)
{
    struct env *env;
    phusa_status status = env_open(building, ENV_BUILD, NULL, &env, error);
    if (status != PHUSA_OK) return status;
    status = put_first_state(env);
    if (status == PHUSA_OK) status = env_sync(env);
    env_close(env);
    if (status == PHUSA_OK) status = disk_make_dir(dir, "data");
    if (status == PHUSA_OK && rename(building, path) != 0) status = status_from_errno(errno);
    if (status == PHUSA_OK) status = disk_sync_dir(dir);
    if (status == PHUSA_OK) return PHUSA_OK;
    return error_set(error, status, "cannot create %s: %s", path, phusa_status_text(status));
}

static phusa_status create_if_missing(const struct catalog *catalog, const char *path,
                                      struct phusa_error *error)
{
    char *building = disk_print("%s/catalog.new.mdb", catalog->dir);
    if (building == NULL) return error_set(error, PHUSA_ENOMEM, "no memory to open %s", path);
    if (!catalog->read_only) unlink(building); /* of a first open that a power cut ended */
    phusa_status status = PHUSA_OK;
    if (access(path, F_OK) != 0) {
        if (errno != ENOENT)
            status = error_set(error, status_from_errno(errno), "%s: %s", path, strerror(errno));
        else if (catalog_has_data(catalog->dir))
            status =
                error_set(error, PHUSA_ECORRUPT,
                          "%s is missing, though there are data: restore it from a backup", path);
        else if (catalog->read_only)
            status = error_set(error, PHUSA_ENOTFOUND, "%s holds no database", catalog->dir);
        else
            status = create(catalog->dir, path, building, error);
    }
    mem_free(building);
    return status;
}

/* ---- loading ---- */

struct loader {
    struct catalog *catalog;
    bool has_state;
    uint64_t record_count, record_sum;
    struct data_file **files; /* of the policy whose records come next */
    size_t file_count, file_capacity;
    size_t policy_index; /* files are sorted by policy, as policies are */
};

static phusa_status load_database(struct loader *l, struct env_bytes key, struct env_bytes value)
{
    struct catalog *c = l->catalog;
    if (!MEM_GROW(c->databases, c->database_capacity, c->database_count + 1)) return PHUSA_ENOMEM;
    const phusa_status status =
        catalog_decode_database(key, value, &c->databases[c->database_count]);
    if (status != PHUSA_OK) return status;
    if (c->databases[c->database_count].id >= c->state.next_database) return PHUSA_ECORRUPT;
    c->database_count++;
    return PHUSA_OK;
}

static phusa_status load_policy(struct loader *l, struct env_bytes key, struct env_bytes value)
{
    struct catalog *c = l->catalog;
    if (!MEM_GROW(c->policies, c->policy_capacity, c->policy_count + 1)) return PHUSA_ENOMEM;
    struct policy *policy = &c->policies[c->policy_count];
    *policy = (struct policy){.set = NULL};
    const phusa_status status = catalog_decode_policy(key, value, &policy->info);
    if (status != PHUSA_OK) return status;
    if (policy->info.id >= c->state.next_policy ||
        catalog_database_at(c, policy->info.database) == NULL ||
        partition_width_check(policy->info.shard) != PHUSA_OK)
        return PHUSA_ECORRUPT;
    c->policy_count++;
    return PHUSA_OK;
}

/* The files gathered so far are all of their policy. By LSN, as catalog.h says. */
static phusa_status end_policy(struct loader *l)
{
    struct catalog *c = l->catalog;
    struct policy *policy = &c->policies[l->policy_index];
    catalog_sort_files(l->files, l->file_count);
    policy->set = file_set_create(c->files, c->state.txn_id, l->files, l->file_count);
    if (policy->set == NULL) return PHUSA_ENOMEM;
    l->file_count = 0;
    l->policy_index++;
    return PHUSA_OK;
}

static phusa_status load_file(struct loader *l, struct env_bytes key, struct env_bytes value)
{
    struct catalog *c = l->catalog;
    struct file_info info;
    phusa_status status = catalog_decode_file(key, value, &info);
    if (status != PHUSA_OK) return status;
    while (l->policy_index < c->policy_count &&
           c->policies[l->policy_index].info.id < info.policy) {
        status = end_policy(l);
        if (status != PHUSA_OK) return status;
    }
    if (l->policy_index == c->policy_count || c->policies[l->policy_index].info.id != info.policy ||
        info.number >= c->state.next_file)
        return PHUSA_ECORRUPT;
    if (!MEM_GROW(l->files, l->file_capacity, l->file_count + 1)) return PHUSA_ENOMEM;
    l->files[l->file_count] = files_name(c->files, &info);
    if (l->files[l->file_count] == NULL) return PHUSA_ENOMEM;
    l->file_count++;
    return PHUSA_OK;
}

static phusa_status load_record(struct loader *l, struct env_bytes key, struct env_bytes value)
{
    uint32_t crc;
    const phusa_status status = catalog_verify_record(key, value, &crc);
    if (status != PHUSA_OK) return status;
    const uint8_t sort = *(const uint8_t *)key.bytes;
    if (sort == CATALOG_STATE) {
        l->has_state = true;
        return catalog_decode_state(key, value, &l->catalog->state);
    }
    if (!l->has_state) return PHUSA_ECORRUPT; /* it has the smallest key */
    l->record_count++;
    l->record_sum += crc;
    switch (sort) {
    case CATALOG_DATABASE:
        return load_database(l, key, value);
    case CATALOG_POLICY:
        return load_policy(l, key, value);
    case CATALOG_FILE:
        return load_file(l, key, value);
    default:
        return PHUSA_EVERSION; /* its checksum holds: a newer release knows it */
    }
}

static phusa_status load_all(struct loader *l, struct env_txn *txn)
{
    struct env_cursor *cursor;
    phusa_status status = env_cursor_open(txn, &cursor);
    if (status != PHUSA_OK) return status;
    struct env_bytes key = {NULL, 0};
    struct env_bytes value = {NULL, 0};
    bool found = true;
    while (status == PHUSA_OK) {
        status = env_move(cursor, ENV_NEXT, &key, &value, &found);
        if (status != PHUSA_OK || !found) break;
        status = load_record(l, key, value);
    }
    env_cursor_close(cursor);
    while (status == PHUSA_OK && l->policy_index < l->catalog->policy_count)
        status = end_policy(l);
    return status;
}

static phusa_status load(struct catalog *catalog, uint64_t txn_id)
{
    struct env_txn *txn;
    phusa_status status = env_begin_read(catalog->env, &txn);
    if (status != PHUSA_OK) return status;
    struct loader l = {.catalog = catalog};
    status = load_all(&l, txn);
    env_abort(txn);
    for (size_t i = 0; i < l.file_count; i++)
        files_discard(l.files[i]);
    mem_free(l.files);
    if (status != PHUSA_OK) return status;
    const struct catalog_state *state = &catalog->state;
    if (!l.has_state || state->txn_id != txn_id || state->record_count != l.record_count ||
        state->record_sum != l.record_sum)
        return PHUSA_ECORRUPT;
    return PHUSA_OK;
}

/* ---- open and close ---- */

static phusa_status open_file(struct catalog *catalog, const char *path, struct phusa_error *error)
{
    phusa_status status = create_if_missing(catalog, path, error);
    if (status != PHUSA_OK) return status;
    uint64_t txn_id;
    status = env_check(path, &txn_id, error);
    if (status == PHUSA_ENOTFOUND)
        return error_set(error, PHUSA_ECORRUPT, "%s is empty: restore it from a backup", path);
    if (status != PHUSA_OK) return status;
    status = env_open(path, catalog->read_only ? ENV_IMMUTABLE : ENV_LIVE, catalog->log,
                      &catalog->env, error);
    if (status != PHUSA_OK) return status;
    status = load(catalog, txn_id);
    if (status == PHUSA_ECORRUPT)
        return error_set(error, status, "%s: its records are damaged: restore it from a backup",
                         path);
    if (status != PHUSA_OK)
        return error_set(error, status, "%s: cannot be read: %s", path, phusa_status_text(status));
    return PHUSA_OK;
}

/* Until the next clean end. On a full disk the start is worth more than the mark. */
static phusa_status mark(struct catalog *catalog, bool is_clean, struct phusa_error *error)
{
    struct change change;
    phusa_status status = change_begin(&change, catalog, 0, error);
    if (status != PHUSA_OK) return status;
    change.state.is_clean = is_clean;
    status = change_commit(&change);
    change_end(&change);
    if (status == PHUSA_ENOSPC && !is_clean) {
        log_write(catalog->log, PHUSA_LOG_WARN, "no room on disk: started all the same");
        return PHUSA_OK;
    }
    return status;
}

phusa_status catalog_open(const char *dir, bool read_only, unsigned open_files_max, struct log *log,
                          struct catalog **out, struct phusa_error *error)
{
    assert(dir != NULL);
    assert(out != NULL);

    struct catalog *catalog = mem_zalloc(sizeof *catalog);
    char *path = disk_print("%s/catalog.mdb", dir);
    if (catalog == NULL || path == NULL) {
        mem_free(catalog);
        mem_free(path);
        return error_set(error, PHUSA_ENOMEM, "no memory to open %s", dir);
    }
    pthread_mutex_init(&catalog->changing, NULL);
    pthread_mutex_init(&catalog->mutex, NULL);
    catalog->log = log;
    catalog->read_only = read_only;
    catalog->dir = mem_copy_text(dir, strlen(dir));
    phusa_status status = catalog->dir == NULL ? PHUSA_ENOMEM : PHUSA_OK;
    if (status == PHUSA_OK) status = files_create(dir, open_files_max, log, &catalog->files);
    if (status != PHUSA_OK)
        error_set(error, status, "no memory to open %s", dir);
    else
        status = open_file(catalog, path, error);
    if (status == PHUSA_OK) {
        catalog->was_unclean = !catalog->state.is_clean;
        status = catalog_sweep(catalog, error);
    }
    if (status == PHUSA_OK && !read_only && catalog->state.is_clean)
        status = mark(catalog, false, error);
    mem_free(path);
    if (status != PHUSA_OK) {
        catalog_close(catalog, false);
        return status;
    }
    *out = catalog;
    return PHUSA_OK;
}

void catalog_close(struct catalog *catalog, bool clean)
{
    if (catalog == NULL) return;
    if (clean && catalog_is_writable(catalog)) {
        const phusa_status status = mark(catalog, true, NULL);
        if (status != PHUSA_OK)
            log_write(catalog->log, PHUSA_LOG_WARN, "the next start will check the index: %s",
                      phusa_status_text(status));
    }
    for (size_t i = 0; i < catalog->policy_count; i++) {
        if (catalog->policies[i].set != NULL) file_set_retire(catalog->policies[i].set);
    }
    files_free(catalog->files);
    env_close(catalog->env);
    pthread_mutex_destroy(&catalog->changing);
    pthread_mutex_destroy(&catalog->mutex);
    mem_free(catalog->databases);
    mem_free(catalog->policies);
    mem_free(catalog->dir);
    mem_free(catalog);
}

bool catalog_was_unclean(const struct catalog *catalog)
{
    return catalog->was_unclean;
}

bool catalog_is_writable(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->mutex);
    const bool is_writable = !catalog->read_only && !catalog->failed;
    pthread_mutex_unlock(&catalog->mutex);
    return is_writable;
}
