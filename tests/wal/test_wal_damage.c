/*
 * test_wal_damage.c - whatever the bytes of the log have become, an answer and never a crash: all
 * that was acknowledged, or a refusal that names the place. Only of the last group can nobody
 * know whether it was ever acknowledged; it may be cut.
 */
#include "harness.h"

#include "base/crc.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct log_dir scratch;
static void setup(void)
{
    log_dir_make(&scratch);
}
static void teardown(void)
{
    log_dir_remove(&scratch);
}
TestSuite(wal_damage, .init = setup, .fini = teardown, .timeout = 120);

static struct wal_options reading(void)
{
    struct wal_options options = small_options();
    options.read_only = true;
    return options;
}

/* Replay without changing anything. */
static phusa_status look(const struct script *script, uint64_t from_lsn, struct replayed *replayed,
                         struct phusa_error *error)
{
    struct wal *wal = NULL;
    const struct wal_options options = reading();
    const phusa_status status =
        open_log_at(&scratch, &options, from_lsn, script, replayed, &wal, error);
    if (status == PHUSA_OK) wal_close(wal);
    return status;
}

/* All groups, or a refusal, or, where no header is left behind the damage, all but the groups that
 * it touches. */
static void expect_honest(const struct script *script, uint64_t missing_max, const char *what,
                          uint64_t place)
{
    struct replayed replayed;
    struct phusa_error error = {0};
    const phusa_status status = look(script, 0, &replayed, &error);
    if (status == PHUSA_ECORRUPT) {
        cr_assert(strstr(error.text, ".wal, offset ") != NULL, "%s", error.text);
        return;
    }
    cr_assert(status == PHUSA_OK || status == PHUSA_EVERSION, "%s %zu: %s", what, (size_t)place,
              error.text);
    cr_assert(!replayed.wrong, "%s %zu", what, (size_t)place);
    if (status == PHUSA_EVERSION) cr_assert_fail("%s %zu: a flip is no version", what, place);
    if (replayed.group_count + missing_max < script->group_count)
        cr_assert_fail("%s %zu: only %zu groups", what, (size_t)place,
                       (size_t)replayed.group_count);
}

/* Two segments, the second with three groups. */
static const struct script two_segments = {25, 2000};

Test(wal_damage, any_single_bit_flip_is_found_or_harmless)
{
    write_log(&scratch, &two_segments);
    for (uint64_t number = 1; sandbox_exists(log_dir_segment(&scratch, number)); number++) {
        const char *path = log_dir_segment(&scratch, number);
        size_t size_bytes;
        uint8_t *bytes = sandbox_read(path, &size_bytes);
        const bool last = !sandbox_exists(log_dir_segment(&scratch, number + 1));
        FILE *file = fopen(path, "r+b");
        setvbuf(file, NULL, _IONBF, 0);
        /* Every bit of headers, every 61st of the rest: whole campaigns are for fuzz_wal. */
        uint64_t last_at = 0;
        for (size_t at = SEGMENT_DATA_OFFSET; at + 4 < size_bytes; at += 8)
            if (memcmp(bytes + at, "Pgrp", 4) == 0) last_at = at;
        size_t in_header = 0;
        for (size_t bit = 0; bit < size_bytes * 8; bit++) {
            const size_t at = bit / 8;
            if (at % 8 == 0 && bit % 8 == 0 && memcmp(bytes + at, "Pgrp", 4) == 0)
                in_header = at + GROUP_HEADER_BYTES;
            const bool header = at < SEGMENT_HEADER_BYTES || at < in_header;
            if (!header && bit % 977 != 0) continue;
            fseek(file, (long)at, SEEK_SET);
            fputc(bytes[at] ^ 1 << bit % 8, file);
            expect_honest(&two_segments, last && at >= last_at ? 1 : 0, "bit", bit);
            fseek(file, (long)at, SEEK_SET);
            fputc(bytes[at], file);
        }
        fclose(file);
        free(bytes);
    }
}

Test(wal_damage, any_truncation_is_found)
{
    write_log(&scratch, &two_segments);
    for (uint64_t number = 1; sandbox_exists(log_dir_segment(&scratch, number)); number++) {
        const char *path = log_dir_segment(&scratch, number);
        size_t size_bytes;
        uint8_t *bytes = sandbox_read(path, &size_bytes);
        const bool last = !sandbox_exists(log_dir_segment(&scratch, number + 1));
        for (size_t keep = 0; keep < size_bytes; keep += keep < 200 ? 1 : 211) {
            sandbox_write(path, bytes, keep);
            struct replayed replayed;
            const phusa_status status = look(&two_segments, 0, &replayed, NULL);
            /* Below the header the last one may be one that was never begun; then its groups are
             * missing and nothing says so but the number of the next file. */
            if (last && keep < SEGMENT_DATA_OFFSET + GROUP_HEADER_BYTES && status == PHUSA_OK)
                continue;
            if (!last && replayed.group_count == two_segments.group_count) continue;
            cr_assert_eq(status, PHUSA_ECORRUPT, "segment %zu cut to %zu gives %d", (size_t)number,
                         keep, status);
        }
        sandbox_write(path, bytes, size_bytes);
        free(bytes);
    }
}

