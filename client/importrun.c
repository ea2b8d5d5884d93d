/*
 * importrun.c - read, convert, send, and account for every row.
 *
 *   infer types (first rows of every file) -> for each file: header -> plan -> rows -> batches
 *
 * Every row ends in exactly one count: a point stored, a point refused by the server, a bad row,
 * or a row without values.
 */
#include "importrun.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "importstate.h"
#include "progress.h"

#define SHOWN_MAX          20u
#define DRY_RUN_POINTS     10u
#define BATCH_BYTES_TARGET (8u << 20) /* half of what the server takes in one request */
#define EXCERPT_BYTES_MAX  200u

struct source {
    const char *name;
    int fd;
    uint64_t device, inode, size_bytes;
    char **header;
    size_t column_count;
    uint64_t data_offset, data_line; /* behind the header */
    uint64_t start_offset;           /* rows before it were acknowledged by an earlier run */
    uint64_t warm_offset, warm_line; /* where reading begins */
    uint64_t offset_done;            /* acknowledged */
};

struct importing {
    const struct import_settings *settings;
    struct plan_spec *spec;
    struct source *sources;
    size_t source_count;
    struct sender *sender;

    pthread_mutex_t lock; /* guards all below: the reader counts, the sender's threads too */
    struct progress progress;
    struct importstate state;
    FILE *bad_rows;
    uint64_t row_count, point_count, value_count, refused_count, bad_count, empty_count;
    uint64_t shown_count, done_bytes;
    struct plan_clock clock;
    const char *state_problem;
};

/* -- bad rows -- */

static void put_csv_cell(FILE *file, const char *text, size_t text_bytes)
{
    fputc('"', file);
    for (size_t i = 0; i < text_bytes; i++) {
        if (text[i] == '"') fputc('"', file);
        fputc(text[i], file);
    }
    fputc('"', file);
}

/* Text of a file on a terminal: no control characters. */
static void put_visible(FILE *file, const char *text, size_t text_bytes)
{
    for (size_t i = 0; i < text_bytes; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7F)
            fprintf(file, "\\x%02X", c);
        else
            fputc(c, file);
    }
}

/* One bad or refused row, under the lock. `column_name` and `text` may be empty. */
static void report_row(struct importing *importing, const struct source *source, uint64_t line,
                       size_t column, const char *reason, const char *text, size_t text_bytes)
{
    if (text_bytes > EXCERPT_BYTES_MAX) text_bytes = EXCERPT_BYTES_MAX;
    const bool named = column > 0 && column <= source->column_count;
    const char *column_name = named ? source->header[column - 1] : "";
    if (importing->bad_rows != NULL) {
        put_csv_cell(importing->bad_rows, source->name, strlen(source->name));
        fprintf(importing->bad_rows, ",%" PRIu64 ",", line);
        put_csv_cell(importing->bad_rows, column_name, strlen(column_name));
        fputc(',', importing->bad_rows);
        put_csv_cell(importing->bad_rows, reason, strlen(reason));
        fputc(',', importing->bad_rows);
        put_csv_cell(importing->bad_rows, text, text_bytes);
        fputc('\n', importing->bad_rows);
    }
    if (importing->shown_count++ >= SHOWN_MAX) return;
    progress_clear(&importing->progress);
    fprintf(stderr, "%s:%" PRIu64 ": ", source->name, line);
    if (named) fprintf(stderr, "column %zu (%s): ", column, column_name);
    fputs(reason, stderr);
    if (text_bytes > 0) {
        fputs(": \"", stderr);
        put_visible(stderr, text, text_bytes);
        fputc('"', stderr);
    }
    fputc('\n', stderr);
}

static void report_bad_row(struct importing *importing, const struct source *source,
                           const struct csv_row *row, const struct plan_point *point)
{
    const char *text = "";
    size_t text_bytes = 0;
    if (row->problem == NULL && point->column > 0 && point->column <= row->cell_count) {
        text = row->cells[point->column - 1].text;
        text_bytes = row->cells[point->column - 1].text_bytes;
    }
    (void)pthread_mutex_lock(&importing->lock);
    importing->bad_count++;
    report_row(importing, source, row->line, point->column, point->reason, text, text_bytes);
    (void)pthread_mutex_unlock(&importing->lock);
}

