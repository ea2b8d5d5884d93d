/* eval.c - see eval.h. Loops run over all slots, values or not; `present` decides after. */
#include "query/eval.h"

#include <assert.h>
#include <math.h>

static bool is_number(enum phusa_type type)
{
    return type == PHUSA_FLOAT || type == PHUSA_INTEGER || type == PHUSA_UNSIGNED;
}

phusa_status node_slot(struct budget *budget, uint32_t slot, enum phusa_type type,
                       struct node **out)
{
    struct node *node = arena_zalloc(&budget->arena, sizeof *node);
    if (node == NULL) return budget_no_memory(budget);
    node->kind = NODE_SLOT;
    node->type = type;
    node->slot = slot;
    *out = node;
    return PHUSA_OK;
}

static const char *operator_text(enum expr_operator op)
{
    static const char *const texts[] = {
        [OP_ADD] = "+",        [OP_SUBTRACT] = "-",       [OP_MULTIPLY] = "*",
        [OP_DIVIDE] = "/",     [OP_MODULO] = "%",         [OP_BIT_AND] = "&",
        [OP_BIT_OR] = "|",     [OP_BIT_XOR] = "^",        [OP_EQUAL] = "=",
        [OP_NOT_EQUAL] = "!=", [OP_LESS] = "<",           [OP_LESS_EQUAL] = "<=",
        [OP_GREATER] = ">",    [OP_GREATER_EQUAL] = ">=", [OP_MATCH] = "=~",
        [OP_NOT_MATCH] = "!~", [OP_AND] = "AND",          [OP_OR] = "OR",
    };
    return texts[op];
}

/* Both operands of a number operator are computed in this type. */
static enum phusa_type common_type(enum phusa_type a, enum phusa_type b)
{
    if (a == PHUSA_FLOAT || b == PHUSA_FLOAT) return PHUSA_FLOAT;
    return a == PHUSA_UNSIGNED || b == PHUSA_UNSIGNED ? PHUSA_UNSIGNED : PHUSA_INTEGER;
}

/* Zero when the operator does not take these types. */
static int result_type(enum expr_operator op, enum phusa_type a, enum phusa_type b)
{
    const bool numbers = is_number(a) && is_number(b);
    switch (op) {
    case OP_ADD:
    case OP_SUBTRACT:
    case OP_MULTIPLY:
        return numbers ? (int)common_type(a, b) : 0;
    case OP_MODULO:
        return numbers ? (int)common_type(a, b) : 0;
    case OP_DIVIDE:
        return numbers ? PHUSA_FLOAT : 0;
    case OP_BIT_AND:
    case OP_BIT_OR:
    case OP_BIT_XOR:
        if (a == PHUSA_BOOLEAN && b == PHUSA_BOOLEAN) return PHUSA_BOOLEAN;
        return numbers && common_type(a, b) != PHUSA_FLOAT ? (int)common_type(a, b) : 0;
    case OP_EQUAL:
    case OP_NOT_EQUAL:
        return numbers || a == b ? PHUSA_BOOLEAN : 0;
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
        return numbers || (a == PHUSA_STRING && b == PHUSA_STRING) ? PHUSA_BOOLEAN : 0;
    case OP_AND:
    case OP_OR:
        return a == PHUSA_BOOLEAN && b == PHUSA_BOOLEAN ? PHUSA_BOOLEAN : 0;
    case OP_MATCH:
    case OP_NOT_MATCH:
        return a == PHUSA_STRING ? PHUSA_BOOLEAN : 0;
    }
    return 0;
}

phusa_status node_binary(struct budget *budget, enum expr_operator op, struct node *left,
                         struct node *right, struct node **out)
{
    const int type = result_type(op, left->type, right == NULL ? 0 : right->type);
    if (type == 0)
        return error_set(budget->error, PHUSA_ETYPE, "incompatible operands: %s %s %s",
                         type_text(left->type), operator_text(op),
                         right == NULL ? "regex" : type_text(right->type));
    struct node *node = arena_zalloc(&budget->arena, sizeof *node);
    if (node == NULL) return budget_no_memory(budget);
    node->kind = NODE_BINARY;
    node->type = (enum phusa_type)type;
    node->op = op;
    node->left = left;
    node->right = right;
    *out = node;
    return PHUSA_OK;
}

