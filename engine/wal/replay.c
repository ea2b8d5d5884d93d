/*
 * replay.c - read the log back after an end of any kind; see segment.h.
 *
 * What is read may have been left by a power cut, by a disk that lies, or by somebody with a hex
 * editor. Three cases must be told apart at the first group that does not read:
 *
 *     torn       it was never synced, so never acknowledged: the log ends before it
 *     damaged    it was acknowledged: refuse, and name the place
 *     the end    nothing was ever written there
 *
 * Torn and the end need not be told apart: either way the log ends. Damage is proved by what
 * was written later: a header behind it says how many groups were synced by then, and a later
 * segment is only begun when all before it is synced, and says how many groups that was.
 *
 *     segment 7:  [1][2][3][##]                    segment 8 begins with 4: the tail was cut, fine
 *     segment 7:  [1][2][##][4 ... 2 are durable]  last: 3 was never synced, cut before it
 *     segment 7:  [1][2][##][4 ... 3 are durable]  last: 3 was acknowledged, damage
 *     segment 7:  [1][2][##]                       segment 8 begins with 4: damage
 *
 * Memory: one group, or 256 KiB where groups are smaller.
 */
#include "wal/segment.h"

#include "base/mem.h"
#include "base/status.h"
#include "wal/disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW_BYTES ((size_t)256 << 10)

enum found_kind {
    FOUND_ZERO,       /* made, never begun */
    FOUND_RECYCLED,   /* has the header of an earlier life: not begun under this name */
    FOUND_BEGUN,      /* a header with this number */
    FOUND_UNREADABLE, /* begun but not synced, or damaged */
};
struct found {
    uint64_t number;
    uint64_t size_bytes;
    enum found_kind kind;
    struct segment_header header;
};

/* A part of a file in memory. */
struct window {
    int fd; /* -1: none */
    uint8_t *bytes;
    size_t capacity;
    uint64_t start;
    size_t size_bytes;
};

struct replay {
    int directory;
    const struct wal_options *options;
    uint64_t from_lsn;
    wal_replay_fn deliver;
    void *context;
    struct phusa_error *error;
    struct found *found; /* ascending */
    size_t found_count, found_capacity;
    struct window window;
    struct log_state state;
    bool cut; /* by options->repair: nothing is read any more */
};

void log_state_deinit(struct log_state *state)
{
    mem_free(state->segments);
    mem_free(state->spares);
    *state = (struct log_state){0};
}

static phusa_status failed(struct replay *r, uint64_t number, int error, const char *what)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    phusa_status status = status_from_errno(error);
    if (status == PHUSA_ENOTFOUND) status = PHUSA_EIO;
    return error_set(r->error, status, "cannot %s log segment wal/%s: %s", what, name,
                     strerror(error));
}

/* Somewhere an acknowledged group is lost. PHUSA_OK if that was allowed. */
static phusa_status damaged(struct replay *r, uint64_t number, uint64_t offset, const char *what)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    if (r->options->repair) {
        log_write(r->options->log, PHUSA_LOG_ERROR,
                  "log segment wal/%s, offset %" PRIu64 ": %s; cut here, what follows is lost",
                  name, offset, what);
        r->cut = true;
        return PHUSA_OK;
    }
    return error_set(r->error, PHUSA_ECORRUPT,
                     "log segment wal/%s, offset %" PRIu64 ": %s. Points that were acknowledged "
                     "are lost; restore a backup, or repair to cut the log here and go on without",
                     name, offset, what);
}

/* ---- what files there are ---- */

static phusa_status window_open(struct replay *r, uint64_t number)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    if (r->window.fd >= 0) close(r->window.fd);
    r->window.fd = -1;
    r->window.size_bytes = 0;
    const int error = disk_open(r->directory, name, O_RDONLY, &r->window.fd);
    return error == 0 ? PHUSA_OK : failed(r, number, error, "open");
}

/* *bytes NULL: the file ends before. */
static phusa_status window_get(struct replay *r, uint64_t number, uint64_t offset,
                               size_t size_bytes, const uint8_t **bytes)
{
    struct window *w = &r->window;
    if (offset < w->start || offset - w->start > w->size_bytes ||
        size_bytes > w->size_bytes - (size_t)(offset - w->start)) {
        const size_t wanted = size_bytes < WINDOW_BYTES ? WINDOW_BYTES : size_bytes;
        if (wanted > w->capacity) {
            uint8_t *grown = mem_resize(w->bytes, wanted, 1);
            if (grown == NULL) return error_set(r->error, PHUSA_ENOMEM, "no memory for replay");
            w->bytes = grown;
            w->capacity = wanted;
        }
        w->start = offset;
        w->size_bytes = 0;
        const int error = disk_read(w->fd, w->bytes, wanted, offset, &w->size_bytes);
        if (error != 0) return failed(r, number, error, "read");
    }
    const size_t skip = (size_t)(offset - w->start);
    *bytes = size_bytes <= w->size_bytes - skip ? w->bytes + skip : NULL;
    return PHUSA_OK;
}

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (bytes[i] != 0) return false;
    return true;
}

