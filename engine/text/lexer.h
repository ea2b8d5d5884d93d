/*
 * lexer.h - InfluxQL's words. The lexer keeps no state but a place in the text, so that a parser
 * may read a '/' again as the start of a regular expression where one can stand.
 *
 * Units  offsets and sizes in bytes; places in messages in lines and characters, from 1.
 */
#ifndef PHUSA_TEXT_LEXER_H
#define PHUSA_TEXT_LEXER_H

#include "base/arena.h"
#include "phusa.h"

enum token_kind {
    TOKEN_END,
    TOKEN_ILLEGAL,    /* a comment without an end */
    TOKEN_STRAY,      /* a byte that begins nothing */
    TOKEN_BAD_STRING, /* without an end */
    TOKEN_BAD_ESCAPE,
    TOKEN_BAD_REGEX,
    TOKEN_NAME,     /* also "quoted" */
    TOKEN_STRING,   /* 'quoted' */
    TOKEN_NUMBER,   /* with a point or an exponent */
    TOKEN_INTEGER,  /* digits */
    TOKEN_DURATION, /* digits and units, perhaps wrong ones */
    TOKEN_REGEX,
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
    TOKEN_DOT,
    TOKEN_LEFT,   /* ( */
    TOKEN_RIGHT,  /* ) */
    TOKEN_COLONS, /* :: */
    /* operators, in the order of enum expr_operator */
    TOKEN_ADD,
    TOKEN_SUBTRACT,
    TOKEN_MULTIPLY,
    TOKEN_DIVIDE,
    TOKEN_MODULO,
    TOKEN_BIT_AND,
    TOKEN_BIT_OR,
    TOKEN_BIT_XOR,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_MATCH,
    TOKEN_NOT_MATCH,
    TOKEN_AND,
    TOKEN_OR,
    /* keywords, none of which is a name unless quoted; alphabetically, as in lexer.c */
    TOKEN_ALL,
    TOKEN_ALTER,
    TOKEN_ANALYZE,
    TOKEN_ANY,
    TOKEN_AS,
    TOKEN_ASC,
    TOKEN_BEGIN,
    TOKEN_BY,
    TOKEN_CARDINALITY,
    TOKEN_CONTINUOUS,
    TOKEN_CREATE,
    TOKEN_DATABASE,
    TOKEN_DATABASES,
    TOKEN_DEFAULT,
    TOKEN_DELETE,
    TOKEN_DESC,
    TOKEN_DESTINATIONS,
    TOKEN_DIAGNOSTICS,
    TOKEN_DISTINCT,
    TOKEN_DROP,
    TOKEN_DURATION_WORD,
    TOKEN_END_WORD,
    TOKEN_EVERY,
    TOKEN_EXACT,
    TOKEN_EXPLAIN,
    TOKEN_FALSE,
    TOKEN_FIELD,
    TOKEN_FOR,
    TOKEN_FROM,
    TOKEN_GRANT,
    TOKEN_GRANTS,
    TOKEN_GROUP,
    TOKEN_GROUPS,
    TOKEN_IN,
    TOKEN_INF,
    TOKEN_INSERT,
    TOKEN_INTO,
    TOKEN_KEY,
    TOKEN_KEYS,
    TOKEN_KILL,
    TOKEN_LIMIT,
    TOKEN_MEASUREMENT,
    TOKEN_MEASUREMENTS,
    TOKEN_NAME_WORD,
    TOKEN_OFFSET,
    TOKEN_ON,
    TOKEN_ORDER,
    TOKEN_PASSWORD,
    TOKEN_POLICIES,
    TOKEN_POLICY,
    TOKEN_PRIVILEGES,
    TOKEN_QUERIES,
    TOKEN_QUERY,
    TOKEN_READ,
    TOKEN_REPLICATION,
    TOKEN_RESAMPLE,
    TOKEN_RETENTION,
    TOKEN_REVOKE,
    TOKEN_SELECT,
    TOKEN_SERIES,
    TOKEN_SET,
    TOKEN_SHARD,
    TOKEN_SHARDS,
    TOKEN_SHOW,
    TOKEN_SLIMIT,
    TOKEN_SOFFSET,
    TOKEN_STATS,
    TOKEN_SUBSCRIPTION,
    TOKEN_SUBSCRIPTIONS,
    TOKEN_TAG,
    TOKEN_TO,
    TOKEN_TRUE,
    TOKEN_USER,
    TOKEN_USERS,
    TOKEN_VALUES,
    TOKEN_WHERE,
    TOKEN_WITH,
    TOKEN_WRITE,
    TOKEN_KINDS
};

struct token {
    enum token_kind kind;
    uint32_t offset;        /* where it begins */
    uint32_t end;           /* and where what follows it */
    struct phusa_text text; /* what it says: unquoted, escapes undone; as written for the others */
};

struct lexer {
    const char *text;
    size_t size_bytes;
    struct arena *arena; /* of unescaped texts */
};

/* The token at or after `offset`, behind blanks and comments. PHUSA_ENOMEM. */
PHUSA_MUST_USE phusa_status lexer_read(const struct lexer *lexer, uint32_t offset,
                                       struct token *token);
/* The regular expression whose '/' is at `offset`. */
PHUSA_MUST_USE phusa_status lexer_read_regex(const struct lexer *lexer, uint32_t offset,
                                             struct token *token);
/* What a message says was found: the text of a name or number, EOF, WHERE, <= ... */
struct phusa_text token_found(const struct token *token);
/* Where a message says it was found. */
void token_place(const struct lexer *lexer, const struct token *token, unsigned *line,
                 unsigned *character);
/* Is it a word that must be quoted to be a name? */
bool lexer_is_keyword(struct phusa_text text);
static inline bool lexer_starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}
static inline bool lexer_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#endif