/* A page of zeroes where the header was looks like a segment that was never begun. */
Test(wal_damage, a_zeroed_page_is_found)
{
    write_log(&scratch, &two_segments);
    for (uint64_t number = 1; sandbox_exists(log_dir_segment(&scratch, number)); number++) {
        const char *path = log_dir_segment(&scratch, number);
        size_t size_bytes;
        uint8_t *bytes = sandbox_read(path, &size_bytes);
        const bool last = !sandbox_exists(log_dir_segment(&scratch, number + 1));
        uint8_t page[4096];
        size_t end = 0;
        for (size_t at = SEGMENT_DATA_OFFSET; at + 4 < size_bytes; at += 8)
            if (memcmp(bytes + at, "Pgrp", 4) == 0) end = at;
        for (size_t at = 0; at < end; at += sizeof page) {
            memcpy(page, bytes + at, sizeof page);
            memset(bytes + at, 0, sizeof page);
            sandbox_write(path, bytes, size_bytes);
            expect_honest(&two_segments, last && at + sizeof page > end ? 3 : 0, "page", at);
            memcpy(bytes + at, page, sizeof page);
        }
        sandbox_write(path, bytes, size_bytes);
        free(bytes);
    }
}

Test(wal_damage, a_missing_segment_is_found)
{
    const struct script script = {60, 4000};
    write_log(&scratch, &script);
    for (uint64_t number = 1; sandbox_exists(log_dir_segment(&scratch, number + 1)); number++) {
        char aside[160];
        snprintf(aside, sizeof aside, "%s/aside", scratch.dir);
        cr_assert_eq(rename(log_dir_segment(&scratch, number), aside), 0);
        struct replayed replayed;
        cr_assert_eq(look(&script, 0, &replayed, NULL), PHUSA_ECORRUPT);
        cr_assert_eq(rename(aside, log_dir_segment(&scratch, number)), 0);
    }
    struct replayed replayed;
    cr_assert_eq(look(&script, 0, &replayed, NULL), PHUSA_OK);
}

Test(wal_damage, a_log_that_is_gone_is_found)
{
    struct replayed replayed;
    cr_assert_eq(look(&two_segments, 1, &replayed, NULL), PHUSA_OK);
    cr_assert_eq(look(&two_segments, 2, &replayed, NULL), PHUSA_ECORRUPT);
}

/* A group that was being written when the power went: every shorter part of it, with zeroes or
 * with noise behind. */
Test(wal_damage, a_torn_tail_is_cut_at_every_byte)
{
    const struct script script = {6, 300}, longer = {9, 300};
    write_log(&scratch, &script);
    const char *path = log_dir_segment(&scratch, 1);
    size_t size_bytes;
    uint8_t *before = sandbox_read(path, &size_bytes);
    log_dir_remove(&scratch);
    log_dir_make(&scratch);
    write_log(&scratch, &longer);
    path = log_dir_segment(&scratch, 1);
    uint8_t *after = sandbox_read(path, &size_bytes);
    memcpy(before, after, SEGMENT_HEADER_BYTES);
    /* Find where groups 6 and 7 begin. */
    size_t starts[10], count = 0;
    for (size_t at = SEGMENT_DATA_OFFSET; at + 4 < size_bytes && count < 10; at += 8)
        if (memcmp(after + at, "Pgrp", 4) == 0) starts[count++] = at;
    cr_assert_eq(count, 9);
    for (size_t cut = starts[6]; cut <= starts[7]; cut++)
        for (int noise = 0; noise < 2; noise++) {
            memcpy(before, after, cut);
            memset(before + cut, noise ? 0xa5 : 0, size_bytes - cut);
            sandbox_write(path, before, size_bytes);
            struct replayed replayed;
            cr_assert_eq(look(&longer, 0, &replayed, NULL), PHUSA_OK, "cut at %zu", cut);
            cr_assert(!replayed.wrong);
            const size_t payload_end = starts[6] + GROUP_HEADER_BYTES + 300;
            cr_assert_eq(replayed.group_count, cut >= payload_end ? 7 : 6, "cut at %zu", cut);
        }
    /* The cut log goes on, and the tail that was cut stays cut. */
    memcpy(before, after, size_bytes);
    memset(before + starts[6] + 100, 0, size_bytes - starts[6] - 100);
    sandbox_write(path, before, size_bytes);
    struct wal *wal;
    struct replayed replayed;
    const struct wal_options options = small_options();
    cr_assert_eq(open_log_at(&scratch, &options, 0, &longer, &replayed, &wal, NULL), PHUSA_OK);
    for (uint64_t group = 6; group < 9; group++)
        cr_assert_eq(append_group(wal, &longer, group), PHUSA_OK);
    cr_assert_eq(wal_sync(wal), PHUSA_OK);
    wal_close(wal);
    cr_assert_eq(look(&longer, 0, &replayed, NULL), PHUSA_OK);
    cr_assert_eq(replayed.group_count, 9);
    free(before);
    free(after);
}

