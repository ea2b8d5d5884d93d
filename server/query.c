/*
 * query.c - GET and POST /query: InfluxQL on a worker, its answer streamed back with
 * back-pressure.
 *
 *   worker:  phusa_query() -> encoder -> blocks of 64 KiB -> [ queue, at most 256 KiB ]
 *   loop:                                                   [ queue ] -> socket, as it drains
 *
 * The worker waits while the queue is full; the loop takes from it only what the client reads. An
 * answer that fits one block is sent with its length, a longer one in chunks.
 *
 * A job belongs to both: the loop frees it when the worker has ended (`finished`) and the exchange
 * has gone. A client that leaves sets `cancel`, which ends the query soon and the wait at once.
 */
#include "encoder.h"
#include "bounds.h"
#include "clocks.h"
#include "handlers.h"
#include "json.h"
#include "precision.h"
#include "statements.h"
#include "workers.h"

#include <stdlib.h>

#define TURN_BLOCKS 8u /* half a megabyte for one client, then the next */

struct block {
    struct block *next;
    char *bytes;
    size_t size_bytes;
};

struct job {
    struct work work;
    struct mail mail;
    struct loop *loop;
    struct exchange *exchange; /* the loop's; NULL: the client has gone */
    bool finished;             /* the loop's: the worker has ended */
    bool begun;                /* the loop's: the head of a stream is out */

    /* The worker's, set before it starts. */
    char *text;
    size_t text_bytes;
    char *database, *policy;
    bool is_get;
    struct encoder encoder;
    struct phusa_sink inner;  /* the encoder's */
    struct gzip *gzip;        /* NULL: plain */
    bool enqueued;            /* a block: the answer is a stream */
    struct phusa_text unread; /* statements not begun yet, for the warning */

    pthread_mutex_t mutex;
    pthread_cond_t room;
    struct block *first; /* under mutex, as all below */
    struct block **last;
    size_t queued_bytes;
    bool posted; /* the mail is on its way */
    bool ended;  /* the worker will add no more */
    phusa_status status;
    struct phusa_error error;
    volatile bool cancel;
};

/* The engine reads it as a plain bool, between rows. */
static bool is_cancelled(const struct job *job)
{
    return __atomic_load_n(&job->cancel, __ATOMIC_RELAXED);
}

static void job_free(struct job *job)
{
    while (job->first != NULL) {
        struct block *block = job->first;
        job->first = block->next;
        free(block->bytes);
        free(block);
    }
    encoder_deinit(&job->encoder);
    gzip_free(job->gzip);
    pthread_cond_destroy(&job->room);
    pthread_mutex_destroy(&job->mutex);
    free(job->text);
    free(job->database);
    free(job->policy);
    free(job);
}

/* ---- on the worker ---- */

static void post(struct job *job)
{
    if (job->posted) return;
    job->posted = true;
    loop_post(job->loop, &job->mail);
}

/* Queue what is in `out`, and wait for room behind it. */
static phusa_status enqueue(struct job *job, struct outbuf *out, bool last)
{
    struct outbuf zipped = {0};
    if (job->gzip != NULL) {
        gzip_put(job->gzip, out->bytes, out->size_bytes, last, &zipped);
        outbuf_clear(out);
        out = &zipped;
    }
    struct block *block = malloc(sizeof *block);
    if (block == NULL || out->bad) {
        free(block);
        outbuf_deinit(&zipped);
        return PHUSA_ENOMEM;
    }
    *block = (struct block){0};
    block->bytes = outbuf_take(out, &block->size_bytes);

    job->enqueued = true;
    pthread_mutex_lock(&job->mutex);
    *job->last = block;
    job->last = &block->next;
    job->queued_bytes += block->size_bytes;
    if (!last) {
        post(job);
        while (job->queued_bytes >= ANSWER_QUEUE_BYTES && !is_cancelled(job))
            pthread_cond_wait(&job->room, &job->mutex);
    }
    pthread_mutex_unlock(&job->mutex);
    /* A long answer goes on with blocks of the same size: no growing by halves again. */
    if (!last) outbuf_reserve(&job->encoder.out, ANSWER_BLOCK_BYTES + 4096);
    return is_cancelled(job) ? PHUSA_ECANCELLED : PHUSA_OK;
}

