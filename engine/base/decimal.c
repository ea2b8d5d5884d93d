/*
 * decimal.c - numbers as text; see decimal.h.
 *
 * Parsing gathers up to 19 digits in 64 bits, eight at a time, and then needs one operation: a
 * number of at most 15 digits with a small exponent is a quotient or product of two exact
 * doubles (Clinger 1990). Longer ones go through the 64-bit mantissa of long double where that
 * exists; what is left, one in 2,000 of those or absurd exponents, goes to strtod().
 *
 * Printing a double of 15 digits or fewer prints an integer and a point (base/exact.h finds it);
 * others get the shortest of 15, 16 or 17 digits by exact 128-bit arithmetic. Only below 1e-11
 * and above 1e17 does printf() have to help.
 */
#include "base/decimal.h"

#include "base/bytes.h"
#include "base/exact.h"

#include <assert.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- digits ----------------------------------------------------------- */

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* Are the eight bytes digits? Adding 6 carries into the high half of anything above '9'. */
static inline bool are_8_digits(uint64_t v)
{
    const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0), zeros = UINT64_C(0x3030303030303030);
    return ((v & high) ^ zeros) == 0 && (((v + UINT64_C(0x0606060606060606)) & high) ^ zeros) == 0;
}

/* The number that they write: pairs, then fours, then all, each in one multiplication.
 * "12345678" is 0x3837363534333231: -> 12|34|56|78 -> 1234|5678 -> 12345678. */
