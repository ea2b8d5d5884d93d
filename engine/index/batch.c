/*
 * batch.c - see batch.h.
 *
 * size_bytes is a little above what the log writes, so that a full batch fits one WAL group. Keys
 * and names count for more than that, so that it also bounds the memory of a batch in which
 * nothing repeats.
 */
#include "index/batch.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW_BYTES    16u
#define VALUE_BYTES  8u
#define STRING_BYTES 8u /* besides its text */
#define NAME_BYTES   32u
#define KEY_BYTES    64u

/* Keys, names and strings count towards size_bytes once; what is left is for messages about bad
 * lines and for the ends of arena blocks. */
#define ARENA_BYTES_MAX ((size_t)3 * PHUSA_BATCH_BYTES_MAX)

#define TABLE_CAPACITY_MIN 64u

static _Atomic uint64_t epochs;

/* ---- tables ---- */

static void table_clear(struct batch_table *table)
{
    table->count = 0;
    if (++table->generation != 0) return;
    /* After 2^32 fillings old stamps would count again. */
    if (table->slots != NULL) memset(table->slots, 0, table->capacity * sizeof *table->slots);
    table->generation = 1;
}

static bool slot_used(const struct batch_table *table, const struct batch_slot *slot)
{
    return slot->generation == table->generation;
}

/* Before an insertion: at most half full afterwards. */
static bool table_make_room(struct batch_table *table)
{
    if ((table->count + 1) * 2 <= table->capacity) return true;
    struct batch_table larger = {.generation = 1, .count = table->count};
    larger.capacity = table->capacity == 0 ? TABLE_CAPACITY_MIN : table->capacity * 2;
    larger.slots = mem_zalloc(larger.capacity * sizeof *larger.slots);
    if (larger.slots == NULL) return false;
    for (size_t i = 0; i < table->capacity; i++) {
        const struct batch_slot *slot = &table->slots[i];
        if (!slot_used(table, slot)) continue;
        size_t at = slot->hash & (larger.capacity - 1);
        while (slot_used(&larger, &larger.slots[at]))
            at = (at + 1) & (larger.capacity - 1);
        larger.slots[at] = (struct batch_slot){slot->hash, larger.generation, slot->index};
    }
    mem_free(table->slots);
    *table = larger;
    return true;
}

/* The next index with this hash from *at on, which moves behind it; false at a free slot, where
 * *at then stands. A search begins with *at = hash. The table must have room. */
static bool table_next(const struct batch_table *table, uint64_t hash, size_t *at, uint32_t *index)
{
    for (;; ++*at) {
        const struct batch_slot *slot = &table->slots[*at & (table->capacity - 1)];
        if (!slot_used(table, slot)) return false;
        if (slot->hash != hash) continue;
        *index = slot->index;
        ++*at;
        return true;
    }
}

static void table_put(struct batch_table *table, uint64_t hash, size_t at, uint32_t index)
{
    table->slots[at & (table->capacity - 1)] = (struct batch_slot){hash, table->generation, index};
    table->count++;
}

/* ---- life ---- */

static bool has_room(const struct batch *batch, size_t size_bytes)
{
    return size_bytes <= PHUSA_BATCH_BYTES_MAX - batch->size_bytes;
}

static uint64_t next_epoch(void)
{
    return atomic_fetch_add_explicit(&epochs, 1, memory_order_relaxed) + 1;
}

void batch_init(struct batch *batch)
{
    *batch = (struct batch){.epoch = next_epoch()};
    arena_init(&batch->arena, ARENA_BYTES_MAX);
    batch->measurement_table.generation = 1;
    batch->key_table.generation = 1;
    batch->shape_table.generation = 1;
}

void batch_deinit(struct batch *batch)
{
    arena_deinit(&batch->arena);
    mem_free(batch->measurements);
    mem_free(batch->keys);
    mem_free(batch->shapes);
    mem_free(batch->rows);
    mem_free(batch->values);
    mem_free(batch->decimals);
    mem_free(batch->strings);
    mem_free(batch->refusals);
    mem_free(batch->measurement_table.slots);
    mem_free(batch->key_table.slots);
    mem_free(batch->shape_table.slots);
    mem_free(batch->scratch);
    *batch = (struct batch){0};
}

