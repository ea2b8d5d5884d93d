/*
 * test_model.c - the whole engine against a plain list. Random points (any order, years before
 * 1970, corrections, fields of one point on several lines) are written, flushed, merged, sealed,
 * reopened; in between, random statements are asked, and the answers must be, to the letter, those
 * that a loop over the list gives.
 *
 * The seed is printed; PHUSA_SEED replays it.
 */
#include "random.h"
#include "render.h"
#include "sandbox.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(3600000000000)
#define DAY  (24 * HOUR)

#define SERIES_COUNT 6
static const char *const hosts[SERIES_COUNT] = {"a", "a", "b", "b", "c", ""};
static const char *const regions[SERIES_COUNT] = {"x", "y", "x", "y", "x", "y"};

enum { F, I, B, FIELD_COUNT };
static const char *const field_names[FIELD_COUNT] = {"f", "i", "b"};

struct point {
    int series;
    int64_t time_ns;
    bool has[FIELD_COUNT];
    int64_t value[FIELD_COUNT]; /* f: hundredths; b: 0 or 1 */
};

struct model {
    struct point *points; /* by time, then series */
    size_t count, capacity;
    int order[SERIES_COUNT]; /* series in the order they were first written */
    int order_count;
};

/* ---- the list ---- */

static int rank_of(const struct model *m, int series)
{
    for (int i = 0; i < m->order_count; i++)
        if (m->order[i] == series) return i;
    return m->order_count;
}

static struct point *point_at(struct model *m, int series, int64_t time_ns)
{
    if (rank_of(m, series) == m->order_count) m->order[m->order_count++] = series;
    size_t at = 0;
    while (at < m->count && (m->points[at].time_ns < time_ns ||
                             (m->points[at].time_ns == time_ns &&
                              rank_of(m, m->points[at].series) < rank_of(m, series))))
        at++;
    if (at < m->count && m->points[at].time_ns == time_ns && m->points[at].series == series)
        return &m->points[at];
    if (m->count == m->capacity) {
        m->capacity = m->capacity * 2 + 64;
        m->points = realloc(m->points, m->capacity * sizeof *m->points);
        cr_assert(m->points != NULL);
    }
    memmove(&m->points[at + 1], &m->points[at], (m->count - at) * sizeof *m->points);
    m->count++;
    m->points[at] = (struct point){.series = series, .time_ns = time_ns};
    return &m->points[at];
}

