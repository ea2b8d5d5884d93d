/* segment.c - see segment.h. */
#include "wal/segment.h"

#include "base/crc.h"
#include "base/mem.h"
#include "wal/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define ZEROES_BYTES ((size_t)256 << 10)

static const uint8_t segment_magic[8] = {'P', 'h', 'u', 's', 'a', 'W', 'A', 'L'};
static const uint8_t group_magic[4] = {'P', 'g', 'r', 'p'};

/*   0 magic  8 crc of 12..64  12 version  16 number  24 epoch  32 first_sequence  40 first_lsn
 *  48 size_bytes  56 zero */
void segment_header_encode(uint8_t bytes[SEGMENT_HEADER_BYTES], const struct segment_header *header)
{
    memset(bytes, 0, SEGMENT_HEADER_BYTES);
    memcpy(bytes, segment_magic, sizeof segment_magic);
    store_u32(bytes + 12, SEGMENT_VERSION);
    store_u64(bytes + 16, header->number);
    store_u64(bytes + 24, header->epoch);
    store_u64(bytes + 32, header->first_sequence);
    store_u64(bytes + 40, header->first_lsn);
    store_u64(bytes + 48, header->size_bytes);
    store_u32(bytes + 8, crc32c(0, bytes + 12, SEGMENT_HEADER_BYTES - 12));
}

phusa_status segment_header_decode(const uint8_t bytes[SEGMENT_HEADER_BYTES],
                                   struct segment_header *header)
{
    if (memcmp(bytes, segment_magic, sizeof segment_magic) != 0) return PHUSA_ECORRUPT;
    if (load_u32(bytes + 8) != crc32c(0, bytes + 12, SEGMENT_HEADER_BYTES - 12))
        return PHUSA_ECORRUPT;
    if (load_u32(bytes + 12) != SEGMENT_VERSION) return PHUSA_EVERSION;
    const struct segment_header read = {
        .number = load_u64(bytes + 16),
        .epoch = load_u64(bytes + 24),
        .first_sequence = load_u64(bytes + 32),
        .first_lsn = load_u64(bytes + 40),
        .size_bytes = load_u64(bytes + 48),
    };
    /* Half the range leaves room to go on counting, whatever was found. */
    if (read.first_sequence == 0 || read.first_sequence > INT64_MAX || read.first_lsn == 0 ||
        read.first_lsn > INT64_MAX || load_u64(bytes + 56) != 0)
        return PHUSA_ECORRUPT;
    *header = read;
    return PHUSA_OK;
}

static uint32_t seed_of(uint64_t epoch)
{
    return crc32c(0, &epoch, sizeof epoch);
}

/*   0 magic  4 crc of 8..64  8 epoch  16 sequence  24 durable_sequence  32 first_lsn
 *  40 recorded_at  48 lsn_count  52 payload_bytes  56 payload_crc  60 zero
 * The header has a checksum of its own, so that a length is known to be one before it is
 * followed, and so that a header alone can prove what it says of earlier groups. */
void group_header_encode(uint8_t bytes[GROUP_HEADER_BYTES], const struct group_header *header)
{
    memcpy(bytes, group_magic, sizeof group_magic);
    store_u64(bytes + 8, header->epoch);
    store_u64(bytes + 16, header->sequence);
    store_u64(bytes + 24, header->durable_sequence);
    store_u64(bytes + 32, header->first_lsn);
    store_u64(bytes + 40, (uint64_t)header->recorded_at_ns);
    store_u32(bytes + 48, header->lsn_count);
    store_u32(bytes + 52, header->payload_bytes);
    store_u32(bytes + 56, header->payload_crc);
    store_u32(bytes + 60, 0);
    store_u32(bytes + 4, crc32c(seed_of(header->epoch), bytes + 8, GROUP_HEADER_BYTES - 8));
}

