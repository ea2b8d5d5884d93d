/* influxql.c - requests: statements one after the other. */
#include "text/influxql.h"

#include "base/bytes.h"
#include "base/status.h"
#include "text/parser.h"
#include "text/scan.h"

static phusa_status parse_read(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_SELECT;
    return parse_select(p, &statement->select);
}

static phusa_status parse_explain(struct parser *p, struct statement *statement)
{
    statement->kind = STATEMENT_EXPLAIN;
    const phusa_status status = parse_expect(p, TOKEN_SELECT, "SELECT");
    return status == PHUSA_OK ? parse_select(p, &statement->select) : status;
}

static phusa_status parse_statement(struct parser *p, struct statement *statement)
{
    static const struct {
        enum token_kind word;
        phusa_status (*parse)(struct parser *p, struct statement *statement);
    } statements[] = {
        {TOKEN_SELECT, parse_read},   {TOKEN_DELETE, parse_delete}, {TOKEN_SHOW, parse_show},
        {TOKEN_CREATE, parse_create}, {TOKEN_DROP, parse_drop},     {TOKEN_EXPLAIN, parse_explain},
        {TOKEN_ALTER, parse_alter},
    };
    *statement = (struct statement){.offset = p->token.offset};
    p->depth = 0;
    p->operators = 0;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (p->token.kind != statements[i].word) continue;
        const phusa_status status = parse_advance(p);
        return status == PHUSA_OK ? statements[i].parse(p, statement) : status;
    }
    return parse_unexpected(p, "SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, ALTER");
}

static phusa_status parse_statements(struct parser *p, struct request *request)
{
    size_t capacity = 0;
    phusa_status status = parse_advance(p);
    while (status == PHUSA_OK && p->token.kind != TOKEN_END) {
        bool is_empty;
        status = parse_accept(p, TOKEN_SEMICOLON, &is_empty);
        if (status != PHUSA_OK || is_empty) continue;
        if (request->statement_count == STATEMENTS_MAX)
            return parse_fail(p, PHUSA_ELIMIT, "more than %u statements in one request",
                              STATEMENTS_MAX);
        struct statement statement;
        status = parse_statement(p, &statement);
        if (status != PHUSA_OK) return status;
        if (p->token.kind != TOKEN_SEMICOLON && p->token.kind != TOKEN_END)
            return parse_unexpected(p, ";");
        request->statements = parse_append(p, request->statements, &request->statement_count,
                                           &capacity, sizeof statement, &statement);
        if (request->statements == NULL) return parse_no_memory(p);
    }
    return status;
}

phusa_status influxql_parse(const char *text, size_t size_bytes, struct arena *arena,
                            struct request *out, struct phusa_error *error)
{
    if (size_bytes > STATEMENT_BYTES_MAX)
        return error_set(error, PHUSA_ELIMIT, "a request of %zu bytes: at most %u are allowed",
                         size_bytes, STATEMENT_BYTES_MAX);
    if (text == NULL) text = "";
    const char *bad = scan_text_fault(text, text + size_bytes);
    if (bad != text + size_bytes)
        return error_set(error, PHUSA_ESYNTAX, "%s at byte %zu",
                         *bad == '\0' ? "NUL" : "invalid UTF-8", (size_t)(bad - text) + 1);
    struct parser parser = {
        .lexer = {.text = text, .size_bytes = size_bytes, .arena = arena},
        .arena = arena,
        .error = error,
    };
    struct request request = {0};
    const phusa_status status = parse_statements(&parser, &request);
    if (status == PHUSA_OK) *out = request;
    return status;
}
