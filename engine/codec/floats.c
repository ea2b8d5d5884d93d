/*
 * floats.c - vectors of doubles: decimals as integers, else few distinct ones by number, else
 * their bits as integers.
 *
 * Sensors and official figures are decimals: 21.5 is 215 at one decimal, and 215 is cheap. A value
 * that is not (1/3, -0.0, a subnormal) is an exception: its position and eight bytes, and
 * its place among the integers repeats its neighbour. A vector of mostly others, the results
 * of computing, is coded by its bit patterns, mapped to integers that sort as the doubles do: sign
 * and exponent mostly fall away as the frame of reference, and the low zeros of numbers that
 * once were float32 as the common divisor. Around zero that order puts the exponents far apart;
 * there the bits are turned by one, so that the sign is the lowest.
 */
#include "base/exact.h"
#include "codec/lanes.h"

#include <assert.h>

enum {
    FORM_DECIMAL,
    FORM_DICTIONARY = 0x40,
    FORM_BITS = 0x80,
    FORM_TURNED = 0xc0,
    FORM_MASK = 0xc0
};
enum { EXCEPTIONS = 0x20, DECIMALS_MASK = 0x1f }; /* of FORM_DECIMAL */

/* More exceptions than one in eight cost more than another form, see FORMAT.md. */
#define EXCEPTION_SHARE 8u
#define EXCEPTION_BYTES 10u /* position and bits */
#define DICTIONARY_MAX  256u
#define SAMPLE_COUNT    32u

static uint64_t bits_of_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ---- decimals ---- */

/* units[i] is what values[i] counts as at this scale, or the unit before it where it is none;
 * positions of those are listed. Returns how many there are.
 *
 * x*10^e is off by less than a quarter of a unit for |units| < 10^15, so adding and taking away
 * 1.5*2^52, which rounds to an integer, finds the only candidate; the division that decoding
 * will do decides. */
static uint32_t to_units(const double *values, uint32_t count, unsigned decimals, int64_t *units,
                         uint16_t *positions)
{
    const double scale = codec_power_of_ten[decimals];
    const double magic = 6755399441055744.0; /* 1.5 * 2^52 */
    const uint64_t magic_bits = bits_of_double(magic);
    uint64_t bad_in_any = 0;
    uint8_t bad[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++) {
        const double shifted = values[i] * scale + magic;
        const double unit = shifted - magic;
        const double back = unit / scale;
        uint64_t shifted_bits, back_bits, value_bits;
        memcpy(&shifted_bits, &shifted, 8);
        memcpy(&back_bits, &back, 8);
        memcpy(&value_bits, &values[i], 8);
        units[i] = (int64_t)(shifted_bits - magic_bits);
        const bool is_bad = back_bits != value_bits || unit > (double)EXACT_UNITS_MAX ||
                            unit < -(double)EXACT_UNITS_MAX;
        bad[i] = is_bad;
        bad_in_any |= is_bad;
    }
    if (bad_in_any == 0) return 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (bad[i]) positions[n++] = (uint16_t)i;
    if (n == count) return n;
    /* Fill the places of exceptions from before, the first ones from behind. */
    uint32_t first_good = 0;
    while (bad[first_good])
        first_good++;
    int64_t last = units[first_good];
    for (uint32_t i = 0; i < count; i++) {
        if (bad[i]) units[i] = last;
        last = units[i];
    }
    return n;
}

uint8_t codec_find_decimals(const double *values, size_t count)
{
    /* Neighbours share trailing zeros by chance (on the hour, at rest), so look all over. */
    const size_t samples = count < SAMPLE_COUNT ? count : SAMPLE_COUNT;
    size_t found[EXACT_DECIMALS_MAX + 1] = {0}, decimal_count = 0;
    for (size_t k = 0; k < samples; k++) {
        const double x = values[samples < 2 ? 0 : k * (count - 1) / (samples - 1)];
        int64_t units;
        uint8_t decimals;
        if (!exact_decimal(x, PHUSA_DECIMALS_UNKNOWN, &units, &decimals)) continue;
        found[decimals]++;
        decimal_count++;
    }
    if (decimal_count * 2 < samples || decimal_count == 0) return PHUSA_DECIMALS_UNKNOWN;
    /* A lone value of many digits (a sum of decimals, off by one ulp) must not set the scale. */
    size_t above = 0;
    for (unsigned e = EXACT_DECIMALS_MAX; e > 0; e--) {
        above += found[e];
        if (above * 16 > decimal_count) return (uint8_t)e;
    }
    return 0;
}

static size_t put_decimals(const double *values, uint32_t count, unsigned decimals,
                           const int64_t *units, const uint16_t *positions,
                           uint32_t exception_count, uint8_t *out)
{
    uint8_t *p = out;
    *p++ = (uint8_t)(decimals | /* FORM_DECIMAL is 0 */
                     (exception_count > 0 ? EXCEPTIONS : 0u));
    if (exception_count > 0) {
        p = put_varint(p, exception_count);
        for (uint32_t k = 0; k < exception_count; k++, p += 2)
            store_u16(p, positions[k]);
        for (uint32_t k = 0; k < exception_count; k++, p += 8)
            memcpy(p, &values[positions[k]], 8);
    }
    p += codec_encode_integers(units, count, false, p);
    return (size_t)(p - out);
}

