/*
 * test_line.c - guards what line protocol means: every escape, value and timestamp, every kind of
 * bad line with its place and reason, limits, comments, batches that are full, and memory that
 * runs out. That pieces and speculation change nothing is test_line_model.c's.
 */
#include "line_support.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const struct line_options plain = {.precision_ns = 1, .now_ns = 1700000000123456789};

struct example {
    const char *text;
    const char *expected;
};

/* Again, thrice and with others behind, where earlier lines have taught the parser what to expect.
 * For texts that give one row, of one line. */
static void check_thrice(const struct example *example)
{
    const char *row = example->expected;
    if (strncmp(row, "1: ", 3) != 0 || strchr(row, '\n')[1] != '\0') return;
    struct buffer text;
    struct buffer out;
    buffer_init(&text);
    buffer_init(&out);
    for (int round = 0; round < 3; round++) {
        buffer_put(&text, example->text, strlen(example->text));
        buffer_put(&text, "\n", 1);
    }
    for (int i = 0; i < 10; i++)
        buffer_put(&text, "zzz z=1 1\n", 10);
    dump_text(&out, (const char *)text.bytes, text.size_bytes, &plain);
    size_t found = 0;
    for (const char *p = (const char *)out.bytes; (p = strstr(p, row + 1)) != NULL; p++)
        found++;
    cr_expect_eq(found, 3, "%s thrice gave %s", example->text, (const char *)out.bytes);
    buffer_deinit(&text);
    buffer_deinit(&out);
}

static void check_examples(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buffer out;
        buffer_init(&out);
        dump_text(&out, examples[i].text, strlen(examples[i].text), &plain);
        cr_expect_str_eq((const char *)out.bytes, examples[i].expected, "%s\n   gave %s   not  %s",
                         examples[i].text, (const char *)out.bytes, examples[i].expected);
        buffer_deinit(&out);
        check_thrice(&examples[i]);
    }
}
#define CHECK_EXAMPLES(examples) check_examples(examples, sizeof(examples) / sizeof *(examples))

