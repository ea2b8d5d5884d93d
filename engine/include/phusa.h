/*
 * phusa.h - the door to phusa, an append-only, columnar time-series store.
 *
 * A program opens a directory, writes batches of points, and asks. Everything
 * phusa can do is reachable from here; no other header is public.
 *
 * Ownership  Handles are opaque and freed by the function that pairs with
 *            their maker. Text that is passed in is copied before a call returns
 *            unless the call says otherwise. Pointers handed to callbacks live
 *            until the callback returns.
 * Threads    A `struct phusa` may be used from any number of threads at once.
 *            A batch and a query belong to one thread at a time.
 * Units      Time is int64 nanoseconds since 1970-01-01T00:00:00Z, negative
 *            allowed; ranges are [start_ns, end_ns). Sizes are bytes.
 * Errors     Functions that can fail return a phusa_status: PHUSA_OK (zero) or a
 *            negative code. Out-parameters are untouched on failure, except a
 *            `struct phusa_error`, which then holds the code and a sentence that
 *            says what was wrong and what to do. Error pointers may be NULL.
 */
#ifndef PHUSA_H
#define PHUSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PHUSA_MUST_USE __attribute__((warn_unused_result))
#define PHUSA_API      __attribute__((visibility("default")))

/* ---- status ---------------------------------------------------------- */

typedef int phusa_status;
enum {
    PHUSA_OK = 0,
    PHUSA_EINVAL = -1,    /* an argument is not of the form asked for */
    PHUSA_ENOMEM = -2,    /* the system gave no memory */
    PHUSA_EIO = -3,       /* the disk failed; the handle refuses writes until reopened */
    PHUSA_ENOSPC = -4,    /* no room on disk; retry when there is */
    PHUSA_ECORRUPT = -5,  /* bytes on disk are damaged */
    PHUSA_EVERSION = -6,  /* the file is of a format this release does not read */
    PHUSA_ENOTFOUND = -7, /* no such database, policy, measurement ... */
    PHUSA_EEXISTS = -8,   /* it exists already, with other options */
    PHUSA_ETYPE = -9,     /* a value's type contradicts the field's */
    PHUSA_ELIMIT = -10,   /* a limit or a budget is exceeded; the text names it */
    PHUSA_EBUSY = -11,    /* a queue is full; wait and try again */
    PHUSA_EFAILED = -12,  /* an earlier write or sync failed; reopen the directory */
    PHUSA_ELOCKED = -13,  /* another process has the directory open */
    PHUSA_ESYNTAX = -14,  /* text does not parse; the error names the place */
    PHUSA_ECANCELLED = -15,
    PHUSA_ERANGE = -16,       /* a time or a number lies outside what can be kept */
    PHUSA_EUNSUPPORTED = -17, /* understood, and not offered */
    PHUSA_EPARTIAL = -18,     /* some points of a batch were refused; the rest are stored */
};

#define PHUSA_ERROR_TEXT_BYTES 512
struct phusa_error {
    phusa_status status;
    char text[PHUSA_ERROR_TEXT_BYTES]; /* UTF-8, NUL-terminated */
};

/* A few words for a code: "not found". Never NULL; static. */
PHUSA_API const char *phusa_status_text(phusa_status status);
/* "0.1.0", and the commit it was built from. Static. */
PHUSA_API const char *phusa_version(void);
PHUSA_API const char *phusa_commit(void);

/* ---- open and close -------------------------------------------------- */

struct phusa;

enum phusa_log_level { PHUSA_LOG_ERROR, PHUSA_LOG_WARN, PHUSA_LOG_INFO, PHUSA_LOG_DEBUG };
/* Called from any thread, never concurrently; must not call phusa. */
typedef void (*phusa_log_fn)(void *context, enum phusa_log_level level, const char *text);