/* The first point that is not before time_ns. */
static size_t first_from(const struct model *m, int64_t time_ns)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (m->points[middle].time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- text ---- */

struct text {
    char bytes[1 << 20];
    size_t size;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    t->size += (size_t)vsnprintf(t->bytes + t->size, sizeof t->bytes - t->size, format, arguments);
    va_end(arguments);
    cr_assert_lt(t->size, sizeof t->bytes);
}

static void put_double(struct text *t, double x)
{
    char number[PHUSA_DOUBLE_BYTES_MAX];
    put(t, "%.*s", (int)phusa_print_double(x, number), number);
}

static void put_time(struct text *t, int64_t time_ns)
{
    char time[PHUSA_TIME_BYTES_MAX];
    put(t, "%.*s", (int)phusa_print_time(time_ns, time), time);
}

static void put_value(struct text *t, int field, int64_t value)
{
    if (field == F)
        put_double(t, (double)value / 100);
    else if (field == I)
        put(t, "%" PRId64, value);
    else
        put(t, "%s", value != 0 ? "true" : "false");
}

/* ---- writing ---- */

static int64_t random_time(struct random *r)
{
    static const int64_t centres[] = {-40 * 365 * DAY, -3 * DAY, 0, 20 * DAY, 45 * DAY, 400 * DAY};
    const int64_t centre = centres[random_below(r, 6)];
    return centre + (int64_t)random_below(r, 300) * HOUR / 4;
}

static void write_batch(struct phusa *db, struct model *m, struct random *r, struct text *t)
{
    const uint64_t lines = 1 + random_below(r, 200);
    int64_t time_ns = random_time(r);
    const bool in_order = random_below(r, 2) == 0;
    t->size = 0;
    for (uint64_t n = 0; n < lines; n++) {
        const int series = (int)random_below(r, SERIES_COUNT);
        time_ns = in_order ? time_ns + (int64_t)random_below(r, 3) * HOUR / 4 : random_time(r);
        struct point *p = point_at(m, series, time_ns);
        put(t, "m,");
        if (hosts[series][0] != '\0') put(t, "host=%s,", hosts[series]);
        put(t, "region=%s ", regions[series]);
        const uint64_t mask = 1 + random_below(r, 7);
        const char *comma = "";
        for (int k = 0; k < FIELD_COUNT; k++) {
            if ((mask >> k & 1) == 0) continue;
            p->has[k] = true;
            p->value[k] =
                k == B ? (int64_t)random_below(r, 2) : (int64_t)random_below(r, 20001) - 10000;
            put(t, "%s%s=", comma, field_names[k]);
            if (k == F)
                put(t, "%s%" PRId64 ".%02d", p->value[k] < 0 ? "-" : "",
                    (p->value[k] < 0 ? -p->value[k] : p->value[k]) / 100,
                    (int)((p->value[k] < 0 ? -p->value[k] : p->value[k]) % 100));
            else
                put(t, k == I ? "%" PRId64 "i" : "%" PRId64, p->value[k]);
            if (k == B) t->bytes[t->size - 1] = p->value[k] != 0 ? 't' : 'f';
            comma = ",";
        }
        put(t, " %" PRId64 "\n", time_ns);
    }
    cr_assert_eq(write_lines(db, "d", t->bytes, NULL), PHUSA_OK, "%s", t->bytes);
}

/* ---- asking ---- */

struct question {
    int64_t start_ns, end_ns;
    int64_t window_ns; /* 0: none */
    bool by_host, by_region;
    char host[2];  /* "": any */
    bool only_big; /* i > 0 */
};

static bool matches(const struct question *q, const struct point *p)
{
    if (p->time_ns < q->start_ns || p->time_ns >= q->end_ns) return false;
    if (q->host[0] != '\0' && strcmp(hosts[p->series], q->host) != 0) return false;
    return !q->only_big || (p->has[I] && p->value[I] > 0);
}

static struct question random_question(struct random *r)
{
    struct question q = {.by_host = random_below(r, 2), .by_region = random_below(r, 2)};
    const int64_t a = random_time(r), b = random_time(r);
    q.start_ns = a < b ? a : b;
    q.end_ns = (a < b ? b : a) + 1;
    static const int64_t windows[] = {HOUR, 6 * HOUR, DAY, 30 * DAY};
    if (random_below(r, 2) == 0) q.window_ns = windows[random_below(r, 4)];
    while (q.window_ns > 0 && (q.end_ns - q.start_ns) / q.window_ns > 2000)
        q.window_ns *= 4;
    if (random_below(r, 3) == 0) q.host[0] = (char)('a' + random_below(r, 3));
    q.only_big = random_below(r, 4) == 0;
    return q;
}

static void put_where(struct text *t, const struct question *q)
{
    put(t, " FROM m WHERE time >= %" PRId64 " AND time < %" PRId64, q->start_ns, q->end_ns);
    if (q->host[0] != '\0') put(t, " AND host = '%s'", q->host);
    if (q->only_big) put(t, " AND i > 0");
}

static void put_groups(struct text *t, const struct question *q)
{
    const char *word = " GROUP BY ";
    if (q->window_ns > 0) {
        put(t, "%stime(%" PRId64 "ns)", word, q->window_ns);
        word = ", ";
    }
    if (q->by_host) {
        put(t, "%shost", word);
        word = ", ";
    }
    if (q->by_region) put(t, "%sregion", word);
}

static int64_t window_start(const struct question *q, int64_t time_ns)
{
    if (q->window_ns == 0) return q->start_ns;
    int64_t rest = time_ns % q->window_ns;
    if (rest < 0) rest += q->window_ns;
    return time_ns - rest;
}

static int compare_i64(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* One row: count(f), sum(f), mean(f), min(i), max(i), spread(i), count(b), median(f), percentile(i,
 * 90). */
static void put_row(struct text *t, const struct model *m, const struct question *q,
                    const char *host, const char *region, int64_t from_ns, int64_t to_ns, bool *any)
{
    static int64_t f[200000], i[200000];
    int64_t nf = 0, ni = 0, nb = 0, sum = 0;
    for (size_t k = first_from(m, from_ns); k < m->count && m->points[k].time_ns < to_ns; k++) {
        const struct point *p = &m->points[k];
        if (!matches(q, p)) continue;
        if (q->by_host && strcmp(hosts[p->series], host) != 0) continue;
        if (q->by_region && strcmp(regions[p->series], region) != 0) continue;
        if (p->has[F]) {
            f[nf++] = p->value[F];
            sum += p->value[F];
        }
        if (p->has[I]) i[ni++] = p->value[I];
        nb += p->has[B];
    }
    *any = nf + ni + nb > 0;
    qsort(f, (size_t)nf, sizeof *f, compare_i64);
    qsort(i, (size_t)ni, sizeof *i, compare_i64);
    const bool zero = q->window_ns > 0; /* count() of nothing: 0 in windows, no value else */
    put_time(t, q->window_ns > 0 ? window_start(q, from_ns) : q->start_ns);
    put(t, nf > 0 || zero ? " %" PRId64 : " -", nf);
    if (nf == 0) {
        put(t, " - -");
    } else {
        put(t, " ");
        put_double(t, (double)sum / 100);
        put(t, " ");
        put_double(t, (double)sum / (double)(100 * nf));
    }
    if (ni == 0)
        put(t, " - - -");
    else
        put(t, " %" PRId64 " %" PRId64 " %" PRId64, i[0], i[ni - 1], i[ni - 1] - i[0]);
    put(t, nb > 0 || zero ? " %" PRId64 : " -", nb);
    if (nf == 0) {
        put(t, " -");
    } else {
        const double high = (double)f[nf / 2] / 100;
        const double low = nf % 2 == 0 ? (double)f[nf / 2 - 1] / 100 : high;
        put(t, " ");
        put_double(t, low + (high - low) / 2);
    }
    const int64_t rank = (int64_t)((double)ni * 90 / 100.0 + 0.5) - 1;
    if (ni == 0 || rank < 0 || rank >= ni)
        put(t, " -\n");
    else
        put(t, " %" PRId64 "\n", i[rank]);
}

static void put_series(struct text *t, const struct model *m, const struct question *q,
                       const char *host, const char *region)
{
    const size_t before = t->size;
    put(t, "m");
    if (q->by_host && q->by_region)
        put(t, "{host=%s,region=%s}", host, region);
    else if (q->by_host)
        put(t, "{host=%s}", host);
    else if (q->by_region)
        put(t, "{region=%s}", region);
    put(t, " time count sum mean min max spread count_1 median percentile\n");
    bool any = false, row_has;
    if (q->window_ns == 0) {
        put_row(t, m, q, host, region, q->start_ns, q->end_ns, &any);
    } else {
        for (int64_t w = window_start(q, q->start_ns); w < q->end_ns; w += q->window_ns) {
            put_row(t, m, q, host, region, w, w + q->window_ns, &row_has);
            any |= row_has;
        }
    }
    if (!any) t->size = before;
    t->bytes[t->size] = '\0';
}

static void ask_aggregates(struct phusa *db, const struct model *m, struct random *r,
                           struct text *t, struct text *expected)
{
    static const char *const all_hosts[] = {"", "a", "b", "c"};
    static const char *const all_regions[] = {"x", "y"};
    const struct question q = random_question(r);
    t->size = 0;
    put(t, "SELECT count(f), sum(f), mean(f), min(i), max(i), spread(i), count(b), median(f), "
           "percentile(i, 90)");
    put_where(t, &q);
    put_groups(t, &q);
    expected->size = 0;
    put(expected, "%s", "");
    for (int h = 0; h < (q.by_host ? 4 : 1); h++)
        for (int g = 0; g < (q.by_region ? 2 : 1); g++)
            put_series(expected, m, &q, all_hosts[h], all_regions[g]);
    char *answer = render_query(db, "d", t->bytes);
    cr_assert_str_eq(answer, expected->bytes, "%s\ngave:\n%s\nnot:\n%s", t->bytes, answer,
                     expected->bytes);
    free(answer);
}

static void ask_rows(struct phusa *db, const struct model *m, struct random *r, struct text *t,
                     struct text *expected)
{
    struct question q = random_question(r);
    q.window_ns = 0;
    q.by_host = q.by_region = false;
    const bool down = random_below(r, 2) == 0;
    const uint64_t limit = random_below(r, 2) == 0 ? 0 : 1 + random_below(r, 40);
    const uint64_t offset = limit == 0 ? 0 : random_below(r, 5);
    t->size = 0;
    put(t, "SELECT f, i, b, region");
    put_where(t, &q);
    if (down) put(t, " ORDER BY time DESC");
    if (limit > 0) put(t, " LIMIT %" PRIu64 " OFFSET %" PRIu64, limit, offset);
    expected->size = 0;
    put(expected, "%s", "");
    uint64_t seen = 0;
    for (size_t n = 0; n < m->count; n++) {
        const struct point *p = &m->points[down ? m->count - 1 - n : n];
        if (!matches(&q, p)) continue;
        if (seen++ < offset || (limit > 0 && seen > offset + limit)) continue;
        if (expected->size == 0) put(expected, "m time f i b region\n");
        put_time(expected, p->time_ns);
        for (int k = 0; k < FIELD_COUNT; k++) {
            put(expected, " ");
            if (p->has[k])
                put_value(expected, k, p->value[k]);
            else
                put(expected, "-");
        }
        put(expected, " \"%s\"\n", regions[p->series]);
    }
    char *answer = render_query(db, "d", t->bytes);
    cr_assert_str_eq(answer, expected->bytes, "%s\ngave:\n%s\nnot:\n%s", t->bytes, answer,
                     expected->bytes);
    free(answer);
}

/* first, last, and the times of selectors, of each series for itself. */
static void ask_selectors(struct phusa *db, const struct model *m, struct random *r, struct text *t,
                          struct text *expected)
{
    static const char *const calls[] = {"first(f)", "last(f)", "min(f)", "max(f)"};
    const int kind = (int)random_below(r, 4);
    struct question q = random_question(r);
    q.by_host = q.by_region = true;
    q.window_ns = 0;
    t->size = 0;
    put(t, "SELECT %s", calls[kind]);
    put_where(t, &q);
    put_groups(t, &q);
    expected->size = 0;
    put(expected, "%s", "");
    static const int sorted[SERIES_COUNT] = {5, 0, 1, 2, 3, 4}; /* by host, then region */
    for (int s = 0; s < SERIES_COUNT; s++) {
        const struct point *found = NULL;
        for (size_t n = 0; n < m->count; n++) {
            const struct point *p = &m->points[n];
            if (p->series != sorted[s] || !p->has[F] || !matches(&q, p)) continue;
            if (found == NULL || kind == 1 || (kind == 2 && p->value[F] < found->value[F]) ||
                (kind == 3 && p->value[F] > found->value[F]))
                found = p;
        }
        if (found == NULL) continue;
        put(expected, "m{host=%s,region=%s} time %.*s\n", hosts[sorted[s]], regions[sorted[s]],
            (int)strcspn(calls[kind], "("), calls[kind]);
        put_time(expected, found->time_ns);
        put(expected, " ");
        put_value(expected, F, found->value[F]);
        put(expected, "\n");
    }
    char *answer = render_query(db, "d", t->bytes);
    cr_assert_str_eq(answer, expected->bytes, "%s\ngave:\n%s\nnot:\n%s", t->bytes, answer,
                     expected->bytes);
    free(answer);
}

/* ---- the run ---- */

static struct phusa *reopen(struct phusa *db, const char *dir)
{
    struct phusa_options options;
    phusa_options_init(&options);
    options.head_bytes_max = 1 << 20;
    options.wal_segment_bytes = 64 << 10;
    options.wal_bytes_max = 256 << 10;
    struct phusa_error error = {0};
    if (db != NULL) cr_assert_eq(phusa_close(db), PHUSA_OK);
    cr_assert_eq(phusa_open(dir, &options, &db, &error), PHUSA_OK, "%s", error.text);
    return db;
}

static void ignore_line(void *context, const char *line)
{
    (void)context;
    if (strncmp(line, "FAULT", 5) == 0) fprintf(stderr, "%s\n", line);
}

Test(model, every_answer_is_that_of_a_plain_list)
{
    struct random r = random_seeded();
    struct model m = {0};
    struct text *t = malloc(sizeof *t), *expected = malloc(sizeof *expected);
    struct sandbox s;
    sandbox_make(&s);
    const char *dir = s.dir;
    struct phusa *db = reopen(NULL, dir);
    cr_assert_eq(phusa_create_database(db, "d", NULL), PHUSA_OK);
    for (int step = 0; step < 150; step++) {
        const uint64_t what = random_below(&r, 100);
        if (what < 70)
            write_batch(db, &m, &r, t);
        else if (what < 85)
            cr_assert_eq(phusa_flush(db, NULL), PHUSA_OK);
        else if (what < 92)
            cr_assert_eq(phusa_seal(db, NULL), PHUSA_OK);
        else
            db = reopen(db, dir);
        for (int n = 0; n < 6; n++) {
            ask_aggregates(db, &m, &r, t, expected);
            ask_rows(db, &m, &r, t, expected);
            ask_selectors(db, &m, &r, t, expected);
        }
    }
    cr_assert_eq(phusa_close(db), PHUSA_OK);
    uint64_t fault_count = 0;
    struct phusa_error error = {0};
    cr_assert_eq(phusa_check_dir(dir, ignore_line, NULL, &fault_count, &error), PHUSA_OK, "%s",
                 error.text);
    cr_assert_eq(fault_count, 0);
    sandbox_remove(&s);
    free(m.points);
    free(t);
    free(expected);
}
