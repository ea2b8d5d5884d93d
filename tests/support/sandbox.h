/*
 * sandbox.h - a directory of its own for a test, in memory where there is /dev/shm; and
 * whole files as bytes, to damage them.
 */
#ifndef TESTS_SUPPORT_SANDBOX_H
#define TESTS_SUPPORT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox {
    char dir[256];
};
/* Ends the test when it fails. */
void sandbox_make(struct sandbox *s);
void sandbox_remove(struct sandbox *s);
/* DIR/name in a static buffer of eight, used in turn. */
const char *sandbox_path(const struct sandbox *s, const char *name);

uint8_t *sandbox_read(const char *path, size_t *size_bytes);
void sandbox_write(const char *path, const uint8_t *bytes, size_t size_bytes);
bool sandbox_exists(const char *path);

/* Run in a child: its exit code, or -signal when it died of one. */
int sandbox_child(int (*run)(void *context), void *context);

/* Zeroed memory that children share with their parent; never freed. */
void *sandbox_shared(size_t size_bytes);

#endif
