/*
 * test_serve.c - the HTTP door as clients see it: routes, answers, keep-alive, pipelining, bodies
 * in every framing, limits, and what happens when one side leaves.
 */
#include "gzip.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"

static int post_write(const struct server *server, struct reply *reply, const char *parameters,
                      const char *body)
{
    return ask(server, reply, "POST /write?%s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
               parameters, strlen(body), body);
}

/* q must be urlencoded. */
static int get_query(const struct server *server, struct reply *reply, const char *q)
{
    return ask(server, reply, "GET /query?db=d&q=%s HTTP/1.1\r\n" HOST "\r\n", q);
}

/* ---- routes ---- */

Test(serve, ping_is_204_with_the_version_and_no_body)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "GET /ping HTTP/1.1\r\n" HOST "\r\n"), 204);
    cr_assert_eq(strncmp(reply_header(&reply, "X-Influxdb-Version"), "1.8.10", 6), 0);
    cr_assert_str_eq(reply_header(&reply, "X-Influxdb-Build"), "OSS");
    cr_assert_not_null(reply_header(&reply, "Request-Id"));
    cr_assert_not_null(reply_header(&reply, "Date"));
    cr_assert_null(reply_header(&reply, "Content-Length"));
    cr_assert_eq(ask(server, &reply, "HEAD /ping HTTP/1.1\r\n" HOST "\r\n"), 204);
    cr_assert_eq(ask(server, &reply, "GET /ping?verbose=true HTTP/1.1\r\n" HOST "\r\n"), 200);
    cr_assert_not_null(strstr(reply.body, "\"version\":\"1.8.10"));
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_clients_request_id_comes_back_and_a_harmful_one_does_not)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    ask(server, &reply, "GET /ping HTTP/1.1\r\n" HOST "X-Request-Id: abc-1\r\n\r\n");
    cr_assert_str_eq(reply_header(&reply, "X-Request-Id"), "abc-1");
    cr_assert_str_eq(reply_header(&reply, "Request-Id"), "abc-1");
    ask(server, &reply, "GET /ping HTTP/1.1\r\n" HOST "X-Request-Id: a b\xff\r\n\r\n");
    cr_assert_eq(strlen(reply_header(&reply, "X-Request-Id")), 36);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, unknown_paths_and_methods_are_refused_as_go_refuses_them)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "GET /nope HTTP/1.1\r\n" HOST "\r\n"), 404);
    cr_assert_str_eq(reply.body, "404 page not found\n");
    cr_assert_eq(ask(server, &reply, "GET /write HTTP/1.1\r\n" HOST "\r\n"), 405);
    cr_assert_str_eq(reply_header(&reply, "Allow"), "OPTIONS, POST");
    cr_assert_eq(ask(server, &reply, "DELETE /query HTTP/1.1\r\n" HOST "\r\n"), 405);
    cr_assert_eq(ask(server, &reply, "GET /../etc/passwd HTTP/1.1\r\n" HOST "\r\n"), 404);
    cr_assert_eq(ask(server, &reply, "GET /%%2e%%2e/ping HTTP/1.1\r\n" HOST "\r\n"), 404);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, options_answers_cors_for_the_origin_that_asks)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(
        ask(server, &reply, "OPTIONS /query HTTP/1.1\r\n" HOST "Origin: http://x.y\r\n\r\n"), 200);
    cr_assert_str_eq(reply_header(&reply, "Access-Control-Allow-Origin"), "http://x.y");
    cr_assert_str_eq(reply_header(&reply, "Access-Control-Expose-Headers"),
                     "Date, X-InfluxDB-Version, X-InfluxDB-Build");
    cr_assert_eq(ask(server, &reply, "GET /ping HTTP/1.1\r\n" HOST "\r\n"), 204);
    cr_assert_null(reply_header(&reply, "Access-Control-Allow-Origin"));
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, health_fails_with_the_engines_reason_when_it_refuses_writes)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "GET /health HTTP/1.1\r\n" HOST "\r\n"), 200);
    cr_assert_not_null(strstr(reply.body, "\"status\":\"pass\""));
    fake_writable(false);
    cr_assert_eq(ask(server, &reply, "GET /health HTTP/1.1\r\n" HOST "\r\n"), 503);
    cr_assert_not_null(strstr(reply.body, "\"message\":\"the \\\"disk\\\" failed\""));
    cr_assert_not_null(strstr(reply.body, "\"status\":\"fail\""));
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, metrics_are_in_prometheus_form)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    post_write(server, &reply, "db=d", "m v=1\nm v=2");
    cr_assert_eq(ask(server, &reply, "GET /metrics HTTP/1.1\r\n" HOST "\r\n"), 200);
    cr_assert_not_null(strstr(reply.body, "\nphusa_points_written_total 2\n"));
    cr_assert_not_null(strstr(reply.body, "\nphusad_http_responses_total{code=\"2xx\"} 1\n"));
    for (const char *line = strtok(reply.body, "\n"); line != NULL; line = strtok(NULL, "\n"))
        cr_assert(strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0 ||
                      (strncmp(line, "phusa", 5) == 0 && strchr(line, ' ') != NULL),
                  "%s", line);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, admin_requests_answer_when_the_engine_has_done_them)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "POST /api/v1/admin/flush HTTP/1.1\r\n" HOST "\r\n"), 204);
    cr_assert_eq(fake_flushes(), 1);
    cr_assert_eq(ask(server, &reply, "POST /api/v1/admin/seal HTTP/1.1\r\n" HOST "\r\n"), 507);
    cr_assert_str_eq(reply.body, "{\"error\":\"no room for sealing\"}\n");
    cr_assert_eq(ask(server, &reply, "GET /api/v1/admin/seal HTTP/1.1\r\n" HOST "\r\n"), 405);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, the_page_has_a_strict_policy)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    cr_assert_not_null(
        strstr(reply_header(&reply, "Content-Security-Policy"), "default-src 'none'"));
    cr_assert_not_null(strstr(reply.body, "Phù sa"));
    cr_assert_null(strstr(reply.body, "<script"));
    reply_free(&reply);
    harness_stop(server);
}

