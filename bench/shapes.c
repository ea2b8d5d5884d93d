/*
 * shapes.c - questions and their answers.
 *
 * Every row of an answer is looked up by its time and its host, and every row that must be there
 * is counted, so a row that is missing, doubled or foreign is found, and so is a wrong value.
 */
#include "shapes.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIGH_LIMIT               90
#define LATEST_COUNT             5
#define CELL_COUNT               64u
#define MEAN_ERROR               1e-12 /* relative: others add doubles in their own order */
#define HOUR_NS                  (INT64_C(3600) * NS_PER_S)
#define MINUTE_S                 60u
#define HOUR_S                   3600u
#define NO_COLUMN                CELL_COUNT
#define LAST_TIME_STEPS(dataset) (dataset_step_count(dataset) - 1)

const struct shape shapes[] = {
    {"single-groupby-1-1-1", SHAPE_MAX, 1, 1, 1, MINUTE_S, 1},
    {"single-groupby-1-1-12", SHAPE_MAX, 1, 1, 12, MINUTE_S, 0},
    {"single-groupby-1-8-1", SHAPE_MAX, 1, 8, 1, MINUTE_S, 0},
    {"single-groupby-5-1-1", SHAPE_MAX, 5, 1, 1, MINUTE_S, 0},
    {"single-groupby-5-1-12", SHAPE_MAX, 5, 1, 12, MINUTE_S, 0},
    {"single-groupby-5-8-1", SHAPE_MAX, 5, 8, 1, MINUTE_S, 0},
    {"cpu-max-all-1", SHAPE_MAX, 10, 1, 8, HOUR_S, 0},
    {"cpu-max-all-8", SHAPE_MAX, 10, 8, 8, HOUR_S, 0},
    {"double-groupby-1", SHAPE_MEAN, 1, 0, 12, HOUR_S, 0},
    {"double-groupby-5", SHAPE_MEAN, 5, 0, 12, HOUR_S, 0},
    {"double-groupby-all", SHAPE_MEAN, 10, 0, 12, HOUR_S, 150},
    {"high-cpu-1", SHAPE_HIGH, 10, 1, 12, 0, 0},
    {"high-cpu-all", SHAPE_HIGH, 10, 0, 12, 0, 0},
    {"lastpoint", SHAPE_LAST, 10, 0, 0, 0, 50},
    {"groupby-orderby-limit", SHAPE_MAX_LATEST, 1, 0, 0, MINUTE_S, 0},
};
const uint32_t shape_count = sizeof shapes / sizeof shapes[0];

/* -- questions -- */

static void add(struct question *question, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct question *question, const char *format, ...)
{
    const size_t used = strlen(question->text);
    va_list arguments;
    va_start(arguments, format);
    const int bytes = vsnprintf(question->text + used, QUESTION_BYTES - used, format, arguments);
    va_end(arguments);
    if (bytes < 0 || used + (size_t)bytes >= QUESTION_BYTES) bench_fail("a question too long");
}

static void add_aggregates(struct question *question, const struct shape *shape, const char *name)
{
    for (uint32_t field = 0; field < shape->field_count; field++)
        add(question, "%s%s(%s) AS %s_%s", field == 0 ? "SELECT " : ", ", name,
            dataset_field_name(field), name, dataset_field_name(field));
}

static void add_time(struct question *question)
{
    add(question, "time >= %" PRId64 " AND time < %" PRId64, question->start_ns, question->end_ns);
}

static void add_hosts(struct question *question, const struct shape *shape)
{
    if (shape->host_count == 0) return;
    add(question, " AND (");
    for (uint32_t i = 0; i < shape->host_count; i++)
        add(question, "%shostname = 'host_%u'", i == 0 ? "" : " OR ", question->hosts[i]);
    add(question, ")");
}

static void choose_hosts(struct question *question, const struct shape *shape,
                         const struct dataset *dataset, uint64_t *random_state)
{
    const uint32_t all = dataset_host_count(dataset);
    if (shape->host_count > all) bench_fail("%s needs %u hosts", shape->name, shape->host_count);
    for (uint32_t i = 0; i < shape->host_count; i++) {
        bool again;
        do {
            question->hosts[i] = (uint32_t)bench_random_below(random_state, all);
            again = false;
            for (uint32_t j = 0; j < i; j++)
                again = again || question->hosts[j] == question->hosts[i];
        } while (again);
    }
}

