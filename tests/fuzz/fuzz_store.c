/*
 * fuzz_store.c - anything as a bundle, as a record of the catalogue and as an LMDB file. Checksums
 * are made right, so that the fuzzer gets past them. What reads must be in order and in bounds; a
 * file that passes env_check() must not be able to harm LMDB.
 *
 * The first byte chooses: 0 a bundle; 1 a record: the size of its key, key, value; else a file.
 */
#include "base/crc.h"
#include "store/bundle.h"
#include "store/catalog_record.h"
#include "store/env.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own, so that a read past the end is seen. */
static uint8_t *copy_of(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL) abort();
    memcpy(copy, data, size);
    return copy;
}

static void try_bundle(const uint8_t *data, size_t size)
{
    uint8_t *bytes = copy_of(data, size);
    if (size >= BUNDLE_HEADER_BYTES && load_u32(bytes + 12) <= size - BUNDLE_HEADER_BYTES)
        store_u32(bytes, crc32c(0, bytes + 4, BUNDLE_HEADER_BYTES - 4 + load_u32(bytes + 12)));
    struct bundle_view view;
    struct stored_chunk last = {0};
    size_t sum_bytes = 0;
    bool found = bundle_open(&view, bytes, size) == PHUSA_OK;
    for (uint32_t n = 0; found; n++) {
        struct stored_chunk chunk;
        if (bundle_next(&view, &chunk, &found) != PHUSA_OK || !found) break;
        assert(n == 0 || bundle_compare(bundle_place(&last), bundle_place(&chunk)) < 0);
        assert(chunk.bytes >= bytes && chunk.bytes + chunk.size_bytes <= bytes + size);
        sum_bytes += chunk.size_bytes;
        last = chunk;
    }
    assert(sum_bytes <= size);
    free(bytes);
}

/* What decodes is encoded to the same members. */
static void try_record(const uint8_t *data, size_t size)
{
    const size_t key_bytes = size == 0 ? 0 : data[0] % 14;
    if (size < 1 + key_bytes + 5 || key_bytes == 0) return;
    uint8_t *key = copy_of(data + 1, key_bytes);
    const size_t value_bytes = size - 1 - key_bytes;
    uint8_t *value = copy_of(data + 1 + key_bytes, value_bytes);
    store_u32(value, crc32c(crc32c(0, key, key_bytes), value + 4, value_bytes - 4));
    const struct env_bytes k = env_bytes_of(key, key_bytes);
    const struct env_bytes v = env_bytes_of(value, value_bytes);
    union {
        struct catalog_state state;
        struct database_info database;
        struct policy_info policy;
        struct file_info file;
    } a, b;
    uint32_t crc;
    struct buffer out;
    buffer_init(&out);
    if (catalog_verify_record(k, v, &crc) == PHUSA_OK) {
        if (catalog_decode_state(k, v, &a.state) == PHUSA_OK) catalog_encode_state(&out, &a.state);
        if (catalog_decode_database(k, v, &a.database) == PHUSA_OK) {
            catalog_encode_database(&out, &a.database);
            if (catalog_decode_database(k, env_bytes_of(out.bytes, out.size_bytes), &b.database) !=
                PHUSA_OK)
                abort();
        }
        if (catalog_decode_policy(k, v, &a.policy) == PHUSA_OK) {
            catalog_encode_policy(&out, &a.policy);
            if (catalog_decode_policy(k, env_bytes_of(out.bytes, out.size_bytes), &b.policy) !=
                PHUSA_OK)
                abort();
        }
        if (catalog_decode_file(k, v, &a.file) == PHUSA_OK) {
            catalog_encode_file(&out, &a.file);
            if (catalog_decode_file(k, env_bytes_of(out.bytes, out.size_bytes), &b.file) !=
                PHUSA_OK)
                abort();
            assert(a.file.lsn_max == b.file.lsn_max && a.file.size_bytes == b.file.size_bytes);
        }
    }
    buffer_deinit(&out);
    free(key);
    free(value);
}

static uint64_t read_all(struct env *env)
{
    struct env_txn *txn;
    struct env_cursor *cursor;
    uint64_t sum = 0;
    if (env_begin_read(env, &txn) != PHUSA_OK) return 0;
    if (env_cursor_open(txn, &cursor) != PHUSA_OK) abort();
    struct env_bytes key;
    struct env_bytes value;
    bool found = true;
    while (env_move(cursor, ENV_NEXT, &key, &value, &found) == PHUSA_OK && found) {
        for (size_t i = 0; i < value.size_bytes; i++)
            sum += ((const uint8_t *)value.bytes)[i];
    }
    env_cursor_close(cursor);
    env_abort(txn);
    return sum;
}

static void try_file(const uint8_t *data, size_t size)
{
    char path[40];
    const int fd = memfd_create("fuzz_store", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    uint64_t txn_id;
    struct env *env;
    if (env_check(path, &txn_id, NULL) == PHUSA_OK &&
        env_open(path, ENV_IMMUTABLE, NULL, &env, NULL) == PHUSA_OK) {
        read_all(env);
        env_close(env);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    if (data[0] == 0)
        try_bundle(data + 1, size - 1);
    else if (data[0] == 1)
        try_record(data + 1, size - 1);
    else
        try_file(data + 1, size - 1);
    return 0;
}
