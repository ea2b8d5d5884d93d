/*
 * integers.c - vectors of integers: frame of reference or deltas, packed in bits, per 256 values.
 *
 *    vector   flags | reference | [multiplier] | block, block ...
 *    block    mode  | base | [step] | packed | [patches]
 *
 * Every value of a vector is reference + multiplier * r with r >= 0; the multiplier is the
 * greatest common divisor of all distances, so times in seconds kept in nanoseconds, counters of
 * whole pages, and prices in steps of 0.05 cost what their steps cost. r is then coded for each
 * block as base + residual, or as deltas of step + residual, whichever is smaller. A few
 * residuals that would widen the rest (a spike in a calm series, up or down) keep their high part
 * in a patch.
 *
 * Example: 20 21 21 23 22 40 22 ... has reference 20; r = 0 1 1 3 2 20 2. As base 0 and 5
 * bits each it takes 35 bits; as base 0 and 2 bits with one patch (position 5, high part
 * 20>>2 = 5) it takes 14 + patch. See FORMAT.md.
 */
#include "codec/lanes.h"

#include <assert.h>

enum { FORM_CONSTANT, FORM_PROGRESSION, FORM_NARROW, FORM_WIDE, FORM_MASK = 3, MULTIPLIER = 4 };
enum { MODE_DELTA = 0x40, MODE_PATCHED = 0x80, MODE_WIDTH = 0x3f };

/* Patches cost a decoder about 2 ns each: more than one in eight would make it the slow part. */
#define PATCH_COUNT_MAX 32u

static unsigned bits_of(uint64_t v)
{
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(v);
}

/* Values of the block that begins at value i of `count`. */
static uint32_t block_count(uint32_t count, uint32_t i)
{
    return count - i < BLOCK_COUNT ? count - i : BLOCK_COUNT;
}

/* ---- bits in a row, for blocks that are not full or wider than a lane ---- */

static size_t packed_bytes(unsigned width, uint32_t count)
{
    return ((size_t)width * count + 7) / 8;
}

static void put_bits(const uint64_t *v, uint32_t count, unsigned width, uint8_t *out)
{
    uint64_t pending = 0;
    unsigned filled = 0;
    const uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    for (uint32_t i = 0; i < count && width > 0; i++) {
        const uint64_t x = v[i] & mask;
        pending |= x << filled;
        if (filled + width < 64) {
            filled += width;
            continue;
        }
        store_u64(out, pending);
        out += 8;
        const unsigned rest = filled + width - 64; /* bits of x that did not fit */
        pending = rest == 0 ? 0 : x >> (width - rest);
        filled = rest;
    }
    for (; filled > 0; filled = filled > 8 ? filled - 8 : 0, pending >>= 8)
        *out++ = (uint8_t)pending;
}

/* `packed` has packed_bytes() and 8 readable bytes more. */
static void get_bits(const uint8_t *packed, uint32_t count, unsigned width, uint64_t *out)
{
    if (width == 0) {
        memset(out, 0, count * sizeof *out);
    } else if (width == 64) {
        memcpy(out, packed, count * sizeof *out);
    } else if (width <= 57) {
        const uint64_t mask = (UINT64_C(1) << width) - 1;
        for (size_t i = 0, bit = 0; i < count; i++, bit += width)
            out[i] = load_u64(packed + bit / 8) >> (bit % 8) & mask;
    } else {
        const uint64_t mask = (UINT64_C(1) << width) - 1;
        for (size_t i = 0, bit = 0; i < count; i++, bit += width) {
            const unsigned shift = bit % 8;
            uint64_t v = load_u64(packed + bit / 8) >> shift;
            if (shift > 0) v |= (uint64_t)packed[bit / 8 + 8] << (64 - shift);
            out[i] = v & mask;
        }
    }
}

static void get_bits_narrow(const uint8_t *packed, uint32_t count, unsigned width, uint32_t base,
                            uint32_t *out)
{
    assert(width <= 32);
    const uint64_t mask = (UINT64_C(1) << width) - 1;
    for (size_t i = 0, bit = 0; i < count; i++, bit += width)
        out[i] = base + (uint32_t)(load_u64(packed + bit / 8) >> (bit % 8) & mask);
}

