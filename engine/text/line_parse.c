/* line_parse.c - any record of line protocol, and what exactly is wrong with it. */
#include "text/line_internal.h"

#include "base/decimal.h"
#include "base/mem.h"
#include "text/scan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- small parts ---- */

phusa_status line_fault(struct line_fault *fault, const char *at, phusa_status status,
                        const char *format, ...)
{
    assert(status < 0);
    assert(status != PHUSA_ENOMEM);
    fault->at = at;
    fault->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof fault->reason, format, arguments);
    va_end(arguments);
    return status;
}

phusa_status line_unescape(struct line_parser *parser, const char *set, struct phusa_text text,
                           struct phusa_text *out)
{
    if (memchr(text.bytes, '\\', text.size_bytes) == NULL) {
        *out = text;
        return PHUSA_OK;
    }
    /* All of them fit at once, so that none moves while another is added. */
    if (parser->unescaped_bytes == 0 &&
        !MEM_GROW(parser->unescaped, parser->unescaped_capacity, parser->record_bytes))
        return PHUSA_ENOMEM;
    assert(text.size_bytes <= parser->unescaped_capacity - parser->unescaped_bytes);
    char *begin = parser->unescaped + parser->unescaped_bytes;
    char *p = begin;
    for (size_t i = 0; i < text.size_bytes; i++) {
        const bool escapes = text.bytes[i] == '\\' && i + 1 < text.size_bytes &&
                             strchr(set, text.bytes[i + 1]) != NULL;
        i += escapes;
        *p++ = text.bytes[i];
    }
    *out = (struct phusa_text){begin, (size_t)(p - begin)};
    parser->unescaped_bytes += out->size_bytes;
    return PHUSA_OK;
}

bool line_time(int64_t count, int64_t precision_ns, int64_t *time_ns)
{
    int64_t ns;
    if (__builtin_mul_overflow(count, precision_ns, &ns)) return false;
    if (ns < TIME_NS_MIN || ns > TIME_NS_MAX) return false;
    *time_ns = ns;
    return true;
}

int64_t line_default_time(const struct line_options *options)
{
    return options->now_ns - options->now_ns % options->precision_ns;
}

phusa_status line_add_string(struct line_parser *parser, struct batch *batch,
                             struct phusa_text written, bool escaped, uint32_t *index)
{
    struct phusa_text text = written;
    if (escaped) {
        parser->unescaped_bytes = 0;
        const phusa_status status = line_unescape(parser, "\"\\", written, &text);
        if (status != PHUSA_OK) return status;
    }
    return batch_string(batch, text, index);
}

/* ---- field names, of which the last of two wins ---- */

/* By hash, as a line of 4,096 names compared each with each would take a while. */
#define NAME_SLOTS (4 * FIELD_COUNT_MAX)
struct line_names {
    uint16_t slots[NAME_SLOTS]; /* index + 1 */
};
#define FEW_NAMES 16u
_Static_assert(FIELD_COUNT_MAX < UINT16_MAX, "an index + 1 fits a slot");

static size_t find_among_few(const struct line_parser *parser, struct phusa_text name)
{
    size_t i = 0;
    while (i < parser->field_count && !text_equal(parser->fields[i].name, name))
        i++;
    return i;
}

static uint16_t *name_slot(struct line_parser *parser, struct phusa_text name)
{
    size_t at = hash_bytes(name.bytes, name.size_bytes).low;
    for (;; at++) {
        uint16_t *slot = &parser->name_table->slots[at % NAME_SLOTS];
        if (*slot == 0 || text_equal(parser->fields[*slot - 1].name, name)) return slot;
    }
}

static bool build_name_table(struct line_parser *parser)
{
    if (parser->name_table == NULL) parser->name_table = mem_alloc(sizeof *parser->name_table);
    if (parser->name_table == NULL) return false;
    memset(parser->name_table, 0, sizeof *parser->name_table);
    for (size_t i = 0; i < parser->field_count; i++)
        *name_slot(parser, parser->fields[i].name) = (uint16_t)(i + 1);
    parser->names_in_table = true;
    return true;
}

