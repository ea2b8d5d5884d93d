/*
 * mem.h - the engine's only allocator calls, so that tests can make call n fail.
 *
 * Threads  any. mem_fail_at() is for single-threaded tests.
 */
#ifndef PHUSA_BASE_MEM_H
#define PHUSA_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* NULL when there is no memory, or count * size_bytes overflows. mem_free(NULL) is allowed. */
void *mem_alloc(size_t size_bytes) __attribute__((malloc, alloc_size(1)));
void *mem_zalloc(size_t size_bytes) __attribute__((malloc, alloc_size(1)));
void *mem_array(size_t count, size_t size_bytes) __attribute__((malloc, alloc_size(1, 2)));
/* On failure the old block is untouched and still owned by the caller. */
void *mem_resize(void *block, size_t count, size_t size_bytes) __attribute__((alloc_size(2, 3)));
char *mem_copy_text(const char *bytes, size_t size_bytes); /* adds a NUL */
void mem_free(void *block);

/* Grow *array (elements of size_bytes, *capacity of them) so that it holds `count`. Doubles.
 * Returns false, changing nothing, when there is no memory. */
#define MEM_GROW(array, capacity, count) \
    mem_grow((void **)&(array), &(capacity), (count), sizeof *(array))
_Bool mem_grow(void **array, size_t *capacity, size_t count, size_t size_bytes);

/* The n-th allocation from now fails (1: the next), and only that; 0 switches off. */
void mem_fail_at(uint64_t n);
/* Allocations since the last mem_fail_at(). */
uint64_t mem_calls(void);

#endif
