/*
 * tzif.c - read TZif files (RFC 8536).
 *
 *   header, then data with 32-bit times                       (all there is in version 1)
 *   header again, then data with 64-bit times, then \n TZ \n  (from version 2 on)
 *
 * The header counts what the data holds: times of changes, the type of each, the types (offset,
 * is it summer time, name), names, leap seconds, and two kinds of flags that only concern
 * systems without the rules.
 */
#include "calendar/zone_internal.h"

#include "base/bytes.h"
#include "base/crc.h"
#include "base/mem.h"
#include "calendar/civil.h"

#include <assert.h>

#define HEADER_BYTES 44
#define COUNT_MAX    (1u << 20) /* sums and products of sizes stay far from overflow */

struct tzif_data {
    const uint8_t *times; /* big-endian, of time_bytes each */
    const uint8_t *time_types;
    const uint8_t *types; /* six bytes each */
    uint32_t time_count, type_count;
    size_t time_bytes;
};

/* Read a header and step over its data. */
static phusa_status read_block(struct reader *in, size_t time_bytes, uint8_t *version,
                               struct tzif_data *out)
{
    const uint8_t *const header = read_bytes(in, HEADER_BYTES);
    if (header == NULL || memcmp(header, "TZif", 4) != 0) return PHUSA_ECORRUPT;
    uint32_t counts[6]; /* isut, isstd, leap, time, type, char */
    for (int i = 0; i < 6; i++) {
        counts[i] = load_be32(header + 20 + 4 * i);
        if (counts[i] > COUNT_MAX) return PHUSA_ECORRUPT;
    }
    struct tzif_data data = {.time_count = counts[3], .type_count = counts[4]};
    data.time_bytes = time_bytes;
    data.times = read_bytes(in, data.time_count * time_bytes);
    data.time_types = read_bytes(in, data.time_count);
    data.types = read_bytes(in, (size_t)data.type_count * 6);
    read_bytes(in, counts[5] + counts[2] * (time_bytes + 4) + counts[1] + counts[0]);
    if (in->bad) return PHUSA_ECORRUPT;
    if (counts[2] > 0) return PHUSA_EUNSUPPORTED; /* a "right/" zone: its seconds are not UTC's */
    *version = header[4];
    *out = data;
    return PHUSA_OK;
}

static int64_t time_at(const struct tzif_data *data, uint32_t i)
{
    if (data->time_bytes == 8) return (int64_t)load_be64(data->times + 8 * (size_t)i);
    return (int32_t)load_be32(data->times + 4 * (size_t)i);
}

static phusa_status offset_of_type(const struct tzif_data *data, uint8_t type, int32_t *out)
{
    if (type >= data->type_count) return PHUSA_ECORRUPT;
    const int32_t offset_s = (int32_t)load_be32(data->types + 6 * (size_t)type);
    if (offset_s < -ZONE_OFFSET_MAX || offset_s > ZONE_OFFSET_MAX) return PHUSA_ECORRUPT;
    *out = offset_s;
    return PHUSA_OK;
}

phusa_status zone_add_span(struct zone *zone, int64_t start_s, int32_t offset_s)
{
    size_t count = zone->count;
    assert(count == 0 || start_s >= zone->starts_s[count - 1]);
    if (count > 0 && start_s == zone->starts_s[count - 1]) count--;
    if (count > 0 && zone->offsets_s[count - 1] == offset_s) {
        zone->count = count; /* a new name for the same offset */
        return PHUSA_OK;
    }
    if (!MEM_GROW(zone->starts_s, zone->starts_capacity, count + 1) ||
        !MEM_GROW(zone->offsets_s, zone->offsets_capacity, count + 1))
        return PHUSA_ENOMEM;
    zone->starts_s[count] = start_s;
    zone->offsets_s[count] = offset_s;
    zone->count = count + 1;
    return PHUSA_OK;
}

