/*
 * test_http.c - heads and bodies of requests from bytes: what is understood, and that whatever two
 * servers could read differently is refused (request smuggling).
 */
#include "http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parse `text` as a whole; the status of the refusal, 0 when it is understood, -1 when it is not
 * whole. */
static int parse(const char *text, size_t size_bytes, struct http_head *head)
{
    size_t scanned = 0, head_bytes = 0;
    struct http_fault fault = {0};
    switch (http_head_parse(head, text, size_bytes, &scanned, &head_bytes, &fault)) {
    case HTTP_DONE:
        cr_assert_leq(head_bytes, size_bytes);
        return 0;
    case HTTP_MORE:
        return -1;
    default:
        cr_assert_not_null(fault.reason);
        return fault.status;
    }
}

static bool header_is(const struct http_head *head, const char *name, const char *value)
{
    const struct phusa_text *found = http_header_find(head, name);
    return found != NULL && text_is(*found, value);
}

struct hand_case {
    const char *text;
    int status;
    const char *why;
};
#define H "Host: x\r\n"

static const struct hand_case cases[] = {
    /* understood */
    {"GET / HTTP/1.1\r\n" H "\r\n", 0, "the least there is"},
    {"GET / HTTP/1.0\r\n\r\n", 0, "1.0 needs no Host"},
    {"\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, "one empty line before"},
    {"POST /w HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 0, "an empty body"},
    {"POST /w HTTP/1.1\r\n" H "content-length:\t 5 \r\n\r\n", 0, "spaces around a value"},
    {"POST /w HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", 0, "any case"},
    {"GET / HTTP/1.1\r\n" H "Empty:\r\nNext: 1\r\n\r\n", 0, "an empty value"},
    {"GET http://x/a?b HTTP/1.1\r\n" H "\r\n", 0, "absolute form"},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 0, "asterisk form"},
    {"GET /?q=a%20b HTTP/1.1\r\n" H "Cookie: a=b; c=\"d\"\r\n\r\n", 0, "usual things"},
    /* not whole */
    {"GET / HTTP/1.1\r\n" H, -1, "no empty line yet"},
    {"GET / HTTP/1.1\r\n" H "\r", -1, "half an empty line"},
    {"G", -1, "one byte"},
    {"\r", -1, "half a line before"},
    /* lines */
    {"GET / HTTP/1.1\nHost: x\n\n", 400, "bare LF everywhere"},
    {"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, "bare LF in a header"},
    {"GET / HTTP/1.1\r\n" H "A: b\n\r\n", 400, "bare LF before the end"},
    {"GET / HTTP/1.1\r\n" H "\n", 400, "a bare LF as the empty line"},
    {"GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", 400, "bare CR"},
    {"GET / HTTP/1.1\r\n" H "A: b\r\r\n\r\n", 400, "CR CR LF"},
    {"GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", 400, "folded by a space"},
    {"GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n", 400, "folded by a tab"},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\n 2\r\n\r\n", 400, "a folded length"},
    {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400, "a space before the first header"},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400, "two empty lines before"},
    {"\nGET / HTTP/1.1\r\n" H "\r\n", 400, "a bare LF before"},
    /* request lines */
    {"GET /\r\n\r\n", 505, "HTTP/0.9"},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505, "2.0"},
    {"GET / HTTP/1.2\r\n" H "\r\n", 505, "1.2"},
    {"GET / HTTP/0.9\r\n\r\n", 505, "0.9 said aloud"},
    {"GET / FTP/1.1\r\n" H "\r\n", 400, "another protocol"},
    {"GET  HTTP/1.1\r\n" H "\r\n", 400, "no target"},
    {"get / HTTP/1.1\r\n" H "\r\n", 400, "methods are upper case"},
    {"FROB / HTTP/1.1\r\n" H "\r\n", 400, "no such method"},
    {"GET /a b HTTP/1.1\r\n" H "\r\n", 400, "a space in the target"},
    {"GET /a#b HTTP/1.1\r\n" H "\r\n", 400, "a fragment"},
    {"GET a/b HTTP/1.1\r\n" H "\r\n", 400, "neither a path nor an address"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/2's preface"},
    {"\x16\x03\x01\x02\x05\x01\n", 400, "TLS"},
    /* headers */
    {"GET / HTTP/1.1\r\n\r\n", 400, "no Host"},
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400, "two Hosts"},
    {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "a space before the colon"},
    {"GET / HTTP/1.1\r\n" H "No colon\r\n\r\n", 400, "no colon"},
    {"GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 400, "no name"},
    {"GET / HTTP/1.1\r\n" H "A(b): c\r\n\r\n", 400, "a name that is no token"},
    {"GET / HTTP/1.1\r\n" H "A: b\x01\r\n\r\n", 400, "a control character"},
    {"GET / HTTP/1.1\r\n" H "Expect: the-unexpected\r\n\r\n", 417, "another Expect"},
    /* lengths: smuggling */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "CL and TE"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400,
     "TE and CL"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "two lengths"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400,
     "one length twice"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", 400, "a list of lengths"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n", 400, "a length with a space"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", 400, "a signed length"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n", 400, "a negative length"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", 400, "a hexadecimal length"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 400, "beyond 64 bits"},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400, "an empty length"},
    {"POST / HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\n", 400, "a length before a spaced colon"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "TE in 1.0"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "two codings"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 400, "identity"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, "TE twice"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", 400, "TE in quotes"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 400, "almost chunked"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n", 400, "with a parameter"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n", 400, "TE, a spaced colon"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\x0b"
     "chunked\r\n\r\n",
     400, "TE behind a vertical tab"},
};

Test(http, hand_cases_are_understood_or_refused)
{
    cr_assert_geq(sizeof cases / sizeof *cases, 60);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_head head;
        const int status = parse(cases[i].text, strlen(cases[i].text), &head);
        /* Which of 400 and 501 a coding earns is http_parser's taste. */
        const bool same =
            status == cases[i].status || ((status == 501 || status == 400) &&
                                          (cases[i].status == 400 || cases[i].status == 501));
        cr_assert(same, "%s: %d instead of %d", cases[i].why, status, cases[i].status);
    }
}