/* ---- encoding a block ---- */

/* What is to be packed of a block, as distances from its least, in either width: 32-bit
 * arithmetic is what the compiler can vectorise. */
struct residuals {
    uint32_t *narrow; /* or, where it is NULL: */
    uint64_t *wide;
    uint32_t count;
    bool is_delta; /* the first is not used, and packed as 0 */
};

static uint64_t residual_at(const struct residuals *r, uint32_t i)
{
    return r->narrow != NULL ? r->narrow[i] : r->wide[i];
}

static uint64_t greatest_of(const struct residuals *r)
{
    if (r->narrow != NULL) return lanes_active()->max(r->narrow, r->count);
    uint64_t greatest = 0;
    for (uint32_t i = 0; i < r->count; i++)
        greatest = r->wide[i] > greatest ? r->wide[i] : greatest;
    return greatest;
}

/* How many lie outside [base, base + 2^width), width below 64 (below 32 for narrow ones). */
static uint32_t count_outside(const struct residuals *r, uint64_t base, unsigned width)
{
    const uint32_t from = r->is_delta;
    if (r->narrow != NULL)
        return lanes_active()->outside(r->narrow + from, r->count - from, (uint32_t)base, width);
    uint32_t count = 0;
    for (uint32_t i = from; i < r->count; i++)
        count += (r->wide[i] - base) >> width != 0;
    return count;
}

