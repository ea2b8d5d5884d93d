/*
 * test_batch.c - guards how points are gathered: one key per series however its tags are ordered,
 * one shape per set of fields, rows that keep their values, bounds, and memory running out.
 */
#include "index/batch.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct phusa_pair pair(const char *key, const char *value)
{
    return (struct phusa_pair){text_of(key), text_of(value)};
}

static uint32_t key_of(struct batch *batch, const char *measurement, const struct phusa_pair *tags,
                       size_t tag_count)
{
    uint32_t index;
    struct phusa_error error;
    cr_assert_eq(batch_key(batch, text_of(measurement), tags, tag_count, &index, &error), PHUSA_OK);
    return index;
}

static uint32_t shape_of(struct batch *batch, const char *measurement, const char *name,
                         enum phusa_type type)
{
    uint32_t at;
    uint32_t index;
    const struct phusa_text text = text_of(name);
    cr_assert_eq(batch_measurement(batch, text_of(measurement), &at), PHUSA_OK);
    cr_assert_eq(batch_shape(batch, at, &text, &type, 1, &index), PHUSA_OK);
    return index;
}

Test(batch, a_series_has_one_key_in_whatever_order_its_tags_come)
{
    struct batch batch;
    batch_init(&batch);
    const struct phusa_pair one[] = {pair("site", "can-tho"), pair("host", "a"), pair("b", "=, ")};
    const struct phusa_pair two[] = {pair("host", "a"), pair("b", "=, "), pair("site", "can-tho")};
    const uint32_t first = key_of(&batch, "level", one, 3);
    cr_assert_eq(key_of(&batch, "level", two, 3), first);
    cr_assert_eq(batch.key_count, 1);
    cr_assert_neq(key_of(&batch, "level", two, 2), first);
    cr_assert_neq(key_of(&batch, "rain", two, 3), first);
    cr_assert_neq(key_of(&batch, "level", NULL, 0), first);
    const char expected[] = "\5level\1b\3=, \4host\1a\4site\7can-tho";
    cr_assert_eq(batch.keys[first].size_bytes, sizeof expected - 1);
    cr_assert_arr_eq(batch.keys[first].bytes, expected, sizeof expected - 1);
    cr_assert_null(batch_check(&batch));
    batch_deinit(&batch);
}

/* "ab" + "c" and "a" + "bc" would meet in a form without lengths. */
Test(batch, keys_that_only_look_alike_are_two)
{
    struct batch batch;
    batch_init(&batch);
    const struct phusa_pair one[] = {pair("ab", "c")};
    const struct phusa_pair two[] = {pair("a", "bc")};
    cr_assert_neq(key_of(&batch, "m", one, 1), key_of(&batch, "m", two, 1));
    cr_assert_null(batch_check(&batch));
    batch_deinit(&batch);
}

Test(batch, bad_tags_are_refused_by_name)
{
    struct batch batch;
    struct phusa_error error;
    uint32_t index = 77;
    batch_init(&batch);
    const struct phusa_pair twice[] = {pair("host", "a"), pair("x", "y"), pair("host", "b")};
    cr_assert_eq(batch_key(&batch, text_of("m"), twice, 3, &index, &error), PHUSA_EINVAL);
    cr_assert_str_eq(error.text, "duplicate tags: host is there twice");
    const struct phusa_pair empty_key[] = {pair("", "a")};
    cr_assert_eq(batch_key(&batch, text_of("m"), empty_key, 1, &index, &error), PHUSA_EINVAL);
    cr_assert_str_eq(error.text, "missing tag key");
    const struct phusa_pair empty_value[] = {pair("host", "")};
    cr_assert_eq(batch_key(&batch, text_of("m"), empty_value, 1, &index, &error), PHUSA_EINVAL);
    cr_assert_eq(batch_key(&batch, text_of(""), NULL, 0, &index, &error), PHUSA_EINVAL);
    cr_assert_str_eq(error.text, "missing measurement");
    cr_assert_eq(index, 77);
    cr_assert_eq(batch.key_count, 0);
    batch_deinit(&batch);
}

