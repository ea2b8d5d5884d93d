/*
 * sender.c - a queue of batches, a thread for each connection.
 */
#include "sender.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES_MAX (SENDER_CONNECTIONS_MAX + 2)

struct sender {
    struct sender_options options;
    size_t batch_count;
    struct batch batches[BATCHES_MAX];

    pthread_mutex_t lock; /* guards everything below, and what batches hold once submitted */
    pthread_cond_t changed;
    struct batch *free_batches[BATCHES_MAX];
    size_t free_count;
    /* Submitted and not yet acknowledged, oldest first. */
    struct batch *waiting[BATCHES_MAX];
    size_t waiting_count;
    size_t taken_count; /* of `waiting`: those that a thread has begun with */
    uint64_t next_sequence;
    bool stopped, closing;
    phusa_client_status failure;
    struct phusa_client_error error;

    struct worker {
        struct sender *sender;
        struct phusa_client *client;
        pthread_t thread;
        bool started;
    } workers[SENDER_CONNECTIONS_MAX];
};

/* -- batches -- */

bool batch_add_line(struct batch *batch, uint64_t source_line)
{
    if (batch->line_count == batch->line_capacity) {
        const size_t capacity = batch->line_capacity == 0 ? 1024 : batch->line_capacity * 2;
        uint64_t *lines = realloc(batch->line_of, capacity * sizeof *lines);
        if (lines == NULL) return false;
        batch->line_of = lines;
        batch->line_capacity = capacity;
    }
    batch->line_of[batch->line_count++] = source_line;
    return true;
}

bool batch_add_key(struct batch *batch, uint64_t key, int64_t time_ns)
{
    if (batch->key_count == batch->key_capacity) {
        const size_t capacity = batch->key_capacity == 0 ? 1024 : batch->key_capacity * 2;
        uint64_t *keys = realloc(batch->keys, capacity * sizeof *keys);
        if (keys == NULL) return false;
        batch->keys = keys;
        batch->key_capacity = capacity;
    }
    if (batch->key_count == 0 || time_ns < batch->time_min) batch->time_min = time_ns;
    if (batch->key_count == 0 || time_ns > batch->time_max) batch->time_max = time_ns;
    batch->keys[batch->key_count++] = key;
    return true;
}

uint64_t batch_source_line(const struct batch *batch, uint64_t body_line)
{
    if (body_line == 0) return 0;
    if (batch->line_count == 0) return batch->first_line + body_line - 1;
    return body_line <= batch->line_count ? batch->line_of[body_line - 1] : 0;
}

static void forget_refusals(struct batch *batch)
{
    for (size_t i = 0; i < batch->refusal_count; i++) {
        free(batch->refusals[i].reason);
        free(batch->refusals[i].excerpt);
    }
    batch->refusal_count = 0;
    batch->refused_count = 0;
    batch->reason[0] = 0;
}

static void empty_batch(struct batch *batch)
{
    forget_refusals(batch);
    textbuf_clear(&batch->body);
    batch->point_count = 0;
    batch->value_count = 0;
    batch->line_count = 0;
    batch->key_count = 0;
    batch->keys_sorted = false;
    batch->answered = false;
}

static void keep_refusal(void *context, const struct phusa_client_refusal *refusal)
{
    struct batch *batch = context;
    if (batch->refusal_count == BATCH_REFUSALS_MAX) return;
    if (batch->refusal_count == batch->refusal_capacity) {
        const size_t capacity = batch->refusal_capacity == 0 ? 16 : batch->refusal_capacity * 2;
        struct batch_refusal *refusals = realloc(batch->refusals, capacity * sizeof *refusals);
        if (refusals == NULL) return; /* still counted */
        batch->refusals = refusals;
        batch->refusal_capacity = capacity;
    }
    struct batch_refusal *kept = &batch->refusals[batch->refusal_count];
    *kept = (struct batch_refusal){refusal->line, refusal->column, strdup(refusal->reason),
                                   strdup(refusal->excerpt)};
    if (kept->reason != NULL && kept->excerpt != NULL) {
        batch->refusal_count++;
        return;
    }
    free(kept->reason);
    free(kept->excerpt);
}

/* -- equal points in flight -- */

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_keys(struct batch *batch)
{
    if (!batch->keys_sorted)
        qsort(batch->keys, batch->key_count, sizeof *batch->keys, compare_keys);
    batch->keys_sorted = true;
}

/* May two batches hold the same series at the same time? Almost always the time ranges answer;
 * where they overlap the hashes do, and a false yes (2^-64 a pair) costs a wait. */
static bool share_points(struct batch *a, struct batch *b)
{
    if (a->key_count == 0 || b->key_count == 0) return false;
    if (a->time_max < b->time_min || b->time_max < a->time_min) return false;
    sort_keys(a);
    sort_keys(b);
    for (size_t i = 0, j = 0; i < a->key_count && j < b->key_count;) {
        if (a->keys[i] == b->keys[j]) return true;
        if (a->keys[i] < b->keys[j])
            i++;
        else
            j++;
    }
    return false;
}

/* Under the lock. Workers never read keys, so sorting those of a batch in flight is safe. */
static bool must_wait(struct sender *sender, struct batch *batch)
{
    for (size_t i = 0; i < sender->waiting_count; i++)
        if (!sender->waiting[i]->answered && share_points(batch, sender->waiting[i])) return true;
    return false;
}

/* -- threads -- */

static void acknowledge_in_order(struct sender *sender)
{
    while (sender->waiting_count > 0 && sender->waiting[0]->answered) {
        struct batch *batch = sender->waiting[0];
        sender->options.acknowledged(sender->options.context, batch);
        empty_batch(batch);
        sender->free_batches[sender->free_count++] = batch;
        sender->waiting_count--;
        sender->taken_count--;
        memmove(&sender->waiting[0], &sender->waiting[1],
                sender->waiting_count * sizeof sender->waiting[0]);
    }
}