/* Zero means the default. phusa_options_init() before setting any. */
struct phusa_options {
    size_t head_bytes_max;     /* recent points in memory, all heads; min(memory/4, 256 MiB) */
    size_t wal_bytes_max;      /* log kept before a flush is forced; 1 GiB */
    size_t wal_segment_bytes;  /* 64 MiB; at least 64 KiB, a multiple of 4 KiB */
    int64_t flush_interval_ns; /* oldest point in memory before a flush; 1 h */
    int64_t seal_grace_ns;     /* after its end, before a partition is sealed; 1 h */
    size_t query_bytes_max;    /* memory of one query; 256 MiB */
    int64_t query_time_ns_max; /* run time of one query; 30 s */
    uint64_t query_rows_max;   /* rows in one answer; 100 M */
    uint64_t query_values_max; /* values one query may read; 10 G */
    unsigned open_files_max;   /* LMDB files held open; 256 */
    bool background_off;       /* no flush, merge or seal but on request (tests, tools) */
    bool read_only;            /* nothing is changed on disk; writes are refused */
    bool repair_wal;           /* cut the log at a damaged group instead of refusing to open */
    phusa_log_fn log;
    void *log_context;
    int64_t (*clock)(void *context); /* now in ns; NULL: the system's */
    void *clock_context;
    const char *zoneinfo_dir; /* NULL: /usr/share/zoneinfo */
};
PHUSA_API void phusa_options_init(struct phusa_options *options);

/* Open DIR, creating it if it is empty or missing, and replay its log. Blocks.
 * PHUSA_ELOCKED: open elsewhere.  PHUSA_ECORRUPT, PHUSA_EVERSION: see the text. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_open(const char *dir,
                                                 const struct phusa_options *options,
                                                 struct phusa **out, struct phusa_error *error);
/* Waits for writes under way, flushes, frees. All batches and queries must have
 * ended. NULL is allowed. The status tells whether the flush succeeded; the handle
 * is gone in any case, and nothing acknowledged is lost in any case. */
PHUSA_API phusa_status phusa_close(struct phusa *db);

/* Write the head out as runs now; blocks until they are named. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_flush(struct phusa *db, struct phusa_error *error);
/* Seal every partition, those still in use included; blocks. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_seal(struct phusa *db, struct phusa_error *error);

/* ---- databases and retention policies -------------------------------- */

/* A span of calendar months, or of nanoseconds; one of the two is zero. */
struct phusa_interval {
    int64_t months;
    int64_t ns;
};

struct phusa_policy_options {
    struct phusa_interval duration; /* {0,0}: for ever */
    struct phusa_interval shard;    /* width of a partition; {0,0}: one month. 10 years: sparse */
    bool is_default;
};

/* Names: 1..255 bytes of valid UTF-8 without control characters, '/' included freely
 * (names never become paths). A new database has one policy, "autogen", the default.
 * Creating what exists with the same options is PHUSA_OK, as in InfluxDB. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_create_database(struct phusa *db, const char *name,
                                                            struct phusa_error *error);
PHUSA_API PHUSA_MUST_USE phusa_status phusa_drop_database(struct phusa *db, const char *name,
                                                          struct phusa_error *error);
PHUSA_API PHUSA_MUST_USE phusa_status
phusa_create_policy(struct phusa *db, const char *database, const char *name,
                    const struct phusa_policy_options *options, struct phusa_error *error);
PHUSA_API PHUSA_MUST_USE phusa_status phusa_drop_policy(struct phusa *db, const char *database,
                                                        const char *name,
                                                        struct phusa_error *error);
/* The zone in which a database's days and months begin when a statement names none.
 * A name of the tz database; NULL or "UTC" for UTC. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_set_time_zone(struct phusa *db, const char *database,
                                                          const char *zone,
                                                          struct phusa_error *error);

/* ---- values ---------------------------------------------------------- */

enum phusa_type {
    PHUSA_FLOAT = 1,
    PHUSA_INTEGER = 2,
    PHUSA_UNSIGNED = 3,
    PHUSA_BOOLEAN = 4,
    PHUSA_STRING = 5,
};

