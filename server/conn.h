/*
 * conn.h - a connection: bytes in with back-pressure, bytes out with bounds, deadlines.
 *
 * What the bytes mean is its door's affair (HTTP or raw line protocol). The door uses as much of
 * the input as it can and says through conn->hold why it stopped.
 *
 *             bytes                 +--------------------------------+
 *   OPEN  <----------- socket       | hold  NONE   wants more bytes  |
 *    |  conn_finish()               |       YIELD  more work, later  |
 *    v                              |       WAIT   conn_resume() will|
 *   LINGER: output sent, write side |              come; watch for   |
 *    |  shut; input read and dropped|              the client leaving|
 *    |  end of input or LINGER_NS   |       STOP   the same, reading |
 *    v                              |              nothing meanwhile |
 *   CLOSED <- conn_close()          +--------------------------------+
 *
 * Ownership  The loop owns connections; a door owns conn->session. A connection outlives
 *            conn_close() until the end of the loop's turn, so callers check conn->state after
 *            anything that may close.
 * Threads    its loop's.
 */
#ifndef PHUSAD_CONN_H
#define PHUSAD_CONN_H

#include "loop.h"
#include "outbuf.h"

enum conn_state { CONN_OPEN, CONN_LINGER, CONN_CLOSED };
enum conn_hold { HOLD_NONE, HOLD_YIELD, HOLD_WAIT, HOLD_STOP };

struct door {
    bool (*open)(struct conn *conn); /* false without memory */
    /* Use input, as much as possible; returns how many bytes. size_bytes is 0 when a hold is over
     * and nothing has come meanwhile. */
    size_t (*input)(struct conn *conn, const char *bytes, size_t size_bytes);
    void (*eof)(struct conn *conn);      /* the client will send no more */
    void (*drained)(struct conn *conn);  /* output is below WRITE_LOW_BYTES again; may be NULL */
    void (*deadline)(struct conn *conn); /* conn->deadline_ns has passed */
    void (*alarm)(struct conn *conn);    /* conn_alarm() has run down; may be NULL */
    /* The server is stopping: finish if nothing is under way, otherwise after it. */
    void (*stop)(struct conn *conn);
    void (*gone)(struct conn *conn); /* free the session; the socket is closed */
};

struct conn {
    uv_tcp_t socket;
    struct loop *loop;
    const struct door *door;
    void *session;
    struct conn *next, *prev;
    enum conn_state state;
    enum conn_hold hold;
    bool reading;
    bool eof;
    bool above_high;      /* the door is owed a drained(); flying_bytes > 0 */
    struct outbuf input;  /* not yet used; empty and without memory on an idle connection */
    struct outbuf output; /* not yet handed to the socket */
    size_t flying_bytes;  /* handed to the socket, not yet sent */
    uint64_t turn;        /* of the loop, in which */
    size_t turn_bytes;    /* so much was read */
    bool resting;         /* until the next turn */
    size_t dropped_bytes; /* while lingering */
    int64_t progress_ns;  /* when output last moved */
    int64_t deadline_ns;  /* 0: none */
    int64_t alarm_ns;     /* 0: none */
    uv_shutdown_t shutdown;
};

/* Take the connection waiting at a listener. */
void conn_accept(struct loop *loop, uv_stream_t *listener, const struct door *door);
/* The hold is over: go on with the input there is, then read more. */
void conn_resume(struct conn *conn);
/* Gather output; it is sent at the end of the turn. */
struct outbuf *conn_output(struct conn *conn);
/* Send what was gathered and, after it, these bytes, which the connection frees with free(). */
void conn_send(struct conn *conn, char *bytes, size_t size_bytes);
void conn_flush(struct conn *conn);
/* Bytes that the client has not taken yet. */
size_t conn_unsent(const struct conn *conn);
/* Whether so much is unsent that no more should be produced. If so, door->drained() will come. */
bool conn_is_full(struct conn *conn);
/* Close once the output is sent. */
void conn_finish(struct conn *conn);
/* Close now. */
void conn_close(struct conn *conn);
/* Call door->alarm once, so much later. 0: not any more. */
void conn_alarm(struct conn *conn, int64_t after_ns);

/* The loop's clockwork. */
void conn_tick(struct conn *conn, int64_t now_ns);
void conn_turn(struct conn *conn); /* for those that yielded or rest */
void conn_ring(struct conn *conn); /* its alarm has run down */

#endif