/* Of a sample: where the middle of the noise is, whatever the outliers are. */
static uint64_t median_of(const struct residuals *r)
{
    enum { SAMPLE = 15 };
    uint64_t sorted[SAMPLE];
    const uint32_t step = r->count < SAMPLE ? 1 : r->count / SAMPLE;
    uint32_t n = 0;
    for (uint32_t i = r->is_delta; i < r->count && n < SAMPLE; i += step, n++) {
        const uint64_t v = residual_at(r, i);
        uint32_t k = n;
        for (; k > 0 && sorted[k - 1] > v; k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = v;
    }
    return n == 0 ? 0 : sorted[n / 2];
}

struct plan {
    size_t size_bytes; /* of what is packed, and its patches */
    uint64_t base;     /* taken from every residual; those below it become negative */
    unsigned width, high_width;
    uint32_t patch_count;
};

/* Bits of the signed high parts of residuals 0..greatest, seen from base. */
static unsigned high_bits(uint64_t greatest, uint64_t base, unsigned width)
{
    const uint64_t above = greatest < base ? 0 : (greatest - base) >> width;
    const uint64_t below = base == 0 ? 0 : (base - 1) >> width; /* -1 - floor(-base / 2^width) */
    const unsigned bits = bits_of(above > below ? above : below) + (above > 0 || base > 0);
    return bits < 64 - width ? bits : 64 - width;
}

static void try_plan(const struct residuals *r, uint64_t greatest, uint64_t base, unsigned width,
                     uint32_t patches, struct plan *best)
{
    const unsigned high = high_bits(greatest, base, width);
    size_t size = packed_bytes(width, r->count);
    if (patches > 0) size += 2 + patches + packed_bytes(high, patches);
    if (size < best->size_bytes) *best = (struct plan){size, base, width, high, patches};
}

/* The width that makes a block smallest, and with it the base: the least, so that only values far
 * above need a patch, or half the width below the median, so that those far below do too. Each step
 * narrower is two passes, but with more than PATCH_COUNT_MAX patches it ends, which for most
 * data is after two or three. */
static struct plan plan_block(const struct residuals *r)
{
    const uint64_t greatest = greatest_of(r), median = median_of(r);
    const unsigned widest = bits_of(greatest);
    struct plan best = {packed_bytes(widest, r->count), 0, widest, 0, 0};
    bool low_ended = false, mid_ended = false;
    for (unsigned width = widest; width-- > 0 && !(low_ended && mid_ended);) {
        if (!low_ended) {
            const uint32_t patches = count_outside(r, 0, width);
            low_ended = patches > PATCH_COUNT_MAX;
            if (!low_ended) try_plan(r, greatest, 0, width, patches, &best);
        }
        const uint64_t half = width == 0 ? 0 : UINT64_C(1) << (width - 1);
        if (!mid_ended && median > half) {
            const uint32_t patches = count_outside(r, median - half, width);
            mid_ended = patches > PATCH_COUNT_MAX;
            if (!mid_ended) try_plan(r, greatest, median - half, width, patches, &best);
        } else if (median <= half) {
            mid_ended = false; /* the same as the least; look again when narrower */
        }
    }
    /* The mode byte has no room for 63. */
    if (best.width == 63) best = (struct plan){packed_bytes(64, r->count), 0, 64, 0, 0};
    return best;
}

/* ---- writing a block ---- */

/* Residual i less the plan's base. */
static uint64_t packed_at(const struct residuals *r, const struct plan *plan, uint32_t i)
{
    return r->narrow != NULL ? r->narrow[i] - (uint32_t)plan->base : r->wide[i] - plan->base;
}

static uint8_t *put_patches(uint8_t *out, const struct residuals *r, const struct plan *plan)
{
    uint64_t high[PATCH_COUNT_MAX];
    const uint32_t count = plan->patch_count;
    *out++ = (uint8_t)count;
    *out++ = (uint8_t)plan->high_width;
    uint8_t positions[BLOCK_COUNT];
    uint32_t found = 0;
    if (r->narrow != NULL) {
        found = lanes_active()->locate(r->narrow, r->count, (uint32_t)plan->base, plan->width,
                                       positions);
    } else {
        for (uint32_t i = 0; i < r->count; i++)
            if (packed_at(r, plan, i) >> plan->width != 0) positions[found++] = (uint8_t)i;
    }
    assert(found == count);
    memcpy(out, positions, count);
    for (uint32_t n = 0; n < count; n++) /* put_bits() drops what the sign repeats */
        high[n] = packed_at(r, plan, out[n]) >> plan->width;
    out += count;
    put_bits(high, count, plan->high_width, out);
    return out + packed_bytes(plan->high_width, count);
}

static uint8_t *put_residuals(uint8_t *out, const struct residuals *r, const struct plan *plan)
{
    if (r->is_delta && r->narrow != NULL) r->narrow[0] = (uint32_t)plan->base;
    if (r->is_delta && r->narrow == NULL) r->wide[0] = plan->base;
    if (r->count == BLOCK_COUNT && r->narrow != NULL) {
        lanes_active()->pack(r->narrow, (uint32_t)plan->base, plan->width, out);
    } else if (r->count == BLOCK_COUNT && plan->width <= 32) {
        uint32_t low[BLOCK_COUNT];
        for (uint32_t i = 0; i < BLOCK_COUNT; i++)
            low[i] = (uint32_t)packed_at(r, plan, i);
        lanes_active()->pack(low, 0, plan->width, out);
    } else {
        uint64_t v[BLOCK_COUNT];
        for (uint32_t i = 0; i < r->count; i++)
            v[i] = packed_at(r, plan, i);
        put_bits(v, r->count, plan->width, out);
    }
    out += packed_bytes(plan->width, r->count);
    return plan->patch_count == 0 ? out : put_patches(out, r, plan);
}

static size_t varint_bytes(uint64_t v)
{
    return v == 0 ? 1 : (bits_of(v) + 6) / 7;
}

/* A block as base + residuals, and as deltas of step + residuals from the first. */
struct choices {
    struct residuals direct, delta;
    uint64_t base, first;
    int64_t step;
};

static uint8_t *put_smaller(uint8_t *out, const struct choices *c)
{
    const struct plan direct = plan_block(&c->direct), delta = plan_block(&c->delta);
    const uint64_t base = c->base + direct.base;
    const int64_t step = (int64_t)((uint64_t)c->step + delta.base);
    const size_t direct_bytes = direct.size_bytes + varint_bytes(base);
    const size_t delta_bytes =
        delta.size_bytes + varint_bytes(c->first) + varint_bytes(zigzag(step));
    const bool use_delta = delta_bytes < direct_bytes;
    const struct plan *plan = use_delta ? &delta : &direct;
    const unsigned mode = (plan->width == 64 ? 63 : plan->width) |
                          (plan->patch_count > 0 ? MODE_PATCHED : 0u) |
                          (use_delta ? MODE_DELTA : 0u);
    *out++ = (uint8_t)mode;
    out = put_varint(out, use_delta ? c->first : base);
    if (use_delta) out = put_varint(out, zigzag(step));
    return put_residuals(out, use_delta ? &c->delta : &c->direct, plan);
}

/* r: distances from the reference, in multipliers. */
static uint8_t *put_block_wide(uint8_t *out, const uint64_t *r, uint32_t count)
{
    uint64_t least = r[0], residuals[BLOCK_COUNT], deltas[BLOCK_COUNT];
    for (uint32_t i = 1; i < count; i++)
        least = r[i] < least ? r[i] : least;
    for (uint32_t i = 0; i < count; i++)
        residuals[i] = r[i] - least;
    /* Differences modulo 2^64 are right for any range. */
    int64_t step = count > 1 ? INT64_MAX : 0;
    for (uint32_t i = 1; i < count; i++) {
        const int64_t d = (int64_t)(r[i] - r[i - 1]);
        step = d < step ? d : step;
    }
    deltas[0] = 0;
    for (uint32_t i = 1; i < count; i++)
        deltas[i] = r[i] - r[i - 1] - (uint64_t)step;
    const struct choices choices = {
        {NULL, residuals, count, false}, {NULL, deltas, count, true}, least, r[0], step};
    return put_smaller(out, &choices);
}

/* The same for distances below 2^31, whose differences fit 32 bits. */
static uint8_t *put_block_narrow(uint8_t *out, const int32_t *r, uint32_t count)
{
    int32_t least, step;
    uint32_t residuals[BLOCK_COUNT], deltas[BLOCK_COUNT];
    lanes_active()->split(r, count, residuals, deltas, &least, &step);
    const struct choices choices = {{residuals, NULL, count, false},
                                    {deltas, NULL, count, true},
                                    (uint64_t)least,
                                    (uint64_t)r[0],
                                    step};
    return put_smaller(out, &choices);
}

/* ---- encoding a vector ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Of distances from the least; 0 when all are zero. Ends at the first sign of 1, which for most
 * data is within three values. */
static uint64_t find_multiplier(const uint64_t *r, uint32_t count)
{
    uint64_t divisor = 0;
    for (uint32_t i = 0; i < count && divisor != 1; i++)
        if (r[i] != 0 && (divisor == 0 || r[i] % divisor != 0))
            divisor = common_divisor(r[i], divisor);
    return divisor;
}

static bool is_progression(const int64_t *values, uint32_t count, uint64_t *step)
{
    *step = (uint64_t)values[1] - (uint64_t)values[0];
    for (uint32_t i = 2; i < count; i++)
        if ((uint64_t)values[i] - (uint64_t)values[i - 1] != *step) return false;
    return true;
}

size_t codec_encode_integers(const int64_t *values, uint32_t count, bool is_unsigned, uint8_t *out)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) return 0;
    const uint8_t *const start = out;

    /* Flipping the top bit makes the order of uint64 that of int64. */
    const uint64_t flip = is_unsigned ? UINT64_C(1) << 63 : 0;
    int64_t low, high;
    lanes_active()->extent(values, count, flip, &low, &high);
    const uint64_t range = (uint64_t)high - (uint64_t)low;
    const uint64_t reference = (uint64_t)low ^ flip;
    uint64_t step;
    if (range == 0) {
        *out++ = FORM_CONSTANT;
        return (size_t)(put_varint(out, zigzag((int64_t)reference)) - start);
    }
    if (range <= INT64_MAX && is_progression(values, count, &step)) {
        *out++ = FORM_PROGRESSION;
        out = put_varint(out, zigzag(values[0]));
        return (size_t)(put_varint(out, zigzag((int64_t)step)) - start);
    }

    uint64_t r[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        r[i] = (uint64_t)values[i] - reference;
    const uint64_t multiplier = find_multiplier(r, count);
    if (multiplier > 1)
        for (uint32_t i = 0; i < count; i++)
            r[i] /= multiplier;
    const unsigned form = range / multiplier <= INT32_MAX ? FORM_NARROW : FORM_WIDE;
    *out++ = (uint8_t)(form | (multiplier > 1 ? MULTIPLIER : 0u));
    out = put_varint(out, zigzag((int64_t)reference));
    if (multiplier > 1) out = put_varint(out, multiplier);
    if (form == FORM_NARROW) {
        int32_t narrow[CODEC_COUNT_MAX];
        for (uint32_t i = 0; i < count; i++)
            narrow[i] = (int32_t)r[i];
        for (uint32_t i = 0; i < count; i += BLOCK_COUNT)
            out = put_block_narrow(out, narrow + i, block_count(count, i));
    } else {
        for (uint32_t i = 0; i < count; i += BLOCK_COUNT)
            out = put_block_wide(out, r + i, block_count(count, i));
    }
    return (size_t)(out - start);
}

