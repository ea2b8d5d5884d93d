/* lab.c - see lab.h. */
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512u
#define FILES_MAX    65536u /* of one trace; by inode, open addressing */
#define DIRS_MAX     64u
#define ENTRIES_MAX  512u
#define NAME_BYTES   80u

/* A change of a file since its sync. */
struct change {
    uint64_t offset, size_bytes; /* of the bytes that it set */
    const uint8_t *data;         /* in the trace; NULL: zeroes */
    uint64_t file_bytes;         /* after it */
};

struct file {
    uint64_t inode; /* 0: free slot */
    uint8_t *durable, *cache;
    uint64_t durable_bytes, cache_bytes, capacity;
    struct change *changes;
    size_t change_count, change_capacity;
};

struct entry {
    char name[NAME_BYTES];
    uint64_t inode; /* 0: a directory */
};
struct entries {
    struct entry *list;
    size_t count;
};
struct name_change {
    enum trace_kind kind;
    char name[NAME_BYTES], to[NAME_BYTES];
    uint64_t inode;
};
struct directory {
    char path[256];
    struct entries durable, cache;
    struct name_change *changes;
    size_t change_count, change_capacity;
};

struct lab {
    const uint8_t *next, *end;
    struct file *files;
    struct directory dirs[DIRS_MAX];
    size_t dir_count;
};

static void broken(const char *what)
{
    fprintf(stderr, "the trace is broken: %s\n", what);
    abort();
}

static void *grown(void *array, size_t *capacity, size_t count, size_t size_bytes)
{
    if (count <= *capacity) return array;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    array = realloc(array, *capacity * size_bytes);
    if (array == NULL) broken("no memory");
    return array;
}

/* ---- files ---- */

static struct file *find_file(const struct lab *lab, uint64_t inode)
{
    for (uint64_t i = inode * UINT64_C(0x9e3779b97f4a7c15) >> 48;; i = (i + 1) % FILES_MAX)
        if (lab->files[i].inode == inode || lab->files[i].inode == 0) return &lab->files[i];
}

static void set_size(struct file *file, uint64_t size_bytes)
{
    if (size_bytes > file->capacity) {
        uint64_t capacity = file->capacity == 0 ? 4096 : file->capacity;
        while (capacity < size_bytes)
            capacity *= 2;
        file->durable = realloc(file->durable, capacity);
        file->cache = realloc(file->cache, capacity);
        if (file->durable == NULL || file->cache == NULL) broken("no memory");
        memset(file->durable + file->capacity, 0, capacity - file->capacity);
        memset(file->cache + file->capacity, 0, capacity - file->capacity);
        file->capacity = capacity;
    }
    file->cache_bytes = size_bytes;
}

static void change_file(struct file *file, uint64_t offset, uint64_t size_bytes,
                        const uint8_t *data, uint64_t file_bytes)
{
    file->changes =
        grown(file->changes, &file->change_capacity, file->change_count + 1, sizeof *file->changes);
    file->changes[file->change_count++] = (struct change){offset, size_bytes, data, file_bytes};
}

static void write_file(struct file *file, uint64_t offset, const uint8_t *data, uint64_t size_bytes)
{
    const uint64_t end = offset + size_bytes;
    set_size(file, end > file->cache_bytes ? end : file->cache_bytes);
    memcpy(file->cache + offset, data, size_bytes);
    change_file(file, offset, size_bytes, data, file->cache_bytes);
}

static void truncate_file(struct file *file, uint64_t size_bytes)
{
    const uint64_t old_bytes = file->cache_bytes;
    set_size(file, size_bytes);
    if (size_bytes < old_bytes) {
        memset(file->cache + size_bytes, 0, old_bytes - size_bytes);
        change_file(file, size_bytes, old_bytes - size_bytes, NULL, size_bytes);
    } else {
        change_file(file, size_bytes, 0, NULL, size_bytes);
    }
}

static void sync_file(struct file *file)
{
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *c = &file->changes[i];
        memcpy(file->durable + c->offset, file->cache + c->offset, c->size_bytes);
    }
    file->durable_bytes = file->cache_bytes;
    file->change_count = 0;
}

/* ---- directories ---- */

static struct directory *find_dir(struct lab *lab, const char *path, size_t path_bytes)
{
    for (size_t i = 0; i < lab->dir_count; i++)
        if (strlen(lab->dirs[i].path) == path_bytes &&
            memcmp(lab->dirs[i].path, path, path_bytes) == 0)
            return &lab->dirs[i];
    return NULL;
}

