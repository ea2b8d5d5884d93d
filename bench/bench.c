/*
 * bench.c - giving up, time, memory.
 */
#include "bench.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static atomic_bool ending;

void bench_ending(void)
{
    ending = true;
}

void bench_fail(const char *format, ...)
{
    va_list arguments;
    while (ending)
        pause();
    bench_progress("%s", "");
    fputs("bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void bench_progress(const char *format, ...)
{
    if (!isatty(STDERR_FILENO)) return;
    va_list arguments;
    fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * (uint64_t)NS_PER_S + (uint64_t)now.tv_nsec;
}

void *bench_alloc(size_t count, size_t size_bytes)
{
    void *const memory = calloc(count, size_bytes);
    if (memory == NULL) bench_fail("no memory for %zu bytes", count * size_bytes);
    return memory;
}

void *bench_grow(void *memory, size_t size_bytes)
{
    void *const grown = realloc(memory, size_bytes);
    if (grown == NULL) bench_fail("no memory for %zu bytes", size_bytes);
    return grown;
}
