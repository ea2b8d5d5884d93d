/*
 * build.c - chunks out of rows.
 *
 * Two buffers grow side by side: the columns' bytes, and the sections of the header that say
 * what is in them. When both are known the header is written and the rest appended to it.
 */
#include "chunk/chunk_internal.h"

#include "base/crc.h"
#include "base/mem.h"

#include <assert.h>

struct column_entry {
    uint16_t field_id;
    uint8_t flags;
    uint32_t section_end, body_end; /* in bytes from the beginning of all sections, all bodies */
    uint32_t crc_at;                /* where in the sections its checksum goes */
};

struct builder {
    const struct rows *rows;
    uint32_t vector_count;
    uint64_t unit_ns;
    bool even_times;
    bool with_statistics;
    uint32_t times_bytes[CHUNK_VECTORS_MAX];
    struct buffer sections, body;
    struct column_entry *columns;
    uint32_t column_count;
    /* one vector without its gaps */
    union {
        int64_t i[VECTOR_ROWS_MAX]; /* doubles by their bits */
        uint8_t b[VECTOR_ROWS_MAX];
        struct phusa_text s[VECTOR_ROWS_MAX];
    } packed;
    uint64_t present[VECTOR_ROWS_MAX / 64];
    struct codec_units units;
};

static uint32_t vector_rows(const struct builder *b, uint32_t vector)
{
    const uint32_t from = vector * VECTOR_ROWS_MAX;
    const uint32_t left = b->rows->row_count - from;
    return left < VECTOR_ROWS_MAX ? left : VECTOR_ROWS_MAX;
}

/* ---- times ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The unit of which every distance between rows is a multiple, and whether each is one unit. */
static void find_unit(struct builder *b)
{
    const int64_t *t = b->rows->times_ns;
    const uint32_t count = b->rows->row_count;
    assert(count < 2 || t[1] > t[0]);
    b->even_times = true;
    b->unit_ns = count > 1 ? (uint64_t)t[1] - (uint64_t)t[0] : 1;
    for (uint32_t i = 2; i < count; i++) {
        assert(t[i] > t[i - 1]);
        const uint64_t step = (uint64_t)t[i] - (uint64_t)t[i - 1];
        if (step == b->unit_ns) continue;
        b->even_times = false;
        if (step % b->unit_ns != 0) b->unit_ns = common_divisor(step, b->unit_ns);
    }
}

static phusa_status add_times(struct builder *b)
{
    if (b->even_times) return PHUSA_OK;
    for (uint32_t v = 0; v < b->vector_count; v++) {
        uint8_t *out = buffer_reserve(&b->body, CODEC_VECTOR_BYTES_MAX);
        if (out == NULL) return PHUSA_ENOMEM;
        const size_t size =
            codec_encode_times(b->rows->times_ns + v * VECTOR_ROWS_MAX, vector_rows(b, v), out);
        b->times_bytes[v] = (uint32_t)size;
        b->body.size_bytes += size;
    }
    return PHUSA_OK;
}

/* ---- one vector of one column ---- */

/* Rows [from, from + count) of the column without gaps: where they are, or in b->packed. Fills
 * b->present if the column has gaps. */
static const void *pack(struct builder *b, const struct vector *column, uint32_t from,
                        uint32_t count, uint32_t *value_count)
{
    const size_t slot = vector_slot_bytes(column->type);
    const uint8_t *values = (const uint8_t *)column->values + from * slot;
    *value_count = count;
    if (column->present == NULL) return values;
    uint32_t n = 0;
    memset(b->present, 0, sizeof b->present);
    memcpy(b->present, column->present + from / 64, bitmap_words(count) * 8);
    if (count % 64 != 0) b->present[count / 64] &= (UINT64_C(1) << (count % 64)) - 1;
    for (uint32_t word = 0; word < bitmap_words(count); word++)
        for (uint64_t bits = b->present[word]; bits != 0; bits &= bits - 1) {
            const uint32_t row = 64 * word + (uint32_t)__builtin_ctzll(bits);
            switch (slot) {
            case 1:
                b->packed.b[n++] = values[row];
                break;
            case 8:
                b->packed.i[n++] = ((const int64_t *)(const void *)values)[row];
                break;
            default:
                b->packed.s[n++] = ((const struct phusa_text *)(const void *)values)[row];
            }
        }
    *value_count = n;
    return b->packed.i;
}

