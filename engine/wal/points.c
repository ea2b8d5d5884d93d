/*
 * points.c - rows of points to bytes and back; see record.h, and FORMAT.md for the bytes.
 *
 * On the way of every value in, and of every value again at replay: at 10 M values a second in
 * rows of ten, a row may cost a microsecond in all, so this gets a twentieth of it. Lengths
 * therefore stand apart from the bytes they count, four bits a value, and a value is one
 * unaligned load or store of 8 bytes of which its length counts: no loop over bytes and no
 * branch that depends on data, as a varint needs.
 *
 *     row   [lengths] [series] [time] [shape]  [codes, 4 bits a field]  [bytes of the values]
 *
 * A row of ten small integers of a series seen in order takes 1 + 1 + 0..5 + 5 + 10 bytes.
 *
 * The stores go up to 8 bytes past what they write, which row_bytes_max() reserves; the loads
 * up to 8 bytes past what they read: decode_fast() runs only where the record has them, and
 * decode_careful() does the last rows and those with strings.
 */
#include "wal/record.h"

#include "base/mem.h"

#include <assert.h>
#include <math.h>

#define DECIMALS_MAX    18u
#define UNITS_MAX       9007199254740992.0 /* 2^53: a double holds every integer up to it */
#define FLAG_KNOWN_AT   1u
#define ROW_LENGTHS_MAX (1 + 8 + 8 + 4) /* lengths, series, time, shape */
#define VALUE_BYTES_MAX 9               /* a scale or nothing, and 8 bytes */
#define SLACK_BYTES     8
#define FRAME_BYTES     5  /* record.c */
#define FLOAT_RAW       8u /* codes of floats; 0..7: so many bytes of units, the scale as before */
#define FLOAT_SCALED    8u /* 9..15: a scale, then code - 8 bytes of units */
#define SHAPE_SAME      0u
#define SHAPE_NEXT      1u
#define SHAPE_U8        2u
#define SHAPE_U32       3u

static const double power_of_ten[DECIMALS_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                      1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                      1e14, 1e15, 1e16, 1e17, 1e18};
static const uint64_t mask_of[16] = {0,          0xff,         0xffff,         0xffffff,
                                     0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
                                     UINT64_MAX};

/* 0 for 0, else the bytes up to the highest that is not zero. */
static inline unsigned bytes_of(uint64_t v)
{
    return (unsigned)(71 - __builtin_clzll(v | 1)) / 8 - (v == 0);
}

/* A delta's length in 3 bits: 0..6, and 7 for 8 bytes. */
static inline unsigned length_code(uint64_t v)
{
    const unsigned length = bytes_of(v);
    return length >= 7 ? 7 : length;
}
static inline unsigned length_of_code(unsigned code)
{
    return code + (code == 7);
}

static inline unsigned scale_slot(uint32_t shape, uint32_t field)
{
    return (shape * 29 + field) % POINTS_SCALES;
}

static inline size_t row_bytes_max(uint32_t field_count)
{
    return ROW_LENGTHS_MAX + (field_count + 1) / 2 + (size_t)field_count * VALUE_BYTES_MAX +
           SLACK_BYTES;
}

/* ---- writing ---- */

