/*
 * test_chunk.c - guards that a chunk gives back its rows bit by bit, that its statistics and its
 * fused aggregates say what a recount says, and that damage is refused.
 */
#include "sample.h"

#include "base/crc.h"
#include "base/mem.h"
#include "codec/codec.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct chunk_scratch scratch;

static bool same_exact(const struct exact *a, const struct exact *b)
{
    uint8_t x[EXACT_BYTES_MAX], y[EXACT_BYTES_MAX];
    const size_t size = exact_encode(a, x);
    return size == exact_encode(b, y) && memcmp(x, y, size) == 0;
}

static bool same_value(enum phusa_type type, union aggregate_value a, union aggregate_value b)
{
    if (type == PHUSA_BOOLEAN) return a.b == b.b;
    if (type == PHUSA_STRING) return text_equal(a.s, b.s);
    return a.u == b.u;
}

static void expect_same(const struct aggregate *got, const struct aggregate *want)
{
    cr_assert_eq(got->type, want->type);
    cr_assert_eq(got->count, want->count);
    if (want->count == 0) return;
    if (got->have & AGGREGATE_SUM) cr_assert(same_exact(&got->sum, &want->sum));
    if (got->have & AGGREGATE_SQUARES) cr_assert(same_exact(&got->squares, &want->squares));
    const struct aggregate_point *g[] = {&got->min, &got->max, &got->first, &got->last};
    const struct aggregate_point *w[] = {&want->min, &want->max, &want->first, &want->last};
    for (unsigned k = 0; k < 4; k++) {
        if ((got->have & (AGGREGATE_MIN << k)) == 0) continue;
        cr_assert_eq(g[k]->time_ns, w[k]->time_ns, "point %u of type %d", k, (int)got->type);
        cr_assert(same_value(got->type, g[k]->value, w[k]->value), "point %u", k);
    }
}

/* ---- naive aggregates, to hold aggregate_rows() against ---- */

static void aggregate_naively(struct aggregate *a, const int64_t *times_ns, const struct vector *v,
                              uint32_t from, uint32_t to)
{
    for (uint32_t row = from; row < to; row++) {
        if (!vector_has(v, row)) continue;
        struct aggregate_point p;
        memset(&p, 0, sizeof p);
        p.time_ns = times_ns[row];
        phusa_status status = PHUSA_OK;
        bool less = false, more = false;
        switch (v->type) {
        case PHUSA_FLOAT:
            p.value.f = v->f[row];
            status = exact_add_double(&a->sum, p.value.f, PHUSA_DECIMALS_UNKNOWN, NULL);
            if (status == PHUSA_OK)
                status =
                    exact_add_square_double(&a->squares, p.value.f, PHUSA_DECIMALS_UNKNOWN, NULL);
            less = p.value.f < a->min.value.f;
            more = p.value.f > a->max.value.f;
            break;
        case PHUSA_INTEGER:
            p.value.i = v->i[row];
            status = exact_add_int64(&a->sum, p.value.i, NULL);
            if (status == PHUSA_OK) status = exact_add_square_int64(&a->squares, p.value.i, NULL);
            less = p.value.i < a->min.value.i;
            more = p.value.i > a->max.value.i;
            break;
        case PHUSA_UNSIGNED:
            p.value.u = v->u[row];
            status = exact_add_uint64(&a->sum, p.value.u, NULL);
            if (status == PHUSA_OK) status = exact_add_square_uint64(&a->squares, p.value.u, NULL);
            less = p.value.u < a->min.value.u;
            more = p.value.u > a->max.value.u;
            break;
        case PHUSA_BOOLEAN:
            p.value.b = v->b[row];
            status = exact_add_int64(&a->sum, p.value.b, NULL);
            if (status == PHUSA_OK) status = exact_add_square_int64(&a->squares, p.value.b, NULL);
            less = p.value.b < a->min.value.b;
            more = p.value.b > a->max.value.b;
            break;
        case PHUSA_STRING:
            p.value.s = v->s[row];
            break;
        }
        cr_assert_eq(status, PHUSA_OK);
        if (a->count == 0 || less) a->min = p;
        if (a->count == 0 || more) a->max = p;
        if (a->count == 0) a->first = p;
        a->last = p;
        a->count++;
    }
}