static phusa_status put_strings(struct builder *b, const struct phusa_text *values, uint32_t count)
{
    const size_t work_bytes = codec_strings_encode_work_bytes(values, count);
    void *work = NULL;
    if (work_bytes > 0 && (work = mem_alloc(work_bytes)) == NULL) return PHUSA_ENOMEM;
    uint8_t *out = buffer_reserve(&b->body, codec_strings_bytes_max(values, count));
    if (out != NULL)
        b->body.size_bytes += codec_encode_strings(values, count, out, work, work_bytes);
    mem_free(work);
    return out == NULL ? PHUSA_ENOMEM : PHUSA_OK;
}

static phusa_status put_values(struct builder *b, enum phusa_type type, uint8_t decimals,
                               const void *values, uint32_t count)
{
    if (type == PHUSA_STRING) return put_strings(b, values, count);
    uint8_t *out = buffer_reserve(&b->body, CODEC_VECTOR_BYTES_MAX);
    if (out == NULL) return PHUSA_ENOMEM;
    size_t size = 0;
    switch (type) {
    case PHUSA_FLOAT:
        size = codec_encode_floats(values, count, decimals, out);
        break;
    case PHUSA_BOOLEAN:
        size = codec_encode_booleans(values, count, out);
        break;
    default:
        size = codec_encode_integers(values, count, type == PHUSA_UNSIGNED, out);
    }
    b->body.size_bytes += size;
    return PHUSA_OK;
}

static phusa_status put_presence(struct builder *b, uint32_t count)
{
    uint8_t bits[CODEC_VECTOR_BYTES_MAX];
    const size_t size = codec_encode_bits(b->present, count, bits);
    buffer_put_varint(&b->body, size);
    buffer_put(&b->body, bits, size);
    return b->body.bad ? PHUSA_ENOMEM : PHUSA_OK;
}

/* The statistics of what was just encoded: on its units where it has them. */
static phusa_status fold_vector(struct builder *b, const struct vector *column, uint32_t from,
                                uint32_t row_count, uint32_t value_count, size_t body_from,
                                struct aggregate *a, uint8_t *decimals)
{
    const uint8_t *bytes = b->body.bytes + body_from;
    const size_t size = b->body.size_bytes - body_from;
    bool are_units = false;
    phusa_status status = PHUSA_OK;
    if (column->type == PHUSA_FLOAT)
        status = codec_float_units(bytes, size, value_count, 0, value_count, &b->units, &are_units);
    else if (column->type == PHUSA_INTEGER || column->type == PHUSA_UNSIGNED) {
        are_units = true;
        status = codec_integer_units(bytes, size, value_count, column->type == PHUSA_UNSIGNED, 0,
                                     value_count, &b->units);
    }
    assert(status == PHUSA_OK);
    if (!are_units) return aggregate_rows(a, b->rows->times_ns, column, from, from + row_count);
    if (column->type == PHUSA_FLOAT) *decimals = b->units.decimals;
    const struct row_times times = {.ns = b->rows->times_ns + from};
    return fold_units(a, &b->units, 0, value_count, column->present == NULL ? NULL : b->present,
                      &times);
}

/* ---- one column ---- */

struct column_state {
    uint32_t vector_bytes[CHUNK_VECTORS_MAX];
    uint8_t records[CHUNK_VECTORS_MAX + 1][CHUNK_RECORD_BYTES_MAX]; /* the last: the whole */
    size_t record_bytes[CHUNK_VECTORS_MAX + 1];
    struct aggregate whole;
    uint8_t decimals; /* the greatest of its vectors */
};

