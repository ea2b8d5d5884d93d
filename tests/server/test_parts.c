/*
 * test_parts.c - the small parts of the server: parameters, gzip, statements, settings, the log.
 */
#include "bounds.h"
#include "config.h"
#include "form.h"
#include "gzip.h"
#include "logger.h"
#include "precision.h"
#include "statements.h"
#include "workers.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct phusa_text text_of_str(const char *text)
{
    return (struct phusa_text){text, strlen(text)};
}

/* ---- parameters ---- */

Test(form, urlencoded_text_is_decoded)
{
    struct form form = {0};
    cr_assert(form_add_urlencoded(&form, text_of_str("q=a+b%20%2Bc%26&db=d&empty=&flag&&db=e&=x")));
    cr_assert_str_eq(form_get(&form, "q"), "a b +c&");
    cr_assert_str_eq(form_get(&form, "db"), "d"); /* the first */
    cr_assert_null(form_get(&form, "empty"));
    cr_assert_null(form_get(&form, "flag"));
    cr_assert_null(form_get(&form, "absent"));
    form_deinit(&form);
}

Test(form, malformed_text_is_refused)
{
    static const char *const bad[] = {"a=%", "a=%1", "a=%zz", "a=%00", "%g0=1", "a=b&c=%f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct form form = {0};
        cr_assert_not(form_add_urlencoded(&form, text_of_str(bad[i])), "%s", bad[i]);
        form_deinit(&form);
    }
    char many[400] = "";
    for (int i = 0; i < 40; i++)
        strcat(many, "a=b&");
    struct form form = {0};
    cr_assert_not(form_add_urlencoded(&form, text_of_str(many)));
    form_deinit(&form);
}

Test(form, multipart_bodies_are_read)
{
    struct form form = {0};
    const struct phusa_text type = text_of_str("multipart/form-data; boundary=\"b-1\"");
    cr_assert(form_add_multipart(
        &form, type,
        text_of_str("preamble\r\n--b-1\r\nContent-Type: text/plain\r\nContent-Disposition: "
                    "form-data; name=\"q\"\r\n\r\nSHOW\r\n--b\r\nDATABASES\r\n--b-1\r\n"
                    "content-disposition: form-data; name=db\r\n\r\n\r\n--b-1--\r\n")));
    cr_assert_str_eq(form_get(&form, "q"), "SHOW\r\n--b\r\nDATABASES");
    cr_assert_null(form_get(&form, "db")); /* empty */
    form_deinit(&form);
}

Test(form, damaged_multipart_bodies_are_refused)
{
    static const char *const bad[] = {
        "",
        "--b",
        "--b\r\n",
        "--b\r\nno headers\r\n--b--",
        "--bX\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nnever ended",
        "--b\r\nContent-Type: x\r\n\r\nno name\r\n--b--"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct form form = {0};
        cr_assert_not(form_add_multipart(&form, text_of_str("multipart/form-data; boundary=b"),
                                         text_of_str(bad[i])),
                      "%s", bad[i]);
        form_deinit(&form);
    }
    struct form form = {0};
    cr_assert_not(form_add_multipart(&form, text_of_str("multipart/form-data"), text_of_str("x")));
    form_deinit(&form);
}

/* ---- gzip ---- */

static char *zip(const char *bytes, size_t size_bytes, size_t *zipped_bytes)
{
    struct outbuf out = {0};
    struct gzip *gzip = gzip_create();
    gzip_put(gzip, bytes, size_bytes / 2, false, &out);
    gzip_put(gzip, bytes + size_bytes / 2, size_bytes - size_bytes / 2, true, &out);
    gzip_free(gzip);
    return outbuf_take(&out, zipped_bytes);
}

