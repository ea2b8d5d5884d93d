/*
 * test_alp_data.c - real columns of doubles (the samples of the ALP paper) come back bit by bit;
 * prints what they cost. Skipped, saying so, where the data are not beside the tree.
 */
#include "codec/codec.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const dirs[] = {"../shared/data/alp", "../shared/data/alp/edge_case"};

/* One number a line; what is no finite number is left out. */
static size_t read_column(const char *path, double **out)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    size_t count = 0, capacity = 0;
    double *values = NULL;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        char *end;
        const double x = strtod(line, &end);
        if (end == line || !isfinite(x)) continue;
        if (count == capacity) {
            capacity = capacity * 2 + 1024;
            values = realloc(values, capacity * sizeof *values);
        }
        values[count++] = x;
    }
    fclose(file);
    *out = values;
    return count;
}

static size_t expect_column(const double *values, size_t count)
{
    size_t total = 0;
    const uint8_t decimals = codec_find_decimals(values, count);
    for (size_t from = 0; from < count; from += CODEC_COUNT_MAX) {
        const uint32_t n =
            count - from < CODEC_COUNT_MAX ? (uint32_t)(count - from) : CODEC_COUNT_MAX;
        uint8_t bytes[CODEC_VECTOR_BYTES_MAX];
        double back[CODEC_COUNT_MAX];
        const size_t size = codec_encode_floats(values + from, n, decimals, bytes);
        cr_assert_eq(codec_decode_floats(bytes, size, n, back), PHUSA_OK);
        cr_assert_eq(memcmp(back, values + from, n * sizeof *back), 0);
        total += size;
    }
    return total;
}

Test(codec, real_columns_come_back)
{
    double bits_sum = 0;
    unsigned columns = 0;
    for (size_t d = 0; d < 2; d++) {
        DIR *dir = opendir(dirs[d]);
        if (dir == NULL) {
            fprintf(stderr, "skipped: %s is not there\n", dirs[d]);
            continue;
        }
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            if (strstr(entry->d_name, ".csv") == NULL) continue;
            char path[512];
            snprintf(path, sizeof path, "%s/%s", dirs[d], entry->d_name);
            double *values = NULL;
            const size_t count = read_column(path, &values);
            if (count > 0) {
                const double bits = (double)expect_column(values, count) * 8 / (double)count;
                fprintf(stderr, "%-32s %6zu values %6.2f bits a value\n", entry->d_name, count,
                        bits);
                if (d == 0) {
                    bits_sum += bits;
                    columns++;
                }
            }
            free(values);
        }
        closedir(dir);
    }
    if (columns > 0)
        fprintf(stderr, "mean of %u: %.2f bits a value\n", columns, bits_sum / columns);
}
