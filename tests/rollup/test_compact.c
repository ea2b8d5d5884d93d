/*
 * test_compact.c - guards compact.h: flushes, merges and seals change where rows are, never
 * what they say; and whatever fails leaves everything as it was.
 */
#include "base/mem.h"
#include "calendar/partition.h"
#include "compact_support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define WIDTH ((struct phusa_interval){0, 50 * HOUR_NS})

/* Rows of one head: some series at the front of time, some anywhere, some twice. */
static void random_rows(struct world *w, struct head *head, unsigned *front)
{
    const unsigned style = (unsigned)(random_u64(&w->r) % 4);
    const unsigned count = 1 + (unsigned)(random_u64(&w->r) % (style == 0 ? 1200 : 300));
    for (unsigned i = 0; i < count; i++) {
        const unsigned series = (unsigned)(random_u64(&w->r) % SERIES);
        unsigned slot = (unsigned)(random_u64(&w->r) % SLOTS);
        if (style <= 1) slot = (*front + i) % SLOTS;
        if (style == 2) slot = *front / 2 + slot % 200;
        if (style == 0) {
            for (unsigned s = 0; s < SERIES; s++)
                add_row(w, head, s, slot);
        } else {
            add_row(w, head, series, slot % SLOTS);
        }
    }
    if (style <= 1) *front = (*front + count) % SLOTS;
}

Test(compact, jobs_in_any_order_change_no_answer)
{
    struct world w;
    world_make(&w, 0, WIDTH);
    w.r = random_seeded();
    w.base_ns = -100 * HOUR_NS;
    unsigned front = 0;
    unsigned jobs = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct head *head = new_head(&w);
        if (round % 17 != 16) random_rows(&w, head, &front);
        flush_head(&w, head);
        w.integer_is_float = round >= 30;
        w.now_ns = w.base_ns + (int64_t)(random_u64(&w.r) % SLOTS) * SLOT_NS;
        if (random_u64(&w.r) % 3 == 0) w.now_ns += 100000 * HOUR_NS;
        if (random_u64(&w.r) % 2 == 0) jobs += compact_all(&w, random_u64(&w.r) % 12 == 0);
        if (round % 4 == 0) expect_cells(&w);
        if (round == 40) {
            catalog_close(w.catalog, false);
            cr_assert_eq(catalog_open(w.s.dir, false, 3, NULL, &w.catalog, NULL), PHUSA_OK);
        }
    }
    cr_assert_gt(jobs, 5);
    expect_cells(&w);
    compact_all(&w, true);
    expect_cells(&w);
    size_t parts;
    size_t runs;
    count_files(&w, &parts, &runs);
    cr_assert_eq(runs, 0);
    cr_assert_eq(compact_all(&w, true), 0);
    world_end(&w);
}

Test(compact, runs_of_a_tier_are_merged_at_eight)
{
    struct world w;
    world_make(&w, 1, WIDTH);
    w.now_ns = 0; /* every partition is open */
    size_t parts;
    size_t runs;
    for (unsigned round = 0; round < 7; round++) {
        struct head *head = new_head(&w);
        for (unsigned i = 0; i < 20; i++)
            add_row(&w, head, i % SERIES, round * 10 + i);
        flush_head(&w, head);
        cr_assert_eq(compact_all(&w, false), 0);
    }
    struct head *head = new_head(&w);
    add_row(&w, head, 0, 7);
    flush_head(&w, head);
    cr_assert_eq(compact_all(&w, false), 1);
    count_files(&w, &parts, &runs);
    cr_assert_eq(runs, 1);
    cr_assert_eq(parts, 0);
    expect_cells(&w);
    world_end(&w);
}