Test(gzip, what_is_zipped_unzips_at_any_pace)
{
    char text[5000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 17);
    size_t zipped_bytes;
    char *zipped = zip(text, sizeof text, &zipped_bytes);
    cr_assert_lt(zipped_bytes, sizeof text);
    for (size_t pace = 1; pace < 600; pace += 37) {
        struct gunzip *gunzip = gunzip_create();
        char out[6000];
        size_t made = 0;
        const char *error = NULL;
        for (size_t at = 0; at < zipped_bytes; at += pace) {
            struct phusa_text piece = {zipped + at,
                                       zipped_bytes - at < pace ? zipped_bytes - at : pace};
            size_t n;
            while ((n = gunzip_next(gunzip, &piece, out + made, 100, &error)) > 0)
                made += n;
            cr_assert_null(error);
            cr_assert_eq(piece.size_bytes, 0);
        }
        cr_assert(gunzip_whole(gunzip));
        cr_assert_eq(made, sizeof text);
        cr_assert_arr_eq(out, text, sizeof text);
        gunzip_free(gunzip);
    }
    free(zipped);
}

Test(gzip, members_may_follow_each_other_and_a_cut_one_is_noticed)
{
    size_t one_bytes;
    char *one = zip("hello", 5, &one_bytes);
    char *two = malloc(one_bytes * 2);
    memcpy(two, one, one_bytes);
    memcpy(two + one_bytes, one, one_bytes);
    struct gunzip *gunzip = gunzip_create();
    struct phusa_text piece = {two, one_bytes * 2};
    char out[20];
    const char *error;
    size_t made = 0, n;
    while ((n = gunzip_next(gunzip, &piece, out + made, 10, &error)) > 0)
        made += n;
    cr_assert_eq(made, 10);
    cr_assert(gunzip_whole(gunzip));
    gunzip_free(gunzip);

    gunzip = gunzip_create();
    piece = (struct phusa_text){two, one_bytes - 1};
    while (gunzip_next(gunzip, &piece, out, 10, &error) > 0)
        continue;
    cr_assert_null(error);
    cr_assert_not(gunzip_whole(gunzip));
    gunzip_free(gunzip);
    free(one);
    free(two);
}

Test(gzip, damage_is_an_error)
{
    size_t size;
    char *zipped = zip("hello hello hello hello", 23, &size);
    for (size_t i = 0; i < size * 8; i++) {
        zipped[i / 8] ^= (char)(1 << i % 8);
        struct gunzip *gunzip = gunzip_create();
        struct phusa_text piece = {zipped, size};
        char out[100];
        const char *error = NULL;
        size_t made = 0, n;
        while (made < 60 && (n = gunzip_next(gunzip, &piece, out + made, 100 - made, &error)) > 0 &&
               error == NULL)
            made += n;
        /* Flags and times of the header do not matter; everything else must be noticed. */
        const bool same = made == 23 && memcmp(out, "hello hello hello hello", 23) == 0;
        cr_assert(error != NULL || !gunzip_whole(gunzip) || same, "bit %zu", i);
        gunzip_free(gunzip);
        zipped[i / 8] ^= (char)(1 << i % 8);
    }
    free(zipped);
}

Test(gzip, a_bomb_is_defused_long_before_it_is_whole)
{
    const size_t size = 200u << 20;
    struct outbuf zipped = {0};
    struct gzip *gzip = gzip_create();
    char *zeros = calloc(1, 1 << 20);
    for (size_t i = 0; i < size >> 20; i++)
        gzip_put(gzip, zeros, 1 << 20, i + 1 == size >> 20, &zipped);
    struct gunzip *gunzip = gunzip_create();
    struct phusa_text piece = {zipped.bytes, zipped.size_bytes};
    const char *error = NULL;
    size_t made = 0;
    while (error == NULL && piece.size_bytes > 0)
        made += gunzip_next(gunzip, &piece, zeros, 64 << 10, &error);
    cr_assert_not_null(error);
    cr_assert(gunzip_too_large(gunzip));
    cr_assert_lt(made, 8u << 20);
    gunzip_free(gunzip);
    gzip_free(gzip);
    outbuf_deinit(&zipped);
    free(zeros);
}

/* ---- statements ---- */

