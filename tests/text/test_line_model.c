/*
 * test_line_model.c - guards that speed changed nothing: a slow parser that is easily seen to be
 * right must agree on every mutated line, and a text must give the same batch however it is cut.
 */
#include "line_support.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a slow parser ----
 *
 * One record at a time, byte by byte, into plain arrays; numbers by the C library. It says the row
 * as dump_batch() does, or that the record is bad. */

struct word {
    char bytes[4096];
    size_t size;
};
static void word_put(struct word *word, char c)
{
    cr_assert_lt(word->size, sizeof word->bytes);
    word->bytes[word->size++] = c;
}

struct slow_field {
    struct word name, value; /* the value as a dump says it */
};
struct slow {
    const char *p, *end;
    struct word measurement;
    struct word keys[64], values[64];
    size_t tag_count;
    struct slow_field fields[64];
    size_t field_count;
};

/* Bytes up to a delimiter of `stops`; backslashes before `escapable` go. */
static void take_until(struct slow *s, const char *stops, const char *escapable, struct word *out)
{
    out->size = 0;
    while (s->p < s->end && strchr(stops, *s->p) == NULL) {
        if (*s->p == '\\' && s->p + 1 < s->end && strchr(escapable, s->p[1]) != NULL) s->p++;
        word_put(out, *s->p++);
    }
}

