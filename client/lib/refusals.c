/*
 * refusals.c - the decoder of what a server says when it does not take a request whole.
 */
#include "refusals.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool set_text(struct textbuf *to, const char *text, size_t text_bytes)
{
    textbuf_clear(to);
    return textbuf_append(to, text, text_bytes);
}

static void report(struct refusals *refusals)
{
    refusals->listed_count++;
    if (refusals->callback == NULL) return;
    const struct phusa_client_refusal refusal = {
        .line = refusals->line,
        .column = refusals->column,
        .reason = refusals->reason.bytes == NULL ? "" : refusals->reason.bytes,
        .excerpt = refusals->excerpt.bytes == NULL ? "" : refusals->excerpt.bytes,
    };
    refusals->callback(refusals->context, &refusal);
}

static bool on_scalar(struct refusals *refusals, enum jstream_event event, const char *text,
                      size_t text_bytes)
{
    const char *const key = refusals->key;
    if (refusals->in_refusal && refusals->depth == 3) {
        if (strcmp(key, "line") == 0) refusals->line = strtoull(text, NULL, 10);
        if (strcmp(key, "column") == 0) refusals->column = strtoull(text, NULL, 10);
        if (strcmp(key, "reason") == 0) return set_text(&refusals->reason, text, text_bytes);
        if (strcmp(key, "excerpt") == 0) return set_text(&refusals->excerpt, text, text_bytes);
    } else if (refusals->depth == 1) {
        if (event == JSTREAM_STRING && strcmp(key, "error") == 0)
            return set_text(&refusals->error, text, text_bytes);
        if (event == JSTREAM_STRING && strcmp(key, "message") == 0 && refusals->error.used == 0)
            return set_text(&refusals->error, text, text_bytes);
        if (event == JSTREAM_NUMBER && strcmp(key, "accepted") == 0)
            refusals->accepted_count = strtoull(text, NULL, 10);
        if (event == JSTREAM_NUMBER && strcmp(key, "refused_count") == 0) {
            refusals->refused_count = strtoull(text, NULL, 10);
            refusals->has_refused_count = true;
        }
    }
    return true;
}

static bool on_event(void *context, enum jstream_event event, const char *text, size_t text_bytes)
{
    struct refusals *refusals = context;
    switch (event) {
    case JSTREAM_OBJECT_BEGIN:
    case JSTREAM_ARRAY_BEGIN:
        if (refusals->depth == 1 && event == JSTREAM_ARRAY_BEGIN)
            refusals->in_refused = strcmp(refusals->key, "refused") == 0;
        if (refusals->depth == 2 && event == JSTREAM_OBJECT_BEGIN && refusals->in_refused) {
            refusals->in_refusal = true;
            refusals->line = 0;
            refusals->column = 0;
            textbuf_clear(&refusals->reason);
            textbuf_clear(&refusals->excerpt);
        }
        refusals->depth++;
        return true;
    case JSTREAM_OBJECT_END:
    case JSTREAM_ARRAY_END:
        refusals->depth--;
        if (refusals->depth == 2 && refusals->in_refusal) {
            refusals->in_refusal = false;
            report(refusals);
        }
        if (refusals->depth == 1) refusals->in_refused = false;
        return true;
    case JSTREAM_KEY:
        if (text_bytes >= sizeof refusals->key) text = "";
        strcpy(refusals->key, text);
        return true;
    default:
        return on_scalar(refusals, event, text, text_bytes);
    }
}

void refusals_init(struct refusals *refusals)
{
    assert(refusals != NULL);
    *refusals = (struct refusals){.json = {.callback = on_event}};
}

void refusals_deinit(struct refusals *refusals)
{
    assert(refusals != NULL);
    jstream_deinit(&refusals->json);
    textbuf_deinit(&refusals->error);
    textbuf_deinit(&refusals->reason);
    textbuf_deinit(&refusals->excerpt);
}

void refusals_read(struct refusals *refusals, const char *bytes, size_t size_bytes)
{
    assert(refusals != NULL);
    refusals->json.context = refusals;
    const phusa_client_status status = jstream_feed(&refusals->json, bytes, size_bytes);
    (void)status;
}