static void report_refusals(struct importing *importing, const struct batch *batch)
{
    const struct source *source = &importing->sources[batch->source];
    for (size_t i = 0; i < batch->refusal_count; i++) {
        const struct batch_refusal *refusal = &batch->refusals[i];
        report_row(importing, source, batch_source_line(batch, refusal->line), 0, refusal->reason,
                   refusal->excerpt, strlen(refusal->excerpt));
    }
    if (batch->refusal_count == 0)
        report_row(importing, source, batch_source_line(batch, 1), 0, batch->reason, "", 0);
}

/* -- acknowledged -- */

static void save_state(struct importing *importing, const struct batch *batch)
{
    const struct source *source = &importing->sources[batch->source];
    struct importstate_file *file = importstate_file(&importing->state, source->name);
    if (file == NULL) {
        importing->state_problem = "no memory";
        return;
    }
    file->device = source->device;
    file->inode = source->inode;
    file->size_bytes = source->size_bytes;
    file->offset = batch->source_offset;
    file->line = batch->source_line;
    file->warm_offset = batch->warm_offset;
    file->warm_line = batch->warm_line;
    file->tail_crc = batch->tail_crc;
    const char *problem = importstate_save(&importing->state, importing->settings->state_path);
    if (problem != NULL) importing->state_problem = problem;
}

static void acknowledged(void *context, const struct batch *batch)
{
    struct importing *importing = context;
    struct source *source = &importing->sources[batch->source];
    (void)pthread_mutex_lock(&importing->lock);
    importing->point_count += batch->point_count;
    importing->value_count += batch->value_count;
    importing->refused_count += batch->refused_count;
    importing->done_bytes += batch->source_offset - source->offset_done;
    source->offset_done = batch->source_offset;
    if (batch->refused_count > 0) report_refusals(importing, batch);
    if (importing->settings->state_path != NULL) save_state(importing, batch);
    progress_update(&importing->progress, importing->done_bytes, importing->value_count);
    (void)pthread_mutex_unlock(&importing->lock);
}

/* -- sources -- */

static bool report_file(const struct source *source, const char *problem)
{
    fprintf(stderr, "phusa: %s: %s\n", source->name, problem);
    return false;
}

static void trim_cell(const struct csv_cell *cell, const char **text, size_t *text_bytes)
{
    *text = cell->text;
    *text_bytes = cell->text_bytes;
    while (*text_bytes > 0 && **text == ' ') {
        (*text)++;
        (*text_bytes)--;
    }
    while (*text_bytes > 0 && (*text)[*text_bytes - 1] == ' ')
        (*text_bytes)--;
}

static bool copy_header(struct source *source, const struct csv_row *row)
{
    source->header = calloc(row->cell_count + 1, sizeof *source->header);
    if (source->header == NULL) return report_file(source, "no memory");
    for (; source->column_count < row->cell_count; source->column_count++) {
        const char *text;
        size_t text_bytes;
        trim_cell(&row->cells[source->column_count], &text, &text_bytes);
        char *name = strndup(text, text_bytes);
        if (name == NULL) return report_file(source, "no memory");
        source->header[source->column_count] = name;
    }
    return true;
}

static bool header_from_option(struct source *source, const char *columns)
{
    size_t count = 1;
    for (const char *at = columns; *at != 0; at++)
        count += *at == ',';
    struct csv_cell *cells = calloc(count, sizeof *cells);
    if (cells == NULL) return report_file(source, "no memory");
    for (size_t i = 0; i < count; i++) {
        cells[i] = (struct csv_cell){.text = columns, .text_bytes = strcspn(columns, ",")};
        columns += cells[i].text_bytes + 1;
    }
    const bool good = copy_header(source, &(struct csv_row){.cells = cells, .cell_count = count});
    free(cells);
    source->data_line = 1;
    return good;
}