static void *slots_alloc(struct arena *scratch, enum phusa_type type, uint32_t row_count)
{
    return arena_array(scratch, row_count == 0 ? 1 : row_count, vector_slot_bytes(type));
}

static phusa_status eval_constant(const struct node *node, uint32_t row_count,
                                  struct arena *scratch, struct vector *out)
{
    void *values = slots_alloc(scratch, node->type, row_count);
    if (values == NULL) return PHUSA_ENOMEM;
    for (uint32_t r = 0; r < row_count; r++) {
        if (node->type == PHUSA_STRING)
            ((struct phusa_text *)values)[r] = node->constant.s;
        else if (node->type == PHUSA_BOOLEAN)
            ((uint8_t *)values)[r] = node->constant.b;
        else
            ((uint64_t *)values)[r] = node->constant.u;
    }
    *out =
        (struct vector){.type = node->type, .decimals = PHUSA_DECIMALS_UNKNOWN, .values = values};
    return PHUSA_OK;
}

/* The same values in another number type. */
static phusa_status convert(struct vector *v, enum phusa_type type, uint32_t row_count,
                            struct arena *scratch)
{
    if (v->type == type || type != PHUSA_FLOAT) {
        v->type = type; /* integers of either kind share their bits */
        return PHUSA_OK;
    }
    double *values = slots_alloc(scratch, PHUSA_FLOAT, row_count);
    if (values == NULL) return PHUSA_ENOMEM;
    for (uint32_t r = 0; r < row_count; r++)
        values[r] = v->type == PHUSA_INTEGER ? (double)v->i[r] : (double)v->u[r];
    v->type = PHUSA_FLOAT;
    v->f = values;
    return PHUSA_OK;
}

/* Rows in which both have a value; *out NULL when that is every row. */
static phusa_status both_present(const struct vector *a, const struct vector *b, uint32_t row_count,
                                 struct arena *scratch, uint64_t **out)
{
    *out = NULL;
    if (a->present == NULL && b->present == NULL) return PHUSA_OK;
    const size_t words = bitmap_words(row_count);
    uint64_t *present = arena_array(scratch, words, sizeof *present);
    if (present == NULL) return PHUSA_ENOMEM;
    for (size_t w = 0; w < words; w++)
        present[w] = (a->present == NULL ? UINT64_MAX : a->present[w]) &
                     (b->present == NULL ? UINT64_MAX : b->present[w]);
    *out = present;
    return PHUSA_OK;
}

/* Take rows out of *present, making the bitmap if there is none yet. */
static phusa_status drop_row(uint64_t **present, uint32_t row, uint32_t row_count,
                             struct arena *scratch)
{
    if (*present == NULL) {
        const size_t words = bitmap_words(row_count);
        *present = arena_array(scratch, words, sizeof **present);
        if (*present == NULL) return PHUSA_ENOMEM;
        memset(*present, 0xff, words * sizeof **present);
    }
    (*present)[row / 64] &= ~(UINT64_C(1) << (row % 64));
    return PHUSA_OK;
}

