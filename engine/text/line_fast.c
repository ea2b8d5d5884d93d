/*
 * line_fast.c - records like earlier ones, which is what nearly all are.
 *
 *     cpu,host=host_7,region=eu-central-1 usage_user=58i,usage_system=2i 1451606400000000000
 *     |<- hashed as it stands: the key ->||<- compared ->|               |<- 8 digits at a time
 *
 * A sensor sends the same names again and again. The text before the first space is looked up by
 * its hash, so its tags are taken apart once in a batch. The fields are expected to be those of the
 * series' last line: each name costs one comparison of 16 bytes, and its type says how to read the
 * value. Whatever else comes up - escapes in odd places, another set of fields, a fault - is left
 * to line_parse(), which starts over.
 *
 * On one core 1.7 GB/s for records of ten tags and ten integers (345 bytes), 5 M records/s of one
 * float each from a million series; bench/micro/line.c.
 */
#include "text/line_internal.h"

#include "base/mem.h"
#include "text/scan.h"

#include <assert.h>

/* ---- spellings ---- */

#define SPELLINGS_MIN 256u

/* The slot of a hash, or the free one where it belongs: its generation tells which. */
static struct line_spelling *spelling_slot(const struct line_spellings *table, struct hash128 hash)
{
    for (size_t at = hash.low;; at++) {
        struct line_spelling *slot = &table->slots[at & (table->capacity - 1)];
        if (slot->generation != table->generation || hash_equal(slot->hash, hash)) return slot;
    }
}

static bool spellings_make_room(struct line_spellings *table)
{
    if ((table->count + 1) * 2 <= table->capacity) return true;
    struct line_spellings larger = {.generation = 1, .count = table->count};
    larger.capacity = table->capacity == 0 ? SPELLINGS_MIN : table->capacity * 2;
    larger.slots = mem_zalloc(larger.capacity * sizeof *larger.slots);
    if (larger.slots == NULL) return false;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].generation != table->generation) continue;
        struct line_spelling *slot = spelling_slot(&larger, table->slots[i].hash);
        *slot = table->slots[i];
        slot->generation = larger.generation;
    }
    mem_free(table->slots);
    *table = larger;
    return true;
}

static phusa_status put_spelling(struct line_spellings *table, struct hash128 hash, uint32_t key,
                                 uint32_t form)
{
    if (!spellings_make_room(table)) return PHUSA_ENOMEM;
    struct line_spelling *slot = spelling_slot(table, hash);
    if (slot->generation != table->generation) table->count++;
    *slot = (struct line_spelling){hash, table->generation, key, form};
    return PHUSA_OK;
}

void line_forget(struct line_parser *parser)
{
    struct line_spellings *table = &parser->spellings;
    table->count = 0;
    if (++table->generation == 0) {
        if (table->slots != NULL) memset(table->slots, 0, table->capacity * sizeof *table->slots);
        table->generation = 1;
    }
    arena_reset(&parser->form_arena);
    parser->form_count = 0;
    parser->shape_form_count = 0;
    parser->measurement_form_count = 0;
}

/* ---- forms ---- */

static phusa_status copy_fields(struct line_parser *parser, struct line_form *form)
{
    const size_t count = parser->field_count;
    struct line_form_field *fields = arena_array(&parser->form_arena, count, sizeof *fields);
    if (fields == NULL) return PHUSA_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct phusa_text written = parser->fields[i].spelling;
        char *copy = arena_zalloc(&parser->form_arena, written.size_bytes + LINE_SPELLING_BYTES);
        if (copy == NULL) return PHUSA_ENOMEM;
        memcpy(copy, written.bytes, written.size_bytes);
        fields[i].spelling = copy;
        fields[i].spelling_bytes = (uint32_t)written.size_bytes;
        fields[i].type = parser->fields[i].value.type;
    }
    form->fields = fields;
    form->field_count = (uint32_t)count;
    return PHUSA_OK;
}

