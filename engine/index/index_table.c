/*
 * index_table.c - from the hash of a canonical key to a series id, in 16-byte slots.
 *
 * Of a hash 80 bits are kept: 8 choose the part, 64 are the print, 8 stand above the series id
 * (which needs 56 with at most 2^24 measurements). Of ten million series any two agree in them with
 * probability 4e-11. With a load of 0.6 to 0.8 a series takes 23 bytes; keys are not compared.
 */
#include "index/index_internal.h"

#define SLOTS_MIN   4u
#define SERIES_BITS 56u
#define SERIES_MASK ((UINT64_C(1) << SERIES_BITS) - 1)
_Static_assert(MEASUREMENTS_MAX <= UINT64_C(1) << (SERIES_BITS - 32), "an id fits its bits");

static uint32_t part_of(struct hash128 hash)
{
    return (uint32_t)(hash.high >> 56);
}
static uint64_t extra_of(struct hash128 hash)
{
    return (hash.high & 0xff) << SERIES_BITS;
}
static uint32_t first_slot(uint64_t print, uint32_t slot_count)
{
    return (uint32_t)((print >> 32) * slot_count >> 32);
}

void index_table_deinit(struct index_table *table)
{
    for (uint32_t p = 0; p < TABLE_PARTS; p++)
        mem_free(table->parts[p].slots);
    *table = (struct index_table){0};
}

size_t index_table_bytes(const struct index_table *table)
{
    size_t slots = 0;
    for (uint32_t p = 0; p < TABLE_PARTS; p++)
        slots += table->parts[p].slot_count;
    return slots * sizeof(struct index_slot);
}

uint64_t index_table_find(const struct index_table *table, struct hash128 hash)
{
    const uint32_t part = part_of(hash);
    const uint32_t slot_count = table->parts[part].slot_count;
    if (slot_count == 0) return 0;
    const struct index_slot *slots = table->parts[part].slots;
    for (uint32_t s = first_slot(hash.low, slot_count);; s = s + 1 == slot_count ? 0 : s + 1) {
        if (slots[s].series == 0) return 0;
        if (slots[s].print == hash.low && (slots[s].series & ~SERIES_MASK) == extra_of(hash))
            return slots[s].series & SERIES_MASK;
    }
}

void index_table_prefetch(const struct index_table *table, struct hash128 hash)
{
    const uint32_t part = part_of(hash);
    if (table->parts[part].slot_count == 0) return;
    __builtin_prefetch(
        &table->parts[part].slots[first_slot(hash.low, table->parts[part].slot_count)]);
}

static void put(struct index_slot *slots, uint32_t slot_count, struct index_slot slot)
{
    uint32_t s = first_slot(slot.print, slot_count);
    while (slots[s].series != 0)
        s = s + 1 == slot_count ? 0 : s + 1;
    slots[s] = slot;
}

bool index_table_reserve(struct index_table *table, struct hash128 hash)
{
    const uint32_t part = part_of(hash);
    const uint32_t old_count = table->parts[part].slot_count;
    if ((uint64_t)(table->parts[part].used + 1) * 5 <= (uint64_t)old_count * 4) return true;
    const uint32_t slot_count = old_count == 0 ? SLOTS_MIN : old_count + (old_count + 2) / 3;
    struct index_slot *slots = mem_zalloc(slot_count * sizeof *slots);
    if (slots == NULL) return false;
    for (uint32_t s = 0; s < old_count; s++)
        if (table->parts[part].slots[s].series != 0)
            put(slots, slot_count, table->parts[part].slots[s]);
    mem_free(table->parts[part].slots);
    table->parts[part].slots = slots;
    table->parts[part].slot_count = slot_count;
    return true;
}

void index_table_add(struct index_table *table, struct hash128 hash, uint64_t series)
{
    assert(series != 0 && series <= SERIES_MASK);
    const uint32_t part = part_of(hash);
    assert(table->parts[part].used < table->parts[part].slot_count);
    put(table->parts[part].slots, table->parts[part].slot_count,
        (struct index_slot){hash.low, extra_of(hash) | series});
    table->parts[part].used++;
}
