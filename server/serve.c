/* serve.c - see serve.h. */
#include "serve.h"
#include "bounds.h"
#include "clocks.h"
#include "handlers.h"
#include "json.h"
#include "respond.h"

#include <assert.h>
#include <stdlib.h>

/* Unzipped in one turn of the loop, so that a small request may not hold up the others. */
#define TURN_BYTES_MAX (1u << 20)
#define UNZIP_BYTES    (64u << 10)

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_ANSWER };

struct session {
    enum stage stage;
    size_t scanned;            /* of an unfinished head */
    struct exchange *exchange; /* NULL in STAGE_HEAD */
    bool head_begun;           /* its deadline counts from its first byte */
    bool stopping;             /* close after this exchange */
    bool inside;               /* serve_input() is at work and will notice by itself */
};

static void exchange_free(struct exchange *exchange)
{
    if (exchange->route != NULL && exchange->route->gone != NULL) exchange->route->gone(exchange);
    form_deinit(&exchange->form);
    form_deinit(&exchange->posted);
    gunzip_free(exchange->gunzip);
    outbuf_deinit(&exchange->plain);
    outbuf_deinit(&exchange->text);
    free(exchange->head_bytes);
    free(exchange);
}

static void session_drop(struct session *session)
{
    struct exchange *exchange = session->exchange;
    if (exchange == NULL) return;
    session->exchange = NULL;
    session->stage = STAGE_HEAD;
    exchange_free(exchange);
}

static const struct deadlines *deadlines(const struct conn *conn)
{
    return &conn->loop->server->config->deadlines;
}

static void set_deadline(struct conn *conn, int64_t ns)
{
    conn->deadline_ns = loop_now_ns(conn->loop) + ns;
}

/* ---- between requests ---- */

/* The answer is out and the body is in: on to the next request, or close. */
static void session_next(struct conn *conn)
{
    struct session *session = conn->session;
    const bool close = session->exchange->close || session->stopping;
    session_drop(session);
    if (close) {
        conn_finish(conn);
        return;
    }
    session->scanned = 0;
    session->head_begun = false;
    set_deadline(conn, deadlines(conn)->keep_alive_ns);
    conn->hold = HOLD_NONE;
}

void exchange_complete(struct exchange *exchange)
{
    struct conn *conn = exchange->conn;
    struct session *session = conn->session;
    assert(session->exchange == exchange);
    exchange->complete = true;
    if (!session->inside) conn_resume(conn); /* else serve_input() goes on by itself */
}

/* ---- heads ---- */

/* Answer something that is not a request, and close: its end cannot be found. */
static void refuse_head(struct conn *conn, const struct http_fault *fault)
{
    respond_fault(conn, fault->status, fault->reason);
    conn_finish(conn);
}

static struct exchange *exchange_create(struct conn *conn, const struct http_head *head,
                                        const char *bytes, size_t head_bytes)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) return NULL;
    exchange->conn = conn;
    exchange->server = conn->loop->server;
    exchange->head_bytes = malloc(head_bytes);
    if (exchange->head_bytes == NULL) {
        free(exchange);
        return NULL;
    }
    memcpy(exchange->head_bytes, bytes, head_bytes);
    /* Parsed from the read buffer: point into the copy instead. */
    exchange->head = *head;
    const ptrdiff_t shift = exchange->head_bytes - bytes;
    exchange->head.path.bytes += shift;
    if (exchange->head.query.size_bytes > 0) exchange->head.query.bytes += shift;
    for (size_t i = 0; i < head->header_count; i++) {
        exchange->head.headers[i].name.bytes += shift;
        if (head->headers[i].value.size_bytes > 0) exchange->head.headers[i].value.bytes += shift;
    }
    http_body_init(&exchange->body, head);
    exchange->close = !head->keep_alive;
    return exchange;
}

