/*
 * test_answers.c - whole answers to whole statements, through the public header. Guards the road of
 * a point from a line to a row: each statement is asked of points in memory, again after a flush,
 * after a seal and after a restart, and must say the same.
 */
#include "render.h"
#include "sandbox.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char lines[] = "level,station=can-tho,river=hau water=1.5,flow=10i 0\n"
                            "level,station=can-tho,river=hau water=1.72,flow=12i 3600000000000\n"
                            "level,station=can-tho,river=hau water=2.01,ok=true 7200000000000\n"
                            "level,station=chau-doc,river=hau water=3.1,flow=-4i,note=\"high\" 0\n"
                            "level,station=chau-doc,river=hau water=2.9 5400000000000\n"
                            "level,station=tan-chau,river=tien water=3.25,flow=7i 90000000000000\n"
                            "rain,station=can-tho mm=12.5 1000\n"
                            "level,station=old water=0.5 -86400000000000\n";

struct expectation {
    const char *statement;
    const char *answer;
};

static const struct expectation expectations[] = {
    {"SELECT water FROM level WHERE station = 'can-tho'",
     "level time water\n"
     "1970-01-01T00:00:00Z 1.5\n1970-01-01T01:00:00Z 1.72\n1970-01-01T02:00:00Z 2.01\n"},
    {"SELECT * FROM level WHERE time >= 0 AND time < 2h",
     "level time flow note ok river station water\n"
     "1970-01-01T00:00:00Z 10 - - \"hau\" \"can-tho\" 1.5\n"
     "1970-01-01T00:00:00Z -4 \"high\" - \"hau\" \"chau-doc\" 3.1\n"
     "1970-01-01T01:00:00Z 12 - - \"hau\" \"can-tho\" 1.72\n"
     "1970-01-01T01:30:00Z - - - \"hau\" \"chau-doc\" 2.9\n"},
    {"SELECT max(water) FROM level", "level time max\n1970-01-02T01:00:00Z 3.25\n"},
    {"SELECT count(water), sum(water), mean(water), min(flow), last(note) FROM level WHERE time >= "
     "0",
     "level time count sum mean min last\n1970-01-01T00:00:00Z 6 14.48 2.4133333333333336 -4 "
     "\"high\"\n"},
    {"SELECT mean(water) FROM level GROUP BY station",
     "level{station=can-tho} time mean\n1970-01-01T00:00:00Z 1.7433333333333334\n"
     "level{station=chau-doc} time mean\n1970-01-01T00:00:00Z 3\n"
     "level{station=old} time mean\n1970-01-01T00:00:00Z 0.5\n"
     "level{station=tan-chau} time mean\n1970-01-01T00:00:00Z 3.25\n"},
    {"SELECT max(water) FROM level WHERE time >= 0 AND time < 3h AND river = 'hau' GROUP BY "
     "time(1h)",
     "level time max\n1970-01-01T00:00:00Z 3.1\n1970-01-01T01:00:00Z 2.9\n"
     "1970-01-01T02:00:00Z 2.01\n"},
    {"SELECT sum(flow) FROM level WHERE time >= 0 AND time < 3h GROUP BY time(1h) fill(0)",
     "level time sum\n1970-01-01T00:00:00Z 6\n1970-01-01T01:00:00Z 12\n"
     "1970-01-01T02:00:00Z 0\n"},
    {"SELECT mean(flow) FROM level WHERE time >= 0 AND time < 4h GROUP BY time(1h) fill(previous)",
     "level time mean\n1970-01-01T00:00:00Z 3\n1970-01-01T01:00:00Z 12\n"
     "1970-01-01T02:00:00Z 12\n1970-01-01T03:00:00Z 12\n"},
    {"SELECT mean(water) FROM level WHERE station = 'can-tho' AND time >= 0 AND time < 3h GROUP BY "
     "time(30m) fill(linear)",
     "level time mean\n1970-01-01T00:00:00Z 1.5\n1970-01-01T00:30:00Z 1.6099999999999999\n"
     "1970-01-01T01:00:00Z 1.72\n1970-01-01T01:30:00Z 1.8649999999999998\n1970-01-01T02:00:00Z "
     "2.01\n"
     "1970-01-01T02:30:00Z -\n"},
    {"SELECT count(water) FROM level WHERE time >= 0 AND time < 2d GROUP BY time(1d) ORDER BY time "
     "DESC",
     "level time count\n1970-01-02T00:00:00Z 1\n1970-01-01T00:00:00Z 5\n"},
    {"SELECT water FROM level WHERE water > 2 ORDER BY time DESC LIMIT 2",
     "level time water\n1970-01-02T01:00:00Z 3.25\n1970-01-01T02:00:00Z 2.01\n"},
    {"SELECT water FROM level WHERE station =~ /chau$/ OR water < 1",
     "level time water\n1969-12-31T00:00:00Z 0.5\n1970-01-02T01:00:00Z 3.25\n"},
    {"SELECT water * 100 FROM level WHERE station = 'chau-doc'",
     "level time water\n1970-01-01T00:00:00Z 310\n1970-01-01T01:30:00Z 290\n"},
    {"SELECT max(water) - min(water) AS range FROM level WHERE station = 'can-tho'",
     "level time range\n1970-01-01T00:00:00Z 0.5099999999999998\n"},
    {"SELECT median(water), percentile(water, 50), spread(water), stddev(water) FROM level WHERE "
     "station = 'can-tho'",
     "level time median percentile spread stddev\n"
     "1970-01-01T00:00:00Z 1.72 1.72 0.5099999999999998 0.25579940057266226\n"},
    {"SELECT count(water) FROM level WHERE time >= '1969-12-01' AND time < '1970-02-01' GROUP BY "
     "time(1mo)",
     "level time count\n1969-12-01T00:00:00Z 1\n1970-01-01T00:00:00Z 6\n"},
    {"SELECT count(water) FROM level WHERE time >= '1970-01-01' AND time < '1970-01-03' GROUP BY "
     "time(1d) tz('Asia/Ho_Chi_Minh')",
     "level time count\n1969-12-31T16:00:00Z 5\n1970-01-01T16:00:00Z 1\n"},
    {"SELECT water FROM level WHERE time >= '1970-01-31' - 1mo AND time < 0",
     "level time water\n1969-12-31T00:00:00Z 0.5\n"},
    {"SELECT water FROM level WHERE time < '2262-04-11 23:47:16' + 10y",
     "! time at character 60 is outside the years 1677 to 2262\n"},
    {"SELECT water FROM level WHERE time > '2262-04-11 23:47:16' tz('America/New_York')",
     "! time at character 38 is outside the years 1677 to 2262\n"},
    {"SHOW MEASUREMENTS", "measurements name\n\"level\"\n\"rain\"\n"},
    {"SHOW TAG KEYS FROM level", "level tagKey\n\"river\"\n\"station\"\n"},
    {"SHOW TAG VALUES FROM level WITH KEY = river", "level key value\n\"river\" \"hau\"\n\"river\" "
                                                    "\"tien\"\n"},
    {"SHOW FIELD KEYS FROM level",
     "level fieldKey fieldType\n\"flow\" \"integer\"\n\"note\" \"string\"\n\"ok\" \"boolean\"\n"
     "\"water\" \"float\"\n"},
    {"SHOW SERIES FROM rain", " key\n\"rain,station=can-tho\"\n"},
    {"SELECT nothing FROM level", ""},
    {"SELECT water FROM nowhere", ""},
    {"SELECT sum(note) FROM level",
     "! sum() does not take the string field note; count(), first() and last() do\n"},
};

