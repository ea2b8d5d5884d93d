/*
 * test_merge.c - guards that overlapping pieces of a series merge to what a map from time and
 * field to the newest value says, whatever the pieces are and however they overlap.
 */
#include "chunk/merge.h"

#include "base/mem.h"
#include "random.h"
#include "sample.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define FIELDS_MAX  5u
#define SOURCES_MAX 9u
#define TIMES_MAX   6000u

static const struct phusa_text words[] = {
    {"", 0}, {"on", 2}, {"off", 3}, {"a longer text of some kind", 26}};

struct world {
    uint32_t field_count, source_count, time_count;
    uint16_t field_ids[FIELDS_MAX];
    enum phusa_type types[FIELDS_MAX];
    int64_t times[TIMES_MAX];
    struct sample samples[SOURCES_MAX];
    struct buffer bytes[SOURCES_MAX];
    struct chunk_view chunks[SOURCES_MAX];
    struct merge_source sources[SOURCES_MAX];
};

static void fill_values(struct sample *s, struct random *r, uint32_t c, enum phusa_type type,
                        unsigned percent)
{
    const uint32_t rows = s->rows.row_count;
    s->values[c] = calloc(rows, vector_slot_bytes(type));
    s->present[c] = percent == 100 ? NULL : calloc(bitmap_words(rows), 8);
    s->columns[c] = (struct vector){.type = type,
                                    .decimals = PHUSA_DECIMALS_UNKNOWN,
                                    .present = s->present[c],
                                    .values = s->values[c]};
    for (uint32_t row = 0; row < rows; row++) {
        if (random_below(r, 100) >= percent) continue;
        if (s->present[c] != NULL) bit_set(s->present[c], row);
        if (type == PHUSA_FLOAT)
            ((double *)s->values[c])[row] = (double)random_below(r, 1000) / 10;
        else if (type == PHUSA_BOOLEAN)
            ((uint8_t *)s->values[c])[row] = random_below(r, 2) == 1;
        else if (type == PHUSA_STRING)
            ((struct phusa_text *)s->values[c])[row] = words[random_below(r, 4)];
        else
            ((int64_t *)s->values[c])[row] = (int64_t)random_below(r, 1000);
    }
}

/* A source: a stretch of the world's times, thinned, with some of the fields. */
static void make_source(struct world *w, struct random *r, uint32_t k)
{
    struct sample *s = &w->samples[k];
    *s = (struct sample){0};
    s->times_ns = malloc(w->time_count * sizeof *s->times_ns);
    const uint64_t thin = random_below(r, 3) == 0 ? 1 + random_below(r, 20) : 1;
    uint32_t from = (uint32_t)random_below(r, w->time_count);
    uint32_t to = from + 1 + (uint32_t)random_below(r, w->time_count - from);
    if (random_below(r, 4) == 0) {
        from = 0;
        to = w->time_count;
    }
    uint32_t rows = 0;
    for (uint32_t i = from; i < to; i++)
        if (i == from || random_below(r, thin) == 0) s->times_ns[rows++] = w->times[i];
    s->rows = (struct rows){rows, 0, s->times_ns, s->field_ids, s->columns};
    for (uint32_t f = 0; f < w->field_count; f++) {
        if (random_below(r, 3) == 0) continue;
        const uint32_t c = s->rows.column_count++;
        enum phusa_type type = w->types[f];
        if (type == PHUSA_FLOAT && random_below(r, 4) == 0)
            type = random_below(r, 2) == 0 ? PHUSA_INTEGER : PHUSA_UNSIGNED;
        static const unsigned percents[] = {100, 100, 95, 50, 3};
        s->field_ids[c] = w->field_ids[f];
        fill_values(s, r, c, type, percents[random_below(r, 5)]);
    }
    buffer_init(&w->bytes[k]);
    w->sources[k] = (struct merge_source){.precedence = k * 10 + 1};
    if (rows <= CHUNK_ROWS_MAX && random_below(r, 3) > 0) {
        cr_assert_eq(chunk_build(&w->bytes[k], &s->rows, 1, 2), PHUSA_OK);
        cr_assert_eq(chunk_open(&w->chunks[k], w->bytes[k].bytes, w->bytes[k].size_bytes),
                     PHUSA_OK);
        w->sources[k].chunk = &w->chunks[k];
    } else {
        w->sources[k].rows = &s->rows;
    }
}

