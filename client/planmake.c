/*
 * planmake.c - from the command line and a header to a plan: names looked up, keys escaped,
 * types settled.
 */
#include "plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- lists like a,b,c -- */

/* The next item of *list, NULL at the end. */
static const char *next_item(const char **list, size_t *item_bytes)
{
    if (*list == NULL) return NULL;
    const char *item = *list;
    *item_bytes = strcspn(item, ",");
    *list = item[*item_bytes] == ',' ? item + *item_bytes + 1 : NULL;
    return item;
}

static bool list_has(const char *list, const char *name)
{
    const size_t name_bytes = strlen(name);
    size_t item_bytes;
    const char *item;
    while ((item = next_item(&list, &item_bytes)) != NULL)
        if (item_bytes == name_bytes && memcmp(item, name, name_bytes) == 0) return true;
    return false;
}

/* The name of a field of --fields: what is before a ':' that a type follows. */
static size_t field_name_bytes(const char *item, size_t item_bytes, enum cell_type *type)
{
    const char *colon = memrchr(item, ':', item_bytes);
    *type = CELL_AUTO;
    if (colon == NULL) return item_bytes;
    const size_t name_bytes = (size_t)(colon - item);
    return cell_type_parse(colon + 1, item_bytes - name_bytes - 1, type) ? name_bytes : item_bytes;
}

/* -- types -- */

static struct plan_type *find_type(struct plan_spec *spec, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < spec->type_count; i++)
        if (strlen(spec->types[i].name) == name_bytes &&
            memcmp(spec->types[i].name, name, name_bytes) == 0)
            return &spec->types[i];
    return NULL;
}

static struct plan_type *add_type(struct plan_spec *spec, const char *name, size_t name_bytes)
{
    struct plan_type *found = find_type(spec, name, name_bytes);
    if (found != NULL) return found;
    if (spec->type_count == spec->type_capacity) {
        const size_t capacity = spec->type_capacity == 0 ? 32 : spec->type_capacity * 2;
        struct plan_type *types = realloc(spec->types, capacity * sizeof *types);
        if (types == NULL) return NULL;
        spec->types = types;
        spec->type_capacity = capacity;
    }
    struct plan_type *type = &spec->types[spec->type_count];
    *type = (struct plan_type){.name = strndup(name, name_bytes)};
    if (type->name == NULL) return NULL;
    spec->type_count++;
    return type;
}

bool plan_spec_begin(struct plan_spec *spec)
{
    assert(spec != NULL);
    const char *list = spec->field_columns;
    size_t item_bytes;
    const char *item;
    while ((item = next_item(&list, &item_bytes)) != NULL) {
        enum cell_type type;
        const size_t name_bytes = field_name_bytes(item, item_bytes, &type);
        struct plan_type *added = add_type(spec, item, name_bytes);
        if (added == NULL) {
            fputs("phusa: no memory\n", stderr);
            return false;
        }
        added->type = type;
        added->stated = type != CELL_AUTO;
    }
    return true;
}

void plan_spec_deinit(struct plan_spec *spec)
{
    assert(spec != NULL);
    for (size_t i = 0; i < spec->type_count; i++)
        free(spec->types[i].name);
    free(spec->types);
    option_list_deinit(&spec->constant_tags);
    option_list_deinit(&spec->filename_tags);
    option_list_deinit(&spec->renames);
}

static bool is_na(const char *words, const char *text, size_t text_bytes)
{
    size_t word_bytes;
    const char *word;
    while ((word = next_item(&words, &word_bytes)) != NULL)
        if (word_bytes == text_bytes && memcmp(word, text, text_bytes) == 0) return true;
    return false;
}

static bool is_bool_word(const char *text, size_t text_bytes)
{
    return (text_bytes == 4 && strncasecmp(text, "true", 4) == 0) ||
           (text_bytes == 5 && strncasecmp(text, "false", 5) == 0);
}

bool plan_infer(struct plan_spec *spec, char *const *header, size_t column_count,
                const struct csv_row *row)
{
    for (size_t i = 0; i < column_count && i < row->cell_count; i++) {
        const struct csv_cell *cell = &row->cells[i];
        struct plan_type *type = add_type(spec, header[i], strlen(header[i]));
        if (type == NULL) return false;
        if (is_na(spec->na_words, cell->text, cell->text_bytes)) continue;
        if (cell_is_number(cell->text, cell->text_bytes, spec->decimal_mark))
            type->saw_number = true;
        else if (is_bool_word(cell->text, cell->text_bytes))
            type->saw_bool = true;
        else
            type->saw_text = true;
    }
    return true;
}

