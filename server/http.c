/*
 * http.c - see http.h.
 *
 * A head goes through three sieves: line ends and forbidden bytes, while it is being gathered
 * (so that a head which can never end is refused at once); http_parser, for the grammar; and what
 * the headers mean together.
 *
 * The states of a body:
 *
 *   LENGTH --------------------------------------------------> END    content-length counted down
 *   SIZE -> [EXTENSION] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                            | size 0
 *                            v
 *                          TRAILER -> TRAILER_LINE ... -> TRAILER_LF -> END
 */
#include "http.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

enum body_state {
    BODY_LENGTH,
    BODY_SIZE,
    BODY_EXTENSION,
    BODY_SIZE_LF,
    BODY_DATA,
    BODY_DATA_CR,
    BODY_DATA_LF,
    BODY_TRAILER,      /* at the start of a line */
    BODY_TRAILER_LINE, /* inside one */
    BODY_TRAILER_LINE_LF,
    BODY_TRAILER_LF, /* after the CR of the empty line */
    BODY_END,
};

bool text_is(struct phusa_text text, const char *word)
{
    return text.size_bytes == strlen(word) && memcmp(text.bytes, word, text.size_bytes) == 0;
}

bool text_is_nocase(struct phusa_text text, const char *word)
{
    return text.size_bytes == strlen(word) && strncasecmp(text.bytes, word, text.size_bytes) == 0;
}

static enum http_outcome refuse(struct http_fault *fault, int status, const char *reason)
{
    *fault = (struct http_fault){status, reason};
    return HTTP_BAD;
}

/* ---- heads ---- */

/* Find the empty line that ends a head. Each line is looked at once: *scanned is where the first
 * unfinished one begins. */
static enum http_outcome find_end(const char *bytes, size_t size_bytes, size_t *scanned,
                                  size_t *head_bytes, struct http_fault *fault)
{
    while (true) {
        const size_t start = *scanned;
        if (start > HEAD_BYTES_MAX) break;
        const char *lf = memchr(bytes + start, '\n', size_bytes - start);
        const size_t end = lf == NULL ? size_bytes : (size_t)(lf - bytes);
        const char *line = bytes + start;
        if (memchr(line, '\0', end - start) != NULL)
            return refuse(fault, 400, "a NUL byte in the head");
        if (start > 0 && start < size_bytes && (*line == ' ' || *line == '\t'))
            return refuse(fault, 400, "a folded header line");
        if (lf == NULL) {
            if (size_bytes > HEAD_BYTES_MAX) break;
            return HTTP_MORE;
        }
        if (end == start || bytes[end - 1] != '\r')
            return refuse(fault, 400, "a line that does not end in CRLF");
        if (memchr(line, '\r', end - start) != bytes + end - 1)
            return refuse(fault, 400, "a CR inside a line");
        *scanned = end + 1;
        if (*scanned > HEAD_BYTES_MAX) break;
        if (end - start == 1) {
            *head_bytes = *scanned;
            return HTTP_DONE;
        }
    }
    /* The request line ran over: the address is to blame, otherwise the headers are. */
    if (memchr(bytes, '\n', size_bytes) == NULL)
        return refuse(fault, 414, "the request line is too long");
    return refuse(fault, 431, "the headers are too long");
}

struct gather {
    struct http_head *head;
    struct phusa_text url;
    bool name_open; /* the last callback was for a name */
    bool too_many;
    bool done;
};

static void extend(struct phusa_text *text, const char *at, size_t size_bytes)
{
    /* http_parser calls back once for a piece of contiguous input, but does not promise to. */
    if (text->bytes == NULL)
        *text = (struct phusa_text){at, size_bytes};
    else
        text->size_bytes = (size_t)(at + size_bytes - text->bytes);
}

static int on_url(http_parser *parser, const char *at, size_t size_bytes)
{
    struct gather *gather = parser->data;
    extend(&gather->url, at, size_bytes);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t size_bytes)
{
    struct gather *gather = parser->data;
    struct http_head *head = gather->head;
    if (!gather->name_open) {
        if (head->header_count == HEADER_COUNT_MAX) {
            gather->too_many = true;
            return 1;
        }
        head->headers[head->header_count++] = (struct http_header){0};
        gather->name_open = true;
    }
    extend(&head->headers[head->header_count - 1].name, at, size_bytes);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size_bytes)
{
    struct gather *gather = parser->data;
    gather->name_open = false;
    extend(&gather->head->headers[gather->head->header_count - 1].value, at, size_bytes);
    return 0;
}

static int on_end(http_parser *parser)
{
    struct gather *gather = parser->data;
    gather->done = true;
    http_parser_pause(parser, 1); /* the body is framed by http_body */
    return 0;
}

