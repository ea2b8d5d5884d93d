/*
 * Guards the streaming JSON reader: the events of a document do not depend on how its bytes were
 * cut, damage is an answer, and texts are unescaped as RFC 8259 says.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/lib/jstream.h"
#include "random.h"

/* Events written down: {[]} as they are, k:text, s:text, n:text, words. */
static bool note(void *context, enum jstream_event event, const char *text, size_t text_bytes)
{
    static const char *const marks[] = {
        "{", "}", "[", "]", "k:", "s:", "n:", "true", "false", "null"};
    struct textbuf *events = context;
    cr_assert_eq(text[text_bytes], 0);
    const bool with_text = event >= JSTREAM_KEY && event <= JSTREAM_NUMBER;
    return textbuf_print(events, "%s", marks[event]) &&
           (!with_text || textbuf_append(events, text, text_bytes)) &&
           textbuf_append(events, " ", 1);
}

static phusa_client_status read_pieces(const char *bytes, size_t size_bytes, size_t piece,
                                       struct textbuf *events)
{
    textbuf_clear(events);
    struct jstream stream = {.callback = note, .context = events};
    phusa_client_status status = PHUSA_CLIENT_OK;
    for (size_t at = 0; at < size_bytes && status == PHUSA_CLIENT_OK; at += piece) {
        const size_t left = size_bytes - at;
        status = jstream_feed(&stream, bytes + at, left < piece ? left : piece);
    }
    if (status == PHUSA_CLIENT_OK) status = jstream_finish(&stream);
    jstream_deinit(&stream);
    return status;
}

static void expect(const char *json, const char *expected)
{
    struct textbuf events = {0};
    for (size_t piece = 1; piece <= strlen(json); piece++) {
        cr_assert_eq(read_pieces(json, strlen(json), piece, &events), PHUSA_CLIENT_OK,
                     "%s in pieces of %zu", json, piece);
        cr_assert_str_eq(events.bytes, expected);
    }
    textbuf_deinit(&events);
}

static void expect_refused(const char *json)
{
    struct textbuf events = {0};
    for (size_t piece = 1; piece <= strlen(json); piece++)
        cr_assert_eq(read_pieces(json, strlen(json), piece, &events), PHUSA_CLIENT_EANSWER,
                     "%s in pieces of %zu", json, piece);
    textbuf_deinit(&events);
}

Test(jstream, reads_documents_in_any_pieces)
{
    expect("{\"a\":[1,-2.5e+3,true,false,null,\"x\"],\"b\":{}}",
           "{ k:a [ n:1 n:-2.5e+3 true false null s:x ] k:b { } } ");
    expect(" [ ] \n{ } \r\n 7", "[ ] { } n:7 ");
    expect("{\"results\":[]}\n{\"results\":[]}\n", "{ k:results [ ] } { k:results [ ] } ");
}

Test(jstream, unescapes_strings)
{
    expect("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s:a\"\\/\b\f\n\r\t ");
    expect("\"\\u0041\\u00e9\\u1ea7\\ud83d\\ude00\"", "s:A\xC3\xA9\xE1\xBA\xA7\xF0\x9F\x98\x80 ");
    expect("\"\\ud83dx\\ude00\\ud83d\"", "s:\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD ");
    expect("\"C\xE1\xBA\xA7n Th\xC6\xA1\"", "s:C\xE1\xBA\xA7n Th\xC6\xA1 ");
}

Test(jstream, refuses_what_is_no_json)
{
    static const char *const bad[] = {
        "{",     "[1,]",     "{\"a\" 1}", "{\"a\":1,}",  "{a:1}", "[1 2]",   "]",      "tru",
        "nulls", "01e",      "1.",        "-",           "\"a",   "\"\\x\"", "\"\n\"", "{\"a\"}",
        "[1}",   "{\"a\":]", "+1",        "\"\\u12g4\"", "[,1]",  "'a'",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused(bad[i]);
}

Test(jstream, refuses_what_is_too_deep)
{
    char deep[JSTREAM_DEPTH_MAX + 2];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    expect_refused(deep);
}

Test(jstream, refuses_a_text_above_its_limit)
{
    struct textbuf events = {0};
    struct jstream stream = {.callback = note, .context = &events};
    static char piece[1 << 20];
    memset(piece, 'x', sizeof piece);
    phusa_client_status status = jstream_feed(&stream, "\"", 1);
    int pieces = 0;
    while (status == PHUSA_CLIENT_OK && pieces++ < 20)
        status = jstream_feed(&stream, piece, sizeof piece);
    cr_assert_eq(status, PHUSA_CLIENT_ENOMEM);
    cr_assert_eq(pieces, 17);
    jstream_deinit(&stream);
    textbuf_deinit(&events);
}

Test(jstream, damaged_documents_are_read_the_same_in_any_pieces)
{
    struct random rng = random_seeded();
    static const char good[] = "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\\n\","
                               "\"values\":[[1,-0.5e3,null],[true,\"\\u00e9\",false]]}]}]}\n";
    struct textbuf whole = {0}, cut = {0};
    for (int round = 0; round < 20000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        const size_t flips = random_below(&rng, 4);
        for (size_t i = 0; i < flips; i++)
            text[random_below(&rng, sizeof good - 1)] = (char)random_below(&rng, 256);
        const size_t size_bytes = random_below(&rng, sizeof good);
        const size_t piece = random_below(&rng, 9) + 1;
        const phusa_client_status a = read_pieces(text, size_bytes, sizeof good, &whole);
        const phusa_client_status b = read_pieces(text, size_bytes, piece, &cut);
        cr_assert_eq(a, b);
        cr_assert_eq(whole.used, cut.used);
        cr_assert(whole.used == 0 || memcmp(whole.bytes, cut.bytes, whole.used) == 0);
    }
    textbuf_deinit(&whole);
    textbuf_deinit(&cut);
}
