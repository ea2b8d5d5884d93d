/* index_list.c - lists of what an index holds, and the tags of series. */
#include "index/index.h"

#include "index/index_internal.h"

#include <stdlib.h>

/* ---- names, sorted ---- */

/* Sorted by its first 8 bytes where they tell, which spares most comparisons of a million values
 * their cache misses. */
struct sortable {
    uint64_t prefix;
    struct phusa_text text;
    uint32_t number;
};

static struct sortable sortable_of(struct phusa_text text, uint32_t number)
{
    uint8_t first[8] = {0};
    memcpy(first, text.bytes, text.size_bytes < 8 ? text.size_bytes : 8);
    return (struct sortable){load_be64(first), text, number};
}

static int compare_sortable(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    if (x->prefix != y->prefix) return x->prefix < y->prefix ? -1 : 1;
    return text_compare(x->text, y->text);
}

static struct phusa_text copy_text(struct arena *arena, struct phusa_text text)
{
    return (struct phusa_text){arena_copy(arena, text.bytes, text.size_bytes), text.size_bytes};
}

/* Every name of `names`, sorted; the texts stay in the pool. */
static struct sortable *sort_names(const struct index *index, const struct index_names *names,
                                   struct arena *arena)
{
    struct sortable *list = arena_array(arena, names->count, sizeof *list);
    if (list == NULL) return NULL;
    for (uint32_t n = 0; n < names->count; n++)
        list[n] = sortable_of(index_names_text(names, &index->pool, n), n);
    qsort(list, names->count, sizeof *list, compare_sortable);
    return list;
}

phusa_status index_measurements(struct index *index, struct arena *arena, struct phusa_text **names,
                                uint32_t **ids, size_t *count)
{
    phusa_status status = PHUSA_ENOMEM;
    pthread_rwlock_rdlock(&index->lock);
    const uint32_t n = index->names.count;
    const struct sortable *sorted = sort_names(index, &index->names, arena);
    struct phusa_text *texts = arena_array(arena, n, sizeof *texts);
    uint32_t *numbers = arena_array(arena, n, sizeof *numbers);
    if (sorted == NULL || texts == NULL || numbers == NULL) goto out;
    for (uint32_t i = 0; i < n; i++) {
        texts[i] = copy_text(arena, sorted[i].text);
        if (texts[i].bytes == NULL) goto out;
        numbers[i] = sorted[i].number + 1;
    }
    *names = texts;
    *ids = numbers;
    *count = n;
    status = PHUSA_OK;
out:
    pthread_rwlock_unlock(&index->lock);
    return status;
}

phusa_status index_fields(struct index *index, uint32_t measurement, struct arena *arena,
                          struct index_field **fields, size_t *count)
{
    phusa_status status = PHUSA_ENOMEM;
    pthread_rwlock_rdlock(&index->lock);
    static const struct index_measurement none;
    const struct index_measurement *m = index_get(index, measurement);
    if (m == NULL) m = &none;
    const struct sortable *sorted = sort_names(index, &m->fields, arena);
    struct index_field *list = arena_array(arena, m->fields.count, sizeof *list);
    if (sorted == NULL || list == NULL) goto out;
    for (uint32_t i = 0; i < m->fields.count; i++) {
        const uint32_t f = sorted[i].number;
        list[i] = (struct index_field){(uint16_t)f, (enum phusa_type)m->field_types[f],
                                       copy_text(arena, sorted[i].text)};
        if (list[i].name.bytes == NULL) goto out;
    }
    *fields = list;
    *count = m->fields.count;
    status = PHUSA_OK;
out:
    pthread_rwlock_unlock(&index->lock);
    return status;
}

phusa_status index_tag_keys(struct index *index, uint32_t measurement, struct arena *arena,
                            struct phusa_text **keys, size_t *count)
{
    phusa_status status = PHUSA_ENOMEM;
    pthread_rwlock_rdlock(&index->lock);
    static const struct index_measurement none;
    const struct index_measurement *m = index_get(index, measurement);
    if (m == NULL) m = &none;
    size_t found = 0;
    struct phusa_text *list = arena_array(arena, m->key_count, sizeof *list);
    if (list == NULL) goto out;
    for (uint32_t i = 0; i < m->key_count; i++) {
        const uint32_t k = m->key_order[i];
        if (m->tags[k]->column.count == 0) continue; /* its series was refused */
        list[found] = copy_text(arena, index_names_text(&m->keys, &index->pool, k));
        if (list[found++].bytes == NULL) goto out;
    }
    *keys = list;
    *count = found;
    status = PHUSA_OK;
out:
    pthread_rwlock_unlock(&index->lock);
    return status;
}

/* ---- tags of series ---- */

/* Mark the values that `series` have, or that any has. False: no such series. */
static bool mark_values(const struct index_measurement *m, const struct index_tag *tag,
                        const uint64_t *series, size_t series_count, uint64_t *marks)
{
    if (series == NULL) {
        for (uint32_t v = 0; v < tag->values.count; v++)
            if (tag->postings[v] != 0) bit_set(marks, v);
        return true;
    }
    for (size_t s = 0; s < series_count; s++) {
        const uint32_t ordinal = (uint32_t)series[s];
        if (SERIES_MEASUREMENT(series[s]) != m->id || ordinal >= m->series_count) return false;
        const uint32_t value = index_column_get(&tag->column, ordinal);
        if (value != 0) bit_set(marks, value - 1);
    }
    return true;
}

