/*
 * compact_support.h - a policy, random rows for it, and a plain array of what its files must
 * answer.
 */
#ifndef TESTS_ROLLUP_COMPACT_SUPPORT_H
#define TESTS_ROLLUP_COMPACT_SUPPORT_H

#include "random.h"
#include "rollup/compact.h"
#include "sandbox.h"

#define HOUR_NS      (INT64_C(3600) * 1000000000)
#define FIELDS       4 /* float, integer (later float), string, boolean */
#define SERIES       6
#define SLOTS        20000
#define SLOT_NS      (HOUR_NS / 60)
#define SERIES_OF(s) ((UINT64_C(1) << 32) + 3 * (uint64_t)(s))

struct cell {
    bool has[FIELDS];
    double value[FIELDS]; /* of a string: which word */
};

struct world {
    struct sandbox s;
    struct catalog *catalog;
    struct policy_info policy;
    struct random r;
    uint64_t lsn;
    int64_t now_ns;
    bool integer_is_float; /* field 1 was altered */
    struct cell (*cells)[SLOTS];
    /* slots [first_slot, ...) begin at this time */
    int64_t base_ns;
};
void world_make(struct world *w, uint64_t seed, struct phusa_interval shard);
void world_end(struct world *w);

/* One row for the head and for the cells: random fields of random values. */
void add_row(struct world *w, struct head *head, unsigned series, unsigned slot);
struct head *new_head(struct world *w);
/* Flush to a run and commit it, taken in now. Frees the head. */
void flush_head(struct world *w, struct head *head);

struct compact_options options_of(const struct world *w, bool force);
/* Jobs until there are none; how many there were. */
unsigned compact_all(struct world *w, bool force);

/* The files say what the cells say; and they are in order, each row in its partition, parts apart.
 */
void expect_cells(struct world *w);
void count_files(struct world *w, size_t *parts, size_t *runs);

#endif
