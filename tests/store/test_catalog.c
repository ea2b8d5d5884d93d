/*
 * test_catalog.c - guards catalog.h: what a commit named is there after reopening, and nothing
 * else; a damaged catalogue is refused; files live exactly as long as somebody may read them.
 */
#include "base/mem.h"
#include "files_support.h"
#include "store/files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static struct file_info some_file(struct catalog *catalog, const struct sandbox *s, uint32_t policy,
                                  struct random *r, uint64_t lsn)
{
    struct chunk_list list = {0};
    while (list.count == 0)
        list_random(&list, r, 0, 1, 3, 1, 100, lsn);
    struct file_info info;
    cr_assert_eq(list_write(&list, s->dir, policy, catalog_next_file_number(catalog), false, &info),
                 PHUSA_OK);
    list_free(&list);
    return info;
}

static bool file_exists(const struct sandbox *s, const struct file_info *info)
{
    char name[100];
    snprintf(name, sizeof name, "data/%u/%06llu.%s.mdb", info->policy,
             (unsigned long long)info->number, info->sealed ? "part" : "run");
    return sandbox_exists(sandbox_path(s, name));
}

Test(catalog, keeps_databases_and_policies_and_never_gives_a_number_twice)
{
    struct sandbox s;
    sandbox_make(&s);
    struct catalog *c = catalog_of(&s, false);
    cr_assert_not(catalog_was_unclean(c));
    const uint32_t first = make_policy(c, "a");
    struct database_info a;
    cr_assert(catalog_find_database(c, text_of("a"), &a));
    cr_assert_eq(a.default_policy, first);
    cr_assert_str_eq(a.zone, "UTC");
    const struct policy_info again = {.name = "p", .shard = WIDTH};
    struct phusa_error error;
    cr_assert_eq(catalog_create_database(c, "a", "UTC", &again, NULL, &error), PHUSA_EEXISTS);
    cr_assert_eq(catalog_set_zone(c, a.id, "Asia/Ho_Chi_Minh", NULL), PHUSA_OK);
    cr_assert_eq(catalog_set_index_generation(c, a.id, 4, NULL), PHUSA_OK);
    struct policy_info policy = {
        .database = a.id, .name = "q", .shard = {1, 0}, .duration = {0, HOUR_NS}};
    uint32_t second;
    cr_assert_eq(catalog_create_policy(c, &policy, true, &second, NULL), PHUSA_OK);
    cr_assert_eq(catalog_create_policy(c, &policy, true, NULL, NULL), PHUSA_EEXISTS);
    policy.id = second;
    policy.duration = (struct phusa_interval){6, 0};
    cr_assert_eq(catalog_alter_policy(c, &policy, false, NULL), PHUSA_OK);
    policy.shard = (struct phusa_interval){2, 0};
    cr_assert_eq(catalog_alter_policy(c, &policy, false, NULL), PHUSA_EUNSUPPORTED);
    const uint32_t b = make_policy(c, "b");
    cr_assert_eq(catalog_drop_policy(c, first, NULL), PHUSA_OK);
    struct database_info found;
    cr_assert(catalog_find_database(c, text_of("b"), &found));
    cr_assert_eq(catalog_drop_database(c, found.id, NULL), PHUSA_OK);
    cr_assert_not(catalog_find_database(c, text_of("b"), NULL));
    cr_assert_not(catalog_get_policy(c, b, NULL));
    catalog_close(c, true);

    c = catalog_of(&s, false);
    cr_assert_not(catalog_was_unclean(c));
    cr_assert(catalog_find_database(c, text_of("a"), &found));
    cr_assert_str_eq(found.zone, "Asia/Ho_Chi_Minh");
    cr_assert_eq(found.index_generation, 4);
    cr_assert_eq(found.default_policy, second);
    cr_assert(catalog_find_policy(c, a.id, text_of("q"), &policy));
    cr_assert_eq(policy.duration.months, 6);
    cr_assert_eq(policy.shard.months, 1);
    cr_assert_not(catalog_find_policy(c, a.id, text_of("p"), NULL));
    const uint32_t third = make_policy(c, "c");
    cr_assert_gt(third, b);
    cr_assert(catalog_find_database(c, text_of("c"), &found));
    cr_assert_gt(found.id, a.id + 1);
    struct policy_info *policies;
    struct database_info *databases;
    size_t count;
    cr_assert_eq(catalog_databases(c, &databases, &count), PHUSA_OK);
    cr_assert_eq(count, 2);
    mem_free(databases);
    cr_assert_eq(catalog_policies(c, a.id, &policies, &count), PHUSA_OK);
    cr_assert_eq(count, 1);
    mem_free(policies);
    catalog_close(c, false);

    c = catalog_of(&s, true);
    cr_assert(catalog_was_unclean(c));
    cr_assert_eq(catalog_set_zone(c, a.id, "UTC", NULL), PHUSA_EUNSUPPORTED);
    catalog_close(c, true);
    sandbox_remove(&s);
}

