/*
 * strings.c - vectors of strings: each distinct one once and codes, or all in a row, their
 * bytes compressed by zstd where that saves a tenth.
 *
 * The only user of zstd.h. Its contexts live in the caller's memory.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include "codec/codec.h"

#include "base/hash.h"

#include <assert.h>
#include <zstd.h>

enum { STRINGS_DICTIONARY = 1, STRINGS_COMPRESSED = 2, STRINGS_MASK = 3 };

#define COMPRESS_LEVEL     1
#define COMPRESS_BYTES_MIN 128u /* below, a frame's header eats what is saved */
#define HASH_SLOTS         2048u
_Static_assert(HASH_SLOTS >= 2 * CODEC_COUNT_MAX, "the table is at most half full");

static size_t total_bytes(const struct phusa_text *values, uint32_t count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += values[i].size_bytes;
    return total;
}

size_t codec_strings_bytes_max(const struct phusa_text *values, uint32_t count)
{
    return 2 * CODEC_VECTOR_BYTES_MAX + 4 * VARINT_BYTES_MAX + total_bytes(values, count);
}

static size_t compressor_bytes(size_t size_bytes)
{
    return (ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(COMPRESS_LEVEL, size_bytes, 0)) +
            15) &
           ~(size_t)15;
}

static size_t decompressor_bytes(void)
{
    return (ZSTD_estimateDCtxSize() + 15) & ~(size_t)15;
}

size_t codec_strings_encode_work_bytes(const struct phusa_text *values, uint32_t count)
{
    const size_t total = total_bytes(values, count);
    /* A smaller text needs no larger compressor, but for its rounded sizes. */
    return total < COMPRESS_BYTES_MIN ? 0 : compressor_bytes(total) + total;
}

/* Numbers of the values in order of first appearance: codes[i] of value i, firsts[k] the place
 * of the first value numbered k. Returns how many are distinct. */
static uint32_t number_strings(const struct phusa_text *values, uint32_t count, int64_t *codes,
                               uint16_t *firsts)
{
    uint16_t slots[HASH_SLOTS] = {0}; /* 1 + number */
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = 0;
        if (values[i].size_bytes > 0)
            slot = (uint32_t)hash_bytes(values[i].bytes, values[i].size_bytes).low % HASH_SLOTS;
        while (slots[slot] != 0) {
            const struct phusa_text known = values[firsts[slots[slot] - 1]];
            if (known.size_bytes == values[i].size_bytes &&
                (known.size_bytes == 0 || text_equal(known, values[i])))
                break;
            slot = (slot + 1) % HASH_SLOTS;
        }
        if (slots[slot] == 0) {
            firsts[distinct++] = (uint16_t)i;
            slots[slot] = (uint16_t)distinct;
        }
        codes[i] = slots[slot] - 1;
    }
    return distinct;
}

static uint8_t *put_integers(uint8_t *out, const int64_t *values, uint32_t count)
{
    uint8_t packed[CODEC_VECTOR_BYTES_MAX];
    const size_t size = codec_encode_integers(values, count, false, packed);
    out = put_varint(out, size);
    memcpy(out, packed, size);
    return out + size;
}

/* Compressed bytes at `out`, or 0 when that does not pay or there is no room to work. */
static size_t compress(const uint8_t *text, size_t size_bytes, uint8_t *out, void *work,
                       size_t work_bytes)
{
    ZSTD_CCtx *context = ZSTD_initStaticCCtx(work, work_bytes);
    if (context == NULL) return 0;
    const size_t size = ZSTD_compressCCtx(context, out, size_bytes - size_bytes / 10, text,
                                          size_bytes, COMPRESS_LEVEL);
    return ZSTD_isError(size) ? 0 : size;
}

size_t codec_encode_strings(const struct phusa_text *values, uint32_t count, uint8_t *out,
                            void *work, size_t work_bytes)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) return 0;
    int64_t numbers[CODEC_COUNT_MAX], lengths[CODEC_COUNT_MAX];
    uint16_t firsts[CODEC_COUNT_MAX];
    const uint32_t distinct = number_strings(values, count, numbers, firsts);

    /* A repeat is worth a code of 10 bits at most against its bytes and a length. */
    const bool use_dictionary = distinct <= count / 2 || distinct == 1;
    const uint32_t entry_count = use_dictionary ? distinct : count;
    size_t total = 0;
    for (uint32_t k = 0; k < entry_count; k++) {
        const struct phusa_text *text = &values[use_dictionary ? firsts[k] : k];
        assert(text->size_bytes <= STRING_BYTES_MAX);
        lengths[k] = (int64_t)text->size_bytes;
        total += text->size_bytes;
    }
    uint8_t *p = out;
    *p++ = use_dictionary ? STRINGS_DICTIONARY : 0;
    if (use_dictionary) p = put_varint(p, entry_count);
    p = put_integers(p, lengths, entry_count);
    if (use_dictionary && entry_count > 1) p = put_integers(p, numbers, count);

    /* In a row, in the work space if they are to be compressed, else in place. */
    const size_t context_bytes = total < COMPRESS_BYTES_MIN ? 0 : compressor_bytes(total);
    const bool try_compress = context_bytes > 0 && work_bytes >= context_bytes + total;
    uint8_t *row = try_compress ? (uint8_t *)work + context_bytes : p;
    for (uint32_t k = 0, at = 0; k < entry_count; k++) {
        const struct phusa_text *text = &values[use_dictionary ? firsts[k] : k];
        if (text->size_bytes > 0) memcpy(row + at, text->bytes, text->size_bytes);
        at += (uint32_t)text->size_bytes;
    }
    if (try_compress) {
        const size_t size = compress(row, total, p, work, context_bytes);
        if (size > 0) {
            out[0] |= STRINGS_COMPRESSED;
            return (size_t)(p + size - out);
        }
        memcpy(p, row, total);
    }
    return (size_t)(p + total - out);
}

