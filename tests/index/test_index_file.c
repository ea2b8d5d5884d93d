/*
 * Guards: the bytes of the index file are those of FORMAT.md, and any damage to them is an answer,
 * never a crash or a wrong index.
 */
#include "index_harness.h"

#include "base/crc.h"
#include "random.h"
#include "store/env.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void define_river(struct index *index)
{
    const struct index_field field = {0, PHUSA_FLOAT, text_of("level_m")};
    cr_assert_eq(index_add_measurement(index, 1, text_of("river")), PHUSA_OK);
    cr_assert_eq(index_add_field(index, 1, &field), PHUSA_OK);
    add_series(index, 1, "river,station=CT");
    add_series(index, 1, "river,station=CD");
}

static uint64_t big_endian(uint64_t number)
{
    return __builtin_bswap64(number);
}

/* The value of a block, copied to `bytes`; its size. */
static size_t read_block(const char *path, uint64_t number, uint8_t *bytes)
{
    struct env *env;
    struct env_txn *txn;
    struct env_bytes value;
    bool found;
    const uint64_t key = big_endian(number);
    cr_assert_eq(env_open(path, ENV_IMMUTABLE, NULL, &env, NULL), PHUSA_OK);
    cr_assert_eq(env_begin_read(env, &txn), PHUSA_OK);
    cr_assert_eq(env_get(txn, env_bytes_of(&key, sizeof key), &value, &found), PHUSA_OK);
    const size_t size_bytes = found ? value.size_bytes : 0;
    if (found) memcpy(bytes, value.bytes, size_bytes);
    env_abort(txn);
    env_close(env);
    return size_bytes;
}

static void write_block(const char *path, uint64_t number, const uint8_t *bytes, size_t size_bytes)
{
    struct env *env;
    struct env_txn *txn;
    const uint64_t key = big_endian(number);
    cr_assert_eq(env_open(path, ENV_LIVE, NULL, &env, NULL), PHUSA_OK);
    cr_assert_eq(env_begin_write(env, &txn), PHUSA_OK);
    cr_assert_eq(env_put(txn, env_bytes_of(&key, sizeof key), env_bytes_of(bytes, size_bytes)),
                 PHUSA_OK);
    cr_assert_eq(env_commit(txn), PHUSA_OK);
    env_close(env);
}

static void seal_block(uint64_t number, uint8_t *bytes, size_t size_bytes)
{
    const uint64_t key = big_endian(number);
    store_u32(bytes, crc32c(crc32c(0, &key, sizeof key), bytes + 4, size_bytes - 4));
}

/* The bytes of block `number` in the example of FORMAT.md: lines that begin with four spaces, up to
 * two spaces before the remark. */
static size_t example(uint64_t number, uint8_t *bytes)
{
    FILE *file = fopen("engine/index/FORMAT.md", "r");
    cr_assert_not_null(file, "run from the top of the tree");
    char line[300], heading[32];
    size_t size_bytes = 0;
    bool inside = false;
    snprintf(heading, sizeof heading, "Block %u, key", (unsigned)number);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Block", 5) == 0 && strstr(line, ", key") != NULL)
            inside = strncmp(line, heading, strlen(heading)) == 0;
        if (!inside || strncmp(line, "    ", 4) != 0) continue;
        for (const char *p = line + 4; p[0] != ' ' && p[0] != '\n'; p += 3) {
            bytes[size_bytes++] = (uint8_t)strtoul((char[]){p[0], p[1], '\0'}, NULL, 16);
            if (p[2] != ' ') break;
        }
    }
    fclose(file);
    return size_bytes;
}

Test(index_file, bytes_are_those_of_the_example_in_FORMAT)
{
    struct scene s;
    scene_open(&s);
    define_river(s.index);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    s.index = NULL;
    uint8_t expected[512], found[512];
    for (uint64_t number = 0; number < 2; number++) {
        const size_t size_bytes = read_block(s.path, number, found);
        if (getenv("PHUSA_PRINT") != NULL)
            for (size_t i = 0; i < size_bytes; i++)
                fprintf(stderr, "%02x%s", found[i], i % 16 == 15 ? "\n" : " ");
        cr_assert_eq(example(number, expected), size_bytes);
        cr_assert_arr_eq(expected, found, size_bytes);
    }
    cr_assert_eq(read_block(s.path, 2, found), 0);
    scene_close(&s);
}