static phusa_status add_vector(struct builder *b, const struct vector *column, bool has_gaps,
                               uint8_t decimals, uint32_t vector, struct column_state *state)
{
    const uint32_t from = vector * VECTOR_ROWS_MAX, row_count = vector_rows(b, vector);
    struct vector without_gaps = *column;
    if (!has_gaps) without_gaps.present = NULL;
    column = &without_gaps;
    uint32_t value_count;
    const void *values = pack(b, column, from, row_count, &value_count);
    const size_t start = b->body.size_bytes;
    phusa_status status = PHUSA_OK;
    if (has_gaps) status = put_presence(b, row_count);
    const size_t values_start = b->body.size_bytes;
    if (status == PHUSA_OK && value_count > 0)
        status = put_values(b, column->type, decimals, values, value_count);
    if (status != PHUSA_OK) return status;
    state->vector_bytes[vector] = (uint32_t)(b->body.size_bytes - start);
    if (!b->with_statistics) return PHUSA_OK;

    struct aggregate a;
    aggregate_init(&a, column->type, AGGREGATE_ALL);
    if (value_count > 0)
        status = fold_vector(b, column, from, row_count, value_count, values_start, &a, &decimals);
    if (status == PHUSA_OK) {
        const struct record_base base = {b->rows->times_ns[from],
                                         b->rows->times_ns[from + row_count - 1], b->unit_ns,
                                         row_count, has_gaps};
        state->record_bytes[vector] = record_encode(&a, &base, decimals, state->records[vector]);
        if (decimals <= EXACT_DECIMALS_MAX && decimals > state->decimals)
            state->decimals = decimals;
        if (b->vector_count > 1) status = aggregate_merge(&state->whole, &a);
    }
    aggregate_deinit(&a);
    return status;
}

static void put_section(struct builder *b, bool has_gaps, struct column_state *state)
{
    const uint32_t vectors = b->vector_count, whole = CHUNK_VECTORS_MAX;
    buffer_put_u32(&b->sections, 0); /* the checksum, or cut out in the end */
    if (b->with_statistics && vectors > 1) {
        const struct record_base base = {b->rows->times_ns[0],
                                         b->rows->times_ns[b->rows->row_count - 1], b->unit_ns,
                                         b->rows->row_count, has_gaps};
        state->record_bytes[whole] =
            record_encode(&state->whole, &base, state->decimals, state->records[whole]);
        buffer_put_u8(&b->sections, (uint8_t)state->record_bytes[whole]);
        for (uint32_t v = 0; v < vectors; v++)
            buffer_put_u8(&b->sections, (uint8_t)state->record_bytes[v]);
        buffer_put(&b->sections, state->records[whole], state->record_bytes[whole]);
    }
    if (b->with_statistics)
        for (uint32_t v = 0; v < vectors; v++)
            buffer_put(&b->sections, state->records[v], state->record_bytes[v]);
    if (vectors > 1)
        for (uint32_t v = 0; v < vectors; v++)
            buffer_put_varint(&b->sections, state->vector_bytes[v]);
}

/* Values of the column, and whether some rows have none. */
static uint32_t count_values(const struct vector *column, uint32_t row_count)
{
    if (column->present == NULL) return row_count;
    uint32_t count = 0;
    for (uint32_t word = 0; word < row_count / 64; word++)
        count += (uint32_t)__builtin_popcountll(column->present[word]);
    if (row_count % 64 != 0)
        count += (uint32_t)__builtin_popcountll(column->present[row_count / 64] &
                                                ((UINT64_C(1) << (row_count % 64)) - 1));
    return count;
}

/* One scale for all vectors, so that their statistics add up to the column's. */
static uint8_t column_decimals(const struct vector *column, uint32_t row_count)
{
    if (column->type != PHUSA_FLOAT || column->decimals <= EXACT_DECIMALS_MAX)
        return column->decimals;
    if (column->present == NULL) return codec_find_decimals(column->f, row_count);
    double sample[VECTOR_ROWS_MAX];
    uint32_t n = 0;
    for (uint32_t row = 0; row < row_count && n < VECTOR_ROWS_MAX; row++)
        if (bit_get(column->present, row)) sample[n++] = column->f[row];
    return codec_find_decimals(sample, n);
}