void batch_clear(struct batch *batch)
{
    arena_reset(&batch->arena);
    table_clear(&batch->measurement_table);
    table_clear(&batch->key_table);
    table_clear(&batch->shape_table);
    batch->measurement_count = 0;
    batch->key_count = 0;
    batch->shape_count = 0;
    batch->row_count = 0;
    batch->value_count = 0;
    batch->string_count = 0;
    batch->refusal_kept = 0;
    batch->refused_count = 0;
    batch->size_bytes = 0;
    batch->epoch = next_epoch();
}

/* ---- measurements and keys ---- */

static bool find_measurement(const struct batch *batch, struct phusa_text name, uint64_t hash,
                             size_t *at, uint32_t *index)
{
    *at = hash;
    while (table_next(&batch->measurement_table, hash, at, index))
        if (text_equal(batch->measurements[*index], name)) return true;
    return false;
}

bool batch_find_measurement(const struct batch *batch, struct phusa_text name, uint32_t *index)
{
    if (batch->measurement_count == 0) return false;
    /* Rows mostly follow rows of the same measurement. */
    if (text_equal(batch->measurements[0], name)) {
        *index = 0;
        return true;
    }
    size_t at;
    uint32_t found;
    if (!find_measurement(batch, name, hash_bytes(name.bytes, name.size_bytes).low, &at, &found))
        return false;
    *index = found;
    return true;
}

phusa_status batch_measurement(struct batch *batch, struct phusa_text name, uint32_t *index)
{
    if (batch_find_measurement(batch, name, index)) return PHUSA_OK;
    struct batch_table *table = &batch->measurement_table;
    const uint64_t hash = hash_bytes(name.bytes, name.size_bytes).low;
    if (!table_make_room(table)) return PHUSA_ENOMEM;
    if (!has_room(batch, name.size_bytes + NAME_BYTES)) return PHUSA_ELIMIT;
    if (!MEM_GROW(batch->measurements, batch->measurement_capacity, batch->measurement_count + 1))
        return PHUSA_ENOMEM;
    const char *copy = arena_copy(&batch->arena, name.bytes, name.size_bytes);
    if (copy == NULL) return PHUSA_ENOMEM;
    size_t at;
    uint32_t added;
    const bool found = find_measurement(batch, name, hash, &at, &added);
    assert(!found);
    added = (uint32_t)batch->measurement_count++;
    batch->measurements[added] = (struct phusa_text){copy, name.size_bytes};
    batch->size_bytes += name.size_bytes + NAME_BYTES;
    table_put(table, hash, at, added);
    *index = added;
    return PHUSA_OK;
}

phusa_status batch_key_canonical(struct batch *batch, struct phusa_text measurement,
                                 const uint8_t *bytes, uint32_t size_bytes, uint32_t *index)
{
    return batch_key_hashed(batch, measurement, bytes, size_bytes, hash_bytes(bytes, size_bytes),
                            index);
}

phusa_status batch_key_hashed(struct batch *batch, struct phusa_text measurement,
                              const uint8_t *bytes, uint32_t size_bytes, struct hash128 hash,
                              uint32_t *index)
{
    assert(size_bytes <= SERIES_KEY_BYTES_MAX);
    struct batch_table *table = &batch->key_table;
    if (!table_make_room(table)) return PHUSA_ENOMEM;
    size_t at = hash.low;
    uint32_t found;
    while (table_next(table, hash.low, &at, &found)) {
        if (!hash_equal(batch->keys[found].hash, hash)) continue;
        *index = found;
        return PHUSA_OK;
    }
    struct batch_key key = {.size_bytes = size_bytes, .hash = hash};
    const phusa_status status = batch_measurement(batch, measurement, &key.measurement);
    if (status != PHUSA_OK) return status;
    if (!has_room(batch, size_bytes + KEY_BYTES)) return PHUSA_ELIMIT;
    if (!MEM_GROW(batch->keys, batch->key_capacity, batch->key_count + 1)) return PHUSA_ENOMEM;
    key.bytes = (const uint8_t *)arena_copy(&batch->arena, bytes, size_bytes);
    if (key.bytes == NULL) return PHUSA_ENOMEM;
    found = (uint32_t)batch->key_count++;
    batch->keys[found] = key;
    batch->size_bytes += size_bytes + KEY_BYTES;
    table_put(table, hash.low, at, found);
    *index = found;
    return PHUSA_OK;
}

