/*
 * index_column.c - the value of one tag for each series, in the width that its numbers need.
 *
 * A measurement of a million series with ten tags, one of them distinct, takes 13 bytes a series. A
 * key that few of its series have is kept sparse, or a thousand rare keys would cost a
 * thousand bytes a series.
 */
#include "index/index_internal.h"

#define SPARSE_BYTES 8u /* an ordinal and a value */

void index_column_deinit(struct index_column *column)
{
    mem_free(column->values);
    mem_free(column->ordinals);
    *column = (struct index_column){0};
}

size_t index_column_bytes(const struct index_column *column)
{
    return (size_t)column->capacity * (column->ordinals != NULL ? SPARSE_BYTES : column->width);
}

static uint32_t load(const void *values, uint8_t width, uint32_t i)
{
    switch (width) {
    case 1:
        return ((const uint8_t *)values)[i];
    case 2:
        return ((const uint16_t *)values)[i];
    default:
        return ((const uint32_t *)values)[i];
    }
}

static void store(void *values, uint8_t width, uint32_t i, uint32_t value)
{
    switch (width) {
    case 1:
        ((uint8_t *)values)[i] = (uint8_t)value;
        break;
    case 2:
        ((uint16_t *)values)[i] = (uint16_t)value;
        break;
    default:
        ((uint32_t *)values)[i] = value;
    }
}

static uint32_t find_sparse(const struct index_column *column, uint32_t ordinal)
{
    uint32_t low = 0, high = column->length;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (column->ordinals[middle] < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t index_column_get(const struct index_column *column, uint32_t ordinal)
{
    if (column->ordinals == NULL)
        return ordinal < column->length ? load(column->values, column->width, ordinal) : 0;
    const uint32_t i = find_sparse(column, ordinal);
    return i < column->length && column->ordinals[i] == ordinal ? load(column->values, 4, i) : 0;
}

static uint8_t width_for(const struct index_column *column, uint32_t value)
{
    const uint32_t greatest = value > column->greatest ? value : column->greatest;
    return greatest <= UINT8_MAX ? 1 : greatest <= UINT16_MAX ? 2 : 4;
}

/* The same values in a larger array, which is dense of `width`, or sparse. */
static bool rebuild(struct index_column *column, bool sparse, uint8_t width, uint32_t capacity)
{
    struct index_column next = {
        .capacity = capacity, .count = column->count, .greatest = column->greatest, .width = width};
    if (sparse) {
        next.width = 4;
        next.ordinals = mem_array(capacity, sizeof *next.ordinals);
        next.values = mem_array(capacity, sizeof(uint32_t));
    } else {
        next.values = mem_zalloc((size_t)capacity * width);
    }
    if (next.values == NULL || (sparse && next.ordinals == NULL)) {
        index_column_deinit(&next);
        return false;
    }
    for (uint32_t i = 0; i < column->length; i++) {
        const uint32_t value = load(column->values, column->width, i);
        if (value == 0) continue;
        const uint32_t ordinal = column->ordinals != NULL ? column->ordinals[i] : i;
        if (sparse) next.ordinals[next.length] = ordinal;
        store(next.values, next.width, sparse ? next.length : ordinal, value);
        next.length = sparse ? next.length + 1 : ordinal + 1;
    }
    index_column_deinit(column);
    *column = next;
    return true;
}

static uint32_t grown(uint32_t needed)
{
    const uint64_t capacity = needed < 8 ? 8 : (uint64_t)needed + needed / 4;
    return capacity > UINT32_MAX ? UINT32_MAX : (uint32_t)capacity;
}

bool index_column_reserve(struct index_column *column, uint32_t ordinal, uint32_t value)
{
    assert(value > 0);
    const uint8_t width = width_for(column, value);
    const uint64_t dense_bytes = ((uint64_t)ordinal + 1) * width;
    const uint64_t sparse_bytes = ((uint64_t)column->count + 1) * SPARSE_BYTES;
    if (column->ordinals == NULL && dense_bytes > 4 * sparse_bytes)
        return rebuild(column, true, 4, grown(column->count + 1));
    if (column->ordinals != NULL && dense_bytes <= sparse_bytes)
        return rebuild(column, false, width, grown(ordinal + 1));
    const uint32_t needed = column->ordinals != NULL ? column->length + 1 : ordinal + 1;
    if (needed <= column->capacity && width <= column->width) return true;
    return rebuild(column, column->ordinals != NULL, width, grown(needed));
}

void index_column_set(struct index_column *column, uint32_t ordinal, uint32_t value)
{
    if (column->ordinals != NULL) {
        assert(column->length < column->capacity);
        column->ordinals[column->length] = ordinal;
        store(column->values, 4, column->length++, value);
    } else {
        assert(ordinal < column->capacity && ordinal >= column->length);
        store(column->values, column->width, ordinal, value);
        column->length = ordinal + 1; /* those between were zeroed */
    }
    if (value > column->greatest) column->greatest = value;
    column->count++;
}
