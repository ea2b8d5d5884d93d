/*
 * write.c - POST /write and /api/v2/write: line protocol into batches, while the body arrives.
 *
 * The body is parsed on the loop thread, a slice at a time, into a batch. A full batch, and what is
 * there at the end of the body, is submitted; the answer waits until every batch is durable.
 *
 *     PARSING --batch full, or end of body--> FLYING --durable--> PARSING or answered
 *        ^                                     |
 *        |    <--alarm, or a batch of this loop came back--  BUSY (the engine's queue is full)
 *        +-------------------------------------+
 *
 * While a batch flies or waits, the socket is not read: the client feels the back-pressure as a
 * slower read. After 5 s of it, 503 with Retry-After.
 *
 * A struct write outlives its exchange when the client leaves while a batch flies.
 */
#include "bounds.h"
#include "clocks.h"
#include "handlers.h"
#include "json.h"
#include "precision.h"

#include <assert.h>
#include <stdlib.h>

struct refusal {
    uint64_t line;
    uint32_t column;
    phusa_status status;
    char *reason;
    char *excerpt;
};

struct write {
    struct mail mail;
    struct loop *loop;
    struct exchange *exchange; /* NULL: the client has gone */
    struct phusa_batch *batch;
    int64_t precision_ns;
    int64_t now_ns;
    bool flying;
    bool ended;             /* the last line has been parsed */
    int64_t busy_since_ns;  /* 0: not busy */
    uint64_t points;        /* of the batch that flies, */
    uint64_t refused_first; /* and how many it had refused before it took off */
    uint64_t accepted;
    uint64_t refused;
    struct refusal *refusals; /* at most REFUSALS_LISTED_MAX */
    size_t refusal_count;
    /* From the engine's thread, read after the mail. */
    phusa_status status;
    struct phusa_error error;
};

static void write_free(struct write *write)
{
    atomic_fetch_sub(&write->loop->server->gathering_count, 1);
    phusa_batch_free(write->batch);
    for (size_t i = 0; i < write->refusal_count; i++) {
        free(write->refusals[i].reason);
        free(write->refusals[i].excerpt);
    }
    free(write->refusals);
    free(write);
}

/* ---- the outcome ---- */

/* Keep what the batch says about its bad lines: it forgets them when it is cleared. */
static void keep_refusals(struct write *write)
{
    const struct phusa_refusal *list;
    size_t kept;
    write->refused += phusa_batch_refused(write->batch, &list, &kept);
    if (kept > REFUSALS_LISTED_MAX - write->refusal_count)
        kept = REFUSALS_LISTED_MAX - write->refusal_count;
    if (kept == 0) return;
    struct refusal *grown = realloc(write->refusals, (write->refusal_count + kept) * sizeof *grown);
    if (grown == NULL) return; /* the count stands */
    write->refusals = grown;
    for (size_t i = 0; i < kept; i++) {
        struct refusal *refusal = &write->refusals[write->refusal_count];
        *refusal = (struct refusal){list[i].line, list[i].column, list[i].status,
                                    strdup(list[i].reason), strdup(list[i].excerpt)};
        if (refusal->reason == NULL || refusal->excerpt == NULL) {
            free(refusal->reason);
            free(refusal->excerpt);
            return;
        }
        write->refusal_count++;
    }
}

/* InfluxDB's sentence for the first refusal, which clients search for "partial write" and "unable
 * to parse". When no line could even be parsed, it does not speak of a partial write. */
static void put_summary(const struct write *write, struct outbuf *out)
{
    const struct refusal *first = write->refusal_count > 0 ? &write->refusals[0] : NULL;
    bool all_syntax = write->accepted == 0 && first != NULL;
    for (size_t i = 0; i < write->refusal_count; i++)
        if (write->refusals[i].status != PHUSA_ESYNTAX) all_syntax = false;
    if (!all_syntax) outbuf_str(out, "partial write: ");
    if (first == NULL)
        outbuf_str(out, "points were refused");
    else if (first->status == PHUSA_ESYNTAX)
        outbuf_print(out, "unable to parse '%s': %s", first->excerpt, first->reason);
    else
        outbuf_str(out, first->reason);
    if (!all_syntax) outbuf_print(out, " dropped=%llu", (unsigned long long)write->refused);
}

