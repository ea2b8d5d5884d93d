/*
 * record.c - a library to preload: records what a program does to one directory, or kills it at the
 * n-th thing it does, or makes that fail. See trace.h.
 *
 * Every call that changes something is made and recorded under one lock, so the order of the trace
 * is the order of the effects, and a sync covers exactly the writes before it. Calls go to the
 * kernel directly. Writes that the C library makes by itself (stdio) and through mappings are
 * not seen: the laboratory compares its end state with the true directory, and so finds out.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_BYTES 4096

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char base[PATH_BYTES];
static size_t base_bytes;
static int trace_fd = -1;
static int mark_fd = -1;
static uint64_t kill_at;
static const char *kill_how = "before";
static int fail_error;
static uint64_t calls;
static pid_t main_pid;

static long long number_of(const char *name, long long otherwise)
{
    const char *value = getenv(name);
    return value == NULL ? otherwise : atoll(value);
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv(TRACE_DIR);
    if (dir == NULL) return;
    base_bytes = strlen(dir);
    if (base_bytes >= sizeof base) abort();
    memcpy(base, dir, base_bytes + 1);
    const char *file = getenv(TRACE_FILE);
    if (file != NULL)
        trace_fd = (int)syscall(SYS_openat, AT_FDCWD, file,
                                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    mark_fd = (int)number_of(TRACE_MARK_FD_ENV, -1);
    kill_at = (uint64_t)number_of(TRACE_KILL_AT, 0);
    if (getenv(TRACE_KILL_HOW) != NULL) kill_how = getenv(TRACE_KILL_HOW);
    if (strcmp(kill_how, "EIO") == 0) fail_error = EIO;
    if (strcmp(kill_how, "ENOSPC") == 0) fail_error = ENOSPC;
    main_pid = getpid();
}

__attribute__((destructor)) static void end(void)
{
    const char *file = getenv(TRACE_COUNT_FILE);
    if (file == NULL || getpid() != main_pid) return;
    char text[32];
    const int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)calls);
    const int fd =
        (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return;
    (void)!syscall(SYS_write, fd, text, (size_t)n);
    syscall(SYS_close, fd);
}

/* ---- where something is ---- */

/* The path below the directory, or NULL. */
static const char *below(const char *absolute)
{
    if (base_bytes == 0 || strncmp(absolute, base, base_bytes) != 0) return NULL;
    if (absolute[base_bytes] == '\0') return "";
    return absolute[base_bytes] == '/' ? absolute + base_bytes + 1 : NULL;
}

static const char *place_of_fd(int fd, char path[PATH_BYTES])
{
    if (base_bytes == 0) return NULL;
    char fd_path[64];
    snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", fd);
    const long n = syscall(SYS_readlink, fd_path, path, PATH_BYTES - 1);
    if (n < 0) return NULL;
    path[n] = '\0';
    return below(path);
}

static const char *place_of(int directory, const char *name, char path[PATH_BYTES])
{
    if (base_bytes == 0) return NULL;
    if (name[0] == '/') {
        snprintf(path, PATH_BYTES, "%s", name);
        return below(path);
    }
    char start[PATH_BYTES];
    if (directory == AT_FDCWD) {
        if (getcwd(start, sizeof start) == NULL) return NULL;
    } else {
        (void)place_of_fd(directory, start);
    }
    if (snprintf(path, PATH_BYTES, "%s/%s", start, name) >= PATH_BYTES) abort();
    return below(path);
}

static uint64_t inode_of(int fd, bool *is_directory)
{
    struct stat st;
    if (syscall(SYS_fstat, fd, &st) != 0) return 0;
    *is_directory = S_ISDIR(st.st_mode);
    return st.st_ino;
}

/* ---- saying so ---- */

static void put(enum trace_kind kind, const char *path, const char *second, uint64_t inode,
                uint64_t offset, const void *data, uint64_t data_bytes)
{
    if (trace_fd < 0) return;
    char paths[2 * PATH_BYTES];
    size_t path_bytes = 0;
    if (path != NULL) path_bytes += (size_t)snprintf(paths, PATH_BYTES, "%s", path) + 1;
    if (second != NULL)
        path_bytes += (size_t)snprintf(paths + path_bytes, PATH_BYTES, "%s", second) + 1;
    const struct trace_op op = {kind, (uint32_t)path_bytes, inode, offset, data_bytes};
    const struct iovec parts[3] = {{(void *)(uintptr_t)&op, sizeof op},
                                   {paths, path_bytes},
                                   {(void *)(uintptr_t)data, data_bytes}};
    const size_t total = sizeof op + path_bytes + data_bytes;
    if (syscall(SYS_writev, trace_fd, parts, 3) != (long)total) abort();
}

