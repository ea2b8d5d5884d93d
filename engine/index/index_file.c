/*
 * index_file.c - the index on disk: every definition in order, in blocks, as FORMAT.md says.
 *
 * The file is a log in an LMDB environment: a checkpoint adds blocks of up to 64 KiB behind those
 * that are there, and opening reads them all. Nothing is looked up in it, so no reader ever
 * overlaps a writer, and no free list ever works. A bit flip in a block is found by the block's
 * checksum, one in LMDB's own pages by env_check() before they are mapped.
 */
#include "base/crc.h"
#include "base/status.h"
#include "index/index_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_VERSION    1u
/* Sized to LMDB's pages (see limits.h, BUNDLE_BYTES_TARGET). */
#define BLOCK_BYTES_MAX  (16u * 4096u - 16u)
#define HEADER_BYTES     12u
/* What the first block says instead of records: magic, database, generation. */
#define MAGIC            "phusaidx"
#define FIRST_BYTES      (HEADER_BYTES + 8u + 8u)
/* The largest record: kind, three varints, a key. */
#define RECORD_BYTES_MAX (1u + 3u * VARINT_BYTES_MAX + VARINT_BYTES_MAX + SERIES_KEY_BYTES_MAX)
_Static_assert(HEADER_BYTES + RECORD_BYTES_MAX <= BLOCK_BYTES_MAX, "any record fits a block");
/* LMDB keeps a transaction's pages in memory until it is committed. */
#define TRANSACTION_BYTES ((size_t)16 << 20)

enum { RECORD_NAME = 1, RECORD_TYPE = 2, RECORD_KEY = 3 };

/* ---- the file and its directory ---- */

static phusa_status sync_directory(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return status_from_errno(errno);
    phusa_status status = PHUSA_OK;
#ifndef PHUSA_TEST_NO_SYNC
    if (fsync(fd) != 0) status = status_from_errno(errno);
#endif
    close(fd);
    return status;
}

static void print_path(char *path, size_t path_bytes, const char *dir, uint32_t database,
                       uint32_t generation)
{
    snprintf(path, path_bytes, "%s/index/%u.g%u.mdb", dir, database, generation);
}

static phusa_status make_path(struct index *index, const char *dir, struct phusa_error *error)
{
    const size_t path_bytes = strlen(dir) + 64;
    index->path = mem_alloc(path_bytes);
    if (index->path == NULL) return error_set(error, PHUSA_ENOMEM, "no memory for an index");
    snprintf(index->path, path_bytes, "%s/index", dir);
    if (!index->read_only && mkdir(index->path, 0700) != 0 && errno != EEXIST)
        return error_set(error, status_from_errno(errno), "%s: %s", index->path, strerror(errno));
    print_path(index->path, path_bytes, dir, index->database, index->generation);
    return PHUSA_OK;
}

void index_remove(const char *dir, uint32_t database, uint32_t generation)
{
    char path[4096];
    print_path(path, sizeof path, dir, database, generation);
    (void)unlink(path); /* an index that no database names is an orphan at worst */
}

static void note_size(struct index *index)
{
    struct stat st;
    if (stat(index->path, &st) == 0) index->file_bytes = (uint64_t)st.st_size;
}

/* ---- blocks ---- */

/* The checksum covers the block's number, so that no block passes for another. */
static uint32_t block_crc(uint64_t number, const uint8_t *block, size_t size_bytes)
{
    uint8_t key[8];
    store_be64(key, number);
    return crc32c(crc32c(0, key, sizeof key), block + 4, size_bytes - 4);
}

static void begin_block(struct buffer *block)
{
    buffer_clear(block);
    buffer_put_u32(block, 0); /* the checksum */
    buffer_put_u32(block, BLOCK_VERSION);
    buffer_put_u32(block, 0); /* the number of records */
}

static phusa_status seal_block(uint64_t number, struct buffer *block, uint32_t record_count)
{
    if (block->bad) return PHUSA_ENOMEM;
    store_u32(block->bytes + 8, record_count);
    store_u32(block->bytes, block_crc(number, block->bytes, block->size_bytes));
    return PHUSA_OK;
}

static phusa_status append_block(struct env_txn *txn, uint64_t number, const struct buffer *block)
{
    uint8_t key[8];
    store_be64(key, number);
    void *room;
    const phusa_status status =
        env_append(txn, env_bytes_of(key, sizeof key), block->size_bytes, &room);
    if (status == PHUSA_OK) memcpy(room, block->bytes, block->size_bytes);
    return status;
}