/* Entries up to `index`, the new ones without a form. */
static bool reach(uint32_t **forms, size_t *count, size_t *capacity, uint32_t index)
{
    if (!MEM_GROW(*forms, *capacity, (size_t)index + 1)) return false;
    while (*count <= index)
        (*forms)[(*count)++] = LINE_FORM_NONE;
    return true;
}

/* The form of a shape that the record in parser->fields has. */
static phusa_status learn_form(struct line_parser *parser, uint32_t shape, uint32_t *index)
{
    if (!reach(&parser->shape_forms, &parser->shape_form_count, &parser->shape_form_capacity,
               shape))
        return PHUSA_ENOMEM;
    *index = parser->shape_forms[shape];
    /* A line that left a field out looks unlike its shape. */
    if (*index != LINE_FORM_NONE || parser->field_left_out) return PHUSA_OK;
    struct line_form form = {.shape = shape, .follower = LINE_FORM_NONE};
    if (!MEM_GROW(parser->forms, parser->form_capacity, parser->form_count + 1))
        return PHUSA_ENOMEM;
    const phusa_status status = copy_fields(parser, &form);
    if (status != PHUSA_OK) return status;
    *index = (uint32_t)parser->form_count++;
    parser->forms[*index] = form;
    parser->shape_forms[shape] = *index;
    return PHUSA_OK;
}

phusa_status line_learn(struct line_parser *parser, const struct batch *batch, const char *spelling,
                        const char *spelling_end, uint32_t key, uint32_t shape)
{
    uint32_t form;
    const uint32_t measurement = batch->keys[key].measurement;
    const phusa_status status = learn_form(parser, shape, &form);
    if (status != PHUSA_OK) return status;
    if (!reach(&parser->measurement_forms, &parser->measurement_form_count,
               &parser->measurement_form_capacity, measurement))
        return PHUSA_ENOMEM;
    if (form != LINE_FORM_NONE) {
        const uint32_t previous = parser->measurement_forms[measurement];
        if (previous != LINE_FORM_NONE && previous != form) parser->forms[previous].follower = form;
        parser->measurement_forms[measurement] = form;
    }
    const size_t size_bytes = (size_t)(spelling_end - spelling);
    return put_spelling(&parser->spellings, hash_bytes(spelling, size_bytes), key, form);
}

/* ---- values ---- */

static const double power_of_ten[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7, 1e8,
                                      1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16};
#define EXACT_MANTISSA_MAX (UINT64_C(1) << 53)

static inline bool ends_value(char c)
{
    return c == ',' || c == ' ' || c == '\n' || c == '\r';
}

/* [-]digits of up to 18, then `suffix`; NULL: something else. */
static inline const char *take_integer(const char *p, char suffix, int64_t *value)
{
    const bool negative = *p == '-';
    p += negative;
    uint64_t total;
    unsigned count = scan_digits(p, &total);
    if (count == 0) return NULL;
    p += count;
    if (count == 8) {
        uint64_t more = 0;
        count = scan_digits(p, &more);
        static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                          100000, 1000000, 10000000, 100000000};
        total = total * powers[count] + (count == 0 ? 0 : more);
        p += count;
        for (int i = 0; count == 8 && i < 2 && *p >= '0' && *p <= '9'; i++)
            total = total * 10 + (uint64_t)(*p++ - '0');
    }
    if (*p != suffix) return NULL;
    *value = negative ? -(int64_t)total : (int64_t)total;
    return p + 1;
}

/* [-]digits[.digits] of up to eight each: the quotient of two exact doubles is rounded once, hence
 * the nearest (Clinger). NULL: something else. */
static inline const char *take_float(const char *p, double *value, uint8_t *decimals)
{
    const bool negative = *p == '-';
    p += negative;
    uint64_t mantissa;
    unsigned count = scan_digits(p, &mantissa);
    if (count == 0) return NULL;
    p += count;
    unsigned scale = 0;
    if (*p == '.') {
        uint64_t fraction = 0;
        scale = scan_digits(p + 1, &fraction);
        p += 1 + scale;
        static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                          100000, 1000000, 10000000, 100000000};
        mantissa = mantissa * powers[scale] + fraction;
        if (mantissa > EXACT_MANTISSA_MAX) return NULL;
    }
    if (!ends_value(*p)) return NULL;
    const double magnitude = (double)mantissa / power_of_ten[scale];
    *value = negative ? -magnitude : magnitude;
    *decimals = (uint8_t)scale;
    return p;
}

