/* disk.c - see disk.h. */
#include "store/disk.h"

#include "base/mem.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *disk_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) return NULL;
    char *text = mem_alloc((size_t)size + 1);
    if (text == NULL) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return text;
}

char *disk_file_path(const char *dir, const struct file_info *info)
{
    return disk_print("%s/data/%" PRIu32 "/%06" PRIu64 ".%s.mdb", dir, info->policy, info->number,
                      info->sealed ? "part" : "run");
}

bool disk_parse_name(const char *name, uint64_t *number, bool *sealed)
{
    if (name[0] < '0' || name[0] > '9') return false;
    char *rest;
    errno = 0;
    const unsigned long long n = strtoull(name, &rest, 10);
    if (errno != 0) return false;
    const bool is_part = strcmp(rest, ".part.mdb") == 0;
    if (!is_part && strcmp(rest, ".run.mdb") != 0) return false;
    *number = n;
    *sealed = is_part;
    return true;
}

phusa_status disk_sync_dir(const char *path)
{
#ifdef PHUSA_TEST_NO_SYNC
    (void)path;
    return PHUSA_OK;
#else
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return status_from_errno(errno);
    const phusa_status status = fsync(fd) == 0 ? PHUSA_OK : status_from_errno(errno);
    close(fd);
    return status;
#endif
}

phusa_status disk_make_dir(const char *dir, const char *name)
{
    char *path = disk_print("%s/%s", dir, name);
    if (path == NULL) return PHUSA_ENOMEM;
    /* Synced also when it is there: whoever made it may have died before he synced it. */
    const bool is_there = mkdir(path, 0700) == 0 || errno == EEXIST;
    const phusa_status status = is_there ? disk_sync_dir(dir) : status_from_errno(errno);
    mem_free(path);
    return status;
}
