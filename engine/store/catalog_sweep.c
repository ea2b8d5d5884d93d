/*
 * catalog_sweep.c - DIR/data against the catalogue at start; see catalog_internal.h.
 *
 * A file is built first and named by a commit, dropped by a commit and unlinked after: a crash
 * between leaves files that nothing names, never the other way round.
 */
#include "store/catalog_internal.h"

#include "base/mem.h"
#include "base/status.h"
#include "store/disk.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_named(const struct policy *policy, uint64_t number, bool sealed)
{
    if (policy == NULL) return false;
    for (size_t i = 0; i < policy->set->file_count; i++) {
        const struct file_info *info = &policy->set->files[i]->info;
        if (info->number == number) return info->sealed == sealed;
    }
    return false;
}

/* Remove orphans of one policy's directory. Whatever is not called like a data file is left alone.
 */
static phusa_status sweep_policy(struct catalog *catalog, const char *path, uint32_t id)
{
    const struct policy *policy = catalog_policy_at(catalog, id);
    DIR *dir = opendir(path);
    if (dir == NULL) return status_from_errno(errno);
    unsigned removed = 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        uint64_t number;
        bool sealed;
        if (!disk_parse_name(e->d_name, &number, &sealed) || is_named(policy, number, sealed))
            continue;
        if (unlinkat(dirfd(dir), e->d_name, 0) == 0) removed++;
    }
    closedir(dir);
    if (removed > 0)
        log_write(catalog->log, PHUSA_LOG_INFO,
                  "removed %u unfinished or dropped files of policy %" PRIu32, removed, id);
    if (policy == NULL) rmdir(path);
    /* So that an orphan cannot come back under a number that was given again. */
    return removed > 0 && policy != NULL ? disk_sync_dir(path) : PHUSA_OK;
}

/* The number that a directory of DIR/data is called by. */
static bool parse_policy(const char *name, uint32_t *id)
{
    if (name[0] < '1' || name[0] > '9') return false;
    char *rest;
    errno = 0;
    const unsigned long long n = strtoull(name, &rest, 10);
    if (errno != 0 || *rest != '\0' || n > UINT32_MAX) return false;
    *id = (uint32_t)n;
    return true;
}

static phusa_status sweep_all(struct catalog *catalog, const char *data)
{
    DIR *dir = opendir(data);
    if (dir == NULL) return errno == ENOENT ? PHUSA_OK : status_from_errno(errno);
    phusa_status status = PHUSA_OK;
    for (const struct dirent *e = readdir(dir); e != NULL && status == PHUSA_OK; e = readdir(dir)) {
        uint32_t id;
        if (!parse_policy(e->d_name, &id)) continue;
        char *path = disk_print("%s/%s", data, e->d_name);
        status = path == NULL ? PHUSA_ENOMEM : sweep_policy(catalog, path, id);
        mem_free(path);
    }
    closedir(dir);
    return status == PHUSA_OK ? disk_sync_dir(data) : status;
}

static void report_missing(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->policy_count; i++) {
        const struct file_set *set = catalog->policies[i].set;
        for (size_t f = 0; f < set->file_count; f++) {
            struct stat file;
            const char *path = file_path(set->files[f]);
            if (stat(path, &file) != 0)
                log_write(catalog->log, PHUSA_LOG_ERROR, "%s is missing", path);
            else if ((uint64_t)file.st_size != set->files[f]->info.size_bytes)
                log_write(catalog->log, PHUSA_LOG_ERROR, "%s has not the size it was written with",
                          path);
        }
    }
}

phusa_status catalog_sweep(struct catalog *catalog, struct phusa_error *error)
{
    report_missing(catalog);
    if (catalog->read_only) return PHUSA_OK;
    char *data = disk_print("%s/data", catalog->dir);
    const phusa_status status = data == NULL ? PHUSA_ENOMEM : sweep_all(catalog, data);
    mem_free(data);
    if (status == PHUSA_OK) return PHUSA_OK;
    return error_set(error, status, "cannot tidy %s/data: %s", catalog->dir,
                     phusa_status_text(status));
}

static bool has_entries(const char *dir, const char *name)
{
    char *path = disk_print("%s/%s", dir, name);
    if (path == NULL) return true; /* rather refuse */
    bool found = false;
    DIR *d = opendir(path);
    if (d != NULL) {
        for (const struct dirent *e = readdir(d); e != NULL && !found; e = readdir(d))
            found = e->d_name[0] != '.';
        closedir(d);
    }
    mem_free(path);
    return found;
}

bool catalog_has_data(const char *dir)
{
    return has_entries(dir, "data") || has_entries(dir, "wal");
}
