/*
 * plan.c - see plan.h.
 *
 * Columns are expanded first (*, /regex/, mean(*)), then each becomes a tree of nodes; slots are
 * made as names are met. Last, the fields are sorted by id, as a scan wants them.
 */
#include "query/plan.h"

#include "query/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct planner {
    struct plan *plan;
    struct budget *budget;
    struct pattern_list *patterns;
    struct index_field *fields;
    size_t field_count;
    struct phusa_text *tags;
    size_t tag_count;
    size_t slot_capacity, column_capacity;
    struct select_column *namings; /* of plan->columns */
    bool in_where;
    bool has_raw_name; /* a field or tag of SELECT outside of a call */
};

static phusa_status no_memory(struct planner *p)
{
    return budget_no_memory(p->budget);
}

/* Grow an arena array by copying; the old one is left to the arena. */
static bool arena_grow(struct arena *arena, void **items, size_t *capacity, size_t count,
                       size_t size_bytes)
{
    if (count < *capacity) return true;
    const size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = arena_array(arena, wanted, size_bytes);
    if (grown == NULL) return false;
    if (count > 0) memcpy(grown, *items, count * size_bytes);
    *items = grown;
    *capacity = wanted;
    return true;
}

/* ---- names ---- */

static const struct index_field *find_field(const struct planner *p, struct phusa_text name)
{
    for (size_t i = 0; i < p->field_count; i++)
        if (text_equal(p->fields[i].name, name)) return &p->fields[i];
    return NULL;
}

static bool is_field(void *context, const struct expr *name)
{
    const struct planner *p = context;
    if (name->reference.cast == CAST_TAG) return false;
    return find_field(p, name->reference.name) != NULL;
}

static phusa_status add_slot(struct planner *p, const struct slot *slot, uint32_t *out)
{
    struct plan *plan = p->plan;
    for (uint32_t i = 0; i < plan->slot_count; i++) {
        const struct slot *s = &plan->slots[i];
        if (s->kind == slot->kind && s->kind != SLOT_CALL && s->type == slot->type &&
            text_equal(s->name, slot->name)) {
            *out = i;
            return PHUSA_OK;
        }
    }
    if (!arena_grow(&p->budget->arena, (void **)&plan->slots, &p->slot_capacity, plan->slot_count,
                    sizeof *plan->slots))
        return no_memory(p);
    plan->slots[plan->slot_count] = *slot;
    *out = plan->slot_count++;
    return PHUSA_OK;
}

static phusa_status field_slot(struct planner *p, const struct index_field *field,
                               enum expr_cast cast, uint32_t *out)
{
    enum phusa_type type = field->type;
    if (cast == CAST_FLOAT && (type == PHUSA_INTEGER || type == PHUSA_UNSIGNED)) type = PHUSA_FLOAT;
    const bool same = cast <= CAST_TAG || (cast == CAST_FLOAT && type == PHUSA_FLOAT) ||
                      (cast == CAST_INTEGER && type == PHUSA_INTEGER) ||
                      (cast == CAST_UNSIGNED && type == PHUSA_UNSIGNED) ||
                      (cast == CAST_STRING && type == PHUSA_STRING) ||
                      (cast == CAST_BOOLEAN && type == PHUSA_BOOLEAN);
    if (!same)
        return error_set(p->budget->error, PHUSA_EUNSUPPORTED,
                         "field %.*s is kept in another type; only integers can be read ::float",
                         (int)field->name.size_bytes, field->name.bytes);
    const struct slot slot = {
        .kind = SLOT_FIELD, .type = type, .name = field->name, .field_id = field->id};
    return add_slot(p, &slot, out);
}

static phusa_status tag_slot(struct planner *p, struct phusa_text key, uint32_t *out)
{
    const struct slot slot = {.kind = SLOT_TAG, .type = PHUSA_STRING, .name = key};
    return add_slot(p, &slot, out);
}

/* ---- expressions ---- */

static phusa_status build(struct planner *p, const struct expr *expr, struct node **out);

