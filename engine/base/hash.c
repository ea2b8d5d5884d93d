/* hash.c - see hash.h. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <pthread.h>
#include <sys/random.h>

static uint8_t secret[192];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void draw_secret(void)
{
    /* Blocks only before the kernel's pool is first filled; cannot fail for 192 bytes. */
    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) __builtin_trap();
}

struct hash128 hash_bytes(const void *bytes, size_t size_bytes)
{
    pthread_once(&once, draw_secret);
    const XXH128_hash_t h = XXH3_128bits_withSecret(bytes, size_bytes, secret, sizeof secret);
    return (struct hash128){h.low64, h.high64};
}
