/*
 * chunk.c - verify chunks, and find columns, vectors and statistics in them.
 *
 *    +--------+---------+------+------+-----------+----------+-------------------+
 *    | crc32c | version | span | head | directory | sections | times | columns   |
 *    +--------+---------+------+------+-----------+----------+-------------------+
 *             |<- covered by crc32c: the header, or everything in a small chunk ->|
 *
 * Checksum, version and span stay where they are in every later version, so that a reader can
 * tell a newer chunk from a damaged one. See FORMAT.md.
 */
#include "chunk/chunk_internal.h"

#include "base/crc.h"

#include <assert.h>

/* ---- opening ---- */

/* The times of vectors that are not evenly spaced. */
static bool read_times(struct reader *in, struct chunk_view *chunk)
{
    uint64_t at = (uint64_t)chunk->time_min_ns;
    uint64_t offset = 0;
    for (uint32_t v = 0; v < chunk->vector_count; v++) {
        at += read_varint(in) * chunk->unit_ns;
        chunk->first_ns[v] = (int64_t)at;
        at += read_varint(in) * chunk->unit_ns;
        chunk->last_ns[v] = (int64_t)at;
        chunk->times_offset[v] = (uint32_t)offset;
        const uint64_t size = read_varint(in);
        if (size > CODEC_VECTOR_BYTES_MAX || chunk->last_ns[v] < chunk->first_ns[v]) return false;
        if (v > 0 && chunk->first_ns[v] <= chunk->last_ns[v - 1]) return false;
        offset += size;
    }
    chunk->times_offset[chunk->vector_count] = (uint32_t)offset;
    chunk->time_max_ns = (int64_t)at;
    if ((chunk->flags & CHUNK_WHOLE_CRC) == 0) read_u32(in);
    return !in->bad && chunk->first_ns[0] == chunk->time_min_ns;
}

static bool read_head(struct reader *in, struct chunk_view *chunk)
{
    chunk->flags = read_u8(in);
    const uint64_t row_count = read_varint(in), column_count = read_varint(in);
    if (in->bad || (chunk->flags & ~CHUNK_FLAGS) != 0) return false;
    if (row_count == 0 || row_count > CHUNK_ROWS_MAX || column_count > CHUNK_COLUMNS_MAX)
        return false;
    chunk->row_count = (uint32_t)row_count;
    chunk->column_count = (uint32_t)column_count;
    chunk->vector_count = (chunk->row_count + VECTOR_ROWS_MAX - 1) / VECTOR_ROWS_MAX;
    chunk->lsn_min = read_varint(in);
    const uint64_t lsn_span = read_varint(in);
    if (__builtin_add_overflow(chunk->lsn_min, lsn_span, &chunk->lsn_max)) return false;

    const uint8_t scale = read_u8(in);
    if (scale > CHUNK_TIME_SCALE_MAX) return false;
    int64_t power = 1;
    for (unsigned k = 0; k < scale; k++)
        power *= 10;
    if (__builtin_mul_overflow(read_zigzag(in), power, &chunk->time_min_ns)) return false;
    chunk->unit_ns = 1;
    if (chunk->row_count > 1 &&
        __builtin_mul_overflow(read_varint(in), (uint64_t)power, &chunk->unit_ns))
        return false;
    if (in->bad || chunk->unit_ns == 0) return false;
    chunk->times_offset[0] = chunk->times_offset[chunk->vector_count] = 0;
    if ((chunk->flags & CHUNK_EVEN_TIMES) == 0) return read_times(in, chunk);
    uint64_t span;
    if (__builtin_mul_overflow(chunk->unit_ns, (uint64_t)(chunk->row_count - 1), &span) ||
        span > (uint64_t)INT64_MAX - (uint64_t)chunk->time_min_ns)
        return false;
    chunk->time_max_ns = (int64_t)((uint64_t)chunk->time_min_ns + span);
    return true;
}

static uint32_t number_at(const uint8_t *p, unsigned width)
{
    return width == 1 ? *p : width == 2 ? load_u16(p) : load_u32(p);
}

