/* write.c - batches and the queue that takes them to the sequencer. */
#include "db.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/status.h"

#include <assert.h>
#include <inttypes.h>

/* ---- batches ---- */

phusa_status phusa_batch_create(struct phusa *db, const char *database_name,
                                const char *policy_name, struct phusa_batch **out,
                                struct phusa_error *error)
{
    assert(db != NULL);
    assert(out != NULL);
    if (database_name == NULL || *database_name == '\0')
        return error_set(error, PHUSA_EINVAL, "database is required");
    struct database_info database;
    if (!catalog_find_database(db->catalog, text_of(database_name), &database))
        return error_set(error, PHUSA_ENOTFOUND, "database not found: \"%s\"", database_name);
    struct policy_info policy = {.id = database.default_policy};
    if (policy_name != NULL && *policy_name != '\0' &&
        !catalog_find_policy(db->catalog, database.id, text_of(policy_name), &policy))
        return error_set(error, PHUSA_ENOTFOUND, "retention policy not found: %s", policy_name);
    struct phusa_batch *b = mem_zalloc(sizeof *b);
    if (b == NULL) return error_set(error, PHUSA_ENOMEM, "out of memory");
    b->db = db;
    b->database = database.id;
    b->policy = policy.id;
    batch_init(&b->batch);
    *out = b;
    return PHUSA_OK;
}

void phusa_batch_free(struct phusa_batch *b)
{
    if (b == NULL) return;
    line_parser_close(b->parser);
    batch_deinit(&b->batch);
    mem_free(b);
}

void phusa_batch_clear(struct phusa_batch *b)
{
    batch_clear(&b->batch);
}

size_t phusa_batch_points(const struct phusa_batch *b)
{
    return b->batch.row_count;
}

size_t phusa_batch_bytes(const struct phusa_batch *b)
{
    return b->batch.size_bytes;
}

uint64_t phusa_batch_line_count(const struct phusa_batch *b)
{
    return b->parser == NULL ? 0 : line_parser_line_count(b->parser);
}

void phusa_batch_comments(struct phusa_batch *b, phusa_comment_fn comment, void *context)
{
    b->comment = comment;
    b->comment_context = context;
}

size_t phusa_batch_refused(const struct phusa_batch *b, const struct phusa_refusal **refusals,
                           size_t *kept)
{
    if (refusals != NULL) *refusals = b->batch.refusals;
    if (kept != NULL) *kept = b->batch.refusal_kept;
    return b->batch.refused_count;
}

static phusa_status check_field(const struct phusa_field *field, struct phusa_error *error)
{
    if (field->key.size_bytes == 0 || field->key.size_bytes > NAME_BYTES_MAX)
        return error_set(error, PHUSA_EINVAL, "a field name has %zu bytes; 1 to %u are taken",
                         field->key.size_bytes, NAME_BYTES_MAX);
    if (field->value.type < PHUSA_FLOAT || field->value.type > PHUSA_STRING)
        return error_set(error, PHUSA_EINVAL, "field \"%.*s\" has no known type",
                         (int)field->key.size_bytes, field->key.bytes);
    if (field->value.type == PHUSA_FLOAT && !__builtin_isfinite(field->value.f))
        return error_set(error, PHUSA_EINVAL,
                         "field \"%.*s\" is not a finite number; leave it out instead",
                         (int)field->key.size_bytes, field->key.bytes);
    return PHUSA_OK;
}

static phusa_status add_point(struct phusa_batch *b, const struct phusa_point *point,
                              struct phusa_error *error)
{
    struct batch *batch = &b->batch;
    if (point->field_count == 0)
        return error_set(error, PHUSA_EINVAL, "a point needs at least one field");
    if (point->time_ns < TIME_NS_MIN || point->time_ns > TIME_NS_MAX)
        return error_set(error, PHUSA_ERANGE, "the time is outside the years 1677 to 2262");
    if (point->field_count > FIELD_COUNT_MAX)
        return error_set(error, PHUSA_ELIMIT, "a point has more than %u fields", FIELD_COUNT_MAX);
    const uint32_t count = (uint32_t)point->field_count;
    struct phusa_text names[count];
    enum phusa_type types[count];
    for (uint32_t k = 0; k < count; k++) {
        const phusa_status status = check_field(&point->fields[k], error);
        if (status != PHUSA_OK) return status;
        names[k] = point->fields[k].key;
        types[k] = point->fields[k].value.type;
        for (uint32_t i = 0; i < k && count <= 64; i++)
            if (text_equal(names[i], names[k]))
                return error_set(error, PHUSA_EINVAL, "field \"%.*s\" stands twice in a point",
                                 (int)names[k].size_bytes, names[k].bytes);
    }
    uint32_t measurement, key, shape;
    phusa_status status =
        batch_key(batch, point->measurement, point->tags, point->tag_count, &key, error);
    if (status == PHUSA_OK) status = batch_measurement(batch, point->measurement, &measurement);
    if (status == PHUSA_OK) status = batch_shape(batch, measurement, names, types, count, &shape);
    union batch_value *values;
    uint8_t *decimals;
    if (status == PHUSA_OK)
        status =
            batch_row(batch, key, shape, point->time_ns, b->points_added, 0, &values, &decimals);
    for (uint32_t k = 0; status == PHUSA_OK && k < count; k++) {
        const struct phusa_value *value = &point->fields[k].value;
        decimals[k] = value->decimals;
        values[k].u = 0;
        if (value->type == PHUSA_STRING)
            status = batch_string(batch, value->s, &values[k].string);
        else if (value->type == PHUSA_BOOLEAN)
            values[k].u = value->b;
        else
            values[k].u = value->u;
    }
    return status;
}