static bool read_header(const struct importing *importing, struct source *source, struct csv *csv)
{
    if (importing->settings->columns != NULL)
        return header_from_option(source, importing->settings->columns);
    struct csv_row row;
    const enum csv_result result = csv_next(csv, &row);
    if (result == CSV_ERROR) return report_file(source, strerror(errno));
    if (result == CSV_END) return report_file(source, "empty: not even a header row");
    if (row.problem != NULL) return report_file(source, row.problem);
    if (row.cell_count > 0 && row.cells[0].text_bytes >= 2 &&
        (memcmp(row.cells[0].text, "\xFF\xFE", 2) == 0 ||
         memcmp(row.cells[0].text, "\xFE\xFF", 2) == 0))
        return report_file(source, "UTF-16; convert it first: iconv -f UTF-16 -t UTF-8");
    source->data_offset = row.end_offset;
    source->data_line = row.end_line;
    return copy_header(source, &row);
}

/* The first rows, for the types of columns that --fields does not state. */
static bool infer_types(struct importing *importing, struct source *source, struct csv *csv)
{
    for (unsigned i = 0; i < PLAN_INFER_ROWS; i++) {
        struct csv_row row;
        const enum csv_result result = csv_next(csv, &row);
        if (result == CSV_END) return true;
        if (result == CSV_ERROR) return report_file(source, strerror(errno));
        if (row.problem != NULL) continue;
        if (!plan_infer(importing->spec, source->header, source->column_count, &row))
            return report_file(source, "no memory");
    }
    return true;
}

static bool open_source(struct importing *importing, struct source *source)
{
    struct stat status;
    struct csv *csv = NULL;
    source->fd = open(source->name, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0 || fstat(source->fd, &status) != 0)
        return report_file(source, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return report_file(source, "not a file; an import reads its rows twice");
    source->device = (uint64_t)status.st_dev;
    source->inode = (uint64_t)status.st_ino;
    source->size_bytes = (uint64_t)status.st_size;
    if (!csv_open(&csv, source->fd, importing->spec->delimiter, 0, 1))
        return report_file(source, "no memory");
    const bool good = read_header(importing, source, csv) && infer_types(importing, source, csv);
    csv_close(csv);
    source->start_offset = source->data_offset;
    source->warm_offset = source->data_offset;
    source->warm_line = source->data_line;
    return good;
}

static bool open_sources(struct importing *importing, const char *const *files, size_t file_count)
{
    importing->sources = calloc(file_count, sizeof *importing->sources);
    if (importing->sources == NULL) {
        fputs("phusa: no memory\n", stderr);
        return false;
    }
    for (size_t i = 0; i < file_count; i++) {
        importing->sources[i] = (struct source){.name = files[i], .fd = -1};
        importing->source_count++;
        if (!open_source(importing, &importing->sources[i])) return false;
    }
    return true;
}

static void close_sources(struct importing *importing)
{
    for (size_t i = 0; i < importing->source_count; i++) {
        struct source *source = &importing->sources[i];
        if (source->fd >= 0) (void)close(source->fd);
        for (size_t j = 0; j < source->column_count; j++)
            free(source->header[j]);
        free(source->header);
    }
    free(importing->sources);
}

/* -- going on where an earlier run stopped -- */

static bool load_state(struct importing *importing)
{
    const char *path = importing->settings->state_path;
    if (path == NULL) return true;
    bool found;
    const char *problem = importstate_load(&importing->state, path, &found);
    if (problem != NULL) {
        fprintf(stderr, "phusa: %s: %s; remove it to start over\n", path, problem);
        return false;
    }
    if (found && importing->state.options_hash != importing->settings->options_hash) {
        fprintf(stderr,
                "phusa: %s belongs to an import with other options; remove it to start over\n",
                path);
        return false;
    }
    importing->state.options_hash = importing->settings->options_hash;
    for (size_t i = 0; i < importing->source_count; i++) {
        struct source *source = &importing->sources[i];
        const struct importstate_file *file = importstate_file(&importing->state, source->name);
        if (file == NULL) return report_file(source, "no memory");
        if (file->offset <= source->data_offset || file->warm_offset < source->data_offset)
            continue;
        if (!importstate_matches(file, source->fd)) {
            fprintf(stderr, "%s has changed since it was last imported: starting over with it\n",
                    source->name);
            continue;
        }
        source->start_offset = file->offset;
        source->warm_offset = file->warm_offset;
        source->warm_line = file->warm_line;
        if (file->offset < source->size_bytes)
            fprintf(stderr, "%s: going on at line %" PRIu64 "\n", source->name, file->line);
    }
    return true;
}

/* -- rows -- */

struct reading {
    struct importing *importing;
    struct source *source;
    struct plan plan;
    struct batch *batch;
    uint64_t batch_rows; /* read into it, good and bad */
    /* Where the stretch of rows around a change of the clock began, or the row at hand. */
    bool in_stretch;
    uint64_t stretch_offset, stretch_line;
};

static bool submit(struct reading *reading, const struct csv_row *row, bool last)
{
    struct importing *importing = reading->importing;
    struct batch *batch = reading->batch;
    batch->source = (size_t)(reading->source - importing->sources);
    batch->source_offset = row->end_offset;
    batch->source_line = row->end_line;
    batch->warm_offset = reading->in_stretch ? reading->stretch_offset : row->end_offset;
    batch->warm_line = reading->in_stretch ? reading->stretch_line : row->end_line;
    if (!importstate_tail(reading->source->fd, row->end_offset, &batch->tail_crc))
        return report_file(reading->source, "cannot be read again; is it being changed?");
    reading->batch = NULL;
    reading->batch_rows = 0;
    if (!sender_submit(importing->sender, batch)) return false;
    if (last) return true;
    reading->batch = sender_take(importing->sender);
    return reading->batch != NULL;
}

/* The source's line of every line of the point: strings may hold line ends. */
static bool add_lines(struct batch *batch, size_t body_start, uint64_t line)
{
    const char *at = batch->body.bytes + body_start;
    const char *const end = batch->body.bytes + batch->body.used;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        if (!batch_add_line(batch, line)) return false;
    }
    return true;
}

