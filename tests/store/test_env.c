/*
 * test_env.c - guards env.h: LMDB behind a narrow door, and above all env_check(), which
 * promises that no damaged file that passes it can make LMDB crash.
 */
#include "base/mem.h"
#include "random.h"
#include "sandbox.h"
#include "store/env.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct env_bytes number(uint64_t n, uint8_t room[8])
{
    store_be64(room, n);
    return env_bytes_of(room, 8);
}

static struct env *open_live(const char *path)
{
    struct env *env;
    struct phusa_error error;
    cr_assert_eq(env_open(path, ENV_LIVE, NULL, &env, &error), PHUSA_OK, "%s", error.text);
    return env;
}

static void put(struct env_txn *txn, uint64_t n, size_t size_bytes)
{
    static uint8_t value[20000];
    memset(value, (int)n, sizeof value);
    uint8_t key[8];
    cr_assert_eq(env_put(txn, number(n, key), env_bytes_of(value, size_bytes)), PHUSA_OK);
}

/* A file with everything in it: branch pages, overflow runs, freed pages. */
static void make_sample(const char *path)
{
    struct env *env = open_live(path);
    struct random r = random_from(7);
    for (unsigned round = 0; round < 6; round++) {
        struct env_txn *txn;
        cr_assert_eq(env_begin_write(env, &txn), PHUSA_OK);
        for (unsigned i = 0; i < 60; i++) {
            const uint64_t n = random_u64(&r) % 400;
            uint8_t key[8];
            bool found;
            if (random_u64(&r) % 4 == 0)
                cr_assert_eq(env_delete(txn, number(n, key), &found), PHUSA_OK);
            else
                put(txn, n, random_u64(&r) % 30 == 0 ? 9000 : random_u64(&r) % 90);
        }
        cr_assert_eq(env_commit(txn), PHUSA_OK);
    }
    env_close(env);
}

/* What a store does with a file: read all of it, then change it. Exit code 0: it went well or
 * LMDB said so. */
static int use_file(void *context)
{
    const char *path = context;
    struct env *env;
    struct env_txn *txn = NULL;
    if (env_open(path, ENV_LIVE, NULL, &env, NULL) != PHUSA_OK) return 0;
    uint64_t sum = 0;
    if (env_begin_read(env, &txn) == PHUSA_OK) {
        struct env_cursor *cursor;
        struct env_bytes key;
        struct env_bytes value;
        bool found = true;
        if (env_cursor_open(txn, &cursor) != PHUSA_OK) return 0;
        while (env_move(cursor, ENV_NEXT, &key, &value, &found) == PHUSA_OK && found) {
            for (size_t i = 0; i < value.size_bytes; i++)
                sum += ((const uint8_t *)value.bytes)[i];
        }
        env_cursor_close(cursor);
        env_abort(txn);
    }
    for (uint64_t n = 0; n < 500; n += 5) {
        uint8_t key[8];
        bool found;
        if (n % 100 == 0 && env_begin_write(env, &txn) != PHUSA_OK) return 0;
        if (env_put(txn, number(n, key), env_bytes_of(&sum, n % 10 == 0 ? 8 : 3)) != PHUSA_OK ||
            env_delete(txn, number(n + 1, key), &found) != PHUSA_OK) {
            env_abort(txn);
            break;
        }
        if (n % 100 == 95 && env_commit(txn) != PHUSA_OK) return 0;
    }
    env_close(env);
    return 0;
}

Test(env, keeps_what_was_committed_and_nothing_else)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *path = sandbox_path(&s, "a.mdb");
    struct env *env = open_live(path);
    struct env_txn *txn;
    uint8_t key[8];
    struct env_bytes value;
    bool found;

    cr_assert_eq(env_begin_write(env, &txn), PHUSA_OK);
    put(txn, 1, 5);
    cr_assert_eq(env_commit(txn), PHUSA_OK);
    cr_assert_eq(env_begin_write(env, &txn), PHUSA_OK);
    put(txn, 2, 5);
    env_abort(txn);
    env_close(env);

    env = open_live(path);
    cr_assert_eq(env_begin_read(env, &txn), PHUSA_OK);
    cr_assert_eq(env_get(txn, number(1, key), &value, &found), PHUSA_OK);
    cr_assert(found && value.size_bytes == 5);
    cr_assert_eq(env_get(txn, number(2, key), &value, &found), PHUSA_OK);
    cr_assert_not(found);
    env_abort(txn);
    env_close(env);
    sandbox_remove(&s);
}