static const uint8_t *entry_at(const struct chunk_view *chunk, uint32_t column)
{
    return chunk->directory + (size_t)column * (1 + 3u * chunk->directory_width);
}

/* The k-th number of an entry: 0 field id, 1 end of its section, 2 end of its body. */
static uint32_t entry_number(const struct chunk_view *chunk, uint32_t column, unsigned k)
{
    const unsigned width = chunk->directory_width;
    return number_at(entry_at(chunk, column) + 1 + k * width, width);
}

/* Everything later look-ups rely on: order, types, sizes. */
static bool check_directory(const struct chunk_view *chunk, size_t sections_bytes,
                            size_t bodies_bytes)
{
    uint32_t section_end = 0;
    uint32_t body_end = chunk->times_offset[chunk->vector_count];
    for (uint32_t c = 0; c < chunk->column_count; c++) {
        const uint8_t flags = *entry_at(chunk, c);
        const uint32_t id = entry_number(chunk, c, 0);
        const unsigned type = flags & COLUMN_TYPE;
        if ((flags & ~COLUMN_FLAGS) != 0 || type < PHUSA_FLOAT || type > PHUSA_STRING) return false;
        if (id > UINT16_MAX || (c > 0 && id <= entry_number(chunk, c - 1, 0))) return false;
        const uint32_t next_section = entry_number(chunk, c, 1);
        const uint32_t next_body = entry_number(chunk, c, 2);
        if (next_section < section_end || next_section - section_end < section_crc_bytes(chunk))
            return false;
        if (next_body < body_end) return false;
        section_end = next_section;
        body_end = next_body;
    }
    return section_end == sections_bytes && body_end == bodies_bytes;
}

phusa_status chunk_open(struct chunk_view *chunk, const void *bytes, size_t size_bytes)
{
    assert(chunk != NULL);
    assert(bytes != NULL);

    /* From here on, facts about the world: errors, never assertions. */
    struct reader in = reader_of(bytes, size_bytes);
    const uint32_t crc = read_u32(&in);
    const uint8_t version = read_u8(&in);
    const uint64_t span = read_varint(&in);
    /* The span covers itself, or what follows would be read from beyond it. */
    if (in.bad || span > size_bytes || span < (size_t)(in.next - (const uint8_t *)bytes))
        return PHUSA_ECORRUPT;
    if (crc != crc32c(0, (const uint8_t *)bytes + 4, (size_t)span - 4)) return PHUSA_ECORRUPT;
    if (version != CHUNK_VERSION) return PHUSA_EVERSION;

    struct chunk_view view;
    view.bytes = bytes;
    view.size_bytes = size_bytes;
    view.header_crc = crc;
    in.end = view.bytes + span;
    if (!read_head(&in, &view)) return PHUSA_ECORRUPT;
    view.directory_width = (view.flags & CHUNK_WIDTH_4) != 0   ? 4
                           : (view.flags & CHUNK_WIDTH_2) != 0 ? 2
                                                               : 1;
    view.directory = read_bytes(&in, view.column_count * (1 + 3u * view.directory_width));
    if (in.bad) return PHUSA_ECORRUPT;

    const bool whole = (view.flags & CHUNK_WHOLE_CRC) != 0;
    if (whole && span != size_bytes) return PHUSA_ECORRUPT;
    const size_t sections_bytes =
        view.column_count == 0 ? 0 : entry_number(&view, view.column_count - 1, 1);
    if (sections_bytes > reader_left(&in)) return PHUSA_ECORRUPT;
    view.header_bytes = (uint32_t)((size_t)(in.next - view.bytes) + sections_bytes);
    if (!whole && span != view.header_bytes) return PHUSA_ECORRUPT;
    if (!check_directory(&view, sections_bytes, size_bytes - view.header_bytes))
        return PHUSA_ECORRUPT;
    *chunk = view;
    return PHUSA_OK;
}

/* ---- vectors and columns ---- */

uint32_t chunk_vector_rows(const struct chunk_view *chunk, uint32_t vector)
{
    assert(vector < chunk->vector_count);
    const uint32_t left = chunk->row_count - vector * VECTOR_ROWS_MAX;
    return left < VECTOR_ROWS_MAX ? left : VECTOR_ROWS_MAX;
}