static const http_parser_settings head_settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_end,
};

static enum http_verb verb_of(unsigned method)
{
    switch (method) {
    case HTTP_GET:
        return VERB_GET;
    case HTTP_HEAD:
        return VERB_HEAD;
    case HTTP_POST:
        return VERB_POST;
    case HTTP_OPTIONS:
        return VERB_OPTIONS;
    case HTTP_DELETE:
        return VERB_DELETE;
    case HTTP_PUT:
        return VERB_PUT;
    default:
        return VERB_OTHER;
    }
}

/* Path and query of the request's target: "/path?query", "http://host/path?query" or "*". */
static bool split_target(struct http_head *head, struct phusa_text url)
{
    if (url.size_bytes == 0 || memchr(url.bytes, '#', url.size_bytes) != NULL) return false;
    if (text_is(url, "*")) {
        head->path = url;
        return true;
    }
    if (url.bytes[0] != '/') {
        struct http_parser_url parts;
        http_parser_url_init(&parts);
        if (url.size_bytes > UINT16_MAX ||
            http_parser_parse_url(url.bytes, url.size_bytes, 0, &parts) != 0)
            return false;
        if ((parts.field_set & 1u << UF_HOST) == 0) return false;
        const char *scheme_end = memchr(url.bytes, ':', url.size_bytes);
        const size_t after = (size_t)(scheme_end - url.bytes) + 3;
        const char *slash = memchr(url.bytes + after, '/', url.size_bytes - after);
        if (slash == NULL) {
            head->path = (struct phusa_text){url.bytes + after - 1, 1}; /* a '/', and in the head */
            return memchr(url.bytes, '?', url.size_bytes) == NULL;
        }
        url.size_bytes -= (size_t)(slash - url.bytes);
        url.bytes = slash;
    }
    const char *mark = memchr(url.bytes, '?', url.size_bytes);
    head->path = url;
    if (mark != NULL) {
        head->path.size_bytes = (size_t)(mark - url.bytes);
        head->query.bytes = mark + 1;
        head->query.size_bytes = url.size_bytes - head->path.size_bytes - 1;
    }
    return true;
}

static struct phusa_text trim(struct phusa_text text)
{
    while (text.size_bytes > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
        text.bytes++;
        text.size_bytes--;
    }
    while (text.size_bytes > 0 &&
           (text.bytes[text.size_bytes - 1] == ' ' || text.bytes[text.size_bytes - 1] == '\t'))
        text.size_bytes--;
    return text;
}

/* RFC 9110, 5.6.2. The library's release build lets spaces through, and "Content-Length : 5" is a
 * length to some servers and an unknown header to others. */
static bool is_token(struct phusa_text text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.size_bytes; i++) {
        const char c = text.bytes[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr(marks, c) == NULL))
            return false;
    }
    return text.size_bytes > 0;
}

/* Digits only; http_parser has let spaces through. */
static bool parse_length(struct phusa_text text, uint64_t *out)
{
    if (text.size_bytes == 0 || text.size_bytes > 19) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') return false;
        value = value * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *out = value;
    return true;
}

/* What the headers mean together. */
static enum http_outcome weigh(struct http_head *head, struct http_fault *fault)
{
    unsigned lengths = 0, codings = 0, hosts = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        struct http_header *header = &head->headers[i];
        if (!is_token(header->name)) return refuse(fault, 400, "a malformed header name");
        if (header->value.bytes == NULL) header->value.bytes = "";
        header->value = trim(header->value);
        if (text_is_nocase(header->name, "content-length")) {
            lengths++;
            if (!parse_length(header->value, &head->content_length))
                return refuse(fault, 400, "Content-Length is not a number");
        } else if (text_is_nocase(header->name, "transfer-encoding")) {
            codings++;
            if (!text_is_nocase(header->value, "chunked"))
                return refuse(fault, 501, "a Transfer-Encoding other than chunked");
            head->chunked = true;
        } else if (text_is_nocase(header->name, "host")) {
            hosts++;
        } else if (text_is_nocase(header->name, "expect")) {
            if (!text_is_nocase(header->value, "100-continue"))
                return refuse(fault, 417, "an Expect other than 100-continue");
            head->expects_continue = !head->is_http_1_0;
        }
    }
    if (lengths > 1) return refuse(fault, 400, "more than one Content-Length");
    if (codings > 1) return refuse(fault, 400, "more than one Transfer-Encoding");
    if (lengths > 0 && codings > 0)
        return refuse(fault, 400, "both Content-Length and Transfer-Encoding");
    if (codings > 0 && head->is_http_1_0)
        return refuse(fault, 400, "Transfer-Encoding in an HTTP/1.0 request");
    if (hosts > 1) return refuse(fault, 400, "more than one Host");
    if (hosts == 0 && !head->is_http_1_0) return refuse(fault, 400, "no Host header");

    const struct phusa_text *connection = http_header_find(head, "connection");
    head->keep_alive = head->is_http_1_0 ? http_list_has(connection, "keep-alive")
                                         : !http_list_has(connection, "close");
    return HTTP_DONE;
}