Test(batch, limits_on_names_tags_and_the_whole_key_are_exact)
{
    struct batch batch;
    struct phusa_error error;
    uint32_t index;
    batch_init(&batch);
    char name[NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    struct phusa_text text = {name, NAME_BYTES_MAX};
    cr_assert_eq(batch_key(&batch, text, NULL, 0, &index, &error), PHUSA_OK);
    text.size_bytes++;
    cr_assert_eq(batch_key(&batch, text, NULL, 0, &index, &error), PHUSA_ELIMIT);

    struct phusa_pair tags[TAG_COUNT_MAX + 1];
    char keys[TAG_COUNT_MAX + 1][8];
    for (size_t i = 0; i <= TAG_COUNT_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
        tags[i] = pair(keys[i], "v");
    }
    cr_assert_eq(batch_key(&batch, text_of("m"), tags, TAG_COUNT_MAX, &index, &error), PHUSA_OK);
    cr_assert_eq(batch_key(&batch, text_of("m"), tags, TAG_COUNT_MAX + 1, &index, &error),
                 PHUSA_ELIMIT);

    static char value[SERIES_KEY_BYTES_MAX];
    memset(value, 'v', sizeof value);
    tags[0].value = (struct phusa_text){value, sizeof value};
    cr_assert_eq(batch_key(&batch, text_of("m"), tags, 1, &index, &error), PHUSA_ELIMIT);
    cr_assert_null(batch_check(&batch));
    batch_deinit(&batch);
}

Test(batch, shapes_differ_by_measurement_names_order_and_types)
{
    struct batch batch;
    batch_init(&batch);
    const uint32_t a = shape_of(&batch, "m", "f", PHUSA_FLOAT);
    cr_assert_eq(shape_of(&batch, "m", "f", PHUSA_FLOAT), a);
    cr_assert_neq(shape_of(&batch, "m", "f", PHUSA_INTEGER), a);
    cr_assert_neq(shape_of(&batch, "m", "g", PHUSA_FLOAT), a);
    cr_assert_neq(shape_of(&batch, "n", "f", PHUSA_FLOAT), a);
    const struct phusa_text fg[] = {text_of("f"), text_of("g")};
    const struct phusa_text gf[] = {text_of("g"), text_of("f")};
    const enum phusa_type types[] = {PHUSA_FLOAT, PHUSA_FLOAT};
    uint32_t one;
    uint32_t two;
    cr_assert_eq(batch_shape(&batch, 0, fg, types, 2, &one), PHUSA_OK);
    cr_assert_eq(batch_shape(&batch, 0, gf, types, 2, &two), PHUSA_OK);
    cr_assert_neq(one, two);
    cr_assert_eq(batch.shape_count, 6);
    batch_deinit(&batch);
}

Test(batch, values_written_ahead_belong_to_the_row_that_follows)
{
    struct batch batch;
    batch_init(&batch);
    const uint32_t key = key_of(&batch, "m", NULL, 0);
    const uint32_t shape = shape_of(&batch, "m", "f", PHUSA_INTEGER);
    for (int64_t i = 0; i < 5000; i++) {
        union batch_value *value;
        uint8_t *decimals;
        cr_assert_eq(batch_reserve(&batch, 1, &value, &decimals), PHUSA_OK);
        value->i = -1; /* given up: the next reservation gets the same place */
        cr_assert_eq(batch_reserve(&batch, 1, &value, &decimals), PHUSA_OK);
        value->i = i;
        *decimals = (uint8_t)i;
        cr_assert_eq(batch_row(&batch, key, shape, i, (uint64_t)i + 1, 3, NULL, NULL), PHUSA_OK);
    }
    cr_assert_eq(batch.row_count, 5000);
    cr_assert_eq(batch.value_count, 5000);
    for (int64_t i = 0; i < 5000; i++) {
        cr_assert_eq(batch.values[batch.rows[i].first_value].i, i);
        cr_assert_eq(batch.decimals[batch.rows[i].first_value], (uint8_t)i);
    }
    cr_assert_null(batch_check(&batch));
    batch_deinit(&batch);
}

Test(batch, a_full_batch_says_so_and_stays_whole)
{
    struct batch batch;
    batch_init(&batch);
    const uint32_t key = key_of(&batch, "m", NULL, 0);
    const uint32_t shape = shape_of(&batch, "m", "f", PHUSA_INTEGER);
    phusa_status status = PHUSA_OK;
    union batch_value *value;
    uint8_t *decimals;
    while (status == PHUSA_OK) {
        status = batch_row(&batch, key, shape, 0, 0, 0, &value, &decimals);
        if (status == PHUSA_OK) value->i = 1;
    }
    cr_assert_eq(status, PHUSA_ELIMIT);
    cr_assert_leq(batch.size_bytes, PHUSA_BATCH_BYTES_MAX);
    cr_assert_gt(batch.size_bytes, PHUSA_BATCH_BYTES_MAX - 64);
    static char long_string[STRING_BYTES_MAX + 1];
    uint32_t index;
    cr_assert_eq(batch_string(&batch, (struct phusa_text){long_string, 100}, &index), PHUSA_ELIMIT);
    cr_assert_null(batch_check(&batch));
    batch_clear(&batch);
    cr_assert_eq(batch_string(&batch, (struct phusa_text){long_string, STRING_BYTES_MAX}, &index),
                 PHUSA_OK);
    cr_assert_eq(
        batch_string(&batch, (struct phusa_text){long_string, STRING_BYTES_MAX + 1}, &index),
        PHUSA_ELIMIT);
    batch_deinit(&batch);
}

Test(batch, clearing_forgets_everything_and_starts_an_epoch)
{
    struct batch batch;
    batch_init(&batch);
    uint64_t epoch = 0;
    for (int round = 0; round < 100; round++) {
        cr_assert_neq(batch.epoch, epoch);
        epoch = batch.epoch;
        char name[16];
        for (int i = 0; i < 300; i++) {
            snprintf(name, sizeof name, "m%d", (i * 7 + round) % 300);
            cr_assert_eq(key_of(&batch, name, NULL, 0), (uint32_t)i);
        }
        cr_assert_null(batch_check(&batch));
        batch_clear(&batch);
        cr_assert_eq(batch.key_count, 0);
        cr_assert_eq(batch.size_bytes, 0);
    }
    batch_deinit(&batch);
}

Test(batch, refusals_are_counted_kept_up_to_a_limit_and_sorted)
{
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = 0; i < PHUSA_REFUSALS_MAX + 10; i++)
        batch_refuse(&batch, PHUSA_REFUSALS_MAX + 20 - i, 2, PHUSA_EINVAL, text_of("x"), "no %d",
                     (int)i);
    cr_assert_eq(batch.refused_count, PHUSA_REFUSALS_MAX + 10);
    cr_assert_eq(batch.refusal_kept, PHUSA_REFUSALS_MAX);
    batch_sort_refusals(&batch);
    for (size_t i = 1; i < batch.refusal_kept; i++)
        cr_assert_lt(batch.refusals[i - 1].line, batch.refusals[i].line);
    cr_assert_str_eq(batch.refusals[PHUSA_REFUSALS_MAX - 1].reason, "no 0");
    batch_deinit(&batch);
}

