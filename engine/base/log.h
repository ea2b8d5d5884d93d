/*
 * log.h - the engine's words for the operator go through the callback of phusa_options.
 */
#ifndef PHUSA_BASE_LOG_H
#define PHUSA_BASE_LOG_H

#include "phusa.h"

#include <pthread.h>

struct log {
    phusa_log_fn write; /* NULL: silent */
    void *context;
    pthread_mutex_t mutex; /* one line at a time */
};

void log_init(struct log *log, phusa_log_fn write, void *context);
void log_deinit(struct log *log);
/* `log` may be NULL. Any thread. */
void log_write(struct log *log, enum phusa_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
