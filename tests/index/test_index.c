/*
 * Guards: definitions are what they were after a checkpoint and a reopening, adding them again
 * changes nothing, contradictions are refused; lists and tags of series are as asked.
 */
#include "index_harness.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void add_measurement(struct index *index, uint32_t measurement, const char *name)
{
    cr_assert_eq(index_add_measurement(index, measurement, text_of(name)), PHUSA_OK);
}

static phusa_status add_field(struct index *index, uint32_t measurement, uint16_t id,
                              enum phusa_type type, const char *name)
{
    const struct index_field field = {id, type, text_of(name)};
    return index_add_field(index, measurement, &field);
}

/* Rivers and rain, six series. */
static void define_all(struct index *index)
{
    add_measurement(index, 1, "river");
    cr_assert_eq(add_field(index, 1, 0, PHUSA_FLOAT, "level_m"), PHUSA_OK);
    cr_assert_eq(add_field(index, 1, 1, PHUSA_BOOLEAN, "alarm"), PHUSA_OK);
    cr_assert_eq(index_add_series(index, SERIES_ID(1, 0), key_of("river,name=Hau,station=CT")),
                 PHUSA_OK);
    cr_assert_eq(index_add_series(index, SERIES_ID(1, 1), key_of("river,station=CD")), PHUSA_OK);
    add_measurement(index, 2, "rain");
    cr_assert_eq(add_field(index, 2, 0, PHUSA_FLOAT, "mm"), PHUSA_OK);
    cr_assert_eq(index_add_series(index, SERIES_ID(2, 0), key_of("rain")), PHUSA_OK);
    cr_assert_eq(index_add_series(index, SERIES_ID(2, 1), key_of("rain,station=CT")), PHUSA_OK);
    cr_assert_eq(index_add_series(index, SERIES_ID(1, 2), key_of("river,name=Hau,station=LX")),
                 PHUSA_OK);
    cr_assert_eq(index_add_series(index, SERIES_ID(1, 3), key_of("river,a=1,name=Tien,station=MT")),
                 PHUSA_OK);
}

static void expect_all(struct index *index)
{
    uint32_t measurement;
    uint16_t field;
    enum phusa_type type;
    cr_assert(index_find_measurement(index, text_of("rain"), &measurement));
    cr_assert_eq(measurement, 2);
    cr_assert_not(index_find_measurement(index, text_of("rai"), &measurement));
    cr_assert(index_find_field(index, 1, text_of("alarm"), &field, &type));
    cr_assert(field == 1 && type == PHUSA_BOOLEAN);
    cr_assert_not(index_find_field(index, 2, text_of("alarm"), &field, &type));
    cr_assert_not(index_find_field(index, 3, text_of("alarm"), &field, &type));

    const struct phusa_text key = key_of("river,name=Hau,station=LX");
    uint64_t series;
    cr_assert(index_find_series(index, hash_bytes(key.bytes, key.size_bytes), &series));
    cr_assert_eq(series, SERIES_ID(1, 2));
    const struct phusa_text other = key_of("river,name=Hau,station=MT");
    cr_assert_not(index_find_series(index, hash_bytes(other.bytes, other.size_bytes), &series));
    cr_assert_eq(index_next_measurement(index), 3);
    cr_assert_eq(index_next_field(index, 1), 2);
    cr_assert_eq(index_next_ordinal(index, 1), 4);
    cr_assert_eq(index_next_ordinal(index, 3), 0);
    expect_sound(index);
}

Test(index, definitions_outlive_a_checkpoint_and_can_be_added_again)
{
    struct scene s;
    scene_open(&s);
    define_all(s.index);
    expect_all(s.index);
    define_all(s.index);
    expect_all(s.index);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    scene_reopen(&s);
    expect_all(s.index);
    define_all(s.index);
    expect_all(s.index);

    /* A second checkpoint adds to the first. */
    add_series(s.index, 1, "river,station=new");
    cr_assert_eq(add_field(s.index, 2, 1, PHUSA_INTEGER, "tips"), PHUSA_OK);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    scene_reopen(&s);
    cr_assert_eq(index_next_ordinal(s.index, 1), 5);
    cr_assert_eq(index_next_field(s.index, 2), 2);
    expect_sound(s.index);
    scene_close(&s);
}

