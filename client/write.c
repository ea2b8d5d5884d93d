/*
 * write.c - `phusa write`: stream line protocol to the server in batches.
 *
 * The file is read in pieces into the batch that is being filled; a batch ends at the last place
 * where the stream may be cut (lines.h), and what is behind it begins the next one.
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lines.h"
#include "progress.h"
#include "sender.h"

#define READ_BYTES           (256u << 10)
#define BATCH_BYTES_TARGET   (4u << 20)  /* cut at the next chance from here on */
#define BATCH_BYTES_MAX      (16u << 20) /* the server's limit: longer without a cut is an error */
#define BATCH_POINTS_DEFAULT 10000u
#define SHOWN_MAX            20u

static struct {
    const char *database, *retention_policy, *precision;
    uint64_t batch_points, connections;
    bool gzip, create;
} settings = {.batch_points = BATCH_POINTS_DEFAULT, .connections = 1};

static const struct option write_options[] = {
    {"db", OPTION_TEXT, &settings.database, "DB", "the database to write to (required)"},
    {"rp", OPTION_TEXT, &settings.retention_policy, "RP",
     "the retention policy; default: the database's own"},
    {"precision", OPTION_TEXT, &settings.precision, "P",
     "what the timestamps count: ns, u, ms, s, m or h; default ns"},
    {"create-db", OPTION_FLAG, &settings.create, NULL, "create the database if it is not there"},
    {"batch-points", OPTION_COUNT, &settings.batch_points, "N",
     "points in a request; default 10000"},
    {"connections", OPTION_COUNT, &settings.connections, "N",
     "requests in flight, 1 to 16; default 1. With more, two points of one series and time "
     "that are far apart in the input may be stored in either order"},
    {"gzip", OPTION_FLAG, &settings.gzip, NULL, "compress the requests: worth it on slow lines"},
    {NULL, OPTION_FLAG, NULL, NULL, NULL},
};

void write_help(void)
{
    puts("Usage: phusa write --db DB [OPTIONS] [FILE...|-]\n"
         "\n"
         "Send line protocol from files, or from standard input. A line that the server refuses\n"
         "is listed with its number in the file; all others are stored, and counted at the end.\n"
         "Sending a file again changes nothing: the same points are the same points.\n"
         "\n"
         "Exit code: 0 all stored, 1 some lines refused, 2 could not.\n"
         "\n"
         "Options:");
    options_print_help(write_options);
    options_print_help(tool_global_options);
}

struct writing {
    struct sender *sender;
    struct progress progress;
    const char *const *names; /* of the sources */
    uint64_t done_bytes, point_count, refused_count, shown_count;
    uint64_t submitted_bytes;
};

static const char *shown_name(const char *name)
{
    return strcmp(name, "-") == 0 ? "standard input" : name;
}

static void show_refusals(struct writing *writing, const struct batch *batch)
{
    const char *name = shown_name(writing->names[batch->source]);
    if (batch->refusal_count == 0) {
        /* A server that gives only a sentence for the whole batch. */
        if (writing->shown_count++ < SHOWN_MAX)
            fprintf(stderr, "%s: in lines %" PRIu64 " to %" PRIu64 ": %s\n", name,
                    batch->first_line, batch->last_line, batch->reason);
        return;
    }
    for (size_t i = 0; i < batch->refusal_count && writing->shown_count < SHOWN_MAX; i++) {
        const struct batch_refusal *refusal = &batch->refusals[i];
        writing->shown_count++;
        fprintf(stderr, "%s:%" PRIu64, name, batch_source_line(batch, refusal->line));
        if (refusal->column > 0) fprintf(stderr, ":%" PRIu64, refusal->column);
        fprintf(stderr, ": %s%s%s\n", refusal->reason, refusal->excerpt[0] != 0 ? ": " : "",
                refusal->excerpt);
    }
}

static void acknowledged(void *context, const struct batch *batch)
{
    struct writing *writing = context;
    writing->point_count += batch->point_count;
    writing->refused_count += batch->refused_count;
    writing->done_bytes += batch->body.used;
    if (batch->refused_count > 0) {
        progress_clear(&writing->progress);
        show_refusals(writing, batch);
    }
    progress_update(&writing->progress, writing->done_bytes, writing->point_count);
}

/* Send the first `cut_bytes` of *batch; the rest moves to a fresh batch, which replaces it. */
static bool send_cut(struct writing *writing, struct batch **batch, size_t cut_bytes,
                     const struct lines *before, const struct lines *now)
{
    struct batch *next = sender_take(writing->sender);
    if (next == NULL) return false;
    struct batch *full = *batch;
    if (!textbuf_append(&next->body, full->body.bytes + cut_bytes, full->body.used - cut_bytes)) {
        fputs("phusa: no memory\n", stderr);
        return false;
    }
    full->body.used = cut_bytes;
    full->point_count = now->cut_point_count - before->cut_point_count;
    full->first_line = before->cut_newline_count + 1;
    full->last_line = now->cut_newline_count;
    next->source = full->source;
    *batch = next;
    return sender_submit(writing->sender, full);
}

static bool report_no_cut(const char *name, const struct lines *lines)
{
    fprintf(stderr,
            "phusa: %s: no line ends in the %u MiB from line %" PRIu64
            " on; is a quote not closed?\n",
            name, BATCH_BYTES_MAX >> 20, lines->cut_newline_count + 1);
    return false;
}

