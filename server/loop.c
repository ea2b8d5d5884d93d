/* loop.c - see loop.h. */
#include "loop.h"
#include "bounds.h"
#include "clocks.h"
#include "conn.h"
#include "serve.h"
#include "tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- listeners ---- */

static void accept_at(uv_stream_t *listener, int status, const struct door *door, unsigned which)
{
    struct loop *loop = listener->data;
    struct server *server = loop->server;
    if (status < 0) {
        logger_write(server->logger, PHUSA_LOG_WARN, "accept_failed", "error=%s",
                     uv_err_name(status));
        return;
    }
    atomic_fetch_add(&server->counters.connections_total[which], 1);
    if (atomic_load(&server->connection_count) >= server->config->connections_max) {
        atomic_fetch_add(&server->counters.connections_refused, 1);
        logger_write(server->logger, PHUSA_LOG_WARN, "connections_full", "max=%u",
                     server->config->connections_max);
        door = which == 0 ? &serve_full_door : &tcp_full_door;
    }
    conn_accept(loop, listener, door);
}

static void on_http(uv_stream_t *listener, int status)
{
    accept_at(listener, status, &serve_door, 0);
}

static void on_tcp(uv_stream_t *listener, int status)
{
    accept_at(listener, status, &tcp_door, 1);
}

static socklen_t socket_address(const struct address *address, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    const char *host = strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)address->port);
        return sizeof *four;
    }
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)address->port);
        return sizeof *six;
    }
    return 0;
}

/* A bound socket, or -1 with errno set. Made by hand because libuv cannot ask for SO_REUSEPORT. */
static int bind_socket(const struct address *address, bool shared, unsigned *port)
{
    struct sockaddr_storage name;
    socklen_t size = socket_address(address, &name);
    if (size == 0) {
        errno = EINVAL;
        return -1;
    }
    const int fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const int yes = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) goto failed;
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0) goto failed;
    if (bind(fd, (struct sockaddr *)&name, size) != 0) goto failed;
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0) goto failed;
    *port = ntohs(name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port
                                            : ((struct sockaddr_in6 *)&name)->sin6_port);
    return fd;
failed:;
    const int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

/* The first loop's port, if any would do, becomes that of all. */
static bool listen_at(struct loop *loop, uv_tcp_t *listener, struct address *address,
                      uv_connection_cb accept, char *error, size_t error_bytes)
{
    listener->data = loop;
    if (address->off) return true;
    const int fd = bind_socket(address, loop->server->config->loop_threads > 1, &address->port);
    int status = fd < 0 ? -errno : uv_tcp_open(listener, fd);
    if (status == 0) {
        status = uv_listen((uv_stream_t *)listener, LISTEN_BACKLOG, accept);
    } else if (fd >= 0) {
        close(fd);
    }
    if (status != 0)
        snprintf(error, error_bytes, "cannot listen on %s:%u: %s", address->host, address->port,
                 uv_strerror(status));
    return status == 0;
}

/* ---- mail ---- */

void loop_post(struct loop *loop, struct mail *mail)
{
    pthread_mutex_lock(&loop->mail_mutex);
    mail->next = NULL;
    *loop->mail_last = mail;
    loop->mail_last = &mail->next;
    /* Under the mutex: once the loop has seen this mail it may end, and its handle with it. */
    uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->mail_mutex);
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    pthread_mutex_lock(&loop->mail_mutex);
    struct mail *mail = loop->mail_first;
    loop->mail_first = NULL;
    loop->mail_last = &loop->mail_first;
    pthread_mutex_unlock(&loop->mail_mutex);
    while (mail != NULL) {
        struct mail *next = mail->next; /* run() may free or post it again */
        mail->run(mail);
        mail = next;
    }
    loop_check_stop(loop);
}

void loop_errand_begin(struct loop *loop)
{
    loop->pending++;
}

void loop_errand_end(struct loop *loop)
{
    loop->pending--;
    loop_check_stop(loop);
}

/* ---- clockwork ---- */

int64_t loop_now_ns(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv) * MILLISECOND_NS;
}

