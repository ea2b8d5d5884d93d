/* index_harness.c - see index_harness.h. */
#include "index_harness.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void scene_open(struct scene *s)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(s->dir, sizeof s->dir, "%s/phusa-index-XXXXXX", base);
    cr_assert_not_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/index/7.g4.mdb", s->dir);
    s->index = NULL;
    scene_reopen(s);
}

phusa_status scene_try(const struct scene *s, bool read_only, struct index **index,
                       struct phusa_error *error)
{
    return index_open(s->dir, 7, 4, read_only, true, NULL, index, error);
}

void scene_reopen(struct scene *s)
{
    index_close(s->index);
    struct phusa_error error = {0};
    const phusa_status status = scene_try(s, false, &s->index, &error);
    cr_assert_eq(status, PHUSA_OK, "%s", error.text);
}

void scene_close(struct scene *s)
{
    index_close(s->index);
    char path[300];
    unlink(s->path);
    snprintf(path, sizeof path, "%s/index", s->dir);
    cr_assert_eq(rmdir(path), 0, "an index is one file and nothing else");
    cr_assert_eq(rmdir(s->dir), 0);
}

struct phusa_text key_of(const char *line)
{
    static char keys[8][SERIES_KEY_BYTES_MAX + 16];
    static unsigned next;
    uint8_t *const start = (uint8_t *)keys[next++ % 8];
    uint8_t *p = start;
    while (*line != '\0') {
        const size_t size = strcspn(line, ",=");
        p = put_varint(p, size);
        memcpy(p, line, size);
        p += size;
        line += size + (line[size] != '\0');
    }
    return (struct phusa_text){(const char *)start, (size_t)(p - start)};
}

uint64_t add_series(struct index *index, uint32_t measurement, const char *line)
{
    const uint64_t series = SERIES_ID(measurement, index_next_ordinal(index, measurement));
    cr_assert_eq(index_add_series(index, series, key_of(line)), PHUSA_OK, "%s", line);
    return series;
}

static void print_fault(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

void expect_sound(struct index *index)
{
    uint64_t faults = 0;
    cr_assert_eq(index_check(index, print_fault, NULL, &faults), PHUSA_OK);
    cr_assert_eq(faults, 0);
}
