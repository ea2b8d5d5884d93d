/* aggregate.c - see aggregate.h. */
#include "chunk/aggregate.h"

#include "chunk/chunk_internal.h"

#include <assert.h>

#define PIECE_ROWS 256u

void aggregate_init(struct aggregate *a, enum phusa_type type, uint8_t have)
{
    assert(type >= PHUSA_FLOAT && type <= PHUSA_STRING);
    memset(a, 0, sizeof *a);
    a->type = type;
    a->have = have;
    if (type == PHUSA_STRING) a->have &= AGGREGATE_COUNT | AGGREGATE_FIRST | AGGREGATE_LAST;
    exact_init(&a->sum);
    exact_init(&a->squares);
}

void aggregate_deinit(struct aggregate *a)
{
    exact_deinit(&a->sum);
    exact_deinit(&a->squares);
}

bool aggregate_less(enum phusa_type type, union aggregate_value x, union aggregate_value y)
{
    switch (type) {
    case PHUSA_FLOAT:
        return x.f < y.f;
    case PHUSA_INTEGER:
        return x.i < y.i;
    case PHUSA_UNSIGNED:
        return x.u < y.u;
    case PHUSA_BOOLEAN:
        return x.b < y.b;
    default:
        assert(false && "strings have no least");
        return false;
    }
}

void aggregate_points(struct aggregate *a, uint64_t count, const struct aggregate_point *min,
                      const struct aggregate_point *max, const struct aggregate_point *first,
                      const struct aggregate_point *last)
{
    const bool empty = a->count == 0;
    a->count += count;
    if (min != NULL && (a->have & AGGREGATE_MIN) != 0 &&
        (empty || aggregate_less(a->type, min->value, a->min.value) ||
         (min->time_ns < a->min.time_ns && !aggregate_less(a->type, a->min.value, min->value))))
        a->min = *min;
    if (max != NULL && (a->have & AGGREGATE_MAX) != 0 &&
        (empty || aggregate_less(a->type, a->max.value, max->value) ||
         (max->time_ns < a->max.time_ns && !aggregate_less(a->type, max->value, a->max.value))))
        a->max = *max;
    if (first != NULL && (a->have & AGGREGATE_FIRST) != 0 &&
        (empty || first->time_ns < a->first.time_ns))
        a->first = *first;
    if (last != NULL && (a->have & AGGREGATE_LAST) != 0 &&
        (empty || last->time_ns > a->last.time_ns))
        a->last = *last;
}

/* ---- rows ---- */

/* Up to PIECE_ROWS values of a vector with the gaps taken out. */
struct piece {
    uint32_t count;
    uint32_t rows[PIECE_ROWS];
    union {
        double f[PIECE_ROWS];
        int64_t i[PIECE_ROWS];
        uint64_t u[PIECE_ROWS];
    };
};

static uint64_t slot_bits(const struct vector *v, uint32_t row)
{
    if (v->type == PHUSA_BOOLEAN) return v->b[row] != 0;
    return v->u[row];
}

static void gather(const struct vector *v, uint32_t from, uint32_t to, struct piece *piece)
{
    piece->count = 0;
    for (uint32_t row = from; row < to; row++) {
        if (!vector_has(v, row)) continue;
        piece->rows[piece->count] = row;
        if (v->type != PHUSA_STRING) piece->u[piece->count] = slot_bits(v, row);
        piece->count++;
    }
}

static union aggregate_value value_at(const struct vector *v, uint32_t row)
{
    union aggregate_value value;
    memset(&value, 0, sizeof value);
    switch (v->type) {
    case PHUSA_FLOAT:
        value.f = v->f[row];
        break;
    case PHUSA_BOOLEAN:
        value.b = v->b[row] != 0;
        break;
    case PHUSA_STRING:
        value.s = v->s[row];
        break;
    default:
        value.u = v->u[row];
    }
    return value;
}

static phusa_status add_integer_squares(struct aggregate *a, const struct piece *p)
{
    const bool is_signed = a->type != PHUSA_UNSIGNED;
    __int128 squares = 0;
    for (uint32_t k = 0; k < p->count; k++) {
        const __int128 v = is_signed ? (__int128)p->i[k] : (__int128)p->u[k];
        /* Below 2^57, so that a piece of them cannot overflow. */
        if (v < (INT64_C(1) << 57) && v > -(INT64_C(1) << 57)) {
            squares += v * v;
            continue;
        }
        const phusa_status status = is_signed ? exact_add_square_int64(&a->squares, p->i[k], NULL)
                                              : exact_add_square_uint64(&a->squares, p->u[k], NULL);
        if (status != PHUSA_OK) return status;
    }
    return exact_add_units(&a->squares, squares, 0, NULL);
}