static phusa_client_status send_batch(struct worker *worker, struct batch *batch,
                                      struct phusa_client_error *error)
{
    if (batch->body.used == 0) return PHUSA_CLIENT_OK;
    struct phusa_client_write_result result = {.refusal = keep_refusal, .refusal_context = batch};
    phusa_client_status status =
        phusa_client_write(worker->client, &worker->sender->options.target, batch->body.bytes,
                           batch->body.used, &result, error);
    if (status == PHUSA_CLIENT_PARTIAL) {
        batch->refused_count = result.refused_count;
        (void)snprintf(batch->reason, sizeof batch->reason, "%.*s", (int)sizeof batch->reason - 1,
                       error->text);
        status = PHUSA_CLIENT_OK;
    }
    return status;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct sender *sender = worker->sender;
    (void)pthread_mutex_lock(&sender->lock);
    for (;;) {
        while (!sender->stopped && sender->taken_count == sender->waiting_count && !sender->closing)
            (void)pthread_cond_wait(&sender->changed, &sender->lock);
        if (sender->stopped || sender->taken_count == sender->waiting_count) break;
        struct batch *batch = sender->waiting[sender->taken_count++];
        (void)pthread_mutex_unlock(&sender->lock);

        struct phusa_client_error error = {0};
        const phusa_client_status status = send_batch(worker, batch, &error);

        (void)pthread_mutex_lock(&sender->lock);
        if (status == PHUSA_CLIENT_OK) {
            batch->answered = true;
            acknowledge_in_order(sender);
        } else if (!sender->stopped) {
            sender->stopped = true;
            sender->failure = status;
            sender->error = error;
        }
        (void)pthread_cond_broadcast(&sender->changed);
    }
    (void)pthread_mutex_unlock(&sender->lock);
    return NULL;
}

/* -- the caller's side -- */

bool sender_open(struct sender **sender, const struct sender_options *options,
                 struct phusa_client_error *error)
{
    assert(options->connections >= 1 && options->connections <= SENDER_CONNECTIONS_MAX);
    struct sender *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return false;
    }
    opened->options = *options;
    opened->batch_count = options->connections + 2;
    (void)pthread_mutex_init(&opened->lock, NULL);
    (void)pthread_cond_init(&opened->changed, NULL);
    for (size_t i = 0; i < opened->batch_count; i++)
        opened->free_batches[opened->free_count++] = &opened->batches[i];
    for (size_t i = 0; i < options->connections; i++) {
        struct worker *worker = &opened->workers[i];
        worker->sender = opened;
        if (phusa_client_open(&worker->client, &options->client, error) != PHUSA_CLIENT_OK)
            goto fail;
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            (void)snprintf(error->text, sizeof error->text, "cannot start a thread");
            goto fail;
        }
        worker->started = true;
    }
    *sender = opened;
    return true;
fail:
    sender_close(opened);
    return false;
}

struct batch *sender_take(struct sender *sender)
{
    struct batch *batch = NULL;
    (void)pthread_mutex_lock(&sender->lock);
    while (!sender->stopped && sender->free_count == 0)
        (void)pthread_cond_wait(&sender->changed, &sender->lock);
    if (!sender->stopped) batch = sender->free_batches[--sender->free_count];
    (void)pthread_mutex_unlock(&sender->lock);
    return batch;
}

bool sender_submit(struct sender *sender, struct batch *batch)
{
    (void)pthread_mutex_lock(&sender->lock);
    while (!sender->stopped && must_wait(sender, batch))
        (void)pthread_cond_wait(&sender->changed, &sender->lock);
    const bool good = !sender->stopped;
    if (good) {
        batch->sequence = sender->next_sequence++;
        sender->waiting[sender->waiting_count++] = batch;
        (void)pthread_cond_broadcast(&sender->changed);
    }
    (void)pthread_mutex_unlock(&sender->lock);
    return good;
}

bool sender_drain(struct sender *sender)
{
    (void)pthread_mutex_lock(&sender->lock);
    while (!sender->stopped && sender->waiting_count > 0)
        (void)pthread_cond_wait(&sender->changed, &sender->lock);
    const bool good = !sender->stopped;
    (void)pthread_mutex_unlock(&sender->lock);
    return good;
}

phusa_client_status sender_failure(struct sender *sender, struct phusa_client_error *error)
{
    (void)pthread_mutex_lock(&sender->lock);
    const phusa_client_status status = sender->failure;
    if (status != PHUSA_CLIENT_OK) *error = sender->error;
    (void)pthread_mutex_unlock(&sender->lock);
    return status;
}

void sender_close(struct sender *sender)
{
    if (sender == NULL) return;
    (void)pthread_mutex_lock(&sender->lock);
    sender->closing = true;
    (void)pthread_cond_broadcast(&sender->changed);
    (void)pthread_mutex_unlock(&sender->lock);
    for (size_t i = 0; i < SENDER_CONNECTIONS_MAX; i++) {
        if (sender->workers[i].started) (void)pthread_join(sender->workers[i].thread, NULL);
        phusa_client_close(sender->workers[i].client);
    }
    for (size_t i = 0; i < sender->batch_count; i++) {
        struct batch *batch = &sender->batches[i];
        forget_refusals(batch);
        textbuf_deinit(&batch->body);
        free(batch->line_of);
        free(batch->keys);
        free(batch->refusals);
    }
    (void)pthread_cond_destroy(&sender->changed);
    (void)pthread_mutex_destroy(&sender->lock);
    free(sender);
}