bool group_header_decode(const uint8_t bytes[GROUP_HEADER_BYTES], uint64_t epoch,
                         struct group_header *header)
{
    if (memcmp(bytes, group_magic, sizeof group_magic) != 0) return false;
    if (load_u64(bytes + 8) != epoch) return false;
    if (load_u32(bytes + 4) != crc32c(seed_of(epoch), bytes + 8, GROUP_HEADER_BYTES - 8))
        return false;
    const struct group_header read = {
        .epoch = epoch,
        .sequence = load_u64(bytes + 16),
        .durable_sequence = load_u64(bytes + 24),
        .first_lsn = load_u64(bytes + 32),
        .recorded_at_ns = (int64_t)load_u64(bytes + 40),
        .lsn_count = load_u32(bytes + 48),
        .payload_bytes = load_u32(bytes + 52),
        .payload_crc = load_u32(bytes + 56),
    };
    if (read.payload_bytes > WAL_GROUP_BYTES_MAX || read.durable_sequence > read.sequence ||
        read.first_lsn == 0 || read.first_lsn > UINT64_MAX - read.lsn_count ||
        load_u32(bytes + 60) != 0)
        return false;
    *header = read;
    return true;
}

uint32_t group_payload_crc(uint64_t epoch, const uint8_t *payload, size_t payload_bytes)
{
    return crc32c(seed_of(epoch), payload, payload_bytes);
}

void segment_name(char name[SEGMENT_NAME_BYTES], uint64_t number)
{
    snprintf(name, SEGMENT_NAME_BYTES, "%06" PRIu64 ".wal", number);
}

bool segment_number(const char *name, const char *suffix, uint64_t *number)
{
    uint64_t parsed = 0;
    const char *p = name;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(parsed, 10, &parsed) ||
            __builtin_add_overflow(parsed, (uint64_t)(*p - '0'), &parsed))
            return false;
    char canonical[SEGMENT_NAME_BYTES];
    segment_name(canonical, parsed);
    const size_t digits = (size_t)(p - name);
    if (strncmp(canonical, name, digits) != 0 || canonical[digits] != '.') return false;
    if (strcmp(p, suffix) != 0 || parsed > INT64_MAX) return false;
    *number = parsed;
    return true;
}

static int write_zeroes(int fd, uint64_t from_bytes, uint64_t size_bytes)
{
    uint8_t *zeroes = mem_zalloc(ZEROES_BYTES);
    if (zeroes == NULL) return ENOMEM;
    int error = 0;
    for (uint64_t at = from_bytes; at < size_bytes && error == 0;) {
        const uint64_t left = size_bytes - at;
        const size_t n = left < ZEROES_BYTES ? (size_t)left : ZEROES_BYTES;
        error = disk_write(fd, zeroes, n, at);
        at += n;
    }
    mem_free(zeroes);
    return error;
}

int segment_create(int directory, uint64_t size_bytes)
{
    int fd;
    int error = disk_open(directory, SEGMENT_NEW_NAME, O_RDWR | O_CREAT | O_EXCL, &fd);
    if (error == EEXIST) { /* left by an attempt that could not even tidy up */
        error = disk_unlink(directory, SEGMENT_NEW_NAME);
        if (error == 0)
            error = disk_open(directory, SEGMENT_NEW_NAME, O_RDWR | O_CREAT | O_EXCL, &fd);
    }
    if (error != 0) return error;
    error = write_zeroes(fd, 0, size_bytes);
    if (error == 0) error = disk_sync_meta(fd);
    close(fd);
    if (error != 0) (void)disk_unlink(directory, SEGMENT_NEW_NAME);
    return error;
}

int segment_extend(int fd, uint64_t from_bytes, uint64_t size_bytes)
{
    int error = write_zeroes(fd, from_bytes, size_bytes);
    if (error == 0) error = disk_sync_meta(fd);
    if (error != 0) (void)disk_truncate(fd, from_bytes);
    return error;
}
