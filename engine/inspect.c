/*
 * inspect.c - looks into a directory that no process has open: check, dump, stat. Changes nothing.
 *
 * Each walks the directory top-down: catalogue, indexes, data files, log.
 */
#include "db.h"

#include "base/mem.h"
#include "base/status.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum depth { CHECK, DUMP, STAT };

struct inspection {
    const char *dir;
    enum depth depth;
    phusa_line_fn line;
    void *context;
    uint64_t *fault_count;
    struct catalog *catalog;
    struct points_reader *reader;
    /* sums */
    uint64_t groups, points, log_bytes, files, file_bytes, file_points, file_values, series;
};

static void say(struct inspection *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct inspection *in, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    in->line(in->context, text);
}

static void fault(struct inspection *in, const char *what, phusa_status status,
                  const struct phusa_error *error)
{
    ++*in->fault_count;
    say(in, "FAULT %s: %s", what, error->text[0] != '\0' ? error->text : phusa_status_text(status));
}

/* ---- files ---- */

static void inspect_file(struct inspection *in, const struct policy_info *policy,
                         struct data_file *file)
{
    const struct file_info *info = &file->info;
    in->files++;
    in->file_bytes += info->size_bytes;
    in->file_points += info->point_count;
    in->file_values += info->value_count;
    if (in->depth != CHECK) {
        say(in,
            "  %s %06" PRIu64 " of policy %s: %" PRIu64 " bytes, %" PRIu64 " points, %" PRIu64
            " values (%.3f bytes a value), %" PRIu64 " chunks, partitions %" PRId32 "..%" PRId32,
            info->sealed ? "part" : "run", info->number, policy->name, info->size_bytes,
            info->point_count, info->value_count,
            info->value_count == 0 ? 0.0 : (double)info->size_bytes / (double)info->value_count,
            info->chunk_count, info->partition_min, info->partition_max);
        return;
    }
    const uint64_t before = *in->fault_count;
    const phusa_status status = file_check(file, in->line, in->context, in->fault_count);
    if (status != PHUSA_OK && *in->fault_count == before)
        fault(in, policy->name, status, &(struct phusa_error){0});
}

static void inspect_policy(struct inspection *in, const struct policy_info *policy)
{
    struct file_set *files = catalog_files(in->catalog, policy->id);
    for (size_t i = 0; files != NULL && i < files->file_count; i++)
        inspect_file(in, policy, files->files[i]);
    file_set_release(files);
}

/* ---- indexes ---- */

static void inspect_index(struct inspection *in, const struct database_info *database)
{
    struct phusa_error error = {0};
    struct index *index;
    phusa_status status = index_open(in->dir, database->id, database->index_generation, true, true,
                                     NULL, &index, &error);
    if (status != PHUSA_OK) {
        fault(in, database->name, status, &error);
        return;
    }
    struct index_stats stats;
    index_stats(index, &stats);
    in->series += stats.series;
    if (in->depth == CHECK)
        status = index_check(index, in->line, in->context, in->fault_count);
    else
        say(in,
            "database %s (%" PRIu32 "), zone %s: %" PRIu64 " measurements, %" PRIu64
            " fields, %" PRIu64 " series, index %" PRIu64 " bytes",
            database->name, database->id, database->zone, stats.measurements, stats.fields,
            stats.series, stats.file_bytes);
    if (status != PHUSA_OK) fault(in, database->name, status, &error);
    index_close(index);
}

static void inspect_database(struct inspection *in, const struct database_info *database)
{
    inspect_index(in, database);
    struct policy_info *policies;
    size_t count;
    if (catalog_policies(in->catalog, database->id, &policies, &count) != PHUSA_OK) return;
    for (size_t p = 0; p < count; p++)
        inspect_policy(in, &policies[p]);
    mem_free(policies);
}

/* ---- log ---- */

static phusa_status inspect_points(struct inspection *in, struct phusa_text body)
{
    struct points_header header;
    phusa_status status = points_open(in->reader, body, &header);
    if (status != PHUSA_OK) return status;
    if (in->depth == DUMP)
        say(in, "  points: policy %" PRIu32 ", LSN %" PRIu64 ", %" PRIu64 " rows", header.policy,
            header.first_lsn, header.row_count);
    const struct points_row *row;
    do {
        status = points_next(in->reader, &row);
    } while (status == PHUSA_OK && row != NULL);
    return status;
}