/* ---- writes ---- */

Test(serve, a_write_is_204_and_stored)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1 1\nm v=2 2\n"), 204);
    cr_assert_eq(fake_points(), 2);
    cr_assert_eq(post_write(server, &reply, "db=d&rp=&precision=&consistency=", "m v=3 3"), 204);
    cr_assert_eq(fake_points(), 3);
    cr_assert_eq(post_write(server, &reply, "db=d&rp=autogen&precision=s&consistency=all", "m v=3"),
                 204);
    cr_assert_eq(post_write(server, &reply, "db=d", ""), 204);
    cr_assert_eq(fake_points(), 4);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_write_with_bad_lines_keeps_the_good_ones_and_lists_the_bad)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1 1\nb\"ad\nm v=2 x\n\nm v=3\n"), 400);
    cr_assert_eq(fake_points(), 2);
    cr_assert_str_eq(
        reply.body,
        "{\"error\":\"partial write: unable to parse 'b\\\"ad': missing fields dropped=2\","
        "\"accepted\":2,\"refused_count\":2,\"refused\":["
        "{\"line\":2,\"column\":5,\"reason\":\"missing fields\",\"excerpt\":\"b\\\"ad\"},"
        "{\"line\":3,\"column\":7,\"reason\":\"bad timestamp\",\"excerpt\":\"m v=2\"}]}\n");
    cr_assert_str_eq(reply_header(&reply, "X-Influxdb-Error"),
                     "partial write: unable to parse 'b\"ad': missing fields dropped=2");
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_write_of_which_nothing_parses_does_not_speak_of_a_partial_write)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(post_write(server, &reply, "db=d", "bad"), 400);
    cr_assert_eq(strncmp(reply.body, "{\"error\":\"unable to parse 'bad': missing fields\",", 48),
                 0, "%s", reply.body);
    cr_assert_eq(post_write(server, &reply, "db=d", "m conflict=1"), 400);
    cr_assert_eq(strncmp(reply.body, "{\"error\":\"partial write: field type conflict: ", 46), 0);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, wrong_parameters_of_a_write_answer_as_influxdb_does)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(post_write(server, &reply, "", "m v=1"), 400);
    cr_assert_str_eq(reply.body, "{\"error\":\"database is required\"}\n");
    cr_assert_eq(post_write(server, &reply, "db=", "m v=1"), 400);
    cr_assert_eq(post_write(server, &reply, "db=zz", "m v=1"), 404);
    cr_assert_str_eq(reply.body, "{\"error\":\"database not found: \\\"zz\\\"\"}\n");
    cr_assert_eq(post_write(server, &reply, "db=d&rp=no", "m v=1"), 500);
    cr_assert_str_eq(reply.body, "{\"error\":\"retention policy not found: no\"}\n");
    cr_assert_eq(post_write(server, &reply, "db=d&precision=x", "m v=1"), 400);
    cr_assert_eq(post_write(server, &reply, "db=d&consistency=x", "m v=1"), 400);
    cr_assert_str_eq(reply.body, "{\"error\":\"invalid consistency level\"}\n");
    cr_assert_eq(post_write(server, &reply, "db=%zz", "m v=1"), 400);
    cr_assert_eq(fake_points(), 0);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, v2_writes_name_a_bucket)
{
    struct server *server = harness_start();
    struct reply reply = {0};
#define V2(parameters)                                        \
    ask(server, &reply,                                       \
        "POST /api/v2/write?" parameters " HTTP/1.1\r\n" HOST \
        "Authorization: Token u:p\r\nContent-Length: 5\r\n\r\nm v=1")
    cr_assert_eq(V2("bucket=d&org=o"), 204);
    cr_assert_eq(V2("bucket=d/autogen&precision=ms"), 204);
    cr_assert_eq(V2("bucket=d%%2Fautogen&precision=us"), 204);
    cr_assert_eq(V2("bucket=d/"), 204);
    cr_assert_eq(V2("bucket=zz"), 404);
    cr_assert_eq(V2("bucket=d/no"), 404);
    cr_assert_eq(V2("org=o"), 404);
    cr_assert_eq(V2("bucket=d&precision=u"), 400);
    cr_assert_eq(V2("bucket=d&precision=h"), 400);
    cr_assert_eq(fake_points(), 4);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_write_is_acknowledged_only_when_it_is_durable)
{
    struct server *server = harness_start();
    fake_delay_ms(300);
    const int fd = http_connect(server);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nm v=1");
    usleep(100 * 1000);
    char byte;
    cr_assert_lt(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    struct reply reply = {0};
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204);
    cr_assert_eq(fake_points(), 1);
    close(fd);
    harness_stop(server);
}