struct phusa_text loop_date(struct loop *loop)
{
    const int64_t now_s = wall_ns() / SECOND_NS;
    if (now_s != loop->date_s) {
        const time_t time = (time_t)now_s;
        struct tm parts;
        gmtime_r(&time, &parts);
        /* strftime would ask the locale for the names. */
        static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        const int size =
            snprintf(loop->date, sizeof loop->date, "%s, %02d %s %d %02d:%02d:%02d GMT",
                     days[parts.tm_wday], parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
        loop->date_bytes = (size_t)size;
        loop->date_s = now_s;
    }
    return (struct phusa_text){loop->date, loop->date_bytes};
}

static void on_tick(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    const int64_t now_ns = loop_now_ns(loop);
    for (struct conn *conn = loop->conns, *next; conn != NULL; conn = next) {
        next = conn->next; /* connections leave the list only between turns */
        conn_tick(conn, now_ns);
    }
    if (loop->stopping && now_ns > loop->stop_deadline_ns) {
        for (struct conn *conn = loop->conns, *next; conn != NULL; conn = next) {
            next = conn->next;
            conn_close(conn);
        }
    }
}

static void on_alarm(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    const int64_t now_ns = monotonic_ns();
    int64_t soonest_ns = INT64_MAX;
    for (struct conn *conn = loop->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->alarm_ns != 0 && conn->alarm_ns <= now_ns) conn_ring(conn);
        if (conn->alarm_ns != 0 && conn->alarm_ns < soonest_ns) soonest_ns = conn->alarm_ns;
    }
    if (soonest_ns == INT64_MAX) return;
    const int64_t left_ns = soonest_ns - now_ns;
    loop_alarm_set(loop, left_ns <= 0 ? 1 : (uint64_t)(left_ns / MILLISECOND_NS) + 1);
}

void loop_alarm_set(struct loop *loop, uint64_t after_ms)
{
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, after_ms, 0);
}

static void on_turn(uv_idle_t *turn)
{
    struct loop *loop = turn->data;
    uv_idle_stop(turn); /* who yields again starts it again */
    for (struct conn *conn = loop->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        conn_turn(conn);
    }
}

static void on_count(uv_check_t *count)
{
    struct loop *loop = count->data;
    loop->turn_count++;
}

void loop_turn_again(struct loop *loop)
{
    uv_idle_start(&loop->turn, on_turn);
}

/* ---- beginning and end ---- */

static void close_all(struct loop *loop)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&loop->http_listener, (uv_handle_t *)&loop->tcp_listener,
        (uv_handle_t *)&loop->wake,          (uv_handle_t *)&loop->tick,
        (uv_handle_t *)&loop->alarm,         (uv_handle_t *)&loop->turn,
        (uv_handle_t *)&loop->count,
    };
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (!uv_is_closing(handles[i])) uv_close(handles[i], NULL);
}

void loop_check_stop(struct loop *loop)
{
    if (!loop->stopping || loop->conn_count > 0 || loop->pending > 0) return;
    close_all(loop);
}

static void on_stop(struct mail *mail)
{
    struct loop *loop = (struct loop *)((char *)mail - offsetof(struct loop, stop_mail));
    loop->stopping = true;
    loop->stop_deadline_ns = loop_now_ns(loop) + STOP_NS;
    uv_close((uv_handle_t *)&loop->http_listener, NULL);
    uv_close((uv_handle_t *)&loop->tcp_listener, NULL);
    for (struct conn *conn = loop->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state == CONN_OPEN)
            conn->door->stop(conn);
        else if (conn->state == CONN_LINGER && conn->flying_bytes == 0)
            conn_close(conn);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stop_mail.run = on_stop;
    loop_post(loop, &loop->stop_mail);
}

bool loop_init(struct loop *loop, struct server *server, char *error, size_t error_bytes)
{
    *loop = (struct loop){.server = server};
    loop->read_bytes = malloc(READ_BYTES);
    if (loop->read_bytes == NULL || uv_loop_init(&loop->uv) != 0) {
        snprintf(error, error_bytes, "no memory for a loop thread");
        free(loop->read_bytes);
        return false;
    }
    pthread_mutex_init(&loop->mail_mutex, NULL);
    loop->mail_last = &loop->mail_first;
    uv_async_init(&loop->uv, &loop->wake, on_wake);
    uv_timer_init(&loop->uv, &loop->tick);
    uv_timer_init(&loop->uv, &loop->alarm);
    uv_idle_init(&loop->uv, &loop->turn);
    uv_check_init(&loop->uv, &loop->count);
    loop->wake.data = loop->tick.data = loop->alarm.data = loop->turn.data = loop->count.data =
        loop;

    uv_tcp_init(&loop->uv, &loop->http_listener);
    uv_tcp_init(&loop->uv, &loop->tcp_listener);
    uv_check_start(&loop->count, on_count);
    if (listen_at(loop, &loop->http_listener, &server->http_bind, on_http, error, error_bytes) &&
        listen_at(loop, &loop->tcp_listener, &server->tcp_bind, on_tcp, error, error_bytes) &&
        uv_timer_start(&loop->tick, on_tick, TICK_MS, TICK_MS) == 0)
        return true;
    close_all(loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    pthread_mutex_destroy(&loop->mail_mutex);
    free(loop->read_bytes);
    return false;
}

static void *loop_main(void *context)
{
    struct loop *loop = context;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    return NULL;
}

bool loop_start(struct loop *loop)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failure = pthread_create(&loop->thread, NULL, loop_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure == 0;
}

void loop_join(struct loop *loop)
{
    pthread_join(loop->thread, NULL);
    uv_loop_close(&loop->uv);
    pthread_mutex_destroy(&loop->mail_mutex);
    free(loop->read_bytes);
}
