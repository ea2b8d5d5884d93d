/*
 * sequencer.c - the one thread that gives LSNs, series ids and field types.
 *
 *     queue -> resolve -> encode -> WAL append, sync -> apply to the head -> done()
 *              \____ a group: every batch that waited ____/
 *
 * Definitions are added to the index when they are encoded. If the group then fails cleanly (no
 * room on disk) its definitions are kept and go ahead of the next group, so that the log never
 * uses a series that it did not define.
 *
 * Points reach the head by decoding the record that was made durable: replay and the running store
 * take the same road.
 */
#include "db.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/status.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP_JOBS_MAX             64u
/* Of failed groups, before new batches may add to them. */
#define DEFINITIONS_BYTES_LEFT_MAX (1u << 20)

struct resolved_shape {
    bool resolved;
    bool widens;
    phusa_status conflict; /* PHUSA_OK: rows of this shape can be stored */
    uint32_t conflict_field;
    enum phusa_type conflict_type; /* what the field is */
    uint32_t *place; /* place[k]: where the k-th field by id stands in the batch's row */
    struct points_shape shape;
    uint32_t number; /* among the shapes of the record */
};

struct sequencer_state {
    struct buffer payload;     /* of the group */
    struct buffer definitions; /* of the group, and of failed groups before it */
    struct buffer points;      /* records of points, joined behind the definitions */
    struct points_reader *reader;
    struct arena arena; /* of one batch */
    struct write_job jobs[GROUP_JOBS_MAX];
    phusa_status statuses[GROUP_JOBS_MAX];
    struct phusa_error errors[GROUP_JOBS_MAX];
    /* of the batch being resolved */
    struct index *index;
    uint32_t database;
    struct batch *batch;
    uint32_t *measurements; /* 0: not yet resolved */
    uint64_t *series;       /* UINT64_MAX: not yet */
    struct resolved_shape *shapes;
    bool *accepted;
    int64_t now_ns;
};

phusa_status sequencer_init(struct phusa *db)
{
    struct sequencer_state *s = mem_zalloc(sizeof *s);
    if (s == NULL) return PHUSA_ENOMEM;
    db->state = s;
    arena_init(&s->arena, SIZE_MAX / 2);
    s->reader = points_reader_create();
    return s->reader == NULL ? PHUSA_ENOMEM : PHUSA_OK;
}

void sequencer_deinit(struct phusa *db)
{
    struct sequencer_state *s = db->state;
    if (s == NULL) return;
    buffer_deinit(&s->payload);
    buffer_deinit(&s->definitions);
    buffer_deinit(&s->points);
    points_reader_free(s->reader);
    arena_deinit(&s->arena);
    mem_free(s);
    db->state = NULL;
}

/* ---- resolving names ---- */

static phusa_status resolve_measurement(struct sequencer_state *s, uint32_t number, uint32_t *out)
{
    if (s->measurements[number] != 0) {
        *out = s->measurements[number];
        return PHUSA_OK;
    }
    const struct phusa_text name = s->batch->measurements[number];
    uint32_t id;
    if (!index_find_measurement(s->index, name, &id)) {
        id = index_next_measurement(s->index);
        const phusa_status status = index_add_measurement(s->index, id, name);
        if (status != PHUSA_OK) return status;
        record_put_measurement(&s->definitions,
                               &(struct record_measurement){s->database, id, name});
    }
    s->measurements[number] = *out = id;
    return PHUSA_OK;
}

static phusa_status resolve_series(struct sequencer_state *s, uint32_t number)
{
    if (s->series[number] != UINT64_MAX) return PHUSA_OK;
    const struct batch_key *key = &s->batch->keys[number];
    if (index_find_series(s->index, key->hash, &s->series[number])) return PHUSA_OK;
    uint32_t measurement;
    phusa_status status = resolve_measurement(s, key->measurement, &measurement);
    if (status != PHUSA_OK) return status;
    const uint64_t id = SERIES_ID(measurement, index_next_ordinal(s->index, measurement));
    const struct phusa_text text = {(const char *)key->bytes, key->size_bytes};
    status = index_add_series(s->index, id, text);
    if (status != PHUSA_OK) return status;
    record_put_series(&s->definitions, &(struct record_series){s->database, id, text});
    s->series[number] = id;
    return PHUSA_OK;
}