Test(statements, requests_are_split_outside_quotes_and_comments)
{
    struct phusa_text text = text_of_str(
        ";; SELECT \"a;b\" FROM x WHERE y = 'it\\'s;' -- c;d\n ; /* e;f */ CREATE DATABASE d ;\n"
        "select 1 into z from w;");
    struct phusa_text statement;
    cr_assert(next_statement(&text, &statement));
    cr_assert_eq(strncmp(statement.bytes, "SELECT \"a;b\"", 12), 0);
    cr_assert_eq(statement.bytes[statement.size_bytes - 1], '\'');
    cr_assert_not(changes_something(statement));
    cr_assert(next_statement(&text, &statement));
    cr_assert_eq(statement.size_bytes, 17);
    cr_assert(changes_something(statement));
    cr_assert(next_statement(&text, &statement));
    cr_assert(changes_something(statement)); /* SELECT INTO */
    cr_assert_not(next_statement(&text, &statement));
}

Test(precision, words)
{
    cr_assert_eq(precision_parse("n"), 1);
    cr_assert_eq(precision_parse("us"), 1000);
    cr_assert_eq(precision_parse("h"), INT64_C(3600000000000));
    cr_assert_eq(precision_parse("d"), 0);
    cr_assert_eq(precision_parse(""), 0);
}

/* ---- settings ---- */

static enum config_outcome read_config(struct config *config, char *error, const char *a,
                                       const char *b, const char *c, const char *d)
{
    char *argv[] = {"phusad",
                    (char *)(uintptr_t)a,
                    (char *)(uintptr_t)b,
                    (char *)(uintptr_t)c,
                    (char *)(uintptr_t)d,
                    NULL};
    int argc = 1;
    while (argv[argc] != NULL)
        argc++;
    error[0] = '\0';
    return config_read(config, argc, argv, error, 800);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(config, the_command_line_wins_over_the_file_and_that_over_the_defaults)
{
    char path[] = "/tmp/phusa-config-XXXXXX";
    close(mkstemp(path));
    write_file(path, "data-dir: /from/file\nhttp-bind: '[::1]:1234'\nquery-threads: 3\n");
    struct config config;
    char error[800];
    cr_assert_eq(read_config(&config, error, "--config", path, "--query-threads=5", NULL),
                 CONFIG_RUN, "%s", error);
    cr_assert_str_eq(config.data_dir, "/from/file");
    cr_assert_str_eq(config.http_bind.host, "::1");
    cr_assert_eq(config.http_bind.port, 1234);
    cr_assert(address_is_loopback(&config.http_bind));
    cr_assert_eq(config.query_threads, 5);
    cr_assert_eq(config.tcp_bind.port, 9009);
    config_deinit(&config);
    unlink(path);
}

Test(config, errors_of_a_file_name_the_line)
{
    char path[] = "/tmp/phusa-config-XXXXXX";
    close(mkstemp(path));
    struct config config;
    char error[800];
    write_file(path, "data-dir: /x\nloop-threads: many\n");
    cr_assert_eq(read_config(&config, error, "--config", path, NULL, NULL), CONFIG_BAD);
    cr_assert_not_null(strstr(error, path));
    cr_assert_not_null(strstr(error, "line: 2"), "%s", error);
    config_deinit(&config);
    write_file(path, "data-dir: /x\n\nno-such-thing: 1\n");
    cr_assert_eq(read_config(&config, error, "--config", path, NULL, NULL), CONFIG_BAD);
    cr_assert_not_null(strstr(error, ":3: 'no-such-thing' is not a setting"), "%s", error);
    config_deinit(&config);
    write_file(path, "data-dir: /x\nhttp-bind: nowhere\n");
    cr_assert_eq(read_config(&config, error, "--config", path, NULL, NULL), CONFIG_BAD);
    cr_assert_not_null(strstr(error, ":2: http-bind: 'nowhere' is not HOST:PORT"), "%s", error);
    config_deinit(&config);
    cr_assert_eq(read_config(&config, error, "--config", "/no/such", NULL, NULL), CONFIG_BAD);
    config_deinit(&config);
    unlink(path);
}

Test(config, wrong_options_are_explained)
{
    struct config config;
    char error[800];
    static const char *const bad[][2] = {
        {"--http-bind", "8086"},  {"--http-bind", "1.2.3.4:99999"},
        {"--tcp-bind", "[::1:9"}, {"--loop-threads", "0"},
        {"--loop-threads", "-1"}, {"--log-level", "loud"},
        {"--no-such", "x"},       {"--data-dir", NULL},
        {"stray", NULL},          {"--http-bind", ":80"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(read_config(&config, error, bad[i][0], bad[i][1], NULL, NULL), CONFIG_BAD,
                     "%s %s", bad[i][0], bad[i][1]);
        cr_assert_gt(strlen(error), 10);
        config_deinit(&config);
    }
    cr_assert_eq(read_config(&config, error, NULL, NULL, NULL, NULL), CONFIG_BAD);
    cr_assert_not_null(strstr(error, "--data-dir"));
    config_deinit(&config);
    cr_assert_eq(read_config(&config, error, "--help", NULL, NULL, NULL), CONFIG_HELP);
    config_deinit(&config);
    cr_assert_eq(read_config(&config, error, "--data-dir", "x", "--tcp-bind", "off"), CONFIG_RUN);
    cr_assert(config.tcp_bind.off);
    config_deinit(&config);
}

/* ---- the log ---- */

static size_t count_lines(const char *path, const char *needle)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    char line[2000];
    size_t count = 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strstr(line, needle) != NULL) count++;
    fclose(file);
    return count;
}

