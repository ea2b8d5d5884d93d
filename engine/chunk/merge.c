/*
 * merge.c - see merge.h.
 *
 * Sources wait, ordered by their first time, and become cursors when the merge gets there, so
 * a long row of chunks that hardly overlap costs the memory of those that do. Work goes by
 * segments, never by rows:
 *
 *    A   1 2 3 4 5 6       8 9        segments: A[1..3]  A+B[4..6]  B[7]  A+B[8..9]  B[10 11]
 *    B         4 5 6 7     8 9 10 11
 *
 * a stretch in which the same cursors have the same times, and all the others are later. A long
 * segment of one cursor is handed out where it lies; other segments are copied column by column,
 * older cursors first, so that newer values lie on top.
 */
#include "chunk/merge.h"

#include "base/mem.h"
#include "chunk/chunk_internal.h"

#include <assert.h>
#include <stdlib.h>

/* A segment shorter than this is joined to its neighbours by copying: handing out costs some
 * hundred nanoseconds per batch, here and in whatever works on the rows. */
#define HAND_OUT_ROWS_MIN 128u

/* One field of a cursor's window. */
struct field_window {
    int column;           /* of the source; -1: it has none */
    bool is_loaded;       /* for this window */
    struct vector vector; /* of the type that is put out */
    void *values;         /* room, if the values cannot stay where they are */
    struct buffer text;
    uint64_t present[VECTOR_ROWS_MAX / 64];
};

/* A source at work, VECTOR_ROWS_MAX rows (a window) at a time. */
struct cursor {
    const struct merge_source *source;
    uint32_t window;      /* vector of a chunk, or the rows from window * VECTOR_ROWS_MAX */
    uint32_t at, end;     /* rows left of the window: [at, end) */
    bool is_last;         /* nothing is wanted of the windows behind this one */
    const int64_t *times; /* of the window */
    struct chunk_scratch scratch;
    struct field_window *fields;
};

struct output {
    uint32_t row_count;
    int64_t times_ns[VECTOR_ROWS_MAX];
    struct {
        void *values;
        uint8_t decimals; /* the greatest scale of what was laid there */
        uint64_t present[VECTOR_ROWS_MAX / 64];
    } * fields;
};

struct merge {
    uint32_t field_count;
    uint16_t *field_ids;
    enum phusa_type *types;
    bool has_strings;
    int64_t start_ns, end_ns;
    struct merge_source *sources; /* ascending by first time */
    uint32_t source_count, source_next;
    struct cursor *
        *cursors; /* source_count of them; ascending by precedence; from active on idle */
    uint32_t active_count, cursor_count;
    struct output output;
    struct vector *columns; /* of the rows handed out */
};

static const struct phusa_text empty_text = {"", 0};

/* ---- sources ---- */

static int64_t source_first_ns(const struct merge_source *s)
{
    return s->chunk != NULL ? s->chunk->time_min_ns : s->rows->times_ns[0];
}

static int64_t source_last_ns(const struct merge_source *s)
{
    return s->chunk != NULL ? s->chunk->time_max_ns : s->rows->times_ns[s->rows->row_count - 1];
}

static int compare_sources(const void *a, const void *b)
{
    const int64_t x = source_first_ns(a), y = source_first_ns(b);
    return x < y ? -1 : x > y;
}

static uint32_t source_windows(const struct merge_source *s)
{
    if (s->chunk != NULL) return s->chunk->vector_count;
    return (s->rows->row_count + VECTOR_ROWS_MAX - 1) / VECTOR_ROWS_MAX;
}

static uint32_t window_rows(const struct merge_source *s, uint32_t window)
{
    if (s->chunk != NULL) return chunk_vector_rows(s->chunk, window);
    const uint32_t left = s->rows->row_count - window * VECTOR_ROWS_MAX;
    return left < VECTOR_ROWS_MAX ? left : VECTOR_ROWS_MAX;
}

