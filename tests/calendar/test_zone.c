/*
 * test_zone.c - guards calendar/zone: what the clocks of a zone show, also beyond the table of
 * its file; that no name leads out of the directory; that a damaged file is refused.
 */
#include "calendar/zone.h"

#include "base/mem.h"
#include "calendar/civil.h"
#include "random.h"
#include "tzif_bytes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DIR "/usr/share/zoneinfo"

static struct zone_table *open_system_zones(void)
{
    if (access(DIR "/Europe/Paris", R_OK) != 0) cr_skip_test("there is no " DIR ": install tzdata");
    struct zone_table *table;
    cr_assert_eq(zone_table_create(NULL, &table), PHUSA_OK);
    return table;
}

static const struct zone *find(struct zone_table *table, const char *name)
{
    const struct zone *zone = NULL;
    struct phusa_error error = {0};
    cr_assert_eq(zone_find(table, name, strlen(name), &zone, &error), PHUSA_OK, "%s: %s", name,
                 error.text);
    return zone;
}

static struct zone *decode(const int64_t *times, const int32_t *offsets, size_t count,
                           const char *footer)
{
    uint8_t bytes[TZIF_BYTES_MAX];
    struct zone *zone = NULL;
    const size_t size = tzif_write(bytes, times, offsets, count, footer);
    cr_assert_eq(zone_decode(footer, bytes, size, &zone), PHUSA_OK, "%s", footer);
    return zone;
}

/* ---- known answers ---------------------------------------------------- */

/* From Python's zoneinfo. */
#define TIMES 13
static const int64_t known_times[TIMES] = {
    INT64_C(172065600),  INT64_C(562125600),  INT64_C(1136214240), INT64_C(1325239140),
    INT64_C(1325239200), INT64_C(1541300340), INT64_C(1541300400), INT64_C(1550368740),
    INT64_C(1550368800), INT64_C(1711846740), INT64_C(1711846800), INT64_C(1729990740),
    INT64_C(1729990800)};
static const struct {
    const char *zone;
    int offsets[TIMES];
} known[] = {
    {"Europe/Paris",
     {3600, 3600, 3600, 3600, 3600, 3600, 3600, 3600, 3600, 3600, 7200, 7200, 3600}},
    {"America/New_York",
     {-14400, -14400, -18000, -18000, -18000, -14400, -14400, -18000, -18000, -14400, -14400,
      -14400, -14400}},
    {"Asia/Ho_Chi_Minh",
     {25200, 25200, 25200, 25200, 25200, 25200, 25200, 25200, 25200, 25200, 25200, 25200, 25200}},
    {"Australia/Lord_Howe",
     {36000, 39600, 39600, 39600, 39600, 39600, 39600, 39600, 39600, 39600, 39600, 39600, 39600}},
    {"America/Sao_Paulo",
     {-10800, -10800, -7200, -7200, -7200, -10800, -7200, -7200, -10800, -10800, -10800, -10800,
      -10800}},
    {"Pacific/Apia",
     {-39600, -39600, -39600, -36000, 50400, 50400, 50400, 50400, 50400, 46800, 46800, 46800,
      46800}},
    {"Africa/Casablanca", {0, 0, 0, 0, 0, 3600, 3600, 3600, 3600, 0, 0, 3600, 3600}},
    {"America/St_Johns",
     {-9000, -9000, -12600, -12600, -12600, -9000, -9000, -12600, -12600, -9000, -9000, -9000,
      -9000}},
    {"Asia/Kathmandu",
     {19800, 20700, 20700, 20700, 20700, 20700, 20700, 20700, 20700, 20700, 20700, 20700, 20700}},
    {"Europe/Dublin", {3600, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3600, 3600, 0}},
};

Test(zone, knows_offsets_around_changes)
{
    struct zone_table *table = open_system_zones();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct zone *zone = find(table, known[i].zone);
        cr_assert_str_eq(zone_name(zone), known[i].zone);
        for (int k = 0; k < TIMES; k++)
            cr_expect_eq(zone_offset_at(zone, known_times[k]), known[i].offsets[k], "%s at %lld",
                         known[i].zone, (long long)known_times[k]);
    }
    zone_table_free(table);
}

/* ---- against libc ----------------------------------------------------- */

static int libc_offset(int64_t utc_s)
{
    const time_t t = utc_s;
    struct tm tm;
    cr_assert_neq(localtime_r(&t, &tm), NULL);
    return (int)tm.tm_gmtoff;
}

static void use_libc_zone(const char *tz)
{
    cr_assert_eq(setenv("TZ", tz, 1), 0);
    tzset();
}