/* Whole numbers become floats: the next file may well hold 7.5, and an integer field would
 * refuse it. A column without values is taken for numbers. */
static enum cell_type settled_type(const struct plan_type *type)
{
    if (type == NULL) return CELL_FLOAT;
    if (type->stated) return type->type;
    if (type->saw_text || (type->saw_bool && type->saw_number)) return CELL_STRING;
    return type->saw_bool ? CELL_BOOL : CELL_FLOAT;
}

const char *plan_type_name(enum cell_type type)
{
    static const char *const names[] = {"auto", "float", "int", "uint", "bool", "string"};
    return names[type];
}

/* -- keys -- */

/* A backslash before each of `special`. NULL: no memory. */
static char *escaped(const char *text, const char *special)
{
    struct textbuf out = {0};
    for (const char *at = text; *at != 0; at++) {
        if (strchr(special, *at) != NULL && !textbuf_append(&out, "\\", 1)) goto fail;
        if (!textbuf_append(&out, at, 1)) goto fail;
    }
    if (out.bytes == NULL && !textbuf_reserve(&out, 0)) goto fail;
    return out.bytes;
fail:
    textbuf_deinit(&out);
    return NULL;
}

/* What line protocol cannot write as a name. */
static bool name_is_good(const char *what, const char *name)
{
    const size_t name_bytes = strlen(name);
    const char *problem = NULL;
    if (name_bytes == 0)
        problem = "is empty";
    else if (strpbrk(name, "\r\n") != NULL)
        problem = "has a line break";
    else if (name[name_bytes - 1] == '\\')
        problem = "ends in a backslash";
    else if (name[0] == '#' && strcmp(what, "measurement") == 0)
        problem = "begins with #";
    if (problem == NULL) return true;
    fprintf(stderr, "phusa: the name \"%s\" of a %s %s\n", name, what, problem);
    return false;
}

static bool no_memory(void)
{
    fputs("phusa: no memory\n", stderr);
    return false;
}

/* The name under which a column is stored. */
static const char *stored_name(const struct plan_spec *spec, const char *name)
{
    const size_t name_bytes = strlen(name);
    for (size_t i = 0; i < spec->renames.count; i++) {
        const char *rename = spec->renames.items[i];
        if (strncmp(rename, name, name_bytes) == 0 && rename[name_bytes] == '=')
            return rename + name_bytes + 1;
    }
    return name;
}

/* -- columns -- */

static bool report_no_column(const struct plan *plan, const char *file_name, const char *option,
                             const char *item, size_t item_bytes)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)item_bytes, item);
    const char *nearest = nearest_name(name, (const char *const *)plan->names, plan->column_count);
    fprintf(stderr, "phusa: %s has no column \"%.*s\" (%s)", file_name, (int)item_bytes, item,
            option);
    if (nearest != NULL) fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fputc('\n', stderr);
    return false;
}

static size_t find_column(const struct plan *plan, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < plan->column_count; i++)
        if (strlen(plan->names[i]) == name_bytes && memcmp(plan->names[i], name, name_bytes) == 0)
            return i;
    return SIZE_MAX;
}

static bool check_names(const struct plan *plan, const char *file_name, const char *option,
                        const char *list, bool typed)
{
    size_t item_bytes;
    const char *item;
    while ((item = next_item(&list, &item_bytes)) != NULL) {
        enum cell_type type;
        if (typed) item_bytes = field_name_bytes(item, item_bytes, &type);
        if (find_column(plan, item, item_bytes) == SIZE_MAX)
            return report_no_column(plan, file_name, option, item, item_bytes);
    }
    return true;
}

static bool check_unique(const struct plan *plan, const char *file_name)
{
    for (size_t i = 0; i < plan->column_count; i++) {
        if (plan->names[i][0] == 0) continue;
        const size_t first = find_column(plan, plan->names[i], strlen(plan->names[i]));
        if (first == i) continue;
        fprintf(stderr, "phusa: %s: columns %zu and %zu are both named \"%s\"\n", file_name,
                first + 1, i + 1, plan->names[i]);
        return false;
    }
    return true;
}

static bool find_time(struct plan *plan, const char *file_name)
{
    const char *list = plan->spec->time_columns;
    size_t item_bytes;
    const char *item;
    while ((item = next_item(&list, &item_bytes)) != NULL) {
        const size_t column = find_column(plan, item, item_bytes);
        if (column == SIZE_MAX)
            return report_no_column(plan, file_name, "--time", item, item_bytes);
        if (plan->time_column_count == TIMEFORMAT_PARTS_MAX) {
            fputs("phusa: --time takes at most six columns\n", stderr);
            return false;
        }
        plan->time_columns[plan->time_column_count++] = column;
    }
    return true;
}

