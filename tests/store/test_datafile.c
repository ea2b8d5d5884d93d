/*
 * test_datafile.c - guards datafile.h: what a writer took, cursors give back, in order, for
 * every series and range, at little cost in space; damage is an answer.
 */
#include "base/mem.h"
#include "calendar/partition.h"
#include "files_support.h"
#include "store/bundle.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One file in a catalogue, pinned. */
struct fixture {
    struct sandbox s;
    struct catalog *catalog;
    struct file_set *set;
    struct file_info info;
};

static void setup(struct fixture *f, const struct chunk_list *list)
{
    sandbox_make(&f->s);
    f->catalog = catalog_of(&f->s, false);
    const uint32_t policy = make_policy(f->catalog, "d");
    cr_assert_eq(
        list_write(list, f->s.dir, policy, catalog_next_file_number(f->catalog), false, &f->info),
        PHUSA_OK);
    cr_assert_eq(add_file(f->catalog, &f->info), PHUSA_OK);
    f->set = catalog_files(f->catalog, policy);
    cr_assert_eq(f->set->file_count, 1);
}

static void teardown(struct fixture *f)
{
    file_set_release(f->set);
    catalog_close(f->catalog, true);
    sandbox_remove(&f->s);
}

static void expect_same(const struct stored_chunk *a, const struct stored_chunk *b)
{
    cr_assert_eq(a->partition, b->partition);
    cr_assert_eq(a->series, b->series);
    cr_assert_eq(a->time_min_ns, b->time_min_ns);
    cr_assert_eq(a->time_max_ns, b->time_max_ns);
    cr_assert_eq(a->lsn_min, b->lsn_min);
    cr_assert_eq(a->lsn_max, b->lsn_max);
    cr_assert_eq(a->row_count, b->row_count);
    cr_assert_eq(a->value_count, b->value_count);
    cr_assert_eq(a->size_bytes, b->size_bytes);
    cr_assert(is_chunk(a));
}

static void expect_all(struct file_cursor *cursor, const struct chunk_list *list)
{
    struct stored_chunk chunk;
    bool found;
    cr_assert_eq(file_cursor_all(cursor), PHUSA_OK);
    for (size_t i = 0; i < list->count; i++) {
        cr_assert_eq(file_cursor_next(cursor, &chunk, &found), PHUSA_OK);
        cr_assert(found, "%zu of %zu", i, list->count);
        expect_same(&chunk, &list->chunks[i]);
    }
    cr_assert_eq(file_cursor_next(cursor, &chunk, &found), PHUSA_OK);
    cr_assert_not(found);
}

/* What a seek must give, by looking at every chunk. */
static void expect_range(struct file_cursor *cursor, const struct chunk_list *list, uint64_t series,
                         int64_t start_ns, int64_t end_ns)
{
    struct stored_chunk chunk;
    bool found;
    cr_assert_eq(file_cursor_seek(cursor, series, WIDTH, start_ns, end_ns), PHUSA_OK);
    for (size_t i = 0; i < list->count; i++) {
        const struct stored_chunk *c = &list->chunks[i];
        if (c->series != series || c->time_max_ns < start_ns || c->time_min_ns >= end_ns) continue;
        cr_assert_eq(file_cursor_next(cursor, &chunk, &found), PHUSA_OK);
        cr_assert(found);
        expect_same(&chunk, c);
    }
    cr_assert_eq(file_cursor_next(cursor, &chunk, &found), PHUSA_OK);
    cr_assert_not(found);
}

static void try_shape(struct random *r, unsigned partitions, unsigned series, unsigned chunks,
                      size_t size_bytes_max)
{
    struct chunk_list list = {0};
    list_random(&list, r, -1, partitions, series, chunks, size_bytes_max, 1000);
    if (list.count == 0) return;
    struct fixture f;
    setup(&f, &list);
    struct file_cursor *cursor;
    cr_assert_eq(file_cursor_open(f.set->files[0], &cursor), PHUSA_OK);
    expect_all(cursor, &list);
    const int64_t span = (int64_t)partitions * 100 * HOUR_NS;
    for (unsigned round = 0; round < 30; round++) {
        int64_t start = -100 * HOUR_NS + (int64_t)(random_u64(r) % (uint64_t)span);
        int64_t end = start + (int64_t)(random_u64(r) % (uint64_t)span);
        if (round % 5 == 0) {
            start = INT64_MIN;
            end = INT64_MAX;
        }
        /* ascending with gaps, as queries do; some at random, some twice */
        uint64_t id = (UINT64_C(1) << 32) - 1;
        for (unsigned k = 0; k < series * 2; k++) {
            id += random_u64(r) % 3;
            if (random_u64(r) % 20 == 0) id = (UINT64_C(1) << 32) + random_u64(r) % (series * 3);
            expect_range(cursor, &list, id, start, end);
        }
        if (round % 10 == 9) expect_all(cursor, &list);
    }
    file_cursor_close(cursor);
    teardown(&f);
    list_free(&list);
}