Test(catalog, refuses_bad_names_and_widths)
{
    struct sandbox s;
    sandbox_make(&s);
    struct catalog *c = catalog_of(&s, false);
    char name[NAME_BYTES_MAX + 2];
    memset(name, 'x', sizeof name);
    name[NAME_BYTES_MAX + 1] = '\0';
    struct policy_info policy = {.name = "p", .shard = WIDTH};
    cr_assert_eq(catalog_create_database(c, name, "UTC", &policy, NULL, NULL), PHUSA_EINVAL);
    cr_assert_eq(catalog_create_database(c, "", "UTC", &policy, NULL, NULL), PHUSA_EINVAL);
    name[NAME_BYTES_MAX] = '\0';
    cr_assert_eq(catalog_create_database(c, name, "UTC", &policy, NULL, NULL), PHUSA_OK);
    policy.shard = (struct phusa_interval){0, 1000};
    cr_assert_eq(catalog_create_database(c, "d", "UTC", &policy, NULL, NULL), PHUSA_EINVAL);
    catalog_close(c, true);
    sandbox_remove(&s);
}

/* ---- files ---- */

Test(catalog, a_dropped_file_stays_until_its_last_reader_is_done)
{
    struct sandbox s;
    sandbox_make(&s);
    struct random r = random_from(1);
    struct catalog *c = catalog_of(&s, false);
    const uint32_t policy = make_policy(c, "d");
    const struct file_info one = some_file(c, &s, policy, &r, 1);
    const struct file_info two = some_file(c, &s, policy, &r, 1000);
    cr_assert_eq(add_file(c, &one), PHUSA_OK);
    struct file_set *old = catalog_files(c, policy);
    const struct catalog_change change = {
        .added = &two, .added_count = 1, .removed = &one, .removed_count = 1, .flushed_lsn = 77};
    cr_assert_eq(catalog_commit(c, &change, NULL), PHUSA_OK);
    cr_assert_eq(catalog_flushed_lsn(c), 77);
    struct file_set *new = catalog_files(c, policy);
    cr_assert_eq(old->file_count, 1);
    cr_assert_eq(new->file_count, 1);
    cr_assert_gt(new->version, old->version);
    cr_assert_eq(new->files[0]->info.number, two.number);
    cr_assert(file_exists(&s, &one));
    struct file_cursor *cursor;
    cr_assert_eq(file_cursor_open(old->files[0], &cursor), PHUSA_OK);
    file_cursor_close(cursor);
    file_set_release(old);
    cr_assert_not(file_exists(&s, &one));
    file_set_release(new);
    cr_assert(file_exists(&s, &two));
    cr_assert_eq(catalog_commit(c, &change, NULL), PHUSA_ENOTFOUND); /* `one` is gone */
    catalog_close(c, true);
    sandbox_remove(&s);
}

Test(catalog, drops_take_their_files_along_also_those_that_come_too_late)
{
    struct sandbox s;
    sandbox_make(&s);
    struct random r = random_from(1);
    struct catalog *c = catalog_of(&s, false);
    const uint32_t policy = make_policy(c, "d");
    const struct file_info one = some_file(c, &s, policy, &r, 1);
    const struct file_info late = some_file(c, &s, policy, &r, 1000);
    cr_assert_eq(add_file(c, &one), PHUSA_OK);
    cr_assert_eq(catalog_drop_policy(c, policy, NULL), PHUSA_OK);
    cr_assert_not(file_exists(&s, &one));
    cr_assert_null(catalog_files(c, policy));
    cr_assert(file_exists(&s, &late));
    cr_assert_eq(add_file(c, &late), PHUSA_OK);
    cr_assert_not(file_exists(&s, &late));
    catalog_close(c, true);
    sandbox_remove(&s);
}