static phusa_status inspect_group(void *context, const struct wal_group *group)
{
    struct inspection *in = context;
    in->groups++;
    in->points += group->lsn_count;
    in->log_bytes += group->payload_bytes;
    if (in->depth == DUMP)
        say(in, "group: LSN %" PRIu64 ", %" PRIu64 " points, %zu bytes", group->first_lsn,
            group->lsn_count, group->payload_bytes);
    struct reader payload = reader_of(group->payload, group->payload_bytes);
    enum record_kind kind;
    struct phusa_text body;
    while (record_next(&payload, &kind, &body)) {
        if (kind != RECORD_POINTS) continue;
        const phusa_status status = inspect_points(in, body);
        if (status != PHUSA_OK) return status;
    }
    return payload.bad ? PHUSA_ECORRUPT : PHUSA_OK;
}

static void inspect_log(struct inspection *in)
{
    const struct wal_options options = {.segment_bytes = WAL_SEGMENT_BYTES_DEFAULT,
                                        .read_only = true};
    struct phusa_error error = {0};
    struct wal *wal = NULL;
    const phusa_status status = wal_open(in->dir, &options, catalog_flushed_lsn(in->catalog),
                                         inspect_group, in, &wal, &error);
    if (status == PHUSA_OK)
        wal_close(wal);
    else
        fault(in, "log", status, &error);
    if (in->depth != CHECK)
        say(in, "log: %" PRIu64 " groups, %" PRIu64 " points, %" PRIu64 " bytes not yet in files",
            in->groups, in->points, in->log_bytes);
}

/* ---- the directory ---- */

static phusa_status lock_shared(const char *dir, int *fd, struct phusa_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock", dir);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return error_set(error, PHUSA_ENOTFOUND, "%s is no data directory: cannot open %s: %s", dir,
                         path, strerror(errno));
    if (flock(*fd, LOCK_SH | LOCK_NB) == 0) return PHUSA_OK;
    close(*fd);
    return error_set(error, PHUSA_ELOCKED, "%s is in use; stop the server first", dir);
}

static void walk(struct inspection *in)
{
    struct database_info *databases;
    size_t count;
    if (in->depth == DUMP) catalog_dump(in->catalog, in->line, in->context);
    if (catalog_databases(in->catalog, &databases, &count) != PHUSA_OK) return;
    for (size_t d = 0; d < count; d++)
        inspect_database(in, &databases[d]);
    mem_free(databases);
    inspect_log(in);
    say(in,
        "%s: %zu databases, %" PRIu64 " series, %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64
        " points, %" PRIu64 " values",
        in->depth == CHECK ? "checked" : "total", count, in->series, in->files, in->file_bytes,
        in->file_points, in->file_values);
}

static phusa_status inspect(const char *dir, enum depth depth, phusa_line_fn line, void *context,
                            uint64_t *fault_count, struct phusa_error *error)
{
    assert(dir != NULL);
    assert(line != NULL);
    struct inspection in = {
        .dir = dir, .depth = depth, .line = line, .context = context, .fault_count = fault_count};
    int lock_fd;
    phusa_status status = lock_shared(dir, &lock_fd, error);
    if (status != PHUSA_OK) return status;
    in.reader = points_reader_create();
    if (in.reader == NULL) status = error_set(error, PHUSA_ENOMEM, "out of memory");
    struct phusa_error reason = {0};
    if (status == PHUSA_OK)
        status = catalog_open(dir, true, OPEN_FILES_DEFAULT, NULL, &in.catalog, &reason);
    if (status == PHUSA_OK) {
        walk(&in);
        catalog_close(in.catalog, false);
    } else if (depth == CHECK && status == PHUSA_ECORRUPT) {
        fault(&in, "catalogue", status, &reason);
        status = PHUSA_OK;
    } else {
        error_set(error, status, "%s", reason.text);
    }
    points_reader_free(in.reader);
    close(lock_fd);
    return status;
}

phusa_status phusa_check_dir(const char *dir, phusa_line_fn line, void *context,
                             uint64_t *fault_count, struct phusa_error *error)
{
    assert(fault_count != NULL);
    return inspect(dir, CHECK, line, context, fault_count, error);
}

phusa_status phusa_dump_dir(const char *dir, phusa_line_fn line, void *context,
                            struct phusa_error *error)
{
    uint64_t fault_count = 0;
    return inspect(dir, DUMP, line, context, &fault_count, error);
}

phusa_status phusa_stat_dir(const char *dir, phusa_line_fn line, void *context,
                            struct phusa_error *error)
{
    uint64_t fault_count = 0;
    return inspect(dir, STAT, line, context, &fault_count, error);
}