void points_begin(struct points_writer *w, struct buffer *out, const struct points_header *header,
                  const struct points_shape *shapes, uint32_t shape_count)
{
    assert(header->first_lsn > 0);
    *w = (struct points_writer){.out = out, .start = out->size_bytes};
    buffer_put_u8(out, RECORD_POINTS);
    buffer_put_u32(out, 0);
    buffer_put_u8(out, header->has_known_at ? FLAG_KNOWN_AT : 0);
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
    if (decimals > DECIMALS_MAX) return false;
    const double scaled = x * power_of_ten[decimals];
    if (!(fabs(scaled) < UNITS_MAX)) return false;
    const int64_t candidate = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    const double back = (double)candidate / power_of_ten[decimals];
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
        return FLOAT_RAW;
    }
    if (decimals == *scale) return put_bits(at, zigzag(units));
    *scale = (uint8_t)decimals;
    *(*at)++ = (uint8_t)decimals;
    const unsigned length = put_bits(at, zigzag(units));
    *at += length == 0; /* 9..15 have no code for no bytes: the zero that was stored serves */
    return FLOAT_SCALED + length + (length == 0);
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
    p += length_of_code(series_code);
    store_u64(p, time_bits);
    p += length_of_code(time_code);
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
    uint8_t *row = buffer_reserve(w->out, row_bytes_max(field_count) + texts_bytes(fields, texts));
    if (row == NULL) return;
    uint8_t *codes = put_row_start(w, row, series, time_ns, shape);
    uint8_t *p = codes + (field_count + 1) / 2;
    for (uint32_t k = 0; k < field_count; k++) {
        const unsigned code =
            put_value(&p, fields->fields[k].type, values[k], texts == NULL ? NULL : &texts[k],
                      decimals == NULL ? PHUSA_DECIMALS_UNKNOWN : decimals[k],
                      &w->scales[scale_slot(shape, k)]);
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

/* ---- reading ---- */

struct points_reader {
    const uint8_t *next, *end;
    uint64_t rows_left;
    uint64_t series, lsn;
    int64_t time_ns;
    uint32_t shape;

    struct points_shape *shapes;
    bool *has_text; /* of each shape */
    uint32_t shape_count;
    struct points_field *fields; /* of all shapes, one after another */
    size_t shape_capacity, has_text_capacity, field_capacity;

    /* the current row, as long as the longest shape */
    struct points_row row;
    union points_value *values;
    uint8_t *decimals;
    struct phusa_text *texts;
    size_t value_capacity, decimals_capacity, text_capacity;
    uint8_t scales[POINTS_SCALES];
};

struct points_reader *points_reader_create(void)
{
    return mem_zalloc(sizeof(struct points_reader));
}

void points_reader_free(struct points_reader *reader)
{
    if (reader == NULL) return;
    mem_free(reader->shapes);
    mem_free(reader->has_text);
    mem_free(reader->fields);
    mem_free(reader->values);
    mem_free(reader->decimals);
    mem_free(reader->texts);
    mem_free(reader);
}

/* One shape's fields, appended at *field_total. */
static phusa_status read_shape(struct points_reader *reader, struct reader *in, uint32_t shape,
                               size_t *field_total, uint32_t *longest)
{
    const uint64_t count = read_varint(in);
    /* A field takes two bytes at least: no memory for fields that cannot be there. */
    if (in->bad || count == 0 || count > FIELD_COUNT_MAX || count * 2 > reader_left(in))
        return PHUSA_ECORRUPT;
    if (!MEM_GROW(reader->fields, reader->field_capacity, *field_total + count))
        return PHUSA_ENOMEM;
    uint64_t next_id = 0;
    bool has_text = false;
    for (uint64_t k = 0; k < count; k++) {
        const uint64_t step = read_varint(in);
        const uint8_t type = read_u8(in);
        if (in->bad || step > UINT16_MAX || next_id + step > UINT16_MAX || type < PHUSA_FLOAT ||
            type > PHUSA_STRING)
            return PHUSA_ECORRUPT;
        reader->fields[*field_total + k] =
            (struct points_field){(uint16_t)(next_id + step), (enum phusa_type)type};
        next_id += step + 1;
        has_text |= type == PHUSA_STRING;
    }
    reader->shapes[shape] = (struct points_shape){NULL, (uint32_t)count};
    reader->has_text[shape] = has_text;
    *field_total += count;
    if (count > *longest) *longest = (uint32_t)count;
    return PHUSA_OK;
}

static phusa_status read_shapes(struct points_reader *reader, struct reader *in)
{
    const uint64_t shape_count = read_varint(in);
    if (in->bad || shape_count > UINT32_MAX || shape_count * 3 > reader_left(in))
        return PHUSA_ECORRUPT;
    if (!MEM_GROW(reader->shapes, reader->shape_capacity, shape_count) ||
        !MEM_GROW(reader->has_text, reader->has_text_capacity, shape_count))
        return PHUSA_ENOMEM;
    size_t field_total = 0;
    uint32_t longest = 0;
    for (uint32_t s = 0; s < shape_count; s++) {
        const phusa_status status = read_shape(reader, in, s, &field_total, &longest);
        if (status != PHUSA_OK) return status;
    }
    /* Only now does the array of fields stay where it is. */
    const struct points_field *fields = reader->fields;
    for (uint32_t s = 0; s < shape_count; s++) {
        reader->shapes[s].fields = fields;
        fields += reader->shapes[s].field_count;
    }
    reader->shape_count = (uint32_t)shape_count;
    const size_t value_count_before = reader->text_capacity;
    if (!MEM_GROW(reader->values, reader->value_capacity, longest) ||
        !MEM_GROW(reader->decimals, reader->decimals_capacity, longest) ||
        !MEM_GROW(reader->texts, reader->text_capacity, longest))
        return PHUSA_ENOMEM;
    for (size_t k = value_count_before; k < reader->text_capacity; k++)
        reader->texts[k] = (struct phusa_text){"", 0};
    return PHUSA_OK;
}

phusa_status points_open(struct points_reader *reader, struct phusa_text body,
                         struct points_header *header)
{
    struct reader in = reader_of(body.bytes, body.size_bytes);
    struct points_header read = {0};
    reader->rows_left = 0;
    reader->shape_count = 0;
    const uint8_t flags = read_u8(&in);
    read.row_count = read_u32(&in);
    const uint64_t database = read_varint(&in);
    const uint64_t policy = read_varint(&in);
    read.first_lsn = read_varint(&in);
    read.has_known_at = (flags & FLAG_KNOWN_AT) != 0;
    if (read.has_known_at) read.known_at_ns = read_zigzag(&in);
    if (in.bad || (flags & ~FLAG_KNOWN_AT) != 0 || database > UINT32_MAX || policy > UINT32_MAX ||
        read.first_lsn == 0 || read.first_lsn > UINT64_MAX - read.row_count)
        return PHUSA_ECORRUPT;
    read.database = (uint32_t)database;
    read.policy = (uint32_t)policy;
    const phusa_status status = read_shapes(reader, &in);
    if (status != PHUSA_OK) return status;
    /* A row takes a byte at least, and a shape. */
    if (read.row_count > reader_left(&in) || (read.row_count > 0 && reader->shape_count == 0))
        return PHUSA_ECORRUPT;
    reader->next = in.next;
    reader->end = in.end;
    reader->rows_left = read.row_count;
    reader->lsn = read.first_lsn;
    reader->series = 0;
    reader->time_ns = 0;
    reader->shape = 0;
    memset(reader->scales, 0, sizeof reader->scales);
    *header = read;
    return PHUSA_OK;
}

const struct points_shape *points_shapes(const struct points_reader *reader, uint32_t *count)
{
    *count = reader->shape_count;
    return reader->shapes;
}

/* `length` bytes at *at, or 0 and *bad when fewer are left. */
static uint64_t take(const uint8_t **at, const uint8_t *end, unsigned length, bool *bad)
{
    if (*bad || length > (size_t)(end - *at)) {
        *bad = true;
        return 0;
    }
    uint64_t v = 0;
    memcpy(&v, *at, length);
    *at += length;
    return v;
}

static const uint8_t *read_row_start(struct points_reader *reader, const uint8_t *p, bool *bad)
{
    const uint8_t *end = reader->end;
    const unsigned lengths = (unsigned)take(&p, end, 1, bad);
    const uint64_t series_bits = take(&p, end, length_of_code(lengths & 7), bad);
    const uint64_t time_bits = take(&p, end, length_of_code(lengths >> 3 & 7), bad);
    reader->series += (uint64_t)unzigzag(series_bits);
    reader->time_ns = (int64_t)((uint64_t)reader->time_ns + (uint64_t)unzigzag(time_bits));
    switch (lengths >> 6) {
    case SHAPE_NEXT:
        reader->shape++;
        break;
    case SHAPE_U8:
        reader->shape = (uint32_t)take(&p, end, 1, bad);
        break;
    case SHAPE_U32:
        reader->shape = (uint32_t)take(&p, end, 4, bad);
        break;
    default:
        break;
    }
    *bad |= reader->shape >= reader->shape_count || reader->time_ns < TIME_NS_MIN ||
            reader->time_ns > TIME_NS_MAX;
    return p;
}

static inline bool is_finite_bits(uint64_t bits)
{
    return (bits >> 52 & 0x7ff) != 0x7ff;
}

/* The values of a row without strings that has row_bytes_max() bytes before the end. */
static const uint8_t *decode_fast(struct points_reader *reader, const struct points_shape *shape,
                                  const uint8_t *codes, bool *bad)
{
    const uint32_t field_count = shape->field_count;
    const uint8_t *p = codes + (field_count + 1) / 2;
    union points_value *values = reader->values;
    bool wrong = false;
    for (uint32_t k = 0; k < field_count; k++) {
        unsigned code = codes[k / 2] >> (4 * (k % 2)) & 15;
        switch (shape->fields[k].type) {
        case PHUSA_INTEGER:
            values[k].i = unzigzag(load_u64(p) & mask_of[code]);
            wrong |= code > 8;
            p += code;
            break;
        case PHUSA_FLOAT: {
            uint8_t *scale = &reader->scales[scale_slot(reader->shape, k)];
            if (code == FLOAT_RAW) {
                values[k].u = load_u64(p);
                wrong |= !is_finite_bits(values[k].u);
                reader->decimals[k] = PHUSA_DECIMALS_UNKNOWN;
                p += 8;
                break;
            }
            if (code > FLOAT_SCALED) {
                wrong |= *p > DECIMALS_MAX;
                *scale = *p > DECIMALS_MAX ? 0 : *p;
                p++;
                code -= FLOAT_SCALED;
            }
            values[k].f = (double)unzigzag(load_u64(p) & mask_of[code]) / power_of_ten[*scale];
            reader->decimals[k] = *scale;
            p += code;
            break;
        }
        case PHUSA_UNSIGNED:
            values[k].u = load_u64(p) & mask_of[code];
            wrong |= code > 8;
            p += code;
            break;
        default: /* a boolean: shapes with strings do not come here */
            values[k].u = code;
            wrong |= code > 1;
            break;
        }
    }
    *bad |= wrong;
    return p;
}

static const uint8_t *decode_careful(struct points_reader *reader, const struct points_shape *shape,
                                     const uint8_t *codes, bool *bad)
{
    const uint8_t *end = reader->end;
    if ((shape->field_count + 1) / 2 > (size_t)(end - codes)) {
        *bad = true;
        return codes;
    }
    const uint8_t *p = codes + (shape->field_count + 1) / 2;
    for (uint32_t k = 0; k < shape->field_count && !*bad; k++) {
        unsigned code = codes[k / 2] >> (4 * (k % 2)) & 15;
        union points_value *value = &reader->values[k];
        const enum phusa_type type = shape->fields[k].type;
        if (type == PHUSA_FLOAT && code != FLOAT_RAW) {
            uint8_t *scale = &reader->scales[scale_slot(reader->shape, k)];
            if (code > FLOAT_SCALED) {
                const uint64_t decimals = take(&p, end, 1, bad);
                *bad |= decimals > DECIMALS_MAX;
                if (*bad) break;
                *scale = (uint8_t)decimals;
                code -= FLOAT_SCALED;
            }
            value->f = (double)unzigzag(take(&p, end, code, bad)) / power_of_ten[*scale];
            reader->decimals[k] = *scale;
            continue;
        }
        if (type == PHUSA_BOOLEAN) {
            value->u = code;
            *bad |= code > 1;
            continue;
        }
        if (code > 8) *bad = true;
        value->u = take(&p, end, code, bad);
        if (type == PHUSA_INTEGER) value->i = unzigzag(value->u);
        if (type == PHUSA_FLOAT) {
            *bad |= !is_finite_bits(value->u);
            reader->decimals[k] = PHUSA_DECIMALS_UNKNOWN;
        }
        if (type != PHUSA_STRING) continue;
        if (*bad || value->u > (size_t)(end - p)) {
            *bad = true;
            break;
        }
        reader->texts[k] = (struct phusa_text){(const char *)p, (size_t)value->u};
        p += value->u;
    }
    return p;
}

phusa_status points_next(struct points_reader *reader, const struct points_row **row)
{
    if (reader->rows_left == 0) {
        if (reader->next != reader->end) return PHUSA_ECORRUPT;
        *row = NULL;
        return PHUSA_OK;
    }
    bool bad = false;
    const uint8_t *p = read_row_start(reader, reader->next, &bad);
    if (bad) return PHUSA_ECORRUPT;
    const struct points_shape *shape = &reader->shapes[reader->shape];
    const bool has_room = row_bytes_max(shape->field_count) <= (size_t)(reader->end - p);
    p = has_room && !reader->has_text[reader->shape] ? decode_fast(reader, shape, p, &bad)
                                                     : decode_careful(reader, shape, p, &bad);
    if (bad) return PHUSA_ECORRUPT;
    reader->next = p;
    reader->rows_left--;
    reader->row = (struct points_row){
        .series = reader->series,
        .lsn = reader->lsn++,
        .time_ns = reader->time_ns,
        .shape = reader->shape,
        .fields = shape,
        .values = reader->values,
        .decimals = reader->decimals,
        .texts = reader->texts,
    };
    *row = &reader->row;
    return PHUSA_OK;
}