static bool begin_gunzip(struct exchange *exchange)
{
    const struct phusa_text *coding = http_header_find(&exchange->head, "content-encoding");
    if (coding == NULL || coding->size_bytes == 0 || text_is_nocase(*coding, "identity"))
        return true;
    if (!text_is_nocase(*coding, "gzip") && !text_is_nocase(*coding, "x-gzip")) {
        exchange_error(exchange, 415, "Content-Encoding must be gzip or identity");
        return false;
    }
    /* python3-influxdb says gzip on a GET that has no body. */
    if (!exchange->head.chunked && exchange->head.content_length == 0) return true;
    exchange->gunzip = gunzip_create();
    if (exchange->gunzip != NULL) return true;
    exchange_error(exchange, 503, "no memory; try again later");
    return false;
}

static void begin_request(struct exchange *exchange)
{
    const struct http_head *head = &exchange->head;
    respond_request_id(exchange);
    const struct route *route = route_find(head->path);
    if (route == NULL) {
        respond_plain(exchange, 404, "", "404 page not found\n");
        return;
    }
    exchange->route = route;
    if (head->verb == VERB_OPTIONS) {
        exchange_answer(exchange, 200, NULL, "", 0);
        return;
    }
    if ((route->verbs & 1u << head->verb) == 0) {
        char allow[80];
        snprintf(allow, sizeof allow, "Allow: OPTIONS, %s\r\n", route->allow);
        respond_plain(exchange, 405, allow, "Method Not Allowed\n");
        return;
    }
    if (!head->chunked && head->content_length > BODY_BYTES_MAX) {
        exchange_error(exchange, 413, "Request Entity Too Large");
        return;
    }
    if (!form_add_urlencoded(&exchange->form, head->query)) {
        exchange_error(exchange, 400, "malformed parameters in the address");
        return;
    }
    if (!begin_gunzip(exchange)) return;
    if (route->begin != NULL) route->begin(exchange);
}

static size_t take_head(struct conn *conn, const char *bytes, size_t size_bytes)
{
    struct session *session = conn->session;
    struct http_head head;
    struct http_fault fault;
    size_t head_bytes;
    switch (http_head_parse(&head, bytes, size_bytes, &session->scanned, &head_bytes, &fault)) {
    case HTTP_BAD:
        refuse_head(conn, &fault);
        return size_bytes;
    case HTTP_MORE:
        if (!session->head_begun) set_deadline(conn, deadlines(conn)->head_ns);
        session->head_begun = true;
        return 0;
    case HTTP_DONE:
        break;
    }
    session->scanned = 0;
    struct exchange *exchange = exchange_create(conn, &head, bytes, head_bytes);
    if (exchange == NULL) {
        conn_close(conn);
        return size_bytes;
    }
    session->exchange = exchange;
    session->stage = STAGE_BODY;
    set_deadline(conn, deadlines(conn)->body_idle_ns);
    exchange->body_ended = !head.chunked && head.content_length == 0;
    begin_request(exchange);
    /* Ask for the body only when none of it is here yet. */
    if (head.expects_continue && !exchange->answered && size_bytes == head_bytes)
        outbuf_str(conn_output(conn), "HTTP/1.1 100 Continue\r\n\r\n");
    return head_bytes;
}

/* ---- bodies ---- */

static size_t gather(struct exchange *exchange, const char *bytes, size_t size_bytes)
{
    if (exchange->text.size_bytes + size_bytes > FORM_BYTES_MAX) {
        exchange_error(exchange, 413, "Request Entity Too Large");
        return size_bytes;
    }
    outbuf_put(&exchange->text, bytes, size_bytes);
    if (exchange->text.bad) exchange_error(exchange, 503, "no memory; try again later");
    return size_bytes;
}

static size_t deliver(struct exchange *exchange, const char *bytes, size_t size_bytes)
{
    if (exchange->answered) return size_bytes; /* dropped */
    const struct route *route = exchange->route;
    return route->body == NULL ? gather(exchange, bytes, size_bytes)
                               : route->body(exchange, bytes, size_bytes);
}

/* Hand out what is unzipped already. false: the handler holds. */
static bool deliver_plain(struct exchange *exchange)
{
    struct outbuf *plain = &exchange->plain;
    const size_t left = plain->size_bytes - exchange->plain_start;
    if (left > 0)
        exchange->plain_start += deliver(exchange, plain->bytes + exchange->plain_start, left);
    if (exchange->plain_start < plain->size_bytes) return false;
    plain->size_bytes = exchange->plain_start = 0;
    return true;
}