static phusa_status add_column(struct builder *b, uint32_t index)
{
    const struct vector *column = &b->rows->columns[index];
    const uint32_t row_count = b->rows->row_count;
    const uint32_t value_count = count_values(column, row_count);
    if (value_count == 0) return PHUSA_OK;
    const bool has_gaps = value_count < row_count;
    const uint8_t decimals = column_decimals(column, row_count);

    struct column_entry *entry = &b->columns[b->column_count];
    entry->field_id = b->rows->field_ids[index];
    entry->flags = (uint8_t)(column->type | (has_gaps ? COLUMN_GAPS : 0) |
                             (b->with_statistics ? COLUMN_STATISTICS : 0));
    entry->crc_at = (uint32_t)b->sections.size_bytes;
    const size_t body_start = b->body.size_bytes;
    struct column_state state;
    state.decimals = 0;
    aggregate_init(&state.whole, column->type, AGGREGATE_ALL);
    phusa_status status = PHUSA_OK;
    for (uint32_t v = 0; v < b->vector_count && status == PHUSA_OK; v++)
        status = add_vector(b, column, has_gaps, decimals, v, &state);
    if (status == PHUSA_OK) put_section(b, has_gaps, &state);
    aggregate_deinit(&state.whole);
    if (status != PHUSA_OK || b->sections.bad) return PHUSA_ENOMEM;
    if (b->body.size_bytes > BUNDLE_BYTES_MAX) return PHUSA_ELIMIT;
    const uint32_t crc = crc32c(0, b->body.bytes + body_start, b->body.size_bytes - body_start);
    store_u32(b->sections.bytes + entry->crc_at, crc);
    entry->section_end = (uint32_t)b->sections.size_bytes;
    entry->body_end = (uint32_t)b->body.size_bytes;
    b->column_count++;
    return PHUSA_OK;
}

/* ---- the header ---- */

/* A small chunk has one checksum, of everything: take those of the columns out. */
static void cut_checksums(struct builder *b)
{
    size_t from = 0, to = 0;
    for (uint32_t c = 0; c < b->column_count; c++) {
        const size_t size = b->columns[c].section_end - from - 4;
        memmove(b->sections.bytes + to, b->sections.bytes + from + 4, size);
        from = b->columns[c].section_end;
        to += size;
        b->columns[c].section_end = (uint32_t)to;
    }
    b->sections.size_bytes = to;
}

/* Powers of ten that both the first time and the unit (0: none) are multiples of: most times are
 * whole milliseconds or seconds. */
static unsigned time_scale(int64_t first_ns, uint64_t unit_ns, uint64_t *power)
{
    unsigned scale = 0;
    *power = 1;
    while (scale < CHUNK_TIME_SCALE_MAX && first_ns % (int64_t)(*power * 10) == 0 &&
           unit_ns % (*power * 10) == 0) {
        scale++;
        *power *= 10;
    }
    return scale;
}

/* All but what precedes it: checksum, version, span. */
static void put_head(struct builder *b, struct buffer *head, uint8_t flags, uint64_t lsn_min,
                     uint64_t lsn_max)
{
    const struct rows *rows = b->rows;
    const int64_t *t = rows->times_ns;
    uint64_t power;
    const unsigned scale = time_scale(t[0], rows->row_count > 1 ? b->unit_ns : 0, &power);
    buffer_put_u8(head, flags);
    buffer_put_varint(head, rows->row_count);
    buffer_put_varint(head, b->column_count);
    buffer_put_varint(head, lsn_min);
    buffer_put_varint(head, lsn_max - lsn_min);
    buffer_put_u8(head, (uint8_t)scale);
    buffer_put_zigzag(head, t[0] / (int64_t)power);
    if (rows->row_count > 1) buffer_put_varint(head, b->unit_ns / power);
    if ((flags & CHUNK_EVEN_TIMES) == 0) {
        int64_t last_ns = t[0];
        uint32_t crc = 0, at = 0;
        for (uint32_t v = 0; v < b->vector_count; v++) {
            const uint32_t from = v * VECTOR_ROWS_MAX, to = from + vector_rows(b, v) - 1;
            buffer_put_varint(head, ((uint64_t)t[from] - (uint64_t)last_ns) / b->unit_ns);
            buffer_put_varint(head, ((uint64_t)t[to] - (uint64_t)t[from]) / b->unit_ns);
            buffer_put_varint(head, b->times_bytes[v]);
            last_ns = t[to];
            crc = crc32c(crc, b->body.bytes + at, b->times_bytes[v]);
            at += b->times_bytes[v];
        }
        if ((flags & CHUNK_WHOLE_CRC) == 0) buffer_put_u32(head, crc);
    }
    const unsigned width = (flags & CHUNK_WIDTH_4) != 0 ? 4 : (flags & CHUNK_WIDTH_2) != 0 ? 2 : 1;
    for (uint32_t c = 0; c < b->column_count; c++) {
        const struct column_entry *e = &b->columns[c];
        const uint32_t numbers[3] = {e->field_id, e->section_end, e->body_end};
        buffer_put_u8(head, e->flags);
        for (unsigned k = 0; k < 3; k++)
            buffer_put(head, &numbers[k], width);
    }
    buffer_put(head, b->sections.bytes, b->sections.size_bytes);
}