static void answer_refused(struct write *write)
{
    struct outbuf summary = {0}, body = {0};
    put_summary(write, &summary);
    outbuf_str(&body, "{\"error\":");
    json_string(&body, (struct phusa_text){summary.bytes, summary.size_bytes});
    outbuf_print(&body, ",\"accepted\":%llu,\"refused_count\":%llu,\"refused\":[",
                 (unsigned long long)write->accepted, (unsigned long long)write->refused);
    for (size_t i = 0; i < write->refusal_count; i++) {
        const struct refusal *refusal = &write->refusals[i];
        outbuf_print(&body, "%s{\"line\":%llu,\"column\":%u,\"reason\":", i > 0 ? "," : "",
                     (unsigned long long)refusal->line, refusal->column);
        json_string(&body, (struct phusa_text){refusal->reason, strlen(refusal->reason)});
        outbuf_str(&body, ",\"excerpt\":");
        json_string(&body, (struct phusa_text){refusal->excerpt, strlen(refusal->excerpt)});
        outbuf_byte(&body, '}');
    }
    outbuf_str(&body, "]}\n");
    outbuf_byte(&summary, '\0');
    struct exchange *exchange = write->exchange;
    if (summary.bad || body.bad)
        exchange_error(exchange, 400, "partial write: points were refused dropped=%llu",
                       (unsigned long long)write->refused);
    else
        exchange_answer_error(exchange, 400, NULL, summary.bytes, body.bytes, body.size_bytes);
    outbuf_deinit(&summary);
    outbuf_deinit(&body);
}

static int http_status_of(phusa_status status)
{
    switch (status) {
    case PHUSA_ENOSPC:
        return 507;
    case PHUSA_ENOTFOUND:
        return 404;
    case PHUSA_ELIMIT:
        return 413;
    case PHUSA_EBUSY:
    case PHUSA_ENOMEM:
        return 503;
    case PHUSA_EINVAL:
    case PHUSA_ESYNTAX:
    case PHUSA_ERANGE:
    case PHUSA_ETYPE:
        return 400;
    default:
        return 500;
    }
}

static void answer_failed(struct write *write, phusa_status status, const struct phusa_error *error)
{
    const char *text =
        error != NULL && error->text[0] != '\0' ? error->text : phusa_status_text(status);
    logger_write(write->loop->server->logger, PHUSA_LOG_WARN, "write_failed",
                 "status=%d msg=\"%s\"", status, text);
    exchange_error(write->exchange, http_status_of(status), "%s", text);
}

/* Everything is durable. */
static void answer_written(struct write *write)
{
    if (write->refused == 0)
        exchange_answer(write->exchange, 204, NULL, "", 0);
    else
        answer_refused(write);
}

/* ---- submitting ---- */

static void on_landed(struct mail *mail);

/* On a thread of the engine's. */
static void on_durable(void *context, phusa_status status, const struct phusa_error *error)
{
    struct write *write = context;
    write->status = status;
    write->error.text[0] = '\0';
    if (error != NULL) write->error = *error;
    loop_post(write->loop, &write->mail);
}