/* Unzip and deliver; returns the bytes of `slice` used. */
static size_t unzip(struct exchange *exchange, struct phusa_text slice)
{
    struct phusa_text rest = slice;
    while (!exchange->answered) {
        if (!deliver_plain(exchange)) break;
        if (exchange->turn_bytes >= TURN_BYTES_MAX) {
            exchange->turn_bytes = 0;
            exchange->conn->hold = HOLD_YIELD;
            break;
        }
        char *room = outbuf_reserve(&exchange->plain, UNZIP_BYTES);
        if (room == NULL) {
            exchange_error(exchange, 503, "no memory; try again later");
            break;
        }
        const char *error;
        const size_t made = gunzip_next(exchange->gunzip, &rest, room, UNZIP_BYTES, &error);
        exchange->plain.size_bytes += made;
        exchange->turn_bytes += made;
        if (error != NULL) {
            exchange_error(exchange, gunzip_too_large(exchange->gunzip) ? 413 : 400, "%s", error);
            break;
        }
        if (made == 0 && rest.size_bytes == 0) break;
    }
    return exchange->answered ? slice.size_bytes : slice.size_bytes - rest.size_bytes;
}

static size_t take_body(struct conn *conn, const char *bytes, size_t size_bytes)
{
    struct session *session = conn->session;
    struct exchange *exchange = session->exchange;
    set_deadline(conn, deadlines(conn)->body_idle_ns);
    size_t used;
    struct phusa_text slice;
    struct http_fault fault;
    const enum http_outcome outcome =
        http_body_next(&exchange->body, bytes, size_bytes, &used, &slice, &fault);
    if (outcome == HTTP_BAD) {
        exchange->close = true;
        if (!exchange->answered) exchange_error(exchange, fault.status, "%s", fault.reason);
        exchange->body_ended = true;
        return size_bytes;
    }
    exchange->body_bytes += slice.size_bytes;
    if (exchange->body_bytes > BODY_BYTES_MAX && !exchange->answered)
        exchange_error(exchange, 413, "Request Entity Too Large");
    if (exchange->answered && exchange->body_bytes > DRAIN_BYTES_MAX) exchange->close = true;

    size_t taken = 0;
    if (exchange->gunzip != NULL)
        taken = unzip(exchange, slice);
    else if (slice.size_bytes > 0)
        taken = deliver(exchange, slice.bytes, slice.size_bytes);
    const size_t untaken = slice.size_bytes - taken;
    if (untaken > 0) {
        http_body_unread(&exchange->body, untaken);
        exchange->body_bytes -= untaken;
        return used - untaken;
    }
    exchange->body_ended = outcome == HTTP_DONE;
    return used;
}

/* The last byte of the body is here: hand out what gunzip still holds, then tell the handler. */
static void end_body(struct conn *conn)
{
    struct session *session = conn->session;
    struct exchange *exchange = session->exchange;
    if (exchange->gunzip != NULL && !exchange->answered) {
        unzip(exchange, (struct phusa_text){"", 0});
        if (conn->hold != HOLD_NONE) return; /* called again when that is over */
        if (!exchange->answered && !gunzip_whole(exchange->gunzip))
            exchange_error(exchange, 400, "gzip: the body was cut short");
    }
    session->stage = STAGE_ANSWER;
    conn->deadline_ns = 0;
    if (!exchange->answered) exchange->route->end(exchange);
}

/* ---- the door ---- */

/* One step of the picture in serve.h. false: nothing more can be done now. */
static bool step(struct conn *conn, const char *bytes, size_t size_bytes, size_t *used)
{
    struct session *session = conn->session;
    struct exchange *exchange = session->exchange;
    *used = 0;
    switch (session->stage) {
    case STAGE_HEAD:
        if (size_bytes == 0) return false;
        if (conn_is_full(conn)) {
            conn->hold = HOLD_WAIT; /* until serve_drained(): it pipelines and does not read */
            return false;
        }
        *used = take_head(conn, bytes, size_bytes);
        return *used > 0;
    case STAGE_BODY:
        if (!exchange->body_ended) *used = take_body(conn, bytes, size_bytes);
        if (exchange->complete && exchange->close) {
            session_next(conn); /* what is left of the body is dropped as it comes */
            return false;
        }
        if (conn->hold != HOLD_NONE) return false;
        if (!exchange->body_ended) return *used > 0;
        end_body(conn);
        return true;
    case STAGE_ANSWER:
        if (exchange->complete) {
            session_next(conn);
            return true;
        }
        conn->hold = HOLD_WAIT;
        return false;
    }
    return false;
}

