/* health.c - /ping, /health and /metrics: cheap, and never waiting for anything. */
#include "clocks.h"
#include "bounds.h"
#include "handlers.h"
#include "json.h"

static void ping_end(struct exchange *exchange)
{
    const char *verbose = exchange_param(exchange, "verbose");
    if (verbose == NULL || strcmp(verbose, "true") != 0) {
        exchange_answer(exchange, 204, NULL, "", 0);
        return;
    }
    char body[120];
    const int size =
        snprintf(body, sizeof body, "{\"version\":\"1.8.10+phusa.%s\"}\n", phusa_version());
    exchange_answer(exchange, 200, NULL, body, (size_t)size);
}

const struct route ping_route = {
    .path = "/ping",
    .verbs = 1u << VERB_GET | 1u << VERB_HEAD,
    .allow = "GET, HEAD",
    .end = ping_end,
};

static void health_end(struct exchange *exchange)
{
    struct phusa_stats stats;
    phusa_stats(exchange->server->db, &stats);
    const bool stopping = atomic_load(&exchange->server->stopping);
    const bool pass = stats.writable && !stopping;
    const char *reason = stopping ? "the server is stopping"
                         : pass   ? "ready for queries and writes"
                                  : stats.reason;
    struct outbuf body = {0};
    outbuf_str(&body, "{\"checks\":[],\"message\":");
    json_string(&body, (struct phusa_text){reason, strlen(reason)});
    outbuf_print(&body,
                 ",\"name\":\"influxdb\",\"status\":\"%s\",\"version\":\"1.8.10+phusa.%s\"}\n",
                 pass ? "pass" : "fail", phusa_version());
    exchange_answer(exchange, pass ? 200 : 503, NULL, body.bytes, body.bad ? 0 : body.size_bytes);
    outbuf_deinit(&body);
}

const struct route health_route = {
    .path = "/health",
    .verbs = 1u << VERB_GET | 1u << VERB_HEAD,
    .allow = "GET, HEAD",
    .end = health_end,
};

/* ---- metrics: the text format of Prometheus ---- */

static void metric(struct outbuf *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    outbuf_print(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
                 (unsigned long long)value);
}

static void put_engine(struct outbuf *out, const struct phusa_stats *s)
{
    static const char counter[] = "counter", gauge[] = "gauge";
    metric(out, "phusa_points_written_total", counter, "Points made durable.", s->points_written);
    metric(out, "phusa_values_written_total", counter, "Field values made durable.",
           s->values_written);
    metric(out, "phusa_points_refused_total", counter, "Points refused.", s->points_refused);
    metric(out, "phusa_batches_written_total", counter, "Batches made durable.",
           s->batches_written);
    metric(out, "phusa_wal_written_bytes_total", counter, "Bytes appended to the log.",
           s->wal_bytes);
    metric(out, "phusa_wal_syncs_total", counter, "Syncs of the log.", s->wal_syncs);
    metric(out, "phusa_wal_segments", gauge, "Segments of the log on disk.", s->wal_segments);
    metric(out, "phusa_head_bytes", gauge, "Memory taken by recent points.", s->head_bytes);
    metric(out, "phusa_head_points", gauge, "Points in memory, not yet flushed.", s->head_points);
    metric(out, "phusa_head_series", gauge, "Series with points in memory.", s->head_series);
    metric(out, "phusa_flushes_total", counter, "Flushes of the head to runs.", s->flushes);
    metric(out, "phusa_merges_total", counter, "Merges of runs.", s->merges);
    metric(out, "phusa_seals_total", counter, "Partitions sealed.", s->seals);
    metric(out, "phusa_data_files", gauge, "Data files that are part of the store.", s->files);
    metric(out, "phusa_data_bytes", gauge, "Their size.", s->file_bytes);
    metric(out, "phusa_data_values", gauge, "Field values in them.", s->file_values);
    metric(out, "phusa_data_points", gauge, "Points in them.", s->file_points);
    metric(out, "phusa_databases", gauge, "Databases.", s->databases);
    metric(out, "phusa_measurements", gauge, "Measurements of all databases.", s->measurements);
    metric(out, "phusa_series", gauge, "Series of all databases.", s->series);
    metric(out, "phusa_queries_total", counter, "Statements run.", s->queries);
    metric(out, "phusa_query_values_read_total", counter, "Values read by queries.",
           s->query_values_read);
    metric(out, "phusa_query_chunks_decoded_total", counter, "Chunks decoded by queries.",
           s->query_chunks_decoded);
    metric(out, "phusa_query_chunks_by_statistics_total", counter,
           "Chunks answered from their statistics alone.", s->query_chunks_by_statistics);
    metric(out, "phusa_durable_lsn", gauge, "Position of the last durable write.", s->durable_lsn);
    metric(out, "phusa_writable", gauge, "1 while writes are taken.", s->writable);
}

