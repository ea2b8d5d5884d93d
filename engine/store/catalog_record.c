/*
 * catalog_record.c - see catalog_record.h.
 *
 *   key    sort u8 · numbers, big-endian
 *   value  crc32c u32, over the key and all that follows · version u8 · the members
 */
#include "store/catalog_record.h"

#include "base/crc.h"

#include <assert.h>

#define RECORD_VERSION 1u
#define HEADER_BYTES   5u

enum { FILE_SEALED = 1, STATE_CLEAN = 1 };

/* ---- keys ---- */

struct catalog_key catalog_key_of_state(void)
{
    return (struct catalog_key){.bytes = {CATALOG_STATE}, .size_bytes = 1};
}

static struct catalog_key key_of_id(enum catalog_sort sort, uint32_t id)
{
    struct catalog_key key = {.bytes = {(uint8_t)sort}, .size_bytes = 5};
    store_be32(key.bytes + 1, id);
    return key;
}

struct catalog_key catalog_key_of_database(uint32_t id)
{
    return key_of_id(CATALOG_DATABASE, id);
}

struct catalog_key catalog_key_of_policy(uint32_t id)
{
    return key_of_id(CATALOG_POLICY, id);
}

struct catalog_key catalog_key_of_file(uint32_t policy, uint64_t number)
{
    struct catalog_key key = key_of_id(CATALOG_FILE, policy);
    store_be64(key.bytes + 5, number);
    key.size_bytes = 13;
    return key;
}

/* ---- to bytes ---- */

static void begin(struct buffer *out)
{
    buffer_clear(out);
    buffer_put_u32(out, 0);
    buffer_put_u8(out, RECORD_VERSION);
}

static uint32_t checksum(struct env_bytes key, const uint8_t *value, size_t size_bytes)
{
    return crc32c(crc32c(0, key.bytes, key.size_bytes), value + 4, size_bytes - 4);
}

static void end(struct buffer *out, struct catalog_key key)
{
    if (out->bad) return;
    store_u32(out->bytes,
              checksum(env_bytes_of(key.bytes, key.size_bytes), out->bytes, out->size_bytes));
}

static void put_interval(struct buffer *out, struct phusa_interval interval)
{
    buffer_put_zigzag(out, interval.months);
    buffer_put_zigzag(out, interval.ns);
}

void catalog_encode_state(struct buffer *out, const struct catalog_state *state)
{
    begin(out);
    buffer_put_u8(out, state->is_clean ? STATE_CLEAN : 0);
    buffer_put_u64(out, state->txn_id);
    buffer_put_u64(out, state->record_count);
    buffer_put_u64(out, state->record_sum);
    buffer_put_u32(out, state->next_database);
    buffer_put_u32(out, state->next_policy);
    buffer_put_u64(out, state->next_file);
    buffer_put_u64(out, state->flushed_lsn);
    buffer_put_u64(out, (uint64_t)state->recorded_at_ns);
    end(out, catalog_key_of_state());
}

void catalog_encode_database(struct buffer *out, const struct database_info *info)
{
    begin(out);
    buffer_put_varint(out, info->default_policy);
    buffer_put_varint(out, info->index_generation);
    buffer_put_text(out, text_of(info->name));
    buffer_put_text(out, text_of(info->zone));
    end(out, catalog_key_of_database(info->id));
}

void catalog_encode_policy(struct buffer *out, const struct policy_info *info)
{
    begin(out);
    buffer_put_varint(out, info->database);
    put_interval(out, info->duration);
    put_interval(out, info->shard);
    buffer_put_text(out, text_of(info->name));
    end(out, catalog_key_of_policy(info->id));
}

void catalog_encode_file(struct buffer *out, const struct file_info *info)
{
    begin(out);
    buffer_put_u8(out, info->sealed ? FILE_SEALED : 0);
    buffer_put_u32(out, info->pages_crc);
    buffer_put_varint(out, info->lsn_min);
    buffer_put_varint(out, info->lsn_max - info->lsn_min);
    buffer_put_zigzag(out, info->partition_min);
    buffer_put_zigzag(out, info->partition_max);
    buffer_put_zigzag(out, info->time_min_ns);
    buffer_put_zigzag(out, info->time_max_ns);
    buffer_put_zigzag(out, info->recorded_at_ns);
    buffer_put_varint(out, info->size_bytes);
    buffer_put_varint(out, info->point_count);
    buffer_put_varint(out, info->value_count);
    buffer_put_varint(out, info->chunk_count);
    end(out, catalog_key_of_file(info->policy, info->number));
}

/* ---- from bytes ---- */

phusa_status catalog_verify_record(struct env_bytes key, struct env_bytes value, uint32_t *crc)
{
    const uint8_t *bytes = value.bytes;
    if (value.size_bytes < HEADER_BYTES) return PHUSA_ECORRUPT;
    if (load_u32(bytes) != checksum(key, bytes, value.size_bytes)) return PHUSA_ECORRUPT;
    if (bytes[4] != RECORD_VERSION) return PHUSA_EVERSION;
    *crc = load_u32(bytes);
    return PHUSA_OK;
}