static bool widens(enum phusa_type written, enum phusa_type defined)
{
    return defined == PHUSA_FLOAT && (written == PHUSA_INTEGER || written == PHUSA_UNSIGNED);
}

/* The field of a shape, defined now if it is new. *conflict: its type is another one. */
static phusa_status resolve_field(struct sequencer_state *s, uint32_t measurement,
                                  const struct batch_shape *shape, uint32_t k,
                                  struct points_field *out, bool *conflict)
{
    *conflict = false;
    if (index_find_field(s->index, measurement, shape->names[k], &out->id, &out->type)) {
        *conflict = out->type != shape->types[k] && !widens(shape->types[k], out->type);
        return PHUSA_OK;
    }
    const uint16_t id = index_next_field(s->index, measurement);
    if (id >= FIELD_COUNT_MAX) return PHUSA_ELIMIT;
    const struct index_field field = {.id = id, .type = shape->types[k], .name = shape->names[k]};
    const phusa_status status = index_add_field(s->index, measurement, &field);
    if (status != PHUSA_OK) return status;
    record_put_field(&s->definitions, &(struct record_field){.database = s->database,
                                                             .measurement = measurement,
                                                             .field = id,
                                                             .type = field.type,
                                                             .name = field.name});
    *out = (struct points_field){.id = id, .type = field.type};
    return PHUSA_OK;
}

/* Fields in ascending order of their ids; insertion, since they nearly are. */
static void sort_fields(struct points_field *fields, uint32_t *place, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k > 0 && fields[k - 1].id > fields[k].id; k--) {
            const struct points_field field = fields[k];
            fields[k] = fields[k - 1];
            fields[k - 1] = field;
            const uint32_t p = place[k];
            place[k] = place[k - 1];
            place[k - 1] = p;
        }
}

static phusa_status resolve_shape(struct sequencer_state *s, uint32_t number)
{
    struct resolved_shape *r = &s->shapes[number];
    if (r->resolved) return PHUSA_OK;
    const struct batch_shape *shape = &s->batch->shapes[number];
    struct points_field *fields = arena_array(&s->arena, shape->field_count, sizeof *fields);
    r->place = arena_array(&s->arena, shape->field_count, sizeof *r->place);
    if (fields == NULL || r->place == NULL) return PHUSA_ENOMEM;
    uint32_t measurement;
    phusa_status status = resolve_measurement(s, shape->measurement, &measurement);
    for (uint32_t k = 0; status == PHUSA_OK && k < shape->field_count; k++) {
        bool conflict;
        status = resolve_field(s, measurement, shape, k, &fields[k], &conflict);
        r->place[k] = k;
        if (status == PHUSA_OK && conflict) {
            r->conflict = PHUSA_ETYPE;
            r->conflict_field = k;
            r->conflict_type = fields[k].type;
            break;
        }
        r->widens |= status == PHUSA_OK && fields[k].type != shape->types[k];
    }
    if (status == PHUSA_ELIMIT) {
        r->conflict = PHUSA_ELIMIT;
        status = PHUSA_OK;
    }
    if (status != PHUSA_OK) return status;
    if (r->conflict == PHUSA_OK) sort_fields(fields, r->place, shape->field_count);
    r->shape = (struct points_shape){.fields = fields, .field_count = shape->field_count};
    r->resolved = true;
    return PHUSA_OK;
}

/* ---- refusing rows ---- */

static void refuse(struct sequencer_state *s, const struct batch_row *row, phusa_status status,
                   const char *reason)
{
    const struct batch_key *key = &s->batch->keys[row->key];
    const struct phusa_text measurement = s->batch->measurements[key->measurement];
    batch_refuse(s->batch, row->line, row->column, status, measurement, "%s", reason);
}

