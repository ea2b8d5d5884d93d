/*
 * line_internal.h - the line parser's parts, for text/line*.c only.
 *
 *   line.c        records: where they end, what is kept between pieces, what is refused
 *   line_fast.c   a record like an earlier one: its series is known, its fields are expected
 *   line_parse.c  any record, with the exact place and reason of what is wrong in it
 *   line_key.c    measurement and tags, into canonical form
 *   line_value.c  the value of a field
 *
 * Nothing changes in the batch before a record is known to be good.
 */
#ifndef PHUSA_TEXT_LINE_INTERNAL_H
#define PHUSA_TEXT_LINE_INTERNAL_H

#include "text/line.h"

/* ---- what earlier lines of the batch have taught (line_fast.c) ---- */

/* A field as lines of a form spell it, its comma and '=' included: ",usage_user=". */
#define LINE_SPELLING_BYTES 32 /* readable in any case */
struct line_form_field {
    const char *spelling;
    uint32_t spelling_bytes;
    enum phusa_type type;
};
struct line_form {
    uint32_t shape; /* in the batch */
    uint32_t field_count;
    uint32_t
        follower; /* the form that came after this one in a series, for lines of one field each */
    const struct line_form_field *fields;
};
#define LINE_FORM_NONE UINT32_MAX

/* A series by the hash of what stood before the first unescaped space, as it was written: tags are
 * taken apart once for each spelling in a batch. 32 bytes, two to a cache line. */
struct line_spelling {
    struct hash128 hash;
    uint32_t generation;
    uint32_t key;  /* in the batch */
    uint32_t form; /* that its last line had */
};
_Static_assert(sizeof(struct line_spelling) == 32, "two to a cache line");
struct line_spellings {
    struct line_spelling *slots;
    size_t capacity; /* a power of two, at most half full */
    size_t count;
    uint32_t generation; /* never 0 */
};

/* ---- one record, taken apart ---- */

struct line_value {
    enum phusa_type type;
    uint8_t decimals;
    bool string_escaped;
    union batch_value value;  /* but for strings */
    struct phusa_text string; /* as written, between the quotes */
};
struct line_field {
    struct phusa_text name;     /* unescaped */
    struct phusa_text spelling; /* with its comma and '=' */
    struct line_value value;
};
struct line_fault {
    const char *at;
    phusa_status status;
    char reason[200];
};

struct line_parser {
    uint64_t line_count;
    struct line_ahead *ahead; /* LINE_AHEAD_MAX */
    size_t ahead_limit;       /* so many at once: fewer where records are not alike */

    /* The start of a record whose end has not come yet. */
    char *pending;
    size_t pending_bytes, pending_capacity;
    uint64_t pending_newlines; /* in its strings */
    struct line_scan {         /* see line.c */
        uint8_t state;
        bool escaped;
    } scan;        /* after the pending bytes */
    bool skipping; /* the record was too long and is refused already: nothing of it is kept */

    /* Valid while the batch's epoch is this one. */
    uint64_t epoch;
    struct line_spellings spellings;
    struct arena form_arena;
    struct line_form *forms;
    size_t form_count, form_capacity;
    uint32_t *shape_forms; /* by shape; LINE_FORM_NONE: none */
    size_t shape_form_count, shape_form_capacity;
    uint32_t *measurement_forms; /* by measurement, the last one */
    size_t measurement_form_count, measurement_form_capacity;

    /* The parts of the record at hand. */
    struct phusa_text measurement;
    struct phusa_pair *tags; /* TAG_COUNT_MAX */
    size_t tag_count;
    bool key_escaped;   /* a backslash is somewhere in measurement and tags */
    uint8_t *canonical; /* SERIES_KEY_BYTES_MAX */
    uint32_t canonical_bytes;
    struct line_field *fields;
    size_t field_count, field_capacity;
    bool field_left_out; /* a name written twice, or one that is "time" */
    struct line_names *name_table;
    bool names_in_table;
    struct phusa_text *names; /* of fields, as batch_shape() wants them */
    enum phusa_type *types;
    size_t name_capacity, type_capacity;
    int64_t time_ns;
    size_t record_bytes; /* of the record: more than all of its texts together */
    char *unescaped;     /* texts that had backslashes */
    size_t unescaped_bytes, unescaped_capacity;
};