static uint8_t directory_flag(const struct builder *b)
{
    size_t greatest = b->body.size_bytes;
    if (b->sections.size_bytes > greatest) greatest = b->sections.size_bytes;
    for (uint32_t c = 0; c < b->column_count; c++)
        if (b->columns[c].field_id > greatest) greatest = b->columns[c].field_id;
    return greatest > UINT16_MAX ? CHUNK_WIDTH_4 : greatest > UINT8_MAX ? CHUNK_WIDTH_2 : 0;
}

static phusa_status put_chunk(struct builder *b, uint64_t lsn_min, uint64_t lsn_max,
                              struct buffer *out)
{
    uint8_t flags = b->even_times ? CHUNK_EVEN_TIMES : 0;
    if (b->sections.size_bytes + b->body.size_bytes <= CHUNK_SMALL_BYTES) {
        flags |= CHUNK_WHOLE_CRC;
        cut_checksums(b);
    }
    flags |= directory_flag(b);
    struct buffer head;
    buffer_init(&head);
    put_head(b, &head, flags, lsn_min, lsn_max);

    /* The span counts the bytes of its own varint. */
    const size_t rest = head.size_bytes + ((flags & CHUNK_WHOLE_CRC) != 0 ? b->body.size_bytes : 0);
    uint8_t span[VARINT_BYTES_MAX];
    size_t span_bytes = 1;
    while ((size_t)(put_varint(span, 5 + span_bytes + rest) - span) != span_bytes)
        span_bytes++;
    const size_t total = 5 + span_bytes + head.size_bytes + b->body.size_bytes;
    uint8_t *p = buffer_reserve(out, total);
    const bool failed = head.bad || p == NULL;
    if (!failed) {
        p[4] = CHUNK_VERSION;
        memcpy(p + 5, span, span_bytes);
        memcpy(p + 5 + span_bytes, head.bytes, head.size_bytes);
        if (b->body.size_bytes > 0)
            memcpy(p + 5 + span_bytes + head.size_bytes, b->body.bytes, b->body.size_bytes);
        store_u32(p, crc32c(0, p + 4, 5 + span_bytes + rest - 4));
        out->size_bytes += total;
    }
    buffer_deinit(&head);
    return failed ? PHUSA_ENOMEM : PHUSA_OK;
}

phusa_status chunk_build(struct buffer *out, const struct rows *rows, uint64_t lsn_min,
                         uint64_t lsn_max)
{
    assert(rows->row_count >= 1 && rows->row_count <= CHUNK_ROWS_MAX);
    assert(rows->column_count <= CHUNK_COLUMNS_MAX);
    assert(lsn_min <= lsn_max);
    struct builder *b = mem_alloc(sizeof *b);
    if (b == NULL) return PHUSA_ENOMEM;
    b->rows = rows;
    b->vector_count = (rows->row_count + VECTOR_ROWS_MAX - 1) / VECTOR_ROWS_MAX;
    b->with_statistics = rows->row_count >= CHUNK_STATISTICS_ROWS;
    b->column_count = 0;
    buffer_init(&b->sections);
    buffer_init(&b->body);
    b->columns = mem_array(rows->column_count, sizeof *b->columns);
    phusa_status status = b->columns == NULL ? PHUSA_ENOMEM : PHUSA_OK;
    if (status != PHUSA_OK) goto out;
    find_unit(b);
    status = add_times(b);
    for (uint32_t c = 0; c < rows->column_count && status == PHUSA_OK; c++)
        status = add_column(b, c);
    if (status == PHUSA_OK) status = put_chunk(b, lsn_min, lsn_max, out);
out:
    mem_free(b->columns);
    buffer_deinit(&b->sections);
    buffer_deinit(&b->body);
    mem_free(b);
    return status;
}