Test(serve, a_full_queue_is_a_slower_write)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    fake_busy(20);
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 204);
    cr_assert_eq(fake_points(), 1);
    harness_stop(server);
}

Test(serve, a_queue_that_stays_full_is_a_503_with_retry_after)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    fake_busy(1000000);
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 503);
    cr_assert_str_eq(reply_header(&reply, "Retry-After"), "1");
    cr_assert_eq(fake_points(), 0);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_failed_disk_is_an_error_and_no_acknowledgement)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    fake_fail(PHUSA_ENOSPC);
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 507);
    cr_assert_str_eq(reply.body, "{\"error\":\"made up by a test\"}\n");
    fake_fail(PHUSA_EFAILED);
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 500);
    cr_assert_eq(fake_points(), 0);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_body_of_many_batches_is_one_acknowledgement)
{
    struct server *server = harness_start();
    const int fd = http_connect(server);
    char head[200];
    const size_t lines = 600000;
    char line[64];
    size_t line_bytes = (size_t)snprintf(line, sizeof line, "measurement,t=a v=%d\n", 12345);
    snprintf(head, sizeof head, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             lines * line_bytes);
    say(fd, head);
    char *body = malloc(lines * line_bytes);
    for (size_t i = 0; i < lines; i++)
        memcpy(body + i * line_bytes, line, line_bytes);
    say_bytes(fd, body, lines * line_bytes);
    struct reply reply = {0};
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204, "%s", reply.body);
    cr_assert_eq(fake_points(), lines);
    free(body);
    close(fd);
    harness_stop(server);
}

