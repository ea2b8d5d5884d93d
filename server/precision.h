/*
 * precision.h - the words for units of time in requests.
 */
#ifndef PHUSAD_PRECISION_H
#define PHUSAD_PRECISION_H

#include <stdint.h>

/* n, ns, u, us, ms, s, m, h in ns; 0: none of them. */
int64_t precision_parse(const char *word);

#endif
