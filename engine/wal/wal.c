/*
 * wal.c - open, append, sync, and the life of segments; see wal.h and FORMAT.md.
 *
 *              wal_prepare, roll            begin_segment               roll
 *     (nothing) -----------> spare  -----------------------> active ----------> full
 *                  zeroed, ^                 header synced           all synced   |
 *                  synced, |                                                      |
 *                  named   +---------------------------------- recycle -----------+
 *                                      wal_release: under a new number, or unlinked
 *
 * Locks: make_mutex, held while files come and go (it waits for disks), before state_mutex, which
 * guards what other threads may look at and is never held across a call to the disk. Groups and
 * their sync need neither but for counting.
 */
#include "wal/segment.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/status.h"
#include "wal/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALLOCATION_BYTES 4096u
#define REWRITE_BYTES    ((size_t)256 << 10)

struct wal {
    struct wal_options options;
    int parent;    /* DIR */
    int directory; /* DIR/wal; -1: read-only, and there is none */

    pthread_mutex_t make_mutex;
    bool directory_synced; /* make_mutex: names and DIR/wal itself are on disk */

    pthread_mutex_t state_mutex;
    struct log_state state; /* state_mutex, but the appending thread reads freely what it alone
                               writes: the next_* and the last segment */
    struct wal_stats stats; /* state_mutex */

    /* the appending thread's */
    int active; /* the last segment, open; -1: none was begun since open */
    uint64_t epoch;
    uint64_t durable_sequence;
    bool unsynced;

    _Atomic bool failed;
};

static phusa_status fail(struct wal *wal, int error, const char *what)
{
    atomic_store(&wal->failed, true);
    log_write(wal->options.log, PHUSA_LOG_ERROR,
              "log: cannot %s: %s; no more writes until reopened", what, strerror(error));
    return PHUSA_EIO;
}

/* Making a file may fail for want of room or memory, and then nothing has happened. */
static phusa_status fail_making(struct wal *wal, int error, const char *what)
{
    const phusa_status status = status_from_errno(error);
    return status == PHUSA_ENOSPC || status == PHUSA_ENOMEM ? status : fail(wal, error, what);
}

/* ---- spares ---- */

/* make_mutex is held. */
static phusa_status sync_directory(struct wal *wal)
{
    if (wal->directory_synced) return PHUSA_OK;
    int error = disk_sync_meta(wal->directory);
    if (error == 0) error = disk_sync_meta(wal->parent);
    if (error != 0) return fail(wal, error, "sync its directory");
    wal->directory_synced = true;
    return PHUSA_OK;
}

/* make_mutex is held. state.spares has room for WAL_SPARES_MAX + 1 since wal_open(). */
static void add_spare(struct wal *wal, uint64_t number, uint64_t size_bytes)
{
    pthread_mutex_lock(&wal->state_mutex);
    struct log_state *state = &wal->state;
    assert(state->spare_count < state->spare_capacity);
    assert(state->spare_count == 0 || state->spares[state->spare_count - 1].number < number);
    state->spares[state->spare_count++] = (struct spare){number, size_bytes};
    pthread_mutex_unlock(&wal->state_mutex);
}

static bool has_spare(struct wal *wal)
{
    pthread_mutex_lock(&wal->state_mutex);
    const bool has = wal->state.spare_count > 0;
    pthread_mutex_unlock(&wal->state_mutex);
    return has;
}

/* make_mutex is held. A file gets its number only when it is whole, so that whatever has a number
 * has its blocks, and writing to it cannot lack room. */
static phusa_status make_spare(struct wal *wal, uint64_t size_bytes)
{
    int error = segment_create(wal->directory, size_bytes);
    if (error != 0) return fail_making(wal, error, "make a segment");
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, wal->state.next_number);
    wal->directory_synced = false;
    error = disk_rename(wal->directory, SEGMENT_NEW_NAME, name);
    if (error != 0) {
        (void)disk_unlink(wal->directory, SEGMENT_NEW_NAME);
        return fail_making(wal, error, "name a segment");
    }
    add_spare(wal, wal->state.next_number++, size_bytes);
    return sync_directory(wal);
}

phusa_status wal_prepare(struct wal *wal)
{
    assert(!wal->options.read_only);
    if (has_spare(wal)) return PHUSA_OK;
    if (atomic_load(&wal->failed)) return PHUSA_EFAILED;
    phusa_status status = PHUSA_OK;
    pthread_mutex_lock(&wal->make_mutex);
    if (!has_spare(wal)) status = make_spare(wal, wal->options.segment_bytes);
    pthread_mutex_unlock(&wal->make_mutex);
    return status;
}

