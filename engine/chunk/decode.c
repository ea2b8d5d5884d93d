/* decode.c - the values and times of chunks, and aggregates over them. */
#include "chunk/chunk_internal.h"

#include "base/crc.h"

#include <assert.h>

void chunk_scratch_init(struct chunk_scratch *scratch)
{
    buffer_init(&scratch->text);
    memset(scratch->verified, 0, sizeof scratch->verified);
    scratch->verified_bytes = NULL;
    scratch->verified_crc = 0;
    scratch->times_vector = UINT32_MAX;
}

void chunk_scratch_deinit(struct chunk_scratch *scratch)
{
    buffer_deinit(&scratch->text);
    chunk_scratch_init(scratch);
}

/* Forget what is known of another chunk. A buffer may be reused for one: so not only the place
 * counts but also the header's checksum, and with it those of all columns. */
static void recognise(const struct chunk_view *chunk, struct chunk_scratch *scratch)
{
    if (scratch->verified_bytes == chunk->bytes && scratch->verified_crc == chunk->header_crc)
        return;
    memset(scratch->verified, 0, sizeof scratch->verified);
    scratch->verified_bytes = chunk->bytes;
    scratch->verified_crc = chunk->header_crc;
    scratch->times_vector = UINT32_MAX;
}

static phusa_status verify_column(const struct chunk_view *chunk, uint32_t column,
                                  const struct column_layout *layout, struct chunk_scratch *scratch)
{
    recognise(chunk, scratch);
    if ((chunk->flags & CHUNK_WHOLE_CRC) != 0) return PHUSA_OK;
    const bool remembered = column < 64 * sizeof scratch->verified / sizeof scratch->verified[0];
    if (remembered && bit_get(scratch->verified, column)) return PHUSA_OK;
    if (load_u32(layout->section) != crc32c(0, layout->body, layout->body_bytes))
        return PHUSA_ECORRUPT;
    if (remembered) bit_set(scratch->verified, column);
    return PHUSA_OK;
}

/* ---- times ---- */

/* The checksum of uneven times is the last thing before the directory. */
static phusa_status verify_times(const struct chunk_view *chunk)
{
    if ((chunk->flags & CHUNK_WHOLE_CRC) != 0) return PHUSA_OK;
    const uint32_t crc = load_u32(chunk->directory - 4);
    const uint8_t *times = chunk->bytes + chunk->header_bytes;
    return crc == crc32c(0, times, chunk->times_offset[chunk->vector_count]) ? PHUSA_OK
                                                                             : PHUSA_ECORRUPT;
}

phusa_status chunk_times(const struct chunk_view *chunk, uint32_t vector,
                         struct chunk_scratch *scratch)
{
    recognise(chunk, scratch);
    if (scratch->times_vector == vector) return PHUSA_OK;
    const uint32_t count = chunk_vector_rows(chunk, vector);
    int64_t first_ns, last_ns;
    chunk_vector_times(chunk, vector, &first_ns, &last_ns);
    if ((chunk->flags & CHUNK_EVEN_TIMES) != 0) {
        for (uint32_t i = 0; i < count; i++)
            scratch->times_ns[i] = (int64_t)((uint64_t)first_ns + i * chunk->unit_ns);
    } else {
        scratch->times_vector = UINT32_MAX;
        phusa_status status = verify_times(chunk);
        if (status != PHUSA_OK) return status;
        const uint32_t from = chunk->times_offset[vector], to = chunk->times_offset[vector + 1];
        const uint8_t *bodies = chunk->bytes + chunk->header_bytes;
        status = codec_decode_times(bodies + from, to - from, first_ns, count, scratch->times_ns);
        if (status != PHUSA_OK) return status;
        if (scratch->times_ns[count - 1] != last_ns) return PHUSA_ECORRUPT;
        for (uint32_t i = 1; i < count; i++)
            if (scratch->times_ns[i] <= scratch->times_ns[i - 1]) return PHUSA_ECORRUPT;
    }
    scratch->times_vector = vector;
    return PHUSA_OK;
}

