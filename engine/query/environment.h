/*
 * environment.h - what query/ needs of the facade above it: the catalogue, indexes, manifests
 * and the statements that change something. A lower folder that must call upward takes a
 * callback (style.md).
 */
#ifndef PHUSA_QUERY_ENVIRONMENT_H
#define PHUSA_QUERY_ENVIRONMENT_H

#include "calendar/zone.h"
#include "head/head.h"
#include "index/index.h"
#include "store/catalog.h"

#include <stdatomic.h>

/* What is true of one policy at one moment: its files, the heads, oldest first, and the LSN up to
 * which points may be seen. Held from begin to end of a statement; nothing in it is
 * closed or unlinked before it is released. */
#define MANIFEST_HEADS_MAX 4
struct manifest {
    struct file_set *files;
    struct head *heads[MANIFEST_HEADS_MAX];
    unsigned head_count;
    uint64_t lsn_end;
};

struct query_counters {
    _Atomic uint64_t values_read, chunks_decoded, chunks_by_statistics;
};

struct query_environment {
    struct catalog *catalog;
    struct zone_table *zones;
    struct query_counters *counters;
    void *owner; /* the first argument of what follows */
    /* NULL: the database was dropped. Let go by index_unpin. */
    struct index *(*index_pin)(void *owner, uint32_t database);
    void (*index_unpin)(void *owner, struct index *index);
    /* PHUSA_ENOTFOUND: the policy was dropped. */
    phusa_status (*manifest_pin)(void *owner, uint32_t policy, struct manifest *out);
    void (*manifest_unpin)(void *owner, struct manifest *manifest);
    int64_t (*now_ns)(void *owner);
    /* What the statements of the same names do; an empty database name was refused before. */
    phusa_status (*create_database)(void *owner, const char *name, const char *zone,
                                    const char *policy_name,
                                    const struct phusa_policy_options *policy,
                                    struct phusa_error *error);
    phusa_status (*drop_database)(void *owner, const char *name, struct phusa_error *error);
    phusa_status (*set_zone)(void *owner, const char *database, const char *zone,
                             struct phusa_error *error);
    phusa_status (*create_policy)(void *owner, const char *database, const char *name,
                                  const struct phusa_policy_options *policy,
                                  struct phusa_error *error);
    phusa_status (*alter_policy)(void *owner, const char *database, const char *name,
                                 const struct phusa_interval *duration,
                                 const struct phusa_interval *shard, bool make_default,
                                 struct phusa_error *error);
    phusa_status (*drop_policy)(void *owner, const char *database, const char *name,
                                struct phusa_error *error);
    /* Limits of one statement. */
    size_t bytes_max;
    int64_t time_ns_max;
    uint64_t rows_max, values_max;
};

#endif