static phusa_status check_name(const char *what, struct phusa_text name, struct phusa_error *error)
{
    if (name.size_bytes == 0) return error_set(error, PHUSA_EINVAL, "missing %s", what);
    if (name.size_bytes > NAME_BYTES_MAX)
        return error_set(error, PHUSA_ELIMIT, "%s of %zu bytes; at most %u are allowed", what,
                         name.size_bytes, NAME_BYTES_MAX);
    return PHUSA_OK;
}

static phusa_status check_tags(struct phusa_text measurement, const struct phusa_pair *tags,
                               size_t tag_count, struct phusa_error *error)
{
    phusa_status status = check_name("measurement", measurement, error);
    if (status != PHUSA_OK) return status;
    if (tag_count > TAG_COUNT_MAX)
        return error_set(error, PHUSA_ELIMIT, "%zu tags; at most %u are allowed", tag_count,
                         TAG_COUNT_MAX);
    for (size_t i = 0; i < tag_count; i++) {
        status = check_name("tag key", tags[i].key, error);
        if (status != PHUSA_OK) return status;
        if (tags[i].value.size_bytes == 0)
            return error_set(error, PHUSA_EINVAL, "missing tag value: leave tag %.*s out",
                             (int)tags[i].key.size_bytes, tags[i].key.bytes);
    }
    return PHUSA_OK;
}

static int compare_tags(const void *a, const void *b)
{
    return text_compare(((const struct phusa_pair *)a)->key, ((const struct phusa_pair *)b)->key);
}

static uint8_t *put_text(uint8_t *p, struct phusa_text text)
{
    p = put_varint(p, text.size_bytes);
    memcpy(p, text.bytes, text.size_bytes);
    return p + text.size_bytes;
}

phusa_status batch_key(struct batch *batch, struct phusa_text measurement,
                       const struct phusa_pair *tags, size_t tag_count, uint32_t *index,
                       struct phusa_error *error)
{
    phusa_status status = check_tags(measurement, tags, tag_count, error);
    if (status != PHUSA_OK) return status;

    struct phusa_pair sorted[TAG_COUNT_MAX];
    size_t size_bytes = measurement.size_bytes + VARINT_BYTES_MAX;
    for (size_t i = 0; i < tag_count; i++) {
        sorted[i] = tags[i];
        size_bytes += tags[i].key.size_bytes + tags[i].value.size_bytes + 2 * VARINT_BYTES_MAX;
        if (size_bytes > SERIES_KEY_BYTES_MAX)
            return error_set(error, PHUSA_ELIMIT,
                             "measurement and tags are too long; at most %u bytes are allowed",
                             SERIES_KEY_BYTES_MAX);
    }
    if (tag_count > 1) qsort(sorted, tag_count, sizeof sorted[0], compare_tags);
    for (size_t i = 1; i < tag_count; i++)
        if (text_equal(sorted[i - 1].key, sorted[i].key))
            return error_set(error, PHUSA_EINVAL, "duplicate tags: %.*s is there twice",
                             (int)sorted[i].key.size_bytes, sorted[i].key.bytes);

