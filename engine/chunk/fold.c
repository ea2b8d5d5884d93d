/* fold.c - aggregates over unpacked integers, without making values of them. */
#include "chunk/chunk_internal.h"

#include <assert.h>

/* The row of the n-th present one. */
static uint32_t nth_present(const uint64_t *present, uint32_t n)
{
    uint32_t word = 0;
    for (;; word++) {
        const uint32_t here = (uint32_t)__builtin_popcountll(present[word]);
        if (n < here) break;
        n -= here;
    }
    uint64_t bits = present[word];
    while (n-- > 0)
        bits &= bits - 1;
    return 64 * word + (uint32_t)__builtin_ctzll(bits);
}

static void point_at(const struct codec_units *units, uint32_t i, enum phusa_type type,
                     const uint64_t *present, const struct row_times *times,
                     struct aggregate_point *point)
{
    memset(point, 0, sizeof *point);
    point->time_ns = row_time(times, present == NULL ? i : nth_present(present, i));
    if (type == PHUSA_FLOAT)
        point->value.f = codec_decimal((int64_t)codec_unit(units, i), units->decimals);
    else
        point->value.u = codec_unit(units, i);
}

static phusa_status add_squares_singly(struct aggregate *a, const struct codec_units *units,
                                       uint32_t from, uint32_t to)
{
    phusa_status status = PHUSA_OK;
    for (uint32_t i = from; i < to && status == PHUSA_OK; i++) {
        const uint64_t bits = codec_unit(units, i);
        if (a->type == PHUSA_FLOAT)
            status = exact_add_square_double(
                &a->squares, codec_decimal((int64_t)bits, units->decimals), units->decimals, NULL);
        else if (a->type == PHUSA_UNSIGNED)
            status = exact_add_square_uint64(&a->squares, bits, NULL);
        else
            status = exact_add_square_int64(&a->squares, (int64_t)bits, NULL);
    }
    return status;
}

phusa_status fold_units(struct aggregate *a, const struct codec_units *units, uint32_t from,
                        uint32_t to, const uint64_t *present, const struct row_times *times)
{
    assert(from <= to && to <= units->count);
    if (from == to) return PHUSA_OK;
    phusa_status status = PHUSA_OK;
    if ((a->have & AGGREGATE_SUM) != 0)
        status = exact_add_units(&a->sum, codec_units_sum(units, from, to), units->decimals, NULL);
    if (status == PHUSA_OK && (a->have & AGGREGATE_SQUARES) != 0) {
        __int128 squares;
        status = codec_units_squares(units, from, to, &squares)
                     ? exact_add_units(&a->squares, squares, 2u * units->decimals, NULL)
                     : add_squares_singly(a, units, from, to);
    }
    if (status != PHUSA_OK) return status;

    struct aggregate_point min, max, first, last;
    if ((a->have & AGGREGATE_MIN) != 0)
        point_at(units, codec_units_min(units, from, to), a->type, present, times, &min);
    if ((a->have & AGGREGATE_MAX) != 0)
        point_at(units, codec_units_max(units, from, to), a->type, present, times, &max);
    if ((a->have & AGGREGATE_FIRST) != 0) point_at(units, from, a->type, present, times, &first);
    if ((a->have & AGGREGATE_LAST) != 0) point_at(units, to - 1, a->type, present, times, &last);
    aggregate_points(a, to - from, &min, &max, &first, &last);
    return PHUSA_OK;
}
