/*
 * head_table.c - from (policy, series) to an entry: 256 open-addressing tables in the region.
 *
 * A hash is used in three parts, which do not overlap while a table has at most 2^24 slots:
 *
 *     63      56 55                    24 23              0
 *     | table  | compared in the slot    | first slot       |
 *
 * A table is doubled when 7/8 full, by a copy that readers see when it is whole. Growth copies
 * 1/256 of the entries at a time (4,096 of a million: 20 us), and the copies left behind take
 * as much as the table in use.
 */
#include "head/head_internal.h"

#define SLOTS_MIN 16u

uint64_t head_hash(uint64_t owner, uint64_t member)
{
    /* A 64 x 64 -> 128 bit product folded: every bit of both reaches every bit of the hash. */
    const unsigned __int128 product =
        (unsigned __int128)(member ^ UINT64_C(0x9e3779b97f4a7c15)) *
        ((owner * UINT64_C(0xd6e8feb86659fd93)) ^ UINT64_C(0xa0761d6478bd642f));
    const uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    return (folded ^ folded >> 32) * UINT64_C(0xe7037ed1a0b428db);
}

static uint32_t table_of(uint64_t hash)
{
    return (uint32_t)(hash >> 56);
}
static uint32_t fragment_of(uint64_t hash)
{
    return (uint32_t)(hash >> 24);
}

static const struct head_table *table_at(const struct head *head, const atomic_place *tables,
                                         uint64_t hash)
{
    const place at = atomic_load_explicit(&tables[table_of(hash)], memory_order_acquire);
    return at == 0 ? NULL : head_at(head, at);
}

struct head_entry *head_find(const struct head *head, place policy, uint64_t series, uint64_t hash)
{
    const struct head_table *table = table_at(head, head->tables, hash);
    if (table == NULL) return NULL;
    const uint32_t mask = table->slot_count - 1;
    for (uint32_t s = (uint32_t)hash & mask;; s = (s + 1) & mask) {
        const uint64_t slot = atomic_load_explicit(&table->slots[s], memory_order_acquire);
        if (slot == 0) return NULL;
        if ((uint32_t)(slot >> 32) != fragment_of(hash)) continue;
        struct head_entry *entry = head_at(head, (place)slot);
        if (entry->series == series && entry->policy == policy) return entry;
    }
}

place head_find_strand(const struct head *head, place entry, place shape, uint64_t hash)
{
    const struct head_table *table = table_at(head, head->strand_tables, hash);
    if (table == NULL) return 0;
    const uint32_t mask = table->slot_count - 1;
    for (uint32_t s = (uint32_t)hash & mask;; s = (s + 1) & mask) {
        const uint64_t slot = atomic_load_explicit(&table->slots[s], memory_order_relaxed);
        if (slot == 0) return 0;
        if ((uint32_t)(slot >> 32) != fragment_of(hash)) continue;
        const struct extra_strand *extra = head_at(head, (place)slot);
        if (extra->owner == entry && extra->strand.shape == shape)
            return (place)slot + offsetof(struct extra_strand, strand) / PLACE_BYTES;
    }
}

static void put(struct head_table *table, uint32_t first_slot, uint64_t slot)
{
    const uint32_t mask = table->slot_count - 1;
    uint32_t s = first_slot & mask;
    while (atomic_load_explicit(&table->slots[s], memory_order_relaxed) != 0)
        s = (s + 1) & mask;
    atomic_store_explicit(&table->slots[s], slot, memory_order_release);
    table->used++;
}

/* What was hashed to reach an entry or extra strand: a slot keeps too little of it to double. */
static uint64_t hash_again(const struct head *head, const atomic_place *tables, place at)
{
    if (tables == head->tables) {
        const struct head_entry *entry = head_at(head, at);
        return head_hash(entry->policy, entry->series);
    }
    const struct extra_strand *extra = head_at(head, at);
    return head_hash(extra->owner, extra->strand.shape);
}

phusa_status head_reserve_slot(struct head *head, atomic_place *tables, uint64_t hash)
{
    const struct head_table *old = table_at(head, tables, hash);
    if (old != NULL && old->used < old->slot_count / 8 * 7) return PHUSA_OK;

    const uint32_t slot_count = old == NULL ? SLOTS_MIN : old->slot_count * 2;
    const place at = head_take(head, sizeof(struct head_table) + 8 * (size_t)slot_count);
    if (at == 0) return PHUSA_ELIMIT;
    struct head_table *table = head_at(head, at);
    table->slot_count = slot_count;
    table->used = 0;
    for (uint32_t s = 0; s < slot_count; s++)
        atomic_init(&table->slots[s], 0);
    for (uint32_t s = 0; old != NULL && s < old->slot_count; s++) {
        const uint64_t slot = atomic_load_explicit(&old->slots[s], memory_order_relaxed);
        if (slot != 0) put(table, (uint32_t)hash_again(head, tables, (place)slot), slot);
    }
    atomic_store_explicit(&tables[table_of(hash)], at, memory_order_release);
    return PHUSA_OK;
}

void head_publish(struct head *head, atomic_place *tables, place what, uint64_t hash)
{
    struct head_table *table =
        head_at(head, atomic_load_explicit(&tables[table_of(hash)], memory_order_relaxed));
    assert(table->used < table->slot_count);
    put(table, (uint32_t)hash, (uint64_t)fragment_of(hash) << 32 | what);
}

void head_prefetch_slot(const struct head *head, uint64_t hash)
{
    const struct head_table *table = table_at(head, head->tables, hash);
    if (table != NULL) __builtin_prefetch(&table->slots[(uint32_t)hash & (table->slot_count - 1)]);
}

place head_guess(const struct head *head, uint64_t hash)
{
    const struct head_table *table = table_at(head, head->tables, hash);
    if (table == NULL) return 0;
    const uint32_t mask = table->slot_count - 1;
    for (uint32_t s = (uint32_t)hash & mask;; s = (s + 1) & mask) {
        const uint64_t slot = atomic_load_explicit(&table->slots[s], memory_order_relaxed);
        if (slot == 0) return 0;
        if ((uint32_t)(slot >> 32) == fragment_of(hash)) return (place)slot;
    }
}

struct head_policy *head_find_policy(const struct head *head, uint32_t policy, place *at)
{
    place next = atomic_load_explicit(&head->policies, memory_order_acquire);
    while (next != 0) {
        struct head_policy *p = head_at(head, next);
        if (p->policy == policy) {
            *at = next;
            return p;
        }
        next = atomic_load_explicit(&p->next, memory_order_relaxed);
    }
    return NULL;
}