/* ---- round trips ---- */

static void expect_rows(const struct chunk_view *chunk, const struct sample *s)
{
    const struct rows *rows = &s->rows;
    cr_assert_eq(chunk->row_count, rows->row_count);
    cr_assert_eq(chunk->time_min_ns, rows->times_ns[0]);
    cr_assert_eq(chunk->time_max_ns, rows->times_ns[rows->row_count - 1]);
    for (uint32_t v = 0; v < chunk->vector_count; v++) {
        const uint32_t from = v * VECTOR_ROWS_MAX, count = chunk_vector_rows(chunk, v);
        int64_t first_ns, last_ns;
        cr_assert_eq(chunk_times(chunk, v, &scratch), PHUSA_OK);
        cr_assert_eq(memcmp(scratch.times_ns, rows->times_ns + from, count * 8), 0);
        chunk_vector_times(chunk, v, &first_ns, &last_ns);
        cr_assert_eq(first_ns, rows->times_ns[from]);
        cr_assert_eq(last_ns, rows->times_ns[from + count - 1]);
        for (uint32_t c = 0; c < rows->column_count; c++) {
            const int column = chunk_find(chunk, rows->field_ids[c]);
            struct vector decoded;
            if (column >= 0) {
                cr_assert_eq(chunk_type(chunk, (uint32_t)column), rows->columns[c].type);
                cr_assert_eq(chunk_field_id(chunk, (uint32_t)column), rows->field_ids[c]);
                cr_assert_eq(chunk_decode(chunk, (uint32_t)column, v, &scratch, &decoded),
                             PHUSA_OK);
            }
            for (uint32_t row = 0; row < count; row++) {
                if (column < 0)
                    cr_assert_not(vector_has(&rows->columns[c], from + row));
                else
                    cr_assert(sample_equal(&decoded, row, &rows->columns[c], from + row),
                              "column %u type %d row %u", c, (int)decoded.type, from + row);
            }
        }
    }
}

static void expect_statistics(const struct chunk_view *chunk, const struct sample *s)
{
    for (uint32_t c = 0; c < s->rows.column_count; c++) {
        const int column = chunk_find(chunk, s->rows.field_ids[c]);
        if (column < 0) continue;
        const struct vector *v = &s->rows.columns[c];
        for (uint32_t k = 0; k <= chunk->vector_count; k++) {
            const bool whole = k == chunk->vector_count;
            const uint32_t from = whole ? 0 : k * VECTOR_ROWS_MAX;
            const uint32_t to = whole ? chunk->row_count : from + chunk_vector_rows(chunk, k);
            struct aggregate want, got;
            aggregate_init(&want, v->type, AGGREGATE_ALL);
            aggregate_naively(&want, s->rows.times_ns, v, from, to);
            cr_assert_eq(chunk_statistics(chunk, (uint32_t)column, whole ? CHUNK_WHOLE : k,
                                          AGGREGATE_ALL, &got),
                         PHUSA_OK);
            expect_same(&got, &want);
            /* Long enough for statistics: numbers must have them all, but for wild squares. */
            if (chunk->row_count > 16 && v->type != PHUSA_STRING && v->type != PHUSA_FLOAT)
                cr_assert_eq(got.have | AGGREGATE_SQUARES, AGGREGATE_ALL);
            aggregate_deinit(&got);
            aggregate_deinit(&want);
        }
    }
}

