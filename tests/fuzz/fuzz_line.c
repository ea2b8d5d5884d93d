/*
 * fuzz_line.c - any bytes as line protocol: no harm, a batch whose invariants hold, and the same
 * batch when the bytes come in pieces. The first byte says how long the pieces are.
 */
#include "text/line.h"

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

static void feed(struct batch *batch, const char *text, size_t size, size_t piece_max)
{
    const struct line_options options = {.precision_ns = 1000, .now_ns = 1234567};
    struct line_parser *parser;
    REQUIRE(line_parser_open(&parser) == PHUSA_OK);
    while (size > 0) {
        const size_t piece = size < piece_max ? size : piece_max;
        char *copy = malloc(piece);
        REQUIRE(copy != NULL);
        memcpy(copy, text, piece);
        size_t taken;
        REQUIRE(line_parser_feed(parser, batch, copy, piece, piece == size, &options, &taken) ==
                PHUSA_OK);
        REQUIRE(taken == piece);
        free(copy);
        text += piece;
        size -= piece;
    }
    line_parser_close(parser);
    const char *fault = batch_check(batch);
    if (fault != NULL) fprintf(stderr, "%s\n", fault);
    REQUIRE(fault == NULL);
}

static void require_equal(const struct batch *a, const struct batch *b)
{
    REQUIRE(a->row_count == b->row_count);
    REQUIRE(a->refused_count == b->refused_count);
    REQUIRE(a->key_count == b->key_count);
    REQUIRE(a->shape_count == b->shape_count);
    REQUIRE(a->string_count == b->string_count);
    REQUIRE(a->size_bytes == b->size_bytes);
    REQUIRE(a->value_count == b->value_count);
    for (size_t i = 0; i < a->value_count; i++)
        REQUIRE(a->values[i].u == b->values[i].u && a->decimals[i] == b->decimals[i]);
    for (size_t i = 0; i < a->row_count; i++)
        REQUIRE(memcmp(&a->rows[i], &b->rows[i], sizeof a->rows[i]) == 0);
    for (size_t i = 0; i < a->refusal_kept; i++)
        REQUIRE(a->refusals[i].line == b->refusals[i].line &&
                a->refusals[i].column == b->refusals[i].column &&
                strcmp(a->refusals[i].reason, b->refusals[i].reason) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct batch whole;
    struct batch pieces;
    batch_init(&whole);
    batch_init(&pieces);
    feed(&whole, (const char *)data + 1, size - 1, SIZE_MAX);
    feed(&pieces, (const char *)data + 1, size - 1, data[0] + 1u);
    require_equal(&whole, &pieces);
    batch_deinit(&whole);
    batch_deinit(&pieces);
    return 0;
}
