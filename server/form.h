/*
 * form.h - parameters of a request: from its address, an urlencoded body or a multipart body.
 *
 * The first of a name counts, as in Go's FormValue: the body's before the address's. An empty value
 * is the same as none, because the influx command sends "rp=&precision=".
 *
 * Ownership  A form owns its texts.
 */
#ifndef PHUSAD_FORM_H
#define PHUSAD_FORM_H

#include "phusa.h"

#define FORM_FIELDS_MAX 32u

struct form_field {
    char *name; /* NUL-terminated; a NUL inside is refused */
    char *value;
    size_t value_bytes;
};
struct form {
    struct form_field fields[FORM_FIELDS_MAX];
    size_t count;
};

void form_deinit(struct form *form);
/* name=value&name=value with %XX and '+'. false: malformed, a NUL inside, too many, no memory;
 * the fields before it are kept. */
bool form_add_urlencoded(struct form *form, struct phusa_text text);
/* `type` is the Content-Type, which names the boundary. */
bool form_add_multipart(struct form *form, struct phusa_text type, struct phusa_text body);
/* NULL: absent or empty. */
const char *form_get(const struct form *form, const char *name);

#endif
