/*
 * test_influxql.c - guards InfluxQL: what each statement means (by its canonical text), what is
 * refused and in which words, that printing and parsing undo each other, and that no text, however
 * deep, long or senseless, does harm.
 */
#include "text/influxql.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The statements of a text, printed one after the other with "; " between; or its error. */
static void say(struct buffer *out, const char *text, size_t size_bytes)
{
    struct arena arena;
    struct request request;
    struct phusa_error error = {0};
    arena_init(&arena, 16u << 20);
    buffer_clear(out);
    if (influxql_parse(text, size_bytes, &arena, &request, &error) == PHUSA_OK) {
        for (size_t i = 0; i < request.statement_count; i++) {
            if (i > 0) buffer_put(out, "; ", 2);
            influxql_print(out, &request.statements[i]);
        }
    } else {
        buffer_put(out, error.text, strlen(error.text));
    }
    buffer_put_u8(out, 0);
    cr_assert(!out->bad);
    out->size_bytes--;
    arena_deinit(&arena);
}

/* expected NULL: the text is canonical itself. */
struct example {
    const char *text;
    const char *expected;
};

static void check_examples(const struct example *examples, size_t count, bool good)
{
    struct buffer out;
    buffer_init(&out);
    for (size_t i = 0; i < count; i++) {
        const char *expected =
            examples[i].expected != NULL ? examples[i].expected : examples[i].text;
        say(&out, examples[i].text, strlen(examples[i].text));
        cr_expect_str_eq((const char *)out.bytes, expected, "%s\n  gave %s\n  not  %s",
                         examples[i].text, (const char *)out.bytes, expected);
        if (!good) continue;
        say(&out, expected, strlen(expected));
        cr_expect_str_eq((const char *)out.bytes, expected, "again %s", (const char *)out.bytes);
    }
    buffer_deinit(&out);
}
#define CHECK_GOOD(examples) check_examples(examples, sizeof(examples) / sizeof *(examples), true)
#define CHECK_BAD(examples)  check_examples(examples, sizeof(examples) / sizeof *(examples), false)