/* ---- a new segment ---- */

static uint64_t random_epoch(void)
{
    uint64_t epoch = 0;
    if (getrandom(&epoch, sizeof epoch, 0) != (ssize_t)sizeof epoch) {
        const int64_t now[2] = {clock_wall_ns(), clock_monotonic_ns()};
        epoch = hash_bytes(now, sizeof now).low;
    }
    return epoch;
}

/* make_mutex is held. Open the first spare, grown to size_bytes where it is smaller. Numbers
 * must ascend in the order of use, so no other spare will do. */
static phusa_status open_spare(struct wal *wal, uint64_t size_bytes, int *fd)
{
    struct spare *spare = &wal->state.spares[0];
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, spare->number);
    int opened;
    int error = disk_open(wal->directory, name, O_RDWR, &opened);
    if (error != 0) return fail(wal, error, "open a segment");
    if (spare->size_bytes < size_bytes) {
        error = segment_extend(opened, spare->size_bytes, size_bytes);
        if (error != 0) {
            close(opened);
            return fail_making(wal, error, "extend a segment");
        }
        spare->size_bytes = size_bytes;
    }
    *fd = opened;
    return PHUSA_OK;
}

static phusa_status write_segment_header(struct wal *wal, int fd, const struct spare *spare,
                                         uint64_t epoch)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    segment_header_encode(bytes, &(struct segment_header){
                                     .number = spare->number,
                                     .epoch = epoch,
                                     .first_sequence = wal->state.next_sequence,
                                     .first_lsn = wal->state.next_lsn,
                                     .size_bytes = spare->size_bytes,
                                 });
    int error = disk_write(fd, bytes, sizeof bytes, 0);
    if (error == 0) error = disk_sync(fd);
    return error == 0 ? PHUSA_OK : fail(wal, error, "begin a segment");
}

/* make_mutex is held. The spare becomes the last segment. */
static void adopt_segment(struct wal *wal, int fd, uint64_t epoch)
{
    struct log_state *state = &wal->state;
    pthread_mutex_lock(&wal->state_mutex);
    assert(state->segment_count < state->segment_capacity);
    state->segments[state->segment_count++] = (struct segment){
        .number = state->spares[0].number,
        .size_bytes = state->spares[0].size_bytes,
        .end = SEGMENT_DATA_OFFSET,
        .first_lsn = state->next_lsn,
        .needed_until = state->next_lsn,
    };
    state->spare_count--;
    memmove(state->spares, state->spares + 1, state->spare_count * sizeof *state->spares);
    pthread_mutex_unlock(&wal->state_mutex);
    if (wal->active >= 0) close(wal->active);
    wal->active = fd;
    wal->epoch = epoch;
}

/* make_mutex is held. Everything before is synced, and so are the spare's name and, before any
 * group, its header: so whoever reads the header knows that much. */
static phusa_status begin_segment(struct wal *wal, uint64_t size_bytes)
{
    pthread_mutex_lock(&wal->state_mutex);
    const bool has_room =
        MEM_GROW(wal->state.segments, wal->state.segment_capacity, wal->state.segment_count + 1);
    pthread_mutex_unlock(&wal->state_mutex);
    if (!has_room) return PHUSA_ENOMEM;
    phusa_status status = PHUSA_OK;
    if (wal->state.spare_count == 0) {
        const uint64_t wanted = wal->options.segment_bytes;
        status = make_spare(wal, size_bytes > wanted ? size_bytes : wanted);
    }
    if (status == PHUSA_OK) status = sync_directory(wal);
    int fd = -1;
    if (status == PHUSA_OK) status = open_spare(wal, size_bytes, &fd);
    if (status != PHUSA_OK) return status;
    const uint64_t epoch = random_epoch();
    status = write_segment_header(wal, fd, &wal->state.spares[0], epoch);
    if (status != PHUSA_OK) {
        close(fd);
        return status;
    }
    adopt_segment(wal, fd, epoch);
    return PHUSA_OK;
}

/* Make room for a group of that many bytes. */
static phusa_status roll(struct wal *wal, uint64_t bytes)
{
    const phusa_status status = wal_sync(wal);
    if (status != PHUSA_OK) return status;
    const uint64_t size_bytes =
        (SEGMENT_DATA_OFFSET + bytes + ALLOCATION_BYTES - 1) & ~(uint64_t)(ALLOCATION_BYTES - 1);
    pthread_mutex_lock(&wal->make_mutex);
    const phusa_status begun = begin_segment(wal, size_bytes);
    pthread_mutex_unlock(&wal->make_mutex);
    return begun;
}

