/* answer.c - see answer.h. */
#include "query/answer.h"

#include <assert.h>

phusa_status answer_init(struct answer *answer, const struct plan *plan, unsigned statement,
                         const struct phusa_sink *sink, struct budget *budget)
{
    *answer = (struct answer){.plan = plan, .budget = budget, .sink = sink, .statement = statement};
    struct arena *arena = &budget->arena;
    arena_init(&answer->scratch, arena->budget_bytes);
    arena_init(&answer->transposed, arena->budget_bytes);
    answer->column_names = arena_array(arena, plan->column_count + 1, sizeof *answer->column_names);
    answer->columns = arena_array(arena, plan->column_count + 1, sizeof *answer->columns);
    answer->values = arena_array(arena, plan->column_count + 1, sizeof *answer->values);
    answer->tags = arena_array(arena, plan->group_key_count + 1, sizeof *answer->tags);
    answer->previous = arena_zalloc(arena, (plan->call_count + 1) * sizeof *answer->previous);
    if (answer->column_names == NULL || answer->columns == NULL || answer->values == NULL ||
        answer->tags == NULL || answer->previous == NULL)
        return budget_no_memory(budget);
    answer->column_names[0] = text_of("time");
    for (uint32_t c = 0; c < plan->column_count; c++)
        answer->column_names[c + 1] = plan->columns[c].name;
    for (size_t k = 0; k < plan->group_key_count; k++)
        answer->tags[k].key = plan->group_keys[k];
    return PHUSA_OK;
}

void answer_deinit(struct answer *answer)
{
    arena_deinit(&answer->scratch);
    arena_deinit(&answer->transposed);
}

void answer_series(struct answer *answer, const struct phusa_text *tag_values)
{
    for (size_t k = 0; k < answer->plan->group_key_count; k++)
        answer->tags[k].value = tag_values[k];
    answer->series_begun = false;
    answer->series_skipped = false;
    answer->rows_skipped = 0;
    answer->rows_given = 0;
    memset(answer->previous, 0, answer->plan->call_count * sizeof *answer->previous);
}

bool answer_wants_series(const struct answer *answer)
{
    const struct select_statement *select = answer->plan->select;
    return select->series_limit == 0 ||
           answer->series_seen < select->series_offset + select->series_limit;
}

bool answer_wants_rows(const struct answer *answer)
{
    if (answer->series_skipped) return false;
    const uint64_t limit = answer->plan->select->limit;
    return limit == 0 || answer->rows_given < limit;
}

/* Before the first row of a series: is it within SOFFSET and SLIMIT? */
static phusa_status begin_series(struct answer *answer)
{
    const struct select_statement *select = answer->plan->select;
    answer->series_begun = true;
    const bool wanted = answer_wants_series(answer) && answer->series_seen >= select->series_offset;
    answer->series_seen++;
    answer->series_skipped = !wanted;
    if (!wanted) return PHUSA_OK;
    const struct phusa_series_header header = {
        .statement = answer->statement,
        .name = answer->plan->measurement_name,
        .tags = answer->tags,
        .tag_count = answer->plan->group_key_count,
        .columns = answer->column_names,
        .column_count = answer->plan->column_count + 1,
        .has_time = true,
    };
    return answer->sink->series_begin(answer->sink->context, &header);
}

/* A bitmap from bit `from` on, at bit 0. */
static phusa_status shift_bits(struct answer *answer, const uint64_t *bits, uint32_t from,
                               uint32_t count, const uint64_t **out)
{
    if (bits == NULL || from == 0) {
        *out = bits;
        return PHUSA_OK;
    }
    const size_t words = bitmap_words(count);
    uint64_t *shifted = arena_zalloc(&answer->scratch, words * sizeof *shifted);
    if (shifted == NULL) return budget_no_memory(answer->budget);
    for (uint32_t r = 0; r < count; r++)
        if (bit_get(bits, from + r)) bit_set(shifted, r);
    *out = shifted;
    return PHUSA_OK;
}

static phusa_status hand_over(struct answer *answer, const int64_t *times_ns, uint32_t from,
                              uint32_t count)
{
    for (uint32_t c = 0; c < answer->plan->column_count; c++) {
        const struct vector *v = &answer->values[c];
        struct phusa_column *column = &answer->columns[c];
        column->type = v->type;
        const phusa_status status = shift_bits(answer, v->present, from, count, &column->present);
        if (status != PHUSA_OK) return status;
        const uint8_t *base = v->values;
        column->u = (const void *)(base + from * vector_slot_bytes(v->type));
    }
    const struct phusa_rows rows = {
        .row_count = count, .times_ns = times_ns + from, .columns = answer->columns};
    const phusa_status status = budget_answer(answer->budget, count);
    return status != PHUSA_OK ? status : answer->sink->rows(answer->sink->context, &rows);
}

static phusa_status compute_columns(struct answer *answer, const struct vector *slots,
                                    uint32_t row_count)
{
    static const uint64_t none[VECTOR_ROWS_MAX / 64];
    static const double zeros[VECTOR_ROWS_MAX];
    bool failed = false;
    for (uint32_t c = 0; c < answer->plan->column_count; c++) {
        const struct node *node = answer->plan->columns[c].node;
        if (node == NULL) {
            answer->values[c] = (struct vector){.type = PHUSA_FLOAT, .present = none, .f = zeros};
            continue;
        }
        const phusa_status status =
            node_eval(node, slots, row_count, &answer->scratch, &answer->values[c], &failed);
        if (status != PHUSA_OK) return budget_no_memory(answer->budget);
    }
    return failed ? budget_pattern_failed(answer->budget) : PHUSA_OK;
}

