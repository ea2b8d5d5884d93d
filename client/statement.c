/*
 * statement.c - where an InfluxQL statement ends, without understanding it.
 *
 * A '/' divides, or begins a regular expression: behind '~' (of =~ and !~), ',' and '(' and the
 * words FROM, SELECT and BY there is nothing to divide.
 */
#include "session.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static size_t skip_quoted(const char *text, size_t at)
{
    const char quote = text[at++];
    while (text[at] != 0 && text[at] != quote)
        at += text[at] == '\\' && text[at + 1] != 0 ? 2 : 1;
    return text[at] == 0 ? at : at + 1;
}

static size_t skip_comment(const char *text, size_t at)
{
    if (text[at] == '-') return at + strcspn(text + at, "\n");
    const char *end = strstr(text + at + 2, "*/");
    return end == NULL ? at + strlen(text + at) : (size_t)(end - text) + 2;
}

static bool begins_comment(const char *text, size_t at)
{
    return (text[at] == '-' && text[at + 1] == '-') || (text[at] == '/' && text[at + 1] == '*');
}

static bool begins_regex(const char *text, size_t at)
{
    static const char *const words[] = {"FROM", "SELECT", "BY"};
    while (at > 0 && isspace((unsigned char)text[at - 1]))
        at--;
    if (at == 0) return false;
    if (strchr("~,(", text[at - 1]) != NULL) return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t word_bytes = strlen(words[i]);
        if (at < word_bytes || strncasecmp(text + at - word_bytes, words[i], word_bytes) != 0)
            continue;
        if (at == word_bytes || isspace((unsigned char)text[at - word_bytes - 1])) return true;
    }
    return false;
}

/* The next place that is neither in quotes nor in a comment nor in a regular expression. */
static size_t skip_opaque(const char *text, size_t at)
{
    for (;;) {
        if (begins_comment(text, at))
            at = skip_comment(text, at);
        else if (text[at] == '"' || text[at] == '\'')
            at = skip_quoted(text, at);
        else if (text[at] == '/' && begins_regex(text, at))
            at = skip_quoted(text, at);
        else
            return at;
    }
}

size_t statement_bytes(const char *text)
{
    size_t at = 0;
    for (;;) {
        at = skip_opaque(text, at);
        if (text[at] == 0) return 0;
        if (text[at++] == ';') return at;
    }
}

bool statement_is_blank(const char *text)
{
    size_t at = 0;
    while (text[at] != 0) {
        if (begins_comment(text, at))
            at = skip_comment(text, at);
        else if (isspace((unsigned char)text[at]) || text[at] == ';')
            at++;
        else
            return false;
    }
    return true;
}