static size_t serve_input(struct conn *conn, const char *bytes, size_t size_bytes)
{
    struct session *session = conn->session;
    size_t total = 0;
    session->inside = true;
    while (conn->state == CONN_OPEN && conn->hold == HOLD_NONE) {
        size_t used;
        const bool moved = step(conn, bytes + total, size_bytes - total, &used);
        total += used;
        if (!moved) break;
    }
    session->inside = false;
    /* What is here is all there will be, and it is not a whole request. */
    if (conn->eof && conn->state == CONN_OPEN && conn->hold == HOLD_NONE) conn_finish(conn);
    return total;
}

static bool serve_open(struct conn *conn)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) return false;
    conn->session = session;
    set_deadline(conn, deadlines(conn)->head_ns);
    return true;
}

static void serve_eof(struct conn *conn)
{
    struct session *session = conn->session;
    struct exchange *exchange = session->exchange;
    if (session->stage == STAGE_ANSWER && exchange->route != NULL && exchange->route->eof_is_gone) {
        session_drop(session);
        conn_close(conn);
        return;
    }
    if (conn->hold == HOLD_NONE) conn_finish(conn);
}

static void serve_drained(struct conn *conn)
{
    struct session *session = conn->session;
    struct exchange *exchange = session->exchange;
    if (exchange != NULL && exchange->streaming && exchange->route->drained != NULL)
        exchange->route->drained(exchange);
    else if (conn->hold == HOLD_WAIT && session->stage == STAGE_HEAD)
        conn_resume(conn);
}

static void serve_deadline(struct conn *conn)
{
    struct session *session = conn->session;
    if (session->stage == STAGE_HEAD && conn->input.size_bytes == 0) {
        conn_close(conn); /* idle: nobody is waiting for an answer */
        return;
    }
    if (session->stage == STAGE_HEAD) {
        respond_fault(conn, 408, "the request's head did not come in time");
    } else if (session->stage == STAGE_BODY && conn->hold == HOLD_NONE) {
        if (!session->exchange->answered)
            respond_fault(conn, 408, "the request's body did not come in time");
    } else {
        return; /* it waits for us */
    }
    conn_finish(conn);
}

/* The engine's queue was full when a handler last tried. */
static void serve_alarm(struct conn *conn)
{
    struct session *session = conn->session;
    struct exchange *exchange = session->exchange;
    if (session->stage == STAGE_ANSWER && !exchange->answered)
        exchange->route->end(exchange);
    else
        conn_resume(conn);
}

static void serve_stop(struct conn *conn)
{
    struct session *session = conn->session;
    session->stopping = true;
    if (session->exchange != NULL)
        session->exchange->close = true;
    else if (conn->flying_bytes > 0)
        conn_finish(conn);
    else
        conn_close(conn);
}

static void serve_gone(struct conn *conn)
{
    struct session *session = conn->session;
    if (session == NULL) return;
    session_drop(session);
    free(session);
}

const struct door serve_door = {
    .open = serve_open,
    .input = serve_input,
    .eof = serve_eof,
    .drained = serve_drained,
    .deadline = serve_deadline,
    .alarm = serve_alarm,
    .stop = serve_stop,
    .gone = serve_gone,
};

static bool full_open(struct conn *conn)
{
    respond_fault(conn, 503, "too many connections; try again later");
    conn_finish(conn);
    return true;
}

static size_t full_input(struct conn *conn, const char *bytes, size_t size_bytes)
{
    return size_bytes;
}

const struct door serve_full_door = {
    .open = full_open,
    .input = full_input,
    .eof = conn_close,
    .deadline = conn_close,
    .stop = conn_close,
    .gone = serve_gone,
};
