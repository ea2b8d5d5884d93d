/*
 * Guards where a statement ends at the prompt: a ';' inside a string, a quoted name, a comment or
 * a regular expression must not cut it.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "../../client/session.h"

Test(statement, ends_at_its_semicolon)
{
    cr_assert_eq(statement_bytes("SELECT 1; SELECT 2;"), 9);
    cr_assert_eq(statement_bytes("SELECT 1"), 0);
    cr_assert_eq(statement_bytes(";"), 1);
}

Test(statement, a_semicolon_in_quotes_comments_and_regular_expressions_ends_nothing)
{
    static const char *const whole[] = {
        "SELECT a FROM m WHERE t = 'x;y';",
        "SELECT \"a;b\" FROM m;",
        "SELECT a FROM m WHERE t = 'it\\';s';",
        "SELECT a -- not; here\n FROM m;",
        "SELECT a /* nor; \n here */ FROM m;",
        "SELECT a FROM m WHERE t =~ /x;y/;",
        "SELECT a FROM m WHERE t !~/x\\/;'y/;",
        "SELECT a FROM /m;n/;",
        "SELECT /a;'/ FROM m;",
        "SELECT mean(/a;/) FROM m GROUP BY /t;/;",
    };
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        cr_assert_eq(statement_bytes(whole[i]), strlen(whole[i]), "%s", whole[i]);
}

Test(statement, a_division_is_no_regular_expression)
{
    const char *text = "SELECT a / b FROM m; SELECT c / d FROM m;";
    cr_assert_eq(statement_bytes(text), 20);
    cr_assert_eq(statement_bytes("SELECT (a)/b FROM m;"), 20);
}

Test(statement, blank_ones_are_recognised)
{
    cr_assert(statement_is_blank(""));
    cr_assert(statement_is_blank(" ;\n-- x\n/* y */ ;"));
    cr_assert_not(statement_is_blank(" -- x\n y"));
}
