/*
 * index.c - life of an index, definitions, and looking one up.
 *
 * One thread adds, so it reads without the lock and takes it to write. What an addition needs is
 * reserved first, so that it happens wholly or not at all; a tag key or value without a series
 * may stay behind, and nobody is shown it.
 */
#include "index/index.h"

#include "base/status.h"
#include "index/index_internal.h"

#include <stdlib.h>

/* ---- life ---- */

static phusa_status init_locks(struct index *index)
{
    pthread_rwlockattr_t attributes;
    if (pthread_rwlockattr_init(&attributes) != 0) return PHUSA_ENOMEM;
    /* Or queries that follow each other closely would keep writes out for ever. */
    (void)pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    const int code = pthread_rwlock_init(&index->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    if (code != 0) return PHUSA_ENOMEM;
    if (pthread_mutex_init(&index->checkpoint, NULL) == 0) return PHUSA_OK;
    pthread_rwlock_destroy(&index->lock);
    return PHUSA_ENOMEM;
}

phusa_status index_open(const char *dir, uint32_t database, uint32_t generation, bool read_only,
                        bool unclean, struct log *log, struct index **out,
                        struct phusa_error *error)
{
    struct index *index = mem_zalloc(sizeof *index);
    if (index == NULL) return error_set(error, PHUSA_ENOMEM, "no memory for an index");
    index->database = database;
    index->generation = generation;
    index->read_only = read_only;
    index->unclean = unclean;
    index->log = log;
    phusa_status status = init_locks(index);
    if (status != PHUSA_OK) {
        mem_free(index);
        return error_set(error, status, "no memory for an index");
    }
    status = index_file_open(index, dir, error);
    if (status != PHUSA_OK) {
        index_close(index);
        return status;
    }
    *out = index;
    return PHUSA_OK;
}

static void free_tag(struct index_tag *tag)
{
    if (tag == NULL) return;
    for (uint32_t v = 0; v < tag->values.count; v++)
        index_posting_free(tag->postings[v]);
    mem_free(tag->postings);
    index_names_deinit(&tag->values);
    if (tag->present != NULL) roaring_bitmap_free(tag->present);
    index_column_deinit(&tag->column);
    mem_free(tag);
}

static void free_measurement(struct index_measurement *m)
{
    if (m == NULL) return;
    for (uint32_t k = 0; k < m->keys.count; k++)
        free_tag(m->tags[k]);
    mem_free(m->tags);
    mem_free(m->key_order);
    index_names_deinit(&m->keys);
    index_names_deinit(&m->fields);
    mem_free(m->field_types);
    mem_free(m);
}

void index_close(struct index *index)
{
    if (index == NULL) return;
    index_file_close(index);
    for (uint32_t n = 0; n < index->names.count; n++)
        free_measurement(index->measurements[n]);
    mem_free(index->measurements);
    index_names_deinit(&index->names);
    index_table_deinit(&index->table);
    index_pool_deinit(&index->pool);
    pthread_mutex_destroy(&index->checkpoint);
    pthread_rwlock_destroy(&index->lock);
    mem_free(index);
}

/* ---- finding ---- */

struct index_measurement *index_get(const struct index *index, uint32_t measurement)
{
    if (measurement == 0 || measurement > index->names.count) return NULL;
    return index->measurements[measurement - 1];
}

struct index_tag *index_get_tag(const struct index *index, const struct index_measurement *m,
                                struct phusa_text key)
{
    const uint32_t k = index_names_find(&m->keys, &index->pool, key);
    return k == NAME_NONE ? NULL : m->tags[k];
}

bool index_find_measurement(struct index *index, struct phusa_text name, uint32_t *measurement)
{
    pthread_rwlock_rdlock(&index->lock);
    const uint32_t number = index_names_find(&index->names, &index->pool, name);
    pthread_rwlock_unlock(&index->lock);
    if (number == NAME_NONE) return false;
    *measurement = number + 1;
    return true;
}

bool index_find_field(struct index *index, uint32_t measurement, struct phusa_text name,
                      uint16_t *id, enum phusa_type *type)
{
    pthread_rwlock_rdlock(&index->lock);
    const struct index_measurement *m = index_get(index, measurement);
    const uint32_t f = m == NULL ? NAME_NONE : index_names_find(&m->fields, &index->pool, name);
    if (f != NAME_NONE) {
        *id = (uint16_t)f;
        *type = (enum phusa_type)m->field_types[f];
    }
    pthread_rwlock_unlock(&index->lock);
    return f != NAME_NONE;
}

bool index_find_series(struct index *index, struct hash128 hash, uint64_t *series)
{
    uint64_t found;
    index_find_all(index, &hash, sizeof hash, 1, &found);
    if (found != 0) *series = found;
    return found != 0;
}

#define FOUND_TOGETHER 32u

void index_find_all(struct index *index, const struct hash128 *hashes, size_t step_bytes,
                    size_t count, uint64_t *series)
{
    assert(step_bytes % _Alignof(struct hash128) == 0);
    const uint8_t *next = (const uint8_t *)hashes;
    pthread_rwlock_rdlock(&index->lock);
    for (size_t done = 0; done < count;) {
        const size_t together = count - done < FOUND_TOGETHER ? count - done : FOUND_TOGETHER;
        struct hash128 wave[FOUND_TOGETHER];
        for (size_t i = 0; i < together; i++, next += step_bytes) {
            memcpy(&wave[i], next, sizeof wave[i]);
            index_table_prefetch(&index->table, wave[i]);
        }
        for (size_t i = 0; i < together; i++)
            series[done++] = index_table_find(&index->table, wave[i]);
    }
    pthread_rwlock_unlock(&index->lock);
}

/* ---- what the next one is called ---- */

uint32_t index_next_measurement(struct index *index)
{
    pthread_rwlock_rdlock(&index->lock);
    const uint32_t next = index->names.count + 1;
    pthread_rwlock_unlock(&index->lock);
    return next;
}

uint16_t index_next_field(struct index *index, uint32_t measurement)
{
    pthread_rwlock_rdlock(&index->lock);
    const struct index_measurement *m = index_get(index, measurement);
    const uint32_t next = m == NULL ? 0 : m->fields.count;
    pthread_rwlock_unlock(&index->lock);
    return (uint16_t)next;
}

uint32_t index_next_ordinal(struct index *index, uint32_t measurement)
{
    pthread_rwlock_rdlock(&index->lock);
    const struct index_measurement *m = index_get(index, measurement);
    const uint32_t next = m == NULL ? 0 : m->series_count;
    pthread_rwlock_unlock(&index->lock);
    return next;
}

/* ---- adding measurements and fields ---- */

/* An array whose elements readers index: moved only under the lock. */
static bool grow_locked(struct index *index, void **array, size_t *capacity, size_t count,
                        size_t size_bytes)
{
    if (count <= *capacity) return true;
    pthread_rwlock_wrlock(&index->lock);
    const bool grown = mem_grow(array, capacity, count, size_bytes);
    pthread_rwlock_unlock(&index->lock);
    return grown;
}
#define GROW_LOCKED(index, array, capacity, count) \
    grow_locked((index), (void **)&(array), &(capacity), (count), sizeof *(array))

static bool name_allowed(struct phusa_text name)
{
    return name.size_bytes > 0 && name.size_bytes <= SERIES_KEY_BYTES_MAX;
}

phusa_status index_add_measurement(struct index *index, uint32_t measurement,
                                   struct phusa_text name)
{
    const uint32_t found = index_names_find(&index->names, &index->pool, name);
    if (found != NAME_NONE) return found + 1 == measurement ? PHUSA_OK : PHUSA_ECORRUPT;
    if (measurement != index->names.count + 1 || !name_allowed(name)) return PHUSA_ECORRUPT;
    if (measurement >= MEASUREMENTS_MAX) return PHUSA_ELIMIT;

    if (!GROW_LOCKED(index, index->measurements, index->measurement_capacity, measurement))
        return PHUSA_ENOMEM;
    struct index_measurement *m = mem_zalloc(sizeof *m);
    if (m == NULL) return PHUSA_ENOMEM;
    m->id = measurement;
    index->measurements[measurement - 1] = m; /* nobody looks there before the name is in */
    const phusa_status status = index_names_add(&index->names, &index->pool, name, &index->lock);
    if (status != PHUSA_OK) mem_free(m);
    return status;
}

phusa_status index_add_field(struct index *index, uint32_t measurement,
                             const struct index_field *field)
{
    struct index_measurement *m = index_get(index, measurement);
    if (m == NULL) return PHUSA_ECORRUPT;
    const uint32_t found = index_names_find(&m->fields, &index->pool, field->name);
    if (found != NAME_NONE)
        return found == field->id && m->field_types[found] == field->type ? PHUSA_OK
                                                                          : PHUSA_ECORRUPT;
    if (field->id != m->fields.count || !name_allowed(field->name)) return PHUSA_ECORRUPT;
    if (field->type < PHUSA_FLOAT || field->type > PHUSA_STRING) return PHUSA_ECORRUPT;
    if (field->id >= FIELD_COUNT_MAX) return PHUSA_ELIMIT;

    if (!GROW_LOCKED(index, m->field_types, m->field_type_capacity, field->id + 1u))
        return PHUSA_ENOMEM;
    m->field_types[field->id] = (uint8_t)field->type;
    const phusa_status status =
        index_names_add(&m->fields, &index->pool, field->name, &index->lock);
    if (status == PHUSA_OK) index->field_count++;
    return status;
}

/* ---- adding series ---- */

/* One tag of a series to add: which key and value of the measurement it is. */
struct pair {
    struct index_tag *tag;
    uint32_t value;
};

/* The newest key takes its place among the others; there is room. */
static void order_key(struct index *index, struct index_measurement *m, struct phusa_text key)
{
    const uint32_t number = m->keys.count - 1;
    uint32_t at = number;
    pthread_rwlock_wrlock(&index->lock);
    while (at > 0 &&
           text_compare(index_names_text(&m->keys, &index->pool, m->key_order[at - 1]), key) > 0) {
        m->key_order[at] = m->key_order[at - 1];
        at--;
    }
    m->key_order[at] = number;
    m->key_count++;
    pthread_rwlock_unlock(&index->lock);
}

static phusa_status intern_key(struct index *index, struct index_measurement *m,
                               struct phusa_text key, struct index_tag **out)
{
    *out = index_get_tag(index, m, key);
    if (*out != NULL) return PHUSA_OK;
    const uint32_t number = m->keys.count;
    if (!GROW_LOCKED(index, m->tags, m->tag_capacity, number + 1) ||
        !GROW_LOCKED(index, m->key_order, m->key_order_capacity, number + 1))
        return PHUSA_ENOMEM;
    struct index_tag *tag = mem_zalloc(sizeof *tag);
    if (tag == NULL) return PHUSA_ENOMEM;
    tag->present = roaring_bitmap_create();
    m->tags[number] = tag;
    phusa_status status = tag->present == NULL ? PHUSA_ENOMEM : PHUSA_OK;
    if (status == PHUSA_OK) status = index_names_add(&m->keys, &index->pool, key, &index->lock);
    if (status != PHUSA_OK) {
        free_tag(tag);
        return status;
    }
    order_key(index, m, key);
    *out = tag;
    return PHUSA_OK;
}

static phusa_status intern_value(struct index *index, struct index_tag *tag,
                                 struct phusa_text value, uint32_t *out)
{
    *out = index_names_find(&tag->values, &index->pool, value);
    if (*out != NAME_NONE) return PHUSA_OK;
    const uint32_t number = tag->values.count;
    if (!GROW_LOCKED(index, tag->postings, tag->posting_capacity, number + 1)) return PHUSA_ENOMEM;
    tag->postings[number] = 0;
    const phusa_status status = index_names_add(&tag->values, &index->pool, value, &index->lock);
    if (status == PHUSA_OK) *out = number;
    return status;
}

/* Is it a canonical key (batch.h) of this measurement? */
static bool key_valid(const struct index *index, const struct index_measurement *m,
                      struct phusa_text key)
{
    struct reader r = reader_of(key.bytes, key.size_bytes);
    const struct phusa_text name = read_text(&r);
    if (key.size_bytes > SERIES_KEY_BYTES_MAX) return false;
    if (!text_equal(name, index_names_text(&index->names, &index->pool, m->id - 1))) return false;
    struct phusa_text previous = {"", 0};
    uint32_t count = 0;
    while (!r.bad && reader_left(&r) > 0) {
        const struct phusa_text tag_key = read_text(&r);
        const struct phusa_text value = read_text(&r);
        if (r.bad || value.size_bytes == 0 || text_compare(previous, tag_key) >= 0) return false;
        if (++count > TAG_COUNT_MAX) return false;
        previous = tag_key;
    }
    /* Nothing written longer than it must be, or two keys of one series would differ. */
    size_t size_bytes = 0;
    r = reader_of(key.bytes, key.size_bytes);
    while (!r.bad && reader_left(&r) > 0) {
        uint8_t head[VARINT_BYTES_MAX];
        const size_t text_bytes = read_text(&r).size_bytes;
        size_bytes += (size_t)(put_varint(head, text_bytes) - head) + text_bytes;
    }
    return !r.bad && size_bytes == key.size_bytes;
}

/* Keys come sorted, and most series of a measurement have them all: the next in order is likely the
 * one, and comparing costs a fifth of looking up. */
static struct index_tag *likely_key(const struct index *index, const struct index_measurement *m,
                                    struct phusa_text key, uint32_t order)
{
    if (order >= m->key_count) return NULL;
    const uint32_t number = m->key_order[order];
    const bool same = text_equal(index_names_text(&m->keys, &index->pool, number), key);
    return same ? m->tags[number] : NULL;
}

static phusa_status intern_pairs(struct index *index, struct index_measurement *m,
                                 struct phusa_text key, struct pair *pairs, uint32_t *count)
{
    struct reader r = reader_of(key.bytes, key.size_bytes);
    (void)read_text(&r);
    *count = 0;
    while (reader_left(&r) > 0) {
        const struct phusa_text tag_key = read_text(&r);
        const struct phusa_text value = read_text(&r);
        struct pair *pair = &pairs[*count];
        pair->tag = likely_key(index, m, tag_key, (*count)++);
        phusa_status status = PHUSA_OK;
        if (pair->tag == NULL) status = intern_key(index, m, tag_key, &pair->tag);
        if (status == PHUSA_OK) status = intern_value(index, pair->tag, value, &pair->value);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static bool reserve_pair(const struct pair *pair, uint32_t ordinal)
{
    return index_posting_reserve(&pair->tag->postings[pair->value]) &&
           index_column_reserve(&pair->tag->column, ordinal, pair->value + 1);
}

static phusa_status add_series(struct index *index, struct index_measurement *m,
                               struct hash128 hash, const struct pair *pairs, uint32_t count)
{
    const uint32_t ordinal = m->series_count;
    bool room = true;
    pthread_rwlock_wrlock(&index->lock);
    room = index_table_reserve(&index->table, hash);
    for (uint32_t p = 0; p < count && room; p++)
        room = reserve_pair(&pairs[p], ordinal);
    if (room) {
        for (uint32_t p = 0; p < count; p++) {
            struct index_tag *tag = pairs[p].tag;
            index_posting_add(&tag->postings[pairs[p].value], ordinal);
            roaring_bitmap_add(tag->present, ordinal);
            index_column_set(&tag->column, ordinal, pairs[p].value + 1);
        }
        index_table_add(&index->table, hash, SERIES_ID(m->id, ordinal));
        m->series_count++;
        index->series_count++;
    }
    pthread_rwlock_unlock(&index->lock);
    return room ? PHUSA_OK : PHUSA_ENOMEM;
}

phusa_status index_add_series(struct index *index, uint64_t series, struct phusa_text key)
{
    struct index_measurement *m = index_get(index, SERIES_MEASUREMENT(series));
    if (m == NULL) return PHUSA_ECORRUPT;
    const struct hash128 hash = hash_bytes(key.bytes, key.size_bytes);
    const uint64_t found = index_table_find(&index->table, hash);
    if (found != 0) return found == series ? PHUSA_OK : PHUSA_ECORRUPT;
    if ((uint32_t)series != m->series_count) return PHUSA_ECORRUPT;
    if (!key_valid(index, m, key)) return PHUSA_ECORRUPT;
    if (m->series_count >= ORDINALS_MAX - 1) return PHUSA_ELIMIT;

    struct pair pairs[TAG_COUNT_MAX];
    uint32_t count;
    const phusa_status status = intern_pairs(index, m, key, pairs, &count);
    if (status != PHUSA_OK) return status;
    return add_series(index, m, hash, pairs, count);
}
