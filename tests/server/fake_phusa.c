/* fake_phusa.c - see fake_phusa.h. Line protocol is split without escapes; tests keep to that. */
#include "fake_phusa.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define POINTS_MAX    2000000u
#define DATABASES_MAX 16u

struct point {
    char *line; /* measurement,tags fields */
    int64_t time_ns;
};

struct database {
    char name[256];
    struct point *points;
    size_t count, capacity;
};

struct phusa {
    pthread_mutex_t mutex;
    struct database databases[DATABASES_MAX];
    size_t database_count;
};

struct phusa_batch {
    struct phusa *db;
    char database[256];
    struct point *points;
    size_t count, capacity;
    size_t bytes;
    uint64_t lines;
    char *rest; /* of an unfinished line */
    size_t rest_bytes;
    struct phusa_refusal refusals[PHUSA_REFUSALS_MAX];
    size_t kept;
    uint64_t refused;
    phusa_comment_fn comment;
    void *context;
};

static _Atomic unsigned busy_left, delay_ms, running, flushes;
static _Atomic int fail_status;
static _Atomic size_t stored;
static _Atomic bool unwritable;

void fake_busy(unsigned count)
{
    atomic_store(&busy_left, count);
}
void fake_delay_ms(unsigned ms)
{
    atomic_store(&delay_ms, ms);
}
void fake_fail(phusa_status status)
{
    atomic_store(&fail_status, status);
}
size_t fake_points(void)
{
    return atomic_load(&stored);
}
unsigned fake_running(void)
{
    return atomic_load(&running);
}
void fake_writable(bool writable)
{
    atomic_store(&unwritable, !writable);
}
unsigned fake_flushes(void)
{
    return atomic_load(&flushes);
}

static phusa_status fail(struct phusa_error *error, phusa_status status, const char *text)
{
    if (error != NULL) {
        error->status = status;
        snprintf(error->text, sizeof error->text, "%s", text);
    }
    return status;
}

/* ---- opening ---- */

void phusa_options_init(struct phusa_options *options)
{
    *options = (struct phusa_options){0};
}

phusa_status phusa_open(const char *dir, const struct phusa_options *options, struct phusa **out,
                        struct phusa_error *error)
{
    struct phusa *db = calloc(1, sizeof *db);
    if (db == NULL) return fail(error, PHUSA_ENOMEM, "no memory");
    if (strcmp(dir, "/locked") == 0) {
        free(db);
        return fail(error, PHUSA_ELOCKED, "/locked is open in another process");
    }
    pthread_mutex_init(&db->mutex, NULL);
    *out = db;
    return PHUSA_OK;
}

phusa_status phusa_close(struct phusa *db)
{
    if (db == NULL) return PHUSA_OK;
    for (size_t d = 0; d < db->database_count; d++) {
        for (size_t i = 0; i < db->databases[d].count; i++)
            free(db->databases[d].points[i].line);
        free(db->databases[d].points);
    }
    pthread_mutex_destroy(&db->mutex);
    free(db);
    atomic_fetch_add(&flushes, 1);
    return PHUSA_OK;
}

phusa_status phusa_flush(struct phusa *db, struct phusa_error *error)
{
    atomic_fetch_add(&flushes, 1);
    return PHUSA_OK;
}

phusa_status phusa_seal(struct phusa *db, struct phusa_error *error)
{
    return fail(error, PHUSA_ENOSPC, "no room for sealing");
}

static struct database *find_database(struct phusa *db, const char *name)
{
    for (size_t i = 0; i < db->database_count; i++)
        if (strcmp(db->databases[i].name, name) == 0) return &db->databases[i];
    return NULL;
}

phusa_status phusa_create_database(struct phusa *db, const char *name, struct phusa_error *error)
{
    phusa_status status = PHUSA_OK;
    pthread_mutex_lock(&db->mutex);
    if (find_database(db, name) == NULL) {
        if (db->database_count == DATABASES_MAX)
            status = fail(error, PHUSA_ELIMIT, "too many databases");
        else
            snprintf(db->databases[db->database_count++].name, 256, "%s", name);
    }
    pthread_mutex_unlock(&db->mutex);
    return status;
}

