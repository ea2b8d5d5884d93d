/*
 * Guards the CSV reader: every cell of RFC 4180 and of its usual deviations comes out as it went
 * in, positions are exact (an import is resumed by them), and damage costs its own row only.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/csv.h"
#include "random.h"

static struct random rng;

static int file_of(const char *bytes, size_t size_bytes)
{
    char path[] = "/tmp/phusa-test-csv-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert(fd >= 0);
    (void)unlink(path);
    for (size_t at = 0; at < size_bytes;) {
        const ssize_t count = write(fd, bytes + at, size_bytes - at);
        cr_assert(count > 0);
        at += (size_t)count;
    }
    return fd;
}

static struct csv *opened(const char *text, char delimiter)
{
    struct csv *csv = NULL;
    cr_assert(csv_open(&csv, file_of(text, strlen(text)), delimiter, 0, 1));
    return csv;
}

static void expect_row(struct csv *csv, uint64_t line, size_t count, const char *const *cells)
{
    struct csv_row row;
    cr_assert_eq(csv_next(csv, &row), CSV_ROW);
    cr_assert_null(row.problem, "%s", row.problem);
    cr_assert_eq(row.line, line, "line %zu", (size_t)row.line);
    cr_assert_eq(row.cell_count, count, "%zu cells", row.cell_count);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(row.cells[i].text_bytes, strlen(cells[i]), "cell %zu", i);
        cr_assert_eq(memcmp(row.cells[i].text, cells[i], strlen(cells[i])), 0, "cell %zu", i);
    }
}
#define EXPECT_ROW(csv, line, ...)                                    \
    do {                                                              \
        const char *const cells[] = {__VA_ARGS__};                    \
        expect_row(csv, line, sizeof cells / sizeof cells[0], cells); \
    } while (0)

Test(csv, reads_quotes_delimiters_and_line_ends_in_cells)
{
    struct csv *csv = opened("a,\"b,\"\"c\"\"\",\r\n\"d\ne\",f,\"\"\ng,h,i", ',');
    struct csv_row row;
    EXPECT_ROW(csv, 1, "a", "b,\"c\"", "");
    EXPECT_ROW(csv, 2, "d\ne", "f", "");
    EXPECT_ROW(csv, 4, "g", "h", "i");
    cr_assert_eq(csv_next(csv, &row), CSV_END);
    csv_close(csv);
}

Test(csv, skips_a_byte_order_mark_and_blank_lines)
{
    struct csv *csv = opened("\xEF\xBB\xBF\"x\";y\n\n\r\n1;2\r\n", ';');
    EXPECT_ROW(csv, 1, "x", "y");
    EXPECT_ROW(csv, 4, "1", "2");
    csv_close(csv);
}

Test(csv, a_quote_inside_an_unquoted_cell_is_a_character)
{
    struct csv *csv = opened("5\" pipe,b\"\"c\nx,y\n", ',');
    EXPECT_ROW(csv, 1, "5\" pipe", "b\"\"c");
    EXPECT_ROW(csv, 2, "x", "y");
    csv_close(csv);
}

Test(csv, a_quote_that_never_closes_costs_one_line)
{
    struct csv *csv = opened("a,\"b\nc,d\ne,f\n", ',');
    struct csv_row row;
    cr_assert_eq(csv_next(csv, &row), CSV_ROW);
    cr_assert_not_null(row.problem);
    EXPECT_ROW(csv, 2, "c", "d");
    EXPECT_ROW(csv, 3, "e", "f");
    cr_assert_eq(csv_next(csv, &row), CSV_END);
    csv_close(csv);
}

Test(csv, something_behind_a_closing_quote_is_a_bad_row)
{
    struct csv *csv = opened("\"a\"b,c\nd,e\n", ',');
    struct csv_row row;
    cr_assert_eq(csv_next(csv, &row), CSV_ROW);
    cr_assert_not_null(row.problem);
    cr_assert_eq(row.problem_column, 1);
    EXPECT_ROW(csv, 2, "d", "e");
    csv_close(csv);
}

Test(csv, a_row_longer_than_the_first_buffer_is_read_whole)
{
    const size_t cell_bytes = 3u << 20;
    char *text = malloc(cell_bytes + 16);
    cr_assert_not_null(text);
    text[0] = '"';
    memset(text + 1, 'x', cell_bytes);
    strcpy(text + 1 + cell_bytes, "\",b\nc,d\n");
    struct csv *csv = opened(text, ',');
    struct csv_row row;
    cr_assert_eq(csv_next(csv, &row), CSV_ROW);
    cr_assert_eq(row.cell_count, 2);
    cr_assert_eq(row.cells[0].text_bytes, cell_bytes);
    EXPECT_ROW(csv, 2, "c", "d");
    csv_close(csv);
    free(text);
}

Test(csv, a_row_beyond_the_limit_is_bad_and_reading_goes_on)
{
    const size_t text_bytes = (size_t)CSV_ROW_BYTES_MAX * 2 + 100;
    char *text = malloc(text_bytes + 16);
    cr_assert_not_null(text);
    memset(text, 'x', text_bytes);
    strcpy(text + text_bytes, "\nc,d\n");
    struct csv *csv = opened(text, ',');
    struct csv_row row;
    bool seen_bad = false;
    for (;;) {
        cr_assert_eq(csv_next(csv, &row), CSV_ROW);
        if (row.cell_count == 2) break;
        seen_bad = seen_bad || row.problem != NULL;
    }
    cr_assert(seen_bad);
    cr_assert_eq(row.line, 2);
    csv_close(csv);
    free(text);
}

/* -- model: random tables written in random spellings -- */

