/*
 * batch.h - points as a door hands them over: names not resolved, values in rows.
 *
 * Filled by text/ (line protocol) and by phusa_batch_add(); turned into WAL records by the
 * sequencer, which gives series ids, field ids and LSNs. Repetition is kept out early: a
 * series key stands once per batch and so does a shape (a measurement with the names and types of
 * fields that its rows have in common).
 *
 * Ownership  The batch owns everything in it; pointers live until batch_clear().
 * Threads    one at a time.
 */
#ifndef PHUSA_INDEX_BATCH_H
#define PHUSA_INDEX_BATCH_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/limits.h"

/* A series in canonical form: the measurement and, sorted by key, the tags, each text with
 * its length as a varint before it, nothing escaped:
 *     len measurement  (len key  len value)*
 * Two spellings of one series have one canonical form. */
struct batch_key {
    const uint8_t *bytes;
    uint32_t size_bytes;
    uint32_t measurement; /* index into batch->measurements */
    struct hash128 hash;  /* of bytes */
};

struct batch_shape {
    uint32_t measurement;
    uint32_t field_count;
    const struct phusa_text *names; /* in the order written; a name at most once */
    const enum phusa_type *types;   /* as written: 1 is a float, 1i an integer */
};

/* The values of a row are values[first_value ...], one for each field of its shape. */
struct batch_row {
    uint32_t key;
    uint32_t shape;
    uint32_t first_value;
    uint32_t column; /* where its fields begin on the line, for messages; 0: unknown */
    uint64_t line;   /* from 1 */
    int64_t time_ns;
};

/* 8 bytes a value: the bits of a double, an integer, 0 or 1, or a string's place in
 * batch->strings. decimals[] runs beside it (see phusa_value). */
union batch_value {
    double f;
    int64_t i;
    uint64_t u;
    uint32_t string;
};

/* Open addressing from hashes to indexes. A slot counts only if it bears the table's
 * generation, so that clearing costs nothing. */
struct batch_slot {
    uint64_t hash;
    uint32_t generation;
    uint32_t index;
};
struct batch_table {
    struct batch_slot *slots;
    size_t capacity; /* a power of two, at most half full */
    size_t count;
    uint32_t generation; /* never 0 */
};

struct batch {
    struct arena arena; /* keys, names, strings */
    struct phusa_text *measurements;
    size_t measurement_count, measurement_capacity;
    struct batch_key *keys;
    size_t key_count, key_capacity;
    struct batch_shape *shapes;
    size_t shape_count, shape_capacity;
    struct batch_row *rows;
    size_t row_count, row_capacity;
    union batch_value *values;
    size_t value_count, value_capacity;
    uint8_t *decimals; /* value_capacity of them */
    struct phusa_text *strings;
    size_t string_count, string_capacity;
    struct phusa_refusal *refusals; /* at most PHUSA_REFUSALS_MAX */
    size_t refusal_kept, refusal_capacity;
    uint64_t refused_count; /* all of them */
    size_t size_bytes;      /* an estimate of what the WAL record will take, kept as rows join */
    uint64_t epoch;         /* no two fillings of any two batches of a process share one */
    struct batch_table measurement_table, key_table, shape_table;
    uint8_t *scratch; /* SERIES_KEY_BYTES_MAX, once a key had to be put in order */
};

void batch_init(struct batch *batch);
void batch_deinit(struct batch *batch);
void batch_clear(struct batch *batch); /* keeps memory */

/* The index of a measurement, key or shape, added if it is new; the bytes are copied.
 * PHUSA_ELIMIT: the batch is full. */
PHUSA_MUST_USE phusa_status batch_measurement(struct batch *batch, struct phusa_text name,
                                              uint32_t *index);
/* False: it is not there. */
PHUSA_MUST_USE bool batch_find_measurement(const struct batch *batch, struct phusa_text name,
                                           uint32_t *index);
/* Sorts the tags into canonical form. PHUSA_EINVAL: duplicate tag key; an empty key, value or
 * measurement.  PHUSA_ELIMIT: too many tags, a name or the whole too long. */
PHUSA_MUST_USE phusa_status batch_key(struct batch *batch, struct phusa_text measurement,
                                      const struct phusa_pair *tags, size_t tag_count,
                                      uint32_t *index, struct phusa_error *error);
/* The same for a caller that made the canonical form itself, rightly. */
PHUSA_MUST_USE phusa_status batch_key_canonical(struct batch *batch, struct phusa_text measurement,
                                                const uint8_t *bytes, uint32_t size_bytes,
                                                uint32_t *index);
/* The same with the hash of these bytes, for which the table's slot may have been fetched before.
 */
PHUSA_MUST_USE phusa_status batch_key_hashed(struct batch *batch, struct phusa_text measurement,
                                             const uint8_t *bytes, uint32_t size_bytes,
                                             struct hash128 hash, uint32_t *index);
static inline void batch_prefetch_key(const struct batch *batch, struct hash128 hash)
{
    const struct batch_table *table = &batch->key_table;
    if (table->capacity > 0) __builtin_prefetch(&table->slots[hash.low & (table->capacity - 1)]);
}
PHUSA_MUST_USE phusa_status batch_shape(struct batch *batch, uint32_t measurement,
                                        const struct phusa_text *names,
                                        const enum phusa_type *types, uint32_t field_count,
                                        uint32_t *index);
/* Room for the values of the row that comes next, without adding one: a parser writes them
 * there while it does not know yet whether the line is good. batch_row() then takes them over. */
PHUSA_MUST_USE phusa_status batch_reserve(struct batch *batch, uint32_t field_count,
                                          union batch_value **values, uint8_t **decimals);
/* A row with room for its shape's values, which the caller fills in: *values and *decimals
 * point to the first (both may be NULL after batch_reserve()). PHUSA_ELIMIT when the batch is
 * full. */
PHUSA_MUST_USE phusa_status batch_row(struct batch *batch, uint32_t key, uint32_t shape,
                                      int64_t time_ns, uint64_t line, uint32_t column,
                                      union batch_value **values, uint8_t **decimals);
/* Of at most STRING_BYTES_MAX, else PHUSA_ELIMIT. */
PHUSA_MUST_USE phusa_status batch_string(struct batch *batch, struct phusa_text text,
                                         uint32_t *index);
/* Remember a refused line. `text` is the line, of which 80 characters are kept, control
 * characters escaped. Without memory only the count grows. */
void batch_refuse(struct batch *batch, uint64_t line, uint32_t column, phusa_status status,
                  struct phusa_text text, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* By line, then column: the store finds its refusals after the parser did. */
void batch_sort_refusals(struct batch *batch);

/* Walks every invariant; NULL, or a static sentence about the first that does not hold. */
const char *batch_check(const struct batch *batch);

#endif
