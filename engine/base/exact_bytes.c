/* exact_bytes.c - exact sums as bytes, see FORMAT.md; and as integers. */
#include "base/exact.h"

#include "base/exact_internal.h"
#include "base/mem.h"

#include <assert.h>

#define HAS_BINARY         0x80u
#define DECIMAL_BYTES      40u /* the most that a decimal part read from disk may have */
#define BINARY_BYTES       (67u * 8u + 1u) /* likewise: the squares of 2^64 largest doubles, signed */
#define BINARY_LIMBS_BYTES (BINARY_LIMBS_MAX * 8u)
_Static_assert(2 + DECIMAL_LIMBS_MAX * 8 + 2 + 2 + BINARY_LIMBS_BYTES <= EXACT_BYTES_MAX,
               "any sum fits");

static void divide_u64(struct exact_decimal_part *d, uint64_t by, uint64_t *rest)
{
    unsigned __int128 r = 0;
    for (unsigned i = d->count; i-- > 0;) {
        r = r << 64 | d->magnitude[i];
        d->magnitude[i] = (uint64_t)(r / by);
        r %= by;
    }
    while (d->count > 0 && d->magnitude[d->count - 1] == 0)
        d->count--;
    *rest = (uint64_t)r;
}

static void strip_zeros(struct exact_decimal_part *d)
{
    while (d->decimals > 0 && d->count > 1) {
        struct exact_decimal_part tenth = *d;
        uint64_t rest;
        divide_u64(&tenth, 10, &rest);
        if (rest != 0) return;
        tenth.decimals--;
        *d = tenth;
    }
    if (d->count == 0) d->decimals = 0;
    for (; d->decimals > 0 && d->count == 1 && d->magnitude[0] % 10 == 0; d->decimals--)
        d->magnitude[0] /= 10;
}

void exact_decimal_part(const struct exact *sum, struct exact_decimal_part *out)
{
    *out = (struct exact_decimal_part){.decimals = sum->decimals, .negative = sum->units < 0};
    const unsigned __int128 units = exact_abs(sum->units);
    out->magnitude[0] = (uint64_t)units;
    out->magnitude[1] = (uint64_t)(units >> 64);
    out->count = out->magnitude[1] != 0 ? 2 : out->magnitude[0] != 0;
    if (sum->wide != NULL && sum->wide->decimal.count > 0) {
        /* Both at WIDE_DECIMALS, in a copy that has room for the sign. */
        const struct limbs *wide = &sum->wide->decimal;
        assert(wide->base + wide->count < DECIMAL_LIMBS_MAX + 1u);
        uint64_t room[DECIMAL_LIMBS_MAX + 2], v[4];
        struct limbs total = {room, wide->base, wide->count, DECIMAL_LIMBS_MAX + 2};
        memcpy(room, wide->limb, wide->count * sizeof room[0]);
        exact_multiply(units, exact_power10(WIDE_DECIMALS - sum->decimals), v);
        const phusa_status status = limbs_add(&total, v, 4, 0, sum->units < 0, NULL);
        assert(status == PHUSA_OK);
        assert(total.base == 0);
        uint64_t magnitude[DECIMAL_LIMBS_MAX + 2];
        out->count = limbs_magnitude(&total, magnitude, &out->negative);
        assert(out->count <= DECIMAL_LIMBS_MAX);
        memcpy(out->magnitude, magnitude, out->count * sizeof magnitude[0]);
        out->decimals = WIDE_DECIMALS;
    }
    strip_zeros(out);
    if (out->count == 0) out->negative = false;
}

/* ---- two's complement in as few bytes as it takes --------------------- */

/* Write +-magnitude; returns the bytes: 0 for 0. */
static size_t put_signed(uint8_t *out, const uint64_t *magnitude, unsigned count, bool negative)
{
    uint64_t carry = negative;
    for (unsigned i = 0; i < count; i++) {
        const uint64_t limb = (negative ? ~magnitude[i] : magnitude[i]) + carry;
        carry = carry && limb == 0;
        store_u64(out + 8 * i, limb);
    }
    size_t size = 8 * (size_t)count;
    const uint8_t sign = negative ? 0xff : 0;
    while (size > 0 && out[size - 1] == sign)
        size--;
    if (count > 0 && (size == 0 || (out[size - 1] ^ sign) & 0x80)) out[size++] = sign;
    return size;
}

static bool is_minimal(const uint8_t *bytes, size_t size)
{
    if (size == 0) return true;
    if (size == 1) return bytes[0] != 0;
    const uint8_t top = bytes[size - 1], next = bytes[size - 2];
    return !(top == 0 && next < 0x80) && !(top == 0xff && next >= 0x80);
}

/* |bytes| to limbs; returns how many. `out` has room for size/8 + 1. */
static unsigned get_signed(const uint8_t *bytes, size_t size, uint64_t *out, bool *negative)
{
    *negative = size > 0 && bytes[size - 1] >= 0x80;
    const unsigned count = (unsigned)(size / 8) + 1;
    memset(out, *negative ? 0xff : 0, count * sizeof *out);
    memcpy(out, bytes, size);
    struct limbs l = {out, 0, (uint16_t)count, (uint16_t)count};
    return limbs_magnitude(&l, out, negative);
}

/* ---- encode and decode ------------------------------------------------ */

static size_t put_binary(uint8_t *out, const struct limbs *l)
{
    uint64_t magnitude[BINARY_LIMBS_MAX];
    uint8_t bytes[BINARY_LIMBS_BYTES + 1];
    bool negative;
    const unsigned count = limbs_magnitude(l, magnitude, &negative);
    const size_t size = put_signed(bytes, magnitude, count, negative);
    size_t skipped = 0; /* zeros at the low end; the value is not 0 */
    while (bytes[skipped] == 0)
        skipped++;
    uint8_t *p = put_varint(out, 8u * l->base + skipped);
    p = put_varint(p, size - skipped);
    memcpy(p, bytes + skipped, size - skipped);
    return (size_t)(p - out) + size - skipped;
}

