/*
 * test_format.c - the hex example of engine/wal/FORMAT.md is what the code writes, and reads back
 * as the document says.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Lines of the form "  0040  50 67 ..."; more text may follow after two spaces. */
static size_t read_example(uint8_t *bytes, size_t size_bytes)
{
    FILE *file = fopen("engine/wal/FORMAT.md", "r");
    cr_assert_not_null(file, "run from the root of the tree");
    char line[256];
    size_t count = 0;
    bool inside = false;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "```hex", 6) == 0) inside = true;
        if (!inside || strncmp(line, "```", 3) == 0) {
            if (inside && strcmp(line, "```\n") == 0) break;
            continue;
        }
        char *p = line + 4;
        for (unsigned value; p[0] == ' ' && p[1] != '\n' && count < size_bytes;) {
            int used = 0;
            if (sscanf(p, " %2x%n", &value, &used) != 1 || used > 4) break;
            bytes[count++] = (uint8_t)value;
            p += used;
            if (p[0] == ' ' && p[1] == ' ') break;
        }
    }
    fclose(file);
    return count;
}

static void write_example(uint8_t header[SEGMENT_HEADER_BYTES], struct buffer *group)
{
    segment_header_encode(header, &(struct segment_header){.number = 7,
                                                           .epoch = 0x1122334455667788,
                                                           .first_sequence = 42,
                                                           .first_lsn = 1000,
                                                           .size_bytes = 65536});
    struct buffer payload;
    buffer_init(&payload);
    record_put_measurement(&payload, &(struct record_measurement){1, 3, text_of("river")});
    const struct points_field fields[2] = {{0, PHUSA_FLOAT}, {2, PHUSA_INTEGER}};
    const struct points_shape shape = {fields, 2};
    const union points_value first[2] = {{.f = 21.5}, {.i = -3}};
    const union points_value second[2] = {{.f = 21.75}, {.i = 0}};
    const uint8_t decimals[2] = {2, 0};
    struct points_writer w;
    points_begin(&w, &payload, &(struct points_header){1, 4, 1000, 0, false, 0}, &shape, 1);
    points_add(&w, UINT64_C(3) << 32, 1000000000, 0, &shape, first, decimals, NULL);
    points_add(&w, UINT64_C(3) << 32, 2000000000, 0, &shape, second, decimals, NULL);
    cr_assert_eq(points_end(&w), PHUSA_OK);

    uint8_t bytes[GROUP_HEADER_BYTES];
    group_header_encode(bytes, &(struct group_header){
                                   .epoch = 0x1122334455667788,
                                   .sequence = 42,
                                   .durable_sequence = 42,
                                   .first_lsn = 1000,
                                   .recorded_at_ns = 1700000000000000000,
                                   .lsn_count = 2,
                                   .payload_bytes = (uint32_t)payload.size_bytes,
                                   .payload_crc = group_payload_crc(
                                       0x1122334455667788, payload.bytes, payload.size_bytes),
                               });
    buffer_put(group, bytes, sizeof bytes);
    buffer_put(group, payload.bytes, payload.size_bytes);
    buffer_deinit(&payload);
}

Test(wal_format, the_example_in_the_document_is_what_is_written)
{
    uint8_t header[SEGMENT_HEADER_BYTES];
    struct buffer group;
    buffer_init(&group);
    write_example(header, &group);
    if (getenv("PHUSA_PRINT_EXAMPLE") != NULL) {
        for (size_t i = 0; i < sizeof header; i++)
            fprintf(stderr, "%s%02x", i % 16 ? " " : "\n", header[i]);
        for (size_t i = 0; i < group.size_bytes; i++)
            fprintf(stderr, "%s%02x", i % 16 ? " " : "\n", group.bytes[i]);
        fprintf(stderr, "\n");
    }
    uint8_t example[512];
    const size_t size_bytes = read_example(example, sizeof example);
    cr_assert_eq(size_bytes, sizeof header + group.size_bytes, "%zu bytes in the document",
                 size_bytes);
    cr_assert_eq(memcmp(example, header, sizeof header), 0, "the segment's header differs");
    cr_assert_eq(memcmp(example + sizeof header, group.bytes, group.size_bytes), 0,
                 "the group differs");
    buffer_deinit(&group);
}

Test(wal_format, the_example_in_the_document_is_read)
{
    uint8_t example[512];
    const size_t size_bytes = read_example(example, sizeof example);
    cr_assert_gt(size_bytes, SEGMENT_HEADER_BYTES + GROUP_HEADER_BYTES);
    struct segment_header segment;
    struct group_header group;
    cr_assert_eq(segment_header_decode(example, &segment), PHUSA_OK);
    const uint8_t *bytes = example + SEGMENT_HEADER_BYTES;
    cr_assert(group_header_decode(bytes, segment.epoch, &group));
    cr_assert(segment.number == 7 && group.sequence == 42 && group.lsn_count == 2);
    const uint8_t *payload = bytes + GROUP_HEADER_BYTES;
    cr_assert_eq(group_payload_crc(group.epoch, payload, group.payload_bytes), group.payload_crc);
    struct reader in = reader_of(payload, group.payload_bytes);
    enum record_kind kind;
    struct phusa_text body;
    cr_assert(record_next(&in, &kind, &body) && kind == RECORD_MEASUREMENT);
    cr_assert(record_next(&in, &kind, &body) && kind == RECORD_POINTS);
    struct points_reader *reader = points_reader_create();
    struct points_header header;
    const struct points_row *row;
    cr_assert_eq(points_open(reader, body, &header), PHUSA_OK);
    cr_assert_eq(points_next(reader, &row), PHUSA_OK);
    cr_assert(row->values[0].f == 21.5 && row->values[1].i == -3 && row->lsn == 1000);
    cr_assert_eq(points_next(reader, &row), PHUSA_OK);
    cr_assert(row->values[0].f == 21.75 && row->time_ns == 2000000000 && row->lsn == 1001);
    points_reader_free(reader);
}
