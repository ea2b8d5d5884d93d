/*
 * env.c - see env.h.
 *
 * Flags, and why: NOTLS, so that a read transaction may move between threads. NOSUBDIR, one
 * file per map. NOLOCK, because readers never overlap a writer here, and a lock file is one more
 * thing to find stale. NORDAHEAD never: bundles are larger than a page. Never WRITEMAP: a full
 * disk becomes SIGBUS, and a stray pointer becomes damage.
 */
#include "store/env.h"

#include "base/mem.h"
#include "base/status.h"
#include "store/env_pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Address space, not memory. LMDB cannot grow a map under a transaction. */
#define LIVE_MAP_BYTES ((size_t)64 << 30)
#ifdef __SANITIZE_THREAD__ /* which leaves little address space */
#define BUILD_MAP_BYTES ((size_t)64 << 30)
#else
#define BUILD_MAP_BYTES ((size_t)1 << 40)
#endif

/* The one map of a file. The name-less database always has this number. */
#define MAIN_DBI 1u

struct env {
    MDB_env *mdb;
    struct log *log;
    char *path;
};
/* The handles of this header are LMDB's own under another name: nothing to allocate, and
 * nothing above this folder can look inside. */
static MDB_txn *txn_mdb(const struct env_txn *txn)
{
    return (MDB_txn *)(uintptr_t)txn;
}
static MDB_cursor *cursor_mdb(struct env_cursor *cursor)
{
    return (MDB_cursor *)cursor;
}
static MDB_val val_of(struct env_bytes b)
{
    return (MDB_val){b.size_bytes, (void *)(uintptr_t)b.bytes};
}

static phusa_status status_from_mdb(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return PHUSA_OK;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case MDB_PAGE_FULL:
        return PHUSA_ENOSPC;
    case MDB_PANIC:
        return PHUSA_EFAILED;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CURSOR_FULL:
    case MDB_BAD_TXN:
        return PHUSA_ECORRUPT;
    case MDB_NOTFOUND:
        return PHUSA_ENOTFOUND;
    case MDB_KEYEXIST: /* an append out of order */
    case MDB_BAD_VALSIZE:
    case EINVAL:
        return PHUSA_EINVAL;
    default:
        return code > 0 ? status_from_errno(code) : PHUSA_EIO;
    }
}

/* LMDB aborts when this returns: damage got past env_check(), or memory was overwritten. At least
 * the operator learns which file it was. */
static void on_assert(MDB_env *mdb, const char *message)
{
    const struct env *env = mdb_env_get_userctx(mdb);
    if (env == NULL) return;
    log_write(env->log, PHUSA_LOG_ERROR, "%s: LMDB found it damaged and ends the process: %s",
              env->path, message);
}

static unsigned flags_of(enum env_kind kind)
{
    const unsigned flags = MDB_NOTLS | MDB_NOSUBDIR | MDB_NOLOCK;
    if (kind == ENV_IMMUTABLE) return flags | MDB_RDONLY;
#ifndef PHUSA_TEST_NO_SYNC
    if (kind == ENV_LIVE) return flags;
#endif
    return flags | MDB_NOSYNC;
}

/* What the file must be before LMDB maps it, and how large the map shall be. */
static phusa_status look_at_file(const char *path, enum env_kind kind, size_t *map_bytes,
                                 struct phusa_error *error)
{
    struct stat file;
    if (stat(path, &file) != 0) {
        if (errno != ENOENT || kind == ENV_IMMUTABLE)
            return error_set(error, status_from_errno(errno), "%s: %s", path, strerror(errno));
        file.st_size = 0;
    }
    if (kind == ENV_BUILD) {
        if (file.st_size != 0) return error_set(error, PHUSA_EEXISTS, "%s: is there already", path);
        *map_bytes = BUILD_MAP_BYTES;
        return PHUSA_OK;
    }
    if (file.st_size != 0 || kind == ENV_IMMUTABLE) {
        const phusa_status status = pages_check_meta(path, NULL, error);
        if (status != PHUSA_OK) return status;
    }
    *map_bytes = kind == ENV_IMMUTABLE ? (size_t)file.st_size : LIVE_MAP_BYTES;
    return PHUSA_OK;
}

