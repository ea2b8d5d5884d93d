/*
 * record.c - the statistics of a vector or a column as a few bytes: 15 for a percentage.
 *
 *    [count] flags | min | time of min | [max | first | last | time of max] | [edges] | [sums]
 *
 * Integers and decimals are written as units; max, first and last as distances from min, which
 * are small; the sums as those of the distances from min, which are small too. Times are numbers
 * of the chunk's time unit since the vector's first row.
 */
#include "chunk/chunk_internal.h"

#include <assert.h>

enum {
    RECORD_DECIMALS = 0x1f, /* 0..18: units at that scale */
    RECORD_RAW = 0x1f,      /* doubles as they are */
    RECORD_CONSTANT = 0x20, /* one value throughout */
    RECORD_EDGES = 0x40,    /* first or last row has no value: times of first and last follow */
    RECORD_SQUARES = 0x80,  /* units: squares follow the sum. raw: exact sum and squares follow */
};
#define RECORD_TEXT         1u  /* of strings: first and last follow */
#define RECORD_TEXT_MAX     48u /* bytes; longer ones are left to decoding */
#define VARINT128_BYTES_MAX 19
#define RECORD_EXACT_MAX    64u /* bytes of one exact sum of doubles */
/* So that 8,192 squares, and twice min times the sum, stay below 2^127. */
#define RECORD_SQUARE_LIMIT ((__int128)1 << 55)

