/*
 * tcp.c - see tcp.h.
 *
 *     NO DATABASE --"# db x"--> GATHERING --256 KiB, 2 ms, end of input, or another db--> FLYING
 *        ^                          ^                                                       |
 *        +-- no such database       +------------------- durable: errors, ack --------------+
 *
 * While a batch flies the socket is not read. A lone client loses little by that: what it sends
 * meanwhile waits in the kernel, and the next batch is the larger.
 *
 * A struct raw outlives its connection when the client leaves while a batch flies.
 */
#include "tcp.h"
#include "bounds.h"
#include "clocks.h"
#include "precision.h"

#include <stdlib.h>

/* A line that cannot be parsed must end somewhere: twice what the engine takes. */
#define BARE_LINE_BYTES_MAX (128u << 10)
/* Parsed between looks at the size of the batch. */
#define SLICE_BYTES         (32u << 10)

struct raw {
    struct mail mail;
    struct loop *loop;
    struct conn *conn;         /* NULL: gone */
    struct phusa_batch *batch; /* NULL: no database yet */
    char *database, *policy;
    int64_t precision_ns;
    bool acks;
    bool switching;  /* a comment named another database or policy */
    bool told_no_db; /* once is enough */
    bool flying;
    bool ending;        /* after this batch, close */
    bool last_fed;      /* the unfinished line at the end of input was ended */
    uint64_t line_base; /* lines before this batch was created */
    uint64_t line_done; /* durable or refused */
    uint64_t line_flying;
    /* From the engine's thread, read after the mail. */
    phusa_status status;
    struct phusa_error error;
};

static void raw_free(struct raw *raw)
{
    phusa_batch_free(raw->batch);
    free(raw->database);
    free(raw->policy);
    free(raw);
}

/* ---- words to the client ---- */

static void say_error(struct raw *raw, uint64_t line, uint32_t column, const char *reason)
{
    struct outbuf *out = conn_output(raw->conn);
    outbuf_print(out, "error %llu %u ", (unsigned long long)line, column);
    for (const char *p = reason; *p != '\0'; p++)
        outbuf_byte(out, (unsigned char)*p < 0x20 ? ' ' : *p);
    outbuf_byte(out, '\n');
}

/* A client that does not read what it is told is cut, so that it costs a bounded buffer. */
static void watch_output(struct raw *raw)
{
    struct conn *conn = raw->conn;
    if (conn_unsent(conn) <= TCP_OUTPUT_BYTES_MAX) return;
    conn_flush(conn);
    if (conn_unsent(conn) <= TCP_OUTPUT_BYTES_MAX || conn->state != CONN_OPEN) return;
    logger_write(raw->loop->server->logger, PHUSA_LOG_WARN, "tcp_client_deaf",
                 "msg=\"a client sends lines and does not read the answers; cut\"");
    conn_close(conn);
}

static uint64_t lines_so_far(const struct raw *raw)
{
    return raw->line_base + (raw->batch == NULL ? 0 : phusa_batch_line_count(raw->batch));
}

/* ---- comments ---- */

static struct phusa_text trim(struct phusa_text text)
{
    while (text.size_bytes > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
        text.bytes++;
        text.size_bytes--;
    }
    while (text.size_bytes > 0) {
        const char c = text.bytes[text.size_bytes - 1];
        if (c != ' ' && c != '\t' && c != '\r') break;
        text.size_bytes--;
    }
    return text;
}

static bool is_word(struct phusa_text *text, const char *word)
{
    const size_t size = strlen(word);
    if (text->size_bytes < size || memcmp(text->bytes, word, size) != 0) return false;
    if (text->size_bytes > size && text->bytes[size] != ' ' && text->bytes[size] != '\t')
        return false;
    *text = trim((struct phusa_text){text->bytes + size, text->size_bytes - size});
    return true;
}

static bool set_name(struct raw *raw, char **name, struct phusa_text text, uint64_t line)
{
    if (text.size_bytes == 0 || text.size_bytes > 255 ||
        memchr(text.bytes, '\0', text.size_bytes) != NULL) {
        say_error(raw, line, 0, "a name of 1 to 255 bytes is missing");
        return false;
    }
    char *copy = strndup(text.bytes, text.size_bytes);
    if (copy == NULL) {
        say_error(raw, line, 0, "no memory; try again later");
        return false;
    }
    free(*name);
    *name = copy;
    raw->switching = true;
    return true;
}