/* ---- decoding ---- */

struct block {
    unsigned width, high_width;
    bool is_delta;
    uint64_t base, step;
    const uint8_t *packed, *positions, *high;
    uint32_t patch_count;
};

static bool read_block(struct reader *in, uint32_t count, bool is_narrow, struct block *b)
{
    const uint8_t mode = read_u8(in);
    *b = (struct block){.width = mode & MODE_WIDTH, .is_delta = (mode & MODE_DELTA) != 0};
    if (b->width == 63) b->width = 64;
    if (is_narrow && b->width > 32) return false;
    b->base = read_varint(in);
    if (b->is_delta) b->step = (uint64_t)read_zigzag(in);
    b->packed = read_bytes(in, packed_bytes(b->width, count));
    if ((mode & MODE_PATCHED) != 0) {
        b->patch_count = read_u8(in);
        b->high_width = read_u8(in);
        if (b->patch_count > PATCH_COUNT_MAX || b->high_width + b->width > 64) return false;
        b->positions = read_bytes(in, b->patch_count);
        b->high = read_bytes(in, packed_bytes(b->high_width, b->patch_count));
    }
    if (in->bad) return false;
    for (uint32_t i = 0; i < b->patch_count; i++)
        if (b->positions[i] >= count) return false;
    return true;
}

