/*
 * Guards: what is appended to a head is what readers get, by any shape, order and type; a reader
 * sees what is below its LSN and nothing else; a full head refuses and stays as it was.
 */
#include "head/head.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define FIELDS_MAX 100

/* A row to append, with room for what it points to. */
struct sample {
    struct points_field fields[FIELDS_MAX];
    union points_value values[FIELDS_MAX];
    uint8_t decimals[FIELDS_MAX];
    struct phusa_text texts[FIELDS_MAX];
    struct points_shape shape;
    struct points_row row;
};

static void sample_init(struct sample *s, uint64_t series, uint64_t lsn, int64_t time_ns)
{
    memset(s, 0, sizeof *s);
    s->shape.fields = s->fields;
    s->row = (struct points_row){.series = series,
                                 .lsn = lsn,
                                 .time_ns = time_ns,
                                 .fields = &s->shape,
                                 .values = s->values,
                                 .decimals = s->decimals,
                                 .texts = s->texts};
}

static void add_field(struct sample *s, uint16_t id, enum phusa_type type, uint64_t bits)
{
    const uint32_t f = s->shape.field_count++;
    s->fields[f] = (struct points_field){id, type};
    s->values[f].u = bits;
}

static struct head *make_head(size_t budget_bytes, uint64_t lsn_start)
{
    struct head *head = NULL;
    cr_assert_eq(head_create(budget_bytes, lsn_start, &head), PHUSA_OK);
    return head;
}

static void append_integer(struct head *head, uint64_t series, uint64_t lsn, int64_t time_ns,
                           int64_t value)
{
    struct sample s;
    sample_init(&s, series, lsn, time_ns);
    add_field(&s, 0, PHUSA_INTEGER, (uint64_t)value);
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);
}

/* Reads everything of a series of policy 1 in one slice; row_count 0: nothing. */
static struct rows read_all(struct head *head, uint64_t series, uint64_t lsn_end,
                            struct arena *arena)
{
    struct head_reader *reader;
    struct rows rows = {0};
    cr_assert_eq(
        head_read(head, 1, series, INT64_MIN, INT64_MAX, lsn_end, NULL, 0, 100000, arena, &reader),
        PHUSA_OK);
    if (reader == NULL) return rows;
    cr_assert_eq(head_reader_next(reader, INT64_MAX, &rows, NULL, NULL), PHUSA_OK);
    cr_assert_eq(rows.row_count, head_reader_rows(reader));
    return rows;
}

