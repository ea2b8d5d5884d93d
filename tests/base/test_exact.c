/*
 * test_exact.c - guards base/exact: a sum is the same double in every order, by every grouping,
 * after any number of trips to disk, and it is the one nearest to the true total.
 */
#include "base/exact.h"
#include "base/mem.h"

#include "oracle_int.h"
#include "random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what a double counts as ------------------------------------------ */

/* By the definition, with printf and strtod: fifteen digits that read back as x. */
static bool decimal_by_text(double x, int64_t *units, int *decimals)
{
    char text[40];
    if (x == 0) {
        *units = 0;
        *decimals = 0;
        return true;
    }
    snprintf(text, sizeof text, "%.14e", x);
    if (strtod(text, NULL) != x) return false;
    char *const e = strchr(text, 'e');
    int scale = 14 - atoi(e + 1);
    char *const point = strchr(text, '.');
    memmove(point, point + 1, 14);
    point[14] = '\0';
    int64_t m = strtoll(text, NULL, 10);
    for (; m % 10 == 0 && scale > 0; scale--)
        m /= 10;
    if (scale < 0 || scale > 18) return false;
    *units = m;
    *decimals = scale;
    return true;
}

Test(exact, tells_decimal_doubles_from_others)
{
    static const struct {
        double x;
        unsigned hint;
        bool is_decimal;
        int64_t units;
        uint8_t decimals;
    } cases[] = {
        {21.5, PHUSA_DECIMALS_UNKNOWN, true, 215, 1},
        {21.5, 2, true, 2150, 2},
        {21.5, 0, true, 215, 1},
        {0.0, PHUSA_DECIMALS_UNKNOWN, true, 0, 0},
        {-0.0, PHUSA_DECIMALS_UNKNOWN, true, 0, 0},
        {-0.0, 3, true, 0, 3},
        {999999999999999.0, PHUSA_DECIMALS_UNKNOWN, true, 999999999999999, 0},
        {-999999999999999.0, 0, true, -999999999999999, 0},
        {1e15, PHUSA_DECIMALS_UNKNOWN, false, 0, 0},
        {1e15, 0, false, 0, 0},
        {1e-18, PHUSA_DECIMALS_UNKNOWN, true, 1, 18},
        {1e-19, PHUSA_DECIMALS_UNKNOWN, false, 0, 0},
        {0.000999999999999999, PHUSA_DECIMALS_UNKNOWN, true, 999999999999999, 18},
        {0.1, PHUSA_DECIMALS_UNKNOWN, true, 1, 1},
        {0.30000000000000004, PHUSA_DECIMALS_UNKNOWN, false, 0, 0},
        {1.0 / 3, PHUSA_DECIMALS_UNKNOWN, false, 0, 0},
        {5e-324, PHUSA_DECIMALS_UNKNOWN, false, 0, 0},
        {1.7976931348623157e308, 18, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t units = -7;
        uint8_t decimals = 77;
        const bool is = exact_decimal(cases[i].x, cases[i].hint, &units, &decimals);
        cr_assert_eq(is, cases[i].is_decimal, "case %zu", i);
        cr_assert_eq(units, is ? cases[i].units : -7, "case %zu", i);
        cr_assert_eq(decimals, is ? cases[i].decimals : 77, "case %zu", i);
    }
}

static double any_double(struct random *random)
{
    double x;
    do {
        const uint64_t bits = random_u64(random);
        memcpy(&x, &bits, sizeof x);
    } while (!isfinite(x));
    return x;
}

static double any_decimal(struct random *random)
{
    static const int64_t powers[] = {10,         1000,           100000,          10000000,
                                     1000000000, 10000000000000, 100000000000000, 1000000000000000};
    const int64_t m = (int64_t)(random_u64(random) % (uint64_t)powers[random_u64(random) % 8]);
    char text[48];
    snprintf(text, sizeof text, "%s%llde-%d", random_u64(random) % 2 ? "-" : "", (long long)m,
             (int)(random_u64(random) % 19));
    return strtod(text, NULL);
}

static double neighbour(struct random *random, double x)
{
    return nextafter(x, random_u64(random) % 2 ? INFINITY : -INFINITY);
}

Test(exact, agrees_with_printf_on_what_is_decimal)
{
    struct random random = random_seeded();
    for (int i = 0; i < 200000; i++) {
        double x = i % 3 == 0 ? any_double(&random) : any_decimal(&random);
        if (i % 3 == 2) x = neighbour(&random, x);
        int64_t units = 0, units_expected = 0;
        uint8_t decimals = 0;
        int decimals_expected = 0;
        const bool expected = decimal_by_text(x, &units_expected, &decimals_expected);
        cr_assert_eq(exact_decimal(x, PHUSA_DECIMALS_UNKNOWN, &units, &decimals), expected, "%.17g",
                     x);
        cr_assert_eq(units, units_expected, "%.17g", x);
        cr_assert_eq(decimals, decimals_expected, "%.17g", x);
        const unsigned hint = (unsigned)(random_u64(&random) % 19);
        cr_assert_eq(exact_decimal(x, hint, &units, &decimals), expected, "%.17g at %u", x, hint);
        if (!expected) continue;
        for (; decimals > decimals_expected; decimals--) {
            cr_assert_eq(units % 10, 0);
            units /= 10;
        }
        cr_assert_eq(units, units_expected, "%.17g at %u", x, hint);
    }
}

/* ---- known answers ---------------------------------------------------- */

struct sums {
    struct exact sum, squares;
    uint64_t count;
};

static void add(struct sums *to, double x, struct arena *arena)
{
    cr_assert_eq(exact_add_double(&to->sum, x, PHUSA_DECIMALS_UNKNOWN, arena), PHUSA_OK);
    cr_assert_eq(exact_add_square_double(&to->squares, x, PHUSA_DECIMALS_UNKNOWN, arena), PHUSA_OK);
    to->count++;
}

static void deinit(struct sums *sums)
{
    exact_deinit(&sums->sum);
    exact_deinit(&sums->squares);
    sums->count = 0;
}

/* Computed with Python's fractions, which rounds a quotient of integers once: the values, their
 * sum, mean and sample variance. */
static const struct known {
    int count;
    double x[10];
    double sum, mean, variance;
} known[] = {
    {2, {0.1, 0.2}, 0.3, 0.15, 0.005},
    {10, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 1.0, 0.1, 0.0},
    {3, {1e+16, 1.0, -1e+16}, 1.0, 0.3333333333333333, 1e+32},
    {3, {1e+308, 1e+308, -1e+308}, 1e+308, 3.333333333333333e+307, INFINITY},
    {2, {1.7e+308, 1.7e+308}, INFINITY, 1.7e+308, 0.0},
    {4, {5e-324, 5e-324, -1e+300, 1e+300}, 1e-323, 0.0, INFINITY},
    {3, {1.0, 1e-18, -1.0}, 1e-18, 3.3333333333333334e-19, 1.0},
    {3,
     {999999999999999.0, 0.1, 1000000000000000.0},
     1999999999999999.0,
     666666666666666.4,
     3.3333333333333296e+29},
    {3,
     {0.1, 0.30000000000000004, -0.1},
     0.30000000000000004,
     0.10000000000000002,
     0.04000000000000001},
    {3,
     {4503599627370498.0, 0.5, 0.5},
     4503599627370499.0,
     1501199875790166.2,
     6.760803201217228e+30},
    {2, {9007199254740992.0, 1.0}, 9007199254740992.0, 4503599627370496.0, 4.056481920730333e+31},
    {3,
     {9007199254740992.0, 1.0, 5e-324},
     9007199254740994.0,
     3002399751580331.0,
     2.7043212804868892e+31},
    {2, {2.2250738585072014e-308, -5e-324}, 2.225073858507201e-308, 1.1125369292536007e-308, 0.0},
    {4, {1e-17, 1e+17, -1e+17, 3e-18}, 1.3e-17, 3.25e-18, 6.666666666666667e+33},
    {4, {21.5, 21.25, 21.125, -0.0}, 63.875, 15.96875, 113.35807291666667},
    {3, {1e+200, 1e-200, 1e+200}, 2e+200, 6.666666666666667e+199, INFINITY},
    {3,
     {0.3333333333333333, 0.6666666666666666, 1.0},
     2.0,
     0.6666666666666666,
     0.11111111111111112},
    {3,
     {3.141592653589793, -2.718281828459045, 1e+22},
     1e+22,
     3.3333333333333335e+21,
     3.333333333333333e+43},
    {3, {1e-160, 3e-160, 2e-160}, 6e-160, 2e-160, 1e-320},
    {4,
     {123456789012.345, 123456789012.345, 123456789012.345, 0.001},
     370370367037.036,
     92592591759.259,
     3.8103946883096054e+21},
    {2, {1.5e+154, -1.5e+154}, 0.0, 0.0, INFINITY},
    {1, {7.0}, 7.0, 7.0, 0.0},
    {4,
     {-2.4838025469634118e+247, -2686.0, 2686.0, 1.931050447423753e-263},
     -2.4838025469634118e+247,
     -6.2095063674085296e+246,
     INFINITY},
    {2, {-84269932.1715557, 1021.0}, -84268911.1715557, -42134455.58577785, 3550796774221267.0},
    {6,
     {8948.99401, -8948.99401, 1542.059, 9525.0, -9525.0, -1.3748627795272606e-181},
     1542.059,
     257.00983333333335,
     68720371.84298652},
    {6,
     {9.269978543614354e-114, 5.409837400761692e-196, -5.409837400761692e-196,
      5.409837400761692e-196, -8.761062163811436e-237, 8.761062163811436e-237},
     9.269978543614354e-114,
     1.5449964239357257e-114,
     1.4322083699845082e-227},
    {2, {1.0, 9.052368379090033e+207}, 9.052368379090033e+207, 4.5261841895450164e+207, INFINITY},
    {6,
     {-2.92602663274728, 2.92602663274728, -32498420.6907048, -2.3567246496874415e+287,
      0.0019514593530413698, 5.977744852071831e-32},
     -2.3567246496874415e+287,
     -3.927874416145736e+286,
     INFINITY},
    {4,
     {1.0, -7638.684, -7.100293166693342e+49, 9.559249827949838e-222},
     -7.100293166693342e+49,
     -1.7750732916733354e+49,
     1.260354076324804e+99},
    {6,
     {1.0, 2.8224467899981045e-188, 0.01859339467242176, -0.01859339467242176, 8914394679835.69,
      3.5442838814219917e-187},
     8914394679836.69,
     1485732446639.4482,
     1.3244405417979881e+25},
    {2, {4623.19, -4623.19}, 0.0, 0.0, 42747771.5522},
    {5,
     {7.975285525849457e-71, 5.44777498345834e-37, -621590379679.191, -508642.603228416,
      -4.260595780100393e-48},
     -621590888321.7942,
     -124318177664.35884,
     7.727488840526102e+22},
    {5,
     {0.962271416022994, -6672.674, 6672.674, 3.079285227358427e-224, 2389858.11564041},
     2389859.077911826,
     477971.8155823652,
     1142306394898.5913},
    {5,
     {8.271941094339021e-72, -48039074310.5699, -6475.6, 1.8805389007080455e-114,
      3.9409346806608853e-306},
     -48039080786.1699,
     -9607816157.23398,
     4.6155050101511684e+20},
    {3,
     {-0.000168513510280191, 2.593492032393145e-231, -2.593492032393145e-231},
     -0.000168513510280191,
     -5.6171170093397e-05,
     9.465601048984013e-09},
    {6,
     {-867.125556, 867.125556, -101.581326293981, -369.544, -6187.8, -75246.3157775451},
     -81905.24110383909,
     -13650.873517306514,
     916773903.042911},
    {6,
     {-7952.408, 1.4280796596583743e+248, 8978.9752, -8593.7, 8593.7, 4285625.95243933},
     1.4280796596583743e+248,
     2.3801327660972905e+247,
     INFINITY},
    {4,
     {1.0, 6.364225597506618e-233, 6978.739, -2977707690499.73},
     -2977707683519.991,
     -744426920879.9978,
     2.216685775979246e+24},
    {3,
     {4993.47841, 6.521986439384232e-106, -6.741999128209482e+239},
     -6.741999128209482e+239,
     -2.2473330427364943e+239,
     INFINITY},
    {4,
     {-6.943901443628145e+254, 5162.86, 3923.94, -3923.94},
     -6.943901443628145e+254,
     -1.7359753609070363e+254,
     INFINITY},
};

Test(exact, sums_means_and_variances_are_the_nearest_doubles)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct sums sums = {0};
        for (int k = 0; k < known[i].count; k++)
            add(&sums, known[i].x[k], NULL);
        cr_assert_eq(exact_round(&sums.sum), known[i].sum, "sum %zu", i);
        cr_assert_eq(exact_mean(&sums.sum, sums.count), known[i].mean, "mean %zu", i);
        cr_assert_eq(exact_variance(&sums.sum, &sums.squares, sums.count), known[i].variance,
                     "variance %zu", i);
        deinit(&sums);
    }
}