phusa_status chunk_lower_bound(const struct chunk_view *chunk, uint32_t vector, int64_t time_ns,
                               struct chunk_scratch *scratch, uint32_t *row)
{
    const uint32_t count = chunk_vector_rows(chunk, vector);
    int64_t first_ns, last_ns;
    chunk_vector_times(chunk, vector, &first_ns, &last_ns);
    if (time_ns <= first_ns || time_ns > last_ns) {
        *row = time_ns <= first_ns ? 0 : count;
        return PHUSA_OK;
    }
    if ((chunk->flags & CHUNK_EVEN_TIMES) != 0) {
        const uint64_t distance = (uint64_t)time_ns - (uint64_t)first_ns;
        *row = (uint32_t)((distance - 1) / chunk->unit_ns + 1);
        return PHUSA_OK;
    }
    const phusa_status status = chunk_times(chunk, vector, scratch);
    if (status != PHUSA_OK) return status;
    uint32_t low = 0, high = count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (scratch->times_ns[middle] < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    *row = low;
    return PHUSA_OK;
}

/* ---- one vector of a column ---- */

struct vector_bytes {
    const uint8_t *values;
    size_t size_bytes;
    uint32_t value_count;
    const uint64_t *present; /* NULL: every row */
};

static phusa_status read_vector(const struct chunk_view *chunk, const struct column_layout *layout,
                                uint32_t vector, uint64_t *present, struct vector_bytes *out)
{
    const uint32_t row_count = chunk_vector_rows(chunk, vector);
    const uint8_t *bytes;
    size_t size_bytes;
    phusa_status status = column_vector(chunk, layout, vector, &bytes, &size_bytes);
    if (status != PHUSA_OK) return status;
    *out = (struct vector_bytes){bytes, size_bytes, row_count, NULL};
    if ((layout->flags & COLUMN_GAPS) == 0) return PHUSA_OK;

    struct reader in = reader_of(bytes, size_bytes);
    const struct phusa_text bits = read_text(&in);
    if (in.bad) return PHUSA_ECORRUPT;
    status = codec_decode_bits((const uint8_t *)bits.bytes, bits.size_bytes, row_count, present);
    if (status != PHUSA_OK) return status;
    uint32_t count = 0;
    for (size_t word = 0; word < bitmap_words(row_count); word++)
        count += (uint32_t)__builtin_popcountll(present[word]);
    *out = (struct vector_bytes){in.next, reader_left(&in), count,
                                 count == row_count ? NULL : present};
    return PHUSA_OK;
}

static phusa_status decode_strings(const struct vector_bytes *v, struct phusa_text *values,
                                   struct buffer *text)
{
    size_t work_bytes;
    phusa_status status =
        codec_strings_decode_work_bytes(v->values, v->size_bytes, v->value_count, &work_bytes);
    if (status != PHUSA_OK) return status;
    buffer_clear(text);
    uint8_t *work = NULL;
    if (work_bytes > 0 && (work = buffer_reserve(text, work_bytes)) == NULL) return PHUSA_ENOMEM;
    return codec_decode_strings(v->values, v->size_bytes, v->value_count, values, work, work_bytes);
}

static phusa_status decode_packed(enum phusa_type type, const struct vector_bytes *v,
                                  const struct column_room *room)
{
    switch (type) {
    case PHUSA_FLOAT:
        return codec_decode_floats(v->values, v->size_bytes, v->value_count, room->f);
    case PHUSA_BOOLEAN:
        return codec_decode_booleans(v->values, v->size_bytes, v->value_count, room->b);
    case PHUSA_STRING:
        return decode_strings(v, room->s, room->text);
    default:
        return codec_decode_integers(v->values, v->size_bytes, v->value_count, room->i);
    }
}

/* From packed to dense, in place: from the end, where a value never lies behind its row. */
static void spread(enum phusa_type type, const uint64_t *present, uint32_t row_count,
                   uint32_t value_count, const struct column_room *room)
{
    const size_t slot = vector_slot_bytes(type);
    uint32_t n = value_count;
    for (uint32_t row = row_count; row-- > 0;) {
        const bool has = bit_get(present, row);
        n -= has;
        if (slot == 8)
            room->i[row] = has ? room->i[n] : 0;
        else if (slot == 1)
            room->b[row] = has ? room->b[n] : 0;
        else
            room->s[row] = has ? room->s[n] : (struct phusa_text){"", 0};
    }
    assert(n == 0);
}

phusa_status column_decode(const struct chunk_view *chunk, uint32_t column, uint32_t vector,
                           struct chunk_scratch *scratch, const struct column_room *room,
                           struct vector *out)
{
    struct column_layout layout;
    column_layout(chunk, column, &layout);
    const enum phusa_type type = (enum phusa_type)(layout.flags & COLUMN_TYPE);
    struct vector_bytes v;
    phusa_status status = verify_column(chunk, column, &layout, scratch);
    if (status == PHUSA_OK) status = read_vector(chunk, &layout, vector, room->present, &v);
    if (status == PHUSA_OK) status = decode_packed(type, &v, room);
    if (status != PHUSA_OK) return status;
    if (v.present != NULL)
        spread(type, v.present, chunk_vector_rows(chunk, vector), v.value_count, room);
    *out = (struct vector){.type = type,
                           .decimals = type == PHUSA_FLOAT
                                           ? codec_float_decimals(v.values, v.size_bytes)
                                           : PHUSA_DECIMALS_UNKNOWN,
                           .present = v.present,
                           .values = room->values};
    return PHUSA_OK;
}

phusa_status chunk_decode(const struct chunk_view *chunk, uint32_t column, uint32_t vector,
                          struct chunk_scratch *scratch, struct vector *out)
{
    const struct column_room room = {
        .values = scratch->values.u, .present = scratch->present, .text = &scratch->text};
    return column_decode(chunk, column, vector, scratch, &room, out);
}

/* ---- aggregates ---- */

/* Present rows before `row`. */
static uint32_t values_before(const uint64_t *present, uint32_t row)
{
    uint32_t count = 0;
    for (uint32_t word = 0; word < row / 64; word++)
        count += (uint32_t)__builtin_popcountll(present[word]);
    if (row % 64 != 0)
        count +=
            (uint32_t)__builtin_popcountll(present[row / 64] & ((UINT64_C(1) << (row % 64)) - 1));
    return count;
}

static bool needs_times(const uint32_t range_count, struct aggregate *const *states)
{
    const unsigned points = AGGREGATE_MIN | AGGREGATE_MAX | AGGREGATE_FIRST | AGGREGATE_LAST;
    for (uint32_t k = 0; k < range_count; k++)
        if (states[k] != NULL && (states[k]->have & points) != 0) return true;
    return false;
}

static phusa_status vector_row_times(const struct chunk_view *chunk, uint32_t vector,
                                     struct chunk_scratch *scratch, bool as_array,
                                     struct row_times *out)
{
    *out = (struct row_times){.step_ns = chunk->unit_ns};
    int64_t last_ns;
    chunk_vector_times(chunk, vector, &out->first_ns, &last_ns);
    if ((chunk->flags & CHUNK_EVEN_TIMES) != 0 && !as_array) return PHUSA_OK;
    const phusa_status status = chunk_times(chunk, vector, scratch);
    if (status == PHUSA_OK) out->ns = scratch->times_ns;
    return status;
}

static phusa_status aggregate_decoded(const struct chunk_view *chunk, uint32_t column,
                                      uint32_t vector, const uint32_t *bounds, uint32_t range_count,
                                      struct aggregate *const *states,
                                      struct chunk_scratch *scratch)
{
    struct vector decoded;
    struct row_times times;
    phusa_status status = vector_row_times(chunk, vector, scratch, true, &times);
    if (status == PHUSA_OK) status = chunk_decode(chunk, column, vector, scratch, &decoded);
    for (uint32_t k = 0; k < range_count && status == PHUSA_OK; k++)
        if (states[k] != NULL)
            status = aggregate_rows(states[k], times.ns, &decoded, bounds[k], bounds[k + 1]);
    return status;
}

/* Unpack only what the ranges touch. */
static phusa_status read_units(enum phusa_type type, const struct vector_bytes *v, uint32_t from,
                               uint32_t to, struct codec_units *units, bool *are_units)
{
    if (type == PHUSA_FLOAT)
        return codec_float_units(v->values, v->size_bytes, v->value_count, from, to, units,
                                 are_units);
    *are_units = true;
    return codec_integer_units(v->values, v->size_bytes, v->value_count, type == PHUSA_UNSIGNED,
                               from, to, units);
}

phusa_status chunk_aggregate(const struct chunk_view *chunk, uint32_t column, uint32_t vector,
                             const uint32_t *bounds, uint32_t range_count,
                             struct aggregate *const *states, struct chunk_scratch *scratch)
{
    const uint32_t row_count = chunk_vector_rows(chunk, vector);
    assert(range_count == 0 || bounds[range_count] <= row_count);
    if (range_count == 0) return PHUSA_OK;
    struct column_layout layout;
    column_layout(chunk, column, &layout);
    const enum phusa_type type = (enum phusa_type)(layout.flags & COLUMN_TYPE);
    bool are_units = false;
    struct codec_units units;
    struct vector_bytes v;
    phusa_status status = verify_column(chunk, column, &layout, scratch);
    if (status != PHUSA_OK) return status;
    if (type != PHUSA_STRING && type != PHUSA_BOOLEAN) {
        status = read_vector(chunk, &layout, vector, scratch->present, &v);
        if (status != PHUSA_OK) return status;
        const uint32_t from = v.present == NULL ? bounds[0] : values_before(v.present, bounds[0]);
        const uint32_t to =
            v.present == NULL ? bounds[range_count] : values_before(v.present, bounds[range_count]);
        status = read_units(type, &v, from, to, &units, &are_units);
        if (status != PHUSA_OK) return status;
    }
    if (!are_units)
        return aggregate_decoded(chunk, column, vector, bounds, range_count, states, scratch);

