/*
 * line.c - records of line protocol: where they end, what is kept of them between two pieces, and
 * what becomes of those that are refused.
 *
 * Nearly every record ends at the next newline, and once it is found to be good, that was its end.
 * Where a record is faulty, or only a part of it is there yet, scan_byte() tells:
 *
 *   START --#--> COMMENT                        blanks stay in START
 *   START --other--> KEY --space--> FIELDS --=--> VALUE --"--> STRING --"--> FIELDS
 *                                   FIELDS <--other-- VALUE
 *
 * A newline ends a record in every state but STRING. A backslash takes away the meaning of the
 * space or '=' after it, and in STRING of the quote or backslash.
 */
#include "text/line_internal.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum record_state { START, COMMENT, KEY, FIELDS, VALUE, STRING };

/* What a record of LINE_BYTES_MAX may add to a batch at most, with room to spare: its texts, and
 * see batch.c for what else a field counts. */
#define RECORD_BATCH_BYTES_MAX (3u * LINE_BYTES_MAX)
_Static_assert(RECORD_BATCH_BYTES_MAX >= LINE_BYTES_MAX + FIELD_COUNT_MAX * 64 + 4096,
               "every record fits an empty batch, and a batch that is not full yet");
_Static_assert(RECORD_BATCH_BYTES_MAX < PHUSA_BATCH_BYTES_MAX / 4, "and leaves it some use");
_Static_assert(LINE_BYTES_MAX > 2 * STRING_BYTES_MAX + SERIES_KEY_BYTES_MAX,
               "the longest string fits a line with each of its bytes escaped");

/* ---- life ---- */

phusa_status line_parser_open(struct line_parser **out)
{
    struct line_parser *parser = mem_zalloc(sizeof *parser);
    if (parser == NULL) return PHUSA_ENOMEM;
    parser->spellings.generation = 1;
    parser->ahead_limit = 1;
    arena_init(&parser->form_arena, PHUSA_BATCH_BYTES_MAX);
    *out = parser;
    return PHUSA_OK;
}

void line_parser_close(struct line_parser *parser)
{
    if (parser == NULL) return;
    arena_deinit(&parser->form_arena);
    mem_free(parser->ahead);
    mem_free(parser->pending);
    mem_free(parser->spellings.slots);
    mem_free(parser->forms);
    mem_free(parser->shape_forms);
    mem_free(parser->measurement_forms);
    mem_free(parser->tags);
    mem_free(parser->canonical);
    mem_free(parser->fields);
    mem_free(parser->name_table);
    mem_free(parser->names);
    mem_free(parser->types);
    mem_free(parser->unescaped);
    mem_free(parser);
}

static void drop_pending(struct line_parser *parser)
{
    parser->pending_bytes = 0;
    parser->pending_newlines = 0;
    parser->scan = (struct line_scan){START, false};
    parser->skipping = false;
}

/* What one request with a million series needed must not stay with an idle connection. */
#define SPELLINGS_KEPT_MAX (64u << 10)

void line_parser_reset(struct line_parser *parser)
{
    drop_pending(parser);
    parser->line_count = 0;
    if (parser->spellings.capacity <= SPELLINGS_KEPT_MAX) return;
    mem_free(parser->spellings.slots);
    parser->spellings = (struct line_spellings){.generation = 1};
}

uint64_t line_parser_line_count(const struct line_parser *parser)
{
    return parser->line_count;
}

/* ---- where a record ends ---- */

/* Takes one byte in; true: it is the newline that ends the record. */
static bool scan_byte(struct line_scan *scan, char c)
{
    if (c == '\n' && scan->state != STRING) return true;
    const bool escaped = scan->escaped;
    scan->escaped = c == '\\';
    switch ((enum record_state)scan->state) {
    case START:
        if (!line_is_blank(c)) scan->state = c == '#' ? COMMENT : KEY;
        break;
    case COMMENT:
        break;
    case KEY:
        if (c == ' ' && !escaped) scan->state = FIELDS;
        break;
    case FIELDS:
        if (c == '=' && !escaped) scan->state = VALUE;
        break;
    case VALUE:
        if (c != '=') scan->state = c == '"' ? STRING : FIELDS;
        scan->escaped = false;
        break;
    case STRING:
        /* Two backslashes are one that escapes nothing. */
        if (escaped)
            scan->escaped = false;
        else if (c == '"')
            scan->state = FIELDS;
        break;
    }
    return false;
}

