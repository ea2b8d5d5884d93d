/*
 * config.h - the settings of phusad: from the command line, before those of a YAML file, before the
 * defaults.
 *
 *     data-dir: /var/lib/phusa
 *     http-bind: 127.0.0.1:8086
 *     tcp-bind: 127.0.0.1:9009      # "off": no raw door
 *     log-file: /var/log/phusad.log # none: stderr
 *     log-level: info               # error, warn, info, debug
 *     connections-max: 4096
 *     loop-threads: 1
 *     query-threads: 2
 *     head-bytes-max: 268435456     # 0: a quarter of memory, 256 MiB at most
 *     query-bytes-max: 268435456
 *     query-seconds-max: 30
 *     open-files-max: 256
 */
#ifndef PHUSAD_CONFIG_H
#define PHUSAD_CONFIG_H

#include "phusa.h"

#define ADDRESS_BYTES 64
struct address {
    char host[ADDRESS_BYTES]; /* a numeric IPv4 or IPv6 address, or "localhost" */
    unsigned port;            /* 0: any */
    bool off;
};

/* Tests shorten them; there is no option for them. The defaults are in bounds.h. */
struct deadlines {
    int64_t head_ns;        /* from its first byte to its last */
    int64_t body_idle_ns;   /* between two pieces of a body */
    int64_t keep_alive_ns;  /* between two requests */
    int64_t write_stall_ns; /* of a client that takes none of its answer */
    int64_t busy_ns;        /* of back-pressure before a 503 */
};

struct config {
    char *data_dir;
    struct address http_bind;
    struct address tcp_bind;
    char *log_file; /* NULL: stderr */
    enum phusa_log_level log_level;
    unsigned connections_max;
    unsigned loop_threads;
    unsigned query_threads;
    uint64_t head_bytes_max;
    uint64_t query_bytes_max;
    unsigned query_seconds_max;
    unsigned open_files_max;
    struct deadlines deadlines;
};

enum config_outcome { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_BAD };
/* Fill *config, to be freed with config_deinit() whatever the outcome. CONFIG_BAD: *error says what
 * is wrong, with file and line where there is one. */
enum config_outcome config_read(struct config *config, int argc, char **argv, char *error,
                                size_t error_bytes);
void config_deinit(struct config *config);
void config_defaults(struct config *config);
const char *config_help(void);
/* Whether only this machine can reach it. */
bool address_is_loopback(const struct address *address);

#endif
