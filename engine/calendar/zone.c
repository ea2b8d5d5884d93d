/* zone.c - zones by name, and what time their clocks show; see zone.h. */
#include "calendar/zone.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/status.h"
#include "calendar/zone_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one zone --------------------------------------------------------- */

static int64_t utc_starts[] = {INT64_MIN};
static int32_t utc_offsets[] = {0};
static char utc_name[] = "UTC";
static const struct zone utc = {
    .name = utc_name, .count = 1, .starts_s = utc_starts, .offsets_s = utc_offsets};

const struct zone *zone_utc(void)
{
    return &utc;
}

const char *zone_name(const struct zone *zone)
{
    return zone->name;
}

bool zone_is_utc(const struct zone *zone)
{
    return zone->count == 1 && zone->offsets_s[0] == 0;
}

uint32_t zone_rules_crc(const struct zone *zone)
{
    return zone->rules_crc;
}

/* The last span that begins at utc_s or before. */
static size_t span_index(const struct zone *zone, int64_t utc_s)
{
    size_t low = 0, count = zone->count;
    while (count > 1) {
        const size_t half = count / 2;
        low = zone->starts_s[low + half] <= utc_s ? low + half : low;
        count -= half;
    }
    return low;
}

static struct zone_span span_of(const struct zone *zone, size_t i)
{
    return (struct zone_span){zone->starts_s[i],
                              i + 1 < zone->count ? zone->starts_s[i + 1] : INT64_MAX,
                              zone->offsets_s[i]};
}

struct zone_span zone_span_at(const struct zone *zone, int64_t utc_s)
{
    return span_of(zone, span_index(zone, utc_s));
}

int zone_offset_at(const struct zone *zone, int64_t utc_s)
{
    return zone->offsets_s[span_index(zone, utc_s)];
}

int64_t zone_local_to_utc(const struct zone *zone, int64_t local_s)
{
    assert(local_s > INT64_MIN + 2 * ZONE_OFFSET_MAX && local_s < INT64_MAX - 2 * ZONE_OFFSET_MAX);
    /* Before this no clock shows local_s yet, whatever its offset. */
    for (size_t i = span_index(zone, local_s - ZONE_OFFSET_MAX);; i++) {
        const struct zone_span span = span_of(zone, i);
        const int64_t utc_s = local_s - span.offset_s;
        if (utc_s < span.end_s) return utc_s < span.start_s ? span.start_s : utc_s;
    }
}

/* ---- the table -------------------------------------------------------- */

#define ZONES_MAX      2048 /* the tz database has 600 names, twice as many with posix/ */
#define FILE_BYTES_MAX (256u << 10)

struct zone_table {
    pthread_mutex_t mutex; /* guards the rest but dir; also held while a file is read */
    char *dir;
    struct zone **zones; /* pointers, so that zones stay where they are */
    size_t count, capacity;
};

phusa_status zone_table_create(const char *dir, struct zone_table **out)
{
    if (dir == NULL) dir = "/usr/share/zoneinfo";
    struct zone_table *table = mem_zalloc(sizeof *table);
    if (table == NULL) return PHUSA_ENOMEM;
    table->dir = mem_copy_text(dir, strlen(dir));
    if (table->dir == NULL) {
        mem_free(table);
        return PHUSA_ENOMEM;
    }
    pthread_mutex_init(&table->mutex, NULL);
    *out = table;
    return PHUSA_OK;
}

void zone_table_free(struct zone_table *table)
{
    if (table == NULL) return;
    for (size_t i = 0; i < table->count; i++)
        zone_free(table->zones[i]);
    mem_free(table->zones);
    mem_free(table->dir);
    pthread_mutex_destroy(&table->mutex);
    mem_free(table);
}

/* Letters, digits, and + - _ . in parts between slashes, none of which begins with a dot: such a
 * name stays below the directory. */
static bool is_zone_name(const char *name, size_t size_bytes)
{
    if (size_bytes == 0 || size_bytes > NAME_BYTES_MAX) return false;
    bool first = true;
    for (size_t i = 0; i < size_bytes; i++) {
        const char c = name[i];
        if (c == '/') {
            if (first) return false;
            first = true;
            continue;
        }
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '_';
        if (!letter && !other && (c != '.' || first)) return false;
        first = false;
    }
    return !first;
}

