/* sandbox.c - see sandbox.h. */
#include "sandbox.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void sandbox_make(struct sandbox *s)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(s->dir, sizeof s->dir, "%s/phusa-test-XXXXXX", base);
    cr_assert_not_null(mkdtemp(s->dir));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

void sandbox_remove(struct sandbox *s)
{
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *sandbox_path(const struct sandbox *s, const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", s->dir, name);
    return path;
}

uint8_t *sandbox_read(const char *path, size_t *size_bytes)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    cr_assert_eq(read(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    *size_bytes = (size_t)st.st_size;
    return bytes;
}

void sandbox_write(const char *path, const uint8_t *bytes, size_t size_bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0, "%s", path);
    cr_assert_eq(write(fd, bytes, size_bytes), (ssize_t)size_bytes);
    close(fd);
}

bool sandbox_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int sandbox_child(int (*run)(void *context), void *context)
{
    fflush(NULL);
    const pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) _exit(run(context));
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void *sandbox_shared(size_t size_bytes)
{
    void *shared =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(shared != MAP_FAILED);
    return shared;
}