Test(catalog, holds_no_more_files_open_than_allowed_but_all_that_are_pinned)
{
    struct sandbox s;
    sandbox_make(&s);
    struct random r = random_from(1);
    struct catalog *c = catalog_of(&s, false); /* 4 open files */
    uint32_t policy[10];
    for (unsigned i = 0; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "d%u", i);
        policy[i] = make_policy(c, name);
        const struct file_info info = some_file(c, &s, policy[i], &r, 1);
        cr_assert_eq(add_file(c, &info), PHUSA_OK);
    }
    struct file_set *sets[10];
    struct file_cursor *cursors[10];
    for (unsigned i = 0; i < 10; i++) {
        sets[i] = catalog_files(c, policy[i]);
        cr_assert_eq(file_cursor_open(sets[i]->files[0], &cursors[i]), PHUSA_OK);
    }
    struct files *files = sets[0]->owner;
    cr_assert_eq(files_open_count(files), 10);
    for (unsigned i = 0; i < 10; i++) {
        struct stored_chunk chunk;
        bool found;
        cr_assert_eq(file_cursor_all(cursors[i]), PHUSA_OK);
        cr_assert_eq(file_cursor_next(cursors[i], &chunk, &found), PHUSA_OK);
        cr_assert(found && is_chunk(&chunk));
        file_cursor_close(cursors[i]);
        file_set_release(sets[i]);
    }
    cr_assert_eq(files_open_count(files), 4);
    for (unsigned round = 0; round < 50; round++) {
        struct file_set *set = catalog_files(c, policy[random_u64(&r) % 10]);
        cr_assert_eq(file_cursor_open(set->files[0], &cursors[0]), PHUSA_OK);
        file_cursor_close(cursors[0]);
        cr_assert_leq(files_open_count(files), 5);
        file_set_release(set);
        cr_assert_leq(files_open_count(files), 4);
    }
    catalog_close(c, true);
    sandbox_remove(&s);
}

Test(catalog, removes_what_nothing_names_and_nothing_else)
{
    struct sandbox s;
    sandbox_make(&s);
    struct random r = random_from(1);
    struct catalog *c = catalog_of(&s, false);
    const uint32_t policy = make_policy(c, "d");
    const struct file_info named = some_file(c, &s, policy, &r, 1);
    cr_assert_eq(add_file(c, &named), PHUSA_OK);
    const struct file_info orphan = some_file(c, &s, policy, &r, 1000);
    catalog_close(c, false);
    cr_assert_eq(mkdir(sandbox_path(&s, "data/77"), 0700), 0);
    sandbox_write(sandbox_path(&s, "data/77/000003.run.mdb"), (const uint8_t *)"x", 1);
    sandbox_write(sandbox_path(&s, "data/1/000001.part.mdb"), (const uint8_t *)"x", 1);
    sandbox_write(sandbox_path(&s, "data/1/notes.txt"), (const uint8_t *)"x", 1);

    c = catalog_of(&s, true);
    catalog_close(c, true);
    cr_assert(file_exists(&s, &orphan));
    cr_assert(sandbox_exists(sandbox_path(&s, "data/77/000003.run.mdb")));

    c = catalog_of(&s, false);
    cr_assert(file_exists(&s, &named));
    cr_assert_not(file_exists(&s, &orphan));
    cr_assert_not(sandbox_exists(sandbox_path(&s, "data/77")));
    cr_assert_not(sandbox_exists(sandbox_path(&s, "data/1/000001.part.mdb")));
    cr_assert(sandbox_exists(sandbox_path(&s, "data/1/notes.txt")));
    catalog_close(c, true);
    sandbox_remove(&s);
}