Test(line, values_of_every_type_and_spelling)
{
    static const struct example examples[] = {
        {"m f=1 5", "1: m f=1/0 @5\n"},
        {"m f=1", "1: m f=1/0 @1700000000123456789\n"},
        {"m f=0 0", "1: m f=0/0 @0\n"},
        {"m f=-0 5", "1: m f=-0/0 @5\n"},
        {"m f=-0.0 5", "1: m f=-0/1 @5\n"},
        {"m f=21.50 5", "1: m f=21.5/2 @5\n"},
        {"m f=.5 5", "1: m f=0.5/1 @5\n"},
        {"m f=-.5 5", "1: m f=-0.5/1 @5\n"},
        {"m f=5. 5", "1: m f=5/0 @5\n"},
        {"m f=007 5", "1: m f=7/0 @5\n"},
        {"m f=1e3 5", "1: m f=1000/0 @5\n"},
        {"m f=1E3 5", "1: m f=1000/0 @5\n"},
        {"m f=1e+3 5", "1: m f=1000/0 @5\n"},
        {"m f=1.5e-3 5", "1: m f=0.0015/4 @5\n"},
        {"m f=-1.25e2 5", "1: m f=-125/0 @5\n"},
        {"m f=1e-400 5", "1: m f=0/255 @5\n"},
        {"m f=4.9e-324 5", "1: m f=4.9406564584124654e-324/255 @5\n"},
        {"m f=1.7976931348623157e308 5", "1: m f=1.7976931348623157e+308/0 @5\n"},
        {"m f=0.1 5", "1: m f=0.10000000000000001/1 @5\n"},
        {"m f=12345678.12345678 5", "1: m f=12345678.12345678/8 @5\n"},
        {"m f=99999999.99999999 5", "1: m f=99999999.999999985/8 @5\n"},
        {"m f=123456789.5 5", "1: m f=123456789.5/1 @5\n"},
        {"m f=1.123456789 5", "1: m f=1.123456789/9 @5\n"},
        {"m f=9007199254740993 5", "1: m f=9007199254740992/0 @5\n"},
        {"m f=0.30000000000000004 5", "1: m f=0.30000000000000004/17 @5\n"},
        {"m f=100000000000000000000000 5", "1: m f=9.9999999999999992e+22/0 @5\n"},
        {"m f=1i 5", "1: m f=1i @5\n"},
        {"m f=-1i 5", "1: m f=-1i @5\n"},
        {"m f=-0i 5", "1: m f=0i @5\n"},
        {"m f=012i 5", "1: m f=12i @5\n"},
        {"m f=12345678i 5", "1: m f=12345678i @5\n"},
        {"m f=123456789i 5", "1: m f=123456789i @5\n"},
        {"m f=1234567812345678i 5", "1: m f=1234567812345678i @5\n"},
        {"m f=123456781234567890i 5", "1: m f=123456781234567890i @5\n"},
        {"m f=1234567812345678901i 5", "1: m f=1234567812345678901i @5\n"},
        {"m f=9223372036854775807i 5", "1: m f=9223372036854775807i @5\n"},
        {"m f=-9223372036854775808i 5", "1: m f=-9223372036854775808i @5\n"},
        {"m f=0u 5", "1: m f=0u @5\n"},
        {"m f=18446744073709551615u 5", "1: m f=18446744073709551615u @5\n"},
        {"m f=t 5", "1: m f=true @5\n"},
        {"m f=T 5", "1: m f=true @5\n"},
        {"m f=true 5", "1: m f=true @5\n"},
        {"m f=True 5", "1: m f=true @5\n"},
        {"m f=TRUE 5", "1: m f=true @5\n"},
        {"m f=f 5", "1: m f=false @5\n"},
        {"m f=F 5", "1: m f=false @5\n"},
        {"m f=false 5", "1: m f=false @5\n"},
        {"m f=False 5", "1: m f=false @5\n"},
        {"m f=FALSE 5", "1: m f=false @5\n"},
        {"m f=\"\" 5", "1: m f=\"\" @5\n"},
        {"m f=\"a b,c=d\" 5", "1: m f=\"a b,c=d\" @5\n"},
        {"m f=\"a\\\"b\" 5", "1: m f=\"a\"b\" @5\n"},
        {"m f=\"a\\\\\" 5", "1: m f=\"a\\\" @5\n"},
        {"m f=\"a\\\\\\\"\" 5", "1: m f=\"a\\\"\" @5\n"},
        {"m f=\"a\\nb\\,\" 5", "1: m f=\"a\\nb\\,\" @5\n"},
        {"m f=\"a\nb\" 5", "1: m f=\"a\nb\" @5\n"},
        {"m f=\"a\r\nb\" 5\r\n", "1: m f=\"a\r\nb\" @5\n"},
        {"m f=\"\n\n\" 5\nm f=1 6", "1: m f=\"\n\n\" @5\n4: m f=1/0 @6\n"},
        {"m f=\"# no comment\" 5", "1: m f=\"# no comment\" @5\n"},
        {"m f=\"Cần Thơ\" 5", "1: m f=\"Cần Thơ\" @5\n"},
        {"m a=1,b=2i,c=3u,d=t,e=\"x\" 5", "1: m a=1/0 b=2i c=3u d=true e=\"x\" @5\n"},
    };
    CHECK_EXAMPLES(examples);
}

Test(line, names_tags_and_their_escapes)
{
    static const struct example examples[] = {
        {"m,a=b f=1 5", "1: m|a=b f=1/0 @5\n"},
        {"m,b=2,a=1 f=1 5", "1: m|a=1|b=2 f=1/0 @5\n"},
        {"m,a=1,b=2 f=1 5", "1: m|a=1|b=2 f=1/0 @5\n"},
        {"m\\ x f=1 5", "1: m x f=1/0 @5\n"},
        {"m\\,x f=1 5", "1: m,x f=1/0 @5\n"},
        {"m\\=x f=1 5", "1: m\\=x f=1/0 @5\n"},
        {"m=x f=1 5", "1: m=x f=1/0 @5\n"},
        {"m\\\\x f=1 5", "1: m\\\\x f=1/0 @5\n"},
        {"m\\n f=1 5", "1: m\\n f=1/0 @5\n"},
        {"m\\\\\\ x f=1 5", "1: m\\\\ x f=1/0 @5\n"},
        {"m\\\\\\,x f=1 5", "1: m\\\\,x f=1/0 @5\n"},
        {"\\ m f=1 5", "1:  m f=1/0 @5\n"},
        {"m,a\\ b=c\\ d f=1 5", "1: m|a b=c d f=1/0 @5\n"},
        {"m,a\\,b=c\\,d f=1 5", "1: m|a,b=c,d f=1/0 @5\n"},
        {"m,a\\=b=c\\=d f=1 5", "1: m|a=b=c=d f=1/0 @5\n"},
        {"m,a=\\x f=1 5", "1: m|a=\\x f=1/0 @5\n"},
        {"m,a=\\\\ f=1 5", "1! 9 invalid tag format: write \\= for an equals sign in a tag\n"},
        {"m,a=\"b\" f=1 5", "1: m|a=\"b\" f=1/0 @5\n"},
        {"m,a=\"b\\ c\" f=1 5", "1: m|a=\"b c\" f=1/0 @5\n"},
        {"\"m\" f=1 5", "1: \"m\" f=1/0 @5\n"},
        {"m f\\ g=1 5", "1: m f g=1/0 @5\n"},
        {"m f\\,g=1 5", "1: m f,g=1/0 @5\n"},
        {"m f\\=g=1 5", "1: m f=g=1/0 @5\n"},
        {"m f\\g=1 5", "1: m f\\g=1/0 @5\n"},
        {"m \"f\"=1 5", "1: m \"f\"=1/0 @5\n"},
        {"m f=1,f=2 5", "1: m f=2/0 @5\n"},
        {"m f=1,g=3,f=2i 5", "1: m f=2i g=3/0 @5\n"},
        {"m time=1,f=2 5", "1: m f=2/0 @5\n"},
        {"m f=2,time=\"x\" 5", "1: m f=2/0 @5\n"},
        {"m\tx,a=\t f=1 5", "1: m\tx|a=\t f=1/0 @5\n"},
        {"m#,#=# #=1 5", "1: m#|#=# #=1/0 @5\n"},
        {"m,a=b a=1 5", "1: m|a=b a=1/0 @5\n"},
        {"sông,trạm=Cần\\ Thơ mực=1.5 5", "1: sông|trạm=Cần Thơ mực=1.5/1 @5\n"},
    };
    CHECK_EXAMPLES(examples);
}