static phusa_status build_constant(struct planner *p, const struct expr *expr, struct node **out)
{
    struct node *node = arena_zalloc(&p->budget->arena, sizeof *node);
    if (node == NULL) return no_memory(p);
    node->kind = NODE_CONSTANT;
    switch (expr->kind) {
    case EXPR_FLOAT:
        node->type = PHUSA_FLOAT;
        node->constant.f = expr->number;
        break;
    case EXPR_INTEGER:
        node->type = PHUSA_INTEGER;
        node->constant.i = expr->integer;
        break;
    case EXPR_UNSIGNED:
        node->type = PHUSA_UNSIGNED;
        node->constant.u = expr->unsigned_integer;
        break;
    case EXPR_BOOLEAN:
        node->type = PHUSA_BOOLEAN;
        node->constant.b = expr->boolean;
        break;
    default:
        node->type = PHUSA_STRING;
        node->constant.s = expr->text;
    }
    *out = node;
    return PHUSA_OK;
}

static phusa_status build_name(struct planner *p, const struct expr *expr, struct node **out)
{
    const struct phusa_text name = expr->reference.name;
    if (!p->in_where) p->has_raw_name = true;
    uint32_t slot;
    phusa_status status;
    const struct index_field *field = expr->reference.cast == CAST_TAG ? NULL : find_field(p, name);
    if (field != NULL)
        status = field_slot(p, field, expr->reference.cast, &slot);
    else
        status = tag_slot(p, name, &slot); /* unknown names are tags that no series has */
    if (status != PHUSA_OK) return status;
    return node_slot(p->budget, slot, p->plan->slots[slot].type, out);
}

static phusa_status parameter_of(struct planner *p, const struct expr *expr, double *out)
{
    if (expr->kind == EXPR_INTEGER)
        *out = (double)expr->integer;
    else if (expr->kind == EXPR_FLOAT)
        *out = expr->number;
    else
        return error_set(p->budget->error, PHUSA_EINVAL,
                         "expected a number as the second argument at character %" PRIu32,
                         expr->offset + 1);
    return PHUSA_OK;
}

static phusa_status function_of(struct planner *p, const struct expr *expr,
                                const struct function **out)
{
    const struct phusa_text name = expr->call.function;
    const struct function *function = function_find(name);
    if (function == NULL)
        return error_set(p->budget->error, PHUSA_EINVAL, "undefined function %.*s()",
                         (int)name.size_bytes, name.bytes);
    if (expr->call.argument_count != 1 + function->parameter_count)
        return error_set(p->budget->error, PHUSA_EINVAL,
                         "invalid number of arguments for %s, expected %u, got %zu", function->name,
                         1 + function->parameter_count, expr->call.argument_count);
    *out = function;
    return PHUSA_OK;
}

static phusa_status add_call(struct planner *p, const struct function *function,
                             const struct index_field *field, enum expr_cast cast, double parameter,
                             struct node **out)
{
    uint32_t slot;
    phusa_status status = field_slot(p, field, cast, &slot);
    if (status != PHUSA_OK) return status;
    const enum phusa_type field_type = p->plan->slots[slot].type;
    if ((function->types & TYPE_BIT(field_type)) == 0)
        return error_set(p->budget->error, PHUSA_ETYPE,
                         "%s() does not take the %s field %.*s; count(), first() and last() do",
                         function->name,
                         field_type == PHUSA_STRING    ? "string"
                         : field_type == PHUSA_BOOLEAN ? "boolean"
                                                       : "number",
                         (int)field->name.size_bytes, field->name.bytes);
    struct plan *plan = p->plan;
    struct call *calls = arena_array(&p->budget->arena, plan->call_count + 1, sizeof *calls);
    if (calls == NULL) return no_memory(p);
    if (plan->call_count > 0) memcpy(calls, plan->calls, plan->call_count * sizeof *calls);
    plan->calls = calls;
    /* .field is the slot for now; finish_fields() makes it the scan's column. */
    calls[plan->call_count] = (struct call){.function = function,
                                            .field = slot,
                                            .parameter = parameter,
                                            .type = function->type_of(field_type)};
    const struct slot call = {
        .kind = SLOT_CALL, .type = calls[plan->call_count].type, .index = plan->call_count};
    plan->call_count++;
    status = add_slot(p, &call, &slot);
    return status != PHUSA_OK ? status : node_slot(p->budget, slot, call.type, out);
}