/* ---- decoding ---- */

struct layout {
    bool has_codes, is_compressed;
    uint32_t entry_count;
    size_t total_bytes; /* of the texts */
    const uint8_t *codes;
    size_t codes_bytes;
    const uint8_t *text; /* to the end of the vector */
    size_t text_bytes;
};

static phusa_status read_layout(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                                struct layout *layout, int64_t *lengths)
{
    struct reader in = reader_of(bytes, size_bytes);
    const uint8_t flags = read_u8(&in);
    uint64_t entry_count = count;
    if ((flags & STRINGS_DICTIONARY) != 0) entry_count = read_varint(&in);
    if (in.bad || (flags & ~STRINGS_MASK) != 0 || entry_count == 0 || entry_count > count)
        return PHUSA_ECORRUPT;
    *layout = (struct layout){.is_compressed = (flags & STRINGS_COMPRESSED) != 0,
                              .has_codes = (flags & STRINGS_DICTIONARY) != 0 && entry_count > 1,
                              .entry_count = (uint32_t)entry_count};
    const struct phusa_text packed = read_text(&in);
    if (in.bad) return PHUSA_ECORRUPT;
    const phusa_status status = codec_decode_integers(
        (const uint8_t *)packed.bytes, packed.size_bytes, layout->entry_count, lengths);
    if (status != PHUSA_OK) return status;
    for (uint32_t k = 0; k < layout->entry_count; k++) {
        if (lengths[k] < 0 || lengths[k] > (int64_t)STRING_BYTES_MAX) return PHUSA_ECORRUPT;
        layout->total_bytes += (size_t)lengths[k];
    }
    if (layout->has_codes) {
        const struct phusa_text codes = read_text(&in);
        layout->codes = (const uint8_t *)codes.bytes;
        layout->codes_bytes = codes.size_bytes;
    }
    if (in.bad) return PHUSA_ECORRUPT;
    layout->text = in.next;
    layout->text_bytes = reader_left(&in);
    if (!layout->is_compressed && layout->text_bytes != layout->total_bytes) return PHUSA_ECORRUPT;
    return PHUSA_OK;
}

phusa_status codec_strings_decode_work_bytes(const uint8_t *bytes, size_t size_bytes,
                                             uint32_t count, size_t *work_bytes)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) {
        if (size_bytes != 0) return PHUSA_ECORRUPT;
        *work_bytes = 0;
        return PHUSA_OK;
    }
    int64_t lengths[CODEC_COUNT_MAX];
    struct layout layout;
    const phusa_status status = read_layout(bytes, size_bytes, count, &layout, lengths);
    if (status != PHUSA_OK) return status;
    *work_bytes = layout.is_compressed ? decompressor_bytes() + layout.total_bytes : 0;
    return PHUSA_OK;
}

static phusa_status decompress(struct layout *layout, void *work, size_t work_bytes)
{
    const size_t context_bytes = decompressor_bytes();
    assert(work_bytes >= context_bytes + layout->total_bytes);
    ZSTD_DCtx *context = ZSTD_initStaticDCtx(work, context_bytes);
    assert(context != NULL);
    uint8_t *text = (uint8_t *)work + context_bytes;
    const size_t size =
        ZSTD_decompressDCtx(context, text, layout->total_bytes, layout->text, layout->text_bytes);
    if (ZSTD_isError(size) || size != layout->total_bytes) return PHUSA_ECORRUPT;
    layout->text = text;
    return PHUSA_OK;
}

phusa_status codec_decode_strings(const uint8_t *bytes, size_t size_bytes, uint32_t count,
                                  struct phusa_text *values, void *work, size_t work_bytes)
{
    assert(count <= CODEC_COUNT_MAX);
    if (count == 0) return size_bytes == 0 ? PHUSA_OK : PHUSA_ECORRUPT;
    int64_t lengths[CODEC_COUNT_MAX];
    struct layout layout;
    phusa_status status = read_layout(bytes, size_bytes, count, &layout, lengths);
    if (status == PHUSA_OK && layout.is_compressed) status = decompress(&layout, work, work_bytes);
    if (status != PHUSA_OK) return status;

    struct phusa_text entries[CODEC_COUNT_MAX];
    const char *at = (const char *)layout.text;
    for (uint32_t k = 0; k < layout.entry_count; k++) {
        entries[k] = (struct phusa_text){at, (size_t)lengths[k]};
        at += lengths[k];
    }
    int64_t *codes = lengths; /* no longer needed */
    if (layout.has_codes) {
        status = codec_decode_integers(layout.codes, layout.codes_bytes, count, codes);
        if (status != PHUSA_OK) return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t code = layout.has_codes              ? (uint64_t)codes[i]
                              : layout.entry_count == count ? i
                                                            : 0;
        if (code >= layout.entry_count) return PHUSA_ECORRUPT;
        values[i] = entries[code];
    }
    return PHUSA_OK;
}
