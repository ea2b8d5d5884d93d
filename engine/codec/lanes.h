/*
 * lanes.h - the loops of the codec that are worth vectorising, once in plain C and once for
 * AVX2. Both give the same answers for all inputs. Private to this folder.
 *
 * A full block of 256 values of up to 32 bits lies in 8 lanes of 32-bit words: value i is step
 * i/8 of lane i%8, a lane's 32 values fill `width` words from the low bits up, and word k of all
 * lanes lies side by side. So one load brings the same bits of 8 neighbouring values, and
 * they come out in order.
 */
#ifndef PHUSA_CODEC_LANES_H
#define PHUSA_CODEC_LANES_H

#include "codec/codec.h"

#define BLOCK_COUNT 256u /* values of a full block */

struct lanes {
    /* The low `width` bits of v[i] - base, for one full block: unpack()'s other side. */
    void (*pack)(const uint32_t *v, uint32_t base, unsigned width, uint8_t *packed);
    /* residuals[i] = r[i] - least, deltas[i] = r[i] - r[i-1] - step (deltas[0] = 0), with the least
     * value and the least difference. 1 <= count <= BLOCK_COUNT, 0 <= r[i]. */
    void (*split)(const int32_t *r, uint32_t count, uint32_t *residuals, uint32_t *deltas,
                  int32_t *least, int32_t *step);
    /* How many of v lie outside [base, base + 2^width), modulo 2^32; width below 32. */
    uint32_t (*outside)(const uint32_t *v, uint32_t count, uint32_t base, unsigned width);
    /* And where; returns how many. count at most BLOCK_COUNT. */
    uint32_t (*locate)(const uint32_t *v, uint32_t count, uint32_t base, unsigned width,
                       uint8_t *positions);
    /* Least and greatest of v[i] ^ flip. count >= 1. */
    void (*extent)(const int64_t *v, uint32_t count, uint64_t flip, int64_t *low, int64_t *high);
    /* out[i] = base + value i, for one full block; width 0..32. Reads 32 * width bytes. */
    void (*unpack)(const uint8_t *packed, unsigned width, uint32_t base, uint32_t *out);
    /* v[i] = first + i*step + (v[0] + ... + v[i]), modulo 2^32. */
    void (*prefix)(uint32_t *v, uint32_t count, uint32_t first, uint32_t step);
    uint64_t (*sum)(const uint32_t *v, uint32_t count);
    /* Of values below 2^26, at most CODEC_COUNT_MAX of them. */
    uint64_t (*squares)(const uint32_t *v, uint32_t count);
    uint32_t (*min)(const uint32_t *v, uint32_t count); /* count >= 1 */
    uint32_t (*max)(const uint32_t *v, uint32_t count);
    uint32_t (*find)(const uint32_t *v, uint32_t count, uint32_t wanted); /* it is there */
    /* out[i] = (reference + multiplier * v[i]) / divisor; every intermediate is an integer below
     * 2^53, so only the division rounds. */
    void (*to_floats)(const uint32_t *v, uint32_t count, int64_t reference, uint64_t multiplier,
                      unsigned decimals, double *out);
    void (*to_integers)(const uint32_t *v, uint32_t count, uint64_t reference, uint64_t multiplier,
                        int64_t *out);
};

extern const struct lanes lanes_scalar;
extern const struct lanes lanes_avx2; /* only to be called where the CPU has it */
const struct lanes *lanes_active(void);

/* 10^0 .. 10^18, all exact. */
extern const double codec_power_of_ten[19];

#endif
