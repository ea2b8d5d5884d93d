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
