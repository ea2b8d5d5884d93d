/* head_shape.c - sets of fields, kept once each. The appender's alone. */
#include "head/head_internal.h"

/* Without an early exit, so that ten fields take five vector instructions. */
static bool shape_is(const struct head_shape *shape, const struct points_shape *fields)
{
    if (shape->field_count != fields->field_count) return false;
    uint32_t difference = 0;
    for (uint32_t f = 0; f < fields->field_count; f++)
        difference |= (uint32_t)(shape->fields[f].id ^ fields->fields[f].id) |
                      ((uint32_t)shape->fields[f].type ^ (uint32_t)fields->fields[f].type);
    return difference == 0;
}

static uint32_t shape_hash(const struct points_shape *fields)
{
    uint64_t hash = fields->field_count;
    for (uint32_t f = 0; f < fields->field_count; f++)
        hash = (hash ^ ((uint32_t)fields->fields[f].id << 8 | (uint32_t)fields->fields[f].type)) *
               UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32);
}

static phusa_status add_shape(struct head *head, const struct points_shape *fields, uint32_t hash,
                              place *out)
{
    const place at = head_take(head, sizeof(struct head_shape) +
                                         fields->field_count * sizeof(struct points_field));
    if (at == 0) return PHUSA_ELIMIT;
    struct head_shape *shape = head_at(head, at);
    place *bucket = &head->shape_buckets[hash % SHAPE_BUCKETS];
    *shape = (struct head_shape){.field_count = fields->field_count, .hash = hash, .next = *bucket};
    for (uint32_t f = 0; f < fields->field_count; f++) {
        shape->fields[f] = fields->fields[f];
        shape->has_string |= fields->fields[f].type == PHUSA_STRING;
        shape->has_float |= fields->fields[f].type == PHUSA_FLOAT;
    }
    *bucket = at;
    *out = at;
    return PHUSA_OK;
}

phusa_status head_intern_shape(struct head *head, const struct points_shape *fields, place *out)
{
    /* Rows of one record share their field array, so its address finds the shape; but the next
     * record may reuse the address, so what is found is compared. */
    const size_t m = (uintptr_t)fields->fields / sizeof(struct points_field) % SHAPE_MEMO;
    if (head->shape_memo[m].fields == fields->fields && head->shape_memo[m].shape != 0 &&
        shape_is(head_shape_at(head, head->shape_memo[m].shape), fields)) {
        *out = head->shape_memo[m].shape;
        return PHUSA_OK;
    }
    const uint32_t hash = shape_hash(fields);
    place at = head->shape_buckets[hash % SHAPE_BUCKETS];
    while (at != 0) {
        const struct head_shape *shape = head_shape_at(head, at);
        if (shape->hash == hash && shape_is(shape, fields)) break;
        at = shape->next;
    }
    if (at == 0) {
        const phusa_status status = add_shape(head, fields, hash, &at);
        if (status != PHUSA_OK) return status;
    }
    head->shape_memo[m].fields = fields->fields;
    head->shape_memo[m].shape = at;
    *out = at;
    return PHUSA_OK;
}
