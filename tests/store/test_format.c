/*
 * test_format.c - guards FORMAT.md: its examples are what the code writes, and the code reads
 * them back; what a newer release wrote is refused by name.
 */
#include "base/crc.h"
#include "sandbox.h"
#include "store/bundle.h"
#include "store/catalog_record.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_NS  INT64_C(3600000000000)
#define FIRST_NS INT64_C(1709251200000000000)

static char *format_text(void)
{
    size_t size_bytes;
    char *text = (char *)sandbox_read("engine/store/FORMAT.md", &size_bytes);
    text[size_bytes] = '\0';
    return text;
}

/* The bytes stand in FORMAT.md, sixteen a line, as a block of their own. */
static void expect_example(const char *what, const uint8_t *bytes, size_t size_bytes)
{
    char block[2000] = "```\n";
    size_t at = strlen(block);
    for (size_t i = 0; i < size_bytes; i++) {
        const bool ends = i % 16 == 15 || i + 1 == size_bytes;
        at += (size_t)sprintf(block + at, "%02x%c", bytes[i], ends ? '\n' : ' ');
    }
    strcpy(block + at, "```\n");
    char *text = format_text();
    cr_assert_not_null(strstr(text, block), "FORMAT.md lacks the %s:\n%s", what, block);
    free(text);
}

static const struct stored_chunk first_chunk = {.partition = 650,
                                                .series = (UINT64_C(1) << 32) + 5,
                                                .bytes = (const uint8_t *)"chunk A",
                                                .size_bytes = 7,
                                                .time_min_ns = FIRST_NS,
                                                .time_max_ns = FIRST_NS + HOUR_NS,
                                                .lsn_min = 100,
                                                .lsn_max = 101,
                                                .row_count = 2,
                                                .value_count = 4};
static const struct stored_chunk second_chunk = {.partition = 650,
                                                 .series = (UINT64_C(1) << 32) + 6,
                                                 .bytes = (const uint8_t *)"B",
                                                 .size_bytes = 1,
                                                 .time_min_ns = FIRST_NS,
                                                 .time_max_ns = FIRST_NS,
                                                 .lsn_min = 102,
                                                 .lsn_max = 102,
                                                 .row_count = 1,
                                                 .value_count = 2};

static size_t example_bundle(uint8_t *bytes)
{
    struct bundle_builder b;
    bundle_init(&b);
    cr_assert_eq(bundle_add(&b, &first_chunk), PHUSA_OK);
    cr_assert_eq(bundle_add(&b, &second_chunk), PHUSA_OK);
    const size_t size_bytes = bundle_bytes(&b);
    bundle_write(&b, bytes);
    bundle_deinit(&b);
    return size_bytes;
}

static void expect_chunk(struct bundle_view *view, const struct stored_chunk *expected)
{
    struct stored_chunk chunk;
    bool found;
    cr_assert_eq(bundle_next(view, &chunk, &found), PHUSA_OK);
    cr_assert(found);
    cr_assert_eq(bundle_compare(bundle_place(&chunk), bundle_place(expected)), 0);
    cr_assert_eq(chunk.time_max_ns, expected->time_max_ns);
    cr_assert_eq(chunk.lsn_min, expected->lsn_min);
    cr_assert_eq(chunk.lsn_max, expected->lsn_max);
    cr_assert_eq(chunk.row_count, expected->row_count);
    cr_assert_eq(chunk.value_count, expected->value_count);
    cr_assert_eq(chunk.size_bytes, expected->size_bytes);
    cr_assert_eq(memcmp(chunk.bytes, expected->bytes, chunk.size_bytes), 0);
}

Test(format, a_bundle_is_as_the_example_says)
{
    uint8_t key[BUNDLE_KEY_BYTES];
    bundle_key(bundle_place(&first_chunk), key);
    expect_example("bundle's key", key, sizeof key);
    cr_assert_eq(bundle_compare(bundle_place_of(key), bundle_place(&first_chunk)), 0);
    uint8_t bytes[200];
    const size_t size_bytes = example_bundle(bytes);
    expect_example("bundle", bytes, size_bytes);
    struct bundle_view view;
    cr_assert_eq(bundle_open(&view, bytes, size_bytes), PHUSA_OK);
    expect_chunk(&view, &first_chunk);
    expect_chunk(&view, &second_chunk);
}

