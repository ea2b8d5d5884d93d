/*
 * bench.h - what every file of the bench needs: giving up, time, random numbers, memory.
 */
#ifndef PHUSA_BENCH_BENCH_H
#define PHUSA_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS 1000000.0

/* Say why on standard error and end with 1; servers are stopped and scratch files removed. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The program is ending already, from another thread: from here bench_fail() waits for it. */
void bench_ending(void);

/* A line of progress, on a terminal only; each replaces the one before. "" takes it away. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t bench_now_ns(void); /* monotonic */

/* splitmix64: the same numbers from the same seed, on every machine. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* 0..limit-1; near enough to uniform for a limit far below 2^64. */
static inline uint64_t bench_random_below(uint64_t *state, uint64_t limit)
{
    return bench_random(state) % limit;
}

/* Never NULL. */
void *bench_alloc(size_t count, size_t size_bytes);
void *bench_grow(void *memory, size_t size_bytes);

#endif