static void window_times(const struct merge_source *s, uint32_t window, int64_t *first_ns,
                         int64_t *last_ns)
{
    if (s->chunk != NULL) {
        chunk_vector_times(s->chunk, window, first_ns, last_ns);
        return;
    }
    const int64_t *times = s->rows->times_ns + window * VECTOR_ROWS_MAX;
    *first_ns = times[0];
    *last_ns = times[window_rows(s, window) - 1];
}

static int source_column(const struct merge_source *s, uint16_t field_id)
{
    if (s->chunk != NULL) return chunk_find(s->chunk, field_id);
    for (uint32_t c = 0; c < s->rows->column_count; c++)
        if (s->rows->field_ids[c] == field_id) return (int)c;
    return -1;
}

static enum phusa_type source_type(const struct merge_source *s, uint32_t column)
{
    return s->chunk != NULL ? chunk_type(s->chunk, column) : s->rows->columns[column].type;
}

/* ---- cursors ---- */

static void cursor_free(struct cursor *c, uint32_t field_count)
{
    if (c == NULL) return;
    for (uint32_t f = 0; c->fields != NULL && f < field_count; f++) {
        mem_free(c->fields[f].values);
        buffer_deinit(&c->fields[f].text);
    }
    mem_free(c->fields);
    chunk_scratch_deinit(&c->scratch);
    mem_free(c);
}

static struct cursor *cursor_create(uint32_t field_count)
{
    struct cursor *c = mem_alloc(sizeof *c);
    if (c == NULL) return NULL;
    chunk_scratch_init(&c->scratch);
    c->fields = mem_array(field_count, sizeof *c->fields);
    for (uint32_t f = 0; c->fields != NULL && f < field_count; f++) {
        c->fields[f].values = NULL;
        buffer_init(&c->fields[f].text);
    }
    if (c->fields != NULL) return c;
    cursor_free(c, field_count);
    return NULL;
}

