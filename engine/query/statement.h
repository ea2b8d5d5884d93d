/*
 * statement.h - what a request asks, as a tree: the one form that text/ parses to and that
 * query/ plans from. Names are not resolved here.
 *
 * Ownership  Everything lies in the arena that the parser was given.
 * Texts      `offset` is where in the request, in bytes, a piece began: errors point there.
 */
#ifndef PHUSA_QUERY_STATEMENT_H
#define PHUSA_QUERY_STATEMENT_H

#include "base/arena.h"
#include "phusa.h"

/* ---- expressions ---- */

enum expr_kind {
    EXPR_FLOAT,
    EXPR_INTEGER,
    EXPR_UNSIGNED,
    EXPR_STRING,
    EXPR_BOOLEAN,
    EXPR_DURATION, /* 1h, 1mo */
    EXPR_NOW,      /* now() */
    EXPR_REGEX,
    EXPR_NAME,     /* a field, a tag, or time; perhaps with ::type */
    EXPR_WILDCARD, /* *, *::field, *::tag */
    EXPR_CALL,
    EXPR_BINARY,
};

/* ::field and ::tag say where to look, the others what type to read as. */
enum expr_cast {
    CAST_NONE,
    CAST_FIELD,
    CAST_TAG,
    CAST_FLOAT,
    CAST_INTEGER,
    CAST_UNSIGNED,
    CAST_STRING,
    CAST_BOOLEAN,
};

enum expr_operator {
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_MODULO,
    OP_BIT_AND,
    OP_BIT_OR,
    OP_BIT_XOR,
    OP_EQUAL,
    OP_NOT_EQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_MATCH,     /* =~ */
    OP_NOT_MATCH, /* !~ */
    OP_AND,
    OP_OR,
};

struct expr {
    enum expr_kind kind;
    uint32_t offset;
    union {
        double number;
        int64_t integer;
        uint64_t unsigned_integer;
        bool boolean;
        struct phusa_interval duration;
        struct phusa_text text; /* STRING, REGEX (its pattern, "\/" undone) */
        struct {                /* NAME, WILDCARD */
            struct phusa_text name;
            enum expr_cast cast;
        } reference;
        struct {
            struct phusa_text function; /* lower case */
            struct expr **arguments;
            size_t argument_count;
        } call;
        struct {
            enum expr_operator op;
            struct expr *left, *right;
            bool parenthesised; /* only for printing it back */
        } binary;
    };
};

/* ---- SELECT ---- */

struct select_column {
    struct expr *expr;
    struct phusa_text alias; /* bytes NULL: none */
};

struct select_statement;
enum source_kind { SOURCE_NAME, SOURCE_REGEX, SOURCE_SUBQUERY };
struct source {
    enum source_kind kind;
    uint32_t offset;
    struct phusa_text database, policy; /* bytes NULL: the request's */
    struct phusa_text name;             /* measurement, or the pattern */
    struct select_statement *subquery;
};

enum fill_kind { FILL_NULL, FILL_NONE, FILL_PREVIOUS, FILL_LINEAR, FILL_NUMBER };

/* GROUP BY: time(...) apart, then the rest in order. */
struct dimension {
    enum { DIMENSION_TAG, DIMENSION_REGEX, DIMENSION_WILDCARD } kind;
    struct phusa_text name; /* tag key, or the pattern */
    uint32_t offset;
};

struct select_statement {
    struct select_column *columns;
    size_t column_count;
    struct source *sources;
    size_t source_count;
    struct expr *where; /* NULL: none */
    bool has_window;
    struct phusa_interval window;        /* time(window, offset) */
    struct phusa_interval window_offset; /* {0,0}: none; may be negative */
    bool offset_is_now;                  /* time(1h, now()) */
    struct dimension *dimensions;
    size_t dimension_count;
    bool has_fill;
    enum fill_kind fill;
    double fill_number;
    bool descending;
    uint64_t limit, row_offset, series_limit, series_offset; /* 0: none */
    struct phusa_text zone;                                  /* tz('...'); bytes NULL: none */
};

/* ---- the others ---- */

enum statement_kind {
    STATEMENT_SELECT,
    STATEMENT_EXPLAIN, /* select: what it would do */
    STATEMENT_CREATE_DATABASE,
    STATEMENT_ALTER_DATABASE, /* ALTER DATABASE d TZ 'zone': ours */
    STATEMENT_DROP_DATABASE,
    STATEMENT_CREATE_POLICY,
    STATEMENT_ALTER_POLICY,
    STATEMENT_DROP_POLICY,
    STATEMENT_DROP_MEASUREMENT,
    STATEMENT_DROP_SERIES,
    STATEMENT_DELETE,
    STATEMENT_SHOW_DATABASES,
    STATEMENT_SHOW_POLICIES,
    STATEMENT_SHOW_MEASUREMENTS,
    STATEMENT_SHOW_TAG_KEYS,
    STATEMENT_SHOW_TAG_VALUES,
    STATEMENT_SHOW_FIELD_KEYS,
    STATEMENT_SHOW_SERIES,
};

struct policy_clause {
    bool has_duration, has_shard, has_replication;
    struct phusa_interval duration; /* {0,0}: INF */
    struct phusa_interval shard;    /* SHARD DURATION */
    bool is_default;
};

/* SHOW TAG VALUES WITH KEY = k | != k | IN (...) | =~ /../ | !~ /../ */
struct key_clause {
    enum { KEY_ANY, KEY_EQUAL, KEY_NOT_EQUAL, KEY_IN, KEY_MATCH, KEY_NOT_MATCH } kind;
    struct phusa_text *values; /* one, but for IN */
    size_t value_count;
};

struct statement {
    enum statement_kind kind;
    uint32_t offset;
    bool changes;                    /* writes or drops something */
    struct select_statement *select; /* SELECT, EXPLAIN */
    struct phusa_text name;          /* of the database, policy or measurement */
    struct phusa_text database;      /* ON d; bytes NULL: the request's */
    struct phusa_text zone;          /* CREATE or ALTER DATABASE ... TZ 'zone' */
    struct policy_clause policy;     /* CREATE DATABASE ... WITH, CREATE and ALTER POLICY */
    bool has_policy;                 /* CREATE DATABASE ... WITH was there */
    struct phusa_text policy_name;   /* ... WITH NAME n */
    struct source *sources;          /* FROM, and WITH MEASUREMENT as one source */
    size_t source_count;
    struct key_clause keys;
    struct expr *where;
    uint64_t limit, row_offset, series_limit, series_offset;
};

struct request {
    struct statement *statements;
    size_t statement_count;
};

#endif
