/*
 * fuzz_wal.c - anything as the payload of a group, and anything as the files of a log, with its
 * checksums made right so that the fuzzer gets past them. What opens must go on working; what is
 * read as points must come out the same when it is written and read again.
 *
 * The first byte chooses: 0 a payload; else a log of so many segments (at most 3), of equal parts
 * of the rest. A segment's part is its 64 bytes of header and then what stands from offset 4096 on.
 */
#include "wal/segment.h"

#include "base/crc.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- records ---- */

/* Write what is read, as far as it reads. */
static bool copy_points(struct points_reader *reader, const struct points_header *header,
                        struct buffer *out)
{
    uint32_t shape_count;
    const struct points_shape *shapes = points_shapes(reader, &shape_count);
    struct points_writer w;
    points_begin(&w, out, header, shapes, shape_count);
    const struct points_row *row;
    for (;;) {
        if (points_next(reader, &row) != PHUSA_OK) return false;
        if (row == NULL) break;
        points_add(&w, row->series, row->time_ns, row->shape, row->fields, row->values,
                   row->decimals, row->texts);
    }
    if (points_end(&w) != PHUSA_OK) abort();
    return true;
}

static void expect_same(struct phusa_text a, struct phusa_text b)
{
    struct points_reader *readers[2] = {points_reader_create(), points_reader_create()};
    struct points_header headers[2];
    const struct points_row *rows[2];
    assert(points_open(readers[0], a, &headers[0]) == PHUSA_OK);
    assert(points_open(readers[1], b, &headers[1]) == PHUSA_OK);
    do {
        assert(points_next(readers[0], &rows[0]) == PHUSA_OK);
        assert(points_next(readers[1], &rows[1]) == PHUSA_OK);
        assert((rows[0] == NULL) == (rows[1] == NULL));
        if (rows[0] == NULL) break;
        assert(rows[0]->series == rows[1]->series && rows[0]->time_ns == rows[1]->time_ns);
        const struct points_shape *shape = rows[0]->fields;
        for (uint32_t k = 0; k < shape->field_count; k++)
            if (shape->fields[k].type == PHUSA_STRING)
                assert(text_equal(rows[0]->texts[k], rows[1]->texts[k]));
            else
                assert(rows[0]->values[k].u == rows[1]->values[k].u);
    } while (rows[0] != NULL);
    points_reader_free(readers[0]);
    points_reader_free(readers[1]);
}

static void read_payload(const uint8_t *bytes, size_t size_bytes)
{
    struct reader payload = reader_of(bytes, size_bytes);
    enum record_kind kind;
    struct phusa_text body;
    while (record_next(&payload, &kind, &body)) {
        struct record_measurement measurement;
        struct record_field field;
        struct record_series series;
        struct points_header header;
        (void)!record_get_measurement(body, &measurement);
        (void)!record_get_field(body, &field);
        (void)!record_get_series(body, &series);
        struct points_reader *reader = points_reader_create();
        struct buffer copy;
        buffer_init(&copy);
        if (points_open(reader, body, &header) == PHUSA_OK && copy_points(reader, &header, &copy))
            expect_same(body, (struct phusa_text){(char *)copy.bytes + 5, copy.size_bytes - 5});
        buffer_deinit(&copy);
        points_reader_free(reader);
    }
}

/* ---- logs ---- */

struct seen {
    uint64_t next_lsn;
    uint64_t groups;
};
static phusa_status take(void *context, const struct wal_group *group)
{
    struct seen *seen = context;
    assert(group->first_lsn >= seen->next_lsn);
    seen->next_lsn = group->first_lsn + group->lsn_count;
    seen->groups++;
    return PHUSA_OK;
}

static void mend_groups(uint8_t *bytes, size_t size_bytes, uint64_t epoch)
{
    const uint32_t seed = crc32c(0, &epoch, sizeof epoch);
    for (size_t at = 0; at + GROUP_HEADER_BYTES <= size_bytes; at += GROUP_ALIGNMENT) {
        if (memcmp(bytes + at, "Pgrp", 4) != 0) continue;
        const size_t rest = size_bytes - at - GROUP_HEADER_BYTES;
        const uint32_t payload_bytes = load_u32(bytes + at + 52);
        store_u64(bytes + at + 8, epoch);
        if (payload_bytes <= rest)
            store_u32(bytes + at + 56,
                      group_payload_crc(epoch, bytes + at + GROUP_HEADER_BYTES, payload_bytes));
        store_u32(bytes + at + 4, crc32c(seed, bytes + at + 8, GROUP_HEADER_BYTES - 8));
    }
}

