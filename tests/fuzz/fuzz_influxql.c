/*
 * fuzz_influxql.c - any bytes as InfluxQL: no harm, and what parses prints to text that parses and
 * prints to itself.
 */
#include "query/name.h"
#include "text/influxql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                              \
    do {                                                                \
        if (condition) break;                                           \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        abort();                                                        \
    } while (0)

/* Whether it parses; then printed, each statement ended by ';'. */
static bool print(const char *text, size_t size, struct buffer *out)
{
    struct arena arena;
    struct request request;
    struct phusa_error error = {0};
    arena_init(&arena, 64u << 20);
    const phusa_status status = influxql_parse(text, size, &arena, &request, &error);
    if (status == PHUSA_OK) {
        for (size_t i = 0; i < request.statement_count; i++) {
            const struct select_statement *select = request.statements[i].select;
            influxql_print(out, &request.statements[i]);
            buffer_put_u8(out, ';');
            if (select == NULL) continue;
            struct phusa_text *names =
                arena_array(&arena, select->column_count, sizeof(struct phusa_text));
            REQUIRE(names != NULL);
            REQUIRE(select_column_names(select->columns, select->column_count, &arena, names) ==
                    PHUSA_OK);
        }
        REQUIRE(!out->bad);
    } else {
        REQUIRE(error.status == status);
        REQUIRE(error.text[0] != '\0');
    }
    arena_deinit(&arena);
    return status == PHUSA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer once;
    struct buffer twice;
    buffer_init(&once);
    buffer_init(&twice);
    if (print((const char *)data, size, &once)) {
        REQUIRE(print((const char *)once.bytes, once.size_bytes, &twice));
        REQUIRE(once.size_bytes == twice.size_bytes);
        REQUIRE(size == 0 || once.size_bytes == 0 ||
                memcmp(once.bytes, twice.bytes, once.size_bytes) == 0);
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
    return 0;
}
