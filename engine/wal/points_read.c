/*
 * points_read.c - rows of points from bytes; see points.h.
 *
 * The fast loads go up to 8 bytes past what they read: decode_fast() runs only where the record
 * has them, and decode_careful() does the last rows and those with strings.
 */
#include "wal/points.h"

#include "base/mem.h"

static const uint64_t mask_of[16] = {0,          0xff,         0xffff,         0xffffff,
                                     0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
                                     UINT64_MAX};

/* Values that are decoded before they are handed out: 26 KB with their decimals and texts. */
#define VALUES_TOGETHER 1024u

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

    /* The rows handed out, whose values lie one behind the other; room for one of the longest
     * shape, or several of others. */
    struct points_row rows[POINTS_ROWS_MAX];
    union points_value *all_values;
    uint8_t *all_decimals;
    struct phusa_text *all_texts;
    size_t value_capacity, decimals_capacity, text_capacity;
    uint32_t longest;
    /* of the row being decoded */
    union points_value *values;
    uint8_t *decimals;
    struct phusa_text *texts;
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
    mem_free(reader->all_values);
    mem_free(reader->all_decimals);
    mem_free(reader->all_texts);
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
    reader->longest = longest;
    const size_t text_count_before = reader->text_capacity;
    const size_t room = longest > VALUES_TOGETHER ? longest : VALUES_TOGETHER;
    if (!MEM_GROW(reader->all_values, reader->value_capacity, room) ||
        !MEM_GROW(reader->all_decimals, reader->decimals_capacity, room) ||
        !MEM_GROW(reader->all_texts, reader->text_capacity, room))
        return PHUSA_ENOMEM;
    for (size_t k = text_count_before; k < reader->text_capacity; k++)
        reader->all_texts[k] = (struct phusa_text){"", 0};
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
    read.has_known_at = (flags & POINTS_FLAG_KNOWN_AT) != 0;
    if (read.has_known_at) read.known_at_ns = read_zigzag(&in);
    if (in.bad || (flags & ~POINTS_FLAG_KNOWN_AT) != 0 || database > UINT32_MAX ||
        policy > UINT32_MAX || read.first_lsn == 0 || read.first_lsn > UINT64_MAX - read.row_count)
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
    const uint64_t series_bits = take(&p, end, points_length_of_code(lengths & 7), bad);
    const uint64_t time_bits = take(&p, end, points_length_of_code(lengths >> 3 & 7), bad);
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

/* The values of a row without strings that has points_row_bytes_max() bytes before the end. */
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
            uint8_t *scale = &reader->scales[points_scale_slot(reader->shape, k)];
            if (code == POINTS_FLOAT_RAW) {
                values[k].u = load_u64(p);
                wrong |= !is_finite_bits(values[k].u);
                reader->decimals[k] = PHUSA_DECIMALS_UNKNOWN;
                p += 8;
                break;
            }
            if (code > POINTS_FLOAT_SCALED) {
                wrong |= *p > POINTS_DECIMALS_MAX;
                *scale = *p > POINTS_DECIMALS_MAX ? 0 : *p;
                p++;
                code -= POINTS_FLOAT_SCALED;
            }
            values[k].f =
                (double)unzigzag(load_u64(p) & mask_of[code]) / points_power_of_ten[*scale];
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

