/*
 * line_key.c - measurement and tags of a line, into the canonical form of batch.h.
 *
 * A delimiter with a backslash byte before it is text. The backslash goes if it stands before a
 * delimiter that has a meaning there (in a measurement not before '='), and stays otherwise: two
 * backslashes are two, and `\\,` is a backslash and a comma.
 */
#include "text/line_internal.h"

#include "base/mem.h"
#include "text/scan.h"

#include <stdlib.h>

const char *line_key_end(const char *p, const char *end)
{
    const char *at = p;
    for (;; at++) {
        at = memchr(at, ' ', (size_t)(end - at));
        if (at == NULL) return end;
        if (at == p || at[-1] != '\\') return at;
    }
}

/* The first `a` or `b` in [p, end) without a backslash before it, or `end`; p > start of line
 * or not such a byte itself. */
static const char *find_delimiter(const char *p, const char *end, char a, char b)
{
    const char *at = scan_either(p, end, a, b);
    while (at != end && at > p && at[-1] == '\\')
        at = scan_either(at + 1, end, a, b);
    return at;
}

static phusa_status unescape(struct line_parser *parser, const char *set, struct phusa_text text,
                             struct phusa_text *out)
{
    if (parser->key_escaped) return line_unescape(parser, set, text, out);
    *out = text;
    return PHUSA_OK;
}

static phusa_status take_name(struct line_parser *parser, const char *what, const char *set,
                              const char *p, const char *end, struct phusa_text *out,
                              struct line_fault *fault)
{
    struct phusa_text text = {p, (size_t)(end - p)};
    const phusa_status status = unescape(parser, set, text, &text);
    if (status != PHUSA_OK) return status;
    if (text.size_bytes > NAME_BYTES_MAX)
        return line_fault(fault, p, PHUSA_ELIMIT, "%s of %zu bytes: at most %u are allowed", what,
                          text.size_bytes, NAME_BYTES_MAX);
    *out = text;
    return PHUSA_OK;
}

/* One tag from *at, which is its comma, on. */
static phusa_status take_tag(struct line_parser *parser, const char **at, const char *end,
                             struct phusa_pair *tag, struct line_fault *fault)
{
    const char *key = *at + 1;
    const char *equal = find_delimiter(key, end, '=', ',');
    if (equal == key)
        return line_fault(fault, key, PHUSA_ESYNTAX,
                          "missing tag key: write key=value after the comma");
    if (equal == end || *equal == ',')
        return line_fault(fault, equal, PHUSA_ESYNTAX,
                          "missing tag value: write key=value after the comma");
    const char *value = equal + 1;
    const char *value_end = find_delimiter(value, end, ',', '=');
    if (value_end != end && *value_end == '=')
        return line_fault(fault, value_end, PHUSA_ESYNTAX,
                          "invalid tag format: write \\= for an equals sign in a tag");
    if (value == value_end)
        return line_fault(fault, value, PHUSA_ESYNTAX,
                          "missing tag value: leave a tag out that has none");
    phusa_status status = take_name(parser, "tag key", ",= ", key, equal, &tag->key, fault);
    if (status != PHUSA_OK) return status;
    if (tag->key.size_bytes == 4 && memcmp(tag->key.bytes, "time", 4) == 0)
        return line_fault(fault, key, PHUSA_EINVAL,
                          "invalid tag key: time is the point's own, choose another name");
    tag->value = (struct phusa_text){value, (size_t)(value_end - value)};
    status = unescape(parser, ",= ", tag->value, &tag->value);
    if (status != PHUSA_OK) return status;
    *at = value_end;
    return PHUSA_OK;
}

/* As text_compare() of their keys; those of one series mostly differ in their first byte. */
static inline int compare_tags(const struct phusa_pair *a, const struct phusa_pair *b)
{
    const int first = (int)(uint8_t)*a->key.bytes - (int)(uint8_t)*b->key.bytes;
    return first != 0 ? first : text_compare(a->key, b->key);
}

static int compare_for_qsort(const void *a, const void *b)
{
    return compare_tags(a, b);
}

/* By insertion up to a few, where qsort()'s calls would cost more than the rest of the line. */
#define FEW_TAGS 24u
static void sort_by_key(struct phusa_pair *tags, size_t count)
{
    if (count > FEW_TAGS) {
        qsort(tags, count, sizeof *tags, compare_for_qsort);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const struct phusa_pair tag = tags[i];
        size_t at = i;
        for (; at > 0 && compare_tags(&tags[at - 1], &tag) > 0; at--)
            tags[at] = tags[at - 1];
        tags[at] = tag;
    }
}

