/* condition.c - see condition.h. */
#include "query/condition.h"

#include "base/mem.h"
#include "calendar/civil.h"

#include <inttypes.h>
#include <strings.h>

void pattern_list_free(struct pattern_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        pattern_free(list->items[i]);
    mem_free(list->items);
    *list = (struct pattern_list){0};
}

phusa_status pattern_list_add(struct pattern_list *list, struct budget *budget,
                              struct phusa_text text, struct pattern **out)
{
    if (!MEM_GROW(list->items, list->capacity, list->count + 1))
        return error_set(budget->error, PHUSA_ENOMEM, "out of memory");
    const phusa_status status = pattern_compile(text, &list->items[list->count], budget->error);
    if (status == PHUSA_OK) *out = list->items[list->count++];
    return status;
}

bool expr_is_time(const struct expr *expr)
{
    return expr->kind == EXPR_NAME && expr->reference.cast == CAST_NONE &&
           expr->reference.name.size_bytes == 4 &&
           strncasecmp(expr->reference.name.bytes, "time", 4) == 0;
}

static bool mentions_time(const struct expr *expr)
{
    if (expr->kind == EXPR_BINARY)
        return mentions_time(expr->binary.left) || mentions_time(expr->binary.right);
    return expr_is_time(expr);
}

/* ---- times ---- */

/* A constant of time arithmetic: a moment, or a span to add to one. */
struct moment {
    bool is_span;
    int64_t ns;     /* the moment, or the span's nanoseconds */
    int64_t months; /* the span's */
};

static phusa_status bad_time(struct budget *budget, const struct expr *expr)
{
    return error_set(budget->error, PHUSA_EINVAL,
                     "invalid time at character %" PRIu32
                     ": expected '2006-01-02T15:04:05Z', an epoch like 1500000000s, or now() - 1h",
                     expr->offset + 1);
}

static phusa_status overflows(struct budget *budget, const struct expr *expr)
{
    return error_set(budget->error, PHUSA_ERANGE,
                     "time at character %" PRIu32 " is outside the years 1677 to 2262",
                     expr->offset + 1);
}

static int64_t whole_seconds(int64_t ns, int64_t *rest_ns)
{
    int64_t seconds = ns / NS_PER_S;
    *rest_ns = ns % NS_PER_S;
    if (*rest_ns >= 0) return seconds;
    *rest_ns += NS_PER_S;
    return seconds - 1;
}

static bool from_local(const struct zone *zone, int64_t local_s, int64_t rest_ns, int64_t *out)
{
    int64_t ns;
    if (__builtin_mul_overflow(zone_local_to_utc(zone, local_s), NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, rest_ns, &ns))
        return false;
    *out = ns;
    return true;
}

static phusa_status time_of_text(struct budget *budget, const struct expr *expr,
                                 const struct zone *zone, struct moment *out)
{
    bool is_local;
    int64_t ns;
    const phusa_status status =
        civil_parse(expr->text.bytes, expr->text.size_bytes, &ns, &is_local);
    if (status == PHUSA_ERANGE)
        return error_set(budget->error, status, "time '%.*s' is outside the years 1677 to 2262",
                         (int)expr->text.size_bytes, expr->text.bytes);
    if (status != PHUSA_OK) return bad_time(budget, expr);
    int64_t rest;
    const int64_t seconds = whole_seconds(ns, &rest);
    if (is_local && !from_local(zone, seconds, rest, &ns)) return overflows(budget, expr);
    *out = (struct moment){.ns = ns};
    return PHUSA_OK;
}

/* The same clock time some months away; the day is cut to the length of the month. false: beyond
 * the years that can be kept. */
static bool add_months(int64_t ns, int64_t months, const struct zone *zone, int64_t *out)
{
    int64_t rest;
    const int64_t seconds = whole_seconds(ns, &rest);
    const int64_t local = seconds + zone_offset_at(zone, seconds);
    int64_t days = local / S_PER_DAY, second_of_day = local % S_PER_DAY;
    if (second_of_day < 0) {
        second_of_day += S_PER_DAY;
        days--;
    }
    const int day = civil_of_days(days).day;
    const int64_t first = civil_days_of_month(civil_month_of_days(days) + months);
    const struct civil month = civil_of_days(first);
    const int last = civil_month_days(month.year, month.month);
    const int64_t shifted = first + (day < last ? day : last) - 1;
    return from_local(zone, shifted * S_PER_DAY + second_of_day, rest, out);
}

