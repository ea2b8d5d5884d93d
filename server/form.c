/* form.c - see form.h. */
#include "form.h"
#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void form_deinit(struct form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        free(form->fields[i].name);
        free(form->fields[i].value);
    }
    form->count = 0;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* NULL: malformed, or no memory. */
static char *decode(struct phusa_text text, size_t *size_bytes)
{
    char *out = malloc(text.size_bytes + 1);
    if (out == NULL) return NULL;
    size_t n = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        char c = text.bytes[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            const int high = i + 2 < text.size_bytes ? hex(text.bytes[i + 1]) : -1;
            const int low = i + 2 < text.size_bytes ? hex(text.bytes[i + 2]) : -1;
            if (high < 0 || low < 0) goto malformed;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0') goto malformed;
        out[n++] = c;
    }
    out[n] = '\0';
    *size_bytes = n;
    return out;
malformed:
    free(out);
    return NULL;
}

/* Takes both texts over, also when it fails. */
static bool add(struct form *form, char *name, char *value, size_t value_bytes)
{
    if (name == NULL || value == NULL || form->count == FORM_FIELDS_MAX) {
        free(name);
        free(value);
        return false;
    }
    form->fields[form->count++] = (struct form_field){name, value, value_bytes};
    return true;
}

bool form_add_urlencoded(struct form *form, struct phusa_text text)
{
    const char *next = text.bytes;
    const char *end = text.bytes + text.size_bytes;
    while (next < end) {
        const char *stop = memchr(next, '&', (size_t)(end - next));
        if (stop == NULL) stop = end;
        if (stop > next) {
            const char *equals = memchr(next, '=', (size_t)(stop - next));
            const char *name_end = equals == NULL ? stop : equals;
            const char *value = equals == NULL ? stop : equals + 1;
            size_t name_bytes, value_bytes = 0;
            char *name_text =
                decode((struct phusa_text){next, (size_t)(name_end - next)}, &name_bytes);
            char *value_text =
                decode((struct phusa_text){value, (size_t)(stop - value)}, &value_bytes);
            if (!add(form, name_text, value_text, value_bytes)) return false;
        }
        next = stop + 1;
    }
    return true;
}

/* parameter="value" or parameter=value of a header. */
static struct phusa_text parameter(struct phusa_text header, const char *name)
{
    const size_t name_bytes = strlen(name);
    const char *end = header.bytes + header.size_bytes;
    for (const char *p = header.bytes; p < end; p++) {
        if (*p != ';') continue;
        const char *q = p + 1;
        while (q < end && (*q == ' ' || *q == '\t'))
            q++;
        if ((size_t)(end - q) <= name_bytes || strncasecmp(q, name, name_bytes) != 0 ||
            q[name_bytes] != '=')
            continue;
        q += name_bytes + 1;
        if (q < end && *q == '"') {
            const char *close = memchr(q + 1, '"', (size_t)(end - q - 1));
            if (close == NULL) break;
            return (struct phusa_text){q + 1, (size_t)(close - q - 1)};
        }
        const char *stop = memchr(q, ';', (size_t)(end - q));
        if (stop == NULL) stop = end;
        return (struct phusa_text){q, (size_t)(stop - q)};
    }
    return (struct phusa_text){"", 0};
}

static char *copy(struct phusa_text text)
{
    if (memchr(text.bytes, '\0', text.size_bytes) != NULL) return NULL;
    char *out = malloc(text.size_bytes + 1);
    if (out == NULL) return NULL;
    memcpy(out, text.bytes, text.size_bytes);
    out[text.size_bytes] = '\0';
    return out;
}

/* One part: headers, an empty line, the value. */
static bool add_part(struct form *form, struct phusa_text part)
{
    const char *gap = memmem(part.bytes, part.size_bytes, "\r\n\r\n", 4);
    if (gap == NULL) return false;
    const struct phusa_text value = {gap + 4, part.size_bytes - (size_t)(gap + 4 - part.bytes)};
    const char *line = part.bytes;
    while (line < gap) {
        const char *line_end = memmem(line, (size_t)(gap + 2 - line), "\r\n", 2);
        if (line_end == NULL) line_end = gap;
        static const char disposition[] = "content-disposition:";
        const size_t size = (size_t)(line_end - line);
        if (size > sizeof disposition &&
            strncasecmp(line, disposition, sizeof disposition - 1) == 0) {
            const struct phusa_text name = parameter((struct phusa_text){line, size}, "name");
            return add(form, copy(name), copy(value), value.size_bytes);
        }
        line = line_end + 2;
    }
    return false;
}

bool form_add_multipart(struct form *form, struct phusa_text type, struct phusa_text body)
{
    const struct phusa_text boundary = parameter(type, "boundary");
    if (boundary.size_bytes == 0 || boundary.size_bytes > 70) return false;
    char mark[4 + 70];
    memcpy(mark, "\r\n--", 4);
    memcpy(mark + 4, boundary.bytes, boundary.size_bytes);
    const size_t mark_bytes = boundary.size_bytes + 4;

    /* The first mark may stand at the very beginning, without a line before it. */
    const char *end = body.bytes + body.size_bytes;
    const char *next = body.bytes;
    if (body.size_bytes >= mark_bytes - 2 && memcmp(next, mark + 2, mark_bytes - 2) == 0) {
        next += mark_bytes - 2;
    } else {
        next = memmem(body.bytes, body.size_bytes, mark, mark_bytes);
        if (next == NULL) return false;
        next += mark_bytes;
    }
    while (true) {
        if (end - next >= 2 && memcmp(next, "--", 2) == 0) return true;
        if (end - next < 2 || memcmp(next, "\r\n", 2) != 0) return false;
        next += 2;
        const char *stop = memmem(next, (size_t)(end - next), mark, mark_bytes);
        if (stop == NULL) return false;
        if (!add_part(form, (struct phusa_text){next, (size_t)(stop - next)})) return false;
        next = stop + mark_bytes;
    }
}

const char *form_get(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->fields[i].name, name) == 0)
            return form->fields[i].value_bytes == 0 ? NULL : form->fields[i].value;
    return NULL;
}