Test(http, a_nul_anywhere_in_the_head_is_refused)
{
    static const char good[] = "GET /abc HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    for (size_t i = 0; i < sizeof good - 1; i++) {
        char bad[sizeof good];
        memcpy(bad, good, sizeof good);
        bad[i] = '\0';
        struct http_head head;
        cr_assert_eq(parse(bad, sizeof good - 1, &head), 400, "at %zu", i);
    }
}

Test(http, a_head_says_what_it_holds)
{
    struct http_head head;
    static const char text[] =
        "POST http://h:1/write?db=d&x HTTP/1.1\r\nHost: h\r\nCONTENT-length: 12\r\n"
        "Expect: 100-Continue\r\nEmpty:\r\nConnection: foo, Close\r\n\r\nrest of it";
    cr_assert_eq(parse(text, sizeof text - 1, &head), 0);
    cr_assert_eq(head.verb, VERB_POST);
    cr_assert(text_is(head.path, "/write"));
    cr_assert(text_is(head.query, "db=d&x"));
    cr_assert_eq(head.content_length, 12);
    cr_assert(head.expects_continue);
    cr_assert_not(head.keep_alive);
    cr_assert_not(head.chunked);
    cr_assert(header_is(&head, "empty", ""));
    cr_assert(header_is(&head, "Host", "h"));
    cr_assert_null(http_header_find(&head, "absent"));
}

Test(http, an_address_without_a_path_is_the_root)
{
    struct http_head head;
    static const char text[] = "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n";
    cr_assert_eq(parse(text, sizeof text - 1, &head), 0);
    cr_assert(text_is(head.path, "/"));
    cr_assert(head.path.bytes > text && head.path.bytes < text + sizeof text);
}

Test(http, a_head_that_comes_byte_by_byte_is_the_same)
{
    static const char text[] = "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    for (size_t pace = 1; pace < 9; pace++) {
        size_t scanned = 0, head_bytes = 0, size = 0;
        struct http_head head;
        struct http_fault fault;
        enum http_outcome outcome = HTTP_MORE;
        while (outcome == HTTP_MORE) {
            size = size + pace < sizeof text - 1 ? size + pace : sizeof text - 1;
            outcome = http_head_parse(&head, text, size, &scanned, &head_bytes, &fault);
        }
        cr_assert_eq(outcome, HTTP_DONE);
        cr_assert_eq(head_bytes, sizeof text - 1);
        cr_assert(header_is(&head, "a", "b"));
    }
}

Test(http, heads_are_bounded)
{
    char *text = malloc(200000);
    struct http_head head;
    size_t size = (size_t)sprintf(text, "GET /");
    memset(text + size, 'a', 100000);
    cr_assert_eq(parse(text, size + 100000, &head), 414);
    size = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
    memset(text + size, 'a', 100000);
    cr_assert_eq(parse(text, size + 100000, &head), 431);
    size = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 150; i++)
        size += (size_t)sprintf(text + size, "H%d: x\r\n", i);
    size += (size_t)sprintf(text + size, "\r\n");
    cr_assert_eq(parse(text, size, &head), 431);
    free(text);
}

Test(http, lists_are_read_with_their_weights)
{
    const struct phusa_text list = {"deflate, GZIP;q=0.5 ,br;q=0", 27};
    cr_assert(http_list_has(&list, "gzip"));
    cr_assert(http_list_has(&list, "deflate"));
    cr_assert_not(http_list_has(&list, "br"));
    cr_assert_not(http_list_has(&list, "zip"));
    cr_assert_not(http_list_has(NULL, "gzip"));
}

/* ---- bodies ---- */

/* Decode with at most `pace` bytes a step; the status of a refusal, 0 at the end of the body, -1
 * when it is not whole. *rest: how many bytes are left behind it. */