/* -- tags -- */

static bool add_tag(struct plan *plan, size_t column, const char *key, const char *value)
{
    static const char special[] = ", =";
    struct plan_tag *tag = &plan->tags[plan->tag_count];
    if (!name_is_good("tag", key)) return false;
    *tag = (struct plan_tag){.column = column, .key = escaped(key, special)};
    if (tag->key == NULL) return no_memory();
    plan->tag_count++;
    struct textbuf text = {0};
    char *value_text = value == NULL ? NULL : escaped(value, special);
    const bool good = (value == NULL || value_text != NULL) &&
                      textbuf_print(&text, ",%s=%s", tag->key, value == NULL ? "" : value_text);
    free(value_text);
    tag->text = text.bytes;
    tag->text_bytes = text.used;
    return good || no_memory();
}

/* KEY=VALUE of an option, the key copied. */
static const char *split_pair(const char *pair, const char *option, char key[static 256])
{
    const size_t key_bytes = strcspn(pair, "=");
    if (pair[key_bytes] != '=' || key_bytes == 0 || key_bytes > 255 || pair[key_bytes + 1] == 0) {
        fprintf(stderr, "phusa: %s wants KEY=VALUE, not \"%s\"\n", option, pair);
        return NULL;
    }
    memcpy(key, pair, key_bytes);
    key[key_bytes] = 0;
    return pair + key_bytes + 1;
}

static bool add_constant_tags(struct plan *plan)
{
    const struct option_list *list = &plan->spec->constant_tags;
    for (size_t i = 0; i < list->count; i++) {
        char key[256];
        const char *value = split_pair(list->items[i], "--tag", key);
        if (value == NULL || !name_is_good("tag's value", value)) return false;
        if (!add_tag(plan, SIZE_MAX, key, value)) return false;
    }
    return true;
}

/* The first group of the regular expression, or all that matched. */
static bool match_file_name(const char *pattern, const char *file_name, char value[static 256])
{
    const char *slash = strrchr(file_name, '/');
    const char *base = slash == NULL ? file_name : slash + 1;
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED) != 0) {
        fprintf(stderr, "phusa: --tag-from-filename: \"%s\" is not a regular expression\n",
                pattern);
        return false;
    }
    regmatch_t groups[2];
    bool good = regexec(&regex, base, 2, groups, 0) == 0;
    const size_t group = good && regex.re_nsub > 0 && groups[1].rm_so >= 0 ? 1 : 0;
    const size_t bytes = good ? (size_t)(groups[group].rm_eo - groups[group].rm_so) : 0;
    good = good && bytes > 0 && bytes < 256;
    if (good) {
        memcpy(value, base + groups[group].rm_so, bytes);
        value[bytes] = 0;
    } else {
        fprintf(stderr, "phusa: the file name %s does not match \"%s\" (--tag-from-filename)\n",
                base, pattern);
    }
    regfree(&regex);
    return good;
}

static bool add_filename_tags(struct plan *plan, const char *file_name)
{
    const struct option_list *list = &plan->spec->filename_tags;
    for (size_t i = 0; i < list->count; i++) {
        char key[256], value[256];
        const char *pattern = split_pair(list->items[i], "--tag-from-filename", key);
        if (pattern == NULL || !match_file_name(pattern, file_name, value)) return false;
        if (!name_is_good("tag's value", value) || !add_tag(plan, SIZE_MAX, key, value))
            return false;
    }
    return true;
}

static int compare_tags(const void *a, const void *b)
{
    return strcmp(((const struct plan_tag *)a)->key, ((const struct plan_tag *)b)->key);
}

static bool make_tags(struct plan *plan, const char *file_name)
{
    const struct plan_spec *spec = plan->spec;
    const size_t most = plan->column_count + spec->constant_tags.count + spec->filename_tags.count;
    plan->tags = calloc(most + 1, sizeof *plan->tags);
    if (plan->tags == NULL) return no_memory();
    for (size_t i = 0; i < plan->column_count; i++)
        if (list_has(spec->tag_columns, plan->names[i]) &&
            !add_tag(plan, i, stored_name(spec, plan->names[i]), NULL))
            return false;
    if (!add_constant_tags(plan) || !add_filename_tags(plan, file_name)) return false;
    qsort(plan->tags, plan->tag_count, sizeof *plan->tags, compare_tags);
    for (size_t i = 1; i < plan->tag_count; i++) {
        if (strcmp(plan->tags[i - 1].key, plan->tags[i].key) != 0) continue;
        fprintf(stderr, "phusa: the tag \"%s\" is given twice\n", plan->tags[i].key);
        return false;
    }
    return true;
}

/* -- fields -- */

