/*
 * answer.c - the decoder of query answers: a place for each bracket, a call for each row.
 */
#include "answer.h"

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

static bool list_add(struct answer_list *list, enum phusa_client_value_kind kind, const char *text,
                     size_t size_bytes)
{
    if (list->count == ANSWER_COLUMNS_MAX) return false;
    if (list->text.used + size_bytes > ANSWER_ROW_BYTES_MAX) return false;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct answer_item *items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL) return false;
        list->items = items;
        list->capacity = capacity;
    }
    const struct answer_item item = {kind, list->text.used, size_bytes};
    if (!textbuf_append(&list->text, text, size_bytes)) return false;
    if (!textbuf_append(&list->text, "", 1)) return false;
    list->items[list->count++] = item;
    return true;
}

static void list_clear(struct answer_list *list)
{
    textbuf_clear(&list->text);
    list->count = 0;
}

static void list_deinit(struct answer_list *list)
{
    textbuf_deinit(&list->text);
    free(list->items);
}

static const char *list_text(const struct answer_list *list, size_t i)
{
    return list->text.bytes + list->items[i].offset;
}

static enum place place_now(const struct answer *answer)
{
    return answer->depth == 0 ? PLACE_NONE : (enum place)answer->place[answer->depth - 1];
}

/* Is this the series that the last chunk left unfinished? Remembers it for the next time. */
static bool is_continued(struct answer *answer, bool *no_memory)
{
    struct textbuf now = {0};
    bool good = textbuf_print(&now, "%llu", (unsigned long long)answer->statement_id);
    good = good && textbuf_append(&now, answer->name.bytes == NULL ? "" : answer->name.bytes,
                                  answer->name.used + 1);
    if (answer->tags.count > 0)
        good = good && textbuf_append(&now, answer->tags.text.bytes, answer->tags.text.used);
    good = good && textbuf_append(&now, "", 1);
    if (answer->columns.count > 0)
        good = good && textbuf_append(&now, answer->columns.text.bytes, answer->columns.text.used);
    *no_memory = !good;
    const bool same = good && answer->announced_partial && now.used == answer->announced.used &&
                      memcmp(now.bytes, answer->announced.bytes, now.used) == 0;
    textbuf_deinit(&answer->announced);
    answer->announced = now;
    return same;
}

static phusa_client_status announce(struct answer *answer)
{
    if (answer->series_open) return PHUSA_CLIENT_OK;
    answer->series_open = true;
    bool no_memory;
    const bool continued = is_continued(answer, &no_memory);
    if (no_memory) return PHUSA_CLIENT_ENOMEM;
    answer->announced_partial = false;
    if (continued || answer->sink->series == NULL) return PHUSA_CLIENT_OK;

    const size_t tag_count = answer->tags.count / 2;
    struct phusa_client_tag *tags = calloc(tag_count + 1, sizeof *tags);
    const char **columns = calloc(answer->columns.count + 1, sizeof *columns);
    phusa_client_status status = PHUSA_CLIENT_ENOMEM;
    if (tags == NULL || columns == NULL) goto out;
    for (size_t i = 0; i < tag_count; i++)
        tags[i] = (struct phusa_client_tag){list_text(&answer->tags, 2 * i),
                                            list_text(&answer->tags, 2 * i + 1)};
    for (size_t i = 0; i < answer->columns.count; i++)
        columns[i] = list_text(&answer->columns, i);
    const struct phusa_client_series series = {
        .statement_id = answer->statement_id,
        .name = answer->name.bytes == NULL ? "" : answer->name.bytes,
        .tags = tags,
        .tag_count = tag_count,
        .columns = columns,
        .column_count = answer->columns.count,
    };
    status = answer->sink->series(answer->sink->context, &series) ? PHUSA_CLIENT_OK
                                                                  : PHUSA_CLIENT_ESTOPPED;
out:
    free(tags);
    free(columns);
    return status;
}

static phusa_client_status end_row(struct answer *answer)
{
    const struct answer_list *row = &answer->row;
    if (row->count != answer->columns.count) return PHUSA_CLIENT_EANSWER;
    if (answer->sink->row == NULL) return PHUSA_CLIENT_OK;
    if (row->count > answer->values_capacity) {
        struct phusa_client_value *values =
            realloc(answer->values, row->count * sizeof *answer->values);
        if (values == NULL) return PHUSA_CLIENT_ENOMEM;
        answer->values = values;
        answer->values_capacity = row->count;
    }
    for (size_t i = 0; i < row->count; i++)
        answer->values[i] = (struct phusa_client_value){row->items[i].kind, list_text(row, i),
                                                        row->items[i].size_bytes};
    const bool more = answer->sink->row(answer->sink->context, answer->values, row->count);
    return more ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ESTOPPED;
}

