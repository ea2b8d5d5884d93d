/*
 * cellvalue.c - cells to values.
 */
#include "cellvalue.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_BYTES_MAX                                                    \
    400 /* the longest exact decimal of any use is 767 digits; of none here \
         */
#define STRING_BYTES_MAX 65535u /* the server's limit, as InfluxDB's */
#define SAFE_DIGITS      300    /* fewer digits and no exponent: no overflow possible */

bool cell_type_parse(const char *name, size_t name_bytes, enum cell_type *type)
{
    static const struct {
        const char *name;
        enum cell_type type;
    } types[] = {{"auto", CELL_AUTO}, {"float", CELL_FLOAT}, {"int", CELL_INT},
                 {"uint", CELL_UINT}, {"bool", CELL_BOOL},   {"string", CELL_STRING}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strlen(types[i].name) != name_bytes || memcmp(types[i].name, name, name_bytes) != 0)
            continue;
        *type = types[i].type;
        return true;
    }
    return false;
}

static void trim(const char **text, size_t *text_bytes)
{
    while (*text_bytes > 0 && (**text == ' ' || **text == '\t')) {
        (*text)++;
        (*text_bytes)--;
    }
    while (*text_bytes > 0 && ((*text)[*text_bytes - 1] == ' ' || (*text)[*text_bytes - 1] == '\t'))
        (*text_bytes)--;
}

/* The parts of a number. Its digits are text[digits, mark) and text[mark + 1, exponent). */
struct number {
    bool negative, has_mark;
    size_t digits, mark, exponent, end; /* offsets; exponent == end when there is none */
};

static size_t count_digits(const char *text, size_t at, size_t text_bytes)
{
    const size_t start = at;
    while (at < text_bytes && (unsigned char)(text[at] - '0') < 10)
        at++;
    return at - start;
}

static bool scan_number(const char *text, size_t text_bytes, char decimal_mark,
                        struct number *number)
{
    size_t at = 0;
    number->negative = text_bytes > 0 && text[0] == '-';
    if (text_bytes > 0 && (text[0] == '-' || text[0] == '+')) at++;
    number->digits = at;
    size_t digits = count_digits(text, at, text_bytes);
    at += digits;
    number->mark = at;
    number->has_mark = at < text_bytes && text[at] == decimal_mark;
    if (number->has_mark) {
        const size_t fraction = count_digits(text, at + 1, text_bytes);
        digits += fraction;
        at += 1 + fraction;
    }
    if (digits == 0) return false;
    number->exponent = at;
    if (at < text_bytes && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < text_bytes && (text[at] == '+' || text[at] == '-')) at++;
        const size_t exponent_digits = count_digits(text, at, text_bytes);
        if (exponent_digits == 0) return false;
        at += exponent_digits;
    }
    number->end = at;
    return at == text_bytes;
}

static bool overflows(const char *text, size_t text_bytes, const struct number *number)
{
    if (number->exponent == number->end && number->mark - number->digits < SAFE_DIGITS)
        return false;
    char copy[NUMBER_BYTES_MAX + 1];
    memcpy(copy, text, text_bytes);
    copy[text_bytes] = 0;
    if (number->has_mark) copy[number->mark] = '.';
    return isinf(strtod(copy, NULL));
}

bool cell_is_number(const char *text, size_t text_bytes, char decimal_mark)
{
    struct number number;
    trim(&text, &text_bytes);
    return text_bytes <= NUMBER_BYTES_MAX && scan_number(text, text_bytes, decimal_mark, &number) &&
           !overflows(text, text_bytes, &number);
}