/* ---- other doubles ---- */

/* Integers in the order of the doubles, low zeros kept; -0.0 takes the code no other needs. */
static int64_t ordered(double x)
{
    const uint64_t bits = bits_of_double(x);
    const uint64_t magnitude = bits & INT64_MAX;
    if (bits == magnitude) return (int64_t)bits;
    return magnitude == 0 ? INT64_MIN : -(int64_t)magnitude;
}

static double from_ordered(int64_t code)
{
    const uint64_t sign = UINT64_C(1) << 63;
    const uint64_t bits = code >= 0           ? (uint64_t)code
                          : code == INT64_MIN ? sign
                                              : sign | (uint64_t)-code;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t turned(double x)
{
    const uint64_t bits = bits_of_double(x);
    return bits << 1 | bits >> 63;
}

static double from_turned(uint64_t code)
{
    const uint64_t bits = code >> 1 | code << 63;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static size_t put_bits_form(const double *values, uint32_t count, uint8_t form, uint8_t *out)
{
    int64_t codes[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        codes[i] = form == FORM_TURNED ? (int64_t)turned(values[i]) : ordered(values[i]);
    out[0] = form;
    return 1 + codec_encode_integers(codes, count, form == FORM_TURNED, out + 1);
}

/* 0: too many are distinct. */
static size_t put_dictionary(const double *values, uint32_t count, uint8_t *out)
{
    enum { SLOTS = 1024 };
    uint16_t slots[SLOTS] = {0}; /* 1 + number */
    uint64_t entries[DICTIONARY_MAX];
    uint32_t entry_count = 0;
    int64_t codes[CODEC_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t bits = bits_of_double(values[i]);
        uint32_t slot = (uint32_t)(bits * UINT64_C(0x9e3779b97f4a7c15) >> 54);
        while (slots[slot] != 0 && entries[slots[slot] - 1] != bits)
            slot = (slot + 1) % SLOTS;
        if (slots[slot] == 0) {
            if (entry_count == DICTIONARY_MAX || entry_count * 2 > count) return 0;
            entries[entry_count++] = bits;
            slots[slot] = (uint16_t)entry_count;
        }
        codes[i] = slots[slot] - 1;
    }
    uint8_t *p = out;
    *p++ = FORM_DICTIONARY;
    p = put_varint(p, entry_count);
    memcpy(p, entries, entry_count * sizeof entries[0]);
    p += entry_count * sizeof entries[0];
    p += codec_encode_integers(codes, count, false, p);
    return (size_t)(p - out);
}

static size_t keep_smaller(uint8_t *out, size_t size_bytes, const uint8_t *other,
                           size_t other_bytes)
{
    if (other_bytes == 0 || other_bytes >= size_bytes) return size_bytes;
    memcpy(out, other, other_bytes);
    return other_bytes;
}

size_t codec_encode_floats(const double *values, uint32_t count, uint8_t decimals, uint8_t *out)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) return 0;
    int64_t units[CODEC_COUNT_MAX];
    uint16_t positions[CODEC_COUNT_MAX];
    uint32_t exceptions = count;
    if (decimals <= EXACT_DECIMALS_MAX) {
        exceptions = to_units(values, count, decimals, units, positions);
        if (exceptions == 0) return put_decimals(values, count, decimals, units, positions, 0, out);
    }
    const uint8_t found = codec_find_decimals(values, count);
    if (found <= EXACT_DECIMALS_MAX && found != decimals) {
        int64_t found_units[CODEC_COUNT_MAX];
        uint16_t found_positions[CODEC_COUNT_MAX];
        const uint32_t n = to_units(values, count, found, found_units, found_positions);
        if (n < exceptions) {
            exceptions = n;
            decimals = found;
            memcpy(units, found_units, count * sizeof units[0]);
            memcpy(positions, found_positions, n * sizeof positions[0]);
        }
    }
    size_t size = SIZE_MAX;
    if (exceptions < count && exceptions <= count / 2)
        size = put_decimals(values, count, decimals, units, positions, exceptions, out);
    if (exceptions <= count / EXCEPTION_SHARE) return size;
    uint8_t other[CODEC_VECTOR_BYTES_MAX];
    size = keep_smaller(out, size, other, put_dictionary(values, count, other));
    size = keep_smaller(out, size, other, put_bits_form(values, count, FORM_BITS, other));
    return keep_smaller(out, size, other, put_bits_form(values, count, FORM_TURNED, other));
}

/* ---- decoding ---- */

/* Eight bytes as they are. false: no finite number, so what sums them would not end well. */
static bool load_double(const uint8_t *p, double *out)
{
    memcpy(out, p, sizeof *out);
    return *out - *out == 0;
}

struct exceptions {
    uint32_t count;
    const uint8_t *positions, *values;
};

static bool read_exceptions(struct reader *in, uint32_t count, struct exceptions *x)
{
    const uint64_t n = read_varint(in);
    if (in->bad || n == 0 || n > count) return false;
    x->count = (uint32_t)n;
    x->positions = read_bytes(in, 2 * (size_t)n);
    x->values = read_bytes(in, 8 * (size_t)n);
    if (in->bad) return false;
    for (uint32_t k = 0; k < x->count; k++)
        if (load_u16(x->positions + 2 * k) >= count) return false;
    return true;
}

static phusa_status decode_decimals(struct reader *in, uint8_t flags, uint32_t count,
                                    double *values)
{
    struct exceptions exceptions = {0};
    if ((flags & DECIMALS_MASK) > EXACT_DECIMALS_MAX) return PHUSA_ECORRUPT;
    if ((flags & EXCEPTIONS) != 0 && !read_exceptions(in, count, &exceptions))
        return PHUSA_ECORRUPT;
    struct codec_units units;
    const phusa_status status =
        codec_integer_units(in->next, reader_left(in), count, false, 0, count, &units);
    if (status != PHUSA_OK) return status;
    units.decimals = flags & DECIMALS_MASK;
    codec_units_to_floats(&units, values);
    for (uint32_t k = 0; k < exceptions.count; k++)
        if (!load_double(exceptions.values + 8 * k,
                         &values[load_u16(exceptions.positions + 2 * k)]))
            return PHUSA_ECORRUPT;
    return PHUSA_OK;
}

static phusa_status decode_dictionary(struct reader *in, uint32_t count, double *values)
{
    const uint64_t entry_count = read_varint(in);
    if (in->bad || entry_count == 0 || entry_count > DICTIONARY_MAX) return PHUSA_ECORRUPT;
    const uint8_t *entries = read_bytes(in, 8 * (size_t)entry_count);
    if (in->bad) return PHUSA_ECORRUPT;
    int64_t codes[CODEC_COUNT_MAX];
    const phusa_status status = codec_decode_integers(in->next, reader_left(in), count, codes);
    if (status != PHUSA_OK) return status;
    for (uint32_t i = 0; i < count; i++) {
        if ((uint64_t)codes[i] >= entry_count) return PHUSA_ECORRUPT;
        if (!load_double(entries + 8 * (size_t)codes[i], &values[i])) return PHUSA_ECORRUPT;
    }
    return PHUSA_OK;
}

phusa_status codec_decode_floats(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                                 double *values)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) return size_bytes == 0 ? PHUSA_OK : PHUSA_ECORRUPT;
    struct reader in = reader_of(bytes, size_bytes);
    const uint8_t flags = read_u8(&in);
    if (in.bad) return PHUSA_ECORRUPT;
    if ((flags & FORM_MASK) == FORM_DECIMAL) return decode_decimals(&in, flags, count, values);
    if (flags == FORM_DICTIONARY) return decode_dictionary(&in, count, values);
    if (flags != FORM_BITS && flags != FORM_TURNED) return PHUSA_ECORRUPT;
    int64_t codes[CODEC_COUNT_MAX];
    const phusa_status status = codec_decode_integers(in.next, reader_left(&in), count, codes);
    if (status != PHUSA_OK) return status;
    double check = 0; /* becomes NaN with the first value that is not finite */
    for (uint32_t i = 0; i < count; i++) {
        values[i] = flags == FORM_TURNED ? from_turned((uint64_t)codes[i]) : from_ordered(codes[i]);
        check += values[i] - values[i];
    }
    return check == 0 ? PHUSA_OK : PHUSA_ECORRUPT;
}

uint8_t codec_float_decimals(const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes == 0 || (bytes[0] & FORM_MASK) != FORM_DECIMAL) return PHUSA_DECIMALS_UNKNOWN;
    const uint8_t decimals = bytes[0] & DECIMALS_MASK;
    return decimals <= EXACT_DECIMALS_MAX ? decimals : PHUSA_DECIMALS_UNKNOWN;
}

phusa_status codec_float_units(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                               uint32_t from, uint32_t to, struct codec_units *units,
                               bool *are_units)
{
    if (count > 0) {
        if (size_bytes == 0) return PHUSA_ECORRUPT;
        const uint8_t flags = bytes[0];
        if ((flags & (FORM_MASK | EXCEPTIONS)) != FORM_DECIMAL) {
            *are_units = false;
            return PHUSA_OK;
        }
        if (flags > EXACT_DECIMALS_MAX) return PHUSA_ECORRUPT;
        bytes++;
        size_bytes--;
        const phusa_status status =
            codec_integer_units(bytes, size_bytes, count, false, from, to, units);
        if (status != PHUSA_OK) return status;
        units->decimals = flags;
    }
    *are_units = true;
    return PHUSA_OK;
}
