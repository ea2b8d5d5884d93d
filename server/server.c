/* server.c - see server.h. */
#include "server.h"
#include "bounds.h"
#include "clocks.h"
#include "loop.h"
#include "workers.h"

#include <stdio.h>
#include <stdlib.h>

static phusa_status open_engine(struct server *server, struct phusa_error *error)
{
    const struct config *config = server->config;
    struct phusa_options options;
    phusa_options_init(&options);
    options.head_bytes_max = (size_t)config->head_bytes_max;
    options.query_bytes_max = (size_t)config->query_bytes_max;
    options.query_time_ns_max = (int64_t)config->query_seconds_max * SECOND_NS;
    options.open_files_max = config->open_files_max;
    options.log = logger_engine;
    options.log_context = server->logger;
    return phusa_open(config->data_dir, &options, &server->db, error);
}

/* Stop and free the loops that run. */
static void end_loops(struct server *server)
{
    for (unsigned i = 0; i < server->loop_count; i++)
        loop_stop(&server->loops[i]);
    for (unsigned i = 0; i < server->loop_count; i++)
        loop_join(&server->loops[i]);
    free(server->loops);
    server->loops = NULL;
    server->loop_count = 0;
}

/* All are bound before any runs: a port that is taken must not cost a started server. */
static bool begin_loops(struct server *server, char *error, size_t error_bytes)
{
    const unsigned count = server->config->loop_threads;
    server->loops = calloc(count, sizeof *server->loops);
    if (server->loops == NULL) {
        snprintf(error, error_bytes, "no memory for %u loop threads", count);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!loop_init(&server->loops[i], server, error, error_bytes)) return false;
        if (!loop_start(&server->loops[i])) {
            snprintf(error, error_bytes, "cannot start a loop thread");
            return false; /* its listeners go with the process */
        }
        server->loop_count++;
    }
    return true;
}

struct server *server_start(const struct config *config, struct logger *logger, char *error,
                            size_t error_bytes)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        snprintf(error, error_bytes, "no memory");
        return NULL;
    }
    server->config = config;
    server->logger = logger;
    server->http_bind = config->http_bind;
    server->tcp_bind = config->tcp_bind;
    server->started_ns = monotonic_ns();

    struct phusa_error failure = {0};
    if (open_engine(server, &failure) != PHUSA_OK) {
        snprintf(error, error_bytes, "%s", failure.text);
        goto failed;
    }
    server->workers = workers_create(config->query_threads);
    server->housekeeper = workers_create(1);
    if (server->workers == NULL || server->housekeeper == NULL) {
        snprintf(error, error_bytes, "cannot start %u query threads", config->query_threads);
        goto failed;
    }
    if (!begin_loops(server, error, error_bytes)) goto failed;
    server->start_ns = monotonic_ns() - server->started_ns;
    return server;
failed:
    server_stop(server);
    return NULL;
}

size_t server_batch_bytes(struct server *server)
{
    /* Below the largest batch by more than the longest line with its strings, so that no line ever
     * meets a full one. */
    const size_t most = PHUSA_BATCH_BYTES_MAX - (2u << 20);
    const size_t count = atomic_load_explicit(&server->gathering_count, memory_order_relaxed);
    const size_t share = GATHERING_BYTES_MAX / (count == 0 ? 1 : count);
    return share > most ? most : share < GATHERING_BYTES_MIN ? GATHERING_BYTES_MIN : share;
}

phusa_status server_stop(struct server *server)
{
    if (server == NULL) return PHUSA_OK;
    atomic_store(&server->stopping, true);
    end_loops(server); /* ends when everything in flight has come back */
    workers_free(server->workers);
    workers_free(server->housekeeper);
    const phusa_status status = phusa_close(server->db);
    free(server);
    return status;
}
