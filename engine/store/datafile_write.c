/*
 * datafile_write.c - builds runs and parts, see datafile.h.
 *
 * Where a bundle ends. LMDB gives a value above 2,030 bytes whole pages, less 16 bytes. A
 * bundle grows to 64 KiB at least; from there on it takes what still fits into its last page, and
 * ends where the rest of that page is under 1/128 of it, or at 512 KiB. Chunks of 30 KiB so waste
 * 0.4 % on average, chunks of 100 bytes nothing.
 *
 * Transactions of 16 MiB bound the memory that LMDB's dirty pages take. Nothing is synced until
 * the end: a file that nothing names may be lost.
 */
#include "base/mem.h"
#include "base/status.h"
#include "store/bundle.h"
#include "store/disk.h"
#include "store/env.h"
#include "store/env_pages.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#define PAGE_BYTES          4096u
#define PAGE_HEADER_BYTES   16u
#define BUNDLE_BYTES_CLOSE  (512u << 10)
#define TRANSACTION_BYTES   (16u << 20)
/* B-tree pages of one transaction beside the values: a leaf entry is 40 bytes a bundle. */
#define TREE_BYTES_RESERVED (256u << 10)

struct file_writer {
    char *dir;
    char *path;
    struct env *env;
    struct env_txn *txn;
    size_t txn_bytes;
    uint64_t written_bytes;
    struct bundle_builder bundle;
    struct file_info info;
    struct stored_chunk last; /* its bytes are gone */
};

/* Bytes of a page that a value of this size leaves empty. */
static size_t waste(size_t value_bytes)
{
    const size_t used = (value_bytes + PAGE_HEADER_BYTES) % PAGE_BYTES;
    return used == 0 ? 0 : PAGE_BYTES - used;
}

static phusa_status commit(struct file_writer *w)
{
    if (w->txn == NULL) return PHUSA_OK;
    const phusa_status status = env_reserve(w->env, w->txn_bytes + TREE_BYTES_RESERVED);
    struct env_txn *txn = w->txn;
    w->txn = NULL;
    w->txn_bytes = 0;
    if (status != PHUSA_OK) {
        env_abort(txn);
        return status;
    }
    return env_commit(txn);
}

static phusa_status write_bundle(struct file_writer *w)
{
    if (w->bundle.chunk_count == 0) return PHUSA_OK;
    phusa_status status = PHUSA_OK;
    if (w->txn == NULL) status = env_begin_write(w->env, &w->txn);
    if (status != PHUSA_OK) return status;
    uint8_t key[BUNDLE_KEY_BYTES];
    bundle_key(w->bundle.first, key);
    const size_t size_bytes = bundle_bytes(&w->bundle);
    void *room;
    status = env_append(w->txn, env_bytes_of(key, sizeof key), size_bytes, &room);
    if (status != PHUSA_OK) return status;
    bundle_write(&w->bundle, room);
    bundle_clear(&w->bundle);
    w->txn_bytes += size_bytes + PAGE_BYTES;
    w->written_bytes += size_bytes + waste(size_bytes);
    return w->txn_bytes < TRANSACTION_BYTES ? PHUSA_OK : commit(w);
}

static bool bundle_is_full(const struct bundle_builder *b, size_t next_bytes)
{
    const size_t size_bytes = bundle_bytes(b);
    if (b->chunk_count == 0) return false;
    if (next_bytes > BUNDLE_BYTES_MAX - size_bytes) return true;
    if (size_bytes < BUNDLE_BYTES_TARGET) return false;
    if (size_bytes >= BUNDLE_BYTES_CLOSE) return true;
    const size_t rest = waste(size_bytes);
    return next_bytes > rest && rest <= size_bytes / 128;
}

static phusa_status create(struct file_writer *w, struct phusa_error *error)
{
    char *data = disk_print("%s/data", w->dir);
    char *policy = disk_print("%" PRIu32, w->info.policy);
    w->path = disk_file_path(w->dir, &w->info);
    phusa_status status = PHUSA_ENOMEM;
    if (data == NULL || policy == NULL || w->path == NULL) goto out;
    status = disk_make_dir(w->dir, "data");
    if (status == PHUSA_OK) status = disk_make_dir(data, policy);
out:
    mem_free(data);
    mem_free(policy);
    if (status != PHUSA_OK)
        return error_set(error, status, "cannot create a data file of policy %" PRIu32 ": %s",
                         w->info.policy, phusa_status_text(status));
    return env_open(w->path, ENV_BUILD, NULL, &w->env, error);
}

phusa_status file_writer_create(const char *dir, uint32_t policy, uint64_t number, bool sealed,
                                struct file_writer **out, struct phusa_error *error)
{
    assert(dir != NULL);
    assert(out != NULL);