#define RANGES_MAX 6u
static void expect_aggregates(const struct chunk_view *chunk, const struct sample *s,
                              struct random *r)
{
    for (uint32_t c = 0; c < s->rows.column_count; c++) {
        const int column = chunk_find(chunk, s->rows.field_ids[c]);
        if (column < 0) continue;
        const struct vector *v = &s->rows.columns[c];
        const uint32_t vector = (uint32_t)random_below(r, chunk->vector_count);
        const uint32_t rows = chunk_vector_rows(chunk, vector), base = vector * VECTOR_ROWS_MAX;
        const uint32_t ranges = 1 + (uint32_t)random_below(r, RANGES_MAX);
        uint32_t bounds[RANGES_MAX + 1];
        bounds[0] = (uint32_t)random_below(r, rows + 1);
        for (uint32_t k = 0; k < ranges; k++)
            bounds[k + 1] = bounds[k] + (uint32_t)random_below(r, rows - bounds[k] + 1);
        const uint8_t have = (uint8_t)(random_u64(r) & AGGREGATE_ALL);
        for (int avx2 = 0; avx2 < 2; avx2++) {
            codec_use_avx2(avx2);
            struct aggregate got[RANGES_MAX], *states[RANGES_MAX];
            for (uint32_t k = 0; k < ranges; k++) {
                aggregate_init(&got[k], v->type, have);
                states[k] = random_below(r, 5) == 0 ? NULL : &got[k];
            }
            cr_assert_eq(
                chunk_aggregate(chunk, (uint32_t)column, vector, bounds, ranges, states, &scratch),
                PHUSA_OK);
            for (uint32_t k = 0; k < ranges; k++) {
                struct aggregate naive, rowwise;
                aggregate_init(&naive, v->type, AGGREGATE_ALL);
                aggregate_init(&rowwise, v->type, have);
                aggregate_naively(&naive, s->rows.times_ns, v, base + bounds[k],
                                  base + bounds[k + 1]);
                cr_assert_eq(aggregate_rows(&rowwise, s->rows.times_ns, v, base + bounds[k],
                                            base + bounds[k + 1]),
                             PHUSA_OK);
                expect_same(&rowwise, &naive);
                if (states[k] == NULL)
                    cr_assert_eq(got[k].count, 0);
                else
                    expect_same(&got[k], &naive);
                aggregate_deinit(&naive);
                aggregate_deinit(&rowwise);
                aggregate_deinit(&got[k]);
            }
        }
    }
}

static uint32_t random_row_count(struct random *r)
{
    static const uint32_t edges[] = {1,   2,   5,    16,   17,   64,   65,   255,
                                     256, 257, 1023, 1024, 1025, 2048, 8191, 8192};
    if (random_below(r, 2) == 0) return edges[random_below(r, sizeof edges / sizeof edges[0])];
    return 1 + (uint32_t)random_below(r, random_below(r, 5) == 0 ? CHUNK_ROWS_MAX : 600);
}

Test(chunk, gives_back_rows_statistics_and_aggregates)
{
    struct random r = random_seeded();
    chunk_scratch_init(&scratch);
    for (unsigned round = 0; round < 200; round++) {
        struct sample s;
        sample_random(&s, &r, random_row_count(&r),
                      1 + (uint32_t)random_below(&r, SAMPLE_COLUMNS_MAX));
        struct buffer out;
        buffer_init(&out);
        codec_use_avx2(round % 2 == 0);
        cr_assert_eq(chunk_build(&out, &s.rows, 1000, 1000 + round), PHUSA_OK);
        struct chunk_view chunk;
        cr_assert_eq(chunk_open(&chunk, out.bytes, out.size_bytes), PHUSA_OK, "round %u", round);
        cr_assert_eq(chunk.lsn_min, 1000);
        cr_assert_eq(chunk.lsn_max, 1000 + round);
        expect_rows(&chunk, &s);
        expect_statistics(&chunk, &s);
        expect_aggregates(&chunk, &s, &r);
        cr_assert_eq(chunk_check(&chunk), PHUSA_OK, "round %u", round);
        buffer_deinit(&out);
        sample_free(&s);
    }
    chunk_scratch_deinit(&scratch);
}

