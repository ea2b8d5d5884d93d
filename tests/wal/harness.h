/*
 * harness.h - a scratch directory with a log in it, groups whose bytes follow from their number,
 * and what a replay must give back.
 */
#ifndef TESTS_WAL_HARNESS_H
#define TESTS_WAL_HARNESS_H

#include "sandbox.h"
#include "wal/segment.h"

#include <criterion/criterion.h>

struct log_dir {
    char dir[64];
};
void log_dir_make(struct log_dir *s);
void log_dir_remove(struct log_dir *s);
/* DIR/wal/NAME; lives until the eighth call after. */
const char *log_dir_segment(const struct log_dir *s, uint64_t number);
/* Every name and byte below DIR, in one number. */
uint64_t log_dir_hash(const struct log_dir *s);

/* Group i has i % 5 points (those without only define) and a payload that begins with i. */
struct script {
    uint64_t group_count;
    size_t payload_bytes; /* of most; every seventh is half, every eleventh nine times as large */
};
uint64_t script_lsns(uint64_t group);
size_t script_payload(const struct script *script, uint64_t group, uint8_t **bytes);

/* What a replay delivered. */
struct replayed {
    const struct script *script;
    uint64_t first_group, group_count; /* consecutive */
    uint64_t next_lsn;
    bool wrong; /* a group was not as the script has it, or not next */
};
phusa_status replayed_take(void *context, const struct wal_group *group);

struct wal_options small_options(void);
phusa_status open_log_at(const struct log_dir *s, const struct wal_options *options,
                         uint64_t from_lsn, const struct script *script, struct replayed *replayed,
                         struct wal **wal, struct phusa_error *error);
/* Append group `group`; the LSNs must fit. */
phusa_status append_group(struct wal *wal, const struct script *script, uint64_t group);
/* A log of groups 0 .. group_count-1, each synced, closed. */
void write_log(const struct log_dir *s, const struct script *script);
uint64_t lsn_before(uint64_t group); /* the first of the group's */

#endif