static void make_world(struct world *w, struct random *r)
{
    w->field_count = 1 + (uint32_t)random_below(r, FIELDS_MAX);
    w->source_count = 1 + (uint32_t)random_below(r, SOURCES_MAX);
    w->time_count = 1 + (uint32_t)random_below(r, random_below(r, 2) == 0 ? 50 : TIMES_MAX);
    int64_t at = (int64_t)random_below(r, 1000) - 500;
    const uint64_t step = random_below(r, 2) == 0 ? 1 : 20;
    for (uint32_t i = 0; i < w->time_count; i++)
        w->times[i] = at += 1 + (int64_t)random_below(r, step);
    for (uint32_t f = 0; f < w->field_count; f++) {
        w->field_ids[f] = (uint16_t)(3 * f + random_below(r, 3));
        w->types[f] = (enum phusa_type)(1 + random_below(r, 5));
    }
    for (uint32_t k = 0; k < w->source_count; k++)
        make_source(w, r, k);
}

static void free_world(struct world *w)
{
    for (uint32_t k = 0; k < w->source_count; k++) {
        buffer_deinit(&w->bytes[k]);
        sample_free(&w->samples[k]);
    }
}

/* ---- the naive answer ---- */

/* The newest source that has the field at the time: its vector and row. */
static bool find_newest(const struct world *w, int64_t time_ns, uint16_t field_id,
                        const struct vector **vector, uint32_t *row)
{
    for (uint32_t k = w->source_count; k-- > 0;) {
        const struct rows *rows = &w->samples[k].rows;
        uint32_t low = 0, high = rows->row_count;
        while (low < high) {
            const uint32_t middle = (low + high) / 2;
            if (rows->times_ns[middle] < time_ns)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == rows->row_count || rows->times_ns[low] != time_ns) continue;
        for (uint32_t c = 0; c < rows->column_count; c++)
            if (rows->field_ids[c] == field_id && vector_has(&rows->columns[c], low)) {
                *vector = &rows->columns[c];
                *row = low;
                return true;
            }
    }
    return false;
}

static void expect_value(const struct vector *got, uint32_t got_row, const struct vector *want,
                         uint32_t want_row)
{
    if (got->type == want->type) {
        cr_assert(sample_equal(got, got_row, want, want_row));
        return;
    }
    cr_assert_eq(got->type, PHUSA_FLOAT);
    cr_assert(vector_has(got, got_row));
    cr_assert_eq(got->f[got_row], (double)want->i[want_row]);
}

/* Pull everything and compare, time by time. */
static void expect_merged(const struct world *w, struct merge *merge, const uint16_t *ids,
                          uint32_t id_count, int64_t start_ns, int64_t end_ns)
{
    struct rows rows = {0};
    uint32_t at = 0;
    for (uint32_t i = 0; i < w->time_count; i++) {
        const int64_t t = w->times[i];
        if (t < start_ns || t >= end_ns) continue;
        const struct vector *want[FIELDS_MAX];
        uint32_t want_row[FIELDS_MAX];
        bool any = false;
        for (uint32_t f = 0; f < id_count; f++) {
            if (!find_newest(w, t, ids[f], &want[f], &want_row[f])) want[f] = NULL;
            any = any || want[f] != NULL;
        }
        if (!any) continue;
        if (at == rows.row_count) {
            cr_assert_eq(merge_next(merge, &rows), PHUSA_OK);
            cr_assert_leq(rows.row_count, VECTOR_ROWS_MAX);
            at = 0;
        }
        cr_assert_gt(rows.row_count, 0, "time %lld is missing", (long long)t);
        cr_assert_eq(rows.times_ns[at], t);
        cr_assert_eq(rows.column_count, id_count);
        for (uint32_t f = 0; f < id_count; f++) {
            const struct vector *got = &rows.columns[f];
            cr_assert_eq(rows.field_ids[f], ids[f]);
            if (want[f] != NULL) {
                expect_value(got, at, want[f], want_row[f]);
                continue;
            }
            cr_assert_not(vector_has(got, at));
            /* dense: a row without a value holds zero */
            if (got->type == PHUSA_STRING)
                cr_assert_eq(got->s[at].size_bytes, 0);
            else if (got->type == PHUSA_BOOLEAN)
                cr_assert_eq(got->b[at], 0);
            else
                cr_assert_eq(got->u[at], 0);
        }
        at++;
    }
    cr_assert_eq(at, rows.row_count, "more rows than there are");
    cr_assert_eq(merge_next(merge, &rows), PHUSA_OK);
    cr_assert_eq(rows.row_count, 0);
}

