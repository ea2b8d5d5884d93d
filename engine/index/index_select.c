/*
 * index_select.c - which series a filter means, by sets of ordinals.
 *
 * In two passes. First the matches are asked about each value of their key, without the lock: a
 * regular expression over a million values must not keep writes out. Then the tree is worked out
 * under the lock, on postings that are borrowed, not copied.
 */
#include "index/index.h"

#include "index/index_internal.h"

/* ---- matches ---- */

/* What a TAG_MATCH said: of the first value_count values, and of the empty one. */
struct resolved {
    const struct tag_filter *filter;
    struct resolved *next;
    const struct index_tag *tag; /* NULL: no series has the key */
    uint64_t *marks;
    uint32_t value_count, marked;
    bool empty;
};

struct selection {
    struct index *index;
    const struct index_measurement *measurement;
    struct arena *arena;
    struct resolved *resolved;
};

#define ASKED_TOGETHER 256u

static phusa_status match_values(struct selection *s, struct resolved *r)
{
    const struct tag_filter *filter = r->filter;
    bool failed = false;
    for (uint32_t first = 0; first < r->value_count; first += ASKED_TOGETHER) {
        struct phusa_text texts[ASKED_TOGETHER];
        const uint32_t left = r->value_count - first;
        const uint32_t count = left < ASKED_TOGETHER ? left : ASKED_TOGETHER;
        pthread_rwlock_rdlock(&s->index->lock);
        for (uint32_t v = 0; v < count; v++)
            texts[v] = index_names_text(&r->tag->values, &s->index->pool, first + v);
        pthread_rwlock_unlock(&s->index->lock);
        for (uint32_t v = 0; v < count; v++) {
            if (!filter->match(filter->context, texts[v], &failed)) continue;
            bit_set(r->marks, first + v);
            r->marked++;
        }
        if (failed) return PHUSA_ELIMIT;
    }
    r->empty = filter->match(filter->context, (struct phusa_text){"", 0}, &failed);
    return failed ? PHUSA_ELIMIT : PHUSA_OK;
}

static phusa_status resolve_match(struct selection *s, const struct tag_filter *filter)
{
    struct resolved *r = arena_zalloc(s->arena, sizeof *r);
    if (r == NULL) return PHUSA_ENOMEM;
    r->filter = filter;
    pthread_rwlock_rdlock(&s->index->lock);
    r->tag = index_get_tag(s->index, s->measurement, filter->key);
    r->value_count = r->tag == NULL ? 0 : r->tag->values.count;
    pthread_rwlock_unlock(&s->index->lock);
    r->marks = arena_zalloc(s->arena, ((size_t)r->value_count + 63) / 64 * 8);
    if (r->marks == NULL) return PHUSA_ENOMEM;
    r->next = s->resolved;
    s->resolved = r;
    return match_values(s, r);
}

static phusa_status resolve(struct selection *s, const struct tag_filter *filter)
{
    phusa_status status = PHUSA_OK;
    switch (filter->kind) {
    case TAG_AND:
    case TAG_OR:
        status = resolve(s, filter->left);
        return status == PHUSA_OK ? resolve(s, filter->right) : status;
    case TAG_NOT:
        return resolve(s, filter->left);
    case TAG_MATCH:
        return resolve_match(s, filter);
    case TAG_EQUAL:
    case TAG_TRUE:
    case TAG_FALSE:
        break;
    }
    return status;
}

/* ---- sets ---- */

struct set {
    const roaring_bitmap_t *bitmap; /* NULL: no memory */
    bool borrowed;
};

static void set_free(struct set set)
{
    if (!set.borrowed && set.bitmap != NULL) roaring_bitmap_free(set.bitmap);
}

static struct set set_of(const roaring_bitmap_t *bitmap)
{
    return (struct set){bitmap, false};
}

static struct set all(const struct selection *s)
{
    return set_of(s->measurement->series_count == 0
                      ? roaring_bitmap_create()
                      : roaring_bitmap_from_range(0, s->measurement->series_count, 1));
}

static struct set complement(const struct selection *s, struct set set)
{
    if (set.bitmap == NULL) return set;
    const struct set result =
        set_of(roaring_bitmap_flip(set.bitmap, 0, s->measurement->series_count));
    set_free(set);
    return result;
}

static struct set combine(enum tag_filter_kind kind, struct set a, struct set b)
{
    struct set result = {NULL, false};
    if (a.bitmap != NULL && b.bitmap != NULL)
        result = set_of(kind == TAG_AND ? roaring_bitmap_and(a.bitmap, b.bitmap)
                                        : roaring_bitmap_or(a.bitmap, b.bitmap));
    set_free(a);
    set_free(b);
    return result;
}

static struct set lacking(const struct selection *s, const struct index_tag *tag)
{
    if (tag == NULL) return all(s);
    return complement(s, (struct set){tag->present, true});
}

static struct set having(const struct selection *s, const struct tag_filter *filter)
{
    const struct index_tag *tag = index_get_tag(s->index, s->measurement, filter->key);
    if (filter->value.size_bytes == 0) return lacking(s, tag);
    const uint32_t value =
        tag == NULL ? NAME_NONE : index_names_find(&tag->values, &s->index->pool, filter->value);
    if (value == NAME_NONE) return set_of(roaring_bitmap_create());
    const roaring_bitmap_t *bitmap = index_posting_bitmap(tag->postings[value]);
    if (bitmap != NULL) return (struct set){bitmap, true};
    roaring_bitmap_t *few = roaring_bitmap_create();
    if (few != NULL) index_posting_join(tag->postings[value], few);
    return set_of(few);
}

