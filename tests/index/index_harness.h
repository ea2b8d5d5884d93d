/*
 * index_harness.h - a directory with one index in it, canonical keys.
 * Everything here ends the test when it fails.
 */
#ifndef TESTS_INDEX_INDEX_HARNESS_H
#define TESTS_INDEX_INDEX_HARNESS_H

#include "base/buffer.h"
#include "index/index.h"
#include "sandbox.h"

struct scene {
    char dir[256];
    char path[300]; /* of the index file: database 7, generation 4 */
    struct index *index;
};
void scene_open(struct scene *s);   /* in a new directory */
void scene_reopen(struct scene *s); /* from the file */
void scene_close(struct scene *s);  /* and remove the directory */
/* Opens what is in the directory; the caller closes it. */
phusa_status scene_try(const struct scene *s, bool read_only, struct index **index,
                       struct phusa_error *error);

/* "cpu,host=a,region=b": measurement and sorted tags, to the canonical key; static, of eight used
 * in turn. */
struct phusa_text key_of(const char *line);
/* Adds it under the next ordinal. */
uint64_t add_series(struct index *index, uint32_t measurement, const char *line);

void expect_sound(struct index *index);

#endif