Test(catalog, a_missing_catalogue_beside_data_is_a_loss_not_a_beginning)
{
    struct sandbox s;
    sandbox_make(&s);
    struct catalog *c = NULL;
    cr_assert_eq(catalog_open(s.dir, true, 0, NULL, &c, NULL), PHUSA_ENOTFOUND);
    struct random r = random_from(1);
    c = catalog_of(&s, false);
    const uint32_t policy = make_policy(c, "d");
    const struct file_info info = some_file(c, &s, policy, &r, 1);
    cr_assert_eq(add_file(c, &info), PHUSA_OK);
    catalog_close(c, true);
    unlink(sandbox_path(&s, "catalog.mdb"));
    struct phusa_error error;
    cr_assert_eq(catalog_open(s.dir, false, 0, NULL, &c, &error), PHUSA_ECORRUPT);
    sandbox_write(sandbox_path(&s, "catalog.mdb"), (const uint8_t *)"", 0);
    cr_assert_eq(catalog_open(s.dir, false, 0, NULL, &c, &error), PHUSA_ECORRUPT);
    cr_assert(file_exists(&s, &info));
    sandbox_remove(&s);
}

/* ---- model ---- */

#define MODEL_FILES_MAX 2000
struct model {
    struct file_info files[MODEL_FILES_MAX];
    size_t count;
    uint32_t policies[40];
    size_t policy_count;
    uint64_t flushed_lsn;
};

static void expect_model(struct catalog *c, const struct model *m)
{
    cr_assert_eq(catalog_flushed_lsn(c), m->flushed_lsn);
    size_t seen = 0;
    for (size_t p = 0; p < m->policy_count; p++) {
        struct file_set *set = catalog_files(c, m->policies[p]);
        cr_assert_not_null(set);
        for (size_t i = 0; i < set->file_count; i++) {
            const struct file_info *info = &set->files[i]->info;
            size_t at = 0;
            while (at < m->count && m->files[at].number != info->number)
                at++;
            cr_assert_lt(at, m->count);
            struct file_info expected = m->files[at];
            cr_assert_eq(info->policy, m->policies[p]);
            cr_assert_eq(info->lsn_min, expected.lsn_min);
            cr_assert_eq(info->lsn_max, expected.lsn_max);
            cr_assert_eq(info->pages_crc, expected.pages_crc);
            cr_assert_eq(info->sealed, expected.sealed);
            if (i > 0) {
                const struct file_info *before = &set->files[i - 1]->info;
                cr_assert(before->sealed > info->sealed ||
                          (before->sealed == info->sealed && before->lsn_min <= info->lsn_min));
            }
            seen++;
        }
        file_set_release(set);
    }
    cr_assert_eq(seen, m->count);
}

/* Files are only named here, never read: they need not exist. */
static void model_commit(struct catalog *c, struct model *m, struct random *r)
{
    if (m->policy_count == 0) return;
    struct file_info added[5];
    struct file_info removed[5];
    struct catalog_change change = {.added = added, .removed = removed};
    for (size_t n = random_u64(r) % 4; n > 0 && m->count + n < MODEL_FILES_MAX; n--) {
        const uint64_t lsn = random_u64(r) % 1000000;
        added[change.added_count++] = (struct file_info){
            .policy = m->policies[random_u64(r) % m->policy_count],
            .number = catalog_next_file_number(c),
            .sealed = random_u64(r) % 2,
            .lsn_min = lsn,
            .lsn_max = lsn + random_u64(r) % 1000,
            .partition_min = -5,
            .partition_max = 5,
            .pages_crc = (uint32_t)random_u64(r),
            .recorded_at_ns = 5,
        };
    }
    for (size_t n = random_u64(r) % 3; n > 0 && m->count > 0; n--) {
        const size_t at = random_u64(r) % m->count;
        removed[change.removed_count++] = m->files[at];
        m->files[at] = m->files[--m->count];
    }
    for (size_t i = 0; i < change.added_count; i++)
        m->files[m->count++] = added[i];
    change.flushed_lsn = m->flushed_lsn += random_u64(r) % 100;
    cr_assert_eq(catalog_commit(c, &change, NULL), PHUSA_OK);
}

