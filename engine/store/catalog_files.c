/*
 * catalog_files.c - which files are true: sets, and the commit that swaps them; see catalog.h.
 */
#include "store/catalog_internal.h"

#include "base/mem.h"
#include "base/status.h"
#include "store/disk.h"

#include <assert.h>
#include <inttypes.h>

struct file_set *catalog_files(struct catalog *catalog, uint32_t policy)
{
    struct file_set *set = NULL;
    pthread_mutex_lock(&catalog->mutex);
    const struct policy *found = catalog_policy_at(catalog, policy);
    if (found != NULL) {
        set = found->set;
        file_set_pin(set);
    }
    pthread_mutex_unlock(&catalog->mutex);
    return set;
}

uint64_t catalog_next_file_number(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->mutex);
    const uint64_t number = catalog->state.next_file++;
    pthread_mutex_unlock(&catalog->mutex);
    return number;
}

uint64_t catalog_flushed_lsn(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->mutex);
    const uint64_t lsn = catalog->state.flushed_lsn;
    pthread_mutex_unlock(&catalog->mutex);
    return lsn;
}

int64_t catalog_recorded_at_ns(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->mutex);
    const int64_t recorded_at_ns = catalog->state.recorded_at_ns;
    pthread_mutex_unlock(&catalog->mutex);
    return recorded_at_ns;
}

/* ---- commit ---- */

static bool is_removed(const struct catalog_change *c, const struct file_info *info)
{
    for (size_t i = 0; i < c->removed_count; i++) {
        if (c->removed[i].policy == info->policy && c->removed[i].number == info->number)
            return true;
    }
    return false;
}

static const struct data_file *find_file(const struct file_set *set, uint64_t number)
{
    for (size_t i = 0; i < set->file_count; i++) {
        if (set->files[i]->info.number == number) return set->files[i];
    }
    return NULL;
}

static bool comes_before(const struct file_info *a, const struct file_info *b)
{
    if (a->sealed != b->sealed) return a->sealed;
    if (a->lsn_min != b->lsn_min) return a->lsn_min < b->lsn_min;
    return a->number < b->number;
}

void catalog_sort_files(struct data_file **files, size_t count)
{
    /* By insertion: the list is sorted but for a few at the end. */
    for (size_t i = 1; i < count; i++) {
        struct data_file *file = files[i];
        size_t at = i;
        for (; at > 0 && comes_before(&file->info, &files[at - 1]->info); at--)
            files[at] = files[at - 1];
        files[at] = file;
    }
}

/* What a commit prepares for one policy before it is written. */
struct swap {
    struct policy *policy;
    struct file_set *next;
};

/* The policy's next set; *out NULL when the change does not touch it. */
static phusa_status prepare(struct catalog *catalog, const struct policy *policy,
                            const struct catalog_change *c, const struct catalog_state *state,
                            uint64_t version, struct file_set **out)
{
    const struct file_set *set = policy->set;
    struct data_file **list = mem_array(set->file_count + c->added_count, sizeof *list);
    if (list == NULL) return PHUSA_ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < set->file_count; i++) {
        if (!is_removed(c, &set->files[i]->info)) list[count++] = set->files[i];
    }
    const size_t kept = count;
    phusa_status status = PHUSA_OK;
    for (size_t i = 0; i < c->added_count && status == PHUSA_OK; i++) {
        if (c->added[i].policy != policy->info.id) continue;
        struct file_info info = c->added[i];
        if (info.recorded_at_ns == 0) info.recorded_at_ns = state->recorded_at_ns;
        list[count] = files_name(catalog->files, &info);
        if (list[count] == NULL)
            status = PHUSA_ENOMEM;
        else
            count++;
    }
    struct file_set *next = NULL;
    if (status == PHUSA_OK && (kept != set->file_count || count != kept)) {
        catalog_sort_files(list, count);
        next = file_set_create(catalog->files, version, list, count);
        if (next == NULL) status = PHUSA_ENOMEM;
    }
    if (status != PHUSA_OK) {
        for (size_t i = 0; i < count; i++) {
            if (find_file(set, list[i]->info.number) == NULL) files_discard(list[i]);
        }
    } else {
        *out = next;
    }
    mem_free(list);
    return status;
}

