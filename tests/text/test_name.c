/*
 * test_name.c - guards what columns are called: clients find values by these names. Compared with
 * InfluxDB 1.6.7.
 */
#include "query/name.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "text/influxql.h"

#include <criterion/criterion.h>

static void check_names(const char *columns, const char *expected)
{
    struct arena arena;
    struct request request;
    struct phusa_error error;
    arena_init(&arena, 1u << 20);
    const char *text = arena_print(&arena, "SELECT %s FROM m", columns);
    cr_assert_eq(influxql_parse(text, strlen(text), &arena, &request, &error), PHUSA_OK, "%s",
                 error.text);
    const struct select_statement *select = request.statements[0].select;
    struct phusa_text names[16];
    cr_assert_leq(select->column_count, 16);
    cr_assert_eq(select_column_names(select->columns, select->column_count, &arena, names),
                 PHUSA_OK);
    struct buffer out;
    buffer_init(&out);
    for (size_t i = 0; i < select->column_count; i++) {
        if (i > 0) buffer_put_u8(&out, ' ');
        buffer_put(&out, names[i].bytes, names[i].size_bytes);
    }
    buffer_put_u8(&out, 0);
    cr_expect_str_eq((const char *)out.bytes, expected, "%s gave %s", columns,
                     (const char *)out.bytes);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

Test(name, columns_are_called_as_in_influxdb)
{
    check_names("f", "f");
    check_names("mean(f)", "mean");
    check_names("f, g", "f g");
    check_names("a + b", "a_b");
    check_names("a + b * c", "a_b_c");
    check_names("(a + b)", "a_b");
    check_names("-a", "a");
    check_names("mean(f) * 2", "mean");
    check_names("mean(f) + max(g)", "mean_max");
    check_names("2 * a", "a");
    check_names("distinct f", "distinct");
    check_names("count(distinct(f))", "count");
    check_names("f AS x", "x");
    check_names("mean(f), mean(g)", "mean mean_1");
    check_names("mean(f), mean(g), mean(h)", "mean mean_1 mean_2");
    check_names("f, f, f", "f f_1 f_2");
    check_names("mean(f) AS mean_1, mean(g), mean(h)", "mean_1 mean mean_2");
    check_names("mean(f), mean(g) AS mean", "mean_1 mean");
    check_names("f AS x, g AS x", "x x");
    check_names("f, f_1, f", "f f_1 f_2");
    check_names("f_1, f, f", "f_1 f f_2");
    check_names("5 + 5", "");
}

Test(name, any_allocation_may_fail)
{
    static const char text[] = "SELECT mean(f), mean(g), a + b, a + b FROM m";
    for (uint64_t n = 1; n < 4; n++) {
        struct arena arena;
        struct arena small;
        struct request request;
        struct phusa_error error;
        struct phusa_text names[4];
        arena_init(&arena, 1u << 20);
        arena_init(&small, 1u << 20);
        cr_assert_eq(influxql_parse(text, strlen(text), &arena, &request, &error), PHUSA_OK);
        const struct select_statement *select = request.statements[0].select;
        mem_fail_at(n);
        const phusa_status status =
            select_column_names(select->columns, select->column_count, &small, names);
        const bool reached = mem_calls() >= n;
        mem_fail_at(0);
        cr_assert_eq(status, reached ? PHUSA_ENOMEM : PHUSA_OK);
        arena_deinit(&arena);
        arena_deinit(&small);
    }
}