static phusa_status time_value(struct budget *budget, const struct expr *expr,
                               const struct zone *zone, int64_t now_ns, struct moment *out);

static phusa_status time_sum(struct budget *budget, const struct expr *expr,
                             const struct zone *zone, int64_t now_ns, struct moment *out)
{
    const enum expr_operator op = expr->binary.op;
    if (op != OP_ADD && op != OP_SUBTRACT) return bad_time(budget, expr);
    struct moment a, b;
    phusa_status status = time_value(budget, expr->binary.left, zone, now_ns, &a);
    if (status == PHUSA_OK) status = time_value(budget, expr->binary.right, zone, now_ns, &b);
    if (status != PHUSA_OK) return status;
    if (op == OP_SUBTRACT) {
        if (b.ns == INT64_MIN) return bad_time(budget, expr);
        b.ns = -b.ns;
        b.months = -b.months;
    }
    if (!a.is_span && b.is_span && b.months != 0 && (b.months > 240000 || b.months < -240000))
        return bad_time(budget, expr);
    struct moment sum = {.is_span = a.is_span && b.is_span};
    if (__builtin_add_overflow(a.ns, b.ns, &sum.ns) ||
        __builtin_add_overflow(a.months, b.months, &sum.months))
        return overflows(budget, expr);
    if (!sum.is_span && sum.months != 0) {
        if (!add_months(sum.ns, sum.months, zone, &sum.ns)) return overflows(budget, expr);
        sum.months = 0;
    }
    *out = sum;
    return PHUSA_OK;
}

static phusa_status time_value(struct budget *budget, const struct expr *expr,
                               const struct zone *zone, int64_t now_ns, struct moment *out)
{
    switch (expr->kind) {
    case EXPR_STRING:
        return time_of_text(budget, expr, zone, out);
    case EXPR_INTEGER:
        *out = (struct moment){.ns = expr->integer};
        return PHUSA_OK;
    case EXPR_FLOAT:
        if (!(expr->number > -9.2e18 && expr->number < 9.2e18)) return bad_time(budget, expr);
        *out = (struct moment){.ns = (int64_t)expr->number};
        return PHUSA_OK;
    case EXPR_NOW:
        *out = (struct moment){.ns = now_ns};
        return PHUSA_OK;
    case EXPR_DURATION:
        *out = (struct moment){
            .is_span = true, .ns = expr->duration.ns, .months = expr->duration.months};
        return PHUSA_OK;
    case EXPR_BINARY:
        return time_sum(budget, expr, zone, now_ns, out);
    default:
        return bad_time(budget, expr);
    }
}

/* time OP value; the operator is turned round when time stands on the right. */
static phusa_status take_time(struct budget *budget, const struct expr *expr,
                              const struct zone *zone, int64_t now_ns, struct condition *out)
{
    enum expr_operator op = expr->binary.op;
    const struct expr *value = expr->binary.right;
    if (expr_is_time(expr->binary.right)) {
        value = expr->binary.left;
        op = op == OP_LESS            ? OP_GREATER
             : op == OP_LESS_EQUAL    ? OP_GREATER_EQUAL
             : op == OP_GREATER       ? OP_LESS
             : op == OP_GREATER_EQUAL ? OP_LESS_EQUAL
                                      : op;
    }
    if (mentions_time(value)) return bad_time(budget, value);
    struct moment moment;
    const phusa_status status = time_value(budget, value, zone, now_ns, &moment);
    if (status != PHUSA_OK) return status;
    if (moment.months != 0) return bad_time(budget, value);
    const int64_t after = moment.ns == INT64_MAX ? INT64_MAX : moment.ns + 1;
    int64_t start_ns = INT64_MIN, end_ns = INT64_MAX;
    switch (op) {
    case OP_GREATER:
        start_ns = after;
        break;
    case OP_GREATER_EQUAL:
        start_ns = moment.ns;
        break;
    case OP_LESS:
        end_ns = moment.ns;
        break;
    case OP_LESS_EQUAL:
        end_ns = after;
        break;
    case OP_EQUAL:
        start_ns = moment.ns;
        end_ns = after;
        break;
    default:
        return error_set(budget->error, PHUSA_EINVAL,
                         "invalid operator on time at character %" PRIu32 ": use =, <, <=, > or >=",
                         expr->offset + 1);
    }
    if (start_ns != INT64_MIN) {
        out->has_start = true;
        if (start_ns > out->start_ns) out->start_ns = start_ns;
    }
    if (end_ns != INT64_MAX) {
        out->has_end = true;
        if (end_ns < out->end_ns) out->end_ns = end_ns;
    }
    return PHUSA_OK;
}