Test(line, blanks_comments_line_ends_and_timestamps)
{
    static const struct example examples[] = {
        {"", ""},
        {"\n", ""},
        {"\r\n", ""},
        {" \t \n", ""},
        {"# m f=1 5", ""},
        {"#", ""},
        {"  # x\nm f=1 5\n", "2: m f=1/0 @5\n"},
        {"\n\nm f=1 5\n\n#\nm f=2 6", "3: m f=1/0 @5\n6: m f=2/0 @6\n"},
        {"m f=1 5\r\nm f=2 6\r\n", "1: m f=1/0 @5\n2: m f=2/0 @6\n"},
        {"m f=1\r\n", "1: m f=1/0 @1700000000123456789\n"},
        {"m f=t\r\n", "1: m f=true @1700000000123456789\n"},
        {"m f=1i\r\n", "1: m f=1i @1700000000123456789\n"},
        {"m f=1 5\r", "1: m f=1/0 @5\n"},
        {"  m f=1 5", "1: m f=1/0 @5\n"},
        {"\tm f=1 5", "1: m f=1/0 @5\n"},
        {"m   f=1   5   ", "1: m f=1/0 @5\n"},
        {"m f=1 ", "1: m f=1/0 @1700000000123456789\n"},
        {"m \tf=1 \t5\t", "1: m f=1/0 @5\n"},
        {"m,a=b  f=1  5", "1: m|a=b f=1/0 @5\n"},
        {"m f=1 -5", "1: m f=1/0 @-5\n"},
        {"m f=1 -0", "1: m f=1/0 @0\n"},
        {"m f=1 0000000000000000000000005", "1: m f=1/0 @5\n"},
        {"m f=1 1451606400000000000", "1: m f=1/0 @1451606400000000000\n"},
        {"m f=1 14516064000000000", "1: m f=1/0 @14516064000000000\n"},
        {"m f=1 9223372036854775806", "1: m f=1/0 @9223372036854775806\n"},
        {"m f=1 -9223372036854775806", "1: m f=1/0 @-9223372036854775806\n"},
    };
    CHECK_EXAMPLES(examples);
}