static uint32_t lower_bound(const int64_t *times, uint32_t from, uint32_t to, int64_t time_ns)
{
    while (from < to) {
        const uint32_t middle = (from + to) / 2;
        if (times[middle] < time_ns)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Move to the next window, from c->window on, that has rows in range; is_last and at == end:
 * there is none. */
static phusa_status load_window(const struct merge *m, struct cursor *c)
{
    const uint32_t windows = source_windows(c->source);
    int64_t first_ns = 0, last_ns = 0;
    c->at = c->end = 0;
    for (; c->window < windows; c->window++) {
        window_times(c->source, c->window, &first_ns, &last_ns);
        if (last_ns >= m->start_ns) break;
    }
    c->is_last = c->window + 1 >= windows || last_ns >= m->end_ns - 1;
    if (c->window == windows || first_ns >= m->end_ns) {
        c->is_last = true;
        return PHUSA_OK;
    }
    if (c->source->chunk != NULL) {
        const phusa_status status = chunk_times(c->source->chunk, c->window, &c->scratch);
        if (status != PHUSA_OK) return status;
        c->times = c->scratch.times_ns;
    } else {
        c->times = c->source->rows->times_ns + c->window * VECTOR_ROWS_MAX;
    }
    const uint32_t rows = window_rows(c->source, c->window);
    c->at = first_ns >= m->start_ns ? 0 : lower_bound(c->times, 0, rows, m->start_ns);
    c->end = last_ns < m->end_ns ? rows : lower_bound(c->times, 0, rows, m->end_ns);
    for (uint32_t f = 0; f < m->field_count; f++)
        c->fields[f].is_loaded = false;
    return PHUSA_OK;
}

static phusa_status room_for(struct field_window *w)
{
    if (w->values == NULL)
        w->values = mem_array(VECTOR_ROWS_MAX, sizeof(struct phusa_text)); /* the largest slot */
    return w->values == NULL ? PHUSA_ENOMEM : PHUSA_OK;
}

/* Integers as the floats that are asked for; in place if `from` is the room itself. */
static void widen(struct field_window *w, const struct vector *from, uint32_t row_count)
{
    double *out = w->values;
    for (uint32_t row = 0; row < row_count; row++)
        out[row] = from->type == PHUSA_UNSIGNED ? (double)from->u[row] : (double)from->i[row];
    w->vector = (struct vector){
        .type = PHUSA_FLOAT, .decimals = 0, .present = from->present, .values = w->values};
}

static phusa_status load_field(const struct merge *m, struct cursor *c, uint32_t field)
{
    struct field_window *w = &c->fields[field];
    if (w->is_loaded || w->column < 0) return PHUSA_OK;
    const struct merge_source *s = c->source;
    const uint32_t column = (uint32_t)w->column, row_count = window_rows(s, c->window);
    phusa_status status = PHUSA_OK;
    if (s->chunk != NULL) {
        status = room_for(w);
        const struct column_room room = {
            .values = w->values, .present = w->present, .text = &w->text};
        if (status == PHUSA_OK)
            status = column_decode(s->chunk, column, c->window, &c->scratch, &room, &w->vector);
    } else {
        const uint32_t from = c->window * VECTOR_ROWS_MAX;
        w->vector = s->rows->columns[column];
        w->vector.values =
            (const uint8_t *)w->vector.values + from * vector_slot_bytes(w->vector.type);
        if (w->vector.present != NULL) w->vector.present += from / 64;
    }
    if (status == PHUSA_OK && w->vector.type != m->types[field]) {
        status = room_for(w);
        const struct vector integers = w->vector;
        if (status == PHUSA_OK) widen(w, &integers, row_count);
    }
    w->is_loaded = status == PHUSA_OK;
    return status;
}

/* ---- the set of cursors ---- */

/* Turn the next source into a cursor, in its place by precedence. */
static phusa_status activate(struct merge *m)
{
    if (m->active_count == m->cursor_count) {
        struct cursor *created = cursor_create(m->field_count);
        if (created == NULL) return PHUSA_ENOMEM;
        m->cursors[m->cursor_count++] = created;
    }
    struct cursor *c = m->cursors[m->active_count];
    c->source = &m->sources[m->source_next];
    c->window = 0;
    for (uint32_t f = 0; f < m->field_count; f++)
        c->fields[f].column = source_column(c->source, m->field_ids[f]);
    const phusa_status status = load_window(m, c);
    if (status != PHUSA_OK) return status;
    m->source_next++;
    uint32_t place = m->active_count++;
    for (; place > 0 && m->cursors[place - 1]->source->precedence > c->source->precedence; place--)
        m->cursors[place] = m->cursors[place - 1];
    m->cursors[place] = c;
    return PHUSA_OK;
}

static void retire(struct merge *m, uint32_t index)
{
    struct cursor *c = m->cursors[index];
    for (; index + 1 < m->active_count; index++)
        m->cursors[index] = m->cursors[index + 1];
    m->cursors[index] = c;
    m->active_count--;
}

/* Give every cursor rows, retire those that have none left, and start the sources whose time has
 * come. *stop: that would overwrite what the output points at; hand it out first. */
static phusa_status refill(struct merge *m, bool may_load, bool *stop)
{
    *stop = false;
    for (uint32_t k = m->active_count; k-- > 0;) {
        struct cursor *c = m->cursors[k];
        while (c->at == c->end && !c->is_last) {
            if (!may_load) {
                *stop = true;
                return PHUSA_OK;
            }
            c->window++;
            const phusa_status status = load_window(m, c);
            if (status != PHUSA_OK) return status;
        }
        if (c->at < c->end) continue;
        if (!may_load) {
            *stop = true;
            return PHUSA_OK;
        }
        retire(m, k);
    }
    for (;;) {
        int64_t earliest = INT64_MAX;
        for (uint32_t k = 0; k < m->active_count; k++) {
            const struct cursor *c = m->cursors[k];
            if (c->times[c->at] < earliest) earliest = c->times[c->at];
        }
        if (m->source_next == m->source_count) return PHUSA_OK;
        if (m->active_count > 0 && source_first_ns(&m->sources[m->source_next]) > earliest)
            return PHUSA_OK;
        phusa_status status = activate(m);
        if (status != PHUSA_OK) return status;
        /* One whose rows all lie outside the range goes again. */
        for (uint32_t k = m->active_count; k-- > 0;) {
            struct cursor *c = m->cursors[k];
            while (c->at == c->end && !c->is_last) {
                c->window++;
                status = load_window(m, c);
                if (status != PHUSA_OK) return status;
            }
            if (c->at == c->end) retire(m, k);
        }
    }
}

/* ---- segments ---- */

/* Cursors that share the next rows, oldest first, and how many rows; 0 at the end. */
struct segment {
    uint32_t row_count;
    uint32_t member_count;
    struct cursor *first; /* of the members; with one member, it */
    int64_t time_ns;
};

static bool is_member(const struct segment *s, const struct cursor *c)
{
    return c->times[c->at] == s->time_ns;
}

static struct segment find_segment(const struct merge *m)
{
    struct segment s = {0};
    if (m->active_count == 0) return s;
    int64_t bound = INT64_MAX; /* the first time of a later cursor */
    s.time_ns = INT64_MAX;
    for (uint32_t k = 0; k < m->active_count; k++) {
        struct cursor *c = m->cursors[k];
        const int64_t t = c->times[c->at];
        if (t < s.time_ns || s.member_count == 0) {
            if (s.member_count > 0) bound = s.time_ns;
            s.time_ns = t;
            s.first = c;
            s.member_count = 1;
        } else if (t == s.time_ns) {
            s.member_count++;
        } else if (t < bound) {
            bound = t;
        }
    }
    if (m->source_next < m->source_count) {
        const int64_t t = source_first_ns(&m->sources[m->source_next]);
        if (t < bound) bound = t;
    }
    const struct cursor *c = s.first;
    /* Times are below INT64_MAX, so a bound that nobody set excludes nothing. */
    uint32_t end =
        c->times[c->end - 1] < bound ? c->end : lower_bound(c->times, c->at, c->end, bound);
    for (uint32_t k = 0; s.member_count > 1 && k < m->active_count; k++) {
        const struct cursor *other = m->cursors[k];
        if (other == c || !is_member(&s, other)) continue;
        if (end - c->at > other->end - other->at) end = c->at + (other->end - other->at);
        uint32_t same = 1;
        while (c->at + same < end && c->times[c->at + same] == other->times[other->at + same])
            same++;
        end = c->at + same;
    }
    s.row_count = end - c->at;
    return s;
}

/* ---- copying ---- */

/* Set bits [to, to + count) of `out` that are set in [from, ...) of `in` (NULL: all). */
static void or_bits(uint64_t *out, uint32_t to, const uint64_t *in, uint32_t from, uint32_t count)
{
    while (count > 0) {
        uint32_t n = 64 - to % 64;
        if (in != NULL && 64 - from % 64 < n) n = 64 - from % 64;
        if (count < n) n = count;
        const uint64_t mask = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
        const uint64_t bits = (in == NULL ? UINT64_MAX : in[from / 64] >> (from % 64)) & mask;
        out[to / 64] |= bits << (to % 64);
        to += n;
        from += n;
        count -= n;
    }
}

/* Lay rows [from, from + count) of `v` on rows [to, ...) of the output. */
static void lay(struct output *out, uint32_t field, uint32_t to, const struct vector *v,
                uint32_t from, uint32_t count, bool is_fresh)
{
    const size_t slot = vector_slot_bytes(v->type);
    uint8_t *target = (uint8_t *)out->fields[field].values + to * slot;
    const uint8_t *source = (const uint8_t *)v->values + from * slot;
    /* Rows without a value hold zeroes, so on fresh ground they may be copied along. */
    if (v->present == NULL || is_fresh) {
        memcpy(target, source, count * slot);
    } else {
        for (uint32_t row = 0; row < count; row++)
            if (bit_get(v->present, from + row))
                memcpy(target + row * slot, source + row * slot, slot);
    }
    or_bits(out->fields[field].present, to, v->present, from, count);
    uint8_t *decimals = &out->fields[field].decimals;
    if (*decimals == PHUSA_DECIMALS_UNKNOWN ||
        (v->decimals != PHUSA_DECIMALS_UNKNOWN && v->decimals > *decimals))
        *decimals = v->decimals;
}

static void clear_values(const struct merge *m, uint32_t field, uint32_t to, uint32_t count)
{
    const size_t slot = vector_slot_bytes(m->types[field]);
    if (m->types[field] == PHUSA_STRING) {
        struct phusa_text *texts = m->output.fields[field].values;
        for (uint32_t row = 0; row < count; row++)
            texts[to + row] = empty_text;
    } else {
        memset((uint8_t *)m->output.fields[field].values + to * slot, 0, count * slot);
    }
}

static void advance(struct merge *m, const struct segment *s, uint32_t row_count)
{
    for (uint32_t k = 0; k < m->active_count; k++)
        if (is_member(s, m->cursors[k])) m->cursors[k]->at += row_count;
}

static phusa_status copy_segment(struct merge *m, const struct segment *s, uint32_t row_count)
{
    struct output *out = &m->output;
    const uint32_t to = out->row_count;
    memcpy(out->times_ns + to, s->first->times + s->first->at, row_count * sizeof(int64_t));
    for (uint32_t f = 0; f < m->field_count; f++) {
        bool is_fresh = true;
        for (uint32_t k = 0; k < m->active_count; k++) {
            struct cursor *c = m->cursors[k];
            if (!is_member(s, c) || c->fields[f].column < 0) continue;
            const phusa_status status = load_field(m, c, f);
            if (status != PHUSA_OK) return status;
            lay(out, f, to, &c->fields[f].vector, c->at, row_count, is_fresh);
            is_fresh = false;
        }
        if (is_fresh) clear_values(m, f, to, row_count);
    }
    out->row_count += row_count;
    advance(m, s, row_count);
    return PHUSA_OK;
}

/* ---- handing out ---- */

/* Bits of [from, from + count), count at most 64; NULL: all set. */
static uint64_t bits_at(const uint64_t *words, uint32_t from, uint32_t count)
{
    uint64_t out = 0;
    or_bits(&out, 0, words, from, count);
    return out;
}

/* Whether each of the rows has a value in some field. */
static bool rows_are_filled(const struct merge *m, const struct cursor *c, uint32_t row_count)
{
    for (uint32_t row = 0; row < row_count; row += 64) {
        const uint32_t count = row_count - row < 64 ? row_count - row : 64;
        uint64_t missing = bits_at(NULL, 0, count);
        for (uint32_t f = 0; f < m->field_count && missing != 0; f++)
            if (c->fields[f].column >= 0)
                missing &= ~bits_at(c->fields[f].vector.present, c->at + row, count);
        if (missing != 0) return false;
    }
    return true;
}

static void empty_column(struct merge *m, uint32_t field, uint32_t row_count)
{
    clear_values(m, field, 0, row_count);
    memset(m->output.fields[field].present, 0, sizeof m->output.fields[field].present);
    m->columns[field] = (struct vector){.type = m->types[field],
                                        .decimals = PHUSA_DECIMALS_UNKNOWN,
                                        .present = m->output.fields[field].present,
                                        .values = m->output.fields[field].values};
}

/* The segment of a single cursor, where it lies. *done false: some of its rows are empty. */
static phusa_status hand_out(struct merge *m, const struct segment *s, struct rows *rows,
                             bool *done)
{
    struct cursor *c = s->first;
    for (uint32_t f = 0; f < m->field_count; f++) {
        const phusa_status status = load_field(m, c, f);
        if (status != PHUSA_OK) return status;
    }
    *done = rows_are_filled(m, c, s->row_count);
    if (!*done) return PHUSA_OK;
    for (uint32_t f = 0; f < m->field_count; f++) {
        const struct field_window *w = &c->fields[f];
        if (w->column < 0) {
            empty_column(m, f, s->row_count);
            continue;
        }
        struct vector *v = &m->columns[f];
        *v = w->vector;
        v->values = (const uint8_t *)v->values + c->at * vector_slot_bytes(v->type);
        if (v->present == NULL) continue;
        if (c->at % 64 == 0) {
            v->present += c->at / 64;
        } else {
            uint64_t *moved = m->output.fields[f].present;
            memset(moved, 0, sizeof m->output.fields[f].present);
            or_bits(moved, 0, v->present, c->at, s->row_count);
            v->present = moved;
        }
    }
    *rows = (struct rows){s->row_count, m->field_count, c->times + c->at, m->field_ids, m->columns};
    c->at += s->row_count;
    return PHUSA_OK;
}

/* Take out the rows in which no field has a value. */
static void drop_empty_rows(struct merge *m)
{
    struct output *out = &m->output;
    uint64_t filled[VECTOR_ROWS_MAX / 64] = {0};
    uint32_t kept = 0;
    for (uint32_t f = 0; f < m->field_count; f++)
        for (uint32_t w = 0; w < bitmap_words(out->row_count); w++)
            filled[w] |= out->fields[f].present[w];
    for (uint32_t w = 0; w < bitmap_words(out->row_count); w++)
        kept += (uint32_t)__builtin_popcountll(filled[w]);
    if (kept == out->row_count) return;
    kept = 0;
    for (uint32_t row = 0; row < out->row_count; row++) {
        if (!bit_get(filled, row)) continue;
        out->times_ns[kept] = out->times_ns[row];
        for (uint32_t f = 0; f < m->field_count && kept != row; f++) {
            const size_t slot = vector_slot_bytes(m->types[f]);
            uint8_t *values = out->fields[f].values;
            uint64_t *present = out->fields[f].present;
            memcpy(values + kept * slot, values + row * slot, slot);
            present[kept / 64] &= ~(UINT64_C(1) << (kept % 64));
            present[kept / 64] |= (uint64_t)bit_get(present, row) << (kept % 64);
        }
        kept++;
    }
    out->row_count = kept;
}

static void hand_out_copies(struct merge *m, struct rows *rows)
{
    struct output *out = &m->output;
    for (uint32_t f = 0; f < m->field_count; f++) {
        uint32_t count = 0;
        const uint64_t *present = out->fields[f].present;
        for (uint32_t row = 0; row < out->row_count; row += 64) {
            const uint32_t n = out->row_count - row < 64 ? out->row_count - row : 64;
            count += (uint32_t)__builtin_popcountll(bits_at(present, row, n));
        }
        m->columns[f] = (struct vector){.type = m->types[f],
                                        .decimals = out->fields[f].decimals,
                                        .present = count == out->row_count ? NULL : present,
                                        .values = out->fields[f].values};
    }
    *rows = (struct rows){out->row_count, m->field_count, out->times_ns, m->field_ids, m->columns};
}

/* ---- the door ---- */

/* Copies segments until the output is full, or a segment comes that is better handed out. */
static phusa_status next_batch(struct merge *m, struct rows *rows, bool *done)
{
    struct output *out = &m->output;
    out->row_count = 0;
    for (uint32_t f = 0; f < m->field_count; f++) {
        memset(out->fields[f].present, 0, sizeof out->fields[f].present);
        out->fields[f].decimals = PHUSA_DECIMALS_UNKNOWN;
    }
    *done = false;
    for (;;) {
        bool stop;
        const bool may_load = out->row_count == 0 || !m->has_strings;
        phusa_status status = refill(m, may_load, &stop);
        if (status != PHUSA_OK) return status;
        if (stop) break;
        const struct segment s = find_segment(m);
        if (s.row_count == 0) {
            *done = out->row_count == 0;
            break;
        }
        if (s.member_count == 1 && s.row_count >= HAND_OUT_ROWS_MIN) {
            if (out->row_count > 0) break;
            bool handed_out = false;
            status = hand_out(m, &s, rows, &handed_out);
            if (status != PHUSA_OK || handed_out) return status;
        }
        const uint32_t room = VECTOR_ROWS_MAX - out->row_count;
        status = copy_segment(m, &s, s.row_count < room ? s.row_count : room);
        if (status != PHUSA_OK) return status;
        if (out->row_count == VECTOR_ROWS_MAX) break;
    }
    drop_empty_rows(m);
    hand_out_copies(m, rows);
    return PHUSA_OK;
}

phusa_status merge_next(struct merge *merge, struct rows *rows)
{
    bool done = false;
    struct rows found = {0};
    while (!done && found.row_count == 0) {
        const phusa_status status = next_batch(merge, &found, &done);
        if (status != PHUSA_OK) return status;
    }
    *rows = found;
    return PHUSA_OK;
}

static phusa_status check_types(const struct merge *m)
{
    for (uint32_t s = 0; s < m->source_count; s++)
        for (uint32_t f = 0; f < m->field_count; f++) {
            const int column = source_column(&m->sources[s], m->field_ids[f]);
            if (column < 0) continue;
            const enum phusa_type type = source_type(&m->sources[s], (uint32_t)column);
            const bool widens =
                m->types[f] == PHUSA_FLOAT && (type == PHUSA_INTEGER || type == PHUSA_UNSIGNED);
            if (type != m->types[f] && !widens) return PHUSA_ETYPE;
        }
    return PHUSA_OK;
}

/* Copies of the arguments, and room for one batch. */
static phusa_status prepare(struct merge *m, const struct merge_source *sources,
                            uint32_t source_count, const uint16_t *field_ids,
                            const enum phusa_type *types)
{
    m->sources = mem_array(source_count, sizeof *m->sources);
    m->cursors = mem_array(source_count, sizeof(struct cursor *));
    m->field_ids = mem_array(m->field_count, sizeof *m->field_ids);
    m->types = mem_array(m->field_count, sizeof *m->types);
    m->columns = mem_array(m->field_count, sizeof *m->columns);
    m->output.fields = mem_array(m->field_count, sizeof *m->output.fields);
    if (m->output.fields != NULL)
        for (uint32_t f = 0; f < m->field_count; f++)
            m->output.fields[f].values = NULL;
    if (m->sources == NULL || m->cursors == NULL || m->field_ids == NULL || m->types == NULL ||
        m->columns == NULL || m->output.fields == NULL)
        return PHUSA_ENOMEM;
    for (uint32_t f = 0; f < m->field_count; f++) {
        assert(f == 0 || field_ids[f] > field_ids[f - 1]);
        m->field_ids[f] = field_ids[f];
        m->types[f] = types[f];
        if (types[f] == PHUSA_STRING) m->has_strings = true;
        m->output.fields[f].values = mem_array(VECTOR_ROWS_MAX, vector_slot_bytes(types[f]));
        if (m->output.fields[f].values == NULL) return PHUSA_ENOMEM;
    }
    /* A range that ends before it starts has no sources. */
    for (uint32_t s = 0; s < source_count && m->start_ns < m->end_ns; s++) {
        if (sources[s].chunk == NULL && sources[s].rows->row_count == 0) continue;
        if (source_last_ns(&sources[s]) < m->start_ns || source_first_ns(&sources[s]) >= m->end_ns)
            continue;
        m->sources[m->source_count++] = sources[s];
    }
    qsort(m->sources, m->source_count, sizeof *m->sources, compare_sources);
    return check_types(m);
}

phusa_status merge_create(struct merge **out, const struct merge_source *sources,
                          uint32_t source_count, const uint16_t *field_ids,
                          const enum phusa_type *types, uint32_t field_count, int64_t start_ns,
                          int64_t end_ns)
{
    struct merge *m = mem_zalloc(sizeof *m);
    if (m == NULL) return PHUSA_ENOMEM;
    m->field_count = field_count;
    m->start_ns = start_ns;
    m->end_ns = end_ns;
    const phusa_status status = prepare(m, sources, source_count, field_ids, types);
    if (status != PHUSA_OK) {
        merge_free(m);
        return status;
    }
    *out = m;
    return PHUSA_OK;
}

void merge_free(struct merge *merge)
{
    if (merge == NULL) return;
    for (uint32_t k = 0; k < merge->cursor_count; k++)
        cursor_free(merge->cursors[k], merge->field_count);
    if (merge->output.fields != NULL)
        for (uint32_t f = 0; f < merge->field_count; f++)
            mem_free(merge->output.fields[f].values);
    mem_free(merge->output.fields);
    mem_free(merge->sources);
    mem_free(merge->cursors);
    mem_free(merge->field_ids);
    mem_free(merge->types);
    mem_free(merge->columns);
    mem_free(merge);
}