/* ---- append and sync ---- */

/* Where a group of that many bytes goes in the active segment; 0: nowhere. */
static uint64_t place_for(struct wal *wal, uint64_t bytes)
{
    if (wal->active < 0) return 0;
    pthread_mutex_lock(&wal->state_mutex); /* wal_release() moves segments */
    const struct segment last = wal->state.segments[wal->state.segment_count - 1];
    pthread_mutex_unlock(&wal->state_mutex);
    return bytes <= last.size_bytes - last.end ? last.end : 0;
}

static void encode_group(const struct wal *wal, const struct wal_group *group,
                         uint8_t bytes[GROUP_HEADER_BYTES])
{
    group_header_encode(bytes, &(struct group_header){
                                   .epoch = wal->epoch,
                                   .sequence = wal->state.next_sequence,
                                   .durable_sequence = wal->durable_sequence,
                                   .first_lsn = group->first_lsn,
                                   .recorded_at_ns = group->recorded_at_ns,
                                   .lsn_count = (uint32_t)group->lsn_count,
                                   .payload_bytes = (uint32_t)group->payload_bytes,
                                   .payload_crc = group_payload_crc(wal->epoch, group->payload,
                                                                    group->payload_bytes),
                               });
}

phusa_status wal_append(struct wal *wal, const struct wal_group *group)
{
    assert(!wal->options.read_only);
    assert(group->payload_bytes <= WAL_GROUP_BYTES_MAX);
    assert(group->first_lsn == wal->state.next_lsn);
    assert(group->lsn_count <= UINT32_MAX);
    if (atomic_load(&wal->failed)) return PHUSA_EFAILED;
    const uint64_t bytes = group_bytes(group->payload_bytes);
    uint64_t offset = place_for(wal, bytes);
    if (offset == 0) {
        const phusa_status status = roll(wal, bytes);
        if (status != PHUSA_OK) return status;
        offset = SEGMENT_DATA_OFFSET;
    }
    uint8_t header[GROUP_HEADER_BYTES];
    encode_group(wal, group, header);
    struct iovec parts[2] = {
        {header, sizeof header},
        {(void *)(uintptr_t)group->payload, group->payload_bytes},
    };
    const int error = disk_write_two(wal->active, parts, offset);
    if (error != 0) return fail(wal, error, "write a group");
    wal->unsynced = true;

    pthread_mutex_lock(&wal->state_mutex);
    struct log_state *state = &wal->state;
    struct segment *last = &state->segments[state->segment_count - 1];
    last->end += bytes;
    state->next_sequence++;
    state->next_lsn += group->lsn_count;
    last->needed_until = group->lsn_count == 0 ? group->first_lsn + 1 : state->next_lsn;
    wal->stats.appended_bytes += bytes;
    pthread_mutex_unlock(&wal->state_mutex);
    return PHUSA_OK;
}

phusa_status wal_sync(struct wal *wal)
{
    if (atomic_load(&wal->failed)) return PHUSA_EFAILED;
    if (!wal->unsynced) return PHUSA_OK;
#ifndef PHUSA_TEST_NO_SYNC
    const int error = disk_sync(wal->active);
    if (error != 0) return fail(wal, error, "sync");
#endif
    wal->unsynced = false;
    wal->durable_sequence = wal->state.next_sequence;
    pthread_mutex_lock(&wal->state_mutex);
    wal->stats.syncs++;
    wal->stats.durable_lsn = wal->state.next_lsn;
    pthread_mutex_unlock(&wal->state_mutex);
    return PHUSA_OK;
}

uint64_t wal_next_lsn(const struct wal *wal)
{
    return wal->state.next_lsn;
}

/* ---- release ---- */

/* make_mutex is held. Take the first segment off the list if nobody needs it; never the last, which
 * says where the log stands. */
static bool take_released(struct wal *wal, uint64_t lsn, struct segment *released)
{
    struct log_state *state = &wal->state;
    pthread_mutex_lock(&wal->state_mutex);
    const bool found = state->segment_count > 1 && state->segments[0].needed_until <= lsn;
    if (found) {
        *released = state->segments[0];
        state->segment_count--;
        memmove(state->segments, state->segments + 1,
                state->segment_count * sizeof *state->segments);
    }
    pthread_mutex_unlock(&wal->state_mutex);
    return found;
}