Test(line, each_kind_of_bad_line_has_its_place_and_reason)
{
#define FIELDS  "missing fields: a space and name=value must follow\n"
#define TAG_KEY "missing tag key: write key=value after the comma\n"
#define TAG_VAL "missing tag value: write key=value after the comma\n"
#define FORMAT  "invalid field format: fields are written name=value\n"
#define NUMBER  "invalid number: write 1.5, 42i or 42u; text goes in double quotes\n"
#define RANGE   "invalid number: it is out of range\n"
#define BOOL    "invalid boolean: write true or false; text goes in double quotes\n"
#define STAMP   "bad timestamp: write a whole number in the request's precision\n"
#define OUTSIDE                                                                                  \
    "time outside range -9223372036854775806 - 9223372036854775806: is the request's precision " \
    "right?\n"
#define FINITE "unsupported value: leave a field out that is not a number\n"
    static const struct example examples[] = {
        {"m", "1! 2 " FIELDS},
        {"m\r\n", "1! 2 " FIELDS},
        {"m ", "1! 3 " FIELDS},
        {"m,a=b", "1! 6 " FIELDS},
        {"m\\ f=1", "1! 7 " FIELDS},
        {",a=b f=1", "1! 1 missing measurement: a line begins with its name\n"},
        {"  ,a=b f=1", "1! 3 missing measurement: a line begins with its name\n"},
        {"m, f=1", "1! 3 " TAG_KEY},
        {"m,=b f=1", "1! 3 " TAG_KEY},
        {"m,a=b, f=1", "1! 7 " TAG_KEY},
        {"m,a=b,,c=d f=1", "1! 7 " TAG_KEY},
        {"m,a f=1", "1! 4 " TAG_VAL},
        {"m,a,b=c f=1", "1! 4 " TAG_VAL},
        {"m,a= f=1", "1! 5 missing tag value: leave a tag out that has none\n"},
        {"m,a=,b=c f=1", "1! 5 missing tag value: leave a tag out that has none\n"},
        {"m,a=b=c f=1", "1! 6 invalid tag format: write \\= for an equals sign in a tag\n"},
        {"m,a=b,a=c f=1", "1! 1 duplicate tags: a is there twice\n"},
        {"m,a=1,b=2,a=1 f=1", "1! 1 duplicate tags: a is there twice\n"},
        {"m,time=1 f=1", "1! 3 invalid tag key: time is the point's own, choose another name\n"},
        {"m f", "1! 4 " FORMAT},
        {"m f g=1", "1! 4 " FORMAT},
        {"m f =1", "1! 4 " FORMAT},
        {"m =1", "1! 3 missing field key: fields are written name=value\n"},
        {"m f=1,", "1! 7 " FORMAT},
        {"m f=1, g=2", "1! 7 " FORMAT},
        {"m f=1,,g=2", "1! 7 " FORMAT},
        {"m f=1,=2", "1! 7 missing field key: fields are written name=value\n"},
        {"m f=", "1! 5 missing field value: leave a field out that has none\n"},
        {"m f= 1", "1! 5 missing field value: leave a field out that has none\n"},
        {"m f=,g=1", "1! 5 missing field value: leave a field out that has none\n"},
        {"m time=1", "1! 3 invalid field name: time is the point's own, choose another name\n"},
        {"m f=abc", "1! 5 " BOOL},
        {"m f=tr", "1! 5 " BOOL},
        {"m f=tRUE", "1! 5 " BOOL},
        {"m f=truefalse", "1! 5 " BOOL},
        {"m f='a'", "1! 5 " BOOL},
        {"m f==1", "1! 5 " BOOL},
        {"m f=1.2.3", "1! 5 " NUMBER},
        {"m f=1e", "1! 5 " NUMBER},
        {"m f=1e+", "1! 5 " NUMBER},
        {"m f=.", "1! 5 " NUMBER},
        {"m f=-", "1! 5 " NUMBER},
        {"m f=--1", "1! 5 " NUMBER},
        {"m f=-.e5", "1! 5 " NUMBER},
        {"m f=0x10", "1! 5 " NUMBER},
        {"m f=1_0", "1! 5 " NUMBER},
        {"m f=1.0i", "1! 5 " NUMBER},
        {"m f=-i", "1! 5 " NUMBER},
        {"m f=1ii", "1! 5 " NUMBER},
        {"m f=1iu", "1! 5 " NUMBER},
        {"m f=-1u", "1! 5 " NUMBER},
        {"m f=1\t5", "1! 5 " NUMBER},
        {"m f=1\\,g=2", "1! 5 " NUMBER},
        {"m f=1f", "1! 5 " NUMBER},
        {"m f=1\"a\"", "1! 5 " NUMBER},
        {"m f=+5", "1! 5 invalid number: leave the + out\n"},
        {"m f=+1i", "1! 5 invalid number: leave the + out\n"},
        {"m f=9223372036854775808i", "1! 5 " RANGE},
        {"m f=-9223372036854775809i", "1! 5 " RANGE},
        {"m f=18446744073709551616u", "1! 5 " RANGE},
        {"m f=1e400", "1! 5 " RANGE},
        {"m f=-1e400", "1! 5 " RANGE},
        {"m f=NaN", "1! 5 " FINITE},
        {"m f=nan", "1! 5 " FINITE},
        {"m f=Inf", "1! 5 " FINITE},
        {"m f=-inf", "1! 5 " FINITE},
        {"m f=+Infinity", "1! 5 " FINITE},
        {"m s=\"a", "1! 5 unbalanced quotes: the string that begins here has no end\n"},
        {"m s=\"a\\\"", "1! 5 unbalanced quotes: the string that begins here has no end\n"},
        {"m s=\"a\nm f=1 5\n", "1! 5 unbalanced quotes: the string that begins here has no end\n"},
        {"m s=\"a\"b", "1! 8 unbalanced quotes: write \\\" for a quote in a string\n"},
        {"m s=\"a\"\"b\"", "1! 8 unbalanced quotes: write \\\" for a quote in a string\n"},
        /* The quote that is missing in line 1 is taken from line 2; line 3 is good again. */
        {"m s=\"a\nm s=\"b\"\nm s=\"c\" 5\n",
         "3: m s=\"c\" @5\n1! 13 unbalanced quotes: write \\\" for a quote in a string\n"},
        {"m f=1 5x", "1! 7 " STAMP},
        {"m f=1 1.5", "1! 7 " STAMP},
        {"m f=1 1e9", "1! 7 " STAMP},
        {"m f=1 +5", "1! 7 " STAMP},
        {"m f=1 -", "1! 7 " STAMP},
        {"m f=1 --1", "1! 7 " STAMP},
        {"m f=1 2020-01-01T00:00:00Z", "1! 7 " STAMP},
        {"m f=1 9223372036854775807", "1! 7 " OUTSIDE},
        {"m f=1 -9223372036854775807", "1! 7 " OUTSIDE},
        {"m f=1 -9223372036854775808", "1! 7 " OUTSIDE},
        {"m f=1 99999999999999999999", "1! 7 " OUTSIDE},
        {"m f=1 5 6", "1! 9 point is invalid: nothing may follow the timestamp\n"},
        {"m f=1 5 #", "1! 9 point is invalid: nothing may follow the timestamp\n"},
        {"m,a=\"x y\" f=1", "1! 10 " FORMAT},
        {"m\xff f=1", "1! 2 invalid UTF-8\n"},
        {"m,a=\xc3 f=1", "1! 5 invalid UTF-8\n"},
        {"m,a=\xed\xa0\x80 f=1", "1! 5 invalid UTF-8\n"},
        {"m,a=\xc0\x80 f=1", "1! 5 invalid UTF-8\n"},
        {"m,a=\xf4\x90\x80\x80 f=1", "1! 5 invalid UTF-8\n"},
        {"m \xe1\xba f=1", "1! 5 " FORMAT},
        {"m \xe1\xba=1", "1! 3 invalid UTF-8\n"},
        {"m s=\"abc\x80\"", "1! 9 invalid UTF-8\n"},
        {"m f=1 5\nbad\nm f=2 6\nm,,\n\nm g=x\nm f=3 7\n",
         "1: m f=1/0 @5\n3: m f=2/0 @6\n7: m f=3/0 @7\n2! 4 " FIELDS "4! 3 " TAG_KEY "6! 5 " BOOL},
        /* A quote in a bad record still keeps its newline from ending it: nobody's text becomes a
         * point because something before it was wrong. */
        {"m f=abc,s=\"x\ny f=1\" 5\nm f=1 5\n", "3: m f=1/0 @5\n1! 5 " BOOL},
    };
    CHECK_EXAMPLES(examples);
}

