/*
 * compact.c - runs merged, partitions sealed; see compact.h.
 *
 * Files are walked in lockstep: each cursor shows its next chunk, and the smallest (partition,
 * series) among them is gathered from all, merged and put out.
 *
 *     inputs, older first          outputs
 *     part  | 1:a  1:b             partition in a zone: the current part; a new one is begun at
 *     run   | 1:b  2:a    ----->     a partition's border when it is large or spans much
 *     run   | 1:a  2:a  2:c        all others: one run
 */
#include "rollup/compact.h"

#include "base/mem.h"
#include "base/status.h"
#include "rollup/compact_plan.h"
#include "rollup/compact_series.h"

#include <assert.h>

struct input {
    struct file_cursor *cursor;
    struct stored_chunk next;
    bool has_next;
};

struct output {
    struct file_writer *writer; /* NULL: not begun */
    int32_t first_partition;
    const struct zone *zone;
};

struct job {
    struct catalog *catalog;
    const char *dir;
    const struct policy_info *policy;
    const struct compact_options *options;
    struct file_set *set;
    const struct plan *plan;
    struct phusa_error *error;
    struct input *inputs;
    struct series_merger merger;
    struct output part, run;
    struct file_info *added;
    size_t added_count, added_capacity;
    struct file_info *removed;
};

/* ---- inputs ---- */

static phusa_status advance(struct input *in)
{
    return file_cursor_next(in->cursor, &in->next, &in->has_next);
}