/* `size_bytes` at `p`, followed by 8 readable bytes: where they lie, or a copy in `spare`. */
static const uint8_t *readable(const uint8_t *p, size_t size_bytes, const uint8_t *end,
                               uint8_t *spare)
{
    if ((size_t)(end - p) >= size_bytes + 8) return p;
    memcpy(spare, p, size_bytes);
    memset(spare + size_bytes, 0, 8);
    return spare;
}
#define SPARE_BYTES (BLOCK_COUNT * 8 + 8)

/* What to add at the patches' positions: signed numbers, shifted. Returns how many there are. */
static uint32_t get_patches(const struct block *b, const uint8_t *end, uint64_t *added)
{
    if (b->patch_count == 0 || b->high_width == 0) return 0;
    uint8_t spare[PATCH_COUNT_MAX * 8 + 8];
    const size_t size = packed_bytes(b->high_width, b->patch_count);
    get_bits(readable(b->high, size, end, spare), b->patch_count, b->high_width, added);
    const unsigned unused = 64 - b->high_width;
    for (uint32_t i = 0; i < b->patch_count; i++)
        added[i] = (uint64_t)((int64_t)(added[i] << unused) >> unused) << b->width;
    return b->patch_count;
}

static void decode_narrow(const struct block *b, uint32_t count, const uint8_t *end, uint32_t *out)
{
    const struct lanes *lanes = lanes_active();
    const uint32_t base = b->is_delta ? 0 : (uint32_t)b->base;
    if (count == BLOCK_COUNT) {
        lanes->unpack(b->packed, b->width, base, out);
    } else {
        uint8_t spare[SPARE_BYTES];
        const size_t size = packed_bytes(b->width, count);
        get_bits_narrow(readable(b->packed, size, end, spare), count, b->width, base, out);
    }
    uint64_t added[PATCH_COUNT_MAX];
    for (uint32_t i = 0, n = get_patches(b, end, added); i < n; i++)
        out[b->positions[i]] += (uint32_t)added[i];
    if (b->is_delta) lanes->prefix(out, count, (uint32_t)b->base, (uint32_t)b->step);
}