static void die(void)
{
    syscall(SYS_kill, main_pid, SIGKILL);
    for (;;)
        pause();
}

enum fate { FATE_GO_ON, FATE_TEAR, FATE_FAIL };

/* Count a call, and die of it if that is its fate. */
static enum fate count(bool can_tear)
{
    if (getpid() != main_pid || ++calls != kill_at) return FATE_GO_ON;
    if (fail_error != 0) return FATE_FAIL;
    if (can_tear && strcmp(kill_how, "torn") == 0) return FATE_TEAR;
    if (strcmp(kill_how, "after") != 0) die();
    return FATE_GO_ON;
}

static int fail(void)
{
    pthread_mutex_unlock(&mutex);
    errno = fail_error;
    return -1;
}

static void count_done(void)
{
    if (getpid() == main_pid && calls == kill_at && strcmp(kill_how, "after") == 0) die();
}

/* ---- names ---- */

static int do_open(int directory, const char *name, int flags, mode_t mode)
{
    char path[PATH_BYTES];
    const char *place = (flags & (O_CREAT | O_TRUNC)) != 0 ? place_of(directory, name, path) : NULL;
    if (place == NULL) return (int)syscall(SYS_openat, directory, name, flags, mode);
    if ((flags & O_TMPFILE) == O_TMPFILE) abort();
    pthread_mutex_lock(&mutex);
    const bool existed = syscall(SYS_faccessat, directory, name, F_OK) == 0;
    const bool changes = !existed || (flags & O_TRUNC) != 0;
    if (changes && count(false) == FATE_FAIL) return fail();
    const int fd = (int)syscall(SYS_openat, directory, name, flags, mode);
    const int error = errno;
    if (fd >= 0) {
        bool is_directory;
        const uint64_t inode = inode_of(fd, &is_directory);
        if (!existed) put(TRACE_CREATE, place, NULL, inode, 0, NULL, 0);
        if (existed && (flags & O_TRUNC) != 0) put(TRACE_TRUNCATE, NULL, NULL, inode, 0, NULL, 0);
    }
    if (changes) count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return fd;
}

#define MODE_ARGUMENT(flags, mode)                                      \
    do {                                                                \
        va_list arguments;                                              \
        va_start(arguments, flags);                                     \
        if (((flags)&O_CREAT) != 0) (mode) = va_arg(arguments, mode_t); \
        va_end(arguments);                                              \
    } while (0)