/* Several groups in one sync, and the power cut left the second and not the first. */
Test(wal_damage, groups_that_were_never_synced_are_cut_whatever_follows)
{
    const struct script script = {10, 300};
    struct wal *wal;
    struct replayed replayed;
    const struct wal_options options = small_options();
    cr_assert_eq(open_log_at(&scratch, &options, 0, &script, &replayed, &wal, NULL), PHUSA_OK);
    for (uint64_t group = 0; group < 10; group++) {
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
        if (group == 5) cr_assert_eq(wal_sync(wal), PHUSA_OK);
    }
    wal_close(wal);
    const char *path = log_dir_segment(&scratch, 1);
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(path, &size_bytes);
    size_t starts[10], count = 0;
    for (size_t at = SEGMENT_DATA_OFFSET; at + 4 < size_bytes && count < 10; at += 8)
        if (memcmp(bytes + at, "Pgrp", 4) == 0) starts[count++] = at;
    for (size_t group = 0; group < 10; group++) {
        bytes[starts[group] + 70] ^= 1;
        sandbox_write(path, bytes, size_bytes);
        const phusa_status status = look(&script, 0, &replayed, NULL);
        if (group < 6) { /* acknowledged */
            cr_assert_eq(status, PHUSA_ECORRUPT, "group %zu", group);
        } else {
            cr_assert_eq(status, PHUSA_OK, "group %zu", group);
            cr_assert_eq(replayed.group_count, group);
        }
        bytes[starts[group] + 70] ^= 1;
    }
    free(bytes);
}

/* Recycled files are full of whole groups of an earlier life, at the same offsets and with the
 * numbers that are expected next: none may come back. */
Test(wal_damage, groups_of_an_earlier_life_never_come_back)
{
    const struct script script = {300, 3000};
    struct wal *wal;
    struct replayed replayed;
    const struct wal_options options = small_options();
    uint64_t group = 0, released = 0;
    while (group < script.group_count) {
        cr_assert_eq(
            open_log_at(&scratch, &options, lsn_before(released), &script, &replayed, &wal, NULL),
            PHUSA_OK);
        cr_assert(!replayed.wrong || released > 0);
        cr_assert_eq(wal_next_lsn(wal), lsn_before(group), "group %zu", (size_t)group);
        for (int n = 0; n < 30; n++, group++)
            cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
        cr_assert_eq(wal_sync(wal), PHUSA_OK);
        released = group - 2;
        wal_release(wal, lsn_before(released));
        wal_close(wal);
    }
}

/* The same file, the same place, the same number, another epoch. */
Test(wal_damage, a_group_of_another_epoch_is_no_group)
{
    const struct script script = {6, 300};
    write_log(&scratch, &script);
    const char *path = log_dir_segment(&scratch, 1);
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(path, &size_bytes);
    struct segment_header header;
    cr_assert_eq(segment_header_decode(bytes, &header), PHUSA_OK);
    header.epoch++;
    segment_header_encode(bytes, &header);
    sandbox_write(path, bytes, size_bytes);
    free(bytes);
    struct replayed replayed;
    cr_assert_eq(look(&script, 0, &replayed, NULL), PHUSA_OK);
    cr_assert_eq(replayed.group_count, 0);
}

