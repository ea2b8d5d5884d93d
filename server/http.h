/*
 * http.h - HTTP/1.0 and 1.1 requests from bytes: heads, and the framing of bodies. Pure: no
 * sockets, no allocation.
 *
 * Strict where two readers of one stream could disagree, because that is how requests are
 * smuggled past a proxy: lines end in CRLF, nothing is folded, no NUL, one Content-Length or one
 * "Transfer-Encoding: chunked" and never both, chunks framed to the letter.
 *
 * The grammar of heads is http_parser's, which only http.c includes, so that llhttp can take its
 * place; bodies are framed here, as its release build does not check the ends of chunks.
 *
 * Ownership  A head points into the bytes it was parsed from.
 * Threads    one at a time for each object.
 */
#ifndef PHUSAD_HTTP_H
#define PHUSAD_HTTP_H

#include "bounds.h"
#include "phusa.h"

enum http_verb { VERB_GET, VERB_HEAD, VERB_POST, VERB_OPTIONS, VERB_DELETE, VERB_PUT, VERB_OTHER };

struct http_header {
    struct phusa_text name;
    struct phusa_text value; /* without the spaces around it */
};

struct http_head {
    enum http_verb verb;
    struct phusa_text path;  /* as sent, percent signs and all */
    struct phusa_text query; /* after the '?', as sent; may be empty */
    bool is_http_1_0;
    bool keep_alive;
    bool chunked;            /* the body comes in chunks */
    uint64_t content_length; /* unless chunked; 0: no body */
    bool expects_continue;
    size_t header_count;
    struct http_header headers[HEADER_COUNT_MAX];
};

enum http_outcome { HTTP_MORE, HTTP_DONE, HTTP_BAD };
struct http_fault {
    int status;         /* 400, 413, 414, 417, 431, 501, 505 */
    const char *reason; /* static */
};

/* Look for a head at the start of bytes. HTTP_MORE: not whole yet; call again with more behind
 * the same bytes, and *scanned (0 at first) as it was left. HTTP_DONE: *head_bytes were used.
 * HTTP_BAD: *fault says why; nothing after it on this connection can be trusted. */
enum http_outcome http_head_parse(struct http_head *head, const char *bytes, size_t size_bytes,
                                  size_t *scanned, size_t *head_bytes, struct http_fault *fault);
/* The value of the first header of that name (any case), or NULL. */
const struct phusa_text *http_header_find(const struct http_head *head, const char *name);
/* Whether a comma-separated header names `token` (any case), q=0 excepted. */
bool http_list_has(const struct phusa_text *value, const char *token);

struct http_body {
    uint64_t left; /* of the body or of the chunk */
    unsigned state;
    bool chunked;
    uint32_t line_bytes; /* of the chunk line or of the trailers so far */
    unsigned digits;
};
void http_body_init(struct http_body *body, const struct http_head *head);
/* Take a step: *used bytes were read, of which *slice are payload (perhaps none). HTTP_DONE: the
 * body has ended. HTTP_MORE: call again with what follows. */
enum http_outcome http_body_next(struct http_body *body, const char *bytes, size_t size_bytes,
                                 size_t *used, struct phusa_text *slice, struct http_fault *fault);

/* Hand the last bytes of the slice that was just given back: they will come again. */
void http_body_unread(struct http_body *body, uint64_t size_bytes);

const char *http_status_words(int status);
bool text_is(struct phusa_text text, const char *word);        /* exactly */
bool text_is_nocase(struct phusa_text text, const char *word); /* ASCII letters alike */

#endif
