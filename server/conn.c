/* conn.c - see conn.h. */
#include "conn.h"
#include "bounds.h"
#include "clocks.h"

#include <assert.h>
#include <stdlib.h>

struct sending {
    uv_write_t request;
    struct conn *conn;
    char *bytes;
    size_t size_bytes;
};

static void read_start(struct conn *conn);

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    struct loop *loop = conn->loop;
    conn->door->gone(conn);
    if (conn->next != NULL) conn->next->prev = conn->prev;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        loop->conns = conn->next;
    loop->conn_count--;
    atomic_fetch_sub(&loop->server->connection_count, 1);
    outbuf_deinit(&conn->input);
    outbuf_deinit(&conn->output);
    free(conn);
    loop_check_stop(loop);
}

void conn_close(struct conn *conn)
{
    if (conn->state == CONN_CLOSED) return;
    conn->state = CONN_CLOSED;
    conn->alarm_ns = 0;
    uv_close((uv_handle_t *)&conn->socket, on_closed);
}

/* ---- output ---- */

/* Only on_sent() calls drained(), so that a door is never called from inside its own sending;
 * above_high is set only while something flies, so that on_sent() will come. */
static void moved(struct conn *conn)
{
    conn->progress_ns = loop_now_ns(conn->loop);
    if (!conn->above_high || conn_unsent(conn) > WRITE_LOW_BYTES) return;
    conn->above_high = false;
    if (conn->state == CONN_OPEN && conn->door->drained != NULL) conn->door->drained(conn);
}

static void on_sent(uv_write_t *request, int status)
{
    struct sending *sending = request->data;
    struct conn *conn = sending->conn;
    conn->flying_bytes -= sending->size_bytes;
    free(sending->bytes);
    free(sending);
    if (conn->state == CONN_CLOSED) return;
    if (status < 0) {
        conn_close(conn);
        return;
    }
    moved(conn);
}

/* Hand bytes, which it owns, to the socket. */
static void hand_over(struct conn *conn, char *bytes, size_t size_bytes)
{
    struct sending *sending = NULL;
    size_t sent_bytes = 0;
    if (bytes == NULL || size_bytes == 0 || conn->state == CONN_CLOSED) goto out;
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)size_bytes);
    uv_stream_t *stream = (uv_stream_t *)&conn->socket;
    if (conn->flying_bytes == 0) {
        /* Most answers fit the kernel's buffer: no request, no callback. */
        const int tried = uv_try_write(stream, &buffer, 1);
        if (tried < 0 && tried != UV_EAGAIN) {
            conn_close(conn);
            goto out;
        }
        if (tried > 0) sent_bytes = (size_t)tried;
        if (sent_bytes == size_bytes) {
            conn->progress_ns = loop_now_ns(conn->loop);
            goto out;
        }
    }
    sending = malloc(sizeof *sending);
    if (sending == NULL) {
        conn_close(conn);
        goto out;
    }
    *sending =
        (struct sending){.conn = conn, .bytes = bytes, .size_bytes = size_bytes - sent_bytes};
    sending->request.data = sending;
    buffer = uv_buf_init(bytes + sent_bytes, (unsigned)(size_bytes - sent_bytes));
    if (conn->flying_bytes == 0) conn->progress_ns = loop_now_ns(conn->loop);
    if (uv_write(&sending->request, stream, &buffer, 1, on_sent) != 0) {
        conn_close(conn);
        goto out;
    }
    conn->flying_bytes += sending->size_bytes;
    if (conn->flying_bytes > WRITE_HIGH_BYTES) conn->above_high = true;
    return;
out:
    free(sending);
    free(bytes);
}

struct outbuf *conn_output(struct conn *conn)
{
    return &conn->output;
}

void conn_flush(struct conn *conn)
{
    if (conn->output.bad) {
        conn_close(conn); /* an answer with a hole in it is worse than none */
        return;
    }
    if (conn->output.size_bytes == 0) return;
    size_t size_bytes;
    char *bytes = outbuf_take(&conn->output, &size_bytes);
    hand_over(conn, bytes, size_bytes);
}