static phusa_status make_first(const struct index *index, struct buffer *block)
{
    begin_block(block);
    buffer_put(block, MAGIC, 8);
    buffer_put_u32(block, index->database);
    buffer_put_u32(block, index->generation);
    return seal_block(0, block, 0);
}

/* ---- reading ---- */

struct block_reader {
    struct reader reader;
    uint8_t key[SERIES_KEY_BYTES_MAX]; /* the last one: the next shares its beginning */
    size_t key_bytes;
};

/* The bytes of a block, or why not. */
static phusa_status open_block(uint64_t number, struct env_bytes key, struct env_bytes value,
                               struct reader *records, uint32_t *record_count)
{
    if (key.size_bytes != 8 || load_be64(key.bytes) != number) return PHUSA_ECORRUPT;
    if (value.size_bytes < HEADER_BYTES || value.size_bytes > BLOCK_BYTES_MAX)
        return PHUSA_ECORRUPT;
    const uint8_t *bytes = value.bytes;
    if (load_u32(bytes) != block_crc(number, bytes, value.size_bytes)) return PHUSA_ECORRUPT;
    if (load_u32(bytes + 4) != BLOCK_VERSION) return PHUSA_EVERSION;
    *record_count = load_u32(bytes + 8);
    *records = reader_of(bytes + HEADER_BYTES, value.size_bytes - HEADER_BYTES);
    return PHUSA_OK;
}

static phusa_status read_first(const struct index *index, struct reader *r, uint32_t record_count)
{
    const uint8_t *magic = read_bytes(r, 8);
    const uint32_t database = read_u32(r), generation = read_u32(r);
    const bool right = !r->bad && reader_left(r) == 0 && record_count == 0 &&
                       memcmp(magic, MAGIC, 8) == 0 && database == index->database &&
                       generation == index->generation;
    return right ? PHUSA_OK : PHUSA_ECORRUPT;
}

static bool read_u32_varint(struct reader *r, uint32_t *out)
{
    const uint64_t v = read_varint(r);
    *out = (uint32_t)v;
    return !r->bad && v <= UINT32_MAX;
}

static phusa_status read_key(struct index *index, struct block_reader *b)
{
    uint32_t measurement, ordinal, shared;
    if (!read_u32_varint(&b->reader, &measurement) || !read_u32_varint(&b->reader, &ordinal) ||
        !read_u32_varint(&b->reader, &shared))
        return PHUSA_ECORRUPT;
    const struct phusa_text rest = read_text(&b->reader);
    if (b->reader.bad || shared > b->key_bytes || rest.size_bytes > sizeof b->key - shared)
        return PHUSA_ECORRUPT;
    memcpy(b->key + shared, rest.bytes, rest.size_bytes);
    b->key_bytes = shared + rest.size_bytes;
    return index_add_series(index, SERIES_ID(measurement, ordinal),
                            (struct phusa_text){(const char *)b->key, b->key_bytes});
}

static phusa_status read_record(struct index *index, struct block_reader *b)
{
    const uint8_t kind = read_u8(&b->reader);
    uint32_t measurement, field;
    if (kind == RECORD_KEY) return read_key(index, b);
    if (kind != RECORD_NAME && kind != RECORD_TYPE) return PHUSA_ECORRUPT;
    if (!read_u32_varint(&b->reader, &measurement)) return PHUSA_ECORRUPT;
    if (kind == RECORD_NAME) {
        const struct phusa_text name = read_text(&b->reader);
        return b->reader.bad ? PHUSA_ECORRUPT : index_add_measurement(index, measurement, name);
    }
    if (!read_u32_varint(&b->reader, &field) || field > FIELD_COUNT_MAX) return PHUSA_ECORRUPT;
    struct index_field definition = {.id = (uint16_t)field};
    definition.type = (enum phusa_type)read_u8(&b->reader);
    definition.name = read_text(&b->reader);
    return b->reader.bad ? PHUSA_ECORRUPT : index_add_field(index, measurement, &definition);
}

static phusa_status read_block(struct index *index, uint64_t number, struct env_bytes key,
                               struct env_bytes value)
{
    struct block_reader b = {.key_bytes = 0};
    uint32_t record_count;
    phusa_status status = open_block(number, key, value, &b.reader, &record_count);
    if (status != PHUSA_OK) return status;
    if (number == 0) return read_first(index, &b.reader, record_count);
    const uint64_t before = index->names.count + index->field_count + index->series_count;
    for (uint32_t r = 0; r < record_count; r++) {
        status = read_record(index, &b);
        if (status != PHUSA_OK) return status;
    }
    /* Repeated definitions change nothing, so in a file they are a fault. */
    const uint64_t after = index->names.count + index->field_count + index->series_count;
    return reader_left(&b.reader) == 0 && after - before == record_count ? PHUSA_OK
                                                                         : PHUSA_ECORRUPT;
}

