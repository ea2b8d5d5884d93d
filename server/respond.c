/* respond.c - heads and bodies of answers; see serve.h and respond.h. */
#include "respond.h"
#include "bounds.h"
#include "encoder.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* ---- request ids ---- */

static bool id_is_harmless(const struct phusa_text *text)
{
    if (text == NULL || text->size_bytes == 0 ||
        text->size_bytes >= sizeof((struct exchange *)0)->request_id)
        return false;
    for (size_t i = 0; i < text->size_bytes; i++)
        if (text->bytes[i] < 0x21 || text->bytes[i] > 0x7e) return false;
    return true;
}

void respond_request_id(struct exchange *exchange)
{
    const struct phusa_text *theirs = http_header_find(&exchange->head, "x-request-id");
    if (theirs == NULL) theirs = http_header_find(&exchange->head, "request-id");
    if (id_is_harmless(theirs)) {
        memcpy(exchange->request_id, theirs->bytes, theirs->size_bytes);
        exchange->request_id[theirs->size_bytes] = '\0';
        return;
    }
    /* Unique, not secret: a number that counts, behind one drawn at the start of the process. */
    static _Atomic uint64_t next;
    static _Atomic uint64_t drawn;
    uint64_t high = atomic_load(&drawn);
    if (high == 0) {
        uint64_t mine = 0;
        if (getrandom(&mine, sizeof mine, GRND_NONBLOCK) != (ssize_t)sizeof mine || mine == 0)
            mine = (uint64_t)loop_now_ns(exchange->conn->loop) | 1;
        if (atomic_compare_exchange_strong(&drawn, &high, mine)) high = mine;
    }
    const uint64_t low = atomic_fetch_add(&next, 1);
    snprintf(exchange->request_id, sizeof exchange->request_id, "%08x-%04x-4%03x-8%03x-%012llx",
             (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff), (unsigned)(high >> 4 & 0xfff),
             (unsigned)(low >> 48 & 0xfff), (unsigned long long)(low & 0xffffffffffff));
}

/* ---- heads ---- */

static void put_cors(struct exchange *exchange, struct outbuf *out)
{
    const struct phusa_text *origin = http_header_find(&exchange->head, "origin");
    if (origin == NULL || origin->size_bytes == 0) return;
    outbuf_str(out, "Access-Control-Allow-Headers: Accept, Accept-Encoding, Authorization, "
                    "Content-Length, Content-Type, X-CSRF-Token, X-HTTP-Method-Override\r\n"
                    "Access-Control-Allow-Methods: DELETE, GET, OPTIONS, POST, PUT\r\n"
                    "Access-Control-Allow-Origin: ");
    outbuf_text(out, *origin);
    outbuf_str(out, "\r\nAccess-Control-Expose-Headers: Date, X-InfluxDB-Version, "
                    "X-InfluxDB-Build\r\n");
}

static void put_status(struct conn *conn, struct outbuf *out, bool is_http_1_0, int status)
{
    atomic_fetch_add(&conn->loop->server->counters.requests[status / 100], 1);
    outbuf_print(out, "HTTP/1.%d %d %s\r\n", is_http_1_0 ? 0 : 1, status,
                 http_status_words(status));
    /* Clients read a version of InfluxDB here and act on it; ours is its build metadata. */
    outbuf_str(out, "X-Influxdb-Build: OSS\r\nX-Influxdb-Version: 1.8.10+phusa.");
    outbuf_str(out, phusa_version());
    outbuf_str(out, "\r\nDate: ");
    outbuf_text(out, loop_date(conn->loop));
    outbuf_str(out, "\r\n");
}

static void put_head(struct exchange *exchange, int status, const char *type, const char *headers)
{
    assert(!exchange->answered);
    exchange->answered = true;
    /* Before the end of the body: is what is left of it short enough to be read over? */
    if (!exchange->body_ended &&
        (exchange->head.expects_continue ||
         (!exchange->head.chunked && exchange->body.left > DRAIN_BYTES_MAX)))
        exchange->close = true;
    struct outbuf *out = conn_output(exchange->conn);
    put_status(exchange->conn, out, exchange->head.is_http_1_0, status);
    outbuf_str(out, "Content-Type: ");
    outbuf_str(out, type == NULL ? "application/json" : type);
    outbuf_str(out, "\r\nRequest-Id: ");
    outbuf_str(out, exchange->request_id);
    outbuf_str(out, "\r\nX-Request-Id: ");
    outbuf_str(out, exchange->request_id);
    outbuf_str(out, "\r\n");
    put_cors(exchange, out);
    outbuf_str(out, headers);
    if (exchange->close)
        outbuf_str(out, "Connection: close\r\n");
    else if (exchange->head.is_http_1_0)
        outbuf_str(out, "Connection: keep-alive\r\n");
}