static void model_drop(struct catalog *c, struct model *m, struct random *r)
{
    if (m->policy_count == 0) return;
    const size_t at = random_u64(r) % m->policy_count;
    const uint32_t policy = m->policies[at];
    struct policy_info info;
    cr_assert(catalog_get_policy(c, policy, &info));
    cr_assert_eq(random_u64(r) % 2 == 0 ? catalog_drop_policy(c, policy, NULL)
                                        : catalog_drop_database(c, info.database, NULL),
                 PHUSA_OK);
    m->policies[at] = m->policies[--m->policy_count];
    for (size_t i = 0; i < m->count;) {
        if (m->files[i].policy == policy)
            m->files[i] = m->files[--m->count];
        else
            i++;
    }
}

Test(catalog, equals_a_plain_list_over_random_changes_and_restarts)
{
    struct sandbox s;
    sandbox_make(&s);
    struct random r = random_seeded();
    static struct model m;
    struct catalog *c = catalog_of(&s, false);
    for (unsigned step = 0; step < 600; step++) {
        const unsigned choice = (unsigned)(random_u64(&r) % 100);
        if (choice < 10 && m.policy_count < 40) {
            char name[16];
            snprintf(name, sizeof name, "d%u", step);
            m.policies[m.policy_count++] = make_policy(c, name);
        } else if (choice < 14) {
            model_drop(c, &m, &r);
        } else if (choice < 22) {
            const bool clean = random_u64(&r) % 2 == 0;
            catalog_close(c, clean);
            c = catalog_of(&s, false);
            cr_assert_eq(catalog_was_unclean(c), !clean);
        } else {
            model_commit(c, &m, &r);
        }
        expect_model(c, &m);
    }
    catalog_close(c, true);
    sandbox_remove(&s);
}

/* ---- damage ---- */

struct attempt {
    const char *dir;
    struct model *model;
    const char *path;
    const uint8_t *bytes;
    size_t size_bytes;
    uint64_t batch;
    struct tally *tally;
};
/* Shared with the children. */
struct tally {
    unsigned tried, refused, harmless;
};

/* 0: refused. 1: opened, the same, and a change went well. 2: opened and something else. */
static int try_open(void *context)
{
    const struct attempt *a = context;
    struct catalog *c;
    if (catalog_open(a->dir, false, 4, NULL, &c, NULL) != PHUSA_OK) return 0;
    size_t seen = 0;
    for (size_t p = 0; p < a->model->policy_count; p++) {
        struct file_set *set = catalog_files(c, a->model->policies[p]);
        if (set == NULL) return 2;
        for (size_t i = 0; i < set->file_count; i++) {
            for (size_t k = 0; k < a->model->count; k++)
                seen += set->files[i]->info.number == a->model->files[k].number &&
                        set->files[i]->info.pages_crc == a->model->files[k].pages_crc;
        }
        file_set_release(set);
    }
    if (seen != a->model->count || catalog_flushed_lsn(c) != a->model->flushed_lsn) return 2;
    const struct file_info info = {.policy = a->model->policies[0], .number = 123456789};
    if (add_file(c, &info) != PHUSA_OK) return 3;
    catalog_close(c, true);
    return 1;
}

static void damage(struct attempt *a, struct random *r, unsigned i)
{
    uint8_t *bad = malloc(a->size_bytes);
    memcpy(bad, a->bytes, a->size_bytes);
    const size_t pages = a->size_bytes / 4096;
    const size_t page = random_u64(r) % pages * 4096;
    size_t bad_bytes = a->size_bytes;
    size_t at = random_u64(r) % a->size_bytes;
    if (i % 8 == 0) memset(bad + page, 0, 4096);
    if (i % 8 == 1) bad_bytes = at;
    if (i % 8 == 2) memcpy(bad + page, a->bytes + random_u64(r) % pages * 4096, 4096);
    if (i % 8 == 3) at = random_u64(r) % 2 * 4096 + random_u64(r) % 160; /* the metas */
    if (i % 8 == 4) at = page + random_u64(r) % 64;
    if (i % 8 >= 3) bad[at] ^= (uint8_t)(1u << random_u64(r) % 8);
    sandbox_write(a->path, bad, bad_bytes);
    free(bad);
}

