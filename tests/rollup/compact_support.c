/* compact_support.c - see compact_support.h. */
#include "compact_support.h"

#include "calendar/partition.h"
#include "chunk/chunk.h"

#include <criterion/criterion.h>

static const char *const words[] = {"", "ok", "low", "high water at the old bridge", "n/a"};
#define WORDS (sizeof words / sizeof *words)

void world_make(struct world *w, uint64_t seed, struct phusa_interval shard)
{
    *w = (struct world){.r = random_from(seed), .lsn = 1, .now_ns = 1000 * HOUR_NS};
    sandbox_make(&w->s);
    struct phusa_error error;
    cr_assert_eq(catalog_open(w->s.dir, false, 16, NULL, &w->catalog, &error), PHUSA_OK, "%s",
                 error.text);
    const struct policy_info policy = {.name = "p", .shard = shard};
    struct database_info database;
    cr_assert_eq(catalog_create_database(w->catalog, "d", "UTC", &policy, &database, &error),
                 PHUSA_OK);
    cr_assert(catalog_get_policy(w->catalog, database.default_policy, &w->policy));
    w->cells = calloc(SERIES, sizeof *w->cells);
}

void world_end(struct world *w)
{
    free(w->cells);
    catalog_close(w->catalog, true);
    sandbox_remove(&w->s);
}

struct head *new_head(struct world *w)
{
    struct head *head;
    cr_assert_eq(head_create(64 << 20, w->lsn, &head), PHUSA_OK);
    return head;
}

static void set_value(struct world *w, unsigned field, struct cell *cell, union points_value *value,
                      struct phusa_text *text, enum phusa_type *type)
{
    const uint64_t n = random_u64(&w->r) % 1000;
    cell->has[field] = true;
    cell->value[field] = (double)n;
    switch (field) {
    case 0:
        cell->value[field] = (double)n / 10;
        *type = PHUSA_FLOAT;
        value->f = cell->value[field];
        break;
    case 1:
        *type = w->integer_is_float ? PHUSA_FLOAT : PHUSA_INTEGER;
        if (w->integer_is_float)
            value->f = (double)n;
        else
            value->i = (int64_t)n;
        break;
    case 2:
        *type = PHUSA_STRING;
        cell->value[field] = (double)(n % WORDS);
        *text = text_of(words[n % WORDS]);
        break;
    default:
        *type = PHUSA_BOOLEAN;
        cell->value[field] = (double)(n % 2);
        value->u = n % 2;
    }
}

void add_row(struct world *w, struct head *head, unsigned series, unsigned slot)
{
    struct points_field fields[FIELDS];
    union points_value values[FIELDS] = {0};
    uint8_t decimals[FIELDS] = {1, 1, 1, 1};
    struct phusa_text texts[FIELDS] = {0};
    uint32_t count = 0;
    const uint64_t which = random_u64(&w->r) % 4 == 0 ? 1 + random_u64(&w->r) % 15 : 15;
    for (unsigned f = 0; f < FIELDS; f++) {
        if ((which >> f & 1) == 0) continue;
        fields[count].id = (uint16_t)(2 * f);
        set_value(w, f, &w->cells[series][slot], &values[count], &texts[count],
                  &fields[count].type);
        count++;
    }
    const struct points_shape shape = {fields, count};
    const struct points_row row = {
        .series = SERIES_OF(series),
        .lsn = w->lsn++,
        .time_ns = w->base_ns + slot * SLOT_NS,
        .fields = &shape,
        .values = values,
        .decimals = decimals,
        .texts = texts,
    };
    cr_assert_eq(head_append(head, w->policy.id, &row), PHUSA_OK);
}

void flush_head(struct world *w, struct head *head)
{
    struct file_info info;
    const phusa_status status =
        compact_flush(w->catalog, w->s.dir, head, &w->policy, NULL, NULL, &info);
    struct head_stats stats;
    head_stats(head, &stats);
    cr_assert_eq(status, stats.points > 0 ? PHUSA_OK : PHUSA_ENOTFOUND);
    const struct catalog_change change = {.added = &info,
                                          .added_count = status == PHUSA_OK,
                                          .flushed_lsn = stats.lsn_end,
                                          .recorded_at_ns = w->now_ns};
    cr_assert_eq(catalog_commit(w->catalog, &change, NULL), PHUSA_OK);
    head_unref(head);
}

struct compact_options options_of(const struct world *w, bool force)
{
    return (struct compact_options){.now_ns = w->now_ns, .grace_ns = HOUR_NS, .force = force};
}

unsigned compact_all(struct world *w, bool force)
{
    const struct compact_options options = options_of(w, force);
    for (unsigned jobs = 0;; jobs++) {
        enum compact_job job;
        struct phusa_error error = {0};
        cr_assert_eq(compact_step(w->catalog, w->s.dir, &w->policy, &options, &job, &error),
                     PHUSA_OK, "%s", error.text);
        if (job == COMPACT_NOTHING) return jobs;
        cr_assert_lt(jobs, 50, "it never ends");
    }
}