Test(head, a_series_without_points_reads_as_nothing)
{
    struct head *head = make_head(1 << 20, 1);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    cr_assert_eq(read_all(head, 7, 100, &arena).row_count, 0);
    append_integer(head, 8, 1, 0, 1);
    cr_assert_eq(read_all(head, 7, 100, &arena).row_count, 0);
    int64_t low, high;
    cr_assert_not(head_times(head, 2, &low, &high));
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, hands_out_ascending_rows_in_slices_and_up_to_a_bound)
{
    struct head *head = make_head(1 << 20, 1);
    for (int64_t i = 0; i < 1000; i++)
        append_integer(head, 5, (uint64_t)i + 1, i * 10, i * i);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct head_reader *reader;
    cr_assert_eq(head_read(head, 1, 5, 95, 9001, 1001, NULL, 0, 100, &arena, &reader), PHUSA_OK);
    cr_assert_eq(head_reader_rows(reader), 891);
    cr_assert_eq(head_reader_time_min(reader), 100);
    cr_assert_eq(head_reader_time_max(reader), 9000);

    struct rows rows;
    uint64_t lsn_min = 0, lsn_max = 0;
    cr_assert_eq(head_reader_next(reader, INT64_MAX, &rows, &lsn_min, &lsn_max), PHUSA_OK);
    cr_assert_eq(rows.row_count, 100);
    cr_assert_eq(lsn_min, 11);
    cr_assert_eq(lsn_max, 110);
    cr_assert_eq(head_reader_next(reader, 1200, &rows, &lsn_min, &lsn_max), PHUSA_OK);
    cr_assert_eq(rows.row_count, 10);
    cr_assert_eq(rows.times_ns[9], 1190);
    cr_assert_eq(rows.columns[0].i[9], 119 * 119);
    cr_assert_eq(head_reader_next(reader, 1200, &rows, NULL, NULL), PHUSA_OK);
    cr_assert_eq(rows.row_count, 0);
    cr_assert_eq(head_reader_next(reader, INT64_MAX, &rows, NULL, NULL), PHUSA_OK);
    cr_assert_eq(rows.times_ns[0], 1200);
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, the_newest_value_of_each_field_wins_and_fields_of_one_time_merge)
{
    struct head *head = make_head(1 << 20, 1);
    struct sample s;
    sample_init(&s, 1, 1, 50);
    add_field(&s, 0, PHUSA_INTEGER, 1);
    add_field(&s, 1, PHUSA_INTEGER, 2);
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);
    sample_init(&s, 1, 2, 50);
    add_field(&s, 1, PHUSA_INTEGER, 20);
    add_field(&s, 2, PHUSA_BOOLEAN, 1);
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);

    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct rows rows = read_all(head, 1, 3, &arena);
    cr_assert_eq(rows.row_count, 1);
    cr_assert_eq(rows.column_count, 3);
    cr_assert_eq(rows.columns[0].i[0], 1);
    cr_assert_eq(rows.columns[1].i[0], 20);
    cr_assert_eq(rows.columns[2].b[0], 1);
    const struct rows before = read_all(head, 1, 2, &arena);
    cr_assert_eq(before.column_count, 2);
    cr_assert_eq(before.columns[1].i[0], 2);
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, a_field_altered_to_float_reads_as_float_with_older_integers_widened)
{
    struct head *head = make_head(1 << 20, 1);
    append_integer(head, 3, 1, 10, -7);
    struct sample s;
    sample_init(&s, 3, 2, 20);
    const double value = 2.25;
    add_field(&s, 0, PHUSA_FLOAT, load_u64(&value));
    s.decimals[0] = 2;
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);

    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct rows rows = read_all(head, 3, 3, &arena);
    cr_assert_eq(rows.row_count, 2);
    cr_assert_eq(rows.columns[0].type, PHUSA_FLOAT);
    cr_assert_eq(rows.columns[0].decimals, 2);
    cr_assert_eq(rows.columns[0].f[0], -7.0);
    cr_assert_eq(rows.columns[0].f[1], 2.25);
    /* And before the change it was an integer. */
    cr_assert_eq(read_all(head, 3, 2, &arena).columns[0].type, PHUSA_INTEGER);
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, fields_on_lines_of_their_own_take_no_block_per_row)
{
    struct head *head = make_head(64 << 20, 1);
    uint64_t lsn = 1;
    for (int64_t t = 0; t < 10000; t++)
        for (uint16_t f = 0; f < 10; f++) {
            struct sample s;
            sample_init(&s, 1, lsn++, t);
            add_field(&s, f, PHUSA_INTEGER, (uint64_t)t * f);
            cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);
        }
    struct head_stats stats;
    head_stats(head, &stats);
    cr_assert_eq(stats.values, 100000);
    cr_assert_lt(stats.used_bytes, 25u * 100000u, "%zu", stats.used_bytes);
    struct arena arena;
    arena_init(&arena, 64 << 20);
    const struct rows rows = read_all(head, 1, lsn, &arena);
    cr_assert_eq(rows.row_count, 10000);
    cr_assert_eq(rows.column_count, 10);
    for (uint32_t c = 0; c < 10; c++) {
        cr_assert_null(rows.columns[c].present);
        cr_assert_eq(rows.columns[c].i[9999], 9999 * (int64_t)c);
    }
    cr_assert_eq(head_check(head), PHUSA_OK);
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, ever_other_sets_of_fields_cost_no_search)
{
    /* 2,000 pairs of 64 fields: past STRANDS_WALKED they are found by a table. */
    struct head *head = make_head(64 << 20, 1);
    uint64_t lsn = 1;
    for (int round = 0; round < 3; round++)
        for (uint16_t a = 0; a < 63; a++)
            for (uint16_t b = (uint16_t)(a + 1); b < 64; b++) {
                struct sample s;
                sample_init(&s, 1, lsn, (int64_t)lsn);
                add_field(&s, a, PHUSA_UNSIGNED, lsn);
                add_field(&s, b, PHUSA_UNSIGNED, lsn);
                cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);
                lsn++;
            }
    cr_assert_eq(head_check(head), PHUSA_OK);
    struct head_stats stats;
    head_stats(head, &stats);
    cr_assert_lt(stats.used_bytes, 100 * stats.points, "strands are found again, not made again");
    struct arena arena;
    arena_init(&arena, 64 << 20);
    const struct rows rows = read_all(head, 1, lsn, &arena);
    cr_assert_eq(rows.row_count, lsn - 1);
    cr_assert_eq(rows.column_count, 64);
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, rows_of_ten_integers_take_at_most_eleven_bytes_a_value)
{
    struct head *head = make_head((size_t)256 << 20, 1);
    struct sample s;
    uint64_t lsn = 1;
    for (int64_t t = 0; t < 1000; t++)
        for (uint64_t series = 0; series < 1000; series++) {
            sample_init(&s, series, lsn++, t);
            for (uint16_t f = 0; f < 10; f++)
                add_field(&s, f, PHUSA_INTEGER, 1);
            cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);
        }
    struct head_stats stats;
    head_stats(head, &stats);
    cr_assert_eq(stats.values, 10000000);
    cr_assert_leq(stats.used_bytes, 11 * stats.values, "%zu", stats.used_bytes);
    head_unref(head);
}