/* Until the row is known to be good a string is its place in the record:
 * bits 0..23 its offset, 24..62 its size, 63 whether it has escapes. */
_Static_assert(LINE_BYTES_MAX < 1u << 24, "an offset fits");
static uint64_t pack_string(const char *record, const struct line_value *value)
{
    return (uint64_t)(value->string.bytes - record) | (uint64_t)value->string.size_bytes << 24 |
           (uint64_t)value->string_escaped << 63;
}

static phusa_status unpack_string(struct line_parser *parser, struct batch *batch,
                                  const char *record, union batch_value *value)
{
    const uint64_t packed = value->u;
    const struct phusa_text text = {record + (packed & 0xffffff), (size_t)(packed << 1 >> 25)};
    value->u = 0;
    return line_add_string(parser, batch, text, packed >> 63, &value->string);
}

/* Any value of the expected type; NULL: of another, or faulty. */
static const char *take_other(const char *record, const char *p, const char *newline,
                              enum phusa_type type, union batch_value *value, uint8_t *decimals)
{
    struct line_value parsed;
    struct line_fault fault;
    const char *next;
    const char *end = newline > p && newline[-1] == '\r' ? newline - 1 : newline;
    if (line_parse_value(p, end, &next, &parsed, &fault) != PHUSA_OK) return NULL;
    if (parsed.type != type || !ends_value(*next)) return NULL;
    *value = parsed.value;
    if (type == PHUSA_STRING) value->u = pack_string(record, &parsed);
    *decimals = parsed.decimals;
    return next;
}

static inline bool starts_with(const char *p, const char *newline,
                               const struct line_form_field *field)
{
    const size_t size_bytes = field->spelling_bytes;
#ifdef __SSE2__
    if (size_bytes <= 16) {
        const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)p);
        const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)field->spelling);
        const unsigned equal = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b));
        return (~equal & ((1u << size_bytes) - 1)) == 0;
    }
#endif
    return (size_t)(newline - p) >= size_bytes && memcmp(p, field->spelling, size_bytes) == 0;
}

/* The fields as `form` has them; NULL: they are others. */
static const char *take_fields(const struct line_form *form, const char *record, const char *p,
                               const char *newline, union batch_value *values, uint8_t *decimals)
{
    for (uint32_t i = 0; i < form->field_count; i++) {
        const struct line_form_field *field = &form->fields[i];
        if (!starts_with(p, newline, field)) return NULL;
        p += field->spelling_bytes;
        const char *next = NULL;
        decimals[i] = 0;
        if (field->type == PHUSA_INTEGER) {
            next = take_integer(p, 'i', &values[i].i);
            if (next != NULL && !ends_value(*next)) next = NULL;
        } else if (field->type == PHUSA_FLOAT) {
            next = take_float(p, &values[i].f, &decimals[i]);
        }
        if (next == NULL)
            next = take_other(record, p, newline, field->type, &values[i], &decimals[i]);
        if (next == NULL) return NULL;
        p = next;
    }
    return p;
}

/* ---- timestamps ---- */

/* Digits of an int64; NULL: something else. */
static const char *take_count(const char *p, int64_t *count)
{
    const bool negative = *p == '-';
    p += negative;
    uint64_t total;
    uint64_t more;
    unsigned digits = scan_digits(p, &total);
    if (digits == 0) return NULL;
    p += digits;
    if (digits == 8 && scan_digits(p, &more) == 8) {
        total = total * 100000000 + more;
        p += 8;
    }
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(total, 10, &total) ||
            __builtin_add_overflow(total, (uint64_t)(*p - '0'), &total))
            return NULL;
    if (total > INT64_MAX) return NULL;
    *count = negative ? -(int64_t)total : (int64_t)total;
    return p;
}

