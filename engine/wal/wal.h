/*
 * wal.h - the write-ahead log: segments of groups, one sync per group.
 *
 *     DIR/wal/000123.wal   pre-zeroed segments, recycled under new numbers
 *
 * A group is what one wal_append() wrote: a payload of records (record.h), with the LSNs
 * of its points. It is durable when the wal_sync() after it returns PHUSA_OK. FORMAT.md has the
 * bytes, and why each state that a power cut can leave reads back right.
 *
 * Threads    wal_append, wal_sync: one thread. wal_prepare, wal_release, wal_stats: any.
 * Errors     PHUSA_ENOSPC and PHUSA_ENOMEM from wal_append(): no room for a new segment; nothing
 *            was written, the WAL stays usable, try again when there is room. Any other failed
 *            write or sync is PHUSA_EIO, and from then on the WAL refuses (PHUSA_EFAILED) until
 *            reopened: what the disk holds is then not known, and a sync that is tried again
 *            proves nothing.
 */
#ifndef PHUSA_WAL_WAL_H
#define PHUSA_WAL_WAL_H

#include "base/log.h"
#include "wal/record.h"

struct wal;

struct wal_options {
    size_t segment_bytes;
    bool read_only; /* replay only: nothing is created, cut or recycled */
    bool repair;    /* cut at a damaged group instead of refusing */
    struct log *log;
};

struct wal_group {
    uint64_t first_lsn; /* of its points; with lsn_count 0 the next point's */
    uint64_t lsn_count;
    int64_t recorded_at_ns;
    const uint8_t *payload;
    size_t payload_bytes;
};

/* Called for each group in order. Its status, if not PHUSA_OK, ends the replay. */
typedef phusa_status (*wal_replay_fn)(void *context, const struct wal_group *group);

/* Open DIR/wal (created if missing; DIR must exist) and replay every group that has a point with
 * lsn >= from_lsn or that only defines (groups wholly before from_lsn may be skipped). LSNs begin
 * at 1. A torn tail is cut. What was replayed is on disk, synced, when this returns. The first
 * wal_append() begins a fresh segment under a fresh epoch; until then nothing is created.
 * PHUSA_ECORRUPT names the segment and offset of a group that was acknowledged and no longer
 * reads. When `replay` fails its status is returned and `error` is left to it. */
PHUSA_MUST_USE phusa_status wal_open(const char *dir, const struct wal_options *options,
                                     uint64_t from_lsn, wal_replay_fn replay, void *context,
                                     struct wal **out, struct phusa_error *error);
/* Does not sync. */
void wal_close(struct wal *wal);

/* The LSN that the next point gets. For the appending thread. */
uint64_t wal_next_lsn(const struct wal *wal);
/* Write one group. payload_bytes <= WAL_GROUP_BYTES_MAX. group->first_lsn must be
 * wal_next_lsn(). */
PHUSA_MUST_USE phusa_status wal_append(struct wal *wal, const struct wal_group *group);
PHUSA_MUST_USE phusa_status wal_sync(struct wal *wal);
/* Make the next segment ahead of need unless there is one, so that wal_append() need not: writing
 * 64 MiB of zeroes takes a while. Blocks; for a background thread. Errors as wal_append(). */
PHUSA_MUST_USE phusa_status wal_prepare(struct wal *wal);
/* Everything before `lsn` is on disk elsewhere, definitions included: segments that hold
 * nothing later are recycled or removed, but for the last. Blocks. */
void wal_release(struct wal *wal, uint64_t lsn);

struct wal_stats {
    uint64_t appended_bytes, syncs;
    uint64_t segments;    /* not yet released */
    uint64_t spares;      /* ready for use */
    uint64_t live_bytes;  /* of groups in segments not yet released */
    uint64_t durable_lsn; /* the next point's LSN as of the last sync */
};
void wal_stats(struct wal *wal, struct wal_stats *out);

#endif
