/*
 * test_record.c - what goes into a record comes out of it, to the last bit; what is no record is
 * called so and reads nothing beyond its end. Also the worked examples of FORMAT.md.
 */
#include "wal/record.h"

#include "base/mem.h"
#include "random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define FRAME_BYTES 5

static struct phusa_text body_of(const struct buffer *b)
{
    return (struct phusa_text){(const char *)b->bytes + FRAME_BYTES, b->size_bytes - FRAME_BYTES};
}

Test(record, definitions_come_back)
{
    struct buffer b;
    buffer_init(&b);
    const struct record_measurement m = {7, 4000000000u, text_of("mực nước")};
    const struct record_field f = {7, 1, 4095, PHUSA_UNSIGNED, text_of("")};
    const struct record_series s = {1, UINT64_C(4000000000) << 32 | 5, text_of("a\0b")};
    record_put_measurement(&b, &m);
    record_put_field(&b, &f);
    record_put_series(&b, &s);
    struct reader payload = reader_of(b.bytes, b.size_bytes);
    enum record_kind kind;
    struct phusa_text body;
    struct record_measurement m2;
    struct record_field f2;
    struct record_series s2;
    cr_assert(record_next(&payload, &kind, &body) && kind == RECORD_MEASUREMENT);
    cr_assert_eq(record_get_measurement(body, &m2), PHUSA_OK);
    cr_assert(m2.database == 7 && m2.measurement == m.measurement && text_equal(m2.name, m.name));
    cr_assert(record_next(&payload, &kind, &body) && kind == RECORD_FIELD);
    cr_assert_eq(record_get_field(body, &f2), PHUSA_OK);
    cr_assert(f2.database == 7 && f2.measurement == 1 && f2.field == 4095 &&
              f2.type == PHUSA_UNSIGNED && f2.name.size_bytes == 0);
    cr_assert(record_next(&payload, &kind, &body) && kind == RECORD_SERIES);
    cr_assert_eq(record_get_series(body, &s2), PHUSA_OK);
    cr_assert(s2.database == 1 && s2.series == s.series && text_equal(s2.key, s.key));
    cr_assert_not(record_next(&payload, &kind, &body));
    cr_assert_not(payload.bad);
    buffer_deinit(&b);
}

Test(record, definitions_cut_short_are_refused)
{
    struct buffer b;
    buffer_init(&b);
    record_put_field(&b, &(struct record_field){300, 1, 9, PHUSA_FLOAT, text_of("level")});
    for (size_t n = 0; n < b.size_bytes - FRAME_BYTES; n++) {
        struct record_field f;
        cr_assert_eq(record_get_field((struct phusa_text){(char *)b.bytes + FRAME_BYTES, n}, &f),
                     PHUSA_ECORRUPT);
    }
    for (size_t n = 1; n < b.size_bytes; n++) {
        struct reader payload = reader_of(b.bytes, n);
        enum record_kind kind;
        struct phusa_text body;
        cr_assert_not(record_next(&payload, &kind, &body));
        cr_assert(payload.bad);
    }
    buffer_deinit(&b);
}

/* ---- points: a model of rows with everything that the format distinguishes ---- */

#define FIELDS_MAX 40
#define ROWS_MAX   60
#define SHAPES_MAX 400
struct model {
    struct points_header header;
    struct points_shape shapes[SHAPES_MAX];
    struct points_field fields[SHAPES_MAX][FIELDS_MAX];
    uint32_t shape_count;
    struct {
        uint64_t series;
        int64_t time_ns;
        uint32_t shape;
        union points_value values[FIELDS_MAX];
        uint8_t decimals[FIELDS_MAX];
        struct phusa_text texts[FIELDS_MAX];
    } rows[ROWS_MAX];
    uint64_t row_count;
};

