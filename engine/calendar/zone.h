/*
 * zone.h - time zones from TZif files (RFC 8536, versions 1 to 4), the rule for the years
 * beyond the file's table included.
 *
 * Ownership  a zone belongs to its table and lives as long as that; zone_utc() for ever.
 *            Zones are never unloaded: there are a few hundred of them.
 * Threads    any; a zone is immutable, a table locks itself.
 * Units      seconds since 1970 (zones change on whole seconds); local seconds are what the
 *            clock on the wall shows, see civil.h; offsets are local - UTC.
 */
#ifndef PHUSA_CALENDAR_ZONE_H
#define PHUSA_CALENDAR_ZONE_H

#include "phusa.h"

struct zone;
struct zone_table;

const struct zone *zone_utc(void);
/* `dir` NULL: /usr/share/zoneinfo. It need not exist: "UTC" is built in. */
PHUSA_MUST_USE phusa_status zone_table_create(const char *dir, struct zone_table **out);
void zone_table_free(struct zone_table *table);
/* The zone of a name of the tz database, "Asia/Ho_Chi_Minh"; "", "UTC", "Etc/UTC", "GMT" and "Z"
 * are UTC. A name is matched as it is written and never leads out of the directory.
 * PHUSA_ENOTFOUND, PHUSA_ECORRUPT, PHUSA_EIO, PHUSA_ENOMEM, PHUSA_ELIMIT (too many names),
 * PHUSA_EUNSUPPORTED (a zone that counts leap seconds). */
PHUSA_MUST_USE phusa_status zone_find(struct zone_table *table, const char *name, size_t size_bytes,
                                      const struct zone **out, struct phusa_error *error);

/* A zone from the bytes of a TZif file, for tests and tools; zone_free() it. PHUSA_ECORRUPT,
 * PHUSA_EUNSUPPORTED, PHUSA_ENOMEM. */
PHUSA_MUST_USE phusa_status zone_decode(const char *name, const void *bytes, size_t size_bytes,
                                        struct zone **out);
void zone_free(struct zone *zone);

const char *zone_name(const struct zone *zone);
bool zone_is_utc(const struct zone *zone); /* offset 0 at all times */
/* Changes when the rules do; rollups by local days remember it. */
uint32_t zone_rules_crc(const struct zone *zone);

/* A stretch of time [start_s, end_s) of one offset; INT64_MIN and INT64_MAX where it is open. */
struct zone_span {
    int64_t start_s;
    int64_t end_s;
    int offset_s;
};
struct zone_span zone_span_at(const struct zone *zone, int64_t utc_s);
int zone_offset_at(const struct zone *zone, int64_t utc_s);

/* The first moment at which the clock shows local_s or later. So a time that the clock jumps over
 * in spring is the moment of the jump, and one that it shows twice in autumn is the first. */
int64_t zone_local_to_utc(const struct zone *zone, int64_t local_s);

#endif
