/*
 * rowstream.c - the decoder of query answers: a place for each bracket, a call for each row.
 */
#include "rowstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"

/* What the innermost open bracket is. Anything unknown is PLACE_OTHER and is skipped whole, so
 * that a newer server may say more. */
enum place {
    PLACE_NONE, /* between documents */
    PLACE_TOP,
    PLACE_RESULTS,
    PLACE_RESULT,
    PLACE_SERIES_LIST,
    PLACE_SERIES,
    PLACE_TAGS,
    PLACE_COLUMNS,
    PLACE_VALUES,
    PLACE_ROW,
    PLACE_MESSAGES,
    PLACE_MESSAGE,
    PLACE_OTHER,
};

static const struct {
    enum place outer;
    const char *key; /* of the outer object, or NULL in an array */
    bool object;
    enum place inner;
} nesting[] = {
    {PLACE_NONE, NULL, true, PLACE_TOP},
    {PLACE_TOP, "results", false, PLACE_RESULTS},
    {PLACE_RESULTS, NULL, true, PLACE_RESULT},
    {PLACE_RESULT, "series", false, PLACE_SERIES_LIST},
    {PLACE_SERIES_LIST, NULL, true, PLACE_SERIES},
    {PLACE_SERIES, "tags", true, PLACE_TAGS},
    {PLACE_SERIES, "columns", false, PLACE_COLUMNS},
    {PLACE_SERIES, "values", false, PLACE_VALUES},
    {PLACE_VALUES, NULL, false, PLACE_ROW},
    {PLACE_RESULT, "messages", false, PLACE_MESSAGES},
    {PLACE_MESSAGES, NULL, true, PLACE_MESSAGE},
};

static bool list_add(struct rowstream_list *list, enum phusa_client_value_kind kind,
                     const char *text, size_t size_bytes)
{
    if (list->count == ROWSTREAM_COLUMNS_MAX) return false;
    if (list->text.used + size_bytes > ROWSTREAM_ROW_BYTES_MAX) return false;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct rowstream_item *items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL) return false;
        list->items = items;
        list->capacity = capacity;
    }
    const struct rowstream_item item = {kind, list->text.used, size_bytes};
    if (!textbuf_append(&list->text, text, size_bytes)) return false;
    if (!textbuf_append(&list->text, "", 1)) return false;
    list->items[list->count++] = item;
    return true;
}

static void list_clear(struct rowstream_list *list)
{
    textbuf_clear(&list->text);
    list->count = 0;
}

static void list_deinit(struct rowstream_list *list)
{
    textbuf_deinit(&list->text);
    free(list->items);
}

static const char *list_text(const struct rowstream_list *list, size_t i)
{
    return list->text.bytes + list->items[i].offset;
}

static enum place place_now(const struct rowstream *stream)
{
    return stream->depth == 0 ? PLACE_NONE : (enum place)stream->place[stream->depth - 1];
}

/* Is this the series that the last chunk left unfinished? Remembers it for the next time. */
static bool is_continued(struct rowstream *stream, bool *no_memory)
{
    struct textbuf now = {0};
    bool good = textbuf_print(&now, "%llu", (unsigned long long)stream->statement_id);
    good = good && textbuf_append(&now, stream->name.bytes == NULL ? "" : stream->name.bytes,
                                  stream->name.used + 1);
    if (stream->tags.count > 0)
        good = good && textbuf_append(&now, stream->tags.text.bytes, stream->tags.text.used);
    good = good && textbuf_append(&now, "", 1);
    if (stream->columns.count > 0)
        good = good && textbuf_append(&now, stream->columns.text.bytes, stream->columns.text.used);
    *no_memory = !good;
    const bool same = good && stream->announced_partial && now.used == stream->announced.used &&
                      memcmp(now.bytes, stream->announced.bytes, now.used) == 0;
    textbuf_deinit(&stream->announced);
    stream->announced = now;
    return same;
}

static phusa_client_status announce(struct rowstream *stream)
{
    if (stream->series_open) return PHUSA_CLIENT_OK;
    stream->series_open = true;
    bool no_memory;
    const bool continued = is_continued(stream, &no_memory);
    if (no_memory) return PHUSA_CLIENT_ENOMEM;
    stream->announced_partial = false;
    if (continued || stream->sink->series == NULL) return PHUSA_CLIENT_OK;

    const size_t tag_count = stream->tags.count / 2;
    struct phusa_client_tag *tags = calloc(tag_count + 1, sizeof *tags);
    const char **columns = calloc(stream->columns.count + 1, sizeof *columns);
    phusa_client_status status = PHUSA_CLIENT_ENOMEM;
    if (tags == NULL || columns == NULL) goto out;
    for (size_t i = 0; i < tag_count; i++)
        tags[i] = (struct phusa_client_tag){list_text(&stream->tags, 2 * i),
                                            list_text(&stream->tags, 2 * i + 1)};
    for (size_t i = 0; i < stream->columns.count; i++)
        columns[i] = list_text(&stream->columns, i);
    const struct phusa_client_series series = {
        .statement_id = stream->statement_id,
        .name = stream->name.bytes == NULL ? "" : stream->name.bytes,
        .tags = tags,
        .tag_count = tag_count,
        .columns = columns,
        .column_count = stream->columns.count,
    };
    status = stream->sink->series(stream->sink->context, &series) ? PHUSA_CLIENT_OK
                                                                  : PHUSA_CLIENT_ESTOPPED;
out:
    free(tags);
    free(columns);
    return status;
}