static phusa_status on_full(void *context, struct outbuf *out)
{
    return enqueue(context, out, false);
}

/* A sink around the encoder's, which adds the warning about GET. */
static phusa_status on_statement_begin(void *context, unsigned statement)
{
    struct job *job = context;
    const phusa_status status = job->inner.statement_begin(&job->encoder, statement);
    struct phusa_text text;
    if (status != PHUSA_OK || !job->is_get || !next_statement(&job->unread, &text) ||
        !changes_something(text))
        return status;
    char warning[512];
    const int shown = text.size_bytes > 300 ? 300 : (int)text.size_bytes;
    snprintf(warning, sizeof warning,
             "deprecated use of '%.*s' in a read only context, please use a POST request instead",
             shown, text.bytes);
    return job->inner.message(&job->encoder, statement, "warning", warning);
}

static phusa_status on_series_begin(void *context, const struct phusa_series_header *header)
{
    struct job *job = context;
    return job->inner.series_begin(&job->encoder, header);
}

static phusa_status on_rows(void *context, const struct phusa_rows *rows)
{
    struct job *job = context;
    return job->inner.rows(&job->encoder, rows);
}

static phusa_status on_message(void *context, unsigned statement, const char *level,
                               const char *text)
{
    struct job *job = context;
    return job->inner.message(&job->encoder, statement, level, text);
}

static phusa_status on_statement_end(void *context, unsigned statement,
                                     const struct phusa_error *error)
{
    struct job *job = context;
    return job->inner.statement_end(&job->encoder, statement, error);
}

static void job_run(struct work *work)
{
    struct job *job = (struct job *)work;
    struct phusa_error error = {0};
    const struct phusa_sink sink = {job,     on_statement_begin, on_series_begin,
                                    on_rows, on_message,         on_statement_end};
    const struct phusa_query_options options = {
        .database = job->database, .policy = job->policy, .cancel = &job->cancel};
    phusa_status status = is_cancelled(job) ? PHUSA_ECANCELLED
                                            : phusa_query(job->loop->server->db, job->text,
                                                          job->text_bytes, &options, &sink, &error);
    if (status == PHUSA_OK) {
        encoder_end(&job->encoder);
        const bool small = !job->enqueued && job->encoder.out.size_bytes < GZIP_BYTES_MIN;
        if (small && job->gzip != NULL) {
            gzip_free(job->gzip);
            job->gzip = NULL;
        }
        status = enqueue(job, &job->encoder.out, true);
    }
    pthread_mutex_lock(&job->mutex);
    job->status = status;
    job->error = error;
    job->ended = true;
    post(job);
    pthread_mutex_unlock(&job->mutex);
}

/* ---- on the loop ---- */

static const char *type_of(const struct job *job)
{
    return encoder_type(job->encoder.options.format);
}

static void answer_failed(struct job *job)
{
    const char *text =
        job->error.text[0] != '\0' ? job->error.text : phusa_status_text(job->status);
    int status = 500;
    struct outbuf sentence = {0}, body = {0};
    switch (job->status) {
    case PHUSA_ESYNTAX:
        status = 400;
        if (strncmp(text, "error parsing query", 19) != 0)
            outbuf_str(&sentence, "error parsing query: ");
        break;
    case PHUSA_EINVAL:
    case PHUSA_ELIMIT:
    case PHUSA_EUNSUPPORTED:
    case PHUSA_ERANGE:
        status = 400;
        break;
    case PHUSA_ENOMEM:
    case PHUSA_EBUSY:
        status = 503;
        break;
    default:
        break;
    }
    outbuf_str(&sentence, text);
    outbuf_byte(&sentence, '\0');
    if (!sentence.bad)
        encoder_error(&body, job->encoder.options.format, job->encoder.options.pretty,
                      sentence.bytes);
    if (sentence.bad || body.bad)
        exchange_error(job->exchange, 503, "no memory; try again later");
    else
        exchange_answer_error(job->exchange, status, type_of(job), sentence.bytes, body.bytes,
                              body.size_bytes);
    outbuf_deinit(&sentence);
    outbuf_deinit(&body);
}