typedef phusa_status (*block_fn)(struct index *index, uint64_t number, struct env_bytes key,
                                 struct env_bytes value);

/* Each block in turn; *number says how many there are, or which one failed. */
static phusa_status walk_blocks(struct index *index, struct env *env, block_fn each,
                                uint64_t *number)
{
    struct env_txn *txn = NULL;
    struct env_cursor *cursor = NULL;
    struct env_bytes key, value;
    bool found = false;
    *number = 0;
    phusa_status status = env_begin_read(env, &txn);
    if (status == PHUSA_OK) status = env_cursor_open(txn, &cursor);
    while (status == PHUSA_OK) {
        status = env_move(cursor, ENV_NEXT, &key, &value, &found);
        if (status != PHUSA_OK || !found) break;
        status = each(index, *number, key, value);
        if (status == PHUSA_OK) ++*number;
    }
    env_cursor_close(cursor);
    env_abort(txn);
    return status;
}

/* ---- opening ---- */

static void set_saved(struct index *index)
{
    for (uint32_t n = 0; n < index->names.count; n++) {
        struct index_measurement *m = index->measurements[n];
        m->saved = true;
        m->fields_saved = m->fields.count;
        m->series_saved = m->series_count;
    }
}

static phusa_status load(struct index *index, struct env *env, struct phusa_error *error)
{
    uint64_t number;
    const phusa_status status = walk_blocks(index, env, read_block, &number);
    if (status != PHUSA_OK)
        return error_set(error, status, "%s: block %llu: %s", index->path,
                         (unsigned long long)number, phusa_status_text(status));
    index->next_block = number;
    index->unconfirmed = index->unclean && number > 0;
    set_saved(index);
    note_size(index);
    return PHUSA_OK;
}

/* Under another name until LMDB's first pages are on disk: a power cut leaves a file that opens, or
 * none. */
static phusa_status create(const struct index *index, struct phusa_error *error)
{
    const size_t path_bytes = strlen(index->path) + 8;
    char *building = mem_alloc(path_bytes);
    if (building == NULL) return error_set(error, PHUSA_ENOMEM, "no memory for an index");
    snprintf(building, path_bytes, "%s.new", index->path);
    (void)unlink(building); /* of a creation that was cut off */
    struct env *env;
    phusa_status status = env_open(building, ENV_BUILD, index->log, &env, error);
    if (status == PHUSA_OK) {
        status = env_sync(env);
        env_close(env);
        if (status == PHUSA_OK && rename(building, index->path) != 0)
            status = status_from_errno(errno);
        if (status != PHUSA_OK) {
            (void)unlink(building);
            status = error_set(error, status, "cannot create %s: %s", index->path,
                               phusa_status_text(status));
        }
    }
    mem_free(building);
    return status;
}

phusa_status index_file_open(struct index *index, const char *dir, struct phusa_error *error)
{
    phusa_status status = make_path(index, dir, error);
    if (status != PHUSA_OK) return status;
    status = env_check(index->path, NULL, error);
    const bool is_there = status != PHUSA_ENOTFOUND;
    if (is_there && status != PHUSA_OK) return status;
    if (!is_there && index->read_only) return PHUSA_OK;
    if (!is_there) {
        status = create(index, error);
        if (status != PHUSA_OK) return status;
    }

    struct env *env;
    status =
        env_open(index->path, index->read_only ? ENV_IMMUTABLE : ENV_LIVE, index->log, &env, error);
    if (status != PHUSA_OK) return status;
    status = load(index, env, error);
    if (status != PHUSA_OK || index->read_only)
        env_close(env);
    else
        index->env = env;
    return status;
}

void index_file_close(struct index *index)
{
    env_close(index->env);
    mem_free(index->path);
}

/* ---- checkpoint ---- */

/* Where a checkpoint stands: records go to a block, blocks to a transaction. */
struct checkpoint {
    struct index *index;
    uint32_t measurement; /* the next one to write is measurements[] of this */
    struct buffer block, key, previous;
    uint32_t record_count;
    size_t written_bytes;
    uint64_t number;
    struct env_txn *txn;
};

static void put_name(struct checkpoint *c, struct index_measurement *m)
{
    buffer_put_u8(&c->block, RECORD_NAME);
    buffer_put_varint(&c->block, m->id);
    buffer_put_text(&c->block, index_names_text(&c->index->names, &c->index->pool, m->id - 1));
    m->writing = true;
}

