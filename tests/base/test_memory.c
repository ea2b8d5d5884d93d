/*
 * test_memory.c - guards base/mem and base/arena: the n-th allocation fails when a test says so,
 * sizes that overflow are refused, and an arena keeps to its budget.
 */
#include "base/arena.h"
#include "base/mem.h"

#include "random.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- mem -------------------------------------------------------------- */

Test(mem, the_nth_allocation_fails_and_only_that)
{
    mem_fail_at(3);
    void *a = mem_alloc(1), *b = mem_zalloc(1), *c = mem_array(1, 1), *d = mem_alloc(1);
    cr_assert(a != NULL && b != NULL && c == NULL && d != NULL);
    cr_assert_eq(mem_calls(), 4);
    mem_fail_at(1);
    cr_assert_eq(mem_copy_text("x", 1), NULL);
    mem_fail_at(1);
    void *const same = mem_resize(a, 2, 1);
    cr_assert_eq(same, NULL); /* and `a` is still there */
    mem_fail_at(0);
    mem_free(a);
    mem_free(b);
    mem_free(d);
    mem_free(NULL);
}

Test(mem, sizes_that_overflow_are_refused)
{
    volatile size_t huge = SIZE_MAX / 2 + 1; /* volatile: the compiler would see through it */
    cr_assert_eq(mem_array(huge, 2), NULL);
    cr_assert_eq(mem_array(2, huge), NULL);
    cr_assert_eq(mem_resize(NULL, huge, 4), NULL);
}

Test(mem, zero_bytes_are_an_allocation_too)
{
    volatile size_t none = 0;
    void *const block = mem_array(none, 8);
    cr_assert_neq(block, NULL);
    mem_free(block);
}

Test(mem, zeroed_memory_is_zero_and_copies_end_with_nul)
{
    uint8_t *const zeros = mem_zalloc(1000);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(zeros[i], 0);
    mem_free(zeros);
    char *const text = mem_copy_text("abc\0def", 7);
    cr_assert_eq(memcmp(text, "abc\0def", 8), 0);
    mem_free(text);
}

Test(mem, growing_keeps_what_is_there_and_fails_without_change)
{
    uint32_t *array = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert(MEM_GROW(array, capacity, i + 1));
        cr_assert_geq(capacity, i + 1);
        array[i] = i;
    }
    uint32_t *const before = array;
    const size_t capacity_before = capacity;
    mem_fail_at(1);
    cr_assert(!MEM_GROW(array, capacity, capacity + 1));
    mem_fail_at(0);
    cr_assert(array == before && capacity == capacity_before);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(array[i], i);
    mem_free(array);
}

/* ---- arena ------------------------------------------------------------ */

Test(arena, blocks_are_aligned_and_do_not_overlap)
{
    struct random random = random_seeded();
    struct arena arena;
    arena_init(&arena, 64 << 20);
    static uint8_t *blocks[2000];
    static size_t sizes[2000];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2000; i++) {
            sizes[i] = random_u64(&random) % (i % 100 == 0 ? 100000 : 200);
            blocks[i] = arena_alloc(&arena, sizes[i]);
            cr_assert_neq(blocks[i], NULL);
            cr_assert_eq((uintptr_t)blocks[i] % 16, 0);
            memset(blocks[i], i & 0xff, sizes[i]);
        }
        for (int i = 0; i < 2000; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                cr_assert_eq(blocks[i][k], i & 0xff);
        cr_assert_leq(arena.total_bytes, arena.budget_bytes);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    cr_assert_eq(arena.total_bytes, 0);
}

Test(arena, its_budget_is_the_end_and_it_says_so)
{
    struct arena arena;
    arena_init(&arena, 100000);
    size_t got = 0;
    while (arena_alloc(&arena, 1000) != NULL)
        got += 1000;
    cr_assert(arena_exhausted(&arena));
    cr_assert_leq(arena.total_bytes, 100000);
    cr_assert_geq(got, 40000);
    arena_reset(&arena);
    cr_assert(!arena_exhausted(&arena));
    cr_assert_neq(arena_alloc(&arena, 1000), NULL);
    cr_assert_eq(arena_alloc(&arena, 200000), NULL);
    cr_assert(arena_exhausted(&arena));
    arena_deinit(&arena);
}

Test(arena, without_memory_it_is_not_called_exhausted)
{
    struct arena arena;
    arena_init(&arena, 100000);
    mem_fail_at(1);
    cr_assert_eq(arena_alloc(&arena, 10), NULL);
    mem_fail_at(0);
    cr_assert(!arena_exhausted(&arena));
    cr_assert_neq(arena_alloc(&arena, 10), NULL);
    arena_deinit(&arena);
}

Test(arena, absurd_sizes_are_refused)
{
    volatile size_t huge = SIZE_MAX;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    cr_assert_eq(arena_alloc(&arena, huge), NULL);
    cr_assert_eq(arena_array(&arena, huge / 2, 3), NULL);
    cr_assert_eq(arena_array(&arena, huge, 2), NULL);
    arena_deinit(&arena);
}

Test(arena, reset_keeps_one_block_for_reuse)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    cr_assert_neq(arena_alloc(&arena, 500000), NULL);
    cr_assert_neq(arena_alloc(&arena, 100), NULL);
    arena_reset(&arena);
    mem_fail_at(UINT64_MAX); /* counts */
    cr_assert_neq(arena_alloc(&arena, 400000), NULL);
    cr_assert_eq(mem_calls(), 0);
    mem_fail_at(0);
    arena_deinit(&arena);
}

Test(arena, zeroes_copies_and_prints)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    memset(arena_alloc(&arena, 3000), 0xff, 3000);
    arena_reset(&arena);
    const uint8_t *const zeros = arena_zalloc(&arena, 3000);
    for (int i = 0; i < 3000; i++)
        cr_assert_eq(zeros[i], 0);
    cr_assert_eq(memcmp(arena_copy(&arena, "abc\0def", 7), "abc\0def", 8), 0);
    cr_assert_str_eq(arena_copy(&arena, NULL, 0), "");
    cr_assert_str_eq(arena_print(&arena, "%s %d", "level", 7), "level 7");
    const char *const wide = arena_print(&arena, "%10000d", 1);
    cr_assert_eq(strlen(wide), 10000);
    arena_deinit(&arena);
}