static phusa_status classify(struct replay *r, struct found *file)
{
    phusa_status status = window_open(r, file->number);
    if (status != PHUSA_OK) return status;
    const int error = disk_size(r->window.fd, &file->size_bytes);
    if (error != 0) return failed(r, file->number, error, "read");
    file->kind = FOUND_UNREADABLE;
    const uint8_t *bytes = NULL;
    status = window_get(r, file->number, 0, SEGMENT_DATA_OFFSET, &bytes);
    if (status != PHUSA_OK || bytes == NULL) return status;
    if (is_zero(bytes, SEGMENT_DATA_OFFSET)) {
        file->kind = FOUND_ZERO;
        return PHUSA_OK;
    }
    status = segment_header_decode(bytes, &file->header);
    if (status == PHUSA_OK)
        file->kind = file->header.number == file->number ? FOUND_BEGUN : FOUND_RECYCLED;
    if (status != PHUSA_EVERSION) return PHUSA_OK;
    return error_set(r->error, PHUSA_EVERSION,
                     "the log in wal/ was written by a newer release of phusa; use that one");
}

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static phusa_status add_name(struct replay *r, const char *name)
{
    uint64_t number;
    const bool is_segment = segment_number(name, ".wal", &number);
    if (!is_segment && !segment_number(name, ".cut", &number)) return PHUSA_OK;
    if (number >= r->state.next_number) r->state.next_number = number + 1;
    if (!is_segment) return PHUSA_OK;
    if (!MEM_GROW(r->found, r->found_capacity, r->found_count + 1))
        return error_set(r->error, PHUSA_ENOMEM, "no memory for replay");
    r->found[r->found_count++] = (struct found){.number = number};
    return PHUSA_OK;
}