/* A call on a field that does not exist has no value anywhere. */
static phusa_status build_null(struct planner *p, struct node **out)
{
    *out = NULL;
    return PHUSA_OK;
}

static phusa_status build_call(struct planner *p, const struct expr *expr, struct node **out)
{
    const struct function *function = NULL;
    phusa_status status = function_of(p, expr, &function);
    if (status != PHUSA_OK) return status;
    if (p->in_where)
        return error_set(p->budget->error, PHUSA_EINVAL,
                         "%s() cannot stand in WHERE; compare its result outside of the query",
                         function->name);
    const struct expr *argument = expr->call.arguments[0];
    if (argument->kind != EXPR_NAME)
        return error_set(p->budget->error, PHUSA_EUNSUPPORTED,
                         "expected field argument in %s() at character %" PRIu32, function->name,
                         argument->offset + 1);
    double parameter = 0;
    if (function->parameter_count > 0)
        status = parameter_of(p, expr->call.arguments[1], &parameter);
    if (status != PHUSA_OK) return status;
    const struct index_field *field =
        argument->reference.cast == CAST_TAG ? NULL : find_field(p, argument->reference.name);
    if (field == NULL) return build_null(p, out);
    return add_call(p, function, field, argument->reference.cast, parameter, out);
}

static phusa_status build_binary(struct planner *p, const struct expr *expr, struct node **out)
{
    const enum expr_operator op = expr->binary.op;
    struct node *left, *right = NULL;
    phusa_status status = build(p, expr->binary.left, &left);
    if (status != PHUSA_OK) return status;
    struct pattern *pattern = NULL;
    if (op == OP_MATCH || op == OP_NOT_MATCH) {
        if (expr->binary.right->kind != EXPR_REGEX)
            return error_set(p->budget->error, PHUSA_EINVAL,
                             "expected a /regular expression/ at character %" PRIu32,
                             expr->binary.right->offset + 1);
        status = pattern_list_add(p->patterns, p->budget, expr->binary.right->text, &pattern);
    } else {
        status = build(p, expr->binary.right, &right);
    }
    if (status != PHUSA_OK) return status;
    if (left == NULL || (right == NULL && pattern == NULL)) return build_null(p, out);
    status = node_binary(p->budget, op, left, right, out);
    if (status == PHUSA_OK) (*out)->pattern = pattern;
    return status;
}

/* *out NULL: the expression has no value in any row. */
static phusa_status build(struct planner *p, const struct expr *expr, struct node **out)
{
    switch (expr->kind) {
    case EXPR_FLOAT:
    case EXPR_INTEGER:
    case EXPR_UNSIGNED:
    case EXPR_STRING:
    case EXPR_BOOLEAN:
        return build_constant(p, expr, out);
    case EXPR_NAME:
        return build_name(p, expr, out);
    case EXPR_CALL:
        return build_call(p, expr, out);
    case EXPR_BINARY:
        return build_binary(p, expr, out);
    default:
        return error_set(p->budget->error, PHUSA_EUNSUPPORTED,
                         "the expression at character %" PRIu32 " cannot stand here",
                         expr->offset + 1);
    }
}

/* ---- columns ---- */

/* `naming` is what the column is called after, see name.h. */
static phusa_status add_column(struct planner *p, struct select_column naming, struct node *node)
{
    struct plan *plan = p->plan;
    struct arena *arena = &p->budget->arena;
    size_t naming_capacity = p->column_capacity;
    if (!arena_grow(arena, (void **)&plan->columns, &p->column_capacity, plan->column_count,
                    sizeof *plan->columns) ||
        !arena_grow(arena, (void **)&p->namings, &naming_capacity, plan->column_count,
                    sizeof *p->namings))
        return no_memory(p);
    p->namings[plan->column_count] = naming;
    plan->columns[plan->column_count++].node = node;
    return PHUSA_OK;
}

/* One that stands for a name of *, /regex/ or mean(*). */
static phusa_status add_named(struct planner *p, struct phusa_text name, struct node *node)
{
    struct expr *expr = arena_zalloc(&p->budget->arena, sizeof *expr);
    if (expr == NULL) return no_memory(p);
    expr->kind = EXPR_NAME;
    expr->reference.name = name;
    return add_column(p, (struct select_column){.expr = expr}, node);
}