/* ---- line_fast.c ---- */

/* Records that come next, looked at together: where many series are written, each look-up waits for
 * memory, and so they wait at the same time. 16 are enough to hide it; more would leave the cache.
 */
#define LINE_AHEAD_MAX       16u
#define LINE_AHEAD_KEY_BYTES 256u
struct line_ahead {
    const char *p, *key_end, *newline;
    struct hash128 spelling_hash;
    /* For a spelling that is new, and short enough; canonical_bytes 0: not made. */
    struct hash128 key_hash;
    struct phusa_text measurement;
    uint32_t canonical_bytes;
    uint8_t canonical[LINE_AHEAD_KEY_BYTES];
};
/* The records from `p` on for which line_fast() may be tried, up to LINE_AHEAD_MAX; 0: the first
 * one is none. */
size_t line_look_ahead(struct line_parser *parser, const struct batch *batch, const char *p,
                       const char *end);
/* *joined: the record was like an earlier one and is a row now; otherwise nothing has changed and
 * line_parse() must look at it. */
PHUSA_MUST_USE phusa_status line_fast(struct line_parser *parser, struct batch *batch,
                                      const struct line_ahead *ahead,
                                      const struct line_options *options, bool *joined);
/* Remember the record in parser->fields, which has become a row of `key` and `shape`: how its
 * series [spelling, spelling_end) and its fields were written. */
PHUSA_MUST_USE phusa_status line_learn(struct line_parser *parser, const struct batch *batch,
                                       const char *spelling, const char *spelling_end, uint32_t key,
                                       uint32_t shape);
/* Forget what belonged to another batch, or to this one before it was cleared. */
void line_forget(struct line_parser *parser);

/* ---- line_parse.c ---- */

/* The record [record, end), without its line end, where its first character is at `p`, no blank
 * and no '#': a row; or the fault and its status. PHUSA_ENOMEM comes without a fault. */
PHUSA_MUST_USE phusa_status line_parse(struct line_parser *parser, struct batch *batch,
                                       const char *record, const char *p, const char *end,
                                       const struct line_options *options,
                                       struct line_fault *fault);
/* Fill `fault` and return its status. */
phusa_status line_fault(struct line_fault *fault, const char *at, phusa_status status,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
/* `text` without the backslashes before bytes of `set`, in parser->unescaped. */
PHUSA_MUST_USE phusa_status line_unescape(struct line_parser *parser, const char *set,
                                          struct phusa_text text, struct phusa_text *out);
/* False: out of range. */
PHUSA_MUST_USE bool line_time(int64_t count, int64_t precision_ns, int64_t *time_ns);
int64_t line_default_time(const struct line_options *options);
/* A string value joins the batch. */
PHUSA_MUST_USE phusa_status line_add_string(struct line_parser *parser, struct batch *batch,
                                            struct phusa_text written, bool escaped,
                                            uint32_t *index);

/* ---- line_key.c ---- */

/* The first space in [p, end) without a backslash before it, or `end`. */
const char *line_key_end(const char *p, const char *end);
/* Measurement and tags [p, end) into parser->measurement and parser->canonical. */
PHUSA_MUST_USE phusa_status line_parse_key(struct line_parser *parser, const char *p,
                                           const char *end, struct line_fault *fault);

/* ---- line_value.c ---- */

/* The value that begins at `p`; *next is where the record goes on. */
PHUSA_MUST_USE phusa_status line_parse_value(const char *p, const char *end, const char **next,
                                             struct line_value *out, struct line_fault *fault);

static inline bool line_is_blank(char c)
{
    return c == ' ' || c == '\t';
}
static inline const char *line_skip_blanks(const char *p, const char *end)
{
    while (p < end && line_is_blank(*p))
        p++;
    return p;
}

#endif
