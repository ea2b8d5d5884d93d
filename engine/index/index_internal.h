/*
 * index_internal.h - the parts of an index. This folder only.
 *
 *     index ── names: measurements ── measurement ── names: fields, types
 *       │                                  └─────── names: tag keys ── tag ── names: values
 *       │                                                               ├──── postings, by value
 *       │                                                               └──── column, by ordinal
 *       └── table: hash of the canonical key -> series id
 *
 * Everything is numbered in order of arrival and only ever added, so that one thread that adds
 * and many that read need the lock just while an array may move.
 */
#ifndef PHUSA_INDEX_INDEX_INTERNAL_H
#define PHUSA_INDEX_INDEX_INTERNAL_H

#include "base/buffer.h"
#include "base/mem.h"
#include "index/index.h"
#include "store/env.h"

#include <assert.h>
#include <pthread.h>
#include <roaring/roaring.h>
#include <stdatomic.h>

#define MEASUREMENTS_MAX (1u << 24) /* see index_table.c */
#define ORDINALS_MAX     (1u << 31) /* see index_posting.c */

/* ---- index_text.c: texts, kept once ---- */

/* Segments of 4 KiB, 4 KiB, 8 KiB, 16 KiB ... that never move, so pointers into them need no lock.
 * A place is a text's offset over all of them; its bytes are a varint length and the text. */
#define POOL_SEGMENTS 21u
struct index_pool {
    uint8_t *segments[POOL_SEGMENTS];
    _Atomic uint64_t used; /* the adding thread's to write */
};
void index_pool_deinit(struct index_pool *pool);
PHUSA_MUST_USE phusa_status index_pool_add(struct index_pool *pool, struct phusa_text text,
                                           uint32_t *place);
struct phusa_text index_pool_text(const struct index_pool *pool, uint32_t place);

/* Distinct texts, numbered from 0. */
#define NAME_NONE UINT32_MAX
struct index_names {
    uint32_t *places;
    uint32_t count, capacity;
    uint64_t *slots; /* low 32 bits of a hash << 32 | number + 1; 0: free */
    uint32_t slot_count;
};
void index_names_deinit(struct index_names *names);
uint32_t index_names_find(const struct index_names *names, const struct index_pool *pool,
                          struct phusa_text text);
static inline struct phusa_text index_names_text(const struct index_names *names,
                                                 const struct index_pool *pool, uint32_t number)
{
    return index_pool_text(pool, names->places[number]);
}
/* A text that is not there yet: as number names->count. Takes the lock for the moments in which
 * arrays are exchanged. On failure nothing has changed. */
PHUSA_MUST_USE phusa_status index_names_add(struct index_names *names, struct index_pool *pool,
                                            struct phusa_text text, pthread_rwlock_t *lock);
size_t index_names_bytes(const struct index_names *names);

/* ---- index_posting.c: ascending ordinals ---- */

/* 0: none. Bits 0..1 say what the rest is: 0: one or two ordinals; 1: a pointer to a short
 * array; 2: a pointer to a roaring bitmap. */
typedef uint64_t index_posting;
void index_posting_free(index_posting posting);
uint32_t index_posting_count(index_posting posting);
/* Room for one more, so that adding cannot fail. */
bool index_posting_reserve(index_posting *posting);
/* Greater than all that are in. */
void index_posting_add(index_posting *posting, uint32_t ordinal);
/* NULL unless it is one already; it stays the posting's. */
const roaring_bitmap_t *index_posting_bitmap(index_posting posting);
void index_posting_join(index_posting posting, roaring_bitmap_t *into);
size_t index_posting_bytes(index_posting posting);
bool index_posting_check(index_posting posting, uint32_t ordinal_count);

/* ---- index_column.c: a number for each ordinal ---- */

/* Dense: values[ordinal] in 1, 2 or 4 bytes, 0 where there is none. Sparse, where few ordinals have
 * one: ascending ordinals[], and values[] beside them. */