static void count_row(struct importing *importing, const struct plan *plan, bool empty)
{
    (void)pthread_mutex_lock(&importing->lock);
    importing->row_count++;
    if (empty) importing->empty_count++;
    importing->clock = plan->clock;
    (void)pthread_mutex_unlock(&importing->lock);
}

static bool take_row(struct reading *reading, const struct csv_row *row)
{
    struct importing *importing = reading->importing;
    struct batch *batch = reading->batch;
    struct plan_point point;
    const size_t body_start = batch->body.used;
    const bool was_quiet = reading->plan.quiet;
    const struct plan_clock clock = reading->plan.clock;
    const enum plan_outcome outcome = plan_convert(&reading->plan, row, &batch->body, &point);
    if (outcome == PLAN_NO_MEMORY) return report_file(reading->source, "no memory");
    if (was_quiet && !reading->plan.quiet) {
        reading->stretch_offset = row->offset;
        reading->stretch_line = row->line;
    }
    reading->in_stretch = !reading->plan.quiet;
    if (row->offset < reading->source->start_offset) {
        /* Acknowledged by an earlier run; read again for the clock only. */
        batch->body.used = body_start;
        reading->plan.clock = clock;
        return true;
    }
    reading->batch_rows++;
    if (outcome == PLAN_BAD) report_bad_row(importing, reading->source, row, &point);
    count_row(importing, &reading->plan, outcome == PLAN_EMPTY);
    if (outcome != PLAN_POINT) return true;
    batch->point_count++;
    batch->value_count += point.value_count;
    const uint64_t key = (point.key ^ (uint64_t)point.time_ns) * 0x9E3779B97F4A7C15u;
    if (!add_lines(batch, body_start, row->line) || !batch_add_key(batch, key, point.time_ns))
        return report_file(reading->source, "no memory");
    return true;
}

static bool read_rows(struct reading *reading, struct csv *csv)
{
    const struct import_settings *settings = reading->importing->settings;
    const struct source *source = reading->source;
    struct csv_row row = {.end_offset = source->start_offset, .end_line = source->warm_line};
    for (;;) {
        if (tool_interrupted(NULL)) return false;
        const enum csv_result result = csv_next(csv, &row);
        if (result == CSV_ERROR) return report_file(reading->source, strerror(errno));
        if (result == CSV_END) break;
        if (!take_row(reading, &row)) return false;
        const bool full = reading->batch->point_count >= settings->batch_rows ||
                          reading->batch->body.used >= BATCH_BYTES_TARGET;
        if (full && !submit(reading, &row, false)) return false;
    }
    /* Also when it is empty: that marks the rest of the file, blank lines too, as done. */
    if (row.end_offset < source->size_bytes) row.end_offset = source->size_bytes;
    return submit(reading, &row, true);
}

