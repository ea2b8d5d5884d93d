/*
 * compact_plan.c - see compact_plan.h.
 *
 * SEAL. A partition is closed when its end and the grace have passed. Of the runs only the oldest
 * are looked at, up to the first that holds something taken in within the grace: an import that is
 * under way is left alone, and what newer runs add later still wins over a part. What is to be
 * written:
 *
 *   fresh   a closed partition that runs have and no part covers
 *   late    a part for which runs have more than a tenth of its size
 *   small   a neighbour of one of these, both under 8 MiB and together under ten years
 *
 *     partitions   1   2   3   4   5   6   7   8 (open)
 *     parts       [small ][ large ]
 *     runs             .           ##  ##      ####      . late, under a tenth: stays in the run
 *     zones                       [5 ... 6]              not joined with "large"
 *
 * Every run that reaches into a zone is an input, and so is every run between two of them: what
 * they hold of other partitions goes to one run, which takes their place. That rest must be
 * worth it: under ten times what becomes parts.
 *
 * MERGE. Runs of a size tier (a factor of 8), neighbours in LSN with smaller ones in between
 * taken along, as soon as there are FILES_PER_TIER_MAX.
 */
#include "rollup/compact_plan.h"

#include "base/mem.h"
#include "calendar/partition.h"

#include <assert.h>
#include <stdlib.h>

#define LATE_SHARE 10u /* a part is sealed again above 1/10 */
#define REST_SHARE 10u /* up to ten bytes are rewritten for one that is sealed */

/* Bytes that runs have of a partition. */
struct amount {
    int32_t partition;
    uint64_t bytes;
};
/* A part, or a fresh partition. */
struct item {
    int32_t first, last;
    uint64_t part_bytes; /* 0: fresh */
    uint64_t run_bytes;  /* of its partitions, in runs */
    size_t file;         /* a part's number in the set */
    bool is_written;
};

struct planner {
    struct file_set *set;
    const struct policy_info *policy;
    const struct compact_options *options;
    struct plan *plan;
    int32_t closed_last;
    size_t part_count;   /* files of the set before the first run */
    size_t eligible_end; /* runs of the set before this one may be sealed */
    struct amount *amounts;
    size_t amount_count, amount_capacity;
    struct item *items;
    size_t item_count, item_capacity;
};

void plan_deinit(struct plan *plan)
{
    mem_free(plan->inputs);
    mem_free(plan->zones);
}

const struct zone *plan_zone(const struct plan *plan, int32_t partition)
{
    for (size_t i = 0; i < plan->zone_count; i++) {
        if (partition >= plan->zones[i].first && partition <= plan->zones[i].last)
            return &plan->zones[i];
    }
    return NULL;
}

static const struct file_info *info_of(const struct planner *p, size_t file)
{
    return &p->set->files[file]->info;
}

static phusa_status add_input(struct plan *plan, size_t file)
{
    if (!MEM_GROW(plan->inputs, plan->input_capacity, plan->input_count + 1)) return PHUSA_ENOMEM;
    plan->inputs[plan->input_count++] = file;
    return PHUSA_OK;
}

/* ---- the clock ---- */

static void look_at_clock(struct planner *p)
{
    const struct compact_options *o = p->options;
    p->part_count = 0;
    while (p->part_count < p->set->file_count && info_of(p, p->part_count)->sealed)
        p->part_count++;
    p->closed_last = INT32_MAX;
    p->eligible_end = p->set->file_count;
    if (o->force) return;
    const int64_t past_ns =
        o->now_ns < INT64_MIN + o->grace_ns ? INT64_MIN : o->now_ns - o->grace_ns;
    p->closed_last = partition_of(p->policy->shard, past_ns) - 1;
    p->eligible_end = p->part_count;
    while (p->eligible_end < p->set->file_count &&
           info_of(p, p->eligible_end)->recorded_at_ns <= past_ns)
        p->eligible_end++;
}

/* What look_at_clock() saw; never 0. */
static uint64_t clock_state(const struct planner *p)
{
    return (uint64_t)(uint32_t)p->closed_last << 32 | (uint32_t)(p->eligible_end + 1);
}

/* ---- how much is where ---- */

static phusa_status add_amount(struct planner *p, int32_t partition, uint64_t bytes)
{
    if (p->amount_count > 0 && p->amounts[p->amount_count - 1].partition == partition) {
        p->amounts[p->amount_count - 1].bytes += bytes;
        return PHUSA_OK;
    }
    if (!MEM_GROW(p->amounts, p->amount_capacity, p->amount_count + 1)) return PHUSA_ENOMEM;
    p->amounts[p->amount_count++] = (struct amount){partition, bytes};
    return PHUSA_OK;
}