static struct reader members(struct env_bytes value)
{
    assert(value.size_bytes >= HEADER_BYTES);
    return reader_of((const uint8_t *)value.bytes + HEADER_BYTES, value.size_bytes - HEADER_BYTES);
}

static phusa_status all_read(const struct reader *r)
{
    return r->bad || reader_left(r) != 0 ? PHUSA_ECORRUPT : PHUSA_OK;
}

static bool read_id(struct env_bytes key, size_t size_bytes, uint32_t *id)
{
    if (key.size_bytes != size_bytes) return false;
    *id = load_be32((const uint8_t *)key.bytes + 1);
    return true;
}

static uint32_t read_u32_varint(struct reader *r)
{
    const uint64_t v = read_varint(r);
    if (v > UINT32_MAX) r->bad = true;
    return (uint32_t)v;
}

static int32_t read_partition(struct reader *r)
{
    const int64_t v = read_zigzag(r);
    if (v < INT32_MIN || v > INT32_MAX) r->bad = true;
    return (int32_t)v;
}

static struct phusa_interval read_interval(struct reader *r)
{
    const int64_t months = read_zigzag(r);
    return (struct phusa_interval){.months = months, .ns = read_zigzag(r)};
}

static void read_name(struct reader *r, char name[NAME_BYTES_MAX + 1])
{
    const struct phusa_text text = read_text(r);
    if (text.size_bytes > NAME_BYTES_MAX || memchr(text.bytes, 0, text.size_bytes) != NULL) {
        r->bad = true;
        return;
    }
    memcpy(name, text.bytes, text.size_bytes);
    name[text.size_bytes] = '\0';
}

phusa_status catalog_decode_state(struct env_bytes key, struct env_bytes value,
                                  struct catalog_state *out)
{
    struct reader r = members(value);
    struct catalog_state state = {.is_clean = (read_u8(&r) & STATE_CLEAN) != 0};
    state.txn_id = read_u64(&r);
    state.record_count = read_u64(&r);
    state.record_sum = read_u64(&r);
    state.next_database = read_u32(&r);
    state.next_policy = read_u32(&r);
    state.next_file = read_u64(&r);
    state.flushed_lsn = read_u64(&r);
    state.recorded_at_ns = (int64_t)read_u64(&r);
    if (key.size_bytes != 1) return PHUSA_ECORRUPT;
    const phusa_status status = all_read(&r);
    if (status == PHUSA_OK) *out = state;
    return status;
}

phusa_status catalog_decode_database(struct env_bytes key, struct env_bytes value,
                                     struct database_info *out)
{
    struct reader r = members(value);
    struct database_info info = {0};
    if (!read_id(key, 5, &info.id)) return PHUSA_ECORRUPT;
    info.default_policy = read_u32_varint(&r);
    info.index_generation = read_u32_varint(&r);
    read_name(&r, info.name);
    read_name(&r, info.zone);
    const phusa_status status = all_read(&r);
    if (status == PHUSA_OK) *out = info;
    return status;
}

phusa_status catalog_decode_policy(struct env_bytes key, struct env_bytes value,
                                   struct policy_info *out)
{
    struct reader r = members(value);
    struct policy_info info = {0};
    if (!read_id(key, 5, &info.id)) return PHUSA_ECORRUPT;
    info.database = read_u32_varint(&r);
    info.duration = read_interval(&r);
    info.shard = read_interval(&r);
    read_name(&r, info.name);
    const phusa_status status = all_read(&r);
    if (status == PHUSA_OK) *out = info;
    return status;
}

phusa_status catalog_decode_file(struct env_bytes key, struct env_bytes value,
                                 struct file_info *out)
{
    struct reader r = members(value);
    struct file_info info = {0};
    if (!read_id(key, 13, &info.policy)) return PHUSA_ECORRUPT;
    info.number = load_be64((const uint8_t *)key.bytes + 5);
    info.sealed = (read_u8(&r) & FILE_SEALED) != 0;
    info.pages_crc = read_u32(&r);
    info.lsn_min = read_varint(&r);
    info.lsn_max = info.lsn_min + read_varint(&r);
    info.partition_min = read_partition(&r);
    info.partition_max = read_partition(&r);
    info.time_min_ns = read_zigzag(&r);
    info.time_max_ns = read_zigzag(&r);
    info.recorded_at_ns = read_zigzag(&r);
    info.size_bytes = read_varint(&r);
    info.point_count = read_varint(&r);
    info.value_count = read_varint(&r);
    info.chunk_count = read_varint(&r);
    if (all_read(&r) != PHUSA_OK || info.partition_min > info.partition_max ||
        info.time_min_ns > info.time_max_ns)
        return PHUSA_ECORRUPT;
    *out = info;
    return PHUSA_OK;
}