/* ---- batches ---- */

phusa_status phusa_batch_create(struct phusa *db, const char *database, const char *policy,
                                struct phusa_batch **out, struct phusa_error *error)
{
    pthread_mutex_lock(&db->mutex);
    const bool there = find_database(db, database) != NULL;
    pthread_mutex_unlock(&db->mutex);
    if (!there) return fail(error, PHUSA_ENOTFOUND, "database not found");
    if (policy != NULL && strcmp(policy, "autogen") != 0)
        return fail(error, PHUSA_ENOTFOUND, "retention policy not found");
    struct phusa_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) return fail(error, PHUSA_ENOMEM, "no memory");
    batch->db = db;
    snprintf(batch->database, sizeof batch->database, "%s", database);
    *out = batch;
    return PHUSA_OK;
}

void phusa_batch_clear(struct phusa_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        free(batch->points[i].line);
    for (size_t i = 0; i < batch->kept; i++) {
        free((void *)(uintptr_t)batch->refusals[i].reason);
        free((void *)(uintptr_t)batch->refusals[i].excerpt);
    }
    batch->count = batch->bytes = batch->kept = 0;
    batch->refused = 0;
}

void phusa_batch_free(struct phusa_batch *batch)
{
    if (batch == NULL) return;
    phusa_batch_clear(batch);
    free(batch->points);
    free(batch->rest);
    free(batch);
}

size_t phusa_batch_points(const struct phusa_batch *batch)
{
    return batch->count;
}
size_t phusa_batch_bytes(const struct phusa_batch *batch)
{
    return batch->bytes;
}
uint64_t phusa_batch_line_count(const struct phusa_batch *batch)
{
    return batch->lines;
}
void phusa_batch_comments(struct phusa_batch *batch, phusa_comment_fn comment, void *context)
{
    batch->comment = comment;
    batch->context = context;
}

size_t phusa_batch_refused(const struct phusa_batch *batch, const struct phusa_refusal **refusals,
                           size_t *kept)
{
    *refusals = batch->refusals;
    *kept = batch->kept;
    return batch->refused;
}

static void refuse(struct phusa_batch *batch, uint64_t line, uint32_t column, phusa_status status,
                   const char *reason, const char *text)
{
    batch->refused++;
    if (batch->kept == PHUSA_REFUSALS_MAX) return;
    char excerpt[81];
    snprintf(excerpt, sizeof excerpt, "%s", text);
    batch->refusals[batch->kept++] =
        (struct phusa_refusal){line, column, status, strdup(reason), strdup(excerpt)};
}

/* true: a comment asks to stop. */
static bool take_line(struct phusa_batch *batch, char *line, int64_t precision_ns, int64_t now_ns)
{
    const uint64_t number = ++batch->lines;
    size_t size = strlen(line);
    if (size > 0 && line[size - 1] == '\r') line[--size] = '\0';
    if (size == 0) return false;
    if (line[0] == '#')
        return batch->comment != NULL &&
               batch->comment(batch->context, number, (struct phusa_text){line + 1, size - 1});
    char *fields = strchr(line, ' ');
    if (fields == NULL || strchr(fields, '=') == NULL) {
        refuse(batch, number, (uint32_t)size + 1, PHUSA_ESYNTAX, "missing fields", line);
        return false;
    }
    if (strstr(fields, "conflict=") != NULL) {
        refuse(batch, number, 1, PHUSA_ETYPE, "field type conflict: made up by a test", line);
        return false;
    }
    char *stamp = strchr(fields + 1, ' ');
    int64_t time_ns = now_ns;
    if (stamp != NULL) {
        *stamp++ = '\0';
        char *end;
        time_ns = strtoll(stamp, &end, 10) * precision_ns;
        if (*end != '\0') {
            refuse(batch, number, (uint32_t)(stamp - line) + 1, PHUSA_ESYNTAX, "bad timestamp",
                   line);
            return false;
        }
    }
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? 64 : batch->capacity * 2;
        batch->points = realloc(batch->points, batch->capacity * sizeof *batch->points);
        if (batch->points == NULL) abort();
    }
    batch->points[batch->count++] = (struct point){strdup(line), time_ns};
    batch->bytes += size + 16;
    return false;
}

