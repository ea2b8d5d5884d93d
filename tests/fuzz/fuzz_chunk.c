/*
 * fuzz_chunk.c - opens anything as a chunk, with its checksums made right so that the fuzzer gets
 * past them, and asks everything of it; and builds a chunk of the input and checks it.
 */
#include "chunk/merge.h"

#include "base/crc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct chunk_view *chunk)
{
    static struct chunk_scratch scratch;
    chunk_scratch_init(&scratch);
    (void)!chunk_check(chunk);
    for (uint32_t c = 0; c < chunk->column_count && c < 8; c++) {
        struct vector v;
        struct aggregate a;
        (void)!chunk_decode(chunk, c, chunk->vector_count - 1, &scratch, &v);
        if (chunk_statistics(chunk, c, CHUNK_WHOLE, AGGREGATE_ALL, &a) == PHUSA_OK)
            aggregate_deinit(&a);
        aggregate_init(&a, chunk_type(chunk, c), AGGREGATE_ALL);
        struct aggregate *const states[1] = {&a};
        const uint32_t rows = chunk_vector_rows(chunk, 0);
        const uint32_t bounds[2] = {rows / 3, rows};
        (void)!chunk_aggregate(chunk, c, 0, bounds, 1, states, &scratch);
        aggregate_deinit(&a);
        uint32_t row;
        (void)!chunk_lower_bound(chunk, 0, chunk->time_min_ns / 2 + chunk->time_max_ns / 2,
                                 &scratch, &row);
    }
    if (chunk->column_count > 0) {
        const uint16_t id = chunk_field_id(chunk, 0);
        const enum phusa_type type = chunk_type(chunk, 0);
        const struct merge_source sources[2] = {{.chunk = chunk, .precedence = 1},
                                                {.chunk = chunk, .precedence = 2}};
        struct merge *merge;
        struct rows rows = {.row_count = 1};
        if (merge_create(&merge, sources, 2, &id, &type, 1, INT64_MIN, INT64_MAX) == PHUSA_OK) {
            while (rows.row_count > 0 && merge_next(merge, &rows) == PHUSA_OK)
                ;
            merge_free(merge);
        }
    }
    chunk_scratch_deinit(&scratch);
}

static void open_anything(const uint8_t *data, size_t size)
{
    if (size < 8) return;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    struct reader in = reader_of(copy + 5, size - 5);
    const uint64_t span = read_varint(&in);
    if (!in.bad && span >= 5 && span <= size)
        store_u32(copy, crc32c(0, copy + 4, (size_t)span - 4));
    struct chunk_view chunk;
    if (chunk_open(&chunk, copy, size) == PHUSA_OK) ask(&chunk);
    free(copy);
}

/* Rows of an integer, a float with gaps and a boolean, out of the input's bytes. */
static void build(const uint8_t *data, size_t size)
{
    static int64_t times[CHUNK_ROWS_MAX], integers[CHUNK_ROWS_MAX];
    static double floats[CHUNK_ROWS_MAX];
    static uint8_t booleans[CHUNK_ROWS_MAX];
    static uint64_t present[CHUNK_ROWS_MAX / 64];
    if (size == 0) return;
    const uint32_t count = size < CHUNK_ROWS_MAX ? (uint32_t)size : CHUNK_ROWS_MAX;
    memset(present, 0, sizeof present);
    for (uint32_t i = 0; i < count; i++) {
        times[i] = (i == 0 ? -1000 : times[i - 1]) + 1 + data[i] / 200;
        integers[i] = (int64_t)((uint64_t)data[i] << data[0] % 57);
        floats[i] = data[i] < 250 ? data[i] / 10.0 : 1.0 / data[i];
        booleans[i] = data[i] & 1;
        if (data[i] % 5 == 0)
            floats[i] = 0;
        else
            bit_set(present, i);
    }
    const uint16_t ids[3] = {1, 2, 300};
    const struct vector columns[3] = {
        {.type = data[0] & 1 ? PHUSA_INTEGER : PHUSA_UNSIGNED, .i = integers},
        {.type = PHUSA_FLOAT, .decimals = PHUSA_DECIMALS_UNKNOWN, .present = present, .f = floats},
        {.type = PHUSA_BOOLEAN, .b = booleans}};
    const struct rows rows = {count, 3, times, ids, columns};
    struct buffer out;
    struct chunk_view chunk;
    buffer_init(&out);
    if (chunk_build(&out, &rows, 1, 2) != PHUSA_OK) abort();
    if (chunk_open(&chunk, out.bytes, out.size_bytes) != PHUSA_OK) abort();
    if (chunk_check(&chunk) != PHUSA_OK) abort();
    buffer_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_anything(data, size);
    build(data, size);
    return 0;
}
