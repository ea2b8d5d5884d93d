/*
 * client.c - the calls of phusa_client.h: build a request, exchange it, decide about a repeat.
 */
#include "phusa_client.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "failure.h"
#include "gzip.h"
#include "httpconn.h"
#include "refusals.h"
#include "rowstream.h"

#ifndef PHUSA_VERSION
#define PHUSA_VERSION "unknown"
#endif

#define CONNECT_TIMEOUT_MS_DEFAULT 5000
#define TIMEOUT_MS_DEFAULT         60000
#define RETRY_MS_MAX_DEFAULT       30000
#define BACKOFF_MS_FIRST           100
#define BACKOFF_MS_MAX             5000
#define COMPLAINT_BYTES_MAX        (8u << 20) /* a refusal of each of 16 Ki lines */

struct phusa_client {
    struct serverurl url;
    struct httpconn connection;
    struct textbuf headers; /* the same for every request */
    struct textbuf head, form, packed;
    struct textbuf complaint; /* the body of an answer that is not 2xx, cut at its limit */
    int retry_ms_max;
    bool gzip;
    uint64_t random; /* of the jitter */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* -- opening -- */

static bool build_headers(struct phusa_client *client, const struct phusa_client_options *options)
{
    struct textbuf *headers = &client->headers;
    const char *const user = options->user != NULL ? options->user : client->url.user;
    const char *const password = options->user == NULL       ? client->url.password
                                 : options->password == NULL ? ""
                                                             : options->password;
    const bool v6 = strchr(client->url.host, ':') != NULL;
    bool good =
        textbuf_print(headers, "Host: %s%s%s:%s\r\nUser-Agent: %s\r\n", v6 ? "[" : "",
                      client->url.host, v6 ? "]" : "", client->url.port,
                      options->agent != NULL ? options->agent : "libphusa-client/" PHUSA_VERSION);
    if (options->token != NULL) {
        good = good && textbuf_print(headers, "Authorization: Token %s\r\n", options->token);
    } else if (user[0] != 0) {
        struct textbuf pair = {0};
        good = good && textbuf_print(&pair, "%s:%s", user, password);
        good = good && textbuf_print(headers, "Authorization: Basic ");
        good = good && textbuf_append_base64(headers, pair.bytes, pair.used);
        good = good && textbuf_append(headers, "\r\n", 2);
        textbuf_deinit(&pair);
    }
    return good;
}

/* Text that goes into a header must not end it. */
static bool is_header_text(const char *text)
{
    for (; text != NULL && *text != 0; text++)
        if (iscntrl((unsigned char)*text)) return false;
    return true;
}

phusa_client_status phusa_client_open(struct phusa_client **client,
                                      const struct phusa_client_options *options,
                                      struct phusa_client_error *error)
{
    static const struct phusa_client_options defaults;
    if (client == NULL) return failure_set(error, PHUSA_CLIENT_EINVAL, "no place for the client");
    if (options == NULL) options = &defaults;
    if (!is_header_text(options->token) || !is_header_text(options->agent))
        return failure_set(error, PHUSA_CLIENT_EINVAL,
                           "a token or agent must not contain control characters");

    struct phusa_client *opened = calloc(1, sizeof *opened);
    if (opened == NULL) return failure_set(error, PHUSA_CLIENT_ENOMEM, "no memory for a client");
    phusa_client_status status = serverurl_parse(
        &opened->url, options->url != NULL ? options->url : "http://127.0.0.1:8086", error);
    httpconn_init(&opened->connection, &opened->url);
    if (status != PHUSA_CLIENT_OK) goto out;
    if (!build_headers(opened, options)) {
        status = failure_set(error, PHUSA_CLIENT_ENOMEM, "no memory for a client");
        goto out;
    }