Test(datafile, gives_back_what_was_added_for_every_series_and_range)
{
    struct random r = random_seeded();
    for (unsigned round = 0; round < 2; round++) {
        try_shape(&r, 1, 1, 1, 50);
        try_shape(&r, 1, 200, 2, 100);
        try_shape(&r, 12, 10, 2, 300);
        try_shape(&r, 3, 20, 20, 40000);
        try_shape(&r, 40, 3, 1, 3000);
        try_shape(&r, 2, 1000, 1, 120);
    }
}

Test(datafile, refuses_chunks_out_of_order_or_overlapping)
{
    struct sandbox s;
    sandbox_make(&s);
    const struct stored_chunk first = {.partition = 0,
                                       .series = 5,
                                       .bytes = (const uint8_t *)"x",
                                       .size_bytes = 1,
                                       .time_min_ns = 100,
                                       .time_max_ns = 200,
                                       .row_count = 2,
                                       .value_count = 2};
    static const struct {
        int32_t partition;
        uint64_t series;
        int64_t time_ns;
        phusa_status status;
    } next[] = {
        {0, 5, 201, PHUSA_OK},      {0, 6, 0, PHUSA_OK},       {1, 1, 0, PHUSA_OK},
        {0, 5, 100, PHUSA_EINVAL},  {0, 5, 200, PHUSA_EINVAL}, {0, 4, 300, PHUSA_EINVAL},
        {-1, 9, 300, PHUSA_EINVAL},
    };
    for (size_t i = 0; i < sizeof next / sizeof *next; i++) {
        struct file_writer *w;
        cr_assert_eq(file_writer_create(s.dir, 1, i + 1, false, &w, NULL), PHUSA_OK);
        cr_assert_eq(file_writer_add(w, &first), PHUSA_OK);
        struct stored_chunk chunk = first;
        chunk.partition = next[i].partition;
        chunk.series = next[i].series;
        chunk.time_min_ns = next[i].time_ns;
        chunk.time_max_ns = next[i].time_ns + 100;
        cr_assert_eq(file_writer_add(w, &chunk), next[i].status, "case %zu", i);
        file_writer_abort(w);
    }
    sandbox_remove(&s);
}

Test(datafile, an_empty_or_aborted_file_leaves_nothing)
{
    struct sandbox s;
    sandbox_make(&s);
    struct file_writer *w;
    struct file_info info;
    cr_assert_eq(file_writer_create(s.dir, 3, 7, true, &w, NULL), PHUSA_OK);
    cr_assert(sandbox_exists(sandbox_path(&s, "data/3/000007.part.mdb")));
    cr_assert_eq(file_writer_finish(w, &info), PHUSA_EINVAL);
    cr_assert_not(sandbox_exists(sandbox_path(&s, "data/3/000007.part.mdb")));
    cr_assert_eq(file_writer_create(s.dir, 3, 7, false, &w, NULL), PHUSA_OK);
    file_writer_abort(w);
    cr_assert_not(sandbox_exists(sandbox_path(&s, "data/3/000007.run.mdb")));
    sandbox_remove(&s);
}

