/*
 * service.c - children, and what /proc says about them.
 */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "http.h"

#define START_S_MAX  60
#define STOP_S_MAX   60
#define SETTLE_S_MAX 600
#define REST_S       10 /* of no work: influxd has settled */

static char scratch[400];
static struct service *running;

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void clean_up(void)
{
    struct service *const service = running;
    if (service != NULL) service_stop(service);
    remove_tree(scratch);
}

/* All other threads have signals blocked; exit() runs clean_up(). */
static void *wait_for_signal(void *context)
{
    int number;
    sigwait(context, &number);
    bench_ending();
    exit(128 + number);
}

void service_setup(const char *scratch_parent)
{
    static sigset_t signals;
    pthread_t thread;
    snprintf(scratch, sizeof scratch, "%s/scratch.XXXXXX", scratch_parent);
    if (mkdtemp(scratch) == NULL)
        bench_fail("cannot make a directory in %s: %s", scratch_parent, strerror(errno));
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    atexit(clean_up);
    if (pthread_create(&thread, NULL, wait_for_signal, &signals) != 0) bench_fail("no thread");
    pthread_detach(thread);
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &address_bytes) != 0)
        bench_fail("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

static void spawn(struct service *service, char *const *arguments)
{
    char log[600];
    snprintf(log, sizeof log, "%s/log", service->dir);
    service->pid = fork();
    if (service->pid < 0) bench_fail("fork: %s", strerror(errno));
    if (service->pid > 0) return;

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* Ctrl-C reaches it through the bench only */
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    execvp(arguments[0], arguments);
    _exit(127);
}

static void spawn_phusa(struct service *service, const char *program_dir)
{
    char program[600], data[600], http[40];
    snprintf(program, sizeof program, "%s/phusad", program_dir);
    snprintf(data, sizeof data, "%s/data", service->dir);
    snprintf(http, sizeof http, "127.0.0.1:%u", service->port);
    char *const arguments[] = {program, "--data-dir", data,  "--http-bind",
                               http,    "--tcp-bind", "off", NULL};
    spawn(service, arguments);
}

/* Its defaults, but for where things are, and for compacting soon after the last write. */
static void spawn_influxdb(struct service *service)
{
    char path[600];
    snprintf(path, sizeof path, "%s/influxdb.conf", service->dir);
    FILE *const file = fopen(path, "w");
    if (file == NULL) bench_fail("cannot write %s: %s", path, strerror(errno));
    fprintf(file,
            "reporting-disabled = true\nbind-address = \"127.0.0.1:%u\"\n"
            "[meta]\n  dir = \"%s/meta\"\n"
            "[data]\n  dir = \"%s/data\"\n  wal-dir = \"%s/wal\"\n  query-log-enabled = false\n"
            "  cache-snapshot-write-cold-duration = \"5s\"\n"
            "  compact-full-write-cold-duration = \"10s\"\n"
            "[monitor]\n  store-enabled = false\n"
            "[http]\n  bind-address = \"127.0.0.1:%u\"\n  log-enabled = false\n",
            free_port(), service->dir, service->dir, service->dir, service->port);
    fclose(file);
    char *const arguments[] = {"influxd", "-config", path, NULL};
    spawn(service, arguments);
}

static void wait_until_up(const struct service *service)
{
    for (int i = 0; i < START_S_MAX * 20; i++) {
        if (http_is_up(service->port)) return;
        if (waitpid(service->pid, NULL, WNOHANG) == service->pid) {
            running = NULL;
            bench_fail("%s did not start", service->name);
        }
        usleep(50000);
    }
    bench_fail("%s does not answer after %d s", service->name, START_S_MAX);
}

void service_start(struct service *service, enum service_kind kind, const char *program_dir)
{
    *service = (struct service){.kind = kind, .port = free_port()};
    service->name = kind == SERVICE_PHUSA ? "phusa" : "influxdb";
    snprintf(service->dir, sizeof service->dir, "%s/%s", scratch, service->name);
    if (mkdir(service->dir, 0755) != 0) bench_fail("mkdir %s: %s", service->dir, strerror(errno));
    if (kind == SERVICE_PHUSA)
        spawn_phusa(service, program_dir);
    else
        spawn_influxdb(service);
    running = service;
    wait_until_up(service);
}

void service_stop(struct service *service)
{
    if (running != service) return;
    running = NULL;
    kill(service->pid, SIGTERM);
    for (int i = 0; i < STOP_S_MAX * 20; i++) {
        if (waitpid(service->pid, NULL, WNOHANG) != 0) goto out;
        usleep(50000);
    }
    kill(service->pid, SIGKILL);
    waitpid(service->pid, NULL, 0);
out:
    remove_tree(service->dir);
}

/* The number behind `name` in a file of /proc. */
static uint64_t read_number(pid_t pid, const char *file, const char *name)
{
    char path[64], line[512];
    uint64_t number = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *const from = fopen(path, "r");
    if (from == NULL) bench_fail("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, from) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            number = strtoull(line + strlen(name), NULL, 10);
    fclose(from);
    return number;
}

static uint64_t read_cpu_ns(pid_t pid)
{
    char path[64], line[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *const from = fopen(path, "r");
    if (from == NULL || fgets(line, sizeof line, from) == NULL) bench_fail("cannot read %s", path);
    fclose(from);
    unsigned long user, system;
    const char *const behind_name = strrchr(line, ')');
    if (behind_name == NULL ||
        sscanf(behind_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        bench_fail("cannot understand %s", path);
    return (uint64_t)(user + system) * (uint64_t)NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

void service_usage(const struct service *service, struct service_usage *usage)
{
    usage->cpu_ns = read_cpu_ns(service->pid);
    usage->peak_rss_bytes = read_number(service->pid, "status", "VmHWM:") * 1024;
    usage->written_bytes = read_number(service->pid, "io", "write_bytes:");
}

static struct service_sizes counted; /* nftw() has no context */

static int count_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    if (type != FTW_F) return 0;
    const uint64_t bytes = (uint64_t)status->st_blocks * 512;
    if (strstr(path, "/wal/") != NULL)
        counted.wal_bytes += bytes;
    else if (strcmp(path + ftw->base, "log") != 0)
        counted.other_bytes += bytes;
    return 0;
}

void service_sizes(const struct service *service, struct service_sizes *sizes)
{
    counted = (struct service_sizes){0};
    (void)nftw(service->dir, count_entry, 16, FTW_PHYS);
    *sizes = counted;
}

static void settle_phusa(const struct service *service)
{
    struct http http;
    http_init(&http, service->port);
    const int status = http_request(&http, "POST", "/api/v1/admin/seal", "", NULL, 0);
    if (status != 204) bench_fail("seal: %d %s", status, http.body);
    http_deinit(&http);
}

void service_settle(const struct service *service)
{
    if (service->kind == SERVICE_PHUSA) {
        settle_phusa(service);
        return;
    }
    int rested_s = 0;
    for (int i = 0; i < SETTLE_S_MAX && rested_s < REST_S; i++) {
        const uint64_t before_ns = read_cpu_ns(service->pid);
        sleep(1);
        rested_s = read_cpu_ns(service->pid) - before_ns < 30000000 ? rested_s + 1 : 0;
        bench_progress("%s settles: %d s", service->name, i);
    }
}