Test(serve, the_line_numbers_of_refusals_run_on_over_batches)
{
    struct server *server = harness_start();
    const int fd = http_connect(server);
    char head[200];
    const size_t lines = 500000;
    const char line[] = "measurement,t=a v=12345678901234567\n";
    const size_t line_bytes = sizeof line - 1;
    snprintf(head, sizeof head, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             lines * line_bytes + 3);
    say(fd, head);
    char *body = malloc(lines * line_bytes);
    for (size_t i = 0; i < lines; i++)
        memcpy(body + i * line_bytes, line, line_bytes);
    memcpy(body, "bad\n", 4);
    say_bytes(fd, body, lines * line_bytes);
    say(fd, "bad");
    struct reply reply = {0};
    hear(fd, &reply);
    cr_assert_eq(reply.status, 400);
    cr_assert_not_null(strstr(reply.body, "\"accepted\":500000,\"refused_count\":2"), "%s",
                       reply.body);
    cr_assert_not_null(strstr(reply.body, "{\"line\":500002,"), "%s", reply.body);
    free(body);
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

/* ---- framing of bodies ---- */

Test(serve, a_chunked_body_may_be_cut_anywhere)
{
    struct server *server = harness_start();
    static const char request[] =
        "POST /write?db=d HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "3;x=y\r\nm v\r\n8\r\n=1\nm v=2\r\n0\r\nTrailer: z\r\n\r\n";
    for (size_t cut = 1; cut < sizeof request - 1; cut += 7) {
        const int fd = http_connect(server);
        say_bytes(fd, request, cut);
        usleep(2000);
        say_bytes(fd, request + cut, sizeof request - 1 - cut);
        struct reply reply = {0};
        hear(fd, &reply);
        cr_assert_eq(reply.status, 204, "cut at %zu: %s", cut, reply.body);
        close(fd);
    }
    harness_stop(server);
}

Test(serve, expect_100_is_answered_before_the_body)
{
    struct server *server = harness_start();
    const int fd = http_connect(server);
    struct reply reply = {0};
    say(fd,
        "POST /write?db=d HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    hear_head(fd, &reply);
    cr_assert_eq(reply.status, 100);
    say(fd, "m v=1");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204);
    /* A refusal comes instead of the 100, and the connection ends: the body is not wanted. */
    say(fd,
        "POST /write?db=zz HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 404);
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    cr_assert(closes_within(fd, 1000));
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_body_over_the_limit_is_413_before_it_is_read)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 25000001\r\n\r\nm v=1\n");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 413);
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_chunked_body_over_the_limit_is_413)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    char *chunk = malloc(100000 + 20);
    const size_t head_bytes = (size_t)sprintf(chunk, "186a0\r\n");
    memset(chunk + head_bytes, '\n', 100000);
    memcpy(chunk + head_bytes + 100000, "\r\n", 2);
    for (int i = 0; i < 300; i++)
        if (!try_say(fd, chunk, head_bytes + 100002)) break;
    hear(fd, &reply);
    cr_assert_eq(reply.status, 413);
    free(chunk);
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, an_early_refusal_of_a_short_body_keeps_the_connection)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    say(fd, "POST /write?db=zz HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 404);
    say(fd, "m v=1GET /ping HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204);
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

/* ---- connections ---- */

Test(serve, a_connection_serves_many_requests_and_closes_when_asked)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    for (int i = 0; i < 50; i++) {
        say(fd, "GET /ping HTTP/1.1\r\n" HOST "\r\n");
        hear(fd, &reply);
        cr_assert_eq(reply.status, 204);
    }
    say(fd, "GET /ping HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    hear(fd, &reply);
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    cr_assert(closes_within(fd, 1000));
    close(fd);
    harness_stop(server);
}

Test(serve, http_1_0_closes_unless_it_asks_to_be_kept)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    int fd = http_connect(server);
    say(fd, "GET /ping HTTP/1.0\r\n\r\n");
    hear(fd, &reply);
    cr_assert_eq(strncmp(reply.head, "HTTP/1.0 204", 12), 0);
    cr_assert(closes_within(fd, 1000));
    close(fd);
    fd = http_connect(server);
    say(fd, "GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hear(fd, &reply);
    cr_assert_str_eq(reply_header(&reply, "Connection"), "keep-alive");
    say(fd, "GET /ping HTTP/1.0\r\n\r\n");
    hear(fd, &reply);
    close(fd);
    harness_stop(server);
}

Test(serve, pipelined_requests_are_answered_in_order)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    fake_delay_ms(30); /* the slow one first: the fast ones must not overtake it */
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "X-Request-Id: 1\r\nContent-Length: 5\r\n\r\nm v=1"
            "GET /query?q=FAKE%20ROWS%201 HTTP/1.1\r\n" HOST "X-Request-Id: 2\r\n\r\n"
            "GET /ping HTTP/1.1\r\n" HOST "X-Request-Id: 3\r\n\r\n"
            "GET /nope HTTP/1.1\r\n" HOST "X-Request-Id: 4\r\n\r\n");
    const int statuses[] = {204, 200, 204, 404};
    for (int i = 0; i < 4; i++) {
        hear(fd, &reply);
        cr_assert_eq(reply.status, statuses[i]);
        cr_assert_eq(atoi(reply_header(&reply, "X-Request-Id")), i + 1);
    }
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_client_that_pipelines_and_does_not_read_is_bounded_and_served_later)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    const int count = 20000;
    int said = 0;
    static const char request[] = "GET /metrics HTTP/1.1\r\n" HOST "\r\n";
    for (; said < count; said++)
        if (send(fd, request, sizeof request - 1, MSG_DONTWAIT) != (ssize_t)sizeof request - 1)
            break;
    cr_assert_gt(said, 100);
    /* The others are served meanwhile. */
    cr_assert_eq(ask(server, &reply, "GET /ping HTTP/1.1\r\n" HOST "\r\n"), 204);
    for (int i = 0; i < 100; i++) {
        hear(fd, &reply);
        cr_assert_eq(reply.status, 200);
    }
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_client_that_ends_its_side_still_gets_the_answer_to_a_write)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    fake_delay_ms(50);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nm v=1");
    shutdown(fd, SHUT_WR);
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204);
    cr_assert(closes_within(fd, 1000));
    close(fd);
    harness_stop(server);
}