/* What follows the fields, up to the line's end. */
static bool take_time(const char *p, const char *newline, const struct line_options *options,
                      int64_t *time_ns)
{
    *time_ns = line_default_time(options);
    if (*p == ' ') {
        int64_t count;
        p = take_count(p + 1, &count);
        if (p == NULL || !line_time(count, options->precision_ns, time_ns)) return false;
    }
    p += *p == '\r';
    return p == newline;
}

/* ---- looking ahead ---- */

/* May the record be taken the fast way, which reads LINE_SLACK_BYTES beyond its end? */
#define LINE_SLACK_BYTES 64
static bool is_simple(const char *p, const char *newline, const char *end)
{
    return newline != NULL && end - newline >= LINE_SLACK_BYTES && newline - p <= LINE_BYTES_MAX &&
           *p > ' ' && *p != '#';
}

static size_t find_records(struct line_parser *parser, const char *p, const char *end)
{
    size_t count = 0;
    for (; count < parser->ahead_limit && p < end; count++) {
        struct line_ahead *ahead = &parser->ahead[count];
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!is_simple(p, newline, end)) break;
        const char *key_end = scan_either(p, newline, ' ', '\\');
        if (key_end != newline && *key_end == '\\') key_end = line_key_end(p, newline);
        if (key_end == newline) break;
        ahead->p = p;
        ahead->key_end = key_end;
        ahead->newline = newline;
        ahead->spelling_hash = hash_bytes(p, (size_t)(key_end - p));
        ahead->canonical_bytes = 0;
        if (parser->spellings.capacity > 0)
            __builtin_prefetch(&parser->spellings.slots[ahead->spelling_hash.low &
                                                        (parser->spellings.capacity - 1)]);
        p = newline + 1;
    }
    return count;
}

/* The canonical form of a key that is new, so that its place in the batch's table can be fetched.
 */
static void prepare_key(struct line_parser *parser, const struct batch *batch,
                        struct line_ahead *ahead)
{
    struct line_fault fault;
    parser->record_bytes = (size_t)(ahead->newline - ahead->p);
    if (line_parse_key(parser, ahead->p, ahead->key_end, &fault) != PHUSA_OK) return;
    if (parser->key_escaped || parser->canonical_bytes > LINE_AHEAD_KEY_BYTES) return;
    ahead->canonical_bytes = parser->canonical_bytes;
    ahead->measurement = parser->measurement;
    memcpy(ahead->canonical, parser->canonical, parser->canonical_bytes);
    ahead->key_hash = hash_bytes(ahead->canonical, ahead->canonical_bytes);
    batch_prefetch_key(batch, ahead->key_hash);
}

size_t line_look_ahead(struct line_parser *parser, const struct batch *batch, const char *p,
                       const char *end)
{
    if (parser->ahead == NULL) parser->ahead = mem_array(LINE_AHEAD_MAX, sizeof *parser->ahead);
    if (parser->ahead == NULL) return 0;
    const size_t count = find_records(parser, p, end);
    const struct line_spellings *table = &parser->spellings;
    for (size_t i = 0; i < count && table->capacity > 0; i++) {
        struct line_ahead *ahead = &parser->ahead[i];
        if (spelling_slot(table, ahead->spelling_hash)->generation != table->generation)
            prepare_key(parser, batch, ahead);
    }
    return count;
}

/* ---- records ---- */

/* What is expected of a record. */
struct guess {
    struct line_spelling *slot; /* NULL: the spelling is new. Its canonical form is in `ahead` or,
                                 * canonical_bytes being 0, in the parser */
    uint32_t form;
};

