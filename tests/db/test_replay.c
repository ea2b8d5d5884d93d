/*
 * test_replay.c - a store that ended without closing: what was acknowledged is there again, also
 * where the head was frozen in the middle of a batch, so that a part of a group of the log is in a
 * run already and the rest is not.
 */
#include "render.h"
#include "sandbox.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POINT_COUNT 20000

static struct phusa *open_small(const char *dir)
{
    struct phusa_options options;
    phusa_options_init(&options);
    options.background_off = true;
    options.head_bytes_max = 256 << 10;
    options.wal_segment_bytes = 64 << 10;
    struct phusa *db = NULL;
    struct phusa_error error = {0};
    cr_assert_eq(phusa_open(dir, &options, &db, &error), PHUSA_OK, "%s", error.text);
    return db;
}

/* One batch that fills the head several times over, and an end without a close. */
static void write_and_die(const char *dir)
{
    struct phusa *db = open_small(dir);
    char *lines = malloc(POINT_COUNT * 64);
    size_t size = 0;
    for (int i = 0; i < POINT_COUNT; i++)
        size += (size_t)sprintf(lines + size, "m,host=%d a=%di,b=%d.5 %d\n", i % 7, i, i, i);
    const bool written = phusa_create_database(db, "d", NULL) == PHUSA_OK &&
                         write_lines(db, "d", lines, NULL) == PHUSA_OK;
    _exit(written ? 0 : 1);
}

Test(replay, goes_on_in_the_middle_of_a_group)
{
    struct sandbox s;
    sandbox_make(&s);
    const char *dir = s.dir;
    const pid_t child = fork();
    if (child == 0) write_and_die(dir);
    int exit_status;
    cr_assert_eq(waitpid(child, &exit_status, 0), child);
    cr_assert_eq(exit_status, 0);
    for (int round = 0; round < 2; round++) {
        struct phusa *db = open_small(dir);
        char *answer =
            render_query(db, "d", "SELECT count(a), sum(a), sum(b) FROM m WHERE time >= 0");
        cr_expect_str_eq(answer,
                         "m time count sum sum_1\n1970-01-01T00:00:00Z 20000 199990000 200000000\n",
                         "%s", answer);
        free(answer);
        cr_assert_eq(phusa_close(db), PHUSA_OK);
    }
    sandbox_remove(&s);
}
