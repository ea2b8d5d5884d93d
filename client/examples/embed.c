/* embed.c - a store inside a program: open, write, ask. Run it with a directory of its own. */
/* clang-format off */
#include <phusa.h>
#include <stdio.h>
#include <string.h>

static phusa_status begin(void *context, unsigned statement) { return PHUSA_OK; }
static phusa_status series(void *context, const struct phusa_series_header *h) { return PHUSA_OK; }
static phusa_status rows(void *context, const struct phusa_rows *rows)
{
    for (size_t r = 0; r < rows->row_count; r++) {
        char time[PHUSA_TIME_BYTES_MAX];
        const size_t size = phusa_print_time(rows->times_ns[r], time);
        printf("%.*s %g\n", (int)size, time, rows->columns[0].f[r]);
    }
    return PHUSA_OK;
}
static phusa_status end(void *context, unsigned statement, const struct phusa_error *error)
{
    if (error != NULL) fprintf(stderr, "%s\n", error->text);
    return PHUSA_OK;
}

int main(int argc, char **argv)
{
    struct phusa *db = NULL;
    struct phusa_batch *batch = NULL;
    struct phusa_error error = {0};
    if (argc != 2) return 2;
    if (phusa_open(argv[1], NULL, &db, &error) != PHUSA_OK ||
        phusa_create_database(db, "rivers", &error) != PHUSA_OK ||
        phusa_batch_create(db, "rivers", NULL, &batch, &error) != PHUSA_OK)
        goto failed;
    for (int i = 0; i < 4; i++) {
        const struct phusa_pair tag = {{"station", 7}, {"can-tho", 7}};
        const struct phusa_field field = {
            {"level_m", 7}, {.type = PHUSA_FLOAT, .decimals = 2, .f = (171 + i * 3) / 100.0}};
        const struct phusa_point point = {.measurement = {"river", 5}, .tags = &tag, .tag_count = 1,
                                          .fields = &field, .field_count = 1,
                                          .time_ns = i * INT64_C(1800000000000)};
        if (phusa_batch_add(batch, &point, &error) != PHUSA_OK) goto failed;
    }
    if (phusa_write(db, batch, &error) != PHUSA_OK) goto failed; /* on disk when it returns */
    const char *question = "SELECT mean(level_m) FROM river WHERE time < 2h GROUP BY time(1h)";
    const struct phusa_query_options options = {.database = "rivers"};
    const struct phusa_sink sink = {.statement_begin = begin, .series_begin = series,
                                    .rows = rows, .statement_end = end};
    if (phusa_query(db, question, strlen(question), &options, &sink, &error) != PHUSA_OK)
        goto failed;
    phusa_batch_free(batch);
    return phusa_close(db) == PHUSA_OK ? 0 : 1;
failed:
    fprintf(stderr, "%s\n", error.text);
    return 1;
}