static void put_type(struct checkpoint *c, struct index_measurement *m)
{
    const uint32_t field = m->fields_writing++;
    buffer_put_u8(&c->block, RECORD_TYPE);
    buffer_put_varint(&c->block, m->id);
    buffer_put_varint(&c->block, field);
    buffer_put_u8(&c->block, m->field_types[field]);
    buffer_put_text(&c->block, index_names_text(&m->fields, &c->index->pool, field));
}

static void put_series(struct checkpoint *c, struct index_measurement *m)
{
    const uint32_t ordinal = m->series_writing++;
    buffer_clear(&c->key);
    index_put_key(c->index, m, ordinal, &c->key);
    if (c->key.bad) c->block.bad = true;
    size_t shared = 0;
    while (shared < c->key.size_bytes && shared < c->previous.size_bytes &&
           c->key.bytes[shared] == c->previous.bytes[shared])
        shared++;
    buffer_put_u8(&c->block, RECORD_KEY);
    buffer_put_varint(&c->block, m->id);
    buffer_put_varint(&c->block, ordinal);
    buffer_put_varint(&c->block, shared);
    buffer_put_text(&c->block, (struct phusa_text){(const char *)c->key.bytes + shared,
                                                   c->key.size_bytes - shared});
    const struct buffer last = c->previous;
    c->previous = c->key;
    c->key = last;
}

/* One more record; false: all are written. */
static bool put_record(struct checkpoint *c)
{
    for (; c->measurement < c->index->names.count; c->measurement++) {
        struct index_measurement *m = c->index->measurements[c->measurement];
        if (!m->writing)
            put_name(c, m);
        else if (m->fields_writing < m->fields.count)
            put_type(c, m);
        else if (m->series_writing < m->series_count)
            put_series(c, m);
        else
            continue;
        c->record_count++;
        return true;
    }
    return false;
}

static bool block_full(const struct checkpoint *c)
{
    return c->block.size_bytes > BLOCK_BYTES_MAX - RECORD_BYTES_MAX;
}

/* A block of records, to the transaction. *more: there may be others. */
static phusa_status put_block(struct checkpoint *c, bool *more)
{
    begin_block(&c->block);
    buffer_clear(&c->previous);
    c->record_count = 0;
    pthread_rwlock_rdlock(&c->index->lock);
    do
        *more = put_record(c);
    while (*more && !c->block.bad && !block_full(c));
    pthread_rwlock_unlock(&c->index->lock);
    if (c->block.bad) return PHUSA_ENOMEM;
    if (c->record_count == 0) return PHUSA_OK;
    phusa_status status = seal_block(c->number, &c->block, c->record_count);
    if (status == PHUSA_OK) status = append_block(c->txn, c->number, &c->block);
    if (status != PHUSA_OK) return status;
    c->number++;
    c->written_bytes += c->block.size_bytes + 64;
    return PHUSA_OK;
}

/* What is to be written is what is not saved; after a failure, again. */
static void set_writing(struct index *index, uint32_t count, bool done)
{
    for (uint32_t n = 0; n < count; n++) {
        struct index_measurement *m = index->measurements[n];
        if (done) {
            m->saved = m->writing;
            m->fields_saved = m->fields_writing;
            m->series_saved = m->series_writing;
        } else {
            m->writing = m->saved;
            m->fields_writing = m->fields_saved;
            m->series_writing = m->series_saved;
        }
    }
}

static phusa_status commit(struct index *index, struct env_txn *txn)
{
    const phusa_status status = env_commit(txn);
    if (status != PHUSA_OK && status != PHUSA_ENOSPC) index->failed = true;
    return status;
}

/* One transaction, of all or of TRANSACTION_BYTES: a prefix of the definitions is as good a file as
 * any, as the log keeps the rest. */
static phusa_status put_transaction(struct checkpoint *c, bool *more)
{
    struct index *index = c->index;
    c->written_bytes = 0;
    c->number = index->next_block;
    phusa_status status = env_begin_write(index->env, &c->txn);
    if (status != PHUSA_OK) return status;
    if (c->number == 0) {
        status = make_first(index, &c->block);
        if (status == PHUSA_OK) status = append_block(c->txn, 0, &c->block);
        c->number = 1;
    }
    *more = true;
    while (status == PHUSA_OK && *more && c->written_bytes < TRANSACTION_BYTES)
        status = put_block(c, more);
    if (status == PHUSA_OK)
        status = env_reserve(index->env, c->written_bytes + c->written_bytes / 8 + (64u << 10));
    if (status != PHUSA_OK) {
        env_abort(c->txn);
        return status;
    }
    status = commit(index, c->txn);
    if (status != PHUSA_OK) return status;
    index->next_block = c->number;
    index->unconfirmed = true;
    return PHUSA_OK;
}