static bool set_precision(struct raw *raw, struct phusa_text text, uint64_t line)
{
    char word[8] = "";
    if (text.size_bytes < sizeof word) memcpy(word, text.bytes, text.size_bytes);
    const int64_t ns = precision_parse(word);
    if (ns == 0)
        say_error(raw, line, 0, "precision must be n, u, ms, s, m or h");
    else
        raw->precision_ns = ns;
    return ns != 0;
}

/* A line that begins with '#'. true: what follows must be parsed with other settings. */
static bool on_comment(void *context, uint64_t line, struct phusa_text text)
{
    struct raw *raw = context;
    if (text.size_bytes > TCP_COMMENT_BYTES_MAX) return false;
    text = trim(text);
    line += raw->line_base;
    if (is_word(&text, "db")) {
        if (!set_name(raw, &raw->database, text, line)) return false;
        free(raw->policy); /* of another database */
        raw->policy = NULL;
        return true;
    }
    if (is_word(&text, "rp")) return set_name(raw, &raw->policy, text, line);
    if (is_word(&text, "precision")) return set_precision(raw, text, line);
    if (is_word(&text, "ack"))
        raw->acks = true;
    else if (is_word(&text, "batch"))
        say_error(raw, line, 0, "# batch is not supported yet");
    /* "auth", and true comments. */
    return false;
}

/* ---- batches ---- */

/* Begin a batch for the database and policy named. Without one, lines are refused. */
static void switch_batch(struct raw *raw)
{
    raw->switching = false;
    raw->line_base = lines_so_far(raw);
    phusa_batch_free(raw->batch);
    raw->batch = NULL;
    if (raw->database == NULL) return;
    struct phusa_error error = {0};
    const phusa_status status =
        phusa_batch_create(raw->loop->server->db, raw->database, raw->policy, &raw->batch, &error);
    if (status == PHUSA_OK) {
        phusa_batch_comments(raw->batch, on_comment, raw);
        raw->told_no_db = false;
        return;
    }
    say_error(raw, raw->line_base, 0, error.text);
    raw->told_no_db = true; /* this says it */
}

static void report(struct raw *raw)
{
    struct counters *counters = &raw->loop->server->counters;
    const struct phusa_refusal *list;
    size_t kept;
    const uint64_t refused = phusa_batch_refused(raw->batch, &list, &kept);
    for (size_t i = 0; i < kept; i++)
        say_error(raw, raw->line_base + list[i].line, list[i].column, list[i].reason);
    if (refused > kept) {
        char more[80];
        snprintf(more, sizeof more, "%llu more lines were refused",
                 (unsigned long long)(refused - kept));
        say_error(raw, raw->line_flying, 0, more);
    }
    atomic_fetch_add(&counters->tcp_lines_refused, refused);
    atomic_fetch_add(&counters->tcp_lines, raw->line_flying - raw->line_done);
    if (raw->acks && (refused > 0 || phusa_batch_points(raw->batch) > 0))
        outbuf_print(conn_output(raw->conn), "ack %llu\n", (unsigned long long)raw->line_flying);
    raw->line_done = raw->line_flying;
    phusa_batch_clear(raw->batch);
}

static void fail(struct raw *raw, phusa_status status, const char *text)
{
    char words[PHUSA_ERROR_TEXT_BYTES + 80];
    snprintf(words, sizeof words, "lines after %llu were not stored: %s",
             (unsigned long long)raw->line_done,
             text[0] != '\0' ? text : phusa_status_text(status));
    say_error(raw, raw->line_flying, 0, words);
    logger_write(raw->loop->server->logger, PHUSA_LOG_WARN, "tcp_write_failed",
                 "status=%d msg=\"%s\"", status, text);
    conn_finish(raw->conn);
}

static void on_landed(struct mail *mail);

/* On a thread of the engine's. */
static void on_durable(void *context, phusa_status status, const struct phusa_error *error)
{
    struct raw *raw = context;
    raw->status = status;
    raw->error.text[0] = '\0';
    if (error != NULL) raw->error = *error;
    loop_post(raw->loop, &raw->mail);
}

/* Hand over what was gathered. The connection holds until it is durable; when there is nothing to
 * wait for, it does not. */
