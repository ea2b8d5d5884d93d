/*
 * lexer.c - see lexer.h.
 *
 * Names may hold any letters, InfluxDB's only ASCII ones: a station's name need not be quoted for
 * its diacritics.
 */
#include "text/lexer.h"

#include "base/bytes.h"

#include <assert.h>

/* ---- words ---- */

static const char *const words[TOKEN_KINDS] = {
    [TOKEN_END] = "EOF",
    [TOKEN_ILLEGAL] = "ILLEGAL",
    [TOKEN_COMMA] = ",",
    [TOKEN_SEMICOLON] = ";",
    [TOKEN_DOT] = ".",
    [TOKEN_LEFT] = "(",
    [TOKEN_RIGHT] = ")",
    [TOKEN_COLONS] = "::",
    [TOKEN_ADD] = "+",
    [TOKEN_SUBTRACT] = "-",
    [TOKEN_MULTIPLY] = "*",
    [TOKEN_DIVIDE] = "/",
    [TOKEN_MODULO] = "%",
    [TOKEN_BIT_AND] = "&",
    [TOKEN_BIT_OR] = "|",
    [TOKEN_BIT_XOR] = "^",
    [TOKEN_EQUAL] = "=",
    [TOKEN_NOT_EQUAL] = "!=",
    [TOKEN_LESS] = "<",
    [TOKEN_LESS_EQUAL] = "<=",
    [TOKEN_GREATER] = ">",
    [TOKEN_GREATER_EQUAL] = ">=",
    [TOKEN_MATCH] = "=~",
    [TOKEN_NOT_MATCH] = "!~",
    [TOKEN_AND] = "AND",
    [TOKEN_OR] = "OR",
    [TOKEN_ALL] = "ALL",
    [TOKEN_ALTER] = "ALTER",
    [TOKEN_ANALYZE] = "ANALYZE",
    [TOKEN_ANY] = "ANY",
    [TOKEN_AS] = "AS",
    [TOKEN_ASC] = "ASC",
    [TOKEN_BEGIN] = "BEGIN",
    [TOKEN_BY] = "BY",
    [TOKEN_CARDINALITY] = "CARDINALITY",
    [TOKEN_CONTINUOUS] = "CONTINUOUS",
    [TOKEN_CREATE] = "CREATE",
    [TOKEN_DATABASE] = "DATABASE",
    [TOKEN_DATABASES] = "DATABASES",
    [TOKEN_DEFAULT] = "DEFAULT",
    [TOKEN_DELETE] = "DELETE",
    [TOKEN_DESC] = "DESC",
    [TOKEN_DESTINATIONS] = "DESTINATIONS",
    [TOKEN_DIAGNOSTICS] = "DIAGNOSTICS",
    [TOKEN_DISTINCT] = "DISTINCT",
    [TOKEN_DROP] = "DROP",
    [TOKEN_DURATION_WORD] = "DURATION",
    [TOKEN_END_WORD] = "END",
    [TOKEN_EVERY] = "EVERY",
    [TOKEN_EXACT] = "EXACT",
    [TOKEN_EXPLAIN] = "EXPLAIN",
    [TOKEN_FALSE] = "FALSE",
    [TOKEN_FIELD] = "FIELD",
    [TOKEN_FOR] = "FOR",
    [TOKEN_FROM] = "FROM",
    [TOKEN_GRANT] = "GRANT",
    [TOKEN_GRANTS] = "GRANTS",
    [TOKEN_GROUP] = "GROUP",
    [TOKEN_GROUPS] = "GROUPS",
    [TOKEN_IN] = "IN",
    [TOKEN_INF] = "INF",
    [TOKEN_INSERT] = "INSERT",
    [TOKEN_INTO] = "INTO",
    [TOKEN_KEY] = "KEY",
    [TOKEN_KEYS] = "KEYS",
    [TOKEN_KILL] = "KILL",
    [TOKEN_LIMIT] = "LIMIT",
    [TOKEN_MEASUREMENT] = "MEASUREMENT",
    [TOKEN_MEASUREMENTS] = "MEASUREMENTS",
    [TOKEN_NAME_WORD] = "NAME",
    [TOKEN_OFFSET] = "OFFSET",
    [TOKEN_ON] = "ON",
    [TOKEN_ORDER] = "ORDER",
    [TOKEN_PASSWORD] = "PASSWORD",
    [TOKEN_POLICIES] = "POLICIES",
    [TOKEN_POLICY] = "POLICY",
    [TOKEN_PRIVILEGES] = "PRIVILEGES",
    [TOKEN_QUERIES] = "QUERIES",
    [TOKEN_QUERY] = "QUERY",
    [TOKEN_READ] = "READ",
    [TOKEN_REPLICATION] = "REPLICATION",
    [TOKEN_RESAMPLE] = "RESAMPLE",
    [TOKEN_RETENTION] = "RETENTION",
    [TOKEN_REVOKE] = "REVOKE",
    [TOKEN_SELECT] = "SELECT",
    [TOKEN_SERIES] = "SERIES",
    [TOKEN_SET] = "SET",
    [TOKEN_SHARD] = "SHARD",
    [TOKEN_SHARDS] = "SHARDS",
    [TOKEN_SHOW] = "SHOW",
    [TOKEN_SLIMIT] = "SLIMIT",
    [TOKEN_SOFFSET] = "SOFFSET",
    [TOKEN_STATS] = "STATS",
    [TOKEN_SUBSCRIPTION] = "SUBSCRIPTION",
    [TOKEN_SUBSCRIPTIONS] = "SUBSCRIPTIONS",
    [TOKEN_TAG] = "TAG",
    [TOKEN_TO] = "TO",
    [TOKEN_TRUE] = "TRUE",
    [TOKEN_USER] = "USER",
    [TOKEN_USERS] = "USERS",
    [TOKEN_VALUES] = "VALUES",
    [TOKEN_WHERE] = "WHERE",
    [TOKEN_WITH] = "WITH",
    [TOKEN_WRITE] = "WRITE",
};
#define KEYWORD_BYTES_MAX 13u