phusa_status answer_rows(struct answer *answer, const int64_t *times_ns, const struct vector *slots,
                         uint32_t row_count)
{
    assert(row_count <= VECTOR_ROWS_MAX);
    if (row_count == 0) return PHUSA_OK;
    arena_reset(&answer->scratch);
    const struct select_statement *select = answer->plan->select;
    uint32_t from = 0;
    if (answer->rows_skipped < select->row_offset) {
        const uint64_t left = select->row_offset - answer->rows_skipped;
        from = left < row_count ? (uint32_t)left : row_count;
        answer->rows_skipped += from;
    }
    uint32_t count = row_count - from;
    if (select->limit > 0 && count > select->limit - answer->rows_given)
        count = (uint32_t)(select->limit - answer->rows_given);
    if (count == 0) return PHUSA_OK;
    phusa_status status = PHUSA_OK;
    if (!answer->series_begun) status = begin_series(answer);
    if (status != PHUSA_OK || answer->series_skipped) return status;
    status = compute_columns(answer, slots, row_count);
    if (status == PHUSA_OK) status = hand_over(answer, times_ns, from, count);
    answer->rows_given += count;
    return status;
}

/* ---- results of calls ---- */

static union aggregate_value number_of(enum phusa_type type, double number)
{
    union aggregate_value value = {0};
    if (type == PHUSA_FLOAT)
        value.f = number;
    else if (type == PHUSA_UNSIGNED)
        value.u = number < 0 ? 0 : (uint64_t)number;
    else if (type == PHUSA_INTEGER)
        value.i = (int64_t)number;
    return value;
}

static void fill_row(struct answer *answer, struct result *results)
{
    const struct plan *plan = answer->plan;
    const struct select_statement *select = plan->select;
    const enum fill_kind fill = select->has_fill ? select->fill : FILL_NULL;
    for (uint32_t c = 0; c < plan->call_count; c++) {
        struct result *r = &results[c];
        const struct call *call = &plan->calls[c];
        if (r->present) {
            answer->previous[c] = *r;
        } else if (fill == FILL_PREVIOUS && answer->previous[c].present) {
            *r = answer->previous[c];
        } else if (fill == FILL_NUMBER && call->type != PHUSA_STRING &&
                   call->type != PHUSA_BOOLEAN) {
            *r = (struct result){.present = true,
                                 .value = number_of(call->type, select->fill_number)};
        } else if (fill == FILL_NULL && call->function->zero_when_empty) {
            *r = (struct result){.present = true};
        }
    }
}

static bool has_any(const struct result *results, uint32_t count)
{
    for (uint32_t c = 0; c < count; c++)
        if (results[c].present) return true;
    return false;
}

/* Results are rows of calls; expressions want a vector for each. */
static phusa_status transpose(struct answer *answer, const struct result *results,
                              uint32_t row_count, struct vector **out)
{
    const struct plan *plan = answer->plan;
    struct arena *scratch = &answer->transposed;
    struct vector *slots = arena_zalloc(scratch, (plan->slot_count + 1) * sizeof *slots);
    if (slots == NULL) return budget_no_memory(answer->budget);
    for (uint32_t s = 0; s < plan->slot_count; s++) {
        if (plan->slots[s].kind != SLOT_CALL) continue;
        const uint32_t c = plan->slots[s].index;
        const enum phusa_type type = plan->calls[c].type;
        const size_t bytes = vector_slot_bytes(type);
        uint8_t *values = arena_zalloc(scratch, row_count * bytes);
        uint64_t *present = arena_zalloc(scratch, bitmap_words(row_count) * sizeof *present);
        if (values == NULL || present == NULL) return budget_no_memory(answer->budget);
        for (uint32_t r = 0; r < row_count; r++) {
            const struct result *result = &results[r * plan->call_count + c];
            if (!result->present) continue;
            bit_set(present, r);
            if (type == PHUSA_BOOLEAN)
                values[r] = result->value.b;
            else
                memcpy(values + r * bytes, &result->value, bytes);
        }
        slots[s] = (struct vector){
            .type = type, .decimals = PHUSA_DECIMALS_UNKNOWN, .present = present, .values = values};
    }
    *out = slots;
    return PHUSA_OK;
}

phusa_status answer_results(struct answer *answer, const int64_t *times_ns, struct result *results,
                            uint32_t row_count)
{
    assert(row_count <= VECTOR_ROWS_MAX);
    const struct plan *plan = answer->plan;
    const struct select_statement *select = plan->select;
    const bool drops = !plan->has_window || (select->has_fill && select->fill == FILL_NONE);
    int64_t kept_ns[VECTOR_ROWS_MAX];
    uint32_t kept = 0;
    for (uint32_t r = 0; r < row_count; r++) {
        struct result *row = &results[r * plan->call_count];
        if (drops && !has_any(row, plan->call_count)) continue;
        if (plan->has_window && !answer->filled) fill_row(answer, row);
        const bool own_time = plan->is_single_selector && !plan->has_window && row[0].has_time;
        kept_ns[kept] = own_time ? row[0].time_ns : times_ns[r];
        if (kept != r)
            memmove(&results[kept * plan->call_count], row, plan->call_count * sizeof *row);
        kept++;
    }
    if (kept == 0) return PHUSA_OK;
    arena_reset(&answer->transposed);
    struct vector *slots = NULL;
    const phusa_status status = transpose(answer, results, kept, &slots);
    return status != PHUSA_OK ? status : answer_rows(answer, kept_ns, slots, kept);
}