/* A range of the shape's hours, or of all when the dataset is shorter; whole seconds. */
static void choose_times(struct question *question, const struct shape *shape,
                         const struct dataset *dataset, uint64_t *random_state)
{
    const int64_t all_ns = dataset_end_ns(dataset) - DATASET_START_NS;
    const int64_t wanted_ns = shape->hours * HOUR_NS;
    const int64_t range_ns = wanted_ns == 0 || wanted_ns > all_ns ? all_ns : wanted_ns;
    const uint64_t choices = (uint64_t)((all_ns - range_ns) / NS_PER_S) + 1;
    const int64_t offset_s = (int64_t)bench_random_below(random_state, choices);
    question->start_ns = DATASET_START_NS + offset_s * NS_PER_S;
    question->end_ns = question->start_ns + range_ns;
}

void question_make(struct question *question, const struct shape *shape,
                   const struct dataset *dataset, uint64_t *random_state)
{
    question->text[0] = 0;
    choose_hosts(question, shape, dataset, random_state);
    choose_times(question, shape, dataset, random_state);
    switch (shape->kind) {
    case SHAPE_MAX:
        add_aggregates(question, shape, "max");
        add(question, " FROM cpu WHERE ");
        add_time(question);
        add_hosts(question, shape);
        add(question, " GROUP BY time(%us)", shape->window_s);
        break;
    case SHAPE_MEAN:
        add_aggregates(question, shape, "mean");
        add(question, " FROM cpu WHERE ");
        add_time(question);
        add(question, " GROUP BY time(%us), hostname", shape->window_s);
        break;
    case SHAPE_HIGH:
        add(question, "SELECT * FROM cpu WHERE usage_user > %d.0 AND ", HIGH_LIMIT);
        add_time(question);
        add_hosts(question, shape);
        break;
    case SHAPE_LAST:
        add(question, "SELECT * FROM cpu GROUP BY hostname ORDER BY time DESC LIMIT 1");
        break;
    case SHAPE_MAX_LATEST:
        /* Not in the first hour, so that there are five. */
        question->end_ns =
            DATASET_START_NS + HOUR_NS / 2 +
            (int64_t)bench_random_below(
                random_state,
                (uint64_t)((dataset_end_ns(dataset) - DATASET_START_NS - HOUR_NS / 2) / NS_PER_S)) *
                NS_PER_S;
        question->start_ns = DATASET_START_NS;
        add_aggregates(question, shape, "max");
        add(question, " FROM cpu WHERE time < %" PRId64, question->end_ns);
        add(question, " GROUP BY time(%us) ORDER BY time DESC LIMIT %d", shape->window_s,
            LATEST_COUNT);
        break;
    }
}

/* -- what must come out -- */

/* Max over the question's hosts (or all) in a window cut to the question; NAN: no sample. */
static double expected_max(const struct question *question, const struct shape *shape,
                           const struct dataset *dataset, int64_t window_ns, uint32_t field)
{
    const int64_t window_end_ns = window_ns + shape->window_s * NS_PER_S;
    const uint32_t host_count =
        shape->host_count > 0 ? shape->host_count : dataset_host_count(dataset);
    uint32_t first, end;
    int max = -1;
    dataset_steps(dataset, window_ns > question->start_ns ? window_ns : question->start_ns,
                  window_end_ns < question->end_ns ? window_end_ns : question->end_ns, &first,
                  &end);
    for (uint32_t step = first; step < end; step++) {
        for (uint32_t i = 0; i < host_count; i++) {
            const uint32_t host = shape->host_count > 0 ? question->hosts[i] : i;
            const int value = dataset_value(dataset, host, step, field);
            if (value > max) max = value;
        }
    }
    return max < 0 ? (double)NAN : (double)max;
}