static phusa_status name_columns(struct planner *p)
{
    struct plan *plan = p->plan;
    struct arena *arena = &p->budget->arena;
    struct phusa_text *names = arena_array(arena, plan->column_count + 1, sizeof *names);
    if (names == NULL ||
        select_column_names(p->namings, plan->column_count, arena, names) != PHUSA_OK)
        return no_memory(p);
    for (uint32_t c = 0; c < plan->column_count; c++)
        plan->columns[c].name = names[c];
    return PHUSA_OK;
}

/* A name that *, *::field, *::tag or /regex/ may stand for. */
struct candidate {
    struct phusa_text name;
    const struct index_field *field; /* NULL: a tag */
};

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return text_compare(a->name, b->name);
}

static bool is_group_key(const struct plan *plan, struct phusa_text name)
{
    for (size_t i = 0; i < plan->group_key_count; i++)
        if (text_equal(plan->group_keys[i], name)) return true;
    return false;
}

static phusa_status candidates(struct planner *p, const struct expr *expr, bool tags_too,
                               struct candidate **out, size_t *count)
{
    struct candidate *list =
        arena_array(&p->budget->arena, p->field_count + p->tag_count + 1, sizeof *list);
    if (list == NULL) return no_memory(p);
    size_t n = 0;
    const enum expr_cast cast = expr->kind == EXPR_WILDCARD ? expr->reference.cast : CAST_NONE;
    if (cast != CAST_TAG)
        for (size_t i = 0; i < p->field_count; i++)
            list[n++] = (struct candidate){p->fields[i].name, &p->fields[i]};
    if (tags_too && cast != CAST_FIELD)
        for (size_t i = 0; i < p->tag_count; i++)
            if (!is_group_key(p->plan, p->tags[i]))
                list[n++] = (struct candidate){p->tags[i], NULL};
    if (expr->kind == EXPR_REGEX) {
        struct pattern *pattern;
        const phusa_status status = pattern_list_add(p->patterns, p->budget, expr->text, &pattern);
        if (status != PHUSA_OK) return status;
        bool failed = false;
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            if (pattern_match(pattern, list[i].name, &failed)) list[kept++] = list[i];
        if (failed) return budget_pattern_failed(p->budget);
        n = kept;
    }
    qsort(list, n, sizeof *list, compare_candidates);
    *out = list;
    *count = n;
    return PHUSA_OK;
}

static phusa_status expand_names(struct planner *p, const struct expr *expr)
{
    struct candidate *list;
    size_t count;
    phusa_status status = candidates(p, expr, true, &list, &count);
    p->has_raw_name = true;
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        uint32_t slot;
        status = list[i].field != NULL ? field_slot(p, list[i].field, CAST_NONE, &slot)
                                       : tag_slot(p, list[i].name, &slot);
        struct node *node;
        if (status == PHUSA_OK)
            status = node_slot(p->budget, slot, p->plan->slots[slot].type, &node);
        if (status == PHUSA_OK) status = add_named(p, list[i].name, node);
    }
    return status;
}

/* mean(*), max(/usage/): one column for each field that the function takes. */
static phusa_status expand_call(struct planner *p, const struct expr *expr, struct phusa_text alias)
{
    const struct function *function = NULL;
    phusa_status status = function_of(p, expr, &function);
    double parameter = 0;
    if (status == PHUSA_OK && function->parameter_count > 0)
        status = parameter_of(p, expr->call.arguments[1], &parameter);
    if (status != PHUSA_OK) return status;
    struct candidate *list;
    size_t count;
    status = candidates(p, expr->call.arguments[0], false, &list, &count);
    const struct phusa_text prefix = alias.bytes != NULL ? alias : text_of(function->name);
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        if ((function->types & TYPE_BIT(list[i].field->type)) == 0) continue;
        const char *name =
            arena_print(&p->budget->arena, "%.*s_%.*s", (int)prefix.size_bytes, prefix.bytes,
                        (int)list[i].name.size_bytes, list[i].name.bytes);
        if (name == NULL) return no_memory(p);
        struct node *node;
        status = add_call(p, function, list[i].field, CAST_NONE, parameter, &node);
        if (status == PHUSA_OK) status = add_named(p, text_of(name), node);
    }
    return status;
}