struct phusa_text {
    const char *bytes; /* UTF-8, not NUL-terminated */
    size_t size_bytes;
};

#define PHUSA_DECIMALS_UNKNOWN 255
struct phusa_value {
    enum phusa_type type;
    /* Floats: digits after the point that were written (21.50 has 2), which saves the
     * codec a search; PHUSA_DECIMALS_UNKNOWN when not known. Other types: ignored. */
    uint8_t decimals;
    union {
        double f;
        int64_t i;
        uint64_t u;
        bool b;
        struct phusa_text s;
    };
};

struct phusa_pair { /* a tag, or a field's name with its value */
    struct phusa_text key;
    struct phusa_text value;
};
struct phusa_field {
    struct phusa_text key;
    struct phusa_value value;
};

/* ---- writing --------------------------------------------------------- */

struct phusa_point {
    struct phusa_text measurement;
    const struct phusa_pair *tags; /* any order; a key at most once */
    size_t tag_count;
    const struct phusa_field *fields; /* at least one */
    size_t field_count;
    int64_t time_ns;
};

/* A batch gathers points for one policy; phusa_write() makes all of them durable with
 * one wait, or none. Points that cannot be stored (a type conflict, a time too far
 * ahead) are refused one by one and reported; the others are stored. */
struct phusa_batch;

/* policy NULL: the database's default. PHUSA_ENOTFOUND names what is missing. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_batch_create(struct phusa *db, const char *database,
                                                         const char *policy,
                                                         struct phusa_batch **out,
                                                         struct phusa_error *error);
PHUSA_API void phusa_batch_free(struct phusa_batch *batch);
/* Empty it for reuse with the same policy; memory is kept. */
PHUSA_API void phusa_batch_clear(struct phusa_batch *batch);
PHUSA_API size_t phusa_batch_points(const struct phusa_batch *batch);
/* Bytes the points take; a batch of over PHUSA_BATCH_BYTES_MAX is PHUSA_ELIMIT at add. */
#define PHUSA_BATCH_BYTES_MAX (16u << 20)
PHUSA_API size_t phusa_batch_bytes(const struct phusa_batch *batch);
PHUSA_API PHUSA_MUST_USE phusa_status phusa_batch_add(struct phusa_batch *batch,
                                                      const struct phusa_point *point,
                                                      struct phusa_error *error);

/* Line protocol: `text` of whole or partial lines, fed in pieces; an unfinished last
 * line is kept for the next call and ended by `last`. Good lines join the batch, bad
 * ones are remembered (phusa_batch_refused). Stops before the batch exceeds
 * PHUSA_BATCH_BYTES_MAX: *taken says how many bytes were used; write, clear, go on.
 * precision_ns: 1, 1000, 1000000, 1000000000, 60 s, 3600 s in ns. now_ns: for lines
 * without a timestamp. Lines are counted from the first one fed since create. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_batch_lines(struct phusa_batch *batch, const char *text,
                                                        size_t size_bytes, bool last,
                                                        int64_t precision_ns, int64_t now_ns,
                                                        size_t *taken, struct phusa_error *error);

/* Lines fed since create, comments and blank ones included; a line that is not finished yet does
 * not count. */
PHUSA_API uint64_t phusa_batch_line_count(const struct phusa_batch *batch);
/* `comment` is called by phusa_batch_lines() for each line that begins with '#', with the text
 * after the '#' and without the line's end. When it returns true, phusa_batch_lines() stops
 * behind that line: *taken says where, so that what follows may go to another batch. */
typedef bool (*phusa_comment_fn)(void *context, uint64_t line, struct phusa_text text);
PHUSA_API void phusa_batch_comments(struct phusa_batch *batch, phusa_comment_fn comment,
                                    void *context);