static double random_double(struct random *r, uint8_t *decimals)
{
    static const double odd[] = {0.0,     -0.0,    1e300,      -1e-300, 5e-324, 0.1 + 0.2,
                                 1.0 / 3, 1e15,    9.3e15,     1e22,    -1e18,  123456789.125,
                                 0.3,     -273.15, 4503599.01, 1e-18,   2e-18,  0x1p53};
    *decimals = (uint8_t)(random_u64(r) % 20);
    if (*decimals == 19) *decimals = PHUSA_DECIMALS_UNKNOWN;
    switch (random_u64(r) % 4) {
    case 0:
        return odd[random_u64(r) % (sizeof odd / sizeof *odd)];
    case 1: {
        *decimals = 2;
        return (double)(int64_t)(random_u64(r) % 200000 - 100000) / 100;
    }
    case 2: {
        *decimals = (uint8_t)(random_u64(r) % 19);
        return (double)(int64_t)(random_u64(r) >> random_u64(r) % 64) / pow(10, *decimals);
    }
    default: {
        const uint64_t bits = random_u64(r);
        double x;
        memcpy(&x, &bits, 8);
        return isfinite(x) ? x : 1.5;
    }
    }
}

static void random_value(struct random *r, enum phusa_type type, union points_value *value,
                         uint8_t *decimals, struct phusa_text *text)
{
    static char letters[STRING_BYTES_MAX];
    const uint64_t bits = random_u64(r) >> random_u64(r) % 64;
    *decimals = 0;
    switch (type) {
    case PHUSA_FLOAT:
        value->f = random_double(r, decimals);
        break;
    case PHUSA_INTEGER:
        value->i = random_u64(r) % 2 ? (int64_t)bits : -(int64_t)bits;
        break;
    case PHUSA_UNSIGNED:
        value->u = bits;
        break;
    case PHUSA_BOOLEAN:
        value->u = bits % 2;
        break;
    case PHUSA_STRING:
        value->u = 0;
        text->size_bytes = random_u64(r) % 50 == 0 ? STRING_BYTES_MAX : random_u64(r) % 30;
        text->bytes = letters;
        break;
    }
}

static void random_model(struct random *r, struct model *m)
{
    const int kind = (int)(random_u64(r) % 8); /* 0..4: all of one type; else mixed */
    m->header = (struct points_header){.database = (uint32_t)random_u64(r),
                                       .policy = (uint32_t)(random_u64(r) % 300),
                                       .first_lsn = 1 + (random_u64(r) >> 2 >> random_u64(r) % 60),
                                       .has_known_at = random_u64(r) % 2};
    m->header.known_at_ns = m->header.has_known_at ? (int64_t)random_u64(r) : 0;
    m->shape_count = (uint32_t)(1 + random_u64(r) % (random_u64(r) % 4 == 0 ? SHAPES_MAX : 4));
    for (uint32_t s = 0; s < m->shape_count; s++) {
        const uint32_t count = (uint32_t)(1 + random_u64(r) % FIELDS_MAX);
        uint32_t id = (uint32_t)(random_u64(r) % 100);
        for (uint32_t k = 0; k < count; k++) {
            m->fields[s][k].id = (uint16_t)id;
            m->fields[s][k].type =
                (enum phusa_type)(kind < 5 ? kind + 1 : (int)(random_u64(r) % 5) + 1);
            id += (uint32_t)(1 + random_u64(r) % 200);
        }
        m->shapes[s] = (struct points_shape){m->fields[s], count};
    }
    m->row_count = random_u64(r) % ROWS_MAX;
    for (uint64_t i = 0; i < m->row_count; i++) {
        m->rows[i].shape = (uint32_t)(random_u64(r) % m->shape_count);
        m->rows[i].series = random_u64(r) >> random_u64(r) % 64;
        m->rows[i].time_ns = (int64_t)(random_u64(r) >> random_u64(r) % 64);
        if (random_u64(r) % 3 == 0) m->rows[i].time_ns = -m->rows[i].time_ns;
        if (random_u64(r) % 20 == 0)
            m->rows[i].time_ns = random_u64(r) % 2 ? TIME_NS_MIN : TIME_NS_MAX;
        if (m->rows[i].time_ns < TIME_NS_MIN || m->rows[i].time_ns > TIME_NS_MAX)
            m->rows[i].time_ns = 0;
        for (uint32_t k = 0; k < m->shapes[m->rows[i].shape].field_count; k++)
            random_value(r, m->fields[m->rows[i].shape][k].type, &m->rows[i].values[k],
                         &m->rows[i].decimals[k], &m->rows[i].texts[k]);
    }
}

static phusa_status write_model(const struct model *m, struct buffer *out)
{
    struct points_writer w;
    points_begin(&w, out, &m->header, m->shapes, m->shape_count);
    for (uint64_t i = 0; i < m->row_count; i++)
        points_add(&w, m->rows[i].series, m->rows[i].time_ns, m->rows[i].shape,
                   &m->shapes[m->rows[i].shape], m->rows[i].values, m->rows[i].decimals,
                   m->rows[i].texts);
    return points_end(&w);
}