static void decode_wide(const struct block *b, uint32_t count, const uint8_t *end, uint64_t *out)
{
    if (count == BLOCK_COUNT && b->width <= 32) {
        uint32_t words[BLOCK_COUNT];
        lanes_active()->unpack(b->packed, b->width, 0, words);
        for (uint32_t i = 0; i < count; i++)
            out[i] = words[i];
    } else {
        uint8_t spare[SPARE_BYTES];
        const size_t size = packed_bytes(b->width, count);
        get_bits(readable(b->packed, size, end, spare), count, b->width, out);
    }
    uint64_t added[PATCH_COUNT_MAX];
    for (uint32_t i = 0, n = get_patches(b, end, added); i < n; i++)
        out[b->positions[i]] += added[i];
    if (b->is_delta) {
        uint64_t total = b->base - b->step;
        for (uint32_t i = 0; i < count; i++)
            out[i] = total += b->step + out[i];
    } else {
        for (uint32_t i = 0; i < count; i++)
            out[i] += b->base;
    }
}

/* As ascending distances from the least, which is the reference. */
static void fill_progression(struct codec_units *units, uint64_t first, uint64_t step)
{
    const bool falls = (int64_t)step < 0;
    const uint32_t count = units->count;
    units->reference = falls ? first + step * (count - 1) : first;
    units->multiplier = falls ? 0 - step : step;
    for (uint32_t i = 0; i < count; i++)
        units->narrow[i] = falls ? count - 1 - i : i;
}

phusa_status codec_integer_units(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                                 bool is_unsigned, uint32_t from, uint32_t to,
                                 struct codec_units *units)
{
    assert(count <= CODEC_COUNT_MAX);
    assert(from <= to && to <= count);
    units->count = count;
    units->decimals = 0;
    units->is_unsigned = is_unsigned;
    units->is_narrow = true;
    units->multiplier = 1;
    units->reference = 0;
    if (count == 0) return size_bytes == 0 ? PHUSA_OK : PHUSA_ECORRUPT;

    struct reader in = reader_of(bytes, size_bytes);
    const uint8_t flags = read_u8(&in);
    const unsigned form = flags & FORM_MASK;
    if (in.bad || (flags & ~(FORM_MASK | MULTIPLIER)) != 0) return PHUSA_ECORRUPT;
    units->reference = (uint64_t)read_zigzag(&in);
    if (form == FORM_CONSTANT || form == FORM_PROGRESSION) {
        const uint64_t step = form == FORM_PROGRESSION ? (uint64_t)read_zigzag(&in) : 0;
        if (in.bad || reader_left(&in) > 0 || flags != form) return PHUSA_ECORRUPT;
        if (step == 0)
            memset(units->narrow, 0, count * sizeof units->narrow[0]);
        else
            fill_progression(units, units->reference, step);
        return PHUSA_OK;
    }
    units->is_narrow = form == FORM_NARROW;
    if ((flags & MULTIPLIER) != 0) {
        units->multiplier = read_varint(&in);
        if (units->multiplier < 2) return PHUSA_ECORRUPT;
    }
    for (uint32_t i = 0; i < count; i += BLOCK_COUNT) {
        const uint32_t n = block_count(count, i);
        struct block block;
        if (!read_block(&in, n, units->is_narrow, &block)) return PHUSA_ECORRUPT;
        if (i >= to || i + n <= from) continue;
        if (units->is_narrow)
            decode_narrow(&block, n, in.end, units->narrow + i);
        else
            decode_wide(&block, n, in.end, units->wide + i);
    }
    return in.bad || reader_left(&in) > 0 ? PHUSA_ECORRUPT : PHUSA_OK;
}

phusa_status codec_decode_integers(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                                   int64_t *values)
{
    struct codec_units units;
    const phusa_status status =
        codec_integer_units(bytes, size_bytes, count, false, 0, count, &units);
    if (status != PHUSA_OK) return status;
    codec_units_to_integers(&units, values);
    return PHUSA_OK;
}
