/*
 * eval.h - expressions over vectors of rows: arithmetic, comparisons, AND and OR.
 *
 * A tree of nodes with types resolved beforehand. Leaves are slots (columns handed in at each
 * evaluation: fields, tags, or the results of calls) and constants.
 *
 * Rules as in InfluxQL: / of integers is a float; an integer beside a float is a float; a row
 * in which an operand has no value has no value, and is false in a condition; x / 0 is no
 * value.
 */
#ifndef PHUSA_QUERY_EVAL_H
#define PHUSA_QUERY_EVAL_H

#include "chunk/vector.h"
#include "query/budget.h"
#include "query/pattern.h"
#include "query/statement.h"

enum node_kind { NODE_SLOT, NODE_CONSTANT, NODE_BINARY };
struct node {
    enum node_kind kind;
    enum phusa_type type;
    uint32_t slot;
    union {
        double f;
        int64_t i;
        uint64_t u;
        bool b;
        struct phusa_text s;
    } constant;
    enum expr_operator op;
    struct node *left, *right;
    struct pattern *pattern; /* OP_MATCH, OP_NOT_MATCH: right is NULL */
};

/* Types and nodes of an op; error at `offset` of the statement. */
PHUSA_MUST_USE phusa_status node_slot(struct budget *budget, uint32_t slot, enum phusa_type type,
                                      struct node **out);
PHUSA_MUST_USE phusa_status node_binary(struct budget *budget, enum expr_operator op,
                                        struct node *left, struct node *right, struct node **out);

/* Values of `node` for rows [0, row_count) into *out. Memory from `scratch`, to be reset by the
 * caller between blocks. *failed: a pattern hit its limit. */
PHUSA_MUST_USE phusa_status node_eval(const struct node *node, const struct vector *slots,
                                      uint32_t row_count, struct arena *scratch, struct vector *out,
                                      bool *failed);
/* The rows, of [0, row_count), for which a condition is true, as a bitmap. */
PHUSA_MUST_USE phusa_status node_select(const struct node *node, const struct vector *slots,
                                        uint32_t row_count, struct arena *scratch,
                                        uint64_t **selection, bool *failed);

#endif
