/*
 * test_words.c - guards base/crc, base/hash, base/status and base/log: checksums are CRC-32C by
 * either path, hashes tell keys apart, every code has its words, and errors fit their room.
 */
#include "base/crc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"

#include "random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- crc -------------------------------------------------------------- */

Test(crc, has_the_known_values_of_castagnoli)
{
    uint8_t zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283);
    cr_assert_eq(crc32c(0, "", 0), 0);
    cr_assert_eq(crc32c(0, zeros, 32), 0x8a9136aa); /* these three: RFC 3720, B.4 */
    cr_assert_eq(crc32c(0, ones, 32), 0x62a8ab43);
    cr_assert_eq(crc32c(0, up, 32), 0x46dd794e);
    cr_assert_eq(crc32c_scalar(0, "123456789", 9), 0xe3069283);
    cr_assert_eq(crc32c_scalar(0, up, 32), 0x46dd794e);
}

/* Bit by bit, from the polynomial. */
static uint32_t crc_by_definition(const uint8_t *p, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

Test(crc, both_paths_agree_at_every_size_and_place)
{
    struct random random = random_seeded();
    static uint8_t bytes[70000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_u64(&random);
    for (int i = 0; i < 3000; i++) {
        const size_t size = random_u64(&random) % (i % 50 == 0 ? 69000 : 700);
        const size_t from = random_u64(&random) % (sizeof bytes - size);
        const uint32_t crc = crc32c(0, bytes + from, size);
        cr_assert_eq(crc, crc32c_scalar(0, bytes + from, size));
        cr_assert_eq(crc, crc_by_definition(bytes + from, size));
        const size_t half = size == 0 ? 0 : random_u64(&random) % size;
        cr_assert_eq(crc32c(crc32c(0, bytes + from, half), bytes + from + half, size - half), crc);
    }
}

/* ---- hash ------------------------------------------------------------- */

static int by_low_half(const void *a, const void *b)
{
    const struct hash128 *const x = a, *const y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

Test(hash, tells_keys_apart_and_knows_them_again)
{
    enum { KEYS = 20000 };
    static struct hash128 hashes[KEYS];
    char key[64];
    for (int i = 0; i < KEYS; i++) {
        const int size = snprintf(key, sizeof key, "cpu,host=host_%d", i);
        hashes[i] = hash_bytes(key, (size_t)size);
        cr_assert(hash_equal(hashes[i], hash_bytes(key, (size_t)size)));
        cr_assert(!hash_equal(hashes[i], hash_bytes(key, (size_t)size - 1)));
    }
    /* Two of 20,000 that share 64 bits by chance: once in 10^11 runs. */
    qsort(hashes, KEYS, sizeof hashes[0], by_low_half);
    for (int i = 1; i < KEYS; i++)
        cr_assert_neq(hashes[i].low, hashes[i - 1].low);
}

/* ---- status ----------------------------------------------------------- */

Test(status, every_code_has_its_own_words)
{
    for (phusa_status a = PHUSA_OK; a >= PHUSA_EPARTIAL; a--) {
        cr_assert_str_neq(phusa_status_text(a), "unknown status");
        for (phusa_status b = PHUSA_OK; b > a; b--)
            cr_assert_str_neq(phusa_status_text(a), phusa_status_text(b));
    }
    cr_assert_str_eq(phusa_status_text(1), "unknown status");
    cr_assert_str_eq(phusa_status_text(PHUSA_EPARTIAL - 1), "unknown status");
}

Test(status, errors_are_cut_to_their_room)
{
    char longest[2 * PHUSA_ERROR_TEXT_BYTES];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct phusa_error error;
    memset(&error, 0x55, sizeof error);
    cr_assert_eq(error_set(&error, PHUSA_EINVAL, "%s", longest), PHUSA_EINVAL);
    cr_assert_eq(error.status, PHUSA_EINVAL);
    cr_assert_eq(strlen(error.text), PHUSA_ERROR_TEXT_BYTES - 1);
    cr_assert_eq(error_set(NULL, PHUSA_ENOTFOUND, "%s", longest), PHUSA_ENOTFOUND);
}

Test(status, errno_says_whether_waiting_helps)
{
    cr_assert_eq(status_from_errno(ENOSPC), PHUSA_ENOSPC);
    cr_assert_eq(status_from_errno(EDQUOT), PHUSA_ENOSPC);
    cr_assert_eq(status_from_errno(ENOMEM), PHUSA_ENOMEM);
    cr_assert_eq(status_from_errno(ENOENT), PHUSA_ENOTFOUND);
    cr_assert_eq(status_from_errno(EIO), PHUSA_EIO);
    cr_assert_eq(status_from_errno(EPERM), PHUSA_EIO);
}

/* ---- log -------------------------------------------------------------- */

static void remember(void *context, enum phusa_log_level level, const char *text)
{
    snprintf(context, 64, "%d %s", (int)level, text);
}

Test(log, goes_to_the_callback_or_nowhere)
{
    char last[64] = "";
    struct log log;
    log_init(&log, remember, last);
    log_write(&log, PHUSA_LOG_WARN, "%d files", 3);
    cr_assert_str_eq(last, "1 3 files");
    log_deinit(&log);
    log_init(&log, NULL, NULL);
    log_write(&log, PHUSA_LOG_ERROR, "nobody hears it");
    log_deinit(&log);
    log_write(NULL, PHUSA_LOG_ERROR, "nor this");
}