static void compare_with_libc(const struct zone *zone, struct random *random, int64_t first_s,
                              int64_t last_s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        const int64_t t = first_s + (int64_t)(random_u64(random) % (uint64_t)(last_s - first_s));
        cr_assert_eq(zone_offset_at(zone, t), libc_offset(t), "%s at %lld", zone_name(zone),
                     (long long)t);
        /* and at the very edges of its span */
        const struct zone_span span = zone_span_at(zone, t);
        cr_assert(span.start_s <= t && t < span.end_s);
        if (span.start_s <= first_s || span.end_s >= last_s) continue;
        cr_assert_eq(libc_offset(span.start_s), span.offset_s);
        cr_assert_neq(libc_offset(span.start_s - 1), span.offset_s, "%s at %lld", zone_name(zone),
                      (long long)span.start_s);
        cr_assert_eq(libc_offset(span.end_s - 1), span.offset_s);
        cr_assert_neq(libc_offset(span.end_s), span.offset_s);
    }
}

Test(zone, agrees_with_libc_from_1900_to_2262)
{
    static const char *const names[] = {
        "Europe/Paris",      "America/New_York", "Asia/Ho_Chi_Minh",  "Australia/Lord_Howe",
        "America/Sao_Paulo", "Pacific/Apia",     "Africa/Casablanca", "America/St_Johns",
        "Asia/Kathmandu",    "Europe/Dublin",    "America/Havana",    "Antarctica/Troll",
        "Asia/Tehran",       "America/Nuuk",     "Asia/Gaza"};
    struct zone_table *table = open_system_zones();
    struct random random = random_seeded();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char tz[64];
        snprintf(tz, sizeof tz, ":%s", names[i]);
        use_libc_zone(tz);
        /* glibc and RFC 8536 differ on the time before a file's first change */
        compare_with_libc(find(table, names[i]), &random, civil_days(1930, 1, 1) * S_PER_DAY,
                          civil_days(2262, 4, 11) * S_PER_DAY, 4000);
    }
    zone_table_free(table);
}

Test(zone, footers_mean_what_posix_says)
{
    static const char *const rules[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "AAA3BBB,J60/2,J300/2:30:15",
        "AAA3BBB,59/0,300/23",
        "EET-2EEST,M3.4.4/50,M10.4.4/50",
        "<+07>-7",
        "AAA-12:45:30",
    };
    struct random random = random_seeded();
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        static const int32_t offsets[] = {0, 1800};
        static const int64_t change = INT64_C(946684800); /* 2000-01-01 */
        use_libc_zone(rules[i]);
        const int32_t there[] = {0, libc_offset(change)};
        struct zone *zone = decode(&change, there, 1, rules[i]);
        compare_with_libc(zone, &random, change + 1, civil_days(2262, 1, 1) * S_PER_DAY, 4000);
        cr_assert_eq(zone_offset_at(zone, change - 1), 0);
        zone_free(zone);
        /* Without a table, the rule holds for all time that has nanoseconds; glibc's own
         * arithmetic with rules begins in 1971. */
        if (strchr(rules[i], ',') == NULL) continue;
        zone = decode(NULL, offsets, 0, rules[i]);
        compare_with_libc(zone, &random, civil_days(1971, 1, 1) * S_PER_DAY,
                          civil_days(2262, 1, 1) * S_PER_DAY, 4000);
        zone_free(zone);
    }
}

Test(zone, summer_time_all_year_is_one_offset)
{
    static const int32_t offsets[] = {-10800};
    struct zone *zone = decode(NULL, offsets, 0, "XXX3EDT4,0/0,J365/23");
    const struct zone_span span = zone_span_at(zone, INT64_C(1700000000));
    cr_assert_eq(span.offset_s, -14400);
    cr_assert_gt(span.end_s - span.start_s, 500 * 365 * S_PER_DAY);
    zone_free(zone);
}

/* ---- local to UTC ----------------------------------------------------- */

static int64_t at(int64_t days, int hour, int minute)
{
    return days * S_PER_DAY + hour * 3600 + minute * 60;
}