/* Hand the batch over. false: it did not take off, and the exchange holds or is answered. */
static bool submit(struct write *write)
{
    struct conn *conn = write->exchange->conn;
    const struct phusa_refusal *list;
    size_t kept;
    write->points = phusa_batch_points(write->batch);
    write->refused_first = phusa_batch_refused(write->batch, &list, &kept);
    write->mail.run = on_landed;
    const phusa_status status =
        phusa_submit(write->loop->server->db, write->batch, on_durable, write);
    if (status == PHUSA_OK) {
        write->flying = true;
        write->busy_since_ns = 0;
        loop_errand_begin(write->loop);
        conn->hold = HOLD_STOP;
        return true;
    }
    if (status != PHUSA_EBUSY) {
        answer_failed(write, status, NULL);
        return false;
    }
    const int64_t now_ns = loop_now_ns(write->loop);
    if (write->busy_since_ns == 0) {
        write->busy_since_ns = now_ns;
        atomic_fetch_add(&write->loop->server->counters.busy_waits, 1);
    }
    if (now_ns - write->busy_since_ns > write->loop->server->config->deadlines.busy_ns) {
        exchange_error(write->exchange, 503, "the disk does not keep up; try again later");
        return false;
    }
    conn->hold = HOLD_STOP;
    conn_alarm(conn, BUSY_RETRY_MS * MILLISECOND_NS);
    return false;
}

/* A batch has come back. */
static void on_landed(struct mail *mail)
{
    struct write *write = (struct write *)mail;
    struct loop *loop = write->loop;
    write->flying = false;
    if (write->exchange == NULL) {
        write_free(write);
        loop_errand_end(loop);
        return;
    }
    if (write->status == PHUSA_OK || write->status == PHUSA_EPARTIAL) {
        const uint64_t refused_before = write->refused;
        keep_refusals(write);
        write->accepted += write->points - (write->refused - refused_before - write->refused_first);
        phusa_batch_clear(write->batch);
        if (write->ended)
            answer_written(write);
        else
            conn_resume(write->exchange->conn);
    } else {
        answer_failed(write, write->status, &write->error);
    }
    loop_errand_end(loop);
}

/* ---- the body ---- */

static bool is_full(const struct write *write)
{
    return phusa_batch_bytes(write->batch) >= server_batch_bytes(write->loop->server);
}

static size_t write_body(struct exchange *exchange, const char *bytes, size_t size_bytes)
{
    struct write *write = exchange->state;
    size_t used = 0;
    while (used < size_bytes) {
        if (is_full(write)) {
            submit(write);
            break;
        }
        size_t taken;
        struct phusa_error error;
        const phusa_status status =
            phusa_batch_lines(write->batch, bytes + used, size_bytes - used, false,
                              write->precision_ns, write->now_ns, &taken, &error);
        if (status != PHUSA_OK) {
            answer_failed(write, status, &error);
            return size_bytes;
        }
        used += taken;
        if (taken == 0) {
            /* Full after all. An empty batch that takes nothing would never get on. */
            if (phusa_batch_points(write->batch) == 0) {
                exchange_error(exchange, 400, "a line that is too long");
                return size_bytes;
            }
            submit(write);
            break;
        }
    }
    if (exchange->answered) return size_bytes;
    atomic_fetch_add(&exchange->server->counters.write_bytes, used);
    return used;
}

static void write_end(struct exchange *exchange)
{
    struct write *write = exchange->state;
    if (write->flying) return;
    if (!write->ended) {
        if (is_full(write)) {
            submit(write);
            return;
        }
        size_t taken;
        struct phusa_error error;
        const phusa_status status = phusa_batch_lines(
            write->batch, "", 0, true, write->precision_ns, write->now_ns, &taken, &error);
        if (status != PHUSA_OK) {
            answer_failed(write, status, &error);
            return;
        }
        write->ended = true;
    }
    if (phusa_batch_points(write->batch) > 0) {
        submit(write);
        return;
    }
    keep_refusals(write);
    answer_written(write);
}

static void write_gone(struct exchange *exchange)
{
    struct write *write = exchange->state;
    if (write == NULL) return;
    exchange->state = NULL;
    write->exchange = NULL;
    if (!write->flying) write_free(write);
}

/* ---- the head ---- */

