/*
 * clocks.h - the two clocks: intervals and deadlines by monotonic_ns(), times of points by
 * wall_ns().
 */
#ifndef PHUSAD_CLOCKS_H
#define PHUSAD_CLOCKS_H

#include <stdint.h>
#include <time.h>

static inline int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