/* Every removed file is there, unless its policy is gone. */
static phusa_status check_removed(struct catalog *catalog, const struct catalog_change *c,
                                  struct phusa_error *error)
{
    for (size_t i = 0; i < c->removed_count; i++) {
        const struct policy *policy = catalog_policy_at(catalog, c->removed[i].policy);
        if (policy == NULL || find_file(policy->set, c->removed[i].number) != NULL) continue;
        return error_set(error, PHUSA_ENOTFOUND,
                         "file %" PRIu64 " of policy %" PRIu32 " is not in the catalogue",
                         c->removed[i].number, c->removed[i].policy);
    }
    return PHUSA_OK;
}

static void put_file(struct change *change, const struct file_info *added)
{
    struct file_info info = *added;
    if (info.recorded_at_ns == 0) info.recorded_at_ns = change->state.recorded_at_ns;
    change_put_file(change, &info);
}

static void put_files(struct catalog *catalog, struct change *change,
                      const struct catalog_change *c)
{
    for (size_t i = 0; i < c->removed_count; i++) {
        if (catalog_policy_at(catalog, c->removed[i].policy) == NULL) continue;
        change_delete(change, catalog_key_of_file(c->removed[i].policy, c->removed[i].number));
    }
    for (size_t i = 0; i < c->added_count; i++) {
        if (catalog_policy_at(catalog, c->added[i].policy) != NULL) put_file(change, &c->added[i]);
    }
}

/* Readers see the new sets from here on; files that went are unlinked when the last reader of an
 * older set is done, which may be now. */
static void show(struct catalog *catalog, struct swap *swaps, size_t count,
                 const struct catalog_change *c)
{
    for (size_t i = 0; i < count; i++) {
        struct file_set *old = swaps[i].policy->set;
        for (size_t f = 0; f < old->file_count; f++) {
            if (is_removed(c, &old->files[f]->info)) file_drop(old->files[f]);
        }
        pthread_mutex_lock(&catalog->mutex);
        swaps[i].policy->set = swaps[i].next;
        pthread_mutex_unlock(&catalog->mutex);
        swaps[i].next = NULL;
        file_set_retire(old);
    }
    for (size_t i = 0; i < c->added_count; i++) {
        if (catalog_policy_at(catalog, c->added[i].policy) == NULL)
            file_remove(catalog->dir, &c->added[i]);
    }
}

static void discard(struct swap *swaps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (swaps[i].next != NULL) file_set_retire(swaps[i].next);
    }
}

phusa_status catalog_commit(struct catalog *catalog, const struct catalog_change *c,
                            struct phusa_error *error)
{
    assert(catalog != NULL);
    assert(c != NULL);

    struct change change;
    phusa_status status = change_begin(&change, catalog, c->added_count, error);
    if (status != PHUSA_OK) return status;
    struct catalog_state *state = &change.state;
    if (c->flushed_lsn > state->flushed_lsn) state->flushed_lsn = c->flushed_lsn;
    if (c->recorded_at_ns > state->recorded_at_ns) state->recorded_at_ns = c->recorded_at_ns;
    size_t count = 0;
    struct swap *swaps = mem_array(catalog->policy_count, sizeof *swaps);
    if (swaps == NULL) status = PHUSA_ENOMEM;
    if (status == PHUSA_OK) status = check_removed(catalog, c, error);
    const uint64_t version = env_txn_id(change.txn);
    for (size_t i = 0; i < catalog->policy_count && status == PHUSA_OK; i++) {
        struct swap swap = {.policy = &catalog->policies[i]};
        status = prepare(catalog, swap.policy, c, state, version, &swap.next);
        if (swap.next != NULL) swaps[count++] = swap;
    }
    if (status == PHUSA_ENOMEM) error_set(error, status, "no memory to change the catalogue");
    if (status == PHUSA_OK) {
        put_files(catalog, &change, c);
        status = change_commit(&change);
    }
    if (status == PHUSA_OK) show(catalog, swaps, count, c);
    discard(swaps, count);
    mem_free(swaps);
    change_end(&change);
    return status;
}