static void put_server(struct outbuf *out, struct server *server)
{
    struct counters *c = &server->counters;
    outbuf_print(out,
                 "# HELP phusad_connections_opened_total Connections accepted.\n"
                 "# TYPE phusad_connections_opened_total counter\n"
                 "phusad_connections_opened_total{door=\"http\"} %llu\n"
                 "phusad_connections_opened_total{door=\"tcp\"} %llu\n",
                 (unsigned long long)atomic_load(&c->connections_total[0]),
                 (unsigned long long)atomic_load(&c->connections_total[1]));
    outbuf_str(out, "# HELP phusad_http_responses_total Answers by class of status.\n"
                    "# TYPE phusad_http_responses_total counter\n");
    for (int i = 2; i <= 5; i++)
        outbuf_print(out, "phusad_http_responses_total{code=\"%dxx\"} %llu\n", i,
                     (unsigned long long)atomic_load(&c->requests[i]));
    metric(out, "phusad_connections", "gauge", "Connections open now.",
           atomic_load(&server->connection_count));
    metric(out, "phusad_connections_refused_total", "counter", "Connections beyond the bound.",
           atomic_load(&c->connections_refused));
    metric(out, "phusad_write_body_bytes_total", "counter", "Line protocol taken in, unzipped.",
           atomic_load(&c->write_bytes));
    metric(out, "phusad_tcp_lines_total", "counter", "Lines taken by the raw door.",
           atomic_load(&c->tcp_lines));
    metric(out, "phusad_tcp_lines_refused_total", "counter", "Of them, refused.",
           atomic_load(&c->tcp_lines_refused));
    metric(out, "phusad_write_waits_total", "counter", "Writes that found the queue full.",
           atomic_load(&c->busy_waits));
    metric(out, "phusad_queries_cancelled_total", "counter", "Queries whose client left.",
           atomic_load(&c->queries_cancelled));
    metric(out, "phusad_uptime_seconds", "gauge", "Since the start.",
           (uint64_t)((monotonic_ns() - server->started_ns) / SECOND_NS));
    outbuf_print(out,
                 "# HELP phusad_build_info The version that runs.\n"
                 "# TYPE phusad_build_info gauge\n"
                 "phusad_build_info{version=\"%s\",commit=\"%s\"} 1\n",
                 phusa_version(), phusa_commit());
}

static void metrics_end(struct exchange *exchange)
{
    struct phusa_stats stats;
    phusa_stats(exchange->server->db, &stats);
    struct outbuf body = {0};
    put_engine(&body, &stats);
    put_server(&body, exchange->server);
    if (body.bad)
        exchange_error(exchange, 503, "no memory; try again later");
    else
        exchange_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", body.bytes,
                        body.size_bytes);
    outbuf_deinit(&body);
}

const struct route metrics_route = {
    .path = "/metrics",
    .verbs = 1u << VERB_GET,
    .allow = "GET",
    .end = metrics_end,
};
