/*
 * test_partition.c - guards calendar/partition: every time lies in exactly one partition, and the
 * range of that partition says so.
 */
#include "calendar/partition.h"

#include "calendar/civil.h"
#include "random.h"

#include <criterion/criterion.h>

#define HOUR (INT64_C(3600) * NS_PER_S)

Test(partition, known_numbers)
{
    static const struct {
        struct phusa_interval width;
        int year, month, day;
        int32_t number;
    } cases[] = {
        {{1, 0}, 1970, 1, 31, 0},           {{1, 0}, 1970, 2, 1, 1},
        {{1, 0}, 1969, 12, 31, -1},         {{1, 0}, 2026, 11, 24, 682},
        {{120, 0}, 1979, 12, 31, 0},        {{120, 0}, 1980, 1, 1, 1},
        {{120, 0}, 1969, 12, 31, -1},       {{120, 0}, 1700, 1, 1, -27},
        {{3, 0}, 2026, 11, 24, 227},        {{0, 24 * HOUR}, 1970, 1, 2, 1},
        {{0, 24 * HOUR}, 1969, 12, 31, -1}, {{0, HOUR}, 1970, 1, 2, 24},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int64_t ns = civil_days(cases[i].year, cases[i].month, cases[i].day) * NS_PER_DAY;
        cr_assert_eq(partition_of(cases[i].width, ns), cases[i].number, "case %zu", i);
    }
}

Test(partition, refuses_widths_that_are_none)
{
    cr_assert_eq(partition_width_check((struct phusa_interval){0, 0}), PHUSA_EINVAL);
    cr_assert_eq(partition_width_check((struct phusa_interval){1, HOUR}), PHUSA_EINVAL);
    cr_assert_eq(partition_width_check((struct phusa_interval){-1, 0}), PHUSA_EINVAL);
    cr_assert_eq(partition_width_check((struct phusa_interval){0, -HOUR}), PHUSA_EINVAL);
    cr_assert_eq(partition_width_check((struct phusa_interval){1, -HOUR}), PHUSA_EINVAL);
    cr_assert_eq(partition_width_check((struct phusa_interval){0, HOUR - 1}), PHUSA_EINVAL);
    cr_assert_eq(partition_width_check((struct phusa_interval){120001, 0}), PHUSA_ERANGE);
    cr_assert_eq(partition_width_check((struct phusa_interval){0, HOUR}), PHUSA_OK);
    cr_assert_eq(partition_width_check((struct phusa_interval){0, INT64_MAX}), PHUSA_OK);
    cr_assert_eq(partition_width_check((struct phusa_interval){120000, 0}), PHUSA_OK);
}

static void check_around(struct phusa_interval width, int64_t ns)
{
    const int32_t number = partition_of(width, ns);
    int64_t start_ns = 1, end_ns = 0, next_ns = 0, end_of_next_ns;
    partition_range(width, number, &start_ns, &end_ns);
    cr_assert_leq(start_ns, ns);
    cr_assert(ns < end_ns || end_ns == INT64_MAX);
    cr_assert_eq(partition_of(width, start_ns), number);
    if (start_ns != INT64_MIN) cr_assert_eq(partition_of(width, start_ns - 1), number - 1);
    cr_assert_eq(partition_of(width, end_ns - 1), number);
    partition_range(width, number + 1, &next_ns, &end_of_next_ns);
    cr_assert_eq(next_ns, end_ns);
}

Test(partition, ranges_tile_all_time)
{
    struct random random = random_seeded();
    static const struct phusa_interval widths[] = {
        {1, 0},    {3, 0},         {12, 0},         {120, 0},       {7, 0},       {120000, 0},
        {0, HOUR}, {0, 24 * HOUR}, {0, 168 * HOUR}, {0, INT64_MAX}, {0, HOUR + 7}};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        cr_assert_eq(partition_width_check(widths[w]), PHUSA_OK);
        check_around(widths[w], INT64_MIN);
        check_around(widths[w], INT64_MAX - 1);
        check_around(widths[w], 0);
        check_around(widths[w], -1);
        for (int i = 0; i < 3000; i++)
            check_around(widths[w], (int64_t)random_u64(&random) >> random_u64(&random) % 20);
    }
}
