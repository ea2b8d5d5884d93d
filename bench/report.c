/*
 * report.c - the table.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shapes.h"

#define VALUES_LIMIT     2.5 /* M a second, at least */
#define BYTES_LIMIT      0.6 /* a value, at most */
#define RSS_LIMIT_MB     500 /* at most */
#define MB               1e6
#define HIGHER_IS_BETTER true

struct table {
    FILE *to;
    bool markdown;
    uint32_t report_count;
};

/* A line: what, a figure of each server, the limit (0: none) and the first server's ratio to it. */
static void print_line(const struct table *table, const char *what, const double *figures,
                       bool higher_is_better, double limit)
{
    const char *const bar = table->markdown ? "| " : "";
    const int width = table->markdown ? 0 : 12;
    fprintf(table->to, table->markdown ? "| %s " : "%-34s", what);
    for (uint32_t i = 0; i < table->report_count; i++) {
        const int digits = figures[i] >= 100 ? 0 : figures[i] >= 10 ? 1 : figures[i] >= 1 ? 2 : 3;
        fprintf(table->to, "%s%*.*f ", bar, width, digits, figures[i]);
    }
    if (limit > 0)
        fprintf(table->to, "%s%s %*g %s%*.2f", bar, higher_is_better ? ">=" : "<=", width / 2,
                limit, bar, width / 2, higher_is_better ? figures[0] / limit : limit / figures[0]);
    else
        fprintf(table->to, "%s%s", bar, bar);
    fprintf(table->to, table->markdown ? " |\n" : "\n");
}

static void print_heading(const struct table *table, const struct report *reports)
{
    const char *const bar = table->markdown ? "| " : "";
    fprintf(table->to, table->markdown ? "\n| %s " : "\n%-34s", "");
    for (uint32_t i = 0; i < table->report_count; i++)
        fprintf(table->to, "%s%12s ", bar, reports[i].name);
    fprintf(table->to, "%s%9s %s%6s%s\n", bar, "limit", bar, "ratio", table->markdown ? " |" : "");
    if (!table->markdown) return;
    fputs("| --- ", table->to);
    for (uint32_t i = 0; i < table->report_count + 2; i++)
        fputs("| ---: ", table->to);
    fputs("|\n", table->to);
}

static void print_machine(FILE *to)
{
    char line[256], model[200] = "?";
    double load = 0;
    FILE *const cpus = fopen("/proc/cpuinfo", "r");
    while (cpus != NULL && fgets(line, sizeof line, cpus) != NULL)
        if (sscanf(line, "model name : %199[^\n]", model) == 1) break;
    if (cpus != NULL) fclose(cpus);
    if (getloadavg(&load, 1) != 1) load = -1;
    const double memory_gib =
        (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024 * 1024);
    fprintf(to, "%ld cores of %s, %.0f GiB; load average at the end %.1f\n",
            sysconf(_SC_NPROCESSORS_ONLN), model, memory_gib, load);
}

static void print_head(const struct table *table, const struct report_head *head,
                       const struct report *reports)
{
    const time_t now = time(NULL);
    struct tm utc;
    char date[32];
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
    fprintf(table->to,
            "%s%s, commit %s: %u hosts x %u h, %.1f M values, %u connections x %u rows\n",
            table->markdown ? "## " : "", date, head->commit, head->hosts, head->hours,
            (double)reports[0].load.value_count / 1e6, head->connections, head->batch_rows);
    if (table->markdown) fputc('\n', table->to);
    print_machine(table->to);
    for (uint32_t i = 0; i < table->report_count; i++)
        fprintf(table->to, "%s %s; ", reports[i].name, reports[i].version);
    fprintf(table->to, "%.0f bytes of line protocol a row; making them took %.2f s of CPU\n",
            (double)reports[0].load.line_bytes /
                ((double)reports[0].load.value_count / DATASET_FIELD_COUNT),
            reports[0].load.generator_cpu_s);
}

/* One figure of each report: `f` is an expression of `r`. */
#define LINE(what, higher, limit, f)                           \
    do {                                                       \
        double figures[2] = {0};                               \
        for (uint32_t i = 0; i < report_count; i++) {          \
            const struct report *const r = &reports[i];        \
            const double values = (double)r->load.value_count; \
            (void)values;                                      \
            figures[i] = (f);                                  \
        }                                                      \
        print_line(&table, what, figures, higher, limit);      \
    } while (0)

void report_print(FILE *to, bool markdown, const struct report_head *head,
                  const struct report *reports, uint32_t report_count)
{
    const struct table table = {to, markdown, report_count};
    print_head(&table, head, reports);
    print_heading(&table, reports);
    LINE("M values/s, all acknowledged", HIGHER_IS_BETTER, VALUES_LIMIT,
         values / r->load.seconds / 1e6);
    LINE("ack p50, ms", false, 0, r->load.ack_p50_ms);
    LINE("ack p99, ms", false, 0, r->load.ack_p99_ms);
    LINE("server CPU s per M values, loaded", false, 0, r->load_cpu_s / (values / 1e6));
    LINE("server CPU s per M values, settled", false, 0, r->settled_cpu_s / (values / 1e6));
    LINE("settling, s", false, 0, r->settle_s);
    LINE("peak RSS loading, MB", false, RSS_LIMIT_MB, (double)r->load_rss_bytes / MB);
    LINE("peak RSS settling, MB", false, RSS_LIMIT_MB, (double)r->settled_rss_bytes / MB);
    LINE("peak RSS after the queries, MB", false, 0, (double)r->asked_rss_bytes / MB);
    LINE("bytes written per value, all told", false, 0, (double)r->written_bytes / values);
    LINE("bytes per value on disk, settled", false, BYTES_LIMIT,
         (double)r->sizes.other_bytes / values);
    LINE("WAL on disk, MB", false, 0, (double)r->sizes.wal_bytes / MB);
    for (uint32_t s = 0; s < shape_count; s++) {
        char what[64];
        snprintf(what, sizeof what, "%s, p50 ms", shapes[s].name);
        LINE(what, false, shapes[s].limit_ms, r->shapes[s].p50_ms);
        if (markdown)
            snprintf(what, sizeof what, "%s, p99 ms", shapes[s].name);
        else
            snprintf(what, sizeof what, "%*s p99 ms", (int)strlen(shapes[s].name) + 1, "");
        LINE(what, false, 0, r->shapes[s].p99_ms);
    }
}
