/*
 * Guards how a cell becomes a field's value: digits are kept, what is no value is refused with
 * a reason, and nothing that strtod reads differently slips through.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/cellvalue.h"
#include "random.h"

static void expect(enum cell_type type, char mark, const char *cell, const char *value)
{
    struct textbuf to = {0};
    cr_assert(textbuf_append(&to, "f=", 2));
    const char *problem = cell_append(&to, type, cell, strlen(cell), mark);
    if (value == NULL) {
        cr_assert_not_null(problem, "%s", cell);
        cr_assert_eq(to.used, 2, "a refused cell leaves nothing behind");
    } else {
        cr_assert_null(problem, "%s: %s", cell, problem);
        cr_assert_eq(to.used - 2, strlen(value), "%s", cell);
        cr_assert_eq(memcmp(to.bytes + 2, value, strlen(value)), 0, "%s", cell);
    }
    textbuf_deinit(&to);
}

Test(cellvalue, floats_keep_their_digits)
{
    expect(CELL_FLOAT, '.', "7.10", "7.10");
    expect(CELL_FLOAT, '.', " -0.0 ", "-0.0");
    expect(CELL_FLOAT, '.', "+4", "4");
    expect(CELL_FLOAT, '.', ".5", "0.5");
    expect(CELL_FLOAT, '.', "-.5e-3", "-0.5e-3");
    expect(CELL_FLOAT, '.', "5.", "5");
    expect(CELL_FLOAT, '.', "5.e2", "5e2");
    expect(CELL_FLOAT, '.', "1E+300", "1E+300");
    expect(CELL_FLOAT, ',', "3,14", "3.14");
    expect(CELL_FLOAT, ',', "3.14", NULL);
    static const char *const bad[] = {"",    "-",   ".",     "1e",  "NaN",   "inf", "0x10",
                                      "1,5", "1 2", "1e400", "--1", "1.2.3", "e5",  "Infinity"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(CELL_FLOAT, '.', bad[i], NULL);
}

Test(cellvalue, integers_are_exact_or_refused)
{
    expect(CELL_INT, '.', "42", "42i");
    expect(CELL_INT, '.', "-0", "0i");
    expect(CELL_INT, '.', "12.00", "12i");
    expect(CELL_INT, '.', "9223372036854775807", "9223372036854775807i");
    expect(CELL_INT, '.', "-9223372036854775808", "-9223372036854775808i");
    expect(CELL_INT, '.', "9223372036854775808", NULL);
    expect(CELL_INT, '.', "1.5", NULL);
    expect(CELL_INT, '.', "1e3", NULL);
    expect(CELL_INT, '.', ".0", NULL);
    expect(CELL_UINT, '.', "18446744073709551615", "18446744073709551615u");
    expect(CELL_UINT, '.', "18446744073709551616", NULL);
    expect(CELL_UINT, '.', "-1", NULL);
}

Test(cellvalue, bools_and_strings)
{
    expect(CELL_BOOL, '.', "TRUE", "true");
    expect(CELL_BOOL, '.', "no", "false");
    expect(CELL_BOOL, '.', "maybe", NULL);
    expect(CELL_STRING, '.', "a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\"");
    expect(CELL_STRING, '.', " x ", "\" x \"");
    char *longer = malloc(65537);
    memset(longer, 'x', 65536);
    longer[65536] = 0;
    expect(CELL_STRING, '.', longer, NULL);
    free(longer);
}

/* Model: strtod must see in our text what it sees in the cell. */
Test(cellvalue, random_numbers_mean_the_same_to_strtod)
{
    struct random rng = random_seeded();
    for (int round = 0; round < 50000; round++) {
        static const char letters[] = "0123456789012345.-+eE5";
        char cell[24];
        const size_t length = random_below(&rng, 20) + 1;
        for (size_t i = 0; i < length; i++)
            cell[i] = letters[random_below(&rng, sizeof letters - 1)];
        cell[length] = 0;
        char *end;
        const double expected = strtod(cell, &end);
        const bool is_number = *end == 0 && !isinf(expected);
        struct textbuf to = {0};
        const char *problem = cell_append(&to, CELL_FLOAT, cell, length, '.');
        cr_assert_eq(problem == NULL, is_number, "%s: %s", cell, problem);
        cr_assert_eq(cell_is_number(cell, length, '.'), is_number, "%s", cell);
        if (problem == NULL) {
            cr_assert(textbuf_append(&to, "", 0));
            cr_assert_eq(strtod(to.bytes, &end), expected, "%s became %s", cell, to.bytes);
            cr_assert_eq(*end, 0);
        }
        textbuf_deinit(&to);
    }
}