static void write_segment(int directory, uint64_t number, const uint8_t *data, size_t size_bytes)
{
    static uint8_t file[SEGMENT_DATA_OFFSET + (1 << 20)];
    size_t rest = size_bytes > SEGMENT_HEADER_BYTES ? size_bytes - SEGMENT_HEADER_BYTES : 0;
    if (rest > 1 << 20) rest = 1 << 20;
    memset(file, 0, SEGMENT_DATA_OFFSET);
    memcpy(file, data, size_bytes < SEGMENT_HEADER_BYTES ? size_bytes : SEGMENT_HEADER_BYTES);
    if (rest > 0) memcpy(file + SEGMENT_DATA_OFFSET, data + SEGMENT_HEADER_BYTES, rest);
    if (memcmp(file, "Phusa", 5) == 0) {
        memcpy(file, "PhusaWAL", 8);
        if (load_u32(file + 12) % 8 != 0) store_u32(file + 12, SEGMENT_VERSION);
        if (file[16] % 4 != 0) store_u64(file + 16, number);
        store_u64(file + 56, 0);
        store_u32(file + 8, crc32c(0, file + 12, SEGMENT_HEADER_BYTES - 12));
    }
    mend_groups(file + SEGMENT_DATA_OFFSET, rest, load_u64(file + 24));
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    const int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const size_t whole = SEGMENT_DATA_OFFSET + rest;
    if (fd < 0 || write(fd, file, whole) != (ssize_t)whole) abort();
    close(fd);
}

static char dir[64];
static void remove_dir(void)
{
    char wal[80];
    snprintf(wal, sizeof wal, "%s/wal", dir);
    (void)rmdir(wal);
    (void)rmdir(dir);
}

static const char *scratch_dir(void)
{
    if (dir[0] != '\0') return dir;
    snprintf(dir, sizeof dir, "%s/phusa-fuzz-%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    char wal[80];
    snprintf(wal, sizeof wal, "%s/wal", dir);
    if (mkdir(dir, 0700) != 0 || mkdir(wal, 0700) != 0) abort();
    atexit(remove_dir);
    return dir;
}

static void empty_log(int directory)
{
    for (uint64_t number = 1; number < 12; number++) {
        char name[SEGMENT_NAME_BYTES];
        segment_name(name, number);
        (void)unlinkat(directory, name, 0);
        snprintf(name, sizeof name, "%06u.cut", (unsigned)number);
        (void)unlinkat(directory, name, 0);
    }
}

/* Open, append a group, reopen: it is the last one then. */
static void open_and_go_on(uint64_t from_lsn, bool repair)
{
    struct wal_options options = {.segment_bytes = WAL_SEGMENT_BYTES_MIN, .read_only = true};
    struct seen first = {0}, again = {0}, last = {0};
    struct wal *wal;
    struct phusa_error error;
    options.repair = repair;
    const phusa_status looked = wal_open(dir, &options, from_lsn, take, &first, &wal, &error);
    if (looked == PHUSA_OK) wal_close(wal);
    options.read_only = false;
    const phusa_status opened = wal_open(dir, &options, from_lsn, take, &again, &wal, &error);
    assert(looked == opened && (opened != PHUSA_OK || first.groups == again.groups));
    if (opened != PHUSA_OK) return;
    const uint64_t lsn = wal_next_lsn(wal);
    const struct wal_group group = {
        .first_lsn = lsn, .lsn_count = 1, .payload = (const uint8_t *)"x", .payload_bytes = 1};
    assert(wal_append(wal, &group) == PHUSA_OK);
    assert(wal_sync(wal) == PHUSA_OK);
    wal_close(wal);
    assert(wal_open(dir, &options, from_lsn, take, &last, &wal, &error) == PHUSA_OK);
    assert(last.groups == again.groups + 1 && last.next_lsn == lsn + 1);
    wal_close(wal);
}

static void read_log(unsigned segment_count, const uint8_t *data, size_t size_bytes)
{
    if (size_bytes < 4) return;
    const bool repair = data[0] & 1;
    const uint64_t from_lsn = data[1];
    data += 2;
    size_bytes -= 2;
    char wal[80];
    snprintf(wal, sizeof wal, "%s/wal", scratch_dir());
    const int directory = open(wal, O_RDONLY | O_DIRECTORY);
    if (directory < 0) abort();
    empty_log(directory);
    const size_t part = size_bytes / segment_count;
    for (unsigned i = 0; i < segment_count; i++)
        write_segment(directory, i + 1, data + i * part, part);
    open_and_go_on(from_lsn, repair);
    empty_log(directory);
    close(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    if (data[0] == 0)
        read_payload(data + 1, size - 1);
    else
        read_log((data[0] - 1u) % 3 + 1, data + 1, size - 1);
    return 0;
}
