/*
 * Guards the calls of libphusa-client against a scripted server: what is sent, when a request is
 * repeated and when it never is, how refusals and broken answers come back.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "../../client/lib/phusa_client.h"
#include "fakeserver.h"

#define NO_CONTENT "HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.8.10\r\n\r\n"
#define BUSY       "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
#define JSON(code, bytes, text)                                                              \
    "HTTP/1.1 " code "\r\nContent-Type: application/json\r\nContent-Length: " bytes "\r\n\r" \
    "\n" text

static const struct phusa_client_target target = {.database = "a b&c", .precision = "s"};
static struct phusa_client_error error;

#define START(server, ...)                                \
    struct fakeserver server;                             \
    const struct fakeserver_step steps[] = {__VA_ARGS__}; \
    fakeserver_start(&server, steps, sizeof steps / sizeof steps[0])

static struct phusa_client *opened(const char *url, bool gzip)
{
    struct phusa_client *client = NULL;
    const struct phusa_client_options options = {
        .url = url, .gzip = gzip, .timeout_ms = 2000, .retry_ms_max = 3000};
    cr_assert_eq(phusa_client_open(&client, &options, &error), PHUSA_CLIENT_OK, "%s", error.text);
    return client;
}

static phusa_client_status write_text(struct phusa_client *client, const char *text,
                                      struct phusa_client_write_result *result)
{
    return phusa_client_write(client, &target, text, strlen(text), result, &error);
}

Test(client, keeps_the_connection_and_sends_what_it_should)
{
    START(server, {.answer = NO_CONTENT}, {.answer = NO_CONTENT}, {.answer = NO_CONTENT});
    struct phusa_client *client = opened(server.url, false);
    struct phusa_client_ping ping;
    cr_assert_eq(phusa_client_ping(client, &ping, &error), PHUSA_CLIENT_OK, "%s", error.text);
    cr_assert_str_eq(ping.version, "1.8.10");
    cr_assert_eq(write_text(client, "m f=1 5\n", NULL), PHUSA_CLIENT_OK, "%s", error.text);
    cr_assert_eq(write_text(client, "m f=2 6\n", NULL), PHUSA_CLIENT_OK, "%s", error.text);
    fakeserver_stop(&server);
    cr_assert_eq(server.request_count, 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(server.requests[i].connection, 1);
    cr_assert_not_null(strstr(server.requests[0].bytes, "GET /ping HTTP/1.1\r\n"));
    cr_assert_not_null(
        strstr(server.requests[1].bytes, "POST /write?db=a%20b%26c&precision=s HTTP/1.1\r\n"));
    cr_assert_str_eq(server.requests[1].bytes + server.requests[1].head_bytes, "m f=1 5\n");
    phusa_client_close(client);
    fakeserver_free(&server);
}

Test(client, sends_credentials_of_the_address_and_tokens_before_them)
{
    START(server, {.answer = NO_CONTENT, .close = true}, {.answer = NO_CONTENT});
    char url[128];
    struct phusa_client_ping ping;
    (void)snprintf(url, sizeof url, "http://me:p%%40ss@127.0.0.1:%d/base/", server.port);
    struct phusa_client *client = opened(url, false);
    cr_assert_eq(phusa_client_ping(client, &ping, &error), PHUSA_CLIENT_OK);
    phusa_client_close(client);
    const struct phusa_client_options options = {.url = url, .token = "abc"};
    cr_assert_eq(phusa_client_open(&client, &options, &error), PHUSA_CLIENT_OK);
    cr_assert_eq(phusa_client_ping(client, &ping, &error), PHUSA_CLIENT_OK);
    phusa_client_close(client);
    fakeserver_stop(&server);
    cr_assert_not_null(strstr(server.requests[0].bytes, "GET /base/ping HTTP/1.1\r\n"));
    cr_assert_not_null(strstr(server.requests[0].bytes, "Authorization: Basic bWU6cEBzcw==\r\n"));
    cr_assert_not_null(strstr(server.requests[1].bytes, "Authorization: Token abc\r\n"));
    cr_assert_null(strstr(server.requests[1].bytes, "Basic"));
    fakeserver_free(&server);
}

Test(client, waits_out_a_503_and_then_succeeds)
{
    START(server, {.answer = BUSY}, {.answer = BUSY}, {.answer = NO_CONTENT});
    struct phusa_client *client = opened(server.url, false);
    struct phusa_client_write_result result = {0};
    cr_assert_eq(write_text(client, "m f=1\n", &result), PHUSA_CLIENT_OK, "%s", error.text);
    cr_assert_eq(result.attempts, 3);
    phusa_client_close(client);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}

Test(client, gives_up_at_once_when_it_may_not_wait_as_long_as_the_server_asks)
{
    START(server, {.answer = "HTTP/1.1 503 x\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n"});
    struct phusa_client *client = opened(server.url, false);
    cr_assert_eq(write_text(client, "m f=1\n", NULL), PHUSA_CLIENT_ESERVER);
    cr_assert_eq(error.http_status, 503);
    phusa_client_close(client);
    fakeserver_stop(&server);
    cr_assert_eq(server.request_count, 1);
    fakeserver_free(&server);
}

Test(client, never_repeats_a_4xx)
{
    START(
        server,
        {.answer = JSON("404 Not Found", "38", "{\"error\":\"database not found: \\\"x\\\"\"}\n")},
        {.answer = NO_CONTENT});
    struct phusa_client *client = opened(server.url, false);
    struct phusa_client_write_result result = {0};
    cr_assert_eq(write_text(client, "m f=1\n", &result), PHUSA_CLIENT_EREFUSED);
    cr_assert_eq(result.attempts, 1);
    cr_assert_eq(error.http_status, 404);
    cr_assert_not_null(strstr(error.text, "database not found: \"x\""), "%s", error.text);
    cr_assert_not_null(strstr(error.text, "CREATE DATABASE"), "%s", error.text);
    /* ... and the connection still serves. */
    cr_assert_eq(write_text(client, "m f=1\n", NULL), PHUSA_CLIENT_OK, "%s", error.text);
    fakeserver_stop(&server);
    cr_assert_eq(server.requests[1].connection, 1);
    phusa_client_close(client);
    fakeserver_free(&server);
}