static double expected_mean(const struct question *question, const struct shape *shape,
                            const struct dataset *dataset, uint32_t host, int64_t window_ns,
                            uint32_t field)
{
    const int64_t window_end_ns = window_ns + shape->window_s * NS_PER_S;
    uint32_t first, end;
    uint64_t sum = 0;
    dataset_steps(dataset, window_ns > question->start_ns ? window_ns : question->start_ns,
                  window_end_ns < question->end_ns ? window_end_ns : question->end_ns, &first,
                  &end);
    for (uint32_t step = first; step < end; step++)
        sum += dataset_value(dataset, host, step, field);
    return end == first ? (double)NAN : (double)sum / (end - first);
}

static uint64_t expected_windows(const struct question *question, const struct shape *shape)
{
    const int64_t window_ns = shape->window_s * NS_PER_S;
    return (uint64_t)((question->end_ns - 1) / window_ns - question->start_ns / window_ns + 1);
}

static bool host_is_asked(const struct question *question, const struct shape *shape, uint32_t host)
{
    for (uint32_t i = 0; i < shape->host_count; i++)
        if (question->hosts[i] == host) return true;
    return shape->host_count == 0;
}

static uint64_t expected_high_rows(const struct question *question, const struct shape *shape,
                                   const struct dataset *dataset)
{
    uint64_t count = 0;
    uint32_t first, end;
    dataset_steps(dataset, question->start_ns, question->end_ns, &first, &end);
    for (uint32_t host = 0; host < dataset_host_count(dataset); host++)
        if (host_is_asked(question, shape, host))
            for (uint32_t step = first; step < end; step++)
                count += dataset_value(dataset, host, step, 0) > HIGH_LIMIT;
    return count;
}

static uint64_t expected_rows(const struct question *question, const struct shape *shape,
                              const struct dataset *dataset)
{
    switch (shape->kind) {
    case SHAPE_MAX:
        return expected_windows(question, shape);
    case SHAPE_MEAN:
        return expected_windows(question, shape) * dataset_host_count(dataset);
    case SHAPE_HIGH:
        return expected_high_rows(question, shape, dataset);
    case SHAPE_LAST:
        return dataset_host_count(dataset);
    case SHAPE_MAX_LATEST:
        return LATEST_COUNT;
    }
    return 0;
}

/* -- reading CSV -- */

struct row {
    const char *cells[CELL_COUNT];
    uint32_t cell_count;
};

/* Of the columns that are checked: where they stand in this answer. */
struct columns {
    uint32_t time, tags, hostname, fields[DATASET_FIELD_COUNT];
};

/* Cut a line into cells, in place; no cell of these answers has quotes but the tags of a series
 * with several, which no shape asks for. */
static void split(char *line, struct row *row)
{
    row->cell_count = 0;
    for (char *at = line; at != NULL && row->cell_count < CELL_COUNT;) {
        row->cells[row->cell_count++] = at;
        at = strchr(at, ',');
        if (at != NULL) *at++ = 0;
    }
}

static void find_columns(const struct shape *shape, const struct row *header,
                         struct columns *columns)
{
    const char *const prefix = shape->kind == SHAPE_MEAN                                ? "mean_"
                               : shape->kind == SHAPE_HIGH || shape->kind == SHAPE_LAST ? ""
                                                                                        : "max_";
    *columns = (struct columns){NO_COLUMN, NO_COLUMN, NO_COLUMN, {0}};
    for (uint32_t field = 0; field < DATASET_FIELD_COUNT; field++)
        columns->fields[field] = NO_COLUMN;
    for (uint32_t i = 0; i < header->cell_count; i++) {
        const char *const cell = header->cells[i];
        if (strcmp(cell, "time") == 0) columns->time = i;
        if (strcmp(cell, "tags") == 0) columns->tags = i;
        if (strcmp(cell, "hostname") == 0) columns->hostname = i;
        if (strncmp(cell, prefix, strlen(prefix)) != 0) continue;
        for (uint32_t field = 0; field < shape->field_count; field++)
            if (strcmp(cell + strlen(prefix), dataset_field_name(field)) == 0)
                columns->fields[field] = i;
    }
    if (columns->time == NO_COLUMN) bench_fail("%s: an answer without times", shape->name);
    for (uint32_t field = 0; field < shape->field_count; field++)
        if (columns->fields[field] == NO_COLUMN)
            bench_fail("%s: an answer without %s", shape->name, dataset_field_name(field));
}