static phusa_status plan_column(struct planner *p, const struct select_column *column)
{
    const struct expr *expr = column->expr;
    if (expr->kind == EXPR_WILDCARD || expr->kind == EXPR_REGEX) return expand_names(p, expr);
    if (expr_is_time(expr)) return PHUSA_OK; /* always there */
    if (expr->kind == EXPR_CALL && expr->call.argument_count > 0 &&
        (expr->call.arguments[0]->kind == EXPR_WILDCARD ||
         expr->call.arguments[0]->kind == EXPR_REGEX))
        return expand_call(p, expr, column->alias);
    struct node *node;
    const phusa_status status = build(p, expr, &node);
    return status != PHUSA_OK ? status : add_column(p, *column, node);
}

/* ---- groups and windows ---- */

static int compare_texts(const void *left, const void *right)
{
    return text_compare(*(const struct phusa_text *)left, *(const struct phusa_text *)right);
}

static phusa_status plan_groups(struct planner *p)
{
    struct plan *plan = p->plan;
    const struct select_statement *select = plan->select;
    size_t bound = select->dimension_count + p->tag_count * select->dimension_count;
    struct phusa_text *keys = arena_array(&p->budget->arena, bound + 1, sizeof *keys);
    if (keys == NULL) return no_memory(p);
    size_t n = 0;
    for (size_t d = 0; d < select->dimension_count; d++) {
        const struct dimension *dimension = &select->dimensions[d];
        if (dimension->kind == DIMENSION_TAG) {
            keys[n++] = dimension->name;
            continue;
        }
        struct pattern *pattern = NULL;
        if (dimension->kind == DIMENSION_REGEX) {
            const phusa_status status =
                pattern_list_add(p->patterns, p->budget, dimension->name, &pattern);
            if (status != PHUSA_OK) return status;
        }
        bool failed = false;
        for (size_t i = 0; i < p->tag_count; i++)
            if (pattern == NULL || pattern_match(pattern, p->tags[i], &failed))
                keys[n++] = p->tags[i];
        if (failed) return budget_pattern_failed(p->budget);
    }
    qsort(keys, n, sizeof *keys, compare_texts);
    for (size_t i = 0; i < n; i++)
        if (plan->group_key_count == 0 || !text_equal(keys[i], keys[plan->group_key_count - 1]))
            keys[plan->group_key_count++] = keys[i];
    plan->group_keys = keys;
    return PHUSA_OK;
}

static phusa_status plan_window(struct planner *p, const struct zone *zone)
{
    struct plan *plan = p->plan;
    const struct select_statement *select = plan->select;
    plan->has_window = select->has_window;
    if (!plan->has_window) return PHUSA_OK;
    plan->window = (struct window_spec){
        .every = select->window, .offset = select->window_offset, .zone = zone};
    if (select->offset_is_now) plan->window.offset = (struct phusa_interval){0, plan->now_ns};
    const phusa_status status = window_spec_check(&plan->window);
    if (status == PHUSA_OK) return status;
    return error_set(p->budget->error, status,
                     "GROUP BY time() needs a positive interval of at most 10,000 years, and an "
                     "offset in months only beside months");
}

/* ---- fields ---- */

static int compare_ids(const void *left, const void *right)
{
    const struct slot *a = *(struct slot *const *)left, *b = *(struct slot *const *)right;
    return a->field_id != b->field_id ? a->field_id - b->field_id : (int)a->type - (int)b->type;
}

