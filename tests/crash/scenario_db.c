/*
 * scenario_db.c - the whole engine by its public header: batches by line protocol and by hand, into
 * a plain and a sparse policy, at times from 1915 on, with corrections, and flushes, seals and
 * reopenings in between.
 *
 * Every row says which batch it belongs to and which row of it it is; everything else about it
 * follows from these two. One row of every batch corrects a row of an earlier one, so that the
 * newest must win.
 */
#include "scenario.h"

#include "phusa.h"
#include "random.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS     24u /* a multiple of WRITERS, so that batches of one slot come in order */
#define WRITERS   3u
#define ROWS_MAX  400u
#define TIME_BASE INT64_C(1705276800000000000) /* 2024-01-15 */
#define DAY_NS    INT64_C(86400000000000)

/* ---- what is written ---- */

static uint64_t rows_of(uint64_t batch)
{
    const uint64_t bits = mixed(batch * 3 + 1);
    /* Some large ones, so that the log moves on to new segments between flushes. */
    return bits % 4 == 0 ? 1 + bits / 16 % ROWS_MAX : 1 + bits / 16 % 20;
}
static bool is_sparse(uint64_t batch)
{
    return batch % 5 == 4;
}

struct row {
    char measurement[4];
    char host[8];
    int64_t time_ns;
    double f;
    bool b, has_u;
    char s[32];
    uint64_t u;
};

static struct row row_of(uint64_t batch, uint64_t i)
{
    static const int64_t days[] = {0, 0, 0, -31, -65, 31, -20000};
    const uint64_t bits = mixed(batch << 20 | i);
    struct row row = {
        .time_ns = TIME_BASE + days[mixed(batch) % 7] * DAY_NS +
                   (int64_t)(batch * 1000 + (ROWS_MAX - i)) * 1000,
        .f = (double)((int64_t)(bits % 200000) - 100000) / 100, /* as printed with two decimals */
        .b = bits & 1,
        .has_u = bits % 3 == 0,
        .u = bits,
    };
    snprintf(row.measurement, sizeof row.measurement, "m%" PRIu64, (batch + i) % 2);
    snprintf(row.host, sizeof row.host, "h%" PRIu64, bits >> 8 & 15);
    snprintf(row.s, sizeof row.s, "v%" PRIx64, bits % 50);
    return row;
}

static void must(phusa_status status, const char *what, const struct phusa_error *error)
{
    if (status == PHUSA_OK) return;
    fprintf(stderr, "workload: %s: %s (%s)\n", what, error->text, phusa_status_text(status));
    _exit(97);
}

static phusa_status add_lines(struct phusa_batch *batch, uint64_t number, struct phusa_error *error)
{
    static __thread char text[ROWS_MAX * 160 + 200];
    size_t n = 0;
    for (uint64_t i = 0; i < rows_of(number); i++) {
        const struct row row = row_of(number, i);
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "%s,host=%s n=%" PRIu64 "i,i=%" PRIu64 "i,f=%.2f,b=%s,s=\"%s\"",
                              row.measurement, row.host, number, i, row.f, row.b ? "true" : "F",
                              row.s);
        if (row.has_u) n += (size_t)snprintf(text + n, sizeof text - n, ",u=%" PRIu64 "u", row.u);
        n += (size_t)snprintf(text + n, sizeof text - n, " %" PRId64 "\n", row.time_ns);
    }
    n += (size_t)snprintf(text + n, sizeof text - n,
                          "c,slot=%" PRIu64 " n=%" PRIu64 "i %" PRId64 "\n", number % SLOTS, number,
                          TIME_BASE);
    size_t taken;
    const phusa_status status =
        phusa_batch_lines(batch, text, n, true, 1, TIME_BASE, &taken, error);
    return status == PHUSA_OK && taken != n ? PHUSA_ELIMIT : status;
}

static struct phusa_text text_of_nul(const char *s)
{
    return (struct phusa_text){s, strlen(s)};
}

static struct phusa_field integer_field(const char *key, uint64_t value)
{
    return (struct phusa_field){text_of_nul(key), {.type = PHUSA_INTEGER, .i = (int64_t)value}};
}

