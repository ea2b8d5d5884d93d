/*
 * disk.h - paths of the store's files and directories that last.
 */
#ifndef PHUSA_STORE_DISK_H
#define PHUSA_STORE_DISK_H

#include "store/datafile.h"

/* Heap text, freed by mem_free(); NULL without memory. */
char *disk_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *disk_file_path(const char *dir, const struct file_info *info);

/* Is `name` that of a data file? */
bool disk_parse_name(const char *name, uint64_t *number, bool *sealed);

/* What was created in or removed from the directory is so for ever. */
PHUSA_MUST_USE phusa_status disk_sync_dir(const char *path);
/* Make DIR/name, if it is missing, for ever. */
PHUSA_MUST_USE phusa_status disk_make_dir(const char *dir, const char *name);

#endif
