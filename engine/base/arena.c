/* arena.c - see arena.h. */
#include "base/arena.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_BYTES_MIN ((size_t)4 << 10)
#define BLOCK_BYTES_MAX ((size_t)1 << 20)

struct arena_block {
    struct arena_block *older;
    size_t size_bytes; /* this header included */
};
_Static_assert(sizeof(struct arena_block) % 16 == 0, "blocks keep the alignment");

void arena_init(struct arena *arena, size_t budget_bytes)
{
    *arena = (struct arena){.budget_bytes = budget_bytes};
}

void arena_deinit(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *older = block->older;
        mem_free(block);
        block = older;
    }
    arena_init(arena, arena->budget_bytes);
}

static void use_block(struct arena *arena, struct arena_block *block)
{
    arena->next = (uint8_t *)(block + 1);
    arena->end = (uint8_t *)block + block->size_bytes;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->blocks;
    for (struct arena_block *b = arena->blocks; b != NULL; b = b->older)
        if (b->size_bytes > kept->size_bytes) kept = b;
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *older = block->older;
        if (block != kept) mem_free(block);
        block = older;
    }
    arena_init(arena, arena->budget_bytes);
    if (kept == NULL) return;
    kept->older = NULL;
    arena->blocks = kept;
    arena->total_bytes = kept->size_bytes;
    use_block(arena, kept);
}

static bool add_block(struct arena *arena, size_t size_bytes)
{
    size_t block_bytes = arena->blocks == NULL ? BLOCK_BYTES_MIN : arena->blocks->size_bytes * 2;
    if (block_bytes > BLOCK_BYTES_MAX) block_bytes = BLOCK_BYTES_MAX;
    if (block_bytes < size_bytes + sizeof(struct arena_block))
        block_bytes = size_bytes + sizeof(struct arena_block);
    if (block_bytes > arena->budget_bytes - arena->total_bytes) {
        arena->exhausted = true;
        return false;
    }
    struct arena_block *block = mem_alloc(block_bytes);
    if (block == NULL) return false;
    block->older = arena->blocks;
    block->size_bytes = block_bytes;
    arena->blocks = block;
    arena->total_bytes += block_bytes;
    use_block(arena, block);
    return true;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    if (size_bytes > SIZE_MAX / 2) return NULL;
    const size_t rounded = (size_bytes + 15) & ~(size_t)15;
    if (arena->blocks == NULL || rounded > (size_t)(arena->end - arena->next)) {
        assert(arena->total_bytes <= arena->budget_bytes);
        if (!add_block(arena, rounded)) return NULL;
    }
    void *bytes = arena->next;
    arena->next += rounded;
    return bytes;
}

void *arena_zalloc(struct arena *arena, size_t size_bytes)
{
    void *bytes = arena_alloc(arena, size_bytes);
    if (bytes != NULL) memset(bytes, 0, size_bytes);
    return bytes;
}

void *arena_array(struct arena *arena, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes)) return NULL;
    return arena_alloc(arena, total_bytes);
}

char *arena_copy(struct arena *arena, const void *bytes, size_t size_bytes)
{
    char *copy = arena_alloc(arena, size_bytes + 1);
    if (copy == NULL) return NULL;
    if (size_bytes > 0) memcpy(copy, bytes, size_bytes);
    copy[size_bytes] = '\0';
    return copy;
}

char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) return NULL;
    char *text = arena_alloc(arena, (size_t)size + 1);
    if (text == NULL) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return text;
}
