/* show.c - SHOW statements and EXPLAIN: small tables of texts. */
#include "base/mem.h"
#include "calendar/duration.h"
#include "query/context.h"
#include "query/groups.h"

/* ---- a table of texts ---- */

#define TABLE_COLUMNS_MAX 2
struct table {
    struct context *c;
    struct phusa_text name;
    const char *columns[TABLE_COLUMNS_MAX];
    size_t column_count;
    bool begun;
    uint64_t skipped, given;
    uint32_t row_count;
    struct phusa_text cells[TABLE_COLUMNS_MAX][VECTOR_ROWS_MAX];
};

static struct table *table_new(struct context *c, struct phusa_text name)
{
    struct table *table = arena_zalloc(&c->budget.arena, sizeof *table);
    if (table == NULL) return NULL;
    table->c = c;
    table->name = name;
    return table;
}

static void table_column(struct table *table, const char *name)
{
    table->columns[table->column_count++] = name;
}

static phusa_status table_begin(struct table *table)
{
    struct phusa_text names[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < table->column_count; i++)
        names[i] = text_of(table->columns[i]);
    const struct phusa_series_header header = {.statement = table->c->number,
                                               .name = table->name,
                                               .columns = names,
                                               .column_count = table->column_count};
    table->begun = true;
    return table->c->sink->series_begin(table->c->sink->context, &header);
}

static phusa_status table_flush(struct table *table)
{
    if (table->row_count == 0) return PHUSA_OK;
    phusa_status status = PHUSA_OK;
    if (!table->begun) status = table_begin(table);
    struct phusa_column columns[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < table->column_count; i++)
        columns[i] = (struct phusa_column){.type = PHUSA_STRING, .s = table->cells[i]};
    const struct phusa_rows rows = {.row_count = table->row_count, .columns = columns};
    if (status == PHUSA_OK) status = budget_answer(&table->c->budget, table->row_count);
    if (status == PHUSA_OK) status = table->c->sink->rows(table->c->sink->context, &rows);
    table->row_count = 0;
    return status;
}

/* LIMIT and OFFSET count the rows of one table. */
static phusa_status table_row(struct table *table, const struct phusa_text *cells)
{
    const struct statement *statement = table->c->statement;
    if (table->skipped < statement->row_offset) {
        table->skipped++;
        return PHUSA_OK;
    }
    if (statement->limit > 0 && table->given >= statement->limit) return PHUSA_OK;
    table->given++;
    for (size_t i = 0; i < table->column_count; i++)
        table->cells[i][table->row_count] = cells[i];
    table->row_count++;
    return table->row_count == VECTOR_ROWS_MAX ? table_flush(table) : PHUSA_OK;
}

/* ---- databases and policies ---- */

static phusa_status show_databases(struct context *c)
{
    struct database_info *databases;
    size_t count;
    phusa_status status = catalog_databases(c->environment->catalog, &databases, &count);
    if (status != PHUSA_OK) return budget_no_memory(&c->budget);
    struct table *table = table_new(c, text_of("databases"));
    if (table == NULL) {
        mem_free(databases);
        return budget_no_memory(&c->budget);
    }
    table_column(table, "name");
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        const struct phusa_text cell = text_of(databases[i].name);
        status = table_row(table, &cell);
    }
    if (status == PHUSA_OK) status = table_flush(table);
    if (status == PHUSA_OK && !table->begun) status = table_begin(table);
    mem_free(databases);
    return status;
}

