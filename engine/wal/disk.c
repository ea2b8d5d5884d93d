/* disk.c - see disk.h. */
#include "wal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic uint64_t fail_at;
static _Atomic uint64_t calls;
static int fail_error;

void disk_fail_at(uint64_t n, int error_number)
{
    fail_error = error_number;
    atomic_store(&calls, 0);
    atomic_store(&fail_at, n);
}

uint64_t disk_calls(void)
{
    return atomic_load(&calls);
}

static bool fails_now(void)
{
    const uint64_t call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    const uint64_t n = atomic_load_explicit(&fail_at, memory_order_relaxed);
    return n != 0 && call == n;
}

int disk_open(int directory, const char *name, int flags, int *fd)
{
    if ((flags & O_CREAT) != 0 && fails_now()) return fail_error;
    int opened;
    do
        opened = openat(directory, name, flags | O_CLOEXEC, 0600);
    while (opened < 0 && errno == EINTR);
    if (opened < 0) return errno;
    *fd = opened;
    return 0;
}

int disk_size(int fd, uint64_t *size_bytes)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    *size_bytes = (uint64_t)info.st_size;
    return 0;
}

int disk_read(int fd, void *bytes, size_t size_bytes, uint64_t offset, size_t *read_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        const ssize_t n =
            pread(fd, (uint8_t *)bytes + done, size_bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) break;
        done += (size_t)n;
    }
    *read_bytes = done;
    return 0;
}

static int write_all(int fd, const void *bytes, size_t size_bytes, uint64_t offset)
{
    size_t done = 0;
    while (done < size_bytes) {
        const ssize_t n =
            pwrite(fd, (const uint8_t *)bytes + done, size_bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        done += (size_t)n;
    }
    return 0;
}

int disk_write(int fd, const void *bytes, size_t size_bytes, uint64_t offset)
{
    if (fails_now()) {
        const int error = write_all(fd, bytes, size_bytes / 2, offset);
        return error != 0 ? error : fail_error;
    }
    return write_all(fd, bytes, size_bytes, offset);
}

int disk_write_two(int fd, struct iovec parts[2], uint64_t offset)
{
    const size_t first_bytes = parts[0].iov_len;
    const size_t total_bytes = first_bytes + parts[1].iov_len;
    if (fails_now()) {
        const int error = write_all(fd, parts[0].iov_base, first_bytes, offset);
        if (error != 0) return error;
        return write_all(fd, parts[1].iov_base, parts[1].iov_len / 2, offset + first_bytes) != 0
                   ? EIO
                   : fail_error;
    }
    ssize_t n;
    do
        n = pwritev(fd, parts, 2, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno;
    size_t done = (size_t)n;
    if (done == total_bytes) return 0;
    if (done < first_bytes) {
        const int error = write_all(fd, (const uint8_t *)parts[0].iov_base + done,
                                    first_bytes - done, offset + done);
        if (error != 0) return error;
        done = first_bytes;
    }
    return write_all(fd, (const uint8_t *)parts[1].iov_base + (done - first_bytes),
                     total_bytes - done, offset + done);
}

int disk_truncate(int fd, uint64_t size_bytes)
{
    if (fails_now()) return fail_error;
    return ftruncate(fd, (off_t)size_bytes) == 0 ? 0 : errno;
}

int disk_sync(int fd)
{
    if (fails_now()) return fail_error;
    return fdatasync(fd) == 0 ? 0 : errno;
}

int disk_sync_meta(int fd)
{
    if (fails_now()) return fail_error;
    return fsync(fd) == 0 ? 0 : errno;
}

int disk_rename(int directory, const char *from, const char *to)
{
    if (fails_now()) return fail_error;
    if (renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    /* A file system that cannot refuse by itself. The directory is ours alone. */
    if (faccessat(directory, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
    return renameat(directory, from, directory, to) == 0 ? 0 : errno;
}

int disk_unlink(int directory, const char *name)
{
    if (fails_now()) return fail_error;
    return unlinkat(directory, name, 0) == 0 ? 0 : errno;
}