static phusa_client_status end_row(struct rowstream *stream)
{
    const struct rowstream_list *row = &stream->row;
    if (row->count != stream->columns.count) return PHUSA_CLIENT_EANSWER;
    if (stream->sink->row == NULL) return PHUSA_CLIENT_OK;
    if (row->count > stream->values_capacity) {
        struct phusa_client_value *values =
            realloc(stream->values, row->count * sizeof *stream->values);
        if (values == NULL) return PHUSA_CLIENT_ENOMEM;
        stream->values = values;
        stream->values_capacity = row->count;
    }
    for (size_t i = 0; i < row->count; i++)
        stream->values[i] = (struct phusa_client_value){row->items[i].kind, list_text(row, i),
                                                        row->items[i].size_bytes};
    const bool more = stream->sink->row(stream->sink->context, stream->values, row->count);
    return more ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ESTOPPED;
}

static phusa_client_status begin_nested(struct rowstream *stream, bool object)
{
    const enum place outer = place_now(stream);
    enum place inner = PLACE_OTHER;
    for (size_t i = 0; i < sizeof nesting / sizeof nesting[0]; i++) {
        const bool key_fits = nesting[i].key == NULL || strcmp(nesting[i].key, stream->key) == 0;
        if (nesting[i].outer == outer && nesting[i].object == object && key_fits)
            inner = nesting[i].inner;
    }
    if (outer == PLACE_NONE && inner == PLACE_OTHER) return PHUSA_CLIENT_EANSWER;
    if (outer == PLACE_ROW) return PHUSA_CLIENT_EANSWER; /* a value is never a bracket */
    if (stream->depth == ROWSTREAM_DEPTH_MAX) return PHUSA_CLIENT_EANSWER;
    stream->place[stream->depth++] = (unsigned char)inner;

    phusa_client_status status = PHUSA_CLIENT_OK;
    if (inner == PLACE_RESULT) {
        stream->statement_id = 0;
        stream->result_count++;
    } else if (inner == PLACE_SERIES) {
        textbuf_clear(&stream->name);
        list_clear(&stream->tags);
        list_clear(&stream->columns);
        stream->series_open = false;
    } else if (inner == PLACE_VALUES) {
        status = announce(stream);
    } else if (inner == PLACE_ROW) {
        list_clear(&stream->row);
    } else if (inner == PLACE_MESSAGE) {
        textbuf_clear(&stream->level);
        textbuf_clear(&stream->message);
    }
    return status;
}

static phusa_client_status end_nested(struct rowstream *stream)
{
    assert(stream->depth > 0);
    const enum place place = place_now(stream);
    stream->depth--;
    if (place == PLACE_ROW) return end_row(stream);
    if (place == PLACE_SERIES) return announce(stream);
    if (place == PLACE_MESSAGE && stream->sink->message != NULL) {
        const char *level = stream->level.bytes == NULL ? "" : stream->level.bytes;
        const char *text = stream->message.bytes == NULL ? "" : stream->message.bytes;
        if (!stream->sink->message(stream->sink->context, stream->statement_id, level, text))
            return PHUSA_CLIENT_ESTOPPED;
    }
    return PHUSA_CLIENT_OK;
}

static phusa_client_status statement_failed(struct rowstream *stream, const char *text,
                                            size_t text_bytes)
{
    if (stream->error_count++ == 0 && !textbuf_append(&stream->first_error, text, text_bytes))
        return PHUSA_CLIENT_ENOMEM;
    if (stream->sink->statement_error == NULL) return PHUSA_CLIENT_OK;
    const bool more =
        stream->sink->statement_error(stream->sink->context, stream->statement_id, text);
    return more ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ESTOPPED;
}

static phusa_client_status set_text(struct textbuf *to, const char *text, size_t text_bytes)
{
    textbuf_clear(to);
    return textbuf_append(to, text, text_bytes) ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ENOMEM;
}

static phusa_client_status add_text(struct rowstream_list *to, enum phusa_client_value_kind kind,
                                    const char *text, size_t text_bytes)
{
    return list_add(to, kind, text, text_bytes) ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ENOMEM;
}

