/*
 * test_wal_fault.c - every call to the disk and every allocation fails once, in turn. What was
 * acknowledged before and after is there in the end, and nothing else has changed.
 */
#include "harness.h"

#include "base/mem.h"
#include "wal/disk.h"

#include <errno.h>

static struct log_dir scratch;
static void setup(void)
{
    log_dir_make(&scratch);
}
static void teardown(void)
{
    log_dir_remove(&scratch);
}
TestSuite(wal_fault, .init = setup, .fini = teardown, .timeout = 120);

static const struct script script = {70, 6000};

struct run {
    uint64_t acknowledged; /* groups before this are synced */
    uint64_t released;     /* groups before this may be gone */
    unsigned refused;
};

/* Append and sync from group run->acknowledged on, now and then release. A refusal for want of room
 * or memory is tried again at once; any other ends it. */
static void work(struct run *run)
{
    struct wal *wal = NULL;
    struct replayed replayed;
    const struct wal_options options = small_options();
    if (open_log_at(&scratch, &options, lsn_before(run->released), &script, &replayed, &wal,
                    NULL) != PHUSA_OK)
        return;
    cr_assert(!replayed.wrong || run->released > 0);
    /* What had been appended but not acknowledged may be there as well, and then stays. A group
     * without points is not seen in the LSN: then the log already has it and gets it twice. */
    uint64_t group = run->acknowledged;
    while (lsn_before(group) < wal_next_lsn(wal))
        group++;
    run->acknowledged = group;
    while (group < script.group_count && lsn_before(group) == wal_next_lsn(wal)) {
        phusa_status status = append_group(wal, &script, group);
        if (status == PHUSA_ENOSPC || status == PHUSA_ENOMEM) {
            run->refused++;
            status = append_group(wal, &script, group);
        }
        if (status != PHUSA_OK || wal_sync(wal) != PHUSA_OK) {
            cr_assert_eq(append_group(wal, &script, group + (status == PHUSA_OK)), PHUSA_EFAILED);
            break;
        }
        run->acknowledged = ++group;
        if (group % 30 == 0) {
            run->released = group - 10;
            wal_release(wal, lsn_before(run->released));
        }
        if (group % 7 == 0 && wal_prepare(wal) == PHUSA_EFAILED) break;
    }
    wal_close(wal);
}

/* Everything acknowledged and not released is there. */
static void expect_all(const struct run *run, uint64_t n)
{
    struct wal *wal = NULL;
    struct replayed replayed;
    struct phusa_error error = {0};
    struct wal_options options = small_options();
    options.read_only = true;
    cr_assert_eq(open_log_at(&scratch, &options, lsn_before(run->released), &script, &replayed,
                             &wal, &error),
                 PHUSA_OK, "call %zu: %s", (size_t)n, error.text);
    cr_assert_geq(wal_next_lsn(wal), lsn_before(run->acknowledged), "call %zu", (size_t)n);
    cr_assert_leq(wal_next_lsn(wal), lsn_before(run->acknowledged + 1), "call %zu", (size_t)n);
    wal_close(wal);
}

static void fail_each_disk_call(int error_number)
{
    unsigned refused = 0;
    for (uint64_t n = 1;; n++) {
        struct run run = {0};
        disk_fail_at(n, error_number);
        work(&run);
        const uint64_t calls = disk_calls();
        disk_fail_at(0, 0);
        expect_all(&run, n);
        refused += run.refused;
        work(&run); /* reopened, the disk is well again */
        cr_assert_eq(run.acknowledged, script.group_count, "call %zu", (size_t)n);
        expect_all(&run, n);
        log_dir_remove(&scratch);
        log_dir_make(&scratch);
        if (calls < n) break;
    }
    if (error_number == ENOSPC) cr_assert_gt(refused, 10);
}

Test(wal_fault, nothing_acknowledged_is_lost_when_call_n_fails)
{
    fail_each_disk_call(EIO);
}

Test(wal_fault, nothing_acknowledged_is_lost_when_the_disk_is_full_at_call_n)
{
    fail_each_disk_call(ENOSPC);
}

Test(wal_fault, nothing_is_lost_or_leaked_when_allocation_n_fails)
{
    for (uint64_t n = 1;; n++) {
        struct run run = {0};
        mem_fail_at(n);
        work(&run);
        const uint64_t calls = mem_calls();
        mem_fail_at(0);
        work(&run);
        cr_assert_eq(run.acknowledged, script.group_count);
        expect_all(&run, n);
        log_dir_remove(&scratch);
        log_dir_make(&scratch);
        if (calls < n) break;
    }
}