    struct file_writer *w = mem_zalloc(sizeof *w);
    if (w == NULL) return error_set(error, PHUSA_ENOMEM, "no memory to write a data file");
    bundle_init(&w->bundle);
    w->info = (struct file_info){.policy = policy, .number = number, .sealed = sealed};
    w->dir = mem_copy_text(dir, strlen(dir));
    phusa_status status = w->dir == NULL ? PHUSA_ENOMEM : create(w, error);
    if (status != PHUSA_OK) {
        /* What is in the way, if anything is, is not ours to remove. */
        if (w->env == NULL) {
            mem_free(w->path);
            w->path = NULL;
        }
        file_writer_abort(w);
        return status;
    }
    *out = w;
    return PHUSA_OK;
}

static void count(struct file_info *info, const struct stored_chunk *chunk)
{
    const bool first = info->chunk_count == 0;
    if (first) {
        info->partition_min = chunk->partition;
        info->time_min_ns = chunk->time_min_ns;
        info->time_max_ns = chunk->time_max_ns;
        info->lsn_min = chunk->lsn_min;
        info->lsn_max = chunk->lsn_max;
    }
    info->partition_max = chunk->partition;
    if (chunk->time_min_ns < info->time_min_ns) info->time_min_ns = chunk->time_min_ns;
    if (chunk->time_max_ns > info->time_max_ns) info->time_max_ns = chunk->time_max_ns;
    if (chunk->lsn_min < info->lsn_min) info->lsn_min = chunk->lsn_min;
    if (chunk->lsn_max > info->lsn_max) info->lsn_max = chunk->lsn_max;
    info->point_count += chunk->row_count;
    info->value_count += chunk->value_count;
    info->chunk_count++;
}

phusa_status file_writer_add(struct file_writer *w, const struct stored_chunk *chunk)
{
    assert(w != NULL);
    assert(chunk->size_bytes > 0);
    assert(chunk->row_count > 0);
    assert(chunk->time_min_ns <= chunk->time_max_ns);
    assert(chunk->lsn_min <= chunk->lsn_max);

    if (chunk->size_bytes > BUNDLE_BYTES_MAX / 2) return PHUSA_ELIMIT;
    if (w->info.chunk_count > 0) {
        const struct stored_chunk *last = &w->last;
        const bool same = last->partition == chunk->partition && last->series == chunk->series;
        if (bundle_compare(bundle_place(last), bundle_place(chunk)) >= 0 ||
            (same && chunk->time_min_ns <= last->time_max_ns))
            return PHUSA_EINVAL;
    }
    phusa_status status = PHUSA_OK;
    /* 32: about what its directory entry takes. */
    if (bundle_is_full(&w->bundle, chunk->size_bytes + 32)) status = write_bundle(w);
    if (status == PHUSA_OK) status = bundle_add(&w->bundle, chunk);
    if (status != PHUSA_OK) return status;
    count(&w->info, chunk);
    w->last = *chunk;
    w->last.bytes = NULL;
    return PHUSA_OK;
}

static phusa_status sync_directory(const struct file_writer *w)
{
    char *path = disk_print("%s/data/%" PRIu32, w->dir, w->info.policy);
    if (path == NULL) return PHUSA_ENOMEM;
    const phusa_status status = disk_sync_dir(path);
    mem_free(path);
    return status;
}

phusa_status file_writer_finish(struct file_writer *w, struct file_info *out)
{
    assert(w != NULL);
    assert(out != NULL);

    phusa_status status = w->info.chunk_count == 0 ? PHUSA_EINVAL : write_bundle(w);
    if (status == PHUSA_OK) status = commit(w);
    if (status == PHUSA_OK) status = env_sync(w->env);
    env_close(w->env);
    w->env = NULL;
    if (status == PHUSA_OK)
        status = pages_crc(w->path, &w->info.pages_crc, &w->info.size_bytes, NULL);
    if (status == PHUSA_OK) status = sync_directory(w);
    if (status == PHUSA_OK) {
        *out = w->info;
        mem_free(w->path);
        w->path = NULL; /* so that it stays */
    }
    file_writer_abort(w);
    return status;
}

void file_writer_abort(struct file_writer *w)
{
    if (w == NULL) return;
    env_abort(w->txn);
    env_close(w->env);
    if (w->path != NULL) unlink(w->path);
    bundle_deinit(&w->bundle);
    mem_free(w->path);
    mem_free(w->dir);
    mem_free(w);
}

uint64_t file_writer_bytes(const struct file_writer *w)
{
    return w->written_bytes + bundle_bytes(&w->bundle);
}

void file_remove(const char *dir, const struct file_info *info)
{
    char *path = disk_file_path(dir, info);
    if (path != NULL) unlink(path); /* else it is an orphan, and goes at the next start */
    mem_free(path);
}