Test(batch, an_excerpt_has_eighty_characters_and_no_control_bytes)
{
    struct batch batch;
    batch_init(&batch);
    batch_refuse(&batch, 1, 1, PHUSA_EINVAL, text_of("a\tb\nc\r\x01\x7f\xff\xc3(é"), "x");
    cr_assert_str_eq(batch.refusals[0].excerpt, "a\\tb\\nc\\r\\x01\\x7f\\xff\\xc3(é");
    char line[400];
    for (int i = 0; i < 200; i++)
        memcpy(line + i * 2, "é", 2);
    batch_refuse(&batch, 2, 1, PHUSA_EINVAL, (struct phusa_text){line, sizeof line}, "x");
    cr_assert_eq(strlen(batch.refusals[1].excerpt), 160);
    memset(line, 1, sizeof line);
    batch_refuse(&batch, 3, 1, PHUSA_EINVAL, (struct phusa_text){line, sizeof line}, "x");
    cr_assert_eq(strlen(batch.refusals[2].excerpt), 320);
    batch_deinit(&batch);
}

/* Random points against what a list of their keys' texts says. */
Test(batch, keys_of_random_points_agree_with_a_list)
{
    const char *seed_text = getenv("PHUSA_SEED");
    const unsigned seed = seed_text != NULL ? (unsigned)atoi(seed_text) : 20240;
    printf("seed %u\n", seed);
    srand(seed);
    struct batch batch;
    batch_init(&batch);
    static char model[4096][64];
    size_t model_count = 0;
    for (int round = 0; round < 20000; round++) {
        const int m = rand() % 5;
        const int mask = rand() % 16;
        const int value = rand() % 8;
        char text[64];
        snprintf(text, sizeof text, "%d/%d/%d", m, mask, mask == 0 ? 0 : value);
        char name[8];
        char values[4][8];
        struct phusa_pair tags[4];
        static const char *const names[] = {"a", "b", "c", "d"};
        size_t tag_count = 0;
        const int turn = rand() % 4;
        for (int i = 0; i < 4; i++) {
            const int which = (i + turn) % 4;
            if ((mask >> which & 1) == 0) continue;
            snprintf(values[tag_count], sizeof values[0], "%d", value * (which + 1));
            tags[tag_count] = pair(names[which], values[tag_count]);
            tag_count++;
        }
        snprintf(name, sizeof name, "m%d", m);
        const uint32_t index = key_of(&batch, name, tags, tag_count);
        if (index == model_count) strcpy(model[model_count++], text);
        cr_assert_lt(index, model_count);
        cr_assert_str_eq(model[index], text);
    }
    cr_assert_eq(batch.key_count, model_count);
    cr_assert_null(batch_check(&batch));
    batch_deinit(&batch);
}