static phusa_status add_row(struct phusa_batch *batch, uint64_t number, uint64_t i,
                            struct phusa_error *error)
{
    const struct row row = row_of(number, i);
    const struct phusa_pair tag = {text_of_nul("host"), text_of_nul(row.host)};
    const struct phusa_field fields[] = {
        {text_of_nul("s"), {.type = PHUSA_STRING, .s = text_of_nul(row.s)}},
        {text_of_nul("f"), {.type = PHUSA_FLOAT, .decimals = 2, .f = row.f}},
        {text_of_nul("b"), {.type = PHUSA_BOOLEAN, .b = row.b}},
        integer_field("i", i),
        integer_field("n", number),
        {text_of_nul("u"), {.type = PHUSA_UNSIGNED, .u = row.u}},
    };
    return phusa_batch_add(batch,
                           &(struct phusa_point){.measurement = text_of_nul(row.measurement),
                                                 .tags = &tag,
                                                 .tag_count = 1,
                                                 .fields = fields,
                                                 .field_count = row.has_u ? 6 : 5,
                                                 .time_ns = row.time_ns},
                           error);
}

static phusa_status add_points(struct phusa_batch *batch, uint64_t number,
                               struct phusa_error *error)
{
    phusa_status status = PHUSA_OK;
    for (uint64_t i = 0; i < rows_of(number) && status == PHUSA_OK; i++)
        status = add_row(batch, number, i, error);
    if (status != PHUSA_OK) return status;
    char slot[8];
    snprintf(slot, sizeof slot, "%u", (unsigned)(number % SLOTS));
    const struct phusa_pair tag = {text_of_nul("slot"), text_of_nul(slot)};
    const struct phusa_field field = integer_field("n", number);
    return phusa_batch_add(batch,
                           &(struct phusa_point){.measurement = text_of_nul("c"),
                                                 .tags = &tag,
                                                 .tag_count = 1,
                                                 .fields = &field,
                                                 .field_count = 1,
                                                 .time_ns = TIME_BASE},
                           error);
}

static phusa_status write_batch(struct phusa *db, uint64_t number, struct phusa_error *error)
{
    struct phusa_batch *batch;
    phusa_status status =
        phusa_batch_create(db, "d", is_sparse(number) ? "sparse" : NULL, &batch, error);
    if (status != PHUSA_OK) return status;
    status = number % 2 == 0 ? add_lines(batch, number, error) : add_points(batch, number, error);
    if (status == PHUSA_OK) status = phusa_write(db, batch, error);
    phusa_batch_free(batch);
    return status;
}

static phusa_status open_db(const char *dir, bool background, struct phusa **db,
                            struct phusa_error *error)
{
    struct phusa_options options;
    phusa_options_init(&options);
    options.wal_segment_bytes = 64 << 10;
    options.head_bytes_max = 4 << 20;
    options.background_off = !background;
    if (background) options.flush_interval_ns = 100000000;
    return phusa_open(dir, &options, db, error);
}

static phusa_status prepare_db(struct phusa *db, struct phusa_error *error)
{
    const struct phusa_policy_options sparse = {.shard = {.months = 120}};
    const phusa_status status = phusa_create_database(db, "d", error);
    return status == PHUSA_OK ? phusa_create_policy(db, "d", "sparse", &sparse, error) : status;
}

/* The disk fails once. A write that is refused was not acknowledged; it may be found later or not.
 * After a failure that is final until reopened, reopening must help; after a lack of room, waiting.
 */
static bool tolerates;

static void may_fail(phusa_status status, const char *what, const struct phusa_error *error)
{
    if (tolerates && (status == PHUSA_EIO || status == PHUSA_ENOSPC || status == PHUSA_EFAILED))
        return;
    must(status, what, error);
}

struct work {
    const char *dir;
    struct phusa *db;
    bool background;
};

static void open_for_work(struct work *w)
{
    struct phusa_error error = {0};
    phusa_status status = open_db(w->dir, w->background, &w->db, &error);
    if (status != PHUSA_OK && tolerates) {
        may_fail(status, "open", &error);
        status = open_db(w->dir, w->background, &w->db, &error);
    }
    must(status, "open", &error);
    status = prepare_db(w->db, &error);
    if (status == PHUSA_OK) return;
    may_fail(status, "create", &error);
    (void)phusa_close(w->db);
    must(open_db(w->dir, w->background, &w->db, &error), "open again", &error);
    must(prepare_db(w->db, &error), "create again", &error);
}