/* ---- whole answers ---- */

void exchange_answer_with(struct exchange *exchange, int status, const char *type,
                          const char *headers, const char *bytes, size_t size_bytes)
{
    put_head(exchange, status, type, headers);
    struct outbuf *out = conn_output(exchange->conn);
    if (status == 204)
        outbuf_str(out, "\r\n");
    else
        outbuf_print(out, "Content-Length: %zu\r\n\r\n", size_bytes);
    if (exchange->head.verb != VERB_HEAD && status != 204) outbuf_put(out, bytes, size_bytes);
    exchange_complete(exchange);
}

void exchange_answer(struct exchange *exchange, int status, const char *type, const char *bytes,
                     size_t size_bytes)
{
    exchange_answer_with(exchange, status, type, "", bytes, size_bytes);
}

void respond_plain(struct exchange *exchange, int status, const char *headers, const char *text)
{
    char all[160];
    snprintf(all, sizeof all, "%sX-Content-Type-Options: nosniff\r\n", headers);
    exchange_answer_with(exchange, status, "text/plain; charset=utf-8", all, text, strlen(text));
}

/* A header's value: one line of what can be printed. */
static void put_header_text(struct outbuf *out, const char *text)
{
    for (size_t i = 0; i < ERROR_HEADER_BYTES_MAX && text[i] != '\0'; i++)
        outbuf_byte(out, (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i]);
}

void exchange_error(struct exchange *exchange, int status, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    struct outbuf body = {0};
    const char *pretty = exchange_param(exchange, "pretty");
    encoder_error(&body, ENCODER_JSON, pretty != NULL && strcmp(pretty, "true") == 0, text);
    exchange_answer_error(exchange, status, NULL, text, body.bytes, body.bad ? 0 : body.size_bytes);
    outbuf_deinit(&body);
}

void exchange_answer_error(struct exchange *exchange, int status, const char *type,
                           const char *text, const char *bytes, size_t size_bytes)
{
    struct outbuf headers = {0};
    outbuf_str(&headers, "X-Influxdb-Error: ");
    put_header_text(&headers, text);
    outbuf_str(&headers, status == 503 ? "\r\nRetry-After: 1\r\n" : "\r\n");
    outbuf_byte(&headers, '\0');
    exchange_answer_with(exchange, status, type, headers.bad ? "" : headers.bytes, bytes,
                         size_bytes);
    outbuf_deinit(&headers);
}

void respond_fault(struct conn *conn, int status, const char *reason)
{
    struct outbuf *out = conn_output(conn);
    put_status(conn, out, false, status);
    if (status == 503) outbuf_str(out, "Retry-After: 1\r\n");
    const size_t size_bytes = strlen(reason) + sizeof "{\"error\":\"\"}\n" - 1;
    outbuf_print(out,
                 "Content-Type: application/json\r\nX-Influxdb-Error: %s\r\nConnection: close\r\n"
                 "Content-Length: %zu\r\n\r\n{\"error\":\"%s\"}\n",
                 reason, size_bytes, reason);
}

/* ---- streams ---- */

void exchange_stream_begin(struct exchange *exchange, int status, const char *type,
                           const char *headers)
{
    exchange->streaming = true;
    exchange->framed = !exchange->head.is_http_1_0;
    if (!exchange->framed) exchange->close = true; /* the end of the connection is its end */
    put_head(exchange, status, type, headers);
    outbuf_str(conn_output(exchange->conn),
               exchange->framed ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
}

void exchange_stream_put(struct exchange *exchange, char *bytes, size_t size_bytes)
{
    assert(exchange->streaming && !exchange->complete);
    if (size_bytes == 0) {
        free(bytes); /* an empty chunk would end the answer */
        return;
    }
    struct conn *conn = exchange->conn;
    if (exchange->framed) outbuf_print(conn_output(conn), "%zx\r\n", size_bytes);
    conn_send(conn, bytes, size_bytes);
    if (exchange->framed) outbuf_str(conn_output(conn), "\r\n");
}

void exchange_stream_end(struct exchange *exchange)
{
    if (exchange->framed) outbuf_str(conn_output(exchange->conn), "0\r\n\r\n");
    exchange_complete(exchange);
}

void exchange_stream_break(struct exchange *exchange)
{
    conn_close(exchange->conn);
}

/* ---- requests ---- */

const char *exchange_param(const struct exchange *exchange, const char *name)
{
    const char *posted = form_get(&exchange->posted, name);
    return posted != NULL ? posted : form_get(&exchange->form, name);
}

bool exchange_wants_gzip(const struct exchange *exchange)
{
    return http_list_has(http_header_find(&exchange->head, "accept-encoding"), "gzip");
}