    struct row_times times = {0};
    if (needs_times(range_count, states))
        status = vector_row_times(chunk, vector, scratch, false, &times);
    for (uint32_t k = 0; k < range_count && status == PHUSA_OK; k++) {
        assert(bounds[k] <= bounds[k + 1]);
        if (states[k] == NULL) continue;
        assert(states[k]->type == type);
        const uint32_t from = v.present == NULL ? bounds[k] : values_before(v.present, bounds[k]);
        const uint32_t to =
            v.present == NULL ? bounds[k + 1] : values_before(v.present, bounds[k + 1]);
        status = fold_units(states[k], &units, from, to, v.present, &times);
    }
    return status;
}

/* ---- check ---- */

/* A record must say what a recount says. Sums are compared by their bytes. */
static bool same_exact(const struct exact *a, const struct exact *b)
{
    uint8_t x[EXACT_BYTES_MAX], y[EXACT_BYTES_MAX];
    const size_t size = exact_encode(a, x);
    return size == exact_encode(b, y) && memcmp(x, y, size) == 0;
}

static bool same_point(enum phusa_type type, const struct aggregate_point *a,
                       const struct aggregate_point *b)
{
    if (a->time_ns != b->time_ns) return false;
    switch (type) {
    case PHUSA_BOOLEAN:
        return a->value.b == b->value.b;
    case PHUSA_STRING:
        return text_equal(a->value.s, b->value.s);
    default:
        return a->value.u == b->value.u; /* bit by bit */
    }
}

static bool same_statistics(const struct aggregate *kept, const struct aggregate *counted)
{
    if (kept->count != counted->count) return false;
    if (kept->count == 0) return true;
    const uint8_t have = kept->have;
    const enum phusa_type type = kept->type;
    if ((have & AGGREGATE_SUM) && !same_exact(&kept->sum, &counted->sum)) return false;
    if ((have & AGGREGATE_SQUARES) && !same_exact(&kept->squares, &counted->squares)) return false;
    if ((have & AGGREGATE_MIN) && !same_point(type, &kept->min, &counted->min)) return false;
    if ((have & AGGREGATE_MAX) && !same_point(type, &kept->max, &counted->max)) return false;
    if ((have & AGGREGATE_FIRST) && !same_point(type, &kept->first, &counted->first)) return false;
    return !(have & AGGREGATE_LAST) || same_point(type, &kept->last, &counted->last);
}

static phusa_status check_statistics(const struct chunk_view *chunk, uint32_t column,
                                     uint32_t vector, const struct aggregate *counted)
{
    struct aggregate kept;
    const phusa_status status = chunk_statistics(chunk, column, vector, AGGREGATE_ALL, &kept);
    if (status != PHUSA_OK) return status;
    const bool same = (kept.have & AGGREGATE_COUNT) == 0 || same_statistics(&kept, counted);
    aggregate_deinit(&kept);
    return same ? PHUSA_OK : PHUSA_ECORRUPT;
}

static phusa_status check_column(const struct chunk_view *chunk, uint32_t column,
                                 struct chunk_scratch *scratch)
{
    /* Strings of a vector die with the next decode, so their whole is not recounted. */
    const enum phusa_type type = chunk_type(chunk, column);
    struct aggregate whole, part;
    aggregate_init(&whole, type, type == PHUSA_STRING ? AGGREGATE_COUNT : AGGREGATE_ALL);
    phusa_status status = PHUSA_OK;
    for (uint32_t v = 0; v < chunk->vector_count && status == PHUSA_OK; v++) {
        struct vector decoded;
        aggregate_init(&part, type, AGGREGATE_ALL);
        status = chunk_times(chunk, v, scratch);
        if (status == PHUSA_OK) status = chunk_decode(chunk, column, v, scratch, &decoded);
        if (status == PHUSA_OK)
            status =
                aggregate_rows(&part, scratch->times_ns, &decoded, 0, chunk_vector_rows(chunk, v));
        if (status == PHUSA_OK) status = check_statistics(chunk, column, v, &part);
        if (status == PHUSA_OK) status = aggregate_merge(&whole, &part);
        aggregate_deinit(&part);
    }
    if (status == PHUSA_OK && type != PHUSA_STRING)
        status = check_statistics(chunk, column, CHUNK_WHOLE, &whole);
    aggregate_deinit(&whole);
    return status;
}

phusa_status chunk_check(const struct chunk_view *chunk)
{
    struct chunk_scratch scratch;
    chunk_scratch_init(&scratch);
    phusa_status status = PHUSA_OK;
    for (uint32_t v = 0; v < chunk->vector_count && status == PHUSA_OK; v++)
        status = chunk_times(chunk, v, &scratch);
    for (uint32_t c = 0; c < chunk->column_count && status == PHUSA_OK; c++)
        status = check_column(chunk, c, &scratch);
    chunk_scratch_deinit(&scratch);
    return status;
}
