/*
 * importstate.h - how far an import has come: what of each file is acknowledged.
 *
 * A small text file, written beside its place and renamed over it after each acknowledged batch,
 * so that it is whole whenever the process dies. It is never ahead of the server; one that is
 * lost or old costs repeated work and nothing else, because equal points are stored once. That
 * is why it is not synced.
 *
 *     phusa import state 1
 *     options 9f86d081884c7d65
 *     file 2049 1311 2835916 1048576 13022 1048576 13022 8d7f1c02 /data/a%20b.csv
 *     end 5c0ffee5
 *
 * A file line: device, inode, size, acknowledged bytes and the line they end at, where reading
 * must begin again (bytes and line; earlier when a change of the clock is near), CRC-32 of the
 * up to 4,096 bytes before the acknowledged ones' end, name in percent notation. The last line
 * holds the CRC-32 of all before it.
 *
 * Ownership  the struct owns its files; importstate_deinit() to end.
 * Errors     a static sentence, or NULL when all is well.
 */
#ifndef PHUSA_CLIENT_IMPORTSTATE_H
#define PHUSA_CLIENT_IMPORTSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPORTSTATE_FILES_MAX  65536u
#define IMPORTSTATE_TAIL_BYTES 4096u

struct importstate_file {
    char *name; /* owned */
    uint64_t device, inode, size_bytes;
    uint64_t offset, line;
    uint64_t warm_offset, warm_line;
    uint32_t tail_crc;
};

struct importstate {
    uint64_t options_hash;
    struct importstate_file *files;
    size_t file_count, file_capacity;
};

void importstate_deinit(struct importstate *state);

/* The entry of a file, made if need be. NULL: no memory. */
struct importstate_file *importstate_file(struct importstate *state, const char *name);

/* *found is false when there is no such file; that is no error. */
const char *importstate_load(struct importstate *state, const char *path, bool *found);
const char *importstate_save(const struct importstate *state, const char *path);

/* CRC-32 of the bytes before `offset`. False: they cannot be read. */
bool importstate_tail(int fd, uint64_t offset, uint32_t *crc);

/* Does `fd` still begin with what was acknowledged of this entry? Growth is allowed. */
bool importstate_matches(const struct importstate_file *file, int fd);

#endif
