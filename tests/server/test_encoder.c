/*
 * test_encoder.c - answers as text, to the byte: InfluxDB's JSON in its three forms and its CSV,
 * with names and values made to break out of either.
 */
#include "encoder.h"
#include "json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct phusa_text text_of_str(const char *text)
{
    return (struct phusa_text){text, strlen(text)};
}

static void expect(struct encoder *encoder, const char *wanted)
{
    encoder_end(encoder);
    outbuf_byte(&encoder->out, '\0');
    cr_assert_not(encoder->out.bad);
    cr_assert_str_eq(encoder->out.bytes, wanted);
    encoder_deinit(encoder);
}

static const struct phusa_text columns[] = {{"time", 4}, {"v", 1}};

static void put_series(struct phusa_sink *sink, const char *name, const char *tag, size_t rows)
{
    const struct phusa_pair pair = {{"t", 1}, text_of_str(tag == NULL ? "" : tag)};
    const struct phusa_series_header header = {.name = text_of_str(name),
                                               .tags = &pair,
                                               .tag_count = tag != NULL,
                                               .columns = columns,
                                               .column_count = 2,
                                               .has_time = true};
    cr_assert_eq(sink->series_begin(sink->context, &header), PHUSA_OK);
    int64_t times[8];
    double values[8];
    for (size_t i = 0; i < rows; i++) {
        times[i] = (int64_t)i * 1500000000;
        values[i] = (double)i + 0.25;
    }
    const uint64_t present[] = {~UINT64_C(2)}; /* row 1 is null */
    const struct phusa_column column = {.type = PHUSA_FLOAT, .present = present, .f = values};
    const struct phusa_rows block = {rows, times, &column};
    if (rows > 0) cr_assert_eq(sink->rows(sink->context, &block), PHUSA_OK);
}

static void put_all(struct encoder *encoder)
{
    struct phusa_sink sink = encoder_sink(encoder);
    sink.statement_begin(sink.context, 0);
    put_series(&sink, "m", "a", 2);
    put_series(&sink, "m", "b", 1);
    sink.statement_end(sink.context, 0, NULL);
    sink.statement_begin(sink.context, 1);
    sink.message(sink.context, 1, "warning", "mind");
    sink.statement_end(sink.context, 1, NULL);
    sink.statement_begin(sink.context, 2);
    put_series(&sink, "m", NULL, 0);
    const struct phusa_error error = {.status = PHUSA_EINVAL, .text = "it \"broke\""};
    sink.statement_end(sink.context, 2, &error);
}

Test(encoder, json_plain)
{
    struct encoder encoder;
    encoder_init(&encoder, &(struct encoder_options){0});
    put_all(&encoder);
    expect(&encoder,
           "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"tags\":{\"t\":\"a\"},"
           "\"columns\":[\"time\",\"v\"],\"values\":[[\"1970-01-01T00:00:00Z\",0.25],"
           "[\"1970-01-01T00:00:01.5Z\",null]]},{\"name\":\"m\",\"tags\":{\"t\":\"b\"},"
           "\"columns\":[\"time\",\"v\"],\"values\":[[\"1970-01-01T00:00:00Z\",0.25]]}]},"
           "{\"statement_id\":1,\"messages\":[{\"level\":\"warning\",\"text\":\"mind\"}]},"
           "{\"statement_id\":2,\"series\":[{\"name\":\"m\",\"columns\":[\"time\",\"v\"]}],"
           "\"error\":\"it \\\"broke\\\"\"}]}\n");
}

Test(encoder, json_without_statements_still_has_results)
{
    struct encoder encoder;
    encoder_init(&encoder, &(struct encoder_options){0});
    expect(&encoder, "{\"results\":[]}\n");
}

Test(encoder, json_pretty_is_indented_as_go_does)
{
    struct encoder encoder;
    encoder_init(&encoder, &(struct encoder_options){.pretty = true, .epoch_ns = 1000000});
    struct phusa_sink sink = encoder_sink(&encoder);
    sink.statement_begin(sink.context, 0);
    put_series(&sink, "m", "a", 1);
    sink.statement_end(sink.context, 0, NULL);
    expect(&encoder, "{\n    \"results\": [\n        {\n            \"statement_id\": 0,\n"
                     "            \"series\": [\n                {\n"
                     "                    \"name\": \"m\",\n"
                     "                    \"tags\": {\n                        \"t\": \"a\"\n"
                     "                    },\n"
                     "                    \"columns\": [\n                        \"time\",\n"
                     "                        \"v\"\n                    ],\n"
                     "                    \"values\": [\n                        [\n"
                     "                            0,\n                            0.25\n"
                     "                        ]\n                    ]\n"
                     "                }\n            ]\n        }\n    ]\n}\n");
}

