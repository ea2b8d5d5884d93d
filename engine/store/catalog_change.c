/*
 * catalog_change.c - the transaction behind every change of the catalogue, see
 * catalog_internal.h.
 */
#include "store/catalog_internal.h"

#include "base/mem.h"
#include "base/status.h"

#include <assert.h>

/* Blocks to have at hand before a commit: the path to a leaf, the free list, and a leaf for each
 * record; LMDB copies every page that it touches. */
#define CHANGE_BYTES_BASE   (256u << 10)
#define CHANGE_BYTES_RECORD 4096u

phusa_status change_begin(struct change *change, struct catalog *catalog, size_t record_count,
                          struct phusa_error *error)
{
    if (catalog->read_only)
        return error_set(error, PHUSA_EUNSUPPORTED, "the directory is open read-only");
    pthread_mutex_lock(&catalog->changing);
    phusa_status status = PHUSA_OK;
    if (catalog->failed)
        status = error_set(error, PHUSA_EFAILED,
                           "an earlier change of the catalogue failed: reopen the directory");
    if (status == PHUSA_OK) {
        status = env_reserve(catalog->env, CHANGE_BYTES_BASE + CHANGE_BYTES_RECORD * record_count);
        /* A small one may fit into pages that earlier changes freed, so that what makes room
         * (a drop) is possible when there is none. */
        if (status == PHUSA_ENOSPC && record_count == 0) status = PHUSA_OK;
        if (status != PHUSA_OK)
            error_set(error, status, "cannot change the catalogue: %s", phusa_status_text(status));
    }
    struct env_txn *txn = NULL;
    if (status == PHUSA_OK) {
        status = env_begin_write(catalog->env, &txn);
        if (status != PHUSA_OK)
            error_set(error, status, "cannot change the catalogue: %s", phusa_status_text(status));
    }
    if (status != PHUSA_OK) {
        pthread_mutex_unlock(&catalog->changing);
        return status;
    }
    *change = (struct change){.catalog = catalog, .error = error, .txn = txn};
    pthread_mutex_lock(&catalog->mutex);
    change->state = catalog->state;
    pthread_mutex_unlock(&catalog->mutex);
    buffer_init(&change->value);
    return PHUSA_OK;
}

/* Take a record that is there out of the sum. */
static void forget(struct change *change, struct env_bytes key, bool *found)
{
    struct env_bytes old;
    *found = false;
    if (change->status != PHUSA_OK) return;
    change->status = env_get(change->txn, key, &old, found);
    if (change->status != PHUSA_OK || !*found) return;
    uint32_t crc;
    change->status = catalog_verify_record(key, old, &crc);
    if (change->status != PHUSA_OK) return;
    change->state.record_count--;
    change->state.record_sum -= crc;
}

static void put(struct change *change, struct catalog_key key)
{
    const struct env_bytes k = env_bytes_of(key.bytes, key.size_bytes);
    bool found;
    forget(change, k, &found);
    if (change->status == PHUSA_OK && change->value.bad) change->status = PHUSA_ENOMEM;
    if (change->status != PHUSA_OK) return;
    change->state.record_count++;
    change->state.record_sum += load_u32(change->value.bytes);
    change->status =
        env_put(change->txn, k, env_bytes_of(change->value.bytes, change->value.size_bytes));
}

void change_put_database(struct change *change, const struct database_info *info)
{
    catalog_encode_database(&change->value, info);
    put(change, catalog_key_of_database(info->id));
}

void change_put_policy(struct change *change, const struct policy_info *info)
{
    catalog_encode_policy(&change->value, info);
    put(change, catalog_key_of_policy(info->id));
}

void change_put_file(struct change *change, const struct file_info *info)
{
    catalog_encode_file(&change->value, info);
    put(change, catalog_key_of_file(info->policy, info->number));
}

void change_delete(struct change *change, struct catalog_key key)
{
    const struct env_bytes k = env_bytes_of(key.bytes, key.size_bytes);
    bool found;
    forget(change, k, &found);
    if (change->status != PHUSA_OK) return;
    change->status = env_delete(change->txn, k, &found);
    /* Memory and file disagree: somebody else changed the file. */
    if (change->status == PHUSA_OK && !found) change->status = PHUSA_ECORRUPT;
}

static void put_state(struct change *change)
{
    if (change->status != PHUSA_OK) return;
    change->state.txn_id = env_txn_id(change->txn);
    catalog_encode_state(&change->value, &change->state);
    if (change->value.bad) {
        change->status = PHUSA_ENOMEM;
        return;
    }
    const struct catalog_key key = catalog_key_of_state();
    change->status = env_put(change->txn, env_bytes_of(key.bytes, key.size_bytes),
                             env_bytes_of(change->value.bytes, change->value.size_bytes));
}

phusa_status change_commit(struct change *change)
{
    struct catalog *catalog = change->catalog;
    pthread_mutex_lock(&catalog->mutex);
    change->state.next_file = catalog->state.next_file;
    pthread_mutex_unlock(&catalog->mutex);
    put_state(change);
    struct env_txn *txn = change->txn;
    change->txn = NULL;
    if (change->status != PHUSA_OK)
        env_abort(txn);
    else
        change->status = env_commit(txn);
    if (change->status == PHUSA_OK) {
        pthread_mutex_lock(&catalog->mutex);
        change->state.next_file = catalog->state.next_file; /* it may have run on */
        catalog->state = change->state;
        pthread_mutex_unlock(&catalog->mutex);
        return PHUSA_OK;
    }
    /* Without room or memory LMDB wrote nothing that counts. After anything else nobody knows what
     * the disk holds. */
    if (change->status != PHUSA_ENOSPC && change->status != PHUSA_ENOMEM) {
        pthread_mutex_lock(&catalog->mutex);
        catalog->failed = true;
        pthread_mutex_unlock(&catalog->mutex);
        log_write(catalog->log, PHUSA_LOG_ERROR,
                  "a change of the catalogue failed (%s): no more changes until reopened",
                  phusa_status_text(change->status));
    }
    return error_set(change->error, change->status, "cannot change the catalogue: %s",
                     phusa_status_text(change->status));
}

void change_end(struct change *change)
{
    env_abort(change->txn);
    buffer_deinit(&change->value);
    pthread_mutex_unlock(&change->catalog->changing);
}
