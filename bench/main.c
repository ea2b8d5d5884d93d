/*
 * main.c - make bench: load, settle, ask; print what it took.
 *
 *     BENCH_HOURS=24 BENCH_HOSTS=1000   the data: a row of a host every 10 s
 *     BENCH_PEER=influxdb               the same for Debian's influxd, afterwards
 *     BENCH_RUNS=200                    of each shape at most, or 3 s of it, but at least 5
 *
 * usage: bench PROGRAM_DIR COMMIT. The table goes to standard output, and as Markdown, for
 * docs/BENCHMARKS.md, to PROGRAM_DIR/bench/report.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "dataset.h"
#include "http.h"
#include "load.h"
#include "report.h"
#include "service.h"
#include "shapes.h"

#define DATA_SEED     1u
#define QUESTION_SEED 2u
#define RUNS_DEFAULT  200u
#define RUNS_MIN      5u
#define SHAPE_S_MAX   3.0

static uint32_t setting(const char *name, uint32_t otherwise, uint32_t max)
{
    const char *const text = getenv(name);
    if (text == NULL || *text == 0) return otherwise;
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*end != 0 || value == 0 || value > max) bench_fail("%s is 1..%u, not %s", name, max, text);
    return (uint32_t)value;
}

static void create_database(struct http *http)
{
    const int status =
        http_request(http, "POST", "/query?q=CREATE%20DATABASE%20bench", "", NULL, 0);
    if (status != 200 || strstr(http->body, "error") != NULL)
        bench_fail("CREATE DATABASE: %d %s", status, http->body);
}

static void learn_version(struct http *http, struct service *service)
{
    (void)http_request(http, "GET", "/ping", "", NULL, 0);
    const char *const header = strcasestr(http->answer, "X-Influxdb-Version: ");
    if (header == NULL || sscanf(header + 20, "%127[^\r]", service->version) != 1)
        strcpy(service->version, "?");
}

/* All rows that were acknowledged are there. */
static void check_count(struct http *http, const struct dataset *dataset)
{
    char wanted[40];
    snprintf(wanted, sizeof wanted, ",%" PRIu64 "\n", dataset_row_count(dataset));
    if (http_query(http, "bench", "SELECT count(usage_user) FROM cpu", true) != 200 ||
        strstr(http->body, wanted) == NULL)
        bench_fail("not all rows are there: %s", http->body);
}

static void run_shape(struct http *http, const struct shape *shape, const struct dataset *dataset,
                      uint32_t runs_max, struct shape_result *result)
{
    uint64_t random_state = QUESTION_SEED;
    double *const took_ms = bench_alloc(runs_max, sizeof *took_ms);
    uint32_t runs = 0;
    static struct question question;
    question_make(&question, shape, dataset, &random_state);
    int status = http_query(http, "bench", question.text, true);
    if (status != 200) bench_fail("%s: %d %.500s", shape->name, status, http->body);
    result->row_count = question_check(&question, shape, dataset, http->body);

    const uint64_t start_ns = bench_now_ns();
    while (runs < runs_max &&
           (runs < RUNS_MIN || (double)(bench_now_ns() - start_ns) < SHAPE_S_MAX * NS_PER_S)) {
        question_make(&question, shape, dataset, &random_state);
        const uint64_t asked_ns = bench_now_ns();
        status = http_query(http, "bench", question.text, false);
        took_ms[runs++] = (double)(bench_now_ns() - asked_ns) / NS_PER_MS;
        if (status != 200 || strstr(http->body, "\"error\"") != NULL)
            bench_fail("%s: %d %.500s", shape->name, status, http->body);
        bench_progress("%s: %u runs", shape->name, runs);
    }
    result->runs = runs;
    result->p50_ms = load_percentile(took_ms, runs, 50);
    result->p99_ms = load_percentile(took_ms, runs, 99);
    free(took_ms);
    bench_progress("%s", "");
}

static void run_service(enum service_kind kind, const char *program_dir, uint32_t hosts,
                        uint32_t hours, uint32_t runs_max, struct report *report)
{
    static struct service service;
    struct service_usage loaded, settled;
    struct http http;
    struct dataset *const dataset = dataset_open(DATA_SEED, hosts, hours);
    service_start(&service, kind, program_dir);
    http_init(&http, service.port);
    learn_version(&http, &service);
    create_database(&http);

    load_run(dataset, service.port, &report->load);
    service_usage(&service, &loaded);
    bench_progress("%s settles", service.name);
    const uint64_t start_ns = bench_now_ns();
    service_settle(&service);
    report->settle_s = (double)(bench_now_ns() - start_ns) / (double)NS_PER_S;
    service_usage(&service, &settled);
    service_sizes(&service, &report->sizes);
    check_count(&http, dataset);

    for (uint32_t i = 0; i < shape_count; i++)
        run_shape(&http, &shapes[i], dataset, runs_max, &report->shapes[i]);
    snprintf(report->name, sizeof report->name, "%s", service.name);
    snprintf(report->version, sizeof report->version, "%s", service.version);
    report->load_cpu_s = (double)loaded.cpu_ns / (double)NS_PER_S;
    report->load_rss_bytes = loaded.peak_rss_bytes;
    report->settled_cpu_s = (double)settled.cpu_ns / (double)NS_PER_S;
    report->settled_rss_bytes = settled.peak_rss_bytes;
    report->written_bytes = settled.written_bytes;
    service_usage(&service, &settled);
    report->asked_rss_bytes = settled.peak_rss_bytes;
    http_deinit(&http);
    service_stop(&service);
    dataset_close(dataset);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: bench PROGRAM_DIR COMMIT\n", stderr);
        return 2;
    }
    const uint32_t hours = setting("BENCH_HOURS", 24, 24 * 31);
    const uint32_t hosts = setting("BENCH_HOSTS", 1000, 100000);
    const uint32_t runs_max = setting("BENCH_RUNS", RUNS_DEFAULT, 100000);
    const char *const peer = getenv("BENCH_PEER");
    const bool with_peer = peer != NULL && *peer != 0;
    if (with_peer && strcmp(peer, "influxdb") != 0) bench_fail("BENCH_PEER=influxdb, or nothing");
    char dir[600], path[640];
    static struct report reports[2];
    snprintf(dir, sizeof dir, "%s/bench", argv[1]);
    snprintf(path, sizeof path, "%s/report.md", dir);

    service_setup(dir);
    run_service(SERVICE_PHUSA, argv[1], hosts, hours, runs_max, &reports[0]);
    if (with_peer) run_service(SERVICE_INFLUXDB, argv[1], hosts, hours, runs_max, &reports[1]);

    const struct report_head head = {argv[2], hosts, hours, LOAD_CONNECTIONS, LOAD_BATCH_ROWS};
    report_print(stdout, false, &head, reports, with_peer ? 2 : 1);
    FILE *const file = fopen(path, "w");
    if (file == NULL) bench_fail("cannot write %s", path);
    report_print(file, true, &head, reports, with_peer ? 2 : 1);
    fclose(file);
    printf("\nAs Markdown: %s\n", path);
    return 0;
}