static phusa_status fill(struct batch *batch)
{
    for (int i = 0; i < 70; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        const struct phusa_pair tags[] = {pair("z", "1"), pair("a", "2")};
        uint32_t key;
        uint32_t measurement;
        uint32_t shape;
        uint32_t string;
        union batch_value *value;
        uint8_t *decimals;
        const struct phusa_text field = text_of("f");
        const enum phusa_type type = PHUSA_STRING;
        struct phusa_error error;
        phusa_status status = batch_key(batch, text_of(name), tags, 2, &key, &error);
        if (status != PHUSA_OK) return status;
        status = batch_measurement(batch, text_of(name), &measurement);
        if (status != PHUSA_OK) return status;
        status = batch_shape(batch, measurement, &field, &type, 1, &shape);
        if (status != PHUSA_OK) return status;
        status = batch_string(batch, text_of("text"), &string);
        if (status != PHUSA_OK) return status;
        status = batch_row(batch, key, shape, i, 0, 0, &value, &decimals);
        if (status != PHUSA_OK) return status;
        value->string = string;
        batch_refuse(batch, 1, 1, PHUSA_EINVAL, text_of("x"), "y");
    }
    return PHUSA_OK;
}

Test(batch, any_allocation_may_fail_and_a_clear_makes_it_usable_again)
{
    for (uint64_t n = 1;; n++) {
        struct batch batch;
        batch_init(&batch);
        mem_fail_at(n);
        const phusa_status status = fill(&batch);
        const bool reached = mem_calls() >= n;
        mem_fail_at(0);
        cr_assert_null(batch_check(&batch));
        cr_assert(status == PHUSA_OK || status == PHUSA_ENOMEM);
        batch_clear(&batch);
        cr_assert_eq(fill(&batch), PHUSA_OK);
        cr_assert_eq(batch.row_count, 70);
        cr_assert_null(batch_check(&batch));
        batch_deinit(&batch);
        if (!reached) break;
    }
}