static phusa_client_status scalar(struct rowstream *stream, enum jstream_event event,
                                  const char *text, size_t text_bytes)
{
    const char *const key = stream->key;
    switch (place_now(stream)) {
    case PLACE_ROW: {
        const enum phusa_client_value_kind kind = event == JSTREAM_STRING   ? PHUSA_CLIENT_STRING
                                                  : event == JSTREAM_NUMBER ? PHUSA_CLIENT_NUMBER
                                                  : event == JSTREAM_NULL   ? PHUSA_CLIENT_NULL
                                                                            : PHUSA_CLIENT_BOOL;
        return add_text(&stream->row, kind, text, event == JSTREAM_NULL ? 0 : text_bytes);
    }
    case PLACE_COLUMNS:
        if (stream->series_open) return PHUSA_CLIENT_EANSWER; /* columns come before values */
        return add_text(&stream->columns, PHUSA_CLIENT_STRING, text, text_bytes);
    case PLACE_TAGS:
        if (stream->tags.count % 2 != 1) return PHUSA_CLIENT_EANSWER;
        return add_text(&stream->tags, PHUSA_CLIENT_STRING, text, text_bytes);
    case PLACE_SERIES:
        if (strcmp(key, "name") == 0) return set_text(&stream->name, text, text_bytes);
        if (strcmp(key, "partial") == 0) stream->announced_partial = event == JSTREAM_TRUE;
        return PHUSA_CLIENT_OK;
    case PLACE_MESSAGE:
        if (strcmp(key, "level") == 0) return set_text(&stream->level, text, text_bytes);
        if (strcmp(key, "text") == 0) return set_text(&stream->message, text, text_bytes);
        return PHUSA_CLIENT_OK;
    case PLACE_RESULT:
        if (strcmp(key, "statement_id") == 0) stream->statement_id = strtoull(text, NULL, 10);
        if (strcmp(key, "error") == 0) return statement_failed(stream, text, text_bytes);
        return PHUSA_CLIENT_OK;
    case PLACE_TOP:
        if (strcmp(key, "error") == 0) return statement_failed(stream, text, text_bytes);
        return PHUSA_CLIENT_OK;
    case PLACE_NONE:
        return PHUSA_CLIENT_EANSWER;
    default:
        return PHUSA_CLIENT_OK;
    }
}

static phusa_client_status take(struct rowstream *stream, enum jstream_event event,
                                const char *text, size_t text_bytes)
{
    switch (event) {
    case JSTREAM_OBJECT_BEGIN:
        return begin_nested(stream, true);
    case JSTREAM_ARRAY_BEGIN:
        return begin_nested(stream, false);
    case JSTREAM_OBJECT_END:
    case JSTREAM_ARRAY_END:
        return end_nested(stream);
    case JSTREAM_KEY:
        if (place_now(stream) == PLACE_TAGS)
            return add_text(&stream->tags, PHUSA_CLIENT_STRING, text, text_bytes);
        /* A longer key is none of ours; its first letters must not look like one. */
        if (text_bytes >= sizeof stream->key) text = "";
        strcpy(stream->key, text);
        return PHUSA_CLIENT_OK;
    default:
        return scalar(stream, event, text, text_bytes);
    }
}

/* The JSON reader knows stop and go only; the status behind a stop is kept here. */
struct rowstream_call {
    struct rowstream *stream;
    phusa_client_status status;
};

static bool on_event(void *context, enum jstream_event event, const char *text, size_t text_bytes)
{
    struct rowstream_call *call = context;
    call->status = take(call->stream, event, text, text_bytes);
    return call->status == PHUSA_CLIENT_OK;
}

void rowstream_init(struct rowstream *stream, const struct phusa_client_sink *sink)
{
    assert(stream != NULL);
    assert(sink != NULL);
    *stream = (struct rowstream){.sink = sink};
    stream->json.callback = on_event;
}

void rowstream_deinit(struct rowstream *stream)
{
    assert(stream != NULL);
    jstream_deinit(&stream->json);
    textbuf_deinit(&stream->name);
    textbuf_deinit(&stream->level);
    textbuf_deinit(&stream->message);
    textbuf_deinit(&stream->announced);
    textbuf_deinit(&stream->first_error);
    list_deinit(&stream->tags);
    list_deinit(&stream->columns);
    list_deinit(&stream->row);
    free(stream->values);
}

phusa_client_status rowstream_feed(struct rowstream *stream, const char *bytes, size_t size_bytes)
{
    assert(stream != NULL);
    struct rowstream_call call = {stream, PHUSA_CLIENT_OK};
    stream->json.context = &call;
    const phusa_client_status status = jstream_feed(&stream->json, bytes, size_bytes);
    return call.status != PHUSA_CLIENT_OK ? call.status : status;
}

phusa_client_status rowstream_finish(struct rowstream *stream)
{
    assert(stream != NULL);
    struct rowstream_call call = {stream, PHUSA_CLIENT_OK};
    stream->json.context = &call;
    const phusa_client_status status = jstream_finish(&stream->json);
    return call.status != PHUSA_CLIENT_OK ? call.status : status;
}
