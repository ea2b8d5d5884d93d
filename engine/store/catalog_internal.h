/*
 * catalog_internal.h - the catalogue in memory, and how it is changed; for catalog*.c only.
 *
 * Two locks. `changing` makes changes one at a time and is held across the sync of a commit.
 * `mutex` guards what readers look at, and is only held for as long as it takes to copy it. Whoever
 * holds `changing` may read the state without `mutex`, since nobody else writes it.
 *
 * A change:  change_begin()  lock, begin a transaction
 *            change_put(), change_delete()
 *            ... allocate everything that showing it will need ...
 *            change_commit() on disk, or not at all
 *            ... show it, under `mutex` ...
 *            change_end()    unlock
 */
#ifndef PHUSA_STORE_CATALOG_INTERNAL_H
#define PHUSA_STORE_CATALOG_INTERNAL_H

#include "store/catalog_record.h"
#include "store/files.h"

struct policy {
    struct policy_info info;
    struct file_set *set; /* the current one, never NULL */
};

struct catalog {
    char *dir;
    struct log *log;
    bool read_only;
    bool was_unclean;
    struct env *env;
    struct files *files;

    pthread_mutex_t changing;
    pthread_mutex_t mutex;
    bool failed;
    struct catalog_state state;      /* as committed, but for next_file, which runs ahead */
    struct database_info *databases; /* ascending by id */
    size_t database_count, database_capacity;
    struct policy *policies; /* likewise */
    size_t policy_count, policy_capacity;
};

struct change {
    struct catalog *catalog;
    struct phusa_error *error;
    struct env_txn *txn;
    struct catalog_state state; /* as it will be */
    struct buffer value;
    phusa_status status; /* of the first step that failed: check once, in change_commit() */
};

/* On failure nothing is locked. `record_count`: about how many will be touched. */
PHUSA_MUST_USE phusa_status change_begin(struct change *change, struct catalog *catalog,
                                         size_t record_count, struct phusa_error *error);
void change_put_database(struct change *change, const struct database_info *info);
void change_put_policy(struct change *change, const struct policy_info *info);
void change_put_file(struct change *change, const struct file_info *info);
void change_delete(struct change *change, struct catalog_key key);
/* The transaction is over in any case; then change->state is catalog->state or nothing was done. */
PHUSA_MUST_USE phusa_status change_commit(struct change *change);
/* After change_begin() succeeded, in any case. Aborts what was not committed. */
void change_end(struct change *change);

/* With `changing` or `mutex` held. NULL: none. */
struct database_info *catalog_database_at(struct catalog *catalog, uint32_t id);
struct policy *catalog_policy_at(struct catalog *catalog, uint32_t id);
struct database_info *catalog_database_named(struct catalog *catalog, struct phusa_text name);
struct policy *catalog_policy_named(struct catalog *catalog, uint32_t database,
                                    struct phusa_text name);

/* Into the order of a set: by LSN. */
void catalog_sort_files(struct data_file **files, size_t count);

/* catalog_sweep.c */
/* Remove data files that no set names and directories of policies that are gone; log those that are
 * named and missing. */
PHUSA_MUST_USE phusa_status catalog_sweep(struct catalog *catalog, struct phusa_error *error);
/* Does DIR hold data files or log segments? Then a missing catalogue is a loss, not a beginning. */
bool catalog_has_data(const char *dir);

#endif