int open(const char *name, int flags, ...)
{
    mode_t mode = 0;
    MODE_ARGUMENT(flags, mode);
    return do_open(AT_FDCWD, name, flags, mode);
}
int open64(const char *name, int flags, ...)
{
    mode_t mode = 0;
    MODE_ARGUMENT(flags, mode);
    return do_open(AT_FDCWD, name, flags, mode);
}
int openat(int directory, const char *name, int flags, ...)
{
    mode_t mode = 0;
    MODE_ARGUMENT(flags, mode);
    return do_open(directory, name, flags, mode);
}
int openat64(int directory, const char *name, int flags, ...)
{
    mode_t mode = 0;
    MODE_ARGUMENT(flags, mode);
    return do_open(directory, name, flags, mode);
}
int creat(const char *name, mode_t mode)
{
    return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *name, mode_t mode)
{
    return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
/* What fortified headers call instead. */
int __open_2(const char *name, int flags);
int __open64_2(const char *name, int flags);
int __openat_2(int directory, const char *name, int flags);
int __openat64_2(int directory, const char *name, int flags);
int __open_2(const char *name, int flags)
{
    return do_open(AT_FDCWD, name, flags, 0);
}
int __open64_2(const char *name, int flags)
{
    return do_open(AT_FDCWD, name, flags, 0);
}
int __openat_2(int directory, const char *name, int flags)
{
    return do_open(directory, name, flags, 0);
}
int __openat64_2(int directory, const char *name, int flags)
{
    return do_open(directory, name, flags, 0);
}

int mkdirat(int directory, const char *name, mode_t mode)
{
    char path[PATH_BYTES];
    const char *place = place_of(directory, name, path);
    if (place == NULL) return (int)syscall(SYS_mkdirat, directory, name, mode);
    pthread_mutex_lock(&mutex);
    if (count(false) == FATE_FAIL) return fail();
    const int result = (int)syscall(SYS_mkdirat, directory, name, mode);
    const int error = errno;
    if (result == 0) put(TRACE_MKDIR, place, NULL, 0, 0, NULL, 0);
    count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}

int unlinkat(int directory, const char *name, int flags)
{
    char path[PATH_BYTES];
    const char *place = place_of(directory, name, path);
    if (place == NULL) return (int)syscall(SYS_unlinkat, directory, name, flags);
    pthread_mutex_lock(&mutex);
    if (count(false) == FATE_FAIL) return fail();
    const int result = (int)syscall(SYS_unlinkat, directory, name, flags);
    const int error = errno;
    if (result == 0) put(TRACE_UNLINK, place, NULL, 0, 0, NULL, 0);
    count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}
int rmdir(const char *name)
{
    return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}
int remove(const char *name)
{
    const int result = unlinkat(AT_FDCWD, name, 0);
    return result != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(name) : result;
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned flags)
{
    char from_path[PATH_BYTES], to_path[PATH_BYTES];
    const char *from_place = place_of(from_directory, from, from_path);
    const char *to_place = place_of(to_directory, to, to_path);
    if (from_place == NULL && to_place == NULL)
        return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    if (from_place == NULL || to_place == NULL) abort();
    pthread_mutex_lock(&mutex);
    if (count(false) == FATE_FAIL) return fail();
    const int result = (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    const int error = errno;
    if (result == 0) put(TRACE_RENAME, from_place, to_place, 0, 0, NULL, 0);
    count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    return renameat2(from_directory, from, to_directory, to, 0);
}
int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    char path[PATH_BYTES];
    if (place_of(to_directory, to, path) != NULL) abort(); /* the laboratory knows no links */
    return (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
}
int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- bytes ---- */

#define CURRENT_OFFSET ((off_t)-1)

/* After a write of n bytes at `offset`. */
static void put_write(int fd, const struct iovec *parts, int part_count, uint64_t offset,
                      uint64_t n)
{
    bool is_directory;
    const uint64_t inode = inode_of(fd, &is_directory);
    for (int i = 0; i < part_count && n > 0; i++) {
        const uint64_t length = parts[i].iov_len < n ? parts[i].iov_len : n;
        if (length > 0) put(TRACE_WRITE, NULL, NULL, inode, offset, parts[i].iov_base, length);
        offset += length;
        n -= length;
    }
    const int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
    if ((flags & O_DSYNC) != 0) put(TRACE_SYNC, NULL, NULL, inode, 0, NULL, 0);
}

static ssize_t raw_writev(int fd, const struct iovec *parts, int part_count, off_t offset)
{
    return offset == CURRENT_OFFSET ? syscall(SYS_writev, fd, parts, part_count)
                                    : syscall(SYS_pwritev, fd, parts, part_count, offset, 0);
}

static ssize_t do_write(int fd, const struct iovec *parts, int part_count, off_t offset)
{
    if (fd == mark_fd && fd >= 0) {
        pthread_mutex_lock(&mutex);
        put(TRACE_MARK, NULL, NULL, 0, 0, parts[0].iov_base, parts[0].iov_len);
        const ssize_t written = raw_writev(fd, parts, part_count, offset);
        pthread_mutex_unlock(&mutex);
        return written;
    }
    char path[PATH_BYTES];
    if (place_of_fd(fd, path) == NULL) return raw_writev(fd, parts, part_count, offset);
    pthread_mutex_lock(&mutex);
    const enum fate fate = count(true);
    if (fate != FATE_GO_ON) {
        struct iovec half = parts[part_count - 1];
        half.iov_len /= 2;
        if (part_count == 1) raw_writev(fd, &half, 1, offset);
        if (part_count > 1) raw_writev(fd, parts, part_count - 1, offset);
        if (fate == FATE_TEAR) die();
        return fail();
    }
    uint64_t at = (uint64_t)offset;
    if (offset == CURRENT_OFFSET) {
        const int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
        at = (uint64_t)syscall(SYS_lseek, fd, 0, (flags & O_APPEND) != 0 ? SEEK_END : SEEK_CUR);
    }
    const ssize_t written = raw_writev(fd, parts, part_count, offset);
    const int error = errno;
    if (written > 0) put_write(fd, parts, part_count, at, (uint64_t)written);
    count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return written;
}

ssize_t write(int fd, const void *bytes, size_t size_bytes)
{
    const struct iovec part = {(void *)(uintptr_t)bytes, size_bytes};
    return do_write(fd, &part, 1, CURRENT_OFFSET);
}
ssize_t pwrite(int fd, const void *bytes, size_t size_bytes, off_t offset)
{
    const struct iovec part = {(void *)(uintptr_t)bytes, size_bytes};
    return do_write(fd, &part, 1, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size_bytes, off64_t offset)
{
    return pwrite(fd, bytes, size_bytes, offset);
}
ssize_t writev(int fd, const struct iovec *parts, int part_count)
{
    return do_write(fd, parts, part_count, CURRENT_OFFSET);
}
ssize_t pwritev(int fd, const struct iovec *parts, int part_count, off_t offset)
{
    return do_write(fd, parts, part_count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int part_count, off64_t offset)
{
    return do_write(fd, parts, part_count, offset);
}

int ftruncate(int fd, off_t size)
{
    char path[PATH_BYTES];
    if (place_of_fd(fd, path) == NULL) return (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&mutex);
    if (count(false) == FATE_FAIL) return fail();
    const int result = (int)syscall(SYS_ftruncate, fd, size);
    const int error = errno;
    bool is_directory;
    if (result == 0)
        put(TRACE_TRUNCATE, NULL, NULL, inode_of(fd, &is_directory), (uint64_t)size, NULL, 0);
    count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

/* Allocation adds zeroes at most, unless it is asked for something odd. */
int fallocate(int fd, int mode, off_t offset, off_t length)
{
    char path[PATH_BYTES];
    if (place_of_fd(fd, path) == NULL) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if ((mode & ~1 /* FALLOC_FL_KEEP_SIZE */) != 0) abort();
    pthread_mutex_lock(&mutex);
    if (count(false) == FATE_FAIL) return fail();
    struct stat st;
    const int result = (int)syscall(SYS_fallocate, fd, mode, offset, length);
    const int error = errno;
    if (result == 0 && syscall(SYS_fstat, fd, &st) == 0)
        put(TRACE_TRUNCATE, NULL, NULL, st.st_ino, (uint64_t)st.st_size, NULL, 0);
    count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return fallocate(fd, mode, offset, length);
}
int posix_fallocate(int fd, off_t offset, off_t length)
{
    return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    return posix_fallocate(fd, offset, length);
}

/* ---- syncs ---- */

static int do_sync(long call, int fd)
{
    char path[PATH_BYTES];
    const char *place = place_of_fd(fd, path);
    if (place == NULL) return (int)syscall(call, fd);
    pthread_mutex_lock(&mutex);
    if (count(false) == FATE_FAIL) return fail();
    const int result = (int)syscall(call, fd);
    const int error = errno;
    bool is_directory = false;
    const uint64_t inode = inode_of(fd, &is_directory);
    if (result == 0 && is_directory) put(TRACE_SYNC_DIR, place, NULL, 0, 0, NULL, 0);
    if (result == 0 && !is_directory) put(TRACE_SYNC, NULL, NULL, inode, 0, NULL, 0);
    count_done();
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int fsync(int fd)
{
    return do_sync(SYS_fsync, fd);
}
int fdatasync(int fd)
{
    return do_sync(SYS_fdatasync, fd);
}
int syncfs(int fd)
{
    pthread_mutex_lock(&mutex);
    const int result = (int)syscall(SYS_syncfs, fd);
    if (result == 0) put(TRACE_SYNC_ALL, NULL, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&mutex);
    return result;
}
void sync(void)
{
    pthread_mutex_lock(&mutex);
    syscall(SYS_sync);
    put(TRACE_SYNC_ALL, NULL, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&mutex);
}
