/*
 * datafile_read.c - cursors over runs and parts, see datafile.h.
 *
 * A cursor holds one bundle and knows the key of the bundle after it, so it can tell without
 * touching any other page whether what it seeks can be here:
 *
 *        bundle k                bundle k + 1             bundle k + 2
 *     ...[first .. last][first .. last][first ..
 *         ^ view                  ^ after: the LMDB cursor stands here
 *
 * The place sought is (partition, series, start). Its chunk, or the one before it that reaches
 * over start, is in the last bundle whose first key is not greater. A seek that goes forward
 * walks bundle by bundle for a few steps and only then searches the tree; one that goes back
 * inside the bundle reads its directory again.
 *
 * Several partitions in the range are sought one after the other, each with a search of
 * its own: within a partition the series stand together.
 */
#include "base/mem.h"
#include "base/status.h"
#include "calendar/partition.h"
#include "store/bundle.h"
#include "store/env.h"
#include "store/files.h"

#include <assert.h>

/* Bundles to step over before searching the tree: a search is about as dear as ten steps. */
#define STEPS_MAX 8u

struct file_cursor {
    struct data_file *file;
    struct env_txn *txn;
    struct env_cursor *lmdb;
    /* the bundle, if any */
    bool has_bundle;
    struct env_bytes value;
    struct bundle_place first;
    struct bundle_view view;
    bool has_next; /* `next` was read and not taken */
    struct stored_chunk next;
    bool has_passed; /* something of this bundle was taken, the last was of: */
    int32_t passed_partition;
    uint64_t passed_series;
    /* the bundle after it, if any */
    bool has_after;
    struct bundle_place after;
    struct env_bytes after_value;
    /* what is sought */
    bool all;
    bool done;
    uint64_t series;
    int32_t partition, partition_last;
    int64_t start_ns, end_ns;
    bool is_placed; /* the bundle is the right one for `partition` */
};

phusa_status file_cursor_open(struct data_file *file, struct file_cursor **out)
{
    assert(file != NULL);
    assert(out != NULL);

    struct file_cursor *c = mem_zalloc(sizeof *c);
    if (c == NULL) return PHUSA_ENOMEM;
    c->file = file;
    c->done = true;
    struct env *env;
    phusa_status status = file_env(file, &env);
    if (status == PHUSA_OK) status = env_begin_read(env, &c->txn);
    if (status == PHUSA_OK) status = env_cursor_open(c->txn, &c->lmdb);
    if (status != PHUSA_OK) {
        file_cursor_close(c);
        return status;
    }
    *out = c;
    return PHUSA_OK;
}

void file_cursor_close(struct file_cursor *c)
{
    if (c == NULL) return;
    env_cursor_close(c->lmdb);
    env_abort(c->txn);
    mem_free(c);
}

/* ---- bundles ---- */

static phusa_status set_after(struct file_cursor *c, struct env_bytes key, struct env_bytes value,
                              bool found)
{
    c->has_after = false;
    if (!found) return PHUSA_OK;
    if (key.size_bytes != BUNDLE_KEY_BYTES) return PHUSA_ECORRUPT;
    c->after = bundle_place_of(key.bytes);
    c->after_value = value;
    c->has_after = true;
    return PHUSA_OK;
}

static phusa_status move_after(struct file_cursor *c, enum env_move move)
{
    struct env_bytes key = {NULL, 0};
    struct env_bytes value = {NULL, 0};
    bool found;
    const phusa_status status = env_move(c->lmdb, move, &key, &value, &found);
    return status != PHUSA_OK ? status : set_after(c, key, value, found);
}

/* Read the directory from its beginning. */
static phusa_status rewind_bundle(struct file_cursor *c)
{
    c->has_next = false;
    c->has_passed = false;
    return bundle_open(&c->view, c->value.bytes, c->value.size_bytes);
}

/* The bundle after this one becomes the bundle. */
static phusa_status step(struct file_cursor *c)
{
    assert(c->has_after);
    c->value = c->after_value;
    c->first = c->after;
    c->has_bundle = true;
    return move_after(c, ENV_NEXT);
}

static phusa_status peek(struct file_cursor *c, bool *found)
{
    if (c->has_next) {
        *found = true;
        return PHUSA_OK;
    }
    const bool is_first = c->view.index == 0;
    const phusa_status status = bundle_next(&c->view, &c->next, found);
    if (status != PHUSA_OK) return status;
    /* The key is what led here; a bundle that does not begin with it is not what was stored. */
    if (is_first && (!*found || bundle_compare(bundle_place(&c->next), c->first) != 0))
        return PHUSA_ECORRUPT;
    c->has_next = *found;
    return PHUSA_OK;
}

/* The next chunk of the file, whatever it is, without taking it. */
static phusa_status peek_across(struct file_cursor *c, bool *found)
{
    *found = false;
    for (;;) {
        phusa_status status = PHUSA_OK;
        if (c->has_bundle) status = peek(c, found);
        if (status != PHUSA_OK || *found || !c->has_after) return status;
        status = step(c);
        if (status == PHUSA_OK) status = rewind_bundle(c);
        if (status != PHUSA_OK) return status;
    }
}

/* ---- placing ---- */

static bool after_is_not_beyond(const struct file_cursor *c, struct bundle_place place)
{
    return c->has_after && bundle_compare(c->after, place) <= 0;
}