static void expect_row(const struct model *m, uint64_t i, const struct points_row *row)
{
    cr_assert_eq(row->series, m->rows[i].series);
    cr_assert_eq(row->time_ns, m->rows[i].time_ns);
    cr_assert_eq(row->shape, m->rows[i].shape);
    cr_assert_eq(row->lsn, m->header.first_lsn + i);
    const struct points_shape *shape = &m->shapes[row->shape];
    cr_assert_eq(row->fields->field_count, shape->field_count);
    for (uint32_t k = 0; k < shape->field_count; k++) {
        cr_assert_eq(row->fields->fields[k].id, shape->fields[k].id);
        cr_assert_eq(row->fields->fields[k].type, shape->fields[k].type);
        if (shape->fields[k].type == PHUSA_STRING)
            cr_assert(text_equal(row->texts[k], m->rows[i].texts[k]));
        else
            cr_assert_eq(row->values[k].u, m->rows[i].values[k].u, "field %u", k);
        /* Where decimals do not describe the value, it is raw and they are not known. */
        if (shape->fields[k].type == PHUSA_FLOAT && row->decimals[k] != PHUSA_DECIMALS_UNKNOWN)
            cr_assert_eq(row->decimals[k], m->rows[i].decimals[k]);
    }
}

Test(points, come_back_to_the_last_bit)
{
    struct random random = random_seeded();
    struct points_reader *reader = points_reader_create();
    struct model *m = calloc(1, sizeof *m);
    struct buffer b;
    buffer_init(&b);
    for (int round = 0; round < 2000; round++) {
        random_model(&random, m);
        buffer_clear(&b);
        cr_assert_eq(write_model(m, &b), PHUSA_OK);
        /* A copy without a byte to spare, for the sanitizers. */
        char *exact = malloc(b.size_bytes);
        memcpy(exact, b.bytes, b.size_bytes);
        struct reader payload = reader_of(exact, b.size_bytes);
        enum record_kind kind;
        struct phusa_text body;
        cr_assert(record_next(&payload, &kind, &body) && kind == RECORD_POINTS);
        struct points_header header;
        cr_assert_eq(points_open(reader, body, &header), PHUSA_OK);
        cr_assert(header.database == m->header.database && header.policy == m->header.policy &&
                  header.first_lsn == m->header.first_lsn && header.row_count == m->row_count &&
                  header.has_known_at == m->header.has_known_at &&
                  header.known_at_ns == m->header.known_at_ns);
        const struct points_row *row;
        for (uint64_t i = 0; i < m->row_count; i++) {
            cr_assert_eq(points_next(reader, &row), PHUSA_OK);
            expect_row(m, i, row);
        }
        cr_assert_eq(points_next(reader, &row), PHUSA_OK);
        cr_assert_null(row);
        /* And by many, after some by one. */
        cr_assert_eq(points_open(reader, body, &header), PHUSA_OK);
        uint64_t seen = 0;
        for (; seen < m->row_count && seen < (uint64_t)round % 3; seen++) {
            cr_assert_eq(points_next(reader, &row), PHUSA_OK);
            expect_row(m, seen, row);
        }
        for (size_t count = 1; count > 0;) {
            const struct points_row *rows;
            cr_assert_eq(points_next_rows(reader, &rows, &count), PHUSA_OK);
            for (size_t i = 0; i < count; i++)
                expect_row(m, seen++, &rows[i]);
        }
        cr_assert_eq(seen, m->row_count);
        free(exact);
    }
    points_reader_free(reader);
    buffer_deinit(&b);
    free(m);
}

