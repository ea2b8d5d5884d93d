/*
 * files_support.h - data files of made-up chunks, whose bytes are told by their place, so
 * that a wrong chunk is recognised; and a catalogue to hold them.
 */
#ifndef TESTS_STORE_FILES_SUPPORT_H
#define TESTS_STORE_FILES_SUPPORT_H

#include "random.h"
#include "sandbox.h"
#include "store/catalog.h"

#define HOUR_NS (INT64_C(3600) * 1000000000)
#define WIDTH   ((struct phusa_interval){0, 100 * HOUR_NS})

/* The bytes of a chunk: a function of partition, series and first time. */
void fill_chunk(const struct stored_chunk *chunk, uint8_t *bytes);
bool is_chunk(const struct stored_chunk *chunk);

/* A sorted list of chunks without bytes, as a naive model of a file. */
struct chunk_list {
    struct stored_chunk *chunks;
    size_t count;
    size_t capacity;
};
void list_free(struct chunk_list *list);
/* Random ones: `partitions` from `first`, about `series` series, sizes up to size_bytes_max. */
void list_random(struct chunk_list *list, struct random *r, int32_t first, unsigned partitions,
                 unsigned series, unsigned chunks_per_series, size_t size_bytes_max, uint64_t lsn);
/* Build the file of a list; the status of the first step that failed. */
phusa_status list_write(const struct chunk_list *list, const char *dir, uint32_t policy,
                        uint64_t number, bool sealed, struct file_info *info);

struct catalog *catalog_of(const struct sandbox *s, bool read_only);
/* Database "d" with policy "p" of WIDTH: the policy's id. */
uint32_t make_policy(struct catalog *catalog, const char *database);
phusa_status add_file(struct catalog *catalog, const struct file_info *info);

#endif