static void discard(struct wal *wal, const struct spare *file)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, file->number);
    const int error = disk_unlink(wal->directory, name);
    if (error != 0)
        log_write(wal->options.log, PHUSA_LOG_WARN, "log: cannot remove wal/%s: %s", name,
                  strerror(error));
}

/* make_mutex is held. The file's groups are needed no more. Under a number that no file ever had
 * it becomes a spare once that name is on disk. A file whose name did not change after all is
 * passed over by replay, as are its groups under a new header: they carry the old epoch.
 * Failures cost room, not safety. */
static bool recycle(struct wal *wal, const struct spare *file, struct spare *spare)
{
    if (file->size_bytes == wal->options.segment_bytes) {
        char name[SEGMENT_NAME_BYTES], next_name[SEGMENT_NAME_BYTES];
        segment_name(name, file->number);
        segment_name(next_name, wal->state.next_number);
        wal->directory_synced = false;
        if (disk_rename(wal->directory, name, next_name) == 0) {
            *spare = (struct spare){wal->state.next_number++, file->size_bytes};
            return true;
        }
    }
    discard(wal, file);
    return false;
}

void wal_release(struct wal *wal, uint64_t lsn)
{
    if (wal->options.read_only || atomic_load(&wal->failed)) return;
    pthread_mutex_lock(&wal->make_mutex);
    struct spare renamed[WAL_SPARES_MAX];
    size_t renamed_count = 0;
    struct segment released;
    while (take_released(wal, lsn, &released)) {
        const struct spare file = {released.number, released.size_bytes};
        if (wal->state.spare_count + renamed_count >= WAL_SPARES_MAX)
            discard(wal, &file);
        else if (recycle(wal, &file, &renamed[renamed_count]))
            renamed_count++;
    }
    /* A failed sync has been logged and stops the appending thread. */
    if (sync_directory(wal) == PHUSA_OK)
        for (size_t i = 0; i < renamed_count; i++)
            add_spare(wal, renamed[i].number, renamed[i].size_bytes);
    pthread_mutex_unlock(&wal->make_mutex);
}

void wal_stats(struct wal *wal, struct wal_stats *out)
{
    pthread_mutex_lock(&wal->state_mutex);
    *out = wal->stats;
    out->segments = wal->state.segment_count;
    out->spares = wal->state.spare_count;
    out->live_bytes = 0;
    for (size_t i = 0; i < wal->state.segment_count; i++)
        out->live_bytes += wal->state.segments[i].end - SEGMENT_DATA_OFFSET;
    pthread_mutex_unlock(&wal->state_mutex);
}

/* ---- open and close ---- */

/* What was replayed from the page cache may never have reached the disk: the process may have been
 * killed before its sync, or the sync may have failed, after which the kernel takes pages for
 * clean that are not. So the groups that no later one vouches for are written again, the same bytes
 * in the same place, and synced, before anybody acts on them. */
static phusa_status harden(struct wal *wal, struct phusa_error *error_out)
{
    const struct log_state *state = &wal->state;
    if (state->segment_count == 0) return PHUSA_OK;
    const struct segment *last = &state->segments[state->segment_count - 1];
    if (last->end == SEGMENT_DATA_OFFSET) return PHUSA_OK;
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, last->number);
    uint8_t *bytes = mem_alloc(REWRITE_BYTES);
    if (bytes == NULL) return error_set(error_out, PHUSA_ENOMEM, "no memory for replay");
    int fd = -1;
    int error = disk_open(wal->directory, name, O_RDWR, &fd);
    for (uint64_t at = state->unproven_offset; at < last->end && error == 0;) {
        const uint64_t left = last->end - at;
        const size_t n = left < REWRITE_BYTES ? (size_t)left : REWRITE_BYTES;
        size_t there = 0;
        error = disk_read(fd, bytes, n, at, &there);
        if (error == 0) error = disk_write(fd, bytes, there, at);
        at += n;
    }
    if (error == 0) error = disk_sync(fd);
    if (fd >= 0) close(fd);
    mem_free(bytes);
    if (error == 0) return PHUSA_OK;
    return error_set(error_out, PHUSA_EIO, "cannot write to log segment wal/%s: %s", name,
                     strerror(error));
}

/* Sort what is not part of the log into spares and rubbish. Files before the last segment are
 * recycled, which gives them new names in order. */
