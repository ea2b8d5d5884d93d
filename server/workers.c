/* workers.c - see workers.h. */
#include "workers.h"
#include "bounds.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct workers {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct work *first; /* under mutex, as all below */
    struct work **last;
    size_t queued;
    bool stopping;
    unsigned count;
    pthread_t threads[WORKER_COUNT_MAX];
};

static void *worker_main(void *context)
{
    struct workers *workers = context;
    pthread_mutex_lock(&workers->mutex);
    while (true) {
        while (workers->first == NULL && !workers->stopping)
            pthread_cond_wait(&workers->wake, &workers->mutex);
        struct work *work = workers->first;
        if (work == NULL) break;
        workers->first = work->next;
        if (workers->first == NULL) workers->last = &workers->first;
        workers->queued--;
        pthread_mutex_unlock(&workers->mutex);
        work->run(work);
        pthread_mutex_lock(&workers->mutex);
    }
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

struct workers *workers_create(unsigned count)
{
    struct workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL) return NULL;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->wake, NULL);
    workers->last = &workers->first;

    /* Signals are the main loop's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers->count < count &&
           pthread_create(&workers->threads[workers->count], NULL, worker_main, workers) == 0)
        workers->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (workers->count < count) {
        workers_free(workers);
        return NULL;
    }
    return workers;
}

void workers_free(struct workers *workers)
{
    if (workers == NULL) return;
    pthread_mutex_lock(&workers->mutex);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}

bool workers_submit(struct workers *workers, struct work *work)
{
    bool taken = false;
    pthread_mutex_lock(&workers->mutex);
    if (workers->queued < WORK_QUEUE_MAX && !workers->stopping) {
        work->next = NULL;
        *workers->last = work;
        workers->last = &work->next;
        workers->queued++;
        taken = true;
        pthread_cond_signal(&workers->wake);
    }
    pthread_mutex_unlock(&workers->mutex);
    return taken;
}