Test(logger, repeated_lines_are_bounded_and_levels_respected)
{
    char path[] = "/tmp/phusa-log-XXXXXX";
    close(mkstemp(path));
    struct logger *logger = logger_open(path, PHUSA_LOG_INFO);
    cr_assert_not_null(logger);
    for (int i = 0; i < 1000; i++)
        logger_write(logger, PHUSA_LOG_WARN, "flood", "i=%d", i);
    logger_write(logger, PHUSA_LOG_WARN, "other", "x=1");
    logger_write(logger, PHUSA_LOG_DEBUG, "debug", "x=1");
    /* A minute may begin between the lines: then there are twice as many, and a summary. */
    cr_assert_leq(count_lines(path, "event=flood"), 2 * LOG_PER_MINUTE_MAX + 1);
    cr_assert_geq(count_lines(path, "event=flood"), LOG_PER_MINUTE_MAX);
    cr_assert_eq(count_lines(path, "level=warn event=other x=1"), 1);
    cr_assert_eq(count_lines(path, "event=debug"), 0);
    logger_close(logger);
    unlink(path);
}

Test(logger, reopening_follows_a_moved_file)
{
    char path[] = "/tmp/phusa-log-XXXXXX", moved[64];
    close(mkstemp(path));
    snprintf(moved, sizeof moved, "%s.1", path);
    struct logger *logger = logger_open(path, PHUSA_LOG_INFO);
    logger_write(logger, PHUSA_LOG_INFO, "before", "x=1");
    cr_assert_eq(rename(path, moved), 0);
    cr_assert(logger_reopen(logger));
    logger_write(logger, PHUSA_LOG_INFO, "after", "x=1");
    cr_assert_eq(count_lines(moved, "event=before"), 1);
    cr_assert_eq(count_lines(path, "event=after"), 1);
    logger_close(logger);
    unlink(path);
    unlink(moved);
}

Test(logger, text_from_outside_cannot_forge_lines)
{
    char out[LOGGER_QUOTED_BYTES];
    cr_assert_str_eq(logger_quote(out, text_of_str("a\"b\nlevel=error \x1b[31m\\")),
                     "\"a\\\"b\\x0alevel=error \\x1b[31m\\\\\"");
    char huge[1000];
    memset(huge, '\n', sizeof huge);
    cr_assert_lt(strlen(logger_quote(out, (struct phusa_text){huge, sizeof huge})),
                 LOGGER_QUOTED_BYTES);
}

/* ---- workers ---- */

static _Atomic int worked;
static void do_work(struct work *work)
{
    atomic_fetch_add(&worked, 1);
    free(work);
}

Test(workers, run_all_that_was_taken_before_they_end)
{
    struct workers *workers = workers_create(3);
    int taken = 0;
    for (int i = 0; i < 1000; i++) {
        struct work *work = malloc(sizeof *work);
        work->run = do_work;
        if (workers_submit(workers, work))
            taken++;
        else
            free(work);
    }
    workers_free(workers);
    cr_assert_geq(taken, (int)WORK_QUEUE_MAX);
    cr_assert_eq(atomic_load(&worked), taken);
}