static phusa_status add_sums(struct aggregate *a, const struct piece *p, unsigned hint)
{
    phusa_status status = PHUSA_OK;
    if ((a->have & AGGREGATE_SUM) != 0) {
        if (a->type == PHUSA_FLOAT) {
            status = exact_add_doubles(&a->sum, p->f, p->count, hint, NULL);
        } else {
            __int128 sum = 0;
            for (uint32_t k = 0; k < p->count; k++)
                sum += a->type == PHUSA_UNSIGNED ? (__int128)p->u[k] : (__int128)p->i[k];
            status = exact_add_units(&a->sum, sum, 0, NULL);
        }
    }
    if (status == PHUSA_OK && (a->have & AGGREGATE_SQUARES) != 0)
        status = a->type == PHUSA_FLOAT
                     ? exact_add_square_doubles(&a->squares, p->f, p->count, hint, NULL)
                     : add_integer_squares(a, p);
    return status;
}

/* Places of the first least and greatest. */
static void find_extremes(enum phusa_type type, const struct piece *p, uint32_t *min, uint32_t *max)
{
    uint32_t low = 0, high = 0;
    if (type == PHUSA_FLOAT) {
        for (uint32_t k = 1; k < p->count; k++) {
            low = p->f[k] < p->f[low] ? k : low;
            high = p->f[k] > p->f[high] ? k : high;
        }
    } else {
        const uint64_t flip = type == PHUSA_INTEGER ? UINT64_C(1) << 63 : 0;
        for (uint32_t k = 1; k < p->count; k++) {
            low = (p->u[k] ^ flip) < (p->u[low] ^ flip) ? k : low;
            high = (p->u[k] ^ flip) > (p->u[high] ^ flip) ? k : high;
        }
    }
    *min = low;
    *max = high;
}

static phusa_status add_piece(struct aggregate *a, const int64_t *times_ns, const struct vector *v,
                              const struct piece *p)
{
    uint32_t min = 0, max = 0;
    if ((a->have & (AGGREGATE_MIN | AGGREGATE_MAX)) != 0) find_extremes(a->type, p, &min, &max);
    if ((a->have & (AGGREGATE_SUM | AGGREGATE_SQUARES)) != 0) {
        const phusa_status status = add_sums(a, p, v->decimals);
        if (status != PHUSA_OK) return status;
    }
    struct aggregate_point points[4];
    const uint32_t places[4] = {min, max, 0, p->count - 1};
    for (unsigned k = 0; k < 4; k++) {
        const uint32_t row = p->rows[places[k]];
        points[k] = (struct aggregate_point){times_ns[row], value_at(v, row)};
    }
    aggregate_points(a, p->count, &points[0], &points[1], &points[2], &points[3]);
    return PHUSA_OK;
}

phusa_status aggregate_rows(struct aggregate *a, const int64_t *times_ns, const struct vector *v,
                            uint32_t from, uint32_t to)
{
    assert(a->type == v->type);
    assert(from <= to);
    struct piece piece;
    for (; from < to; from += PIECE_ROWS) {
        gather(v, from, to - from < PIECE_ROWS ? to : from + PIECE_ROWS, &piece);
        if (piece.count > 0) {
            const phusa_status status = add_piece(a, times_ns, v, &piece);
            if (status != PHUSA_OK) return status;
        }
        if (to - from < PIECE_ROWS) break;
    }
    return PHUSA_OK;
}

phusa_status aggregate_merge(struct aggregate *a, const struct aggregate *b)
{
    assert(a->type == b->type);
    assert((b->have & a->have) == a->have);
    if (b->count == 0) return PHUSA_OK;
    phusa_status status = PHUSA_OK;
    if ((a->have & AGGREGATE_SUM) != 0) status = exact_merge(&a->sum, &b->sum, NULL);
    if (status == PHUSA_OK && (a->have & AGGREGATE_SQUARES) != 0)
        status = exact_merge(&a->squares, &b->squares, NULL);
    if (status != PHUSA_OK) return status;
    aggregate_points(a, b->count, &b->min, &b->max, &b->first, &b->last);
    return PHUSA_OK;
}
