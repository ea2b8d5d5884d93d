/*
 * env.h - LMDB, as little of it as the engine needs: one ordered map of bytes per file.
 *
 * Only this folder includes lmdb.h; the index keeps its files through this header too.
 *
 * Kinds      ENV_IMMUTABLE  a finished file: read only, no locks, mapped at its size.
 *            ENV_BUILD      a new file that nothing names yet: no sync until env_sync().
 *            ENV_LIVE       changed in place, every commit synced; no lock file, so a read
 *                           transaction must have ended before the next write begins.
 * Ownership  What env_get() and cursors hand out lies in the map: valid until the transaction
 *            ends (ENV_IMMUTABLE: until env_close()).
 * Threads    Writers one at a time; a transaction and its cursors one thread at a time.
 *            The process must open a path only once at a time.
 * Errors     PHUSA_ENOSPC: no room; the transaction is gone and the file as before. PHUSA_EFAILED:
 *            an earlier commit failed half-way, reopen. PHUSA_ECORRUPT: LMDB noticed damage; it
 *            notices little and dies of the rest: see env_check().
 */
#ifndef PHUSA_STORE_ENV_H
#define PHUSA_STORE_ENV_H

#include "base/bytes.h"
#include "base/log.h"

enum env_kind { ENV_IMMUTABLE, ENV_BUILD, ENV_LIVE };

struct env;
struct env_txn;
struct env_cursor;

struct env_bytes {
    const void *bytes;
    size_t size_bytes;
};
static inline struct env_bytes env_bytes_of(const void *bytes, size_t size_bytes)
{
    return (struct env_bytes){bytes, size_bytes};
}

#define ENV_KEY_BYTES_MAX 511u

/* Read a closed file page by page and verify everything that LMDB would follow without
 * looking: meta pages, every node of both trees, overflow runs, the free list, no page used twice.
 * After PHUSA_OK no byte of the file can make LMDB crash or loop; what the values say is the
 * caller's to check. Costs one read of the file (its overflow pages excepted). *txn_id (may be
 * NULL): the last committed transaction. PHUSA_ENOTFOUND: no such file, or an empty one. */
PHUSA_MUST_USE phusa_status env_check(const char *path, uint64_t *txn_id,
                                      struct phusa_error *error);

/* ENV_BUILD wants the file missing or empty, and leaves none on failure; LIVE creates it;
 * IMMUTABLE wants it there. A file whose meta pages contradict its size is PHUSA_ECORRUPT. */
PHUSA_MUST_USE phusa_status env_open(const char *path, enum env_kind kind, struct log *log,
                                     struct env **out, struct phusa_error *error);
void env_close(struct env *env); /* NULL is allowed */
/* ENV_BUILD: what was committed is on disk now (the directory is the caller's). */
PHUSA_MUST_USE phusa_status env_sync(struct env *env);
/* Take disk blocks beyond the file's end, before a commit that needs about as many. LMDB
 * reports a full disk as EIO where it cut a write short; this says PHUSA_ENOSPC, in time. */
PHUSA_MUST_USE phusa_status env_reserve(struct env *env, size_t size_bytes);

PHUSA_MUST_USE phusa_status env_begin_read(struct env *env, struct env_txn **out);
PHUSA_MUST_USE phusa_status env_begin_write(struct env *env, struct env_txn **out);
/* Ends the transaction in any case. */
PHUSA_MUST_USE phusa_status env_commit(struct env_txn *txn);
void env_abort(struct env_txn *txn); /* NULL is allowed; how read transactions end */
uint64_t env_txn_id(const struct env_txn *txn);

/* *found false: no such key, *value untouched. */
PHUSA_MUST_USE phusa_status env_get(struct env_txn *txn, struct env_bytes key,
                                    struct env_bytes *value, bool *found);
PHUSA_MUST_USE phusa_status env_put(struct env_txn *txn, struct env_bytes key,
                                    struct env_bytes value);
/* The key must be greater than every other. *room: size_bytes to be filled before the next call. */
PHUSA_MUST_USE phusa_status env_append(struct env_txn *txn, struct env_bytes key, size_t size_bytes,
                                       void **room);
PHUSA_MUST_USE phusa_status env_delete(struct env_txn *txn, struct env_bytes key, bool *found);

PHUSA_MUST_USE phusa_status env_cursor_open(struct env_txn *txn, struct env_cursor **out);
void env_cursor_close(struct env_cursor *cursor); /* NULL is allowed; before the transaction */
enum env_move { ENV_FIRST, ENV_LAST, ENV_NEXT, ENV_PREVIOUS };
/* ENV_NEXT of a new cursor is ENV_FIRST. After *found false the place is not defined. */
PHUSA_MUST_USE phusa_status env_move(struct env_cursor *cursor, enum env_move move,
                                     struct env_bytes *key, struct env_bytes *value, bool *found);
/* The first key >= `at`. */
PHUSA_MUST_USE phusa_status env_seek(struct env_cursor *cursor, struct env_bytes at,
                                     struct env_bytes *key, struct env_bytes *value, bool *found);

#endif