Test(index, what_was_not_checkpointed_is_not_in_the_file)
{
    struct scene s;
    scene_open(&s);
    define_all(s.index);
    scene_reopen(&s);
    cr_assert_eq(index_next_measurement(s.index), 1);
    scene_close(&s);
}

Test(index, contradictions_and_malformed_keys_are_refused_and_change_nothing)
{
    struct scene s;
    scene_open(&s);
    define_all(s.index);
    cr_assert_eq(index_add_measurement(s.index, 2, text_of("river")), PHUSA_ECORRUPT);
    cr_assert_eq(index_add_measurement(s.index, 1, text_of("wind")), PHUSA_ECORRUPT);
    cr_assert_eq(index_add_measurement(s.index, 4, text_of("wind")), PHUSA_ECORRUPT);
    cr_assert_eq(index_add_measurement(s.index, 3, text_of("")), PHUSA_ECORRUPT);
    cr_assert_eq(add_field(s.index, 1, 0, PHUSA_INTEGER, "level_m"), PHUSA_ECORRUPT);
    cr_assert_eq(add_field(s.index, 1, 2, PHUSA_FLOAT, "level_m"), PHUSA_ECORRUPT);
    cr_assert_eq(add_field(s.index, 1, 3, PHUSA_FLOAT, "flow"), PHUSA_ECORRUPT);
    cr_assert_eq(add_field(s.index, 1, 2, (enum phusa_type)6, "flow"), PHUSA_ECORRUPT);
    cr_assert_eq(add_field(s.index, 9, 0, PHUSA_FLOAT, "flow"), PHUSA_ECORRUPT);
    const struct {
        uint64_t series;
        struct phusa_text key;
    } bad[] = {
        {SERIES_ID(1, 1), key_of("river,station=other")},    /* the id is another's */
        {SERIES_ID(1, 4), key_of("river,station=CD")},       /* it has an id */
        {SERIES_ID(1, 5), key_of("river,station=other")},    /* skips an ordinal */
        {SERIES_ID(1, 4), key_of("rain,station=other")},     /* another measurement's */
        {SERIES_ID(3, 0), key_of("wind")},                   /* no such measurement */
        {SERIES_ID(1, 4), key_of("river,station=a,name=b")}, /* not sorted */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(index_add_series(s.index, bad[i].series, bad[i].key), PHUSA_ECORRUPT, "%zu",
                     i);
    const struct phusa_text malformed[] = {
        {"\5river\7station", 14},    /* no value */
        {"\5river\7station\0", 15},  /* an empty one */
        {"\5river\0\1a", 9},         /* an empty key */
        {"\5river\1a\1b\1a\1c", 14}, /* a key twice */
        {"\5river\1a\x81\0b", 11},   /* a length in two bytes where one does */
        {"\5river\1a\5b", 10},       /* cut short */
        {"\5rive", 5},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        cr_assert_eq(index_add_series(s.index, SERIES_ID(1, 4), malformed[i]), PHUSA_ECORRUPT,
                     "%zu", i);
    expect_all(s.index);
    scene_close(&s);
}

static void expect_texts(const struct phusa_text *texts, size_t count, const char *expected)
{
    char joined[200] = "";
    for (size_t i = 0; i < count; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%.*s",
                 i > 0 ? "," : "", (int)texts[i].size_bytes, texts[i].bytes);
    cr_assert_str_eq(joined, expected);
}

Test(index, lists_are_sorted_by_name)
{
    struct scene s;
    scene_open(&s);
    define_all(s.index);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct phusa_text *texts;
    uint32_t *ids;
    struct index_field *fields;
    size_t count;
    cr_assert_eq(index_measurements(s.index, &arena, &texts, &ids, &count), PHUSA_OK);
    expect_texts(texts, count, "rain,river");
    cr_assert(ids[0] == 2 && ids[1] == 1);
    cr_assert_eq(index_fields(s.index, 1, &arena, &fields, &count), PHUSA_OK);
    cr_assert_eq(count, 2);
    cr_assert(fields[0].id == 1 && fields[0].type == PHUSA_BOOLEAN);
    cr_assert_eq(index_tag_keys(s.index, 1, &arena, &texts, &count), PHUSA_OK);
    expect_texts(texts, count, "a,name,station");
    cr_assert_eq(index_tag_keys(s.index, 9, &arena, &texts, &count), PHUSA_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(index_tag_values(s.index, 1, text_of("station"), NULL, 0, &arena, &texts, &count),
                 PHUSA_OK);
    expect_texts(texts, count, "CD,CT,LX,MT");
    const uint64_t some[] = {SERIES_ID(1, 1), SERIES_ID(1, 3)};
    cr_assert_eq(index_tag_values(s.index, 1, text_of("name"), some, 2, &arena, &texts, &count),
                 PHUSA_OK);
    expect_texts(texts, count, "Tien");
    cr_assert_eq(index_tag_values(s.index, 1, text_of("none"), NULL, 0, &arena, &texts, &count),
                 PHUSA_OK);
    cr_assert_eq(count, 0);
    arena_deinit(&arena);
    scene_close(&s);
}

Test(index, equal_tags_of_series_share_one_pointer_and_absent_ones_are_empty)
{
    struct scene s;
    scene_open(&s);
    define_all(s.index);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const uint64_t series[] = {SERIES_ID(1, 0), SERIES_ID(1, 1), SERIES_ID(1, 2), SERIES_ID(1, 3)};
    const struct phusa_text keys[] = {text_of("station"), text_of("none"), text_of("name")};
    struct phusa_text *tags;
    cr_assert_eq(index_series_tags(s.index, series, 4, keys, 3, &arena, &tags), PHUSA_OK);
    expect_texts(tags, 12, "CT,,Hau,CD,,,LX,,Hau,MT,,Tien");
    cr_assert_eq(tags[2].bytes, tags[8].bytes);
    cr_assert_eq(tags[1].bytes, tags[4].bytes);
    const uint64_t unknown = SERIES_ID(1, 4);
    cr_assert_eq(index_series_tags(s.index, &unknown, 1, keys, 3, &arena, &tags), PHUSA_ENOTFOUND);

    struct phusa_text key;
    cr_assert_eq(index_series_key(s.index, SERIES_ID(1, 3), &arena, &key), PHUSA_OK);
    cr_assert(text_equal(key, key_of("river,a=1,name=Tien,station=MT")));
    cr_assert_eq(index_series_key(s.index, unknown, &arena, &key), PHUSA_ENOTFOUND);
    arena_deinit(&arena);
    scene_close(&s);
}

Test(index, finds_series_by_the_batch)
{
    struct scene s;
    scene_open(&s);
    add_measurement(s.index, 1, "m");
    struct {
        struct hash128 hash;
        char other[24];
    } asked[200];
    for (int i = 0; i < 200; i++) {
        char line[32];
        snprintf(line, sizeof line, "m,i=%d", i);
        const struct phusa_text key = key_of(line);
        asked[i].hash = hash_bytes(key.bytes, key.size_bytes);
        if (i % 2 == 0) add_series(s.index, 1, line);
    }
    uint64_t series[200];
    index_find_all(s.index, &asked[0].hash, sizeof *asked, 200, series);
    for (uint32_t i = 0; i < 200; i++)
        cr_assert_eq(series[i], i % 2 == 0 ? SERIES_ID(1, i / 2) : 0);
    scene_close(&s);
}

Test(index, a_rare_tag_key_costs_little_and_a_common_one_is_dense)
{
    struct scene s;
    scene_open(&s);
    add_measurement(s.index, 1, "m");
    char line[64];
    for (int i = 0; i < 20000; i++) {
        /* 200 keys, each of them in 1 of 200 series. */
        snprintf(line, sizeof line, "m,id=%d,k%03d=v", i, i % 200);
        add_series(s.index, 1, line);
    }
    struct index_stats stats;
    index_stats(s.index, &stats);
    cr_assert_lt(stats.memory_bytes, 20000 * 150, "%llu", (unsigned long long)stats.memory_bytes);
    expect_sound(s.index);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct tag_filter filter = {
        .kind = TAG_EQUAL, .key = text_of("k007"), .value = text_of("v")};
    uint64_t *series;
    size_t count;
    cr_assert_eq(index_select(s.index, 1, &filter, &arena, &series, &count), PHUSA_OK);
    cr_assert_eq(count, 100);
    cr_assert_eq(series[1], SERIES_ID(1, 207));
    arena_deinit(&arena);
    scene_close(&s);
}

Test(index, a_read_only_index_changes_nothing_on_disk)
{
    struct scene s;
    scene_open(&s);
    define_all(s.index);
    cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
    index_close(s.index);
    size_t before_bytes, after_bytes;
    uint8_t *before = sandbox_read(s.path, &before_bytes);
    struct index *index;
    cr_assert_eq(scene_try(&s, true, &index, NULL), PHUSA_OK);
    expect_all(index);
    index_close(index);
    uint8_t *after = sandbox_read(s.path, &after_bytes);
    cr_assert_eq(before_bytes, after_bytes);
    cr_assert_arr_eq(before, after, before_bytes);
    free(before);
    free(after);

    index_remove(s.dir, 7, 4);
    cr_assert_eq(scene_try(&s, true, &index, NULL), PHUSA_OK);
    cr_assert_eq(index_next_measurement(index), 1);
    s.index = index;
    scene_close(&s);
}

/* ---- faults ---- */

Test(index, every_failed_allocation_of_a_definition_leaves_a_sound_index)
{
    struct scene s;
    scene_open(&s);
    uint64_t failures = 0;
    for (uint64_t n = 1; failures < 5000; n++) {
        char line[200];
        snprintf(line, sizeof line, "m%d,a%d=x,b=y%d,c=%d", (int)(n % 3), (int)(n % 40), (int)n,
                 (int)(n % 7));
        char name[] = {'m', (char)('0' + n % 3), '\0'};
        const uint32_t measurement = 1 + (uint32_t)((n + 2) % 3); /* 1, 2, 3 in turn */
        bool done = false;
        for (uint64_t fail = 1; !done; fail++) {
            mem_fail_at(fail);
            phusa_status status = index_add_measurement(s.index, measurement, text_of(name));
            if (status == PHUSA_OK) status = add_field(s.index, measurement, 0, PHUSA_FLOAT, "f");
            if (status == PHUSA_OK)
                status = index_add_series(
                    s.index, SERIES_ID(measurement, index_next_ordinal(s.index, measurement)),
                    key_of(line));
            mem_fail_at(0);
            cr_assert(status == PHUSA_OK || status == PHUSA_ENOMEM, "%s", line);
            done = status == PHUSA_OK;
            failures += !done;
        }
        if (n == 300) break;
    }
    cr_assert_gt(failures, 100);
    cr_assert_eq(index_next_ordinal(s.index, 1), 100);
    expect_sound(s.index);
    scene_close(&s);
}

Test(index, every_failed_allocation_of_a_checkpoint_can_be_tried_again)
{
    struct scene s;
    scene_open(&s);
    define_all(s.index);
    uint64_t failures = 0;
    for (uint64_t n = 1;; n++) {
        mem_fail_at(n);
        const phusa_status status = index_checkpoint(s.index);
        mem_fail_at(0);
        if (status == PHUSA_OK) break;
        cr_assert_eq(status, PHUSA_ENOMEM);
        failures++;
    }
    cr_assert_gt(failures, 0);
    for (uint64_t n = 1;; n++) {
        struct index *index = NULL;
        index_close(s.index);
        s.index = NULL;
        mem_fail_at(n);
        const phusa_status status = scene_try(&s, false, &index, NULL);
        mem_fail_at(0);
        if (status == PHUSA_OK) {
            s.index = index;
            break;
        }
        cr_assert_eq(status, PHUSA_ENOMEM);
        cr_assert_null(index);
    }
    expect_all(s.index);
    scene_close(&s);
}