    if (batch->scratch == NULL) batch->scratch = mem_alloc(SERIES_KEY_BYTES_MAX);
    if (batch->scratch == NULL) return error_set(error, PHUSA_ENOMEM, "out of memory");
    uint8_t *p = put_text(batch->scratch, measurement);
    for (size_t i = 0; i < tag_count; i++) {
        p = put_text(p, sorted[i].key);
        p = put_text(p, sorted[i].value);
    }
    status = batch_key_canonical(batch, measurement, batch->scratch, (uint32_t)(p - batch->scratch),
                                 index);
    if (status == PHUSA_ELIMIT)
        return error_set(error, status, "the batch is full: write it first");
    return status == PHUSA_OK ? status : error_set(error, status, "out of memory");
}

/* ---- shapes ---- */

/* Names collide only on purpose, so a simple mix of their hashes will do; shapes are compared
 * in full. */
static uint64_t shape_hash(uint32_t measurement, const struct phusa_text *names,
                           const enum phusa_type *types, uint32_t field_count)
{
    uint64_t hash = measurement;
    for (uint32_t i = 0; i < field_count; i++) {
        hash ^= hash_bytes(names[i].bytes, names[i].size_bytes).low + types[i];
        hash = (hash << 27 | hash >> 37) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash ^ hash >> 32;
}

static bool shape_is(const struct batch_shape *shape, uint32_t measurement,
                     const struct phusa_text *names, const enum phusa_type *types,
                     uint32_t field_count)
{
    if (shape->measurement != measurement || shape->field_count != field_count) return false;
    for (uint32_t i = 0; i < field_count; i++)
        if (shape->types[i] != types[i] || !text_equal(shape->names[i], names[i])) return false;
    return true;
}

/* NULL without memory. */
static struct phusa_text *copy_names(struct batch *batch, const struct phusa_text *names,
                                     uint32_t count)
{
    struct phusa_text *copies = arena_array(&batch->arena, count, sizeof *copies);
    if (copies == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        copies[i].size_bytes = names[i].size_bytes;
        copies[i].bytes = arena_copy(&batch->arena, names[i].bytes, names[i].size_bytes);
        if (copies[i].bytes == NULL) return NULL;
    }
    return copies;
}

phusa_status batch_shape(struct batch *batch, uint32_t measurement, const struct phusa_text *names,
                         const enum phusa_type *types, uint32_t field_count, uint32_t *index)
{
    assert(measurement < batch->measurement_count);
    assert(field_count > 0);
    assert(field_count <= FIELD_COUNT_MAX);
    struct batch_table *table = &batch->shape_table;
    const uint64_t hash = shape_hash(measurement, names, types, field_count);
    if (!table_make_room(table)) return PHUSA_ENOMEM;
    size_t at = hash;
    uint32_t found;
    while (table_next(table, hash, &at, &found)) {
        if (!shape_is(&batch->shapes[found], measurement, names, types, field_count)) continue;
        *index = found;
        return PHUSA_OK;
    }
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < field_count; i++)
        size_bytes += names[i].size_bytes + NAME_BYTES;
    if (!has_room(batch, size_bytes)) return PHUSA_ELIMIT;
    if (!MEM_GROW(batch->shapes, batch->shape_capacity, batch->shape_count + 1))
        return PHUSA_ENOMEM;
    struct batch_shape shape = {.measurement = measurement, .field_count = field_count};
    enum phusa_type *copied_types = arena_array(&batch->arena, field_count, sizeof *types);
    shape.names = copy_names(batch, names, field_count);
    if (copied_types == NULL || shape.names == NULL) return PHUSA_ENOMEM;
    memcpy(copied_types, types, field_count * sizeof *types);
    shape.types = copied_types;
    found = (uint32_t)batch->shape_count++;
    batch->shapes[found] = shape;
    batch->size_bytes += size_bytes;
    table_put(table, hash, at, found);
    *index = found;
    return PHUSA_OK;
}

/* ---- rows ---- */