Test(serve, a_write_whose_client_dies_in_the_middle_stores_nothing)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    int fd = http_connect(server);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\nm v=1\nm v=2\n");
    close(fd);
    fd = http_connect(server);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nm v=1\n");
    fake_delay_ms(50);
    close(fd); /* this one is whole: it is stored, and nobody is told */
    usleep(300 * 1000);
    cr_assert_eq(ask(server, &reply, "GET /ping HTTP/1.1\r\n" HOST "\r\n"), 204);
    cr_assert_eq(fake_points(), 1);
    harness_stop(server);
}

/* ---- slow clients ---- */

static struct server *start_impatient(void)
{
    static struct config config;
    config_defaults(&config);
    static char dir[] = "/nowhere";
    config.data_dir = dir;
    config.http_bind.port = config.tcp_bind.port = 0;
    config.deadlines.head_ns = config.deadlines.body_idle_ns = 300 * 1000000;
    config.deadlines.keep_alive_ns = 600 * 1000000;
    config.deadlines.write_stall_ns = 600 * 1000000;
    return harness_start_with(&config);
}

Test(serve, a_head_that_drips_is_ended_though_it_never_pauses)
{
    struct server *server = start_impatient();
    const int fd = http_connect(server);
    say(fd, "GET /ping HTTP/1.1\r\nHost: x\r\n");
    bool ended = false;
    for (int i = 0; i < 100 && !ended; i++) {
        ended = !try_say(fd, "A: b\r\n", 6);
        usleep(50 * 1000);
    }
    cr_assert(ended);
    close(fd);
    harness_stop(server);
}

Test(serve, a_head_or_body_that_stops_is_answered_408)
{
    struct server *server = start_impatient();
    struct reply reply = {0};
    int fd = http_connect(server);
    say(fd, "GET /ping HTTP/1.1\r\nHost:");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 408);
    cr_assert(closes_within(fd, 1000));
    close(fd);
    fd = http_connect(server);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nm v=1\n");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 408);
    cr_assert(closes_within(fd, 1000));
    close(fd);
    cr_assert_eq(fake_points(), 0);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, idle_connections_are_closed_silently)
{
    struct server *server = start_impatient();
    struct reply reply = {0};
    int fd = http_connect(server);
    cr_assert_not(try_hear(fd, &reply));
    close(fd);
    fd = http_connect(server);
    say(fd, "GET /ping HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204);
    cr_assert_not(try_hear(fd, &reply));
    close(fd);
    harness_stop(server);
}

Test(serve, a_write_that_waits_for_the_disk_meets_no_deadline)
{
    struct server *server = start_impatient();
    struct reply reply = {0};
    fake_delay_ms(1500);
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 204);
    harness_stop(server);
}