Test(env, refuses_to_build_over_a_file_and_to_read_a_missing_one)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *path = sandbox_path(&s, "a.mdb");
    struct env *env = NULL;
    cr_assert_eq(env_open(path, ENV_IMMUTABLE, NULL, &env, NULL), PHUSA_ENOTFOUND);
    make_sample(path);
    cr_assert_eq(env_open(path, ENV_BUILD, NULL, &env, NULL), PHUSA_EEXISTS);
    cr_assert_null(env);
    sandbox_remove(&s);
}

Test(env, appends_in_order_only)
{
    struct sandbox s;
    sandbox_make(&s);
    struct env *env;
    struct env_txn *txn;
    uint8_t key[8];
    void *room;
    cr_assert_eq(env_open(sandbox_path(&s, "b.mdb"), ENV_BUILD, NULL, &env, NULL), PHUSA_OK);
    cr_assert_eq(env_begin_write(env, &txn), PHUSA_OK);
    cr_assert_eq(env_append(txn, number(5, key), 3, &room), PHUSA_OK);
    memset(room, 1, 3);
    cr_assert_eq(env_append(txn, number(4, key), 3, &room), PHUSA_EINVAL);
    env_abort(txn);
    env_close(env);
    sandbox_remove(&s);
}

Test(env, check_passes_what_lmdb_writes)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *path = sandbox_path(&s, "m.mdb");
    struct random r = random_seeded();
    struct phusa_error error;
    struct env *env;
    for (unsigned round = 0; round < 300; round++) {
        cr_assert_eq(env_open(path, ENV_LIVE, NULL, &env, &error), PHUSA_OK, "%s", error.text);
        struct env_txn *txn;
        cr_assert_eq(env_begin_write(env, &txn), PHUSA_OK);
        for (uint64_t i = random_u64(&r) % 200; i > 0; i--) {
            uint8_t key[8];
            bool found;
            const uint64_t n = random_u64(&r) % 3000;
            if (random_u64(&r) % 100 < (round / 50 % 2 == 0 ? 30 : 70))
                cr_assert_eq(env_delete(txn, number(n, key), &found), PHUSA_OK);
            else
                put(txn, n, random_u64(&r) % (random_u64(&r) % 10 == 0 ? 20000 : 200));
        }
        const uint64_t expected = env_txn_id(txn);
        cr_assert_eq(env_commit(txn), PHUSA_OK);
        env_close(env);
        uint64_t txn_id = 0;
        cr_assert_eq(env_check(path, &txn_id, &error), PHUSA_OK, "round %u: %s", round, error.text);
        cr_assert_leq(txn_id, expected); /* a transaction that changed nothing leaves no trace */
    }
    sandbox_remove(&s);
}

/* Every bit of every page that is not the inside of a value. Either the check refuses, or LMDB can
 * live with it: read everything and write. Every 256th survivor is tried, in a
 * child. */