Test(chunk, bytes_do_not_depend_on_the_kernels)
{
    struct random r = random_seeded();
    for (unsigned round = 0; round < 30; round++) {
        struct sample s;
        sample_random(&s, &r, random_row_count(&r), 5);
        struct buffer out[2];
        for (int avx2 = 0; avx2 < 2; avx2++) {
            buffer_init(&out[avx2]);
            codec_use_avx2(avx2);
            cr_assert_eq(chunk_build(&out[avx2], &s.rows, 1, 2), PHUSA_OK);
        }
        cr_assert_eq(out[0].size_bytes, out[1].size_bytes);
        cr_assert_eq(memcmp(out[0].bytes, out[1].bytes, out[0].size_bytes), 0);
        buffer_deinit(&out[0]);
        buffer_deinit(&out[1]);
        sample_free(&s);
    }
}

Test(chunk, lower_bound_finds_the_first_row_at_or_after)
{
    struct random r = random_seeded();
    chunk_scratch_init(&scratch);
    for (unsigned round = 0; round < 60; round++) {
        struct sample s;
        sample_random(&s, &r, random_row_count(&r), 1);
        struct buffer out;
        buffer_init(&out);
        cr_assert_eq(chunk_build(&out, &s.rows, 1, 2), PHUSA_OK);
        struct chunk_view chunk;
        cr_assert_eq(chunk_open(&chunk, out.bytes, out.size_bytes), PHUSA_OK);
        for (unsigned k = 0; k < 50; k++) {
            const uint32_t vector = (uint32_t)random_below(&r, chunk.vector_count);
            const uint32_t rows = chunk_vector_rows(&chunk, vector);
            const int64_t *times = s.rows.times_ns + vector * VECTOR_ROWS_MAX;
            int64_t t = times[random_below(&r, rows)];
            if (k % 3 > 0 && t > INT64_MIN + 5 && t < INT64_MAX - 5) t += k % 3 == 1 ? 1 : -1;
            if (k == 48) t = INT64_MIN;
            if (k == 49) t = INT64_MAX;
            uint32_t want = 0, got;
            while (want < rows && times[want] < t)
                want++;
            cr_assert_eq(chunk_lower_bound(&chunk, vector, t, &scratch, &got), PHUSA_OK);
            cr_assert_eq(got, want);
        }
        buffer_deinit(&out);
        sample_free(&s);
    }
    chunk_scratch_deinit(&scratch);
}

/* ---- size ---- */

static double bytes_per_value(struct random *r, uint32_t rows, uint32_t columns)
{
    struct sample s;
    sample_cpu(&s, r, rows, columns);
    struct buffer out;
    buffer_init(&out);
    cr_assert_eq(chunk_build(&out, &s.rows, 5000000, 5000000 + rows), PHUSA_OK);
    const double size = (double)out.size_bytes;
    buffer_deinit(&out);
    sample_free(&s);
    return size / rows / columns;
}

Test(chunk, cpu_like_columns_stay_below_045_bytes_a_value)
{
    struct random r = random_from(1);
    cr_assert_lt(bytes_per_value(&r, 8192, 10), 0.45);
    cr_assert_lt(bytes_per_value(&r, 1000, 10), 0.47);
}

Test(chunk, five_rows_of_one_field_stay_below_45_bytes)
{
    const double values[5] = {21.5, 21.7, 21.4, 22, 21.9};
    int64_t times[5];
    for (int i = 0; i < 5; i++)
        times[i] = INT64_C(1700000000123000000) + i * INT64_C(10000000000);
    const uint16_t id = 3;
    const struct vector column = {.type = PHUSA_FLOAT, .decimals = 1, .values = values};
    const struct rows rows = {5, 1, times, &id, &column};
    struct buffer out;
    buffer_init(&out);
    cr_assert_eq(chunk_build(&out, &rows, 12345678, 12345690), PHUSA_OK);
    cr_assert_leq(out.size_bytes, 45, "%zu", out.size_bytes);
    buffer_deinit(&out);
}

/* ---- damage ---- */