Test(zone, a_time_jumped_over_is_the_jump_and_one_shown_twice_is_the_first)
{
    struct zone_table *table = open_system_zones();
    const struct zone *paris = find(table, "Europe/Paris");
    const int64_t spring = civil_days(2024, 3, 31), autumn = civil_days(2024, 10, 27);
    cr_assert_eq(zone_local_to_utc(paris, at(spring, 1, 59)), at(spring, 0, 59));
    cr_assert_eq(zone_local_to_utc(paris, at(spring, 2, 0)), at(spring, 1, 0));
    cr_assert_eq(zone_local_to_utc(paris, at(spring, 2, 30)), at(spring, 1, 0));
    cr_assert_eq(zone_local_to_utc(paris, at(spring, 3, 0)), at(spring, 1, 0));
    cr_assert_eq(zone_local_to_utc(paris, at(spring, 3, 1)), at(spring, 1, 1));
    cr_assert_eq(zone_local_to_utc(paris, at(autumn, 2, 0)), at(autumn, 0, 0));
    cr_assert_eq(zone_local_to_utc(paris, at(autumn, 2, 59)), at(autumn, 0, 59));
    cr_assert_eq(zone_local_to_utc(paris, at(autumn, 3, 0)), at(autumn, 2, 0));
    const struct zone *howe = find(table, "Australia/Lord_Howe"); /* by half an hour */
    const int64_t april = civil_days(2024, 4, 7), october = civil_days(2024, 10, 6);
    cr_assert_eq(zone_local_to_utc(howe, at(april, 1, 45)), at(april, 1, 45) - 39600);
    cr_assert_eq(zone_local_to_utc(howe, at(april, 2, 0)), at(april, 2, 0) - 37800);
    cr_assert_eq(zone_local_to_utc(howe, at(october, 2, 15)), at(october, 2, 0) - 37800);
    const struct zone *sao = find(table, "America/Sao_Paulo"); /* no midnight */
    const int64_t november = civil_days(2018, 11, 4);
    cr_assert_eq(zone_local_to_utc(sao, at(november, 0, 0)), at(november, 3, 0));
    const struct zone *apia = find(table, "Pacific/Apia"); /* no 30 December */
    const int64_t left_out = civil_days(2011, 12, 30);
    cr_assert_eq(zone_local_to_utc(apia, at(left_out, 0, 0)), at(left_out, 10, 0));
    cr_assert_eq(zone_local_to_utc(apia, at(left_out + 1, 0, 0)), at(left_out, 10, 0));
    cr_assert_eq(zone_local_to_utc(zone_utc(), 12345), 12345);
    zone_table_free(table);
}

Test(zone, local_to_utc_is_the_first_moment_that_shows_it)
{
    static const char *const names[] = {"Europe/Paris",     "Australia/Lord_Howe",
                                        "America/St_Johns", "America/Sao_Paulo",
                                        "Pacific/Apia",     "Asia/Kathmandu"};
    struct zone_table *table = open_system_zones();
    struct random random = random_seeded();
    for (int i = 0; i < 20000; i++) {
        const struct zone *zone = find(table, names[i % 6]);
        const int64_t somewhere = (int64_t)(random_u64(&random) % 4000000000) - 1000000000;
        const struct zone_span span = zone_span_at(zone, somewhere);
        if (span.start_s == INT64_MIN) continue;
        const int64_t local_s =
            span.start_s + span.offset_s + (int64_t)(random_u64(&random) % 14400) - 7200;
        const int64_t utc_s = zone_local_to_utc(zone, local_s);
        cr_assert_geq(utc_s + zone_offset_at(zone, utc_s), local_s);
        for (int64_t t = utc_s - 1; t > utc_s - 30 * 3600; t -= 300)
            cr_assert_lt(t + zone_offset_at(zone, t), local_s);
    }
    zone_table_free(table);
}

/* ---- names ------------------------------------------------------------ */

Test(zone, utc_needs_no_file)
{
    static const char *const names[] = {"", "UTC", "Etc/UTC", "GMT", "Z"};
    struct zone_table *table;
    cr_assert_eq(zone_table_create("/nonexistent", &table), PHUSA_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_assert_eq(find(table, names[i]), zone_utc());
    cr_assert(zone_is_utc(zone_utc()));
    cr_assert_eq(zone_offset_at(zone_utc(), -1), 0);
    zone_table_free(table);
}

Test(zone, names_that_are_none_are_refused_with_a_reason)
{
    static const char *const names[] = {"Nowhere/Nothing",
                                        "../../../etc/passwd",
                                        "/etc/passwd",
                                        "Europe/../Europe/Paris",
                                        "Europe//Paris",
                                        "Europe/Paris/",
                                        "Europe",
                                        ".",
                                        "..",
                                        "zone.tab",
                                        "Europe/Par\nis",
                                        "europe/paris",
                                        "Europe/Paris ",
                                        "posix/../Europe/Paris"};
    struct zone_table *table = open_system_zones();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct zone *zone = NULL;
        struct phusa_error error = {0};
        cr_assert_eq(zone_find(table, names[i], strlen(names[i]), &zone, &error), PHUSA_ENOTFOUND,
                     "%s", names[i]);
        cr_assert_eq(error.status, PHUSA_ENOTFOUND);
        cr_assert_neq(strstr(error.text, "time zone"), NULL);
        cr_assert_eq(zone, NULL);
    }
    char *const longest = malloc(100000);
    memset(longest, 'a', 100000);
    const struct zone *zone = NULL;
    cr_assert_eq(zone_find(table, longest, 100000, &zone, NULL), PHUSA_ENOTFOUND);
    free(longest);
    zone_table_free(table);
}

