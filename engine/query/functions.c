/* functions.c - see functions.h. */
#include "query/functions.h"

#include <math.h>
#include <stdlib.h>

static enum phusa_type type_same(enum phusa_type field)
{
    return field;
}

static enum phusa_type type_float(enum phusa_type field)
{
    (void)field;
    return PHUSA_FLOAT;
}

static enum phusa_type type_integer(enum phusa_type field)
{
    (void)field;
    return PHUSA_INTEGER;
}

static phusa_status finish_count(struct cell *cell, double parameter, struct result *out,
                                 struct phusa_error *error)
{
    *out = (struct result){.present = true, .value.i = (int64_t)cell->aggregate.count};
    return PHUSA_OK;
}

static phusa_status finish_sum(struct cell *cell, double parameter, struct result *out,
                               struct phusa_error *error)
{
    const struct aggregate *a = &cell->aggregate;
    struct result r = {.present = true};
    phusa_status status = PHUSA_OK;
    if (a->type == PHUSA_INTEGER)
        status = exact_int64(&a->sum, &r.value.i);
    else if (a->type == PHUSA_UNSIGNED)
        status = exact_uint64(&a->sum, &r.value.u);
    else
        r.value.f = exact_round(&a->sum);
    if (status != PHUSA_OK)
        return error_set(error, PHUSA_ERANGE,
                         "sum() does not fit 64 bits; use mean() and count(), or smaller windows");
    *out = r;
    return PHUSA_OK;
}

static phusa_status finish_mean(struct cell *cell, double parameter, struct result *out,
                                struct phusa_error *error)
{
    const struct aggregate *a = &cell->aggregate;
    *out = (struct result){.present = true, .value.f = exact_mean(&a->sum, a->count)};
    return PHUSA_OK;
}

static phusa_status finish_stddev(struct cell *cell, double parameter, struct result *out,
                                  struct phusa_error *error)
{
    const struct aggregate *a = &cell->aggregate;
    if (a->count < 2) { /* as InfluxDB: one value has no deviation */
        *out = (struct result){.present = false};
        return PHUSA_OK;
    }
    *out = (struct result){.present = true,
                           .value.f = sqrt(exact_variance(&a->sum, &a->squares, a->count))};
    return PHUSA_OK;
}

static phusa_status finish_point(const struct aggregate_point *point, struct result *out)
{
    *out = (struct result){
        .present = true, .has_time = true, .time_ns = point->time_ns, .value = point->value};
    return PHUSA_OK;
}

static phusa_status finish_min(struct cell *cell, double parameter, struct result *out,
                               struct phusa_error *error)
{
    return finish_point(&cell->aggregate.min, out);
}

static phusa_status finish_max(struct cell *cell, double parameter, struct result *out,
                               struct phusa_error *error)
{
    return finish_point(&cell->aggregate.max, out);
}

static phusa_status finish_first(struct cell *cell, double parameter, struct result *out,
                                 struct phusa_error *error)
{
    return finish_point(&cell->aggregate.first, out);
}

static phusa_status finish_last(struct cell *cell, double parameter, struct result *out,
                                struct phusa_error *error)
{
    return finish_point(&cell->aggregate.last, out);
}

static phusa_status finish_spread(struct cell *cell, double parameter, struct result *out,
                                  struct phusa_error *error)
{
    const struct aggregate *a = &cell->aggregate;
    struct result r = {.present = true};
    if (a->type == PHUSA_FLOAT)
        r.value.f = a->max.value.f - a->min.value.f;
    else if (a->type == PHUSA_UNSIGNED)
        r.value.u = a->max.value.u - a->min.value.u;
    else if (__builtin_sub_overflow(a->max.value.i, a->min.value.i, &r.value.i))
        return error_set(error, PHUSA_ERANGE, "spread() does not fit 64 bits; use min() and max()");
    *out = r;
    return PHUSA_OK;
}

/* ---- functions that see every value ---- */

static int order(int less, int greater)
{
    return greater - less;
}

#define COMPARE_BY(member)                                                                   \
    static int compare_##member(const void *left, const void *right)                         \
    {                                                                                        \
        const struct aggregate_point *a = left, *b = right;                                  \
        if (a->value.member != b->value.member)                                              \
            return order(a->value.member<b->value.member, a->value.member> b->value.member); \
        return order(a->time_ns<b->time_ns, a->time_ns> b->time_ns);                         \
    }