static phusa_status finish_fields(struct planner *p, uint32_t selected_slots)
{
    struct plan *plan = p->plan;
    struct arena *arena = &p->budget->arena;
    struct slot **fields = arena_array(arena, plan->slot_count + 1, sizeof *fields);
    plan->tag_keys = arena_array(arena, plan->slot_count + 1, sizeof *plan->tag_keys);
    plan->field_ids = arena_array(arena, plan->slot_count + 1, sizeof *plan->field_ids);
    plan->field_types = arena_array(arena, plan->slot_count + 1, sizeof *plan->field_types);
    plan->field_selected = arena_array(arena, plan->slot_count + 1, sizeof(bool));
    if (fields == NULL || plan->tag_keys == NULL || plan->field_ids == NULL ||
        plan->field_types == NULL || plan->field_selected == NULL)
        return no_memory(p);
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->slot_count; i++) {
        struct slot *slot = &plan->slots[i];
        if (slot->kind == SLOT_FIELD) fields[n++] = slot;
        if (slot->kind != SLOT_TAG) continue;
        slot->index = plan->tag_count;
        plan->tag_keys[plan->tag_count++] = slot->name;
    }
    qsort(fields, n, sizeof *fields, compare_ids);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && fields[i]->field_id == fields[i - 1]->field_id)
            return error_set(p->budget->error, PHUSA_EUNSUPPORTED,
                             "field %.*s is read in two types in one statement; use one",
                             (int)fields[i]->name.size_bytes, fields[i]->name.bytes);
        fields[i]->index = i;
        plan->field_ids[i] = fields[i]->field_id;
        plan->field_types[i] = fields[i]->type;
        plan->field_selected[i] = (uint32_t)(fields[i] - plan->slots) < selected_slots;
    }
    plan->field_count = n;
    for (uint32_t c = 0; c < plan->call_count; c++)
        plan->calls[c].field = plan->slots[plan->calls[c].field].index;
    return PHUSA_OK;
}

static phusa_status check_shape(struct planner *p)
{
    struct plan *plan = p->plan;
    plan->is_aggregate = plan->call_count > 0;
    if (plan->is_aggregate && p->has_raw_name)
        return error_set(p->budget->error, PHUSA_EUNSUPPORTED,
                         "mixing aggregate and non-aggregate queries is not supported");
    if (!plan->is_aggregate && plan->has_window && plan->column_count > 0 && p->has_raw_name)
        return error_set(p->budget->error, PHUSA_EINVAL,
                         "GROUP BY requires at least one aggregate function");
    plan->is_single_selector =
        plan->call_count == 1 && plan->calls[0].function->selector && plan->column_count == 1;
    return PHUSA_OK;
}

phusa_status plan_select(struct plan *plan, bool *empty,
                         const struct query_environment *environment, struct budget *budget,
                         struct pattern_list *patterns, const struct select_statement *select,
                         const struct zone *zone, struct index *index, uint32_t measurement,
                         struct phusa_text name, const struct policy_info *policy)
{
    *plan = (struct plan){.select = select,
                          .policy = *policy,
                          .index = index,
                          .measurement = measurement,
                          .measurement_name = name,
                          .now_ns = environment->now_ns(environment->owner)};
    struct planner p = {.plan = plan, .budget = budget, .patterns = patterns};
    phusa_status status =
        index_fields(index, measurement, &budget->arena, &p.fields, &p.field_count);
    if (status == PHUSA_OK)
        status = index_tag_keys(index, measurement, &budget->arena, &p.tags, &p.tag_count);
    if (status != PHUSA_OK) return no_memory(&p);
    status = condition_split(budget, select->where, zone, plan->now_ns, &plan->range);
    if (status == PHUSA_OK) status = plan_groups(&p);
    if (status == PHUSA_OK) status = plan_window(&p, zone);
    for (size_t i = 0; status == PHUSA_OK && i < select->column_count; i++)
        status = plan_column(&p, &select->columns[i]);
    if (status == PHUSA_OK) status = name_columns(&p);
    if (status == PHUSA_OK) status = check_shape(&p);
    const uint32_t selected_slots = plan->slot_count;
    struct expr *residual = NULL;
    if (status == PHUSA_OK)
        status = condition_series(budget, plan->range.rest, is_field, &p, patterns,
                                  &plan->series_filter, &residual);
    if (status == PHUSA_OK && residual != NULL) {
        p.in_where = true;
        status = build(&p, residual, &plan->row_filter);
        if (status == PHUSA_OK && plan->row_filter->type != PHUSA_BOOLEAN)
            status = error_set(budget->error, PHUSA_EINVAL, "WHERE is not a condition");
    }
    if (status == PHUSA_OK) status = finish_fields(&p, selected_slots);
    if (status != PHUSA_OK) return status;
    *empty = true;
    for (uint32_t i = 0; i < plan->field_count; i++)
        if (plan->field_selected[i]) *empty = false;
    if (plan->range.start_ns >= plan->range.end_ns) *empty = true;
    return PHUSA_OK;
}