static bool is_utc_name(const char *name, size_t size_bytes)
{
    static const char *const names[] = {"", "UTC", "Etc/UTC", "GMT", "Z"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == size_bytes && memcmp(names[i], name, size_bytes) == 0) return true;
    return false;
}

/* The whole file, on the heap. */
static phusa_status read_file(const char *path, uint8_t **bytes, size_t *size_bytes)
{
    phusa_status status = PHUSA_OK;
    uint8_t *room = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno == ENOTDIR ? PHUSA_ENOTFOUND : status_from_errno(errno);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        status = PHUSA_EIO;
        goto out;
    }
    if (!S_ISREG(info.st_mode)) {
        status = PHUSA_ENOTFOUND; /* "Asia" is a directory */
        goto out;
    }
    if (info.st_size > FILE_BYTES_MAX) {
        status = PHUSA_ECORRUPT;
        goto out;
    }
    room = mem_alloc((size_t)info.st_size + 1);
    if (room == NULL) {
        status = PHUSA_ENOMEM;
        goto out;
    }
    size_t size = 0;
    while (size < (size_t)info.st_size) {
        const ssize_t n = read(fd, room + size, (size_t)info.st_size - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = PHUSA_EIO;
        if (n <= 0) break;
        size += (size_t)n;
    }
    if (status != PHUSA_OK) goto out;
    *bytes = room;
    *size_bytes = size;
    room = NULL;
out:
    mem_free(room);
    close(fd);
    return status;
}

static phusa_status load(const struct zone_table *table, const char *name, struct zone **out)
{
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s/%s", table->dir, name);
    if (length < 0 || (size_t)length >= sizeof path) return PHUSA_ENOTFOUND;
    uint8_t *bytes = NULL;
    size_t size = 0;
    phusa_status status = read_file(path, &bytes, &size);
    if (status != PHUSA_OK) return status;
    /* zone.tab and its like lie in the directory too, and are no damage. */
    if (size < 4 || memcmp(bytes, "TZif", 4) != 0)
        status = PHUSA_ENOTFOUND;
    else
        status = zone_decode(name, bytes, size, out);
    mem_free(bytes);
    return status;
}

static phusa_status find_or_load(struct zone_table *table, const char *name,
                                 const struct zone **out)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->zones[i]->name, name) == 0) {
            *out = table->zones[i];
            return PHUSA_OK;
        }
    if (table->count >= ZONES_MAX) return PHUSA_ELIMIT;
    if (!MEM_GROW(table->zones, table->capacity, table->count + 1)) return PHUSA_ENOMEM;
    struct zone *zone = NULL;
    const phusa_status status = load(table, name, &zone);
    if (status != PHUSA_OK) return status;
    table->zones[table->count++] = zone;
    *out = zone;
    return PHUSA_OK;
}

phusa_status zone_find(struct zone_table *table, const char *name, size_t size_bytes,
                       const struct zone **out, struct phusa_error *error)
{
    if (is_utc_name(name, size_bytes)) {
        *out = &utc;
        return PHUSA_OK;
    }
    const int shown = (int)(size_bytes < 100 ? size_bytes : 100);
    if (!is_zone_name(name, size_bytes))
        return error_set(error, PHUSA_ENOTFOUND,
                         "\"%.*s\" is not the name of a time zone, such as Asia/Ho_Chi_Minh", shown,
                         name);
    char text[NAME_BYTES_MAX + 1];
    memcpy(text, name, size_bytes);
    text[size_bytes] = '\0';
    pthread_mutex_lock(&table->mutex);
    const phusa_status status = find_or_load(table, text, out);
    pthread_mutex_unlock(&table->mutex);
    if (status == PHUSA_OK) return PHUSA_OK;
    if (status == PHUSA_ENOTFOUND)
        return error_set(error, status, "unable to find time zone %s in %s", text, table->dir);
    return error_set(error, status, "time zone %s in %s: %s", text, table->dir,
                     phusa_status_text(status));
}