/* The rows of up to VECTOR_ROWS_MAX policies, typed as InfluxDB types them. */
static phusa_status give_policies(struct context *c, const struct policy_info *policies,
                                  size_t count, uint32_t default_policy)
{
    struct arena *arena = &c->budget.arena;
    struct phusa_text *texts[3];
    for (int i = 0; i < 3; i++)
        texts[i] = arena_array(arena, count, sizeof *texts[i]);
    int64_t *replicas = arena_array(arena, count, sizeof *replicas);
    uint8_t *defaults = arena_array(arena, count, sizeof *defaults);
    if (texts[0] == NULL || texts[1] == NULL || texts[2] == NULL || replicas == NULL ||
        defaults == NULL)
        return budget_no_memory(&c->budget);
    for (size_t i = 0; i < count; i++) {
        char duration[DURATION_BYTES_MAX], shard[DURATION_BYTES_MAX];
        const size_t duration_bytes = duration_print_hms(policies[i].duration, duration);
        const size_t shard_bytes = duration_print_hms(policies[i].shard, shard);
        texts[0][i] = text_of(policies[i].name);
        texts[1][i] =
            (struct phusa_text){arena_copy(arena, duration, duration_bytes), duration_bytes};
        texts[2][i] = (struct phusa_text){arena_copy(arena, shard, shard_bytes), shard_bytes};
        if (texts[1][i].bytes == NULL || texts[2][i].bytes == NULL)
            return budget_no_memory(&c->budget);
        replicas[i] = 1;
        defaults[i] = policies[i].id == default_policy;
    }
    const struct phusa_column columns[] = {{.type = PHUSA_STRING, .s = texts[0]},
                                           {.type = PHUSA_STRING, .s = texts[1]},
                                           {.type = PHUSA_STRING, .s = texts[2]},
                                           {.type = PHUSA_INTEGER, .i = replicas},
                                           {.type = PHUSA_BOOLEAN, .b = defaults}};
    const struct phusa_rows rows = {.row_count = count, .columns = columns};
    return c->sink->rows(c->sink->context, &rows);
}

static phusa_status show_policies(struct context *c)
{
    struct database_info database;
    phusa_status status = context_database(c, c->statement->database, &database);
    if (status != PHUSA_OK) return status;
    struct policy_info *policies;
    size_t count;
    status = catalog_policies(c->environment->catalog, database.id, &policies, &count);
    if (status != PHUSA_OK) return budget_no_memory(&c->budget);
    const struct phusa_text columns[] = {text_of("name"), text_of("duration"),
                                         text_of("shardGroupDuration"), text_of("replicaN"),
                                         text_of("default")};
    const struct phusa_series_header header = {
        .statement = c->number, .name = {"", 0}, .columns = columns, .column_count = 5};
    if (count > 0) status = c->sink->series_begin(c->sink->context, &header);
    for (size_t i = 0; status == PHUSA_OK && i < count; i += VECTOR_ROWS_MAX) {
        const size_t left = count - i;
        const size_t rows = left < VECTOR_ROWS_MAX ? left : VECTOR_ROWS_MAX;
        status = budget_answer(&c->budget, rows);
        if (status == PHUSA_OK)
            status = give_policies(c, &policies[i], rows, database.default_policy);
    }
    mem_free(policies);
    return status;
}

/* ---- measurements, tags, fields, series ---- */

static bool no_fields(void *context, const struct expr *name)
{
    (void)context;
    (void)name;
    return false;
}

/* The series of a measurement that WHERE leaves; *all: there is no WHERE. Time is ignored, as in
 * InfluxDB. */
static phusa_status where_series(struct context *c, struct index *index, uint32_t measurement,
                                 bool *all, uint64_t **series, size_t *count)
{
    *all = true;
    if (c->statement->where == NULL) return PHUSA_OK;
    struct condition condition;
    phusa_status status =
        condition_split(&c->budget, c->statement->where, zone_utc(),
                        c->environment->now_ns(c->environment->owner), &condition);
    if (status != PHUSA_OK || condition.rest == NULL) return status;
    struct tag_filter *filter;
    struct expr *residual;
    status = condition_series(&c->budget, condition.rest, no_fields, NULL, &c->patterns, &filter,
                              &residual);
    if (status != PHUSA_OK) return status;
    if (residual != NULL)
        return error_set(c->budget.error, PHUSA_EUNSUPPORTED,
                         "SHOW takes conditions on tags only: = != =~ !~");
    *all = false;
    status = index_select(index, measurement, filter, &c->budget.arena, series, count);
    if (status == PHUSA_ELIMIT) return budget_pattern_failed(&c->budget);
    return status == PHUSA_OK ? status : budget_no_memory(&c->budget);
}

static phusa_status tag_keys(struct context *c, struct index *index, uint32_t measurement,
                             struct phusa_text **keys, size_t *count)
{
    if (index_tag_keys(index, measurement, &c->budget.arena, keys, count) == PHUSA_OK)
        return PHUSA_OK;
    return budget_no_memory(&c->budget);
}