/* ---- reading naively ---- */

static double value_at(const struct vector *v, uint32_t row)
{
    switch (v->type) {
    case PHUSA_FLOAT:
        return v->f[row];
    case PHUSA_INTEGER:
        return (double)v->i[row];
    case PHUSA_BOOLEAN:
        return v->b[row];
    default:
        for (size_t n = 0; n < WORDS; n++) {
            if (text_equal(v->s[row], text_of(words[n]))) return (double)n;
        }
        return -1;
    }
}

static void read_chunk(struct world *w, const struct stored_chunk *stored,
                       struct cell (*seen)[SLOTS], struct chunk_scratch *times,
                       struct chunk_scratch *values)
{
    struct chunk_view chunk;
    int64_t start_ns;
    int64_t end_ns;
    partition_range(w->policy.shard, stored->partition, &start_ns, &end_ns);
    cr_assert(stored->time_min_ns >= start_ns && stored->time_max_ns < end_ns);
    cr_assert_eq(chunk_open(&chunk, stored->bytes, stored->size_bytes), PHUSA_OK);
    cr_assert_eq(chunk.row_count, stored->row_count);
    const unsigned series = (unsigned)((stored->series - SERIES_OF(0)) / 3);
    uint64_t value_count = 0;
    for (uint32_t v = 0; v < chunk.vector_count; v++) {
        cr_assert_eq(chunk_times(&chunk, v, times), PHUSA_OK);
        for (uint32_t c = 0; c < chunk.column_count; c++) {
            struct vector column;
            cr_assert_eq(chunk_decode(&chunk, c, v, values, &column), PHUSA_OK);
            for (uint32_t r = 0; r < chunk_vector_rows(&chunk, v); r++) {
                if (!vector_has(&column, r)) continue;
                value_count++;
                const int64_t slot = (times->times_ns[r] - w->base_ns) / SLOT_NS;
                struct cell *cell = &seen[series][slot];
                const unsigned field = chunk_field_id(&chunk, c) / 2;
                cell->has[field] = true;
                cell->value[field] = value_at(&column, r);
            }
        }
    }
    cr_assert_eq(value_count, stored->value_count);
}

static void read_file(struct world *w, struct data_file *file, struct cell (*seen)[SLOTS])
{
    static struct chunk_scratch times;
    static struct chunk_scratch values;
    chunk_scratch_init(&times);
    chunk_scratch_init(&values);
    struct file_cursor *cursor;
    cr_assert_eq(file_cursor_open(file, &cursor), PHUSA_OK);
    cr_assert_eq(file_cursor_all(cursor), PHUSA_OK);
    for (;;) {
        struct stored_chunk chunk;
        bool found;
        cr_assert_eq(file_cursor_next(cursor, &chunk, &found), PHUSA_OK);
        if (!found) break;
        read_chunk(w, &chunk, seen, &times, &values);
    }
    file_cursor_close(cursor);
    chunk_scratch_deinit(&times);
    chunk_scratch_deinit(&values);
}

static void ignore(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

static void expect_parts_apart(const struct file_set *set)
{
    for (size_t i = 0; i < set->file_count; i++) {
        const struct file_info *a = &set->files[i]->info;
        if (i > 0) cr_assert(set->files[i - 1]->info.sealed || !a->sealed);
        for (size_t k = i + 1; a->sealed && k < set->file_count; k++) {
            const struct file_info *b = &set->files[k]->info;
            cr_assert(!b->sealed || a->partition_max < b->partition_min ||
                      b->partition_max < a->partition_min);
        }
    }
}

void expect_cells(struct world *w)
{
    struct cell(*seen)[SLOTS] = calloc(SERIES, sizeof *seen);
    struct file_set *set = catalog_files(w->catalog, w->policy.id);
    uint64_t faults = 0;
    for (size_t i = 0; i < set->file_count; i++) {
        read_file(w, set->files[i], seen);
        cr_assert_eq(file_check(set->files[i], ignore, NULL, &faults), PHUSA_OK);
    }
    cr_assert_eq(faults, 0);
    expect_parts_apart(set);
    file_set_release(set);
    for (unsigned s = 0; s < SERIES; s++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            for (unsigned f = 0; f < FIELDS; f++) {
                const struct cell *e = &w->cells[s][slot];
                const struct cell *g = &seen[s][slot];
                cr_assert(e->has[f] == g->has[f] && (!e->has[f] || e->value[f] == g->value[f]),
                          "series %u slot %u field %u: %d %g instead of %d %g", s, slot, f,
                          g->has[f], g->value[f], e->has[f], e->value[f]);
            }
        }
    }
    free(seen);
}

void count_files(struct world *w, size_t *parts, size_t *runs)
{
    struct file_set *set = catalog_files(w->catalog, w->policy.id);
    *parts = *runs = 0;
    for (size_t i = 0; i < set->file_count; i++)
        ++*(set->files[i]->info.sealed ? parts : runs);
    file_set_release(set);
}