/* The values that matched are many compared with the series: walk these (1 ns each), not those
 * (30). */
static void join_by_column(const struct selection *s, const struct resolved *r,
                           roaring_bitmap_t *into)
{
    uint32_t found[1024];
    uint32_t count = 0;
    for (uint32_t ordinal = 0; ordinal < s->measurement->series_count; ordinal++) {
        const uint32_t value = index_column_get(&r->tag->column, ordinal);
        if (value == 0 || value > r->value_count || !bit_get(r->marks, value - 1)) continue;
        found[count++] = ordinal;
        if (count < 1024) continue;
        roaring_bitmap_add_many(into, count, found);
        count = 0;
    }
    roaring_bitmap_add_many(into, count, found);
}

static void join_by_value(const struct resolved *r, roaring_bitmap_t *into)
{
    for (uint32_t w = 0; w < (r->value_count + 63) / 64; w++)
        for (uint64_t marks = r->marks[w]; marks != 0; marks &= marks - 1)
            index_posting_join(r->tag->postings[64 * w + (uint32_t)__builtin_ctzll(marks)], into);
}

static struct set matching(const struct selection *s, const struct tag_filter *filter)
{
    const struct resolved *r = s->resolved;
    while (r->filter != filter)
        r = r->next;
    roaring_bitmap_t *bitmap = roaring_bitmap_create();
    if (bitmap == NULL) return set_of(NULL);
    if (r->marked > s->measurement->series_count / 32 && r->tag->column.ordinals == NULL)
        join_by_column(s, r, bitmap);
    else if (r->marked > 0)
        join_by_value(r, bitmap);
    if (!r->empty) return set_of(bitmap);
    return combine(TAG_OR, set_of(bitmap), lacking(s, r->tag));
}

static struct set evaluate(const struct selection *s, const struct tag_filter *filter)
{
    switch (filter->kind) {
    case TAG_AND:
    case TAG_OR:
        return combine(filter->kind, evaluate(s, filter->left), evaluate(s, filter->right));
    case TAG_NOT:
        return complement(s, evaluate(s, filter->left));
    case TAG_EQUAL:
        return having(s, filter);
    case TAG_MATCH:
        return matching(s, filter);
    case TAG_TRUE:
        return all(s);
    case TAG_FALSE:
        break;
    }
    return set_of(roaring_bitmap_create());
}

/* ---- the answer ---- */

/* Ordinals are unpacked into the upper half of the array and widened from its start: entry i is
 * written at byte 8i, and the ordinals not yet read begin at 4(n + i). */
static void widen(uint64_t *series, size_t count, uint32_t measurement)
{
    const uint32_t *ordinals = (const uint32_t *)series + count;
    for (size_t i = 0; i < count; i++) {
        uint32_t ordinal;
        memcpy(&ordinal, ordinals + i, sizeof ordinal);
        const uint64_t id = SERIES_ID(measurement, ordinal);
        memcpy(series + i, &id, sizeof id);
    }
}

static phusa_status list_all(const struct selection *s, uint32_t series_count, uint64_t **series,
                             size_t *count)
{
    uint64_t *list = arena_array(s->arena, series_count, sizeof *list);
    if (list == NULL) return PHUSA_ENOMEM;
    for (uint32_t o = 0; o < series_count; o++)
        list[o] = SERIES_ID(s->measurement->id, o);
    *series = list;
    *count = series_count;
    return PHUSA_OK;
}

static phusa_status list_set(const struct selection *s, struct set set, uint64_t **series,
                             size_t *count)
{
    if (set.bitmap == NULL) return PHUSA_ENOMEM;
    const size_t n = (size_t)roaring_bitmap_get_cardinality(set.bitmap);
    uint64_t *list = arena_array(s->arena, n, sizeof *list);
    if (list == NULL) return PHUSA_ENOMEM;
    roaring_bitmap_to_uint32_array(set.bitmap, (uint32_t *)list + n);
    widen(list, n, s->measurement->id);
    *series = list;
    *count = n;
    return PHUSA_OK;
}

phusa_status index_select(struct index *index, uint32_t measurement,
                          const struct tag_filter *filter, struct arena *arena, uint64_t **series,
                          size_t *count)
{
    assert(index != NULL && arena != NULL && series != NULL && count != NULL);
    struct selection s = {.index = index, .arena = arena};
    pthread_rwlock_rdlock(&index->lock);
    s.measurement = index_get(index, measurement);
    const uint32_t series_count = s.measurement == NULL ? 0 : s.measurement->series_count;
    pthread_rwlock_unlock(&index->lock);
    if (series_count == 0) {
        *series = NULL;
        *count = 0;
        return PHUSA_OK;
    }
    if (filter == NULL || filter->kind == TAG_TRUE)
        return list_all(&s, series_count, series, count);
    phusa_status status = resolve(&s, filter);
    if (status != PHUSA_OK) return status;
    pthread_rwlock_rdlock(&index->lock);
    const struct set set = evaluate(&s, filter);
    status = list_set(&s, set, series, count);
    set_free(set);
    pthread_rwlock_unlock(&index->lock);
    return status;
}