Test(exact, an_empty_sum_is_zero)
{
    struct exact sum;
    exact_init(&sum);
    cr_assert_eq(exact_round(&sum), 0);
    cr_assert_eq(exact_mean(&sum, 3), 0);
    cr_assert_eq(exact_variance(&sum, &sum, 0), 0);
}

/* ---- the model: every order and grouping, against big integers --------- */

/* x, which counts as an integer at 10^36 * 2^2148, in those units. */
static void oracle_value(double x, struct oracle_int *out)
{
    int64_t m;
    int e, exponent = 0;
    if (decimal_by_text(x, &m, &e)) {
        oracle_set(out, m);
    } else {
        m = (int64_t)ldexp(frexp(x, &exponent), 53);
        oracle_set(out, m);
        exponent -= 53;
        while (exponent < -1074) { /* a subnormal: the low bits are zeros */
            m /= 2;
            exponent++;
        }
        oracle_set(out, m);
        e = 0;
    }
    for (; e < 36; e++)
        oracle_multiply_small(out, 10);
    oracle_shift_left(out, (unsigned)(2148 + exponent));
}

/* Compare n/d with the double x, all times 10^(36 k) 2^(2148 k), x's own scale being 2^-1075. */
static int compare_to_midpoint(const struct oracle_int *n, const struct oracle_int *d, unsigned k,
                               double a, double b)
{
    /* (a + b) / 2, exactly, in units of 2^-1075; both of one sign */
    struct oracle_int middle, part;
    int exponent;
    int64_t m = (int64_t)ldexp(frexp(a, &exponent), 53);
    oracle_set(&middle, m);
    oracle_shift_left(&middle, (unsigned)(exponent - 53 + 1074 + 60));
    m = (int64_t)ldexp(frexp(b, &exponent), 53);
    oracle_set(&part, m);
    oracle_shift_left(&part, (unsigned)(exponent - 53 + 1074 + 60));
    oracle_add(&middle, &part); /* in units of 2^-(1075 + 60) */
    for (unsigned i = 0; i < 36 * k; i++)
        oracle_multiply_small(&middle, 10);
    oracle_shift_left(&middle, 2148 * k - 1135);
    oracle_multiply(&middle, d);
    return oracle_compare(n, &middle);
}

