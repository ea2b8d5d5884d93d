/*
 * jstream.h - read JSON as it arrives: bytes in, in pieces of any size; events out.
 *
 * An answer of a million rows is never in memory: only the text of the string or number being
 * read, at most JSTREAM_TEXT_BYTES_MAX. Several documents may follow each other, as in a chunked
 * answer (one object a line).
 *
 * Ownership  the struct owns its text buffer; zero it to begin, jstream_deinit() to end. An
 *            event's text is NUL-terminated and lives until the callback returns.
 * Threads    one.
 * Errors     jstream_feed() returns what is wrong; the struct then refuses further bytes.
 */
#ifndef PHUSA_CLIENT_JSTREAM_H
#define PHUSA_CLIENT_JSTREAM_H

#include "phusa_client.h"
#include "textbuf.h"

#define JSTREAM_TEXT_BYTES_MAX                                                      \
    (16u << 20)               /* one string; 256 times the longest the server keeps \
                               */
#define JSTREAM_DEPTH_MAX 64u /* an answer needs 8 */

enum jstream_event {
    JSTREAM_OBJECT_BEGIN,
    JSTREAM_OBJECT_END,
    JSTREAM_ARRAY_BEGIN,
    JSTREAM_ARRAY_END,
    JSTREAM_KEY,
    JSTREAM_STRING,
    JSTREAM_NUMBER, /* as written */
    JSTREAM_TRUE,
    JSTREAM_FALSE,
    JSTREAM_NULL,
};

/* False stops the reading: jstream_feed() returns PHUSA_CLIENT_ESTOPPED. */
typedef bool (*jstream_fn)(void *context, enum jstream_event event, const char *text,
                           size_t text_bytes);

/* What may come next, in a document:
 *
 *   VALUE --scalar--> AFTER        VALUE --'{'--> KEY_OR_END    VALUE --'['--> VALUE_OR_END
 *   KEY_OR_END --string--> COLON --':'--> VALUE                 AFTER --','--> KEY or VALUE
 *   AFTER, KEY_OR_END, VALUE_OR_END --'}' or ']'--> AFTER
 */
enum jstream_state {
    JSTREAM_VALUE = 0,
    JSTREAM_VALUE_OR_END,
    JSTREAM_KEY_NEXT,
    JSTREAM_KEY_OR_END,
    JSTREAM_COLON,
    JSTREAM_AFTER,
    JSTREAM_IN_STRING,
    JSTREAM_IN_ESCAPE,
    JSTREAM_IN_HEX,
    JSTREAM_IN_NUMBER,
    JSTREAM_IN_WORD,
    JSTREAM_BROKEN,
};

struct jstream {
    jstream_fn callback;
    void *context;
    enum jstream_state state;
    bool string_is_key;
    unsigned depth;
    bool is_object[JSTREAM_DEPTH_MAX];
    struct textbuf text;
    unsigned hex_digits; /* seen of \uXXXX */
    unsigned hex_value;
    unsigned high_surrogate; /* waiting for its second half, or 0 */
};

void jstream_deinit(struct jstream *stream);

/* PHUSA_CLIENT_EANSWER: not JSON.  PHUSA_CLIENT_ENOMEM: no memory, or a text above the limit. */
PHUSA_CLIENT_MUST_USE phusa_client_status jstream_feed(struct jstream *stream, const char *bytes,
                                                       size_t size_bytes);

/* No more bytes come: PHUSA_CLIENT_EANSWER when a document is unfinished. */
PHUSA_CLIENT_MUST_USE phusa_client_status jstream_finish(struct jstream *stream);

#endif
