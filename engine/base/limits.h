/*
 * limits.h - every bound of the engine, with its reason. Queues, buffers and messages that
 * are not bounded here are bounded by one that is.
 */
#ifndef PHUSA_BASE_LIMITS_H
#define PHUSA_BASE_LIMITS_H

#include "phusa.h"

/* -- names and points -- */
#define NAME_BYTES_MAX       255u /* database, policy, field; fits a path-free catalogue key */
/* Measurement and all tags: a node of the index stays small. */
#define SERIES_KEY_BYTES_MAX 16384u
#define TAG_COUNT_MAX        255u  /* of one series */
#define FIELD_COUNT_MAX      4096u /* of one measurement; ids are u16, the top are reserved */
#define LINE_BYTES_MAX       (256u << 10) /* one line; the longest string fits, each byte escaped */
#define STRING_BYTES_MAX     65535u       /* one string value, as in InfluxDB */
#define FUTURE_NS_MAX        (86400ll * 1000000000ll) /* a point further ahead is refused */
/* InfluxDB's bounds: the two smallest and the largest int64 are sentinels. */
#define TIME_NS_MIN          (INT64_MIN + 2)
#define TIME_NS_MAX          (INT64_MAX - 1)

/* -- columns -- */
#define VECTOR_ROWS_MAX     1024u /* rows of one vector: 8 KiB of int64, a third of L1 */
#define CHUNK_VECTORS_MAX   8u
#define CHUNK_ROWS_MAX      (VECTOR_ROWS_MAX * CHUNK_VECTORS_MAX)
#define CHUNK_COLUMNS_MAX   FIELD_COUNT_MAX
/* A bundle below the size at which LMDB's n*4096-16 rule wastes under 1 %; a chunk that is
 * larger alone gets a bundle of its own. */
#define BUNDLE_BYTES_TARGET (16u * 4096u - 16u)
#define BUNDLE_BYTES_MAX    (256u << 20) /* refused on read beyond this */

/* -- log -- */
#define WAL_GROUP_BYTES_MAX \
    (PHUSA_BATCH_BYTES_MAX + (4u << 20)) /* one batch is one group at most */
#define WAL_SEGMENT_BYTES_DEFAULT (64u << 20)
#define WAL_SEGMENT_BYTES_MIN     (64u << 10)
#define WAL_SPARES_MAX            16u /* a flush at the log's cap frees 1 GiB: all of it is kept */

/* -- memory -- */
#define HEAD_BYTES_DEFAULT      ((size_t)256 << 20)
#define QUERY_BYTES_DEFAULT     ((size_t)256 << 20)
#define WRITE_QUEUE_BATCHES_MAX 256u        /* batches waiting for the sequencer ... */
#define WRITE_QUEUE_BYTES_MAX   (64u << 20) /* ... and their bytes */

/* -- queries -- */
#define STATEMENT_BYTES_MAX      (1u << 20) /* the text of one request */
#define STATEMENTS_MAX           1000u
#define EXPRESSION_DEPTH_MAX     64u
/* a AND b AND c ... is a tree as deep as it has operators, and walks of it recurse: 4,096 frames of
 * 200 bytes fit any stack. */
#define EXPRESSION_OPERATORS_MAX 4096u
#define REGEX_MATCH_LIMIT        100000u /* PCRE2 match and depth limits */

#define WAL_BYTES_DEFAULT         ((size_t)1 << 30)       /* replayed in under 10 s */
#define FLUSH_INTERVAL_NS_DEFAULT (3600ll * 1000000000ll) /* an hour of points in memory */
#define SEAL_GRACE_NS_DEFAULT     (3600ll * 1000000000ll) /* points are often minutes late */
#define QUERY_TIME_NS_DEFAULT     (30ll * 1000000000ll)
#define QUERY_ROWS_DEFAULT        100000000ull
#define QUERY_VALUES_DEFAULT      10000000000ull

/* -- files -- */
#define FILES_PER_TIER_MAX 8u /* runs of one size tier before they are merged */
#define OPEN_FILES_DEFAULT 256u

_Static_assert(CHUNK_ROWS_MAX <= UINT16_MAX + 1, "row numbers of a chunk fit 16 bits");
_Static_assert(VECTOR_ROWS_MAX == PHUSA_ROWS_MAX, "an answer's rows are a vector");
#endif