/* A child tries many, since a fork costs more than an attempt. */
static int try_batch(void *context)
{
    struct attempt *a = context;
    struct random r = random_from(a->batch);
    for (unsigned i = 0; i < 64; i++) {
        a->tally->tried = i;
        damage(a, &r, i);
        const int outcome = try_open(a);
        a->tally->refused += outcome == 0;
        a->tally->harmless += outcome == 1;
        if (outcome > 1) return outcome;
    }
    return 0;
}

Test(catalog, damage_is_refused_or_harmless_and_never_another_catalogue)
{
    struct sandbox s;
    sandbox_make(&s);
    struct random r = random_from(11);
    static struct model m;
    struct catalog *c = catalog_of(&s, false);
    for (unsigned i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%u", i);
        m.policies[m.policy_count++] = make_policy(c, name);
    }
    while (m.count < 120)
        model_commit(c, &m, &r);
    catalog_close(c, true);
    struct attempt attempt = {.dir = s.dir,
                              .model = &m,
                              .path = sandbox_path(&s, "catalog.mdb"),
                              .tally = sandbox_shared(sizeof(struct tally))};
    attempt.bytes = sandbox_read(attempt.path, &attempt.size_bytes);
    cr_assert_eq(sandbox_child(try_open, &attempt), 1);
    for (; attempt.batch < 24; attempt.batch++) {
        const int outcome = sandbox_child(try_batch, &attempt);
        cr_assert_eq(outcome, 0, "batch %u, attempt %u: %d", (unsigned)attempt.batch,
                     attempt.tally->tried, outcome);
    }
    fprintf(stderr, "refused %u, harmless %u\n", attempt.tally->refused, attempt.tally->harmless);
    cr_assert_gt(attempt.tally->refused, 300);
    cr_assert_gt(attempt.tally->harmless, 200);
    free((void *)(uintptr_t)attempt.bytes);
    sandbox_remove(&s);
}

/* ---- faults ---- */

Test(catalog, survives_a_lack_of_memory_at_every_allocation)
{
    struct sandbox s;
    sandbox_make(&s);
    struct catalog *c = catalog_of(&s, false);
    const uint32_t policy = make_policy(c, "d");
    /* named only, never read */
    const struct file_info one = {.policy = policy, .number = catalog_next_file_number(c)};
    const struct file_info two = {.policy = policy, .number = catalog_next_file_number(c)};
    cr_assert_eq(add_file(c, &one), PHUSA_OK);
    catalog_close(c, true);

    const struct policy_info shape = {.name = "p", .shard = WIDTH};
    for (uint64_t n = 1;; n++) {
        mem_fail_at(n);
        c = NULL;
        phusa_status status = catalog_open(s.dir, false, 4, NULL, &c, NULL);
        const bool opened = status == PHUSA_OK;
        if (status == PHUSA_OK) status = add_file(c, &two);
        const bool added = opened && status == PHUSA_OK;
        if (status == PHUSA_OK) status = catalog_create_database(c, "e", "UTC", &shape, NULL, NULL);
        struct database_info database;
        const bool created = opened && catalog_find_database(c, text_of("e"), &database);
        if (status == PHUSA_OK) status = catalog_set_zone(c, database.id, "Asia/Tokyo", NULL);
        const bool failed = mem_calls() >= n;
        mem_fail_at(0);
        cr_assert_eq(status, failed ? PHUSA_ENOMEM : PHUSA_OK);
        if (!opened) continue;
        /* what failed changed nothing, and the next try works */
        cr_assert(catalog_is_writable(c));
        struct file_set *set = catalog_files(c, policy);
        cr_assert_eq(set->file_count, added ? 2 : 1);
        file_set_release(set);
        if (!failed) break;
        if (created) cr_assert_eq(catalog_drop_database(c, database.id, NULL), PHUSA_OK);
        if (added) {
            const struct catalog_change change = {.removed = &two, .removed_count = 1};
            cr_assert_eq(catalog_commit(c, &change, NULL), PHUSA_OK);
        }
        catalog_close(c, true);
    }
    catalog_close(c, true);
    sandbox_remove(&s);
}

/* A small file system of its own, full: changes that need room say so, drops go on, and when there
 * is room again all is well. */