static void warn_of_mixed_columns(const struct source *source, const struct plan *plan)
{
    for (size_t i = 0; i < plan->field_count; i++) {
        const struct plan_field *field = &plan->fields[i];
        const char *name = plan->names[field->column];
        if (!field->mixed) continue;
        fprintf(stderr,
                "%s: column %s has numbers and other text, so it is stored as string; with "
                "--fields %s:float,... rows with other text would be bad\n",
                source->name, name, name);
    }
}

static bool import_source(struct importing *importing, struct source *source)
{
    struct reading reading = {.importing = importing, .source = source};
    struct csv *csv = NULL;
    if (source->start_offset >= source->size_bytes) return true;
    if (!plan_make(&reading.plan, importing->spec, source->name, source->header,
                   source->column_count))
        return false;
    if (source == &importing->sources[0]) warn_of_mixed_columns(source, &reading.plan);
    reading.plan.clock = importing->clock;
    bool good = csv_open(&csv, source->fd, importing->spec->delimiter, source->warm_offset,
                         source->warm_line);
    if (!good) (void)report_file(source, "no memory");
    if (good) {
        reading.batch = sender_take(importing->sender);
        good = reading.batch != NULL && read_rows(&reading, csv);
    }
    csv_close(csv);
    plan_deinit(&reading.plan);
    return good;
}

/* -- dry run -- */

static void print_types(const struct plan *plan)
{
    for (size_t i = 0; i < plan->field_count; i++) {
        const struct plan_field *field = &plan->fields[i];
        fprintf(stderr, "  %s: %s%s\n", plan->names[field->column], plan_type_name(field->type),
                field->inferred ? " (inferred)" : "");
    }
}

static bool dry_run_source(struct importing *importing, struct source *source)
{
    struct plan plan;
    struct csv *csv = NULL;
    struct textbuf body = {0};
    if (!plan_make(&plan, importing->spec, source->name, source->header, source->column_count))
        return false;
    bool good = csv_open(&csv, source->fd, importing->spec->delimiter, source->data_offset,
                         source->data_line);
    fprintf(stderr, "%s: fields\n", source->name);
    print_types(&plan);
    for (unsigned points = 0; good && points < DRY_RUN_POINTS;) {
        struct csv_row row;
        struct plan_point point;
        if (csv_next(csv, &row) != CSV_ROW) break;
        const enum plan_outcome outcome = plan_convert(&plan, &row, &body, &point);
        if (outcome == PLAN_POINT) points++;
        if (outcome == PLAN_BAD) report_bad_row(importing, source, &row, &point);
    }
    (void)fwrite(body.bytes == NULL ? "" : body.bytes, 1, body.used, stdout);
    textbuf_deinit(&body);
    csv_close(csv);
    plan_deinit(&plan);
    return good;
}

static int dry_run(struct importing *importing)
{
    bool good = true;
    for (size_t i = 0; good && i < importing->source_count; i++)
        good = dry_run_source(importing, &importing->sources[i]);
    if (!good) return TOOL_FAILED;
    return importing->bad_count > 0 ? TOOL_REFUSED : TOOL_DONE;
}

/* -- all -- */

static void begin_progress(struct importing *importing)
{
    uint64_t total_bytes = 0;
    for (size_t i = 0; i < importing->source_count; i++) {
        struct source *source = &importing->sources[i];
        total_bytes += source->size_bytes;
        source->offset_done = source->start_offset;
        importing->done_bytes += source->start_offset;
    }
    progress_begin(&importing->progress, importing->done_bytes, total_bytes, "values");
}

static void print_summary(struct importing *importing)
{
    const double seconds = progress_seconds(&importing->progress);
    if (importing->shown_count > SHOWN_MAX)
        fprintf(stderr, "... and %" PRIu64 " more%s\n", importing->shown_count - SHOWN_MAX,
                importing->bad_rows == NULL ? "; --bad-rows FILE writes them all" : "");
    const struct plan_clock *clock = &importing->clock;
    if (clock->twice_first + clock->twice_second > 0)
        fprintf(stderr,
                "%" PRIu64 " local times that happen twice: %" PRIu64
                " taken as the first, %" PRIu64 " as the second\n",
                clock->twice_first + clock->twice_second, clock->twice_first, clock->twice_second);
    if (clock->never > 0)
        fprintf(stderr, "%" PRIu64 " local times that never happen: shifted forward\n",
                clock->never);
    const uint64_t stored =
        importing->point_count - (importing->refused_count < importing->point_count
                                      ? importing->refused_count
                                      : importing->point_count);
    fprintf(stderr,
            "%" PRIu64 " rows: %" PRIu64 " points stored, %" PRIu64 " refused, %" PRIu64
            " bad, %" PRIu64 " without values\n",
            importing->row_count, stored, importing->refused_count, importing->bad_count,
            importing->empty_count);
    fprintf(stderr, "%" PRIu64 " values in %.2f s, %.0f a second\n", importing->value_count,
            seconds, seconds > 0 ? (double)importing->value_count / seconds : 0);
}