/* One value, looking before every step. */
static void take_value(struct points_reader *reader, enum phusa_type type, uint32_t k,
                       unsigned code, const uint8_t **at, bool *bad)
{
    union points_value *value = &reader->values[k];
    if (type == PHUSA_BOOLEAN) {
        value->u = code;
        *bad |= code > 1;
        return;
    }
    if (type == PHUSA_FLOAT && code != POINTS_FLOAT_RAW) {
        uint8_t *scale = &reader->scales[points_scale_slot(reader->shape, k)];
        if (code > POINTS_FLOAT_SCALED) {
            const uint64_t decimals = take(at, reader->end, 1, bad);
            *bad |= decimals > POINTS_DECIMALS_MAX;
            if (*bad) return;
            *scale = (uint8_t)decimals;
            code -= POINTS_FLOAT_SCALED;
        }
        value->f = (double)unzigzag(take(at, reader->end, code, bad)) / points_power_of_ten[*scale];
        reader->decimals[k] = *scale;
        return;
    }
    *bad |= code > 8;
    const uint64_t bits = take(at, reader->end, code, bad);
    if (type == PHUSA_INTEGER)
        value->i = unzigzag(bits);
    else
        value->u = bits;
    if (type == PHUSA_FLOAT) {
        reader->decimals[k] = PHUSA_DECIMALS_UNKNOWN;
        *bad |= !is_finite_bits(bits);
    }
    if (type != PHUSA_STRING || *bad) return;
    *bad = bits > (size_t)(reader->end - *at);
    if (*bad) return;
    reader->texts[k] = (struct phusa_text){(const char *)*at, (size_t)bits};
    *at += bits;
}

static const uint8_t *decode_careful(struct points_reader *reader, const struct points_shape *shape,
                                     const uint8_t *codes, bool *bad)
{
    if ((shape->field_count + 1) / 2 > (size_t)(reader->end - codes)) {
        *bad = true;
        return codes;
    }
    const uint8_t *p = codes + (shape->field_count + 1) / 2;
    for (uint32_t k = 0; k < shape->field_count && !*bad; k++)
        take_value(reader, shape->fields[k].type, k, codes[k / 2] >> (4 * (k % 2)) & 15, &p, bad);
    return p;
}

/* The next row, its values from all_values[first] on. */
static phusa_status next_row(struct points_reader *reader, size_t first, struct points_row *row)
{
    bool bad = false;
    const uint8_t *p = read_row_start(reader, reader->next, &bad);
    if (bad) return PHUSA_ECORRUPT;
    reader->values = reader->all_values + first;
    reader->decimals = reader->all_decimals + first;
    reader->texts = reader->all_texts + first;
    const struct points_shape *shape = &reader->shapes[reader->shape];
    const bool has_room = points_row_bytes_max(shape->field_count) <= (size_t)(reader->end - p);
    p = has_room && !reader->has_text[reader->shape] ? decode_fast(reader, shape, p, &bad)
                                                     : decode_careful(reader, shape, p, &bad);
    if (bad) return PHUSA_ECORRUPT;
    reader->next = p;
    reader->rows_left--;
    *row = (struct points_row){
        .series = reader->series,
        .lsn = reader->lsn++,
        .time_ns = reader->time_ns,
        .shape = reader->shape,
        .fields = shape,
        .values = reader->values,
        .decimals = reader->decimals,
        .texts = reader->texts,
    };
    return PHUSA_OK;
}

phusa_status points_next(struct points_reader *reader, const struct points_row **row)
{
    if (reader->rows_left == 0) {
        if (reader->next != reader->end) return PHUSA_ECORRUPT;
        *row = NULL;
        return PHUSA_OK;
    }
    const phusa_status status = next_row(reader, 0, &reader->rows[0]);
    if (status == PHUSA_OK) *row = &reader->rows[0];
    return status;
}

phusa_status points_next_rows(struct points_reader *reader, const struct points_row **rows,
                              size_t *count)
{
    if (reader->rows_left == 0 && reader->next != reader->end) return PHUSA_ECORRUPT;
    size_t n = 0, used = 0;
    while (n < POINTS_ROWS_MAX && reader->rows_left > 0 &&
           used + reader->longest <= reader->value_capacity) {
        const phusa_status status = next_row(reader, used, &reader->rows[n]);
        if (status != PHUSA_OK) return status;
        used += reader->rows[n++].fields->field_count;
    }
    *rows = reader->rows;
    *count = n;
    return PHUSA_OK;
}
