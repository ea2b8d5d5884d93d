/* name.c - see name.h. */
#include "query/name.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <stdio.h>

/* ---- one column ---- */

/* The names of fields and functions in `expr`, joined by '_'. */
static phusa_status join_names(const struct expr *expr, struct arena *arena,
                               struct phusa_text *joined)
{
    if (expr->kind == EXPR_BINARY) {
        const phusa_status status = join_names(expr->binary.left, arena, joined);
        if (status != PHUSA_OK) return status;
        return join_names(expr->binary.right, arena, joined);
    }
    struct phusa_text name = {"", 0};
    if (expr->kind == EXPR_NAME) name = expr->reference.name;
    if (expr->kind == EXPR_CALL) name = expr->call.function;
    if (expr->kind == EXPR_NOW) name = text_of("now");
    if (name.size_bytes == 0) return PHUSA_OK;
    if (joined->size_bytes == 0) {
        *joined = name;
        return PHUSA_OK;
    }
    const size_t size_bytes = joined->size_bytes + 1 + name.size_bytes;
    char *bytes = arena_alloc(arena, size_bytes);
    if (bytes == NULL) return PHUSA_ENOMEM;
    memcpy(bytes, joined->bytes, joined->size_bytes);
    bytes[joined->size_bytes] = '_';
    memcpy(bytes + joined->size_bytes + 1, name.bytes, name.size_bytes);
    *joined = (struct phusa_text){bytes, size_bytes};
    return PHUSA_OK;
}

phusa_status select_column_name(const struct expr *expr, struct arena *arena,
                                struct phusa_text *out)
{
    struct phusa_text name = {"", 0};
    const phusa_status status = join_names(expr, arena, &name);
    if (status == PHUSA_OK) *out = name;
    return status;
}

/* ---- all columns ---- */

/* Names in use, by hash; `next` is the number that a further one of this name gets. */
struct used_name {
    struct phusa_text name; /* bytes NULL: a free slot */
    size_t next;
};
struct used_names {
    struct used_name *slots;
    size_t capacity; /* a power of two, twice the columns or more */
};

static struct used_name *find_name(const struct used_names *used, struct phusa_text name)
{
    size_t at = hash_bytes(name.bytes, name.size_bytes).low;
    for (;; at++) {
        struct used_name *slot = &used->slots[at & (used->capacity - 1)];
        if (slot->name.bytes == NULL || text_equal(slot->name, name)) return slot;
    }
}

static void use_name(const struct used_names *used, struct phusa_text name)
{
    struct used_name *slot = find_name(used, name);
    if (slot->name.bytes == NULL) *slot = (struct used_name){name, 1};
}

/* `name` itself, or with the first number that makes it new. */
static phusa_status resolve(const struct used_names *used, struct phusa_text name,
                            struct arena *arena, struct phusa_text *out)
{
    struct used_name *slot = find_name(used, name);
    struct phusa_text resolved = name;
    while (slot->name.bytes != NULL) {
        char *bytes = arena_print(arena, "%.*s_%zu", (int)name.size_bytes, name.bytes, slot->next);
        if (bytes == NULL) return PHUSA_ENOMEM;
        resolved = text_of(bytes);
        slot->next++;
        if (find_name(used, resolved)->name.bytes == NULL) break;
    }
    use_name(used, resolved);
    *out = resolved;
    return PHUSA_OK;
}

phusa_status select_column_names(const struct select_column *columns, size_t column_count,
                                 struct arena *arena, struct phusa_text *out)
{
    struct used_names used = {.capacity = 8};
    while (used.capacity < column_count * 2)
        used.capacity *= 2;
    used.slots = arena_zalloc(arena, used.capacity * sizeof *used.slots);
    if (used.slots == NULL) return PHUSA_ENOMEM;
    for (size_t i = 0; i < column_count; i++)
        if (columns[i].alias.bytes != NULL) use_name(&used, columns[i].alias);
    for (size_t i = 0; i < column_count; i++) {
        if (columns[i].alias.bytes != NULL) {
            out[i] = columns[i].alias;
            continue;
        }
        struct phusa_text name;
        phusa_status status = select_column_name(columns[i].expr, arena, &name);
        if (status == PHUSA_OK) status = resolve(&used, name, arena, &out[i]);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}