/* Some of the fields, and one that nobody has. */
static uint32_t choose_fields(const struct world *w, struct random *r, uint16_t *ids,
                              enum phusa_type *types)
{
    uint32_t n = 0;
    for (uint32_t f = 0; f < w->field_count; f++) {
        if (random_below(r, 4) == 0) continue;
        ids[n] = w->field_ids[f];
        types[n++] = w->types[f];
    }
    if (n < FIELDS_MAX && random_below(r, 4) == 0) {
        ids[n] = 900;
        types[n++] = (enum phusa_type)(1 + random_below(r, 5));
    }
    return n;
}

Test(merge, says_what_a_map_of_the_newest_values_says)
{
    struct random r = random_seeded();
    static struct world w;
    for (unsigned round = 0; round < 300; round++) {
        make_world(&w, &r);
        uint16_t ids[FIELDS_MAX];
        enum phusa_type types[FIELDS_MAX];
        const uint32_t n = choose_fields(&w, &r, ids, types);
        int64_t start_ns = INT64_MIN, end_ns = INT64_MAX;
        if (random_below(&r, 2) == 0) {
            start_ns = w.times[random_below(&r, w.time_count)];
            end_ns = w.times[random_below(&r, w.time_count)] + (int64_t)random_below(&r, 3);
        }
        struct merge_source shuffled[SOURCES_MAX];
        memcpy(shuffled, w.sources, sizeof shuffled);
        for (uint32_t k = w.source_count; k-- > 1;) {
            const uint32_t other = (uint32_t)random_below(&r, k + 1);
            const struct merge_source swap = shuffled[k];
            shuffled[k] = shuffled[other];
            shuffled[other] = swap;
        }
        struct merge *merge;
        cr_assert_eq(
            merge_create(&merge, shuffled, w.source_count, ids, types, n, start_ns, end_ns),
            PHUSA_OK);
        expect_merged(&w, merge, ids, n, start_ns, end_ns);
        merge_free(merge);
        free_world(&w);
    }
}

Test(merge, hands_out_vectors_of_a_lone_chunk_whole)
{
    struct random r = random_from(5);
    struct sample s;
    sample_cpu(&s, &r, 3 * VECTOR_ROWS_MAX, 2);
    struct buffer bytes;
    buffer_init(&bytes);
    cr_assert_eq(chunk_build(&bytes, &s.rows, 1, 2), PHUSA_OK);
    struct chunk_view chunk;
    cr_assert_eq(chunk_open(&chunk, bytes.bytes, bytes.size_bytes), PHUSA_OK);
    const struct merge_source source = {.chunk = &chunk, .precedence = 1};
    const enum phusa_type types[2] = {PHUSA_INTEGER, PHUSA_INTEGER};
    struct merge *merge;
    cr_assert_eq(merge_create(&merge, &source, 1, s.field_ids, types, 2, INT64_MIN, INT64_MAX),
                 PHUSA_OK);
    struct rows rows;
    for (unsigned v = 0; v < 3; v++) {
        cr_assert_eq(merge_next(merge, &rows), PHUSA_OK);
        cr_assert_eq(rows.row_count, VECTOR_ROWS_MAX);
        cr_assert_null(rows.columns[0].present);
    }
    cr_assert_eq(merge_next(merge, &rows), PHUSA_OK);
    cr_assert_eq(rows.row_count, 0);
    merge_free(merge);
    buffer_deinit(&bytes);
    sample_free(&s);
}

