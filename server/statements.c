/* statements.c - see statements.h. */
#include "statements.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Where a quoted text or a comment that begins at p ends; p itself when none begins there. */
static const char *skip_quoted(const char *p, const char *end)
{
    if (*p == '\'' || *p == '"') {
        const char quote = *p++;
        while (p < end && *p != quote)
            p += *p == '\\' && p + 1 < end ? 2 : 1;
        return p < end ? p + 1 : end;
    }
    if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        return line_end == NULL ? end : line_end + 1;
    }
    if (end - p >= 2 && p[0] == '/' && p[1] == '*') {
        const char *close = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);
        return close == NULL ? end : close + 2;
    }
    return p;
}

bool next_statement(struct phusa_text *text, struct phusa_text *statement)
{
    const char *p = text->bytes;
    const char *end = p + text->size_bytes;
    const char *start = NULL, *last = NULL; /* of what is neither space nor comment */
    while (p < end) {
        const char *after = skip_quoted(p, end);
        const bool comment = after != p && *p != '\'' && *p != '"';
        if (after == p && *p == ';') {
            p++;
            if (start != NULL) break;
            continue;
        }
        if (after == p) after = p + 1;
        if (!comment && !is_space(*p)) {
            if (start == NULL) start = p;
            last = after;
        }
        p = after;
    }
    *text = (struct phusa_text){p, (size_t)(end - p)};
    if (start == NULL) return false;
    *statement = (struct phusa_text){start, (size_t)(last - start)};
    return true;
}

bool changes_something(struct phusa_text statement)
{
    static const char *const words[] = {"create", "drop", "delete", "alter", "grant",
                                        "revoke", "kill", "set",    "insert"};
    size_t size = 0;
    while (size < statement.size_bytes && !is_space(statement.bytes[size]))
        size++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == size && strncasecmp(statement.bytes, words[i], size) == 0)
            return true;
    /* SELECT ... INTO writes too. */
    if (size == 6 && strncasecmp(statement.bytes, "select", 6) == 0)
        for (size_t i = size; i + 6 <= statement.size_bytes; i++)
            if (is_space(statement.bytes[i]) &&
                strncasecmp(statement.bytes + i + 1, "into", 4) == 0 &&
                is_space(statement.bytes[i + 5]))
                return true;
    return false;
}