/* One refused point. Comes from parsing (at once) or from the store (after the write). */
struct phusa_refusal {
    uint64_t line;   /* from 1; for phusa_batch_add, the ordinal of the point */
    uint32_t column; /* in bytes from 1; 0 when the whole line is meant */
    phusa_status status;
    const char *reason;  /* a sentence with the remedy */
    const char *excerpt; /* up to 80 characters of the line, control characters escaped */
};
/* Of the bad lines at most PHUSA_REFUSALS_MAX are kept; the counts are always whole.
 * Sorted by line. The array lives until the batch changes. */
#define PHUSA_REFUSALS_MAX 1000
PHUSA_API size_t phusa_batch_refused(const struct phusa_batch *batch,
                                     const struct phusa_refusal **refusals, size_t *kept);

/* Durable when it returns PHUSA_OK or PHUSA_EPARTIAL (some refused). Blocks. After PHUSA_EIO and
 * PHUSA_EFAILED what the disk holds is known only when the directory is opened again: the batch
 * may be there then, whole or not at all. On any other status nothing of it was stored. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_write(struct phusa *db, struct phusa_batch *batch,
                                                  struct phusa_error *error);
/* The same without waiting: `done` is called once, from a thread of phusa's, when the
 * outcome is known, and must be short. The batch must stay untouched until then.
 * PHUSA_EBUSY: the queue is full, `done` will not be called; try later. */
typedef void (*phusa_done_fn)(void *context, phusa_status status, const struct phusa_error *error);
PHUSA_API PHUSA_MUST_USE phusa_status phusa_submit(struct phusa *db, struct phusa_batch *batch,
                                                   phusa_done_fn done, void *context);

/* ---- answers --------------------------------------------------------- */

/* One column of up to PHUSA_ROWS_MAX rows. Row r has a value iff present is NULL or
 * its bit r is set (word r/64, bit r%64). */
#define PHUSA_ROWS_MAX 1024
struct phusa_column {
    enum phusa_type type;
    const uint64_t *present;
    union {
        const double *f;
        const int64_t *i;
        const uint64_t *u;
        const uint8_t *b; /* 0 or 1 */
        const struct phusa_text *s;
    };
};

struct phusa_series_header {
    unsigned statement; /* index of the statement in the request, from 0 */
    struct phusa_text name;
    const struct phusa_pair *tags; /* the GROUP BY tags, sorted by key */
    size_t tag_count;
    const struct phusa_text *columns; /* names; the first is "time" iff has_time */
    size_t column_count;
    bool has_time; /* rows carry times_ns as their first column */
};
struct phusa_rows {
    size_t row_count;
    const int64_t *times_ns;            /* NULL unless has_time */
    const struct phusa_column *columns; /* column_count - has_time of them */
};

/* Where an answer goes. Calls come from the thread that runs the query, in order:
 * statement_begin, then for each series series_begin, rows..., then statement_end. A callback
 * that returns non-zero ends the query with that status. */
struct phusa_sink {
    void *context;
    phusa_status (*statement_begin)(void *context, unsigned statement);
    phusa_status (*series_begin)(void *context, const struct phusa_series_header *header);
    phusa_status (*rows)(void *context, const struct phusa_rows *rows);
    /* level "warning", ...; the text is plain */
    phusa_status (*message)(void *context, unsigned statement, const char *level, const char *text);
    /* error NULL: it went well. After an error the remaining statements are not run. */
    phusa_status (*statement_end)(void *context, unsigned statement,
                                  const struct phusa_error *error);
};

struct phusa_query_options {
    const char *database;  /* for statements that name none; may be NULL */
    const char *policy;    /* likewise */
    bool read_only;        /* refuse statements that change anything (HTTP GET) */
    volatile bool *cancel; /* set to true from any thread to end the query soon; may be NULL */
};