phusa_status phusa_batch_lines(struct phusa_batch *batch, const char *text, size_t size_bytes,
                               bool last, int64_t precision_ns, int64_t now_ns, size_t *taken,
                               struct phusa_error *error)
{
    size_t used = 0;
    while (used < size_bytes && batch->bytes < PHUSA_BATCH_BYTES_MAX) {
        const char *lf = memchr(text + used, '\n', size_bytes - used);
        const size_t piece = lf == NULL ? size_bytes - used : (size_t)(lf - text) - used;
        char *grown = realloc(batch->rest, batch->rest_bytes + piece + 1);
        if (grown == NULL) return fail(error, PHUSA_ENOMEM, "no memory");
        memcpy(grown + batch->rest_bytes, text + used, piece);
        batch->rest = grown;
        batch->rest_bytes += piece;
        grown[batch->rest_bytes] = '\0';
        used += piece;
        if (lf == NULL) break;
        used++;
        batch->rest_bytes = 0;
        if (take_line(batch, grown, precision_ns, now_ns)) break;
    }
    if (last && batch->rest_bytes > 0) {
        batch->rest_bytes = 0;
        take_line(batch, batch->rest, precision_ns, now_ns);
    }
    *taken = used;
    return PHUSA_OK;
}

struct flight {
    struct phusa_batch *batch;
    phusa_done_fn done;
    void *context;
};

static phusa_status store(struct phusa_batch *batch)
{
    struct phusa *db = batch->db;
    pthread_mutex_lock(&db->mutex);
    struct database *database = find_database(db, batch->database);
    for (size_t i = 0; database != NULL && i < batch->count; i++) {
        if (database->count == database->capacity) {
            database->capacity = database->capacity == 0 ? 1024 : database->capacity * 2;
            database->points =
                realloc(database->points, database->capacity * sizeof *database->points);
            if (database->points == NULL) abort();
        }
        database->points[database->count].line = strdup(batch->points[i].line);
        database->points[database->count++].time_ns = batch->points[i].time_ns;
    }
    pthread_mutex_unlock(&db->mutex);
    if (database == NULL) return PHUSA_ENOTFOUND;
    atomic_fetch_add(&stored, batch->count);
    return batch->refused > 0 ? PHUSA_EPARTIAL : PHUSA_OK;
}

static void *fly(void *context)
{
    struct flight flight = *(struct flight *)context;
    free(context);
    usleep(atomic_load(&delay_ms) * 1000);
    phusa_status status = atomic_load(&fail_status);
    struct phusa_error error = {0};
    if (status == PHUSA_OK)
        status = store(flight.batch);
    else
        fail(&error, status, "made up by a test");
    flight.done(flight.context, status, &error);
    return NULL;
}

phusa_status phusa_submit(struct phusa *db, struct phusa_batch *batch, phusa_done_fn done,
                          void *context)
{
    unsigned left = atomic_load(&busy_left);
    while (left > 0)
        if (atomic_compare_exchange_weak(&busy_left, &left, left - 1)) return PHUSA_EBUSY;
    struct flight *flight = malloc(sizeof *flight);
    *flight = (struct flight){batch, done, context};
    pthread_t thread;
    if (pthread_create(&thread, NULL, fly, flight) != 0) abort();
    pthread_detach(thread);
    return PHUSA_OK;
}

phusa_status phusa_write(struct phusa *db, struct phusa_batch *batch, struct phusa_error *error)
{
    return store(batch);
}

/* ---- what the server does not call: here so that nothing of the real engine is linked ---- */