static void submit(struct raw *raw)
{
    struct conn *conn = raw->conn;
    conn_alarm(conn, 0);
    if (raw->batch == NULL) return;
    raw->line_flying = lines_so_far(raw);
    if (phusa_batch_points(raw->batch) == 0) {
        report(raw);
        return;
    }
    raw->mail.run = on_landed;
    const phusa_status status = phusa_submit(raw->loop->server->db, raw->batch, on_durable, raw);
    if (status == PHUSA_OK) {
        raw->flying = true;
        conn->hold = HOLD_STOP;
        loop_errand_begin(raw->loop);
    } else if (status == PHUSA_EBUSY) {
        /* There is no 503 here: the client feels a slower read for as long as it takes. */
        atomic_fetch_add(&raw->loop->server->counters.busy_waits, 1);
        conn->hold = HOLD_STOP;
        conn_alarm(conn, BUSY_RETRY_MS * MILLISECOND_NS);
    } else {
        fail(raw, status, "");
    }
}

static void on_landed(struct mail *mail)
{
    struct raw *raw = (struct raw *)mail;
    struct loop *loop = raw->loop;
    raw->flying = false;
    if (raw->conn == NULL) {
        raw_free(raw);
    } else if (raw->conn->state == CONN_OPEN) {
        struct conn *conn = raw->conn;
        if (raw->status == PHUSA_OK || raw->status == PHUSA_EPARTIAL) {
            report(raw);
            watch_output(raw);
        } else {
            fail(raw, raw->status, raw->error.text);
        }
        if (raw->ending && conn->state == CONN_OPEN) conn_finish(conn);
        conn_resume(conn);
    }
    loop_errand_end(loop);
}

/* ---- input ---- */

/* Lines before a database is named: only comments mean anything. */
static size_t take_bare(struct raw *raw, const char *bytes, size_t size_bytes)
{
    size_t used = 0;
    while (used < size_bytes && raw->batch == NULL && !raw->switching) {
        const char *lf = memchr(bytes + used, '\n', size_bytes - used);
        if (lf == NULL) break;
        const struct phusa_text line = {bytes + used, (size_t)(lf - bytes) - used};
        used += line.size_bytes + 1;
        if (line.size_bytes > 0 && line.bytes[0] == '#') {
            on_comment(raw, 1, (struct phusa_text){line.bytes + 1, line.size_bytes - 1});
            raw->line_base++;
            continue;
        }
        raw->line_base++;
        if (trim(line).size_bytes == 0) continue;
        atomic_fetch_add(&raw->loop->server->counters.tcp_lines_refused, 1);
        if (!raw->told_no_db)
            say_error(raw, raw->line_base, 0,
                      "no database: begin with a line \"# db NAME\"; lines are refused until then");
        raw->told_no_db = true;
    }
    if (used == 0 && size_bytes > BARE_LINE_BYTES_MAX) {
        say_error(raw, raw->line_base + 1, 0, "a line that is too long");
        conn_finish(raw->conn);
        return size_bytes;
    }
    return used;
}

/* Under load the alarm comes late, behind the reading of sockets: look at the clock too. */
static bool is_due(const struct raw *raw)
{
    const struct phusa_refusal *list;
    size_t kept;
    return phusa_batch_bytes(raw->batch) >= TCP_BATCH_BYTES ||
           phusa_batch_refused(raw->batch, &list, &kept) >= TCP_BATCH_REFUSALS_MAX ||
           (raw->conn->alarm_ns != 0 && monotonic_ns() > raw->conn->alarm_ns);
}

static size_t take_lines(struct raw *raw, const char *bytes, size_t size_bytes)
{
    if (is_due(raw)) {
        submit(raw);
        return 0;
    }
    size_t taken;
    struct phusa_error error;
    const size_t slice_bytes = size_bytes < SLICE_BYTES ? size_bytes : SLICE_BYTES;
    const phusa_status status = phusa_batch_lines(raw->batch, bytes, slice_bytes, false,
                                                  raw->precision_ns, wall_ns(), &taken, &error);
    if (status != PHUSA_OK) {
        raw->line_flying = lines_so_far(raw);
        fail(raw, status, error.text);
        return size_bytes;
    }
    atomic_fetch_add(&raw->loop->server->counters.write_bytes, taken);
    if (taken == 0 && !raw->switching) submit(raw);
    return taken;
}