static inline uint64_t value_of_8_digits(uint64_t v)
{
    v -= UINT64_C(0x3030303030303030);
    v = (v * 10 + (v >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v * 100 + (v >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (v * 10000 + (v >> 32)) & UINT64_C(0xffffffff);
}

/* Take all digits from `p` on into *value, which wraps after 19; returns the place after them. */
static inline const char *take_digits(const char *p, const char *end, uint64_t *value)
{
    uint64_t v = *value;
    while (end - p >= 8) {
        const uint64_t eight = load_u64(p);
        if (!are_8_digits(eight)) break;
        v = v * 100000000 + value_of_8_digits(eight);
        p += 8;
    }
    for (; p < end && is_digit(*p); p++)
        v = v * 10 + (uint64_t)(*p - '0');
    *value = v;
    return p;
}
#define DIGITS_MAX 19 /* as many fit 64 bits */

/* ---- integers --------------------------------------------------------- */

static phusa_status parse_magnitude(const char *p, const char *end, uint64_t *out)
{
    const char *const start = p;
    uint64_t v = 0;
    p = take_digits(p, end, &v);
    if (p != end || p == start) return PHUSA_ESYNTAX;
    if (end - start > DIGITS_MAX) { /* it may have wrapped: leading zeros, or too large */
        bool over = false;
        v = 0;
        for (p = start; p < end; p++) {
            over |= __builtin_mul_overflow(v, 10, &v);
            over |= __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
        }
        if (over) return PHUSA_ERANGE;
    }
    *out = v;
    return PHUSA_OK;
}

phusa_status decimal_parse_int64(const char *text, size_t size_bytes, int64_t *out)
{
    const bool negative = size_bytes > 0 && *text == '-';
    const bool sign = negative || (size_bytes > 0 && *text == '+');
    uint64_t magnitude;
    const phusa_status status = parse_magnitude(text + sign, text + size_bytes, &magnitude);
    if (status != PHUSA_OK) return status;
    if (magnitude > (uint64_t)INT64_MAX + negative) return PHUSA_ERANGE;
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return PHUSA_OK;
}

phusa_status decimal_parse_uint64(const char *text, size_t size_bytes, uint64_t *out)
{
    const bool sign = size_bytes > 0 && *text == '+';
    return parse_magnitude(text + sign, text + size_bytes, out);
}

/* ---- doubles ---------------------------------------------------------- */

struct scanned {
    const char *whole, *whole_end;
    const char *fraction, *fraction_end;
    int64_t exponent; /* as written */
    uint64_t value;   /* of all digits, if they are no more than DIGITS_MAX */
    bool negative;
};

static bool scan_exponent(const char **p, const char *end, int64_t *out)
{
    const bool negative = *p < end && **p == '-';
    if (negative || (*p < end && **p == '+')) (*p)++;
    if (*p == end || !is_digit(**p)) return false;
    const int64_t enough = INT64_C(1000000000000000); /* sums of two cannot overflow */
    int64_t e = 0;
    for (; *p < end && is_digit(**p); (*p)++)
        if (e < enough) e = e * 10 + (**p - '0');
    *out = negative ? -e : e;
    return true;
}

static bool scan(const char *p, const char *end, struct scanned *s)
{
    s->negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    s->value = 0;
    s->whole = p;
    s->whole_end = s->fraction = s->fraction_end = p = take_digits(p, end, &s->value);
    if (p < end && *p == '.') {
        s->fraction = p + 1;
        s->fraction_end = p = take_digits(p + 1, end, &s->value);
    }
    if (s->whole == s->whole_end && s->fraction == s->fraction_end) return false;
    s->exponent = 0;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (!scan_exponent(&p, end, &s->exponent)) return false;
    }
    return p == end;
}

static const double power10_double[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#if LDBL_MANT_DIG == 64
static const long double power10_long[28] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                             1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                             1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                             1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

/* value * 10^exponent by one operation that rounds to 64 bits. Rounding those to 53 is what one
 * rounding would have given, unless the first ended on the midpoint of two doubles. */
static bool by_long_double(uint64_t value, int64_t exponent, double *out)
{
    if (exponent < -27 || exponent > 27) return false;
    const long double v = (long double)value;
    const long double x = exponent < 0 ? v / power10_long[-exponent] : v * power10_long[exponent];
    uint64_t mantissa;
    memcpy(&mantissa, &x, sizeof mantissa);
    if ((mantissa & 0x7ff) == 0x400) return false;
    *out = (double)x;
    return true;
}
#else
static bool by_long_double(uint64_t value, int64_t exponent, double *out)
{
    return false;
}
#endif

static locale_t c_locale; /* 0: there was no memory for it */
static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The significant digits: the number is DIGITS, read as an integer, times 10^exponent. */
struct significant {
    size_t count;
    int64_t exponent;
    char digits[800];
};

/* Which of two doubles is nearer never depends on more than 767 digits, and on whether any other
 * than 0 follows: then a 1 stands for all of them. */
static void gather(const struct scanned *s, struct significant *out)
{
    const char *const parts[4] = {s->whole, s->whole_end, s->fraction, s->fraction_end};
    bool rest = false;
    out->count = 0;
    out->exponent = s->exponent - (s->fraction_end - s->fraction);
    for (int part = 0; part < 4; part += 2)
        for (const char *p = parts[part]; p < parts[part + 1]; p++) {
            if (out->count == 0 && *p == '0') continue;
            if (out->count < 770) {
                out->digits[out->count++] = *p;
            } else {
                rest |= *p != '0';
                out->exponent++;
            }
        }
    if (!rest) return;
    out->digits[out->count++] = '1';
    out->exponent--;
}

static double by_strtod(struct significant *g)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    /* Beyond these every number of 771 digits is 0 or infinite. */
    const int64_t e = g->exponent > 9999 ? 9999 : g->exponent < -9999 ? -9999 : g->exponent;
    snprintf(g->digits + g->count, sizeof g->digits - g->count, "e%d", (int)e);
    /* There is no point in it, so any locale will do. */
    return c_locale != (locale_t)0 ? strtod_l(g->digits, NULL, c_locale) : strtod(g->digits, NULL);
}

/* Too many digits for 64 bits, or no short way. */
static double slowly(const struct scanned *s)
{
    struct significant g;
    gather(s, &g);
    if (g.count == 0) return 0;
    double x;
    if (g.count <= DIGITS_MAX) {
        uint64_t value = 0;
        take_digits(g.digits, g.digits + g.count, &value);
        if (by_long_double(value, g.exponent, &x)) return x;
    }
    return by_strtod(&g);
}

phusa_status decimal_parse_double(const char *text, size_t size_bytes, double *out,
                                  uint8_t *decimals)
{
    struct scanned s;
    if (!scan(text, text + size_bytes, &s)) return PHUSA_ESYNTAX;
    const int64_t fraction_size = s.fraction_end - s.fraction;
    const bool whole = s.whole_end - s.whole + fraction_size <= DIGITS_MAX;
    const int64_t exponent = s.exponent - fraction_size;
    double x;
    if (whole && s.value <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22)
        x = exponent < 0 ? (double)s.value / power10_double[-exponent]
                         : (double)s.value * power10_double[exponent];
    else if (!whole || !by_long_double(s.value, exponent, &x))
        x = slowly(&s);
    if (isinf(x)) return PHUSA_ERANGE;
    *decimals = exponent >= 0                             ? 0
                : exponent < -(int64_t)EXACT_DECIMALS_MAX ? PHUSA_DECIMALS_UNKNOWN
                                                          : (uint8_t)-exponent;
    *out = s.negative ? -x : x;
    return PHUSA_OK;
}

/* ---- printing integers ------------------------------------------------ */

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* The digits of v, right-aligned before `end`; returns where they begin. */
static char *print_digits(uint64_t v, char *end)
{
    while (v >= 100) {
        end -= 2;
        memcpy(end, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        end -= 2;
        memcpy(end, pairs + 2 * v, 2);
    } else {
        *--end = (char)('0' + v);
    }
    return end;
}

size_t decimal_print_uint64(uint64_t x, char *out)
{
    char digits[20];
    char *const end = digits + sizeof digits;
    const char *const start = print_digits(x, end);
    memcpy(out, start, (size_t)(end - start));
    return (size_t)(end - start);
}

size_t decimal_print_int64(int64_t x, char *out)
{
    if (x >= 0) return decimal_print_uint64((uint64_t)x, out);
    out[0] = '-';
    return 1 + decimal_print_uint64(0 - (uint64_t)x, out + 1);
}

/* ---- printing doubles ------------------------------------------------- */

/* digits * 10^exponent, digits without trailing zeros */
struct shortest {
    uint64_t digits;
    int exponent;
};

static void strip_zeros(struct shortest *s)
{
    for (; s->digits % 10 == 0; s->exponent++)
        s->digits /= 10;
}

/* 5^27 is the largest power of five below 2^63. */
#define FIVES_MAX 27
static uint64_t power5(int n)
{
    uint64_t v = 1;
    for (uint64_t base = 5; n > 0; n >>= 1, base *= base)
        if (n & 1) v *= base;
    return v;
}

/* Of the two multiples of `unit` around v/2^shift, the nearer one that lies between low and high
 * (over 2^shift as well), which round to the same double; `closed`: the ends too. 0: none. */
static uint64_t multiple_between(uint64_t unit, unsigned __int128 low, unsigned __int128 v,
                                 unsigned __int128 high, unsigned shift, bool closed)
{
    const uint64_t down = (uint64_t)(v >> shift) / unit * unit, up = down + unit;
    const unsigned __int128 d = (unsigned __int128)down << shift,
                            u = (unsigned __int128)up << shift;
    const bool down_fits = closed ? d >= low : d > low, up_fits = closed ? u <= high : u < high;
    if (down_fits && up_fits) {
        if (v - d != u - v) return v - d < u - v ? down : up;
        return down / unit % 2 == 0 ? down : up;
    }
    return down_fits ? down : up_fits ? up : 0;
}

/* x = c * 2^q between 1e-11 and 1e17. Scaled by 10^k to 17 digits before the point, it and the
 * midpoints to its neighbours are exact over a power of two, in 128 bits:
 *   x * 10^k = c * 5^k * 2^(q+k),  53 + 63 bits at most, and 2 more for the midpoints.
 * The first of 15, 16, 17 digits that falls between the midpoints is the shortest: fewer than 15
 * are 15 with zeros, and there is but one decimal number of 15 digits in there. */
static bool shortest_by_128_bits(double x, struct shortest *out)
{
    if (!(x >= 1e-11 && x < 1e17)) return false;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    const uint64_t c = fraction | UINT64_C(1) << 52;
    const int biased = (int)(bits >> 52), q = biased - 1075;
    /* floor(log10 x) or one less, as log10(2) = 1292913986 / 2^32 */
    const int log10 = (int)(((int64_t)(biased - 1023) * INT64_C(1292913986)) >> 32);
    for (int k = 16 - log10; k >= 15 - log10 && k >= 0; k--) {
        if (k > FIVES_MAX) continue;
        const int up = q + k > 0 ? q + k : 0;
        const unsigned shift = (unsigned)(q + k < 0 ? -(q + k) : 0) + 2;
        const unsigned __int128 fives = (unsigned __int128)power5(k) << up;
        const unsigned __int128 v = 4 * c * fives;
        if (v >> shift >= UINT64_C(100000000000000000)) continue;
        const unsigned __int128 low = v - (fraction == 0 ? 1 : 2) * fives, high = v + 2 * fives;
        const bool closed = c % 2 == 0;
        uint64_t digits = multiple_between(100, low, v, high, shift, closed);
        if (digits == 0) digits = multiple_between(10, low, v, high, shift, closed);
        if (digits == 0) digits = multiple_between(1, low, v, high, shift, closed);
        assert(digits != 0);
        *out = (struct shortest){digits, -k};
        strip_zeros(out);
        return true;
    }
    return false;
}

static void shortest_by_printf(double x, struct shortest *out)
{
    char text[40];
    /* Fewer than 15 digits are 15 with zeros, except among the subnormals. */
    for (int digits = x < DBL_MIN ? 1 : 15;; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, x);
        char *e = strchr(text, 'e');
        uint64_t v = 0;
        for (const char *p = text; p < e; p++) /* whatever the locale's point is */
            if (is_digit(*p)) v = v * 10 + (uint64_t)(*p - '0');
        *out = (struct shortest){v, atoi(e + 1) - (digits - 1)};
        /* At a power of two the gap below is half: the number above may be the one that fits. */
        for (int next = 0; next < 2; next++, out->digits++) {
            char candidate[DECIMAL_BYTES_MAX + 8];
            double back = 0;
            uint8_t decimals;
            const int size = snprintf(candidate, sizeof candidate, "%llue%d",
                                      (unsigned long long)out->digits, out->exponent);
            const phusa_status status =
                decimal_parse_double(candidate, (size_t)size, &back, &decimals);
            if (status == PHUSA_OK && back == x) {
                strip_zeros(out);
                return;
            }
        }
        assert(digits < 17);
    }
}

static struct shortest shortest_of(double x)
{
    struct shortest s;
    int64_t units;
    uint8_t decimals;
    /* Most numbers have three digits after the point or fewer: then there is little to strip. */
    if (exact_decimal(x, 3, &units, &decimals)) {
        s = (struct shortest){(uint64_t)units, -(int)decimals};
        strip_zeros(&s);
    } else if (!shortest_by_128_bits(x, &s)) {
        shortest_by_printf(x, &s);
    }
    return s;
}

/* 123 with the point after `before` digits: 0.000123, 1.23, 123000 */
static size_t lay_out_plain(const char *digits, int count, int before, char *out)
{
    char *p = out;
    if (before <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (; before < 0; before++)
            *p++ = '0';
        memcpy(p, digits, (size_t)count);
        return (size_t)(p + count - out);
    }
    if (before >= count) {
        memcpy(p, digits, (size_t)count);
        memset(p + count, '0', (size_t)(before - count));
        return (size_t)before;
    }
    memcpy(p, digits, (size_t)before);
    p[before] = '.';
    memcpy(p + before + 1, digits + before, (size_t)(count - before));
    return (size_t)count + 1;
}

static size_t lay_out_exponent(const char *digits, int count, int exponent, char *out)
{
    char *p = out;
    *p++ = digits[0];
    if (count > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, (size_t)(count - 1));
        p += count - 1;
    }
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    return (size_t)(p - out) + decimal_print_uint64((uint64_t)abs(exponent), p);
}

size_t decimal_print_double(double x, char *out)
{
    assert(isfinite(x));
    const bool negative = signbit(x) != 0;
    if (negative) *out++ = '-';
    if (x == 0) {
        *out = '0';
        return 1u + negative;
    }
    const double magnitude = fabs(x);
    const struct shortest s = shortest_of(magnitude);
    char room[20];
    char *const end = room + sizeof room;
    const char *const digits = print_digits(s.digits, end);
    const int count = (int)(end - digits);
    if (magnitude < 1e-6 || magnitude >= 1e21)
        return negative + lay_out_exponent(digits, count, s.exponent + count - 1, out);
    return negative + lay_out_plain(digits, count, s.exponent + count, out);
}
