/*
 * bounds.h - every bound of the server, with its reason. What is not bounded here is bounded by
 * something that is. (The engine's are in its own limits.h.)
 */
#ifndef PHUSAD_BOUNDS_H
#define PHUSAD_BOUNDS_H

#include <stdint.h>

#define SECOND_NS      INT64_C(1000000000)
#define MILLISECOND_NS INT64_C(1000000)

/* -- connections -- */
#define CONNECTIONS_MAX_DEFAULT 4096u /* both doors; a Debian process may open 20,000 files */
#define LISTEN_BACKLOG          512
/* One buffer per loop thread; a slice that is parsed before the next socket has its turn.
 * 128 KiB of line protocol are about a millisecond of parsing. */
#define READ_BYTES              (128u << 10)
/* Read from one socket before the others have their turn; libuv alone would take 32 buffers. */
#define TURN_READ_BYTES         (512u << 10)
#define PAUSED_INPUT_BYTES      (64u << 10) /* read ahead of a request that is still being answered */
#define WRITE_HIGH_BYTES        (256u << 10) /* waiting to be sent: above this, produce no more */
#define WRITE_LOW_BYTES         (64u << 10)  /* ... until it is below this */
#define LINGER_BYTES_MAX        (4u << 20) /* read and dropped after an early refusal, so that the */
#define LINGER_NS               (2 * SECOND_NS) /* client sees the answer and not a reset */
#define WRITE_STALL_NS_DEFAULT                                             \
    (30 * SECOND_NS)     /* a client that takes nothing for so long is cut \
                          */
#define PROBE_S     60   /* of silence, then TCP asks whether the other machine is still there */
#define TICK_MS     250  /* how exact the deadlines are */
#define STOP_MS_MAX 4800 /* then the flush is left to the next start's replay */
#define STOP_NS     (4 * SECOND_NS) /* for requests in flight, of the 5 s promised */

/* -- HTTP requests -- */
#define HEAD_BYTES_MAX         (64u << 10)
#define HEADER_COUNT_MAX       100u
#define TRAILER_BYTES_MAX      (8u << 10)
#define CHUNK_LINE_BYTES_MAX   256u                /* size and extensions of a chunk */
#define BODY_BYTES_MAX         UINT64_C(25000000)  /* as sent: InfluxDB's bound */
#define INFLATED_BYTES_MAX     UINT64_C(100000000) /* after gzip */
#define INFLATE_RATIO_MAX      100u                /* deflate reaches 1032; measurements reach 20 */
#define INFLATE_RATIO_FREE     (1u << 20)          /* below this size the ratio does not matter */
#define DRAIN_BYTES_MAX        (256u << 10) /* of a body that nobody wants: read over, or close */
#define FORM_BYTES_MAX         ((1u << 20) + (64u << 10)) /* a statement of 1 MiB and its wrapping */
#define HEAD_NS_DEFAULT        (10 * SECOND_NS)
#define BODY_IDLE_NS_DEFAULT   (30 * SECOND_NS)
#define KEEP_ALIVE_NS_DEFAULT  (120 * SECOND_NS)
#define BUSY_NS_DEFAULT        (5 * SECOND_NS) /* back-pressure before a 503 */
#define BUSY_RETRY_MS          5
#define ERROR_HEADER_BYTES_MAX 512u

/* -- batches being filled -- */
/* All writes together should not hold more than this; many of them submit the sooner. */
#define GATHERING_BYTES_MAX ((size_t)128 << 20)
#define GATHERING_BYTES_MIN ((size_t)256 << 10) /* of one; below, syncs cost more than memory */

/* -- answers -- */
#define ANSWER_BLOCK_BYTES  (64u << 10)  /* an answer below this has a Content-Length */
#define ANSWER_QUEUE_BYTES  (256u << 10) /* encoded and not yet handed to the socket */
#define GZIP_BYTES_MIN      1024u        /* smaller answers are sent as they are */
#define CHUNK_ROWS_DEFAULT  10000u       /* of chunked=true, as in InfluxDB */
#define REFUSALS_LISTED_MAX 1000u        /* in the answer to one write */

/* -- workers -- */
#define WORKER_COUNT_DEFAULT 2u
#define WORKER_COUNT_MAX     64u
#define WORK_QUEUE_MAX       256u /* jobs waiting; more are told to come back */
#define LOOP_COUNT_MAX       64u

/* -- the raw TCP door -- */
#define TCP_BATCH_BYTES        (256u << 10)
#define TCP_BATCH_REFUSALS_MAX 500u /* ... and PHUSA_REFUSALS_MAX is never reached */
#define TCP_BATCH_MS           2
#define TCP_OUTPUT_BYTES_MAX   (256u << 10) /* answers that a client does not fetch: it is cut */
#define TCP_COMMENT_BYTES_MAX  1024u

/* -- log -- */
#define LOG_PER_MINUTE_MAX 10u /* of one kind of message; then a summary */

_Static_assert(WRITE_LOW_BYTES < WRITE_HIGH_BYTES, "hysteresis");
_Static_assert(ANSWER_BLOCK_BYTES <= ANSWER_QUEUE_BYTES, "a block fits the queue");

#endif