/* Read `fd` to its end. *batch is the caller's before and after. */
static bool write_stream(struct writing *writing, int fd, size_t source, struct batch **batch)
{
    struct lines lines = {0}, before = {0};
    const char *const name = shown_name(writing->names[source]);
    size_t scanned = 0; /* bytes of the batch's body that `lines` has seen */
    bool ended = false;
    (*batch)->source = source;
    while (!ended) {
        if (tool_interrupted(NULL)) return false;
        struct textbuf *body = &(*batch)->body;
        if (!textbuf_reserve(body, READ_BYTES)) {
            fputs("phusa: no memory\n", stderr);
            return false;
        }
        const ssize_t count = read(fd, body->bytes + body->used, READ_BYTES);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            fprintf(stderr, "phusa: %s: %s\n", name, strerror(errno));
            return false;
        }
        body->used += (size_t)count;
        ended = count == 0;
        /* A last line without its end is a line too, unless a string is still open: then the
         * server says what it thinks of it. */
        if (ended && body->used > 0 && body->bytes[body->used - 1] != '\n' &&
            !textbuf_append(body, "\n", 1))
            return false;

        while (scanned < (*batch)->body.used) {
            body = &(*batch)->body;
            scanned += lines_feed(&lines, body->bytes + scanned, body->used - scanned,
                                  before.cut_point_count + settings.batch_points);
            const size_t cut_bytes = (size_t)(lines.cut_offset - before.cut_offset);
            const bool full =
                lines.cut_point_count - before.cut_point_count >= settings.batch_points ||
                (cut_bytes > 0 && body->used >= BATCH_BYTES_TARGET);
            if (!full) {
                if (body->used > BATCH_BYTES_MAX) return report_no_cut(name, &lines);
                continue;
            }
            if (!send_cut(writing, batch, cut_bytes, &before, &lines)) return false;
            scanned -= cut_bytes;
            before = lines;
        }
    }
    if ((*batch)->body.used == 0) return true;
    lines.cut_point_count = lines.point_count;
    lines.cut_newline_count = lines.newline_count;
    return send_cut(writing, batch, (*batch)->body.used, &before, &lines);
}

static bool write_source(struct writing *writing, size_t source, struct batch **batch)
{
    const char *name = writing->names[source];
    if (strcmp(name, "-") == 0) return write_stream(writing, STDIN_FILENO, source, batch);
    const int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        progress_clear(&writing->progress);
        fprintf(stderr, "phusa: %s: %s\n", name, strerror(errno));
        return false;
    }
    const bool good = write_stream(writing, fd, source, batch);
    (void)close(fd);
    return good;
}

/* The bytes of all sources, or 0 when one of them is not a file. */
static uint64_t total_bytes(const struct option_list *sources)
{
    uint64_t total = 0;
    for (size_t i = 0; i < sources->count; i++) {
        struct stat status;
        const bool standard_input = strcmp(sources->items[i], "-") == 0;
        const int failed =
            standard_input ? fstat(STDIN_FILENO, &status) : stat(sources->items[i], &status);
        if (failed != 0 || !S_ISREG(status.st_mode)) return 0;
        total += (uint64_t)status.st_size;
    }
    return total;
}

static bool write_all(struct writing *writing, const struct option_list *sources)
{
    struct batch *batch = sender_take(writing->sender);
    bool good = batch != NULL;
    for (size_t i = 0; good && i < sources->count; i++)
        good = write_source(writing, i, &batch);
    return sender_drain(writing->sender) && good;
}

static int run(const struct option_list *sources)
{
    struct writing writing = {.names = sources->items};
    struct sender_options options = {
        .client = tool_client_options(),
        .target = {settings.database, settings.retention_policy, settings.precision},
        .connections = (unsigned)settings.connections,
        .acknowledged = acknowledged,
        .context = &writing,
    };
    options.client.gzip = settings.gzip;
    struct phusa_client_error error;
    if (settings.create && !tool_create_database(settings.database)) return TOOL_FAILED;
    if (!sender_open(&writing.sender, &options, &error)) {
        fprintf(stderr, "phusa: %s\n", error.text);
        return TOOL_FAILED;
    }
    progress_begin(&writing.progress, 0, total_bytes(sources), "points");
    const bool good = write_all(&writing, sources);
    progress_clear(&writing.progress);

    const phusa_client_status failure = sender_failure(writing.sender, &error);
    if (failure == PHUSA_CLIENT_ESTOPPED || (!good && tool_interrupted(NULL)))
        fputs("phusa: stopped\n", stderr);
    else if (failure != PHUSA_CLIENT_OK)
        fprintf(stderr, "phusa: %s\n", error.text);
    if (writing.shown_count >= SHOWN_MAX && writing.refused_count > writing.shown_count)
        fprintf(stderr, "... and more: %" PRIu64 " lines refused in all\n", writing.refused_count);
    const uint64_t stored = writing.point_count > writing.refused_count
                                ? writing.point_count - writing.refused_count
                                : 0;
    fprintf(stderr, "%" PRIu64 " points stored, %" PRIu64 " refused, in %.1f s\n", stored,
            writing.refused_count, progress_seconds(&writing.progress));
    sender_close(writing.sender);
    if (!good) return TOOL_FAILED;
    return writing.refused_count > 0 ? TOOL_REFUSED : TOOL_DONE;
}

int write_main(int argc, char **argv)
{
    struct option_list operands = {0};
    int code;
    if (!tool_parse(write_options, argc, argv, 2, &operands, write_help, &code)) goto out;
    code = TOOL_FAILED;
    if (settings.database == NULL) {
        fputs("phusa: write needs --db DB\n", stderr);
        goto out;
    }
    if (!tool_precision_is_known("precision", settings.precision)) goto out;
    if (settings.connections > SENDER_CONNECTIONS_MAX) {
        fprintf(stderr, "phusa: --connections is at most %u\n", SENDER_CONNECTIONS_MAX);
        goto out;
    }
    if (operands.count == 0 && !option_list_add(&operands, "-")) goto out;
    tool_catch_interrupt();
    code = run(&operands);
out:
    option_list_deinit(&operands);
    return code;
}