/* Line protocol wants digits before the mark and after it: ".5" is 0.5 and "5." is 5. */
static const char *append_float(struct textbuf *to, const char *text, size_t text_bytes,
                                char decimal_mark)
{
    struct number number;
    if (text_bytes > NUMBER_BYTES_MAX || !scan_number(text, text_bytes, decimal_mark, &number))
        return "not a number";
    if (overflows(text, text_bytes, &number)) return "too large for a float";
    if (!textbuf_reserve(to, text_bytes + 2)) return "no memory";
    char *out = to->bytes + to->used;
    if (number.negative) *out++ = '-';
    if (number.mark == number.digits) *out++ = '0';
    memcpy(out, text + number.digits, number.mark - number.digits);
    out += number.mark - number.digits;
    if (number.has_mark && number.exponent > number.mark + 1) {
        *out++ = '.';
        memcpy(out, text + number.mark + 1, number.exponent - number.mark - 1);
        out += number.exponent - number.mark - 1;
    }
    memcpy(out, text + number.exponent, number.end - number.exponent);
    out += number.end - number.exponent;
    to->used = (size_t)(out - to->bytes);
    return NULL;
}

/* A whole number, also when written as 12.0 */
static const char *append_integer(struct textbuf *to, const char *text, size_t text_bytes,
                                  char decimal_mark, bool is_signed)
{
    struct number number;
    if (text_bytes > NUMBER_BYTES_MAX || !scan_number(text, text_bytes, decimal_mark, &number))
        return "not a number";
    if (number.exponent != number.end) return "not a whole number";
    for (size_t i = number.mark + 1; i < number.exponent; i++)
        if (text[i] != '0') return "not a whole number";
    if (number.mark == number.digits) return "not a whole number";

    uint64_t magnitude = 0;
    for (size_t i = number.digits; i < number.mark; i++) {
        const uint64_t digit = (uint64_t)(text[i] - '0');
        if (magnitude > (UINT64_MAX - digit) / 10) return "too large for a 64-bit integer";
        magnitude = magnitude * 10 + digit;
    }
    if (!is_signed && number.negative && magnitude != 0) return "negative, but the field is uint";
    if (is_signed && magnitude > (uint64_t)INT64_MAX + (number.negative ? 1 : 0))
        return "too large for a 64-bit integer";
    const bool minus = number.negative && magnitude != 0;
    if (!textbuf_print(to, "%s%llu%c", minus ? "-" : "", (unsigned long long)magnitude,
                       is_signed ? 'i' : 'u'))
        return "no memory";
    return NULL;
}

static const char *append_bool(struct textbuf *to, const char *text, size_t text_bytes)
{
    static const char *const truths[] = {"true", "t", "1", "yes", "y"};
    static const char *const falsehoods[] = {"false", "f", "0", "no", "n"};
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
        if (strlen(truths[i]) == text_bytes && strncasecmp(truths[i], text, text_bytes) == 0)
            return textbuf_append(to, "true", 4) ? NULL : "no memory";
        if (strlen(falsehoods[i]) == text_bytes &&
            strncasecmp(falsehoods[i], text, text_bytes) == 0)
            return textbuf_append(to, "false", 5) ? NULL : "no memory";
    }
    return "neither true nor false";
}

static const char *append_string(struct textbuf *to, const char *text, size_t text_bytes)
{
    if (text_bytes > STRING_BYTES_MAX) return "a string longer than 65535 bytes";
    if (!textbuf_reserve(to, text_bytes * 2 + 2)) return "no memory";
    char *out = to->bytes + to->used;
    *out++ = '"';
    for (size_t i = 0; i < text_bytes; i++) {
        if (text[i] == '"' || text[i] == '\\') *out++ = '\\';
        *out++ = text[i];
    }
    *out++ = '"';
    to->used = (size_t)(out - to->bytes);
    return NULL;
}

const char *cell_append(struct textbuf *to, enum cell_type type, const char *text,
                        size_t text_bytes, char decimal_mark)
{
    assert(to != NULL);
    if (type == CELL_STRING) return append_string(to, text, text_bytes);
    trim(&text, &text_bytes);
    switch (type) {
    case CELL_FLOAT:
        return append_float(to, text, text_bytes, decimal_mark);
    case CELL_INT:
        return append_integer(to, text, text_bytes, decimal_mark, true);
    case CELL_UINT:
        return append_integer(to, text, text_bytes, decimal_mark, false);
    default:
        assert(type == CELL_BOOL);
        return append_bool(to, text, text_bytes);
    }
}