/* False: nothing is to be expected. */
static bool recognise(struct line_parser *parser, const struct batch *batch,
                      const struct line_ahead *ahead, struct guess *guess)
{
    const struct line_spellings *table = &parser->spellings;
    if (table->capacity == 0) return false;
    struct line_spelling *slot = spelling_slot(table, ahead->spelling_hash);
    if (slot->generation == table->generation) {
        *guess = (struct guess){slot, slot->form};
        return slot->form != LINE_FORM_NONE;
    }
    struct line_fault fault;
    struct phusa_text measurement = ahead->measurement;
    if (ahead->canonical_bytes == 0) {
        if (line_parse_key(parser, ahead->p, ahead->key_end, &fault) != PHUSA_OK) return false;
        measurement = parser->measurement;
    }
    uint32_t index;
    if (!batch_find_measurement(batch, measurement, &index)) return false;
    if (index >= parser->measurement_form_count) return false;
    *guess = (struct guess){NULL, parser->measurement_forms[index]};
    return guess->form != LINE_FORM_NONE;
}

static phusa_status add_key(struct line_parser *parser, struct batch *batch,
                            const struct line_ahead *ahead, uint32_t form, uint32_t *key)
{
    const phusa_status status =
        ahead->canonical_bytes > 0
            ? batch_key_hashed(batch, ahead->measurement, ahead->canonical, ahead->canonical_bytes,
                               ahead->key_hash, key)
            : batch_key_canonical(batch, parser->measurement, parser->canonical,
                                  parser->canonical_bytes, key);
    if (status != PHUSA_OK) return status;
    return put_spelling(&parser->spellings, ahead->spelling_hash, *key, form);
}

static phusa_status add_strings(struct line_parser *parser, struct batch *batch, const char *record,
                                const struct line_form *form, union batch_value *values)
{
    for (uint32_t i = 0; i < form->field_count; i++) {
        if (form->fields[i].type != PHUSA_STRING) continue;
        const phusa_status status = unpack_string(parser, batch, record, &values[i]);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

/* The record as one of this form: *fits, and then the values are where the row will want them. */
static phusa_status try_form(struct line_parser *parser, struct batch *batch,
                             const struct line_ahead *ahead, uint32_t index,
                             const struct line_options *options, union batch_value **values,
                             int64_t *time_ns, bool *fits)
{
    const struct line_form *form = &parser->forms[index];
    uint8_t *decimals;
    *fits = false;
    const phusa_status status = batch_reserve(batch, form->field_count, values, &decimals);
    if (status != PHUSA_OK) return status;
    const char *next =
        take_fields(form, ahead->p, ahead->key_end + 1, ahead->newline, *values, decimals);
    *fits = next != NULL && take_time(next, ahead->newline, options, time_ns);
    return PHUSA_OK;
}

phusa_status line_fast(struct line_parser *parser, struct batch *batch,
                       const struct line_ahead *ahead, const struct line_options *options,
                       bool *joined)
{
    *joined = false;
    parser->record_bytes = (size_t)(ahead->newline - ahead->p);
    struct guess guess;
    if (!recognise(parser, batch, ahead, &guess)) return PHUSA_OK;
    union batch_value *values;
    int64_t time_ns;
    phusa_status status =
        try_form(parser, batch, ahead, guess.form, options, &values, &time_ns, joined);
    const uint32_t follower = parser->forms[guess.form].follower;
    if (status == PHUSA_OK && !*joined && follower != LINE_FORM_NONE) {
        guess.form = follower;
        status = try_form(parser, batch, ahead, follower, options, &values, &time_ns, joined);
    }
    if (status != PHUSA_OK || !*joined) return status;

    uint32_t key;
    if (guess.slot == NULL) {
        status = add_key(parser, batch, ahead, guess.form, &key);
        if (status != PHUSA_OK) return status;
    } else {
        key = guess.slot->key;
        guess.slot->form = guess.form;
    }
    const struct line_form *form = &parser->forms[guess.form];
    if (guess.form == follower) parser->measurement_forms[batch->keys[key].measurement] = follower;
    status = add_strings(parser, batch, ahead->p, form, values);
    if (status != PHUSA_OK) return status;
    return batch_row(batch, key, form->shape, time_ns, parser->line_count + 1,
                     (uint32_t)(ahead->key_end + 1 - ahead->p) + 1, NULL, NULL);
}
