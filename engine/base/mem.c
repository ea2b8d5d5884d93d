/* mem.c - see mem.h. The counters are relaxed atomics: exact only in single-threaded tests. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t fail_at;
static _Atomic uint64_t calls;

static _Bool fails_now(void)
{
    const uint64_t n = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (n == 0) return 0;
    return atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1 == n;
}

void *mem_alloc(size_t size_bytes)
{
    return fails_now() ? NULL : malloc(size_bytes);
}

void *mem_zalloc(size_t size_bytes)
{
    return fails_now() ? NULL : calloc(1, size_bytes);
}

void *mem_array(size_t count, size_t size_bytes)
{
    return mem_resize(NULL, count, size_bytes);
}

void *mem_resize(void *block, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes) || fails_now()) return NULL;
    return realloc(block, total_bytes == 0 ? 1 : total_bytes);
}

char *mem_copy_text(const char *bytes, size_t size_bytes)
{
    char *copy = mem_alloc(size_bytes + 1);
    if (copy == NULL) return NULL;
    if (size_bytes > 0) memcpy(copy, bytes, size_bytes);
    copy[size_bytes] = '\0';
    return copy;
}

void mem_free(void *block)
{
    free(block);
}

_Bool mem_grow(void **array, size_t *capacity, size_t count, size_t size_bytes)
{
    if (count <= *capacity) return 1;
    size_t wanted = *capacity < 8 ? 8 : *capacity * 2;
    if (wanted < count) wanted = count;
    void *grown = mem_resize(*array, wanted, size_bytes);
    if (grown == NULL) return 0;
    *array = grown;
    *capacity = wanted;
    return 1;
}

void mem_fail_at(uint64_t n)
{
    atomic_store(&calls, 0);
    atomic_store(&fail_at, n);
}

uint64_t mem_calls(void)
{
    return atomic_load(&calls);
}