static phusa_status add_table(struct zone *zone, const struct tzif_data *data)
{
    int32_t offset_s;
    phusa_status status = offset_of_type(data, 0, &offset_s);
    if (status != PHUSA_OK) return status;
    status = zone_add_span(zone, INT64_MIN, offset_s);
    for (uint32_t i = 0; i < data->time_count && status == PHUSA_OK; i++) {
        if (i > 0 && time_at(data, i) <= time_at(data, i - 1)) return PHUSA_ECORRUPT;
        status = offset_of_type(data, data->time_types[i], &offset_s);
        if (status == PHUSA_OK) status = zone_add_span(zone, time_at(data, i), offset_s);
    }
    return status;
}

/* What the footer says about the time after the last change in the table. */
static phusa_status add_footer(struct zone *zone, struct reader *in, const struct tzif_data *data)
{
    if (read_u8(in) != '\n') return PHUSA_ECORRUPT;
    const char *const text = (const char *)in->next;
    const char *const end = memchr(text, '\n', reader_left(in));
    if (end == NULL) return PHUSA_ECORRUPT;
    if (end == text) return PHUSA_OK; /* nothing is known: the last offset stays */
    struct tz_rule rule;
    const phusa_status status = tz_rule_parse(text, (size_t)(end - text), &rule);
    if (status != PHUSA_OK) return status;
    const int64_t last_s = data->time_count > 0 ? time_at(data, data->time_count - 1) : INT64_MIN;
    if (!rule.has_dst) /* it must agree with the table; where it does not, it speaks of later */
        return PHUSA_OK;
    for (int64_t year = ZONE_YEAR_FIRST; year <= ZONE_YEAR_LAST; year++) {
        struct tz_change changes[2];
        tz_rule_changes(&rule, year, changes);
        for (int i = 0; i < 2; i++) {
            /* Rules that overlap at the turn of a year, such as summer time all year, name the
             * same moment twice: the later one counts. */
            if (changes[i].utc_s <= last_s || changes[i].utc_s < zone->starts_s[zone->count - 1])
                continue;
            const phusa_status added = zone_add_span(zone, changes[i].utc_s, changes[i].offset_s);
            if (added != PHUSA_OK) return added;
        }
    }
    return PHUSA_OK;
}

static uint32_t crc_of_rules(const struct zone *zone)
{
    const uint32_t crc = crc32c(0, zone->starts_s, zone->count * sizeof zone->starts_s[0]);
    return crc32c(crc, zone->offsets_s, zone->count * sizeof zone->offsets_s[0]);
}

static phusa_status decode(struct zone *zone, struct reader *in)
{
    uint8_t version = 0;
    struct tzif_data data;
    phusa_status status = read_block(in, 4, &version, &data);
    if (status != PHUSA_OK) return status;
    if (version == 0) return add_table(zone, &data);
    if (version < '2') return PHUSA_ECORRUPT;
    status = read_block(in, 8, &version, &data);
    if (status == PHUSA_OK) status = add_table(zone, &data);
    if (status == PHUSA_OK) status = add_footer(zone, in, &data);
    return status;
}

phusa_status zone_decode(const char *name, const void *bytes, size_t size_bytes, struct zone **out)
{
    struct zone *zone = mem_zalloc(sizeof *zone);
    if (zone == NULL) return PHUSA_ENOMEM;
    phusa_status status = PHUSA_ENOMEM;
    zone->name = mem_copy_text(name, strlen(name));
    if (zone->name == NULL) goto out;
    struct reader in = reader_of(bytes, size_bytes);
    status = decode(zone, &in);
    if (status != PHUSA_OK) goto out;
    zone->rules_crc = crc_of_rules(zone);
    *out = zone;
    zone = NULL;
out:
    zone_free(zone);
    return status;
}

void zone_free(struct zone *zone)
{
    if (zone == NULL) return;
    mem_free(zone->name);
    mem_free(zone->starts_s);
    mem_free(zone->offsets_s);
    mem_free(zone);
}