static phusa_status list_values(const struct index *index, const struct index_measurement *m,
                                const struct index_tag *tag, const uint64_t *series,
                                size_t series_count, struct arena *arena, struct sortable **out,
                                size_t *count)
{
    const uint32_t n = tag->values.count;
    uint64_t *marks = arena_zalloc(arena, ((size_t)n + 63) / 64 * 8);
    if (marks == NULL) return PHUSA_ENOMEM;
    if (!mark_values(m, tag, series, series_count, marks)) return PHUSA_ENOTFOUND;
    size_t marked = 0;
    for (size_t w = 0; w < ((size_t)n + 63) / 64; w++)
        marked += (size_t)__builtin_popcountll(marks[w]);
    struct sortable *list = arena_array(arena, marked, sizeof *list);
    if (list == NULL) return PHUSA_ENOMEM;
    size_t found = 0;
    for (uint32_t v = 0; v < n; v++)
        if (bit_get(marks, v))
            list[found++] = sortable_of(index_names_text(&tag->values, &index->pool, v), v);
    *out = list;
    *count = found;
    return PHUSA_OK;
}

phusa_status index_tag_values(struct index *index, uint32_t measurement, struct phusa_text key,
                              const uint64_t *series, size_t series_count, struct arena *arena,
                              struct phusa_text **values, size_t *count)
{
    struct sortable *list = NULL;
    size_t found = 0;
    phusa_status status = PHUSA_OK;
    pthread_rwlock_rdlock(&index->lock);
    const struct index_measurement *m = index_get(index, measurement);
    const struct index_tag *tag = m == NULL ? NULL : index_get_tag(index, m, key);
    if (tag != NULL)
        status = list_values(index, m, tag, series, series_count, arena, &list, &found);
    pthread_rwlock_unlock(&index->lock);
    if (status != PHUSA_OK) return status;
    /* Without the lock: the texts stay where they are. */
    if (found > 0) qsort(list, found, sizeof *list, compare_sortable);
    struct phusa_text *texts = arena_array(arena, found, sizeof *texts);
    if (texts == NULL) return PHUSA_ENOMEM;
    for (size_t v = 0; v < found; v++)
        texts[v] = list[v].text;
    *values = texts;
    *count = found;
    return PHUSA_OK;
}

/* One key of all series, to out[0], out[step], ... */
static void fill_tag(const struct index *index, const struct index_tag *tag, const uint64_t *series,
                     size_t series_count, struct phusa_text *out, size_t step)
{
    static const char absent[] = "";
    uint32_t value = 0; /* neighbours often share it */
    struct phusa_text text = {absent, 0};
    for (size_t s = 0; s < series_count; s++, out += step) {
        const uint32_t next = tag == NULL ? 0 : index_column_get(&tag->column, (uint32_t)series[s]);
        if (next != value) {
            value = next;
            text = value == 0 ? (struct phusa_text){absent, 0}
                              : index_names_text(&tag->values, &index->pool, value - 1);
        }
        *out = text;
    }
}

phusa_status index_series_tags(struct index *index, const uint64_t *series, size_t series_count,
                               const struct phusa_text *keys, size_t key_count, struct arena *arena,
                               struct phusa_text **out)
{
    size_t total;
    if (__builtin_mul_overflow(series_count, key_count, &total)) return PHUSA_ENOMEM;
    struct phusa_text *texts = arena_array(arena, total, sizeof *texts);
    if (texts == NULL) return PHUSA_ENOMEM;
    phusa_status status = PHUSA_OK;
    pthread_rwlock_rdlock(&index->lock);
    const struct index_measurement *m =
        series_count == 0 ? NULL : index_get(index, SERIES_MEASUREMENT(series[0]));
    for (size_t s = 0; s < series_count && status == PHUSA_OK; s++)
        if (m == NULL || SERIES_MEASUREMENT(series[s]) != m->id ||
            (uint32_t)series[s] >= m->series_count)
            status = PHUSA_ENOTFOUND;
    for (size_t k = 0; k < key_count && m != NULL && status == PHUSA_OK; k++)
        fill_tag(index, index_get_tag(index, m, keys[k]), series, series_count, texts + k,
                 key_count);
    pthread_rwlock_unlock(&index->lock);
    if (status == PHUSA_OK) *out = texts;
    return status;
}

void index_put_key(const struct index *index, const struct index_measurement *m, uint32_t ordinal,
                   struct buffer *out)
{
    buffer_put_text(out, index_names_text(&index->names, &index->pool, m->id - 1));
    for (uint32_t i = 0; i < m->key_count; i++) {
        const uint32_t k = m->key_order[i];
        const uint32_t value = index_column_get(&m->tags[k]->column, ordinal);
        if (value == 0) continue;
        buffer_put_text(out, index_names_text(&m->keys, &index->pool, k));
        buffer_put_text(out, index_names_text(&m->tags[k]->values, &index->pool, value - 1));
    }
}

phusa_status index_series_key(struct index *index, uint64_t series, struct arena *arena,
                              struct phusa_text *key)
{
    struct buffer bytes;
    buffer_init(&bytes);
    phusa_status status = PHUSA_ENOTFOUND;
    pthread_rwlock_rdlock(&index->lock);
    const struct index_measurement *m = index_get(index, SERIES_MEASUREMENT(series));
    if (m != NULL && (uint32_t)series < m->series_count) {
        index_put_key(index, m, (uint32_t)series, &bytes);
        status = PHUSA_OK;
    }
    pthread_rwlock_unlock(&index->lock);
    if (status == PHUSA_OK) {
        const char *copy = bytes.bad ? NULL : arena_copy(arena, bytes.bytes, bytes.size_bytes);
        if (copy != NULL)
            *key = (struct phusa_text){copy, bytes.size_bytes};
        else
            status = PHUSA_ENOMEM;
    }
    buffer_deinit(&bytes);
    return status;
}