Test(serve, a_reader_that_stops_is_cut)
{
    struct server *server = start_impatient();
    const int fd = http_connect(server);
    say(fd, "GET /query?q=FAKE+ROWS+2000000 HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 100 && fake_running() == 0; i++)
        usleep(10 * 1000);
    cr_assert_eq(fake_running(), 1);
    for (int i = 0; i < 200 && fake_running() > 0; i++)
        usleep(20 * 1000);
    cr_assert_eq(fake_running(), 0);
    close(fd);
    harness_stop(server);
}

/* ---- zipped bodies ---- */

static int post_zipped(const struct server *server, struct reply *reply, const char *bytes,
                       size_t size_bytes)
{
    const int fd = http_connect(server);
    char head[200];
    snprintf(head, sizeof head,
             "POST /write?db=d HTTP/1.1\r\n" HOST
             "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             size_bytes);
    say(fd, head);
    try_say(fd, bytes, size_bytes);
    hear(fd, reply);
    close(fd);
    return reply->status;
}

static struct outbuf zip(const char *piece, size_t count)
{
    struct outbuf out = {0};
    struct gzip *gzip = gzip_create();
    for (size_t i = 0; i < count; i++)
        gzip_put(gzip, piece, strlen(piece), i + 1 == count, &out);
    gzip_free(gzip);
    return out;
}

Test(serve, a_zipped_body_is_unzipped_while_it_arrives)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    struct outbuf body = {0};
    struct gzip *gzip = gzip_create();
    unsigned seed = 1;
    for (int i = 0; i < 200000; i++) {
        char line[64];
        seed = seed * 1103515245 + 12345;
        const int size = sprintf(line, "m,t=%d v=%u %d\n", i % 100, seed, i);
        gzip_put(gzip, line, (size_t)size, i == 199999, &body);
    }
    gzip_free(gzip);
    cr_assert_eq(post_zipped(server, &reply, body.bytes, body.size_bytes), 204);
    cr_assert_eq(fake_points(), 200000);
    /* Cut, damaged, not zipped at all. */
    cr_assert_eq(post_zipped(server, &reply, body.bytes, body.size_bytes / 2), 400);
    cr_assert_str_eq(reply.body, "{\"error\":\"gzip: the body was cut short\"}\n");
    cr_assert_eq(post_zipped(server, &reply, "m v=1\n", 6), 400);
    cr_assert_eq(ask(server, &reply,
                     "POST /write?db=d HTTP/1.1\r\n" HOST
                     "Content-Encoding: br\r\nContent-Length: 5\r\n\r\nm v=1"),
                 415);
    outbuf_deinit(&body);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_bomb_is_413_and_takes_neither_memory_nor_time)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    static char line[1001];
    memset(line, '\n', 1000);
    struct outbuf body = zip(line, 200000); /* 200 MB of empty lines in 200 KB */
    cr_assert_lt(body.size_bytes, 1u << 20);
    cr_assert_eq(post_zipped(server, &reply, body.bytes, body.size_bytes), 413);
    outbuf_deinit(&body);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, answers_are_zipped_when_asked_and_worth_it)
{
    struct server *server = harness_start();
    struct reply plain = {0}, zipped = {0};
    static const char asked[] =
        "GET /query?q=FAKE+ROWS+%d HTTP/1.1\r\n" HOST "Accept-Encoding: deflate, gzip\r\n\r\n";
    char request[200];
    snprintf(request, sizeof request, asked, 1);
    ask(server, &zipped, "%s", request);
    cr_assert_null(reply_header(&zipped, "Content-Encoding")); /* too small */
    const int counts[] = {100, 100000};
    for (int i = 0; i < 2; i++) {
        snprintf(request, sizeof request, asked, counts[i]);
        ask(server, &zipped, "%s", request);
        cr_assert_str_eq(reply_header(&zipped, "Content-Encoding"), "gzip");
        snprintf(request, sizeof request, "GET /query?q=FAKE+ROWS+%d HTTP/1.1\r\n" HOST "\r\n",
                 counts[i]);
        ask(server, &plain, "%s", request);
        struct gunzip *gunzip = gunzip_create();
        struct phusa_text rest = {zipped.body, zipped.body_bytes};
        char *out = malloc(plain.body_bytes + 1);
        const char *error;
        size_t made = 0, n;
        while ((n = gunzip_next(gunzip, &rest, out + made, plain.body_bytes + 1 - made, &error)) >
               0)
            made += n;
        cr_assert(gunzip_whole(gunzip));
        cr_assert_eq(made, plain.body_bytes);
        cr_assert_eq(memcmp(out, plain.body, made), 0);
        gunzip_free(gunzip);
        free(out);
    }
    reply_free(&plain);
    reply_free(&zipped);
    harness_stop(server);
}

Test(serve, a_thousand_idle_connections_cost_nothing)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    static int fds[1000];
    for (int i = 0; i < 1000; i++)
        fds[i] = http_connect(server);
    for (int i = 0; i < 1000; i += 100) {
        say(fds[i], "GET /ping HTTP/1.1\r\n" HOST "\r\n");
        hear(fds[i], &reply);
        cr_assert_eq(reply.status, 204);
    }
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 204);
    for (int i = 0; i < 1000; i++)
        close(fds[i]);
    harness_stop(server);
}

