/*
 * test_bytes.c - guards base/bytes and base/buffer: what is put is read back; a reader never goes
 * past its end; and without memory a buffer says so once, at the end.
 */
#include "base/buffer.h"
#include "base/mem.h"

#include "random.h"

#include <criterion/criterion.h>

Test(bytes, fixed_widths_have_their_byte_order)
{
    uint8_t b[8];
    store_u16(b, 0x0102);
    cr_assert_eq(memcmp(b, "\x02\x01", 2), 0);
    store_u32(b, 0x01020304);
    cr_assert_eq(memcmp(b, "\x04\x03\x02\x01", 4), 0);
    cr_assert_eq(load_u32(b), 0x01020304);
    store_be32(b, 0x01020304);
    cr_assert_eq(memcmp(b, "\x01\x02\x03\x04", 4), 0);
    cr_assert_eq(load_be32(b), 0x01020304);
    store_be64(b, UINT64_C(0x0102030405060708));
    cr_assert_eq(memcmp(b, "\x01\x02\x03\x04\x05\x06\x07\x08", 8), 0);
    cr_assert_eq(load_be64(b), UINT64_C(0x0102030405060708));
}

Test(bytes, zigzag_gives_small_magnitudes_small_codes)
{
    static const struct {
        int64_t v;
        uint64_t code;
    } cases[] = {
        {0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {INT64_MAX, UINT64_MAX - 1}, {INT64_MIN, UINT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(zigzag(cases[i].v), cases[i].code);
        cr_assert_eq(unzigzag(cases[i].code), cases[i].v);
    }
}

Test(bytes, varints_are_seven_bits_a_byte)
{
    static const struct {
        uint64_t v;
        size_t size;
        const char *bytes;
    } cases[] = {
        {0, 1, "\x00"},
        {127, 1, "\x7f"},
        {128, 2, "\x80\x01"},
        {300, 2, "\xac\x02"},
        {UINT64_MAX, 10, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t b[VARINT_BYTES_MAX];
        cr_assert_eq(put_varint(b, cases[i].v), b + cases[i].size);
        cr_assert_eq(memcmp(b, cases[i].bytes, cases[i].size), 0);
        struct reader r = reader_of(b, cases[i].size);
        cr_assert_eq(read_varint(&r), cases[i].v);
        cr_assert(!r.bad && reader_left(&r) == 0);
        struct reader cut = reader_of(b, cases[i].size - 1);
        cr_assert_eq(read_varint(&cut), 0);
        cr_assert(cut.bad);
    }
}

Test(bytes, varints_of_more_than_64_bits_are_bad)
{
    static const char *const texts[] = {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
                                        "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"};
    for (size_t i = 0; i < 2; i++) {
        struct reader r = reader_of(texts[i], 10 + i);
        cr_assert_eq(read_varint(&r), 0);
        cr_assert(r.bad);
    }
}

Test(bytes, after_a_short_read_a_reader_stays_bad)
{
    const uint8_t b[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct reader r = reader_of(b, sizeof b);
    cr_assert_eq(read_u32(&r), 0x04030201);
    cr_assert_eq(read_u64(&r), 0);
    cr_assert(r.bad);
    cr_assert_eq(read_u8(&r), 0);
    cr_assert_eq(read_varint(&r), 0);
    cr_assert_eq(read_bytes(&r, 0), NULL);
    cr_assert_eq(read_text(&r).size_bytes, 0);
}

Test(bytes, a_text_longer_than_what_is_left_is_bad)
{
    struct reader r = reader_of("\x05vier", 5);
    const struct phusa_text text = read_text(&r);
    cr_assert(r.bad && text.size_bytes == 0 && text.bytes != NULL);
}

Test(bytes, texts_compare_as_memcmp_and_then_by_size)
{
    cr_assert_lt(text_compare(text_of("a"), text_of("b")), 0);
    cr_assert_gt(text_compare(text_of("\xff"), text_of("a")), 0);
    cr_assert_lt(text_compare(text_of("a"), text_of("aa")), 0);
    cr_assert_gt(text_compare(text_of("a"), text_of("")), 0);
    cr_assert_eq(text_compare(text_of("aa"), text_of("aa")), 0);
    cr_assert(text_equal(text_of("aa"), text_of("aa")));
    cr_assert(!text_equal(text_of("aa"), text_of("ab")));
    cr_assert(!text_equal(text_of("aa"), text_of("aaa")));
}

Test(bytes, bits_lie_low_first_in_words_of_64)
{
    uint64_t words[2] = {0, 0};
    bit_set(words, 0);
    bit_set(words, 65);
    cr_assert(words[0] == 1 && words[1] == 2);
    cr_assert(bit_get(words, 0) && bit_get(words, 65) && !bit_get(words, 64));
}

/* ---- buffers ---------------------------------------------------------- */

/* Any mix of puts is read back by the same mix of reads. */
static void put_mix(struct buffer *b, struct random random)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    for (int i = 0; i < 2000; i++) {
        const uint64_t v = random_u64(&random) >> random_u64(&random) % 64;
        switch (random_u64(&random) % 7) {
        case 0:
            buffer_put_u8(b, (uint8_t)v);
            break;
        case 1:
            buffer_put_u16(b, (uint16_t)v);
            break;
        case 2:
            buffer_put_u32(b, (uint32_t)v);
            break;
        case 3:
            buffer_put_u64(b, v);
            break;
        case 4:
            buffer_put_varint(b, v);
            break;
        case 5:
            buffer_put_zigzag(b, (int64_t)v);
            break;
        default:
            buffer_put_text(b, (struct phusa_text){letters, v % 26});
        }
    }
}

static void expect_mix(struct reader *r, struct random random)
{
    for (int i = 0; i < 2000; i++) {
        const uint64_t v = random_u64(&random) >> random_u64(&random) % 64;
        switch (random_u64(&random) % 7) {
        case 0:
            cr_assert_eq(read_u8(r), (uint8_t)v);
            break;
        case 1:
            cr_assert_eq(read_u16(r), (uint16_t)v);
            break;
        case 2:
            cr_assert_eq(read_u32(r), (uint32_t)v);
            break;
        case 3:
            cr_assert_eq(read_u64(r), v);
            break;
        case 4:
            cr_assert_eq(read_varint(r), v);
            break;
        case 5:
            cr_assert_eq(read_zigzag(r), (int64_t)v);
            break;
        default:
            cr_assert_eq(read_text(r).size_bytes, v % 26);
        }
    }
    cr_assert(!r->bad && reader_left(r) == 0);
}

Test(buffer, what_is_put_is_read_back)
{
    const struct random random = random_seeded();
    struct buffer b;
    buffer_init(&b);
    for (int round = 0; round < 20; round++) {
        buffer_clear(&b);
        put_mix(&b, random);
        cr_assert(!b.bad);
        struct reader r = reader_of(b.bytes, b.size_bytes);
        expect_mix(&r, random);
    }
    buffer_deinit(&b);
    cr_assert(b.bytes == NULL && b.size_bytes == 0);
}

Test(buffer, reserved_room_becomes_content_when_the_caller_says_so)
{
    struct buffer b;
    buffer_init(&b);
    buffer_put(&b, "abc", 3);
    uint8_t *const room = buffer_reserve(&b, 1000);
    cr_assert_neq(room, NULL);
    cr_assert_eq(b.size_bytes, 3);
    memset(room, 'x', 1000);
    b.size_bytes += 1000;
    cr_assert(b.bytes[2] == 'c' && b.bytes[3] == 'x' && b.bytes[1002] == 'x');
    buffer_deinit(&b);
}

Test(buffer, without_memory_it_is_bad_until_cleared)
{
    const struct random random = random_from(7);
    for (uint64_t n = 1;; n++) {
        struct buffer b;
        buffer_init(&b);
        mem_fail_at(n);
        put_mix(&b, random);
        mem_fail_at(0);
        const bool bad = b.bad;
        if (bad) {
            const size_t size = b.size_bytes;
            cr_assert_eq(buffer_reserve(&b, 1), NULL);
            buffer_put_u64(&b, 1);
            cr_assert_eq(b.size_bytes, size);
        }
        buffer_clear(&b);
        buffer_put_u8(&b, 1);
        cr_assert(!b.bad && b.size_bytes == 1);
        buffer_deinit(&b);
        if (!bad) {
            cr_assert_gt(n, 5);
            return;
        }
    }
}

Test(buffer, sizes_beyond_all_memory_are_refused)
{
    struct buffer b;
    buffer_init(&b);
    buffer_put_u8(&b, 1);
    cr_assert_eq(buffer_reserve(&b, SIZE_MAX), NULL);
    cr_assert(b.bad && b.size_bytes == 1);
    buffer_deinit(&b);
}