/* The index of the field called `name`, or field_count, where it is then expected to go. */
static phusa_status find_name(struct line_parser *parser, struct phusa_text name, size_t *index)
{
    const size_t count = parser->field_count;
    if (count < FEW_NAMES) {
        *index = find_among_few(parser, name);
        return PHUSA_OK;
    }
    if (!parser->names_in_table && !build_name_table(parser)) return PHUSA_ENOMEM;
    uint16_t *slot = name_slot(parser, name);
    *index = *slot == 0 ? count : *slot - 1u;
    if (*slot == 0 && count < FIELD_COUNT_MAX) *slot = (uint16_t)(count + 1);
    return PHUSA_OK;
}

/* ---- fields ---- */

static phusa_status parse_name(struct line_parser *parser, const char *p, const char *end,
                               const char **equal, struct phusa_text *name,
                               struct line_fault *fault)
{
    const char *at = p;
    while (at < end && ((*at != '=' && *at != ',' && *at != ' ') || (at > p && at[-1] == '\\')))
        at++;
    if (at == end || *at != '=')
        return line_fault(fault, at, PHUSA_ESYNTAX,
                          "invalid field format: fields are written name=value");
    if (at == p)
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "missing field key: fields are written name=value");
    const char *bad = scan_text_fault(p, at);
    if (bad != at)
        return line_fault(fault, bad, PHUSA_EINVAL,
                          *bad == '\0' ? "NUL byte: leave it out" : "invalid UTF-8");
    const phusa_status status =
        line_unescape(parser, ",= ", (struct phusa_text){p, (size_t)(at - p)}, name);
    if (status != PHUSA_OK) return status;
    if (name->size_bytes > NAME_BYTES_MAX)
        return line_fault(fault, p, PHUSA_ELIMIT, "field key of %zu bytes: at most %u are allowed",
                          name->size_bytes, NAME_BYTES_MAX);
    *equal = at;
    return PHUSA_OK;
}

static phusa_status keep_field(struct line_parser *parser, const struct line_field *field,
                               const char *at, struct line_fault *fault)
{
    if (text_equal(field->name, text_of("time"))) {
        parser->field_left_out = true;
        return PHUSA_OK;
    }
    size_t index;
    if (!MEM_GROW(parser->fields, parser->field_capacity, parser->field_count + 1))
        return PHUSA_ENOMEM;
    const phusa_status status = find_name(parser, field->name, &index);
    if (status != PHUSA_OK) return status;
    if (index == FIELD_COUNT_MAX)
        return line_fault(fault, at, PHUSA_ELIMIT, "more than %u fields", FIELD_COUNT_MAX);
    if (index == parser->field_count)
        parser->field_count++;
    else
        parser->field_left_out = true;
    parser->fields[index] = *field;
    return PHUSA_OK;
}

/* Fields from `p` on; *next is behind the last one's value. */
static phusa_status parse_fields(struct line_parser *parser, const char *p, const char *end,
                                 const char **next, struct line_fault *fault)
{
    parser->field_count = 0;
    parser->field_left_out = false;
    parser->names_in_table = false;
    const char *begin = p;
    for (const char *spelling = p;; spelling = p++) {
        struct line_field field;
        const char *equal = p;
        phusa_status status = parse_name(parser, p, end, &equal, &field.name, fault);
        if (status != PHUSA_OK) return status;
        field.spelling = (struct phusa_text){spelling, (size_t)(equal + 1 - spelling)};
        const char *value_end;
        status = line_parse_value(equal + 1, end, &value_end, &field.value, fault);
        if (status != PHUSA_OK) return status;
        if (value_end < end && *value_end != ',' && *value_end != ' ')
            return line_fault(fault, value_end, PHUSA_ESYNTAX,
                              "unbalanced quotes: write \\\" for a quote in a string");
        status = keep_field(parser, &field, p, fault);
        if (status != PHUSA_OK) return status;
        p = value_end;
        if (p == end || *p != ',') break;
    }
    if (parser->field_count == 0)
        return line_fault(fault, begin, PHUSA_EINVAL,
                          "invalid field name: time is the point's own, choose another name");
    *next = p;
    return PHUSA_OK;
}

