/*
 * inspect.h - phusad check|dump|stat DIR: a look into a directory that no process has open. Nothing
 * on disk changes.
 */
#ifndef PHUSAD_INSPECT_H
#define PHUSAD_INSPECT_H

#include <stdbool.h>

bool inspect_knows(const char *command);
/* Prints to stdout; the exit code: 0 sound, 1 faults were found, 2 it could not look. */
int inspect_run(const char *command, const char *dir);

#endif