static void refuse_shape(struct sequencer_state *s, const struct batch_row *row)
{
    const struct resolved_shape *r = &s->shapes[row->shape];
    const struct batch_shape *shape = &s->batch->shapes[row->shape];
    char reason[400];
    if (r->conflict == PHUSA_ELIMIT) {
        snprintf(reason, sizeof reason,
                 "the measurement has %u fields already, the most allowed; write to another one",
                 FIELD_COUNT_MAX);
    } else {
        const struct phusa_text name = shape->names[r->conflict_field];
        snprintf(reason, sizeof reason,
                 "field type conflict: field \"%.*s\" is type %s, already exists as type %s; write "
                 "it as %s, or under another name",
                 (int)(name.size_bytes < 100 ? name.size_bytes : 100), name.bytes,
                 type_text(shape->types[r->conflict_field]), type_text(r->conflict_type),
                 type_text(r->conflict_type));
    }
    refuse(s, row, r->conflict, reason);
}

/* An integer may go to a float field only if the double is exactly it. */
static bool widens_exactly(enum phusa_type written, union batch_value value)
{
    if (written == PHUSA_INTEGER) {
        const double x = (double)value.i;
        return x < 9223372036854775808.0 && (int64_t)x == value.i;
    }
    const double x = (double)value.u;
    return x < 18446744073709551616.0 && (uint64_t)x == value.u;
}

static bool values_fit(struct sequencer_state *s, const struct batch_row *row)
{
    const struct resolved_shape *r = &s->shapes[row->shape];
    const struct batch_shape *shape = &s->batch->shapes[row->shape];
    for (uint32_t k = 0; r->widens && k < shape->field_count; k++) {
        const uint32_t place = r->place[k];
        if (shape->types[place] == r->shape.fields[k].type) continue;
        if (widens_exactly(shape->types[place], s->batch->values[row->first_value + place]))
            continue;
        char reason[300];
        const struct phusa_text name = shape->names[place];
        snprintf(reason, sizeof reason,
                 "field \"%.*s\" is type float, and this integer has no double of exactly its "
                 "value; write it as a float to have it rounded",
                 (int)(name.size_bytes < 100 ? name.size_bytes : 100), name.bytes);
        refuse(s, row, PHUSA_ETYPE, reason);
        return false;
    }
    return true;
}

/* Resolve what the row needs and decide whether it is stored. */
static phusa_status judge_row(struct sequencer_state *s, const struct batch_row *row,
                              bool *accepted)
{
    *accepted = false;
    if (row->time_ns > s->now_ns && row->time_ns - s->now_ns > FUTURE_NS_MAX) {
        char reason[200];
        snprintf(reason, sizeof reason,
                 "the time is %" PRId64 " days ahead of the server's clock; at most one day is "
                 "taken: check the clock that wrote it, and the precision",
                 (int64_t)((row->time_ns - s->now_ns) / FUTURE_NS_MAX));
        refuse(s, row, PHUSA_ERANGE, reason);
        return PHUSA_OK;
    }
    phusa_status status = resolve_shape(s, row->shape);
    if (status != PHUSA_OK) return status;
    if (s->shapes[row->shape].conflict != PHUSA_OK) {
        refuse_shape(s, row);
        return PHUSA_OK;
    }
    if (!values_fit(s, row)) return PHUSA_OK;
    status = resolve_series(s, row->key);
    *accepted = status == PHUSA_OK;
    return status;
}

/* ---- encoding ---- */

static void put_row(struct sequencer_state *s, struct points_writer *writer,
                    const struct batch_row *row, union points_value *values, uint8_t *decimals,
                    struct phusa_text *texts)
{
    const struct resolved_shape *r = &s->shapes[row->shape];
    const struct batch_shape *shape = &s->batch->shapes[row->shape];
    const union batch_value *from = &s->batch->values[row->first_value];
    const uint8_t *from_decimals = &s->batch->decimals[row->first_value];
    for (uint32_t k = 0; k < shape->field_count; k++) {
        const uint32_t place = r->place[k];
        decimals[k] = from_decimals[place];
        values[k].u = from[place].u;
        if (shape->types[place] == PHUSA_STRING) {
            texts[k] = s->batch->strings[from[place].string];
        } else if (shape->types[place] != r->shape.fields[k].type) {
            values[k].f = shape->types[place] == PHUSA_INTEGER ? (double)from[place].i
                                                               : (double)from[place].u;
            decimals[k] = 0;
        }
    }
    points_add(writer, s->series[row->key], row->time_ns, r->number, &r->shape, values, decimals,
               texts);
}