Test(client, says_so_when_nobody_listens)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", fakeserver_unused_port());
    struct phusa_client *client;
    const struct phusa_client_options options = {.url = url, .retry_ms_max = 400};
    cr_assert_eq(phusa_client_open(&client, &options, &error), PHUSA_CLIENT_OK);
    struct phusa_client_write_result result = {0};
    cr_assert_eq(write_text(client, "m f=1\n", &result), PHUSA_CLIENT_EUNREACHABLE);
    cr_assert(result.attempts >= 2, "a refused connection is tried again");
    cr_assert_not_null(strstr(error.text, "Connection refused"), "%s", error.text);
    phusa_client_close(client);
}

Test(client, repeats_a_write_whose_answer_was_lost)
{
    START(server, {.close = true}, {.answer = "HTTP/1.1 204 No Con", .close = true},
          {.answer = NO_CONTENT});
    struct phusa_client *client = opened(server.url, false);
    struct phusa_client_write_result result = {0};
    cr_assert_eq(write_text(client, "m f=1\n", &result), PHUSA_CLIENT_OK, "%s", error.text);
    cr_assert_eq(result.attempts, 3);
    fakeserver_stop(&server);
    for (int i = 0; i < 3; i++)
        cr_assert_str_eq(server.requests[i].bytes + server.requests[i].head_bytes, "m f=1\n");
    phusa_client_close(client);
    fakeserver_free(&server);
}

Test(client, does_not_repeat_a_query_whose_answer_was_lost)
{
    START(server, {.close = true}, {.answer = NO_CONTENT});
    struct phusa_client *client = opened(server.url, false);
    const struct phusa_client_query query = {.statements = "DROP MEASUREMENT m"};
    cr_assert_eq(phusa_client_query(client, &query, NULL, &error), PHUSA_CLIENT_EUNREACHABLE);
    phusa_client_close(client);
    fakeserver_stop(&server);
    cr_assert_eq(server.request_count, 1);
    fakeserver_free(&server);
}

