/*
 * Guards: for any sequence of rows a head answers as a plain list does: random shapes (up to 70
 * fields, one field a line, changing subsets), all types, times in any order and equal, LSNs with
 * gaps, ranges, LSN ends, fields asked for, slice sizes and bounds.
 */
#include "head/head.h"

#include "random.h"

#include <criterion/criterion.h>

#define FIELDS_MAX 70
#define ROWS_MAX   3000

static struct random source;
static uint64_t draw(uint64_t below)
{
    return random_u64(&source) % below;
}

struct model_value {
    enum phusa_type type; /* 0: none */
    uint64_t bits;        /* of a string: index into words */
};
struct model_row {
    uint32_t policy;
    uint64_t series, lsn;
    int64_t time_ns;
    struct model_value values[FIELDS_MAX];
};
static struct model_row model[ROWS_MAX];
static uint32_t model_count;
static char words[16][40];

/* How one run draws its rows. */
struct style {
    uint32_t field_count, series_count, subset; /* subset: 0 all, 1 one, 2 some, 3 mixed */
    uint32_t order;                             /* 0 ascending, 1 nearly, 2 few distinct, 3 any */
    uint32_t altered_at;                        /* row from which integer fields are floats */
    bool batched;
};

static enum phusa_type type_of(const struct style *style, uint32_t field, uint32_t row)
{
    const enum phusa_type type = (enum phusa_type)(1 + field % 5);
    if (row >= style->altered_at && (type == PHUSA_INTEGER || type == PHUSA_UNSIGNED))
        return PHUSA_FLOAT;
    return type;
}

static struct model_value draw_value(enum phusa_type type)
{
    struct model_value v = {.type = type};
    const double number = (double)draw(100000) / 100;
    if (type == PHUSA_FLOAT)
        memcpy(&v.bits, &number, 8);
    else
        v.bits = type == PHUSA_BOOLEAN ? draw(2) : type == PHUSA_STRING ? draw(16) : draw(1 << 20);
    return v;
}

static int64_t draw_time(const struct style *style, uint32_t row)
{
    switch (style->order) {
    case 0:
        return (int64_t)row * 10 - 7000;
    case 1:
        return (int64_t)row * 10 - (draw(20) == 0 ? (int64_t)draw(500) : 0);
    case 2:
        return (int64_t)draw(40) - 20;
    default:
        return (int64_t)(draw(1u << 30)) * (draw(2) ? 1 : -1);
    }
}

static void draw_row(const struct style *style, uint32_t r)
{
    struct model_row *row = &model[r];
    memset(row, 0, sizeof *row);
    row->policy = 1 + (uint32_t)draw(2);
    row->series = draw(style->series_count);
    row->lsn = (r == 0 ? 100 : model[r - 1].lsn + 1) + (draw(10) == 0 ? draw(5) : 0);
    row->time_ns = draw_time(style, r);
    const uint32_t subset = style->subset == 3 ? (uint32_t)draw(3) : style->subset;
    const uint32_t sure = (uint32_t)draw(style->field_count);
    for (uint32_t f = 0; f < style->field_count; f++)
        if (subset == 0 || f == sure || (subset == 2 && draw(3) == 0))
            row->values[f] = draw_value(type_of(style, f, r));
}

/* The row as the log would hand it over; storage for one batch of them. */
#define BATCH_MAX 40
static struct {
    struct points_field fields[FIELDS_MAX];
    struct points_shape shape;
    union points_value values[FIELDS_MAX];
    uint8_t decimals[FIELDS_MAX];
    struct phusa_text texts[FIELDS_MAX];
} store[BATCH_MAX];
static struct points_row batch[BATCH_MAX];

static void fill_batch(uint32_t b, const struct model_row *row)
{
    uint32_t count = 0;
    for (uint32_t f = 0; f < FIELDS_MAX; f++) {
        if (row->values[f].type == 0) continue;
        store[b].fields[count] = (struct points_field){(uint16_t)(3 * f), row->values[f].type};
        store[b].values[count].u = row->values[f].bits;
        store[b].decimals[count] = 2;
        if (row->values[f].type == PHUSA_STRING)
            store[b].texts[count] = text_of(words[row->values[f].bits]);
        count++;
    }
    store[b].shape = (struct points_shape){store[b].fields, count};
    batch[b] = (struct points_row){.series = row->series,
                                   .lsn = row->lsn,
                                   .time_ns = row->time_ns,
                                   .fields = &store[b].shape,
                                   .values = store[b].values,
                                   .decimals = store[b].decimals,
                                   .texts = store[b].texts};
}

