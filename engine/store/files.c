/* files.c - see files.h. */
#include "store/files.h"

#include "base/mem.h"
#include "store/disk.h"
#include "store/env_pages.h"

#include <assert.h>
#include <pthread.h>
#include <unistd.h>

struct entry {
    struct data_file file; /* first: a data_file is its entry */
    struct files *files;
    char *path;
    pthread_mutex_t opening;
    bool verified; /* guarded by `opening` */
    /* guarded by files->mutex: */
    uint32_t set_count; /* sets that hold it */
    uint32_t pin_count; /* of them, pinned ones */
    bool dropped;
    struct env *env;
    struct entry *newer, *older; /* among the open ones, by last use */
};

struct files {
    char *dir;
    struct log *log;
    unsigned open_files_max;
    pthread_mutex_t mutex;
    unsigned open_count;
    unsigned entry_count;
    struct entry *newest, *oldest;
};

static struct entry *entry_of(const struct data_file *file)
{
    return (struct entry *)(uintptr_t)file;
}

phusa_status files_create(const char *dir, unsigned open_files_max, struct log *log,
                          struct files **out)
{
    struct files *files = mem_zalloc(sizeof *files);
    if (files == NULL) return PHUSA_ENOMEM;
    files->dir = mem_copy_text(dir, strlen(dir));
    if (files->dir == NULL) {
        mem_free(files);
        return PHUSA_ENOMEM;
    }
    files->log = log;
    files->open_files_max = open_files_max == 0 ? OPEN_FILES_DEFAULT : open_files_max;
    pthread_mutex_init(&files->mutex, NULL);
    *out = files;
    return PHUSA_OK;
}

void files_free(struct files *files)
{
    if (files == NULL) return;
    assert(files->entry_count == 0);
    pthread_mutex_destroy(&files->mutex);
    mem_free(files->dir);
    mem_free(files);
}

/* ---- entries ---- */

struct data_file *files_name(struct files *files, const struct file_info *info)
{
    struct entry *entry = mem_zalloc(sizeof *entry);
    if (entry == NULL) return NULL;
    entry->path = disk_file_path(files->dir, info);
    if (entry->path == NULL) {
        mem_free(entry);
        return NULL;
    }
    entry->file.info = *info;
    entry->files = files;
    pthread_mutex_init(&entry->opening, NULL);
    pthread_mutex_lock(&files->mutex);
    files->entry_count++;
    pthread_mutex_unlock(&files->mutex);
    return &entry->file;
}

static void entry_free(struct entry *entry)
{
    assert(entry->set_count == 0);
    env_close(entry->env);
    if (entry->dropped) unlink(entry->path);
    pthread_mutex_destroy(&entry->opening);
    mem_free(entry->path);
    mem_free(entry);
}

void files_discard(struct data_file *file)
{
    if (file == NULL) return;
    struct entry *entry = entry_of(file);
    pthread_mutex_lock(&entry->files->mutex);
    entry->files->entry_count--;
    pthread_mutex_unlock(&entry->files->mutex);
    entry_free(entry);
}

void file_drop(struct data_file *file)
{
    struct entry *entry = entry_of(file);
    pthread_mutex_lock(&entry->files->mutex);
    entry->dropped = true;
    pthread_mutex_unlock(&entry->files->mutex);
}

const char *file_path(const struct data_file *file)
{
    return entry_of(file)->path;
}

/* ---- the list of open files; the mutex is held ---- */

static void list_remove(struct files *files, struct entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &files->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &files->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
    files->open_count--;
}

static void list_add(struct files *files, struct entry *entry)
{
    entry->older = files->newest;
    *(files->newest != NULL ? &files->newest->newer : &files->oldest) = entry;
    files->newest = entry;
    files->open_count++;
}

/* One unpinned environment to close, if too many are open; the caller does so unlocked. Nobody can
 * open the file again meanwhile through another environment: LMDB allows two maps of a
 * read-only file without locks. */
static struct env *take_surplus(struct files *files)
{
    if (files->open_count <= files->open_files_max) return NULL;
    for (struct entry *entry = files->oldest; entry != NULL; entry = entry->newer) {
        if (entry->pin_count > 0) continue;
        struct env *env = entry->env;
        entry->env = NULL;
        list_remove(files, entry);
        return env;
    }
    return NULL;
}

static void close_surplus(struct files *files)
{
    for (;;) {
        pthread_mutex_lock(&files->mutex);
        struct env *env = take_surplus(files);
        pthread_mutex_unlock(&files->mutex);
        if (env == NULL) return;
        env_close(env);
    }
}

/* ---- opening ---- */

