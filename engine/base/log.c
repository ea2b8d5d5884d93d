/* log.c - see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_init(struct log *log, phusa_log_fn write, void *context)
{
    *log = (struct log){.write = write, .context = context};
    pthread_mutex_init(&log->mutex, NULL);
}

void log_deinit(struct log *log)
{
    pthread_mutex_destroy(&log->mutex);
}

void log_write(struct log *log, enum phusa_log_level level, const char *format, ...)
{
    if (log == NULL || log->write == NULL) return;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&log->mutex);
    log->write(log->context, level, text);
    pthread_mutex_unlock(&log->mutex);
}