static bool at(const struct slow *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static bool valid_utf8(const char *p, size_t size)
{
    const uint8_t *u = (const uint8_t *)p;
    for (size_t i = 0; i < size;) {
        uint32_t c = u[i];
        size_t more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : 9;
        if (more == 9 || i + more >= size) return false;
        static const uint32_t masks[] = {0x7f, 0x1f, 0x0f, 0x07};
        static const uint32_t least[] = {1, 0x80, 0x800, 0x10000};
        c &= masks[more];
        for (size_t k = 1; k <= more; k++) {
            if (u[i + k] >> 6 != 2) return false;
            c = c << 6 | (u[i + k] & 0x3f);
        }
        if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
        i += more + 1;
    }
    return true;
}

static bool word_is_bad(const struct word *word)
{
    return word->size == 0 || word->size > NAME_BYTES_MAX || !valid_utf8(word->bytes, word->size);
}

static bool slow_tags(struct slow *s)
{
    for (s->tag_count = 0; at(s, ',');) {
        s->p++;
        struct word *key = &s->keys[s->tag_count];
        struct word *value = &s->values[s->tag_count];
        take_until(s, ",= ", ",= ", key);
        if (word_is_bad(key) || !at(s, '=')) return false;
        s->p++;
        take_until(s, ",= ", ",= ", value);
        if (value->size == 0 || at(s, '=') || !valid_utf8(value->bytes, value->size)) return false;
        if (key->size == 4 && memcmp(key->bytes, "time", 4) == 0) return false;
        for (size_t i = 0; i < s->tag_count; i++)
            if (s->keys[i].size == key->size &&
                memcmp(s->keys[i].bytes, key->bytes, key->size) == 0)
                return false;
        s->tag_count++;
    }
    return true;
}

static bool digits(const char **p)
{
    const char *begin = *p;
    while (**p >= '0' && **p <= '9')
        ++*p;
    return *p > begin;
}

/* The value of a float as dumped, or false. */
static bool slow_float(const char *text, struct word *out)
{
    const char *p = text + (*text == '-');
    const bool whole = digits(&p);
    long decimals = 0;
    bool fraction = false;
    if (*p == '.') {
        const char *begin = ++p;
        fraction = digits(&p);
        decimals = p - begin;
    }
    if (!whole && !fraction) return false;
    if (*p == 'e' || *p == 'E') {
        const char *exponent = ++p;
        p += *p == '-' || *p == '+';
        if (!digits(&p)) return false;
        decimals -= strtol(exponent, NULL, 10);
    }
    const double x = strtod(text, NULL);
    if (*p != '\0' || isinf(x)) return false;
    decimals = decimals < 0 ? 0 : decimals > 18 ? PHUSA_DECIMALS_UNKNOWN : decimals;
    out->size = (size_t)snprintf(out->bytes, sizeof out->bytes, "%.17g/%ld", x, decimals);
    return true;
}

static bool slow_integer(const char *text, char suffix, struct word *out)
{
    const char *p = text + (*text == '-' && suffix == 'i');
    if (!digits(&p) || *p != suffix || p[1] != '\0') return false;
    /* Longer than any that fits, leading zeros apart, must not reach the C library's limits. */
    int64_t i;
    uint64_t u;
    if (suffix == 'i' && sscanf(text, "%" SCNd64, &i) != 1) return false;
    if (suffix == 'u' && sscanf(text, "%" SCNu64, &u) != 1) return false;
    const char *first = text + (*text == '-');
    while (*first == '0' && first + 1 < p)
        first++;
    char back[64];
    if (suffix == 'i')
        snprintf(back, sizeof back, "%" PRId64, i);
    else
        snprintf(back, sizeof back, "%" PRIu64, u);
    const char *plain = back + (back[0] == '-');
    if ((size_t)(p - first) != strlen(plain) || memcmp(first, plain, strlen(plain)) != 0)
        return false;
    out->size = (size_t)snprintf(out->bytes, sizeof out->bytes, "%s%c", back, suffix);
    return true;
}

static bool slow_bare(const struct word *token, struct word *out)
{
    char text[sizeof token->bytes + 1];
    memcpy(text, token->bytes, token->size);
    text[token->size] = '\0';
    if (strlen(text) != token->size || token->size == 0) return false;
    static const char *const booleans[] = {"t", "T", "true",  "True",  "TRUE",
                                           "f", "F", "false", "False", "FALSE"};
    for (size_t i = 0; i < 10; i++) {
        if (strcmp(text, booleans[i]) != 0) continue;
        out->size = (size_t)snprintf(out->bytes, sizeof out->bytes, i < 5 ? "true" : "false");
        return true;
    }
    const char last = text[token->size - 1];
    if (last == 'i' || last == 'u') return slow_integer(text, last, out);
    return slow_float(text, out);
}

static bool slow_string(struct slow *s, struct word *out)
{
    out->size = 0;
    word_put(out, *s->p++);
    for (;; s->p++) {
        if (s->p == s->end) return false;
        if (*s->p == '"') break;
        if (*s->p == '\\' && s->p + 1 < s->end && (s->p[1] == '"' || s->p[1] == '\\')) s->p++;
        word_put(out, *s->p);
    }
    if (!valid_utf8(out->bytes, out->size)) return false;
    word_put(out, *s->p++);
    return s->p == s->end || *s->p == ',' || *s->p == ' ';
}

static void slow_keep(struct slow *s, const struct slow_field *field)
{
    if (field->name.size == 4 && memcmp(field->name.bytes, "time", 4) == 0) return;
    size_t i = 0;
    while (i < s->field_count &&
           (s->fields[i].name.size != field->name.size ||
            memcmp(s->fields[i].name.bytes, field->name.bytes, field->name.size) != 0))
        i++;
    s->fields[i] = *field;
    if (i == s->field_count) s->field_count++;
}

static bool slow_fields(struct slow *s)
{
    s->field_count = 0;
    for (;; s->p++) {
        static struct slow_field field;
        take_until(s, ",= ", ",= ", &field.name);
        if (word_is_bad(&field.name) || !at(s, '=')) return false;
        s->p++;
        if (at(s, '"')) {
            if (!slow_string(s, &field.value)) return false;
        } else {
            static struct word token;
            token.size = 0;
            while (s->p < s->end && *s->p != ',' && *s->p != ' ')
                word_put(&token, *s->p++);
            if (!slow_bare(&token, &field.value)) return false;
        }
        slow_keep(s, &field);
        if (!at(s, ',')) return s->field_count > 0;
    }
}

static void skip_blanks(struct slow *s)
{
    while (at(s, ' ') || at(s, '\t'))
        s->p++;
}

static bool slow_time(struct slow *s, int64_t now_ns, int64_t *time_ns)
{
    skip_blanks(s);
    *time_ns = now_ns;
    if (s->p == s->end) return true;
    char text[4096];
    size_t size = 0;
    while (s->p < s->end && *s->p != ' ' && *s->p != '\t' && size + 2 < sizeof text)
        text[size++] = *s->p++;
    text[size] = '\0';
    if (strlen(text) != size) return false;
    strcpy(text + size, "i");
    static struct word printed;
    if (!slow_integer(text, 'i', &printed)) return false;
    *time_ns = strtoll(printed.bytes, NULL, 10);
    skip_blanks(s);
    return s->p == s->end && *time_ns >= TIME_NS_MIN && *time_ns <= TIME_NS_MAX;
}

static void slow_dump(const struct slow *s, uint64_t line, int64_t time_ns, struct buffer *out)
{
    put_printed(out, "%" PRIu64 ": ", line);
    buffer_put(out, s->measurement.bytes, s->measurement.size);
    bool done[64] = {false};
    for (size_t n = 0; n < s->tag_count; n++) {
        size_t least = 64;
        for (size_t i = 0; i < s->tag_count; i++) {
            if (done[i]) continue;
            if (least == 64 ||
                text_compare((struct phusa_text){s->keys[i].bytes, s->keys[i].size},
                             (struct phusa_text){s->keys[least].bytes, s->keys[least].size}) < 0)
                least = i;
        }
        done[least] = true;
        buffer_put_u8(out, '|');
        buffer_put(out, s->keys[least].bytes, s->keys[least].size);
        buffer_put_u8(out, '=');
        buffer_put(out, s->values[least].bytes, s->values[least].size);
    }
    for (size_t i = 0; i < s->field_count; i++) {
        buffer_put_u8(out, ' ');
        buffer_put(out, s->fields[i].name.bytes, s->fields[i].name.size);
        buffer_put_u8(out, '=');
        buffer_put(out, s->fields[i].value.bytes, s->fields[i].value.size);
    }
    put_printed(out, " @%" PRId64 "\n", time_ns);
}

/* The size of the record at `p` without its newline. */
static size_t slow_record(const char *p, size_t size)
{
    size_t i = 0;
    while (i < size && (p[i] == ' ' || p[i] == '\t'))
        i++;
    const bool comment = i < size && p[i] == '#';
    bool in_fields = false;
    bool in_string = false;
    const size_t first = i;
    size_t plain_at = SIZE_MAX; /* a value's first byte escapes nothing */
    for (; i < size; i++) {
        const bool escaped = i > first && i - 1 != plain_at && p[i - 1] == '\\';
        if (in_string) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                in_string = false;
        } else if (p[i] == '\n') {
            return i;
        } else if (comment) {
            continue;
        } else if (!in_fields) {
            in_fields = p[i] == ' ' && !escaped;
        } else if (p[i] == '=' && !escaped) {
            while (i + 1 < size && p[i + 1] == '=')
                i++;
            if (i + 1 < size && p[i + 1] != '\n') {
                i++;
                in_string = p[i] == '"';
                plain_at = i;
            }
        }
    }
    return size;
}