/* ---- timestamp ---- */

static phusa_status parse_time(struct line_parser *parser, const char *p, const char *end,
                               const struct line_options *options, struct line_fault *fault)
{
    p = line_skip_blanks(p, end);
    if (p == end) {
        parser->time_ns = line_default_time(options);
        return PHUSA_OK;
    }
    const char *token_end = scan_either(p, end, ' ', '\t');
    int64_t count;
    const phusa_status status =
        *p == '+' ? PHUSA_ESYNTAX : decimal_parse_int64(p, (size_t)(token_end - p), &count);
    if (status == PHUSA_ESYNTAX)
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "bad timestamp: write a whole number in the request's precision");
    if (status != PHUSA_OK || !line_time(count, options->precision_ns, &parser->time_ns))
        return line_fault(fault, p, PHUSA_ERANGE,
                          "time outside range %lld - %lld: is the request's precision right?",
                          (long long)TIME_NS_MIN, (long long)TIME_NS_MAX);
    p = line_skip_blanks(token_end, end);
    if (p != end)
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "point is invalid: nothing may follow the timestamp");
    return PHUSA_OK;
}

/* ---- records ---- */

static phusa_status add_shape(struct line_parser *parser, struct batch *batch, uint32_t measurement,
                              uint32_t *shape)
{
    const size_t count = parser->field_count;
    if (!MEM_GROW(parser->names, parser->name_capacity, count)) return PHUSA_ENOMEM;
    if (!MEM_GROW(parser->types, parser->type_capacity, count)) return PHUSA_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        parser->names[i] = parser->fields[i].name;
        parser->types[i] = parser->fields[i].value.type;
    }
    return batch_shape(batch, measurement, parser->names, parser->types, (uint32_t)count, shape);
}

static phusa_status add_row(struct line_parser *parser, struct batch *batch, uint32_t column,
                            uint32_t *key, uint32_t *shape)
{
    phusa_status status = batch_key_canonical(batch, parser->measurement, parser->canonical,
                                              parser->canonical_bytes, key);
    if (status != PHUSA_OK) return status;
    status = add_shape(parser, batch, batch->keys[*key].measurement, shape);
    if (status != PHUSA_OK) return status;
    union batch_value *values;
    uint8_t *decimals;
    status = batch_reserve(batch, (uint32_t)parser->field_count, &values, &decimals);
    if (status != PHUSA_OK) return status;
    for (size_t i = 0; i < parser->field_count; i++) {
        const struct line_value *value = &parser->fields[i].value;
        values[i] = value->value;
        decimals[i] = value->decimals;
        if (value->type != PHUSA_STRING) continue;
        values[i].u = 0;
        status =
            line_add_string(parser, batch, value->string, value->string_escaped, &values[i].string);
        if (status != PHUSA_OK) return status;
    }
    return batch_row(batch, *key, *shape, parser->time_ns, parser->line_count + 1, column, NULL,
                     NULL);
}

phusa_status line_parse(struct line_parser *parser, struct batch *batch, const char *record,
                        const char *p, const char *end, const struct line_options *options,
                        struct line_fault *fault)
{
    const char *key_end = line_key_end(p, end);
    phusa_status status = line_parse_key(parser, p, key_end, fault);
    if (status != PHUSA_OK) return status;
    const char *fields = line_skip_blanks(key_end, end);
    if (fields == end)
        return line_fault(fault, end, PHUSA_ESYNTAX,
                          "missing fields: a space and name=value must follow");
    const char *next = fields;
    status = parse_fields(parser, fields, end, &next, fault);
    if (status != PHUSA_OK) return status;
    status = parse_time(parser, next, end, options, fault);
    if (status != PHUSA_OK) return status;

    uint32_t key;
    uint32_t shape;
    status = add_row(parser, batch, (uint32_t)(fields - record) + 1, &key, &shape);
    /* line.c leaves room for the longest record. */
    assert(status == PHUSA_OK || status == PHUSA_ENOMEM);
    if (status != PHUSA_OK) return status;
    return line_learn(parser, batch, p, key_end, key, shape);
}