/* InfluxDB tells a missing database from a missing policy, and clients act on the difference. */
static void answer_no_batch(struct exchange *exchange, const char *database, const char *policy,
                            bool v2, phusa_status status, const struct phusa_error *error)
{
    if (status != PHUSA_ENOTFOUND) {
        exchange_error(exchange, http_status_of(status), "%s", error->text);
        return;
    }
    if (policy != NULL) {
        struct phusa_batch *probe;
        if (phusa_batch_create(exchange->server->db, database, NULL, &probe, NULL) == PHUSA_OK) {
            phusa_batch_free(probe);
            exchange_error(exchange, v2 ? 404 : 500, "retention policy not found: %s", policy);
            return;
        }
    }
    exchange_error(exchange, 404, "database not found: \"%s\"", database);
}

static void begin(struct exchange *exchange, const char *database, const char *policy,
                  int64_t precision_ns, bool v2)
{
    struct write *write = calloc(1, sizeof *write);
    if (write == NULL) {
        exchange_error(exchange, 503, "no memory; try again later");
        return;
    }
    struct phusa_error error = {0};
    const phusa_status status =
        phusa_batch_create(exchange->server->db, database, policy, &write->batch, &error);
    if (status != PHUSA_OK) {
        free(write);
        answer_no_batch(exchange, database, policy, v2, status, &error);
        return;
    }
    write->loop = exchange->conn->loop;
    write->exchange = exchange;
    write->precision_ns = precision_ns;
    write->now_ns = wall_ns();
    exchange->state = write;
    atomic_fetch_add(&exchange->server->gathering_count, 1);
}

static void write_begin(struct exchange *exchange)
{
    const char *database = exchange_param(exchange, "db");
    const char *precision = exchange_param(exchange, "precision");
    const char *consistency = exchange_param(exchange, "consistency");
    const int64_t precision_ns = precision == NULL ? 1 : precision_parse(precision);
    if (database == NULL) {
        exchange_error(exchange, 400, "database is required");
        return;
    }
    if (precision_ns == 0) {
        exchange_error(exchange, 400, "invalid precision \"%s\" (use n, u, ms, s, m or h)",
                       precision);
        return;
    }
    static const char *const levels[] = {"any", "one", "quorum", "all"};
    bool known = consistency == NULL;
    for (size_t i = 0; i < 4 && !known; i++)
        known = strcmp(consistency, levels[i]) == 0;
    if (!known) {
        exchange_error(exchange, 400, "invalid consistency level");
        return;
    }
    begin(exchange, database, exchange_param(exchange, "rp"), precision_ns, false);
}

/* bucket=database or database/policy; org is of no concern here. */
static void write_v2_begin(struct exchange *exchange)
{
    const char *bucket = exchange_param(exchange, "bucket");
    const char *precision = exchange_param(exchange, "precision");
    if (bucket == NULL) {
        exchange_error(exchange, 404, "bucket name required");
        return;
    }
    const int64_t precision_ns = precision == NULL ? 1 : precision_parse(precision);
    /* Exactly the four of the 2.x interface: "n" and "u" are 1.x's. */
    const bool of_1x =
        precision != NULL && precision[0] != '\0' && precision[1] == '\0' && precision[0] != 's';
    if (precision_ns == 0 || precision_ns > SECOND_NS || of_1x) {
        exchange_error(exchange, 400, "invalid precision \"%s\" (use ns, us, ms or s)", precision);
        return;
    }
    char *database = strdup(bucket);
    if (database == NULL) {
        exchange_error(exchange, 503, "no memory; try again later");
        return;
    }
    char *policy = strchr(database, '/');
    if (policy != NULL) *policy++ = '\0';
    if (policy != NULL && policy[0] == '\0') policy = NULL;
    begin(exchange, database, policy, precision_ns, true);
    free(database);
}

const struct route write_route = {
    .path = "/write",
    .verbs = 1u << VERB_POST,
    .allow = "POST",
    .begin = write_begin,
    .body = write_body,
    .end = write_end,
    .gone = write_gone,
};

const struct route write_v2_route = {
    .path = "/api/v2/write",
    .verbs = 1u << VERB_POST,
    .allow = "POST",
    .begin = write_v2_begin,
    .body = write_body,
    .end = write_end,
    .gone = write_gone,
};