    struct httpconn *connection = &opened->connection;
    connection->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS_DEFAULT;
    connection->timeout_ms = options->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : options->timeout_ms;
    connection->interrupted = options->interrupted;
    connection->interrupted_context = options->interrupted_context;
    opened->retry_ms_max = options->retry_ms_max == 0  ? RETRY_MS_MAX_DEFAULT
                           : options->retry_ms_max < 0 ? 0
                                                       : options->retry_ms_max;
    opened->gzip = options->gzip;
    if (getrandom(&opened->random, sizeof opened->random, GRND_NONBLOCK) < 0)
        opened->random = now_ns();
    *client = opened;
out:
    if (status != PHUSA_CLIENT_OK) phusa_client_close(opened);
    return status;
}

void phusa_client_close(struct phusa_client *client)
{
    if (client == NULL) return;
    httpconn_deinit(&client->connection);
    textbuf_deinit(&client->headers);
    textbuf_deinit(&client->head);
    textbuf_deinit(&client->form);
    textbuf_deinit(&client->packed);
    textbuf_deinit(&client->complaint);
    free(client);
}

/* -- one call: attempts until it is answered for good -- */

struct call {
    struct httpconn_request request;
    struct httpconn_answer answer;
    bool repeatable; /* may be sent again although it may have been done */
    uint64_t attempts;
};

/* 0.5 to 1.5 of the pause that is due: a hundred gateways that lost one server must not come
 * back in the same millisecond. */
static int jittered_ms(struct phusa_client *client, int pause_ms)
{
    client->random = client->random * 6364136223846793005u + 1442695040888963407u;
    return pause_ms / 2 + (int)(client->random >> 33) % (pause_ms + 1);
}

static bool may_repeat(const struct call *call, phusa_client_status status)
{
    const struct httpconn_answer *answer = &call->answer;
    if (status == PHUSA_CLIENT_OK) return answer->http_status == 503;
    if (status != PHUSA_CLIENT_EUNREACHABLE) return false;
    if (!answer->connected) return true;
    /* A connection that had been idle was closed by the server before it saw the request. */
    if (answer->reused && !answer->began) return true;
    return call->repeatable;
}

static phusa_client_status attempt_until_answered(struct phusa_client *client, struct call *call,
                                                  struct phusa_client_error *error)
{
    const uint64_t start_ns = now_ns();
    int backoff_ms = BACKOFF_MS_FIRST;
    for (;;) {
        textbuf_clear(&client->complaint);
        call->attempts++;
        const phusa_client_status status =
            httpconn_exchange(&client->connection, &call->request, &call->answer, error);
        if (!may_repeat(call, status)) return status;

        /* Closed while idle: once more at once, on a fresh connection. */
        const bool stale = status != PHUSA_CLIENT_OK && call->answer.reused && !call->answer.began;
        int pause_ms = stale ? 0 : jittered_ms(client, backoff_ms);
        if (status == PHUSA_CLIENT_OK && call->answer.retry_after_ms >= 0)
            pause_ms = call->answer.retry_after_ms + jittered_ms(client, BACKOFF_MS_FIRST);
        const uint64_t spent_ms = (now_ns() - start_ns) / 1000000u;
        if (!stale && spent_ms + (uint64_t)pause_ms > (uint64_t)client->retry_ms_max) return status;
        if (httpconn_pause(&client->connection, pause_ms) != PHUSA_CLIENT_OK)
            return failure_set(error, PHUSA_CLIENT_ESTOPPED, "stopped");
        if (!stale) backoff_ms = backoff_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : backoff_ms * 2;
    }
}

/* The target of a request, built piece by piece: "GET /prefix/path?name=value&..." */
static bool begin_head(struct phusa_client *client, const char *method, const char *path)
{
    textbuf_clear(&client->head);
    return textbuf_print(&client->head, "%s %s%s", method, client->url.prefix, path);
}

static bool add_parameter(struct phusa_client *client, char mark, const char *name,
                          const char *value)
{
    if (value == NULL || value[0] == 0) return true;
    return textbuf_print(&client->head, "%c%s=", mark, name) &&
           textbuf_append_percent(&client->head, value);
}

static bool end_head(struct phusa_client *client, const char *more)
{
    return textbuf_print(&client->head, " HTTP/1.1\r\n%s%s\r\n", client->headers.bytes, more);
}

/* Keep what a server says when it does not do what it was asked, up to the limit. It is read
 * when it is complete: an answer that is lost half way, and repeated, must not list twice. */
static phusa_client_status keep_complaint(struct phusa_client *client, const char *bytes,
                                          size_t size_bytes)
{
    const size_t room = COMPLAINT_BYTES_MAX - client->complaint.used;
    const bool kept =
        textbuf_append(&client->complaint, bytes, size_bytes < room ? size_bytes : room);
    return kept ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ENOMEM;
}

/* The sentence for an answer that is neither success nor a partial write. */
static phusa_client_status refused(const struct phusa_client *client,
                                   const struct httpconn_answer *answer, const char *reason,
                                   struct phusa_client_error *error)
{
    const int http_status = answer->http_status;
    phusa_client_status status = PHUSA_CLIENT_EREFUSED;
    const char *advice = "";
    if (http_status == 401) advice = "; give a user and password, or a token";
    if (http_status == 404 && strstr(reason, "database") != NULL)
        advice = "; create it first: phusa query 'CREATE DATABASE \"name\"'";
    if (http_status == 413) advice = "; write smaller batches";
    if (http_status == 503) advice = "; it is overloaded or short of space, try again later";
    if (http_status >= 500) status = PHUSA_CLIENT_ESERVER;
    if (http_status < 400) status = PHUSA_CLIENT_EANSWER;
    failure_set(error, status, "the server at %s port %s answered %d%s%s%s", client->url.host,
                client->url.port, http_status, reason[0] == 0 ? "" : ": ", reason, advice);
    if (error != NULL) error->http_status = http_status;
    return status;
}

/* -- ping -- */

phusa_client_status phusa_client_ping(struct phusa_client *client, struct phusa_client_ping *ping,
                                      struct phusa_client_error *error)
{
    assert(client != NULL);
    assert(ping != NULL);
    if (!begin_head(client, "GET", "/ping") || !end_head(client, ""))
        return failure_set(error, PHUSA_CLIENT_ENOMEM, "no memory for a request");

