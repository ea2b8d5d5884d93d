/*
 * test_wal.c - the log as its users see it: what was appended comes back, segments come and go, a
 * full disk is no disaster, and a failed sync is final.
 */
#include "harness.h"

#include "wal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct log_dir scratch;
static void setup(void)
{
    log_dir_make(&scratch);
}
static void teardown(void)
{
    log_dir_remove(&scratch);
}
TestSuite(wal, .init = setup, .fini = teardown, .timeout = 60);

/* Open, expect exactly groups first .. end-1, and leave it open. */
static struct wal *expect_groups(const struct script *script, uint64_t from_lsn, uint64_t first,
                                 uint64_t end)
{
    struct wal *wal = NULL;
    struct replayed replayed;
    struct phusa_error error = {0};
    const struct wal_options options = small_options();
    cr_assert_eq(open_log_at(&scratch, &options, from_lsn, script, &replayed, &wal, &error),
                 PHUSA_OK, "%s", error.text);
    cr_assert(!replayed.wrong);
    cr_assert_eq(replayed.group_count, end - first);
    if (end > first) cr_assert_eq(replayed.first_group, first);
    return wal;
}

Test(wal, gives_back_what_was_appended_over_many_segments)
{
    const struct script script = {200, 3000};
    write_log(&scratch, &script);
    cr_assert(sandbox_exists(log_dir_segment(&scratch, 9)), "the test should span segments");
    wal_close(expect_groups(&script, 0, 0, 200));
}

Test(wal, goes_on_after_every_reopen)
{
    const struct script script = {60, 2500};
    uint64_t group = 0;
    while (group < script.group_count) {
        struct wal *wal = expect_groups(&script, 0, 0, group);
        cr_assert_eq(wal_next_lsn(wal), lsn_before(group));
        for (uint64_t n = group % 4; n > 0; n--, group++)
            cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
        group++;
        cr_assert_eq(wal_sync(wal), PHUSA_OK);
        wal_close(wal);
    }
    wal_close(expect_groups(&script, 0, 0, group));
}

Test(wal, opening_and_closing_creates_nothing)
{
    const struct script script = {5, 100};
    write_log(&scratch, &script);
    wal_close(expect_groups(&script, 0, 0, 5));
    const uint64_t hash = log_dir_hash(&scratch);
    wal_close(expect_groups(&script, 0, 0, 5));
    cr_assert_eq(log_dir_hash(&scratch), hash);
}

Test(wal, skips_groups_of_earlier_points_but_no_definitions)
{
    const struct script script = {40, 500};
    write_log(&scratch, &script);
    struct wal *wal;
    struct replayed replayed;
    const struct wal_options options = small_options();
    /* 20 defines, and its place is the first point of 21. */
    cr_assert_eq(open_log_at(&scratch, &options, lsn_before(20), &script, &replayed, &wal, NULL),
                 PHUSA_OK);
    wal_close(wal);
    /* 0, 5, 10, 15 define and 20 .. 39 are all wanted. */
    cr_assert_eq(replayed.group_count, 4 + 20);
}

Test(wal, a_group_larger_than_a_segment_gets_a_larger_one)
{
    const struct script script = {13, 60000}; /* group 5 has 540,000 bytes */
    write_log(&scratch, &script);
    struct wal *wal = expect_groups(&script, 0, 0, 13);
    wal_close(wal);
}

Test(wal, a_prepared_spare_that_is_too_small_is_grown)
{
    const struct script script = {13, 60000};
    struct wal *wal = expect_groups(&script, 0, 0, 0);
    for (uint64_t group = 0; group < 13; group++) {
        cr_assert_eq(wal_prepare(wal), PHUSA_OK);
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
    }
    cr_assert_eq(wal_sync(wal), PHUSA_OK);
    wal_close(wal);
    wal_close(expect_groups(&script, 0, 0, 13));
}

Test(wal, released_segments_are_recycled_under_new_numbers)
{
    const struct script script = {400, 5000};
    struct wal *wal = expect_groups(&script, 0, 0, 0);
    struct wal_stats stats;
    uint64_t files_max = 0;
    for (uint64_t group = 0; group < script.group_count; group++) {
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
        cr_assert_eq(wal_sync(wal), PHUSA_OK);
        if (group % 40 == 39) wal_release(wal, lsn_before(group - 3));
        wal_stats(wal, &stats);
        if (stats.segments + stats.spares > files_max) files_max = stats.segments + stats.spares;
    }
    cr_assert_leq(files_max, 9, "%zu files", (size_t)files_max);
    cr_assert(!sandbox_exists(log_dir_segment(&scratch, 1)));
    cr_assert_eq(stats.durable_lsn, lsn_before(400));
    wal_close(wal);

    wal = NULL;
    struct replayed replayed;
    const struct wal_options options = small_options();
    cr_assert_eq(open_log_at(&scratch, &options, lsn_before(396), &script, &replayed, &wal, NULL),
                 PHUSA_OK);
    cr_assert(replayed.group_count >= 4 && replayed.next_lsn == lsn_before(400));
    wal_close(wal);
}

Test(wal, the_last_segment_stays_and_keeps_the_place)
{
    const struct script script = {10, 100};
    write_log(&scratch, &script);
    struct wal *wal = expect_groups(&script, 0, 0, 10);
    wal_release(wal, lsn_before(10));
    wal_close(wal);
    wal = NULL;
    struct replayed replayed;
    const struct wal_options options = small_options();
    cr_assert_eq(open_log_at(&scratch, &options, 0, &script, &replayed, &wal, NULL), PHUSA_OK);
    cr_assert_eq(wal_next_lsn(wal), lsn_before(10));
    wal_close(wal);
}

