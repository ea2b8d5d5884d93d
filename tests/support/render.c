/* render.c - see render.h. */
#include "render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *bytes;
    size_t size, capacity;
    size_t column_count; /* of the series, without time */
    bool has_time;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
    va_list arguments;
    for (;;) {
        va_start(arguments, format);
        const size_t room = t->capacity - t->size;
        const int n =
            vsnprintf(t->bytes == NULL ? NULL : t->bytes + t->size, room, format, arguments);
        va_end(arguments);
        if ((size_t)n < room) {
            t->size += (size_t)n;
            return;
        }
        t->capacity = (t->capacity + (size_t)n + 1) * 2;
        t->bytes = realloc(t->bytes, t->capacity);
        if (t->bytes == NULL) abort();
    }
}

static phusa_status on_statement(void *context, unsigned statement)
{
    if (statement > 0) put(context, "# statement %u\n", statement);
    return PHUSA_OK;
}

static phusa_status on_series(void *context, const struct phusa_series_header *h)
{
    struct text *t = context;
    put(t, "%.*s", (int)h->name.size_bytes, h->name.bytes);
    for (size_t i = 0; i < h->tag_count; i++)
        put(t, "%s%.*s=%.*s%s", i == 0 ? "{" : ",", (int)h->tags[i].key.size_bytes,
            h->tags[i].key.bytes, (int)h->tags[i].value.size_bytes, h->tags[i].value.bytes,
            i + 1 == h->tag_count ? "}" : "");
    for (size_t i = 0; i < h->column_count; i++)
        put(t, " %.*s", (int)h->columns[i].size_bytes, h->columns[i].bytes);
    put(t, "\n");
    t->has_time = h->has_time;
    t->column_count = h->column_count - h->has_time;
    return PHUSA_OK;
}

static void put_value(struct text *t, const struct phusa_column *c, size_t r)
{
    char number[PHUSA_DOUBLE_BYTES_MAX];
    if (c->present != NULL && !(c->present[r / 64] >> (r % 64) & 1))
        put(t, "-");
    else if (c->type == PHUSA_FLOAT)
        put(t, "%.*s", (int)phusa_print_double(c->f[r], number), number);
    else if (c->type == PHUSA_INTEGER)
        put(t, "%" PRId64, c->i[r]);
    else if (c->type == PHUSA_UNSIGNED)
        put(t, "%" PRIu64, c->u[r]);
    else if (c->type == PHUSA_BOOLEAN)
        put(t, "%s", c->b[r] ? "true" : "false");
    else
        put(t, "\"%.*s\"", (int)c->s[r].size_bytes, c->s[r].bytes);
}

static phusa_status on_rows(void *context, const struct phusa_rows *rows)
{
    struct text *t = context;
    for (size_t r = 0; r < rows->row_count; r++) {
        char time[PHUSA_TIME_BYTES_MAX];
        if (t->has_time) put(t, "%.*s", (int)phusa_print_time(rows->times_ns[r], time), time);
        for (size_t c = 0; c < t->column_count; c++) {
            if (c > 0 || t->has_time) put(t, " ");
            put_value(t, &rows->columns[c], r);
        }
        put(t, "\n");
    }
    return PHUSA_OK;
}

static phusa_status on_message(void *context, unsigned statement, const char *level,
                               const char *text)
{
    (void)statement;
    put(context, "%s: %s\n", level, text);
    return PHUSA_OK;
}

static phusa_status on_end(void *context, unsigned statement, const struct phusa_error *error)
{
    (void)statement;
    if (error != NULL) put(context, "! %s\n", error->text);
    return PHUSA_OK;
}

static struct phusa_sink sink_to(struct text *t)
{
    put(t, "%s", "");
    return (struct phusa_sink){.context = t,
                               .statement_begin = on_statement,
                               .series_begin = on_series,
                               .rows = on_rows,
                               .message = on_message,
                               .statement_end = on_end};
}

char *render_query(struct phusa *db, const char *database, const char *text)
{
    struct text t = {0};
    const struct phusa_sink sink = sink_to(&t);
    const struct phusa_query_options options = {.database = database};
    struct phusa_error error;
    if (phusa_query(db, text, strlen(text), &options, &sink, &error) != PHUSA_OK)
        put(&t, "! %s\n", error.text);
    return t.bytes;
}

char *render_select(struct phusa *db, const struct phusa_select *select)
{
    struct text t = {0};
    const struct phusa_sink sink = sink_to(&t);
    struct phusa_error error;
    if (phusa_select(db, select, NULL, &sink, &error) != PHUSA_OK) put(&t, "! %s\n", error.text);
    return t.bytes;
}

phusa_status write_lines(struct phusa *db, const char *database, const char *lines, char **refusals)
{
    struct phusa_batch *batch;
    struct phusa_error error;
    phusa_status status = phusa_batch_create(db, database, NULL, &batch, &error);
    if (status != PHUSA_OK) return status;
    size_t taken;
    status = phusa_batch_lines(batch, lines, strlen(lines), true, 1, 0, &taken, &error);
    if (status == PHUSA_OK) status = phusa_write(db, batch, &error);
    if (refusals != NULL) {
        struct text t = {0};
        put(&t, "%s", "");
        const struct phusa_refusal *list;
        size_t kept;
        phusa_batch_refused(batch, &list, &kept);
        for (size_t i = 0; i < kept; i++)
            put(&t, "%" PRIu64 ":%" PRIu32 " %s\n", list[i].line, list[i].column, list[i].reason);
        *refusals = t.bytes;
    }
    phusa_batch_free(batch);
    return status;
}