Test(serve, connections_beyond_the_bound_are_told_so)
{
    struct config config;
    config_defaults(&config);
    static char dir[] = "/nowhere";
    config.data_dir = dir;
    config.http_bind.port = config.tcp_bind.port = 0;
    config.connections_max = 2;
    struct server *server = harness_start_with(&config);
    struct reply reply = {0};
    const int a = http_connect(server), b = http_connect(server);
    say(a, "GET /ping HTTP/1.1\r\n" HOST "\r\n");
    hear(a, &reply);
    say(b, "GET /ping HTTP/1.1\r\n" HOST "\r\n");
    hear(b, &reply);
    const int c = http_connect(server);
    hear(c, &reply);
    cr_assert_eq(reply.status, 503);
    cr_assert(closes_within(c, 1000));
    const int d = tcp_connect(server);
    cr_assert_str_eq(hear_line(d), "error 0 0 too many connections; try again later");
    close(a);
    close(b);
    close(c);
    close(d);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, stopping_answers_what_is_in_flight)
{
    struct server *server = harness_start();
    const int idle = http_connect(server);
    const int fd = http_connect(server);
    fake_delay_ms(200);
    say(fd, "POST /write?db=d HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nm v=1");
    usleep(50 * 1000);
    harness_stop(server);
    struct reply reply = {0};
    hear(fd, &reply);
    cr_assert_eq(reply.status, 204);
    cr_assert_eq(fake_points(), 1);
    cr_assert(closes_within(idle, 1000));
    close(fd);
    close(idle);
}

Test(serve, several_loops_share_the_ports)
{
    struct config config;
    config_defaults(&config);
    static char dir[] = "/nowhere";
    config.data_dir = dir;
    config.http_bind.port = config.tcp_bind.port = 0;
    config.loop_threads = 3;
    struct server *server = harness_start_with(&config);
    struct reply reply = {0};
    for (int i = 0; i < 60; i++)
        cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 204);
    cr_assert_eq(fake_points(), 60);
    harness_stop(server);
}

/* ---- queries ---- */

