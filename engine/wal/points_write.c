/* points_write.c - rows of points to bytes; see points.h. */
#include "wal/points.h"

#include <assert.h>
#include <math.h>

#define UNITS_MAX   9007199254740992.0 /* 2^53: a double holds every integer up to it */
#define FRAME_BYTES 5                  /* record.c */

/* 0 for 0, else the bytes up to the highest that is not zero. */
static inline unsigned bytes_of(uint64_t v)
{
    return (unsigned)(71 - __builtin_clzll(v | 1)) / 8 - (v == 0);
}

static inline unsigned length_code(uint64_t v)
{
    const unsigned length = bytes_of(v);
    return length >= 7 ? 7 : length;
}

void points_begin(struct points_writer *w, struct buffer *out, const struct points_header *header,
                  const struct points_shape *shapes, uint32_t shape_count)
{
    assert(header->first_lsn > 0);
    *w = (struct points_writer){.out = out, .start = out->size_bytes};
    buffer_put_u8(out, RECORD_POINTS);
    buffer_put_u32(out, 0);
    buffer_put_u8(out, header->has_known_at ? POINTS_FLAG_KNOWN_AT : 0);
    w->count_at = out->size_bytes;
    buffer_put_u32(out, 0);
    buffer_put_varint(out, header->database);
    buffer_put_varint(out, header->policy);
    buffer_put_varint(out, header->first_lsn);
    if (header->has_known_at) buffer_put_zigzag(out, header->known_at_ns);
    buffer_put_varint(out, shape_count);
    for (uint32_t s = 0; s < shape_count; s++) {
        assert(shapes[s].field_count > 0 && shapes[s].field_count <= FIELD_COUNT_MAX);
        buffer_put_varint(out, shapes[s].field_count);
        uint32_t next_id = 0;
        for (uint32_t k = 0; k < shapes[s].field_count; k++) {
            const struct points_field *field = &shapes[s].fields[k];
            assert(field->id >= next_id);
            buffer_put_varint(out, field->id - next_id);
            buffer_put_u8(out, (uint8_t)field->type);
            next_id = field->id + 1u;
        }
    }
}

/* The integer that, divided by 10^decimals, is x to the last bit; false: there is none. */
static inline bool units_of(double x, unsigned decimals, int64_t *units)
{
    if (decimals > POINTS_DECIMALS_MAX) return false;
    const double scaled = x * points_power_of_ten[decimals];
    if (!(fabs(scaled) < UNITS_MAX)) return false;
    const int64_t candidate = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    const double back = (double)candidate / points_power_of_ten[decimals];
    if (load_u64(&back) != load_u64(&x)) return false; /* -0.0 too */
    *units = candidate;
    return true;
}

/* Each puts a value's bytes at *at and returns its code. */
static inline unsigned put_bits(uint8_t **at, uint64_t bits)
{
    store_u64(*at, bits);
    const unsigned length = bytes_of(bits);
    *at += length;
    return length;
}

static inline unsigned put_float(uint8_t **at, double x, unsigned decimals, uint8_t *scale)
{
    int64_t units;
    if (!units_of(x, decimals, &units)) {
        memcpy(*at, &x, 8);
        *at += 8;
        return POINTS_FLOAT_RAW;
    }
    if (decimals == *scale) return put_bits(at, zigzag(units));
    *scale = (uint8_t)decimals;
    *(*at)++ = (uint8_t)decimals;
    const unsigned length = put_bits(at, zigzag(units));
    *at += length == 0; /* 9..15 have no code for no bytes: the zero that was stored serves */
    return POINTS_FLOAT_SCALED + length + (length == 0);
}