/* A refused batch has had its number; the next one must go in, at the latest after reopening. */
static uint64_t write_for_work(struct work *w, uint64_t n)
{
    struct phusa_error error = {0};
    mark('b', n);
    phusa_status status = write_batch(w->db, n, &error);
    may_fail(status, "write", &error);
    if (status != PHUSA_OK) {
        mark('x', n);
        mark('b', ++n);
        status = write_batch(w->db, n, &error);
        may_fail(status, "write after a failure", &error);
    }
    if (status != PHUSA_OK) {
        (void)phusa_close(w->db);
        open_for_work(w);
        mark('b', ++n);
        status = write_batch(w->db, n, &error);
        must(status, "write after reopening", &error);
    }
    mark('a', n);
    return n + 1;
}

static void work_alone(struct work *w, struct random *random, uint64_t first_batch,
                       uint64_t batch_count)
{
    struct phusa_error error = {0};
    for (uint64_t n = first_batch; n < first_batch + batch_count;) {
        n = write_for_work(w, n);
        if (random_below(random, 15) == 0) may_fail(phusa_flush(w->db, &error), "flush", &error);
        if (random_below(random, 60) == 0) may_fail(phusa_seal(w->db, &error), "seal", &error);
        if (random_below(random, 80) == 0) {
            may_fail(phusa_close(w->db), "close", &error);
            open_for_work(w);
        }
    }
}

struct writer {
    struct phusa *db;
    uint64_t first, end, residue;
};

static void *write_share(void *context)
{
    const struct writer *w = context;
    struct phusa_error error = {0};
    for (uint64_t n = w->first; n < w->end; n++) {
        if (n % WRITERS != w->residue) continue;
        mark('b', n);
        must(write_batch(w->db, n, &error), "write", &error);
        mark('a', n);
    }
    return NULL;
}

/* Several batches under way at any time, beside flushes and seals. */
static void work_together(struct work *w, struct random *random, uint64_t first_batch,
                          uint64_t batch_count)
{
    struct phusa_error error = {0};
    for (uint64_t n = first_batch; n < first_batch + batch_count;) {
        const uint64_t end = n + 5 + random_below(random, 40);
        struct writer writers[WRITERS];
        pthread_t threads[WRITERS];
        for (uint64_t t = 0; t < WRITERS; t++) {
            writers[t] = (struct writer){w->db, n, end, t};
            if (pthread_create(&threads[t], NULL, write_share, &writers[t]) != 0) abort();
        }
        if (random_below(random, 2) == 0) must(phusa_flush(w->db, &error), "flush", &error);
        if (random_below(random, 4) == 0) must(phusa_seal(w->db, &error), "seal", &error);
        for (uint64_t t = 0; t < WRITERS; t++)
            pthread_join(threads[t], NULL);
        n = end;
        if (random_below(random, 4) != 0) continue;
        must(phusa_close(w->db), "close", &error);
        open_for_work(w);
    }
}

static void work(const char *dir, uint64_t seed, uint64_t first_batch, uint64_t batch_count)
{
    struct random random = random_from(seed);
    struct phusa_error error = {0};
    /* With threads at work a record is not repeatable, but kills are more interesting. */
    struct work w = {.dir = dir, .background = getenv(BACKGROUND_ENV) != NULL};
    tolerates = getenv(FAULTS_ENV) != NULL;
    open_for_work(&w);
    if (w.background && !tolerates)
        work_together(&w, &random, first_batch, batch_count);
    else
        work_alone(&w, &random, first_batch, batch_count);
    may_fail(phusa_close(w.db), "close", &error);
}

/* ---- what is found ---- */

struct found {
    struct history *history;
    uint32_t *rows;          /* of each batch */
    int64_t slots[2][SLOTS]; /* what the corrected rows say: of the plain and the sparse policy */
    bool sparse;             /* being read */
    char measurement[4], tag[16];
    int columns[8]; /* where n, i, f, b, s, u are; -1: not there */
    char problem[300];
};
enum { COLUMN_N, COLUMN_I, COLUMN_F, COLUMN_B, COLUMN_S, COLUMN_U, COLUMNS };