static uint8_t *put_varint128(uint8_t *p, unsigned __int128 v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static unsigned __int128 read_varint128(struct reader *in)
{
    unsigned __int128 v = 0;
    for (unsigned shift = 0; shift < 128; shift += 7) {
        const uint8_t byte = read_u8(in);
        if (shift == 126 && byte > 3) in->bad = true;
        v |= (unsigned __int128)(byte & 0x7f) << shift;
        if (in->bad || byte < 0x80) break;
    }
    return in->bad ? 0 : v;
}

static uint64_t time_offset(const struct record_base *base, int64_t from_ns, int64_t to_ns)
{
    return ((uint64_t)to_ns - (uint64_t)from_ns) / base->unit_ns;
}

static uint8_t *put_edges(uint8_t *p, const struct aggregate *a, const struct record_base *base)
{
    p = put_varint(p, time_offset(base, base->first_ns, a->first.time_ns));
    return put_varint(p, time_offset(base, a->first.time_ns, a->last.time_ns));
}

static bool has_edges(const struct aggregate *a, const struct record_base *base)
{
    return a->first.time_ns != base->first_ns || a->last.time_ns != base->last_ns;
}

/* ---- units ---- */

struct units4 {
    uint64_t min, max, first, last;
};

/* The values as integers at one scale; false: they are none. */
static bool to_units(const struct aggregate *a, uint8_t decimals, struct units4 *u)
{
    if (a->type != PHUSA_FLOAT) {
        const bool b = a->type == PHUSA_BOOLEAN;
        *u = (struct units4){
            b ? a->min.value.b : a->min.value.u, b ? a->max.value.b : a->max.value.u,
            b ? a->first.value.b : a->first.value.u, b ? a->last.value.b : a->last.value.u};
        return true;
    }
    if (decimals > EXACT_DECIMALS_MAX) return false;
    const double values[4] = {a->min.value.f, a->max.value.f, a->first.value.f, a->last.value.f};
    int64_t units[4];
    for (unsigned k = 0; k < 4; k++) {
        uint8_t found;
        /* -0.0 counts as 0 and would not come back. */
        if (values[k] == 0 && __builtin_signbit(values[k])) return false;
        if (!(values[k] - values[k] == 0)) return false;
        if (!exact_decimal(values[k], decimals, &units[k], &found) || found != decimals)
            return false;
    }
    *u = (struct units4){(uint64_t)units[0], (uint64_t)units[1], (uint64_t)units[2],
                         (uint64_t)units[3]};
    return true;
}

/* A sum as 128-bit units at `decimals`; false: it is not one. */
static bool sum_units(const struct exact *sum, unsigned decimals, __int128 *out)
{
    if (sum->wide != NULL || sum->decimals > decimals) return false;
    __int128 units = sum->units;
    for (unsigned e = sum->decimals; e < decimals; e++)
        if (__builtin_mul_overflow(units, (__int128)10, &units)) return false;
    *out = units;
    return true;
}

static __int128 extend(enum phusa_type type, uint64_t bits)
{
    return type == PHUSA_UNSIGNED ? (__int128)bits : (__int128)(int64_t)bits;
}

static bool squares_fit(__int128 min, __int128 max)
{
    return min > -RECORD_SQUARE_LIMIT && max < RECORD_SQUARE_LIMIT &&
           max - min < RECORD_SQUARE_LIMIT;
}

/* 0: it cannot be written as units. */
static size_t encode_units(const struct aggregate *a, const struct record_base *base,
                           uint8_t decimals, uint8_t *out)
{
    struct units4 u;
    __int128 sum, squares = 0;
    if (!to_units(a, decimals, &u) || !sum_units(&a->sum, decimals, &sum)) return 0;
    const __int128 min = extend(a->type, u.min), max = extend(a->type, u.max);
    const __int128 count = (__int128)a->count;
    const bool is_constant = min == max;
    const bool with_squares =
        !is_constant && squares_fit(min, max) && sum_units(&a->squares, 2u * decimals, &squares);
    const bool edges = has_edges(a, base);
    uint8_t *p = out;
    *p++ = (uint8_t)(decimals | (is_constant ? RECORD_CONSTANT : 0u) | (edges ? RECORD_EDGES : 0u) |
                     (with_squares ? RECORD_SQUARES : 0u));
    p = put_varint(p, zigzag((int64_t)u.min));
    if (!is_constant) {
        p = put_varint(p, time_offset(base, base->first_ns, a->min.time_ns));
        p = put_varint(p, u.max - u.min);
        p = put_varint(p, u.first - u.min);
        p = put_varint(p, u.last - u.min);
        p = put_varint(p, time_offset(base, base->first_ns, a->max.time_ns));
    }
    if (edges) p = put_edges(p, a, base);
    if (!is_constant) p = put_varint128(p, (unsigned __int128)(sum - count * min));
    /* sum of (v - min)^2 */
    if (with_squares)
        p = put_varint128(p, (unsigned __int128)(squares - 2 * min * sum + count * min * min));
    return (size_t)(p - out);
}

static phusa_status decode_units(struct reader *in, const struct record_base *base, uint8_t flags,
                                 struct aggregate *out)
{
    const unsigned decimals = flags & RECORD_DECIMALS;
    const bool is_constant = (flags & RECORD_CONSTANT) != 0;
    const uint64_t min_unit = (uint64_t)read_zigzag(in);
    uint64_t far[3] = {0}, min_offset = 0, max_offset = 0;
    if (!is_constant) {
        min_offset = read_varint(in);
        for (unsigned k = 0; k < 3; k++)
            far[k] = read_varint(in);
        max_offset = read_varint(in);
    }
    out->first.time_ns = base->first_ns;
    out->last.time_ns = base->last_ns;
    if ((flags & RECORD_EDGES) != 0) {
        const uint64_t first = (uint64_t)base->first_ns + read_varint(in) * base->unit_ns;
        out->first.time_ns = (int64_t)first;
        out->last.time_ns = (int64_t)(first + read_varint(in) * base->unit_ns);
    }
    out->min.time_ns = is_constant
                           ? out->first.time_ns
                           : (int64_t)((uint64_t)base->first_ns + min_offset * base->unit_ns);
    out->max.time_ns = is_constant
                           ? out->first.time_ns
                           : (int64_t)((uint64_t)base->first_ns + max_offset * base->unit_ns);
    struct aggregate_point *points[4] = {&out->min, &out->max, &out->first, &out->last};
    for (uint32_t k = 0; k < 4; k++) {
        const uint64_t unit = min_unit + (k == 0 ? 0 : far[k - 1]);
        if (out->type == PHUSA_FLOAT)
            points[k]->value.f = codec_decimal((int64_t)unit, decimals);
        else if (out->type == PHUSA_BOOLEAN)
            points[k]->value.b = unit != 0;
        else
            points[k]->value.u = unit;
    }
    if ((out->have & (AGGREGATE_SUM | AGGREGATE_SQUARES)) == 0) return PHUSA_OK;

    /* Unsigned, so that damage wraps and is not undefined. */
    typedef unsigned __int128 u128;
    const u128 min = (u128)extend(out->type, min_unit);
    const u128 far_sum = is_constant ? 0 : read_varint128(in);
    const u128 min_sum = min * out->count;
    if (in->bad) return PHUSA_ECORRUPT;
    phusa_status status = exact_add_units(&out->sum, (__int128)(far_sum + min_sum), decimals, NULL);
    if (status != PHUSA_OK || (out->have & AGGREGATE_SQUARES) == 0) return status;
    const bool fit = is_constant && squares_fit((__int128)min, (__int128)min);
    if ((flags & RECORD_SQUARES) == 0 && !fit) {
        out->have &= (uint8_t)~AGGREGATE_SQUARES;
        return PHUSA_OK;
    }
    const u128 far_squares = is_constant ? 0 : read_varint128(in);
    const u128 squares = far_squares + 2 * min * far_sum + min * min_sum;
    return exact_add_units(&out->squares, (__int128)squares, 2 * decimals, NULL);
}

/* ---- doubles as they are ---- */

static size_t encode_raw(const struct aggregate *a, const struct record_base *base, uint8_t *out)
{
    uint8_t *p = out;
    const bool edges = has_edges(a, base);
    uint8_t sum[EXACT_BYTES_MAX], squares[EXACT_BYTES_MAX];
    const size_t sum_bytes = exact_encode(&a->sum, sum);
    const size_t squares_bytes = exact_encode(&a->squares, squares);
    const bool sums = (a->have & AGGREGATE_SUM) != 0 && sum_bytes <= RECORD_EXACT_MAX &&
                      squares_bytes <= RECORD_EXACT_MAX;
    *p++ = (uint8_t)(RECORD_RAW | (edges ? RECORD_EDGES : 0u) | (sums ? RECORD_SQUARES : 0u));
    const struct aggregate_point *points[4] = {&a->min, &a->max, &a->first, &a->last};
    for (unsigned k = 0; k < 4; k++, p += 8)
        memcpy(p, &points[k]->value.f, 8);
    p = put_varint(p, time_offset(base, base->first_ns, a->min.time_ns));
    p = put_varint(p, time_offset(base, base->first_ns, a->max.time_ns));
    if (edges) p = put_edges(p, a, base);
    if (sums) {
        memcpy(p, sum, sum_bytes);
        memcpy(p + sum_bytes, squares, squares_bytes);
        p += sum_bytes + squares_bytes;
    }
    return (size_t)(p - out);
}

static phusa_status decode_raw(struct reader *in, const struct record_base *base, uint8_t flags,
                               struct aggregate *out)
{
    if (out->type != PHUSA_FLOAT || (flags & RECORD_CONSTANT) != 0) return PHUSA_ECORRUPT;
    struct aggregate_point *points[4] = {&out->min, &out->max, &out->first, &out->last};
    for (unsigned k = 0; k < 4; k++) {
        const uint64_t bits = read_u64(in);
        memcpy(&points[k]->value.f, &bits, 8);
    }
    out->min.time_ns = (int64_t)((uint64_t)base->first_ns + read_varint(in) * base->unit_ns);
    out->max.time_ns = (int64_t)((uint64_t)base->first_ns + read_varint(in) * base->unit_ns);
    out->first.time_ns = base->first_ns;
    out->last.time_ns = base->last_ns;
    if ((flags & RECORD_EDGES) != 0) {
        const uint64_t first = (uint64_t)base->first_ns + read_varint(in) * base->unit_ns;
        out->first.time_ns = (int64_t)first;
        out->last.time_ns = (int64_t)(first + read_varint(in) * base->unit_ns);
    }
    const uint8_t sums = AGGREGATE_SUM | AGGREGATE_SQUARES;
    if ((out->have & sums) == 0) return PHUSA_OK;
    if ((flags & RECORD_SQUARES) == 0) {
        out->have &= (uint8_t)~sums;
        return PHUSA_OK;
    }
    if (in->bad) return PHUSA_ECORRUPT;
    const phusa_status status = exact_decode(&out->sum, in, NULL);
    if (status != PHUSA_OK || (out->have & AGGREGATE_SQUARES) == 0) return status;
    return exact_decode(&out->squares, in, NULL);
}

/* ---- strings ---- */

static size_t encode_text(const struct aggregate *a, const struct record_base *base, uint8_t *out)
{
    uint8_t *p = out;
    if (a->first.value.s.size_bytes > RECORD_TEXT_MAX ||
        a->last.value.s.size_bytes > RECORD_TEXT_MAX) {
        *p++ = 0;
        return 1;
    }
    const bool edges = has_edges(a, base);
    *p++ = (uint8_t)(RECORD_TEXT | (edges ? RECORD_EDGES : 0u));
    if (edges) p = put_edges(p, a, base);
    const struct phusa_text ends[2] = {a->first.value.s, a->last.value.s};
    for (unsigned k = 0; k < 2; k++) {
        p = put_varint(p, ends[k].size_bytes);
        if (ends[k].size_bytes > 0) memcpy(p, ends[k].bytes, ends[k].size_bytes);
        p += ends[k].size_bytes;
    }
    return (size_t)(p - out);
}

static phusa_status decode_text(struct reader *in, const struct record_base *base, uint8_t flags,
                                struct aggregate *out)
{
    if ((flags & RECORD_TEXT) == 0) {
        out->have &= AGGREGATE_COUNT;
        return PHUSA_OK;
    }
    out->first.time_ns = base->first_ns;
    out->last.time_ns = base->last_ns;
    if ((flags & RECORD_EDGES) != 0) {
        const uint64_t first = (uint64_t)base->first_ns + read_varint(in) * base->unit_ns;
        out->first.time_ns = (int64_t)first;
        out->last.time_ns = (int64_t)(first + read_varint(in) * base->unit_ns);
    }
    out->first.value.s = read_text(in);
    out->last.value.s = read_text(in);
    return PHUSA_OK;
}

/* ---- the record ---- */

size_t record_encode(const struct aggregate *a, const struct record_base *base, uint8_t decimals,
                     uint8_t *out)
{
    assert(base->unit_ns > 0);
    uint8_t *p = out;
    if (base->has_gaps) p = put_varint(p, a->count);
    if (a->count == 0) return (size_t)(p - out);
    size_t size = 0;
    if (a->type == PHUSA_STRING) {
        size = encode_text(a, base, p);
    } else {
        size = encode_units(a, base, a->type == PHUSA_FLOAT ? decimals : 0, p);
        if (size == 0) size = encode_raw(a, base, p);
    }
    size += (size_t)(p - out);
    assert(size <= CHUNK_RECORD_BYTES_MAX);
    return size;
}

phusa_status record_decode(const uint8_t *bytes, size_t size_bytes, const struct record_base *base,
                           enum phusa_type type, uint8_t want, struct aggregate *out)
{
    struct reader in = reader_of(bytes, size_bytes);
    struct aggregate a;
    aggregate_init(&a, type, want);
    a.count = base->has_gaps ? read_varint(&in) : base->row_count;
    if (in.bad || a.count > base->row_count) return PHUSA_ECORRUPT;
    phusa_status status = PHUSA_OK;
    if (a.count > 0) {
        const uint8_t flags = read_u8(&in);
        if (type == PHUSA_STRING)
            status = decode_text(&in, base, flags, &a);
        else if ((flags & RECORD_DECIMALS) == RECORD_RAW)
            status = decode_raw(&in, base, flags, &a);
        else if ((flags & RECORD_DECIMALS) > EXACT_DECIMALS_MAX)
            status = PHUSA_ECORRUPT;
        else
            status = decode_units(&in, base, flags, &a);
    }
    if (status == PHUSA_OK && in.bad) status = PHUSA_ECORRUPT;
    if (status != PHUSA_OK) {
        aggregate_deinit(&a);
        return status;
    }
    *out = a;
    return PHUSA_OK;
}