static void expect_all(struct phusa *db, const char *when)
{
    for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++) {
        char *answer = render_query(db, "d", expectations[i].statement);
        cr_expect_str_eq(answer, expectations[i].answer, "%s: %s\ngave:\n%s\nnot:\n%s", when,
                         expectations[i].statement, answer, expectations[i].answer);
        free(answer);
    }
}

static struct phusa *open_or_die(const char *dir)
{
    struct phusa_options options;
    phusa_options_init(&options);
    options.background_off = true;
    options.head_bytes_max = 8 << 20;
    options.wal_segment_bytes = 1 << 20;
    struct phusa *db = NULL;
    struct phusa_error error = {0};
    cr_assert_eq(phusa_open(dir, &options, &db, &error), PHUSA_OK, "%s", error.text);
    return db;
}

Test(answers, are_the_same_from_memory_runs_parts_and_after_a_restart)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *dir = s.dir;
    struct phusa *db = open_or_die(dir);
    struct phusa_error error = {0};
    cr_assert_eq(phusa_create_database(db, "d", &error), PHUSA_OK, "%s", error.text);
    char *refusals;
    cr_assert_eq(write_lines(db, "d", lines, &refusals), PHUSA_OK, "%s", refusals);
    free(refusals);
    expect_all(db, "memory");
    cr_assert_eq(phusa_flush(db, &error), PHUSA_OK, "%s", error.text);
    expect_all(db, "runs");
    cr_assert_eq(write_lines(db, "d", lines, NULL), PHUSA_OK);
    expect_all(db, "the same points again, in memory and runs");
    cr_assert_eq(phusa_close(db), PHUSA_OK);
    db = open_or_die(dir);
    expect_all(db, "restart");
    cr_assert_eq(phusa_seal(db, &error), PHUSA_OK, "%s", error.text);
    expect_all(db, "parts");
    cr_assert_eq(phusa_close(db), PHUSA_OK);
    sandbox_remove(&s);
}

