/* parse.c - what all statements of InfluxQL share; see parser.h. */
#include "text/parser.h"

#include "base/bytes.h"
#include "base/decimal.h"
#include "base/status.h"
#include "calendar/duration.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/* ---- errors ---- */

phusa_status parse_unexpected(struct parser *p, const char *expected)
{
    unsigned line;
    unsigned character;
    token_place(&p->lexer, &p->token, &line, &character);
    if (p->token.kind == TOKEN_BAD_REGEX)
        return error_set(p->error, PHUSA_ESYNTAX, "bad regex:  at line %u, char %u", line,
                         character);
    const struct phusa_text found = token_found(&p->token);
    return error_set(p->error, PHUSA_ESYNTAX, "found %.*s, expected %s at line %u, char %u",
                     (int)found.size_bytes, found.bytes, expected, line, character);
}

phusa_status parse_fail(struct parser *p, phusa_status status, const char *format, ...)
{
    char text[PHUSA_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(p->error, status, "%s", text);
}

phusa_status parse_no_memory(struct parser *p)
{
    if (arena_exhausted(p->arena))
        return error_set(p->error, PHUSA_ELIMIT, "the request needs too much memory to parse");
    return error_set(p->error, PHUSA_ENOMEM, "out of memory");
}

/* ---- tokens ---- */

phusa_status parse_advance(struct parser *p)
{
    struct token token;
    if (lexer_read(&p->lexer, p->token.end, &token) != PHUSA_OK) return parse_no_memory(p);
    p->token = token;
    return PHUSA_OK;
}

phusa_status parse_accept(struct parser *p, enum token_kind kind, bool *accepted)
{
    *accepted = p->token.kind == kind;
    return *accepted ? parse_advance(p) : PHUSA_OK;
}

phusa_status parse_expect(struct parser *p, enum token_kind kind, const char *expected)
{
    if (p->token.kind != kind) return parse_unexpected(p, expected);
    return parse_advance(p);
}

phusa_status parse_expect_two(struct parser *p, enum token_kind first, const char *first_expected,
                              enum token_kind second, const char *second_expected)
{
    const phusa_status status = parse_expect(p, first, first_expected);
    return status != PHUSA_OK ? status : parse_expect(p, second, second_expected);
}

phusa_status parse_name(struct parser *p, struct phusa_text *out)
{
    if (p->token.kind != TOKEN_NAME) return parse_unexpected(p, "identifier");
    *out = p->token.text;
    return parse_advance(p);
}

bool parse_at_word(const struct parser *p, const char *word)
{
    const struct phusa_text text = p->token.text;
    return p->token.kind == TOKEN_NAME && text.size_bytes == strlen(word) &&
           strncasecmp(text.bytes, word, text.size_bytes) == 0;
}

phusa_status parse_look_for_regex(struct parser *p)
{
    if (p->token.kind != TOKEN_DIVIDE) return PHUSA_OK;
    struct token token;
    if (lexer_read_regex(&p->lexer, p->token.offset, &token) != PHUSA_OK) return parse_no_memory(p);
    p->token = token;
    return token.kind == TOKEN_BAD_REGEX ? parse_unexpected(p, "regex") : PHUSA_OK;
}

phusa_status parse_regex(struct parser *p, struct phusa_text *pattern)
{
    const phusa_status status = parse_look_for_regex(p);
    if (status != PHUSA_OK) return status;
    if (p->token.kind != TOKEN_REGEX) return parse_unexpected(p, "regex");
    *pattern = p->token.text;
    return parse_advance(p);
}

phusa_status parse_string(struct parser *p, struct phusa_text *out)
{
    if (p->token.kind != TOKEN_STRING) return parse_unexpected(p, "string");
    *out = p->token.text;
    return parse_advance(p);
}

phusa_status parse_optional_count(struct parser *p, enum token_kind keyword, uint64_t *count)
{
    if (p->token.kind != keyword) return PHUSA_OK;
    phusa_status status = parse_advance(p);
    if (status != PHUSA_OK) return status;
    if (p->token.kind != TOKEN_INTEGER) return parse_unexpected(p, "integer");
    int64_t value;
    status = decimal_parse_int64(p->token.text.bytes, p->token.text.size_bytes, &value);
    if (status != PHUSA_OK)
        return parse_fail(p, PHUSA_ESYNTAX, "unable to parse integer %.*s: it is out of range",
                          (int)p->token.text.size_bytes, p->token.text.bytes);
    *count = (uint64_t)value;
    return parse_advance(p);
}

phusa_status parse_duration(struct parser *p, struct phusa_interval *out)
{
    assert(p->token.kind == TOKEN_DURATION);
    const phusa_status status = duration_parse(p->token.text.bytes, p->token.text.size_bytes, out);
    if (status == PHUSA_ERANGE)
        return parse_fail(p, PHUSA_ESYNTAX, "invalid duration: %.*s is out of range",
                          (int)p->token.text.size_bytes, p->token.text.bytes);
    if (status != PHUSA_OK) return parse_fail(p, PHUSA_ESYNTAX, "invalid duration");
    return parse_advance(p);
}

phusa_status parse_span(struct parser *p, struct phusa_interval *out)
{
    if (p->token.kind == TOKEN_INF) {
        *out = (struct phusa_interval){0, 0};
        return parse_advance(p);
    }
    if (p->token.kind != TOKEN_DURATION) return parse_unexpected(p, "duration");
    return parse_duration(p, out);
}

phusa_status parse_enter(struct parser *p)
{
    if (p->depth == EXPRESSION_DEPTH_MAX)
        return parse_fail(p, PHUSA_ELIMIT, "nested too deeply: at most %u levels are allowed",
                          EXPRESSION_DEPTH_MAX);
    p->depth++;
    return PHUSA_OK;
}

void parse_leave(struct parser *p)
{
    assert(p->depth > 0);
    p->depth--;
}

void *parse_append(struct parser *p, void *array, size_t *count, size_t *capacity,
                   size_t size_bytes, const void *item)
{
    if (*count == *capacity) {
        const size_t wanted = *capacity == 0 ? 4 : *capacity * 2;
        void *larger = arena_array(p->arena, wanted, size_bytes);
        if (larger == NULL) return NULL;
        if (*count > 0) memcpy(larger, array, *count * size_bytes);
        array = larger;
        *capacity = wanted;
    }
    memcpy((char *)array + *count * size_bytes, item, size_bytes);
    ++*count;
    return array;
}

/* ---- sources ---- */

phusa_status parse_segments(struct parser *p, struct segments *out)
{
    *out = (struct segments){0};
    const uint32_t begin = p->token.offset;
    uint32_t previous_end = p->token.end;
    phusa_status status = parse_name(p, &out->names[out->count++]);
    if (status != PHUSA_OK) return status;
    while (p->token.kind == TOKEN_DOT && p->token.offset == previous_end) {
        previous_end = p->token.end;
        status = parse_advance(p);
        if (status != PHUSA_OK) return status;
        if (p->token.kind == TOKEN_DIVIDE) {
            out->has_regex = true;
            return parse_regex(p, &out->pattern);
        }
        struct phusa_text name = {"", 0};
        if (p->token.kind != TOKEN_DOT) {
            previous_end = p->token.end;
            status = parse_name(p, &name);
            if (status != PHUSA_OK) return status;
        }
        if (out->count == 3)
            return parse_fail(p, PHUSA_ESYNTAX, "too many segments in %.*s at line 1, char 1",
                              (int)(previous_end - begin), p->lexer.text + begin);
        out->names[out->count++] = name;
    }
    return PHUSA_OK;
}

/* a: a measurement, or before a pattern a policy; a.b, a.b.c, a..c. */
static phusa_status place_segments(struct parser *p, const struct segments *segments,
                                   struct source *source)
{
    const struct phusa_text *names = segments->names;
    size_t left = segments->count;
    if (segments->has_regex) {
        if (left == 3) return parse_fail(p, PHUSA_ESYNTAX, "too many segments before a regex");
        source->kind = SOURCE_REGEX;
        source->name = segments->pattern;
    } else {
        source->name = names[--left];
    }
    if (left > 0 && names[left - 1].size_bytes > 0) source->policy = names[left - 1];
    if (left > 1 && names[left - 2].size_bytes > 0) source->database = names[left - 2];
    return PHUSA_OK;
}

static phusa_status parse_subquery(struct parser *p, struct source *source)
{
    source->kind = SOURCE_SUBQUERY;
    phusa_status status = parse_enter(p);
    if (status != PHUSA_OK) return status;
    status = parse_expect_two(p, TOKEN_LEFT, "(", TOKEN_SELECT, "SELECT");
    if (status != PHUSA_OK) return status;
    status = parse_select(p, &source->subquery);
    if (status != PHUSA_OK) return status;
    parse_leave(p);
    return parse_expect(p, TOKEN_RIGHT, ")");
}

static phusa_status parse_source(struct parser *p, bool subqueries, struct source *source)
{
    *source = (struct source){.kind = SOURCE_NAME, .offset = p->token.offset};
    if (p->token.kind == TOKEN_DIVIDE) {
        source->kind = SOURCE_REGEX;
        return parse_regex(p, &source->name);
    }
    if (subqueries && p->token.kind == TOKEN_LEFT) return parse_subquery(p, source);
    struct segments segments;
    const phusa_status status = parse_segments(p, &segments);
    return status != PHUSA_OK ? status : place_segments(p, &segments, source);
}

phusa_status parse_sources(struct parser *p, bool subqueries, struct source **sources,
                           size_t *source_count)
{
    struct source *array = NULL;
    size_t count = 0;
    size_t capacity = 0;
    bool more = true;
    while (more) {
        struct source source;
        phusa_status status = parse_source(p, subqueries, &source);
        if (status != PHUSA_OK) return status;
        array = parse_append(p, array, &count, &capacity, sizeof source, &source);
        if (array == NULL) return parse_no_memory(p);
        status = parse_accept(p, TOKEN_COMMA, &more);
        if (status != PHUSA_OK) return status;
    }
    *sources = array;
    *source_count = count;
    return PHUSA_OK;
}

/* ---- clauses ---- */

phusa_status parse_optional_on(struct parser *p, struct phusa_text *database)
{
    bool has_on;
    const phusa_status status = parse_accept(p, TOKEN_ON, &has_on);
    if (status != PHUSA_OK || !has_on) return status;
    return parse_name(p, database);
}

phusa_status parse_optional_from(struct parser *p, struct statement *statement)
{
    bool has_from;
    const phusa_status status = parse_accept(p, TOKEN_FROM, &has_from);
    if (status != PHUSA_OK || !has_from) return status;
    return parse_sources(p, false, &statement->sources, &statement->source_count);
}

phusa_status parse_optional_where(struct parser *p, struct expr **where)
{
    bool has_where;
    const phusa_status status = parse_accept(p, TOKEN_WHERE, &has_where);
    if (status != PHUSA_OK || !has_where) return status;
    return parse_expr(p, where);
}

phusa_status parse_optional_order(struct parser *p, bool *descending)
{
    bool has_order;
    bool asc;
    phusa_status status = parse_accept(p, TOKEN_ORDER, &has_order);
    if (status != PHUSA_OK || !has_order) return status;
    status = parse_expect(p, TOKEN_BY, "BY");
    if (status != PHUSA_OK) return status;
    const bool names_time = parse_at_word(p, "time");
    if (p->token.kind == TOKEN_NAME) {
        if (!names_time)
            return parse_fail(p, PHUSA_ESYNTAX, "only ORDER BY time supported at this time");
        status = parse_advance(p);
    } else if (p->token.kind != TOKEN_ASC && p->token.kind != TOKEN_DESC) {
        return parse_unexpected(p, "identifier, ASC, DESC");
    }
    if (status != PHUSA_OK) return status;
    status = parse_accept(p, TOKEN_ASC, &asc);
    if (status == PHUSA_OK && !asc) status = parse_accept(p, TOKEN_DESC, descending);
    if (status != PHUSA_OK) return status;
    if (p->token.kind == TOKEN_COMMA)
        return parse_fail(p, PHUSA_ESYNTAX, "only ORDER BY time supported at this time");
    return PHUSA_OK;
}
