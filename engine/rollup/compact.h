/*
 * compact.h - from heads to runs, from runs to larger runs, from runs to sealed parts.
 *
 * Each job reads a set of files and writes a set of files; a catalogue commit swaps one for the
 * other. Nothing else changes, so a job may be abandoned at any moment.
 *
 *   flush  a frozen head's points of one policy -> one run (named by the caller's commit)
 *   merge  up to 8 runs of a size tier, neighbours in LSN -> one run
 *   seal   all pieces of a partition whose time and grace have passed -> one part; neighbouring
 * small parts are joined
 *
 * Threads  one job of a policy at a time.
 * Memory   one series at a time.
 * Errors   PHUSA_ENOSPC: nothing changed, try again later. PHUSA_ECANCELLED: the callback said so.
 */
#ifndef PHUSA_ROLLUP_COMPACT_H
#define PHUSA_ROLLUP_COMPACT_H

#include "head/head.h"
#include "store/catalog.h"

/* Asked between series; true: give up, and lose what was written so far. It may take its time, and
 * flush a head and commit meanwhile: a job that is given up whenever a head is full never ends. */
typedef bool (*compact_cancel_fn)(void *context);

/* `head` takes no more points. PHUSA_ENOTFOUND: it has none of this policy. */
PHUSA_MUST_USE phusa_status compact_flush(struct catalog *catalog, const char *dir,
                                          struct head *head, const struct policy_info *policy,
                                          compact_cancel_fn cancel, void *context,
                                          struct file_info *out);

enum compact_job { COMPACT_NOTHING, COMPACT_MERGE, COMPACT_SEAL };
struct compact_options {
    int64_t now_ns;
    int64_t grace_ns; /* after a partition's end, before it is sealed */
    bool force;       /* seal every partition, those still open included, until nothing is a run */
    compact_cancel_fn cancel;
    void *context;
};
/* Do the most useful job of a policy, its commit included; *job says which, COMPACT_NOTHING when
 * there is none. Calling it until then ends. */
PHUSA_MUST_USE phusa_status compact_step(struct catalog *catalog, const char *dir,
                                         const struct policy_info *policy,
                                         const struct compact_options *options,
                                         enum compact_job *job, struct phusa_error *error);

#endif