/* Reads everything a query may ask. */
static phusa_status read_all(const uint8_t *bytes, size_t size)
{
    struct chunk_view chunk;
    phusa_status status = chunk_open(&chunk, bytes, size);
    return status == PHUSA_OK ? chunk_check(&chunk) : status;
}

Test(chunk, every_single_bit_flip_is_refused)
{
    struct random r = random_from(7);
    for (unsigned round = 0; round < 12; round++) {
        struct sample s;
        sample_random(&s, &r, round % 3 == 0 ? 3000 : 1 + (uint32_t)random_below(&r, 100), 4);
        struct buffer out;
        buffer_init(&out);
        cr_assert_eq(chunk_build(&out, &s.rows, 10, 20), PHUSA_OK);
        const size_t step = out.size_bytes > 2000 ? out.size_bytes * 8 / 1500 | 1 : 1;
        for (size_t bit = 0; bit < out.size_bytes * 8; bit += step) {
            out.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            cr_assert_eq(read_all(out.bytes, out.size_bytes), PHUSA_ECORRUPT, "bit %zu", bit);
            out.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        cr_assert_eq(read_all(out.bytes, out.size_bytes), PHUSA_OK);
        buffer_deinit(&out);
        sample_free(&s);
    }
}

Test(chunk, truncation_and_excess_are_refused)
{
    struct random r = random_from(8);
    struct sample s;
    sample_random(&s, &r, 1500, 3);
    struct buffer out;
    buffer_init(&out);
    cr_assert_eq(chunk_build(&out, &s.rows, 10, 20), PHUSA_OK);
    for (size_t size = 0; size < out.size_bytes; size += 1 + size / 100) {
        uint8_t *cut = malloc(size + !size);
        memcpy(cut, out.bytes, size);
        cr_assert_eq(read_all(cut, size), PHUSA_ECORRUPT, "%zu bytes", size);
        free(cut);
    }
    buffer_put_u8(&out, 0);
    cr_assert_eq(read_all(out.bytes, out.size_bytes), PHUSA_ECORRUPT);
    buffer_deinit(&out);
    sample_free(&s);
}

/* ---- faults ---- */

Test(chunk, survives_the_failure_of_any_allocation)
{
    struct random r = random_from(9);
    chunk_scratch_init(&scratch);
    for (unsigned round = 0; round < 6; round++) {
        struct sample s;
        sample_random(&s, &r, 200 + 1000 * (round % 3), 6);
        phusa_status status = PHUSA_ENOMEM;
        for (uint64_t n = 1; status != PHUSA_OK; n++) {
            struct buffer out;
            buffer_init(&out);
            mem_fail_at(n);
            status = chunk_build(&out, &s.rows, 1, 2);
            if (status == PHUSA_OK) {
                struct chunk_view chunk;
                cr_assert_eq(chunk_open(&chunk, out.bytes, out.size_bytes), PHUSA_OK);
                phusa_status checked = PHUSA_ENOMEM;
                for (uint64_t m = 1; checked != PHUSA_OK; m++) {
                    mem_fail_at(m);
                    checked = chunk_check(&chunk);
                    cr_assert(checked == PHUSA_OK || checked == PHUSA_ENOMEM);
                }
                mem_fail_at(0);
                expect_rows(&chunk, &s);
            } else {
                cr_assert_eq(status, PHUSA_ENOMEM);
                cr_assert_eq(out.size_bytes, 0);
            }
            buffer_deinit(&out);
        }
        mem_fail_at(0);
        sample_free(&s);
    }
    chunk_scratch_deinit(&scratch);
}

/* ---- format ---- */

/* The example of engine/chunk/FORMAT.md. */
static const uint8_t example[] = {0xb4, 0x95, 0x65, 0xda, 0x01, 0x29, 0x09, 0x05, 0x02, 0xe8, 0x07,
                                  0x04, 0x09, 0x80, 0xc4, 0x9f, 0xd5, 0x0c, 0x0a, 0x01, 0x03, 0x00,
                                  0x08, 0x0a, 0x04, 0x00, 0x0e, 0x01, 0x02, 0xac, 0x03, 0x03, 0x00,
                                  0x19, 0x5c, 0x02, 0x02, 0x15, 0x01, 0x0e, 0x02};

Test(chunk, bytes_are_those_of_the_format)
{
    const double floats[5] = {21.5, 21.7, 21.4, 22, 21.9};
    const int64_t integers[5] = {7, 0, 8, 0, 9};
    const uint64_t present = 0x15;
    int64_t times[5];
    for (int i = 0; i < 5; i++)
        times[i] = INT64_C(1700000000000000000) + i * INT64_C(10000000000);
    const uint16_t ids[2] = {3, 4};
    const struct vector columns[2] = {{.type = PHUSA_FLOAT, .decimals = 1, .f = floats},
                                      {.type = PHUSA_INTEGER, .present = &present, .i = integers}};
    const struct rows rows = {5, 2, times, ids, columns};
    struct buffer out;
    buffer_init(&out);
    cr_assert_eq(chunk_build(&out, &rows, 1000, 1004), PHUSA_OK);
    cr_assert_eq(out.size_bytes, sizeof example);
    cr_assert_eq(memcmp(out.bytes, example, sizeof example), 0);
    buffer_deinit(&out);
}

Test(chunk, a_newer_version_is_told_from_damage)
{
    uint8_t bytes[sizeof example];
    memcpy(bytes, example, sizeof example);
    struct chunk_view chunk;
    cr_assert_eq(chunk_open(&chunk, bytes, sizeof bytes), PHUSA_OK);
    bytes[4] = 2;
    cr_assert_eq(chunk_open(&chunk, bytes, sizeof bytes), PHUSA_ECORRUPT);
    store_u32(bytes, crc32c(0, bytes + 4, sizeof bytes - 4));
    cr_assert_eq(chunk_open(&chunk, bytes, sizeof bytes), PHUSA_EVERSION);
}

/* Found by fuzzing: the header was read on from behind its own end. */
Test(chunk, a_span_that_does_not_cover_itself_is_refused)
{
    for (uint8_t span = 0; span < 12; span++) {
        uint8_t *bytes = calloc(8, 1);
        bytes[4] = 1;
        bytes[5] = span;
        store_u32(bytes, crc32c(0, bytes + 4, span < 4 ? 0 : span > 8 ? 4 : span - 4u));
        struct chunk_view chunk;
        cr_assert_eq(chunk_open(&chunk, bytes, 8), PHUSA_ECORRUPT);
        free(bytes);
    }
}

/* Damage that a checksum would have caught, but with the checksum made right: nothing may be read
 * or written out of bounds, whatever the bytes say (the sanitizers watch). */
Test(chunk, survives_damage_under_a_right_checksum)
{
    struct random r = random_seeded();
    unsigned opened = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct sample s;
        sample_random(&s, &r, 1 + (uint32_t)random_below(&r, round % 8 == 0 ? 2500 : 60), 3);
        struct buffer out;
        buffer_init(&out);
        cr_assert_eq(chunk_build(&out, &s.rows, 10, 20), PHUSA_OK);
        struct reader in = reader_of(out.bytes + 5, out.size_bytes - 5);
        const size_t span = (size_t)read_varint(&in);
        for (unsigned k = 0; k < 60; k++) {
            uint8_t *copy = malloc(out.size_bytes);
            memcpy(copy, out.bytes, out.size_bytes);
            for (uint64_t n = 1 + random_below(&r, 3); n > 0; n--)
                copy[4 + random_below(&r, span - 4)] ^= (uint8_t)(1u << random_below(&r, 8));
            store_u32(copy, crc32c(0, copy + 4, span - 4));
            struct chunk_view chunk;
            if (chunk_open(&chunk, copy, out.size_bytes) == PHUSA_OK) {
                opened++;
                (void)!chunk_check(&chunk);
            }
            free(copy);
        }
        buffer_deinit(&out);
        sample_free(&s);
    }
    cr_assert_gt(opened, 100); /* or this shows nothing */
}