Test(influxql, selects_of_every_clause)
{
    static const struct example examples[] = {
        {"SELECT f FROM m", NULL},
        {"select f from m", "SELECT f FROM m"},
        {"Select \"f\" From \"m\"", "SELECT f FROM m"},
        {"SELECT * FROM m", NULL},
        {"SELECT *::field, *::tag FROM m", NULL},
        {"SELECT *::FIELD FROM m", "SELECT *::field FROM m"},
        {"SELECT f::float, g::integer, h::unsigned, i::string, j::boolean, k::field, l::tag FROM m",
         NULL},
        {"SELECT \"a b\", \"select\", \"x\\\"y\", \"1a\" FROM \"m-1\"", NULL},
        {"SELECT f AS g, f AS \"x y\" FROM m", NULL},
        {"SELECT a.b.c FROM m", "SELECT \"a.b.c\" FROM m"},
        {"SELECT mực FROM sông", NULL},
        {"SELECT f FROM a, b, c", NULL},
        {"SELECT f FROM d.p.m", NULL},
        {"SELECT f FROM d..m", NULL},
        {"SELECT f FROM p.m", NULL},
        {"SELECT f FROM \"d 1\".\"p.1\".\"m\"", "SELECT f FROM \"d 1\".\"p.1\".m"},
        {"SELECT f FROM /^cpu.*/", NULL},
        {"SELECT f FROM /a\\/b/, m", NULL},
        {"SELECT f FROM p./x/", NULL},
        {"SELECT f FROM d.p./x/", NULL},
        {"SELECT f FROM d../x/", NULL},
        {"SELECT /^usage_/ FROM cpu", NULL},
        {"SELECT mean(/usage/), max(*) FROM cpu", NULL},
        {"SELECT MEAN(f), Percentile(f, 99) FROM m", "SELECT mean(f), percentile(f, 99) FROM m"},
        {"SELECT count(distinct f) FROM m", "SELECT count(distinct(f)) FROM m"},
        {"SELECT count(DISTINCT(f)) FROM m", "SELECT count(distinct(f)) FROM m"},
        {"SELECT distinct f FROM m", "SELECT distinct(f) FROM m"},
        {"SELECT top(f, host, 3) FROM m", NULL},
        {"SELECT f FROM (SELECT mean(f) AS f FROM m GROUP BY time(1h))", NULL},
        {"SELECT f FROM (SELECT f FROM (SELECT f FROM m)), n", NULL},
        {"SELECT f FROM m WHERE host = 'a'", NULL},
        {"SELECT f FROM m WHERE host = 'it\\'s'", NULL},
        {"SELECT f FROM m WHERE host = 'a\\\\b\\nc\\\"d'",
         "SELECT f FROM m WHERE host = 'a\\\\b\\nc\"d'"},
        {"SELECT f FROM m WHERE host =~ /a|b/ AND region !~ /\\.x$/", NULL},
        {"SELECT f FROM m WHERE host != 'a' OR f <> 3",
         "SELECT f FROM m WHERE host != 'a' OR f != 3"},
        {"SELECT f FROM m WHERE f > 1 AND f >= 2 AND f < 3 AND f <= 4", NULL},
        {"SELECT f FROM m WHERE (a = 1 OR b = 2) AND c = true AND d = FALSE",
         "SELECT f FROM m WHERE (a = 1 OR b = 2) AND c = true AND d = false"},
        {"SELECT f FROM m WHERE time > now() - 1h", NULL},
        {"SELECT f FROM m WHERE time >= '2020-01-01T00:00:00Z' AND time < 1500000000000ms",
         "SELECT f FROM m WHERE time >= '2020-01-01T00:00:00Z' AND time < 25000000m"},
        {"SELECT f FROM m WHERE time > 1500000000000000000", NULL},
        {"SELECT f FROM m WHERE time = -5", NULL},
        {"SELECT f FROM m WHERE f = 18446744073709551615", NULL},
        {"SELECT f FROM m WHERE f = -9223372036854775808", NULL},
        {"SELECT f FROM m WHERE f = 1.50 OR f = .5 OR f = 5. OR f = 1e3 OR f = 1E-7",
         "SELECT f FROM m WHERE f = 1.5 OR f = 0.5 OR f = 5.0 OR f = 1000.0 OR f = 1e-7"},
        {"SELECT f FROM m GROUP BY host, region", NULL},
        {"SELECT f FROM m GROUP BY *", NULL},
        {"SELECT f FROM m GROUP BY *::tag, \"h\"::tag", "SELECT f FROM m GROUP BY *, h"},
        {"SELECT f FROM m GROUP BY /re/, host", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(5m)", NULL},
        {"SELECT mean(f) FROM m GROUP BY host, time(90s, -10s)",
         "SELECT mean(f) FROM m GROUP BY time(90s, -10s), host"},
        {"SELECT mean(f) FROM m GROUP BY time(1h, now())", NULL},
        {"SELECT mean(f) FROM m GROUP BY TIME(1h)", "SELECT mean(f) FROM m GROUP BY time(1h)"},
        {"SELECT mean(f) FROM m GROUP BY time(1mo)", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(1q, 1mo)", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(1y)", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(1w)", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(1h30m)", "SELECT mean(f) FROM m GROUP BY time(90m)"},
        {"SELECT mean(f) FROM m GROUP BY time(10u), t", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(10µ)", "SELECT mean(f) FROM m GROUP BY time(10u)"},
        {"SELECT mean(f) FROM m GROUP BY time(1h) fill(null)", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(1h) FILL(none)",
         "SELECT mean(f) FROM m GROUP BY time(1h) fill(none)"},
        {"SELECT mean(f) FROM m GROUP BY time(1h) fill(previous)", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(1h) fill(linear)", NULL},
        {"SELECT mean(f) FROM m GROUP BY time(1h) fill(0)",
         "SELECT mean(f) FROM m GROUP BY time(1h) fill(0.0)"},
        {"SELECT mean(f) FROM m GROUP BY time(1h) fill(-1.5)", NULL},
        {"SELECT f FROM m ORDER BY time", "SELECT f FROM m"},
        {"SELECT f FROM m ORDER BY ASC", "SELECT f FROM m"},
        {"SELECT f FROM m ORDER BY time ASC", "SELECT f FROM m"},
        {"SELECT f FROM m ORDER BY DESC", "SELECT f FROM m ORDER BY time DESC"},
        {"SELECT f FROM m ORDER BY time DESC", NULL},
        {"SELECT f FROM m LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4", NULL},
        {"SELECT f FROM m LIMIT 0", "SELECT f FROM m"},
        {"SELECT f FROM m SOFFSET 4", NULL},
        {"SELECT f FROM m tz('Asia/Ho_Chi_Minh')", NULL},
        {"SELECT f FROM m TZ('UTC')", "SELECT f FROM m tz('UTC')"},
        {"SELECT mean(f) AS x, count(g) FROM d.p.m, n WHERE t = 'a' AND time > 5s GROUP BY "
         "time(1d, 6h), host, *, /x/ fill(previous) ORDER BY time DESC LIMIT 10 OFFSET 5 SLIMIT 2 "
         "SOFFSET 1 tz('Europe/London')",
         NULL},
        {"EXPLAIN SELECT f FROM m", NULL},
    };
    CHECK_GOOD(examples);
}

Test(influxql, arithmetic_binds_as_in_influxdb)
{
    static const struct example examples[] = {
        {"SELECT a + b * c - d / e % f FROM m", NULL},
        {"SELECT (a + b) * c FROM m", NULL},
        {"SELECT a - (b - c) FROM m", NULL},
        {"SELECT a & b | c ^ d FROM m", NULL},
        {"SELECT a|b&c FROM m", "SELECT a | b & c FROM m"},
        {"SELECT ((a + b)) FROM m", "SELECT (a + b) FROM m"},
        {"SELECT (a) FROM m", "SELECT a FROM m"},
        {"SELECT -a FROM m", "SELECT (-1 * a) FROM m"},
        {"SELECT +a FROM m", "SELECT (1 * a) FROM m"},
        {"SELECT -(a + b) FROM m", "SELECT (-1 * (a + b)) FROM m"},
        {"SELECT -5 FROM m", NULL},
        {"SELECT +5 FROM m", "SELECT 5 FROM m"},
        {"SELECT - 5.5 FROM m", "SELECT -5.5 FROM m"},
        {"SELECT a - -5 FROM m", NULL},
        {"SELECT a -5 FROM m", "SELECT a - 5 FROM m"},
        {"SELECT -mean(a) FROM m", "SELECT (-1 * mean(a)) FROM m"},
        {"SELECT -1h FROM m", NULL},
        {"SELECT mean(a) * 2 + max(b) / 3.0 FROM m", NULL},
        {"SELECT a FROM m WHERE a = 1 AND b = 2 OR c = 3 AND d = 4", NULL},
        {"SELECT a FROM m WHERE a + 1 > b * 2 AND NOT_A_WORD = 3", NULL},
    };
    CHECK_GOOD(examples);
}

static const struct expr *where_of(const char *text, struct arena *arena)
{
    struct request request;
    struct phusa_error error;
    cr_assert_eq(influxql_parse(text, strlen(text), arena, &request, &error), PHUSA_OK);
    return request.statements[0].select->where;
}

/* Printing hides it where no parentheses were written. */
Test(influxql, chains_lean_to_the_left)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    const struct expr *e = where_of("SELECT f FROM m WHERE a - b - c", &arena);
    cr_assert_eq(e->binary.op, OP_SUBTRACT);
    cr_assert_eq(e->binary.left->kind, EXPR_BINARY);
    cr_assert_eq(e->binary.right->kind, EXPR_NAME);
    e = where_of("SELECT f FROM m WHERE a OR b AND c = 1 + 2 * 3", &arena);
    cr_assert_eq(e->binary.op, OP_OR);
    cr_assert_eq(e->binary.right->binary.op, OP_AND);
    cr_assert_eq(e->binary.right->binary.right->binary.op, OP_EQUAL);
    cr_assert_eq(e->binary.right->binary.right->binary.right->binary.op, OP_ADD);
    cr_assert_eq(e->binary.right->binary.right->binary.right->binary.right->binary.op, OP_MULTIPLY);
    arena_deinit(&arena);
}

Test(influxql, pieces_know_where_they_began)
{
    struct arena arena;
    struct request request;
    struct phusa_error error;
    static const char text[] = "SHOW DATABASES;\nSELECT aa + bb FROM mm WHERE cc = 1 GROUP BY dd";
    arena_init(&arena, 1u << 20);
    cr_assert_eq(influxql_parse(text, strlen(text), &arena, &request, &error), PHUSA_OK);
    cr_assert_eq(request.statement_count, 2);
    cr_assert_eq(request.statements[1].offset, strstr(text, "SELECT") - text);
    const struct select_statement *select = request.statements[1].select;
    cr_assert_eq(select->columns[0].expr->offset, strstr(text, "+") - text);
    cr_assert_eq(select->columns[0].expr->binary.left->offset, strstr(text, "aa") - text);
    cr_assert_eq(select->sources[0].offset, strstr(text, "mm") - text);
    cr_assert_eq(select->where->offset, strstr(text, "= 1") - text);
    cr_assert_eq(select->dimensions[0].offset, strstr(text, "dd") - text);
    arena_deinit(&arena);
}

Test(influxql, the_other_statements)
{
    static const struct example examples[] = {
        {"CREATE DATABASE d", NULL},
        {"create database \"d 1\"", "CREATE DATABASE \"d 1\""},
        {"CREATE DATABASE d WITH DURATION 30d REPLICATION 1 SHARD DURATION 1h NAME p",
         "CREATE DATABASE d WITH DURATION 30d REPLICATION 1 SHARD DURATION 1h NAME p"},
        {"CREATE DATABASE d WITH NAME p", NULL},
        {"CREATE DATABASE d WITH DURATION INF", NULL},
        {"CREATE DATABASE d WITH SHARD DURATION 10y NAME p", NULL},
        {"CREATE DATABASE d TZ 'Asia/Ho_Chi_Minh'", NULL},
        {"CREATE DATABASE d WITH NAME p tz 'UTC'", "CREATE DATABASE d WITH NAME p TZ 'UTC'"},
        {"ALTER DATABASE d TZ 'Asia/Ho_Chi_Minh'", NULL},
        {"DROP DATABASE d", NULL},
        {"CREATE RETENTION POLICY p ON d DURATION 52w REPLICATION 1", NULL},
        {"CREATE RETENTION POLICY p ON d DURATION INF REPLICATION 3 SHARD DURATION 1mo DEFAULT",
         "CREATE RETENTION POLICY p ON d DURATION INF REPLICATION 1 SHARD DURATION 1mo DEFAULT"},
        {"CREATE RETENTION POLICY p ON d DURATION 0s REPLICATION 1 DEFAULT",
         "CREATE RETENTION POLICY p ON d DURATION INF REPLICATION 1 DEFAULT"},
        {"ALTER RETENTION POLICY p ON d DURATION 1h", NULL},
        {"ALTER RETENTION POLICY p ON d DEFAULT SHARD DURATION 2h REPLICATION 2 DURATION 1y",
         "ALTER RETENTION POLICY p ON d DURATION 1y REPLICATION 1 SHARD DURATION 2h DEFAULT"},
        {"DROP RETENTION POLICY p ON d", NULL},
        {"DROP MEASUREMENT m", NULL},
        {"DROP MEASUREMENT \"a b\"", NULL},
        {"DROP SERIES FROM m", NULL},
        {"DROP SERIES FROM m, /x/ WHERE host = 'a'", NULL},
        {"DROP SERIES WHERE host = 'a'", NULL},
        {"DELETE FROM m", NULL},
        {"DELETE FROM m WHERE time < '2020-01-01'", NULL},
        {"DELETE WHERE host = 'a' AND time > 5", NULL},
        {"SHOW DATABASES", NULL},
        {"SHOW RETENTION POLICIES", NULL},
        {"SHOW RETENTION POLICIES on \"d\"", "SHOW RETENTION POLICIES ON d"},
        {"SHOW measurements", "SHOW MEASUREMENTS"},
        {"SHOW MEASUREMENTS ON d", NULL},
        {"SHOW MEASUREMENTS WITH MEASUREMENT = cpu", NULL},
        {"SHOW MEASUREMENTS WITH MEASUREMENT =~ /(?i)x/ LIMIT 100", NULL},
        {"SHOW MEASUREMENTS ON d WITH MEASUREMENT =~ /a.*/ WHERE host = 'a' LIMIT 1 OFFSET 2",
         NULL},
        {"SHOW SERIES", NULL},
        {"SHOW SERIES ON d FROM m, /re/ WHERE host =~ /x/ LIMIT 5 OFFSET 6", NULL},
        {"SHOW TAG KEYS", NULL},
        {"SHOW TAG KEYS ON d FROM m WHERE host = 'a' LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4", NULL},
        {"SHOW TAG VALUES WITH KEY = host", NULL},
        {"SHOW TAG VALUES WITH KEY = \"host\"", "SHOW TAG VALUES WITH KEY = host"},
        {"SHOW TAG VALUES WITH KEY != host", NULL},
        {"SHOW TAG VALUES WITH KEY =~ /ho.*/", NULL},
        {"SHOW TAG VALUES WITH KEY !~ /ho.*/", NULL},
        {"SHOW TAG VALUES WITH KEY IN (host)", NULL},
        {"SHOW TAG VALUES WITH KEY in(\"a b\",c)", "SHOW TAG VALUES WITH KEY IN (\"a b\", c)"},
        {"SHOW TAG VALUES ON d FROM m WITH KEY = k WHERE host = 'a' LIMIT 3", NULL},
        {"SHOW TAG VALUES FROM m WITH KEY = k ORDER BY DESC LIMIT 3",
         "SHOW TAG VALUES FROM m WITH KEY = k LIMIT 3"},
        {"SHOW FIELD KEYS", NULL},
        {"SHOW FIELD KEYS ON d FROM m LIMIT 1 OFFSET 2", NULL},
    };
    CHECK_GOOD(examples);
}

Test(influxql, requests_of_several_statements_and_comments)
{
    static const struct example examples[] = {
        {"", ""},
        {";", ""},
        {" ; ;; ", ""},
        {"SHOW DATABASES;", "SHOW DATABASES"},
        {"SHOW DATABASES; ;SELECT f FROM m;", "SHOW DATABASES; SELECT f FROM m"},
        {"SHOW DATABASES;SELECT f FROM m", "SHOW DATABASES; SELECT f FROM m"},
        {"-- a comment\nSHOW DATABASES -- another", "SHOW DATABASES"},
        {"SELECT /* one */ f /* two\nlines */ FROM m /**/", "SELECT f FROM m"},
        {"\tSELECT\r\n  f\nFROM\n\n m", "SELECT f FROM m"},
        {"SELECT f FROM m WHERE a =~ /--/ -- x", "SELECT f FROM m WHERE a =~ /--/"},
        {"SELECT a--b\n FROM m", "SELECT a FROM m"},
    };
    CHECK_GOOD(examples);
}

/* Compared with InfluxDB 1.6.7, but for the lists of statements that it has and phusa has not. */
Test(influxql, errors_are_in_influxdb_s_words)
{
#define OPERAND " expected identifier, string, number, bool at line "
    static const struct example examples[] = {
        {"SELECT", "found EOF," OPERAND "1, char 8"},
        {"SELECT  ", "found EOF," OPERAND "1, char 8"},
        {"SELECT\n", "found EOF," OPERAND "1, char 8"},
        {"SELECT FROM m", "found FROM," OPERAND "1, char 8"},
        {"select from m", "found FROM," OPERAND "1, char 8"},
        {"SELECT\nFROM", "found FROM," OPERAND "2, char 1"},
        {"SELECT\n  FROM", "found FROM," OPERAND "2, char 3"},
        {"SELECT f m", "found m, expected FROM at line 1, char 10"},
        {"SELECT f FROM", "found EOF, expected identifier at line 1, char 15"},
        {"SELECT f, FROM m", "found FROM," OPERAND "1, char 11"},
        {"SELECT f f FROM m", "found f, expected FROM at line 1, char 10"},
        {"SELECT f AS FROM m", "found FROM, expected identifier at line 1, char 13"},
        {"SELECT f FROM m, ", "found EOF, expected identifier at line 1, char 18"},
        {"SELECT f FROM m foo", "found foo, expected ; at line 1, char 17"},
        {"SELECT f\nFROM m\n foo", "found foo, expected ; at line 3, char 2"},
        {"SELECT f FROM m SELECT", "found SELECT, expected ; at line 1, char 17"},
        {"SELECT f FROM m WHERE", "found EOF," OPERAND "1, char 23"},
        {"SELECT f FROM m WHERE time >", "found EOF," OPERAND "1, char 30"},
        {"SELECT f FROM m WHERE (f > 1", "found EOF, expected ) at line 1, char 30"},
        {"SELECT mean(f FROM m", "found FROM, expected ) at line 1, char 15"},
        {"SELECT mean (f) FROM m", "found (, expected FROM at line 1, char 13"},
        {"SELECT \"f FROM m", "found f FROM m," OPERAND "1, char 7"},
        {"SELECT \n\"a", "found a," OPERAND "1, char 8"},
        {"SELECT \"é\" FROMM", "found FROMM, expected FROM at line 1, char 12"},
        {"SELECT /a b/ c", "found c, expected FROM at line 1, char 14"},
        {"SELECT f FROM m WHERE t > 'x", "found x," OPERAND "1, char 26"},
        {"SELECT f FROM m WHERE t = 'a\\q'", "found \\q," OPERAND "1, char 30"},
        {"SELECT f FROM m WHERE h =~ /x", "bad regex:  at line 1, char 27"},
        {"SELECT f FROM m WHERE h = /x/", "found /," OPERAND "1, char 27"},
        {"SELECT a, f > 1 FROM m",
         "invalid operator > in SELECT clause at line 1, char 11; operator "
         "is intended for WHERE clause"},
        {"SELECT mean(a AND b) FROM m", "invalid operator AND in SELECT clause at line 1, char 8; "
                                        "operator is intended for WHERE clause"},
        {"SELECT f FROM m WHERE h =~ 5", "found 5, expected regex at line 1, char 28"},
        {"SELECT f FROM m WHERE h =~ 'x'", "found x, expected regex at line 1, char 27"},
        {"SELECT f FROM m WHERE f > -", "found EOF, expected identifier, number, duration, ( at "
                                        "line 1, char 29"},
        {"SELECT f FROM m WHERE f > -true",
         "found TRUE, expected identifier, number, duration, ( at line 1, char 28"},
        {"SELECT f FROM m WHERE f > -'a'",
         "found a, expected identifier, number, duration, ( at line 1, char 27"},
        {"SELECT f FROM m WHERE 1x > 2", "invalid duration"},
        {"SELECT f FROM m WHERE a = 1h30", "invalid duration"},
        {"SELECT f FROM m WHERE f > 99999999999999999999",
         "unable to parse integer at line 1, char 27"},
        {"SELECT f FROM m WHERE f > 1e400", "unable to parse number at line 1, char 27"},
        {"SELECT f::foo FROM m", "found foo, expected float, integer, unsigned, string, boolean, "
                                 "field, tag at line 1, char "
                                 "11"},
        {"SELECT *::foo FROM m", "found foo, expected field, tag at line 1, char 11"},
        {"SELECT *::float FROM m", "found float, expected field, tag at line 1, char 11"},
        {"SELECT distinct FROM m", "found FROM, expected identifier at line 1, char 17"},
        {"SELECT f FROM a.b.c.d", "too many segments in a.b.c.d at line 1, char 1"},
        {"SELECT f FROM a.b.", "found EOF, expected identifier at line 1, char 20"},
        {"SELECT f FROM (f)", "found f, expected SELECT at line 1, char 16"},
        {"SELECT f FROM (SELECT f FROM m", "found EOF, expected ) at line 1, char 32"},
        {"SELECT f -- c", "found EOF, expected FROM at line 1, char 15"},
        {"SELECT f -- c\nFROMM", "found FROMM, expected FROM at line 2, char 1"},
        {"SELECT f /* c */ FROMM", "found FROMM, expected FROM at line 1, char 18"},
        {"SELECT f /* c", "found ILLEGAL, expected FROM at line 1, char 10"},
        {"SELECT f FROM m LIMIT", "found EOF, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT -1", "found -, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT x", "found x, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT \"x\"", "found x, expected integer at line 1, char 23"},
        {"SELECT f FROM m\nLIMIT 'x'", "found x, expected integer at line 2, char 6"},
        {"SELECT f FROM m LIMIT 1.5", "found 1.5, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT 1h", "found 1h, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT .5", "found .5, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT +", "found +, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT )", "found ), expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT <=", "found <=, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT <>", "found !=, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT ::", "found ::, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT :", "found :, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT =~", "found =~, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT ..", "found ., expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT #", "found #, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT {", "found {, expected integer at line 1, char 23"},
        {"SELECT f FROM m LIMIT 1 OFFSET", "found EOF, expected integer at line 1, char 32"},
        {"SELECT f FROM m OFFSET 1 LIMIT 1", "found LIMIT, expected ; at line 1, char 26"},
        {"SELECT f FROM m GROUP", "found EOF, expected BY at line 1, char 23"},
        {"SELECT f FROM m GROUP BY", "found EOF," OPERAND "1, char 26"},
        {"SELECT f FROM m GROUP BY time", "time() is a function and expects at least one argument"},
        {"SELECT f FROM m GROUP BY time()", "time dimension expected 1 or 2 arguments"},
        {"SELECT f FROM m GROUP BY time(1h, 1m, 1m)", "time dimension expected 1 or 2 arguments"},
        {"SELECT f FROM m GROUP BY time(x)", "time dimension must have duration argument"},
        {"SELECT f FROM m GROUP BY time(0s)", "time dimension must have a positive duration"},
        {"SELECT f FROM m GROUP BY time(-1h)", "time dimension must have a positive duration"},
        {"SELECT f FROM m GROUP BY time(1h, x)", "time dimension offset must be duration or now()"},
        {"SELECT f FROM m GROUP BY time(1h), time(2h)", "multiple time dimensions not allowed"},
        {"SELECT f FROM m GROUP BY foo(1h)", "only time() calls allowed in dimensions"},
        {"SELECT f FROM m GROUP BY 1", "only time and tag dimensions allowed"},
        {"SELECT f FROM m GROUP BY a+b", "only time and tag dimensions allowed"},
        {"SELECT f FROM m GROUP BY 'a'", "only time and tag dimensions allowed"},
        {"SELECT f FROM m GROUP BY *::field", "only time and tag dimensions allowed"},
        {"SELECT f FROM m fill", "fill must be a function call"},
        {"SELECT f FROM m fill(", "found EOF," OPERAND "1, char 23"},
        {"SELECT f FROM m fill()",
         "fill requires an argument, e.g.: 0, null, none, previous, linear"},
        {"SELECT f FROM m fill(1,2)",
         "fill requires an argument, e.g.: 0, null, none, previous, linear"},
        {"SELECT f FROM m fill(foo)", "expected number argument in fill()"},
        {"SELECT f FROM m fill('a')", "expected number argument in fill()"},
        {"SELECT f FROM m ORDER", "found EOF, expected BY at line 1, char 23"},
        {"SELECT f FROM m ORDER BY",
         "found EOF, expected identifier, ASC, DESC at line 1, char 26"},
        {"SELECT f FROM m ORDER BY f", "only ORDER BY time supported at this time"},
        {"SELECT f FROM m ORDER BY time DESC, f", "only ORDER BY time supported at this time"},
        {"SELECT f FROM m ORDER BY time foo", "found foo, expected ; at line 1, char 31"},
        {"SELECT f FROM m tz", "tz must be a function call"},
        {"SELECT f FROM m tz(1)", "expected string argument in tz()"},
        {"SELECT f FROM m tz()", "tz requires exactly one argument"},
        {"SELECT f INTO x FROM m", "SELECT INTO is not offered"},
        {"foo", "found foo, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, ALTER at line 1, "
                "char 1"},
        {"SHOW", "found EOF, expected DATABASES, FIELD, MEASUREMENTS, RETENTION, SERIES, TAG at "
                 "line 1, char 6"},
        {"SHOW DATABASES x", "found x, expected ; at line 1, char 16"},
        {"SHOW TAG", "found EOF, expected KEYS, VALUES at line 1, char 10"},
        {"SHOW TAG VALUES", "found EOF, expected WITH at line 1, char 17"},
        {"SHOW TAG VALUES WITH", "found EOF, expected KEY at line 1, char 22"},
        {"SHOW TAG VALUES WITH KEY", "found EOF, expected IN, =, =~ at line 1, char 26"},
        {"SHOW TAG VALUES WITH KEY k", "found k, expected IN, =, =~ at line 1, char 26"},
        {"SHOW TAG VALUES WITH KEY = 'a'", "found a, expected identifier at line 1, char 27"},
        {"SHOW TAG VALUES WITH KEY =~ a", "found a, expected regex at line 1, char 29"},
        {"SHOW TAG VALUES WITH KEY IN", "found EOF, expected ( at line 1, char 29"},
        {"SHOW TAG VALUES WITH KEY IN (a", "found EOF, expected ) at line 1, char 32"},
        {"SHOW FIELD", "found EOF, expected KEYS at line 1, char 12"},
        {"SHOW FIELD KEYS WHERE a=1", "found WHERE, expected ; at line 1, char 17"},
        {"SHOW MEASUREMENTS ON", "found EOF, expected identifier at line 1, char 22"},
        {"SHOW MEASUREMENTS WITH", "found EOF, expected MEASUREMENT at line 1, char 24"},
        {"SHOW MEASUREMENTS WITH MEASUREMENT", "found EOF, expected =, =~ at line 1, char 36"},
        {"SHOW RETENTION", "found EOF, expected POLICIES at line 1, char 16"},
        {"CREATE", "found EOF, expected DATABASE, RETENTION at line 1, char 8"},
        {"CREATE DATABASE", "found EOF, expected identifier at line 1, char 17"},
        {"CREATE DATABASE \"x", "found x, expected identifier at line 1, char 16"},
        {"CREATE DATABASE d x", "found x, expected ; at line 1, char 19"},
        {"CREATE DATABASE d WITH",
         "found EOF, expected DURATION, NAME, REPLICATION, SHARD at line 1, char 24"},
        {"CREATE DATABASE d WITH FOO",
         "found FOO, expected DURATION, NAME, REPLICATION, SHARD at line 1, char 24"},
        {"CREATE DATABASE d WITH DURATION", "found EOF, expected duration at line 1, char 33"},
        {"CREATE DATABASE d WITH NAME", "found EOF, expected identifier at line 1, char 29"},
        {"CREATE DATABASE d WITH NAME x DURATION 1h",
         "found DURATION, expected ; at line 1, char 31"},
        {"CREATE DATABASE d TZ", "found EOF, expected string at line 1, char 22"},
        {"ALTER DATABASE d", "found EOF, expected TZ at line 1, char 18"},
        {"CREATE RETENTION", "found EOF, expected POLICY at line 1, char 18"},
        {"CREATE RETENTION POLICY", "found EOF, expected identifier at line 1, char 25"},
        {"CREATE RETENTION POLICY p", "found EOF, expected ON at line 1, char 27"},
        {"CREATE RETENTION POLICY p ON", "found EOF, expected identifier at line 1, char 30"},
        {"CREATE RETENTION POLICY p ON d", "found EOF, expected DURATION at line 1, char 32"},
        {"CREATE RETENTION POLICY p ON d DURATION",
         "found EOF, expected duration at line 1, char 41"},
        {"CREATE RETENTION POLICY p ON d DURATION 5",
         "found 5, expected duration at line 1, char 41"},
        {"CREATE RETENTION POLICY p ON d DURATION 1h",
         "found EOF, expected REPLICATION at line 1, char 44"},
        {"CREATE RETENTION POLICY p ON d DURATION 1h REPLICATION",
         "found EOF, expected integer at line 1, char 56"},
        {"CREATE RETENTION POLICY p ON d DURATION 1h REPLICATION 0",
         "invalid value 0: must be 1 <= n <= 2147483647 at line 1, char 56"},
        {"CREATE RETENTION POLICY p ON d DURATION 1h REPLICATION 1 FOO",
         "found FOO, expected ; at line 1, char 58"},
        {"CREATE RETENTION POLICY p ON d DURATION INF REPLICATION 1 SHARD",
         "found EOF, expected DURATION at line 1, char 65"},
        {"ALTER RETENTION POLICY p ON d",
         "found EOF, expected DURATION, REPLICATION, SHARD, DEFAULT at line 1, char 31"},
        {"ALTER RETENTION POLICY p ON d FOO",
         "found FOO, expected DURATION, REPLICATION, SHARD, DEFAULT at line 1, char 31"},
        {"ALTER RETENTION POLICY p ON d DURATION 1h DURATION 2h",
         "found duplicate DURATION option at line 1, char 43"},
        {"DROP", "found EOF, expected DATABASE, MEASUREMENT, RETENTION, SERIES at line 1, char 6"},
        {"DROP DATABASE", "found EOF, expected identifier at line 1, char 15"},
        {"DROP MEASUREMENT", "found EOF, expected identifier at line 1, char 18"},
        {"DROP RETENTION POLICY p", "found EOF, expected ON at line 1, char 25"},
        {"DROP SERIES", "found EOF, expected FROM, WHERE at line 1, char 13"},
        {"DROP SERIES FROM", "found EOF, expected identifier at line 1, char 18"},
        {"DELETE", "found EOF, expected FROM, WHERE at line 1, char 8"},
        {"DELETE FROM", "found EOF, expected identifier at line 1, char 13"},
        {"DELETE WHERE", "found EOF," OPERAND "1, char 14"},
        {"EXPLAIN", "found EOF, expected SELECT at line 1, char 9"},
        {"EXPLAIN x", "found x, expected SELECT at line 1, char 9"},
        {"SHOW DATABASES; SHOW", "found EOF, expected DATABASES, FIELD, MEASUREMENTS, RETENTION, "
                                 "SERIES, TAG at line 1, char 22"},
        {"SELECT \xff FROM m", "invalid UTF-8 at byte 8"},
    };
    CHECK_BAD(examples);
}

/* ---- limits ---- */

static phusa_status status_of(const struct buffer *text, struct phusa_error *error)
{
    struct arena arena;
    struct request request;
    arena_init(&arena, 64u << 20);
    const phusa_status status =
        influxql_parse((const char *)text->bytes, text->size_bytes, &arena, &request, error);
    arena_deinit(&arena);
    return status;
}

static void put_times(struct buffer *text, const char *part, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_put(text, part, strlen(part));
}

static void check_nesting(const char *before, const char *open, const char *core, const char *close,
                          const char *after)
{
    for (size_t depth = EXPRESSION_DEPTH_MAX; depth <= 100000; depth = depth * 3 + 1) {
        struct buffer text;
        struct phusa_error error;
        buffer_init(&text);
        put_times(&text, before, 1);
        put_times(&text, open, depth);
        put_times(&text, core, 1);
        put_times(&text, close, depth);
        put_times(&text, after, 1);
        const phusa_status status = status_of(&text, &error);
        cr_expect_eq(status, depth == EXPRESSION_DEPTH_MAX ? PHUSA_OK : PHUSA_ELIMIT, "%s%zu: %s",
                     open, depth, status == PHUSA_OK ? "" : error.text);
        buffer_deinit(&text);
    }
}

Test(influxql, what_is_nested_too_deeply_is_refused)
{
    check_nesting("SELECT ", "(", "a", ")", " FROM m");
    check_nesting("SELECT ", "f(", "a", ")", " FROM m");
    check_nesting("SELECT ", "-(", "a", ")", " FROM m");
    check_nesting("SELECT a FROM m WHERE ", "(a = ", "1", ")", "");
    check_nesting("SELECT a FROM ", "(SELECT a FROM ", "m", ")", "");
}

Test(influxql, long_chains_texts_and_requests_have_limits)
{
    static const struct {
        const char *before, *part;
        size_t count;
        const char *after;
        phusa_status status;
    } examples[] = {
        {"SELECT a", " + a", EXPRESSION_OPERATORS_MAX, " FROM m", PHUSA_OK},
        {"SELECT a", " + a", EXPRESSION_OPERATORS_MAX + 1, " FROM m", PHUSA_ELIMIT},
        {"SELECT a FROM m WHERE b = 1", " OR b = 1", EXPRESSION_OPERATORS_MAX, "", PHUSA_ELIMIT},
        {"", "SHOW DATABASES;", STATEMENTS_MAX, "", PHUSA_OK},
        {"", "SHOW DATABASES;", STATEMENTS_MAX + 1, "", PHUSA_ELIMIT},
        {"", ";", 100000, "", PHUSA_OK},
        {"SELECT a", ", a", 100000, " FROM m", PHUSA_OK},
        {"SELECT a FROM m", ", m", 100000, "", PHUSA_OK},
        {"SELECT -", "-", 100000, "1 FROM m", PHUSA_ESYNTAX}, /* a comment */
        {"SELECT - ", "- ", 100000, "1 FROM m", PHUSA_ESYNTAX},
        {"SHOW DATABASES", " ", STATEMENT_BYTES_MAX - 14, "", PHUSA_OK},
        {"SHOW DATABASES", " ", STATEMENT_BYTES_MAX - 13, "", PHUSA_ELIMIT},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct buffer text;
        struct phusa_error error = {0};
        buffer_init(&text);
        put_times(&text, examples[i].before, 1);
        put_times(&text, examples[i].part, examples[i].count);
        put_times(&text, examples[i].after, 1);
        cr_expect_eq(status_of(&text, &error), examples[i].status, "%s%s: %s", examples[i].before,
                     examples[i].part, error.text);
        buffer_deinit(&text);
    }
}

Test(influxql, a_tree_of_the_greatest_depth_can_be_printed)
{
    struct buffer text;
    struct buffer out;
    buffer_init(&text);
    buffer_init(&out);
    put_times(&text, "SELECT a", 1);
    put_times(&text, " - a", EXPRESSION_OPERATORS_MAX);
    put_times(&text, " FROM m", 1);
    say(&out, (const char *)text.bytes, text.size_bytes);
    cr_assert_eq(out.size_bytes, text.size_bytes);
    cr_assert_arr_eq(out.bytes, text.bytes, text.size_bytes);
    buffer_deinit(&text);
    buffer_deinit(&out);
}

Test(influxql, an_arena_s_budget_is_an_error_of_its_own)
{
    struct arena arena;
    struct request request;
    struct phusa_error error;
    struct buffer text;
    buffer_init(&text);
    put_times(&text, "SELECT a", 1);
    put_times(&text, ", a", 10000);
    put_times(&text, " FROM m", 1);
    arena_init(&arena, 16384);
    cr_assert_eq(
        influxql_parse((const char *)text.bytes, text.size_bytes, &arena, &request, &error),
        PHUSA_ELIMIT);
    arena_deinit(&arena);
    buffer_deinit(&text);
}

Test(influxql, any_allocation_may_fail)
{
    struct buffer text;
    buffer_init(&text);
    put_times(&text,
              "SELECT mean(\"a\\\"b\"), -x FROM (SELECT f FROM a.b.c), /x\\/y/ WHERE q = 'a\\n'"
              " GROUP BY time(1h), host fill(0);",
              100);
    put_times(&text, "SHOW TAG VALUES WITH KEY IN (a, b, c, d, e, f);", 100);
    for (uint64_t n = 1;; n++) {
        struct arena arena;
        struct request request;
        struct phusa_error error;
        arena_init(&arena, 16u << 20);
        mem_fail_at(n);
        const phusa_status status =
            influxql_parse((const char *)text.bytes, text.size_bytes, &arena, &request, &error);
        const bool reached = mem_calls() >= n;
        mem_fail_at(0);
        cr_assert_eq(status, reached ? PHUSA_ENOMEM : PHUSA_OK);
        arena_deinit(&arena);
        if (!reached) break;
        cr_assert_eq(error.status, PHUSA_ENOMEM);
    }
    buffer_deinit(&text);
}

/* ---- nonsense ---- */

Test(influxql, a_soup_of_words_never_does_harm_and_what_parses_prints_stably, .timeout = 120)
{
    static const char *const words[] = {
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP BY",
        "time",
        "(1h)",
        "(",
        ")",
        ",",
        "f",
        "m",
        "\"a b\"",
        "'x'",
        "/re/",
        "/",
        "*",
        "+",
        "-",
        "%",
        "&",
        "|",
        "^",
        "=",
        "!=",
        "<",
        "=~",
        "!~",
        "AND",
        "OR",
        "1",
        "1.5",
        "1h",
        "1mo",
        "now()",
        "fill(0)",
        "mean(f)",
        "::field",
        "::",
        ".",
        "..",
        ";",
        "LIMIT 1",
        "OFFSET 2",
        "SLIMIT",
        "tz('UTC')",
        "ORDER BY time DESC",
        "SHOW",
        "TAG",
        "KEYS",
        "VALUES WITH KEY",
        "IN",
        "CREATE DATABASE",
        "RETENTION POLICY",
        "ON",
        "DURATION",
        "REPLICATION 1",
        "DEFAULT",
        "DELETE",
        "DROP SERIES",
        "EXPLAIN",
        "AS",
        "distinct",
        "true",
        "--",
        "/*",
        "*/",
        "\n",
        "\\",
        "'",
        "\"",
        "é",
        "1x",
        "99999999999999999999",
        "count(",
        "SELECT f FROM m",
        "SHOW MEASUREMENTS",
        "ALTER DATABASE d TZ 'UTC'",
        "(SELECT f FROM m)",
    };
    const size_t word_count = sizeof words / sizeof *words;
    const char *seed_text = getenv("PHUSA_SEED");
    uint64_t state = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 3;
    printf("seed %" PRIu64 "\n", state);
    struct buffer text, once, twice;
    buffer_init(&text);
    buffer_init(&once);
    buffer_init(&twice);
    size_t parsed = 0;
    for (int round = 0; round < 100000; round++) {
        buffer_clear(&text);
        if (round % 2 == 0) put_times(&text, "SELECT f FROM m WHERE f = ", 1);
        for (int n = 0; n < 12; n++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            const unsigned random = (unsigned)(state >> 33);
            if (random % 16 == 0) break;
            put_times(&text, words[random / 16 % word_count], 1);
            if (random % 3 != 0) buffer_put_u8(&text, ' ');
        }
        struct arena arena;
        struct request request;
        struct phusa_error error = {0};
        arena_init(&arena, 1u << 20);
        const phusa_status status =
            influxql_parse((const char *)text.bytes, text.size_bytes, &arena, &request, &error);
        arena_deinit(&arena);
        if (status != PHUSA_OK) {
            cr_assert_neq(error.text[0], '\0');
            continue;
        }
        parsed++;
        say(&once, (const char *)text.bytes, text.size_bytes);
        say(&twice, (const char *)once.bytes, once.size_bytes);
        cr_assert_str_eq((const char *)once.bytes, (const char *)twice.bytes, "%.*s",
                         (int)text.size_bytes, (const char *)text.bytes);
    }
    cr_assert_gt(parsed, 1000);
    buffer_deinit(&text);
    buffer_deinit(&once);
    buffer_deinit(&twice);
}