static void append_all(struct head *head, const struct style *style)
{
    for (uint32_t r = 0; r < model_count;) {
        uint32_t count = 0;
        do
            fill_batch(count, &model[r + count]);
        while (++count < BATCH_MAX && style->batched && r + count < model_count &&
               model[r + count].policy == model[r].policy);
        size_t appended;
        cr_assert_eq(head_append_rows(head, model[r].policy, batch, count, &appended), PHUSA_OK);
        cr_assert_eq(appended, count);
        r += count;
    }
}

/* ---- the naive answer ---- */

struct question {
    uint32_t policy;
    uint64_t series;
    int64_t start_ns, end_ns;
    uint64_t lsn_end;
    bool asks[FIELDS_MAX];
};
static struct model_row answer[ROWS_MAX];
static uint32_t answer_count;

static int compare_rows(const void *a, const void *b)
{
    const struct model_row *x = a, *y = b;
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static void answer_naively(const struct question *q)
{
    answer_count = 0;
    for (uint32_t r = 0; r < model_count; r++) {
        const struct model_row *row = &model[r];
        if (row->policy != q->policy || row->series != q->series || row->lsn >= q->lsn_end ||
            row->time_ns < q->start_ns || row->time_ns >= q->end_ns)
            continue;
        bool any = false;
        for (uint32_t f = 0; f < FIELDS_MAX; f++)
            any |= q->asks[f] && row->values[f].type != 0;
        if (!any) continue;
        uint32_t a = 0;
        while (a < answer_count && answer[a].time_ns != row->time_ns)
            a++;
        if (a == answer_count) {
            answer[answer_count++] = (struct model_row){.time_ns = row->time_ns};
        }
        for (uint32_t f = 0; f < FIELDS_MAX; f++)
            if (q->asks[f] && row->values[f].type != 0) answer[a].values[f] = row->values[f];
    }
    qsort(answer, answer_count, sizeof *answer, compare_rows);
}

static void expect_value(const struct vector *column, uint32_t r, struct model_value v)
{
    cr_assert(vector_has(column, r));
    switch (column->type) {
    case PHUSA_FLOAT: {
        double expected = (double)v.bits;
        if (v.type == PHUSA_FLOAT) memcpy(&expected, &v.bits, 8);
        cr_assert_eq(column->f[r], expected);
        cr_assert_eq(column->decimals, 2);
        break;
    }
    case PHUSA_BOOLEAN:
        cr_assert_eq(column->b[r], v.bits);
        break;
    case PHUSA_STRING:
        cr_assert(text_equal(column->s[r], text_of(words[v.bits])));
        break;
    default:
        cr_assert_eq(column->type, v.type);
        cr_assert_eq(column->u[r], v.bits);
    }
}

static void expect_absent(const struct vector *column, uint32_t r)
{
    cr_assert_not(vector_has(column, r));
    if (column->type == PHUSA_STRING)
        cr_assert(column->s[r].size_bytes == 0 && column->s[r].bytes != NULL);
    else if (column->type == PHUSA_BOOLEAN)
        cr_assert_eq(column->b[r], 0);
    else
        cr_assert_eq(column->u[r], 0);
}

static void expect_rows(const struct rows *rows, uint32_t first)
{
    for (uint32_t r = 0; r < rows->row_count; r++) {
        const struct model_row *expected = &answer[first + r];
        cr_assert_eq(rows->times_ns[r], expected->time_ns);
        uint32_t values = 0, found = 0;
        for (uint32_t f = 0; f < FIELDS_MAX; f++)
            values += expected->values[f].type != 0;
        for (uint32_t c = 0; c < rows->column_count; c++) {
            const struct model_value v = expected->values[rows->field_ids[c] / 3];
            if (c > 0) cr_assert_lt(rows->field_ids[c - 1], rows->field_ids[c]);
            if (v.type == 0) {
                expect_absent(&rows->columns[c], r);
            } else {
                expect_value(&rows->columns[c], r, v);
                found++;
            }
        }
        cr_assert_eq(values, found);
    }
}

static void ask(struct head *head, const struct style *style)
{
    struct question q = {.policy = 1 + (uint32_t)draw(2),
                         .series = draw(style->series_count),
                         .lsn_end = UINT64_MAX};
    q.start_ns = draw(2) ? INT64_MIN : draw_time(style, (uint32_t)draw(model_count));
    q.end_ns = draw(2) ? INT64_MAX : draw_time(style, (uint32_t)draw(model_count));
    if (draw(2)) q.lsn_end = model[draw(model_count)].lsn;
    uint16_t field_ids[FIELDS_MAX + 1];
    uint32_t field_count = 0;
    const bool all = draw(2);
    for (uint32_t f = 0; f < FIELDS_MAX; f++) {
        q.asks[f] = all || draw(3) == 0;
        if (q.asks[f]) field_ids[field_count++] = (uint16_t)(3 * f);
    }
    answer_naively(&q);

    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct head_reader *reader;
    cr_assert_eq(head_read(head, q.policy, q.series, q.start_ns, q.end_ns, q.lsn_end,
                           all ? NULL : field_ids, field_count, 1 + (uint32_t)draw(300), &arena,
                           &reader),
                 PHUSA_OK);
    cr_assert_eq(reader == NULL ? 0 : head_reader_rows(reader), answer_count);
    if (answer_count > 0) {
        cr_assert_eq(head_reader_time_min(reader), answer[0].time_ns);
        cr_assert_eq(head_reader_time_max(reader), answer[answer_count - 1].time_ns);
    }
    uint32_t first = 0;
    if (answer_count > 0 && draw(3) == 0) {
        const uint32_t last = (uint32_t)draw(answer_count + 3);
        head_reader_skip_to_last(reader, last);
        first = last > answer_count ? 0 : answer_count - last;
    }
    while (first < answer_count) {
        const int64_t end_ns =
            draw(3) ? INT64_MAX : answer[first + draw(answer_count - first)].time_ns + 1;
        struct rows rows;
        cr_assert_eq(head_reader_next(reader, end_ns, &rows, NULL, NULL), PHUSA_OK);
        cr_assert_gt(rows.row_count, 0);
        cr_assert_leq(first + rows.row_count, answer_count);
        cr_assert_lt(rows.times_ns[rows.row_count - 1], end_ns);
        expect_rows(&rows, first);
        first += rows.row_count;
        if (draw(8) != 0) continue;
        const uint32_t last = (uint32_t)draw(answer_count + 1);
        head_reader_skip_to_last(reader, last);
        first = answer_count - last;
    }
    if (reader != NULL) {
        struct rows rows;
        cr_assert_eq(head_reader_next(reader, INT64_MAX, &rows, NULL, NULL), PHUSA_OK);
        cr_assert_eq(rows.row_count, 0);
    }
    arena_deinit(&arena);
}

Test(head_model, answers_as_a_plain_list_does)
{
    source = random_seeded();
    for (int w = 0; w < 16; w++)
        snprintf(words[w], sizeof words[w], "%.*s", w * 2, "a string of some length, or none");
    for (int run = 0; run < 150; run++) {
        model_count = 1 + (uint32_t)draw(draw(4) == 0 ? ROWS_MAX : 300);
        const struct style style = {
            .field_count = 1 + (uint32_t)draw(draw(3) == 0 ? FIELDS_MAX : 6),
            .series_count = 1 + (uint32_t)draw(5),
            .subset = (uint32_t)draw(4),
            .order = (uint32_t)draw(4),
            .altered_at = draw(3) == 0 ? (uint32_t)draw(model_count) : UINT32_MAX,
            .batched = draw(2),
        };
        for (uint32_t r = 0; r < model_count; r++)
            draw_row(&style, r);
        struct head *head;
        cr_assert_eq(head_create(64 << 20, 50 + draw(50), &head), PHUSA_OK);
        append_all(head, &style);
        cr_assert_eq(head_check(head), PHUSA_OK);
        for (int k = 0; k < 30; k++)
            ask(head, &style);
        head_unref(head);
    }
}