static void answer_whole(struct job *job, struct block *block)
{
    exchange_answer_with(job->exchange, 200, type_of(job),
                         job->gzip != NULL ? "Content-Encoding: gzip\r\n" : "", block->bytes,
                         block->size_bytes);
}

/* Hand on as much as the client takes. May end the exchange, and with it the job. */
static void deliver(struct job *job)
{
    struct conn *conn = job->exchange->conn;
    pthread_mutex_lock(&job->mutex);
    struct block *blocks = job->first;
    const bool ended = job->ended;
    const phusa_status status = job->status;
    const bool whole = ended && !job->begun && (blocks == NULL || blocks->next == NULL);
    if (whole) {
        job->first = NULL;
        job->last = &job->first;
    }
    pthread_mutex_unlock(&job->mutex);

    if (whole) {
        if (status == PHUSA_OK && blocks != NULL)
            answer_whole(job, blocks);
        else
            answer_failed(job);
        if (blocks != NULL) free(blocks->bytes);
        free(blocks);
        return;
    }
    if (!job->begun) {
        job->begun = true;
        exchange_stream_begin(job->exchange, 200, type_of(job),
                              job->gzip != NULL ? "Content-Encoding: gzip\r\n" : "");
    }
    for (unsigned turns = 0; conn->state == CONN_OPEN && !conn_is_full(conn); turns++) {
        pthread_mutex_lock(&job->mutex);
        struct block *block = job->first;
        if (block != NULL) {
            job->first = block->next;
            if (job->first == NULL) job->last = &job->first;
            job->queued_bytes -= block->size_bytes;
            if (turns == TURN_BLOCKS) post(job); /* the others' turn; then more */
            pthread_cond_signal(&job->room);
        }
        pthread_mutex_unlock(&job->mutex);
        if (block == NULL) {
            if (!ended) break;
            if (status == PHUSA_OK)
                exchange_stream_end(job->exchange);
            else
                exchange_stream_break(job->exchange);
            return;
        }
        exchange_stream_put(job->exchange, block->bytes, block->size_bytes);
        free(block);
        if (turns == TURN_BLOCKS) break;
    }
    conn_flush(conn);
}

static void on_job_mail(struct mail *mail)
{
    struct job *job = (struct job *)((char *)mail - offsetof(struct job, mail));
    struct loop *loop = job->loop;
    pthread_mutex_lock(&job->mutex);
    job->posted = false;
    const bool ended = job->ended;
    pthread_mutex_unlock(&job->mutex);
    if (ended) job->finished = true;
    if (job->exchange == NULL) {
        if (ended) job_free(job);
    } else {
        deliver(job); /* from here on the job may be gone */
    }
    if (ended) loop_errand_end(loop);
}

static void query_drained(struct exchange *exchange)
{
    deliver(exchange->state);
}

static void query_gone(struct exchange *exchange)
{
    struct job *job = exchange->state;
    if (job == NULL) return;
    exchange->state = NULL;
    job->exchange = NULL;
    if (job->finished) {
        job_free(job);
        return;
    }
    atomic_fetch_add(&job->loop->server->counters.queries_cancelled, 1);
    pthread_mutex_lock(&job->mutex);
    __atomic_store_n(&job->cancel, true, __ATOMIC_RELAXED);
    pthread_cond_signal(&job->room);
    pthread_mutex_unlock(&job->mutex);
}

/* ---- the request ---- */

/* Parameters in the body: urlencoded or multipart. Other bodies are ignored, as in InfluxDB. */
static bool read_posted(struct exchange *exchange)
{
    const struct phusa_text *type = http_header_find(&exchange->head, "content-type");
    const struct phusa_text body = {exchange->text.bytes, exchange->text.size_bytes};
    if (type == NULL || body.size_bytes == 0) return true;
    static const char urlencoded[] = "application/x-www-form-urlencoded";
    static const char multipart[] = "multipart/form-data";
    struct phusa_text word = *type;
    if (word.size_bytes >= sizeof urlencoded - 1) word.size_bytes = sizeof urlencoded - 1;
    if (text_is_nocase(word, urlencoded)) return form_add_urlencoded(&exchange->posted, body);
    word = *type;
    if (word.size_bytes >= sizeof multipart - 1) word.size_bytes = sizeof multipart - 1;
    if (text_is_nocase(word, multipart)) return form_add_multipart(&exchange->posted, *type, body);
    return true;
}