static enum http_outcome explain(const http_parser *parser, struct http_fault *fault)
{
    switch (HTTP_PARSER_ERRNO(parser)) {
    case HPE_INVALID_VERSION:
        return refuse(fault, 505, "not HTTP/1.0 or HTTP/1.1");
    case HPE_INVALID_METHOD:
        return refuse(fault, 400, "not an HTTP method");
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return refuse(fault, 400, "a malformed, repeated or contradicted Content-Length");
    case HPE_INVALID_TRANSFER_ENCODING:
        return refuse(fault, 400, "a Transfer-Encoding that is not understood");
    case HPE_HEADER_OVERFLOW:
        return refuse(fault, 431, "the headers are too long");
    default:
        return refuse(fault, 400, "malformed HTTP request");
    }
}

enum http_outcome http_head_parse(struct http_head *head, const char *bytes, size_t size_bytes,
                                  size_t *scanned, size_t *head_bytes, struct http_fault *fault)
{
    /* One empty line before a request is tolerated (RFC 9112, 2.2): old clients end a body so. */
    size_t skipped = 0;
    if (size_bytes >= 1 && bytes[0] == '\r') {
        if (size_bytes < 2) return HTTP_MORE;
        if (bytes[1] != '\n') return refuse(fault, 400, "a line that does not end in CRLF");
        skipped = 2;
        if (*scanned < skipped) *scanned = skipped;
        if (size_bytes > 2 && (bytes[2] == '\r' || bytes[2] == ' ' || bytes[2] == '\t'))
            return refuse(fault, 400, "malformed HTTP request");
    }
    size_t end_bytes;
    const enum http_outcome found = find_end(bytes, size_bytes, scanned, &end_bytes, fault);
    if (found != HTTP_DONE) return found;

    *head = (struct http_head){.query = {"", 0}};
    struct gather gather = {.head = head};
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &gather;
    http_parser_execute(&parser, &head_settings, bytes + skipped, end_bytes - skipped);
    if (gather.too_many) return refuse(fault, 431, "too many headers");
    if (!gather.done) {
        if (HTTP_PARSER_ERRNO(&parser) == HPE_OK)
            return refuse(fault, 400, "malformed HTTP request");
        return explain(&parser, fault);
    }
    if (parser.http_major != 1 || parser.http_minor > 1)
        return refuse(fault, 505, "not HTTP/1.0 or HTTP/1.1");
    head->verb = verb_of(parser.method);
    head->is_http_1_0 = parser.http_minor == 0;
    if (!split_target(head, gather.url)) return refuse(fault, 400, "malformed request target");
    const enum http_outcome outcome = weigh(head, fault);
    if (outcome == HTTP_DONE) *head_bytes = end_bytes;
    return outcome;
}

const struct phusa_text *http_header_find(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (text_is_nocase(head->headers[i].name, name)) return &head->headers[i].value;
    return NULL;
}

/* "q=0", "q=0.0": the client does not want it. */
static bool weight_is_zero(struct phusa_text parameters)
{
    const char *q = memmem(parameters.bytes, parameters.size_bytes, "q=", 2);
    if (q == NULL) return false;
    for (q += 2; q < parameters.bytes + parameters.size_bytes; q++) {
        if (*q == ';' || *q == ' ') break;
        if (*q != '0' && *q != '.') return false;
    }
    return true;
}

bool http_list_has(const struct phusa_text *value, const char *token)
{
    if (value == NULL) return false;
    const char *next = value->bytes;
    const char *end = value->bytes + value->size_bytes;
    while (next < end) {
        const char *comma = memchr(next, ',', (size_t)(end - next));
        const char *stop = comma == NULL ? end : comma;
        struct phusa_text item = {next, (size_t)(stop - next)};
        struct phusa_text parameters = {"", 0};
        const char *semicolon = memchr(next, ';', item.size_bytes);
        if (semicolon != NULL) {
            item.size_bytes = (size_t)(semicolon - next);
            parameters = (struct phusa_text){semicolon, (size_t)(stop - semicolon)};
        }
        if (text_is_nocase(trim(item), token)) return !weight_is_zero(parameters);
        next = stop + 1;
    }
    return false;
}

/* ---- bodies ---- */