/* Is x the double nearest to n / (d * (10^36 2^2148)^k), ties to even? */
static bool is_nearest(double x, const struct oracle_int *n, const struct oracle_int *d, unsigned k)
{
    if (isinf(x)) { /* the midpoint between the largest and 2^1024, by halves */
        struct oracle_int half = *d, twice = *n;
        oracle_add(&twice, n);
        oracle_set(&half, (INT64_C(1) << 54) - 1);
        for (unsigned i = 0; i < 36 * k; i++)
            oracle_multiply_small(&half, 10);
        oracle_shift_left(&half, 2148 * k + 971);
        oracle_multiply(&half, d);
        twice.negative = false;
        return n->negative == (x < 0) && oracle_compare(&twice, &half) >= 0;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const bool even = bits % 2 == 0;
    const double above = nextafter(x, INFINITY), below = nextafter(x, -INFINITY);
    const int up = isinf(above) ? -1 : compare_to_midpoint(n, d, k, x, above);
    const int down = isinf(below) ? 1 : compare_to_midpoint(n, d, k, x, below);
    return (up < 0 || (up == 0 && even)) && (down > 0 || (down == 0 && even));
}

static double pick(struct random *random, int class, double previous)
{
    switch (class) {
    case 0: /* a sensor: few digits */
        return (double)((int64_t)(random_u64(random) % 20001) - 10000) / 100;
    case 1: /* decimals of all scales and sizes */
        return any_decimal(random);
    case 2: /* anything, from 5e-324 to 1e308 */
        return any_double(random);
    case 3: /* cancels what came before, up to an ulp */
        return random_u64(random) % 2 ? -previous : -neighbour(random, previous);
    case 4: /* full mantissas of one magnitude */
        return (double)(int64_t)random_u64(random) * 0x1p-63;
    case 5: /* at the border of the decimals */
        return neighbour(random, random_u64(random) % 2 ? 1e15 : 1e-18);
    case 6: /* the smallest */
        return (double)(int64_t)(random_u64(random) % 9) * 5e-324;
    default: /* exact halves and ties */
        return 0x1p53 + (double)(random_u64(random) % 8) * 2;
    }
}

#define VALUES_MAX 64
static void check_against_oracle(const double *x, int count, const struct sums *sums)
{
    static struct oracle_int s, q, v, n;
    oracle_set(&s, 0);
    oracle_set(&q, 0);
    for (int i = 0; i < count; i++) {
        oracle_value(x[i], &v);
        oracle_add(&s, &v);
        oracle_multiply(&v, &v);
        oracle_add(&q, &v);
    }
    oracle_set(&v, 1);
    cr_assert(is_nearest(exact_round(&sums->sum), &s, &v, 1), "sum %a", exact_round(&sums->sum));
    cr_assert(is_nearest(exact_round(&sums->squares), &q, &v, 2));
    oracle_set(&v, count);
    const double mean = exact_mean(&sums->sum, (uint64_t)count);
    cr_assert(is_nearest(mean, &s, &v, 1), "mean %a", mean);
    if (count < 2) return;
    oracle_multiply_small(&q, (uint32_t)count);
    n = s;
    oracle_multiply(&n, &s);
    oracle_subtract(&q, &n);
    oracle_set(&v, count * (count - 1));
    const double variance = exact_variance(&sums->sum, &sums->squares, (uint64_t)count);
    cr_assert(is_nearest(variance, &q, &v, 2), "variance %a", variance);
}

static void shuffle(struct random *random, double *x, int count)
{
    for (int i = count - 1; i > 0; i--) {
        const int k = (int)(random_u64(random) % (uint64_t)(i + 1));
        const double swap = x[i];
        x[i] = x[k];
        x[k] = swap;
    }
}

static void through_bytes(struct exact *sum, struct arena *arena)
{
    uint8_t bytes[EXACT_BYTES_MAX], again[EXACT_BYTES_MAX];
    const size_t size = exact_encode(sum, bytes);
    struct reader in = reader_of(bytes, size);
    if (arena == NULL) exact_deinit(sum);
    cr_assert_eq(exact_decode(sum, &in, arena), PHUSA_OK);
    cr_assert_eq(reader_left(&in), 0);
    cr_assert_eq(exact_encode(sum, again), size);
    cr_assert_eq(memcmp(bytes, again, size), 0);
}

/* Add x in a random tree: singly, in bulk, in groups that are merged, some through bytes. */
static void add_somehow(struct random *random, struct sums *to, const double *x, int count,
                        struct arena *arena)
{
    if (count > 1 && random_u64(random) % 2) {
        const int half = 1 + (int)(random_u64(random) % (uint64_t)(count - 1));
        struct sums part = {0};
        add_somehow(random, to, x, half, arena);
        add_somehow(random, &part, x + half, count - half, arena);
        if (random_u64(random) % 2) {
            through_bytes(&part.sum, arena);
            through_bytes(&part.squares, arena);
        }
        cr_assert_eq(exact_merge(&to->sum, &part.sum, arena), PHUSA_OK);
        cr_assert_eq(exact_merge(&to->squares, &part.squares, arena), PHUSA_OK);
        to->count += part.count;
        deinit(&part);
    } else if (random_u64(random) % 2) {
        unsigned hint = (unsigned)(random_u64(random) % 20);
        if (hint > 18) hint = PHUSA_DECIMALS_UNKNOWN;
        cr_assert_eq(exact_add_doubles(&to->sum, x, (size_t)count, hint, arena), PHUSA_OK);
        cr_assert_eq(exact_add_square_doubles(&to->squares, x, (size_t)count, hint, arena),
                     PHUSA_OK);
        to->count += (uint64_t)count;
    } else {
        for (int i = 0; i < count; i++)
            add(to, x[i], arena);
    }
}

static void check_every_order(struct random *random, double *x, int count)
{
    struct arena arena;
    arena_init(&arena, 1 << 24);
    uint8_t bytes[2][EXACT_BYTES_MAX], again[EXACT_BYTES_MAX];
    size_t sizes[2] = {0, 0};
    for (int round = 0; round < 4; round++) {
        struct arena *const memory = round % 2 ? &arena : NULL;
        struct sums sums = {0};
        shuffle(random, x, count);
        add_somehow(random, &sums, x, count, memory);
        cr_assert_eq(sums.count, (uint64_t)count);
        if (round == 0) {
            check_against_oracle(x, count, &sums);
            sizes[0] = exact_encode(&sums.sum, bytes[0]);
            sizes[1] = exact_encode(&sums.squares, bytes[1]);
        }
        /* Equal bytes are equal totals, so equal doubles of every kind. */
        cr_assert_eq(exact_encode(&sums.sum, again), sizes[0]);
        cr_assert_eq(memcmp(again, bytes[0], sizes[0]), 0);
        cr_assert_eq(exact_encode(&sums.squares, again), sizes[1]);
        cr_assert_eq(memcmp(again, bytes[1], sizes[1]), 0);
        deinit(&sums);
    }
    arena_deinit(&arena);
}

Test(exact, every_order_and_grouping_gives_the_nearest_double_to_the_true_total)
{
    struct random random = random_seeded();
    for (int i = 0; i < 250; i++) {
        double x[VALUES_MAX];
        const int count = 1 + (int)(random_u64(&random) % (i % 10 == 0 ? VALUES_MAX : 8));
        const unsigned classes = (unsigned)(1 + random_u64(&random) % 255);
        for (int k = 0; k < count; k++) {
            int class;
            do
                class = (int)(random_u64(&random) % 8);
            while (!(classes >> class & 1));
            x[k] = pick(&random, class, k > 0 ? x[k - 1] : 1);
        }
        check_every_order(&random, x, count);
    }
}

/* A quotient just beside the middle of two doubles, by a divisor of more than 64 bits (5^36): an
 * estimate of it that is one too large falls on the wrong side. */
Test(exact, a_hair_beside_a_midpoint_decides)
{
    struct random random = random_seeded();
    for (int i = 0; i < 20000; i++) {
        struct exact sum;
        const int64_t middle = (INT64_C(1) << 53) + 1 + 2 * (int64_t)(random_u64(&random) >> 12);
        const uint64_t count = 19 + random_u64(&random) % 4000;
        const int hair = i % 3 - 1;
        exact_init(&sum);
        cr_assert_eq(exact_add_units(&sum, (__int128)middle * (__int128)count, 0, NULL), PHUSA_OK);
        cr_assert_eq(exact_add_units(&sum, hair, 36, NULL), PHUSA_OK);
        const int64_t even = middle % 4 == 1 ? middle - 1 : middle + 1;
        const int64_t expected = hair == 0 ? even : middle + hair;
        cr_assert_eq(exact_mean(&sum, count), (double)expected, "%lld / %llu", (long long)middle,
                     (unsigned long long)count);
        exact_deinit(&sum);
    }
}

/* ---- integers and limits ---------------------------------------------- */

Test(exact, integers_count_as_themselves)
{
    struct exact sum, squares;
    exact_init(&sum);
    exact_init(&squares);
    int64_t i = 0;
    uint64_t u = 0;
    cr_assert_eq(exact_int64(&sum, &i), PHUSA_OK);
    cr_assert_eq(i, 0);
    for (int k = 0; k < 2; k++)
        cr_assert_eq(exact_add_int64(&sum, INT64_MIN, NULL), PHUSA_OK);
    cr_assert_eq(exact_int64(&sum, &i), PHUSA_ERANGE);
    cr_assert_eq(exact_add_uint64(&sum, UINT64_MAX, NULL), PHUSA_OK);
    cr_assert_eq(exact_int64(&sum, &i), PHUSA_OK);
    cr_assert_eq(i, -1);
    cr_assert_eq(exact_uint64(&sum, &u), PHUSA_ERANGE);
    cr_assert_eq(exact_add_uint64(&sum, UINT64_MAX, NULL), PHUSA_OK);
    cr_assert_eq(exact_uint64(&sum, &u), PHUSA_OK);
    cr_assert_eq(u, UINT64_MAX - 1);
    cr_assert_eq(exact_add_double(&sum, 0.5, 1, NULL), PHUSA_OK);
    cr_assert_eq(exact_uint64(&sum, &u), PHUSA_ERANGE);
    cr_assert_eq(exact_add_double(&sum, -0.5, 1, NULL), PHUSA_OK);
    cr_assert_eq(exact_uint64(&sum, &u), PHUSA_OK);
    exact_deinit(&sum);

    for (int k = 0; k < 5; k++) {
        cr_assert_eq(exact_add_square_uint64(&squares, UINT64_MAX, NULL), PHUSA_OK);
        cr_assert_eq(exact_add_square_int64(&squares, INT64_MIN, NULL), PHUSA_OK);
    }
    cr_assert_eq(exact_round(&squares), 5 * (0x1p128 + 0x1p126));
    exact_deinit(&squares);
}

Test(exact, what_128_bits_cannot_hold_goes_on_wider)
{
    struct exact sum, other;
    exact_init(&sum);
    const __int128 most = (__int128)(((unsigned __int128)1 << 127) - 1);
    for (int k = 0; k < 1000; k++) {
        cr_assert_eq(exact_add_units(&sum, most, 0, NULL), PHUSA_OK);
        cr_assert_eq(exact_add_units(&sum, 1, 0, NULL), PHUSA_OK);
        cr_assert_eq(exact_add_units(&sum, 25, 36, NULL), PHUSA_OK);
    }
    cr_assert_eq(exact_round(&sum), 1000 * 0x1p127);
    cr_assert_neq(sum.wide, NULL);
    through_bytes(&sum, NULL);
    exact_init(&other);
    for (int k = 0; k < 1000; k++)
        cr_assert_eq(exact_add_units(&other, -most - 1, 0, NULL), PHUSA_OK);
    cr_assert_eq(exact_round(&other), -1000 * 0x1p127);
    cr_assert_eq(exact_merge(&sum, &other, NULL), PHUSA_OK);
    cr_assert_eq(exact_round(&sum), 25e-33);
    exact_deinit(&sum);
    exact_deinit(&other);
}

Test(exact, subtracting_takes_back_what_was_merged)
{
    struct random random = random_seeded();
    for (int i = 0; i < 300; i++) {
        struct exact sum, other;
        exact_init(&sum);
        exact_init(&other);
        uint8_t before[EXACT_BYTES_MAX], after[EXACT_BYTES_MAX];
        for (int k = 0; k < 6; k++) {
            const double x = pick(&random, (int)(random_u64(&random) % 8), 1);
            cr_assert_eq(exact_add_double(k % 2 ? &sum : &other, x, 3, NULL), PHUSA_OK);
        }
        if (i % 3 == 0)
            cr_assert_eq(exact_add_units(&other, (__int128)((unsigned __int128)1 << 127), 5, NULL),
                         PHUSA_OK);
        const size_t size = exact_encode(&sum, before);
        cr_assert_eq(exact_merge(&sum, &other, NULL), PHUSA_OK);
        cr_assert_eq(exact_subtract(&sum, &other, NULL), PHUSA_OK);
        cr_assert_eq(exact_encode(&sum, after), size);
        cr_assert_eq(memcmp(before, after, size), 0);
        exact_deinit(&sum);
        exact_deinit(&other);
    }
}

/* ---- bytes ------------------------------------------------------------ */

/* The examples of engine/base/FORMAT.md. */
Test(exact, encodes_as_its_format_says)
{
    static const struct {
        int count;
        double x[3];
        size_t size;
        uint8_t bytes[16];
    } cases[] = {
        {0, {0}, 2, {0x00, 0x00}},
        {3, {21.5, 21.25, -0.25}, 4, {0x01, 0x02, 0xa9, 0x01}},
        {1, {-1}, 3, {0x00, 0x01, 0xff}},
        {2, {0.5, 0x1p-70}, 7, {0x81, 0x01, 0x05, 0x87, 0x02, 0x01, 0x04}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct exact sum;
        exact_init(&sum);
        uint8_t bytes[EXACT_BYTES_MAX];
        for (int k = 0; k < cases[i].count; k++)
            cr_assert_eq(exact_add_double(&sum, cases[i].x[k], PHUSA_DECIMALS_UNKNOWN, NULL),
                         PHUSA_OK);
        const size_t size = exact_encode(&sum, bytes);
        for (size_t k = 0; k < size; k++)
            cr_expect_eq(bytes[k], cases[i].bytes[k], "case %zu byte %zu is %02x", i, k, bytes[k]);
        cr_assert_eq(size, cases[i].size, "case %zu", i);
        exact_deinit(&sum);
    }
}

/* A sum from disk may be anything: a refusal or a sum that can be used, never a crash. */
static void decode_and_use(const uint8_t *bytes, size_t size)
{
    struct exact sum, twice;
    struct reader in = reader_of(bytes, size);
    const phusa_status status = exact_decode(&sum, &in, NULL);
    cr_assert(status == PHUSA_OK || status == PHUSA_ECORRUPT);
    if (status != PHUSA_OK) return;
    uint8_t again[EXACT_BYTES_MAX];
    cr_assert_leq(exact_encode(&sum, again), sizeof again);
    exact_init(&twice);
    for (int k = 0; k < 3; k++)
        cr_assert_eq(exact_merge(&twice, &sum, NULL), PHUSA_OK);
    cr_assert(!isnan(exact_round(&twice)));
    cr_assert(!isnan(exact_mean(&twice, 3)));
    cr_assert(!isnan(exact_variance(&sum, &twice, 3)));
    exact_deinit(&sum);
    exact_deinit(&twice);
}

Test(exact, damaged_bytes_are_refused_or_usable)
{
    struct random random = random_seeded();
    for (int i = 0; i < 3000; i++) {
        struct exact sum;
        exact_init(&sum);
        uint8_t bytes[EXACT_BYTES_MAX];
        for (int k = 0; k < 3; k++) {
            const double x = pick(&random, (int)(random_u64(&random) % 8), 1);
            cr_assert_eq(exact_add_square_double(&sum, x, 3, NULL), PHUSA_OK);
        }
        const size_t size = exact_encode(&sum, bytes);
        exact_deinit(&sum);
        struct reader cut = reader_of(bytes, random_u64(&random) % size);
        cr_assert_eq(exact_decode(&sum, &cut, NULL), PHUSA_ECORRUPT);
        for (int k = 0; k < 4; k++) {
            const size_t bit = random_u64(&random) % (8 * size);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            decode_and_use(bytes, size);
        }
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)random_u64(&random);
        bytes[0] = (uint8_t)(bytes[0] & 0x9f); /* often a good start */
        bytes[1] %= 48;
        decode_and_use(bytes, sizeof bytes);
    }
}

Test(exact, the_largest_sums_survive_their_bytes)
{
    struct exact sum;
    exact_init(&sum);
    const double x = 1.7976931348623157e308;
    cr_assert_eq(exact_add_square_double(&sum, x, 0, NULL), PHUSA_OK);
    for (int k = 0; k < 63; k++) { /* 2^63 times */
        struct exact same;
        exact_init(&same);
        cr_assert_eq(exact_merge(&same, &sum, NULL), PHUSA_OK);
        cr_assert_eq(exact_merge(&sum, &same, NULL), PHUSA_OK);
        exact_deinit(&same);
    }
    cr_assert_eq(exact_add_square_double(&sum, 5e-324, 0, NULL), PHUSA_OK);
    through_bytes(&sum, NULL);
    cr_assert_eq(exact_round(&sum), INFINITY);
    exact_deinit(&sum);
}

/* ---- no memory -------------------------------------------------------- */

Test(exact, without_memory_a_sum_stays_as_it_was)
{
    static const double x[] = {0.1, 1.0 / 3, 1e300, 5e-324, 1e14, 1e-18, -1e300};
    for (uint64_t n = 1;; n++) {
        struct exact sum;
        exact_init(&sum);
        bool failed = false;
        mem_fail_at(n);
        for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
            uint8_t before[EXACT_BYTES_MAX], after[EXACT_BYTES_MAX];
            const size_t size = exact_encode(&sum, before);
            phusa_status status = exact_add_double(&sum, x[i], PHUSA_DECIMALS_UNKNOWN, NULL);
            if (status == PHUSA_OK) continue;
            cr_assert_eq(status, PHUSA_ENOMEM);
            failed = true;
            cr_assert_eq(exact_encode(&sum, after), size);
            cr_assert_eq(memcmp(before, after, size), 0);
            status = exact_add_double(&sum, x[i], PHUSA_DECIMALS_UNKNOWN, NULL);
            cr_assert_eq(status, PHUSA_OK);
        }
        mem_fail_at(0);
        cr_assert_eq(exact_round(&sum), 100000000000000.44);
        exact_deinit(&sum);
        if (!failed) {
            cr_assert_gt(n, 3);
            return;
        }
    }
}
