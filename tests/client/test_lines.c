/*
 * Guards the cuts of a stream of line protocol: a batch that ends inside a quoted string would
 * be two broken points, and one that never ends would fill the memory.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/lines.h"
#include "random.h"

static struct random rng;

/* The cut after feeding all of `text`, in pieces of `piece` bytes. */
static struct lines fed(const char *text, size_t piece)
{
    struct lines lines = {0};
    const size_t size_bytes = strlen(text);
    for (size_t at = 0; at < size_bytes;) {
        const size_t left = size_bytes - at;
        at += lines_feed(&lines, text + at, left < piece ? left : piece, UINT64_MAX);
    }
    return lines;
}

Test(lines, cuts_behind_the_last_whole_line)
{
    const struct lines lines = fed("m f=1 1\nm f=2 2\nm f=", 1000);
    cr_assert_eq(lines.cut_offset, 16);
    cr_assert_eq(lines.cut_point_count, 2);
    cr_assert_eq(lines.cut_newline_count, 2);
}

Test(lines, never_cuts_inside_a_quoted_string)
{
    const char *text = "m f=\"one\ntwo\\\"\nthree\",g=2 1\nm f=3 2\n";
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        const struct lines lines = fed(text, piece);
        cr_assert_eq(lines.cut_offset, strlen(text), "piece %zu", piece);
        cr_assert_eq(lines.cut_point_count, 2);
        cr_assert_eq(lines.cut_newline_count, 4);
    }
    cr_assert_eq(fed("m f=\"one\ntwo\n", 1000).cut_offset, 0);
}

Test(lines, quotes_in_names_and_stray_quotes_open_nothing)
{
    cr_assert_eq(fed("m\"x,t=\"a f=1\n", 1000).cut_offset, 13);
    cr_assert_eq(fed("m f=1\"\nm f=2\n", 1000).cut_offset, 13);
    cr_assert_eq(fed("m f\\=\"=1\n", 1000).cut_offset, 9);
}

Test(lines, a_line_end_behind_a_backslash_ends_the_line_but_is_no_cut)
{
    const struct lines lines = fed("m f=1\\\nm,t=\"a f=1\n", 1000);
    cr_assert_eq(lines.cut_offset, 18);
    cr_assert_eq(lines.cut_point_count, 2);
    cr_assert_eq(fed("m f=1\\\nm", 1000).cut_offset, 0);
}

Test(lines, comments_and_blank_lines_are_no_points)
{
    const struct lines lines = fed("# it's \"open\n\n  \r\nm f=1\r\n", 3);
    cr_assert_eq(lines.cut_point_count, 1);
    cr_assert_eq(lines.cut_newline_count, 4);
    cr_assert_eq(lines.cut_offset, 25);
}

Test(lines, stops_at_the_number_of_points_asked_for)
{
    struct lines lines = {0};
    const char *text = "m f=1\nm f=2\nm f=3\n";
    cr_assert_eq(lines_feed(&lines, text, strlen(text), 2), 12);
    cr_assert_eq(lines.cut_offset, 12);
    cr_assert_eq(lines_feed(&lines, text + 12, 6, 2), 6, "a limit already passed gives one line");
}

/* Model: lines generated with what they are; every cut must fall on an end that the generator
 * knows, whatever the pieces, and the last one must be found. */
Test(lines, cuts_of_random_streams_are_line_ends)
{
    rng = random_seeded();
    for (int round = 0; round < 300; round++) {
        char text[4096];
        size_t used = 0, ends[64], end_count = 0;
        while (end_count < 40 && used < sizeof text - 100) {
            static const char *const bodies[] = {
                "m f=1",        "m,t=a\\ b f=\"x\ny\" 5", "# c \" d", "m f=\"a\\\"\n\"",
                "m,t=\"q f=2i", "m f=t,g=\"\\\\\" 7",     "",         "m f=\"\n\n\",h=1",
            };
            const char *body = bodies[random_below(&rng, sizeof bodies / sizeof bodies[0])];
            memcpy(text + used, body, strlen(body));
            used += strlen(body);
            text[used++] = '\n';
            ends[end_count++] = used;
        }
        struct lines lines = {0};
        for (size_t at = 0; at < used;) {
            size_t piece = random_below(&rng, 50) + 1;
            if (piece > used - at) piece = used - at;
            at += lines_feed(&lines, text + at, piece, random_below(&rng, 20));
            bool known = lines.cut_offset == 0;
            for (size_t i = 0; i < end_count; i++)
                known = known || ends[i] == lines.cut_offset;
            cr_assert(known, "round %d: a cut at %zu", round, (size_t)lines.cut_offset);
        }
        cr_assert_eq(lines.cut_offset, used, "round %d", round);
    }
}