static bool is_field(const struct plan *plan, size_t column)
{
    const struct plan_spec *spec = plan->spec;
    const char *name = plan->names[column];
    for (size_t i = 0; i < plan->time_column_count; i++)
        if (plan->time_columns[i] == column) return false;
    if (name[0] == 0 || list_has(spec->tag_columns, name) || list_has(spec->ignored_columns, name))
        return false;
    if (spec->field_columns == NULL) return true;
    const char *list = spec->field_columns;
    size_t item_bytes;
    const char *item;
    while ((item = next_item(&list, &item_bytes)) != NULL) {
        enum cell_type type;
        const size_t name_bytes = field_name_bytes(item, item_bytes, &type);
        if (strlen(name) == name_bytes && memcmp(name, item, name_bytes) == 0) return true;
    }
    return false;
}

static bool make_fields(struct plan *plan, const char *file_name)
{
    plan->fields = calloc(plan->column_count + 1, sizeof *plan->fields);
    if (plan->fields == NULL) return no_memory();
    for (size_t i = 0; i < plan->column_count; i++) {
        if (!is_field(plan, i)) continue;
        const char *name = stored_name(plan->spec, plan->names[i]);
        if (!name_is_good("field", name)) return false;
        struct plan_spec *spec = (struct plan_spec *)(uintptr_t)plan->spec;
        const struct plan_type *type = find_type(spec, plan->names[i], strlen(plan->names[i]));
        char *key = escaped(name, ", =");
        struct textbuf text = {0};
        const bool good = key != NULL && textbuf_print(&text, "%s=", key);
        free(key);
        const bool inferred = type == NULL || !type->stated;
        plan->fields[plan->field_count++] = (struct plan_field){
            .column = i,
            .text = text.bytes,
            .text_bytes = text.used,
            .type = settled_type(type),
            .inferred = inferred,
            .mixed = inferred && type != NULL && type->saw_text && type->saw_number};
        if (!good) return no_memory();
    }
    if (plan->field_count > 0) return true;
    fprintf(stderr, "phusa: %s: no column is left to be a field\n", file_name);
    return false;
}

static bool make_na(struct plan *plan)
{
    const char *list = plan->spec->na_words;
    size_t item_bytes;
    const char *item;
    while ((item = next_item(&list, &item_bytes)) != NULL)
        if (!textbuf_append(&plan->na, item, item_bytes) || !textbuf_append(&plan->na, "", 1))
            return no_memory();
    return true;
}

static bool copy_header(struct plan *plan, char *const *header, size_t column_count)
{
    plan->names = calloc(column_count + 1, sizeof *plan->names);
    if (plan->names == NULL) return no_memory();
    for (; plan->column_count < column_count; plan->column_count++) {
        char *name = strdup(header[plan->column_count]);
        if (name == NULL) return no_memory();
        plan->names[plan->column_count] = name;
    }
    return true;
}

bool plan_make(struct plan *plan, const struct plan_spec *spec, const char *file_name,
               char *const *header, size_t column_count)
{
    assert(plan != NULL && spec != NULL);
    *plan = (struct plan){.spec = spec, .quiet = true};
    bool good = copy_header(plan, header, column_count) && check_unique(plan, file_name) &&
                check_names(plan, file_name, "--tags", spec->tag_columns, false) &&
                check_names(plan, file_name, "--fields", spec->field_columns, true) &&
                check_names(plan, file_name, "--ignore", spec->ignored_columns, false) &&
                find_time(plan, file_name) && name_is_good("measurement", spec->measurement) &&
                make_tags(plan, file_name) && make_fields(plan, file_name) && make_na(plan);
    if (good) {
        plan->measurement = escaped(spec->measurement, ", ");
        plan->folds = calloc(PLAN_FOLD_SERIES, sizeof *plan->folds);
        good = (plan->measurement != NULL && plan->folds != NULL) || no_memory();
    }
    if (good)
        plan->measurement_bytes = strlen(plan->measurement);
    else
        plan_deinit(plan);
    return good;
}

void plan_deinit(struct plan *plan)
{
    assert(plan != NULL);
    for (size_t i = 0; i < plan->column_count; i++)
        free(plan->names[i]);
    free(plan->names);
    for (size_t i = 0; i < plan->tag_count; i++) {
        free(plan->tags[i].key);
        free(plan->tags[i].text);
    }
    free(plan->tags);
    for (size_t i = 0; i < plan->field_count; i++)
        free(plan->fields[i].text);
    free(plan->fields);
    free(plan->measurement);
    free(plan->folds);
    textbuf_deinit(&plan->na);
    textbuf_deinit(&plan->joined);
    *plan = (struct plan){0};
}