static phusa_status join(struct budget *budget, enum expr_operator op, struct expr *left,
                         struct expr *right, struct expr **out)
{
    if (left == NULL || right == NULL) {
        *out = left == NULL ? right : left;
        return PHUSA_OK;
    }
    struct expr *both = arena_zalloc(&budget->arena, sizeof *both);
    if (both == NULL) return budget_no_memory(budget);
    both->kind = EXPR_BINARY;
    both->offset = left->offset;
    both->binary.op = op;
    both->binary.left = left;
    both->binary.right = right;
    *out = both;
    return PHUSA_OK;
}

static phusa_status split(struct budget *budget, struct expr *expr, const struct zone *zone,
                          int64_t now_ns, struct condition *out)
{
    if (expr->kind == EXPR_BINARY && expr->binary.op == OP_AND) {
        const phusa_status status = split(budget, expr->binary.left, zone, now_ns, out);
        return status != PHUSA_OK ? status : split(budget, expr->binary.right, zone, now_ns, out);
    }
    if (!mentions_time(expr)) return join(budget, OP_AND, out->rest, expr, &out->rest);
    if (expr->kind == EXPR_BINARY &&
        (expr_is_time(expr->binary.left) || expr_is_time(expr->binary.right)))
        return take_time(budget, expr, zone, now_ns, out);
    return error_set(budget->error, PHUSA_EUNSUPPORTED,
                     "time may only be compared at the top of WHERE, joined by AND; character "
                     "%" PRIu32 " has it under OR or in arithmetic",
                     expr->offset + 1);
}

phusa_status condition_split(struct budget *budget, struct expr *where, const struct zone *zone,
                             int64_t now_ns, struct condition *out)
{
    struct condition condition = {.start_ns = TIME_NS_MIN, .end_ns = INT64_MAX};
    if (where != NULL) {
        const phusa_status status = split(budget, where, zone, now_ns, &condition);
        if (status != PHUSA_OK) return status;
    }
    *out = condition;
    return PHUSA_OK;
}

/* ---- series ---- */

struct series_walk {
    struct budget *budget;
    condition_is_field_fn is_field;
    void *context;
    struct pattern_list *patterns;
};

static phusa_status filter_new(struct series_walk *w, enum tag_filter_kind kind,
                               struct tag_filter *left, struct tag_filter *right,
                               struct tag_filter **out)
{
    struct tag_filter *filter = arena_zalloc(&w->budget->arena, sizeof *filter);
    if (filter == NULL) return budget_no_memory(w->budget);
    filter->kind = kind;
    filter->left = left;
    filter->right = right;
    *out = filter;
    return PHUSA_OK;
}

/* Does it speak of tags only, of fields only, or of both? */
enum { HAS_TAG = 1, HAS_FIELD = 2 };
static int speaks_of(const struct series_walk *w, const struct expr *expr)
{
    if (expr->kind == EXPR_BINARY)
        return speaks_of(w, expr->binary.left) | speaks_of(w, expr->binary.right);
    if (expr->kind == EXPR_NAME) return w->is_field(w->context, expr) ? HAS_FIELD : HAS_TAG;
    return 0;
}

static bool match_tag(void *context, struct phusa_text value, bool *failed)
{
    return pattern_match(context, value, failed);
}