Test(wal, a_segment_with_a_late_definition_is_kept_for_it)
{
    /* Group 5 defines and ends the first segment: at its place no point has come yet. */
    const struct script script = {7, 11000};
    struct wal *wal = expect_groups(&script, 0, 0, 0);
    for (uint64_t group = 0; group < 7; group++)
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
    cr_assert_eq(wal_sync(wal), PHUSA_OK);
    struct wal_stats before, after;
    wal_stats(wal, &before);
    wal_release(wal, lsn_before(5));
    wal_stats(wal, &after);
    wal_close(wal);
    struct replayed replayed;
    const struct wal_options options = small_options();
    cr_assert_eq(open_log_at(&scratch, &options, lsn_before(5), &script, &replayed, &wal, NULL),
                 PHUSA_OK);
    cr_assert(replayed.group_count >= 2);
    cr_assert_eq(replayed.next_lsn, lsn_before(7));
    cr_assert_leq(after.segments, before.segments);
    wal_close(wal);
}

Test(wal, read_only_changes_nothing_and_needs_no_directory)
{
    struct wal_options options = {.read_only = true};
    struct wal *wal;
    struct replayed replayed;
    const struct script script = {30, 4000};
    cr_assert_eq(open_log_at(&scratch, &options, 0, &script, &replayed, &wal, NULL), PHUSA_OK);
    cr_assert_eq(wal_next_lsn(wal), 1);
    wal_close(wal);
    cr_assert(!sandbox_exists(log_dir_segment(&scratch, 1)));

    write_log(&scratch, &script);
    const uint64_t hash = log_dir_hash(&scratch);
    cr_assert_eq(open_log_at(&scratch, &options, 0, &script, &replayed, &wal, NULL), PHUSA_OK);
    cr_assert(!replayed.wrong);
    cr_assert_eq(replayed.next_lsn, lsn_before(30));
    wal_close(wal);
    cr_assert_eq(log_dir_hash(&scratch), hash);
}

static phusa_status refuse_third(void *context, const struct wal_group *group)
{
    int *calls = context;
    return ++*calls == 3 ? PHUSA_ELIMIT : PHUSA_OK;
}
Test(wal, a_replay_that_the_caller_refuses_ends_with_his_status)
{
    const struct script script = {10, 100};
    write_log(&scratch, &script);
    int calls = 0;
    struct wal *wal;
    struct phusa_error error = {.status = 77};
    const struct wal_options options = small_options();
    cr_assert_eq(wal_open(scratch.dir, &options, 0, refuse_third, &calls, &wal, &error),
                 PHUSA_ELIMIT);
    cr_assert_eq(calls, 3);
    cr_assert_eq(error.status, 77);
}

/* ---- room and failures ---- */

Test(wal, without_room_nothing_changes_and_later_it_goes_on)
{
    const struct script script = {60, 3000};
    struct wal *wal = expect_groups(&script, 0, 0, 0);
    unsigned refused = 0;
    for (uint64_t group = 0; group < script.group_count; group++) {
        /* Every call that could make a segment finds the disk full at first. */
        for (uint64_t n = 1; n < 4; n++) {
            disk_fail_at(n, ENOSPC);
            struct wal_stats before, after;
            wal_stats(wal, &before);
            phusa_status status = wal_prepare(wal);
            wal_stats(wal, &after);
            disk_fail_at(0, 0);
            if (status == PHUSA_OK) break;
            refused++;
            cr_assert_eq(status, PHUSA_ENOSPC);
            cr_assert_eq(before.spares, after.spares);
        }
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
        cr_assert_eq(wal_sync(wal), PHUSA_OK);
    }
    cr_assert_gt(refused, 3);
    wal_close(wal);
    wal_close(expect_groups(&script, 0, 0, 60));
}

/* The same by a true limit of the system, in wal_append(): files may not grow over 32 KiB, so no
 * segment can be made. */
Test(wal, a_limit_of_the_system_is_a_lack_of_room)
{
    const struct script script = {3, 3000};
    struct wal *wal = expect_groups(&script, 0, 0, 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, small;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 32 << 10;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cr_assert_eq(append_group(wal, &script, 0), PHUSA_ENOSPC);
    cr_assert_eq(append_group(wal, &script, 0), PHUSA_ENOSPC);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (uint64_t group = 0; group < 3; group++)
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
    cr_assert_eq(wal_sync(wal), PHUSA_OK);
    wal_close(wal);
    wal_close(expect_groups(&script, 0, 0, 3));
}

Test(wal, after_a_failed_sync_it_refuses_until_reopened)
{
    const struct script script = {4, 100};
    struct wal *wal = expect_groups(&script, 0, 0, 0);
    cr_assert_eq(append_group(wal, &script, 0), PHUSA_OK);
    cr_assert_eq(wal_sync(wal), PHUSA_OK);
    cr_assert_eq(append_group(wal, &script, 1), PHUSA_OK);
    disk_fail_at(1, EIO);
    cr_assert_eq(wal_sync(wal), PHUSA_EIO);
    disk_fail_at(0, 0);
    cr_assert_eq(wal_sync(wal), PHUSA_EFAILED);
    cr_assert_eq(append_group(wal, &script, 2), PHUSA_EFAILED);
    cr_assert_eq(wal_prepare(wal), PHUSA_EFAILED);
    struct wal_stats stats;
    wal_stats(wal, &stats);
    cr_assert_eq(stats.durable_lsn, lsn_before(1), "what was not synced was called durable");
    wal_close(wal);
    /* Its group is in the page cache: it may come back, for nobody said it would not. */
    wal = expect_groups(&script, 0, 0, 2);
    cr_assert_eq(append_group(wal, &script, 2), PHUSA_OK);
    cr_assert_eq(wal_sync(wal), PHUSA_OK);
    wal_close(wal);
}
