/* line_value.c - a field's value: 1.5  -3e7  42i  7u  true  "text". */
#include "text/line_internal.h"

#include "base/decimal.h"
#include "text/scan.h"

/* ---- strings ---- */

static phusa_status parse_string(const char *p, const char *end, const char **next,
                                 struct line_value *out, struct line_fault *fault)
{
    const char *begin = p + 1;
    size_t escapes = 0;
    const char *at = scan_either(begin, end, '"', '\\');
    while (at != end && *at == '\\') {
        const bool escapes_next = at + 1 < end && (at[1] == '"' || at[1] == '\\');
        escapes += escapes_next;
        at = scan_either(at + 1 + escapes_next, end, '"', '\\');
    }
    if (at == end)
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "unbalanced quotes: the string that begins here has no end");
    const size_t size_bytes = (size_t)(at - begin);
    if (size_bytes - escapes > STRING_BYTES_MAX)
        return line_fault(fault, p, PHUSA_ELIMIT, "string of %zu bytes: at most %u are allowed",
                          size_bytes - escapes, STRING_BYTES_MAX);
    const char *bad = scan_text_fault(begin, at);
    if (bad != at)
        return line_fault(fault, bad, PHUSA_EINVAL,
                          *bad == '\0' ? "NUL byte: leave it out" : "invalid UTF-8");
    out->type = PHUSA_STRING;
    out->string = (struct phusa_text){begin, size_bytes};
    out->string_escaped = escapes > 0;
    *next = at + 1;
    return PHUSA_OK;
}

/* ---- numbers and booleans ---- */

static bool is_word(const char *p, const char *end, const char *word)
{
    return text_equal((struct phusa_text){p, (size_t)(end - p)}, text_of(word));
}

static bool is_any_word(const char *p, const char *end, const char *const *words)
{
    for (; *words != NULL; words++)
        if (is_word(p, end, *words)) return true;
    return false;
}

static phusa_status parse_boolean(const char *p, const char *end, struct line_value *out,
                                  struct line_fault *fault)
{
    static const char *const yes[] = {"t", "T", "true", "True", "TRUE", NULL};
    static const char *const no[] = {"f", "F", "false", "False", "FALSE", NULL};
    const bool is_true = is_any_word(p, end, yes);
    if (!is_true && !is_any_word(p, end, no))
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "invalid boolean: write true or false; text goes in double quotes");
    out->type = PHUSA_BOOLEAN;
    out->value.u = is_true;
    return PHUSA_OK;
}

static phusa_status parse_number(const char *p, const char *end, struct line_value *out,
                                 struct line_fault *fault)
{
    const size_t size_bytes = (size_t)(end - p);
    phusa_status status;
    if (end[-1] == 'i') {
        out->type = PHUSA_INTEGER;
        status = decimal_parse_int64(p, size_bytes - 1, &out->value.i);
    } else if (end[-1] == 'u') {
        out->type = PHUSA_UNSIGNED;
        status = decimal_parse_uint64(p, size_bytes - 1, &out->value.u);
    } else {
        out->type = PHUSA_FLOAT;
        status = decimal_parse_double(p, size_bytes, &out->value.f, &out->decimals);
    }
    if (status == PHUSA_ERANGE)
        return line_fault(fault, p, PHUSA_ERANGE, "invalid number: it is out of range");
    if (status != PHUSA_OK)
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "invalid number: write 1.5, 42i or 42u; text goes in double quotes");
    return PHUSA_OK;
}

/* NaN, inf, -Infinity ... */
static bool is_not_finite(const char *p, const char *end)
{
    static const char *const words[] = {"nan", "inf", "infinity", NULL};
    if (p < end && (*p == '-' || *p == '+')) p++;
    char lower[12];
    const size_t size_bytes = (size_t)(end - p);
    if (size_bytes >= sizeof lower) return false;
    for (size_t i = 0; i < size_bytes; i++)
        lower[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
    return is_any_word(lower, lower + size_bytes, words);
}

phusa_status line_parse_value(const char *p, const char *end, const char **next,
                              struct line_value *out, struct line_fault *fault)
{
    *out = (struct line_value){0};
    if (p < end && *p == '"') return parse_string(p, end, next, out, fault);
    const char *token_end = scan_either(p, end, ',', ' ');
    if (p == token_end)
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "missing field value: leave a field out that has none");
    *next = token_end;
    if (is_not_finite(p, token_end))
        return line_fault(fault, p, PHUSA_EINVAL,
                          "unsupported value: leave a field out that is not a number");
    if (*p == '+') return line_fault(fault, p, PHUSA_ESYNTAX, "invalid number: leave the + out");
    if ((*p >= '0' && *p <= '9') || *p == '-' || *p == '.')
        return parse_number(p, token_end, out, fault);
    return parse_boolean(p, token_end, out, fault);
}