/* Run InfluxQL: one statement or several separated by ';'. PHUSA_ESYNTAX when the text does
 * not parse (then no callback was made). Errors of a statement go to its statement_end, and the
 * call still returns PHUSA_OK. Blocks. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_query(struct phusa *db, const char *text,
                                                  size_t size_bytes,
                                                  const struct phusa_query_options *options,
                                                  const struct phusa_sink *sink,
                                                  struct phusa_error *error);

/* The same engine for a program that has no wish to print InfluxQL. */
enum phusa_match { PHUSA_EQ, PHUSA_NE, PHUSA_REGEX, PHUSA_NOT_REGEX };
struct phusa_tag_predicate {
    const char *key;
    enum phusa_match match;
    const char *value; /* text, or a regular expression (PCRE2) */
};
struct phusa_select_column {
    const char *function; /* "mean", "max", ...; NULL: the field's values themselves */
    const char *field;
    double argument; /* percentile's; else ignored */
};
struct phusa_select {
    const char *database;
    const char *policy; /* NULL: the default */
    const char *measurement;
    const struct phusa_tag_predicate *predicates; /* all must hold */
    size_t predicate_count;
    const struct phusa_select_column *columns; /* 0: every field */
    size_t column_count;
    int64_t start_ns, end_ns;
    struct phusa_interval window; /* {0,0}: none */
    const char *zone;             /* NULL: the database's */
    const char *const *group_tags;
    size_t group_tag_count;
    bool descending;
    uint64_t limit; /* rows per series; 0: all */
};
PHUSA_API PHUSA_MUST_USE phusa_status phusa_select(struct phusa *db,
                                                   const struct phusa_select *select,
                                                   const struct phusa_query_options *options,
                                                   const struct phusa_sink *sink,
                                                   struct phusa_error *error);

/* ---- numbers and times as text --------------------------------------- */

/* As answers print them: the shortest digits that read back as x (finite), 1e+21 from 1e21 on and
 * 1e-7 below 1e-6. No NUL; returns the size. */
#define PHUSA_DOUBLE_BYTES_MAX 32
PHUSA_API size_t phusa_print_double(double x, char out[PHUSA_DOUBLE_BYTES_MAX]);
/* RFC 3339 in UTC, zeros at the end of the fraction left out: 2026-11-24T09:59:38.123Z. */
#define PHUSA_TIME_BYTES_MAX 40
PHUSA_API size_t phusa_print_time(int64_t ns, char out[PHUSA_TIME_BYTES_MAX]);

/* ---- statistics ------------------------------------------------------ */

struct phusa_stats {
    uint64_t points_written, values_written, points_refused, batches_written;
    uint64_t wal_bytes, wal_syncs, wal_segments;
    uint64_t head_bytes, head_points, head_series;
    uint64_t flushes, merges, seals;
    uint64_t files, file_bytes, file_values, file_points;
    uint64_t databases, measurements, series;
    uint64_t queries, query_values_read, query_chunks_decoded, query_chunks_by_statistics;
    uint64_t durable_lsn;
    bool writable;    /* false after a failed write or sync, or without room on disk */
    char reason[160]; /* why it is not */
};
PHUSA_API void phusa_stats(struct phusa *db, struct phusa_stats *out);

/* ---- inspection of a directory that no process has open -------------- */

/* Called with one line of text, without a newline. */
typedef void (*phusa_line_fn)(void *context, const char *line);
/* check: verify every checksum and invariant; the number of faults found is added to
 * *fault_count, each described by a line. dump: what is in there, record by record.
 * stat: sizes and counts. None of them changes a byte. */
PHUSA_API PHUSA_MUST_USE phusa_status phusa_check_dir(const char *dir, phusa_line_fn line,
                                                      void *context, uint64_t *fault_count,
                                                      struct phusa_error *error);
PHUSA_API PHUSA_MUST_USE phusa_status phusa_dump_dir(const char *dir, phusa_line_fn line,
                                                     void *context, struct phusa_error *error);
PHUSA_API PHUSA_MUST_USE phusa_status phusa_stat_dir(const char *dir, phusa_line_fn line,
                                                     void *context, struct phusa_error *error);

#ifdef __cplusplus
}
#endif
#endif