void http_body_init(struct http_body *body, const struct http_head *head)
{
    *body = (struct http_body){.state = BODY_SIZE, .chunked = head->chunked};
    if (head->chunked) return;
    body->left = head->content_length;
    body->state = body->left == 0 ? BODY_END : BODY_LENGTH;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static enum http_outcome chunk_size_byte(struct http_body *body, char c, struct http_fault *fault)
{
    const int digit = hex_digit(c);
    if (digit >= 0) {
        if (++body->digits > 15) return refuse(fault, 413, "a chunk that is too large");
        body->left = body->left << 4 | (unsigned)digit;
        return HTTP_MORE;
    }
    if (body->digits == 0) return refuse(fault, 400, "a chunk without a size");
    if (c == '\r')
        body->state = BODY_SIZE_LF;
    else if (c == ';')
        body->state = BODY_EXTENSION;
    else
        return refuse(fault, 400, "a malformed chunk size");
    return HTTP_MORE;
}

/* One byte of the framing between payloads. */
static enum http_outcome framing_byte(struct http_body *body, char c, struct http_fault *fault)
{
    body->line_bytes++;
    switch (body->state) {
    case BODY_SIZE:
        return chunk_size_byte(body, c, fault);
    case BODY_EXTENSION:
        if (body->line_bytes > CHUNK_LINE_BYTES_MAX)
            return refuse(fault, 400, "a chunk extension that is too long");
        if (c == '\r')
            body->state = BODY_SIZE_LF;
        else if (c == '\n' || c == '\0')
            return refuse(fault, 400, "a line that does not end in CRLF");
        return HTTP_MORE;
    case BODY_SIZE_LF:
        if (c != '\n') return refuse(fault, 400, "a line that does not end in CRLF");
        body->line_bytes = 0;
        body->state = body->left == 0 ? BODY_TRAILER : BODY_DATA;
        return HTTP_MORE;
    case BODY_DATA_CR:
    case BODY_DATA_LF:
        if (c != (body->state == BODY_DATA_CR ? '\r' : '\n'))
            return refuse(fault, 400, "a chunk that is longer than its size");
        body->line_bytes = 0;
        body->digits = 0;
        body->state = body->state == BODY_DATA_CR ? BODY_DATA_LF : BODY_SIZE;
        return HTTP_MORE;
    case BODY_TRAILER:
        body->state = c == '\r' ? BODY_TRAILER_LF : BODY_TRAILER_LINE;
        if (c == '\n' || c == '\0' || c == ' ' || c == '\t')
            return refuse(fault, 400, "a malformed trailer");
        return HTTP_MORE;
    case BODY_TRAILER_LINE:
        if (body->line_bytes > TRAILER_BYTES_MAX)
            return refuse(fault, 431, "trailers that are too long");
        if (c == '\n' || c == '\0') return refuse(fault, 400, "a malformed trailer");
        if (c == '\r') body->state = BODY_TRAILER_LINE_LF;
        return HTTP_MORE;
    case BODY_TRAILER_LINE_LF:
        if (c != '\n') return refuse(fault, 400, "a line that does not end in CRLF");
        body->state = BODY_TRAILER;
        return HTTP_MORE;
    default: /* BODY_TRAILER_LF */
        if (c != '\n') return refuse(fault, 400, "a line that does not end in CRLF");
        body->state = BODY_END;
        return HTTP_DONE;
    }
}

enum http_outcome http_body_next(struct http_body *body, const char *bytes, size_t size_bytes,
                                 size_t *used, struct phusa_text *slice, struct http_fault *fault)
{
    *slice = (struct phusa_text){bytes, 0};
    size_t n = 0;
    while (body->state != BODY_END) {
        if (n == size_bytes) {
            *used = n;
            return HTTP_MORE;
        }
        if (body->state == BODY_LENGTH || body->state == BODY_DATA) {
            const size_t there = size_bytes - n;
            const size_t take = body->left < there ? (size_t)body->left : there;
            body->left -= take;
            *slice = (struct phusa_text){bytes + n, take};
            *used = n + take;
            if (body->left > 0) return HTTP_MORE;
            if (body->state == BODY_DATA) {
                body->state = BODY_DATA_CR;
                return HTTP_MORE;
            }
            body->state = BODY_END;
            return HTTP_DONE;
        }
        if (framing_byte(body, bytes[n++], fault) == HTTP_BAD) return HTTP_BAD;
    }
    *used = n;
    return HTTP_DONE;
}

void http_body_unread(struct http_body *body, uint64_t size_bytes)
{
    if (size_bytes == 0) return;
    body->left += size_bytes;
    body->state = body->chunked ? BODY_DATA : BODY_LENGTH;
}

const char *http_status_words(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Request Entity Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "Error";
    }
}