/* Design: under 1 % for chunks of 30 KB; and no waste worth the name for small ones. */
Test(datafile, costs_little_beside_the_chunks)
{
    static const struct {
        unsigned series, chunks;
        size_t size_bytes_max;
        double ratio_max;
    } cases[] = {{1000, 1, 60000, 1.01}, {20000, 1, 300, 1.2}, {300, 1, 300000, 1.01}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct random r = random_from(i);
        struct chunk_list list = {0};
        list_random(&list, &r, 0, 1, cases[i].series, cases[i].chunks, cases[i].size_bytes_max, 1);
        struct sandbox s;
        sandbox_make(&s);
        struct file_info info;
        cr_assert_eq(list_write(&list, s.dir, 1, 1, false, &info), PHUSA_OK);
        size_t payload = 0;
        for (size_t k = 0; k < list.count; k++)
            payload += list.chunks[k].size_bytes;
        const double ratio = (double)info.size_bytes / (double)payload;
        fprintf(stderr, "%zu chunks of %zu bytes: %.4f\n", list.count, payload / list.count, ratio);
        cr_assert_lt(ratio, cases[i].ratio_max);
        struct stat st;
        cr_assert_eq(stat(sandbox_path(&s, "data/1/000001.run.mdb"), &st), 0);
        cr_assert_eq((uint64_t)st.st_size, info.size_bytes);
        cr_assert_leq((uint64_t)st.st_blocks * 512, info.size_bytes + 65536);
        sandbox_remove(&s);
        list_free(&list);
    }
}

/* ---- damage ---- */

/* Everything a reader does with a file, in a child. 0: refused. 1: all chunks were there; where a
 * chunk's bytes differ, its own checksum tells (is_chunk() plays that part). 2: wrong. */
struct attempt {
    const char *dir;
    const char *path;
    uint32_t policy;
    const struct chunk_list *list;
    const uint8_t *bytes;
    size_t size_bytes;
    uint64_t batch;
    struct tally *tally;
};
/* Shared with the children. */
struct tally {
    unsigned tried, refused, harmless;
};

static int read_all(void *context)
{
    const struct attempt *a = context;
    struct catalog *catalog;
    if (catalog_open(a->dir, true, 4, NULL, &catalog, NULL) != PHUSA_OK) return 0;
    struct file_set *set = catalog_files(catalog, a->policy);
    struct file_cursor *cursor;
    if (set == NULL || set->file_count != 1) return 2;
    if (file_cursor_open(set->files[0], &cursor) != PHUSA_OK) return 0;
    if (file_cursor_all(cursor) != PHUSA_OK) return 0;
    for (size_t i = 0;; i++) {
        struct stored_chunk chunk;
        bool found;
        if (file_cursor_next(cursor, &chunk, &found) != PHUSA_OK) return 0;
        if (!found) return i == a->list->count ? 1 : 2;
        const struct stored_chunk *e = &a->list->chunks[i];
        if (i == a->list->count || chunk.partition != e->partition || chunk.series != e->series ||
            chunk.time_min_ns != e->time_min_ns || chunk.time_max_ns != e->time_max_ns ||
            chunk.size_bytes != e->size_bytes || chunk.row_count != e->row_count)
            return 2;
    }
}

static void damage(const struct attempt *a, struct random *r, unsigned i)
{
    uint8_t *bad = malloc(a->size_bytes);
    memcpy(bad, a->bytes, a->size_bytes);
    const size_t pages = a->size_bytes / 4096;
    const size_t page = random_u64(r) % pages * 4096;
    const uint8_t flip = (uint8_t)(1u << random_u64(r) % 8);
    size_t bad_bytes = a->size_bytes;
    switch (i % 10) {
    case 0:
        bad_bytes = random_u64(r) % a->size_bytes;
        break;
    case 1:
        memset(bad + page, 0, 4096);
        break;
    case 2: /* a page where another should be */
        memcpy(bad + page, a->bytes + random_u64(r) % pages * 4096, 4096);
        break;
    case 3: /* B-tree pages are few: aim */
        bad[a->size_bytes - 1 - random_u64(r) % 8192] ^= flip;
        break;
    case 4:
        bad[random_u64(r) % 8192] ^= flip;
        break;
    default:
        bad[random_u64(r) % a->size_bytes] ^= flip;
    }
    sandbox_write(a->path, bad, bad_bytes);
    free(bad);
}

/* A child tries many, since a fork costs more than an attempt. */
static int try_batch(void *context)
{
    const struct attempt *a = context;
    struct random r = random_from(a->batch);
    for (unsigned i = 0; i < 50; i++) {
        a->tally->tried = i;
        damage(a, &r, i);
        const int outcome = read_all(context);
        a->tally->refused += outcome == 0;
        a->tally->harmless += outcome == 1;
        if (outcome > 1) return outcome;
    }
    return 0;
}

