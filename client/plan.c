/*
 * plan.c - a row to a line: the hot path of an import.
 *
 * About 12 values a row and 120 bytes a line; a byte is looked at three times (the row's end, its
 * cells, the copy), which is some 30 ns a value. The server and the disk are slower.
 */
#include "plan.h"

#include <assert.h>
#include <string.h>

#define NS_PER_S        1000000000
#define TIME_SECOND_MAX 9223372035 /* one second inside int64 nanoseconds, either side */

static bool is_na(const struct plan *plan, const char *text, size_t text_bytes)
{
    const char *word = plan->na.bytes;
    const char *const end = word + plan->na.used;
    while (word < end) {
        const size_t word_bytes = strlen(word);
        if (word_bytes == text_bytes && memcmp(word, text, text_bytes) == 0) return true;
        word += word_bytes + 1;
    }
    return false;
}

/* -- the time -- */

/* Series hash to a slot; an older series of the same slot is forgotten: then a time that happens
 * twice is its first instant, as for a series that was not seen yet. */
static struct plan_fold *fold_slot(struct plan *plan, uint64_t key)
{
    return &plan->folds[key % PLAN_FOLD_SERIES];
}

/*
 * A local time that happens twice is its first instant, unless the row before it of the same
 * series, in the same stretch of rows around the change, is already there:
 *
 *   00:30  01:00  01:30  01:00  01:30  02:00     local, as in the file
 *          first  first  second second           because 01:00 follows 01:30
 *
 * The memory covers only a stretch of rows around one change of the clock, so that a resumed
 * import that reads the stretch again decides as the first one did.
 */
static int64_t choose_instant(struct plan *plan, const struct localtz_instants *instants,
                              uint64_t key)
{
    int64_t chosen_s = instants->first_s;
    struct plan_fold *slot = fold_slot(plan, key);
    const bool known = plan->fold_count > 0 && slot->key == key;
    if (instants->kind == LOCALTZ_TWICE) {
        if (known && slot->instant_s >= instants->first_s && slot->instant_s < instants->second_s) {
            chosen_s = instants->second_s;
            plan->clock.twice_second++;
        } else {
            plan->clock.twice_first++;
        }
    } else if (instants->kind == LOCALTZ_NEVER) {
        plan->clock.never++;
    }
    if (plan->fold_count == 0) memset(plan->folds, 0, PLAN_FOLD_SERIES * sizeof *plan->folds);
    plan->fold_count++;
    *slot = (struct plan_fold){key, chosen_s};
    return chosen_s;
}

static const char *join_time(struct plan *plan, const struct csv_row *row,
                             struct timeformat_text *text)
{
    textbuf_clear(&plan->joined);
    for (size_t i = 0; i < plan->time_column_count; i++) {
        const struct csv_cell *cell = &row->cells[plan->time_columns[i]];
        if ((i > 0 && !textbuf_append(&plan->joined, " ", 1)) ||
            !textbuf_append(&plan->joined, cell->text, cell->text_bytes))
            return "no memory";
    }
    *text = (struct timeformat_text){plan->joined.bytes, plan->joined.used};
    return NULL;
}

static const char *row_time(struct plan *plan, const struct csv_row *row, uint64_t key,
                            int64_t *time_ns)
{
    const struct timeformat *format = &plan->spec->time_format;
    struct timeformat_text texts[TIMEFORMAT_PARTS_MAX];
    struct timeformat_time time = {0};
    const char *problem = NULL;
    size_t count = plan->time_column_count;
    for (size_t i = 0; i < count; i++) {
        const struct csv_cell *cell = &row->cells[plan->time_columns[i]];
        texts[i] = (struct timeformat_text){cell->text, cell->text_bytes};
        if (is_na(plan, cell->text, cell->text_bytes)) return "the time is missing";
    }
    if (count > 1 && format->kind != TIMEFORMAT_PARTS) {
        problem = join_time(plan, row, &texts[0]);
        count = 1;
    }
    if (problem == NULL) problem = timeformat_parse(format, texts, count, &time);
    if (problem != NULL) return problem;

    int64_t instant_s = time.second - time.offset_s;
    if (!time.has_offset) {
        const struct localtz_instants instants = localtz_resolve(plan->spec->zone, time.second);
        plan->quiet = instants.quiet;
        if (instants.quiet) plan->fold_count = 0;
        instant_s = instants.quiet ? instants.first_s : choose_instant(plan, &instants, key);
    }
    if (instant_s > TIME_SECOND_MAX || instant_s < -TIME_SECOND_MAX)
        return "a time outside 1677 to 2262";
    *time_ns = instant_s * NS_PER_S + time.ns;
    return NULL;
}

static bool append_int64(struct textbuf *to, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    if (value < 0) digits[--at] = '-';
    return textbuf_append(to, digits + at, sizeof digits - at);
}