/* tag OP 'value'. *simple false: not of a form that the index answers. */
static phusa_status tag_leaf(struct series_walk *w, const struct expr *expr, bool *simple,
                             struct tag_filter **out)
{
    *simple = false;
    const struct expr *name = expr->binary.left, *value = expr->binary.right;
    const enum expr_operator op = expr->binary.op;
    if (name->kind != EXPR_NAME) {
        name = expr->binary.right;
        value = expr->binary.left;
    }
    if (name->kind != EXPR_NAME) return PHUSA_OK;
    const bool equal = value->kind == EXPR_STRING && (op == OP_EQUAL || op == OP_NOT_EQUAL);
    const bool match = value->kind == EXPR_REGEX && (op == OP_MATCH || op == OP_NOT_MATCH);
    if (!equal && !match) return PHUSA_OK;
    phusa_status status = filter_new(w, equal ? TAG_EQUAL : TAG_MATCH, NULL, NULL, out);
    if (status != PHUSA_OK) return status;
    (*out)->key = name->reference.name;
    if (equal) {
        (*out)->value = value->text;
    } else {
        struct pattern *pattern;
        status = pattern_list_add(w->patterns, w->budget, value->text, &pattern);
        if (status != PHUSA_OK) return status;
        (*out)->match = match_tag;
        (*out)->context = pattern;
    }
    *simple = true;
    if (op == OP_NOT_EQUAL || op == OP_NOT_MATCH) return filter_new(w, TAG_NOT, *out, NULL, out);
    return PHUSA_OK;
}

/* The series for which `expr` can be true. *exact: then it is true for every row of them. */
static phusa_status series_filter(struct series_walk *w, const struct expr *expr, bool *exact,
                                  struct tag_filter **out)
{
    *exact = false;
    if (expr->kind == EXPR_BOOLEAN) {
        *exact = true;
        return filter_new(w, expr->boolean ? TAG_TRUE : TAG_FALSE, NULL, NULL, out);
    }
    if (expr->kind == EXPR_BINARY && (expr->binary.op == OP_AND || expr->binary.op == OP_OR)) {
        bool left_exact, right_exact;
        struct tag_filter *left, *right;
        phusa_status status = series_filter(w, expr->binary.left, &left_exact, &left);
        if (status == PHUSA_OK) status = series_filter(w, expr->binary.right, &right_exact, &right);
        if (status != PHUSA_OK) return status;
        *exact = left_exact && right_exact;
        return filter_new(w, expr->binary.op == OP_AND ? TAG_AND : TAG_OR, left, right, out);
    }
    if (expr->kind == EXPR_BINARY && speaks_of(w, expr) == HAS_TAG) {
        const phusa_status status = tag_leaf(w, expr, exact, out);
        if (status != PHUSA_OK || *exact) return status;
    }
    return filter_new(w, TAG_TRUE, NULL, NULL, out);
}

static phusa_status conjuncts(struct series_walk *w, struct expr *expr, struct tag_filter **filter,
                              struct expr **residual)
{
    if (expr->kind == EXPR_BINARY && expr->binary.op == OP_AND) {
        const phusa_status status = conjuncts(w, expr->binary.left, filter, residual);
        return status != PHUSA_OK ? status : conjuncts(w, expr->binary.right, filter, residual);
    }
    bool exact;
    struct tag_filter *one;
    phusa_status status = series_filter(w, expr, &exact, &one);
    if (status == PHUSA_OK && *filter != NULL)
        status = filter_new(w, TAG_AND, *filter, one, filter);
    else
        *filter = one;
    if (status == PHUSA_OK && !exact) status = join(w->budget, OP_AND, *residual, expr, residual);
    return status;
}

phusa_status condition_series(struct budget *budget, struct expr *rest,
                              condition_is_field_fn is_field, void *context,
                              struct pattern_list *patterns, struct tag_filter **filter,
                              struct expr **residual)
{
    *filter = NULL;
    *residual = NULL;
    if (rest == NULL) return PHUSA_OK;
    struct series_walk w = {budget, is_field, context, patterns};
    return conjuncts(&w, rest, filter, residual);
}
