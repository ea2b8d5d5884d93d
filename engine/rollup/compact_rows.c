/* compact_rows.c - see compact_rows.h. */
#include "rollup/compact_rows.h"

#include "base/mem.h"

#include <assert.h>

/* A chunk above this is built again in halves: it could not be read in one piece with the memory
 * of a query, and a bundle could not hold it. */
#define CHUNK_BYTES_SPLIT    (32u << 20)
/* Slots that a store keeps at most: 8 MiB. */
#define STORE_SLOTS_MAX      (1u << 20)
/* Strings that a store keeps at most before it calls itself full. */
#define STORE_TEXT_BYTES_MAX (16u << 20)

/* ---- bits ---- */

/* `count` (1..64) bits from bit `at`. */
static uint64_t bits_load(const uint64_t *words, size_t at, unsigned count)
{
    const unsigned shift = at % 64;
    uint64_t bits = words[at / 64] >> shift;
    if (shift != 0 && shift + count > 64) bits |= words[at / 64 + 1] << (64 - shift);
    return count == 64 ? bits : bits & ((UINT64_C(1) << count) - 1);
}

/* Set the bits [to, to + count) of a bitmap whose bits from `to` on are zero. NULL: all ones. */
static void bits_copy(uint64_t *out, size_t to, const uint64_t *words, size_t from, size_t count)
{
    while (count > 0) {
        const unsigned shift = to % 64;
        const unsigned step = count < 64 - shift ? (unsigned)count : 64 - shift;
        const uint64_t ones = step == 64 ? UINT64_MAX : (UINT64_C(1) << step) - 1;
        const uint64_t bits = words == NULL ? ones : bits_load(words, from, step);
        out[to / 64] |= bits << shift;
        to += step;
        from += step;
        count -= step;
    }
}

static uint64_t count_values(const struct rows *rows)
{
    uint64_t count = 0;
    for (uint32_t c = 0; c < rows->column_count; c++) {
        const uint64_t *present = rows->columns[c].present;
        if (present == NULL) {
            count += rows->row_count;
            continue;
        }
        for (uint32_t at = 0; at < rows->row_count; at += 64) {
            const uint32_t left = rows->row_count - at;
            count += (uint64_t)__builtin_popcountll(bits_load(present, at, left < 64 ? left : 64));
        }
    }
    return count;
}

/* ---- parts of rows ---- */

void rows_part_deinit(struct rows_part *part)
{
    mem_free(part->columns);
    mem_free(part->present);
    *part = (struct rows_part){.columns = NULL};
}

phusa_status rows_part_set(struct rows_part *part, const struct rows *rows, uint32_t from,
                           uint32_t to)
{
    assert(from < to && to <= rows->row_count);

    const size_t words = bitmap_words(to - from);
    if (!MEM_GROW(part->columns, part->column_capacity, rows->column_count) ||
        !MEM_GROW(part->present, part->present_capacity, words * rows->column_count))
        return PHUSA_ENOMEM;
    for (uint32_t c = 0; c < rows->column_count; c++) {
        struct vector *column = &part->columns[c];
        *column = rows->columns[c];
        column->values = (const uint8_t *)column->values + from * vector_slot_bytes(column->type);
        if (column->present == NULL) continue;
        uint64_t *present = part->present + c * words;
        memset(present, 0, words * sizeof *present);
        bits_copy(present, 0, column->present, from, to - from);
        column->present = present;
    }
    part->rows = (struct rows){
        .row_count = to - from,
        .column_count = rows->column_count,
        .times_ns = rows->times_ns + from,
        .field_ids = rows->field_ids,
        .columns = part->columns,
    };
    return PHUSA_OK;
}

/* ---- building ---- */

static phusa_status in_halves(const struct rows *rows, const struct rows_origin *origin,
                              struct buffer *room, const struct chunk_sink *sink)
{
    struct rows_part part = {.columns = NULL};
    const uint32_t half = rows->row_count / 2;
    phusa_status status = rows_part_set(&part, rows, 0, half);
    if (status == PHUSA_OK) status = rows_to_chunks(&part.rows, origin, room, sink);
    if (status == PHUSA_OK) status = rows_part_set(&part, rows, half, rows->row_count);
    if (status == PHUSA_OK) status = rows_to_chunks(&part.rows, origin, room, sink);
    rows_part_deinit(&part);
    return status;
}

phusa_status rows_to_chunks(const struct rows *rows, const struct rows_origin *origin,
                            struct buffer *room, const struct chunk_sink *sink)
{
    assert(rows->row_count > 0 && rows->row_count <= CHUNK_ROWS_MAX);

    buffer_clear(room);
    const phusa_status status = chunk_build(room, rows, origin->lsn_min, origin->lsn_max);
    if (status != PHUSA_OK) return status;
    if (room->size_bytes > CHUNK_BYTES_SPLIT && rows->row_count > 1)
        return in_halves(rows, origin, room, sink);
    const struct stored_chunk chunk = {
        .partition = origin->partition,
        .series = origin->series,
        .bytes = room->bytes,
        .size_bytes = room->size_bytes,
        .time_min_ns = rows->times_ns[0],
        .time_max_ns = rows->times_ns[rows->row_count - 1],
        .lsn_min = origin->lsn_min,
        .lsn_max = origin->lsn_max,
        .row_count = rows->row_count,
        .value_count = count_values(rows),
    };
    return sink->add(sink->context, &chunk);
}

/* ---- gathering ---- */