Test(serve, a_query_answers_by_get_and_by_post)
{
    static const char wanted[] = "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":"
                                 "\"databases\",\"columns\":[\"name\"],"
                                 "\"values\":[[\"d\"]]}]}]}\n";
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(get_query(server, &reply, "SHOW%20DATABASES"), 200);
    cr_assert_str_eq(reply.body, wanted);
    cr_assert_eq(get_query(server, &reply, "SHOW+DATABASES"), 200);
    cr_assert_str_eq(reply.body, wanted);
    cr_assert_eq(ask(server, &reply, "POST /query?q=SHOW+DATABASES HTTP/1.1\r\n" HOST "\r\n"), 200);
    cr_assert_str_eq(reply.body, wanted);
    cr_assert_eq(ask(server, &reply,
                     "POST /query HTTP/1.1\r\n" HOST
                     "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
                     "Content-Length: 16\r\n\r\nq=SHOW+DATABASES"),
                 200);
    cr_assert_str_eq(reply.body, wanted);
    cr_assert_eq(ask(server, &reply,
                     "POST /query HTTP/1.1\r\n" HOST
                     "Content-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: 92\r\n\r\n"
                     "--XyZ\r\nContent-Disposition: form-data; name=\"q\"; filename=\"f\"\r\n\r\n"
                     "SHOW DATABASES\r\n--XyZ--\r\n\r\n"),
                 200);
    cr_assert_str_eq(reply.body, wanted);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, wrong_queries_answer_as_influxdb_does)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "GET /query?db=d HTTP/1.1\r\n" HOST "\r\n"), 400);
    cr_assert_str_eq(reply.body, "{\"error\":\"missing required parameter \\\"q\\\"\"}\n");
    cr_assert_eq(get_query(server, &reply, ""), 400);
    cr_assert_eq(get_query(server, &reply, "SYNTAX"), 400);
    cr_assert_str_eq(reply.body, "{\"error\":\"error parsing query: found SYNTAX, expected SELECT "
                                 "at line 1, char 1\"}\n");
    cr_assert_eq(get_query(server, &reply, "FAKE+ERROR+x;FAKE+ROWS+1"), 200);
    cr_assert_str_eq(reply.body, "{\"results\":[{\"statement_id\":0,\"error\":\"x\"}]}\n");
    cr_assert_eq(ask(server, &reply, "GET /query?q=x&params={} HTTP/1.1\r\n" HOST "\r\n"), 400);
    cr_assert_eq(
        ask(server, &reply, "GET /query?q=SYNTAX HTTP/1.1\r\n" HOST "Accept: text/csv\r\n\r\n"),
        400);
    cr_assert_str_eq(reply.body, "error\n\"error parsing query: found SYNTAX, expected SELECT at "
                                 "line 1, char 1\"\n");
    cr_assert_eq(ask(server, &reply, "POST /api/v2/query HTTP/1.1\r\n" HOST "\r\n"), 403);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_get_that_changes_something_works_and_warns)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(get_query(server, &reply, "FAKE+NONE;+CREATE+DATABASE+e"), 200);
    cr_assert_str_eq(reply.body,
                     "{\"results\":[{\"statement_id\":0},{\"statement_id\":1,\"messages\":[{"
                     "\"level\":\"warning\",\"text\":\"deprecated use of 'CREATE DATABASE e' in a "
                     "read only context, please use a POST request instead\"}]}]}\n");
    cr_assert_eq(post_write(server, &reply, "db=e", "m v=1"), 204);
    cr_assert_eq(ask(server, &reply, "POST /query?q=CREATE+DATABASE+f HTTP/1.1\r\n" HOST "\r\n"),
                 200);
    cr_assert_str_eq(reply.body, "{\"results\":[{\"statement_id\":0}]}\n");
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_long_answer_is_streamed_whole)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    cr_assert_eq(get_query(server, &reply, "FAKE+ROWS+200000"), 200);
    cr_assert_str_eq(reply_header(&reply, "Transfer-Encoding"), "chunked");
    size_t rows = 0;
    for (const char *p = strstr(reply.body, "\"values\":["); (p = strchr(p, ']')) != NULL; p++)
        rows++;
    cr_assert_eq(rows, 200000 + 3);
    cr_assert_str_eq(reply.body + reply.body_bytes - 7, "]}]}]}\n");
    /* HTTP/1.0 knows no chunks: the end of the connection is the end. */
    const int fd = http_connect(server);
    say(fd, "GET /query?q=FAKE+ROWS+20000 HTTP/1.0\r\n\r\n");
    hear_head(fd, &reply);
    cr_assert_null(reply_header(&reply, "Transfer-Encoding"));
    cr_assert(closes_within(fd, 5000));
    close(fd);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_slow_reader_holds_the_query_and_nobody_else)
{
    struct server *server = harness_start();
    struct reply reply = {0};
    const int fd = http_connect(server);
    say(fd, "GET /query?q=FAKE+ROWS+2000000 HTTP/1.1\r\n" HOST "\r\n");
    usleep(300 * 1000);
    cr_assert_eq(fake_running(), 1); /* it waits: some hundred KiB of 100 MB were taken */
    cr_assert_eq(get_query(server, &reply, "FAKE+ROWS+1"), 200);
    cr_assert_eq(post_write(server, &reply, "db=d", "m v=1"), 204);
    close(fd);
    for (int i = 0; i < 100 && fake_running() > 0; i++)
        usleep(20 * 1000);
    cr_assert_eq(fake_running(), 0);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, a_client_that_leaves_cancels_its_query)
{
    struct server *server = harness_start();
    const int fd = http_connect(server);
    say(fd, "GET /query?q=FAKE+SLOW HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 100 && fake_running() == 0; i++)
        usleep(10 * 1000);
    cr_assert_eq(fake_running(), 1);
    close(fd);
    for (int i = 0; i < 50 && fake_running() > 0; i++)
        usleep(20 * 1000);
    cr_assert_eq(fake_running(), 0);
    harness_stop(server);
}

Test(serve, queries_beyond_the_queue_are_told_to_come_back)
{
    struct server *server = harness_start();
    static int fds[300];
    for (int i = 0; i < 300; i++) {
        fds[i] = http_connect(server);
        say(fds[i], "GET /query?q=FAKE+SLOW HTTP/1.1\r\n" HOST "\r\n");
    }
    /* 2 run, 256 wait; the rest was refused. */
    struct reply reply = {0};
    hear(fds[299], &reply);
    cr_assert_eq(reply.status, 503);
    cr_assert_str_eq(reply_header(&reply, "Retry-After"), "1");
    for (int i = 0; i < 300; i++)
        close(fds[i]);
    reply_free(&reply);
    harness_stop(server);
}

Test(serve, stopping_cancels_queries_after_a_while)
{
    struct server *server = harness_start();
    const int fd = http_connect(server);
    say(fd, "GET /query?q=FAKE+SLOW HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 100 && fake_running() == 0; i++)
        usleep(10 * 1000);
    harness_stop(server); /* the fake would run for 10 s; a test has 30 */
    cr_assert_eq(fake_running(), 0);
    close(fd);
}