static struct directory *add_dir(struct lab *lab, const char *path)
{
    struct directory *dir = find_dir(lab, path, strlen(path));
    if (dir != NULL) return dir; /* made again under an old name: its past does no harm here */
    if (lab->dir_count == DIRS_MAX || strlen(path) >= sizeof dir->path) broken("too many folders");
    dir = &lab->dirs[lab->dir_count++];
    snprintf(dir->path, sizeof dir->path, "%s", path);
    dir->durable.list = calloc(ENTRIES_MAX, sizeof(struct entry));
    dir->cache.list = calloc(ENTRIES_MAX, sizeof(struct entry));
    return dir;
}

/* The folder that a path lies in, and its last name. */
static struct directory *parent_of(struct lab *lab, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash == NULL ? path : slash + 1;
    struct directory *dir = find_dir(lab, path, slash == NULL ? 0 : (size_t)(slash - path));
    if (dir == NULL || strlen(*name) >= NAME_BYTES) broken(path);
    return dir;
}

static size_t find_entry(const struct entries *entries, const char *name)
{
    size_t i = 0;
    while (i < entries->count && strcmp(entries->list[i].name, name) != 0)
        i++;
    return i;
}

/* False: impossible here. */
static bool apply_names(struct entries *entries, const struct name_change *change)
{
    const size_t at = find_entry(entries, change->name);
    switch (change->kind) {
    case TRACE_CREATE:
    case TRACE_MKDIR:
        if (at < entries->count || entries->count == ENTRIES_MAX) return false;
        snprintf(entries->list[at].name, NAME_BYTES, "%s", change->name);
        entries->list[at].inode = change->inode;
        entries->count++;
        return true;
    case TRACE_UNLINK:
        if (at == entries->count) return false;
        entries->list[at] = entries->list[--entries->count];
        return true;
    case TRACE_RENAME: {
        if (at == entries->count) return false;
        const size_t over = find_entry(entries, change->to);
        const uint64_t inode = entries->list[at].inode;
        if (over < entries->count) { /* replaces */
            entries->list[over].inode = inode;
            entries->list[at] = entries->list[--entries->count];
        } else {
            snprintf(entries->list[at].name, NAME_BYTES, "%s", change->to);
        }
        return true;
    }
    default:
        return false;
    }
}

static void change_names(struct lab *lab, const struct trace_op *op, const char *path)
{
    struct name_change change = {.kind = (enum trace_kind)op->kind, .inode = op->inode};
    const char *name;
    struct directory *dir = parent_of(lab, path, &name);
    snprintf(change.name, NAME_BYTES, "%s", name);
    if (op->kind == TRACE_RENAME) {
        if (parent_of(lab, path + strlen(path) + 1, &name) != dir)
            broken("a move between folders, which the laboratory does not know");
        snprintf(change.to, NAME_BYTES, "%s", name);
    }
    if (!apply_names(&dir->cache, &change)) broken(path);
    dir->changes =
        grown(dir->changes, &dir->change_capacity, dir->change_count + 1, sizeof *dir->changes);
    dir->changes[dir->change_count++] = change;
}

static void copy_entries(struct entries *to, const struct entries *from)
{
    memcpy(to->list, from->list, from->count * sizeof *from->list);
    to->count = from->count;
}

static void sync_dir(struct directory *dir)
{
    copy_entries(&dir->durable, &dir->cache);
    dir->change_count = 0;
}

/* ---- the trace ---- */

struct lab *lab_create(const uint8_t *trace, size_t trace_bytes)
{
    struct lab *lab = calloc(1, sizeof *lab);
    lab->files = calloc(FILES_MAX, sizeof *lab->files);
    lab->next = trace;
    lab->end = trace + trace_bytes;
    add_dir(lab, "");
    return lab;
}

void lab_free(struct lab *lab)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(lab->files[i].durable);
        free(lab->files[i].cache);
        free(lab->files[i].changes);
    }
    for (size_t i = 0; i < lab->dir_count; i++) {
        free(lab->dirs[i].durable.list);
        free(lab->dirs[i].cache.list);
        free(lab->dirs[i].changes);
    }
    free(lab->files);
    free(lab);
}

static void sync_all(struct lab *lab)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (lab->files[i].inode != 0) sync_file(&lab->files[i]);
    for (size_t i = 0; i < lab->dir_count; i++)
        sync_dir(&lab->dirs[i]);
}