Test(client, goes_on_over_a_new_connection_when_the_idle_one_was_closed)
{
    START(server, {.answer = NO_CONTENT, .close = true},
          {.answer = JSON("200 OK", "14", "{\"results\":[]}")});
    struct phusa_client *client = opened(server.url, false);
    cr_assert_eq(write_text(client, "m f=1\n", NULL), PHUSA_CLIENT_OK);
    const struct phusa_client_query query = {.statements = "SHOW DATABASES"};
    cr_assert_eq(phusa_client_query(client, &query, NULL, &error), PHUSA_CLIENT_OK, "%s",
                 error.text);
    fakeserver_stop(&server);
    cr_assert_eq(server.requests[1].connection, 2);
    phusa_client_close(client);
    fakeserver_free(&server);
}

Test(client, a_silent_server_is_a_timeout)
{
    START(server, {.silence_ms = 600, .answer = NO_CONTENT});
    struct phusa_client *client;
    const struct phusa_client_options options = {.url = server.url, .timeout_ms = 100};
    cr_assert_eq(phusa_client_open(&client, &options, &error), PHUSA_CLIENT_OK);
    cr_assert_eq(write_text(client, "m f=1\n", NULL), PHUSA_CLIENT_ETIMEOUT);
    phusa_client_close(client);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

Test(client, an_interrupt_ends_the_waiting)
{
    START(server, {.silence_ms = 300, .answer = NO_CONTENT});
    struct phusa_client *client;
    const struct phusa_client_options options = {.url = server.url, .interrupted = always};
    cr_assert_eq(phusa_client_open(&client, &options, &error), PHUSA_CLIENT_OK);
    cr_assert_eq(write_text(client, "m f=1\n", NULL), PHUSA_CLIENT_ESTOPPED);
    phusa_client_close(client);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}

Test(client, hears_a_server_that_refuses_before_the_body_is_sent)
{
    START(server, {.early = true,
                   .answer = JSON("413 Request Entity Too Large", "38",
                                  "{\"error\":\"Request Entity Too Large\"}    ")});
    struct phusa_client *client = opened(server.url, false);
    const size_t size_bytes = 64u << 20; /* more than any socket buffer */
    char *bytes = malloc(size_bytes);
    cr_assert_not_null(bytes);
    memset(bytes, 'x', size_bytes);
    const phusa_client_status status =
        phusa_client_write(client, &target, bytes, size_bytes, NULL, &error);
    cr_assert_eq(status, PHUSA_CLIENT_EREFUSED, "%s", error.text);
    cr_assert_eq(error.http_status, 413);
    free(bytes);
    phusa_client_close(client);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}

/* -- refusals -- */

struct heard {
    size_t count;
    uint64_t line, column;
    char reason[100], excerpt[100];
};

static void hear(void *context, const struct phusa_client_refusal *refusal)
{
    struct heard *heard = context;
    heard->count++;
    heard->line = refusal->line;
    heard->column = refusal->column;
    (void)snprintf(heard->reason, sizeof heard->reason, "%s", refusal->reason);
    (void)snprintf(heard->excerpt, sizeof heard->excerpt, "%s", refusal->excerpt);
}

static phusa_client_status write_refused(const char *answer, struct heard *heard,
                                         struct phusa_client_write_result *result)
{
    char whole[4096];
    (void)snprintf(whole, sizeof whole, "HTTP/1.1 400 Bad Request\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(answer), answer);
    START(server, {.answer = whole, .piece_bytes = 7});
    struct phusa_client *client = opened(server.url, false);
    *result = (struct phusa_client_write_result){.refusal = hear, .refusal_context = heard};
    const phusa_client_status status = write_text(client, "m f=1\n", result);
    phusa_client_close(client);
    fakeserver_stop(&server);
    fakeserver_free(&server);
    return status;
}

Test(client, lists_the_refusals_of_a_partial_write)
{
    struct heard heard = {0};
    struct phusa_client_write_result result;
    const phusa_client_status status = write_refused(
        "{\"error\":\"partial write: 2 lines dropped=2\",\"refused\":[{\"line\":1,\"column\":2,"
        "\"reason\":\"first\",\"excerpt\":\"x\"},{\"line\":12,\"column\":5,\"reason\":\"no field\","
        "\"excerpt\":\"a \\\"b\\\"\"}],\"accepted\":7,\"refused_count\":31}\n",
        &heard, &result);
    cr_assert_eq(status, PHUSA_CLIENT_PARTIAL, "%s", error.text);
    cr_assert_eq(result.refused_count, 31);
    cr_assert_eq(heard.count, 2);
    cr_assert_eq(heard.line, 12);
    cr_assert_eq(heard.column, 5);
    cr_assert_str_eq(heard.reason, "no field");
    cr_assert_str_eq(heard.excerpt, "a \"b\"");
}

Test(client, counts_the_refusals_of_influxdb)
{
    struct heard heard = {0};
    struct phusa_client_write_result result;
    cr_assert_eq(
        write_refused("{\"error\":\"partial write: unable to parse 'bad': missing fields\\n"
                      "unable to parse 'worse': invalid number dropped=3\"}\n",
                      &heard, &result),
        PHUSA_CLIENT_PARTIAL);
    cr_assert_eq(result.refused_count, 5);
    cr_assert_eq(heard.count, 0);
    cr_assert_eq(
        write_refused("{\"error\":\"unable to parse 'x': missing fields\"}", &heard, &result),
        PHUSA_CLIENT_PARTIAL);
    cr_assert_eq(result.refused_count, 1);
}

Test(client, a_400_about_the_request_is_no_partial_write)
{
    struct heard heard = {0};
    struct phusa_client_write_result result;
    cr_assert_eq(write_refused("{\"error\":\"invalid precision\"}", &heard, &result),
                 PHUSA_CLIENT_EREFUSED);
    cr_assert_eq(write_refused("<html>Bad Request</html>", &heard, &result), PHUSA_CLIENT_EREFUSED);
    cr_assert_eq(result.refused_count, 0);
}

Test(client, compresses_bodies)
{
    START(server, {.answer = NO_CONTENT});
    struct phusa_client *client = opened(server.url, true);
    char text[20001];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = "m f=1.5 1000\n"[i % 13];
    text[sizeof text - 1] = 0;
    cr_assert_eq(write_text(client, text, NULL), PHUSA_CLIENT_OK, "%s", error.text);
    phusa_client_close(client);
    fakeserver_stop(&server);
    const struct fakeserver_request *request = &server.requests[0];
    cr_assert_not_null(strstr(request->bytes, "Content-Encoding: gzip\r\n"));
    char back[sizeof text] = "";
    z_stream stream = {.next_in = (Bytef *)request->bytes + request->head_bytes,
                       .avail_in = (uInt)(request->size_bytes - request->head_bytes),
                       .next_out = (Bytef *)back,
                       .avail_out = sizeof back};
    cr_assert(stream.avail_in < sizeof text / 4);
    cr_assert_eq(inflateInit2(&stream, 15 + 16), Z_OK);
    cr_assert_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    (void)inflateEnd(&stream);
    cr_assert_str_eq(back, text);
    fakeserver_free(&server);
}

/* -- queries -- */

struct table {
    size_t series_count, row_count, error_count;
    char last[200];
    size_t stop_after;
};

static bool on_series(void *context, const struct phusa_client_series *series)
{
    ((struct table *)context)->series_count += series->column_count > 0;
    return true;
}

static bool on_row(void *context, const struct phusa_client_value *values, size_t count)
{
    struct table *table = context;
    (void)snprintf(table->last, sizeof table->last, "%s|%s", values[0].text,
                   values[count - 1].text);
    return ++table->row_count != table->stop_after;
}

static bool on_error(void *context, uint64_t statement_id, const char *text)
{
    (void)statement_id;
    (void)text;
    ((struct table *)context)->error_count++;
    return true;
}

static phusa_client_status ask(const char *answer, struct table *table)
{
    START(server, {.answer = answer, .piece_bytes = 5, .close = true});
    struct phusa_client *client = opened(server.url, false);
    const struct phusa_client_sink sink = {
        .context = table, .series = on_series, .row = on_row, .statement_error = on_error};
    const struct phusa_client_query query = {
        .statements = "SELECT \"a\" & b", .database = "d", .epoch = "ns", .chunk_rows = 2};
    const phusa_client_status status = phusa_client_query(client, &query, &sink, &error);
    phusa_client_close(client);
    fakeserver_stop(&server);
    cr_assert_not_null(strstr(server.requests[0].bytes,
                              "POST /query?chunked=true&chunk_size=2&db=d&epoch=ns HTTP/1.1\r\n"));
    cr_assert_str_eq(server.requests[0].bytes + server.requests[0].head_bytes,
                     "q=SELECT%20%22a%22%20%26%20b");
    fakeserver_free(&server);
    return status;
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNK_1                                                                                   \
    "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"columns\":[\"time\",\"f\"]," \
    "\"values\":[[1,0.1],[2,null]],\"partial\":true}],\"partial\":true}]}\n"
#define CHUNK_2                                                                                   \
    "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"columns\":[\"time\",\"f\"]," \
    "\"values\":[[18446744073709551615,1e3]]}]}]}\n"

Test(client, a_series_in_chunks_is_one_series_and_keeps_every_digit)
{
    struct table table = {0};
    cr_assert_eq(ask(CHUNKED "8a\r\n" CHUNK_1 "\r\n76\r\n" CHUNK_2 "\r\n0\r\n\r\n", &table),
                 PHUSA_CLIENT_OK, "%s", error.text);
    cr_assert_eq(table.series_count, 1);
    cr_assert_eq(table.row_count, 3);
    cr_assert_str_eq(table.last, "18446744073709551615|1e3");
}

Test(client, an_answer_that_ends_in_the_middle_is_no_answer)
{
    struct table table = {0};
    cr_assert_eq(ask(CHUNKED "8a\r\n" CHUNK_1, &table), PHUSA_CLIENT_EUNREACHABLE);
    cr_assert_eq(table.row_count, 2);
    cr_assert_eq(ask("HTTP/1.1 200 OK\r\n\r\n{\"results\":[{", &table), PHUSA_CLIENT_EANSWER);
}

Test(client, what_is_not_http_or_not_json_is_no_answer)
{
    struct table table = {0};
    cr_assert_eq(ask("SSH-2.0-OpenSSH_9.2\r\n", &table), PHUSA_CLIENT_EANSWER);
    cr_assert_eq(ask(JSON("200 OK", "12", "<html></html"), &table), PHUSA_CLIENT_EANSWER);
    cr_assert_eq(ask(JSON("200 OK", "5", "[1,2]"), &table), PHUSA_CLIENT_EANSWER);
}

Test(client, a_statement_that_fails_leaves_the_others_answers)
{
    struct table table = {0};
    cr_assert_eq(
        ask("HTTP/1.1 200 OK\r\n\r\n{\"results\":[{\"statement_id\":0,\"error\":\"no such\"}]}\n"
            "{\"results\":[{\"statement_id\":1,\"series\":[{\"columns\":[\"x\",\"y\"],"
            "\"values\":[[\"p\",true]]}]}]}\n",
            &table),
        PHUSA_CLIENT_ESTATEMENT);
    cr_assert_str_eq(error.text, "no such");
    cr_assert_eq(table.error_count, 1);
    cr_assert_str_eq(table.last, "p|true");
}

Test(client, a_sink_may_stop_an_answer)
{
    struct table table = {.stop_after = 1};
    cr_assert_eq(ask(CHUNKED "8a\r\n" CHUNK_1 "\r\n76\r\n" CHUNK_2 "\r\n0\r\n\r\n", &table),
                 PHUSA_CLIENT_ESTOPPED);
    cr_assert_eq(table.row_count, 1);
}

Test(client, arguments_are_checked)
{
    struct phusa_client *client = opened("http://127.0.0.1:1", false);
    cr_assert_eq(phusa_client_write(client, &(struct phusa_client_target){0}, "", 0, NULL, &error),
                 PHUSA_CLIENT_EINVAL);
    cr_assert_eq(phusa_client_query(client, &(struct phusa_client_query){0}, NULL, &error),
                 PHUSA_CLIENT_EINVAL);
    phusa_client_close(client);
    const struct phusa_client_options bad = {.token = "a\r\nX: y"};
    cr_assert_eq(phusa_client_open(&client, &bad, &error), PHUSA_CLIENT_EINVAL);
}