phusa_status phusa_batch_add(struct phusa_batch *batch, const struct phusa_point *point,
                             struct phusa_error *error)
{
    return fail(error, PHUSA_EUNSUPPORTED, "not in the fake");
}
phusa_status phusa_select(struct phusa *db, const struct phusa_select *select,
                          const struct phusa_query_options *options, const struct phusa_sink *sink,
                          struct phusa_error *error)
{
    return fail(error, PHUSA_EUNSUPPORTED, "not in the fake");
}
phusa_status phusa_drop_database(struct phusa *db, const char *name, struct phusa_error *error)
{
    return fail(error, PHUSA_EUNSUPPORTED, "not in the fake");
}
phusa_status phusa_create_policy(struct phusa *db, const char *database, const char *name,
                                 const struct phusa_policy_options *options,
                                 struct phusa_error *error)
{
    return fail(error, PHUSA_EUNSUPPORTED, "not in the fake");
}
phusa_status phusa_drop_policy(struct phusa *db, const char *database, const char *name,
                               struct phusa_error *error)
{
    return fail(error, PHUSA_EUNSUPPORTED, "not in the fake");
}
phusa_status phusa_set_time_zone(struct phusa *db, const char *database, const char *zone,
                                 struct phusa_error *error)
{
    return fail(error, PHUSA_EUNSUPPORTED, "not in the fake");
}

/* ---- answers ---- */

static const struct phusa_text rows_columns[] = {
    {"time", 4}, {"f", 1}, {"i", 1}, {"b", 1}, {"s", 1}};

static phusa_status send_rows(const struct phusa_sink *sink, unsigned statement,
                              struct phusa_text name, const struct phusa_pair *tags,
                              size_t tag_count, uint64_t count, const volatile bool *cancel)
{
    const struct phusa_series_header header = {.statement = statement,
                                               .name = name,
                                               .tags = tags,
                                               .tag_count = tag_count,
                                               .columns = rows_columns,
                                               .column_count = 5,
                                               .has_time = true};
    phusa_status status = sink->series_begin(sink->context, &header);
    static __thread int64_t times[PHUSA_ROWS_MAX], integers[PHUSA_ROWS_MAX];
    static __thread double floats[PHUSA_ROWS_MAX];
    static __thread uint8_t booleans[PHUSA_ROWS_MAX];
    static __thread struct phusa_text strings[PHUSA_ROWS_MAX];
    static __thread char texts[PHUSA_ROWS_MAX][24];
    static __thread uint64_t present[PHUSA_ROWS_MAX / 64];
    for (uint64_t at = 0; status == PHUSA_OK && at < count;) {
        size_t n = 0;
        memset(present, 0, sizeof present);
        for (; n < PHUSA_ROWS_MAX && at < count; n++, at++) {
            times[n] = (int64_t)at * 1000000000;
            floats[n] = (double)at / 2;
            integers[n] = -(int64_t)at;
            booleans[n] = at % 2 == 0;
            strings[n].size_bytes =
                (size_t)snprintf(texts[n], 24, "text %llu", (unsigned long long)at);
            strings[n].bytes = texts[n];
            if (at % 3 != 1) present[n / 64] |= UINT64_C(1) << (n % 64);
        }
        const struct phusa_column columns[] = {
            {.type = PHUSA_FLOAT, .f = floats},
            {.type = PHUSA_INTEGER, .i = integers},
            {.type = PHUSA_BOOLEAN, .b = booleans},
            {.type = PHUSA_STRING, .present = present, .s = strings}};
        const struct phusa_rows rows = {n, times, columns};
        status = sink->rows(sink->context, &rows);
        if (cancel != NULL && __atomic_load_n(cancel, __ATOMIC_RELAXED)) return PHUSA_ECANCELLED;
    }
    return status;
}

static phusa_status send_words(const struct phusa_sink *sink, unsigned statement, const char *name,
                               const char *column, struct phusa_text *words, size_t count)
{
    const struct phusa_text columns[] = {{column, strlen(column)}};
    const struct phusa_series_header header = {.statement = statement,
                                               .name = {name, strlen(name)},
                                               .columns = columns,
                                               .column_count = 1};
    phusa_status status = sink->series_begin(sink->context, &header);
    if (status != PHUSA_OK || count == 0) return status;
    const struct phusa_column values[] = {{.type = PHUSA_STRING, .s = words}};
    const struct phusa_rows rows = {count, NULL, values};
    return sink->rows(sink->context, &rows);
}