Test(zone, a_zone_is_read_once)
{
    struct zone_table *table = open_system_zones();
    const struct zone *zone = find(table, "Asia/Ho_Chi_Minh");
    cr_assert_eq(find(table, "Asia/Ho_Chi_Minh"), zone);
    cr_assert_neq(find(table, "Europe/Paris"), zone);
    cr_assert_neq(zone_rules_crc(find(table, "Europe/Paris")), zone_rules_crc(zone));
    zone_table_free(table);
}

/* ---- damage and lack of memory ---------------------------------------- */

static const int64_t sample_times[] = {-1000000000, 0, 500000000, 1000000000};
static const int32_t sample_offsets[] = {3600, 7200, 3600, -36000, 37800};
#define SAMPLE_FOOTER "CET-1CEST,M3.5.0,M10.5.0/3"

static void try_bytes(const uint8_t *bytes, size_t size)
{
    struct zone *zone = NULL;
    const phusa_status status = zone_decode("Test", bytes, size, &zone);
    if (status != PHUSA_OK) {
        cr_assert(status == PHUSA_ECORRUPT || status == PHUSA_EUNSUPPORTED);
        cr_assert_eq(zone, NULL);
        return;
    }
    for (int64_t t = -8000000000; t < 9000000000; t += 777777777) {
        const struct zone_span span = zone_span_at(zone, t);
        cr_assert(span.start_s <= t && t < span.end_s);
        const int64_t utc_s = zone_local_to_utc(zone, t);
        cr_assert_geq(utc_s + zone_offset_at(zone, utc_s), t);
    }
    zone_free(zone);
}

Test(zone, damaged_files_are_refused_or_usable)
{
    struct random random = random_seeded();
    uint8_t bytes[TZIF_BYTES_MAX];
    const size_t size = tzif_write(bytes, sample_times, sample_offsets, 4, SAMPLE_FOOTER);
    for (size_t cut = 0; cut < size; cut++) {
        struct zone *zone = NULL;
        uint8_t *const exact = malloc(cut + 1); /* so that a sanitizer sees a read beyond */
        memcpy(exact, bytes, cut);
        cr_assert_eq(zone_decode("Test", exact, cut, &zone), PHUSA_ECORRUPT, "cut at %zu", cut);
        free(exact);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        try_bytes(bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (int i = 0; i < 20000; i++) {
        uint8_t copy[TZIF_BYTES_MAX];
        memcpy(copy, bytes, size);
        for (int k = 0; k < 4; k++)
            copy[random_u64(&random) % size] = (uint8_t)random_u64(&random);
        try_bytes(copy, size);
    }
}

Test(zone, footers_that_are_no_rules_are_damage)
{
    static const char *const footers[] = {"CE-1",
                                          "CET",
                                          "CET-25",
                                          "CET-1CEST",
                                          "CET-1CEST,",
                                          "CET-1CEST,M3.5.0",
                                          "CET-1CEST,M13.5.0,M10.5.0",
                                          "CET-1CEST,M3.6.0,M10.5.0",
                                          "CET-1CEST,M3.5.7,M10.5.0",
                                          "CET-1CEST,J0,J300",
                                          "CET-1CEST,J366,J300",
                                          "CET-1CEST,366,300",
                                          "CET-1CEST,M3.5.0/168,M10.5.0",
                                          "CET-1CEST,M3.5.0,M10.5.0/3x",
                                          "<CET-1",
                                          "<>-1",
                                          "CET-1:60",
                                          "CET-99999999999999999999"};
    for (size_t i = 0; i < sizeof footers / sizeof footers[0]; i++) {
        uint8_t bytes[TZIF_BYTES_MAX];
        struct zone *zone = NULL;
        const size_t size = tzif_write(bytes, sample_times, sample_offsets, 4, footers[i]);
        cr_assert_eq(zone_decode("Test", bytes, size, &zone), PHUSA_ECORRUPT, "%s", footers[i]);
    }
}

Test(zone, without_memory_nothing_is_kept)
{
    uint8_t bytes[TZIF_BYTES_MAX];
    const size_t size = tzif_write(bytes, sample_times, sample_offsets, 4, SAMPLE_FOOTER);
    for (uint64_t n = 1;; n++) {
        struct zone *zone = NULL;
        mem_fail_at(n);
        const phusa_status status = zone_decode("Test", bytes, size, &zone);
        mem_fail_at(0);
        if (status == PHUSA_OK) {
            zone_free(zone);
            cr_assert_gt(n, 4);
            return;
        }
        cr_assert_eq(status, PHUSA_ENOMEM);
        cr_assert_eq(zone, NULL);
    }
}