static phusa_status encode(struct sequencer_state *s, const struct phusa_batch *b,
                           uint64_t first_lsn, uint64_t accepted_count)
{
    struct batch *batch = s->batch;
    struct points_shape *shapes = arena_array(&s->arena, batch->shape_count, sizeof *shapes);
    uint32_t shape_count = 0, fields_max = 0;
    if (shapes == NULL) return PHUSA_ENOMEM;
    for (size_t i = 0; i < batch->shape_count; i++) {
        struct resolved_shape *r = &s->shapes[i];
        if (!r->resolved || r->conflict != PHUSA_OK) continue;
        r->number = shape_count;
        shapes[shape_count++] = r->shape;
        if (r->shape.field_count > fields_max) fields_max = r->shape.field_count;
    }
    union points_value *values = arena_array(&s->arena, fields_max, sizeof *values);
    uint8_t *decimals = arena_array(&s->arena, fields_max, sizeof *decimals);
    struct phusa_text *texts = arena_array(&s->arena, fields_max, sizeof *texts);
    if (values == NULL || decimals == NULL || texts == NULL) return PHUSA_ENOMEM;
    const struct points_header header = {.database = b->database,
                                         .policy = b->policy,
                                         .first_lsn = first_lsn,
                                         .row_count = accepted_count};
    struct points_writer writer;
    points_begin(&writer, &s->points, &header, shapes, shape_count);
    for (size_t i = 0; i < batch->row_count; i++)
        if (s->accepted[i]) put_row(s, &writer, &batch->rows[i], values, decimals, texts);
    return points_end(&writer);
}

/* Resolve and encode one batch behind what the group has. */
static phusa_status take_batch(struct phusa *db, struct sequencer_state *s, struct phusa_batch *b,
                               uint64_t first_lsn, uint64_t *row_count, struct phusa_error *error)
{
    struct batch *batch = &b->batch;
    arena_reset(&s->arena);
    s->batch = batch;
    s->database = b->database;
    s->index = db_index_pin(db, b->database);
    if (s->index == NULL || !catalog_get_policy(db->catalog, b->policy, NULL)) {
        if (s->index != NULL) db_index_unpin(db, s->index);
        return error_set(error, PHUSA_ENOTFOUND,
                         "the database or retention policy was dropped while the write waited");
    }
    phusa_status status = PHUSA_OK;
    s->measurements =
        arena_zalloc(&s->arena, (batch->measurement_count + 1) * sizeof *s->measurements);
    s->series = arena_array(&s->arena, batch->key_count + 1, sizeof *s->series);
    s->shapes = arena_zalloc(&s->arena, (batch->shape_count + 1) * sizeof *s->shapes);
    s->accepted = arena_array(&s->arena, batch->row_count + 1, sizeof(bool));
    if (s->measurements == NULL || s->series == NULL || s->shapes == NULL || s->accepted == NULL) {
        status = PHUSA_ENOMEM;
        goto out;
    }
    memset(s->series, 0xff, (batch->key_count + 1) * sizeof *s->series);
    uint64_t accepted_count = 0;
    for (size_t i = 0; status == PHUSA_OK && i < batch->row_count; i++) {
        status = judge_row(s, &batch->rows[i], &s->accepted[i]);
        accepted_count += status == PHUSA_OK && s->accepted[i];
    }
    const size_t points_before = s->points.size_bytes;
    if (status == PHUSA_OK && accepted_count > 0) status = encode(s, b, first_lsn, accepted_count);
    if (status != PHUSA_OK) s->points.size_bytes = points_before;
    if (status == PHUSA_OK) *row_count = accepted_count;
out:
    db_index_unpin(db, s->index);
    if (status == PHUSA_ENOMEM) s->points.bad = false;
    return status == PHUSA_OK
               ? status
               : error_set(error, status, "cannot take the batch: %s", phusa_status_text(status));
}

