/*
 * hash.h - a keyed 128-bit hash of series keys, by XXH3 with a secret drawn at start.
 *
 * At 10 M series two keys collide with probability 1e-24, so tables compare hashes, not keys.
 * The secret is random for each process and never leaves it: an adversary who chooses
 * keys cannot aim for a collision.
 */
#ifndef PHUSA_BASE_HASH_H
#define PHUSA_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t low, high;
};

struct hash128 hash_bytes(const void *bytes, size_t size_bytes);
static inline bool hash_equal(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

#endif