/* Make the database handle known once, so that transactions in many threads need not. */
static int open_main(MDB_env *mdb)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn);
    if (code != MDB_SUCCESS) return code;
    MDB_dbi dbi;
    code = mdb_dbi_open(txn, NULL, 0, &dbi);
    assert(code != MDB_SUCCESS || dbi == MAIN_DBI);
    mdb_txn_abort(txn);
    return code;
}

phusa_status env_open(const char *path, enum env_kind kind, struct log *log, struct env **out,
                      struct phusa_error *error)
{
    assert(path != NULL);
    assert(out != NULL);

    size_t map_bytes = 0;
    phusa_status status = look_at_file(path, kind, &map_bytes, error);
    if (status != PHUSA_OK) return status;

    int code = MDB_SUCCESS;
    struct env *env = mem_zalloc(sizeof *env);
    if (env == NULL || (env->path = mem_copy_text(path, strlen(path))) == NULL) code = ENOMEM;
    if (code == MDB_SUCCESS) code = mdb_env_create(&env->mdb);
    if (code != MDB_SUCCESS) goto out;
    env->log = log;
    mdb_env_set_userctx(env->mdb, env);
    mdb_env_set_assert(env->mdb, on_assert);
    code = mdb_env_set_mapsize(env->mdb, map_bytes);
    if (code == MDB_SUCCESS) code = mdb_env_open(env->mdb, path, flags_of(kind), 0600);
    if (code == MDB_SUCCESS) code = open_main(env->mdb);
out:
    if (code != MDB_SUCCESS) {
        status = error_set(error, status_from_mdb(code), "%s: %s", path, mdb_strerror(code));
        env_close(env);
        /* LMDB leaves what it could write. */
        if (kind == ENV_BUILD) unlink(path);
        return status;
    }
    *out = env;
    return PHUSA_OK;
}

void env_close(struct env *env)
{
    if (env == NULL) return;
    if (env->mdb != NULL) mdb_env_close(env->mdb);
    mem_free(env->path);
    mem_free(env);
}

/* The blocks that env_reserve() took and nobody needed go back. */
static phusa_status trim(struct env *env)
{
    int fd;
    struct stat file;
    if (mdb_env_get_fd(env->mdb, &fd) != MDB_SUCCESS) return PHUSA_EIO;
    if (fstat(fd, &file) != 0 || ftruncate(fd, file.st_size) != 0) return status_from_errno(errno);
    return PHUSA_OK;
}

phusa_status env_sync(struct env *env)
{
    const phusa_status status = trim(env);
    if (status != PHUSA_OK) return status;
#ifdef PHUSA_TEST_NO_SYNC
    return PHUSA_OK;
#else
    return status_from_mdb(mdb_env_sync(env->mdb, 1));
#endif
}

phusa_status env_reserve(struct env *env, size_t size_bytes)
{
    int fd;
    struct stat file;
    if (mdb_env_get_fd(env->mdb, &fd) != MDB_SUCCESS) return PHUSA_EIO;
    if (fstat(fd, &file) != 0) return status_from_errno(errno);
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, file.st_size, (off_t)size_bytes) == 0) return PHUSA_OK;
    /* Elsewhere than on ext4, xfs, btrfs and tmpfs we take the chance. */
    return errno == EOPNOTSUPP || errno == ENOSYS ? PHUSA_OK : status_from_errno(errno);
}

/* ---- transactions ---- */

static phusa_status begin(struct env *env, unsigned flags, struct env_txn **out)
{
    MDB_txn *txn;
    const int code = mdb_txn_begin(env->mdb, NULL, flags, &txn);
    if (code != MDB_SUCCESS) return status_from_mdb(code);
    *out = (struct env_txn *)txn;
    return PHUSA_OK;
}

phusa_status env_begin_read(struct env *env, struct env_txn **out)
{
    return begin(env, MDB_RDONLY, out);
}