static void apply(struct lab *lab, const struct trace_op *op, const char *path, const uint8_t *data)
{
    struct file *file = op->inode == 0 ? NULL : find_file(lab, op->inode);
    switch ((enum trace_kind)op->kind) {
    case TRACE_CREATE:
        free(file->durable);
        free(file->cache);
        free(file->changes);
        *file = (struct file){.inode = op->inode};
        change_names(lab, op, path);
        break;
    case TRACE_MKDIR:
        add_dir(lab, path);
        change_names(lab, op, path);
        break;
    case TRACE_RENAME:
    case TRACE_UNLINK:
        change_names(lab, op, path);
        break;
    case TRACE_WRITE:
        if (file == NULL || file->inode == 0) broken("a write to a file that was not made");
        write_file(file, op->offset, data, op->data_bytes);
        break;
    case TRACE_TRUNCATE:
        if (file == NULL || file->inode == 0) broken("a cut of a file that was not made");
        truncate_file(file, op->offset);
        break;
    case TRACE_SYNC:
        if (file != NULL && file->inode != 0) sync_file(file);
        break;
    case TRACE_SYNC_DIR: {
        struct directory *dir = find_dir(lab, path, strlen(path));
        if (dir == NULL) broken(path);
        sync_dir(dir);
        break;
    }
    case TRACE_SYNC_ALL:
        sync_all(lab);
        break;
    case TRACE_MARK:
        break;
    default:
        broken("an unknown operation");
    }
}

bool lab_step(struct lab *lab, const struct trace_op **op, const uint8_t **data)
{
    static struct trace_op copy; /* what is in the trace is not aligned */
    if (lab->next == lab->end) return false;
    if ((size_t)(lab->end - lab->next) < sizeof copy) broken("it ends early");
    memcpy(&copy, lab->next, sizeof copy);
    const uint8_t *path = lab->next + sizeof copy;
    if (copy.path_bytes + copy.data_bytes > (size_t)(lab->end - path)) broken("it ends early");
    *op = &copy;
    *data = path + copy.path_bytes;
    lab->next = *data + copy.data_bytes;
    apply(lab, &copy, (const char *)path, *data);
    return true;
}

/* ---- states ---- */

/* How the disk went about what it had not been told to write: 0 all, 1 nothing, 2 any mixture, 3
 * most, 4 little. */
struct mood {
    unsigned kind;
};

static struct mood mood_any(struct random *random)
{
    return (struct mood){(unsigned)random_below(random, 5)};
}

/* How many of `count` changes of one place came through, 0 .. count. */
static uint64_t mood_choose(struct mood mood, struct random *random, uint64_t count)
{
    switch (mood.kind) {
    case 0:
        return count;
    case 1:
        return 0;
    case 3:
        return random_below(random, 16) == 0 ? random_below(random, count + 1) : count;
    case 4:
        return random_below(random, 16) == 0 ? random_below(random, count + 1) : 0;
    default:
        return random_below(random, count + 1);
    }
}

static void write_whole(const char *path, const uint8_t *bytes, uint64_t size_bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, bytes, size_bytes) != (ssize_t)size_bytes) {
        perror(path);
        abort();
    }
    close(fd);
}

/* Sectors get the first `chosen` of the changes that touch them. */
static void apply_sectors(const struct file *file, struct random *random, struct mood mood,
                          uint8_t *bytes, uint64_t bytes_max)
{
    const size_t sector_count = bytes_max / SECTOR_BYTES + 1;
    uint32_t *chosen = calloc(sector_count, sizeof *chosen);
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *c = &file->changes[i];
        for (uint64_t s = c->offset / SECTOR_BYTES; s * SECTOR_BYTES < c->offset + c->size_bytes;
             s++)
            chosen[s]++;
    }
    for (size_t s = 0; s < sector_count; s++)
        if (chosen[s] > 0) chosen[s] = (uint32_t)mood_choose(mood, random, chosen[s]);
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *c = &file->changes[i];
        const uint64_t end = c->offset + c->size_bytes;
        for (uint64_t at = c->offset; at < end;) {
            const uint64_t s = at / SECTOR_BYTES;
            const uint64_t stop = (s + 1) * SECTOR_BYTES < end ? (s + 1) * SECTOR_BYTES : end;
            if (chosen[s] > 0) {
                chosen[s]--;
                if (c->data == NULL)
                    memset(bytes + at, 0, stop - at);
                else
                    memcpy(bytes + at, c->data + (at - c->offset), stop - at);
            }
            at = stop;
        }
    }
    free(chosen);
}

