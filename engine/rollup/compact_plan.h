/*
 * compact_plan.h - which files of a policy are worth merging or sealing now; for compact*.c
 * only. Decisions, no writing: a plan is a function of the set of files, the clock and what the
 * directories of the files say.
 *
 * Threads  one at a time.
 */
#ifndef PHUSA_ROLLUP_COMPACT_PLAN_H
#define PHUSA_ROLLUP_COMPACT_PLAN_H

#include "rollup/compact.h"

/* Smaller parts are joined with their neighbours ... */
#define PART_BYTES_JOINED ((uint64_t)8 << 20)
/* ... as long as they span no more than this. */
#define PART_MONTHS_MAX   120

/* Neighbouring partitions whose pieces become parts. */
struct zone {
    int32_t first, last;
};

struct plan {
    enum compact_job job;
    /* Numbers of files in the set, ascending, so that later ones win. All runs from the first to
     * the last among them are here. */
    size_t *inputs;
    size_t input_count, input_capacity;
    /* SEAL: rows of these partitions go to parts, all others to one run. Ascending. */
    struct zone *zones;
    size_t zone_count, zone_capacity;
    int32_t part_span_max; /* partitions that one part may span */
};
void plan_deinit(struct plan *plan);
/* PHUSA_ECORRUPT: a file's directory is damaged. */
PHUSA_MUST_USE phusa_status plan_make(struct file_set *set, const struct policy_info *policy,
                                      const struct compact_options *options, struct plan *plan);
/* The zone of a partition, or NULL. */
const struct zone *plan_zone(const struct plan *plan, int32_t partition);

#endif