/* ---- damage ---- */

static phusa_status try_open(const struct scene *s)
{
    struct index *index = NULL;
    struct phusa_error error = {0};
    const phusa_status status = scene_try(s, true, &index, &error);
    if (status != PHUSA_OK)
        cr_assert(strlen(error.text) > 0 && error.status == status);
    else
        index_close(index);
    return status;
}

Test(index_file, refuses_any_single_bit_flip_in_a_block)
{
    struct scene s;
    scene_open(&s);
    define_river(s.index);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    s.index = NULL;
    uint8_t bytes[512];
    for (uint64_t number = 0; number < 2; number++) {
        const size_t size_bytes = read_block(s.path, number, bytes);
        for (size_t bit = 0; bit < size_bytes * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            write_block(s.path, number, bytes, size_bytes);
            cr_assert_eq(try_open(&s), PHUSA_ECORRUPT, "block %d bit %zu", (int)number, bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        write_block(s.path, number, bytes, size_bytes);
    }
    cr_assert_eq(try_open(&s), PHUSA_OK);
    scene_close(&s);
}

/* Bytes that the checksum holds for but that say nonsense: what a wrong writer would leave. */
Test(index_file, nonsense_under_a_good_checksum_is_refused_or_sound)
{
    struct random r = random_seeded();
    struct scene s;
    scene_open(&s);
    define_river(s.index);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    s.index = NULL;
    uint8_t good[512], bytes[512];
    const size_t size_bytes = read_block(s.path, 1, good);
    unsigned refused = 0;
    for (int k = 0; k < 1500; k++) {
        memcpy(bytes, good, size_bytes);
        for (uint64_t flips = 1 + random_u64(&r) % 3; flips > 0; flips--)
            bytes[8 + random_u64(&r) % (size_bytes - 8)] = (uint8_t)random_u64(&r);
        size_t cut = random_u64(&r) % 4 == 0 ? 12 + random_u64(&r) % (size_bytes - 12) : size_bytes;
        seal_block(1, bytes, cut);
        write_block(s.path, 1, bytes, cut);
        struct index *index = NULL;
        const phusa_status status = scene_try(&s, true, &index, NULL);
        if (status == PHUSA_OK) {
            expect_sound(index);
            index_close(index);
        } else {
            cr_assert(status == PHUSA_ECORRUPT || status == PHUSA_ELIMIT);
            refused++;
        }
    }
    cr_assert_gt(refused, 700);
    /* A newer version is told apart from damage. */
    memcpy(bytes, good, size_bytes);
    bytes[4] = 2;
    seal_block(1, bytes, size_bytes);
    write_block(s.path, 1, bytes, size_bytes);
    cr_assert_eq(try_open(&s), PHUSA_EVERSION);
    scene_close(&s);
}

Test(index_file, a_block_that_is_missing_or_another_files_is_refused)
{
    struct scene s;
    scene_open(&s);
    define_river(s.index);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    add_series(s.index, 1, "river,station=MT");
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    s.index = NULL;
    uint8_t bytes[512];
    const size_t size_bytes = read_block(s.path, 2, bytes);
    write_block(s.path, 4, bytes, size_bytes); /* and none with number 3 */
    cr_assert_eq(try_open(&s), PHUSA_ECORRUPT);
    write_block(s.path, 3, bytes, size_bytes);
    cr_assert_eq(try_open(&s), PHUSA_ECORRUPT, "a copy of block 2 is not block 3");
    seal_block(3, bytes, size_bytes);
    write_block(s.path, 3, bytes, size_bytes);
    cr_assert_eq(try_open(&s), PHUSA_ECORRUPT, "a series twice");

    char other[300];
    snprintf(other, sizeof other, "%s/index/7.g5.mdb", s.dir);
    cr_assert_eq(rename(s.path, other), 0);
    struct index *index;
    cr_assert_eq(index_open(s.dir, 7, 5, true, false, NULL, &index, NULL), PHUSA_ECORRUPT,
                 "generation 4 under the name of 5");
    unlink(other);
    scene_close(&s);
}

static void define_many(struct index *index, int count)
{
    cr_assert_eq(index_add_measurement(index, 1, text_of("m")), PHUSA_OK);
    for (int i = 0; i < count; i++) {
        char line[64];
        snprintf(line, sizeof line, "m,host=h%d,rack=r%d", i, i % 17);
        add_series(index, 1, line);
    }
}

/* The whole file, LMDB's own pages included. Nothing may crash, and what opens must be all of it:
 * a flip in the free space of a page hits nothing. */
Test(index_file, flips_anywhere_in_the_file_are_refused_or_harmless)
{
    struct random r = random_seeded();
    struct scene s;
    scene_open(&s);
    define_many(s.index, 5000);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    s.index = NULL;
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(s.path, &size_bytes);
    unsigned refused = 0;
    for (int k = 0; k < 400; k++) {
        /* Half of them in the four pages that LMDB follows. */
        const uint64_t within = k % 2 == 0 ? size_bytes : size_bytes < 16384 ? size_bytes : 16384;
        const uint64_t bit = random_u64(&r) % (8 * within);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        sandbox_write(s.path, bytes, size_bytes);
        struct index *index = NULL;
        const phusa_status status = scene_try(&s, true, &index, NULL);
        if (status == PHUSA_OK) {
            const uint32_t next = index_next_ordinal(index, 1);
            cr_assert_eq(next, 5000, "bit %zu: %u", (size_t)bit, next);
            index_close(index);
        } else {
            cr_assert(status == PHUSA_ECORRUPT || status == PHUSA_EVERSION, "%d", status);
            refused++;
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_gt(refused, 150);
    free(bytes);
    scene_close(&s);
}

/* Their fields take the first 160 bytes of pages 0 and 1. A root that looks newer or older than it
 * is must not bring back the index of a checkpoint ago: its ordinals would be given out again. */
Test(index_file, no_flipped_bit_in_a_root_of_LMDB_brings_an_older_index_back)
{
    struct scene s;
    scene_open(&s);
    define_river(s.index);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    add_series(s.index, 1, "river,station=MT");
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    s.index = NULL;
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(s.path, &size_bytes);
    for (size_t bit = 0; bit < 2 * 160 * 8; bit++) {
        const size_t byte = bit / 8 < 160 ? bit / 8 : 4096 + bit / 8 - 160;
        bytes[byte] ^= (uint8_t)(1u << bit % 8);
        sandbox_write(s.path, bytes, size_bytes);
        struct index *index = NULL;
        const phusa_status status = scene_try(&s, true, &index, NULL);
        if (status == PHUSA_OK) {
            cr_assert_eq(index_next_ordinal(index, 1), 3, "byte %zu", byte);
            index_close(index);
        } else {
            cr_assert(status == PHUSA_ECORRUPT || status == PHUSA_EVERSION, "%d", status);
        }
        bytes[byte] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
    scene_close(&s);
}

Test(index_file, a_file_cut_short_anywhere_is_refused)
{
    struct random r = random_seeded();
    struct scene s;
    scene_open(&s);
    define_many(s.index, 5000);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    s.index = NULL;
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(s.path, &size_bytes);
    for (int k = 0; k < 100; k++) {
        const size_t kept = 1 + random_u64(&r) % (size_bytes - 1);
        sandbox_write(s.path, bytes, kept);
        const phusa_status status = try_open(&s);
        cr_assert(status == PHUSA_ECORRUPT, "%zu of %zu: %d", kept, size_bytes, status);
    }
    free(bytes);
    scene_close(&s);
}

Test(index_file, many_series_take_several_blocks_and_come_back)
{
    struct scene s;
    scene_open(&s);
    define_many(s.index, 60000);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    struct index_stats stats;
    index_stats(s.index, &stats);
    cr_assert_gt(stats.file_bytes, 4 * 65536);
    cr_assert_lt(stats.file_bytes, 60000 * 40, "prefixes are shared");
    scene_reopen(&s);
    cr_assert_eq(index_next_ordinal(s.index, 1), 60000);
    expect_sound(s.index);
    scene_close(&s);
}