phusa_status env_begin_write(struct env *env, struct env_txn **out)
{
    return begin(env, 0, out);
}

phusa_status env_commit(struct env_txn *txn)
{
    return status_from_mdb(mdb_txn_commit(txn_mdb(txn)));
}

void env_abort(struct env_txn *txn)
{
    if (txn != NULL) mdb_txn_abort(txn_mdb(txn));
}

uint64_t env_txn_id(const struct env_txn *txn)
{
    return mdb_txn_id(txn_mdb(txn));
}

/* ---- single keys ---- */

phusa_status env_get(struct env_txn *txn, struct env_bytes key, struct env_bytes *value,
                     bool *found)
{
    MDB_val k = val_of(key);
    MDB_val v;
    const int code = mdb_get(txn_mdb(txn), MAIN_DBI, &k, &v);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND) return status_from_mdb(code);
    *found = code == MDB_SUCCESS;
    if (*found) *value = env_bytes_of(v.mv_data, v.mv_size);
    return PHUSA_OK;
}

phusa_status env_put(struct env_txn *txn, struct env_bytes key, struct env_bytes value)
{
    MDB_val k = val_of(key);
    MDB_val v = val_of(value);
    return status_from_mdb(mdb_put(txn_mdb(txn), MAIN_DBI, &k, &v, 0));
}

phusa_status env_append(struct env_txn *txn, struct env_bytes key, size_t size_bytes, void **room)
{
    MDB_val k = val_of(key);
    MDB_val v = {size_bytes, NULL};
    const int code = mdb_put(txn_mdb(txn), MAIN_DBI, &k, &v, MDB_APPEND | MDB_RESERVE);
    if (code != MDB_SUCCESS) return status_from_mdb(code);
    *room = v.mv_data;
    return PHUSA_OK;
}

phusa_status env_delete(struct env_txn *txn, struct env_bytes key, bool *found)
{
    MDB_val k = val_of(key);
    const int code = mdb_del(txn_mdb(txn), MAIN_DBI, &k, NULL);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND) return status_from_mdb(code);
    *found = code == MDB_SUCCESS;
    return PHUSA_OK;
}

/* ---- cursors ---- */

phusa_status env_cursor_open(struct env_txn *txn, struct env_cursor **out)
{
    MDB_cursor *cursor;
    const int code = mdb_cursor_open(txn_mdb(txn), MAIN_DBI, &cursor);
    if (code != MDB_SUCCESS) return status_from_mdb(code);
    *out = (struct env_cursor *)cursor;
    return PHUSA_OK;
}

void env_cursor_close(struct env_cursor *cursor)
{
    if (cursor != NULL) mdb_cursor_close(cursor_mdb(cursor));
}

static phusa_status place(struct env_cursor *cursor, MDB_val *k, MDB_cursor_op op,
                          struct env_bytes *key, struct env_bytes *value, bool *found)
{
    MDB_val v;
    const int code = mdb_cursor_get(cursor_mdb(cursor), k, &v, op);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND) return status_from_mdb(code);
    *found = code == MDB_SUCCESS;
    if (*found) {
        *key = env_bytes_of(k->mv_data, k->mv_size);
        *value = env_bytes_of(v.mv_data, v.mv_size);
    }
    return PHUSA_OK;
}

phusa_status env_move(struct env_cursor *cursor, enum env_move move, struct env_bytes *key,
                      struct env_bytes *value, bool *found)
{
    static const MDB_cursor_op op[] = {
        [ENV_FIRST] = MDB_FIRST,
        [ENV_LAST] = MDB_LAST,
        [ENV_NEXT] = MDB_NEXT,
        [ENV_PREVIOUS] = MDB_PREV,
    };
    MDB_val k;
    return place(cursor, &k, op[move], key, value, found);
}

phusa_status env_seek(struct env_cursor *cursor, struct env_bytes at, struct env_bytes *key,
                      struct env_bytes *value, bool *found)
{
    MDB_val k = val_of(at);
    return place(cursor, &k, MDB_SET_RANGE, key, value, found);
}