phusa_status batch_reserve(struct batch *batch, uint32_t field_count, union batch_value **values,
                           uint8_t **decimals)
{
    const size_t wanted = batch->value_count + field_count;
    if (wanted > batch->value_capacity) {
        size_t capacity = batch->value_capacity * 2;
        if (capacity < wanted) capacity = wanted < 1024 ? 1024 : wanted;
        /* Decimals first: if the values then fail, they are merely longer than they must be. */
        uint8_t *grown_decimals = mem_resize(batch->decimals, capacity, 1);
        if (grown_decimals == NULL) return PHUSA_ENOMEM;
        batch->decimals = grown_decimals;
        union batch_value *grown = mem_resize(batch->values, capacity, sizeof *grown);
        if (grown == NULL) return PHUSA_ENOMEM;
        batch->values = grown;
        batch->value_capacity = capacity;
    }
    if (values != NULL) *values = batch->values + batch->value_count;
    if (decimals != NULL) *decimals = batch->decimals + batch->value_count;
    return PHUSA_OK;
}

phusa_status batch_row(struct batch *batch, uint32_t key, uint32_t shape, int64_t time_ns,
                       uint64_t line, uint32_t column, union batch_value **values,
                       uint8_t **decimals)
{
    assert(key < batch->key_count);
    assert(shape < batch->shape_count);
    assert(batch->keys[key].measurement == batch->shapes[shape].measurement);
    const uint32_t field_count = batch->shapes[shape].field_count;
    const size_t row_bytes = ROW_BYTES + (size_t)field_count * VALUE_BYTES;
    if (!has_room(batch, row_bytes)) return PHUSA_ELIMIT;
    if (!MEM_GROW(batch->rows, batch->row_capacity, batch->row_count + 1)) return PHUSA_ENOMEM;
    const phusa_status status = batch_reserve(batch, field_count, values, decimals);
    if (status != PHUSA_OK) return status;
    batch->rows[batch->row_count++] = (struct batch_row){
        .key = key,
        .shape = shape,
        .first_value = (uint32_t)batch->value_count,
        .column = column,
        .line = line,
        .time_ns = time_ns,
    };
    batch->value_count += field_count;
    batch->size_bytes += row_bytes;
    return PHUSA_OK;
}

phusa_status batch_string(struct batch *batch, struct phusa_text text, uint32_t *index)
{
    if (text.size_bytes > STRING_BYTES_MAX) return PHUSA_ELIMIT;
    if (!has_room(batch, text.size_bytes + STRING_BYTES)) return PHUSA_ELIMIT;
    if (!MEM_GROW(batch->strings, batch->string_capacity, batch->string_count + 1))
        return PHUSA_ENOMEM;
    const char *copy = arena_copy(&batch->arena, text.bytes, text.size_bytes);
    if (copy == NULL) return PHUSA_ENOMEM;
    *index = (uint32_t)batch->string_count++;
    batch->strings[*index] = (struct phusa_text){copy, text.size_bytes};
    batch->size_bytes += text.size_bytes + STRING_BYTES;
    return PHUSA_OK;
}

/* ---- refusals ---- */

#define EXCERPT_CHARACTERS_MAX 80

/* Bytes of the UTF-8 character at `p`, 0 if it is not one. Surrogates and overlong forms are
 * let through: this is for a person to read. */
static size_t character_bytes(const char *p, size_t size_bytes)
{
    const uint8_t first = (uint8_t)*p;
    const size_t wanted = first < 0x80   ? 1
                          : first < 0xc2 ? 0
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                          : first < 0xf5 ? 4
                                         : 0;
    if (wanted > size_bytes) return 0;
    for (size_t i = 1; i < wanted; i++)
        if (((uint8_t)p[i] & 0xc0) != 0x80) return 0;
    return wanted;
}

/* NULL without memory. */
static char *make_excerpt(struct arena *arena, struct phusa_text text)
{
    char out[EXCERPT_CHARACTERS_MAX * 4 + 1];
    size_t used = 0;
    size_t at = 0;
    for (int i = 0; i < EXCERPT_CHARACTERS_MAX && at < text.size_bytes; i++) {
        const uint8_t c = (uint8_t)text.bytes[at];
        const size_t size = character_bytes(text.bytes + at, text.size_bytes - at);
        if (c == '\n' || c == '\t' || c == '\r') {
            out[used++] = '\\';
            out[used++] = c == '\n' ? 'n' : c == '\t' ? 't' : 'r';
        } else if (size == 0 || c < 0x20 || c == 0x7f) {
            used += (size_t)snprintf(out + used, sizeof out - used, "\\x%02x", c);
        } else {
            memcpy(out + used, text.bytes + at, size);
            used += size;
        }
        at += size == 0 ? 1 : size;
    }
    return arena_copy(arena, out, used);
}