Test(catalog, a_full_disk_aborts_cleanly_and_drops_still_work)
{
    struct sandbox s;
    sandbox_make(&s);
    if (mount("tmpfs", s.dir, "tmpfs", 0, "size=4m") != 0) {
        fprintf(stderr, "not root: skipped\n");
        sandbox_remove(&s);
        return;
    }
    struct random r = random_from(1);
    struct catalog *c = catalog_of(&s, false);
    const uint32_t kept = make_policy(c, "kept");
    struct file_info info = some_file(c, &s, kept, &r, 1);
    cr_assert_eq(add_file(c, &info), PHUSA_OK);
    const uint32_t dropped = make_policy(c, "dropped");
    const struct file_info big = some_file(c, &s, dropped, &r, 1);
    cr_assert_eq(add_file(c, &big), PHUSA_OK);

    const int fd = open(sandbox_path(&s, "ballast"), O_WRONLY | O_CREAT, 0600);
    static const uint8_t zeros[4096];
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;
    phusa_status status = PHUSA_OK;
    unsigned named = 1;
    while (status == PHUSA_OK && named < 100000) {
        info.number = catalog_next_file_number(c);
        status = add_file(c, &info);
        named += status == PHUSA_OK;
    }
    cr_assert_eq(status, PHUSA_ENOSPC);
    cr_assert(catalog_is_writable(c));
    struct chunk_list list = {0};
    list_random(&list, &r, 0, 1, 30, 1, 10000, 1);
    struct file_info fresh;
    cr_assert_eq(list_write(&list, s.dir, kept, 99, false, &fresh), PHUSA_ENOSPC);
    cr_assert_eq(catalog_drop_policy(c, dropped, NULL), PHUSA_OK);
    cr_assert_not(file_exists(&s, &big));
    catalog_close(c, false);
    c = catalog_of(&s, false);
    struct file_set *set = catalog_files(c, kept);
    cr_assert_eq(set->file_count, named);
    file_set_release(set);

    cr_assert_eq(ftruncate(fd, 0), 0);
    close(fd);
    cr_assert_eq(list_write(&list, s.dir, kept, 99, false, &fresh), PHUSA_OK);
    cr_assert_eq(add_file(c, &fresh), PHUSA_OK);
    catalog_close(c, true);
    list_free(&list);
    umount(s.dir);
    sandbox_remove(&s);
}

/* ---- readers against commits ---- */

struct race {
    struct catalog *catalog;
    uint32_t policy;
    _Atomic bool stop;
    _Atomic unsigned reads;
};

static void *reader_main(void *context)
{
    struct race *race = context;
    while (!race->stop) {
        struct file_set *set = catalog_files(race->catalog, race->policy);
        for (size_t i = 0; i < set->file_count; i++) {
            struct file_cursor *cursor;
            cr_assert_eq(file_cursor_open(set->files[i], &cursor), PHUSA_OK);
            cr_assert_eq(file_cursor_all(cursor), PHUSA_OK);
            struct stored_chunk chunk;
            bool found = true;
            while (found) {
                cr_assert_eq(file_cursor_next(cursor, &chunk, &found), PHUSA_OK);
                if (found) cr_assert(is_chunk(&chunk));
            }
            file_cursor_close(cursor);
        }
        file_set_release(set);
        race->reads++;
    }
    return NULL;
}

Test(catalog, readers_see_whole_sets_while_commits_replace_files)
{
    struct sandbox s;
    sandbox_make(&s);
    struct random r = random_from(1);
    struct catalog *c = catalog_of(&s, false);
    struct race race = {.catalog = c, .policy = make_policy(c, "d")};
    struct file_info old[6];
    for (unsigned i = 0; i < 6; i++) {
        old[i] = some_file(c, &s, race.policy, &r, 1000 * i);
        cr_assert_eq(add_file(c, &old[i]), PHUSA_OK);
    }
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, reader_main, &race);
    for (unsigned round = 0; round < 60 || race.reads < 20; round++) {
        const struct file_info next = some_file(c, &s, race.policy, &r, 1000 * round);
        const struct catalog_change change = {
            .added = &next, .added_count = 1, .removed = &old[round % 6], .removed_count = 1};
        cr_assert_eq(catalog_commit(c, &change, NULL), PHUSA_OK);
        old[round % 6] = next;
    }
    race.stop = true;
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    catalog_close(c, true);
    sandbox_remove(&s);
}