Test(head, a_million_series_of_one_value_fit_in_120_million_bytes)
{
    struct head *head = make_head(120000000, 1);
    struct sample s;
    for (uint64_t series = 0; series < 1000000; series++) {
        sample_init(&s, 1ull << 32 | series, series + 1, 5);
        add_field(&s, 0, PHUSA_FLOAT, 0);
        cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK, "series %zu", (size_t)series);
    }
    head_unref(head);
}

Test(head, a_full_head_refuses_and_stays_as_it_was)
{
    struct head *head = make_head(64 << 10, 1);
    static char text[30000];
    memset(text, 'x', sizeof text);
    struct sample s;
    uint64_t lsn = 1;
    phusa_status status = PHUSA_OK;
    for (; status == PHUSA_OK; lsn++) {
        sample_init(&s, lsn % 50, lsn, (int64_t)lsn);
        add_field(&s, (uint16_t)(lsn % 3), PHUSA_INTEGER, lsn);
        add_field(&s, 10, PHUSA_STRING, 0);
        s.texts[1] = (struct phusa_text){text, lsn % 1000};
        status = head_append(head, 1, &s.row);
    }
    cr_assert_eq(status, PHUSA_ELIMIT);
    struct head_stats before, after;
    head_stats(head, &before);
    cr_assert_eq(before.points, lsn - 2);
    /* Of every kind: a new series, a new policy, a new set of fields, a long string. */
    for (uint64_t k = 0; k < 200; k++) {
        sample_init(&s, k * 1000, lsn, 1);
        add_field(&s, (uint16_t)(k % 7), PHUSA_STRING, 0);
        s.texts[0] = (struct phusa_text){text, sizeof text};
        status = head_append(head, (uint32_t)(k % 3), &s.row);
        cr_assert_eq(status, PHUSA_ELIMIT);
    }
    head_stats(head, &after);
    cr_assert_eq(before.points, after.points);
    cr_assert_eq(before.values, after.values);
    cr_assert_eq(before.series, after.series);
    cr_assert_eq(before.lsn_end, after.lsn_end);
    cr_assert_eq(head_check(head), PHUSA_OK);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    uint32_t *policies;
    size_t count;
    cr_assert_eq(head_policies(head, &arena, &policies, &count), PHUSA_OK);
    cr_assert_eq(count, 1, "a policy whose only row was refused has no points");
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, an_empty_head_takes_a_row_larger_than_its_budget)
{
    /* Or the row would go from one new head to the next for ever. */
    struct head *head = make_head(64 << 10, 1);
    const size_t text_bytes = 15u << 20;
    char *text = malloc(text_bytes);
    memset(text, 'x', text_bytes);
    struct sample s;
    sample_init(&s, 1, 1, 0);
    add_field(&s, 0, PHUSA_STRING, 0);
    s.texts[0] = (struct phusa_text){text, text_bytes};
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);
    s.row.lsn = 2;
    s.texts[0].size_bytes = 0;
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_ELIMIT);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct rows rows = read_all(head, 1, 2, &arena);
    cr_assert_eq(rows.columns[0].s[0].size_bytes, text_bytes);
    cr_assert_eq(head_check(head), PHUSA_OK);
    arena_deinit(&arena);
    head_unref(head);
    free(text);
}

