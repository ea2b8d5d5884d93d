/*
 * arena.h - memory that is freed whole: one per batch, statement or query.
 *
 * Blocks double from 4 KiB to 1 MiB. A budget bounds the total, so that one query cannot
 * take the machine's memory: past it, arena_alloc() returns NULL as for a lack of memory,
 * and arena_exhausted() tells which of the two it was.
 *
 * Threads  one at a time.
 */
#ifndef PHUSA_BASE_ARENA_H
#define PHUSA_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    uint8_t *next;
    uint8_t *end;
    size_t total_bytes; /* taken from the system */
    size_t budget_bytes;
    bool exhausted;
};

void arena_init(struct arena *arena, size_t budget_bytes);
void arena_deinit(struct arena *arena);
/* Empty it; the largest block is kept for reuse. */
void arena_reset(struct arena *arena);
/* Aligned to 16. NULL without memory or over the budget. */
void *arena_alloc(struct arena *arena, size_t size_bytes);
void *arena_zalloc(struct arena *arena, size_t size_bytes);
void *arena_array(struct arena *arena, size_t count, size_t size_bytes);
/* Copies and adds a NUL. */
char *arena_copy(struct arena *arena, const void *bytes, size_t size_bytes);
char *arena_print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline bool arena_exhausted(const struct arena *arena)
{
    return arena->exhausted;
}

#endif
