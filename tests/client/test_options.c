/*
 * Guards the command line: values in both spellings, operands, and slips of the finger answered
 * with the option that was meant.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "../../client/options.h"

static const char *text;
static bool flag;
static uint64_t count;
static int64_t duration_ms;
static struct option_list list, operands;

static const struct option table[] = {
    {"text", OPTION_TEXT, &text, "T", ""},    {"flag", OPTION_FLAG, &flag, NULL, ""},
    {"count", OPTION_COUNT, &count, "N", ""}, {"time", OPTION_DURATION, &duration_ms, "T", ""},
    {"list", OPTION_LIST, &list, "L", ""},    {NULL, OPTION_FLAG, NULL, NULL, NULL},
};

static bool parse(int argc, char *const *argv)
{
    const struct option_set set = {{table}};
    return options_parse(&set, argc, argv, 0, &operands);
}
#define PARSE(...) \
    parse((int)(sizeof(char *[]){__VA_ARGS__} / sizeof(char *)), (char *[]){__VA_ARGS__})

Test(options, reads_values_flags_lists_and_operands)
{
    cr_assert(PARSE("a", "--text=x=y", "--flag", "-", "--count", "12", "--time", "5m", "--list",
                    "p", "--list=q", "--", "--text"));
    cr_assert_str_eq(text, "x=y");
    cr_assert(flag);
    cr_assert_eq(count, 12);
    cr_assert_eq(duration_ms, 300000);
    cr_assert_eq(list.count, 2);
    cr_assert_eq(operands.count, 3);
    cr_assert_str_eq(operands.items[1], "-");
    cr_assert_str_eq(operands.items[2], "--text");
    option_list_deinit(&list);
    option_list_deinit(&operands);
}

Test(options, refuses_what_is_wrong)
{
    cr_assert_not(PARSE("--tex"));
    cr_assert_not(PARSE("--text"));
    cr_assert_not(PARSE("--flag=1"));
    cr_assert_not(PARSE("--count", "0"));
    cr_assert_not(PARSE("--count", "-1"));
    cr_assert_not(PARSE("--count", "12x"));
    cr_assert_not(PARSE("--time", "5w"));
    cr_assert_not(PARSE("-text", "x"));
}

Test(options, the_nearest_name_is_found_and_only_if_it_is_near)
{
    static const char *const names[] = {"measurement", "time", "time-zone", "tags", "tag"};
    cr_assert_str_eq(nearest_name("mesurement", names, 5), "measurement");
    cr_assert_str_eq(nearest_name("tiem", names, 5), "time");
    cr_assert_str_eq(nearest_name("timezone", names, 5), "time-zone");
    cr_assert_str_eq(nearest_name("TAGS", names, 5), "tags");
    cr_assert_null(nearest_name("password", names, 5));
}