/* Rows into `rows`, the numbers of bad lines into `bad`. */
static void slow_text(const char *p, size_t size, int64_t now_ns, struct buffer *rows,
                      struct buffer *bad)
{
    static struct slow s;
    uint64_t line = 1;
    while (size > 0) {
        const size_t record = slow_record(p, size);
        s.p = p;
        s.end = p + record;
        if (record > 0 && s.end[-1] == '\r') s.end--;
        skip_blanks(&s);
        int64_t time_ns;
        if (s.p < s.end && *s.p != '#') {
            take_until(&s, ", ", ", ", &s.measurement);
            bool good = !word_is_bad(&s.measurement) && slow_tags(&s);
            skip_blanks(&s);
            good = good && s.p < s.end && slow_fields(&s) && slow_time(&s, now_ns, &time_ns);
            if (good)
                slow_dump(&s, line, time_ns, rows);
            else
                put_printed(bad, "%" PRIu64 " ", line);
        }
        for (size_t i = 0; i < record; i++)
            line += p[i] == '\n';
        line++;
        const size_t used = record < size ? record + 1 : size;
        p += used;
        size -= used;
    }
}

/* ---- random texts ---- */

static uint64_t random_state;
static unsigned next_random(unsigned bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(random_state >> 33) % bound;
}

static void start_random(uint64_t seed)
{
    const char *text = getenv("PHUSA_SEED");
    random_state = text != NULL ? strtoull(text, NULL, 10) : seed;
    printf("seed %" PRIu64 "\n", random_state);
}

static const char *const templates[] = {
    "m f=1 5",
    "m,a=b f=1.5,g=2i 1700000000000000000",
    "m,a=b f=2.25 1700000000000000000",
    "m,a=b g=7i 1700000000000000000",
    "m,a=b s=\"x\" 1700000000000000000",
    "cpu,host=h1,region=eu usage_user=58i,usage_system=2i,usage_idle=24i 1451606400000000000",
    "cpu,host=h2,region=eu usage_user=5i,usage_system=100i,usage_idle=0i 1451606400000000000",
    "cpu,region=eu,host=h1 usage_user=-58i,usage_system=2i,usage_idle=24i 1451606410000000000",
    "level,station=Cần\\ Thơ value=1.72,ok=t,note=\"high, \\\"very\\\"\" -12345",
    "level,station=Cần\\ Thơ value=-0.05,ok=false,note=\"two\nlines\" 12345",
    "a\\,b,c\\=d=e\\ f g\\,h=12345678.25,i=18446744073709551615u",
    "m f=1e5,g=1.5e-3,h=.5,i=5. 1",
    "m,a=1,b=2,c=3 x=\"\\\\\",y=\"\"",
    "level,station=1 value=12345678901234567,n=1234567890123456789i 1",
    "time,time1=x time=1,f=2 7",
    "# a comment, x=\"y",
    "m f=0.30000000000000004,f=1.25 9223372036854775806",
};
#define TEMPLATE_COUNT (sizeof templates / sizeof *templates)