/* -- tags -- */

static const char *append_tag_value(struct textbuf *to, const struct csv_cell *cell)
{
    if (cell->text[cell->text_bytes - 1] == '\\') return "a tag's value cannot end in a backslash";
    if (!textbuf_reserve(to, cell->text_bytes * 2)) return "no memory";
    char *out = to->bytes + to->used;
    for (size_t i = 0; i < cell->text_bytes; i++) {
        const char c = cell->text[i];
        if (c == '\n' || c == '\r') return "a tag's value cannot have a line break";
        if (c == ',' || c == ' ' || c == '=') *out++ = '\\';
        *out++ = c;
    }
    to->used = (size_t)(out - to->bytes);
    return NULL;
}

/* ",station=x,..." in the order of the keys; a tag without a value is left out. */
static const char *append_tags(const struct plan *plan, const struct csv_row *row,
                               struct textbuf *to, size_t *column)
{
    for (size_t i = 0; i < plan->tag_count; i++) {
        const struct plan_tag *tag = &plan->tags[i];
        const struct csv_cell *cell = NULL;
        if (tag->column != SIZE_MAX) {
            cell = &row->cells[tag->column];
            if (cell->text_bytes == 0 || is_na(plan, cell->text, cell->text_bytes)) continue;
        }
        *column = tag->column + 1;
        if (!textbuf_append(to, tag->text, tag->text_bytes)) return "no memory";
        const char *problem = cell == NULL ? NULL : append_tag_value(to, cell);
        if (problem != NULL) return problem;
    }
    return NULL;
}

/* Eight bytes at a time; equal series must agree, different ones almost always differ. */
static uint64_t hash_series(const char *bytes, size_t size_bytes)
{
    uint64_t hash = 0x9E3779B97F4A7C15u ^ size_bytes;
    for (size_t i = 0; i < size_bytes; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, size_bytes - i < 8 ? size_bytes - i : 8);
        hash = (hash ^ word) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
    }
    return hash;
}

/* -- fields -- */

static const char *append_fields(const struct plan *plan, const struct csv_row *row,
                                 struct textbuf *to, struct plan_point *point)
{
    const char decimal_mark = plan->spec->decimal_mark;
    point->value_count = 0;
    for (size_t i = 0; i < plan->field_count; i++) {
        const struct plan_field *field = &plan->fields[i];
        const struct csv_cell *cell = &row->cells[field->column];
        if (is_na(plan, cell->text, cell->text_bytes)) continue;
        point->column = field->column + 1;
        if (!textbuf_append(to, point->value_count == 0 ? " " : ",", 1) ||
            !textbuf_append(to, field->text, field->text_bytes))
            return "no memory";
        const char *problem =
            cell_append(to, field->type, cell->text, cell->text_bytes, decimal_mark);
        if (problem != NULL) return problem;
        point->value_count++;
    }
    return NULL;
}

static const char *convert(struct plan *plan, const struct csv_row *row, struct textbuf *to,
                           struct plan_point *point)
{
    const size_t start = to->used;
    if (!textbuf_append(to, plan->measurement, plan->measurement_bytes)) return "no memory";
    const char *problem = append_tags(plan, row, to, &point->column);
    if (problem != NULL) return problem;
    point->key = hash_series(to->bytes + start, to->used - start);

    /* The time before the fields: a row without a value still moves the clock on. */
    point->column = plan->time_columns[0] + 1;
    problem = row_time(plan, row, point->key, &point->time_ns);
    if (problem != NULL) return problem;

    problem = append_fields(plan, row, to, point);
    if (problem != NULL) return problem;
    if (point->value_count == 0) return NULL;
    if (!textbuf_append(to, " ", 1) || !append_int64(to, point->time_ns) ||
        !textbuf_append(to, "\n", 1))
        return "no memory";
    return NULL;
}

enum plan_outcome plan_convert(struct plan *plan, const struct csv_row *row, struct textbuf *to,
                               struct plan_point *point)
{
    assert(plan != NULL && row != NULL && to != NULL && point != NULL);
    *point = (struct plan_point){.reason = row->problem, .column = row->problem_column};
    if (row->problem != NULL) return PLAN_BAD;
    if (row->cell_count != plan->column_count) {
        point->reason = row->cell_count < plan->column_count ? "fewer cells than the header"
                                                             : "more cells than the header";
        return PLAN_BAD;
    }
    const size_t start = to->used;
    const char *problem = convert(plan, row, to, point);
    if (problem == NULL && point->value_count > 0) return PLAN_POINT;
    to->used = start;
    if (to->bytes != NULL) to->bytes[start] = 0;
    if (problem == NULL) return PLAN_EMPTY;
    if (strcmp(problem, "no memory") == 0) return PLAN_NO_MEMORY;
    point->reason = problem;
    return PLAN_BAD;
}