static phusa_client_status begin_nested(struct answer *answer, bool object)
{
    const enum place outer = place_now(answer);
    enum place inner = PLACE_OTHER;
    for (size_t i = 0; i < sizeof nesting / sizeof nesting[0]; i++) {
        const bool key_fits = nesting[i].key == NULL || strcmp(nesting[i].key, answer->key) == 0;
        if (nesting[i].outer == outer && nesting[i].object == object && key_fits)
            inner = nesting[i].inner;
    }
    if (outer == PLACE_NONE && inner == PLACE_OTHER) return PHUSA_CLIENT_EANSWER;
    if (outer == PLACE_ROW) return PHUSA_CLIENT_EANSWER; /* a value is never a bracket */
    if (answer->depth == ANSWER_DEPTH_MAX) return PHUSA_CLIENT_EANSWER;
    answer->place[answer->depth++] = (unsigned char)inner;

    phusa_client_status status = PHUSA_CLIENT_OK;
    if (inner == PLACE_RESULT) {
        answer->statement_id = 0;
        answer->result_count++;
    } else if (inner == PLACE_SERIES) {
        textbuf_clear(&answer->name);
        list_clear(&answer->tags);
        list_clear(&answer->columns);
        answer->series_open = false;
    } else if (inner == PLACE_VALUES) {
        status = announce(answer);
    } else if (inner == PLACE_ROW) {
        list_clear(&answer->row);
    } else if (inner == PLACE_MESSAGE) {
        textbuf_clear(&answer->level);
        textbuf_clear(&answer->message);
    }
    return status;
}

static phusa_client_status end_nested(struct answer *answer)
{
    assert(answer->depth > 0);
    const enum place place = place_now(answer);
    answer->depth--;
    if (place == PLACE_ROW) return end_row(answer);
    if (place == PLACE_SERIES) return announce(answer);
    if (place == PLACE_MESSAGE && answer->sink->message != NULL) {
        const char *level = answer->level.bytes == NULL ? "" : answer->level.bytes;
        const char *text = answer->message.bytes == NULL ? "" : answer->message.bytes;
        if (!answer->sink->message(answer->sink->context, answer->statement_id, level, text))
            return PHUSA_CLIENT_ESTOPPED;
    }
    return PHUSA_CLIENT_OK;
}

static phusa_client_status statement_failed(struct answer *answer, const char *text,
                                            size_t text_bytes)
{
    if (answer->error_count++ == 0 && !textbuf_append(&answer->first_error, text, text_bytes))
        return PHUSA_CLIENT_ENOMEM;
    if (answer->sink->statement_error == NULL) return PHUSA_CLIENT_OK;
    const bool more =
        answer->sink->statement_error(answer->sink->context, answer->statement_id, text);
    return more ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ESTOPPED;
}

static phusa_client_status set_text(struct textbuf *to, const char *text, size_t text_bytes)
{
    textbuf_clear(to);
    return textbuf_append(to, text, text_bytes) ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ENOMEM;
}

static phusa_client_status add_text(struct answer_list *to, enum phusa_client_value_kind kind,
                                    const char *text, size_t text_bytes)
{
    return list_add(to, kind, text, text_bytes) ? PHUSA_CLIENT_OK : PHUSA_CLIENT_ENOMEM;
}

