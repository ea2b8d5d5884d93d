/* sample.c - see sample.h. */
#include "sample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const char *const words[] = {"", "on", "off", "a\0b", "pump 3 overheated", "mở", "đóng"};
static const size_t word_bytes[] = {0, 2, 3, 3, 17, 4, 7};

static int64_t random_integer(struct random *r, unsigned kind, int64_t last)
{
    switch (kind) {
    case 0:
        return last + (int64_t)random_below(r, 5) - 2;
    case 1:
        return (int64_t)random_u64(r);
    case 2:
        return (int64_t)(random_u64(r) >> random_below(r, 64));
    case 3:
        return 7;
    case 4:
        return (int64_t)((uint64_t)last + 1000 + random_below(r, 100));
    default:
        return random_below(r, 50) == 0 ? INT64_MIN + (int64_t)random_below(r, 3)
                                        : (int64_t)random_below(r, 100) * 4096;
    }
}

static double random_double(struct random *r, unsigned kind, double last)
{
    static const double odd[] = {-0.0,    0.0,           DBL_MAX,   -DBL_MAX, DBL_TRUE_MIN,
                                 1.0 / 3, 0x1p53,        1e15 - 1,  1e22,     -1e-300,
                                 0.1,     999999.999999, 0x1p53 - 1};
    switch (kind) {
    case 0:
        return round(last * 10 + (double)random_below(r, 9) - 4) / 10;
    case 1:
        return odd[random_below(r, sizeof odd / sizeof odd[0])];
    case 2:
        return (double)random_below(r, 100000) / 1000;
    case 3:
        return 21.5;
    case 4:
        return sin((double)random_below(r, 100000));
    case 5:
        return random_below(r, 100) == 0 ? odd[random_below(r, 6)]
                                         : (double)random_below(r, 500) / 4;
    default:
        return (double)(float)((double)random_below(r, 100000) / 777);
    }
}

static void fill_column(struct sample *s, struct random *r, uint32_t c, uint32_t row_count)
{
    const enum phusa_type type = (enum phusa_type)(1 + random_below(r, 5));
    const unsigned kind = (unsigned)random_below(r, 7);
    struct vector *v = &s->columns[c];
    v->type = type;
    v->decimals = random_below(r, 2) == 0 ? PHUSA_DECIMALS_UNKNOWN : (uint8_t)random_below(r, 5);
    s->values[c] = calloc(row_count, vector_slot_bytes(type));
    v->values = s->values[c];
    int64_t last_i = (int64_t)random_below(r, 1000);
    double last_f = 20;
    for (uint32_t row = 0; row < row_count; row++) {
        if (!vector_has(v, row)) continue;
        switch (type) {
        case PHUSA_FLOAT:
            ((double *)s->values[c])[row] = last_f = random_double(r, kind, last_f);
            if (!(fabs(last_f) < 1e6)) last_f = 1;
            break;
        case PHUSA_BOOLEAN:
            ((uint8_t *)s->values[c])[row] = kind == 3 || random_below(r, 1 + kind * 50) == 0;
            break;
        case PHUSA_STRING: {
            const uint64_t w = kind == 3 ? 1 : random_below(r, 7);
            ((struct phusa_text *)s->values[c])[row] = (struct phusa_text){words[w], word_bytes[w]};
            break;
        }
        default:
            ((int64_t *)s->values[c])[row] = last_i = random_integer(r, kind, last_i);
        }
    }
}

/* Gaps: none, single ones, alternating, in stretches, nearly everywhere, everywhere. */
static void fill_gaps(struct sample *s, struct random *r, uint32_t c, uint32_t row_count)
{
    const unsigned kind = (unsigned)random_below(r, 7);
    s->present[c] = NULL;
    s->columns[c].present = NULL;
    if (kind < 2) return;
    s->present[c] = calloc(bitmap_words(row_count), 8);
    s->columns[c].present = s->present[c];
    bool here = true;
    for (uint32_t row = 0; row < row_count; row++) {
        if (kind == 2) here = random_below(r, 20) != 0;
        if (kind == 3) here = row % 2 == 1;
        if (kind == 4 && random_below(r, 300) == 0) here = !here;
        if (kind == 5) here = random_below(r, 500) == 0;
        if (kind == 6) here = false;
        if (here) bit_set(s->present[c], row);
    }
}