static bool open_bad_rows(struct importing *importing)
{
    const char *path = importing->settings->bad_rows_path;
    if (path == NULL) return true;
    /* A resumed import adds to what the earlier runs have found. */
    bool resumed = false;
    for (size_t i = 0; i < importing->source_count; i++)
        resumed = resumed || importing->sources[i].start_offset > importing->sources[i].data_offset;
    importing->bad_rows = fopen(path, resumed ? "ae" : "we");
    if (importing->bad_rows == NULL) {
        fprintf(stderr, "phusa: %s: %s\n", path, strerror(errno));
        return false;
    }
    if (!resumed) fputs("file,line,column,reason,text\n", importing->bad_rows);
    return true;
}

static void explain_failure(struct importing *importing)
{
    struct phusa_client_error error;
    const phusa_client_status failure = sender_failure(importing->sender, &error);
    if (failure == PHUSA_CLIENT_ESTOPPED || tool_interrupted(NULL))
        fputs("phusa: stopped", stderr);
    else if (failure != PHUSA_CLIENT_OK)
        fprintf(stderr, "phusa: %s", error.text);
    else
        return; /* a file's problem, already said */
    fprintf(stderr, "; %s\n",
            importing->settings->state_path != NULL
                ? "the same command goes on where this one ended"
                : "the same command again is harmless, with --state FILE it would also be short");
}

static int send_all(struct importing *importing)
{
    const struct import_settings *settings = importing->settings;
    struct sender_options options = {
        .client = tool_client_options(),
        .target = {settings->database, settings->retention_policy, NULL},
        .connections = (unsigned)settings->connections,
        .acknowledged = acknowledged,
        .context = importing,
    };
    options.client.gzip = settings->gzip;
    struct phusa_client_error error;
    if (!sender_open(&importing->sender, &options, &error)) {
        fprintf(stderr, "phusa: %s\n", error.text);
        return TOOL_FAILED;
    }
    begin_progress(importing);
    bool good = true;
    for (size_t i = 0; good && i < importing->source_count; i++)
        good = import_source(importing, &importing->sources[i]);
    good = sender_drain(importing->sender) && good;
    progress_clear(&importing->progress);
    if (!good) explain_failure(importing);
    sender_close(importing->sender);
    print_summary(importing);
    if (importing->state_problem != NULL)
        fprintf(stderr, "phusa: %s could not be written: %s\n", settings->state_path,
                importing->state_problem);
    if (!good || importing->state_problem != NULL) return TOOL_FAILED;
    return importing->refused_count + importing->bad_count > 0 ? TOOL_REFUSED : TOOL_DONE;
}

int import_run(const struct import_settings *settings, struct plan_spec *spec,
               const char *const *files, size_t file_count)
{
    struct importing importing = {.settings = settings, .spec = spec};
    int code = TOOL_FAILED;
    (void)pthread_mutex_init(&importing.lock, NULL);
    if (!open_sources(&importing, files, file_count)) goto out;
    if (settings->dry_run) {
        code = dry_run(&importing);
        goto out;
    }
    if (!load_state(&importing) || !open_bad_rows(&importing)) goto out;
    code = send_all(&importing);
out:
    if (importing.bad_rows != NULL && fclose(importing.bad_rows) != 0) {
        fprintf(stderr, "phusa: %s: %s\n", settings->bad_rows_path, strerror(errno));
        code = TOOL_FAILED;
    }
    close_sources(&importing);
    importstate_deinit(&importing.state);
    (void)pthread_mutex_destroy(&importing.lock);
    return code;
}
