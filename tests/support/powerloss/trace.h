/*
 * trace.h - what the recorder writes and the laboratory reads: every call that changed something
 * below one directory, with its data, in the order of their effects.
 *
 * A trace is a run of operations: a struct trace_op, its path (or two, for a rename), then its
 * data. Paths are relative to the directory and end with a NUL.
 */
#ifndef TESTS_SUPPORT_POWERLOSS_TRACE_H
#define TESTS_SUPPORT_POWERLOSS_TRACE_H

#include <stdint.h>

enum trace_kind {
    TRACE_CREATE = 1, /* path, inode */
    TRACE_MKDIR,      /* path */
    TRACE_WRITE,      /* inode, offset, data */
    TRACE_TRUNCATE,   /* inode, offset: the new size */
    TRACE_SYNC,       /* inode */
    TRACE_SYNC_DIR,   /* path */
    TRACE_SYNC_ALL,
    TRACE_RENAME, /* path, second path */
    TRACE_UNLINK, /* path; of an empty directory too */
    TRACE_MARK,   /* data: what the workload has to say */
};

struct trace_op {
    uint32_t kind;
    uint32_t path_bytes; /* both paths and their NULs */
    uint64_t inode;
    uint64_t offset;
    uint64_t data_bytes;
};

/* The environment of a recorded program. */
#define TRACE_DIR         "PHUSA_CRASH_DIR"     /* the directory, absolute, without links */
#define TRACE_FILE        "PHUSA_CRASH_FILE"    /* where the trace goes; unset: no trace */
#define TRACE_MARK_FD_ENV "PHUSA_CRASH_MARK_FD" /* what is written here is a mark */
/* Instead of recording: die by SIGKILL at the n-th call that changes something below the directory.
 */
#define TRACE_KILL_AT     "PHUSA_CRASH_KILL_AT"
/* "before", "after", "torn": half a write is done; or the name of an error, "EIO" or "ENOSPC": the
 * call fails with it, a write half done, and the program lives on */
#define TRACE_KILL_HOW    "PHUSA_CRASH_KILL_HOW"
#define TRACE_COUNT_FILE  "PHUSA_CRASH_COUNT_FILE" /* gets the number of such calls at exit */

#endif
