/*
 * main.c - phusad: settings, signals, exit codes.
 *
 *     SIGTERM, SIGINT   answer what is in flight, flush, end with 0; a second one ends at once,
 *                       which loses nothing that was acknowledged, nor does a flush that takes
 *                       longer than 5 s and is left undone
 *     SIGHUP            open the log file anew
 *
 * Exit codes: 0 ended as asked, 1 could not start or could not flush, 2 wrong usage.
 */
#include "bounds.h"
#include "config.h"
#include "inspect.h"
#include "logger.h"
#include "server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_ready(const struct server *server)
{
    struct phusa_stats stats;
    phusa_stats(server->db, &stats);
    char http[100] = "off", tcp[100] = "off";
    if (!server->http_bind.off)
        snprintf(http, sizeof http, "%s:%u", server->http_bind.host, server->http_bind.port);
    if (!server->tcp_bind.off)
        snprintf(tcp, sizeof tcp, "%s:%u", server->tcp_bind.host, server->tcp_bind.port);
    printf("phusad %s ready: http %s, tcp %s, data %s, %llu series, started in %.2f s\n",
           phusa_version(), http, tcp, server->config->data_dir, (unsigned long long)stats.series,
           (double)server->start_ns / (double)SECOND_NS);
    fflush(stdout);
}

static void warn_open_doors(const struct config *config, struct logger *logger)
{
    const struct address *const doors[] = {&config->http_bind, &config->tcp_bind};
    for (int i = 0; i < 2; i++)
        if (!address_is_loopback(doors[i]))
            logger_write(logger, PHUSA_LOG_WARN, "no_authentication",
                         "door=%s bind=%s:%u msg=\"anyone who reaches this address may read and "
                         "change everything: there is no authentication yet\"",
                         i == 0 ? "http" : "tcp", doors[i]->host, doors[i]->port);
}

/* Until SIGTERM or SIGINT. */
static void wait_for_end(const sigset_t *signals, struct logger *logger)
{
    while (true) {
        const int signal_number = sigwaitinfo(signals, NULL);
        if (signal_number == SIGTERM || signal_number == SIGINT) {
            logger_write(logger, PHUSA_LOG_INFO, "stopping", "signal=%d", signal_number);
            return;
        }
        if (signal_number != SIGHUP) continue;
        if (logger_reopen(logger))
            logger_write(logger, PHUSA_LOG_INFO, "log_reopened", "signal=%d", signal_number);
        else
            logger_write(logger, PHUSA_LOG_ERROR, "log_reopen_failed", "error=\"%s\"",
                         strerror(errno));
    }
}

/* The promise is 5 s. What a flush has not done by then, replay does at the next start. */
static void *watch_stop(void *context)
{
    usleep(STOP_MS_MAX * 1000);
    logger_write(context, PHUSA_LOG_WARN, "stopped",
                 "flush=\"unfinished\" msg=\"the log will be replayed at the next start\"");
    _exit(0);
}

static int serve(const struct config *config)
{
    struct logger *logger = logger_open(config->log_file, config->log_level);
    if (logger == NULL) {
        fprintf(stderr, "phusad: cannot open the log file %s: %s\n", config->log_file,
                strerror(errno));
        return 1;
    }
    /* Before any thread is made, so that all inherit it: signals are waited for, never delivered.
     */
    sigset_t signals, stops;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    char error[PHUSA_ERROR_TEXT_BYTES + 100] = "";
    struct server *server = server_start(config, logger, error, sizeof error);
    if (server == NULL) {
        fprintf(stderr, "phusad: %s\n", error);
        logger_close(logger);
        return 1;
    }
    warn_open_doors(config, logger);
    print_ready(server);
    wait_for_end(&signals, logger);

    /* From here a second signal kills. */
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_UNBLOCK, &stops, NULL);
    pthread_t watch;
    if (pthread_create(&watch, NULL, watch_stop, logger) == 0) pthread_detach(watch);
    const phusa_status status = server_stop(server);
    logger_write(logger, status == PHUSA_OK ? PHUSA_LOG_INFO : PHUSA_LOG_ERROR, "stopped",
                 "flush=\"%s\"", phusa_status_text(status));
    logger_close(logger);
    return status == PHUSA_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && inspect_knows(argv[1])) {
        if (argc == 3) return inspect_run(argv[1], argv[2]);
        fprintf(stderr, "usage: phusad %s DIR\n", argv[1]);
        return 2;
    }
    struct config config;
    char error[800] = "";
    int code = 2;
    switch (config_read(&config, argc, argv, error, sizeof error)) {
    case CONFIG_RUN:
        code = serve(&config);
        break;
    case CONFIG_HELP:
        fputs(config_help(), stdout);
        code = 0;
        break;
    case CONFIG_VERSION:
        printf("phusad %s (%s)\n", phusa_version(), phusa_commit());
        code = 0;
        break;
    case CONFIG_BAD:
        fprintf(stderr, "phusad: %s\n", error);
        break;
    }
    config_deinit(&config);
    return code;
}