static bool read_options(struct exchange *exchange, struct encoder_options *options)
{
    *options = (struct encoder_options){0};
    const struct phusa_text *accept = http_header_find(&exchange->head, "accept");
    if (http_list_has(accept, "text/csv") || http_list_has(accept, "application/csv"))
        options->format = ENCODER_CSV;
    const char *pretty = exchange_param(exchange, "pretty");
    const char *chunked = exchange_param(exchange, "chunked");
    options->pretty = pretty != NULL && strcmp(pretty, "true") == 0;
    options->chunked = chunked != NULL && strcmp(chunked, "true") == 0;
    const char *size = exchange_param(exchange, "chunk_size");
    if (size != NULL) options->chunk_rows = strtoull(size, NULL, 10);
    const char *epoch = exchange_param(exchange, "epoch");
    /* InfluxDB takes an unit it does not know for none. */
    if (epoch != NULL) options->epoch_ns = precision_parse(epoch);
    if (exchange_param(exchange, "params") != NULL) {
        exchange_error(exchange, 400,
                       "bind parameters (params) are not supported yet: write the values into q");
        return false;
    }
    return true;
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

static struct job *job_create(struct exchange *exchange, const char *q,
                              const struct encoder_options *options)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) return NULL;
    const char *database = exchange_param(exchange, "db");
    const char *policy = exchange_param(exchange, "rp");
    pthread_mutex_init(&job->mutex, NULL);
    pthread_cond_init(&job->room, NULL);
    job->last = &job->first;
    job->work.run = job_run;
    job->mail.run = on_job_mail;
    job->loop = exchange->conn->loop;
    job->exchange = exchange;
    job->text = strdup(q);
    job->text_bytes = strlen(q);
    job->unread = (struct phusa_text){job->text, job->text_bytes};
    job->database = copy(database);
    job->policy = copy(policy);
    job->is_get = exchange->head.verb == VERB_GET;
    encoder_init(&job->encoder, options);
    job->encoder.full = on_full;
    job->encoder.context = job;
    job->inner = encoder_sink(&job->encoder);
    if (exchange_wants_gzip(exchange)) job->gzip = gzip_create();
    if (job->text == NULL || (database != NULL && job->database == NULL) ||
        (policy != NULL && job->policy == NULL)) {
        job_free(job);
        return NULL;
    }
    return job;
}

static void query_end(struct exchange *exchange)
{
    if (!read_posted(exchange)) {
        exchange_error(exchange, 400, "malformed parameters in the body");
        return;
    }
    struct encoder_options options;
    if (!read_options(exchange, &options)) return;
    const char *q = exchange_param(exchange, "q");
    if (q == NULL) {
        exchange_error(exchange, 400, "missing required parameter \"q\"");
        return;
    }
    struct job *job = job_create(exchange, q, &options);
    if (job == NULL) {
        exchange_error(exchange, 503, "no memory; try again later");
        return;
    }
    outbuf_deinit(&exchange->text);
    form_deinit(&exchange->posted);
    exchange->state = job;
    if (!workers_submit(exchange->server->workers, &job->work)) {
        job->finished = true; /* it will never run */
        exchange_error(exchange, 503, "too many queries are waiting; try again later");
        return;
    }
    loop_errand_begin(job->loop);
}

const struct route query_route = {
    .path = "/query",
    .verbs = 1u << VERB_GET | 1u << VERB_POST,
    .allow = "GET, POST",
    .end = query_end,
    .gone = query_gone,
    .drained = query_drained,
    .eof_is_gone = true,
};

static void query_v2_end(struct exchange *exchange)
{
    exchange_error(exchange, 403, "Flux query service disabled: ask in InfluxQL at /query");
}

const struct route query_v2_route = {
    .path = "/api/v2/query",
    .verbs = 1u << VERB_POST,
    .allow = "POST",
    .end = query_v2_end,
};
