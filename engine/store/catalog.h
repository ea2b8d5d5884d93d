/*
 * catalog.h - DIR/catalog.mdb: databases, policies and which data files are true now. A
 * commit here is the only commit point of the store.
 *
 * The whole of it is held in memory; a change is written and synced first and shown
 * after. Numbers of databases, policies and files are never reused.
 *
 * Threads    any. Changes go one at a time, each holding a lock across its sync; readers take
 * copies or a file_set under another one, and never wait for a disk. Errors     after a failed
 * commit (other than PHUSA_ENOSPC) every change is PHUSA_EFAILED until reopened.
 */
#ifndef PHUSA_STORE_CATALOG_H
#define PHUSA_STORE_CATALOG_H

#include "base/limits.h"
#include "base/log.h"
#include "store/datafile.h"

struct catalog;

struct database_info {
    uint32_t id;
    uint32_t default_policy;
    uint32_t index_generation;
    char name[NAME_BYTES_MAX + 1];
    char zone[NAME_BYTES_MAX + 1]; /* "UTC" by default */
};
struct policy_info {
    uint32_t id;
    uint32_t database;
    struct phusa_interval duration;
    struct phusa_interval shard; /* never {0,0} */
    char name[NAME_BYTES_MAX + 1];
};

/* DIR must exist, and be locked by the caller; DIR/catalog.mdb and DIR/data are made at the first
 * open, before the log and anything else. Every page and record is verified. Removes the files
 * of DIR/data that no record names. A named file that is missing is logged, and PHUSA_ECORRUPT for
 * whoever reads it. read_only: changes nothing, PHUSA_ENOTFOUND when there is no catalogue. */
PHUSA_MUST_USE phusa_status catalog_open(const char *dir, bool read_only, unsigned open_files_max,
                                         struct log *log, struct catalog **out,
                                         struct phusa_error *error);
/* Every file_set must have been released. clean: the index is on disk as well. */
void catalog_close(struct catalog *catalog, bool clean);
/* The last end was not catalog_close() with clean = true. */
bool catalog_was_unclean(const struct catalog *catalog);

/* ---- databases and policies ---- */

PHUSA_MUST_USE phusa_status catalog_create_database(struct catalog *catalog, const char *name,
                                                    const char *zone,
                                                    const struct policy_info *policy,
                                                    struct database_info *out,
                                                    struct phusa_error *error);
/* Its policies and files go with it; files are unlinked when the last pin goes. */
PHUSA_MUST_USE phusa_status catalog_drop_database(struct catalog *catalog, uint32_t database,
                                                  struct phusa_error *error);
PHUSA_MUST_USE phusa_status catalog_set_zone(struct catalog *catalog, uint32_t database,
                                             const char *zone, struct phusa_error *error);
PHUSA_MUST_USE phusa_status catalog_set_index_generation(struct catalog *catalog, uint32_t database,
                                                         uint32_t generation,
                                                         struct phusa_error *error);
PHUSA_MUST_USE phusa_status catalog_create_policy(struct catalog *catalog,
                                                  const struct policy_info *policy,
                                                  bool make_default, uint32_t *id,
                                                  struct phusa_error *error);
/* Duration and default may change. PHUSA_EUNSUPPORTED: another shard width (partition numbers of
 * files on disk would change their meaning) or name. */
PHUSA_MUST_USE phusa_status catalog_alter_policy(struct catalog *catalog,
                                                 const struct policy_info *policy,
                                                 bool make_default, struct phusa_error *error);
PHUSA_MUST_USE phusa_status catalog_drop_policy(struct catalog *catalog, uint32_t policy,
                                                struct phusa_error *error);

/* false: there is none. `out` may be NULL. */
bool catalog_find_database(struct catalog *catalog, struct phusa_text name,
                           struct database_info *out);
bool catalog_get_database(struct catalog *catalog, uint32_t id, struct database_info *out);
bool catalog_find_policy(struct catalog *catalog, uint32_t database, struct phusa_text name,
                         struct policy_info *out);
bool catalog_get_policy(struct catalog *catalog, uint32_t id, struct policy_info *out);
/* Heap arrays, ascending by id, freed by mem_free(). */
PHUSA_MUST_USE phusa_status catalog_databases(struct catalog *catalog, struct database_info **out,
                                              size_t *count);
PHUSA_MUST_USE phusa_status catalog_policies(struct catalog *catalog, uint32_t database,
                                             struct policy_info **out, size_t *count);

/* ---- files ---- */

/* The files of one policy that are true at one moment: immutable; while it is held none of its
 * files is closed or unlinked. Parts first, then runs, each ascending by lsn_min. Of one series,
 * time and field the last file that has it holds the newest value: position is precedence. (A seal
 * moves all that older runs have of a partition into its part; runs that come later are newer;
 * runs are merged with their neighbours only.) */
struct file_set {
    size_t file_count;
    struct data_file **files;
    uint64_t version; /* of the catalogue */
    /* For whoever looks after the files: at which state of the clock nothing was worth doing with
     * them. 0: not looked at. */
    _Atomic uint64_t settled;
    /* private to files.c */
    struct files *owner;
    uint32_t pin_count;
    bool is_current;
};
/* NULL: the policy was dropped. */
struct file_set *catalog_files(struct catalog *catalog, uint32_t policy);
void file_set_release(struct file_set *set); /* NULL is allowed */

/* A new number for a file of `policy`; unique for ever, but durable only with the commit. */
uint64_t catalog_next_file_number(struct catalog *catalog);

/* One commit: of one policy or of several, some files come and some go, and the log before
 * flushed_lsn is no longer needed (0: unchanged). The added files must have been finished by
 * file_writer_finish(). A policy that was dropped meanwhile loses its added files silently.
 * PHUSA_ENOTFOUND: a removed file is not there (any more): nothing was changed. After PHUSA_ENOSPC
 * or PHUSA_ENOMEM nothing was changed and the same call may be tried again; after any other failure
 * the outcome is known only when reopened, so the added files must stay where they are. */
struct catalog_change {
    const struct file_info *added;
    size_t added_count;
    const struct file_info *removed; /* policy and number count */
    size_t removed_count;
    uint64_t flushed_lsn;
    int64_t recorded_at_ns; /* the greatest given out so far; 0: unchanged */
};
PHUSA_MUST_USE phusa_status catalog_commit(struct catalog *catalog,
                                           const struct catalog_change *change,
                                           struct phusa_error *error);
/* Replay begins here. */
uint64_t catalog_flushed_lsn(struct catalog *catalog);
int64_t catalog_recorded_at_ns(struct catalog *catalog);

/* ---- inspection ---- */

/* false: an earlier commit failed, or it is read-only. */
bool catalog_is_writable(struct catalog *catalog);
/* Every record, a line each. */
void catalog_dump(struct catalog *catalog, phusa_line_fn line, void *context);

#endif
