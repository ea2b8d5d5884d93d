/*
 * fold.c - see fold.h.
 *
 * A group is run in blocks of up to 1,024 windows, so that a year of ten-second windows takes
 * no more memory than a day of them. For a block, each series is scanned over the block's
 * range; a chunk that lies within one window is answered by its statistics, then each vector
 * that does, and only the rest is decoded, fused with the folding:
 *
 *     windows   |------ 0 ------|------ 1 ------|------ 2 ------|
 *     vectors       |- a -| |- b -| |- c -|                       a, c: statistics; b: folded in
 * two
 */
#include "query/fold.h"

#include <assert.h>

#define BLOCK_WINDOWS_MAX VECTOR_ROWS_MAX

struct fold {
    const struct plan *plan;
    const struct query_environment *environment;
    struct budget *budget;
    struct answer *answer;
    struct scan scan;
    struct row_filter filter;
    uint8_t *needs; /* of each field: AGGREGATE_* */
    bool *collects; /* of each field */
    bool any_collects;
    struct arena collected;
    int64_t start_ns, end_ns; /* of the statement, cut to the data where it gave no bound */
    int64_t label_ns;         /* the time of the row of a query without windows */
    /* the block */
    uint32_t window_count;
    int64_t window_ns[BLOCK_WINDOWS_MAX + 1]; /* starts, ascending, and the last one's end */
    struct cell *cells;                       /* window_count x field_count */
    bool touched;
    /* ranges of one vector */
    uint32_t bounds[VECTOR_ROWS_MAX + 1];
    uint32_t range_windows[VECTOR_ROWS_MAX];
    struct aggregate *states[VECTOR_ROWS_MAX];
    struct result *results;
    /* where rows must wait for later ones: fill(linear), and fill(previous) backwards */
    bool keeps;
    int64_t *kept_ns;
    struct result *kept;
    size_t kept_count, kept_capacity;
};

/* ---- cells ---- */

static struct cell *cell_of(struct fold *f, uint32_t window, uint32_t field)
{
    return &f->cells[(size_t)window * f->plan->field_count + field];
}

static void begin_cells(struct fold *f)
{
    for (uint32_t w = 0; w < f->window_count; w++)
        for (uint32_t i = 0; i < f->plan->field_count; i++) {
            struct cell *cell = cell_of(f, w, i);
            aggregate_init(&cell->aggregate, f->plan->field_types[i], f->needs[i]);
            cell->collection = (struct collection){0};
            cell->first = cell->last = (struct phusa_text){0};
        }
    arena_reset(&f->collected);
    f->touched = false;
}

static void end_cells(struct fold *f)
{
    for (size_t i = 0; i < (size_t)f->window_count * f->plan->field_count; i++)
        aggregate_deinit(&f->cells[i].aggregate);
    f->window_count = 0;
}

static phusa_status collect(struct fold *f, struct cell *cell, const int64_t *times_ns,
                            const struct vector *v, uint32_t from, uint32_t to)
{
    struct collection *c = &cell->collection;
    if (c->count + (to - from) > c->capacity) {
        size_t capacity = c->capacity == 0 ? 64 : c->capacity * 2;
        while (capacity < c->count + (to - from))
            capacity *= 2;
        struct aggregate_point *points = arena_array(&f->collected, capacity, sizeof *points);
        if (points == NULL)
            return error_set(f->budget->error, PHUSA_ELIMIT,
                             "median() and percentile() keep every value: more than %zu MiB; ask "
                             "for a shorter time range or fewer series",
                             f->collected.budget_bytes >> 20);
        if (c->count > 0) memcpy(points, c->points, c->count * sizeof *points);
        c->points = points;
        c->capacity = capacity;
    }
    for (uint32_t r = from; r < to; r++)
        if (vector_has(v, r))
            c->points[c->count++] =
                (struct aggregate_point){.time_ns = times_ns[r], .value.u = v->u[r]};
    return PHUSA_OK;
}

/* A cell's strings are borrowed from the vector they came from, which the next decode overwrites.
 */
static phusa_status own_text(struct fold *f, struct phusa_text *text, struct phusa_text *owned)
{
    if (text->bytes == owned->bytes) return PHUSA_OK;
    char *copy = arena_copy(&f->collected, text->bytes, text->size_bytes);
    if (copy == NULL) return error_set(f->budget->error, PHUSA_ELIMIT, "out of memory");
    text->bytes = copy;
    *owned = *text;
    return PHUSA_OK;
}