static phusa_status wrong(struct found *found, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static phusa_status wrong(struct found *found, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (found->problem[0] == '\0')
        vsnprintf(found->problem, sizeof found->problem, format, arguments);
    va_end(arguments);
    return PHUSA_ECORRUPT;
}

static void copy_text(char *to, size_t size_bytes, struct phusa_text from)
{
    snprintf(to, size_bytes, "%.*s", (int)from.size_bytes, from.bytes);
}

static phusa_status on_series(void *context, const struct phusa_series_header *header)
{
    struct found *found = context;
    copy_text(found->measurement, sizeof found->measurement, header->name);
    found->tag[0] = '\0';
    if (header->tag_count > 0) copy_text(found->tag, sizeof found->tag, header->tags[0].value);
    for (int c = 0; c < COLUMNS; c++)
        found->columns[c] = -1;
    for (size_t k = header->has_time; k < header->column_count; k++) {
        const struct phusa_text name = header->columns[k];
        const char *place = name.size_bytes == 1 ? memchr("nifbsu", name.bytes[0], 6) : NULL;
        if (place == NULL) return wrong(found, "an unknown field");
        found->columns[place - "nifbsu"] = (int)(k - header->has_time);
    }
    return PHUSA_OK;
}

static const struct phusa_column *value_at(const struct found *found, const struct phusa_rows *rows,
                                           int column, size_t r)
{
    if (found->columns[column] < 0) return NULL;
    const struct phusa_column *c = &rows->columns[found->columns[column]];
    const bool present = c->present == NULL || (c->present[r / 64] >> (r % 64) & 1);
    return present ? c : NULL;
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static phusa_status take_row(struct found *found, const struct phusa_rows *rows, size_t r)
{
    const struct phusa_column *n = value_at(found, rows, COLUMN_N, r);
    if (n == NULL || n->type != PHUSA_INTEGER || n->i[r] < 0 || n->i[r] >= BATCHES_MAX)
        return wrong(found, "a row of %s without a batch", found->measurement);
    const uint64_t batch = (uint64_t)n->i[r];
    if (is_sparse(batch) != found->sparse) return wrong(found, "a row in the wrong policy");
    if (strcmp(found->measurement, "c") == 0) {
        const uint64_t slot = strtoull(found->tag, NULL, 10);
        if (slot != batch % SLOTS || rows->times_ns[r] != TIME_BASE ||
            found->slots[found->sparse][slot] >= 0)
            return wrong(found, "a wrong correction of batch %" PRIu64, batch);
        found->slots[found->sparse][slot] = (int64_t)batch;
        return PHUSA_OK;
    }
    const struct phusa_column *i = value_at(found, rows, COLUMN_I, r);
    if (i == NULL || (uint64_t)i->i[r] >= rows_of(batch))
        return wrong(found, "a row of batch %" PRIu64 " without a place", batch);
    const struct row row = row_of(batch, (uint64_t)i->i[r]);
    const struct phusa_column *f = value_at(found, rows, COLUMN_F, r);
    const struct phusa_column *b = value_at(found, rows, COLUMN_B, r);
    const struct phusa_column *s = value_at(found, rows, COLUMN_S, r);
    const struct phusa_column *u = value_at(found, rows, COLUMN_U, r);
    if (f == NULL || b == NULL || s == NULL || (u != NULL) != row.has_u ||
        strcmp(found->measurement, row.measurement) != 0 || strcmp(found->tag, row.host) != 0 ||
        rows->times_ns[r] != row.time_ns || !same_double(f->f[r], row.f) ||
        (b->b[r] != 0) != row.b || s->s[r].size_bytes != strlen(row.s) ||
        memcmp(s->s[r].bytes, row.s, s->s[r].size_bytes) != 0 || (u != NULL && u->u[r] != row.u))
        return wrong(found, "row %" PRId64 " of batch %" PRIu64 " is not as it was written",
                     i->i[r], batch);
    found->rows[batch]++;
    return PHUSA_OK;
}

static phusa_status on_rows(void *context, const struct phusa_rows *rows)
{
    struct found *found = context;
    if (rows->times_ns == NULL) return wrong(found, "rows without a time");
    phusa_status status = PHUSA_OK;
    for (size_t r = 0; r < rows->row_count && status == PHUSA_OK; r++)
        status = take_row(found, rows, r);
    return status;
}

static phusa_status on_begin(void *context, unsigned statement)
{
    return PHUSA_OK;
}
static phusa_status on_message(void *context, unsigned statement, const char *level,
                               const char *words)
{
    return PHUSA_OK;
}
static phusa_status on_end(void *context, unsigned statement, const struct phusa_error *error)
{
    return error == NULL ? PHUSA_OK : wrong(context, "a query failed: %s", error->text);
}

static bool read_policy(struct phusa *db, struct found *found, bool sparse)
{
    static const char statement[] = "SELECT * FROM m0, m1, c GROUP BY *";
    const struct phusa_query_options options = {.database = "d",
                                                .policy = sparse ? "sparse" : NULL};
    const struct phusa_sink sink = {found, on_begin, on_series, on_rows, on_message, on_end};
    struct phusa_error error = {0};
    found->sparse = sparse;
    const phusa_status status =
        phusa_query(db, statement, sizeof statement - 1, &options, &sink, &error);
    if (status != PHUSA_OK) (void)wrong(found, "a query failed: %s", error.text);
    return found->problem[0] == '\0';
}

/* Whole, or not at all; and then it stays so. */
static void judge_batch(struct found *found, uint64_t n)
{
    uint8_t *state = &found->history->state[n];
    const bool present = found->rows[n] > 0;
    if (present && found->rows[n] != rows_of(n))
        (void)wrong(found, "batch %" PRIu64 " has %u of its %" PRIu64 " rows", n, found->rows[n],
                    rows_of(n));
    else if (present && (*state == BATCH_NONE || *state == BATCH_ABSENT))
        (void)wrong(found, "batch %" PRIu64 " came from nowhere", n);
    else if (!present && *state == BATCH_ACKED)
        (void)wrong(found, "batch %" PRIu64 " was acknowledged and is lost", n);
    *state = present ? BATCH_ACKED : *state == BATCH_NONE ? BATCH_NONE : BATCH_ABSENT;
}

/* A corrected row has the value of the newest batch that is there. */
static void judge_slots(struct found *found)
{
    int64_t expected[2][SLOTS];
    memset(expected, -1, sizeof expected);
    for (uint64_t n = 0; n < BATCHES_MAX; n++)
        if (found->rows[n] > 0) expected[is_sparse(n)][n % SLOTS] = (int64_t)n;
    for (size_t p = 0; p < 2; p++)
        for (size_t s = 0; s < SLOTS; s++)
            if (found->slots[p][s] != expected[p][s])
                (void)wrong(found, "slot %zu says batch %" PRId64 ", the newest is %" PRId64, s,
                            found->slots[p][s], expected[p][s]);
}

static bool look(struct phusa *db, struct history *history, struct found *found)
{
    memset(found->rows, 0, BATCHES_MAX * sizeof *found->rows);
    memset(found->slots, -1, sizeof found->slots);
    found->history = history;
    if (!read_policy(db, found, false) || !read_policy(db, found, true)) return false;
    for (uint64_t n = 0; n < BATCHES_MAX && (n < history->begun || found->rows[n] > 0); n++)
        judge_batch(found, n);
    judge_slots(found);
    return found->problem[0] == '\0';
}

static bool verify_open(const char *dir, struct history *history, bool go_on, struct found *found)
{
    struct phusa_error error = {0};
    struct phusa *db = NULL;
    if (open_db(dir, false, &db, &error) != PHUSA_OK) {
        (void)wrong(found, "it does not open: %s", error.text);
        return false;
    }
    if (history->acked == 0 && prepare_db(db, &error) != PHUSA_OK) /* may not have come to that */
        (void)wrong(found, "it takes no database: %s", error.text);
    const bool ok = look(db, history, found);
    if (ok && go_on && history->begun < BATCHES_MAX) {
        if (write_batch(db, history->begun, &error) == PHUSA_OK)
            history->state[history->begun++] = BATCH_ACKED;
        else
            (void)wrong(found, "it takes no more: %s", error.text);
    }
    if (phusa_close(db) != PHUSA_OK) (void)wrong(found, "it does not close well");
    return ok && found->problem[0] == '\0';
}

static bool verify(const char *dir, struct history *history, bool go_on)
{
    static uint32_t rows[BATCHES_MAX];
    struct found found = {.rows = rows};
    bool ok = verify_open(dir, history, go_on, &found);
    if (ok && go_on) ok = verify_open(dir, history, false, &found);
    if (!ok) fprintf(stderr, "%s\n", found.problem);
    return ok;
}

const struct scenario scenario_db = {"db", work, verify};