void conn_send(struct conn *conn, char *bytes, size_t size_bytes)
{
    conn_flush(conn);
    hand_over(conn, bytes, size_bytes);
}

bool conn_is_full(struct conn *conn)
{
    conn_flush(conn);
    if (conn->flying_bytes <= WRITE_HIGH_BYTES) return false;
    conn->above_high = true;
    return true;
}

size_t conn_unsent(const struct conn *conn)
{
    return conn->flying_bytes + conn->output.size_bytes;
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct conn *conn = request->data;
    if (conn->state == CONN_CLOSED) return;
    if (status < 0 || conn->eof) {
        conn_close(conn);
        return;
    }
    conn->deadline_ns = loop_now_ns(conn->loop) + LINGER_NS;
}

void conn_finish(struct conn *conn)
{
    if (conn->state != CONN_OPEN) return;
    conn_flush(conn);
    if (conn->state == CONN_CLOSED) return;
    conn->state = CONN_LINGER;
    conn->alarm_ns = 0;
    conn->deadline_ns = 0; /* the output has its own, WRITE_STALL_NS */
    conn->shutdown.data = conn;
    if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->socket, on_shutdown) != 0) {
        conn_close(conn);
        return;
    }
    read_start(conn);
}

/* ---- input ---- */

/* Let the door use bytes, perhaps none but what it kept itself; returns how many it did. */
static size_t feed(struct conn *conn, const char *bytes, size_t size_bytes)
{
    if (conn->state != CONN_OPEN || conn->hold != HOLD_NONE) return 0;
    const size_t used = conn->door->input(conn, bytes, size_bytes);
    assert(used <= size_bytes);
    return used;
}

static void read_stop(struct conn *conn)
{
    if (!conn->reading) return;
    uv_read_stop((uv_stream_t *)&conn->socket);
    conn->reading = false;
}

/* Afterwards: send what was gathered, and read or not as the door's hold says. */
static void settle(struct conn *conn)
{
    if (conn->state == CONN_CLOSED) return;
    conn_flush(conn);
    if (conn->state != CONN_OPEN) return;
    if (conn->input.bad) {
        conn_close(conn);
        return;
    }
    if (conn->input.size_bytes == 0) outbuf_deinit(&conn->input);
    if (conn->hold == HOLD_YIELD) loop_turn_again(conn->loop);
    const bool wants = conn->hold == HOLD_NONE ||
                       (conn->hold == HOLD_WAIT && conn->input.size_bytes < PAUSED_INPUT_BYTES);
    if (wants && !conn->eof && !conn->resting)
        read_start(conn);
    else
        read_stop(conn);
}

/* Use the input that was kept. */
static void pump(struct conn *conn)
{
    const size_t used = feed(conn, conn->input.bytes, conn->input.size_bytes);
    outbuf_shift(&conn->input, used);
    settle(conn);
}

void conn_resume(struct conn *conn)
{
    if (conn->state != CONN_OPEN) return;
    conn->hold = HOLD_NONE;
    pump(conn);
}