COMPARE_BY(f)
COMPARE_BY(i)
COMPARE_BY(u)

static void sort_collection(struct cell *cell)
{
    const enum phusa_type type = cell->aggregate.type;
    qsort(cell->collection.points, cell->collection.count, sizeof *cell->collection.points,
          type == PHUSA_FLOAT     ? compare_f
          : type == PHUSA_INTEGER ? compare_i
                                  : compare_u);
}

static double as_double(enum phusa_type type, union aggregate_value value)
{
    return type == PHUSA_FLOAT     ? value.f
           : type == PHUSA_INTEGER ? (double)value.i
                                   : (double)value.u;
}

static phusa_status finish_median(struct cell *cell, double parameter, struct result *out,
                                  struct phusa_error *error)
{
    sort_collection(cell);
    const enum phusa_type type = cell->aggregate.type;
    const struct aggregate_point *p = cell->collection.points;
    const size_t count = cell->collection.count;
    double median = as_double(type, p[count / 2].value);
    if (count % 2 == 0) {
        const double below = as_double(type, p[count / 2 - 1].value);
        median = below + (median - below) / 2;
    }
    *out = (struct result){.present = true, .value.f = median};
    return PHUSA_OK;
}

/* Nearest rank, as InfluxDB: a value that is there, and its time. */
static phusa_status finish_percentile(struct cell *cell, double parameter, struct result *out,
                                      struct phusa_error *error)
{
    sort_collection(cell);
    const size_t count = cell->collection.count;
    const double rank = floor((double)count * parameter / 100.0 + 0.5) - 1;
    if (!(rank >= 0 && rank < (double)count)) {
        *out = (struct result){.present = false};
        return PHUSA_OK;
    }
    return finish_point(&cell->collection.points[(size_t)rank], out);
}

static const struct function table[] = {
    {.name = "count",
     .types = TYPES_ANY,
     .needs = AGGREGATE_COUNT,
     .zero_when_empty = true,
     .type_of = type_integer,
     .finish = finish_count},
    {.name = "sum",
     .types = TYPES_NUMBER,
     .needs = AGGREGATE_SUM,
     .type_of = type_same,
     .finish = finish_sum},
    {.name = "mean",
     .types = TYPES_NUMBER,
     .needs = AGGREGATE_COUNT | AGGREGATE_SUM,
     .type_of = type_float,
     .finish = finish_mean},
    {.name = "min",
     .types = TYPES_NUMBER | TYPE_BIT(PHUSA_BOOLEAN),
     .needs = AGGREGATE_MIN,
     .selector = true,
     .type_of = type_same,
     .finish = finish_min},
    {.name = "max",
     .types = TYPES_NUMBER | TYPE_BIT(PHUSA_BOOLEAN),
     .needs = AGGREGATE_MAX,
     .selector = true,
     .type_of = type_same,
     .finish = finish_max},
    {.name = "first",
     .types = TYPES_ANY,
     .needs = AGGREGATE_FIRST,
     .selector = true,
     .type_of = type_same,
     .finish = finish_first},
    {.name = "last",
     .types = TYPES_ANY,
     .needs = AGGREGATE_LAST,
     .selector = true,
     .type_of = type_same,
     .finish = finish_last},
    {.name = "spread",
     .types = TYPES_NUMBER,
     .needs = AGGREGATE_MIN | AGGREGATE_MAX,
     .type_of = type_same,
     .finish = finish_spread},
    {.name = "stddev",
     .types = TYPES_NUMBER,
     .needs = AGGREGATE_COUNT | AGGREGATE_SUM | AGGREGATE_SQUARES,
     .type_of = type_float,
     .finish = finish_stddev},
    {.name = "median",
     .types = TYPES_NUMBER,
     .needs = AGGREGATE_COUNT,
     .collects = true,
     .type_of = type_float,
     .finish = finish_median},
    {.name = "percentile",
     .parameter_count = 1,
     .types = TYPES_NUMBER,
     .needs = AGGREGATE_COUNT,
     .collects = true,
     .selector = true,
     .type_of = type_same,
     .finish = finish_percentile},
};

const struct function *function_find(struct phusa_text name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (text_equal(text_of(table[i].name), name)) return &table[i];
    return NULL;
}
