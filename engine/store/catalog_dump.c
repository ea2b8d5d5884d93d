/* catalog_dump.c - every record as a line of text, for `phusad dump`; see catalog.h. */
#include "store/catalog_internal.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct out {
    phusa_line_fn line;
    void *context;
};

static void print(const struct out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print(const struct out *out, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    out->line(out->context, text);
}

static const char *interval_text(struct phusa_interval interval, char room[32])
{
    if (interval.months != 0)
        snprintf(room, 32, "%" PRId64 "mo", interval.months);
    else
        snprintf(room, 32, "%" PRId64 "ns", interval.ns);
    return room;
}

static void dump_file(const struct out *out, const struct file_info *f)
{
    print(out,
          "    file %06" PRIu64 ".%s.mdb lsn %" PRIu64 "..%" PRIu64 " partitions %" PRId32
          "..%" PRId32 " time %" PRId64 "..%" PRId64 " bytes %" PRIu64 " points %" PRIu64
          " values %" PRIu64 " chunks %" PRIu64 " pages_crc %08" PRIx32,
          f->number, f->sealed ? "part" : "run", f->lsn_min, f->lsn_max, f->partition_min,
          f->partition_max, f->time_min_ns, f->time_max_ns, f->size_bytes, f->point_count,
          f->value_count, f->chunk_count, f->pages_crc);
}

static void dump_policy(const struct out *out, const struct policy *policy)
{
    char duration[32];
    char shard[32];
    print(out, "  policy %" PRIu32 " \"%s\" duration %s shard %s files %zu", policy->info.id,
          policy->info.name, interval_text(policy->info.duration, duration),
          interval_text(policy->info.shard, shard), policy->set->file_count);
    for (size_t i = 0; i < policy->set->file_count; i++)
        dump_file(out, &policy->set->files[i]->info);
}

void catalog_dump(struct catalog *catalog, phusa_line_fn line, void *context)
{
    const struct out out = {line, context};
    pthread_mutex_lock(&catalog->changing);
    const struct catalog_state *s = &catalog->state;
    print(&out,
          "catalog transaction %" PRIu64 " records %" PRIu64 " flushed_lsn %" PRIu64
          " recorded_at_ns %" PRId64 " next_database %" PRIu32 " next_policy %" PRIu32
          " next_file %" PRIu64 " %s",
          s->txn_id, s->record_count, s->flushed_lsn, s->recorded_at_ns, s->next_database,
          s->next_policy, s->next_file, s->is_clean ? "clean" : "in use or not ended cleanly");
    for (size_t d = 0; d < catalog->database_count; d++) {
        const struct database_info *database = &catalog->databases[d];
        print(&out,
              "database %" PRIu32 " \"%s\" zone %s default_policy %" PRIu32
              " index_generation %" PRIu32,
              database->id, database->name, database->zone, database->default_policy,
              database->index_generation);
        for (size_t p = 0; p < catalog->policy_count; p++) {
            if (catalog->policies[p].info.database == database->id)
                dump_policy(&out, &catalog->policies[p]);
        }
    }
    pthread_mutex_unlock(&catalog->changing);
}