/* By the tree: the last bundle whose first key is not greater than `place`, or the first. */
static phusa_status search(struct file_cursor *c, struct bundle_place place)
{
    uint8_t at[BUNDLE_KEY_BYTES];
    bundle_key(place, at);
    struct env_bytes key = {NULL, 0};
    struct env_bytes value = {NULL, 0};
    bool found;
    phusa_status status = env_seek(c->lmdb, env_bytes_of(at, sizeof at), &key, &value, &found);
    if (status == PHUSA_OK && !found) {
        status = move_after(c, ENV_LAST);
    } else if (status == PHUSA_OK) {
        status = set_after(c, key, value, true);
        if (status == PHUSA_OK && bundle_compare(c->after, place) > 0) {
            status = env_move(c->lmdb, ENV_PREVIOUS, &key, &value, &found);
            if (status == PHUSA_OK)
                status = found ? set_after(c, key, value, true) : move_after(c, ENV_FIRST);
        }
    }
    c->has_bundle = false;
    if (status != PHUSA_OK || !c->has_after) return status;
    return step(c);
}

/* Was a chunk of this series, or of one after it, taken from this bundle? */
static bool has_passed(const struct file_cursor *c, struct bundle_place place)
{
    if (!c->has_passed) return false;
    if (c->passed_partition != place.partition) return c->passed_partition > place.partition;
    return c->passed_series >= place.series;
}

/* Make the bundle the one that holds `place`, and its directory stand somewhere before it. */
static phusa_status place_cursor(struct file_cursor *c, struct bundle_place place)
{
    phusa_status status = PHUSA_OK;
    if (c->has_bundle && bundle_compare(c->first, place) <= 0) {
        if (!after_is_not_beyond(c, place))
            return has_passed(c, place) ? rewind_bundle(c) : PHUSA_OK;
        for (unsigned i = 0; i < STEPS_MAX && after_is_not_beyond(c, place); i++) {
            status = step(c);
            if (status != PHUSA_OK) return status;
        }
        if (!after_is_not_beyond(c, place)) return rewind_bundle(c);
    }
    status = search(c, place);
    if (status != PHUSA_OK || !c->has_bundle) return status;
    return rewind_bundle(c);
}

/* ---- the cursor ---- */

phusa_status file_cursor_seek(struct file_cursor *c, uint64_t series, struct phusa_interval width,
                              int64_t start_ns, int64_t end_ns)
{
    assert(c != NULL);

    const struct file_info *info = &c->file->info;
    c->all = false;
    c->done = true;
    if (start_ns >= end_ns || start_ns > info->time_max_ns || end_ns <= info->time_min_ns)
        return PHUSA_OK;
    const int32_t first = partition_of(width, start_ns);
    const int32_t last = partition_of(width, end_ns - 1);
    c->partition = first > info->partition_min ? first : info->partition_min;
    c->partition_last = last < info->partition_max ? last : info->partition_max;
    c->series = series;
    c->start_ns = start_ns;
    c->end_ns = end_ns;
    c->is_placed = false;
    c->done = c->partition > c->partition_last;
    return PHUSA_OK;
}

phusa_status file_cursor_all(struct file_cursor *c)
{
    assert(c != NULL);

    c->all = true;
    c->done = false;
    c->has_bundle = false;
    return move_after(c, ENV_FIRST);
}

static void take(struct file_cursor *c)
{
    c->has_next = false;
    c->has_passed = true;
    c->passed_partition = c->next.partition;
    c->passed_series = c->next.series;
}

/* `next` lies beyond the series in this partition: which partition may have it after that? Those
 * that the file skipped have nothing. */
static void next_partition(struct file_cursor *c)
{
    const struct stored_chunk *next = &c->next;
    int64_t partition = (int64_t)c->partition + 1;
    if (next->partition > c->partition)
        partition = (int64_t)next->partition + (next->series > c->series);
    if (partition > c->partition_last) {
        c->done = true;
        return;
    }
    c->partition = (int32_t)partition;
    c->is_placed = false;
}

/* -1: before what is sought, 0: of the series, 1: beyond it. */
static int compare_next(const struct file_cursor *c)
{
    if (c->next.partition != c->partition) return c->next.partition < c->partition ? -1 : 1;
    return (c->next.series > c->series) - (c->next.series < c->series);
}

static phusa_status next_of_series(struct file_cursor *c, struct stored_chunk *chunk, bool *found)
{
    while (!c->done) {
        phusa_status status = PHUSA_OK;
        if (!c->is_placed) {
            status = place_cursor(c, (struct bundle_place){c->partition, c->series, c->start_ns});
            if (status != PHUSA_OK) return status;
            c->is_placed = true;
        }
        bool any;
        status = peek_across(c, &any);
        if (status != PHUSA_OK) return status;
        if (!any) break;
        const int order = compare_next(c);
        if (order > 0) {
            next_partition(c);
            continue;
        }
        take(c);
        if (order < 0 || c->next.time_max_ns < c->start_ns) continue;
        if (c->next.time_min_ns >= c->end_ns) break;
        *chunk = c->next;
        *found = true;
        return PHUSA_OK;
    }
    c->done = true;
    *found = false;
    return PHUSA_OK;
}

phusa_status file_cursor_next(struct file_cursor *c, struct stored_chunk *chunk, bool *found)
{
    assert(c != NULL);
    assert(chunk != NULL);
    assert(found != NULL);

    if (!c->all) return next_of_series(c, chunk, found);
    bool any;
    const phusa_status status = peek_across(c, &any);
    if (status != PHUSA_OK) return status;
    if (any) {
        take(c);
        *chunk = c->next;
    }
    *found = any;
    return PHUSA_OK;
}
