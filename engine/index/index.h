/*
 * index.h - of one database: measurements, their fields, tags, and which series they make.
 *
 *     DIR/index/7.g4.mdb   database 7, generation 4: every definition, in order (FORMAT.md)
 *
 * Definitions enter by index_add_*(), called when the WAL record that carries them is durable
 * (or replayed), and reach the file with the next index_checkpoint(). Everything is answered from
 * memory: a table hash -> series id, the values of tags by series, and the series by tag value. The
 * file is read once, when the index is opened.
 *
 * Ids        measurement: u32 from 1. field: u16 of a measurement, from 0. series: u64, measurement
 *            << 32 | ordinal (from 0). None is ever reused; each is one more than the last.
 * Threads    index_add_*: one thread. All else: any, at the same time. A read-write lock inside,
 *            never held across a disk wait or a caller's function.
 * Memory     A series: 23 bytes in the table, and for each tag 1, 2 or 4 (by the number of
 *            values) and up to 2 in its postings. A value: 23 bytes and its text.
 */
#ifndef PHUSA_INDEX_INDEX_H
#define PHUSA_INDEX_INDEX_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/limits.h"

struct index;

/* Created if it is missing (read_only: then it is empty). The file's pages are verified before
 * they are mapped, whatever `unclean` says: it costs little, as nearly all bytes are values. */
PHUSA_MUST_USE phusa_status index_open(const char *dir, uint32_t database, uint32_t generation,
                                       bool read_only, bool unclean, struct log *log,
                                       struct index **out, struct phusa_error *error);
void index_close(struct index *index);
/* Remove the file of a database that is gone. */
void index_remove(const char *dir, uint32_t database, uint32_t generation);
/* Write every definition made so far to the file and sync it. PHUSA_ENOSPC, PHUSA_ENOMEM: try
 * again. After a commit or sync that failed otherwise: PHUSA_EFAILED from now on, until reopened.
 */
PHUSA_MUST_USE phusa_status index_checkpoint(struct index *index);

/* ---- definitions ---- */

#define SERIES_ID(measurement, ordinal) ((uint64_t)(measurement) << 32 | (ordinal))
#define SERIES_MEASUREMENT(series)      ((uint32_t)((series) >> 32))

struct index_field {
    uint16_t id;
    enum phusa_type type;
    struct phusa_text name;
};

/* What the next one will be called: for the sequencer, which encodes the WAL record first. */
uint32_t index_next_measurement(struct index *index);
uint16_t index_next_field(struct index *index, uint32_t measurement);
uint32_t index_next_ordinal(struct index *index, uint32_t measurement);

/* Adding what is there already with the same id is PHUSA_OK and changes nothing (replay after a
 * checkpoint). PHUSA_ECORRUPT: it contradicts what is there, skips an id, or is malformed.
 * PHUSA_ELIMIT: 2^24 measurements, 2^31 series of one, 4 GiB of text. On failure nothing is
 * defined. */
PHUSA_MUST_USE phusa_status index_add_measurement(struct index *index, uint32_t measurement,
                                                  struct phusa_text name);
PHUSA_MUST_USE phusa_status index_add_field(struct index *index, uint32_t measurement,
                                            const struct index_field *field);
PHUSA_MUST_USE phusa_status index_add_series(struct index *index, uint64_t series,
                                             struct phusa_text key);

/* ---- looking up ---- */

bool index_find_measurement(struct index *index, struct phusa_text name, uint32_t *measurement);
bool index_find_field(struct index *index, uint32_t measurement, struct phusa_text name,
                      uint16_t *id, enum phusa_type *type);
bool index_find_series(struct index *index, struct hash128 hash, uint64_t *series);
/* Several at once, which are fetched from memory together; series[i] is 0 where there is none. The
 * hashes lie `step_bytes` apart (as in an array of batch_keys). */
void index_find_all(struct index *index, const struct hash128 *hashes, size_t step_bytes,
                    size_t count, uint64_t *series);

/* Lists for people and planners: copied into the arena, sorted by name (fields and tag keys) or by
 * id (series). PHUSA_ENOMEM when the arena is exhausted. */
PHUSA_MUST_USE phusa_status index_measurements(struct index *index, struct arena *arena,
                                               struct phusa_text **names, uint32_t **ids,
                                               size_t *count);
PHUSA_MUST_USE phusa_status index_fields(struct index *index, uint32_t measurement,
                                         struct arena *arena, struct index_field **fields,
                                         size_t *count);
/* Keys that any series of the measurement has. */
PHUSA_MUST_USE phusa_status index_tag_keys(struct index *index, uint32_t measurement,
                                           struct arena *arena, struct phusa_text **keys,
                                           size_t *count);

/* Which series: a tree over tag comparisons. A tag that a series lacks has the empty value, as in
 * InfluxDB: `host = ''` finds series without host, `host != 'a'` those without it too. */
enum tag_filter_kind { TAG_AND, TAG_OR, TAG_NOT, TAG_EQUAL, TAG_MATCH, TAG_TRUE, TAG_FALSE };
struct tag_filter {
    enum tag_filter_kind kind;
    struct tag_filter *left, *right; /* AND, OR; NOT: left */
    struct phusa_text key;
    struct phusa_text value; /* EQUAL */
    /* MATCH: is the value one of those meant? May set *failed (match limit hit). */
    bool (*match)(void *context, struct phusa_text value, bool *failed);
    void *context;
};
/* Ascending ids. filter NULL: all of the measurement. PHUSA_ELIMIT: a match failed. A measurement
 * that does not exist has no series. */
PHUSA_MUST_USE phusa_status index_select(struct index *index, uint32_t measurement,
                                         const struct tag_filter *filter, struct arena *arena,
                                         uint64_t **series, size_t *count);
/* Distinct values of `key` among `series` (NULL: all of the measurement), sorted, without the empty
 * one. */
PHUSA_MUST_USE phusa_status index_tag_values(struct index *index, uint32_t measurement,
                                             struct phusa_text key, const uint64_t *series,
                                             size_t series_count, struct arena *arena,
                                             struct phusa_text **values, size_t *count);
/* Values of `keys` (any order) for each series of one measurement: out[s * key_count + k]; an
 * absent tag is the empty text. For GROUP BY: equal values of a key share one pointer, so comparing
 * pointers compares texts. The texts live as long as the index. PHUSA_ENOTFOUND: no such series. */
PHUSA_MUST_USE phusa_status index_series_tags(struct index *index, const uint64_t *series,
                                              size_t series_count, const struct phusa_text *keys,
                                              size_t key_count, struct arena *arena,
                                              struct phusa_text **out);
/* The canonical key (batch.h), copied. PHUSA_ENOTFOUND. */
PHUSA_MUST_USE phusa_status index_series_key(struct index *index, uint64_t series,
                                             struct arena *arena, struct phusa_text *key);

struct index_stats {
    uint64_t measurements, fields, series, memory_bytes, file_bytes;
};
void index_stats(struct index *index, struct index_stats *out);
/* Walk every invariant; a sentence for each fault. */
PHUSA_MUST_USE phusa_status index_check(struct index *index, phusa_line_fn line, void *context,
                                        uint64_t *fault_count);

#endif
