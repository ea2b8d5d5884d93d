/*
 * index_posting.c - which series have a value of a tag: in 8 bytes if they are one or two, as
 * nearly all values of an id-like tag have; a short array; above 64 a roaring bitmap, which then
 * takes under 2 bytes each.
 *
 *     63         33 32          2 1 0
 *     | second + 1 | first + 1   | 0 |    the reason for ORDINALS_MAX
 *     | pointer to an array      | 1 |
 *     | pointer to a bitmap      | 2 |
 */
#include "index/index_internal.h"

#define ARRAY_MAX 64u
#define HALF      UINT64_C(0x7fffffff)

struct array {
    uint32_t count, capacity;
    uint32_t ordinals[];
};

static unsigned kind(index_posting posting)
{
    return (unsigned)(posting & 3);
}
static struct array *array_of(index_posting posting)
{
    return (struct array *)(uintptr_t)(posting & ~UINT64_C(3));
}
static roaring_bitmap_t *bitmap_of(index_posting posting)
{
    return (roaring_bitmap_t *)(uintptr_t)(posting & ~UINT64_C(3));
}
static uint32_t few(index_posting posting, uint32_t ordinals[2])
{
    const uint32_t first = (uint32_t)(posting >> 2 & HALF), second = (uint32_t)(posting >> 33);
    ordinals[0] = first - 1;
    ordinals[1] = second - 1;
    return first == 0 ? 0 : second == 0 ? 1 : 2;
}

void index_posting_free(index_posting posting)
{
    if (kind(posting) == 1) mem_free(array_of(posting));
    if (kind(posting) == 2) roaring_bitmap_free(bitmap_of(posting));
}

uint32_t index_posting_count(index_posting posting)
{
    uint32_t ordinals[2];
    if (kind(posting) == 0) return few(posting, ordinals);
    if (kind(posting) == 1) return array_of(posting)->count;
    return (uint32_t)roaring_bitmap_get_cardinality(bitmap_of(posting));
}

static bool to_array(index_posting *posting, uint32_t capacity)
{
    struct array *array = mem_alloc(sizeof *array + capacity * sizeof *array->ordinals);
    if (array == NULL) return false;
    array->capacity = capacity;
    if (kind(*posting) == 0) {
        array->count = few(*posting, array->ordinals);
    } else {
        const struct array *old = array_of(*posting);
        array->count = old->count;
        memcpy(array->ordinals, old->ordinals, old->count * sizeof *old->ordinals);
    }
    index_posting_free(*posting);
    *posting = (uint64_t)(uintptr_t)array | 1;
    return true;
}

static bool to_bitmap(index_posting *posting)
{
    const struct array *array = array_of(*posting);
    roaring_bitmap_t *bitmap = roaring_bitmap_of_ptr(array->count, array->ordinals);
    if (bitmap == NULL) return false;
    index_posting_free(*posting);
    *posting = (uint64_t)(uintptr_t)bitmap | 2;
    return true;
}

bool index_posting_reserve(index_posting *posting)
{
    uint32_t ordinals[2];
    if (kind(*posting) == 0) return few(*posting, ordinals) < 2 || to_array(posting, 4);
    if (kind(*posting) == 2) return true; /* roaring takes memory by itself */
    const struct array *array = array_of(*posting);
    if (array->count < array->capacity) return true;
    return array->count == ARRAY_MAX ? to_bitmap(posting) : to_array(posting, 2 * array->capacity);
}

void index_posting_add(index_posting *posting, uint32_t ordinal)
{
    assert(ordinal < ORDINALS_MAX - 1);
    if (kind(*posting) == 0) {
        uint32_t ordinals[2];
        const unsigned shift = few(*posting, ordinals) == 0 ? 2 : 33;
        *posting |= ((uint64_t)ordinal + 1) << shift;
    } else if (kind(*posting) == 1) {
        struct array *array = array_of(*posting);
        assert(array->count < array->capacity);
        array->ordinals[array->count++] = ordinal;
    } else {
        roaring_bitmap_add(bitmap_of(*posting), ordinal);
    }
}

const roaring_bitmap_t *index_posting_bitmap(index_posting posting)
{
    return kind(posting) == 2 ? bitmap_of(posting) : NULL;
}

void index_posting_join(index_posting posting, roaring_bitmap_t *into)
{
    uint32_t ordinals[2];
    if (kind(posting) == 0)
        roaring_bitmap_add_many(into, few(posting, ordinals), ordinals);
    else if (kind(posting) == 1)
        roaring_bitmap_add_many(into, array_of(posting)->count, array_of(posting)->ordinals);
    else
        roaring_bitmap_or_inplace(into, bitmap_of(posting));
}

size_t index_posting_bytes(index_posting posting)
{
    if (kind(posting) == 0) return 0;
    if (kind(posting) == 1)
        return sizeof(struct array) + array_of(posting)->capacity * sizeof(uint32_t);
    return roaring_bitmap_size_in_bytes(bitmap_of(posting));
}

bool index_posting_check(index_posting posting, uint32_t ordinal_count)
{
    uint32_t ordinals[2];
    const uint32_t *all = ordinals;
    uint32_t count;
    if (kind(posting) == 0) {
        count = few(posting, ordinals);
    } else if (kind(posting) == 1) {
        count = array_of(posting)->count;
        all = array_of(posting)->ordinals;
    } else {
        return kind(posting) == 2 && roaring_bitmap_get_cardinality(bitmap_of(posting)) > 0 &&
               roaring_bitmap_maximum(bitmap_of(posting)) < ordinal_count;
    }
    for (uint32_t o = 0; o < count; o++)
        if (all[o] >= ordinal_count || (o > 0 && all[o] <= all[o - 1])) return false;
    return true;
}