/* From the directories of the bundles: a page in sixteen. */
static phusa_status weigh_run(struct planner *p, struct data_file *file)
{
    struct file_cursor *cursor;
    phusa_status status = file_cursor_open(file, &cursor);
    if (status != PHUSA_OK) return status;
    status = file_cursor_all(cursor);
    while (status == PHUSA_OK) {
        struct stored_chunk chunk;
        bool found;
        status = file_cursor_next(cursor, &chunk, &found);
        if (status != PHUSA_OK || !found || chunk.partition > p->closed_last) break;
        status = add_amount(p, chunk.partition, chunk.size_bytes);
    }
    file_cursor_close(cursor);
    return status;
}

static int compare_amounts(const void *left, const void *right)
{
    const struct amount *a = left;
    const struct amount *b = right;
    return (a->partition > b->partition) - (a->partition < b->partition);
}

static phusa_status weigh_runs(struct planner *p)
{
    phusa_status status = PHUSA_OK;
    for (size_t i = p->part_count; i < p->eligible_end && status == PHUSA_OK; i++) {
        const struct file_info *info = info_of(p, i);
        if (info->partition_min > p->closed_last) continue;
        /* Of a small file the pages of its own are most of it. */
        if (info->partition_min == info->partition_max && info->size_bytes > 1u << 20)
            status = add_amount(p, info->partition_min, info->size_bytes);
        else
            status = weigh_run(p, p->set->files[i]);
    }
    if (status != PHUSA_OK || p->amount_count == 0) return status;
    qsort(p->amounts, p->amount_count, sizeof *p->amounts, compare_amounts);
    size_t count = 1;
    for (size_t i = 1; i < p->amount_count; i++) {
        if (p->amounts[i].partition == p->amounts[count - 1].partition)
            p->amounts[count - 1].bytes += p->amounts[i].bytes;
        else
            p->amounts[count++] = p->amounts[i];
    }
    p->amount_count = count;
    return PHUSA_OK;
}

/* ---- what to write ---- */

static phusa_status add_item(struct planner *p, struct item item)
{
    if (!MEM_GROW(p->items, p->item_capacity, p->item_count + 1)) return PHUSA_ENOMEM;
    p->items[p->item_count++] = item;
    return PHUSA_OK;
}

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

/* Parts and fresh partitions, ascending; parts never share a partition. */
static phusa_status list_items(struct planner *p)
{
    phusa_status status = PHUSA_OK;
    for (size_t i = 0; i < p->part_count && status == PHUSA_OK; i++) {
        const struct file_info *info = info_of(p, i);
        status = add_item(p, (struct item){.first = info->partition_min,
                                           .last = info->partition_max,
                                           .part_bytes = info->size_bytes,
                                           .file = i});
    }
    if (status != PHUSA_OK) return status;
    if (p->item_count > 1) qsort(p->items, p->item_count, sizeof *p->items, compare_items);
    const size_t parts = p->item_count;
    size_t part = 0;
    for (size_t i = 0; i < p->amount_count && status == PHUSA_OK; i++) {
        const struct amount *amount = &p->amounts[i];
        while (part < parts && p->items[part].last < amount->partition)
            part++;
        if (part < parts && p->items[part].first <= amount->partition)
            p->items[part].run_bytes += amount->bytes;
        else
            status = add_item(p, (struct item){.first = amount->partition,
                                               .last = amount->partition,
                                               .run_bytes = amount->bytes,
                                               .is_written = true});
    }
    if (p->item_count > 1) qsort(p->items, p->item_count, sizeof *p->items, compare_items);
    for (size_t i = 0; i < p->item_count; i++) {
        struct item *item = &p->items[i];
        if (item->part_bytes == 0) continue;
        item->is_written = item->run_bytes > item->part_bytes / LATE_SHARE ||
                           (p->options->force && item->run_bytes > 0);
    }
    return status;
}

static int32_t span_max(struct phusa_interval width)
{
    const int64_t ten_years_ns = INT64_C(3652) * 86400 * 1000000000;
    const int64_t span =
        width.months > 0 ? PART_MONTHS_MAX / width.months : ten_years_ns / width.ns;
    return span < 1 ? 1 : (int32_t)span;
}

static bool can_join(const struct planner *p, const struct item *a, const struct item *b)
{
    return a->part_bytes + a->run_bytes < PART_BYTES_JOINED &&
           b->part_bytes + b->run_bytes < PART_BYTES_JOINED &&
           (int64_t)b->last - a->first < p->plan->part_span_max;
}

/* Small parts beside one that is written are written with it. */
static void join_items(struct planner *p)
{
    for (size_t i = 1; i < p->item_count; i++) {
        struct item *a = &p->items[i - 1];
        struct item *b = &p->items[i];
        if (a->is_written == b->is_written || !can_join(p, a, b)) continue;
        a->is_written = b->is_written = true;
    }
}