void chunk_vector_times(const struct chunk_view *chunk, uint32_t vector, int64_t *first_ns,
                        int64_t *last_ns)
{
    assert(vector < chunk->vector_count);
    if ((chunk->flags & CHUNK_EVEN_TIMES) == 0) {
        *first_ns = chunk->first_ns[vector];
        *last_ns = chunk->last_ns[vector];
        return;
    }
    const uint64_t row = (uint64_t)vector * VECTOR_ROWS_MAX;
    const uint64_t first = (uint64_t)chunk->time_min_ns + row * chunk->unit_ns;
    *first_ns = (int64_t)first;
    *last_ns = (int64_t)(first + (chunk_vector_rows(chunk, vector) - 1) * chunk->unit_ns);
}

int chunk_find(const struct chunk_view *chunk, uint16_t field_id)
{
    uint32_t low = 0, high = chunk->column_count;
    /* Ids mostly count up from the first without holes. */
    if (high > 0) {
        const uint32_t first = entry_number(chunk, 0, 0);
        if (field_id < first) return -1;
        const uint32_t guess = field_id - first;
        if (guess < high && entry_number(chunk, guess, 0) == field_id) return (int)guess;
        if (guess < high) high = guess; /* holes: it comes earlier */
    }
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const uint32_t id = entry_number(chunk, middle, 0);
        if (id == field_id) return (int)middle;
        if (id < field_id)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

uint16_t chunk_field_id(const struct chunk_view *chunk, uint32_t column)
{
    assert(column < chunk->column_count);
    return (uint16_t)entry_number(chunk, column, 0);
}

enum phusa_type chunk_type(const struct chunk_view *chunk, uint32_t column)
{
    assert(column < chunk->column_count);
    return (enum phusa_type)(*entry_at(chunk, column) & COLUMN_TYPE);
}

void column_layout(const struct chunk_view *chunk, uint32_t column, struct column_layout *out)
{
    assert(column < chunk->column_count);
    const uint32_t section_from = column == 0 ? 0 : entry_number(chunk, column - 1, 1);
    const uint32_t body_from =
        column == 0 ? chunk->times_offset[chunk->vector_count] : entry_number(chunk, column - 1, 2);
    const uint8_t *sections = entry_at(chunk, chunk->column_count);
    out->flags = *entry_at(chunk, column);
    out->section = sections + section_from;
    out->section_bytes = entry_number(chunk, column, 1) - section_from;
    out->body = chunk->bytes + chunk->header_bytes + body_from;
    out->body_bytes = entry_number(chunk, column, 2) - body_from;
}

/* What a section holds after its checksum: sizes of records, records, sizes of vectors. */
struct section {
    const uint8_t *record_sizes; /* whole, vector 0, ...; NULL with one vector */
    const uint8_t *records;
    size_t records_bytes; /* with one vector: of the one record */
    const uint8_t *vector_sizes;
    const uint8_t *end;
};

static bool read_section(const struct chunk_view *chunk, const struct column_layout *column,
                         struct section *out)
{
    struct reader in = reader_of(column->section, column->section_bytes);
    read_bytes(&in, section_crc_bytes(chunk));
    const bool statistics = (column->flags & COLUMN_STATISTICS) != 0;
    *out = (struct section){.end = in.end};
    if (chunk->vector_count == 1) {
        out->records = in.next;
        out->records_bytes = reader_left(&in);
        return !in.bad && (statistics || out->records_bytes == 0);
    }
    if (statistics) {
        out->record_sizes = read_bytes(&in, chunk->vector_count + 1);
        if (in.bad) return false;
        for (uint32_t k = 0; k <= chunk->vector_count; k++)
            out->records_bytes += out->record_sizes[k];
        out->records = read_bytes(&in, out->records_bytes);
    }
    out->vector_sizes = in.next;
    return !in.bad;
}

phusa_status column_vector(const struct chunk_view *chunk, const struct column_layout *column,
                           uint32_t vector, const uint8_t **bytes, size_t *size_bytes)
{
    assert(vector < chunk->vector_count);
    struct section section;
    if (!read_section(chunk, column, &section)) return PHUSA_ECORRUPT;
    if (chunk->vector_count == 1) {
        *bytes = column->body;
        *size_bytes = column->body_bytes;
        return PHUSA_OK;
    }
    struct reader in =
        reader_of(section.vector_sizes, (size_t)(section.end - section.vector_sizes));
    struct reader body = reader_of(column->body, column->body_bytes);
    const uint8_t *found = NULL;
    size_t found_bytes = 0;
    for (uint32_t v = 0; v < chunk->vector_count; v++) {
        const uint64_t size = read_varint(&in);
        const uint8_t *p = read_bytes(&body, size > SIZE_MAX ? SIZE_MAX : (size_t)size);
        if (v != vector) continue;
        found = p;
        found_bytes = (size_t)size;
    }
    if (in.bad || body.bad || reader_left(&in) > 0 || reader_left(&body) > 0) return PHUSA_ECORRUPT;
    *bytes = found;
    *size_bytes = found_bytes;
    return PHUSA_OK;
}

/* ---- statistics ---- */

/* Without statistics there is one vector of a few rows. */
static phusa_status count_values(const struct chunk_view *chunk, const struct column_layout *column,
                                 uint64_t *count)
{
    *count = chunk->row_count;
    if ((column->flags & COLUMN_GAPS) == 0) return PHUSA_OK;
    if (chunk->vector_count > 1) return PHUSA_ECORRUPT;
    if ((chunk->flags & CHUNK_WHOLE_CRC) == 0 &&
        load_u32(column->section) != crc32c(0, column->body, column->body_bytes))
        return PHUSA_ECORRUPT;
    struct reader in = reader_of(column->body, column->body_bytes);
    const struct phusa_text bits = read_text(&in);
    uint64_t present[VECTOR_ROWS_MAX / 64];
    if (in.bad) return PHUSA_ECORRUPT;
    const phusa_status status =
        codec_decode_bits((const uint8_t *)bits.bytes, bits.size_bytes, chunk->row_count, present);
    if (status != PHUSA_OK) return status;
    *count = 0;
    for (size_t word = 0; word < bitmap_words(chunk->row_count); word++)
        *count += (uint32_t)__builtin_popcountll(present[word]);
    return PHUSA_OK;
}

phusa_status chunk_statistics(const struct chunk_view *chunk, uint32_t column, uint32_t vector,
                              uint8_t want, struct aggregate *out)
{
    assert(vector == CHUNK_WHOLE || vector < chunk->vector_count);
    struct column_layout layout;
    column_layout(chunk, column, &layout);
    const enum phusa_type type = (enum phusa_type)(layout.flags & COLUMN_TYPE);
    struct record_base base = {.unit_ns = chunk->unit_ns,
                               .has_gaps = (layout.flags & COLUMN_GAPS) != 0};
    if (vector == CHUNK_WHOLE) {
        base.first_ns = chunk->time_min_ns;
        base.last_ns = chunk->time_max_ns;
        base.row_count = chunk->row_count;
    } else {
        chunk_vector_times(chunk, vector, &base.first_ns, &base.last_ns);
        base.row_count = chunk_vector_rows(chunk, vector);
    }
    if ((layout.flags & COLUMN_STATISTICS) == 0) {
        uint64_t count;
        const phusa_status status = count_values(chunk, &layout, &count);
        if (status != PHUSA_OK) return status;
        aggregate_init(out, type, want & AGGREGATE_COUNT);
        out->count = count;
        return PHUSA_OK;
    }
    struct section section;
    if (!read_section(chunk, &layout, &section)) return PHUSA_ECORRUPT;
    if (chunk->vector_count == 1)
        return record_decode(section.records, section.records_bytes, &base, type, want, out);
    const uint32_t index = vector == CHUNK_WHOLE ? 0 : vector + 1;
    const uint8_t *record = section.records;
    for (uint32_t k = 0; k < index; k++)
        record += section.record_sizes[k];
    return record_decode(record, section.record_sizes[index], &base, type, want, out);
}