static void build_file(const struct file *file, struct random *random, const char *path)
{
    if (file->change_count == 0) {
        write_whole(path, file->durable, file->durable_bytes);
        return;
    }
    uint64_t bytes_max = file->durable_bytes;
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *c = &file->changes[i];
        if (c->file_bytes > bytes_max) bytes_max = c->file_bytes;
        if (c->offset + c->size_bytes > bytes_max) bytes_max = c->offset + c->size_bytes;
    }
    uint8_t *bytes = calloc(1, bytes_max + 1);
    memcpy(bytes, file->durable, file->durable_bytes);
    const struct mood mood = mood_any(random);
    apply_sectors(file, random, mood, bytes, bytes_max);
    const uint64_t sizes = mood_choose(mood, random, file->change_count);
    write_whole(path, bytes,
                sizes == 0 ? file->durable_bytes : file->changes[sizes - 1].file_bytes);
    free(bytes);
}

static void choose_names(const struct directory *dir, struct random *random,
                         struct entries *entries)
{
    copy_entries(entries, &dir->durable);
    const bool any_part = random_below(random, 3) == 0;
    const uint64_t prefix =
        any_part ? dir->change_count : mood_choose(mood_any(random), random, dir->change_count);
    for (uint64_t i = 0; i < prefix; i++)
        if (!any_part || random_below(random, 2) == 0) (void)apply_names(entries, &dir->changes[i]);
}

static void build_dir(const struct lab *lab, struct random *random, const struct directory *dir,
                      const char *path)
{
    struct entries entries = {malloc(ENTRIES_MAX * sizeof(struct entry)), 0};
    choose_names(dir, random, &entries);
    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &entries.list[i];
        char below[600], inner[256 + NAME_BYTES];
        snprintf(below, sizeof below, "%s/%s", path, entry->name);
        if (entry->inode != 0) {
            build_file(find_file(lab, entry->inode), random, below);
            continue;
        }
        if (mkdir(below, 0700) != 0) broken(below);
        snprintf(inner, sizeof inner, "%s%s%s", dir->path, dir->path[0] == '\0' ? "" : "/",
                 entry->name);
        build_dir(lab, random, find_dir((struct lab *)(uintptr_t)lab, inner, strlen(inner)), below);
    }
    free(entries.list);
}

void lab_build(const struct lab *lab, struct random *random, const char *dir)
{
    build_dir(lab, random, &lab->dirs[0], dir);
}

/* ---- is the trace whole? ---- */

static bool same_file(const struct file *file, const char *path)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    if (fd < 0) return false;
    bool same = fstat(fd, &st) == 0 && (uint64_t)st.st_size == file->cache_bytes;
    uint8_t *bytes = malloc(file->cache_bytes + 1);
    same = same && read(fd, bytes, file->cache_bytes) == (ssize_t)file->cache_bytes &&
           memcmp(bytes, file->cache, file->cache_bytes) == 0;
    free(bytes);
    close(fd);
    return same;
}

static bool is_lock(const char *name)
{
    const size_t n = strlen(name);
    return (n >= 5 && strcmp(name + n - 5, "-lock") == 0) || strcmp(name, "lock.mdb") == 0;
}

static size_t entries_in(const char *path)
{
    size_t count = 0;
    DIR *listing = opendir(path);
    if (listing == NULL) return SIZE_MAX;
    for (const struct dirent *e = readdir(listing); e != NULL; e = readdir(listing))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) count++;
    closedir(listing);
    return count;
}

static bool dir_matches(const struct lab *lab, const struct directory *dir, const char *path,
                        char *difference, size_t difference_bytes)
{
    if (entries_in(path) != dir->cache.count) {
        snprintf(difference, difference_bytes, "%s has %zu names, the trace says %zu", path,
                 entries_in(path), dir->cache.count);
        return false;
    }
    for (size_t i = 0; i < dir->cache.count; i++) {
        const struct entry *entry = &dir->cache.list[i];
        char below[600], inner[256 + NAME_BYTES];
        snprintf(below, sizeof below, "%s/%s", path, entry->name);
        snprintf(inner, sizeof inner, "%s%s%s", dir->path, dir->path[0] == '\0' ? "" : "/",
                 entry->name);
        if (entry->inode == 0) {
            if (!dir_matches(lab, find_dir((struct lab *)(uintptr_t)lab, inner, strlen(inner)),
                             below, difference, difference_bytes))
                return false;
        } else if (!is_lock(entry->name) && !same_file(find_file(lab, entry->inode), below)) {
            snprintf(difference, difference_bytes, "%s is not what the trace says", below);
            return false;
        }
    }
    return true;
}

bool lab_matches(const struct lab *lab, const char *dir, char *difference, size_t difference_bytes)
{
    return dir_matches(lab, &lab->dirs[0], dir, difference, difference_bytes);
}