static phusa_status own_strings(struct fold *f, uint32_t window, uint32_t field)
{
    struct cell *cell = cell_of(f, window, field);
    struct aggregate *a = &cell->aggregate;
    if (a->type != PHUSA_STRING || a->count == 0) return PHUSA_OK;
    phusa_status status = PHUSA_OK;
    if (a->have & AGGREGATE_FIRST) status = own_text(f, &a->first.value.s, &cell->first);
    if (status == PHUSA_OK && (a->have & AGGREGATE_LAST))
        status = own_text(f, &a->last.value.s, &cell->last);
    return status;
}

/* ---- windows ---- */

/* The window of the block that holds time_ns, which is within the block. */
static uint32_t window_of(const struct fold *f, int64_t time_ns)
{
    uint32_t low = 0, high = f->window_count;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (f->window_ns[middle] <= time_ns)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Cut rows [from, to) of ascending times into the block's windows: bounds and range_windows. */
static uint32_t cut_rows(struct fold *f, const int64_t *times_ns, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    uint32_t window = window_of(f, times_ns[from]);
    f->bounds[0] = from;
    f->range_windows[0] = window;
    for (uint32_t r = from; r < to; r++) {
        if (times_ns[r] < f->window_ns[window + 1]) continue;
        window = window_of(f, times_ns[r]);
        f->bounds[++n] = r;
        f->range_windows[n] = window;
    }
    f->bounds[++n] = to;
    return n;
}

/* ---- folding rows ---- */

/* v with only the selected rows present. */
static struct vector masked(struct fold *f, const struct vector *v, const uint64_t *selection,
                            uint32_t row_count, uint64_t *present)
{
    if (selection == NULL) return *v;
    for (size_t w = 0; w < bitmap_words(row_count); w++)
        present[w] = selection[w] & (v->present == NULL ? UINT64_MAX : v->present[w]);
    struct vector out = *v;
    out.present = present;
    return out;
}

static phusa_status fold_vector(struct fold *f, uint32_t field, const struct vector *v,
                                const int64_t *times_ns, uint32_t range_count)
{
    for (uint32_t k = 0; k < range_count; k++) {
        struct cell *cell = cell_of(f, f->range_windows[k], field);
        phusa_status status =
            aggregate_rows(&cell->aggregate, times_ns, v, f->bounds[k], f->bounds[k + 1]);
        if (status != PHUSA_OK) return error_set(f->budget->error, status, "out of memory");
        if (f->collects[field])
            status = collect(f, cell, times_ns, v, f->bounds[k], f->bounds[k + 1]);
        if (status == PHUSA_OK) status = own_strings(f, f->range_windows[k], field);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status fold_rows(void *context, const struct rows *rows, uint32_t from, uint32_t to)
{
    struct fold *f = context;
    const uint64_t *selection;
    phusa_status status = row_filter_apply(&f->filter, rows, &selection);
    if (status != PHUSA_OK) return status;
    const uint32_t range_count = cut_rows(f, rows->times_ns, from, to);
    for (uint32_t i = 0; status == PHUSA_OK && i < f->plan->field_count; i++) {
        if (!f->plan->field_selected[i]) continue;
        uint64_t present[VECTOR_ROWS_MAX / 64];
        const struct vector v = masked(f, &rows->columns[i], selection, rows->row_count, present);
        status = fold_vector(f, i, &v, rows->times_ns, range_count);
    }
    f->touched = true;
    return status;
}

/* ---- folding chunks ---- */

/* Answer from the statistics of one vector, or of the whole chunk. *done false: they do not
 * have all that is needed. */
static phusa_status fold_statistics(struct fold *f, const struct chunk_view *chunk,
                                    const int *columns, uint32_t vector, uint32_t window,
                                    bool *done)
{
    *done = false;
    if (f->any_collects) return PHUSA_OK;
    for (uint32_t pass = 0; pass < 2; pass++) /* look first, fold after: all fields or none */
        for (uint32_t i = 0; i < f->plan->field_count; i++) {
            if (columns[i] < 0) continue;
            struct aggregate a;
            phusa_status status =
                chunk_statistics(chunk, (uint32_t)columns[i], vector, f->needs[i], &a);
            if (status != PHUSA_OK) return scan_failed(&f->scan, status);
            const bool nothing = a.count == 0 && (a.have & AGGREGATE_COUNT) != 0;
            const bool enough = nothing || (a.have & f->needs[i]) == f->needs[i];
            if (enough && pass == 1 && a.count > 0)
                status = aggregate_merge(&cell_of(f, window, i)->aggregate, &a);
            aggregate_deinit(&a);
            if (status != PHUSA_OK) return scan_failed(&f->scan, status);
            status = own_strings(f, window, i);
            if (status != PHUSA_OK) return status;
            if (!enough) return PHUSA_OK;
        }
    *done = true;
    return PHUSA_OK;
}

/* Cut vector v of a chunk into windows, within [start_ns, end_ns). Few windows: a search for
 * each bound, which costs nothing where times have a constant step. Many: the times. */
static phusa_status cut_vector(struct fold *f, const struct chunk_view *chunk, uint32_t v,
                               int64_t start_ns, int64_t end_ns, uint32_t *range_count)
{
    struct chunk_scratch *times = &f->scan.scratch[f->plan->field_count];
    const uint32_t row_count = chunk_vector_rows(chunk, v);
    int64_t first_ns, last_ns;
    chunk_vector_times(chunk, v, &first_ns, &last_ns);
    if (first_ns < start_ns) first_ns = start_ns;
    if (last_ns >= end_ns) last_ns = end_ns - 1;
    const uint32_t first = window_of(f, first_ns), last = window_of(f, last_ns);
    *range_count = 0;
    phusa_status status;
    if (last - first > 8) {
        status = chunk_times(chunk, v, times);
        if (status != PHUSA_OK) return scan_failed(&f->scan, status);
        uint32_t from = 0, to = row_count;
        while (from < to && times->times_ns[from] < start_ns)
            from++;
        while (to > from && times->times_ns[to - 1] >= end_ns)
            to--;
        if (from < to) *range_count = cut_rows(f, times->times_ns, from, to);
        return PHUSA_OK;
    }
    uint32_t n = 0;
    status = chunk_lower_bound(chunk, v, start_ns, times, &f->bounds[0]);
    for (uint32_t w = first; status == PHUSA_OK && w <= last; w++) {
        const int64_t bound_ns = f->window_ns[w + 1] < end_ns ? f->window_ns[w + 1] : end_ns;
        f->range_windows[n] = w;
        status = chunk_lower_bound(chunk, v, bound_ns, times, &f->bounds[n + 1]);
        n++;
    }
    if (status != PHUSA_OK) return scan_failed(&f->scan, status);
    *range_count = f->bounds[0] < f->bounds[n] ? n : 0;
    return PHUSA_OK;
}

/* Collecting functions want the values themselves. */
static phusa_status collect_vector(struct fold *f, const struct chunk_view *chunk, uint32_t field,
                                   uint32_t column, uint32_t v, uint32_t range_count)
{
    struct chunk_scratch *times = &f->scan.scratch[f->plan->field_count];
    struct vector values;
    phusa_status status = chunk_times(chunk, v, times);
    if (status == PHUSA_OK)
        status = chunk_decode(chunk, column, v, &f->scan.scratch[field], &values);
    if (status != PHUSA_OK) return scan_failed(&f->scan, status);
    for (uint32_t k = 0; status == PHUSA_OK && k < range_count; k++)
        status = collect(f, cell_of(f, f->range_windows[k], field), times->times_ns, &values,
                         f->bounds[k], f->bounds[k + 1]);
    return status;
}

static phusa_status fold_decoded(struct fold *f, const struct chunk_view *chunk, const int *columns,
                                 uint32_t v, int64_t start_ns, int64_t end_ns)
{
    uint32_t range_count;
    phusa_status status = cut_vector(f, chunk, v, start_ns, end_ns, &range_count);
    if (status != PHUSA_OK || range_count == 0) return status;
    status = budget_read(f->budget,
                         (uint64_t)(f->bounds[range_count] - f->bounds[0]) * f->plan->field_count);
    for (uint32_t i = 0; status == PHUSA_OK && i < f->plan->field_count; i++) {
        if (columns[i] < 0) continue;
        for (uint32_t k = 0; k < range_count; k++)
            f->states[k] = &cell_of(f, f->range_windows[k], i)->aggregate;
        status = chunk_aggregate(chunk, (uint32_t)columns[i], v, f->bounds, range_count, f->states,
                                 &f->scan.scratch[i]);
        if (status != PHUSA_OK) return scan_failed(&f->scan, status);
        for (uint32_t k = 0; status == PHUSA_OK && k < range_count; k++)
            status = own_strings(f, f->range_windows[k], i);
        if (status == PHUSA_OK && f->collects[i])
            status = collect_vector(f, chunk, i, (uint32_t)columns[i], v, range_count);
    }
    return status;
}

static phusa_status fold_chunk(void *context, const struct chunk_view *chunk, const int *columns,
                               int64_t start_ns, int64_t end_ns)
{
    struct fold *f = context;
    const struct scan_visitor visitor = {.context = f, .rows = fold_rows};
    if (f->plan->row_filter != NULL)
        return scan_chunk_rows(&f->scan, chunk, columns, start_ns, end_ns, &visitor);
    f->touched = true;
    struct query_counters *counters = f->environment->counters;
    phusa_status status = budget_read(f->budget, 1);
    if (status != PHUSA_OK) return status;
    bool done = false;
    const bool whole = chunk->time_min_ns >= start_ns && chunk->time_max_ns < end_ns;
    const uint32_t window =
        window_of(f, chunk->time_min_ns < start_ns ? start_ns : chunk->time_min_ns);
    if (whole && chunk->time_max_ns < f->window_ns[window + 1])
        status = fold_statistics(f, chunk, columns, CHUNK_WHOLE, window, &done);
    if (done || status != PHUSA_OK) {
        atomic_fetch_add_explicit(&counters->chunks_by_statistics, 1, memory_order_relaxed);
        return status;
    }
    atomic_fetch_add_explicit(&counters->chunks_decoded, 1, memory_order_relaxed);
    for (uint32_t v = 0; status == PHUSA_OK && v < chunk->vector_count; v++) {
        int64_t first_ns, last_ns;
        chunk_vector_times(chunk, v, &first_ns, &last_ns);
        if (last_ns < start_ns) continue;
        if (first_ns >= end_ns) break;
        done = false;
        if (first_ns >= start_ns && last_ns < end_ns) {
            const uint32_t w = window_of(f, first_ns);
            if (last_ns < f->window_ns[w + 1])
                status = fold_statistics(f, chunk, columns, v, w, &done);
        }
        if (status == PHUSA_OK && !done)
            status = fold_decoded(f, chunk, columns, v, start_ns, end_ns);
    }
    return status;
}

/* ---- blocks and groups ---- */

/* The windows of the next block, ascending, from *next on, going forward or (descending)
 * backward; false when none is left. */
static bool next_block(struct fold *f, struct window *next, bool *more)
{
    if (!*more) return false;
    const bool down = f->plan->select->descending && !f->keeps;
    struct window windows[BLOCK_WINDOWS_MAX];
    uint32_t n = 0;
    while (n < BLOCK_WINDOWS_MAX && *more) {
        windows[n++] = *next;
        *more = down ? window_previous(&f->plan->window, next) && next->end_ns > f->start_ns
                     : window_next(&f->plan->window, next) && next->start_ns < f->end_ns;
    }
    for (uint32_t k = 0; k < n; k++)
        f->window_ns[k] = windows[down ? n - 1 - k : k].start_ns;
    f->window_ns[n] = windows[down ? 0 : n - 1].end_ns;
    f->window_count = n;
    return true;
}

static phusa_status finish_block(struct fold *f)
{
    const struct plan *plan = f->plan;
    for (uint32_t w = 0; w < f->window_count; w++)
        for (uint32_t c = 0; c < plan->call_count; c++) {
            const struct call *call = &plan->calls[c];
            struct cell *cell = cell_of(f, w, call->field);
            struct result *out = &f->results[w * plan->call_count + c];
            *out = (struct result){0};
            if (cell->aggregate.count == 0) continue;
            const phusa_status status =
                call->function->finish(cell, call->parameter, out, f->budget->error);
            if (status != PHUSA_OK) return status;
        }
    return PHUSA_OK;
}

static phusa_status scan_block(struct fold *f, const struct group *group, int64_t start_ns,
                               int64_t end_ns)
{
    const struct scan_visitor visitor = {.context = f, .chunk = fold_chunk, .rows = fold_rows};
    phusa_status status = PHUSA_OK;
    for (size_t s = 0; status == PHUSA_OK && s < group->series_count; s++) {
        row_filter_series(&f->filter, &group->tags[s * f->plan->tag_count]);
        status = scan_series(&f->scan, group->series[s], start_ns, end_ns, &visitor);
    }
    return status;
}

static bool window_has_value(const struct fold *f, uint32_t window)
{
    for (uint32_t c = 0; c < f->plan->call_count; c++)
        if (f->results[window * f->plan->call_count + c].present) return true;
    return false;
}

static bool block_has_value(const struct fold *f)
{
    for (size_t i = 0; i < (size_t)f->window_count * f->plan->call_count; i++)
        if (f->results[i].present) return true;
    return false;
}

static phusa_status keep_rows(struct fold *f, const int64_t *times_ns, const struct result *results,
                              uint32_t n)
{
    const uint32_t calls = f->plan->call_count;
    if (f->kept_count + n > f->kept_capacity) {
        const size_t capacity =
            f->kept_capacity == 0 ? 2 * BLOCK_WINDOWS_MAX : f->kept_capacity * 2;
        int64_t *grown_ns = arena_array(&f->budget->arena, capacity, sizeof *grown_ns);
        struct result *grown = arena_array(&f->budget->arena, capacity * calls, sizeof *grown);
        if (grown_ns == NULL || grown == NULL) return budget_no_memory(f->budget);
        if (f->kept_count > 0) {
            memcpy(grown_ns, f->kept_ns, f->kept_count * sizeof *grown_ns);
            memcpy(grown, f->kept, f->kept_count * calls * sizeof *grown);
        }
        f->kept_ns = grown_ns;
        f->kept = grown;
        f->kept_capacity = capacity;
    }
    memcpy(f->kept_ns + f->kept_count, times_ns, n * sizeof *times_ns);
    memcpy(f->kept + f->kept_count * calls, results, (size_t)n * calls * sizeof *results);
    f->kept_count += n;
    return PHUSA_OK;
}

/* Hand over the results of a block, reversed when descending. */
static phusa_status give_block(struct fold *f, uint32_t from, uint32_t to)
{
    const uint32_t calls = f->plan->call_count;
    int64_t times_ns[BLOCK_WINDOWS_MAX];
    struct result *results = &f->results[from * calls];
    const uint32_t n = to - from;
    for (uint32_t k = 0; k < n; k++)
        times_ns[k] = f->plan->has_window ? f->window_ns[from + k] : f->label_ns;
    if (f->plan->select->descending && !f->keeps)
        for (uint32_t k = 0; k < n / 2; k++) {
            const int64_t t = times_ns[k];
            times_ns[k] = times_ns[n - 1 - k];
            times_ns[n - 1 - k] = t;
            for (uint32_t c = 0; c < calls; c++) {
                const struct result r = results[k * calls + c];
                results[k * calls + c] = results[(n - 1 - k) * calls + c];
                results[(n - 1 - k) * calls + c] = r;
            }
        }
    return f->keeps ? keep_rows(f, times_ns, results, n)
                    : answer_results(f->answer, times_ns, results, n);
}

/* Rows of windows in which the group has nothing, before its first block that has something. */
static phusa_status give_empty(struct fold *f, struct window window, uint64_t count)
{
    const uint32_t calls = f->plan->call_count;
    const bool down = f->plan->select->descending && !f->keeps;
    struct result *rows =
        arena_array(&f->collected, (size_t)BLOCK_WINDOWS_MAX * calls, sizeof *rows);
    if (rows == NULL) return error_set(f->budget->error, PHUSA_ELIMIT, "out of memory");
    while (count > 0) {
        int64_t times_ns[BLOCK_WINDOWS_MAX];
        const uint32_t n = count < BLOCK_WINDOWS_MAX ? (uint32_t)count : BLOCK_WINDOWS_MAX;
        for (uint32_t k = 0; k < n; k++) {
            times_ns[k] = window.start_ns;
            (void)(down ? window_previous(&f->plan->window, &window)
                        : window_next(&f->plan->window, &window));
        }
        memset(rows, 0, (size_t)n * calls * sizeof *rows);
        const phusa_status status = f->keeps ? keep_rows(f, times_ns, rows, n)
                                             : answer_results(f->answer, times_ns, rows, n);
        if (status != PHUSA_OK) return status;
        count -= n;
    }
    return PHUSA_OK;
}

/* Scan and finish the block that is set up; its cells are gone after. */
static phusa_status run_block(struct fold *f, const struct group *group)
{
    int64_t start_ns = f->window_ns[0], end_ns = f->window_ns[f->window_count];
    if (start_ns < f->start_ns) start_ns = f->start_ns;
    if (end_ns > f->end_ns) end_ns = f->end_ns;
    begin_cells(f);
    phusa_status status = scan_block(f, group, start_ns, end_ns);
    if (status == PHUSA_OK) status = finish_block(f);
    const uint32_t window_count = f->window_count;
    end_cells(f);
    f->window_count = window_count;
    return status;
}

static phusa_status run_windows(struct fold *f, const struct group *group)
{
    const bool down = f->plan->select->descending && !f->keeps;
    struct window next = window_at(&f->plan->window, down ? f->end_ns - 1 : f->start_ns);
    const struct window first = next;
    /* Without a lower bound an answer begins (ascending) with the first value there is. */
    const bool gives_leading = down || f->plan->range.has_start;
    bool more = true, begun = false;
    uint64_t empty = 0;
    while (answer_wants_rows(f->answer) && next_block(f, &next, &more)) {
        phusa_status status = run_block(f, group);
        if (status != PHUSA_OK) return status;
        uint32_t from = 0;
        if (!begun) {
            if (!block_has_value(f)) {
                empty += f->window_count;
                continue;
            }
            begun = true;
            if (gives_leading) status = give_empty(f, first, empty);
            if (status != PHUSA_OK) return status;
            while (!gives_leading && !window_has_value(f, from))
                from++;
        }
        status = give_block(f, from, f->window_count);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

/* ---- rows that had to wait ---- */

static union aggregate_value between(enum phusa_type type, const struct result *a,
                                     const struct result *b, double part)
{
    union aggregate_value v = {0};
    if (type == PHUSA_FLOAT)
        v.f = a->value.f + (b->value.f - a->value.f) * part;
    else if (type == PHUSA_UNSIGNED)
        v.u = (uint64_t)((double)a->value.u + ((double)b->value.u - (double)a->value.u) * part);
    else
        v.i = (int64_t)((double)a->value.i + ((double)b->value.i - (double)a->value.i) * part);
    return v;
}

static void fill_linear(struct fold *f, uint32_t call)
{
    const uint32_t calls = f->plan->call_count;
    const enum phusa_type type = f->plan->calls[call].type;
    if (type == PHUSA_STRING || type == PHUSA_BOOLEAN) return;
    size_t before = SIZE_MAX;
    for (size_t r = 0; r < f->kept_count; r++) {
        if (!f->kept[r * calls + call].present) continue;
        const struct result *b = &f->kept[r * calls + call];
        for (size_t k = before + 1; before != SIZE_MAX && k < r; k++) {
            const struct result *a = &f->kept[before * calls + call];
            const double part = ((double)f->kept_ns[k] - (double)f->kept_ns[before]) /
                                ((double)f->kept_ns[r] - (double)f->kept_ns[before]);
            f->kept[k * calls + call] =
                (struct result){.present = true, .value = between(type, a, b, part)};
        }
        before = r;
    }
}

static void fill_previous(struct fold *f, uint32_t call)
{
    const uint32_t calls = f->plan->call_count;
    for (size_t r = 1; r < f->kept_count; r++)
        if (!f->kept[r * calls + call].present)
            f->kept[r * calls + call] = f->kept[(r - 1) * calls + call];
}

static phusa_status give_kept(struct fold *f)
{
    const uint32_t calls = f->plan->call_count;
    for (uint32_t c = 0; c < calls; c++) {
        if (f->plan->select->fill == FILL_LINEAR)
            fill_linear(f, c);
        else
            fill_previous(f, c);
    }
    f->answer->filled = true;
    size_t given = 0;
    while (given < f->kept_count && answer_wants_rows(f->answer)) {
        int64_t times_ns[BLOCK_WINDOWS_MAX];
        uint32_t n = 0;
        for (; n < BLOCK_WINDOWS_MAX && given < f->kept_count; n++, given++) {
            const size_t r = f->plan->select->descending ? f->kept_count - 1 - given : given;
            times_ns[n] = f->kept_ns[r];
            memcpy(&f->results[n * calls], &f->kept[r * calls], calls * sizeof *f->results);
        }
        const phusa_status status = answer_results(f->answer, times_ns, f->results, n);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status run_group(struct fold *f, const struct group *group)
{
    answer_series(f->answer, group->tag_values);
    f->kept_count = 0;
    if (!f->plan->has_window) {
        f->window_ns[0] = f->start_ns;
        f->window_ns[1] = f->end_ns;
        f->window_count = 1;
        const phusa_status status = run_block(f, group);
        return status != PHUSA_OK ? status : give_block(f, 0, 1);
    }
    const int64_t start_ns = f->start_ns;
    if (!f->plan->range.has_start) {
        double rows = 0;
        int64_t first_ns = f->end_ns;
        for (size_t s = 0; s < group->series_count; s++) {
            const phusa_status status =
                scan_estimate(&f->scan, group->series[s], f->start_ns, f->end_ns, &rows, &first_ns);
            if (status != PHUSA_OK) return status;
        }
        if (first_ns >= f->end_ns) return PHUSA_OK;
        f->start_ns = first_ns;
    }
    phusa_status status = run_windows(f, group);
    if (status == PHUSA_OK && f->keeps) status = give_kept(f);
    f->start_ns = start_ns;
    return status;
}

/* ---- the statement ---- */

static phusa_status prepare(struct fold *f, const struct manifest *manifest)
{
    const struct plan *plan = f->plan;
    struct arena *arena = &f->budget->arena;
    const uint32_t window_max = plan->has_window ? BLOCK_WINDOWS_MAX : 1;
    f->needs = arena_zalloc(arena, plan->field_count);
    f->collects = arena_zalloc(arena, plan->field_count * sizeof(bool));
    f->cells = arena_array(arena, (size_t)window_max * plan->field_count, sizeof *f->cells);
    f->results = arena_array(arena, (size_t)window_max * plan->call_count, sizeof *f->results);
    if (f->needs == NULL || f->collects == NULL || f->cells == NULL || f->results == NULL)
        return budget_no_memory(f->budget);
    for (uint32_t c = 0; c < plan->call_count; c++) {
        const struct call *call = &plan->calls[c];
        f->needs[call->field] |= call->function->needs | AGGREGATE_COUNT;
        if (call->function->collects) f->collects[call->field] = f->any_collects = true;
    }
    phusa_status status =
        scan_init(&f->scan, f->environment, manifest, plan->policy.id, plan->policy.shard,
                  plan->field_ids, plan->field_types, plan->field_count, f->budget);
    return status != PHUSA_OK ? status : row_filter_init(&f->filter, plan, f->budget);
}

phusa_status fold_run(const struct plan *plan, const struct query_environment *environment,
                      const struct manifest *manifest, const struct groups *groups,
                      struct answer *answer, struct budget *budget)
{
    int64_t data_start_ns = TIME_NS_MIN, data_end_ns = INT64_MAX;
    if (!manifest_range(manifest, plan->policy.id, &data_start_ns, &data_end_ns)) return PHUSA_OK;
    struct fold *f = arena_zalloc(&budget->arena, sizeof *f);
    if (f == NULL) return budget_no_memory(budget);
    f->plan = plan;
    f->environment = environment;
    f->budget = budget;
    f->answer = answer;
    f->start_ns = plan->range.start_ns;
    f->end_ns = plan->range.end_ns;
    arena_init(&f->collected, budget->arena.budget_bytes);
    const struct select_statement *select = plan->select;
    f->keeps =
        plan->has_window && select->has_fill &&
        (select->fill == FILL_LINEAR || (select->fill == FILL_PREVIOUS && select->descending));
    /* No bounds: from the first point on, and, in windows, until now. */
    if (!plan->range.has_start) f->start_ns = data_start_ns;
    if (!plan->range.has_end) f->end_ns = plan->has_window ? plan->now_ns + 1 : data_end_ns;
    f->label_ns = plan->range.has_start ? f->start_ns : 0;
    phusa_status status = PHUSA_OK;
    if (f->start_ns < f->end_ns) status = prepare(f, manifest);
    for (size_t g = 0; status == PHUSA_OK && f->cells != NULL && g < groups->count; g++) {
        if (!answer_wants_series(answer)) break;
        status = run_group(f, &groups->items[g]);
    }
    if (f->cells != NULL) {
        row_filter_deinit(&f->filter);
        scan_deinit(&f->scan);
    }
    arena_deinit(&f->collected);
    return status;
}