Test(points, decimals_that_were_written_are_kept)
{
    const struct points_field field = {0, PHUSA_FLOAT};
    const struct points_shape shape = {&field, 1};
    static const struct {
        double value;
        uint8_t decimals;
    } cases[] = {{21.5, 2}, {21.5, 1}, {7, 0}, {0, 3}, {-0.001, 3}, {1e15, 0}, {0.1, 1}};
    struct buffer b;
    buffer_init(&b);
    struct points_writer w;
    points_begin(&w, &b, &(struct points_header){.first_lsn = 1}, &shape, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        points_add(&w, 1, 0, 0, &shape, &(union points_value){.f = cases[i].value},
                   &cases[i].decimals, NULL);
    cr_assert_eq(points_end(&w), PHUSA_OK);
    struct points_reader *reader = points_reader_create();
    struct points_header header;
    cr_assert_eq(points_open(reader, body_of(&b), &header), PHUSA_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct points_row *row;
        cr_assert_eq(points_next(reader, &row), PHUSA_OK);
        cr_assert_eq(row->values[0].f, cases[i].value);
        cr_assert_eq(row->decimals[0], cases[i].decimals, "case %zu", i);
    }
    points_reader_free(reader);
    buffer_deinit(&b);
}

/* Walk it all; whatever is there, an end comes. */
static phusa_status drain(struct points_reader *reader, struct phusa_text body)
{
    struct points_header header;
    phusa_status status = points_open(reader, body, &header);
    const struct points_row *row = NULL;
    do
        if (status == PHUSA_OK) status = points_next(reader, &row);
    while (status == PHUSA_OK && row != NULL);
    return status;
}

Test(points, cut_short_at_any_byte_they_are_refused)
{
    struct random random = random_seeded();
    struct points_reader *reader = points_reader_create();
    struct model *m = calloc(1, sizeof *m);
    struct buffer b;
    buffer_init(&b);
    for (int round = 0; round < 40; round++) {
        random_model(&random, m);
        buffer_clear(&b);
        cr_assert_eq(write_model(m, &b), PHUSA_OK);
        const struct phusa_text body = body_of(&b);
        const size_t step = body.size_bytes < 2000 ? 1 : body.size_bytes / 997;
        for (size_t n = 0; n < body.size_bytes; n += step) {
            char *exact = malloc(n + 1);
            memcpy(exact, body.bytes, n);
            cr_assert_eq(drain(reader, (struct phusa_text){exact, n}), PHUSA_ECORRUPT);
            free(exact);
        }
        /* and with something behind */
        buffer_put_u8(&b, 0);
        cr_assert_eq(drain(reader, body_of(&b)), PHUSA_ECORRUPT);
    }
    points_reader_free(reader);
    buffer_deinit(&b);
    free(m);
}

Test(points, random_changes_never_read_beyond_the_end)
{
    struct random random = random_seeded();
    struct points_reader *reader = points_reader_create();
    struct model *m = calloc(1, sizeof *m);
    struct buffer b;
    buffer_init(&b);
    for (int round = 0; round < 3000; round++) {
        random_model(&random, m);
        buffer_clear(&b);
        cr_assert_eq(write_model(m, &b), PHUSA_OK);
        const size_t size_bytes = b.size_bytes - FRAME_BYTES;
        char *exact = malloc(size_bytes);
        memcpy(exact, b.bytes + FRAME_BYTES, size_bytes);
        for (uint64_t changes = 1 + random_u64(&random) % 4; changes > 0; changes--)
            exact[random_u64(&random) % size_bytes] = (char)random_u64(&random);
        const phusa_status status = drain(reader, (struct phusa_text){exact, size_bytes});
        cr_assert(status == PHUSA_OK || status == PHUSA_ECORRUPT);
        free(exact);
    }
    points_reader_free(reader);
    buffer_deinit(&b);
    free(m);
}

Test(points, a_failed_allocation_is_said_and_leaves_nothing)
{
    struct random random = random_from(7);
    struct model *m = calloc(1, sizeof *m);
    do
        random_model(&random, m);
    while (m->row_count < 40);
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        struct buffer b;
        buffer_init(&b);
        mem_fail_at(n);
        phusa_status status = write_model(m, &b);
        struct points_reader *reader = status == PHUSA_OK ? points_reader_create() : NULL;
        if (reader != NULL) status = drain(reader, body_of(&b));
        const uint64_t calls = mem_calls();
        mem_fail_at(0);
        if (status == PHUSA_ENOMEM || reader == NULL) {
            failures++;
            if (reader != NULL) /* the same reader goes on when there is memory again */
                cr_assert_eq(drain(reader, body_of(&b)), PHUSA_OK);
        }
        points_reader_free(reader);
        buffer_deinit(&b);
        if (calls < n) break;
        cr_assert(status == PHUSA_ENOMEM || reader == NULL);
    }
    cr_assert_gt(failures, 5);
    free(m);
}