/* The host of a row, from its column or from the series' tags; the number of hosts: none. */
static uint32_t row_host(const struct row *row, const struct columns *columns,
                         const struct dataset *dataset)
{
    const char *text = "";
    if (columns->hostname != NO_COLUMN)
        text = row->cells[columns->hostname];
    else if (columns->tags != NO_COLUMN && strncmp(row->cells[columns->tags], "hostname=", 9) == 0)
        text = row->cells[columns->tags] + 9;
    if (strncmp(text, "host_", 5) != 0) return dataset_host_count(dataset);
    const unsigned long host = strtoul(text + 5, NULL, 10);
    return host < dataset_host_count(dataset) ? (uint32_t)host : dataset_host_count(dataset);
}

static double expected_value(const struct question *question, const struct shape *shape,
                             const struct dataset *dataset, uint32_t host, int64_t time_ns,
                             uint32_t field)
{
    const int64_t step = (time_ns - DATASET_START_NS) / DATASET_STEP_NS;
    switch (shape->kind) {
    case SHAPE_MAX:
    case SHAPE_MAX_LATEST:
        return expected_max(question, shape, dataset, time_ns, field);
    case SHAPE_MEAN:
        return expected_mean(question, shape, dataset, host, time_ns, field);
    case SHAPE_HIGH:
    case SHAPE_LAST:
        if (step < 0 || step >= dataset_step_count(dataset)) return NAN;
        return dataset_value(dataset, host, (uint32_t)step, field);
    }
    return NAN;
}

static void check_row(const struct question *question, const struct shape *shape,
                      const struct dataset *dataset, const struct row *row,
                      const struct columns *columns)
{
    const int64_t time_ns = strtoll(row->cells[columns->time], NULL, 10);
    const uint32_t host = row_host(row, columns, dataset);
    const bool needs_host = shape->kind != SHAPE_MAX && shape->kind != SHAPE_MAX_LATEST;
    if (needs_host &&
        (host == dataset_host_count(dataset) || !host_is_asked(question, shape, host)))
        bench_fail("%s: a row of no host that was asked for: %s", shape->name, question->text);
    for (uint32_t field = 0; field < shape->field_count; field++) {
        const char *const cell = row->cells[columns->fields[field]];
        const double found = *cell == 0 ? NAN : strtod(cell, NULL);
        const double wanted = expected_value(question, shape, dataset, host, time_ns, field);
        const bool equal =
            isnan(wanted) ? isnan(found) : fabs(found - wanted) <= MEAN_ERROR * fabs(wanted);
        if (!equal)
            bench_fail("%s: %s at %" PRId64 " is %s, must be %.17g: %s", shape->name,
                       dataset_field_name(field), time_ns, cell, wanted, question->text);
    }
    if (shape->kind == SHAPE_HIGH &&
        dataset_value(dataset, host, (uint32_t)((time_ns - DATASET_START_NS) / DATASET_STEP_NS),
                      0) <= HIGH_LIMIT)
        bench_fail("%s: a row that is not high", shape->name);
    if (shape->kind == SHAPE_LAST &&
        time_ns != DATASET_START_NS + (int64_t)LAST_TIME_STEPS(dataset) * DATASET_STEP_NS)
        bench_fail("%s: a row at %" PRId64 ", which is not the last", shape->name, time_ns);
}

uint64_t question_check(const struct question *question, const struct shape *shape,
                        const struct dataset *dataset, const char *csv)
{
    char *const copy = strdup(csv);
    uint64_t row_count = 0;
    struct row row;
    struct columns columns = {0};
    char *save = NULL;
    if (copy == NULL) bench_fail("no memory");
    for (char *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        split(line, &row);
        if (strcmp(row.cells[0], "error") == 0) bench_fail("%s: %s", shape->name, csv);
        if (strcmp(row.cells[0], "name") == 0) {
            find_columns(shape, &row, &columns);
            continue;
        }
        if (columns.time == 0) bench_fail("%s: rows without a header", shape->name);
        check_row(question, shape, dataset, &row, &columns);
        row_count++;
    }
    free(copy);
    const uint64_t wanted = expected_rows(question, shape, dataset);
    if (row_count != wanted)
        bench_fail("%s: %" PRIu64 " rows, must be %" PRIu64 ": %s", shape->name, row_count, wanted,
                   question->text);
    return row_count;
}