static void put_mutated(struct buffer *out, const char *line)
{
    char text[512];
    size_t size = strlen(line);
    memcpy(text, line, size);
    static const char alphabet[] = "  ,,==\\\\\"\"\n\r#\t0123456789..-+eiutfT\0\xff\xc3\xa9xyz";
    for (unsigned n = next_random(4); n > 0; n--) {
        const size_t place = next_random((unsigned)size + 1);
        const char c = alphabet[next_random(sizeof alphabet - 1)];
        switch (next_random(4)) {
        case 0: /* insert */
            memmove(text + place + 1, text + place, size - place);
            text[place] = c;
            size++;
            break;
        case 1: /* replace */
            if (place < size) text[place] = c;
            break;
        case 2: /* remove a few */
            for (unsigned k = next_random(3) + 1; k > 0 && place < size; k--)
                memmove(text + place, text + place + 1, --size - place);
            break;
        default: { /* repeat a part */
            size_t part = next_random(12);
            if (part > size - place) part = size - place;
            memmove(text + place + part, text + place, size - place);
            size += part;
        }
        }
        if (size > sizeof text - 32) break;
    }
    buffer_put(out, text, size);
    buffer_put(out, next_random(4) == 0 ? "\r\n" : "\n", next_random(4) == 0 ? 2 : 1);
}

/* Some lines as they are, so that there is something to expect, some with other numbers, and
 * some spoilt. */
static size_t random_text(struct buffer *out, size_t line_count)
{
    buffer_clear(out);
    const char *favourite = templates[next_random(TEMPLATE_COUNT)];
    for (size_t i = 0; i < line_count; i++) {
        const char *line = next_random(2) == 0 ? favourite : templates[next_random(TEMPLATE_COUNT)];
        if (next_random(3) == 0) {
            buffer_put(out, line, strlen(line));
            buffer_put_u8(out, '\n');
        } else {
            put_mutated(out, line);
        }
    }
    if (next_random(8) == 0 && out->size_bytes > 0) out->size_bytes--;
    cr_assert(!out->bad);
    return line_count;
}

static void feed_in_pieces(struct line_parser *parser, struct batch *batch, const char *text,
                           size_t size, const struct line_options *options)
{
    const unsigned piece_max = next_random(3) == 0 ? 20 : 2000;
    while (size > 0) {
        size_t piece = next_random(piece_max) + 1;
        if (piece > size) piece = size;
        feed_copy(parser, batch, text, piece, false, options);
        text += piece;
        size -= piece;
    }
    feed_copy(parser, batch, text, 0, true, options);
}