static phusa_client_status scalar(struct answer *answer, enum jstream_event event, const char *text,
                                  size_t text_bytes)
{
    const char *const key = answer->key;
    switch (place_now(answer)) {
    case PLACE_ROW: {
        const enum phusa_client_value_kind kind = event == JSTREAM_STRING   ? PHUSA_CLIENT_STRING
                                                  : event == JSTREAM_NUMBER ? PHUSA_CLIENT_NUMBER
                                                  : event == JSTREAM_NULL   ? PHUSA_CLIENT_NULL
                                                                            : PHUSA_CLIENT_BOOL;
        return add_text(&answer->row, kind, text, event == JSTREAM_NULL ? 0 : text_bytes);
    }
    case PLACE_COLUMNS:
        if (answer->series_open) return PHUSA_CLIENT_EANSWER; /* columns come before values */
        return add_text(&answer->columns, PHUSA_CLIENT_STRING, text, text_bytes);
    case PLACE_TAGS:
        if (answer->tags.count % 2 != 1) return PHUSA_CLIENT_EANSWER;
        return add_text(&answer->tags, PHUSA_CLIENT_STRING, text, text_bytes);
    case PLACE_SERIES:
        if (strcmp(key, "name") == 0) return set_text(&answer->name, text, text_bytes);
        if (strcmp(key, "partial") == 0) answer->announced_partial = event == JSTREAM_TRUE;
        return PHUSA_CLIENT_OK;
    case PLACE_MESSAGE:
        if (strcmp(key, "level") == 0) return set_text(&answer->level, text, text_bytes);
        if (strcmp(key, "text") == 0) return set_text(&answer->message, text, text_bytes);
        return PHUSA_CLIENT_OK;
    case PLACE_RESULT:
        if (strcmp(key, "statement_id") == 0) answer->statement_id = strtoull(text, NULL, 10);
        if (strcmp(key, "error") == 0) return statement_failed(answer, text, text_bytes);
        return PHUSA_CLIENT_OK;
    case PLACE_TOP:
        if (strcmp(key, "error") == 0) return statement_failed(answer, text, text_bytes);
        return PHUSA_CLIENT_OK;
    case PLACE_NONE:
        return PHUSA_CLIENT_EANSWER;
    default:
        return PHUSA_CLIENT_OK;
    }
}

static phusa_client_status take(struct answer *answer, enum jstream_event event, const char *text,
                                size_t text_bytes)
{
    switch (event) {
    case JSTREAM_OBJECT_BEGIN:
        return begin_nested(answer, true);
    case JSTREAM_ARRAY_BEGIN:
        return begin_nested(answer, false);
    case JSTREAM_OBJECT_END:
    case JSTREAM_ARRAY_END:
        return end_nested(answer);
    case JSTREAM_KEY:
        if (place_now(answer) == PLACE_TAGS)
            return add_text(&answer->tags, PHUSA_CLIENT_STRING, text, text_bytes);
        /* A longer key is none of ours; its first letters must not look like one. */
        if (text_bytes >= sizeof answer->key) text = "";
        strcpy(answer->key, text);
        return PHUSA_CLIENT_OK;
    default:
        return scalar(answer, event, text, text_bytes);
    }
}

/* The JSON reader knows stop and go only; the status behind a stop is kept here. */
struct answer_call {
    struct answer *answer;
    phusa_client_status status;
};

static bool on_event(void *context, enum jstream_event event, const char *text, size_t text_bytes)
{
    struct answer_call *call = context;
    call->status = take(call->answer, event, text, text_bytes);
    return call->status == PHUSA_CLIENT_OK;
}

void answer_init(struct answer *answer, const struct phusa_client_sink *sink)
{
    assert(answer != NULL);
    assert(sink != NULL);
    *answer = (struct answer){.sink = sink};
    answer->json.callback = on_event;
}

void answer_deinit(struct answer *answer)
{
    assert(answer != NULL);
    jstream_deinit(&answer->json);
    textbuf_deinit(&answer->name);
    textbuf_deinit(&answer->level);
    textbuf_deinit(&answer->message);
    textbuf_deinit(&answer->announced);
    textbuf_deinit(&answer->first_error);
    list_deinit(&answer->tags);
    list_deinit(&answer->columns);
    list_deinit(&answer->row);
    free(answer->values);
}

phusa_client_status answer_feed(struct answer *answer, const char *bytes, size_t size_bytes)
{
    assert(answer != NULL);
    struct answer_call call = {answer, PHUSA_CLIENT_OK};
    answer->json.context = &call;
    const phusa_client_status status = jstream_feed(&answer->json, bytes, size_bytes);
    return call.status != PHUSA_CLIENT_OK ? call.status : status;
}

phusa_client_status answer_finish(struct answer *answer)
{
    assert(answer != NULL);
    struct answer_call call = {answer, PHUSA_CLIENT_OK};
    answer->json.context = &call;
    const phusa_client_status status = jstream_finish(&answer->json);
    return call.status != PHUSA_CLIENT_OK ? call.status : status;
}