Test(compact, a_partition_is_sealed_when_its_time_and_the_grace_have_passed)
{
    struct world w;
    world_make(&w, 1, WIDTH);
    struct head *head = new_head(&w);
    for (unsigned slot = 0; slot < 5000; slot++) /* partitions 0 and 1, 3000 slots each */
        add_row(&w, head, slot % SERIES, slot);
    w.now_ns = 40 * HOUR_NS;
    flush_head(&w, head);
    size_t parts;
    size_t runs;
    w.now_ns = 51 * HOUR_NS - 1;
    cr_assert_eq(compact_all(&w, false), 0);
    w.now_ns = 51 * HOUR_NS;
    cr_assert_eq(compact_all(&w, false), 1);
    count_files(&w, &parts, &runs);
    cr_assert(parts == 1 && runs == 1, "%zu parts, %zu runs", parts, runs);
    expect_cells(&w);

    /* A few late rows stay in their run, many are sealed again. */
    head = new_head(&w);
    add_row(&w, head, 0, 17);
    flush_head(&w, head);
    w.now_ns = 60 * HOUR_NS;
    cr_assert_eq(compact_all(&w, false), 0);
    expect_cells(&w);
    head = new_head(&w);
    for (unsigned slot = 0; slot < 2000; slot++)
        add_row(&w, head, slot % SERIES, slot);
    flush_head(&w, head);
    /* ... when they have been here for the grace: an import may be under way */
    cr_assert_eq(compact_all(&w, false), 0);
    w.now_ns = 61 * HOUR_NS;
    cr_assert_eq(compact_all(&w, false), 1);
    count_files(&w, &parts, &runs);
    cr_assert(parts == 1 && runs == 1, "%zu parts, %zu runs", parts, runs);
    expect_cells(&w);

    w.now_ns = 200 * HOUR_NS;
    cr_assert_eq(compact_all(&w, false), 1);
    count_files(&w, &parts, &runs);
    cr_assert(parts == 1 && runs == 0, "%zu parts, %zu runs", parts, runs);
    expect_cells(&w);
    world_end(&w);
}

/* The design's case: many years of small partitions fit in few files. */
Test(compact, small_neighbours_share_a_part_up_to_ten_years)
{
    struct world w;
    world_make(&w, 1, (struct phusa_interval){1, 0});
    w.base_ns = INT64_C(-20) * 8766 * HOUR_NS;
    struct head *head = new_head(&w);
    /* SLOT_NS is too fine for years: spread by the row's own time */
    for (unsigned month = 0; month < 780; month++) {
        const struct points_field field = {0, PHUSA_FLOAT};
        const struct points_shape shape = {&field, 1};
        const union points_value value = {.f = (double)month};
        const uint8_t decimals = 0;
        const struct phusa_text text = {"", 0};
        for (unsigned s = 0; s < SERIES; s++) {
            const struct points_row row = {.series = SERIES_OF(s),
                                           .lsn = w.lsn++,
                                           .time_ns = w.base_ns + month * (8766 * HOUR_NS / 12),
                                           .fields = &shape,
                                           .values = &value,
                                           .decimals = &decimals,
                                           .texts = &text};
            cr_assert_eq(head_append(head, w.policy.id, &row), PHUSA_OK);
        }
    }
    flush_head(&w, head);
    w.now_ns = w.base_ns + 900 * (8766 * HOUR_NS / 12);
    cr_assert_eq(compact_all(&w, false), 1);
    size_t parts;
    size_t runs;
    count_files(&w, &parts, &runs);
    cr_assert(parts == 7 && runs == 0, "%zu parts, %zu runs", parts, runs);
    world_end(&w);
}

/* ---- a full chunk is passed on ---- */

static unsigned collect_chunks(struct world *w, struct buffer *bytes, size_t *ends)
{
    struct file_set *set = catalog_files(w->catalog, w->policy.id);
    unsigned count = 0;
    for (size_t i = 0; i < set->file_count; i++) {
        struct file_cursor *cursor;
        struct stored_chunk chunk;
        bool found = true;
        cr_assert_eq(file_cursor_open(set->files[i], &cursor), PHUSA_OK);
        cr_assert_eq(file_cursor_all(cursor), PHUSA_OK);
        while (file_cursor_next(cursor, &chunk, &found) == PHUSA_OK && found) {
            buffer_put(bytes, chunk.bytes, chunk.size_bytes);
            ends[count++] = bytes->size_bytes;
        }
        file_cursor_close(cursor);
    }
    file_set_release(set);
    return count;
}

