/*
 * fuzz_http.c - requests from hostile bytes: heads, bodies in chunks, parameters and gzip, whole
 * and in pieces.
 *
 * Beyond not crashing: however the bytes are cut, the outcome is the same; what a head points to
 * lies in its bytes; a body takes no more than it was given.
 */
#include "form.h"
#include "gzip.h"
#include "http.h"
#include "statements.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void assert_inside(struct phusa_text part, const char *bytes, size_t size_bytes)
{
    if (part.size_bytes == 0) return;
    assert(part.bytes >= bytes && part.bytes + part.size_bytes <= bytes + size_bytes);
}

static void check_head(const struct http_head *head, const char *bytes, size_t size_bytes)
{
    assert_inside(head->path, bytes, size_bytes);
    assert_inside(head->query, bytes, size_bytes);
    assert(!(head->chunked && head->content_length > 0));
    for (size_t i = 0; i < head->header_count; i++) {
        assert_inside(head->headers[i].name, bytes, size_bytes);
        assert_inside(head->headers[i].value, bytes, size_bytes);
    }
    struct form form = {0};
    (void)form_add_urlencoded(&form, head->query);
    form_deinit(&form);
}

/* A head fed in pieces: the same outcome as at once. */
static void check_pieces(const char *bytes, size_t size_bytes, size_t pace,
                         enum http_outcome wanted, size_t wanted_bytes)
{
    static struct http_head head;
    struct http_fault fault;
    size_t scanned = 0, head_bytes = 0, given = 0;
    enum http_outcome outcome = HTTP_MORE;
    while (outcome == HTTP_MORE && given < size_bytes) {
        given = given + pace < size_bytes ? given + pace : size_bytes;
        outcome = http_head_parse(&head, bytes, given, &scanned, &head_bytes, &fault);
    }
    assert(outcome == wanted);
    if (outcome == HTTP_DONE) assert(head_bytes == wanted_bytes);
}

/* The payload of a body, gathered at a pace; false: refused or not whole. */
static bool gather(const struct http_head *head, const char *bytes, size_t size_bytes, size_t pace,
                   char *out, size_t *out_bytes, size_t *used_bytes)
{
    struct http_body body;
    http_body_init(&body, head);
    *out_bytes = *used_bytes = 0;
    while (true) {
        const size_t left = size_bytes - *used_bytes;
        const size_t given = left < pace ? left : pace;
        size_t used = 0;
        struct phusa_text slice;
        struct http_fault fault;
        const enum http_outcome outcome =
            http_body_next(&body, bytes + *used_bytes, given, &used, &slice, &fault);
        if (outcome == HTTP_BAD) return false;
        assert(used <= given && slice.size_bytes <= used);
        memcpy(out + *out_bytes, slice.bytes, slice.size_bytes);
        *out_bytes += slice.size_bytes;
        *used_bytes += used;
        if (outcome == HTTP_DONE) return true;
        if (*used_bytes == size_bytes) return false;
    }
}

static void check_body(const struct http_head *head, const char *bytes, size_t size_bytes,
                       size_t pace)
{
    char *one = malloc(size_bytes + 1), *two = malloc(size_bytes + 1);
    size_t one_bytes, two_bytes, one_used, two_used;
    const bool whole = gather(head, bytes, size_bytes, size_bytes + 1, one, &one_bytes, &one_used);
    const bool again = gather(head, bytes, size_bytes, pace, two, &two_bytes, &two_used);
    assert(whole == again);
    if (whole) {
        assert(one_bytes == two_bytes && one_used == two_used);
        assert(memcmp(one, two, one_bytes) == 0);
        struct form form = {0};
        (void)form_add_urlencoded(&form, (struct phusa_text){one, one_bytes});
        form_deinit(&form);
        const struct phusa_text *type = http_header_find(head, "content-type");
        if (type != NULL)
            (void)form_add_multipart(&form, *type, (struct phusa_text){one, one_bytes});
        form_deinit(&form);
    }
    free(one);
    free(two);
}

static void check_gunzip(const char *bytes, size_t size_bytes)
{
    struct gunzip *gunzip = gunzip_create();
    struct phusa_text rest = {bytes, size_bytes};
    char out[4096];
    const char *error = NULL;
    size_t made = 0, n = 1;
    while (error == NULL && (n > 0 || rest.size_bytes > 0)) {
        const size_t before = rest.size_bytes;
        n = gunzip_next(gunzip, &rest, out, sizeof out, &error);
        made += n;
        if (n == 0 && rest.size_bytes == before) break;
    }
    assert(made <= INFLATE_RATIO_FREE + sizeof out + size_bytes * (INFLATE_RATIO_MAX + 1));
    gunzip_free(gunzip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes < 1) return 0;
    const size_t pace = (size_t)data[0] % 61 + 1;
    const char *bytes = (const char *)data + 1;
    size_bytes--;

    static struct http_head head;
    struct http_fault fault;
    size_t scanned = 0, head_bytes = 0;
    const enum http_outcome outcome =
        http_head_parse(&head, bytes, size_bytes, &scanned, &head_bytes, &fault);
    if (size_bytes > 0) check_pieces(bytes, size_bytes, pace, outcome, head_bytes);
    if (outcome == HTTP_DONE) {
        check_head(&head, bytes, head_bytes);
        check_body(&head, bytes + head_bytes, size_bytes - head_bytes, pace);
    }
    const struct http_head chunked = {.chunked = true};
    check_body(&chunked, bytes, size_bytes, pace);
    check_gunzip(bytes, size_bytes);
    struct phusa_text text = {bytes, size_bytes}, statement;
    while (next_statement(&text, &statement))
        (void)changes_something(statement);
    return 0;
}