Test(encoder, json_chunked_cuts_series_and_says_so)
{
    struct encoder encoder;
    encoder_init(&encoder,
                 &(struct encoder_options){.chunked = true, .chunk_rows = 2, .epoch_ns = 1000000});
    struct phusa_sink sink = encoder_sink(&encoder);
    sink.statement_begin(sink.context, 0);
    put_series(&sink, "m", "a", 4);
    put_series(&sink, "m", "b", 1);
    sink.statement_end(sink.context, 0, NULL);
    sink.statement_begin(sink.context, 1);
    sink.statement_end(sink.context, 1, NULL);
    expect(
        &encoder,
        "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"tags\":{\"t\":\"a\"},"
        "\"columns\":[\"time\",\"v\"],\"values\":[[0,0.25],[1500,null]],\"partial\":true}],"
        "\"partial\":true}]}\n"
        "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"tags\":{\"t\":\"a\"},"
        "\"columns\":[\"time\",\"v\"],\"values\":[[3000,2.25],[4500,3.25]]}],\"partial\":true}]}\n"
        "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"tags\":{\"t\":\"b\"},"
        "\"columns\":[\"time\",\"v\"],\"values\":[[0,0.25]]}]}]}\n"
        "{\"results\":[{\"statement_id\":1}]}\n");
}

Test(encoder, csv_prints_headers_where_they_change)
{
    struct encoder encoder;
    encoder_init(&encoder, &(struct encoder_options){.format = ENCODER_CSV});
    put_all(&encoder);
    struct phusa_sink sink = encoder_sink(&encoder);
    sink.statement_begin(sink.context, 3);
    put_series(&sink, "n", NULL, 1);
    sink.statement_end(sink.context, 3, NULL);
    expect(&encoder, "name,tags,time,v\nm,t=a,0,0.25\nm,t=a,1500000000,\nm,t=b,0,0.25\n"
                     "\nname,tags,time,v\n"
                     "\nerror\n\"it \"\"broke\"\"\"\n"
                     "\nname,tags,time,v\nn,,0,0.25\n");
}

Test(encoder, csv_of_nothing_is_nothing)
{
    struct encoder encoder;
    encoder_init(&encoder, &(struct encoder_options){.format = ENCODER_CSV});
    struct phusa_sink sink = encoder_sink(&encoder);
    sink.statement_begin(sink.context, 0);
    sink.statement_end(sink.context, 0, NULL);
    expect(&encoder, "");
}

static void put_value(struct encoder *encoder, const struct phusa_column *column, int64_t time_ns)
{
    struct phusa_sink sink = encoder_sink(encoder);
    const struct phusa_series_header header = {
        .name = {"m", 1}, .columns = columns, .column_count = 2, .has_time = true};
    sink.statement_begin(sink.context, 0);
    sink.series_begin(sink.context, &header);
    const struct phusa_rows block = {1, &time_ns, column};
    sink.rows(sink.context, &block);
    sink.statement_end(sink.context, 0, NULL);
}

Test(encoder, csv_writes_numbers_out)
{
    static const struct {
        double value;
        const char *text;
    } numbers[] = {{1e21, "1000000000000000000000"},
                   {1e-7, "0.0000001"},
                   {-1.5e-9, "-0.0000000015"},
                   {1.25e22, "12500000000000000000000"},
                   {-2.5, "-2.5"},
                   {0, "0"},
                   {NAN, ""},
                   {INFINITY, ""}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct encoder encoder;
        encoder_init(&encoder, &(struct encoder_options){.format = ENCODER_CSV});
        put_value(&encoder, &(struct phusa_column){.type = PHUSA_FLOAT, .f = &numbers[i].value},
                  -1);
        char wanted[100];
        snprintf(wanted, sizeof wanted, "name,tags,time,v\nm,,-1,%s\n", numbers[i].text);
        expect(&encoder, wanted);
    }
}