static void fill_times(struct sample *s, struct random *r, uint32_t row_count)
{
    const unsigned kind = (unsigned)random_below(r, TIMES_KINDS);
    static const int64_t units[] = {1, 1000, 1000000, 1000000000};
    const int64_t unit = units[random_below(r, 4)];
    int64_t at = (int64_t)random_below(r, 3000000) * 1000000000 - INT64_C(1000000000000000);
    if (kind == TIMES_FIRST_AGE) at = INT64_MIN + 2;
    const int64_t step = (int64_t)(1 + random_below(r, 60)) * unit;
    for (uint32_t row = 0; row < row_count; row++) {
        s->times_ns[row] = at;
        if (row + 1 == row_count) break; /* no further: it may be the end of time */
        at += step;
        if (kind == TIMES_JITTERED) at += (int64_t)random_below(r, 10) * unit;
        if (kind == TIMES_RANDOM) at += (int64_t)(random_u64(r) >> (20 + random_below(r, 30)));
        if (kind == TIMES_FIRST_AGE && row + 2 == row_count) at = INT64_MAX - 1;
    }
}

static void start(struct sample *s, uint32_t row_count, uint32_t column_count)
{
    *s = (struct sample){0};
    s->times_ns = malloc(row_count * sizeof *s->times_ns);
    s->rows = (struct rows){row_count, column_count, s->times_ns, s->field_ids, s->columns};
}

void sample_random(struct sample *s, struct random *r, uint32_t row_count, uint32_t column_count)
{
    start(s, row_count, column_count);
    fill_times(s, r, row_count);
    uint16_t id = (uint16_t)random_below(r, 3);
    for (uint32_t c = 0; c < column_count; c++) {
        s->field_ids[c] = id;
        id = (uint16_t)(id + 1 + (random_below(r, 4) == 0 ? random_below(r, 1000) : 0));
        if (c > 0) fill_gaps(s, r, c, row_count);
        fill_column(s, r, c, row_count);
    }
}

static double random_normal(struct random *r)
{
    const double u = ((double)(random_u64(r) >> 11) + 1) * 0x1p-53;
    const double v = (double)(random_u64(r) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

void sample_cpu(struct sample *s, struct random *r, uint32_t row_count, uint32_t column_count)
{
    start(s, row_count, column_count);
    for (uint32_t row = 0; row < row_count; row++)
        s->times_ns[row] = INT64_C(1451606400000000000) + (int64_t)row * INT64_C(10000000000);
    for (uint32_t c = 0; c < column_count; c++) {
        int64_t *values = malloc(row_count * sizeof *values);
        double at = (double)random_below(r, 101);
        for (uint32_t row = 0; row < row_count; row++) {
            at += random_normal(r);
            at = at < 0 ? 0 : at > 100 ? 100 : at;
            values[row] = (int64_t)at;
        }
        s->field_ids[c] = (uint16_t)c;
        s->values[c] = values;
        s->columns[c] = (struct vector){.type = PHUSA_INTEGER, .values = values};
    }
}

void sample_free(struct sample *s)
{
    free(s->times_ns);
    for (uint32_t c = 0; c < s->rows.column_count; c++) {
        free(s->values[c]);
        free(s->present[c]);
    }
}

bool sample_equal(const struct vector *a, size_t row_a, const struct vector *b, size_t row_b)
{
    if (a->type != b->type || vector_has(a, row_a) != vector_has(b, row_b)) return false;
    if (!vector_has(a, row_a)) return true;
    switch (a->type) {
    case PHUSA_BOOLEAN:
        return a->b[row_a] == b->b[row_b];
    case PHUSA_STRING:
        return text_equal(a->s[row_a], b->s[row_b]);
    default:
        return a->u[row_a] == b->u[row_b];
    }
}