/* Tags in order of their keys, which must differ. */
static phusa_status sort_tags(struct line_parser *parser, const char *p, struct line_fault *fault)
{
    const struct phusa_pair *tags = parser->tags;
    sort_by_key(parser->tags, parser->tag_count);
    for (size_t i = 1; i < parser->tag_count; i++)
        if (compare_tags(&tags[i - 1], &tags[i]) == 0)
            return line_fault(fault, p, PHUSA_EINVAL, "duplicate tags: %.*s is there twice",
                              (int)tags[i].key.size_bytes, tags[i].key.bytes);
    return PHUSA_OK;
}

/* memcpy() for the few bytes of a tag, without the call. */
static inline uint8_t *put_bytes(uint8_t *out, const char *bytes, size_t size_bytes)
{
    if (size_bytes >= 8 && size_bytes <= 16) {
        const uint64_t head = load_u64(bytes);
        const uint64_t tail = load_u64(bytes + size_bytes - 8);
        store_u64(out, head);
        store_u64(out + size_bytes - 8, tail);
    } else if (size_bytes >= 4 && size_bytes < 8) {
        const uint32_t head = load_u32(bytes);
        const uint32_t tail = load_u32(bytes + size_bytes - 4);
        store_u32(out, head);
        store_u32(out + size_bytes - 4, tail);
    } else if (size_bytes < 4) {
        for (size_t i = 0; i < size_bytes; i++)
            out[i] = (uint8_t)bytes[i];
    } else {
        memcpy(out, bytes, size_bytes);
    }
    return out + size_bytes;
}

/* False: it does not fit. */
static bool put_text(struct line_parser *parser, struct phusa_text text)
{
    const size_t room = SERIES_KEY_BYTES_MAX - parser->canonical_bytes;
    if (text.size_bytes + 1 + (text.size_bytes >= 0x80) + (text.size_bytes >= 0x4000) > room)
        return false;
    uint8_t *p = put_varint(parser->canonical + parser->canonical_bytes, text.size_bytes);
    p = put_bytes(p, text.bytes, text.size_bytes);
    parser->canonical_bytes = (uint32_t)(p - parser->canonical);
    return true;
}
_Static_assert(SERIES_KEY_BYTES_MAX <= 0x4000, "a text that fits has a length of two bytes");

static phusa_status put_canonical(struct line_parser *parser, const char *p,
                                  struct line_fault *fault)
{
    parser->canonical_bytes = 0;
    bool fits = put_text(parser, parser->measurement);
    for (size_t i = 0; fits && i < parser->tag_count; i++)
        fits = put_text(parser, parser->tags[i].key) && put_text(parser, parser->tags[i].value);
    if (fits) return PHUSA_OK;
    return line_fault(fault, p, PHUSA_ELIMIT,
                      "measurement and tags are too long: at most %u bytes are allowed",
                      SERIES_KEY_BYTES_MAX);
}

static bool make_room(struct line_parser *parser)
{
    if (parser->canonical != NULL) return true;
    if (parser->tags == NULL) parser->tags = mem_array(TAG_COUNT_MAX, sizeof *parser->tags);
    if (parser->tags == NULL) return false;
    parser->canonical = mem_alloc(SERIES_KEY_BYTES_MAX);
    return parser->canonical != NULL;
}

phusa_status line_parse_key(struct line_parser *parser, const char *p, const char *end,
                            struct line_fault *fault)
{
    if (!make_room(parser)) return PHUSA_ENOMEM;
    parser->unescaped_bytes = 0;
    parser->tag_count = 0;
    if (p == end || *p == ',')
        return line_fault(fault, p, PHUSA_ESYNTAX,
                          "missing measurement: a line begins with its name");
    const char *bad = scan_text_fault(p, end);
    if (bad != end)
        return line_fault(fault, bad, PHUSA_EINVAL,
                          *bad == '\0' ? "NUL byte: leave it out" : "invalid UTF-8");

    parser->key_escaped = memchr(p, '\\', (size_t)(end - p)) != NULL;
    const char *at = find_delimiter(p, end, ',', ',');
    phusa_status status =
        take_name(parser, "measurement", ", ", p, at, &parser->measurement, fault);
    if (status != PHUSA_OK) return status;
    while (at != end) {
        if (parser->tag_count == TAG_COUNT_MAX)
            return line_fault(fault, at, PHUSA_ELIMIT, "more than %u tags", TAG_COUNT_MAX);
        status = take_tag(parser, &at, end, &parser->tags[parser->tag_count], fault);
        if (status != PHUSA_OK) return status;
        parser->tag_count++;
    }
    status = sort_tags(parser, p, fault);
    if (status != PHUSA_OK) return status;
    return put_canonical(parser, p, fault);
}