static phusa_status key_is_meant(struct context *c, struct phusa_text key, struct pattern *pattern,
                                 bool *meant)
{
    const struct key_clause *clause = &c->statement->keys;
    bool failed = false, found = false;
    switch (clause->kind) {
    case KEY_ANY:
        *meant = true;
        return PHUSA_OK;
    case KEY_MATCH:
    case KEY_NOT_MATCH:
        *meant = pattern_match(pattern, key, &failed) == (clause->kind == KEY_MATCH);
        if (!failed) return PHUSA_OK;
        return budget_pattern_failed(&c->budget);
    default:
        for (size_t i = 0; i < clause->value_count; i++)
            found |= text_equal(clause->values[i], key);
        *meant = found == (clause->kind != KEY_NOT_EQUAL);
        return PHUSA_OK;
    }
}

static phusa_status key_pattern(struct context *c, struct pattern **out)
{
    *out = NULL;
    const struct key_clause *clause = &c->statement->keys;
    if (clause->kind != KEY_MATCH && clause->kind != KEY_NOT_MATCH) return PHUSA_OK;
    return pattern_list_add(&c->patterns, &c->budget, clause->values[0], out);
}

/* The values of one key, a row each. */
static phusa_status value_rows(struct context *c, struct table *table, struct index *index,
                               uint32_t measurement, struct phusa_text key, const uint64_t *series,
                               size_t series_count)
{
    struct phusa_text *values;
    size_t count;
    phusa_status status = index_tag_values(index, measurement, key, series, series_count,
                                           &c->budget.arena, &values, &count);
    if (status != PHUSA_OK) return budget_no_memory(&c->budget);
    for (size_t v = 0; status == PHUSA_OK && v < count; v++)
        if (values[v].size_bytes > 0)
            status = table_row(table, (struct phusa_text[]){key, values[v]});
    return status;
}

/* SHOW TAG KEYS, and SHOW TAG VALUES, which goes on into each key. */
static phusa_status show_tags(struct context *c, struct index *index,
                              const struct measurement_ref *m)
{
    const bool values_too = c->statement->kind == STATEMENT_SHOW_TAG_VALUES;
    bool all;
    uint64_t *series = NULL;
    size_t series_count = 0, key_count;
    struct phusa_text *keys;
    struct pattern *pattern;
    phusa_status status = where_series(c, index, m->id, &all, &series, &series_count);
    if (status == PHUSA_OK) status = tag_keys(c, index, m->id, &keys, &key_count);
    if (status == PHUSA_OK) status = key_pattern(c, &pattern);
    if (status != PHUSA_OK || (!all && series_count == 0)) return status;
    struct table *table = table_new(c, m->name);
    if (table == NULL) return budget_no_memory(&c->budget);
    table_column(table, values_too ? "key" : "tagKey");
    if (values_too) table_column(table, "value");
    for (size_t k = 0; status == PHUSA_OK && k < key_count; k++) {
        bool meant;
        status = key_is_meant(c, keys[k], pattern, &meant);
        if (status != PHUSA_OK || !meant) continue;
        status = values_too ? value_rows(c, table, index, m->id, keys[k], all ? NULL : series,
                                         series_count)
                            : table_row(table, &keys[k]);
    }
    return status == PHUSA_OK ? table_flush(table) : status;
}

static phusa_status show_field_keys(struct context *c, struct index *index,
                                    const struct measurement_ref *m)
{
    struct index_field *fields;
    size_t count;
    if (index_fields(index, m->id, &c->budget.arena, &fields, &count) != PHUSA_OK)
        return budget_no_memory(&c->budget);
    struct table *table = table_new(c, m->name);
    if (table == NULL) return budget_no_memory(&c->budget);
    table_column(table, "fieldKey");
    table_column(table, "fieldType");
    phusa_status status = PHUSA_OK;
    for (size_t i = 0; status == PHUSA_OK && i < count; i++)
        status = table_row(
            table, (struct phusa_text[]){fields[i].name, text_of(type_text(fields[i].type))});
    return status == PHUSA_OK ? table_flush(table) : status;
}