/* Before LMDB maps it: a page that is not as it was written would kill the process. */
static phusa_status verify(struct entry *entry)
{
    const struct file_info *info = &entry->file.info;
    uint32_t crc;
    uint64_t size_bytes;
    struct phusa_error error;
    const phusa_status status = pages_crc(entry->path, &crc, &size_bytes, &error);
    if (status == PHUSA_ENOTFOUND) {
        log_write(entry->files->log, PHUSA_LOG_ERROR, "%s is missing", entry->path);
        return PHUSA_ECORRUPT;
    }
    if (status != PHUSA_OK) {
        log_write(entry->files->log, PHUSA_LOG_ERROR, "%s", error.text);
        return status;
    }
    if (crc != info->pages_crc || size_bytes != info->size_bytes) {
        log_write(entry->files->log, PHUSA_LOG_ERROR, "%s is damaged: its pages are not as written",
                  entry->path);
        return PHUSA_ECORRUPT;
    }
    entry->verified = true;
    return PHUSA_OK;
}

static struct env *open_already(struct entry *entry)
{
    struct files *files = entry->files;
    pthread_mutex_lock(&files->mutex);
    assert(entry->pin_count > 0);
    struct env *env = entry->env;
    if (env != NULL && files->newest != entry) {
        list_remove(files, entry);
        list_add(files, entry);
    }
    pthread_mutex_unlock(&files->mutex);
    return env;
}

phusa_status file_env(struct data_file *file, struct env **out)
{
    struct entry *entry = entry_of(file);
    struct files *files = entry->files;
    struct env *env = open_already(entry);
    if (env != NULL) {
        *out = env;
        return PHUSA_OK;
    }
    pthread_mutex_lock(&entry->opening);
    phusa_status status = PHUSA_OK;
    env = open_already(entry); /* somebody else may have been faster */
    if (env != NULL) goto out;
    if (!entry->verified) status = verify(entry);
    if (status == PHUSA_OK) status = env_open(entry->path, ENV_IMMUTABLE, files->log, &env, NULL);
    if (status != PHUSA_OK) goto out;
    pthread_mutex_lock(&files->mutex);
    entry->env = env;
    list_add(files, entry);
    pthread_mutex_unlock(&files->mutex);
out:
    pthread_mutex_unlock(&entry->opening);
    if (status != PHUSA_OK) return status;
    close_surplus(files);
    *out = env;
    return PHUSA_OK;
}

unsigned files_open_count(struct files *files)
{
    pthread_mutex_lock(&files->mutex);
    const unsigned count = files->open_count;
    pthread_mutex_unlock(&files->mutex);
    return count;
}

/* ---- sets ---- */

struct file_set *file_set_create(struct files *files, uint64_t version, struct data_file **list,
                                 size_t count)
{
    struct file_set *set = mem_zalloc(sizeof *set);
    struct data_file **copy = mem_array(count == 0 ? 1 : count, sizeof(struct data_file *));
    if (set == NULL || copy == NULL) {
        mem_free(set);
        mem_free(copy);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        copy[i] = list[i];
    *set = (struct file_set){
        .file_count = count, .files = copy, .version = version, .owner = files, .is_current = true};
    pthread_mutex_lock(&files->mutex);
    for (size_t i = 0; i < count; i++)
        entry_of(copy[i])->set_count++;
    pthread_mutex_unlock(&files->mutex);
    return set;
}

/* Nobody holds the set: its files that no other set holds are freed, unlocked, through the
 * list links, which a file that is not open does not need. */
static struct entry *take_apart(struct files *files, struct file_set *set)
{
    struct entry *doomed = NULL;
    for (size_t i = 0; i < set->file_count; i++) {
        struct entry *entry = entry_of(set->files[i]);
        if (--entry->set_count > 0) continue;
        if (entry->env != NULL) list_remove(files, entry);
        files->entry_count--;
        entry->older = doomed;
        doomed = entry;
    }
    return doomed;
}

static void set_free(struct file_set *set, struct entry *doomed)
{
    while (doomed != NULL) {
        struct entry *next = doomed->older;
        entry_free(doomed);
        doomed = next;
    }
    mem_free(set->files);
    mem_free(set);
}

void file_set_pin(struct file_set *set)
{
    struct files *files = set->owner;
    pthread_mutex_lock(&files->mutex);
    assert(set->is_current);
    if (set->pin_count++ == 0) {
        for (size_t i = 0; i < set->file_count; i++)
            entry_of(set->files[i])->pin_count++;
    }
    pthread_mutex_unlock(&files->mutex);
}

void file_set_retire(struct file_set *set)
{
    struct files *files = set->owner;
    pthread_mutex_lock(&files->mutex);
    set->is_current = false;
    const bool last = set->pin_count == 0;
    struct entry *doomed = last ? take_apart(files, set) : NULL;
    pthread_mutex_unlock(&files->mutex);
    if (last) set_free(set, doomed);
}

void file_set_release(struct file_set *set)
{
    if (set == NULL) return;
    struct files *files = set->owner;
    struct entry *doomed = NULL;
    bool last = false;
    pthread_mutex_lock(&files->mutex);
    assert(set->pin_count > 0);
    if (--set->pin_count == 0) {
        for (size_t i = 0; i < set->file_count; i++)
            entry_of(set->files[i])->pin_count--;
        last = !set->is_current;
        if (last) doomed = take_apart(files, set);
    }
    pthread_mutex_unlock(&files->mutex);
    if (last) set_free(set, doomed);
    close_surplus(files);
}