Test(head, refuses_rows_without_fields_and_lsns_that_do_not_ascend)
{
    struct head *head = make_head(1 << 20, 10);
    struct sample s;
    sample_init(&s, 1, 10, 0);
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_EINVAL);
    add_field(&s, 0, PHUSA_INTEGER, 0);
    s.row.lsn = 9;
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_EINVAL);
    s.row.lsn = 12;
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_OK);
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_EINVAL);
    s.row.lsn = 10 + (1ull << 32);
    cr_assert_eq(head_append(head, 1, &s.row), PHUSA_ELIMIT);
    head_unref(head);
}

Test(head, lists_policies_and_series_ascending_and_bounds_their_times)
{
    struct head *head = make_head(4 << 20, 1);
    struct sample s;
    for (uint64_t k = 0; k < 1000; k++) {
        sample_init(&s, (k * 7919) % 1000, k + 1, (int64_t)k - 500);
        add_field(&s, 3, PHUSA_BOOLEAN, k % 2);
        cr_assert_eq(head_append(head, (uint32_t)(9 - k % 3), &s.row), PHUSA_OK);
    }
    struct arena arena;
    arena_init(&arena, 1 << 20);
    uint32_t *policies;
    uint64_t *series;
    size_t count;
    cr_assert_eq(head_policies(head, &arena, &policies, &count), PHUSA_OK);
    cr_assert_eq(count, 3);
    cr_assert_eq(policies[0], 7);
    cr_assert_eq(policies[2], 9);
    cr_assert_eq(head_series(head, 9, &arena, &series, &count), PHUSA_OK);
    cr_assert_eq(count, 334);
    for (size_t k = 1; k < count; k++)
        cr_assert_lt(series[k - 1], series[k]);
    int64_t low, high;
    cr_assert(head_times(head, 9, &low, &high));
    cr_assert_eq(low, -500);
    cr_assert_eq(high, 499);
    arena_deinit(&arena);
    head_unref(head);
}

Test(head, every_failed_allocation_is_an_error_and_loses_nothing)
{
    for (uint64_t n = 1; n < 3; n++) {
        struct head *head = NULL;
        mem_fail_at(n);
        const phusa_status status = head_create(1 << 20, 1, &head);
        mem_fail_at(0);
        if (status == PHUSA_OK) {
            cr_assert_gt(n, 1);
            head_unref(head);
            break;
        }
        cr_assert_eq(status, PHUSA_ENOMEM);
        cr_assert_null(head);
    }
    struct head *head = make_head(8 << 20, 1);
    for (int64_t t = 0; t < 20000; t++)
        append_integer(head, 1, (uint64_t)t + 1, (t * 7919) % 10007, t);
    uint64_t failures = 0;
    for (uint64_t n = 1;; n++) {
        struct arena arena;
        arena_init(&arena, 8 << 20);
        struct head_reader *reader = (struct head_reader *)&failures;
        mem_fail_at(n);
        phusa_status status =
            head_read(head, 1, 1, INT64_MIN, INT64_MAX, 20001, NULL, 0, 8192, &arena, &reader);
        if (status != PHUSA_OK)
            cr_assert_eq((void *)reader, (void *)&failures, "out-parameters stay untouched");
        struct rows rows;
        if (status == PHUSA_OK) {
            cr_assert_eq(head_reader_rows(reader), 10007);
            status = head_reader_next(reader, INT64_MAX, &rows, NULL, NULL);
        }
        mem_fail_at(0);
        if (status == PHUSA_OK) {
            cr_assert_eq(rows.row_count, 8192);
            arena_deinit(&arena);
            break;
        }
        failures++;
        cr_assert_eq(status, PHUSA_ENOMEM);
        if (reader != (struct head_reader *)&failures) { /* and again, with memory */
            cr_assert_eq(head_reader_next(reader, INT64_MAX, &rows, NULL, NULL), PHUSA_OK);
            cr_assert_eq(rows.row_count, 8192);
        }
        arena_deinit(&arena);
    }
    cr_assert_gt(failures, 2);
    head_unref(head);
}
