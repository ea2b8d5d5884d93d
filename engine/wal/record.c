/*
 * record.c - see record.h; points.h has the points. FORMAT.md has the bytes.
 *
 * Every record is its kind (1 byte), the size of its body (4 bytes) and its body. The size has a
 * fixed width so that points_end() can put it in when it is known.
 */
#include "wal/record.h"

#include <assert.h>

#define FRAME_BYTES 5

static size_t frame_begin(struct buffer *out, enum record_kind kind)
{
    const size_t start = out->size_bytes;
    buffer_put_u8(out, (uint8_t)kind);
    buffer_put_u32(out, 0);
    return start;
}

static void frame_end(struct buffer *out, size_t start)
{
    if (out->bad) return;
    const size_t body_bytes = out->size_bytes - start - FRAME_BYTES;
    assert(body_bytes <= UINT32_MAX);
    store_u32(out->bytes + start + 1, (uint32_t)body_bytes);
}

void record_put_measurement(struct buffer *out, const struct record_measurement *r)
{
    const size_t start = frame_begin(out, RECORD_MEASUREMENT);
    buffer_put_varint(out, r->database);
    buffer_put_varint(out, r->measurement);
    buffer_put_text(out, r->name);
    frame_end(out, start);
}

void record_put_field(struct buffer *out, const struct record_field *r)
{
    const size_t start = frame_begin(out, RECORD_FIELD);
    buffer_put_varint(out, r->database);
    buffer_put_varint(out, r->measurement);
    buffer_put_varint(out, r->field);
    buffer_put_u8(out, (uint8_t)r->type);
    buffer_put_text(out, r->name);
    frame_end(out, start);
}

void record_put_series(struct buffer *out, const struct record_series *r)
{
    const size_t start = frame_begin(out, RECORD_SERIES);
    buffer_put_varint(out, r->database);
    buffer_put_varint(out, r->series);
    buffer_put_text(out, r->key);
    frame_end(out, start);
}

bool record_next(struct reader *payload, enum record_kind *kind, struct phusa_text *body)
{
    if (payload->bad || reader_left(payload) == 0) return false;
    const uint8_t tag = read_u8(payload);
    const uint32_t size_bytes = read_u32(payload);
    if (tag < RECORD_MEASUREMENT || tag > RECORD_POINTS) payload->bad = true;
    const uint8_t *bytes = read_bytes(payload, size_bytes);
    if (bytes == NULL) return false;
    *kind = (enum record_kind)tag;
    *body = (struct phusa_text){(const char *)bytes, size_bytes};
    return true;
}

/* A varint that must fit 32 bits. */
static uint32_t read_varint32(struct reader *r)
{
    const uint64_t v = read_varint(r);
    if (v > UINT32_MAX) r->bad = true;
    return (uint32_t)v;
}

static bool is_whole(const struct reader *r)
{
    return !r->bad && reader_left(r) == 0;
}

phusa_status record_get_measurement(struct phusa_text body, struct record_measurement *r)
{
    struct reader in = reader_of(body.bytes, body.size_bytes);
    struct record_measurement read;
    read.database = read_varint32(&in);
    read.measurement = read_varint32(&in);
    read.name = read_text(&in);
    if (!is_whole(&in)) return PHUSA_ECORRUPT;
    *r = read;
    return PHUSA_OK;
}

phusa_status record_get_field(struct phusa_text body, struct record_field *r)
{
    struct reader in = reader_of(body.bytes, body.size_bytes);
    struct record_field read;
    read.database = read_varint32(&in);
    read.measurement = read_varint32(&in);
    const uint64_t field = read_varint(&in);
    const uint8_t type = read_u8(&in);
    read.name = read_text(&in);
    if (!is_whole(&in) || field > UINT16_MAX || type < PHUSA_FLOAT || type > PHUSA_STRING)
        return PHUSA_ECORRUPT;
    read.field = (uint16_t)field;
    read.type = (enum phusa_type)type;
    *r = read;
    return PHUSA_OK;
}

phusa_status record_get_series(struct phusa_text body, struct record_series *r)
{
    struct reader in = reader_of(body.bytes, body.size_bytes);
    struct record_series read;
    read.database = read_varint32(&in);
    read.series = read_varint(&in);
    read.key = read_text(&in);
    if (!is_whole(&in)) return PHUSA_ECORRUPT;
    *r = read;
    return PHUSA_OK;
}