Test(merge, keeps_the_scale_of_decimals)
{
    const int64_t times[2][3] = {{1, 3, 5}, {2, 3, 6}};
    const double values[2][3] = {{1.5, 2.5, 3.5}, {1.25, 2.25, 3.25}};
    const uint16_t id = 1;
    const struct vector columns[2] = {{.type = PHUSA_FLOAT, .decimals = 1, .f = values[0]},
                                      {.type = PHUSA_FLOAT, .decimals = 2, .f = values[1]}};
    const struct rows parts[2] = {{3, 1, times[0], &id, &columns[0]},
                                  {3, 1, times[1], &id, &columns[1]}};
    const struct merge_source sources[2] = {{.rows = &parts[0], .precedence = 1},
                                            {.rows = &parts[1], .precedence = 2}};
    const enum phusa_type type = PHUSA_FLOAT;
    struct merge *merge;
    struct rows rows;
    cr_assert_eq(merge_create(&merge, sources, 2, &id, &type, 1, 0, 10), PHUSA_OK);
    cr_assert_eq(merge_next(merge, &rows), PHUSA_OK);
    cr_assert_eq(rows.row_count, 5);
    cr_assert_eq(rows.columns[0].decimals, 2);
    cr_assert_eq(rows.columns[0].f[2], 2.25);
    merge_free(merge);
}

Test(merge, refuses_types_that_do_not_widen)
{
    const int64_t times[1] = {5};
    const double values[1] = {1.5};
    const uint16_t id = 1;
    const struct vector column = {.type = PHUSA_FLOAT, .values = values};
    const struct rows rows = {1, 1, times, &id, &column};
    const struct merge_source source = {.rows = &rows};
    const enum phusa_type type = PHUSA_INTEGER;
    struct merge *merge = NULL;
    cr_assert_eq(merge_create(&merge, &source, 1, &id, &type, 1, 0, 10), PHUSA_ETYPE);
    cr_assert_null(merge);
}

Test(merge, damage_in_a_source_is_refused)
{
    struct random r = random_from(6);
    struct sample s;
    sample_cpu(&s, &r, 5000, 2);
    struct buffer bytes;
    buffer_init(&bytes);
    cr_assert_eq(chunk_build(&bytes, &s.rows, 1, 2), PHUSA_OK);
    struct chunk_view chunk;
    cr_assert_eq(chunk_open(&chunk, bytes.bytes, bytes.size_bytes), PHUSA_OK);
    bytes.bytes[bytes.size_bytes - 100] ^= 4;
    const struct merge_source source = {.chunk = &chunk};
    const enum phusa_type types[2] = {PHUSA_INTEGER, PHUSA_INTEGER};
    struct merge *merge;
    struct rows rows;
    cr_assert_eq(merge_create(&merge, &source, 1, s.field_ids, types, 2, INT64_MIN, INT64_MAX),
                 PHUSA_OK);
    cr_assert_eq(merge_next(merge, &rows), PHUSA_ECORRUPT);
    merge_free(merge);
    buffer_deinit(&bytes);
    sample_free(&s);
}

Test(merge, survives_the_failure_of_any_allocation)
{
    struct random r = random_from(4);
    static struct world w;
    for (unsigned round = 0; round < 5; round++) {
        make_world(&w, &r);
        phusa_status status = PHUSA_ENOMEM;
        for (uint64_t n = 1; status != PHUSA_OK; n++) {
            struct merge *merge = NULL;
            struct rows rows = {1, 0, NULL, NULL, NULL};
            mem_fail_at(n);
            status = merge_create(&merge, w.sources, w.source_count, w.field_ids, w.types,
                                  w.field_count, INT64_MIN, INT64_MAX);
            while (status == PHUSA_OK && rows.row_count > 0)
                status = merge_next(merge, &rows);
            mem_fail_at(0);
            cr_assert(status == PHUSA_OK || status == PHUSA_ENOMEM);
            merge_free(merge);
        }
        free_world(&w);
    }
}