    struct call call = {.request = {.head = client->head.bytes, .head_bytes = client->head.used},
                        .repeatable = true};
    const uint64_t start_ns = now_ns();
    const phusa_client_status status = attempt_until_answered(client, &call, error);
    if (status != PHUSA_CLIENT_OK) return status;
    if (call.answer.http_status / 100 != 2) return refused(client, &call.answer, "", error);
    ping->round_trip_ns = now_ns() - start_ns;
    memcpy(ping->version, call.answer.version, sizeof ping->version);
    return PHUSA_CLIENT_OK;
}

/* -- write -- */

/* Lines refused by a server that does not count them: one for each "unable to parse" of the
 * reason, and those of "dropped=N". 0: the reason is not about lines. */
static uint64_t count_in_reason(const char *reason)
{
    static const char parse[] = "unable to parse ";
    uint64_t count = 0;
    for (const char *at = strstr(reason, parse); at != NULL; at = strstr(at + 1, parse))
        count++;
    const char *dropped = strstr(reason, "dropped=");
    if (strstr(reason, "partial write") != NULL && dropped != NULL)
        count += strtoull(dropped + strlen("dropped="), NULL, 10);
    return count;
}

static phusa_client_status write_answered(struct phusa_client *client,
                                          const struct httpconn_answer *answer,
                                          struct phusa_client_write_result *result,
                                          struct phusa_client_error *error)
{
    if (answer->http_status / 100 == 2) return PHUSA_CLIENT_OK;
    struct refusals refusals;
    refusals_init(&refusals);
    refusals.callback = result->refusal;
    refusals.context = result->refusal_context;
    /* A proxy may answer in HTML: then there is no reason to show, but still the status. */
    refusals_read(&refusals, client->complaint.bytes, client->complaint.used);

    const char *reason = refusals.error.bytes == NULL ? "" : refusals.error.bytes;
    uint64_t count = 0;
    if (answer->http_status == 400)
        count = refusals.has_refused_count ? refusals.refused_count : count_in_reason(reason);
    if (count < refusals.listed_count) count = refusals.listed_count;
    phusa_client_status status = PHUSA_CLIENT_PARTIAL;
    if (count == 0) {
        status = refused(client, answer, reason, error);
    } else {
        result->refused_count = count;
        failure_set(error, status, "%s", reason);
        if (error != NULL) error->http_status = answer->http_status;
    }
    refusals_deinit(&refusals);
    return status;
}

static phusa_client_status write_body(void *context, int http_status, const char *bytes,
                                      size_t size_bytes)
{
    if (http_status / 100 == 2) return PHUSA_CLIENT_OK;
    return keep_complaint(context, bytes, size_bytes);
}

static bool build_write(struct phusa_client *client, const struct phusa_client_target *target,
                        const char *bytes, size_t size_bytes, struct httpconn_request *request)
{
    *request = (struct httpconn_request){.body = bytes, .body_bytes = size_bytes};
    if (client->gzip) {
        if (!gzip_pack(&client->packed, bytes, size_bytes)) return false;
        request->body = client->packed.bytes;
        request->body_bytes = client->packed.used;
    }
    const char *precision = target->precision;
    if (precision != NULL && strcmp(precision, "ns") == 0) precision = NULL; /* the default */
    struct textbuf more = {0};
    bool good =
        textbuf_print(&more,
                      "Content-Type: text/plain; charset=utf-8\r\n"
                      "%sContent-Length: %zu\r\n",
                      client->gzip ? "Content-Encoding: gzip\r\n" : "", request->body_bytes);
    good = good && begin_head(client, "POST", "/write") &&
           add_parameter(client, '?', "db", target->database) &&
           add_parameter(client, '&', "rp", target->retention_policy) &&
           add_parameter(client, '&', "precision", precision) && end_head(client, more.bytes);
    textbuf_deinit(&more);
    request->head = client->head.bytes;
    request->head_bytes = client->head.used;
    return good;
}

phusa_client_status phusa_client_write(struct phusa_client *client,
                                       const struct phusa_client_target *target, const char *bytes,
                                       size_t size_bytes, struct phusa_client_write_result *result,
                                       struct phusa_client_error *error)
{
    assert(client != NULL);
    assert(bytes != NULL || size_bytes == 0);
    if (target == NULL || target->database == NULL || target->database[0] == 0)
        return failure_set(error, PHUSA_CLIENT_EINVAL, "a write needs the name of a database");