static int decode(const char *text, size_t size_bytes, size_t pace, char *out, size_t *rest)
{
    struct http_head head = {.chunked = true};
    struct http_body body;
    http_body_init(&body, &head);
    size_t at = 0, made = 0;
    while (true) {
        const size_t there = size_bytes - at < pace ? size_bytes - at : pace;
        size_t used = 0;
        struct phusa_text slice;
        struct http_fault fault;
        const enum http_outcome outcome =
            http_body_next(&body, text + at, there, &used, &slice, &fault);
        if (outcome == HTTP_BAD) return fault.status;
        cr_assert_leq(used, there);
        memcpy(out + made, slice.bytes, slice.size_bytes);
        made += slice.size_bytes;
        out[made] = '\0';
        at += used;
        if (outcome == HTTP_DONE) {
            *rest = size_bytes - at;
            return 0;
        }
        if (at == size_bytes) return -1;
    }
}

Test(http, chunked_bodies_are_framed_to_the_letter)
{
    static const struct {
        const char *text;
        int status;
        const char *payload;
        size_t rest;
    } bodies[] = {
        {"5\r\nhello\r\n0\r\n\r\nGET", 0, "hello", 3},
        {"5;a=b;c\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: u\r\nV: w\r\n\r\n", 0, "hello0123456789",
         0},
        {"0\r\n\r\n", 0, "", 0},
        {"000\r\n\r\n", 0, "", 0},
        {"5\r\nhel", -1, NULL, 0},
        {"5\r\nhello\r\n", -1, NULL, 0},
        {"5\nhello\r\n0\r\n\r\n", 400, NULL, 0},
        {"5\r\nhello\n0\r\n\r\n", 400, NULL, 0},
        {"5\r\nhelloXX0\r\n\r\n", 400, NULL, 0},
        {"5\r\nhello6\r\n", 400, NULL, 0},
        {"5\r\nhello\r\n0\r\n\n", 400, NULL, 0},
        {"5\r\nhello\r\n0\n\r\n", 400, NULL, 0},
        {"5\rXhello\r\n0\r\n\r\n", 400, NULL, 0},
        {"\r\nhello\r\n0\r\n\r\n", 400, NULL, 0},
        {";x\r\n", 400, NULL, 0},
        {"-5\r\nhello\r\n", 400, NULL, 0},
        {"+5\r\nhello\r\n", 400, NULL, 0},
        {"0x5\r\nhello\r\n", 400, NULL, 0},
        {" 5\r\nhello\r\n", 400, NULL, 0},
        {"5 \r\nhello\r\n", 400, NULL, 0},
        {"5;a\nb\r\nhello\r\n", 400, NULL, 0},
        {"g\r\n", 400, NULL, 0},
        {"fffffffffffffffff\r\n", 413, NULL, 0},
        {"0\r\n folded\r\n\r\n", 400, NULL, 0},
        {"0\r\nA: b\n\r\n", 400, NULL, 0},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        for (size_t pace = 1; pace < 40; pace++) {
            char out[100] = "";
            size_t rest = 0;
            const int status = decode(bodies[i].text, strlen(bodies[i].text), pace, out, &rest);
            cr_assert_eq(status, bodies[i].status, "body %zu at pace %zu: %d", i, pace, status);
            if (status != 0) continue;
            cr_assert_str_eq(out, bodies[i].payload);
            cr_assert_eq(rest, bodies[i].rest);
        }
    }
}

Test(http, endless_extensions_and_trailers_are_refused)
{
    char *text = malloc(20000), *out = malloc(20000);
    size_t rest;
    size_t size = (size_t)sprintf(text, "5;");
    memset(text + size, 'x', 10000);
    cr_assert_eq(decode(text, size + 10000, 100, out, &rest), 400);
    size = (size_t)sprintf(text, "0\r\n");
    memset(text + size, 'x', 10000);
    cr_assert_eq(decode(text, size + 10000, 100, out, &rest), 431);
    free(text);
    free(out);
}

Test(http, what_is_given_back_comes_again)
{
    for (int chunked = 0; chunked < 2; chunked++) {
        struct http_head head = {.chunked = chunked, .content_length = 5};
        struct http_body body;
        http_body_init(&body, &head);
        const char *text = chunked ? "5\r\nhello\r\n0\r\n\r\n" : "hello";
        char out[6] = "";
        size_t at = 0, made = 0, used;
        struct phusa_text slice;
        struct http_fault fault;
        /* Take one byte of each slice, give back the rest. */
        for (int steps = 0; steps < 20; steps++) {
            const enum http_outcome outcome =
                http_body_next(&body, text + at, strlen(text) - at, &used, &slice, &fault);
            cr_assert_neq(outcome, HTTP_BAD);
            size_t back = 0;
            if (slice.size_bytes > 0) {
                out[made++] = slice.bytes[0];
                back = slice.size_bytes - 1;
                http_body_unread(&body, back);
            }
            at += used - back;
            if (outcome == HTTP_DONE && back == 0) break;
        }
        cr_assert_str_eq(out, "hello");
        cr_assert_eq(at, strlen(text));
    }
}
