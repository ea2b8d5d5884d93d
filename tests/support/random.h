/*
 * random.h - seeded random numbers for model tests. The seed is printed, and PHUSA_SEED
 * in the environment replays it. (xoshiro256++, seeded by splitmix64.)
 */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
    uint64_t state[4];
};

static inline struct random random_from(uint64_t seed)
{
    struct random r;
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        r.state[i] = z ^ z >> 31;
    }
    return r;
}

static inline struct random random_seeded(void)
{
    const char *given = getenv("PHUSA_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 0)
                                        : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    fprintf(stderr, "PHUSA_SEED=%llu\n", (unsigned long long)seed);
    return random_from(seed);
}

static inline uint64_t random_u64(struct random *r)
{
    uint64_t *s = r->state;
    const uint64_t sum = s[0] + s[3], result = (sum << 23 | sum >> 41) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* 0 .. bound-1, bound at least 1; its slight bias does not matter here. */
static inline uint64_t random_below(struct random *r, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)random_u64(r) * bound >> 64);
}

#endif