Test(line_model, two_hundred_thousand_mutated_lines_mean_what_the_slow_parser_says, .timeout = 120)
{
    start_random(7);
    const struct line_options options = {.precision_ns = 1, .now_ns = 1700000000123456789};
    struct buffer text, rows, bad, dump, dump_bad;
    buffer_init(&text);
    buffer_init(&rows);
    buffer_init(&bad);
    buffer_init(&dump);
    buffer_init(&dump_bad);
    struct batch batch;
    struct line_parser *parser;
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    size_t row_total = 0;
    size_t bad_total = 0;
    for (size_t lines = 0; lines < 200000;) {
        const uint64_t seed = random_state;
        lines += random_text(&text, 1 + next_random(60));
        buffer_clear(&rows);
        buffer_clear(&bad);
        buffer_clear(&dump);
        buffer_clear(&dump_bad);
        slow_text((const char *)text.bytes, text.size_bytes, options.now_ns, &rows, &bad);
        buffer_put_u8(&rows, 0);
        buffer_put_u8(&bad, 0);

        batch_clear(&batch);
        line_parser_reset(parser);
        feed_in_pieces(parser, &batch, (const char *)text.bytes, text.size_bytes, &options);
        row_total += batch.row_count;
        bad_total += batch.refused_count;
        cr_assert_eq(batch.refused_count, batch.refusal_kept);
        for (size_t i = 0; i < batch.refusal_kept; i++)
            put_printed(&dump_bad, "%" PRIu64 " ", batch.refusals[i].line);
        buffer_put_u8(&dump_bad, 0);
        batch.refusal_kept = 0;
        dump_batch(&dump, &batch);
        cr_assert_str_eq((const char *)dump_bad.bytes, (const char *)bad.bytes,
                         "seed %" PRIu64 " in\n%.*s", seed, (int)text.size_bytes,
                         (const char *)text.bytes);
        cr_assert_eq(dump.size_bytes + 1, rows.size_bytes,
                     "seed %" PRIu64 " in\n%.*s\ngave\n%s\nnot\n%s", seed, (int)text.size_bytes,
                     (const char *)text.bytes, (const char *)dump.bytes, (const char *)rows.bytes);
        cr_assert_arr_eq(dump.bytes, rows.bytes, dump.size_bytes, "seed %" PRIu64, seed);
    }
    /* Mutations that leave nothing good, or nothing bad, would prove little. */
    cr_assert_gt(row_total, 50000);
    cr_assert_gt(bad_total, 20000);
    line_parser_close(parser);
    batch_deinit(&batch);
    buffer_deinit(&text);
    buffer_deinit(&rows);
    buffer_deinit(&bad);
    buffer_deinit(&dump);
    buffer_deinit(&dump_bad);
}

/* ---- pieces ---- */

static void check_cut(const char *text, size_t size, size_t first, size_t second,
                      const char *expected)
{
    const struct line_options options = {.precision_ns = 1, .now_ns = 42};
    struct buffer out;
    struct batch batch;
    struct line_parser *parser;
    buffer_init(&out);
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    feed_copy(parser, &batch, text, first, false, &options);
    feed_copy(parser, &batch, text + first, second - first, false, &options);
    feed_copy(parser, &batch, text + second, size - second, true, &options);
    dump_batch(&out, &batch);
    cr_assert_str_eq((const char *)out.bytes, expected, "cut at %zu and %zu", first, second);
    line_parser_close(parser);
    batch_deinit(&batch);
    buffer_deinit(&out);
}

Test(line_model, every_cut_into_three_pieces_gives_the_same_batch, .timeout = 120)
{
    static const char text[] =
        "m,a=b f=1i 5\r\nm,a=b f=2i 6\n\n# x \"\nm,a\\ =\\, s=\"\\\"\n\\\\\",g=.5\nm f=\n"
        "m s=\"a\nb\"c\nm,a=b f=3i 7\n\tm,c=d f=t  \nm,a=b f=4i 8";
    const struct line_options options = {.precision_ns = 1, .now_ns = 42};
    struct buffer whole;
    buffer_init(&whole);
    dump_text(&whole, text, sizeof text - 1, &options);
    cr_assert_not_null(strstr((const char *)whole.bytes, " f=4i @8"));
    cr_assert_not_null(strstr((const char *)whole.bytes, "=,"));
    cr_assert_not_null(strstr((const char *)whole.bytes, "! "));
    for (size_t first = 0; first < sizeof text; first++)
        for (size_t second = first; second < sizeof text; second++)
            check_cut(text, sizeof text - 1, first, second, (const char *)whole.bytes);
    buffer_deinit(&whole);
}

Test(line_model, random_texts_byte_by_byte_give_the_same_batch, .timeout = 120)
{
    start_random(11);
    const struct line_options options = {.precision_ns = 1, .now_ns = 42};
    struct buffer text, whole, pieces;
    buffer_init(&text);
    buffer_init(&whole);
    buffer_init(&pieces);
    for (int round = 0; round < 300; round++) {
        random_text(&text, 30);
        buffer_clear(&whole);
        buffer_clear(&pieces);
        dump_text(&whole, (const char *)text.bytes, text.size_bytes, &options);
        struct batch batch;
        struct line_parser *parser;
        batch_init(&batch);
        cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
        for (size_t i = 0; i < text.size_bytes; i++)
            feed_copy(parser, &batch, (const char *)text.bytes + i, 1, false, &options);
        feed_copy(parser, &batch, NULL, 0, true, &options);
        dump_batch(&pieces, &batch);
        cr_assert_eq(pieces.size_bytes, whole.size_bytes);
        cr_assert_arr_eq(pieces.bytes, whole.bytes, whole.size_bytes);
        line_parser_close(parser);
        batch_deinit(&batch);
    }
    buffer_deinit(&text);
    buffer_deinit(&whole);
    buffer_deinit(&pieces);
}