/* LMDB keeps the roots of its last two transactions, without a checksum: one flipped bit can bring
 * the one before last back, and then ordinals would be given out twice. So a checkpoint ends with a
 * transaction that changes nothing, and either root leads to every block. */
static phusa_status confirm(struct index *index, struct buffer *block)
{
    struct env_txn *txn;
    uint8_t key[8];
    store_be64(key, 0);
    phusa_status status = make_first(index, block);
    if (status == PHUSA_OK) status = env_begin_write(index->env, &txn);
    if (status != PHUSA_OK) return status;
    status =
        env_put(txn, env_bytes_of(key, sizeof key), env_bytes_of(block->bytes, block->size_bytes));
    if (status == PHUSA_OK) status = env_reserve(index->env, 64u << 10);
    if (status != PHUSA_OK) {
        env_abort(txn);
        return status;
    }
    status = commit(index, txn);
    if (status == PHUSA_OK) index->unconfirmed = false;
    return status;
}

/* Anything to write? */
static bool unsaved(struct index *index)
{
    bool any = index->next_block == 0;
    pthread_rwlock_rdlock(&index->lock);
    for (uint32_t n = 0; n < index->names.count && !any; n++) {
        const struct index_measurement *m = index->measurements[n];
        any = !m->saved || m->fields_saved < m->fields.count || m->series_saved < m->series_count;
    }
    pthread_rwlock_unlock(&index->lock);
    return any;
}

/* The file's name is on disk before anybody relies on what it says. */
static phusa_status sync_name(struct index *index)
{
    char *end = strrchr(index->path, '/');
    *end = '\0';
    phusa_status status = sync_directory(index->path);
    char *parent_end = strrchr(index->path, '/');
    if (status == PHUSA_OK && parent_end != NULL) {
        *parent_end = '\0';
        status = sync_directory(parent_end == index->path ? "/" : index->path);
        *parent_end = '/';
    }
    *end = '/';
    return status;
}

static phusa_status write_unsaved(struct checkpoint *c)
{
    struct index *index = c->index;
    phusa_status status = PHUSA_OK;
    bool more = unsaved(index);
    while (status == PHUSA_OK && more) {
        pthread_rwlock_rdlock(&index->lock);
        set_writing(index, index->names.count, false);
        pthread_rwlock_unlock(&index->lock);
        c->measurement = 0;
        status = put_transaction(c, &more);
        if (status != PHUSA_OK) break;
        pthread_rwlock_rdlock(&index->lock);
        set_writing(index, index->names.count, true);
        pthread_rwlock_unlock(&index->lock);
    }
    if (status == PHUSA_OK && index->unconfirmed) status = confirm(index, &c->block);
    if (status != PHUSA_OK || index->named) return status;
    status = sync_name(index);
    index->named = status == PHUSA_OK;
    index->failed = status != PHUSA_OK;
    return status;
}

phusa_status index_checkpoint(struct index *index)
{
    assert(index != NULL && !index->read_only);
    struct checkpoint c = {.index = index};
    pthread_mutex_lock(&index->checkpoint);
    const phusa_status status = index->failed ? PHUSA_EFAILED : write_unsaved(&c);
    note_size(index);
    buffer_deinit(&c.block);
    buffer_deinit(&c.key);
    buffer_deinit(&c.previous);
    pthread_mutex_unlock(&index->checkpoint);
    return status;
}

/* ---- check ---- */

static phusa_status check_block(struct index *index, uint64_t number, struct env_bytes key,
                                struct env_bytes value)
{
    (void)index;
    struct reader records;
    uint32_t record_count;
    return open_block(number, key, value, &records, &record_count);
}

phusa_status index_file_check(struct index *index, phusa_line_fn line, void *context,
                              uint64_t *fault_count)
{
    if (index->env == NULL) return PHUSA_OK; /* it was read whole a moment ago */
    uint64_t number;
    pthread_mutex_lock(&index->checkpoint);
    const phusa_status status = walk_blocks(index, index->env, check_block, &number);
    const bool all = number == index->next_block;
    pthread_mutex_unlock(&index->checkpoint);
    if (status != PHUSA_OK && status != PHUSA_ECORRUPT && status != PHUSA_EVERSION) return status;
    if (status == PHUSA_OK && all) return PHUSA_OK;
    char text[256];
    snprintf(text, sizeof text, "index %u: block %llu of its file: %s", index->database,
             (unsigned long long)number,
             status == PHUSA_OK ? "the last one, and there were more" : phusa_status_text(status));
    line(context, text);
    ++*fault_count;
    return PHUSA_OK;
}