Test(wal_damage, repair_cuts_at_the_damage_and_the_log_goes_on)
{
    const struct script script = {60, 4000};
    write_log(&scratch, &script);
    const char *path = log_dir_segment(&scratch, 2);
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(path, &size_bytes);
    struct segment_header header;
    cr_assert_eq(segment_header_decode(bytes, &header), PHUSA_OK);
    const uint64_t first = header.first_sequence - 1;          /* groups are counted from 0 here */
    bytes[SEGMENT_DATA_OFFSET + group_bytes(4000) + 100] ^= 4; /* in the second group */
    sandbox_write(path, bytes, size_bytes);
    free(bytes);

    struct replayed replayed;
    struct phusa_error error;
    cr_assert_eq(look(&script, 0, &replayed, &error), PHUSA_ECORRUPT);
    cr_assert(strstr(error.text, "000002.wal, offset ") != NULL, "%s", error.text);

    struct wal *wal;
    struct wal_options options = small_options();
    options.repair = true;
    cr_assert_eq(open_log_at(&scratch, &options, 0, &script, &replayed, &wal, &error), PHUSA_OK);
    cr_assert_eq(replayed.group_count, first + 1);
    cr_assert(!replayed.wrong);
    char aside[160];
    snprintf(aside, sizeof aside, "%s/wal/000003.cut", scratch.dir);
    cr_assert(sandbox_exists(aside), "what follows the damage was thrown away");
    for (uint64_t group = first + 1; group < 40; group++)
        cr_assert_eq(append_group(wal, &script, group), PHUSA_OK);
    cr_assert_eq(wal_sync(wal), PHUSA_OK);
    wal_close(wal);
    cr_assert_eq(look(&script, 0, &replayed, &error), PHUSA_OK, "%s", error.text);
    cr_assert_eq(replayed.group_count, 40);
    cr_assert(!replayed.wrong);
}

Test(wal_damage, a_newer_version_is_called_so)
{
    const struct script script = {6, 300};
    write_log(&scratch, &script);
    const char *path = log_dir_segment(&scratch, 1);
    size_t size_bytes;
    uint8_t *bytes = sandbox_read(path, &size_bytes);
    /* As a newer release would: the checksum is right. */
    store_u32(bytes + 12, SEGMENT_VERSION + 1);
    store_u32(bytes + 8, crc32c(0, bytes + 12, SEGMENT_HEADER_BYTES - 12));
    sandbox_write(path, bytes, size_bytes);
    free(bytes);
    struct replayed replayed;
    cr_assert_eq(look(&script, 0, &replayed, NULL), PHUSA_EVERSION);
}

/* Random changes of many bytes, several files, any options: nothing crashes, hangs or invents. */
Test(wal_damage, random_damage_never_gives_a_wrong_group)
{
    struct random random = random_seeded();
    const struct script script = {40, 3500};
    for (int round = 0; round < 150; round++) {
        write_log(&scratch, &script);
        const uint64_t files = 1 + random_u64(&random) % 2;
        for (uint64_t i = 0; i < files; i++) {
            const uint64_t number = 1 + random_u64(&random) % 3;
            const char *path = log_dir_segment(&scratch, number);
            if (!sandbox_exists(path)) continue;
            size_t size_bytes;
            uint8_t *bytes = sandbox_read(path, &size_bytes);
            const size_t at = random_u64(&random) % size_bytes;
            size_t length = random_u64(&random) % 3000;
            if (length > size_bytes - at) length = size_bytes - at;
            switch (random_u64(&random) % 4) {
            case 0:
                memset(bytes + at, 0, length);
                break;
            case 1:
                for (size_t k = 0; k < length; k++)
                    bytes[at + k] = (uint8_t)random_u64(&random);
                break;
            case 2:
                memmove(bytes + at, bytes + random_u64(&random) % (size_bytes - length), length);
                break;
            default:
                size_bytes = at;
                break;
            }
            sandbox_write(path, bytes, size_bytes);
            free(bytes);
        }
        struct wal_options options = small_options();
        options.repair = random_u64(&random) % 2;
        struct wal *wal;
        struct replayed replayed;
        const phusa_status status =
            open_log_at(&scratch, &options, 0, &script, &replayed, &wal, NULL);
        cr_assert(!replayed.wrong);
        cr_assert(status == PHUSA_OK || status == PHUSA_ECORRUPT, "%d", status);
        if (options.repair) cr_assert_eq(status, PHUSA_OK);
        if (status == PHUSA_OK) {
            /* A repair may have lost the beginning, or all. */
            const uint64_t kept = replayed.group_count;
            uint64_t next = replayed.first_group + kept;
            while (lsn_before(next) < wal_next_lsn(wal))
                next++;
            cr_assert(next <= script.group_count);
            cr_assert_eq(append_group(wal, &script, next), PHUSA_OK);
            cr_assert_eq(wal_sync(wal), PHUSA_OK);
            wal_close(wal);
            options.read_only = true; /* and repair: the beginning may still be missed */
            cr_assert_eq(open_log_at(&scratch, &options, 0, &script, &replayed, &wal, NULL),
                         PHUSA_OK);
            cr_assert(!replayed.wrong);
            cr_assert_eq(replayed.group_count, kept + 1);
            wal_close(wal);
        }
        log_dir_remove(&scratch);
        log_dir_make(&scratch);
    }
}