/* The newline in [p, end) that ends the record, or `end`; counts those before it. */
static const char *scan_record(struct line_scan *scan, const char *p, const char *end,
                               uint64_t *newline_count)
{
    for (; p < end; p++) {
        if (scan_byte(scan, *p)) return p;
        *newline_count += *p == '\n';
    }
    return end;
}

/* ---- one record ---- */

static const char *without_return(const char *record, const char *end)
{
    return end > record && end[-1] == '\r' ? end - 1 : end;
}

static void refuse_long(struct line_parser *parser, struct batch *batch, const char *record,
                        size_t size_bytes)
{
    batch_refuse(batch, parser->line_count + 1, 0, PHUSA_ELIMIT,
                 (struct phusa_text){record, size_bytes},
                 "line is too long: at most %u bytes are allowed", LINE_BYTES_MAX);
}

/* A comment: whether to stop behind it. */
static bool take_comment(struct line_parser *parser, const char *p, const char *end,
                         const struct line_options *options)
{
    if (options->comment == NULL) return false;
    return options->comment(options->context, parser->line_count + 1,
                            (struct phusa_text){p, (size_t)(end - p)});
}

/* The whole record [record, end), its newline not included. *faulty: it was refused if `final`;
 * otherwise nothing has happened, and its end may be another one. */
static phusa_status take_record(struct line_parser *parser, struct batch *batch, const char *record,
                                const char *end, const struct line_options *options, bool final,
                                bool *faulty, bool *stop)
{
    *faulty = false;
    if ((size_t)(end - record) > LINE_BYTES_MAX) {
        *faulty = true;
        if (final) refuse_long(parser, batch, record, (size_t)(end - record));
        return PHUSA_OK;
    }
    end = without_return(record, end);
    const char *p = line_skip_blanks(record, end);
    if (p == end) return PHUSA_OK;
    if (*p == '#') {
        *stop = take_comment(parser, p + 1, end, options);
        return PHUSA_OK;
    }
    struct line_fault fault;
    parser->record_bytes = (size_t)(end - record);
    const phusa_status status = line_parse(parser, batch, record, p, end, options, &fault);
    if (status == PHUSA_OK || status == PHUSA_ENOMEM) return status;
    *faulty = true;
    if (final)
        batch_refuse(batch, parser->line_count + 1, (uint32_t)(fault.at - record) + 1, fault.status,
                     (struct phusa_text){record, (size_t)(end - record)}, "%s", fault.reason);
    return PHUSA_OK;
}

/* ---- records in pieces ---- */

/* Keep [p, end) of a record that goes on in the next piece; it has been scanned already. */
static phusa_status keep(struct line_parser *parser, struct batch *batch, const char *p,
                         const char *end)
{
    if (parser->skipping) return PHUSA_OK;
    const size_t wanted = parser->pending_bytes + (size_t)(end - p);
    if (wanted > LINE_BYTES_MAX) {
        /* Enough of it for the excerpt. */
        if (parser->pending_bytes > 0)
            refuse_long(parser, batch, parser->pending, parser->pending_bytes);
        else
            refuse_long(parser, batch, p, (size_t)(end - p));
        parser->skipping = true;
        parser->pending_bytes = 0;
        return PHUSA_OK;
    }
    if (!MEM_GROW(parser->pending, parser->pending_capacity, wanted)) return PHUSA_ENOMEM;
    if (end > p) memcpy(parser->pending + parser->pending_bytes, p, (size_t)(end - p));
    parser->pending_bytes = wanted;
    return PHUSA_OK;
}

static bool is_pending(const struct line_parser *parser)
{
    return parser->pending_bytes > 0 || parser->skipping;
}