static inline unsigned put_value(uint8_t **at, enum phusa_type type, union points_value value,
                                 const struct phusa_text *text, unsigned decimals, uint8_t *scale)
{
    switch (type) {
    case PHUSA_INTEGER:
        return put_bits(at, zigzag(value.i));
    case PHUSA_FLOAT:
        return put_float(at, value.f, decimals, scale);
    case PHUSA_UNSIGNED:
        return put_bits(at, value.u);
    case PHUSA_BOOLEAN:
        return value.u != 0;
    case PHUSA_STRING:
        break;
    }
    const unsigned code = put_bits(at, text->size_bytes);
    if (text->size_bytes > 0) memcpy(*at, text->bytes, text->size_bytes);
    *at += text->size_bytes;
    return code;
}

static size_t texts_bytes(const struct points_shape *shape, const struct phusa_text *texts)
{
    size_t total = 0;
    if (texts == NULL) return 0;
    for (uint32_t k = 0; k < shape->field_count; k++)
        if (shape->fields[k].type == PHUSA_STRING) total += texts[k].size_bytes;
    return total;
}

static uint8_t *put_row_start(struct points_writer *w, uint8_t *p, uint64_t series, int64_t time_ns,
                              uint32_t shape)
{
    /* Differences wrap, and unwrap when they are read. */
    const uint64_t series_bits = zigzag((int64_t)(series - w->previous_series));
    const uint64_t time_bits = zigzag((int64_t)((uint64_t)time_ns - (uint64_t)w->previous_time_ns));
    const unsigned series_code = length_code(series_bits);
    const unsigned time_code = length_code(time_bits);
    unsigned shape_code = SHAPE_U32;
    if (shape == w->previous_shape)
        shape_code = SHAPE_SAME;
    else if (shape == w->previous_shape + 1)
        shape_code = SHAPE_NEXT;
    else if (shape <= UINT8_MAX)
        shape_code = SHAPE_U8;
    *p++ = (uint8_t)(series_code | time_code << 3 | shape_code << 6);
    store_u64(p, series_bits);
    p += points_length_of_code(series_code);
    store_u64(p, time_bits);
    p += points_length_of_code(time_code);
    if (shape_code == SHAPE_U8) *p++ = (uint8_t)shape;
    if (shape_code == SHAPE_U32) {
        store_u32(p, shape);
        p += 4;
    }
    w->previous_series = series;
    w->previous_time_ns = time_ns;
    w->previous_shape = shape;
    return p;
}

void points_add(struct points_writer *w, uint64_t series, int64_t time_ns, uint32_t shape,
                const struct points_shape *fields, const union points_value *values,
                const uint8_t *decimals, const struct phusa_text *texts)
{
    const uint32_t field_count = fields->field_count;
    uint8_t *row =
        buffer_reserve(w->out, points_row_bytes_max(field_count) + texts_bytes(fields, texts));
    if (row == NULL) return;
    uint8_t *codes = put_row_start(w, row, series, time_ns, shape);
    uint8_t *p = codes + (field_count + 1) / 2;
    for (uint32_t k = 0; k < field_count; k++) {
        const unsigned code =
            put_value(&p, fields->fields[k].type, values[k], texts == NULL ? NULL : &texts[k],
                      decimals == NULL ? PHUSA_DECIMALS_UNKNOWN : decimals[k],
                      &w->scales[points_scale_slot(shape, k)]);
        if (k % 2 == 0)
            codes[k / 2] = (uint8_t)code;
        else
            codes[k / 2] = (uint8_t)(codes[k / 2] | code << 4);
    }
    w->out->size_bytes += (size_t)(p - row);
    w->row_count++;
}

phusa_status points_end(struct points_writer *w)
{
    if (w->out->bad) return PHUSA_ENOMEM;
    const size_t body_bytes = w->out->size_bytes - w->start - FRAME_BYTES;
    assert(body_bytes <= UINT32_MAX);
    assert(w->row_count <= UINT32_MAX);
    store_u32(w->out->bytes + w->start + 1, (uint32_t)body_bytes);
    store_u32(w->out->bytes + w->count_at, (uint32_t)w->row_count);
    return PHUSA_OK;
}