struct index_column {
    void *values;
    uint32_t *ordinals; /* NULL: dense */
    uint32_t length;    /* of the arrays in use */
    uint32_t capacity;  /* elements */
    uint32_t count;     /* ordinals that have a value */
    uint32_t greatest;  /* of the values */
    uint8_t width;      /* bytes of a value; 0: nothing yet */
};
void index_column_deinit(struct index_column *column);
/* 0: none. */
uint32_t index_column_get(const struct index_column *column, uint32_t ordinal);
/* Room for setting a value of `ordinal`, which is greater than all that have one. */
bool index_column_reserve(struct index_column *column, uint32_t ordinal, uint32_t value);
void index_column_set(struct index_column *column, uint32_t ordinal, uint32_t value);
size_t index_column_bytes(const struct index_column *column);

/* ---- index_table.c: hash -> series ---- */

#define TABLE_PARTS 256u
struct index_slot {
    uint64_t print;  /* hash.low */
    uint64_t series; /* and 8 bits of hash.high above; 0: free */
};
struct index_table {
    struct {
        struct index_slot *slots;
        uint32_t slot_count, used;
    } parts[TABLE_PARTS];
};
void index_table_deinit(struct index_table *table);
uint64_t index_table_find(const struct index_table *table, struct hash128 hash); /* 0: none */
void index_table_prefetch(const struct index_table *table, struct hash128 hash);
bool index_table_reserve(struct index_table *table, struct hash128 hash);
void index_table_add(struct index_table *table, struct hash128 hash, uint64_t series);
size_t index_table_bytes(const struct index_table *table);

/* ---- index.c ---- */

struct index_tag {
    struct index_names values;
    index_posting *postings; /* by value */
    size_t posting_capacity;
    roaring_bitmap_t *present;  /* series that have the tag */
    struct index_column column; /* ordinal -> value + 1 */
};

struct index_measurement {
    uint32_t id;
    struct index_names fields;
    uint8_t *field_types;
    size_t field_type_capacity;
    struct index_names keys;
    struct index_tag **tags; /* by key */
    size_t tag_capacity;
    uint32_t *key_order; /* keys ascending by text */
    size_t key_order_capacity;
    uint32_t key_count; /* in key_order: for a moment one less than keys.count */
    uint32_t series_count;
    /* What the file has; what the transaction under way will add to it. The checkpoint's. */
    bool saved, writing;
    uint32_t fields_saved, fields_writing;
    uint32_t series_saved, series_writing;
};

struct index {
    uint32_t database, generation;
    bool read_only, unclean;
    struct log *log;
    pthread_rwlock_t lock; /* what follows, but only against moving: see index_internal.h */
    struct index_pool pool;
    struct index_names names; /* of measurements: number is id - 1 */
    struct index_measurement **measurements;
    size_t measurement_capacity;
    struct index_table table;
    uint64_t series_count, field_count;

    pthread_mutex_t checkpoint; /* what follows */
    char *path;
    struct env *env; /* NULL: read only */
    uint64_t next_block;
    _Atomic uint64_t file_bytes;
    bool failed;
    bool unconfirmed; /* see confirm() */
    bool named;       /* its directory entry is on disk */
};

/* NULL: there is none. */
struct index_measurement *index_get(const struct index *index, uint32_t measurement);
struct index_tag *index_get_tag(const struct index *index, const struct index_measurement *m,
                                struct phusa_text key);
/* The canonical key of an existing series, at the end of `out`. */
void index_put_key(const struct index *index, const struct index_measurement *m, uint32_t ordinal,
                   struct buffer *out);

/* ---- index_file.c ---- */

/* Read every definition of the file into the index. */
PHUSA_MUST_USE phusa_status index_file_open(struct index *index, const char *dir,
                                            struct phusa_error *error);
void index_file_close(struct index *index);
/* Does the file say what memory says? A sentence for each fault. */
PHUSA_MUST_USE phusa_status index_file_check(struct index *index, phusa_line_fn line, void *context,
                                             uint64_t *fault_count);

#endif