/* Go on with the pending record; *p moves behind what was used of [*p, end). */
static phusa_status finish_pending(struct line_parser *parser, struct batch *batch, const char **p,
                                   const char *end, bool last, const struct line_options *options,
                                   bool *stop)
{
    const char *newline = scan_record(&parser->scan, *p, end, &parser->pending_newlines);
    phusa_status status = keep(parser, batch, *p, newline);
    if (status != PHUSA_OK) return status;
    *p = newline;
    if (newline == end && !last) return PHUSA_OK;
    if (!parser->skipping) {
        bool faulty;
        status = take_record(parser, batch, parser->pending,
                             parser->pending + parser->pending_bytes, options, true, &faulty, stop);
        if (status != PHUSA_OK) return status;
    }
    parser->line_count += parser->pending_newlines + 1;
    drop_pending(parser);
    if (newline != end) *p = newline + 1;
    return PHUSA_OK;
}

/* The record that begins at *p and whose first newline is `newline` (`end`: there is none) by the
 * long way. */
static phusa_status take_slowly(struct line_parser *parser, struct batch *batch, const char **p,
                                const char *newline, const char *end, bool last,
                                const struct line_options *options, bool *stop)
{
    bool faulty;
    if (newline != end) {
        const phusa_status status =
            take_record(parser, batch, *p, newline, options, false, &faulty, stop);
        if (status != PHUSA_OK) return status;
        if (!faulty) {
            parser->line_count++;
            *p = newline + 1;
            return PHUSA_OK;
        }
    }
    return finish_pending(parser, batch, p, end, last, options, stop);
}

static bool is_full(const struct batch *batch)
{
    return batch->row_count > 0 &&
           batch->size_bytes > PHUSA_BATCH_BYTES_MAX - RECORD_BATCH_BYTES_MAX;
}

/* Records like earlier ones. *odd: the one at *p is another. */
static phusa_status take_fast(struct line_parser *parser, struct batch *batch, const char **p,
                              const char *end, const struct line_options *options, bool *odd)
{
    const size_t count = line_look_ahead(parser, batch, *p, end);
    *odd = count == 0;
    for (size_t i = 0; i < count && !is_full(batch); i++) {
        bool joined;
        const phusa_status status = line_fast(parser, batch, &parser->ahead[i], options, &joined);
        if (status != PHUSA_OK) return status;
        if (!joined) {
            /* What was seen beyond it was seen for nothing. */
            parser->ahead_limit = 1;
            *odd = true;
            return PHUSA_OK;
        }
        parser->line_count++;
        *p = parser->ahead[i].newline + 1;
    }
    if (parser->ahead_limit < LINE_AHEAD_MAX) parser->ahead_limit *= 2;
    return PHUSA_OK;
}

/* Records that begin in [*p, end). */
static phusa_status take_records(struct line_parser *parser, struct batch *batch, const char **p,
                                 const char *end, bool last, const struct line_options *options,
                                 bool *stop)
{
    while (*p < end && !*stop && !is_full(batch)) {
        bool odd;
        phusa_status status = take_fast(parser, batch, p, end, options, &odd);
        if (status != PHUSA_OK) return status;
        if (!odd) continue;
        const char *newline = memchr(*p, '\n', (size_t)(end - *p));
        status = take_slowly(parser, batch, p, newline == NULL ? end : newline, end, last, options,
                             stop);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

phusa_status line_parser_feed(struct line_parser *parser, struct batch *batch, const char *text,
                              size_t size_bytes, bool last, const struct line_options *options,
                              size_t *taken)
{
    assert(options->precision_ns >= 1);
    if (parser->epoch != batch->epoch) {
        line_forget(parser);
        parser->epoch = batch->epoch;
    }
    const char *p = text;
    const char *end = text + size_bytes;
    bool stop = false;
    phusa_status status = PHUSA_OK;
    /* An unfinished record that is only to be ended has its room: see is_full(). */
    if (is_pending(parser) && (size_bytes == 0 || !is_full(batch)) && (size_bytes > 0 || last))
        status = finish_pending(parser, batch, &p, end, last, options, &stop);
    if (status == PHUSA_OK && !is_pending(parser))
        status = take_records(parser, batch, &p, end, last, options, &stop);
    if (status != PHUSA_OK) return status;
    *taken = (size_t)(p - text);
    return PHUSA_OK;
}