void rows_store_init(struct rows_store *store)
{
    *store = (struct rows_store){.room = NULL};
    arena_init(&store->text, SIZE_MAX / 2);
}

void rows_store_deinit(struct rows_store *store)
{
    mem_free(store->room);
    arena_deinit(&store->text);
}

/* Hand out `size_bytes` of the room, or only count them. */
static void *take(uint8_t *room, size_t *used_bytes, size_t size_bytes)
{
    void *at = room == NULL ? NULL : room + *used_bytes;
    *used_bytes += (size_bytes + 63) / 64 * 64;
    return at;
}

/* Lay everything out in the room (NULL: nowhere), and say how large it must be. */
static size_t lay_out(struct rows_store *store, uint8_t *room, const enum phusa_type *types,
                      uint32_t field_count)
{
    size_t used = 0;
    const size_t words_bytes = bitmap_words(store->capacity) * sizeof(uint64_t);
    store->times_ns = take(room, &used, store->capacity * sizeof *store->times_ns);
    store->field_ids = take(room, &used, field_count * sizeof *store->field_ids);
    store->columns = take(room, &used, field_count * sizeof *store->columns);
    store->values = take(room, &used, field_count * sizeof *store->values);
    store->present = take(room, &used, field_count * sizeof *store->present);
    for (uint32_t f = 0; f < field_count; f++) {
        void *values = take(room, &used, store->capacity * vector_slot_bytes(types[f]));
        void *present = take(room, &used, words_bytes);
        if (room == NULL) continue;
        store->values[f] = values;
        store->present[f] = present;
    }
    return used;
}

phusa_status rows_store_begin(struct rows_store *store, const uint16_t *field_ids,
                              const enum phusa_type *types, uint32_t field_count, uint32_t rows_max)
{
    assert(field_count > 0);
    assert(rows_max > 0 && rows_max <= CHUNK_ROWS_MAX);

    uint32_t vectors = (rows_max + VECTOR_ROWS_MAX - 1) / VECTOR_ROWS_MAX;
    const uint32_t vectors_max = STORE_SLOTS_MAX / VECTOR_ROWS_MAX / field_count;
    if (vectors > vectors_max) vectors = vectors_max == 0 ? 1 : vectors_max;
    store->capacity = vectors * VECTOR_ROWS_MAX;
    const size_t needed = lay_out(store, NULL, types, field_count);
    if (needed > store->room_bytes) {
        uint8_t *room = mem_resize(store->room, needed, 1);
        if (room == NULL) return PHUSA_ENOMEM;
        store->room = room;
        store->room_bytes = needed;
    }
    lay_out(store, store->room, types, field_count);
    memcpy(store->field_ids, field_ids, field_count * sizeof *field_ids);
    for (uint32_t f = 0; f < field_count; f++)
        store->columns[f] = (struct vector){
            .type = types[f], .present = store->present[f], .values = store->values[f]};
    store->rows = (struct rows){.column_count = field_count,
                                .times_ns = store->times_ns,
                                .field_ids = store->field_ids,
                                .columns = store->columns};
    rows_store_clear(store);
    return PHUSA_OK;
}

void rows_store_clear(struct rows_store *store)
{
    store->rows.row_count = 0;
    for (uint32_t f = 0; f < store->rows.column_count; f++) {
        store->columns[f].decimals = 0;
        memset(store->present[f], 0, bitmap_words(store->capacity) * sizeof(uint64_t));
    }
    if (store->text_bytes > 0) arena_reset(&store->text);
    store->text_bytes = 0;
}

bool rows_store_is_full(const struct rows_store *store)
{
    return store->rows.row_count == store->capacity || store->text_bytes >= STORE_TEXT_BYTES_MAX;
}

static phusa_status copy_texts(struct rows_store *store, struct phusa_text *out,
                               const struct phusa_text *texts, uint32_t count)
{
    for (uint32_t r = 0; r < count; r++) {
        out[r] = (struct phusa_text){"", texts[r].size_bytes};
        if (texts[r].size_bytes == 0) continue;
        out[r].bytes = arena_copy(&store->text, texts[r].bytes, texts[r].size_bytes);
        if (out[r].bytes == NULL) return PHUSA_ENOMEM;
        store->text_bytes += texts[r].size_bytes;
    }
    return PHUSA_OK;
}

phusa_status rows_store_add(struct rows_store *store, const struct rows *rows, uint32_t from,
                            uint32_t *taken)
{
    assert(rows->column_count == store->rows.column_count);

    const uint32_t at = store->rows.row_count;
    const uint32_t left = rows->row_count - from;
    const uint32_t count = left < store->capacity - at ? left : store->capacity - at;
    memcpy(store->times_ns + at, rows->times_ns + from, count * sizeof(int64_t));
    for (uint32_t c = 0; c < rows->column_count; c++) {
        const struct vector *in = &rows->columns[c];
        struct vector *out = &store->columns[c];
        assert(in->type == out->type);
        const size_t slot = vector_slot_bytes(in->type);
        /* UNKNOWN is the greatest, and wins. */
        if (in->decimals > out->decimals) out->decimals = in->decimals;
        bits_copy(store->present[c], at, in->present, from, count);
        if (in->type == PHUSA_STRING) {
            const phusa_status status =
                copy_texts(store, (struct phusa_text *)store->values[c] + at, in->s + from, count);
            if (status != PHUSA_OK) return status;
        } else {
            memcpy(store->values[c] + at * slot, (const uint8_t *)in->values + from * slot,
                   count * slot);
        }
    }
    store->rows.row_count += count;
    *taken = count;
    return PHUSA_OK;
}