Test(format, keys_sort_as_places_do)
{
    static const int32_t partitions[] = {INT32_MIN, -1, 0, 7, INT32_MAX};
    static const uint64_t series[] = {0, UINT64_C(1) << 32, UINT64_MAX};
    static const int64_t times[] = {INT64_MIN, -1, 0, INT64_MAX};
    uint8_t last[BUNDLE_KEY_BYTES] = {0};
    for (size_t p = 0; p < 5; p++) {
        for (size_t s = 0; s < 3; s++) {
            for (size_t t = 0; t < 4; t++) {
                uint8_t key[BUNDLE_KEY_BYTES];
                bundle_key((struct bundle_place){partitions[p], series[s], times[t]}, key);
                cr_assert(p + s + t == 0 || memcmp(last, key, sizeof key) < 0);
                memcpy(last, key, sizeof key);
            }
        }
    }
}

Test(format, records_are_as_the_examples_say)
{
    struct buffer value;
    buffer_init(&value);
    const struct catalog_state state = {.txn_id = 7,
                                        .record_count = 3,
                                        .record_sum = 0x123456789,
                                        .next_database = 2,
                                        .next_policy = 2,
                                        .next_file = 46,
                                        .flushed_lsn = 103,
                                        .recorded_at_ns = FIRST_NS + HOUR_NS,
                                        .is_clean = true};
    catalog_encode_state(&value, &state);
    expect_example("state", value.bytes, value.size_bytes);
    const struct database_info database = {.id = 1,
                                           .default_policy = 1,
                                           .index_generation = 1,
                                           .name = "city",
                                           .zone = "Asia/Ho_Chi_Minh"};
    catalog_encode_database(&value, &database);
    expect_example("database", value.bytes, value.size_bytes);
    const struct policy_info policy = {.id = 1, .database = 1, .shard = {1, 0}, .name = "autogen"};
    catalog_encode_policy(&value, &policy);
    expect_example("policy", value.bytes, value.size_bytes);
    const struct file_info file = {.policy = 1,
                                   .number = 45,
                                   .lsn_min = 100,
                                   .lsn_max = 102,
                                   .partition_min = 650,
                                   .partition_max = 650,
                                   .time_min_ns = FIRST_NS,
                                   .time_max_ns = FIRST_NS + HOUR_NS,
                                   .recorded_at_ns = FIRST_NS + HOUR_NS,
                                   .size_bytes = 16384,
                                   .point_count = 3,
                                   .value_count = 6,
                                   .chunk_count = 2,
                                   .pages_crc = 0xdeadbeef};
    catalog_encode_file(&value, &file);
    expect_example("file", value.bytes, value.size_bytes);
    const struct catalog_key key = catalog_key_of_file(1, 45);
    expect_example("file's key", key.bytes, key.size_bytes);

    struct file_info back;
    uint32_t crc;
    const struct env_bytes k = env_bytes_of(key.bytes, key.size_bytes);
    const struct env_bytes v = env_bytes_of(value.bytes, value.size_bytes);
    cr_assert_eq(catalog_verify_record(k, v, &crc), PHUSA_OK);
    cr_assert_eq(catalog_decode_file(k, v, &back), PHUSA_OK);
    cr_assert_eq(back.number, 45);
    cr_assert_eq(back.pages_crc, 0xdeadbeef);
    cr_assert_eq(back.time_max_ns, file.time_max_ns);
    cr_assert_eq(back.chunk_count, 2);
    buffer_deinit(&value);
}

Test(format, newer_versions_are_refused_by_name_and_damage_is_not_taken_for_one)
{
    uint8_t bytes[200];
    struct bundle_view view;
    const size_t size_bytes = example_bundle(bytes);
    const size_t covered = 16 + load_u32(bytes + 12);
    for (size_t at = 4; at < 6; at++) {
        bytes[at]++;
        cr_assert_eq(bundle_open(&view, bytes, size_bytes), PHUSA_ECORRUPT);
        store_u32(bytes, crc32c(0, bytes + 4, covered - 4));
        cr_assert_eq(bundle_open(&view, bytes, size_bytes), PHUSA_EVERSION);
        bytes[at]--;
    }
    struct buffer value;
    buffer_init(&value);
    catalog_encode_database(&value, &(struct database_info){.id = 1, .name = "a", .zone = "UTC"});
    const struct catalog_key key = catalog_key_of_database(1);
    const struct env_bytes k = env_bytes_of(key.bytes, key.size_bytes);
    const struct env_bytes v = env_bytes_of(value.bytes, value.size_bytes);
    uint32_t crc;
    value.bytes[4]++;
    cr_assert_eq(catalog_verify_record(k, v, &crc), PHUSA_ECORRUPT);
    store_u32(value.bytes,
              crc32c(crc32c(0, key.bytes, key.size_bytes), value.bytes + 4, value.size_bytes - 4));
    cr_assert_eq(catalog_verify_record(k, v, &crc), PHUSA_EVERSION);
    buffer_deinit(&value);
}