/* The client has ended its side: so does the last line, and then the connection. */
static void end_input(struct raw *raw)
{
    if (!raw->last_fed && raw->batch != NULL) {
        size_t taken;
        struct phusa_error error;
        const phusa_status status = phusa_batch_lines(raw->batch, "", 0, true, raw->precision_ns,
                                                      wall_ns(), &taken, &error);
        if (status != PHUSA_OK) {
            fail(raw, status, error.text);
            return;
        }
    }
    raw->last_fed = true;
    raw->ending = true;
    submit(raw);
    if (raw->conn->hold == HOLD_NONE && raw->conn->state == CONN_OPEN) conn_finish(raw->conn);
}

static size_t tcp_input(struct conn *conn, const char *bytes, size_t size_bytes)
{
    struct raw *raw = conn->session;
    size_t used = 0;
    while (used < size_bytes && conn->state == CONN_OPEN && conn->hold == HOLD_NONE) {
        size_t taken = 0;
        if (raw->batch == NULL && !raw->switching)
            taken = take_bare(raw, bytes + used, size_bytes - used);
        else if (!raw->switching)
            taken = take_lines(raw, bytes + used, size_bytes - used);
        used += taken;
        if (raw->switching && conn->state == CONN_OPEN) {
            submit(raw); /* what was gathered belongs to the old one */
            if (conn->hold == HOLD_NONE && conn->state == CONN_OPEN) switch_batch(raw);
        } else if (taken == 0) {
            break;
        }
        watch_output(raw);
    }
    if (conn->state != CONN_OPEN || conn->hold != HOLD_NONE) return used;
    if (raw->switching) switch_batch(raw);
    if (conn->eof)
        end_input(raw);
    else if (raw->batch != NULL && conn->alarm_ns == 0 && lines_so_far(raw) > raw->line_done)
        conn_alarm(conn, TCP_BATCH_MS * MILLISECOND_NS);
    return used;
}

/* ---- the door ---- */

static bool tcp_open(struct conn *conn)
{
    struct raw *raw = calloc(1, sizeof *raw);
    if (raw == NULL) return false;
    raw->loop = conn->loop;
    raw->conn = conn;
    raw->precision_ns = 1;
    conn->session = raw;
    return true;
}

static void tcp_eof(struct conn *conn)
{
    if (conn->hold == HOLD_NONE) conn_resume(conn);
}

/* 2 ms have passed, or the engine's queue may have room again. */
static void tcp_alarm(struct conn *conn)
{
    struct raw *raw = conn->session;
    if (raw->flying) return;
    const bool held = conn->hold != HOLD_NONE;
    conn->hold = HOLD_NONE;
    submit(raw);
    if (conn->state != CONN_OPEN) return;
    watch_output(raw);
    if (raw->ending && conn->hold == HOLD_NONE)
        conn_finish(conn);
    else if (held)
        conn_resume(conn);
}

static void tcp_deadline(struct conn *conn)
{
}

/* Whole lines that have come are stored; the client sees by the acks which. */
static void tcp_stop(struct conn *conn)
{
    struct raw *raw = conn->session;
    raw->ending = true;
    if (raw->flying) return;
    submit(raw);
    if (!raw->flying && conn->state == CONN_OPEN && conn->hold == HOLD_NONE) conn_finish(conn);
}

static void tcp_gone(struct conn *conn)
{
    struct raw *raw = conn->session;
    if (raw == NULL) return;
    raw->conn = NULL;
    if (!raw->flying) raw_free(raw);
}

const struct door tcp_door = {
    .open = tcp_open,
    .input = tcp_input,
    .eof = tcp_eof,
    .deadline = tcp_deadline,
    .alarm = tcp_alarm,
    .stop = tcp_stop,
    .gone = tcp_gone,
};

static bool full_open(struct conn *conn)
{
    outbuf_str(conn_output(conn), "error 0 0 too many connections; try again later\n");
    conn_finish(conn);
    return true;
}

static size_t full_input(struct conn *conn, const char *bytes, size_t size_bytes)
{
    return size_bytes;
}

static void full_gone(struct conn *conn)
{
}

const struct door tcp_full_door = {
    .open = full_open,
    .input = full_input,
    .eof = conn_close,
    .deadline = conn_close,
    .stop = conn_close,
    .gone = full_gone,
};