Test(compact, full_chunks_are_copied_and_small_ones_joined)
{
    struct world w;
    world_make(&w, 1, (struct phusa_interval){120, 0});
    for (unsigned run = 0; run < 2; run++) {
        struct head *head = new_head(&w);
        for (unsigned slot = 0; slot < CHUNK_ROWS_MAX; slot++)
            add_row(&w, head, 0, run * CHUNK_ROWS_MAX + slot);
        for (unsigned slot = 0; slot < 100; slot++)
            add_row(&w, head, 1, run * 100 + slot);
        flush_head(&w, head);
    }
    struct buffer before;
    struct buffer after;
    buffer_init(&before);
    buffer_init(&after);
    size_t before_ends[8];
    size_t after_ends[8];
    cr_assert_eq(collect_chunks(&w, &before, before_ends), 4);
    cr_assert_eq(compact_all(&w, true), 1);
    cr_assert_eq(collect_chunks(&w, &after, after_ends), 3);
    /* before: full, small, full, small; after: full, full, joined */
    const size_t first = before_ends[0];
    const size_t second = before_ends[2] - before_ends[1];
    cr_assert_eq(after_ends[1], first + second);
    cr_assert_eq(memcmp(after.bytes, before.bytes, first), 0);
    cr_assert_eq(memcmp(after.bytes + first, before.bytes + before_ends[1], second), 0);
    expect_cells(&w);
    buffer_deinit(&before);
    buffer_deinit(&after);
    world_end(&w);
}

/* ---- faults ---- */