Test(datafile, damage_is_refused_and_never_a_wrong_chunk_nor_a_crash)
{
    struct random r = random_from(3);
    struct chunk_list list = {0};
    list_random(&list, &r, 0, 3, 30, 2, 3000, 1);
    struct fixture f;
    setup(&f, &list);
    char path[400];
    snprintf(path, sizeof path, "%s/data/%u/%06llu.run.mdb", f.s.dir, f.info.policy,
             (unsigned long long)f.info.number);
    file_set_release(f.set);
    catalog_close(f.catalog, true);
    struct attempt attempt = {.dir = f.s.dir,
                              .path = path,
                              .policy = f.info.policy,
                              .list = &list,
                              .tally = sandbox_shared(sizeof(struct tally))};
    attempt.bytes = sandbox_read(path, &attempt.size_bytes);
    cr_assert_eq(sandbox_child(read_all, &attempt), 1);
    for (; attempt.batch < 40; attempt.batch++) {
        const int outcome = sandbox_child(try_batch, &attempt);
        cr_assert_eq(outcome, 0, "batch %u, attempt %u: %d", (unsigned)attempt.batch,
                     attempt.tally->tried, outcome);
    }
    fprintf(stderr, "refused %u, only inside chunks or unused %u\n", attempt.tally->refused,
            attempt.tally->harmless);
    cr_assert_gt(attempt.tally->refused, 300);
    cr_assert_gt(attempt.tally->harmless, 100);
    unlink(path);
    cr_assert_eq(sandbox_child(read_all, &attempt), 0);
    free((void *)(uintptr_t)attempt.bytes);
    list_free(&list);
    sandbox_remove(&f.s);
}

Test(bundle, refuses_any_single_bit_flip_of_its_directory)
{
    struct bundle_builder b;
    bundle_init(&b);
    struct stored_chunk chunk = {.partition = -3,
                                 .series = 7,
                                 .bytes = (const uint8_t *)"abc",
                                 .size_bytes = 3,
                                 .time_min_ns = -5,
                                 .time_max_ns = 5,
                                 .lsn_min = 10,
                                 .lsn_max = 12,
                                 .row_count = 3,
                                 .value_count = 6};
    cr_assert_eq(bundle_add(&b, &chunk), PHUSA_OK);
    chunk.series = UINT64_MAX;
    chunk.time_min_ns = INT64_MIN;
    chunk.time_max_ns = INT64_MAX;
    cr_assert_eq(bundle_add(&b, &chunk), PHUSA_OK);
    uint8_t bytes[256];
    const size_t size_bytes = bundle_bytes(&b);
    bundle_write(&b, bytes);
    struct bundle_view view;
    for (size_t bit = 0; bit < (size_bytes - 6) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(bundle_open(&view, bytes, size_bytes), PHUSA_ECORRUPT, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size_bytes; cut++) {
        bool found = true;
        struct stored_chunk out;
        phusa_status status = bundle_open(&view, bytes, cut);
        while (status == PHUSA_OK && found)
            status = bundle_next(&view, &out, &found);
        cr_assert_eq(status, PHUSA_ECORRUPT, "cut %zu", cut);
    }
    bundle_deinit(&b);
}

/* ---- faults ---- */

Test(datafile, survives_a_lack_of_memory_at_every_allocation)
{
    struct random r = random_from(5);
    struct chunk_list list = {0};
    list_random(&list, &r, 0, 2, 40, 2, 20000, 1);
    struct fixture f;
    setup(&f, &list);
    for (uint64_t n = 1;; n++) {
        struct file_info info;
        struct file_cursor *cursor;
        mem_fail_at(n);
        phusa_status status = list_write(&list, f.s.dir, f.info.policy, 99, false, &info);
        if (status == PHUSA_OK) file_remove(f.s.dir, &info);
        if (status == PHUSA_OK) {
            status = file_cursor_open(f.set->files[0], &cursor);
            if (status == PHUSA_OK) file_cursor_close(cursor);
        }
        const bool failed = mem_calls() >= n;
        mem_fail_at(0);
        if (!failed) {
            cr_assert_eq(status, PHUSA_OK);
            break;
        }
        cr_assert(status == PHUSA_ENOMEM || (status == PHUSA_OK && n > 10), "call %llu: %d",
                  (unsigned long long)n, status);
        file_remove(f.s.dir, &(struct file_info){.policy = f.info.policy, .number = 99});
    }
    teardown(&f);
    list_free(&list);
}