static phusa_status float_arithmetic(enum expr_operator op, const double *a, const double *b,
                                     double *out, uint64_t **present, uint32_t row_count,
                                     struct arena *scratch)
{
    for (uint32_t r = 0; r < row_count; r++) {
        switch (op) {
        case OP_ADD:
            out[r] = a[r] + b[r];
            break;
        case OP_SUBTRACT:
            out[r] = a[r] - b[r];
            break;
        case OP_MULTIPLY:
            out[r] = a[r] * b[r];
            break;
        case OP_DIVIDE:
            out[r] = a[r] / b[r];
            break;
        default:
            out[r] = fmod(a[r], b[r]);
        }
    }
    for (uint32_t r = 0; r < row_count; r++) {
        if (isfinite(out[r])) continue;
        out[r] = 0;
        const phusa_status status = drop_row(present, r, row_count, scratch);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

/* One row; false: no value (division by zero, overflow). */
static bool integer_row(enum expr_operator op, bool is_signed, uint64_t a, uint64_t b,
                        uint64_t *out)
{
    const int64_t sa = (int64_t)a, sb = (int64_t)b;
    int64_t s = 0;
    bool overflow = false;
    switch (op) {
    case OP_ADD:
        overflow =
            is_signed ? __builtin_add_overflow(sa, sb, &s) : __builtin_add_overflow(a, b, out);
        break;
    case OP_SUBTRACT:
        overflow =
            is_signed ? __builtin_sub_overflow(sa, sb, &s) : __builtin_sub_overflow(a, b, out);
        break;
    case OP_MULTIPLY:
        overflow =
            is_signed ? __builtin_mul_overflow(sa, sb, &s) : __builtin_mul_overflow(a, b, out);
        break;
    case OP_MODULO:
        if (b == 0) return false;
        if (is_signed)
            s = sb == -1 ? 0 : sa % sb;
        else
            *out = a % b;
        break;
    case OP_BIT_AND:
        *out = a & b;
        return true;
    case OP_BIT_OR:
        *out = a | b;
        return true;
    default:
        *out = a ^ b;
        return true;
    }
    if (is_signed) *out = (uint64_t)s;
    return !overflow;
}

static phusa_status integer_arithmetic(enum expr_operator op, bool is_signed, const uint64_t *a,
                                       const uint64_t *b, uint64_t *out, uint64_t **present,
                                       uint32_t row_count, struct arena *scratch)
{
    for (uint32_t r = 0; r < row_count; r++) {
        if (integer_row(op, is_signed, a[r], b[r], &out[r])) continue;
        out[r] = 0;
        const phusa_status status = drop_row(present, r, row_count, scratch);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static bool holds(enum expr_operator op, int less, int equal)
{
    switch (op) {
    case OP_EQUAL:
        return equal;
    case OP_NOT_EQUAL:
        return !equal;
    case OP_LESS:
        return less;
    case OP_LESS_EQUAL:
        return less || equal;
    case OP_GREATER:
        return !less && !equal;
    default:
        return !less;
    }
}

static void compare_rows(enum expr_operator op, enum phusa_type type, const struct vector *a,
                         const struct vector *b, uint8_t *out, uint32_t row_count)
{
    for (uint32_t r = 0; r < row_count; r++) {
        switch (type) {
        case PHUSA_FLOAT:
            out[r] = holds(op, a->f[r] < b->f[r], a->f[r] == b->f[r]);
            break;
        case PHUSA_INTEGER:
            out[r] = holds(op, a->i[r] < b->i[r], a->i[r] == b->i[r]);
            break;
        case PHUSA_UNSIGNED:
            out[r] = holds(op, a->u[r] < b->u[r], a->u[r] == b->u[r]);
            break;
        case PHUSA_BOOLEAN:
            out[r] = holds(op, a->b[r] < b->b[r], a->b[r] == b->b[r]);
            break;
        case PHUSA_STRING: {
            const int sign = text_compare(a->s[r], b->s[r]);
            out[r] = holds(op, sign < 0, sign == 0);
            break;
        }
        }
    }
}

/* Comparing a negative integer with an unsigned one must not wrap: such rows are decided apart. */
static void mend_mixed_signs(enum expr_operator op, bool left_is_signed, const struct vector *a,
                             const struct vector *b, uint8_t *out, uint32_t row_count)
{
    const int64_t *s = left_is_signed ? a->i : b->i;
    for (uint32_t r = 0; r < row_count; r++)
        if (s[r] < 0) out[r] = holds(op, left_is_signed, 0);
}

static phusa_status eval_match(const struct node *node, const struct vector *a, uint32_t row_count,
                               uint8_t *out, bool *failed)
{
    const bool wanted = node->op == OP_MATCH;
    for (uint32_t r = 0; r < row_count; r++)
        out[r] = vector_has(a, r) && pattern_match(node->pattern, a->s[r], failed) == wanted;
    return PHUSA_OK;
}

/* AND and OR: a row without a value counts as false. */
static void eval_logic(enum expr_operator op, const struct vector *a, const struct vector *b,
                       uint8_t *out, uint32_t row_count)
{
    for (uint32_t r = 0; r < row_count; r++) {
        const bool x = vector_has(a, r) && a->b[r], y = vector_has(b, r) && b->b[r];
        out[r] = op == OP_AND ? x && y : x || y;
    }
}

static phusa_status eval_operator(const struct node *node, struct vector *a, struct vector *b,
                                  uint32_t row_count, struct arena *scratch, struct vector *out)
{
    void *values = slots_alloc(scratch, node->type, row_count);
    uint64_t *present = NULL;
    phusa_status status =
        values == NULL ? PHUSA_ENOMEM : both_present(a, b, row_count, scratch, &present);
    if (status != PHUSA_OK) return status;
    const bool compares = node->op >= OP_EQUAL && node->op <= OP_GREATER_EQUAL;
    const bool numbers = is_number(a->type);
    const enum phusa_type left_type = a->type, right_type = b->type;
    enum phusa_type type = a->type;
    if (numbers) {
        type = node->op == OP_DIVIDE ? PHUSA_FLOAT : common_type(a->type, b->type);
        status = convert(a, type, row_count, scratch);
        if (status == PHUSA_OK) status = convert(b, type, row_count, scratch);
        if (status != PHUSA_OK) return status;
    }
    if (compares) {
        compare_rows(node->op, type, a, b, values, row_count);
        if (type == PHUSA_UNSIGNED && left_type != right_type)
            mend_mixed_signs(node->op, left_type == PHUSA_INTEGER, a, b, values, row_count);
    } else if (type == PHUSA_BOOLEAN) {
        for (uint32_t r = 0; r < row_count; r++)
            ((uint8_t *)values)[r] = node->op == OP_BIT_AND  ? a->b[r] & b->b[r]
                                     : node->op == OP_BIT_OR ? a->b[r] | b->b[r]
                                                             : a->b[r] ^ b->b[r];
    } else if (type == PHUSA_FLOAT) {
        status = float_arithmetic(node->op, a->f, b->f, values, &present, row_count, scratch);
    } else {
        status = integer_arithmetic(node->op, type == PHUSA_INTEGER, a->u, b->u, values, &present,
                                    row_count, scratch);
    }
    if (status != PHUSA_OK) return status;
    *out = (struct vector){.type = node->type,
                           .decimals = PHUSA_DECIMALS_UNKNOWN,
                           .present = present,
                           .values = values};
    return PHUSA_OK;
}

phusa_status node_eval(const struct node *node, const struct vector *slots, uint32_t row_count,
                       struct arena *scratch, struct vector *out, bool *failed)
{
    if (node->kind == NODE_SLOT) {
        *out = slots[node->slot];
        return PHUSA_OK;
    }
    if (node->kind == NODE_CONSTANT) return eval_constant(node, row_count, scratch, out);
    struct vector a, b;
    phusa_status status = node_eval(node->left, slots, row_count, scratch, &a, failed);
    if (status != PHUSA_OK) return status;
    if (node->right != NULL) {
        status = node_eval(node->right, slots, row_count, scratch, &b, failed);
        if (status != PHUSA_OK) return status;
    }
    if (node->op != OP_AND && node->op != OP_OR && node->pattern == NULL)
        return eval_operator(node, &a, &b, row_count, scratch, out);

    uint8_t *values = slots_alloc(scratch, PHUSA_BOOLEAN, row_count);
    if (values == NULL) return PHUSA_ENOMEM;
    if (node->pattern != NULL)
        status = eval_match(node, &a, row_count, values, failed);
    else
        eval_logic(node->op, &a, &b, values, row_count);
    *out = (struct vector){.type = PHUSA_BOOLEAN, .values = values};
    return status;
}

phusa_status node_select(const struct node *node, const struct vector *slots, uint32_t row_count,
                         struct arena *scratch, uint64_t **selection, bool *failed)
{
    assert(node->type == PHUSA_BOOLEAN);
    struct vector v;
    const phusa_status status = node_eval(node, slots, row_count, scratch, &v, failed);
    if (status != PHUSA_OK) return status;
    const size_t words = bitmap_words(row_count);
    uint64_t *bits = arena_zalloc(scratch, words * sizeof *bits);
    if (bits == NULL) return PHUSA_ENOMEM;
    for (uint32_t r = 0; r < row_count; r++)
        bits[r / 64] |= (uint64_t)(v.b[r] != 0) << (r % 64);
    if (v.present != NULL)
        for (size_t w = 0; w < words; w++)
            bits[w] &= v.present[w];
    *selection = bits;
    return PHUSA_OK;
}