static unsigned count_dir(const struct world *w)
{
    char path[400];
    snprintf(path, sizeof path, "%s/data/%u", w->s.dir, w->policy.id);
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    unsigned count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void three_runs(struct world *w)
{
    for (unsigned round = 0; round < 3; round++) {
        struct head *head = new_head(w);
        for (unsigned i = 0; i < 90; i++)
            add_row(w, head, i % SERIES, round * 100 + i * 10);
        flush_head(w, head);
    }
}

static bool after_a_while(void *context)
{
    return --*(int *)context < 0;
}

Test(compact, a_cancelled_job_leaves_everything_as_it_was)
{
    struct world w;
    world_make(&w, 1, WIDTH);
    three_runs(&w);
    const unsigned files = count_dir(&w);
    for (int patience = 0; patience < 7; patience++) {
        int left = patience;
        struct compact_options options = options_of(&w, true);
        options.cancel = after_a_while;
        options.context = &left;
        enum compact_job job = COMPACT_NOTHING;
        const phusa_status status =
            compact_step(w.catalog, w.s.dir, &w.policy, &options, &job, NULL);
        cr_assert_eq(status, PHUSA_ECANCELLED, "after %d", patience);
        cr_assert_eq(job, COMPACT_NOTHING);
        cr_assert_eq(count_dir(&w), files);
    }
    expect_cells(&w);
    struct head *head = new_head(&w);
    add_row(&w, head, 0, 0);
    struct file_info info;
    int none = 0;
    cr_assert_eq(compact_flush(w.catalog, w.s.dir, head, &w.policy, after_a_while, &none, &info),
                 PHUSA_ECANCELLED);
    cr_assert_eq(count_dir(&w), files);
    head_unref(head);
    world_end(&w);
}

Test(compact, survives_a_lack_of_memory_at_every_allocation)
{
    struct world w;
    world_make(&w, 1, WIDTH);
    three_runs(&w);
    unsigned files = count_dir(&w);
    struct head *head = new_head(&w);
    for (unsigned i = 0; i < 90; i++)
        add_row(&w, head, i % SERIES, 50 + i * 10);
    struct file_info info;
    for (uint64_t n = 1;; n++) {
        mem_fail_at(n);
        const phusa_status status =
            compact_flush(w.catalog, w.s.dir, head, &w.policy, NULL, NULL, &info);
        const bool failed = mem_calls() >= n;
        mem_fail_at(0);
        if (status == PHUSA_OK) break;
        cr_assert(failed && status == PHUSA_ENOMEM, "allocation %llu: %d", (unsigned long long)n,
                  status);
        cr_assert_eq(count_dir(&w), files);
    }
    const struct catalog_change change = {.added = &info, .added_count = 1};
    cr_assert_eq(catalog_commit(w.catalog, &change, NULL), PHUSA_OK);
    head_unref(head);
    files++;
    const struct compact_options options = options_of(&w, true);
    for (uint64_t n = 1;; n++) {
        enum compact_job job;
        mem_fail_at(n);
        const phusa_status status =
            compact_step(w.catalog, w.s.dir, &w.policy, &options, &job, NULL);
        const bool failed = mem_calls() >= n;
        mem_fail_at(0);
        if (status == PHUSA_OK) break;
        cr_assert(failed && status == PHUSA_ENOMEM, "allocation %llu: %d", (unsigned long long)n,
                  status);
        cr_assert_eq(count_dir(&w), files);
    }
    expect_cells(&w);
    world_end(&w);
}

Test(compact, a_full_disk_is_said_and_changes_nothing)
{
    struct world w;
    struct sandbox mounted;
    sandbox_make(&mounted);
    if (mount("tmpfs", mounted.dir, "tmpfs", 0, "size=6m") != 0) {
        fprintf(stderr, "not root: skipped\n");
        sandbox_remove(&mounted);
        return;
    }
    world_make(&w, 1, WIDTH);
    catalog_close(w.catalog, true);
    const struct sandbox plain = w.s;
    w.s = mounted;
    cr_assert_eq(catalog_open(w.s.dir, false, 16, NULL, &w.catalog, NULL), PHUSA_OK);
    struct database_info database;
    const struct policy_info policy = {.name = "p", .shard = WIDTH};
    cr_assert_eq(catalog_create_database(w.catalog, "d", "UTC", &policy, &database, NULL),
                 PHUSA_OK);
    three_runs(&w);
    const int fd = open(sandbox_path(&w.s, "ballast"), O_WRONLY | O_CREAT, 0600);
    static const uint8_t zeros[4096];
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;
    const unsigned files = count_dir(&w);
    const struct compact_options options = options_of(&w, true);
    enum compact_job job;
    cr_assert_eq(compact_step(w.catalog, w.s.dir, &w.policy, &options, &job, NULL), PHUSA_ENOSPC);
    cr_assert_eq(count_dir(&w), files);
    expect_cells(&w);
    cr_assert_eq(ftruncate(fd, 0), 0);
    close(fd);
    cr_assert_eq(compact_all(&w, true), 1);
    expect_cells(&w);
    free(w.cells);
    catalog_close(w.catalog, true);
    umount(mounted.dir);
    sandbox_remove(&mounted);
    w.s = plain;
    sandbox_remove(&w.s);
}

/* A policy that goes while a job runs is no failure of the store. */
static bool drop_it(void *context)
{
    struct world *w = context;
    struct policy_info info;
    if (catalog_get_policy(w->catalog, w->policy.id, &info))
        cr_assert_eq(catalog_drop_policy(w->catalog, w->policy.id, NULL), PHUSA_OK);
    return false;
}

Test(compact, a_policy_dropped_under_a_job_leaves_no_file)
{
    struct world w;
    world_make(&w, 1, WIDTH);
    three_runs(&w);
    struct compact_options options = options_of(&w, true);
    options.cancel = drop_it;
    options.context = &w;
    enum compact_job job;
    cr_assert_eq(compact_step(w.catalog, w.s.dir, &w.policy, &options, &job, NULL), PHUSA_OK);
    cr_assert_eq(count_dir(&w), 2); /* . and .. */
    cr_assert_eq(compact_step(w.catalog, w.s.dir, &w.policy, &options, &job, NULL),
                 PHUSA_ENOTFOUND);
    world_end(&w);
}