static bool binary_is_zero(const struct exact *sum)
{
    if (sum->wide == NULL) return true;
    for (unsigned i = 0; i < sum->wide->binary.count; i++)
        if (sum->wide->binary.limb[i] != 0) return false;
    return true;
}

size_t exact_encode(const struct exact *sum, uint8_t out[EXACT_BYTES_MAX])
{
    struct exact_decimal_part d;
    exact_decimal_part(sum, &d);
    const bool binary = !binary_is_zero(sum);
    out[0] = (uint8_t)(d.decimals | (binary ? HAS_BINARY : 0));
    const size_t size = put_signed(out + 2, d.magnitude, d.count, d.negative);
    out[1] = (uint8_t)size;
    return 2 + size + (binary ? put_binary(out + 2 + size, &sum->wide->binary) : 0);
}

static phusa_status decode_decimal(struct exact *sum, const uint8_t *bytes, size_t size,
                                   unsigned decimals, struct arena *arena)
{
    sum->decimals = (uint8_t)decimals;
    if (size <= sizeof sum->units) {
        sum->units = size > 0 && bytes[size - 1] >= 0x80 ? -1 : 0;
        memcpy(&sum->units, bytes, size);
        return PHUSA_OK;
    }
    struct exact_decimal_part d;
    d.count = get_signed(bytes, size, d.magnitude, &d.negative);
    const phusa_status status = exact_widen(sum, arena);
    if (status != PHUSA_OK) return status;
    /* Bring it to WIDE_DECIMALS, at most DECIMAL_BYTES of it. */
    for (unsigned n = decimals; n < WIDE_DECIMALS; n++) {
        uint64_t carry = 0;
        for (unsigned i = 0; i < d.count; i++) {
            const unsigned __int128 p = (unsigned __int128)d.magnitude[i] * 10 + carry;
            d.magnitude[i] = (uint64_t)p;
            carry = (uint64_t)(p >> 64);
        }
        if (carry != 0) d.magnitude[d.count++] = carry;
        if (d.count * 8 > DECIMAL_BYTES) return PHUSA_ECORRUPT;
    }
    sum->decimals = 0;
    return limbs_add(&sum->wide->decimal, d.magnitude, d.count, 0, d.negative, arena);
}

static phusa_status decode_binary(struct exact *sum, struct reader *in, struct arena *arena)
{
    const uint64_t first = read_varint(in), size = read_varint(in);
    if (in->bad || size == 0 || first >= BINARY_BYTES || size > BINARY_BYTES - first)
        return PHUSA_ECORRUPT;
    const uint8_t *bytes = read_bytes(in, (size_t)size);
    if (bytes == NULL || bytes[0] == 0 || !is_minimal(bytes, (size_t)size)) return PHUSA_ECORRUPT;
    const phusa_status status = exact_widen(sum, arena);
    if (status != PHUSA_OK) return status;
    uint8_t shifted[BINARY_BYTES + 8] = {0}; /* on the limbs' boundary */
    memcpy(shifted + first % 8, bytes, (size_t)size);
    uint64_t magnitude[BINARY_LIMBS_MAX];
    bool negative;
    const unsigned count = get_signed(shifted, (size_t)(first % 8 + size), magnitude, &negative);
    return limbs_add(&sum->wide->binary, magnitude, count, (unsigned)(first / 8), negative, arena);
}

phusa_status exact_decode(struct exact *out, struct reader *in, struct arena *arena)
{
    const uint8_t head = read_u8(in);
    const size_t size = read_u8(in);
    const unsigned decimals = head & ~HAS_BINARY;
    const uint8_t *bytes = read_bytes(in, size);
    if (bytes == NULL || decimals > WIDE_DECIMALS || size > DECIMAL_BYTES ||
        (size == 0 && decimals > 0) || !is_minimal(bytes, size))
        return PHUSA_ECORRUPT;
    struct exact sum;
    exact_init(&sum);
    phusa_status status = decode_decimal(&sum, bytes, size, decimals, arena);
    if (status == PHUSA_OK && (head & HAS_BINARY)) status = decode_binary(&sum, in, arena);
    if (status != PHUSA_OK) {
        exact_deinit(&sum);
        return status;
    }
    *out = sum;
    return PHUSA_OK;
}

/* ---- integers --------------------------------------------------------- */

static bool integer_of(const struct exact *sum, __int128 *out)
{
    if (sum->wide == NULL && sum->decimals == 0) {
        *out = sum->units;
        return true;
    }
    struct exact_decimal_part d;
    exact_decimal_part(sum, &d);
    if (!binary_is_zero(sum) || d.decimals > 0 || d.count > 1) return false;
    *out = d.count == 0 ? 0 : d.negative ? -(__int128)d.magnitude[0] : (__int128)d.magnitude[0];
    return true;
}

phusa_status exact_int64(const struct exact *sum, int64_t *out)
{
    __int128 v;
    if (!integer_of(sum, &v) || v < INT64_MIN || v > INT64_MAX) return PHUSA_ERANGE;
    *out = (int64_t)v;
    return PHUSA_OK;
}

phusa_status exact_uint64(const struct exact *sum, uint64_t *out)
{
    __int128 v;
    if (!integer_of(sum, &v) || v < 0 || v > UINT64_MAX) return PHUSA_ERANGE;
    *out = (uint64_t)v;
    return PHUSA_OK;
}