static phusa_status open_inputs(struct job *j)
{
    const size_t count = j->plan->input_count;
    j->inputs = mem_zalloc(count * sizeof *j->inputs);
    j->removed = mem_array(count, sizeof *j->removed);
    if (j->inputs == NULL || j->removed == NULL) return PHUSA_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct input *in = &j->inputs[i];
        struct data_file *file = j->set->files[j->plan->inputs[i]];
        j->removed[i] = file->info;
        phusa_status status = file_cursor_open(file, &in->cursor);
        if (status == PHUSA_OK) status = file_cursor_all(in->cursor);
        if (status == PHUSA_OK) status = advance(in);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static bool is_before(const struct stored_chunk *a, const struct stored_chunk *b)
{
    return a->partition != b->partition ? a->partition < b->partition : a->series < b->series;
}

/* Gather what all inputs have of the smallest series in sight; *found false at the end. */
static phusa_status gather(struct job *j, struct stored_chunk *place, bool *found)
{
    const struct stored_chunk *least = NULL;
    for (size_t i = 0; i < j->plan->input_count; i++) {
        const struct input *in = &j->inputs[i];
        if (in->has_next && (least == NULL || is_before(&in->next, least))) least = &in->next;
    }
    *found = least != NULL;
    if (least == NULL) return PHUSA_OK;
    *place = *least;
    for (size_t i = 0; i < j->plan->input_count; i++) {
        struct input *in = &j->inputs[i];
        while (in->has_next && !is_before(place, &in->next)) {
            phusa_status status = series_merger_add(&j->merger, &in->next, i);
            if (status == PHUSA_OK) status = advance(in);
            if (status != PHUSA_OK) return status;
        }
    }
    return PHUSA_OK;
}

/* ---- outputs ---- */

static phusa_status finish(struct job *j, struct output *out)
{
    if (out->writer == NULL) return PHUSA_OK;
    struct file_writer *writer = out->writer;
    out->writer = NULL;
    if (!MEM_GROW(j->added, j->added_capacity, j->added_count + 1)) {
        file_writer_abort(writer);
        return PHUSA_ENOMEM;
    }
    struct file_info *info = &j->added[j->added_count];
    const phusa_status status = file_writer_finish(writer, info);
    if (status != PHUSA_OK) return status;
    /* Nothing in it came in later than the latest of what it was made of. */
    for (size_t i = 0; i < j->plan->input_count; i++) {
        if (j->removed[i].recorded_at_ns > info->recorded_at_ns)
            info->recorded_at_ns = j->removed[i].recorded_at_ns;
    }
    j->added_count++;
    return PHUSA_OK;
}

static bool part_ends(const struct job *j, const struct zone *zone, int32_t partition)
{
    const struct output *part = &j->part;
    return part->zone != zone || file_writer_bytes(part->writer) >= PART_BYTES_JOINED ||
           (int64_t)partition - part->first_partition >= j->plan->part_span_max;
}

/* The file that a series of this partition goes to. Called at each change of partition. */
static phusa_status choose_output(struct job *j, int32_t partition, struct output **out)
{
    const struct zone *zone = plan_zone(j->plan, partition);
    phusa_status status = PHUSA_OK;
    *out = zone != NULL ? &j->part : &j->run;
    if (zone != NULL && j->part.writer != NULL && part_ends(j, zone, partition))
        status = finish(j, &j->part);
    if (status != PHUSA_OK || (*out)->writer != NULL) return status;
    (*out)->first_partition = partition;
    (*out)->zone = zone;
    return file_writer_create(j->dir, j->policy->id, catalog_next_file_number(j->catalog),
                              zone != NULL, &(*out)->writer, j->error);
}

static phusa_status add_chunk(void *context, const struct stored_chunk *chunk)
{
    struct output *out = context;
    return file_writer_add(out->writer, chunk);
}

/* ---- the job ---- */

static phusa_status rewrite(struct job *j)
{
    struct output *out = NULL;
    int32_t partition = 0;
    for (;;) {
        if (j->options->cancel != NULL && j->options->cancel(j->options->context))
            return PHUSA_ECANCELLED;
        struct stored_chunk place;
        bool found;
        phusa_status status = gather(j, &place, &found);
        if (status != PHUSA_OK || !found) return status;
        if (out == NULL || place.partition != partition) {
            partition = place.partition;
            status = choose_output(j, partition, &out);
            if (status != PHUSA_OK) return status;
        }
        const struct chunk_sink sink = {add_chunk, out};
        status = series_merger_put(&j->merger, &sink);
        if (status != PHUSA_OK) return status;
    }
}

static phusa_status commit(struct job *j)
{
    const struct catalog_change change = {.added = j->added,
                                          .added_count = j->added_count,
                                          .removed = j->removed,
                                          .removed_count = j->plan->input_count};
    const phusa_status status = catalog_commit(j->catalog, &change, j->error);
    /* Where nobody knows whether the commit is on disk, the files must stay. */
    const bool may_be_named =
        status == PHUSA_OK ||
        (status != PHUSA_ENOSPC && status != PHUSA_ENOMEM && status != PHUSA_ENOTFOUND);
    if (may_be_named) j->added_count = 0;
    return status;
}

static phusa_status run_job(struct job *j)
{
    series_merger_init(&j->merger);
    phusa_status status = open_inputs(j);
    if (status == PHUSA_OK) status = rewrite(j);
    if (status == PHUSA_OK) status = finish(j, &j->part);
    if (status == PHUSA_OK) status = finish(j, &j->run);
    if (status == PHUSA_OK) status = commit(j);
    file_writer_abort(j->part.writer);
    file_writer_abort(j->run.writer);
    if (status != PHUSA_OK) {
        for (size_t i = 0; i < j->added_count; i++)
            file_remove(j->dir, &j->added[i]);
    }
    for (size_t i = 0; j->inputs != NULL && i < j->plan->input_count; i++)
        file_cursor_close(j->inputs[i].cursor);
    series_merger_deinit(&j->merger);
    mem_free(j->inputs);
    mem_free(j->added);
    mem_free(j->removed);
    return status;
}

phusa_status compact_step(struct catalog *catalog, const char *dir,
                          const struct policy_info *policy, const struct compact_options *options,
                          enum compact_job *job, struct phusa_error *error)
{
    assert(catalog != NULL && dir != NULL && policy != NULL);
    assert(options != NULL && job != NULL);

    struct file_set *set = catalog_files(catalog, policy->id);
    if (set == NULL)
        return error_set(error, PHUSA_ENOTFOUND, "policy '%s' was dropped", policy->name);
    struct phusa_error detail = {0};
    struct plan plan;
    phusa_status status = plan_make(set, policy, options, &plan);
    if (status == PHUSA_OK && plan.job != COMPACT_NOTHING) {
        struct job j = {.catalog = catalog,
                        .dir = dir,
                        .policy = policy,
                        .options = options,
                        .set = set,
                        .plan = &plan,
                        .error = &detail};
        status = run_job(&j);
    }
    if (status == PHUSA_OK) *job = plan.job;
    plan_deinit(&plan);
    file_set_release(set);
    if (status == PHUSA_OK) return status;
    if (detail.text[0] != '\0') return error_set(error, status, "%s", detail.text);
    return error_set(error, status, "files of policy '%s' could not be merged: %s", policy->name,
                     phusa_status_text(status));
}