Test(answers, the_struct_form_asks_the_same_engine)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *dir = s.dir;
    struct phusa *db = open_or_die(dir);
    cr_assert_eq(phusa_create_database(db, "d", NULL), PHUSA_OK);
    cr_assert_eq(write_lines(db, "d", lines, NULL), PHUSA_OK);
    const char *const group[] = {"river"};
    const struct phusa_tag_predicate predicates[] = {{"station", PHUSA_REGEX, "^c"}};
    const struct phusa_select_column columns[] = {{"mean", "water", 0}, {"percentile", "flow", 50}};
    const struct phusa_select select = {.database = "d",
                                        .measurement = "level",
                                        .predicates = predicates,
                                        .predicate_count = 1,
                                        .columns = columns,
                                        .column_count = 2,
                                        .start_ns = 0,
                                        .end_ns = 7200000000000,
                                        .window = {.ns = 3600000000000},
                                        .group_tags = group,
                                        .group_tag_count = 1};
    char *answer = render_select(db, &select);
    cr_expect_str_eq(answer, "level{river=hau} time mean percentile\n"
                             "1970-01-01T00:00:00Z 2.3 -4\n1970-01-01T01:00:00Z 2.31 12\n");
    free(answer);
    phusa_close(db);
    sandbox_remove(&s);
}

Test(answers, refused_points_are_named_and_the_others_stored)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *dir = s.dir;
    struct phusa *db = open_or_die(dir);
    cr_assert_eq(phusa_create_database(db, "d", NULL), PHUSA_OK);
    char *refusals;
    cr_assert_eq(write_lines(db, "d", "m a=1.5,b=1i 0\nm a=\"x\" 1\nm b=2.5 2\nm a=3i 3\nm a= 4\n",
                             &refusals),
                 PHUSA_EPARTIAL);
    cr_expect(strstr(refusals, "2:") != NULL, "%s", refusals);
    cr_expect(strstr(refusals, "\"a\" is type string, already exists as type float") != NULL, "%s",
              refusals);
    cr_expect(strstr(refusals, "\"b\" is type float, already exists as type integer") != NULL, "%s",
              refusals);
    cr_expect(strstr(refusals, "5:5 ") != NULL, "%s", refusals);
    free(refusals);
    char *answer = render_query(db, "d", "SELECT a, b FROM m");
    cr_expect_str_eq(answer, "m time a b\n1970-01-01T00:00:00Z 1.5 1\n"
                             "1970-01-01T00:00:00.000000003Z 3 -\n");
    free(answer);
    phusa_close(db);
    sandbox_remove(&s);
}

Test(answers, databases_and_policies_come_and_go)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *dir = s.dir;
    struct phusa *db = open_or_die(dir);
    static const struct expectation steps[] = {
        {"CREATE DATABASE one; CREATE DATABASE one", "# statement 1\n"},
        {"CREATE DATABASE two TZ 'Asia/Ho_Chi_Minh'", ""},
        {"CREATE RETENTION POLICY sparse ON one DURATION INF REPLICATION 1 SHARD DURATION 10y", ""},
        {"SHOW DATABASES", "databases name\n\"one\"\n\"two\"\n"},
        {"SHOW RETENTION POLICIES ON one",
         " name duration shardGroupDuration replicaN default\n\"autogen\" \"0s\" \"1mo\" 1 true\n"
         "\"sparse\" \"0s\" \"10y\" 1 false\n"},
        {"DROP DATABASE two", ""},
        {"SHOW DATABASES", "databases name\n\"one\"\n"},
        {"SELECT x FROM two..m", "! database not found: two\n"},
        {"CREATE DATABASE three TZ 'Nowhere/Land'", NULL},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        char *answer = render_query(db, NULL, steps[i].statement);
        if (steps[i].answer != NULL)
            cr_expect_str_eq(answer, steps[i].answer, "%s: %s", steps[i].statement, answer);
        else
            cr_expect(answer[0] == '!', "%s: %s", steps[i].statement, answer);
        free(answer);
    }
    phusa_close(db);
    sandbox_remove(&s);
}