void conn_turn(struct conn *conn)
{
    if (conn->state != CONN_OPEN) return;
    const bool rested = conn->resting;
    conn->resting = false;
    if (conn->hold == HOLD_YIELD)
        conn_resume(conn);
    else if (rested)
        settle(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *buffer)
{
    struct conn *conn = handle->data;
    size_t size_bytes = READ_BYTES;
    if (conn->hold == HOLD_WAIT) size_bytes = PAUSED_INPUT_BYTES - conn->input.size_bytes;
    *buffer = uv_buf_init(conn->loop->read_bytes, (unsigned)size_bytes);
}

static void drop_input(struct conn *conn, ssize_t size)
{
    if (size > 0) conn->dropped_bytes += (size_t)size;
    if (size < 0 || conn->dropped_bytes > LINGER_BYTES_MAX) {
        if (conn->flying_bytes > 0 && size == UV_EOF) {
            conn->eof = true; /* the answer is still on its way */
            read_stop(conn);
            return;
        }
        conn_close(conn);
    }
}

/* Enough for this turn of the loop? */
static void count_read(struct conn *conn, size_t size_bytes)
{
    if (conn->turn != conn->loop->turn_count) {
        conn->turn = conn->loop->turn_count;
        conn->turn_bytes = 0;
    }
    conn->turn_bytes += size_bytes;
    if (conn->turn_bytes < TURN_READ_BYTES) return;
    conn->resting = true;
    read_stop(conn);
    loop_turn_again(conn->loop);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct conn *conn = stream->data;
    if (size == 0 || conn->state == CONN_CLOSED) return;
    if (conn->state == CONN_LINGER) {
        drop_input(conn, size);
        return;
    }
    if (size == UV_EOF) {
        conn->eof = true;
        read_stop(conn);
        conn->door->eof(conn);
        settle(conn);
        return;
    }
    if (size < 0) {
        conn_close(conn);
        return;
    }
    count_read(conn, (size_t)size);
    if (conn->input.size_bytes > 0 || conn->hold != HOLD_NONE) {
        outbuf_put(&conn->input, buffer->base, (size_t)size);
        pump(conn);
        return;
    }
    /* The common case copies nothing: the door uses all of it where it was read. */
    const size_t used = feed(conn, buffer->base, (size_t)size);
    if (conn->state == CONN_OPEN)
        outbuf_put(&conn->input, buffer->base + used, (size_t)size - used);
    settle(conn);
}

static void read_start(struct conn *conn)
{
    if (conn->reading) return;
    if (uv_read_start((uv_stream_t *)&conn->socket, on_alloc, on_read) != 0) {
        conn_close(conn);
        return;
    }
    conn->reading = true;
}

/* ---- clockwork ---- */

void conn_tick(struct conn *conn, int64_t now_ns)
{
    if (conn->state == CONN_CLOSED) return;
    if (conn->flying_bytes > 0 &&
        now_ns - conn->progress_ns > conn->loop->server->config->deadlines.write_stall_ns) {
        conn_close(conn);
        return;
    }
    if (conn->deadline_ns == 0 || now_ns < conn->deadline_ns) return;
    conn->deadline_ns = 0;
    if (conn->state == CONN_LINGER) {
        conn_close(conn);
        return;
    }
    conn->door->deadline(conn);
    settle(conn);
}

void conn_alarm(struct conn *conn, int64_t after_ns)
{
    struct loop *loop = conn->loop;
    if (after_ns == 0) {
        conn->alarm_ns = 0;
        return;
    }
    conn->alarm_ns = monotonic_ns() + after_ns;
    const uint64_t after_ms = (uint64_t)((after_ns + MILLISECOND_NS - 1) / MILLISECOND_NS);
    if (!uv_is_active((uv_handle_t *)&loop->alarm) || uv_timer_get_due_in(&loop->alarm) > after_ms)
        loop_alarm_set(loop, after_ms);
}

void conn_ring(struct conn *conn)
{
    conn->alarm_ns = 0;
    if (conn->state != CONN_OPEN) return;
    conn->door->alarm(conn);
    settle(conn);
}

/* ---- beginning ---- */

static struct conn *conn_create(struct loop *loop, const struct door *door)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) return NULL;
    if (uv_tcp_init(&loop->uv, &conn->socket) != 0) {
        free(conn);
        return NULL;
    }
    conn->socket.data = conn;
    conn->loop = loop;
    conn->door = door;
    conn->next = loop->conns;
    if (conn->next != NULL) conn->next->prev = conn;
    loop->conns = conn;
    loop->conn_count++;
    atomic_fetch_add(&loop->server->connection_count, 1);
    return conn;
}

void conn_accept(struct loop *loop, uv_stream_t *listener, const struct door *door)
{
    struct conn *conn = conn_create(loop, door);
    if (conn == NULL) return; /* libuv keeps the connection; the next one wakes us again */
    if (uv_accept(listener, (uv_stream_t *)&conn->socket) != 0) {
        conn_close(conn);
        return;
    }
    uv_tcp_nodelay(&conn->socket, 1);
    uv_tcp_keepalive(&conn->socket, 1, PROBE_S);
    conn->progress_ns = loop_now_ns(loop);
    if (!door->open(conn)) {
        conn_close(conn);
        return;
    }
    settle(conn);
}