static phusa_status send_hostile(const struct phusa_sink *sink, unsigned statement)
{
    static const char name[] = "<img src=x onerror=alert(1)>";
    static const struct phusa_pair tags[] = {{{"a,b=\"c\" d", 9}, {"</script>\xff\n,", 12}}};
    static const struct phusa_text columns[] = {
        {"time", 4}, {"=HYPERLINK(\"x\")", 15}, {"\xe2\x80\xa8", 3}};
    const struct phusa_series_header header = {.statement = statement,
                                               .name = {name, sizeof name - 1},
                                               .tags = tags,
                                               .tag_count = 1,
                                               .columns = columns,
                                               .column_count = 3,
                                               .has_time = true};
    phusa_status status = sink->series_begin(sink->context, &header);
    if (status != PHUSA_OK) return status;
    static const int64_t times[] = {-1};
    static const struct phusa_text strings[] = {{"a\"b\\\x01\t\r\n&\xc3\xa9", 11}};
    static const double floats[] = {1e21};
    const struct phusa_column values[] = {{.type = PHUSA_STRING, .s = strings},
                                          {.type = PHUSA_FLOAT, .f = floats}};
    const struct phusa_rows rows = {1, times, values};
    return sink->rows(sink->context, &rows);
}

/* All points of a measurement, as one string column: their fields. */
static phusa_status send_points(struct phusa *db, const struct phusa_sink *sink, unsigned statement,
                                const char *database_name, const char *measurement)
{
    struct phusa_text words[1000];
    size_t count = 0;
    pthread_mutex_lock(&db->mutex);
    struct database *database = find_database(db, database_name);
    for (size_t i = 0; database != NULL && i < database->count && count < 1000; i++) {
        const char *line = database->points[i].line;
        const size_t size = strcspn(line, ", ");
        if (size == strlen(measurement) && memcmp(line, measurement, size) == 0)
            words[count++] = (struct phusa_text){line, strlen(line)};
    }
    pthread_mutex_unlock(&db->mutex);
    return count == 0 ? PHUSA_OK : send_words(sink, statement, measurement, "point", words, count);
}

static phusa_status run(struct phusa *db, char *text, unsigned statement,
                        const struct phusa_query_options *options, const struct phusa_sink *sink,
                        struct phusa_error *error)
{
    unsigned long long a = 0, b = 0;
    char word[256];
    if (sscanf(text, "FAKE ROWS %llu", &a) == 1)
        return send_rows(sink, statement, (struct phusa_text){"rows", 4}, NULL, 0, a,
                         options->cancel);
    if (sscanf(text, "FAKE SERIES %llu %llu", &a, &b) == 2) {
        phusa_status status = PHUSA_OK;
        for (unsigned long long i = 0; status == PHUSA_OK && i < a; i++) {
            snprintf(word, sizeof word, "%llu", i);
            const struct phusa_pair tag = {{"t", 1}, {word, strlen(word)}};
            status = send_rows(sink, statement, (struct phusa_text){"s", 1}, &tag, 1, b,
                               options->cancel);
        }
        return status;
    }
    if (strcmp(text, "FAKE HOSTILE") == 0) return send_hostile(sink, statement);
    if (strcmp(text, "FAKE NONE") == 0) return PHUSA_OK;
    if (strcmp(text, "FAKE SLOW") == 0) {
        for (int i = 0; i < 1000 && !__atomic_load_n(options->cancel, __ATOMIC_RELAXED); i++)
            usleep(10000);
        return fail(error, PHUSA_ECANCELLED, "cancelled");
    }
    if (strncmp(text, "FAKE ERROR ", 11) == 0) return fail(error, PHUSA_EINVAL, text + 11);
    if (sscanf(text, "CREATE DATABASE %255s", word) == 1)
        return phusa_create_database(db, word[0] == '"' ? strtok(word, "\"") : word, error);
    if (strcasecmp(text, "SHOW DATABASES") == 0) {
        struct phusa_text words[DATABASES_MAX];
        for (size_t i = 0; i < db->database_count; i++)
            words[i] = (struct phusa_text){db->databases[i].name, strlen(db->databases[i].name)};
        return send_words(sink, statement, "databases", "name", words, db->database_count);
    }
    if (sscanf(text, "SELECT * FROM %255s", word) == 1) {
        if (options->database == NULL) return fail(error, PHUSA_EINVAL, "database name required");
        return send_points(db, sink, statement, options->database, word);
    }
    return fail(error, PHUSA_EINVAL, "the fake engine does not know this");
}

