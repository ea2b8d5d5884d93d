/*
 * bundle.c - see bundle.h.
 *
 *   0       4         5      6   8             12                 16
 *   +-------+---------+------+---+-------------+-----------------+-----------+--------+
 *   | crc32 | version | kind | 0 | chunk_count | directory_bytes | directory | chunks |
 *   +-------+---------+------+---+-------------+-----------------+-----------+--------+
 *           |<---------------- covered by crc32 ---------------------------->|
 *
 * An entry of the directory is nine varints, most of them differences to the entry before
 * (the first: to zeros), so that small chunks cost about 20 bytes here. All arithmetic is
 * modulo 2^64: hostile bytes give odd numbers, never undefined behaviour.
 */
#include "store/bundle.h"

#include "base/crc.h"

#include <assert.h>

#define BUNDLE_VERSION     1u
#define BUNDLE_KIND_CHUNKS 1u

void bundle_key(struct bundle_place place, uint8_t key[BUNDLE_KEY_BYTES])
{
    store_be32(key, (uint32_t)place.partition ^ UINT32_C(1) << 31);
    store_be64(key + 4, place.series);
    store_be64(key + 12, (uint64_t)place.time_ns ^ UINT64_C(1) << 63);
}

struct bundle_place bundle_place_of(const uint8_t key[BUNDLE_KEY_BYTES])
{
    return (struct bundle_place){
        .partition = (int32_t)(load_be32(key) ^ UINT32_C(1) << 31),
        .series = load_be64(key + 4),
        .time_ns = (int64_t)(load_be64(key + 12) ^ UINT64_C(1) << 63),
    };
}

/* ---- writing ---- */

void bundle_init(struct bundle_builder *b)
{
    *b = (struct bundle_builder){0};
}

void bundle_deinit(struct bundle_builder *b)
{
    buffer_deinit(&b->directory);
    buffer_deinit(&b->chunks);
}

void bundle_clear(struct bundle_builder *b)
{
    buffer_clear(&b->directory);
    buffer_clear(&b->chunks);
    b->chunk_count = 0;
    b->previous = (struct stored_chunk){0};
}

