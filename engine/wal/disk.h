/*
 * disk.h - the log's calls to the file system, in one place so that tests can make call n fail
 * as a disk would.
 *
 * Transfers that are interrupted or short are carried on. Names are relative to a directory
 * that is held open.
 *
 * Threads  any. disk_fail_at() is for single-threaded tests.
 * Errors   0, or a positive errno.
 */
#ifndef PHUSA_WAL_DISK_H
#define PHUSA_WAL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

int disk_open(int directory, const char *name, int flags, int *fd);
int disk_size(int fd, uint64_t *size_bytes);
/* *read_bytes is less than asked for only at the end of the file. */
int disk_read(int fd, void *bytes, size_t size_bytes, uint64_t offset, size_t *read_bytes);
int disk_write(int fd, const void *bytes, size_t size_bytes, uint64_t offset);
/* Both parts in one call, one behind the other. */
int disk_write_two(int fd, struct iovec parts[2], uint64_t offset);
int disk_truncate(int fd, uint64_t size_bytes);
int disk_sync(int fd);      /* data, and the size where it grew */
int disk_sync_meta(int fd); /* everything; for directories and new files */
/* Never over something: EEXIST. */
int disk_rename(int directory, const char *from, const char *to);
int disk_unlink(int directory, const char *name);

/* The n-th call that changes the disk from now (1: the next) fails with `error_number`, and only
 * that; 0 switches off. A write that fails has written its first half. */
void disk_fail_at(uint64_t n, int error_number);
/* Calls that change the disk since the last disk_fail_at(). */
uint64_t disk_calls(void);

#endif