phusa_status phusa_query(struct phusa *db, const char *text, size_t size_bytes,
                         const struct phusa_query_options *options, const struct phusa_sink *sink,
                         struct phusa_error *error)
{
    if (memmem(text, size_bytes, "SYNTAX", 6) != NULL)
        return fail(error, PHUSA_ESYNTAX, "found SYNTAX, expected SELECT at line 1, char 1");
    char *copy = strndup(text, size_bytes);
    if (copy == NULL) return fail(error, PHUSA_ENOMEM, "no memory");
    atomic_fetch_add(&running, 1);
    phusa_status status = PHUSA_OK;
    unsigned statement = 0;
    char *save = NULL;
    for (char *part = strtok_r(copy, ";", &save); part != NULL && status == PHUSA_OK;
         part = strtok_r(NULL, ";", &save)) {
        while (*part == ' ' || *part == '\n')
            part++;
        status = sink->statement_begin(sink->context, statement);
        if (status != PHUSA_OK) break;
        struct phusa_error failure = {0};
        const phusa_status outcome = run(db, part, statement, options, sink, &failure);
        if (outcome == PHUSA_ECANCELLED) {
            status = outcome;
            break;
        }
        status =
            sink->statement_end(sink->context, statement, outcome == PHUSA_OK ? NULL : &failure);
        if (outcome != PHUSA_OK) break;
        statement++;
    }
    free(copy);
    atomic_fetch_sub(&running, 1);
    return status;
}

void phusa_stats(struct phusa *db, struct phusa_stats *out)
{
    *out = (struct phusa_stats){.writable = !atomic_load(&unwritable),
                                .points_written = fake_points()};
    if (!out->writable) snprintf(out->reason, sizeof out->reason, "the \"disk\" failed");
}

/* ---- text ---- */

size_t phusa_print_double(double x, char out[PHUSA_DOUBLE_BYTES_MAX])
{
    char text[PHUSA_DOUBLE_BYTES_MAX + 8];
    const double size = fabs(x);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, x);
        if (strtod(text, NULL) != x) continue;
        if (size == 0 || (size >= 1e-6 && size < 1e21)) {
            for (int places = 0; places < 30; places++) {
                snprintf(text, sizeof text, "%.*f", places, x);
                if (strtod(text, NULL) == x) break;
            }
            break;
        }
        char *e = strchr(text, 'e');
        const int exponent = atoi(e + 1);
        snprintf(e, 6, "e%+d", exponent);
        break;
    }
    const size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

size_t phusa_print_time(int64_t ns, char out[PHUSA_TIME_BYTES_MAX])
{
    int64_t seconds = ns / 1000000000, fraction = ns % 1000000000;
    if (fraction < 0) {
        fraction += 1000000000;
        seconds--;
    }
    const time_t t = (time_t)seconds;
    struct tm parts;
    gmtime_r(&t, &parts);
    char text[64];
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (fraction != 0) {
        n += (size_t)snprintf(text + n, sizeof text - n, ".%09lld", (long long)fraction);
        while (text[n - 1] == '0')
            n--;
    }
    text[n++] = 'Z';
    memcpy(out, text, n);
    return n;
}

phusa_status phusa_check_dir(const char *dir, phusa_line_fn line, void *context,
                             uint64_t *fault_count, struct phusa_error *error)
{
    line(context, "checked by the fake");
    *fault_count += 1;
    return PHUSA_OK;
}
phusa_status phusa_dump_dir(const char *dir, phusa_line_fn line, void *context,
                            struct phusa_error *error)
{
    return fail(error, PHUSA_ENOTFOUND, "no such directory");
}
phusa_status phusa_stat_dir(const char *dir, phusa_line_fn line, void *context,
                            struct phusa_error *error)
{
    line(context, "0 points");
    return PHUSA_OK;
}