static phusa_status find_files(struct replay *r)
{
    const int fd = openat(r->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        const int error = errno;
        if (fd >= 0) close(fd);
        return error_set(r->error, PHUSA_EIO, "cannot list wal/: %s", strerror(error));
    }
    phusa_status status = PHUSA_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (entry == NULL) {
            if (errno != 0)
                status = error_set(r->error, PHUSA_EIO, "cannot list wal/: %s", strerror(errno));
            break;
        }
        status = add_name(r, entry->d_name);
        if (status != PHUSA_OK) break;
    }
    closedir(listing);
    if (status != PHUSA_OK) return status;
    if (r->found_count > 0) qsort(r->found, r->found_count, sizeof *r->found, compare_found);
    for (size_t i = 0; i < r->found_count; i++) {
        status = classify(r, &r->found[i]);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

/* ---- groups ---- */

/* *payload NULL: no such group here. */
static phusa_status read_group(struct replay *r, const struct found *file, uint64_t offset,
                               struct group_header *header, const uint8_t **payload)
{
    *payload = NULL;
    const uint8_t *bytes = NULL;
    phusa_status status = window_get(r, file->number, offset, GROUP_HEADER_BYTES, &bytes);
    if (status != PHUSA_OK || bytes == NULL) return status;
    if (!group_header_decode(bytes, file->header.epoch, header)) return PHUSA_OK;
    if (header->sequence != r->state.next_sequence || header->first_lsn != r->state.next_lsn)
        return PHUSA_OK;
    status =
        window_get(r, file->number, offset, GROUP_HEADER_BYTES + header->payload_bytes, &bytes);
    if (status != PHUSA_OK || bytes == NULL) return status;
    bytes += GROUP_HEADER_BYTES;
    if (group_payload_crc(header->epoch, bytes, header->payload_bytes) == header->payload_crc)
        *payload = bytes;
    return PHUSA_OK;
}

static phusa_status deliver(struct replay *r, const struct group_header *header,
                            const uint8_t *payload)
{
    if (header->lsn_count > 0 && header->first_lsn + header->lsn_count <= r->from_lsn)
        return PHUSA_OK;
    const struct wal_group group = {
        .first_lsn = header->first_lsn,
        .lsn_count = header->lsn_count,
        .recorded_at_ns = header->recorded_at_ns,
        .payload = payload,
        .payload_bytes = header->payload_bytes,
    };
    return r->deliver(r->context, &group);
}

/* Does a header behind `offset` say that the group expected there was synced? */
static phusa_status find_proof(struct replay *r, const struct found *file, uint64_t offset,
                               bool *proved)
{
    const uint64_t end = file->size_bytes;
    for (; offset + GROUP_HEADER_BYTES <= end; offset += GROUP_ALIGNMENT) {
        const uint8_t *bytes = NULL;
        const phusa_status status = window_get(r, file->number, offset, GROUP_HEADER_BYTES, &bytes);
        if (status != PHUSA_OK) return status;
        struct group_header header;
        if (bytes == NULL) break;
        if (!group_header_decode(bytes, file->header.epoch, &header)) continue;
        if (header.durable_sequence <= r->state.next_sequence) continue;
        *proved = true;
        return PHUSA_OK;
    }
    *proved = false;
    return PHUSA_OK;
}

/* The offset from which groups may not be synced: a group that says so much of its predecessors is
 * taken at its word. Two marks instead of a list of all groups: it comes out early by two
 * syncs at most, and doing too many again does no harm. */
struct unproven {
    uint64_t offset;
    uint64_t mark_offset, mark_sequence;
    bool has_mark;
};
static void unproven_add(struct unproven *u, const struct group_header *header, uint64_t offset)
{
    if (u->has_mark && header->durable_sequence >= u->mark_sequence) {
        u->offset = u->mark_offset;
        u->has_mark = false;
    }
    if (u->has_mark) return;
    u->has_mark = true;
    u->mark_offset = offset;
    u->mark_sequence = header->sequence;
}

/* Deliver the groups of one segment, up to `end_sequence` (0: as far as they go). */
static phusa_status replay_groups(struct replay *r, const struct found *file, uint64_t end_sequence,
                                  struct segment *segment)
{
    struct log_state *state = &r->state;
    struct unproven unproven = {.offset = SEGMENT_DATA_OFFSET};
    while (end_sequence == 0 || state->next_sequence < end_sequence) {
        struct group_header header;
        const uint8_t *payload;
        phusa_status status = read_group(r, file, segment->end, &header, &payload);
        if (status != PHUSA_OK) return status;
        if (payload == NULL) break;
        unproven_add(&unproven, &header, segment->end);
        status = deliver(r, &header, payload);
        if (status != PHUSA_OK) return status;
        segment->end += group_bytes(header.payload_bytes);
        state->next_sequence++;
        state->next_lsn += header.lsn_count;
        segment->needed_until = header.lsn_count == 0 ? header.first_lsn + 1 : state->next_lsn;
    }
    state->unproven_offset = unproven.offset;
    return PHUSA_OK;
}

/* One segment; `next` is the one begun after it, or NULL. */
static phusa_status replay_segment(struct replay *r, const struct found *file,
                                   const struct found *next)
{
    struct log_state *state = &r->state;
    if (!MEM_GROW(state->segments, state->segment_capacity, state->segment_count + 1))
        return error_set(r->error, PHUSA_ENOMEM, "no memory for replay");
    struct segment *segment = &state->segments[state->segment_count++];
    *segment = (struct segment){
        .number = file->number,
        .size_bytes = file->size_bytes,
        .end = SEGMENT_DATA_OFFSET,
        .first_lsn = file->header.first_lsn,
        .needed_until = file->header.first_lsn,
    };
    state->next_sequence = file->header.first_sequence;
    state->next_lsn = file->header.first_lsn;
    phusa_status status = window_open(r, file->number);
    if (status == PHUSA_OK)
        status = replay_groups(r, file, next == NULL ? 0 : next->header.first_sequence, segment);
    if (status != PHUSA_OK) return status;

    if (next != NULL && next->header.first_sequence == state->next_sequence &&
        next->header.first_lsn >= state->next_lsn)
        return PHUSA_OK;
    if (file->size_bytes < file->header.size_bytes)
        return damaged(r, file->number, file->size_bytes, "the file is cut short");
    if (next != NULL)
        return damaged(r, file->number, segment->end,
                       "a group that a later segment builds on does not read");
    bool proved;
    status = find_proof(r, file, segment->end, &proved);
    if (status != PHUSA_OK) return status;
    if (proved)
        return damaged(r, file->number, segment->end,
                       "a group that a later one builds on does not read");
    return PHUSA_OK;
}

/* ---- the whole log ---- */

static const struct found *next_begun(const struct replay *r, size_t from)
{
    for (size_t i = from; i < r->found_count; i++)
        if (r->found[i].kind == FOUND_BEGUN) return &r->found[i];
    return NULL;
}

/* The segment that replay begins with: the last that has only earlier points before it. Equal
 * is not enough: definitions between the two points may stand in the segment before. */
static phusa_status choose_start(struct replay *r, size_t *start)
{
    const struct found *first = next_begun(r, 0);
    *start = r->found_count;
    if (first == NULL) {
        if (r->from_lsn <= 1) return PHUSA_OK;
        return damaged(r, 1, 0, "the log is gone");
    }
    *start = (size_t)(first - r->found);
    if (first->header.first_lsn > r->from_lsn && first->header.first_lsn > 1) {
        const phusa_status status =
            damaged(r, first->number, 0, "the log begins with a later point than is needed");
        if (status != PHUSA_OK) return status;
    }
    for (size_t i = *start; i < r->found_count; i++)
        if (r->found[i].kind == FOUND_BEGUN && r->found[i].header.first_lsn < r->from_lsn)
            *start = i;
    return PHUSA_OK;
}

/* A file behind the last segment that was begun: is it a spare, one that was being begun when the
 * power went, or one whose header is lost? Groups are only written when the header is synced, and
 * what an earlier life left has earlier numbers. */
static phusa_status holds_due_group(struct replay *r, const struct found *file, bool *due)
{
    phusa_status status = window_open(r, file->number);
    if (status != PHUSA_OK) return status;
    const uint8_t *bytes = NULL;
    status = window_get(r, file->number, SEGMENT_DATA_OFFSET, GROUP_HEADER_BYTES, &bytes);
    if (status != PHUSA_OK || bytes == NULL) return status;
    struct group_header header;
    *due = group_header_decode(bytes, load_u64(bytes + 8), &header) &&
           header.sequence >= r->state.next_sequence;
    return PHUSA_OK;
}

/* After a repair: nothing behind the cut may be taken for a part of the log again, and nothing is
 * thrown away. In whatever state this is interrupted, the damage is found again. */
static phusa_status set_aside(struct replay *r, uint64_t number)
{
    if (r->options->read_only) return PHUSA_OK;
    char name[SEGMENT_NAME_BYTES], aside[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    snprintf(aside, sizeof aside, "%06" PRIu64 ".cut", number);
    const int error = disk_rename(r->directory, name, aside);
    if (error != 0) return failed(r, number, error, "set aside");
    log_write(r->options->log, PHUSA_LOG_WARN, "log segment wal/%s is kept as wal/%s", name, aside);
    return PHUSA_OK;
}

static phusa_status add_spare(struct replay *r, const struct found *file)
{
    struct log_state *state = &r->state;
    if (!MEM_GROW(state->spares, state->spare_capacity, state->spare_count + 1))
        return error_set(r->error, PHUSA_ENOMEM, "no memory for replay");
    state->spares[state->spare_count++] = (struct spare){file->number, file->size_bytes};
    return PHUSA_OK;
}

static phusa_status replay_files(struct replay *r)
{
    size_t start;
    phusa_status status = choose_start(r, &start);
    r->cut = false; /* what is missing before cannot be cut: go on with what there is */
    bool aside = false;
    for (size_t i = 0; i < r->found_count && status == PHUSA_OK; i++) {
        const struct found *file = &r->found[i];
        const bool begun = file->kind == FOUND_BEGUN;
        if (begun && i >= start && !r->cut) {
            status = replay_segment(r, file, next_begun(r, i + 1));
            continue;
        }
        bool due = false;
        if (!begun && (r->cut || next_begun(r, i) == NULL)) status = holds_due_group(r, file, &due);
        if (due && !r->cut)
            status = damaged(r, file->number, 0, "the header does not read, and groups follow it");
        if (status != PHUSA_OK) break;
        if (due || (begun && r->cut)) {
            status = set_aside(r, file->number);
            aside = true;
        } else {
            status = add_spare(r, file);
        }
    }
    if (status != PHUSA_OK || !aside || r->options->read_only) return status;
    const int error = disk_sync_meta(r->directory);
    return error == 0 ? PHUSA_OK : failed(r, 0, error, "set aside");
}

phusa_status log_replay(int directory, const struct wal_options *options, uint64_t from_lsn,
                        wal_replay_fn replay, void *context, struct log_state *state,
                        struct phusa_error *error)
{
    struct replay r = {
        .directory = directory,
        .options = options,
        .from_lsn = from_lsn,
        .deliver = replay,
        .context = context,
        .error = error,
        .window = {.fd = -1},
        .state = {.next_number = 1, .next_sequence = 1, .next_lsn = 1},
    };
    phusa_status status = find_files(&r);
    if (status == PHUSA_OK) status = replay_files(&r);
    if (status == PHUSA_OK) {
        /* A group at the very end may be lost to damage and yet be elsewhere already. */
        if (r.state.next_lsn < from_lsn) r.state.next_lsn = from_lsn;
        *state = r.state;
    } else {
        log_state_deinit(&r.state);
    }
    if (r.window.fd >= 0) close(r.window.fd);
    mem_free(r.window.bytes);
    mem_free(r.found);
    return status;
}
