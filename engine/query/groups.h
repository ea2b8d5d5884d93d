/*
 * groups.h - the series that a plan selects, in the groups of its GROUP BY.
 */
#ifndef PHUSA_QUERY_GROUPS_H
#define PHUSA_QUERY_GROUPS_H

#include "query/answer.h"
#include "query/scan.h"

struct group {
    const struct phusa_text *tag_values; /* of plan->group_keys */
    const uint64_t *series;              /* ascending */
    const struct phusa_text *tags;       /* of plan->tag_keys, series by series */
    size_t series_count;
};
struct groups {
    struct group *items; /* ascending by tag values */
    size_t count;
};
PHUSA_MUST_USE phusa_status groups_select(struct groups *groups, const struct plan *plan,
                                          struct budget *budget);

/* The range of the plan, cut to where the manifest has data; false: nowhere. */
bool manifest_range(const struct manifest *manifest, uint32_t policy, int64_t *start_ns,
                    int64_t *end_ns);

/* The rows of a block for which plan->row_filter holds. `tags`: of the series. *selection NULL: all
 * of them. */
struct row_filter {
    const struct plan *plan;
    struct budget *budget;
    struct arena scratch;
    struct vector *slots;
    struct phusa_text *tag_rows; /* VECTOR_ROWS_MAX for each tag slot */
    bool *tag_used;              /* does the condition read it? */
};
PHUSA_MUST_USE phusa_status row_filter_init(struct row_filter *filter, const struct plan *plan,
                                            struct budget *budget);
void row_filter_deinit(struct row_filter *filter);
void row_filter_series(struct row_filter *filter, const struct phusa_text *tags);
PHUSA_MUST_USE phusa_status row_filter_apply(struct row_filter *filter, const struct rows *rows,
                                             const uint64_t **selection);

#endif
