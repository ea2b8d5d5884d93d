/*
 * Guards the state of an import: it comes back as it was written, damage of any bit is noticed
 * (a wrong offset would silently leave rows out), and a changed file is not taken for the old.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../client/importstate.h"

static char path[64];

static void make_path(void)
{
    (void)snprintf(path, sizeof path, "/tmp/phusa-test-state-%d", (int)getpid());
    (void)unlink(path);
}

static void save_sample(void)
{
    struct importstate state = {.options_hash = 0x123456789abcdef0u};
    struct importstate_file *file = importstate_file(&state, "/data/a b%.csv");
    *file = (struct importstate_file){file->name, 2049,    1311,  2835916,   1048576,
                                      13022,      1048000, 13000, 0x8d7f1c02};
    cr_assert_not_null(importstate_file(&state, "c.csv"));
    cr_assert_null(importstate_save(&state, path));
    importstate_deinit(&state);
}

Test(importstate, comes_back_as_it_was_saved)
{
    make_path();
    save_sample();
    struct importstate state = {0};
    bool found;
    cr_assert_null(importstate_load(&state, path, &found));
    cr_assert(found);
    cr_assert_eq(state.options_hash, 0x123456789abcdef0u);
    cr_assert_eq(state.file_count, 2);
    const struct importstate_file *file = importstate_file(&state, "/data/a b%.csv");
    cr_assert_eq(file->inode, 1311);
    cr_assert_eq(file->offset, 1048576);
    cr_assert_eq(file->line, 13022);
    cr_assert_eq(file->warm_offset, 1048000);
    cr_assert_eq(file->tail_crc, 0x8d7f1c02);
    importstate_deinit(&state);
    (void)unlink(path);
}

Test(importstate, a_file_that_is_not_there_is_a_beginning)
{
    make_path();
    struct importstate state = {0};
    bool found = true;
    cr_assert_null(importstate_load(&state, path, &found));
    cr_assert_not(found);
}

Test(importstate, any_changed_bit_and_any_cut_is_noticed)
{
    make_path();
    save_sample();
    char good[1024];
    FILE *file = fopen(path, "r");
    const size_t size_bytes = fread(good, 1, sizeof good, file);
    (void)fclose(file);
    for (size_t bit = 0; bit < size_bytes * 8 + size_bytes; bit++) {
        char bad[sizeof good];
        memcpy(bad, good, size_bytes);
        size_t bad_bytes = size_bytes;
        if (bit < size_bytes * 8)
            bad[bit / 8] ^= (char)(1 << bit % 8);
        else
            bad_bytes = bit - size_bytes * 8;
        file = fopen(path, "w");
        cr_assert_eq(fwrite(bad, 1, bad_bytes, file), bad_bytes);
        (void)fclose(file);
        struct importstate state = {0};
        bool found;
        cr_assert_not_null(importstate_load(&state, path, &found), "bit or cut %zu", bit);
        cr_assert_eq(state.file_count, 0, "untouched on failure");
    }
    (void)unlink(path);
}

Test(importstate, a_file_may_grow_but_not_change)
{
    make_path();
    FILE *data = fopen(path, "w+");
    for (int i = 0; i < 2000; i++)
        fprintf(data, "%d,x\n", i);
    (void)fflush(data);
    const int fd = fileno(data);
    struct stat status;
    cr_assert_eq(fstat(fd, &status), 0);
    struct importstate_file file = {.device = (uint64_t)status.st_dev,
                                    .inode = (uint64_t)status.st_ino,
                                    .size_bytes = (uint64_t)status.st_size,
                                    .offset = 9000};
    cr_assert(importstate_tail(fd, file.offset, &file.tail_crc));
    cr_assert(importstate_matches(&file, fd));

    fputs("2000,x\n", data);
    (void)fflush(data);
    cr_assert(importstate_matches(&file, fd), "grown");
    cr_assert_eq(pwrite(fd, "!", 1, 8999), 1);
    cr_assert_not(importstate_matches(&file, fd), "changed before the offset");
    cr_assert(importstate_tail(fd, file.offset, &file.tail_crc));
    cr_assert_eq(ftruncate(fd, 9500), 0);
    cr_assert_not(importstate_matches(&file, fd), "cut");
    (void)fclose(data);
    (void)unlink(path);
}
