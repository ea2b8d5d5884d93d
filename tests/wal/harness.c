/* harness.c - see harness.h. */
#include "harness.h"

#include "base/crc.h"
#include "base/mem.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void log_dir_make(struct log_dir *s)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(s->dir, sizeof s->dir, "%s/phusa-wal-XXXXXX", base);
    cr_assert_not_null(mkdtemp(s->dir));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    return remove(path);
}

void log_dir_remove(struct log_dir *s)
{
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *log_dir_segment(const struct log_dir *s, uint64_t number)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    snprintf(path, sizeof paths[0], "%s/wal/%s", s->dir, name);
    return path;
}

static uint64_t hash_sum;
static int hash_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    uint32_t crc = crc32c(1, path, strlen(path));
    if (type == FTW_F) {
        size_t size_bytes;
        uint8_t *bytes = sandbox_read(path, &size_bytes);
        crc = crc32c(crc, bytes, size_bytes);
        free(bytes);
    }
    hash_sum += (uint64_t)crc * 2654435761u + 1;
    return 0;
}
uint64_t log_dir_hash(const struct log_dir *s)
{
    hash_sum = 0;
    cr_assert_eq(nftw(s->dir, hash_one, 16, FTW_PHYS), 0);
    return hash_sum;
}

uint64_t script_lsns(uint64_t group)
{
    return group % 5;
}

uint64_t lsn_before(uint64_t group)
{
    static const uint64_t part[5] = {0, 0, 1, 3, 6};
    return 1 + group / 5 * 10 + part[group % 5];
}

size_t script_payload(const struct script *script, uint64_t group, uint8_t **bytes)
{
    size_t size_bytes = script->payload_bytes;
    if (group % 7 == 3) size_bytes /= 2;
    if (group % 11 == 5) size_bytes *= 9;
    if (size_bytes < 8) size_bytes = 8;
    *bytes = malloc(size_bytes);
    for (size_t i = 0; i < size_bytes; i++)
        (*bytes)[i] = (uint8_t)(group * 131 + i * 7 + (i >> 8));
    store_u64(*bytes, group);
    return size_bytes;
}

phusa_status replayed_take(void *context, const struct wal_group *group)
{
    struct replayed *r = context;
    if (group->payload_bytes < 8) {
        r->wrong = true;
        return PHUSA_OK;
    }
    const uint64_t number = load_u64(group->payload);
    if (r->group_count == 0) r->first_group = number;
    uint8_t *bytes;
    const size_t size_bytes = script_payload(r->script, number, &bytes);
    r->wrong |= number != r->first_group + r->group_count || size_bytes != group->payload_bytes ||
                memcmp(bytes, group->payload, size_bytes) != 0 ||
                group->first_lsn != lsn_before(number) || group->lsn_count != script_lsns(number) ||
                group->recorded_at_ns != (int64_t)number * 1000 - 5;
    free(bytes);
    r->group_count++;
    r->next_lsn = group->first_lsn + group->lsn_count;
    return PHUSA_OK;
}

struct wal_options small_options(void)
{
    return (struct wal_options){.segment_bytes = WAL_SEGMENT_BYTES_MIN};
}

phusa_status open_log_at(const struct log_dir *s, const struct wal_options *options,
                         uint64_t from_lsn, const struct script *script, struct replayed *replayed,
                         struct wal **wal, struct phusa_error *error)
{
    *replayed = (struct replayed){.script = script, .next_lsn = 1};
    return wal_open(s->dir, options, from_lsn, replayed_take, replayed, wal, error);
}

phusa_status append_group(struct wal *wal, const struct script *script, uint64_t group)
{
    uint8_t *bytes;
    const size_t size_bytes = script_payload(script, group, &bytes);
    cr_assert_eq(wal_next_lsn(wal), lsn_before(group));
    const phusa_status status = wal_append(wal, &(struct wal_group){
                                                    .first_lsn = lsn_before(group),
                                                    .lsn_count = script_lsns(group),
                                                    .recorded_at_ns = (int64_t)group * 1000 - 5,
                                                    .payload = bytes,
                                                    .payload_bytes = size_bytes,
                                                });
    free(bytes);
    return status;
}

void write_log(const struct log_dir *s, const struct script *script)
{
    struct wal *wal;
    struct replayed replayed;
    const struct wal_options options = small_options();
    cr_assert_eq(open_log_at(s, &options, 0, script, &replayed, &wal, NULL), PHUSA_OK);
    cr_assert_eq(replayed.group_count, 0);
    for (uint64_t group = 0; group < script->group_count; group++) {
        cr_assert_eq(append_group(wal, script, group), PHUSA_OK);
        cr_assert_eq(wal_sync(wal), PHUSA_OK);
    }
    wal_close(wal);
}