void batch_refuse(struct batch *batch, uint64_t line, uint32_t column, phusa_status status,
                  struct phusa_text text, const char *format, ...)
{
    assert(status < 0);
    batch->refused_count++;
    if (batch->refusal_kept == PHUSA_REFUSALS_MAX) return;
    if (!MEM_GROW(batch->refusals, batch->refusal_capacity, batch->refusal_kept + 1)) return;
    char reason[PHUSA_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    const char *kept = arena_copy(&batch->arena, reason, strlen(reason));
    const char *excerpt = make_excerpt(&batch->arena, text);
    if (kept == NULL || excerpt == NULL) return;
    batch->refusals[batch->refusal_kept++] = (struct phusa_refusal){
        .line = line,
        .column = column,
        .status = status,
        .reason = kept,
        .excerpt = excerpt,
    };
}

static int compare_refusals(const void *a, const void *b)
{
    const struct phusa_refusal *x = a;
    const struct phusa_refusal *y = b;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

void batch_sort_refusals(struct batch *batch)
{
    if (batch->refusal_kept > 1)
        qsort(batch->refusals, batch->refusal_kept, sizeof batch->refusals[0], compare_refusals);
}

/* ---- invariants ---- */

static const char *check_key(const struct batch *batch, const struct batch_key *key)
{
    if (key->measurement >= batch->measurement_count) return "a key without its measurement";
    if (!hash_equal(key->hash, hash_bytes(key->bytes, key->size_bytes)))
        return "a key's hash is not that of its bytes";
    struct reader r = reader_of(key->bytes, key->size_bytes);
    if (!text_equal(read_text(&r), batch->measurements[key->measurement]))
        return "a key's bytes begin with another measurement";
    struct phusa_text previous = {NULL, 0};
    while (!r.bad && reader_left(&r) > 0) {
        const struct phusa_text name = read_text(&r);
        const struct phusa_text value = read_text(&r);
        if (name.size_bytes == 0 || value.size_bytes == 0) return "a key with an empty tag";
        if (previous.bytes != NULL && text_compare(previous, name) >= 0)
            return "a key whose tags are not in order";
        previous = name;
    }
    return r.bad ? "a key that is not in canonical form" : NULL;
}

static const char *check_row(const struct batch *batch, const struct batch_row *row,
                             size_t *value_count)
{
    if (row->key >= batch->key_count) return "a row without its key";
    if (row->shape >= batch->shape_count) return "a row without its shape";
    const struct batch_shape *shape = &batch->shapes[row->shape];
    if (batch->keys[row->key].measurement != shape->measurement)
        return "a row whose key and shape are of two measurements";
    if (row->first_value != *value_count) return "a row whose values are not next";
    *value_count += shape->field_count;
    if (*value_count > batch->value_count) return "a row with values beyond the last";
    for (uint32_t i = 0; i < shape->field_count; i++)
        if (shape->types[i] == PHUSA_STRING &&
            batch->values[row->first_value + i].string >= batch->string_count)
            return "a string beyond the last";
    return NULL;
}

const char *batch_check(const struct batch *batch)
{
    for (size_t i = 0; i < batch->key_count; i++) {
        const char *fault = check_key(batch, &batch->keys[i]);
        if (fault != NULL) return fault;
    }
    size_t value_count = 0;
    for (size_t i = 0; i < batch->row_count; i++) {
        const char *fault = check_row(batch, &batch->rows[i], &value_count);
        if (fault != NULL) return fault;
    }
    if (value_count != batch->value_count) return "values that belong to no row";
    if (batch->size_bytes > PHUSA_BATCH_BYTES_MAX) return "a batch over its limit";
    return NULL;
}
