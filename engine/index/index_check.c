/* index_check.c - how much an index holds, and whether its parts agree. */
#include "index/index.h"

#include "index/index_internal.h"

#include <stdio.h>

/* ---- statistics ---- */

static uint64_t tag_bytes(const struct index_tag *tag)
{
    uint64_t bytes = sizeof *tag + index_names_bytes(&tag->values) +
                     tag->posting_capacity * sizeof *tag->postings +
                     index_column_bytes(&tag->column) + roaring_bitmap_size_in_bytes(tag->present);
    for (uint32_t v = 0; v < tag->values.count; v++)
        bytes += index_posting_bytes(tag->postings[v]);
    return bytes;
}

static uint64_t measurement_bytes(const struct index_measurement *m)
{
    uint64_t bytes = sizeof *m + index_names_bytes(&m->fields) + index_names_bytes(&m->keys) +
                     m->field_type_capacity + m->tag_capacity * sizeof *m->tags +
                     m->key_order_capacity * sizeof *m->key_order;
    for (uint32_t k = 0; k < m->key_count; k++)
        bytes += tag_bytes(m->tags[k]);
    return bytes;
}

void index_stats(struct index *index, struct index_stats *out)
{
    pthread_rwlock_rdlock(&index->lock);
    struct index_stats stats = {
        .measurements = index->names.count,
        .series = index->series_count,
        .memory_bytes = sizeof *index + index_table_bytes(&index->table) +
                        index_names_bytes(&index->names) +
                        index->measurement_capacity * sizeof *index->measurements +
                        atomic_load_explicit(&index->pool.used, memory_order_relaxed),
        .file_bytes = index->file_bytes,
    };
    for (uint32_t n = 0; n < index->names.count; n++) {
        stats.fields += index->measurements[n]->fields.count;
        stats.memory_bytes += measurement_bytes(index->measurements[n]);
    }
    pthread_rwlock_unlock(&index->lock);
    *out = stats;
}

/* ---- check ---- */

struct check {
    const struct index *index;
    phusa_line_fn line;
    void *context;
    uint64_t faults;
    struct buffer key;
};

static void fault(struct check *c, const struct index_measurement *m, const char *what,
                  uint64_t number)
{
    char text[160];
    snprintf(text, sizeof text, "index %u, measurement %u: %s (%llu)", c->index->database, m->id,
             what, (unsigned long long)number);
    c->line(c->context, text);
    c->faults++;
}

static void check_series(struct check *c, const struct index_measurement *m)
{
    for (uint32_t o = 0; o < m->series_count; o++) {
        buffer_clear(&c->key);
        index_put_key(c->index, m, o, &c->key);
        if (c->key.bad) return;
        const struct hash128 hash = hash_bytes(c->key.bytes, c->key.size_bytes);
        if (index_table_find(&c->index->table, hash) != SERIES_ID(m->id, o))
            fault(c, m, "a series that its key does not lead to", o);
    }
}

static void check_tag(struct check *c, const struct index_measurement *m,
                      const struct index_tag *tag, uint32_t k)
{
    uint64_t total = 0;
    for (uint32_t v = 0; v < tag->values.count; v++) {
        if (!index_posting_check(tag->postings[v], m->series_count))
            fault(c, m, "a posting out of order, of value", v);
        total += index_posting_count(tag->postings[v]);
    }
    if (total != tag->column.count || total != roaring_bitmap_get_cardinality(tag->present))
        fault(c, m, "postings, column and presence of unequal size, of tag key", k);
    for (uint32_t o = 0; o < m->series_count; o++) {
        const uint32_t value = index_column_get(&tag->column, o);
        if (value > tag->values.count) fault(c, m, "a value that is not there, of series", o);
        if ((value != 0) != roaring_bitmap_contains(tag->present, o))
            fault(c, m, "presence and value contradict each other, of series", o);
    }
    for (uint32_t v = 0; v < tag->values.count; v++) {
        roaring_bitmap_t *set = roaring_bitmap_create();
        index_posting_join(tag->postings[v], set);
        roaring_uint32_iterator_t i;
        for (roaring_init_iterator(set, &i); i.has_value; roaring_advance_uint32_iterator(&i))
            if (index_column_get(&tag->column, i.current_value) != v + 1)
                fault(c, m, "posting and column contradict each other, of series", i.current_value);
        roaring_bitmap_free(set);
    }
}

static void check_order(struct check *c, const struct index_measurement *m)
{
    const struct index *index = c->index;
    for (uint32_t i = 1; i < m->key_count; i++)
        if (text_compare(index_names_text(&m->keys, &index->pool, m->key_order[i - 1]),
                         index_names_text(&m->keys, &index->pool, m->key_order[i])) >= 0)
            fault(c, m, "tag keys out of order", i);
}

phusa_status index_check(struct index *index, phusa_line_fn line, void *context,
                         uint64_t *fault_count)
{
    struct check c = {.index = index, .line = line, .context = context};
    uint64_t series = 0;
    pthread_rwlock_rdlock(&index->lock);
    for (uint32_t n = 0; n < index->names.count; n++) {
        const struct index_measurement *m = index->measurements[n];
        check_series(&c, m);
        check_order(&c, m);
        for (uint32_t k = 0; k < m->key_count; k++)
            check_tag(&c, m, m->tags[k], k);
        series += m->series_count;
        if (n + 1 == index->names.count && series != index->series_count)
            fault(&c, m, "series of all measurements do not add up", series);
    }
    pthread_rwlock_unlock(&index->lock);
    const bool bad = c.key.bad;
    buffer_deinit(&c.key);
    *fault_count += c.faults;
    if (bad) return PHUSA_ENOMEM;
    return index_file_check(index, line, context, fault_count);
}
