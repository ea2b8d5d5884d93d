/*
 * segment.h - the bytes of segments and groups, and the files that hold them. This folder only.
 *
 *     0              4096            the next multiple of 8
 *     +--------+     +--------+---------+--------+---------+-----
 *     | header |  0  | header | payload | header | payload |  zeroes, or groups of an
 *     +--------+     +--------+---------+--------+---------+  earlier life of the file
 *      segment        group              group
 *
 * See FORMAT.md for the fields and for why this survives a power cut.
 */
#ifndef PHUSA_WAL_SEGMENT_H
#define PHUSA_WAL_SEGMENT_H

#include "wal/wal.h"

#define SEGMENT_VERSION      1u
#define SEGMENT_HEADER_BYTES 64u
#define SEGMENT_DATA_OFFSET  4096u /* a page, so that no group shares one with the header */
#define GROUP_HEADER_BYTES   64u
#define GROUP_ALIGNMENT      8u
#define SEGMENT_NAME_BYTES   32u
#define SEGMENT_NEW_NAME     "new.tmp" /* while it is being zeroed */

struct segment_header {
    uint64_t number;         /* the file's name when the header was written */
    uint64_t epoch;          /* random; in every group, and in every checksum of one */
    uint64_t first_sequence; /* groups before this are in earlier segments, all durable */
    uint64_t first_lsn;
    uint64_t size_bytes; /* of the file */
};
void segment_header_encode(uint8_t bytes[SEGMENT_HEADER_BYTES],
                           const struct segment_header *header);
/* PHUSA_ECORRUPT: not one.  PHUSA_EVERSION: of a newer release. */
PHUSA_MUST_USE phusa_status segment_header_decode(const uint8_t bytes[SEGMENT_HEADER_BYTES],
                                                  struct segment_header *header);

struct group_header {
    uint64_t epoch;
    uint64_t sequence;         /* of groups, without a gap through the whole log */
    uint64_t durable_sequence; /* groups before this were synced when this one was written */
    uint64_t first_lsn;
    int64_t recorded_at_ns;
    uint32_t lsn_count;
    uint32_t payload_bytes;
    uint32_t payload_crc;
};
void group_header_encode(uint8_t bytes[GROUP_HEADER_BYTES], const struct group_header *header);
/* False unless it is one of this epoch. */
bool group_header_decode(const uint8_t bytes[GROUP_HEADER_BYTES], uint64_t epoch,
                         struct group_header *header);
uint32_t group_payload_crc(uint64_t epoch, const uint8_t *payload, size_t payload_bytes);
static inline uint64_t group_bytes(uint64_t payload_bytes)
{
    return (GROUP_HEADER_BYTES + payload_bytes + GROUP_ALIGNMENT - 1) &
           ~(uint64_t)(GROUP_ALIGNMENT - 1);
}

/* "000123.wal". */
void segment_name(char name[SEGMENT_NAME_BYTES], uint64_t number);
/* The number in a name that segment_name() made, with this suffix. */
bool segment_number(const char *name, const char *suffix, uint64_t *number);

/* A file of zeroes of that size, synced, under SEGMENT_NEW_NAME. Errno. */
int segment_create(int directory, uint64_t size_bytes);
/* Zeroes behind the end of a file, synced; on failure it has its old size. Errno. */
int segment_extend(int fd, uint64_t from_bytes, uint64_t size_bytes);

/* ---- replay.c ---- */

/* What is in memory of a segment that has been begun. */
struct segment {
    uint64_t number;
    uint64_t size_bytes;
    uint64_t end; /* where the next group goes */
    uint64_t first_lsn;
    uint64_t needed_until; /* the least lsn that wal_release() frees it for */
};
struct spare {
    uint64_t number;
    uint64_t size_bytes;
};

struct log_state {
    struct segment *segments; /* begun, ascending, from the first that replay needed */
    size_t segment_count, segment_capacity;
    struct spare *spares; /* not begun, or no longer needed; ascending; numbers after the last
                             segment's are ready for use, others are to be removed */
    size_t spare_count, spare_capacity;
    uint64_t next_number;
    uint64_t next_sequence;
    uint64_t next_lsn;
    uint64_t unproven_offset; /* groups of the last segment from here on may not be synced */
};
void log_state_deinit(struct log_state *state);

/* Read the log in `directory`, hand its groups to `replay`, and describe what was found.
 * Changes nothing but, with options->repair, the names of segments behind a damaged one. */
PHUSA_MUST_USE phusa_status log_replay(int directory, const struct wal_options *options,
                                       uint64_t from_lsn, wal_replay_fn replay, void *context,
                                       struct log_state *state, struct phusa_error *error);

#endif