static phusa_status make_zones(struct planner *p)
{
    struct plan *plan = p->plan;
    bool is_open = false;
    for (size_t i = 0; i < p->item_count; i++) {
        const struct item *item = &p->items[i];
        if (item->is_written && !is_open) {
            if (!MEM_GROW(plan->zones, plan->zone_capacity, plan->zone_count + 1))
                return PHUSA_ENOMEM;
            plan->zones[plan->zone_count++] = (struct zone){item->first, item->last};
        } else if (item->is_written) {
            plan->zones[plan->zone_count - 1].last = item->last;
        }
        is_open = item->is_written;
    }
    return PHUSA_OK;
}

static bool reaches_a_zone(const struct plan *plan, const struct file_info *info)
{
    for (size_t i = 0; i < plan->zone_count; i++) {
        if (info->partition_min <= plan->zones[i].last &&
            info->partition_max >= plan->zones[i].first)
            return true;
    }
    return false;
}

/* Parts that are written again, and the stretch of runs; *is_worth_it: the rest is small enough. */
static phusa_status list_inputs(struct planner *p, bool *is_worth_it)
{
    struct plan *plan = p->plan;
    uint64_t sealed_bytes = 0;
    phusa_status status = PHUSA_OK;
    for (size_t i = 0; i < p->item_count; i++)
        sealed_bytes += p->items[i].is_written ? p->items[i].run_bytes : 0;
    for (size_t f = 0; f < p->part_count && status == PHUSA_OK; f++) {
        for (size_t i = 0; i < p->item_count; i++) {
            const struct item *item = &p->items[i];
            if (item->part_bytes == 0 || item->file != f || !item->is_written) continue;
            status = add_input(plan, f);
        }
    }
    size_t first = p->eligible_end;
    size_t end = p->part_count;
    for (size_t f = p->part_count; f < p->eligible_end; f++) {
        if (!reaches_a_zone(plan, info_of(p, f))) continue;
        if (first == p->eligible_end) first = f;
        end = f + 1;
    }
    uint64_t run_bytes = 0;
    for (size_t f = first; f < end && status == PHUSA_OK; f++) {
        run_bytes += info_of(p, f)->size_bytes;
        status = add_input(plan, f);
    }
    *is_worth_it = p->options->force || run_bytes <= sealed_bytes ||
                   run_bytes - sealed_bytes <= REST_SHARE * sealed_bytes;
    return status;
}

static phusa_status plan_seal(struct planner *p)
{
    struct plan *plan = p->plan;
    plan->part_span_max = span_max(p->policy->shard);
    phusa_status status = weigh_runs(p);
    if (status != PHUSA_OK || p->amount_count == 0) return status;
    status = list_items(p);
    if (status != PHUSA_OK) return status;
    join_items(p);
    status = make_zones(p);
    if (status != PHUSA_OK || plan->zone_count == 0) return status;
    bool is_worth_it = false;
    status = list_inputs(p, &is_worth_it);
    if (status == PHUSA_OK && is_worth_it) {
        plan->job = COMPACT_SEAL;
    } else {
        plan->input_count = 0;
        plan->zone_count = 0;
    }
    return status;
}

/* ---- merging ---- */

/* 0: under 4 MiB, 1: under 32 MiB, 2: under 256 MiB ... */
static unsigned tier_of(const struct file_info *info)
{
    unsigned tier = 0;
    for (uint64_t bytes = info->size_bytes >> 22; bytes > 0; bytes >>= 3)
        tier++;
    return tier;
}

static phusa_status plan_merge(struct planner *p)
{
    const size_t end = p->set->file_count;
    for (unsigned tier = 0; tier < 16; tier++) {
        size_t from = p->part_count;
        size_t of_tier = 0;
        for (size_t f = p->part_count; f <= end; f++) {
            const unsigned this_tier = f < end ? tier_of(info_of(p, f)) : 99;
            if (this_tier <= tier) {
                of_tier += this_tier == tier;
                continue;
            }
            if (of_tier >= FILES_PER_TIER_MAX) {
                phusa_status status = PHUSA_OK;
                for (; from < f && status == PHUSA_OK; from++)
                    status = add_input(p->plan, from);
                p->plan->job = COMPACT_MERGE;
                return status;
            }
            from = f + 1;
            of_tier = 0;
        }
    }
    return PHUSA_OK;
}

phusa_status plan_make(struct file_set *set, const struct policy_info *policy,
                       const struct compact_options *options, struct plan *plan)
{
    assert(set != NULL && policy != NULL && options != NULL);

    struct planner p = {.set = set, .policy = policy, .options = options, .plan = plan};
    *plan = (struct plan){.job = COMPACT_NOTHING};
    look_at_clock(&p);
    const bool is_settled = !options->force && set->settled == clock_state(&p);
    if (is_settled || set->file_count == p.part_count) return PHUSA_OK;
    phusa_status status = plan_seal(&p);
    if (status == PHUSA_OK && plan->job == COMPACT_NOTHING) status = plan_merge(&p);
    if (status == PHUSA_OK && plan->job == COMPACT_NOTHING && !options->force)
        set->settled = clock_state(&p);
    mem_free(p.amounts);
    mem_free(p.items);
    return status;
}