    struct phusa_client_write_result unused = {0};
    if (result == NULL) result = &unused;
    result->refused_count = 0;
    result->attempts = 0;

    struct call call = {.repeatable = true, .answer = {.body = write_body, .body_context = client}};
    phusa_client_status status;
    if (build_write(client, target, bytes, size_bytes, &call.request)) {
        status = attempt_until_answered(client, &call, error);
        if (status == PHUSA_CLIENT_OK) status = write_answered(client, &call.answer, result, error);
    } else {
        status = failure_set(error, PHUSA_CLIENT_ENOMEM, "no memory for a request of %zu bytes",
                             size_bytes);
    }
    result->attempts = call.attempts;
    return status;
}

/* -- query -- */

struct query_call {
    struct phusa_client *client;
    const struct phusa_client_sink *sink;
    struct rowstream rows;
};

static phusa_client_status query_body(void *context, int http_status, const char *bytes,
                                      size_t size_bytes)
{
    struct query_call *call = context;
    if (http_status / 100 != 2) return keep_complaint(call->client, bytes, size_bytes);
    if (call->sink->raw != NULL && !call->sink->raw(call->sink->context, bytes, size_bytes))
        return PHUSA_CLIENT_ESTOPPED;
    return rowstream_feed(&call->rows, bytes, size_bytes);
}

static bool build_query(struct phusa_client *client, const struct phusa_client_query *query,
                        struct httpconn_request *request)
{
    struct textbuf *form = &client->form;
    textbuf_clear(form);
    bool good = textbuf_append(form, "q=", 2) && textbuf_append_percent(form, query->statements);
    struct textbuf more = {0};
    good = good && textbuf_print(&more,
                                 "Accept: application/json\r\n"
                                 "Content-Type: application/x-www-form-urlencoded\r\n"
                                 "Content-Length: %zu\r\n",
                                 form->used);
    good = good && begin_head(client, "POST", "/query") &&
           textbuf_print(&client->head, "?chunked=true&chunk_size=%u",
                         query->chunk_rows == 0 ? 10000u : query->chunk_rows) &&
           add_parameter(client, '&', "db", query->database) &&
           add_parameter(client, '&', "rp", query->retention_policy) &&
           add_parameter(client, '&', "epoch", query->epoch) && end_head(client, more.bytes);
    textbuf_deinit(&more);
    *request =
        (struct httpconn_request){client->head.bytes, client->head.used, form->bytes, form->used};
    return good;
}

static phusa_client_status query_answered(struct query_call *call,
                                          const struct httpconn_answer *answer,
                                          struct phusa_client_error *error)
{
    struct phusa_client *client = call->client;
    if (answer->http_status / 100 != 2) {
        struct refusals refusals;
        refusals_init(&refusals);
        refusals_read(&refusals, client->complaint.bytes, client->complaint.used);
        const phusa_client_status status = refused(
            client, answer, refusals.error.bytes == NULL ? "" : refusals.error.bytes, error);
        refusals_deinit(&refusals);
        return status;
    }
    const phusa_client_status status = rowstream_finish(&call->rows);
    if (status != PHUSA_CLIENT_OK)
        return failure_set(error, status, "the answer of %s port %s ends in the middle",
                           client->url.host, client->url.port);
    const struct textbuf *first = &call->rows.first_error;
    if (call->rows.error_count > 0)
        return failure_set(error, PHUSA_CLIENT_ESTATEMENT, "%s",
                           first->bytes == NULL ? "" : first->bytes);
    return PHUSA_CLIENT_OK;
}

phusa_client_status phusa_client_query(struct phusa_client *client,
                                       const struct phusa_client_query *query,
                                       const struct phusa_client_sink *sink,
                                       struct phusa_client_error *error)
{
    static const struct phusa_client_sink nowhere;
    assert(client != NULL);
    if (query == NULL || query->statements == NULL)
        return failure_set(error, PHUSA_CLIENT_EINVAL, "a query needs a statement");

    struct query_call rows = {.client = client, .sink = sink == NULL ? &nowhere : sink};
    rowstream_init(&rows.rows, rows.sink);
    struct call call = {.answer = {.body = query_body, .body_context = &rows}};
    phusa_client_status status;
    if (build_query(client, query, &call.request)) {
        status = attempt_until_answered(client, &call, error);
        if (status == PHUSA_CLIENT_OK) status = query_answered(&rows, &call.answer, error);
    } else {
        status = failure_set(error, PHUSA_CLIENT_ENOMEM, "no memory for a request");
    }
    rowstream_deinit(&rows.rows);
    return status;
}