Test(line, nul_bytes_are_refused_wherever_they_stand)
{
    static const struct {
        const char *text;
        size_t size_bytes;
        unsigned column;
    } examples[] = {
        {"\0m f=1", 6, 1}, {"m\0 f=1", 6, 2},     {"m,a\0=b f=1", 10, 4}, {"m,a=b\0 f=1", 10, 6},
        {"m f\0=1", 6, 4}, {"m s=\"a\0\"", 8, 7}, {"m f=1\0 5", 8, 5},    {"m f=1 5\0", 8, 7},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct batch batch;
        struct line_parser *parser;
        batch_init(&batch);
        cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
        feed_copy(parser, &batch, examples[i].text, examples[i].size_bytes, true, &plain);
        cr_expect_eq(batch.row_count, 0);
        cr_expect_eq(batch.refused_count, 1);
        cr_expect_eq(batch.refusals[0].column, examples[i].column, "%zu", i);
        line_parser_close(parser);
        batch_deinit(&batch);
    }
}

Test(line, timestamps_come_in_any_precision_without_overflow)
{
    static const struct {
        int64_t precision_ns;
        const char *text;
        const char *expected;
    } examples[] = {
        {1000, "m f=1 1700000000123456", "1: m f=1/0 @1700000000123456000\n"},
        {1000000, "m f=1 1700000000123", "1: m f=1/0 @1700000000123000000\n"},
        {1000000000, "m f=1 1700000000", "1: m f=1/0 @1700000000000000000\n"},
        {1000000000, "m f=1 -1", "1: m f=1/0 @-1000000000\n"},
        {1000000000, "m f=1 9223372036", "1: m f=1/0 @9223372036000000000\n"},
        {1000000000, "m f=1 9223372037", "1! 7 " OUTSIDE},
        {1000000000, "m f=1 -9223372037", "1! 7 " OUTSIDE},
        {1000000000, "m f=1 1700000000000000000", "1! 7 " OUTSIDE},
        {60000000000, "m f=1 28333333", "1: m f=1/0 @1699999980000000000\n"},
        {3600000000000, "m f=1 472222", "1: m f=1/0 @1699999200000000000\n"},
        {1000000000, "m f=1", "1: m f=1/0 @1700000000000000000\n"},
        {3600000000000, "m f=1", "1: m f=1/0 @1699999200000000000\n"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct line_options options = {.precision_ns = examples[i].precision_ns,
                                             .now_ns = plain.now_ns};
        struct buffer out;
        buffer_init(&out);
        dump_text(&out, examples[i].text, strlen(examples[i].text), &options);
        cr_expect_str_eq((const char *)out.bytes, examples[i].expected);
        buffer_deinit(&out);
    }
}

/* ---- limits ---- */

static void check_limit(const char *before, size_t count, const char *after, bool good)
{
    struct buffer text;
    struct batch batch;
    struct line_parser *parser;
    buffer_init(&text);
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    buffer_put(&text, before, strlen(before));
    for (size_t i = 0; i < count; i++)
        buffer_put_u8(&text, 'x');
    buffer_put(&text, after, strlen(after));
    const size_t line_bytes = text.size_bytes;
    buffer_put(&text, "\nm f=1 5\n", 9);
    feed_copy(parser, &batch, (const char *)text.bytes, text.size_bytes, false, &plain);
    cr_expect_eq(batch.row_count, good ? 2 : 1, "%s %zu %s", before, count, after);
    cr_expect_eq(batch.refused_count, good ? 0 : 1);
    if (!good) {
        cr_expect_eq(batch.refusals[0].status, PHUSA_ELIMIT, "%s", batch.refusals[0].reason);
        cr_expect_eq(batch.refusals[0].line, 1);
    }
    cr_expect_eq(batch.rows[batch.row_count - 1].line, 2);
    cr_assert_null(batch_check(&batch));

    /* The same in two pieces. */
    batch_clear(&batch);
    line_parser_reset(parser);
    feed_copy(parser, &batch, (const char *)text.bytes, line_bytes / 2, false, &plain);
    feed_copy(parser, &batch, (const char *)text.bytes + line_bytes / 2,
              text.size_bytes - line_bytes / 2, true, &plain);
    cr_expect_eq(batch.row_count, good ? 2 : 1);
    cr_expect_eq(batch.refused_count, good ? 0 : 1);
    line_parser_close(parser);
    batch_deinit(&batch);
    buffer_deinit(&text);
}

Test(line, names_strings_keys_and_lines_have_exact_limits)
{
    check_limit("", NAME_BYTES_MAX, " f=1 5", true);
    check_limit("", NAME_BYTES_MAX + 1, " f=1 5", false);
    check_limit("m,", NAME_BYTES_MAX, "=a f=1 5", true);
    check_limit("m,", NAME_BYTES_MAX + 1, "=a f=1 5", false);
    check_limit("m ", NAME_BYTES_MAX, "=1 5", true);
    check_limit("m ", NAME_BYTES_MAX + 1, "=1 5", false);
    check_limit("m f=\"", STRING_BYTES_MAX, "\" 5", true);
    check_limit("m f=\"", STRING_BYTES_MAX + 1, "\" 5", false);
    /* 1 + 1 for m, 1 + 1 for a, 2 for the length of what is left of 16,384. */
    check_limit("m,a=", SERIES_KEY_BYTES_MAX - 6, " f=1 5", true);
    check_limit("m,a=", SERIES_KEY_BYTES_MAX - 5, " f=1 5", false);
    check_limit("m,a=", SERIES_KEY_BYTES_MAX * 8, " f=1 5", false);
    check_limit("m f=\"", LINE_BYTES_MAX, "\" 5", false);
    check_limit("#", LINE_BYTES_MAX, "", false);
    check_limit("", LINE_BYTES_MAX + 1, "", false);
}

static void check_many(const char *before, const char *format, size_t count, const char *after,
                       bool good)
{
    struct buffer text;
    struct buffer out;
    buffer_init(&text);
    buffer_init(&out);
    buffer_put(&text, before, strlen(before));
    for (size_t i = 0; i < count; i++) {
        char part[32];
        buffer_put(&text, part, (size_t)snprintf(part, sizeof part, format, i));
    }
    buffer_put(&text, after, strlen(after));
    dump_text(&out, (const char *)text.bytes, text.size_bytes, &plain);
    cr_expect_eq(out.bytes[1], good ? ':' : '!', "%s %zu", format, count);
    buffer_deinit(&text);
    buffer_deinit(&out);
}

Test(line, tags_and_fields_are_counted)
{
    check_many("m", ",k%zu=v", TAG_COUNT_MAX, " f=1 5", true);
    check_many("m", ",k%zu=v", TAG_COUNT_MAX + 1, " f=1 5", false);
    check_many("m f=0", ",f%zu=1", FIELD_COUNT_MAX - 1, " 5", true);
    check_many("m f=0", ",f%zu=1", FIELD_COUNT_MAX, " 5", false);
}

Test(line, a_name_that_comes_twice_among_many_counts_once)
{
    struct buffer text;
    struct batch batch;
    struct line_parser *parser;
    buffer_init(&text);
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    buffer_put(&text, "m a=1", 5);
    for (int i = 0; i < 3000; i++) {
        char part[32];
        buffer_put(&text, part, (size_t)snprintf(part, sizeof part, ",f%d=%di", i % 1000, i));
    }
    feed_copy(parser, &batch, (const char *)text.bytes, text.size_bytes, true, &plain);
    cr_assert_eq(batch.row_count, 1);
    cr_assert_eq(batch.shapes[0].field_count, 1001);
    for (int64_t i = 0; i < 1000; i++)
        cr_assert_eq(batch.values[i + 1].i, 2000 + i);
    line_parser_close(parser);
    batch_deinit(&batch);
    buffer_deinit(&text);
}

/* A string that never ends must not take the memory, and is said at once. */
Test(line, an_endless_string_is_refused_and_skipped_to_its_end)
{
    struct batch batch;
    struct line_parser *parser;
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    feed_copy(parser, &batch, "m f=1 5\nm s=\"", 13, false, &plain);
    static const char piece[1001] = "\nm f=2 6";
    size_t fed = 0;
    for (int i = 0; i < 1000; i++) {
        char block[1000];
        memset(block, 'x', sizeof block);
        memcpy(block, piece, 9);
        block[8] = '\n';
        feed_copy(parser, &batch, block, sizeof block, false, &plain);
        fed += sizeof block;
        cr_assert_eq(batch.refused_count, fed + 5 > LINE_BYTES_MAX ? 1 : 0);
    }
    feed_copy(parser, &batch, "\" 5\nm f=3 7\n", 12, true, &plain);
    cr_assert_eq(batch.row_count, 2);
    cr_assert_eq(batch.rows[1].line, 2 + 2000 + 1);
    cr_assert_eq(batch.refusals[0].line, 2);
    cr_assert_eq(batch.refusals[0].column, 0);
    cr_assert_eq(line_parser_line_count(parser), 2003);
    line_parser_close(parser);
    batch_deinit(&batch);
}

/* ---- batches ---- */

Test(line, a_full_batch_stops_and_goes_on_with_the_rest)
{
    struct buffer text;
    buffer_init(&text);
    const size_t line_count = 400000;
    for (size_t i = 0; i < line_count; i++) {
        char line[80];
        buffer_put(&text, line,
                   (size_t)snprintf(line, sizeof line, "m,a=%zu f=%zui,s=\"%zu\" %zu\n", i % 50000,
                                    i, i, i));
    }
    struct batch batch;
    struct line_parser *parser;
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    size_t rows = 0;
    size_t batches = 0;
    const char *p = (const char *)text.bytes;
    size_t left = text.size_bytes;
    for (;;) {
        size_t taken;
        const size_t piece = left < 1000003 ? left : 1000003;
        cr_assert_eq(line_parser_feed(parser, &batch, p, piece, piece == left, &plain, &taken),
                     PHUSA_OK);
        p += taken;
        left -= taken;
        if (taken == piece && left > 0) continue;
        cr_assert_leq(batch.size_bytes, PHUSA_BATCH_BYTES_MAX);
        for (size_t i = 0; i < batch.row_count; i++) {
            cr_assert_eq(batch.rows[i].time_ns, (int64_t)rows);
            cr_assert_eq(batch.rows[i].line, rows + 1);
            rows++;
        }
        cr_assert_null(batch_check(&batch));
        batch_clear(&batch);
        batches++;
        if (left == 0) break;
    }
    cr_assert_eq(rows, line_count);
    cr_assert_gt(batches, 1);
    line_parser_close(parser);
    batch_deinit(&batch);
    buffer_deinit(&text);
}

Test(line, one_parser_serves_two_batches_by_turns)
{
    struct batch batches[2];
    struct line_parser *parser;
    batch_init(&batches[0]);
    batch_init(&batches[1]);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    for (int i = 0; i < 100; i++) {
        char text[512];
        size_t size = 0;
        for (int k = 0; k < 4; k++)
            size += (size_t)snprintf(text + size, sizeof text - size,
                                     "m%d,a=%d f=%di %d\nn,b=%d g=%d %d\n", (i + k) % 3, i % 7, i,
                                     i, i % 5, i, i);
        feed_copy(parser, &batches[i % 3 == 0], text, size, false, &plain);
        cr_assert_null(batch_check(&batches[0]));
        cr_assert_null(batch_check(&batches[1]));
        if (i % 10 == 0) batch_clear(&batches[1]);
    }
    cr_assert_eq(batches[0].refused_count + batches[1].refused_count, 0);
    line_parser_close(parser);
    batch_deinit(&batches[0]);
    batch_deinit(&batches[1]);
}

/* ---- comments ---- */

struct heard {
    char text[256];
    uint64_t stop_at;
};
static bool hear(void *context, uint64_t line, struct phusa_text text)
{
    struct heard *heard = context;
    const size_t used = strlen(heard->text);
    snprintf(heard->text + used, sizeof heard->text - used, "%d[%.*s]", (int)line,
             (int)text.size_bytes, text.bytes);
    return line == heard->stop_at;
}

Test(line, comments_are_handed_on_and_may_stop_the_parser)
{
    static const char text[] =
        "# auth x\r\nm f=1 5\n  # db d \nm s=\"\n# no\n\" 6\n#\nm f=2 7\n#end";
    struct heard heard = {.stop_at = 3};
    const struct line_options options = {
        .precision_ns = 1, .now_ns = 0, .comment = hear, .context = &heard};
    struct batch batch;
    struct line_parser *parser;
    batch_init(&batch);
    cr_assert_eq(line_parser_open(&parser), PHUSA_OK);
    size_t taken;
    cr_assert_eq(line_parser_feed(parser, &batch, text, sizeof text - 1, true, &options, &taken),
                 PHUSA_OK);
    cr_assert_eq(taken, 28);
    cr_assert_eq(batch.row_count, 1);
    cr_assert_str_eq(heard.text, "1[ auth x]3[ db d ]");
    cr_assert_eq(line_parser_line_count(parser), 3);
    feed_copy(parser, &batch, text + taken, sizeof text - 1 - taken, true, &options);
    cr_assert_eq(batch.row_count, 3);
    cr_assert_str_eq(heard.text, "1[ auth x]3[ db d ]7[]9[end]");
    line_parser_close(parser);
    batch_deinit(&batch);
}

/* ---- memory ---- */

Test(line, any_allocation_may_fail)
{
    struct buffer text;
    buffer_init(&text);
    for (int i = 0; i < 200; i++) {
        char line[128];
        buffer_put(&text, line,
                   (size_t)snprintf(line, sizeof line,
                                    "m%d,a\\ b=%d f=%d.5,s=\"x\\\"y\",b=t %d\nbad line\n", i % 9, i,
                                    i, i));
    }
    buffer_put(&text, "w a=1", 5);
    for (int i = 0; i < 40; i++) {
        char part[32];
        buffer_put(&text, part, (size_t)snprintf(part, sizeof part, ",f%d=%di", i, i));
    }
    for (uint64_t n = 1;; n++) {
        struct batch batch;
        struct line_parser *parser = NULL;
        batch_init(&batch);
        mem_fail_at(n);
        phusa_status status = line_parser_open(&parser);
        size_t taken = 0;
        if (status == PHUSA_OK)
            status = line_parser_feed(parser, &batch, (const char *)text.bytes, 4001, false, &plain,
                                      &taken);
        if (status == PHUSA_OK)
            status = line_parser_feed(parser, &batch, (const char *)text.bytes + 4001,
                                      text.size_bytes - 4001, true, &plain, &taken);
        const bool reached = mem_calls() >= n;
        mem_fail_at(0);
        cr_assert(status == PHUSA_OK || status == PHUSA_ENOMEM);
        cr_assert_null(batch_check(&batch));
        if (parser != NULL) {
            line_parser_reset(parser);
            batch_clear(&batch);
            feed_copy(parser, &batch, (const char *)text.bytes, text.size_bytes, true, &plain);
            cr_assert_eq(batch.row_count, 201);
            cr_assert_eq(batch.refused_count, 200);
            cr_assert_null(batch_check(&batch));
        }
        line_parser_close(parser);
        batch_deinit(&batch);
        if (!reached) break;
    }
    buffer_deinit(&text);
}
