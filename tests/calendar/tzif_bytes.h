/*
 * tzif_bytes.h - TZif files written by hand, for zones that no file of the system has.
 */
#ifndef TESTS_CALENDAR_TZIF_BYTES_H
#define TESTS_CALENDAR_TZIF_BYTES_H

#include <stddef.h>
#include <stdint.h>

#define TZIF_BYTES_MAX 4096

/* Version 2: an empty 32-bit part, `count` changes at times[i] to offsets[i + 1] from offsets[0]
 * on, and the footer (which has no newlines). Returns the size. */
size_t tzif_write(uint8_t *out, const int64_t *times, const int32_t *offsets, size_t count,
                  const char *footer);

#endif