/* ---- applying ---- */

static phusa_status append_rows(struct phusa *db, uint32_t policy, const struct points_row *rows,
                                size_t count)
{
    size_t done = 0;
    while (done < count) {
        size_t appended = 0;
        phusa_status status =
            head_append_rows(db->active, policy, rows + done, count - done, &appended);
        done += appended;
        if (status == PHUSA_ELIMIT) status = flusher_freeze(db, true);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status apply_points(struct phusa *db, struct phusa_text body)
{
    struct sequencer_state *s = db->state;
    struct points_header header;
    phusa_status status = points_open(s->reader, body, &header);
    const bool wanted = status == PHUSA_OK && catalog_get_policy(db->catalog, header.policy, NULL);
    if (!wanted) return status; /* dropped: its points are nobody's */
    while (status == PHUSA_OK) {
        const struct points_row *rows;
        size_t count;
        status = points_next_rows(s->reader, &rows, &count);
        if (status != PHUSA_OK || count == 0) break;
        /* A head may be frozen in the middle of a group: then the first of its rows are in a run.
         */
        while (count > 0 && rows->lsn < db->replay_from_lsn) {
            rows++;
            count--;
        }
        status = append_rows(db, header.policy, rows, count);
    }
    if (status == PHUSA_OK)
        atomic_store_explicit(&db->visible_lsn, header.first_lsn + header.row_count,
                              memory_order_release);
    return status;
}

/* A definition of the log. One of a database that was dropped is nobody's. */
static phusa_status apply_definition(struct phusa *db, enum record_kind kind,
                                     struct phusa_text body)
{
    struct record_measurement measurement;
    struct record_field field;
    struct record_series series;
    phusa_status status;
    uint32_t database;
    if (kind == RECORD_MEASUREMENT) {
        status = record_get_measurement(body, &measurement);
        database = measurement.database;
    } else if (kind == RECORD_FIELD) {
        status = record_get_field(body, &field);
        database = field.database;
    } else {
        status = record_get_series(body, &series);
        database = series.database;
    }
    if (status != PHUSA_OK) return status;
    struct index *index = db_index_pin(db, database);
    if (index == NULL) return PHUSA_OK;
    if (kind == RECORD_MEASUREMENT)
        status = index_add_measurement(index, measurement.measurement, measurement.name);
    else if (kind == RECORD_FIELD)
        status = index_add_field(
            index, field.measurement,
            &(struct index_field){.id = field.field, .type = field.type, .name = field.name});
    else
        status = index_add_series(index, series.series, series.key);
    db_index_unpin(db, index);
    return status;
}

static phusa_status apply(struct phusa *db, const struct wal_group *group, bool definitions_too)
{
    struct reader payload = reader_of(group->payload, group->payload_bytes);
    enum record_kind kind;
    struct phusa_text body;
    while (record_next(&payload, &kind, &body)) {
        phusa_status status = PHUSA_OK;
        if (kind == RECORD_POINTS)
            status = apply_points(db, body);
        else if (definitions_too)
            status = apply_definition(db, kind, body);
        if (status != PHUSA_OK) return status;
    }
    return payload.bad ? PHUSA_ECORRUPT : PHUSA_OK;
}

phusa_status sequencer_replay(struct phusa *db, const struct wal_group *group)
{
    if (group->recorded_at_ns > db->recorded_at_ns) db->recorded_at_ns = group->recorded_at_ns;
    return apply(db, group, true);
}

/* ---- the group ---- */

/* Make sure, before anything is durable, that the group will fit the heads: a full disk must
 * refuse writes, not strand them. */
static phusa_status make_room(struct phusa *db, uint64_t row_count)
{
    struct head_stats stats;
    head_stats(db->active, &stats);
    const bool nearly_full = stats.used_bytes > stats.budget_bytes / 8 * 7;
    struct wal_stats wal;
    wal_stats(db->wal, &wal);
    const bool log_full = wal.live_bytes > db->options.wal_bytes_max && stats.points > 0;
    if (row_count == 0 || (!nearly_full && !log_full)) return PHUSA_OK;
    return flusher_freeze(db, false);
}

/* Append and sync what `payload` has. */
static phusa_status make_durable(struct phusa *db, const struct buffer *payload, uint64_t first_lsn,
                                 uint64_t row_count, struct wal_group *group,
                                 struct phusa_error *error)
{
    const int64_t now_ns = db_now_ns(db);
    *group = (struct wal_group){
        .first_lsn = first_lsn,
        .lsn_count = row_count,
        .recorded_at_ns = now_ns > db->recorded_at_ns ? now_ns : db->recorded_at_ns + 1,
        .payload = payload->bytes,
        .payload_bytes = payload->size_bytes,
    };
    phusa_status status = wal_append(db->wal, group);
    if (status == PHUSA_OK) status = wal_sync(db->wal);
    if (status == PHUSA_OK) {
        db->recorded_at_ns = group->recorded_at_ns;
        return PHUSA_OK;
    }
    if (status == PHUSA_ENOSPC || status == PHUSA_ENOMEM)
        return error_set(error, status, "the log cannot grow: %s; nothing was stored, try again",
                         phusa_status_text(status));
    db_refuse_writes(db, PHUSA_EFAILED,
                     "a write or sync of the log failed; what the disk holds is not known until "
                     "the server is started again");
    return error_set(error, status, "the log could not be written: %s; restart the server",
                     phusa_status_text(status));
}

/* Definitions that would make the group too large, or that a failed group left behind, go ahead in
 * one of their own. */
static phusa_status write_definitions(struct phusa *db, uint64_t next_lsn,
                                      struct phusa_error *error)
{
    struct sequencer_state *s = db->state;
    struct wal_group group;
    const phusa_status status = make_durable(db, &s->definitions, next_lsn, 0, &group, error);
    if (status == PHUSA_OK) buffer_clear(&s->definitions);
    return status;
}

static phusa_status write_group(struct phusa *db, uint64_t first_lsn, uint64_t row_count,
                                struct phusa_error *error)
{
    struct sequencer_state *s = db->state;
    phusa_status status = make_room(db, row_count);
    if (status != PHUSA_OK)
        return error_set(error, status,
                         "writes wait until the disk takes what is in memory: %s; free some space",
                         phusa_status_text(status));
    if (s->definitions.bad) return error_set(error, PHUSA_ENOMEM, "out of memory");
    if (s->definitions.size_bytes + s->points.size_bytes > WAL_GROUP_BYTES_MAX)
        status = write_definitions(db, first_lsn, error);
    if (status != PHUSA_OK) return status;
    buffer_clear(&s->payload);
    buffer_put(&s->payload, s->definitions.bytes, s->definitions.size_bytes);
    buffer_put(&s->payload, s->points.bytes, s->points.size_bytes);
    if (s->payload.bad) return error_set(error, PHUSA_ENOMEM, "out of memory");
    if (s->payload.size_bytes == 0) return PHUSA_OK;
    struct wal_group group;
    status = make_durable(db, &s->payload, first_lsn, row_count, &group, error);
    if (status != PHUSA_OK) return status;
    buffer_clear(&s->definitions);
    status = apply(db, &group, false);
    if (status == PHUSA_OK) return PHUSA_OK;
    /* Durable, and not to be seen before the next start. */
    db_refuse_writes(db, PHUSA_EFAILED,
                     "points that are in the log could not be put into memory; restart the server");
    return error_set(error, PHUSA_EFAILED,
                     "stored, but not shown until the server is started again: %s",
                     phusa_status_text(status));
}

static void finish_job(struct phusa *db, const struct write_job *job, phusa_status status,
                       const struct phusa_error *error)
{
    struct batch *batch = &job->batch->batch;
    if (status == PHUSA_OK) {
        atomic_fetch_add_explicit(&db->count.batches, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&db->count.refused, batch->refused_count, memory_order_relaxed);
        if (batch->refused_count > 0) {
            batch_sort_refusals(batch);
            status = PHUSA_EPARTIAL;
        }
    }
    job->done(job->context, status, status == PHUSA_OK || status == PHUSA_EPARTIAL ? NULL : error);
}

/* Jobs [0, count) are batches: one group of them. */
static void run_group(struct phusa *db, size_t count)
{
    struct sequencer_state *s = db->state;
    buffer_clear(&s->points);
    s->now_ns = db_now_ns(db);
    const uint64_t first_lsn = wal_next_lsn(db->wal);
    uint64_t row_count = 0, value_count = 0;
    struct phusa_error error = {0};
    if (s->definitions.size_bytes > DEFINITIONS_BYTES_LEFT_MAX) {
        const phusa_status status = write_definitions(db, first_lsn, &error);
        for (size_t i = 0; status != PHUSA_OK && i < count; i++)
            finish_job(db, &s->jobs[i], status, &error);
        if (status != PHUSA_OK) return;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t rows = 0;
        s->statuses[i] =
            take_batch(db, s, s->jobs[i].batch, first_lsn + row_count, &rows, &s->errors[i]);
        row_count += rows;
        value_count += s->jobs[i].batch->batch.value_count;
    }
#ifdef PHUSA_TEST_ACK_EARLY
    /* The negative control of tests/crash: what is acknowledged before it is on disk gets lost. */
    for (size_t i = 0; i < count; i++)
        finish_job(db, &s->jobs[i], s->statuses[i], &s->errors[i]);
    (void)!write_group(db, first_lsn, row_count, &error);
#else
    const phusa_status status = write_group(db, first_lsn, row_count, &error);
    if (status == PHUSA_OK) {
        atomic_fetch_add_explicit(&db->count.points, row_count, memory_order_relaxed);
        atomic_fetch_add_explicit(&db->count.values, value_count, memory_order_relaxed);
    }
    for (size_t i = 0; i < count; i++) {
        const bool failed = s->statuses[i] == PHUSA_OK && status != PHUSA_OK;
        finish_job(db, &s->jobs[i], failed ? status : s->statuses[i],
                   failed ? &error : &s->errors[i]);
    }
#endif
}

/* ---- the thread ---- */

/* Take what waits, as much as fits one group; a request to freeze stands alone. 0: stop. */
static size_t take_jobs(struct phusa *db)
{
    struct sequencer_state *s = db->state;
    pthread_mutex_lock(&db->queue_mutex);
    while (db->queue_count == 0 && !db->stopping)
        pthread_cond_wait(&db->queue_filled, &db->queue_mutex);
    size_t count = 0, bytes = 0;
    while (count < GROUP_JOBS_MAX && db->queue_count > 0) {
        const struct write_job *job = &db->queue[db->queue_first];
        const size_t size_bytes = job->batch == NULL ? 0 : job->batch->batch.size_bytes;
        if (count > 0 && (job->batch == NULL || s->jobs[0].batch == NULL ||
                          bytes + size_bytes > PHUSA_BATCH_BYTES_MAX))
            break;
        bytes += size_bytes;
        s->jobs[count++] = *job;
        db->queue_first = (db->queue_first + 1) % WRITE_QUEUE_BATCHES_MAX;
        db->queue_count--;
        db->queue_bytes -= size_bytes;
    }
    pthread_cond_broadcast(&db->queue_drained);
    pthread_mutex_unlock(&db->queue_mutex);
    return count;
}

void *sequencer_main(void *context)
{
    struct phusa *db = context;
    struct sequencer_state *s = db->state;
    size_t count;
    while ((count = take_jobs(db)) > 0) {
        if (s->jobs[0].batch != NULL) {
            run_group(db, count);
            continue;
        }
        const phusa_status status = flusher_freeze(db, false);
        if (s->jobs[0].done != NULL) s->jobs[0].done(s->jobs[0].context, status, NULL);
    }
    return NULL;
}