phusa_status phusa_batch_add(struct phusa_batch *b, const struct phusa_point *point,
                             struct phusa_error *error)
{
    assert(b != NULL);
    assert(point != NULL);
    struct phusa_error reason = {0};
    b->points_added++;
    const phusa_status status = add_point(b, point, &reason);
    if (status == PHUSA_OK) return status;
    return error_set(error, status, "%s",
                     reason.text[0] != '\0'   ? reason.text
                     : status == PHUSA_ELIMIT ? "the batch is full; write it and clear it"
                                              : phusa_status_text(status));
}

phusa_status phusa_batch_lines(struct phusa_batch *b, const char *text, size_t size_bytes,
                               bool last, int64_t precision_ns, int64_t now_ns, size_t *taken,
                               struct phusa_error *error)
{
    assert(b != NULL);
    assert(precision_ns >= 1);
    phusa_status status = PHUSA_OK;
    if (b->parser == NULL) status = line_parser_open(&b->parser);
    const struct line_options options = {.precision_ns = precision_ns,
                                         .now_ns = now_ns,
                                         .comment = b->comment,
                                         .context = b->comment_context};
    if (status == PHUSA_OK)
        status = line_parser_feed(b->parser, &b->batch, text, size_bytes, last, &options, taken);
    return status == PHUSA_OK ? status : error_set(error, status, "out of memory");
}

/* ---- the queue ---- */

static phusa_status refused_now(struct phusa *db, struct phusa_error *error)
{
    if (db->options.read_only)
        return error_set(error, PHUSA_EFAILED, "the directory is open read-only");
    if (db->stopping) return error_set(error, PHUSA_EFAILED, "the store is closing");
    if (db->refusing != PHUSA_OK) return error_set(error, db->refusing, "%s", db->refusing_reason);
    return PHUSA_OK;
}

/* With the queue's mutex held. */
static bool has_room(const struct phusa *db, size_t size_bytes)
{
    if (db->queue_count == WRITE_QUEUE_BATCHES_MAX) return false;
    return db->queue_count == 0 || db->queue_bytes + size_bytes <= WRITE_QUEUE_BYTES_MAX;
}

static phusa_status enqueue(struct phusa *db, struct phusa_batch *batch, phusa_done_fn done,
                            void *context, bool wait, struct phusa_error *error)
{
    const size_t size_bytes = batch->batch.size_bytes;
    pthread_mutex_lock(&db->queue_mutex);
    phusa_status status = refused_now(db, error);
    while (status == PHUSA_OK && !has_room(db, size_bytes)) {
        if (!wait) {
            status = error_set(error, PHUSA_EBUSY, "the queue of writes is full; try again");
            break;
        }
        pthread_cond_wait(&db->queue_drained, &db->queue_mutex);
        status = refused_now(db, error);
    }
    if (status == PHUSA_OK) {
        const size_t last = (db->queue_first + db->queue_count) % WRITE_QUEUE_BATCHES_MAX;
        db->queue[last] = (struct write_job){batch, done, context};
        db->queue_count++;
        db->queue_bytes += size_bytes;
        pthread_cond_signal(&db->queue_filled);
    }
    pthread_mutex_unlock(&db->queue_mutex);
    return status;
}

phusa_status phusa_submit(struct phusa *db, struct phusa_batch *batch, phusa_done_fn done,
                          void *context)
{
    assert(batch->db == db);
    assert(done != NULL);
    return enqueue(db, batch, done, context, false, NULL);
}

struct write_wait {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    phusa_status status;
    struct phusa_error *error;
};

static void write_done(void *context, phusa_status status, const struct phusa_error *error)
{
    struct write_wait *wait = context;
    pthread_mutex_lock(&wait->mutex);
    wait->status = status;
    if (error != NULL && wait->error != NULL) *wait->error = *error;
    wait->done = true;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->mutex);
}

phusa_status phusa_write(struct phusa *db, struct phusa_batch *batch, struct phusa_error *error)
{
    assert(db != NULL);
    assert(batch != NULL && batch->db == db);
    struct write_wait wait = {
        .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .error = error};
    phusa_status status = enqueue(db, batch, write_done, &wait, true, error);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&wait.mutex);
    while (!wait.done)
        pthread_cond_wait(&wait.cond, &wait.mutex);
    pthread_mutex_unlock(&wait.mutex);
    if (wait.status == PHUSA_EPARTIAL)
        error_set(error, PHUSA_EPARTIAL, "partial write: %" PRIu64 " points refused",
                  batch->batch.refused_count);
    return wait.status;
}