Test(encoder, json_prints_every_type_and_no_infinity)
{
    const double nan = NAN;
    const int64_t least = INT64_MIN;
    const uint64_t most = UINT64_MAX;
    const uint8_t yes = 1;
    const struct {
        struct phusa_column column;
        const char *text;
    } values[] = {{{.type = PHUSA_FLOAT, .f = &nan}, "null"},
                  {{.type = PHUSA_INTEGER, .i = &least}, "-9223372036854775808"},
                  {{.type = PHUSA_UNSIGNED, .u = &most}, "18446744073709551615"},
                  {{.type = PHUSA_BOOLEAN, .b = &yes}, "true"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct encoder encoder;
        encoder_init(&encoder, &(struct encoder_options){.epoch_ns = 1000000000});
        put_value(&encoder, &values[i].column, -1500000000); /* towards zero, as Go */
        char wanted[200];
        snprintf(wanted, sizeof wanted,
                 "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"columns\":["
                 "\"time\",\"v\"],\"values\":[[-1,%s]]}]}]}\n",
                 values[i].text);
        expect(&encoder, wanted);
    }
}

Test(encoder, hostile_text_stays_inside_its_cell)
{
    static const struct {
        const char *raw, *json, *csv;
    } texts[] = {
        {"</script><img src=x>", "\\u003c/script\\u003e\\u003cimg src=x\\u003e",
         "</script><img src=x>"},
        {"a\"b\\c", "a\\\"b\\\\c", "\"a\"\"b\\c\""},
        {"1\n2\r3\t4", "1\\n2\\r3\\t4", "\"1\n2\r3\t4\""},
        {"\x01\x1f\x7f", "\\u0001\\u001f\x7f", "\x01\x1f\x7f"},
        {"x,y", "x,y", "\"x,y\""},
        {" lead", " lead", "\" lead\""},
        {"a&b", "a\\u0026b", "a&b"},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029", "\xe2\x80\xa8\xe2\x80\xa9"},
        {"\xff\xc0\xaf\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd",
         "\xff\xc0\xaf\xed\xa0\x80"},
        {"\xc3", "\\ufffd", "\xc3"},
        {"\xf0\x9f\x8c\x8a s\xc3\xb4ng", "\xf0\x9f\x8c\x8a s\xc3\xb4ng",
         "\xf0\x9f\x8c\x8a s\xc3\xb4ng"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct phusa_text value = text_of_str(texts[i].raw);
        const struct phusa_column column = {.type = PHUSA_STRING, .s = &value};
        char wanted[300];
        struct encoder encoder;
        encoder_init(&encoder, &(struct encoder_options){.epoch_ns = 1});
        put_value(&encoder, &column, 0);
        snprintf(wanted, sizeof wanted,
                 "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\",\"columns\":["
                 "\"time\",\"v\"],\"values\":[[0,\"%s\"]]}]}]}\n",
                 texts[i].json);
        expect(&encoder, wanted);
        encoder_init(&encoder, &(struct encoder_options){.format = ENCODER_CSV});
        put_value(&encoder, &column, 0);
        snprintf(wanted, sizeof wanted, "name,tags,time,v\nm,,0,%s\n", texts[i].csv);
        expect(&encoder, wanted);
    }
}

static phusa_status stop_at_second(void *context, struct outbuf *out)
{
    outbuf_clear(out);
    return ++*(int *)context == 2 ? PHUSA_ECANCELLED : PHUSA_OK;
}

Test(encoder, blocks_are_handed_on_and_a_refusal_ends_the_query)
{
    struct encoder encoder;
    int blocks = 0;
    encoder_init(&encoder, &(struct encoder_options){0});
    encoder.full = stop_at_second;
    encoder.context = &blocks;
    struct phusa_sink sink = encoder_sink(&encoder);
    sink.statement_begin(sink.context, 0);
    static char big[70000];
    memset(big, 'x', sizeof big);
    const struct phusa_text value = {big, sizeof big};
    const struct phusa_column column = {.type = PHUSA_STRING, .s = &value};
    const int64_t time_ns = 0;
    const struct phusa_rows block = {1, &time_ns, &column};
    const struct phusa_series_header header = {
        .name = {"m", 1}, .columns = columns, .column_count = 2, .has_time = true};
    sink.series_begin(sink.context, &header);
    cr_assert_eq(sink.rows(sink.context, &block), PHUSA_OK);
    cr_assert_eq(blocks, 1);
    cr_assert_eq(sink.rows(sink.context, &block), PHUSA_ECANCELLED);
    encoder_deinit(&encoder);
}
