/*
 * files.h - the data files that are named: who holds them, which are open.
 *
 *     named ----> open ----> closed again when too many are open and nobody pins it
 *       |
 *       +-- dropped (by a commit) ----> unlinked when the last set that holds it goes
 *
 * A file lives as long as a file_set holds it; the catalogue holds the current set of each
 * policy, readers pin sets. Open files of pinned sets stay open, even past the limit.
 *
 * Threads  any. files->mutex guards all counts and the list of open files, and is never held
 *          across a disk wait; opening a file is serialised by a lock of that file.
 */
#ifndef PHUSA_STORE_FILES_H
#define PHUSA_STORE_FILES_H

#include "store/catalog.h"
#include "store/env.h"

struct files;

PHUSA_MUST_USE phusa_status files_create(const char *dir, unsigned open_files_max, struct log *log,
                                         struct files **out);
/* Every set must be gone. */
void files_free(struct files *files);

/* A file that no set holds yet; discard it or put it into a set. NULL without memory. */
struct data_file *files_name(struct files *files, const struct file_info *info);
void files_discard(struct data_file *file);

/* A set of those files, to be the current one of a policy. NULL without memory. */
struct file_set *file_set_create(struct files *files, uint64_t version, struct data_file **list,
                                 size_t count);
/* For a reader; the caller makes sure that the set is current still. */
void file_set_pin(struct file_set *set);
/* No longer current. */
void file_set_retire(struct file_set *set);
/* Unlink the file when its last set goes. */
void file_drop(struct data_file *file);

/* The file's map, opened and verified if need be. A set that holds it must be pinned. */
PHUSA_MUST_USE phusa_status file_env(struct data_file *file, struct env **out);
/* Paths, for inspection. */
const char *file_path(const struct data_file *file);

/* How many are open now, for tests and statistics. */
unsigned files_open_count(struct files *files);

#endif
