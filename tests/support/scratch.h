/*
 * scratch.h - a directory of its own for a test, in memory where there is /dev/shm; and
 * whole files as bytes, to damage them.
 */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scratch {
    char dir[256];
};
/* Ends the test when it fails. */
void scratch_make(struct scratch *s);
void scratch_remove(struct scratch *s);
/* DIR/name in a static buffer of eight, used in turn. */
const char *scratch_path(const struct scratch *s, const char *name);

uint8_t *scratch_read(const char *path, size_t *size_bytes);
void scratch_write(const char *path, const uint8_t *bytes, size_t size_bytes);
bool scratch_exists(const char *path);

/* Run in a child: its exit code, or -signal when it died of one. */
int scratch_child(int (*run)(void *context), void *context);

#endif