#define MODEL_ROWS    60
#define MODEL_COLUMNS 5

static size_t write_cell(char *to, const char *cell)
{
    const bool must = strpbrk(cell, ",\"\r\n") != NULL;
    char *const start = to;
    if (!must && (int)random_below(&rng, 2) == 0) {
        memcpy(to, cell, strlen(cell));
        return strlen(cell);
    }
    *to++ = '"';
    for (; *cell != 0; cell++) {
        if (*cell == '"') *to++ = '"';
        *to++ = *cell;
    }
    *to++ = '"';
    return (size_t)(to - start);
}

static void random_cell(char cell[16])
{
    static const char letters[] = "ab,\"\n\r 1.é";
    const int length = (int)random_below(&rng, 8);
    for (int i = 0; i < length; i++)
        cell[i] = letters[random_below(&rng, sizeof letters - 1)];
    cell[length] = 0;
    /* A cell that ends in CR right before LF would be a line end; write_cell quotes it. */
}

Test(csv, random_tables_come_back_and_can_be_resumed_at_any_row)
{
    rng = random_seeded();
    for (int round = 0; round < 100; round++) {
        static char cells[MODEL_ROWS][MODEL_COLUMNS][16];
        static char text[MODEL_ROWS * MODEL_COLUMNS * 40];
        size_t used = 0;
        for (int r = 0; r < MODEL_ROWS; r++) {
            for (int c = 0; c < MODEL_COLUMNS; c++) {
                random_cell(cells[r][c]);
                if (c > 0) text[used++] = ',';
                used += write_cell(text + used, cells[r][c]);
            }
            if ((int)random_below(&rng, 2) == 0) text[used++] = '\r';
            text[used++] = '\n';
        }
        const int fd = file_of(text, used);
        struct csv *csv = NULL;
        cr_assert(csv_open(&csv, fd, ',', 0, 1));
        for (int r = 0; r < MODEL_ROWS; r++) {
            struct csv_row row;
            cr_assert_eq(csv_next(csv, &row), CSV_ROW);
            cr_assert_null(row.problem);
            cr_assert_eq(row.cell_count, MODEL_COLUMNS);
            for (int c = 0; c < MODEL_COLUMNS; c++) {
                cr_assert_eq(row.cells[c].text_bytes, strlen(cells[r][c]));
                cr_assert_eq(memcmp(row.cells[c].text, cells[r][c], strlen(cells[r][c])), 0);
            }
            if ((int)random_below(&rng, 4) == 0) { /* go on with another reader from here */
                const uint64_t offset = row.end_offset, line = row.end_line;
                csv_close(csv);
                cr_assert(csv_open(&csv, fd, ',', offset, line));
            }
        }
        struct csv_row row;
        cr_assert_eq(csv_next(csv, &row), CSV_END);
        csv_close(csv);
        (void)close(fd);
    }
}

Test(csv, damaged_bytes_never_stop_the_reading)
{
    rng = random_seeded();
    static const char good[] = "time,\"a\",b\n1,\"x\"\"y\",2\r\n3,\"p\nq\",4\n5,6,7\n";
    for (int round = 0; round < 3000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int i = 0; i < 3; i++)
            text[random_below(&rng, sizeof good - 1)] = "\",\n\rz\0"[(int)random_below(&rng, 6)];
        struct csv *csv = NULL;
        const int fd = file_of(text, sizeof good - 1);
        cr_assert(csv_open(&csv, fd, ',', 0, 1));
        uint64_t end_offset = 0;
        struct csv_row row;
        int rows = 0;
        enum csv_result result;
        while ((result = csv_next(csv, &row)) == CSV_ROW) {
            cr_assert(row.offset >= end_offset && row.end_offset > row.offset);
            end_offset = row.end_offset;
            cr_assert(++rows < 100);
        }
        cr_assert_eq(result, CSV_END);
        csv_close(csv);
        (void)close(fd);
    }
}