Test(env, no_bit_flip_that_passes_the_check_kills_lmdb)
{
    struct sandbox s;
    sandbox_make(&s);
    char good[300];
    char bad[300];
    snprintf(good, sizeof good, "%s/good.mdb", s.dir);
    snprintf(bad, sizeof bad, "%s/bad.mdb", s.dir);
    make_sample(good);
    cr_assert_eq(env_check(good, NULL, NULL), PHUSA_OK);
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(good, &size_bytes);
    sandbox_write(bad, bytes, size_bytes);
    const int fd = open(bad, O_RDWR);

    unsigned refused = 0;
    unsigned passed = 0;
    for (size_t at = 0; at < size_bytes; at++) {
        const size_t in_page = at % 4096;
        /* headers and node offsets densely, the rest by sample */
        if (in_page >= 48 && at % 97 != 0) continue;
        for (unsigned bit = 0; bit < 8; bit++) {
            const uint8_t flipped = (uint8_t)(bytes[at] ^ (1u << bit));
            cr_assert_eq(pwrite(fd, &flipped, 1, (off_t)at), 1);
            const phusa_status status = env_check(bad, NULL, NULL);
            cr_assert(status == PHUSA_OK || status == PHUSA_ECORRUPT, "byte %zu", at);
            if (status == PHUSA_OK && passed++ % 256 == 0) {
                const int outcome = sandbox_child(use_file, bad);
                cr_assert_eq(outcome, 0, "byte %zu bit %u: %d", at, bit, outcome);
                sandbox_write(bad, bytes, size_bytes);
            }
            refused += status == PHUSA_ECORRUPT;
        }
        cr_assert_eq(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
    }
    cr_assert_gt(refused, 1000);
    cr_assert_gt(passed, 1000);
    close(fd);
    free(bytes);
    sandbox_remove(&s);
}

Test(env, zeroed_pages_and_cuts_pass_the_check_only_when_harmless)
{
    struct sandbox s;
    sandbox_make(&s);
    char good[300];
    char bad[300];
    snprintf(good, sizeof good, "%s/good.mdb", s.dir);
    snprintf(bad, sizeof bad, "%s/bad.mdb", s.dir);
    make_sample(good);
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(good, &size_bytes);
    unsigned refused = 0;
    for (size_t at = 0; at < size_bytes; at += 1536) {
        sandbox_write(bad, bytes, at); /* cut */
        phusa_status status = env_check(bad, NULL, NULL);
        if (status == PHUSA_OK) cr_assert_eq(sandbox_child(use_file, bad), 0, "cut at %zu", at);
        refused += status != PHUSA_OK;

        sandbox_write(bad, bytes, size_bytes);
        const int fd = open(bad, O_RDWR);
        static const uint8_t zeros[4096];
        cr_assert_gt(pwrite(fd, zeros, at % 4096 == 0 ? 4096 : 512, (off_t)at), 0);
        cr_assert_eq(ftruncate(fd, (off_t)size_bytes), 0);
        close(fd);
        status = env_check(bad, NULL, NULL);
        if (status == PHUSA_OK) cr_assert_eq(sandbox_child(use_file, bad), 0, "zero at %zu", at);
        refused += status != PHUSA_OK;
    }
    cr_assert_gt(refused, 20);
    free(bytes);
    sandbox_remove(&s);
}

/* Opening checks the meta pages without being asked. */
Test(env, open_refuses_a_file_shorter_than_its_trees)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *path = sandbox_path(&s, "a.mdb");
    make_sample(path);
    cr_assert_eq(truncate(path, 2 * 4096 + 100), 0);
    struct env *env = NULL;
    struct phusa_error error;
    cr_assert_eq(env_open(path, ENV_IMMUTABLE, NULL, &env, &error), PHUSA_ECORRUPT);
    cr_assert_eq(env_open(path, ENV_LIVE, NULL, &env, &error), PHUSA_ECORRUPT);
    sandbox_remove(&s);
}

Test(env, survives_a_lack_of_memory_at_every_allocation)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *path = sandbox_path(&s, "a.mdb");
    make_sample(path);
    for (uint64_t n = 1;; n++) {
        struct env *env = NULL;
        mem_fail_at(n);
        phusa_status status = env_check(path, NULL, NULL);
        if (status == PHUSA_OK) status = env_open(path, ENV_LIVE, NULL, &env, NULL);
        const bool failed = mem_calls() >= n;
        mem_fail_at(0);
        cr_assert_eq(status, failed ? PHUSA_ENOMEM : PHUSA_OK);
        env_close(env);
        if (!failed) break;
    }
    sandbox_remove(&s);
}
