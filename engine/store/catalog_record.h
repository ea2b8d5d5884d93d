/*
 * catalog_record.h - what the catalogue keeps, as keys and values. FORMAT.md has the bytes.
 *
 * Errors  PHUSA_ECORRUPT for bytes that are no record, PHUSA_EVERSION for a newer one's.
 */
#ifndef PHUSA_STORE_CATALOG_RECORD_H
#define PHUSA_STORE_CATALOG_RECORD_H

#include "base/buffer.h"
#include "store/catalog.h"
#include "store/env.h"

enum catalog_sort {
    CATALOG_STATE = 0x01, /* one: what is true of the whole */
    CATALOG_DATABASE = 0x10,
    CATALOG_POLICY = 0x20,
    CATALOG_FILE = 0x30,
};

/* The state also vouches for the other records: LMDB notices neither a record that is gone nor a
 * tree that is one transaction old. */
struct catalog_state {
    uint64_t txn_id;       /* of the transaction that wrote it */
    uint64_t record_count; /* of the others */
    uint64_t record_sum;   /* of their checksums, modulo 2^64 */
    uint32_t next_database, next_policy;
    uint64_t next_file;
    uint64_t flushed_lsn;
    int64_t recorded_at_ns;
    bool is_clean;
};

#define CATALOG_KEY_BYTES_MAX 13u
struct catalog_key {
    uint8_t bytes[CATALOG_KEY_BYTES_MAX];
    uint8_t size_bytes;
};
struct catalog_key catalog_key_of_state(void);
struct catalog_key catalog_key_of_database(uint32_t id);
struct catalog_key catalog_key_of_policy(uint32_t id);
struct catalog_key catalog_key_of_file(uint32_t policy, uint64_t number);

/* Into `out`, which is cleared first. Check out->bad. */
void catalog_encode_state(struct buffer *out, const struct catalog_state *state);
void catalog_encode_database(struct buffer *out, const struct database_info *info);
void catalog_encode_policy(struct buffer *out, const struct policy_info *info);
void catalog_encode_file(struct buffer *out, const struct file_info *info);

/* Any record: its checksum, over key and value, holds. */
PHUSA_MUST_USE phusa_status catalog_verify_record(struct env_bytes key, struct env_bytes value,
                                                  uint32_t *crc);
/* A verified one. Numbers that are in the key are taken from there. */
PHUSA_MUST_USE phusa_status catalog_decode_state(struct env_bytes key, struct env_bytes value,
                                                 struct catalog_state *state);
PHUSA_MUST_USE phusa_status catalog_decode_database(struct env_bytes key, struct env_bytes value,
                                                    struct database_info *info);
PHUSA_MUST_USE phusa_status catalog_decode_policy(struct env_bytes key, struct env_bytes value,
                                                  struct policy_info *info);
PHUSA_MUST_USE phusa_status catalog_decode_file(struct env_bytes key, struct env_bytes value,
                                                struct file_info *info);

#endif
