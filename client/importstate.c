/*
 * importstate.c - read and write the state of an import.
 */
#include "importstate.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/textbuf.h"

#define STATE_BYTES_MAX (64u << 20)

static const char *const damaged = "damaged, or no state file of phusa import";

void importstate_deinit(struct importstate *state)
{
    assert(state != NULL);
    for (size_t i = 0; i < state->file_count; i++)
        free(state->files[i].name);
    free(state->files);
    *state = (struct importstate){0};
}

struct importstate_file *importstate_file(struct importstate *state, const char *name)
{
    for (size_t i = 0; i < state->file_count; i++)
        if (strcmp(state->files[i].name, name) == 0) return &state->files[i];
    if (state->file_count == IMPORTSTATE_FILES_MAX) return NULL;
    if (state->file_count == state->file_capacity) {
        const size_t capacity = state->file_capacity == 0 ? 16 : state->file_capacity * 2;
        struct importstate_file *files = realloc(state->files, capacity * sizeof *files);
        if (files == NULL) return NULL;
        state->files = files;
        state->file_capacity = capacity;
    }
    struct importstate_file *file = &state->files[state->file_count];
    *file = (struct importstate_file){.name = strdup(name), .line = 1, .warm_line = 1};
    if (file->name == NULL) return NULL;
    state->file_count++;
    return file;
}

/* -- reading -- */

static int hex_digit(char c)
{
    const char *found = c == 0 ? NULL : strchr("0123456789ABCDEF", c);
    return found == NULL ? -1 : (int)(found - "0123456789ABCDEF");
}

static bool decode_name(char *name)
{
    char *to = name;
    for (const char *from = name; *from != 0; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        const int high = hex_digit(from[1]);
        const int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0)) return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = 0;
    return true;
}

static const char *take_file_line(struct importstate *state, char *line)
{
    struct importstate_file read = {0};
    int name_at = -1;
    const int count = sscanf(line,
                             "file %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                             " %" SCNu64 " %" SCNu64 " %" SCNx32 " %n",
                             &read.device, &read.inode, &read.size_bytes, &read.offset, &read.line,
                             &read.warm_offset, &read.warm_line, &read.tail_crc, &name_at);
    if (count != 8 || name_at < 0 || !decode_name(line + name_at)) return damaged;
    if (read.warm_offset > read.offset || read.warm_line > read.line || read.warm_line == 0)
        return damaged;
    struct importstate_file *file = importstate_file(state, line + name_at);
    if (file == NULL) return "no memory";
    read.name = file->name;
    *file = read;
    return NULL;
}

static const char *parse(struct importstate *state, char *text)
{
    static const char first[] = "phusa import state 1\n";
    char *end = strstr(text, "\nend ");
    if (strncmp(text, first, strlen(first)) != 0 || end == NULL) return damaged;
    end++;
    const uint32_t crc = (uint32_t)crc32(0, (const Bytef *)text, (uInt)(end - text));
    char last[32];
    (void)snprintf(last, sizeof last, "end %08" PRIx32 "\n", crc);
    if (strcmp(end, last) != 0) return damaged;
    *end = 0;

    char *at = text + strlen(first);
    if (sscanf(at, "options %" SCNx64 "\n", &state->options_hash) != 1) return damaged;
    at = strchr(at, '\n') + 1;
    while (*at != 0) {
        char *newline = strchr(at, '\n');
        if (newline == NULL) return damaged;
        *newline = 0;
        const char *problem = take_file_line(state, at);
        if (problem != NULL) return problem;
        at = newline + 1;
    }
    return NULL;
}

const char *importstate_load(struct importstate *state, const char *path, bool *found)
{
    assert(state != NULL);
    struct importstate loaded = {0};
    struct textbuf text = {0};
    const char *problem = NULL;
    FILE *file = fopen(path, "re");
    *found = file != NULL;
    if (file == NULL) return errno == ENOENT ? NULL : strerror(errno);
    size_t count;
    do {
        if (text.used > STATE_BYTES_MAX || !textbuf_reserve(&text, 65536)) {
            problem = "too large for memory";
            goto out;
        }
        count = fread(text.bytes + text.used, 1, 65536, file);
        text.used += count;
    } while (count > 0);
    text.bytes[text.used] = 0;
    problem = ferror(file) != 0 ? "cannot be read" : parse(&loaded, text.bytes);
    if (problem != NULL) goto out;
    *state = loaded;
    loaded = (struct importstate){0};
out:
    importstate_deinit(&loaded);
    textbuf_deinit(&text);
    (void)fclose(file);
    return problem;
}

/* -- writing -- */

static bool print_state(const struct importstate *state, struct textbuf *text)
{
    bool good =
        textbuf_print(text, "phusa import state 1\noptions %016" PRIx64 "\n", state->options_hash);
    for (size_t i = 0; good && i < state->file_count; i++) {
        const struct importstate_file *file = &state->files[i];
        good = textbuf_print(text,
                             "file %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
                             " %" PRIu64 " %" PRIu64 " %08" PRIx32 " ",
                             file->device, file->inode, file->size_bytes, file->offset, file->line,
                             file->warm_offset, file->warm_line, file->tail_crc) &&
               textbuf_append_percent(text, file->name) && textbuf_append(text, "\n", 1);
    }
    return good && textbuf_print(text, "end %08" PRIx32 "\n",
                                 (uint32_t)crc32(0, (const Bytef *)text->bytes, (uInt)text->used));
}

const char *importstate_save(const struct importstate *state, const char *path)
{
    struct textbuf text = {0}, temporary = {0};
    FILE *file = NULL;
    const char *problem = NULL;
    if (!print_state(state, &text) || !textbuf_print(&temporary, "%s.new", path)) {
        problem = "no memory";
        goto out;
    }
    file = fopen(temporary.bytes, "we");
    if (file == NULL || fwrite(text.bytes, 1, text.used, file) != text.used) {
        problem = strerror(errno);
        goto out;
    }
    const int closed = fclose(file);
    file = NULL;
    if (closed != 0 || rename(temporary.bytes, path) != 0) problem = strerror(errno);
out:
    if (file != NULL) (void)fclose(file);
    textbuf_deinit(&text);
    textbuf_deinit(&temporary);
    return problem;
}

/* -- is it the same file? -- */

bool importstate_tail(int fd, uint64_t offset, uint32_t *crc)
{
    char bytes[IMPORTSTATE_TAIL_BYTES];
    const size_t want = offset < sizeof bytes ? (size_t)offset : sizeof bytes;
    const ssize_t count = pread(fd, bytes, want, (off_t)(offset - want));
    if (count != (ssize_t)want) return false;
    *crc = (uint32_t)crc32(0, (const Bytef *)bytes, (uInt)want);
    return true;
}

bool importstate_matches(const struct importstate_file *file, int fd)
{
    struct stat now;
    uint32_t crc;
    if (fstat(fd, &now) != 0) return false;
    if ((uint64_t)now.st_dev != file->device || (uint64_t)now.st_ino != file->inode) return false;
    if ((uint64_t)now.st_size < file->offset || (uint64_t)now.st_size < file->size_bytes)
        return false;
    return importstate_tail(fd, file->offset, &crc) && crc == file->tail_crc;
}