static int64_t minus(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

phusa_status bundle_add(struct bundle_builder *b, const struct stored_chunk *chunk)
{
    assert(chunk->size_bytes > 0);
    assert(chunk->row_count > 0);
    assert(chunk->time_min_ns <= chunk->time_max_ns);

    struct buffer *d = &b->directory;
    const struct stored_chunk *p = &b->previous;
    const uint64_t partition = (uint64_t)(int64_t)chunk->partition;
    buffer_put_zigzag(d, minus(partition, (uint64_t)(int64_t)p->partition));
    buffer_put_zigzag(d, minus(chunk->series, p->series));
    buffer_put_zigzag(d, minus((uint64_t)chunk->time_min_ns, (uint64_t)p->time_min_ns));
    buffer_put_varint(d, (uint64_t)chunk->time_max_ns - (uint64_t)chunk->time_min_ns);
    buffer_put_varint(d, chunk->row_count);
    buffer_put_varint(d, chunk->value_count);
    buffer_put_zigzag(d, minus(chunk->lsn_min, p->lsn_min));
    buffer_put_varint(d, chunk->lsn_max - chunk->lsn_min);
    buffer_put_varint(d, chunk->size_bytes);
    buffer_put(&b->chunks, chunk->bytes, chunk->size_bytes);
    if (d->bad || b->chunks.bad) return PHUSA_ENOMEM;
    if (b->chunk_count++ == 0) b->first = bundle_place(chunk);
    b->previous = *chunk;
    b->previous.bytes = NULL;
    return PHUSA_OK;
}

void bundle_write(const struct bundle_builder *b, uint8_t *room)
{
    assert(b->chunk_count > 0);

    room[4] = BUNDLE_VERSION;
    room[5] = BUNDLE_KIND_CHUNKS;
    store_u16(room + 6, 0);
    store_u32(room + 8, b->chunk_count);
    store_u32(room + 12, (uint32_t)b->directory.size_bytes);
    memcpy(room + BUNDLE_HEADER_BYTES, b->directory.bytes, b->directory.size_bytes);
    memcpy(room + BUNDLE_HEADER_BYTES + b->directory.size_bytes, b->chunks.bytes,
           b->chunks.size_bytes);
    store_u32(room, crc32c(0, room + 4, BUNDLE_HEADER_BYTES - 4 + b->directory.size_bytes));
}

/* ---- reading ---- */

phusa_status bundle_open(struct bundle_view *view, const void *bytes, size_t size_bytes)
{
    const uint8_t *header = bytes;
    if (size_bytes < BUNDLE_HEADER_BYTES || size_bytes > BUNDLE_BYTES_MAX) return PHUSA_ECORRUPT;
    const uint32_t directory_bytes = load_u32(header + 12);
    if (directory_bytes > size_bytes - BUNDLE_HEADER_BYTES) return PHUSA_ECORRUPT;
    if (load_u32(header) != crc32c(0, header + 4, BUNDLE_HEADER_BYTES - 4 + directory_bytes))
        return PHUSA_ECORRUPT;
    if (header[4] != BUNDLE_VERSION || header[5] != BUNDLE_KIND_CHUNKS) return PHUSA_EVERSION;
    const uint32_t chunk_count = load_u32(header + 8);
    if (chunk_count == 0) return PHUSA_ECORRUPT;
    *view = (struct bundle_view){
        .directory = reader_of(header + BUNDLE_HEADER_BYTES, directory_bytes),
        .chunks = header + BUNDLE_HEADER_BYTES + directory_bytes,
        .chunks_bytes = size_bytes - BUNDLE_HEADER_BYTES - directory_bytes,
        .chunk_count = chunk_count,
    };
    return PHUSA_OK;
}

phusa_status bundle_next(struct bundle_view *view, struct stored_chunk *chunk, bool *found)
{
    struct reader *d = &view->directory;
    if (view->index == view->chunk_count) {
        if (reader_left(d) != 0 || view->offset_bytes != view->chunks_bytes) return PHUSA_ECORRUPT;
        *found = false;
        return PHUSA_OK;
    }
    const struct stored_chunk *p = &view->previous;
    struct stored_chunk next;
    const uint64_t partition = (uint64_t)(int64_t)p->partition + (uint64_t)read_zigzag(d);
    next.partition = (int32_t)(uint32_t)partition;
    next.series = p->series + (uint64_t)read_zigzag(d);
    next.time_min_ns = (int64_t)((uint64_t)p->time_min_ns + (uint64_t)read_zigzag(d));
    next.time_max_ns = (int64_t)((uint64_t)next.time_min_ns + read_varint(d));
    const uint64_t row_count = read_varint(d);
    next.row_count = (uint32_t)row_count;
    next.value_count = read_varint(d);
    next.lsn_min = p->lsn_min + (uint64_t)read_zigzag(d);
    next.lsn_max = next.lsn_min + read_varint(d);
    const uint64_t size_bytes = read_varint(d);
    if (d->bad || (uint64_t)(int64_t)next.partition != partition || row_count == 0 ||
        row_count > UINT32_MAX || next.time_max_ns < next.time_min_ns ||
        next.lsn_max < next.lsn_min || size_bytes == 0 ||
        size_bytes > view->chunks_bytes - view->offset_bytes)
        return PHUSA_ECORRUPT;
    /* Readers trust the order to find what they seek. */
    if (view->index > 0 && bundle_compare(bundle_place(p), bundle_place(&next)) >= 0)
        return PHUSA_ECORRUPT;
    next.bytes = view->chunks + view->offset_bytes;
    next.size_bytes = (size_t)size_bytes;
    view->offset_bytes += (size_t)size_bytes;
    view->index++;
    view->previous = next;
    *chunk = next;
    *found = true;
    return PHUSA_OK;
}