static phusa_status tidy(struct wal *wal, struct phusa_error *error)
{
    struct log_state *state = &wal->state;
    const uint64_t last =
        state->segment_count == 0 ? 0 : state->segments[state->segment_count - 1].number;
    struct spare *files = state->spares;
    const size_t file_count = state->spare_count;
    state->spares = NULL;
    state->spare_count = state->spare_capacity = 0;
    phusa_status status = PHUSA_OK;
    if (!MEM_GROW(state->spares, state->spare_capacity, WAL_SPARES_MAX + 1))
        status = error_set(error, PHUSA_ENOMEM, "no memory for replay");
    (void)disk_unlink(wal->directory, SEGMENT_NEW_NAME); /* usually there is none */
    for (size_t i = 0; i < file_count && status == PHUSA_OK; i++)
        if (files[i].number > last) {
            if (files[i].size_bytes == wal->options.segment_bytes &&
                state->spare_count < WAL_SPARES_MAX)
                add_spare(wal, files[i].number, files[i].size_bytes);
            else
                discard(wal, &files[i]);
        }
    for (size_t i = 0; i < file_count && status == PHUSA_OK; i++)
        if (files[i].number <= last) {
            struct spare spare;
            if (state->spare_count >= WAL_SPARES_MAX)
                discard(wal, &files[i]);
            else if (recycle(wal, &files[i], &spare))
                add_spare(wal, spare.number, spare.size_bytes);
        }
    mem_free(files);
    return status;
}

static phusa_status open_directories(struct wal *wal, const char *dir, struct phusa_error *error)
{
    wal->parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (wal->parent < 0)
        return error_set(error, status_from_errno(errno), "cannot open %s: %s", dir,
                         strerror(errno));
    if (!wal->options.read_only && mkdirat(wal->parent, "wal", 0700) != 0 && errno != EEXIST)
        return error_set(error, status_from_errno(errno), "cannot make %s/wal: %s", dir,
                         strerror(errno));
    wal->directory = openat(wal->parent, "wal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (wal->directory >= 0 || (wal->options.read_only && errno == ENOENT)) return PHUSA_OK;
    return error_set(error, status_from_errno(errno), "cannot open %s/wal: %s", dir,
                     strerror(errno));
}

static phusa_status open_log(struct wal *wal, const char *dir, uint64_t from_lsn,
                             wal_replay_fn replay, void *context, struct phusa_error *error)
{
    phusa_status status = open_directories(wal, dir, error);
    if (status != PHUSA_OK) return status;
    wal->state.next_lsn = from_lsn == 0 ? 1 : from_lsn;
    if (wal->directory < 0 && from_lsn > 1 && !wal->options.repair)
        return error_set(error, PHUSA_ECORRUPT,
                         "%s/wal is gone; restore a backup, or repair to go "
                         "on without what was in it",
                         dir);
    if (wal->directory >= 0)
        status = log_replay(wal->directory, &wal->options, from_lsn, replay, context, &wal->state,
                            error);
    if (status == PHUSA_OK && !wal->options.read_only) status = harden(wal, error);
    if (status == PHUSA_OK && !wal->options.read_only) status = tidy(wal, error);
    wal->durable_sequence = wal->state.next_sequence;
    wal->stats.durable_lsn = wal->state.next_lsn;
    return status;
}

phusa_status wal_open(const char *dir, const struct wal_options *options, uint64_t from_lsn,
                      wal_replay_fn replay, void *context, struct wal **out,
                      struct phusa_error *error)
{
    assert(dir != NULL && options != NULL && replay != NULL && out != NULL);
    assert(options->read_only || (options->segment_bytes >= WAL_SEGMENT_BYTES_MIN &&
                                  options->segment_bytes % ALLOCATION_BYTES == 0));
    struct wal *wal = mem_zalloc(sizeof *wal);
    if (wal == NULL) return error_set(error, PHUSA_ENOMEM, "no memory for the log");
    wal->options = *options;
    wal->parent = wal->directory = wal->active = -1;
    pthread_mutex_init(&wal->make_mutex, NULL);
    pthread_mutex_init(&wal->state_mutex, NULL);
    const phusa_status status = open_log(wal, dir, from_lsn, replay, context, error);
    if (status != PHUSA_OK) {
        wal_close(wal);
        return status;
    }
    *out = wal;
    return PHUSA_OK;
}

void wal_close(struct wal *wal)
{
    if (wal == NULL) return;
    if (wal->active >= 0) close(wal->active);
    if (wal->directory >= 0) close(wal->directory);
    if (wal->parent >= 0) close(wal->parent);
    log_state_deinit(&wal->state);
    pthread_mutex_destroy(&wal->make_mutex);
    pthread_mutex_destroy(&wal->state_mutex);
    mem_free(wal);
}