/* "cpu,host=a\ b" as line protocol writes it, from the canonical key. */
static phusa_status key_text(struct context *c, struct phusa_text key, struct phusa_text *out)
{
    char *text = arena_alloc(&c->budget.arena, key.size_bytes * 2 + TAG_COUNT_MAX * 2);
    if (text == NULL) return budget_no_memory(&c->budget);
    size_t n = 0;
    struct reader r = reader_of(key.bytes, key.size_bytes);
    for (unsigned part = 0; reader_left(&r) > 0; part++) {
        const struct phusa_text piece = read_text(&r);
        if (r.bad) return error_set(c->budget.error, PHUSA_ECORRUPT, "the index is damaged");
        if (part > 0) text[n++] = part % 2 == 1 ? ',' : '=';
        for (size_t i = 0; i < piece.size_bytes; i++) {
            const char byte = piece.bytes[i];
            if (byte == ',' || byte == ' ' || (byte == '=' && part > 0)) text[n++] = '\\';
            text[n++] = byte;
        }
    }
    *out = (struct phusa_text){text, n};
    return PHUSA_OK;
}

static phusa_status show_series(struct context *c, struct index *index,
                                const struct measurement_ref *m, struct table *table)
{
    bool all;
    uint64_t *series = NULL;
    size_t count = 0;
    phusa_status status = where_series(c, index, m->id, &all, &series, &count);
    if (status == PHUSA_OK && all &&
        index_select(index, m->id, NULL, &c->budget.arena, &series, &count) != PHUSA_OK)
        return budget_no_memory(&c->budget);
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        struct phusa_text key, text;
        status = index_series_key(index, series[i], &c->budget.arena, &key);
        if (status != PHUSA_OK)
            return error_set(c->budget.error, status, "cannot read the index: %s",
                             phusa_status_text(status));
        status = key_text(c, key, &text);
        if (status == PHUSA_OK) status = table_row(table, &text);
    }
    return status;
}

static phusa_status show_measurement_names(struct context *c, struct index *index,
                                           const struct measurement_ref *list, size_t count)
{
    struct table *table = table_new(c, text_of("measurements"));
    if (table == NULL) return budget_no_memory(&c->budget);
    table_column(table, "name");
    phusa_status status = PHUSA_OK;
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        bool all;
        uint64_t *series;
        size_t series_count;
        status = where_series(c, index, list[i].id, &all, &series, &series_count);
        if (status == PHUSA_OK && (all || series_count > 0))
            status = table_row(table, &list[i].name);
    }
    return status == PHUSA_OK ? table_flush(table) : status;
}

static phusa_status show_of_index(struct context *c, struct index *index)
{
    struct measurement_ref *list;
    size_t count;
    phusa_status status = context_measurements(c, index, c->statement->sources,
                                               c->statement->source_count, &list, &count);
    if (status != PHUSA_OK) return status;
    if (c->statement->kind == STATEMENT_SHOW_MEASUREMENTS)
        return show_measurement_names(c, index, list, count);
    struct table *keys = NULL;
    if (c->statement->kind == STATEMENT_SHOW_SERIES) {
        keys = table_new(c, (struct phusa_text){"", 0});
        if (keys == NULL) return budget_no_memory(&c->budget);
        table_column(keys, "key");
    }
    for (size_t i = 0; status == PHUSA_OK && i < count; i++) {
        if (keys != NULL)
            status = show_series(c, index, &list[i], keys);
        else if (c->statement->kind == STATEMENT_SHOW_FIELD_KEYS)
            status = show_field_keys(c, index, &list[i]);
        else
            status = show_tags(c, index, &list[i]);
    }
    return status == PHUSA_OK && keys != NULL ? table_flush(keys) : status;
}

/* FROM "db".."m" and ON db both name the database. */
static struct phusa_text database_of(const struct statement *statement)
{
    if (statement->database.bytes == NULL && statement->source_count > 0)
        return statement->sources[0].database;
    return statement->database;
}

phusa_status show_run(struct context *c)
{
    if (c->statement->kind == STATEMENT_SHOW_DATABASES) return show_databases(c);
    if (c->statement->kind == STATEMENT_SHOW_POLICIES) return show_policies(c);
    if (c->statement->kind == STATEMENT_EXPLAIN)
        return error_set(c->budget.error, PHUSA_EUNSUPPORTED, "EXPLAIN is not supported yet");
    struct database_info database;
    phusa_status status = context_database(c, database_of(c->statement), &database);
    if (status != PHUSA_OK) return status;
    const struct query_environment *environment = c->environment;
    struct index *index = environment->index_pin(environment->owner, database.id);
    if (index == NULL)
        return error_set(c->budget.error, PHUSA_ENOTFOUND, "database not found: %s", database.name);
    status = show_of_index(c, index);
    environment->index_unpin(environment->owner, index);
    return status;
}