/* TOKEN_NAME where it is none. */
static enum token_kind keyword_of(struct phusa_text text)
{
    char upper[KEYWORD_BYTES_MAX + 1] = {0};
    if (text.size_bytes > KEYWORD_BYTES_MAX) return TOKEN_NAME;
    for (size_t i = 0; i < text.size_bytes; i++) {
        const char c = text.bytes[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    if (strcmp(upper, "AND") == 0) return TOKEN_AND;
    if (strcmp(upper, "OR") == 0) return TOKEN_OR;
    int low = TOKEN_ALL;
    int high = TOKEN_WRITE;
    while (low <= high) {
        const int middle = (low + high) / 2;
        const int order = strcmp(upper, words[middle]);
        if (order == 0) return (enum token_kind)middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return TOKEN_NAME;
}

bool lexer_is_keyword(struct phusa_text text)
{
    return keyword_of(text) != TOKEN_NAME;
}

struct phusa_text token_found(const struct token *token)
{
    const bool speaks_for_itself = words[token->kind] == NULL;
    if (!speaks_for_itself) return text_of(words[token->kind]);
    /* A message wants no page of it. */
    struct phusa_text text = token->text;
    const size_t limit = 100;
    if (text.size_bytes > limit) {
        text.size_bytes = limit;
        while (text.size_bytes > 0 && ((uint8_t)text.bytes[text.size_bytes] & 0xc0) == 0x80)
            text.size_bytes--;
    }
    return text;
}

void token_place(const struct lexer *lexer, const struct token *token, unsigned *line,
                 unsigned *character)
{
    size_t offset = token->offset;
    /* InfluxDB counts strings from the byte before them, and the end from behind it. */
    const enum token_kind kind = token->kind;
    const bool quoted = kind == TOKEN_STRING || kind == TOKEN_BAD_STRING ||
                        kind == TOKEN_BAD_REGEX || kind == TOKEN_REGEX;
    if (quoted && offset > 0) offset--;
    *line = 1;
    *character = kind == TOKEN_END ? 2 : 1;
    for (size_t i = 0; i < offset; i++) {
        const uint8_t c = (uint8_t)lexer->text[i];
        if (c == '\n') {
            ++*line;
            *character = kind == TOKEN_END ? 2 : 1;
        } else if ((c & 0xc0) != 0x80) {
            ++*character;
        }
    }
}

/* ---- reading ---- */

static char byte_at(const struct lexer *lexer, size_t offset)
{
    return offset < lexer->size_bytes ? lexer->text[offset] : '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind blanks and comments; an unfinished comment is left where it is. */
static size_t skip_blanks(const struct lexer *lexer, size_t offset)
{
    for (;;) {
        while (is_blank(byte_at(lexer, offset)))
            offset++;
        const char *p = lexer->text + offset;
        const size_t left = lexer->size_bytes - offset;
        if (left < 2) return offset;
        const char *end;
        if (p[0] == '-' && p[1] == '-') {
            end = memchr(p, '\n', left);
            if (end == NULL) return lexer->size_bytes;
        } else if (p[0] == '/' && p[1] == '*') {
            end = memmem(p + 2, left - 2, "*/", 2);
            if (end == NULL) return offset;
            end++;
        } else {
            return offset;
        }
        offset = (size_t)(end + 1 - lexer->text);
    }
}

static void set_token(const struct lexer *lexer, enum token_kind kind, size_t begin, size_t end,
                      struct token *token)
{
    *token = (struct token){
        .kind = kind,
        .offset = (uint32_t)begin,
        .end = (uint32_t)end,
        .text = {lexer->text + begin, end - begin},
    };
}

/* What stands between quotes, escapes undone: \n, and a backslash before a quote or backslash. */
static phusa_status read_quoted(const struct lexer *lexer, size_t begin, enum token_kind kind,
                                struct token *token)
{
    const char quote = lexer->text[begin];
    size_t at = begin + 1;
    bool escaped = false;
    for (; at < lexer->size_bytes && lexer->text[at] != quote; at++) {
        if (lexer->text[at] == '\n') break;
        if (lexer->text[at] != '\\') continue;
        escaped = true;
        const char next = byte_at(lexer, ++at);
        if (next == 'n' || next == '\\' || next == '"' || next == '\'') continue;
        set_token(lexer, TOKEN_BAD_ESCAPE, at - 1, at + (at < lexer->size_bytes), token);
        token->offset = (uint32_t)at;
        return PHUSA_OK;
    }
    const bool ended = byte_at(lexer, at) == quote && at < lexer->size_bytes;
    set_token(lexer, ended ? kind : TOKEN_BAD_STRING, begin, at + ended, token);
    token->text = (struct phusa_text){lexer->text + begin + 1, at - begin - 1};
    if (!escaped) return PHUSA_OK;
    char *copy = arena_alloc(lexer->arena, token->text.size_bytes);
    if (copy == NULL) return PHUSA_ENOMEM;
    size_t size_bytes = 0;
    for (size_t i = 0; i < token->text.size_bytes; i++) {
        char c = token->text.bytes[i];
        if (c == '\\') {
            c = token->text.bytes[++i];
            if (c == 'n') c = '\n';
        }
        copy[size_bytes++] = c;
    }
    token->text = (struct phusa_text){copy, size_bytes};
    return PHUSA_OK;
}

phusa_status lexer_read_regex(const struct lexer *lexer, uint32_t offset, struct token *token)
{
    assert(byte_at(lexer, offset) == '/');
    size_t at = offset + 1u;
    size_t escapes = 0;
    for (; at < lexer->size_bytes && lexer->text[at] != '/' && lexer->text[at] != '\n'; at++) {
        if (lexer->text[at] != '\\' || byte_at(lexer, at + 1) != '/') continue;
        escapes++;
        at++;
    }
    const bool ended = byte_at(lexer, at) == '/';
    set_token(lexer, ended ? TOKEN_REGEX : TOKEN_BAD_REGEX, offset, at + ended, token);
    token->text = (struct phusa_text){lexer->text + offset + 1, at - offset - 1};
    if (escapes == 0) return PHUSA_OK;
    char *copy = arena_alloc(lexer->arena, token->text.size_bytes);
    if (copy == NULL) return PHUSA_ENOMEM;
    size_t size_bytes = 0;
    for (size_t i = 0; i < token->text.size_bytes; i++) {
        const char c = token->text.bytes[i];
        if (c == '\\' && i + 1 < token->text.size_bytes && token->text.bytes[i + 1] == '/')
            continue;
        copy[size_bytes++] = c;
    }
    token->text = (struct phusa_text){copy, size_bytes};
    return PHUSA_OK;
}

static bool is_micro_sign(const struct lexer *lexer, size_t at)
{
    return byte_at(lexer, at) == '\xc2' && byte_at(lexer, at + 1) == '\xb5';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Behind the exponent of a number, if one begins at `at`. */
static size_t skip_exponent(const struct lexer *lexer, size_t at)
{
    if (byte_at(lexer, at) != 'e' && byte_at(lexer, at) != 'E') return at;
    size_t digits = at + 1;
    if (byte_at(lexer, digits) == '+' || byte_at(lexer, digits) == '-') digits++;
    if (!lexer_is_digit(byte_at(lexer, digits))) return at;
    while (lexer_is_digit(byte_at(lexer, digits)))
        digits++;
    return digits;
}

static void read_number(const struct lexer *lexer, size_t begin, struct token *token)
{
    size_t at = begin;
    while (lexer_is_digit(byte_at(lexer, at)))
        at++;
    enum token_kind kind = TOKEN_INTEGER;
    if (byte_at(lexer, at) == '.') {
        kind = TOKEN_NUMBER;
        at++;
        while (lexer_is_digit(byte_at(lexer, at)))
            at++;
    }
    const size_t exponent_end = skip_exponent(lexer, at);
    if (exponent_end != at) {
        kind = TOKEN_NUMBER;
        at = exponent_end;
    }
    if (kind == TOKEN_INTEGER && (is_letter(byte_at(lexer, at)) || is_micro_sign(lexer, at))) {
        kind = TOKEN_DURATION;
        while (is_letter(byte_at(lexer, at)) || lexer_is_digit(byte_at(lexer, at)) ||
               is_micro_sign(lexer, at))
            at += is_micro_sign(lexer, at) ? 2 : 1;
    }
    set_token(lexer, kind, begin, at, token);
}

static void read_name(const struct lexer *lexer, size_t begin, struct token *token)
{
    size_t at = begin;
    while (lexer_starts_name(byte_at(lexer, at)) || lexer_is_digit(byte_at(lexer, at)))
        at++;
    set_token(lexer, TOKEN_NAME, begin, at, token);
    token->kind = keyword_of(token->text);
}

static void read_sign(const struct lexer *lexer, size_t begin, struct token *token)
{
    static const struct {
        char sign[3];
        enum token_kind kind;
    } signs[] = {
        {"::", TOKEN_COLONS},
        {"=~", TOKEN_MATCH},
        {"!=", TOKEN_NOT_EQUAL},
        {"!~", TOKEN_NOT_MATCH},
        {"<=", TOKEN_LESS_EQUAL},
        {"<>", TOKEN_NOT_EQUAL},
        {">=", TOKEN_GREATER_EQUAL},
        {",", TOKEN_COMMA},
        {";", TOKEN_SEMICOLON},
        {".", TOKEN_DOT},
        {"(", TOKEN_LEFT},
        {")", TOKEN_RIGHT},
        {"+", TOKEN_ADD},
        {"-", TOKEN_SUBTRACT},
        {"*", TOKEN_MULTIPLY},
        {"/", TOKEN_DIVIDE},
        {"%", TOKEN_MODULO},
        {"&", TOKEN_BIT_AND},
        {"|", TOKEN_BIT_OR},
        {"^", TOKEN_BIT_XOR},
        {"=", TOKEN_EQUAL},
        {"<", TOKEN_LESS},
        {">", TOKEN_GREATER},
    };
    const char *p = lexer->text + begin;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (p[0] != signs[i].sign[0]) continue;
        if (signs[i].sign[1] != '\0' && byte_at(lexer, begin + 1) != signs[i].sign[1]) continue;
        set_token(lexer, signs[i].kind, begin, begin + strlen(signs[i].sign), token);
        return;
    }
    set_token(lexer, TOKEN_STRAY, begin, begin + 1, token);
}

phusa_status lexer_read(const struct lexer *lexer, uint32_t offset, struct token *token)
{
    const size_t at = skip_blanks(lexer, offset);
    const char c = byte_at(lexer, at);
    if (at >= lexer->size_bytes) {
        /* The end counts from the last thing that was written. */
        size_t end = lexer->size_bytes;
        while (end > 0 && is_blank(lexer->text[end - 1]))
            end--;
        set_token(lexer, TOKEN_END, end, end, token);
        return PHUSA_OK;
    }
    if (c == '"') return read_quoted(lexer, at, TOKEN_NAME, token);
    if (c == '\'') return read_quoted(lexer, at, TOKEN_STRING, token);
    if (c == '/' && byte_at(lexer, at + 1) == '*')
        set_token(lexer, TOKEN_ILLEGAL, at, at, token);
    else if (lexer_is_digit(c) || (c == '.' && lexer_is_digit(byte_at(lexer, at + 1))))
        read_number(lexer, at, token);
    else if (lexer_starts_name(c))
        read_name(lexer, at, token);
    else
        read_sign(lexer, at, token);
    return PHUSA_OK;
}
