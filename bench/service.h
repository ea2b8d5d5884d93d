/*
 * service.h - the server under test: a child process on a scratch directory.
 *
 * Ownership  at most SERVICE_COUNT_MAX at a time; service_stop() ends one by SIGTERM, removes its
 *            directory, and so does the end of the program, whatever way it comes. A killed bench
 *            takes its children with it.
 * Threads    one.
 * Errors     the program ends.
 */
#ifndef PHUSA_BENCH_SERVICE_H
#define PHUSA_BENCH_SERVICE_H

#include <stdint.h>
#include <sys/types.h>

enum service_kind { SERVICE_PHUSA, SERVICE_INFLUXDB };

struct service {
    enum service_kind kind;
    const char *name;
    char version[128];
    char dir[512];
    pid_t pid;
    uint16_t port; /* of HTTP */
};

/* What the kernel counted of a process. */
struct service_usage {
    uint64_t cpu_ns;
    uint64_t peak_rss_bytes;
    uint64_t written_bytes;
};

struct service_sizes { /* on disk, blocks */
    uint64_t wal_bytes, other_bytes;
};

/* Once, before the first: ends services and scratch at the end of the program and on signals.
 * `scratch_parent` must be on a real disk: a sync in memory costs nothing. */
void service_setup(const char *scratch_parent);

/* `program_dir`: where phusad is. Returns when the server answers. */
void service_start(struct service *service, enum service_kind kind, const char *program_dir);
void service_stop(struct service *service);

void service_usage(const struct service *service, struct service_usage *usage);
void service_sizes(const struct service *service, struct service_sizes *sizes);

/* Everything acknowledged is in its final form when this returns: phusa is told to seal, influxd
 * is watched until it has compacted and rests. */
void service_settle(const struct service *service);

#endif
