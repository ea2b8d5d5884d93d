/*
 * index_text.c - texts, kept once, and found again by what they say.
 *
 * A million values cost 4 bytes each for the place, 8 / 0.66 for the slot, and their text.
 */
#include "index/index_internal.h"

#define POOL_FIRST_BITS 12u
#define SLOTS_MIN       8u

/* ---- the pool ---- */

static uint32_t segment_of(uint64_t place)
{
    if (place >> POOL_FIRST_BITS == 0) return 0;
    return 64 - (uint32_t)__builtin_clzll(place) - POOL_FIRST_BITS;
}
static uint64_t segment_start(uint32_t segment)
{
    return segment == 0 ? 0 : UINT64_C(1) << (POOL_FIRST_BITS + segment - 1);
}
static uint64_t segment_end(uint32_t segment)
{
    return UINT64_C(1) << (POOL_FIRST_BITS + segment);
}

void index_pool_deinit(struct index_pool *pool)
{
    for (uint32_t s = 0; s < POOL_SEGMENTS; s++)
        mem_free(pool->segments[s]);
}

phusa_status index_pool_add(struct index_pool *pool, struct phusa_text text, uint32_t *place)
{
    uint8_t head[VARINT_BYTES_MAX];
    const size_t head_bytes = (size_t)(put_varint(head, text.size_bytes) - head);
    uint64_t at = atomic_load_explicit(&pool->used, memory_order_relaxed);
    uint32_t segment = segment_of(at);
    while (segment < POOL_SEGMENTS && at + head_bytes + text.size_bytes > segment_end(segment))
        at = segment_start(++segment); /* the end of the last one stays unused */
    if (segment >= POOL_SEGMENTS) return PHUSA_ELIMIT;
    if (pool->segments[segment] == NULL) {
        pool->segments[segment] = mem_alloc(segment_end(segment) - segment_start(segment));
        if (pool->segments[segment] == NULL) return PHUSA_ENOMEM;
    }
    uint8_t *bytes = pool->segments[segment] + (at - segment_start(segment));
    memcpy(bytes, head, head_bytes);
    if (text.size_bytes > 0) memcpy(bytes + head_bytes, text.bytes, text.size_bytes);
    atomic_store_explicit(&pool->used, at + head_bytes + text.size_bytes, memory_order_relaxed);
    *place = (uint32_t)at;
    return PHUSA_OK;
}

struct phusa_text index_pool_text(const struct index_pool *pool, uint32_t place)
{
    const uint32_t segment = segment_of(place);
    const uint8_t *bytes = pool->segments[segment] + (place - segment_start(segment));
    size_t size_bytes = *bytes & 0x7f;
    for (unsigned shift = 7; *bytes++ >= 0x80; shift += 7)
        size_bytes |= (size_t)(*bytes & 0x7f) << shift;
    return (struct phusa_text){(const char *)bytes, size_bytes};
}

/* ---- names ---- */

void index_names_deinit(struct index_names *names)
{
    mem_free(names->places);
    mem_free(names->slots);
    *names = (struct index_names){0};
}

size_t index_names_bytes(const struct index_names *names)
{
    return names->capacity * sizeof *names->places + names->slot_count * sizeof *names->slots;
}

static uint32_t hash_of(struct phusa_text text)
{
    return (uint32_t)hash_bytes(text.bytes, text.size_bytes).low;
}

/* Slots are in order of hash, roughly, so that growing is one pass over both. */
static uint32_t first_slot(uint32_t hash, uint32_t slot_count)
{
    return (uint32_t)((uint64_t)hash * slot_count >> 32);
}

uint32_t index_names_find(const struct index_names *names, const struct index_pool *pool,
                          struct phusa_text text)
{
    if (names->slot_count == 0) return NAME_NONE;
    const uint32_t hash = hash_of(text);
    for (uint32_t s = first_slot(hash, names->slot_count);;
         s = s + 1 == names->slot_count ? 0 : s + 1) {
        const uint64_t slot = names->slots[s];
        if (slot == 0) return NAME_NONE;
        if ((uint32_t)(slot >> 32) != hash) continue;
        const uint32_t number = (uint32_t)slot - 1;
        if (text_equal(index_names_text(names, pool, number), text)) return number;
    }
}

static void put_slot(uint64_t *slots, uint32_t slot_count, uint64_t slot)
{
    uint32_t s = first_slot((uint32_t)(slot >> 32), slot_count);
    while (slots[s] != 0)
        s = s + 1 == slot_count ? 0 : s + 1;
    slots[s] = slot;
}

/* The larger copy is made beside the one that others read, and exchanged. */
static phusa_status grow_slots(struct index_names *names, pthread_rwlock_t *lock)
{
    if ((uint64_t)(names->count + 1) * 5 <= (uint64_t)names->slot_count * 4) return PHUSA_OK;
    const uint32_t slot_count =
        names->slot_count == 0 ? SLOTS_MIN : names->slot_count + names->slot_count / 2;
    uint64_t *slots = mem_zalloc(slot_count * sizeof *slots);
    if (slots == NULL) return PHUSA_ENOMEM;
    for (uint32_t s = 0; s < names->slot_count; s++)
        if (names->slots[s] != 0) put_slot(slots, slot_count, names->slots[s]);
    uint64_t *old = names->slots;
    pthread_rwlock_wrlock(lock);
    names->slots = slots;
    names->slot_count = slot_count;
    pthread_rwlock_unlock(lock);
    mem_free(old);
    return PHUSA_OK;
}

static phusa_status grow_places(struct index_names *names, pthread_rwlock_t *lock)
{
    if (names->count < names->capacity) return PHUSA_OK;
    const uint32_t capacity = names->capacity == 0 ? SLOTS_MIN : names->capacity * 2;
    uint32_t *places = mem_array(capacity, sizeof *places);
    if (places == NULL) return PHUSA_ENOMEM;
    if (names->count > 0) memcpy(places, names->places, names->count * sizeof *places);
    uint32_t *old = names->places;
    pthread_rwlock_wrlock(lock);
    names->places = places;
    names->capacity = capacity;
    pthread_rwlock_unlock(lock);
    mem_free(old);
    return PHUSA_OK;
}

phusa_status index_names_add(struct index_names *names, struct index_pool *pool,
                             struct phusa_text text, pthread_rwlock_t *lock)
{
    if (names->count >= ORDINALS_MAX) return PHUSA_ELIMIT;
    phusa_status status = grow_slots(names, lock);
    if (status == PHUSA_OK) status = grow_places(names, lock);
    uint32_t place;
    if (status == PHUSA_OK) status = index_pool_add(pool, text, &place);
    if (status != PHUSA_OK) return status;
    const uint64_t slot = (uint64_t)hash_of(text) << 32 | (names->count + 1);
    pthread_rwlock_wrlock(lock);
    names->places[names->count] = place;
    names->count++;
    put_slot(names->slots, names->slot_count, slot);
    pthread_rwlock_unlock(lock);
    return PHUSA_OK;
}
