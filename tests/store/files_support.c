/* files_support.c - see files_support.h. */
#include "files_support.h"

#include "calendar/partition.h"

#include <criterion/criterion.h>
#include <string.h>

static struct random seed_of(const struct stored_chunk *chunk)
{
    return random_from((uint64_t)chunk->partition * 1000003u + chunk->series * 7919u +
                       (uint64_t)chunk->time_min_ns);
}

void fill_chunk(const struct stored_chunk *chunk, uint8_t *bytes)
{
    struct random r = seed_of(chunk);
    for (size_t i = 0; i < chunk->size_bytes; i++)
        bytes[i] = (uint8_t)random_u64(&r);
}

bool is_chunk(const struct stored_chunk *chunk)
{
    struct random r = seed_of(chunk);
    for (size_t i = 0; i < chunk->size_bytes; i++) {
        if (chunk->bytes[i] != (uint8_t)random_u64(&r)) return false;
    }
    return true;
}

void list_free(struct chunk_list *list)
{
    free(list->chunks);
    *list = (struct chunk_list){0};
}

static void list_add(struct chunk_list *list, const struct stored_chunk *chunk)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        list->chunks = realloc(list->chunks, list->capacity * sizeof *list->chunks);
    }
    list->chunks[list->count++] = *chunk;
}

void list_random(struct chunk_list *list, struct random *r, int32_t first, unsigned partitions,
                 unsigned series, unsigned chunks_per_series, size_t size_bytes_max, uint64_t lsn)
{
    for (int32_t p = first; p < first + (int32_t)partitions; p++) {
        int64_t start_ns;
        int64_t end_ns;
        partition_range(WIDTH, p, &start_ns, &end_ns);
        uint64_t id = UINT64_C(1) << 32;
        for (unsigned s = 0; s < series; s++) {
            id += 1 + random_u64(r) % 3;
            int64_t t = start_ns;
            const unsigned count = (unsigned)(random_u64(r) % (2 * chunks_per_series + 1));
            for (unsigned c = 0; c < count; c++) {
                t += (int64_t)(random_u64(r) % (uint64_t)HOUR_NS);
                struct stored_chunk chunk = {
                    .partition = p,
                    .series = id,
                    .size_bytes = 1 + random_u64(r) % size_bytes_max,
                    .time_min_ns = t,
                    .lsn_min = lsn + random_u64(r) % 100,
                    .row_count = 1 + (uint32_t)(random_u64(r) % 8192),
                };
                t += (int64_t)(random_u64(r) % (uint64_t)HOUR_NS);
                chunk.time_max_ns = t++;
                chunk.lsn_max = chunk.lsn_min + random_u64(r) % 10;
                chunk.value_count = chunk.row_count * (random_u64(r) % 10);
                if (chunk.time_max_ns >= end_ns) break;
                list_add(list, &chunk);
            }
        }
    }
}

phusa_status list_write(const struct chunk_list *list, const char *dir, uint32_t policy,
                        uint64_t number, bool sealed, struct file_info *info)
{
    struct file_writer *w;
    phusa_status status = file_writer_create(dir, policy, number, sealed, &w, NULL);
    if (status != PHUSA_OK) return status;
    uint8_t *bytes = NULL;
    for (size_t i = 0; i < list->count && status == PHUSA_OK; i++) {
        struct stored_chunk chunk = list->chunks[i];
        bytes = realloc(bytes, chunk.size_bytes);
        fill_chunk(&chunk, bytes);
        chunk.bytes = bytes;
        status = file_writer_add(w, &chunk);
    }
    free(bytes);
    if (status == PHUSA_OK) return file_writer_finish(w, info);
    file_writer_abort(w);
    return status;
}

struct catalog *catalog_of(const struct sandbox *s, bool read_only)
{
    struct catalog *catalog = NULL;
    struct phusa_error error = {0};
    cr_assert_eq(catalog_open(s->dir, read_only, 4, NULL, &catalog, &error), PHUSA_OK, "%s",
                 error.text);
    return catalog;
}

uint32_t make_policy(struct catalog *catalog, const char *database)
{
    const struct policy_info policy = {.name = "p", .shard = WIDTH};
    struct database_info info;
    struct phusa_error error;
    cr_assert_eq(catalog_create_database(catalog, database, "UTC", &policy, &info, &error),
                 PHUSA_OK, "%s", error.text);
    return info.default_policy;
}

phusa_status add_file(struct catalog *catalog, const struct file_info *info)
{
    const struct catalog_change change = {.added = info, .added_count = 1};
    return catalog_commit(catalog, &change, NULL);
}
