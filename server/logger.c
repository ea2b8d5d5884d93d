/* logger.c - see logger.h. */
#include "logger.h"
#include "bounds.h"
#include "clocks.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KINDS_MAX 64

struct kind {
    char event[40];
    int64_t minute;
    uint64_t written;
    uint64_t dropped;
};

struct logger {
    pthread_mutex_t mutex;
    int fd;
    char *path; /* NULL: stderr */
    enum phusa_log_level level_max;
    struct kind kinds[KINDS_MAX]; /* under mutex; an event beyond them shares the last */
    size_t kind_count;
};

static const char *const level_words[] = {"error", "warn", "info", "debug"};

static int log_file_open(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

struct logger *logger_open(const char *path, enum phusa_log_level level_max)
{
    struct logger *logger = calloc(1, sizeof *logger);
    if (logger == NULL) return NULL;
    logger->fd = STDERR_FILENO;
    logger->level_max = level_max;
    if (path != NULL) {
        logger->path = strdup(path);
        logger->fd = logger->path == NULL ? -1 : log_file_open(path);
        if (logger->fd < 0) {
            free(logger->path);
            free(logger);
            return NULL;
        }
    }
    pthread_mutex_init(&logger->mutex, NULL);
    return logger;
}

void logger_close(struct logger *logger)
{
    if (logger == NULL) return;
    if (logger->path != NULL) close(logger->fd);
    pthread_mutex_destroy(&logger->mutex);
    free(logger->path);
    free(logger);
}

bool logger_reopen(struct logger *logger)
{
    if (logger == NULL || logger->path == NULL) return true;
    const int fd = log_file_open(logger->path);
    if (fd < 0) return false;
    pthread_mutex_lock(&logger->mutex);
    close(logger->fd);
    logger->fd = fd;
    pthread_mutex_unlock(&logger->mutex);
    return true;
}

static struct kind *kind_of(struct logger *logger, const char *event)
{
    for (size_t i = 0; i < logger->kind_count; i++)
        if (strcmp(logger->kinds[i].event, event) == 0) return &logger->kinds[i];
    if (logger->kind_count == KINDS_MAX) return &logger->kinds[KINDS_MAX - 1];
    struct kind *kind = &logger->kinds[logger->kind_count++];
    snprintf(kind->event, sizeof kind->event, "%s", event);
    return kind;
}

static void put_line(struct logger *logger, enum phusa_log_level level, const char *event,
                     const char *text)
{
    /* Milliseconds, always three digits, so that lines are as long as each other. */
    char now[PHUSA_TIME_BYTES_MAX];
    const int64_t ns = wall_ns();
    const size_t now_bytes = phusa_print_time(ns / SECOND_NS * SECOND_NS, now) - 1;
    const unsigned ms = (unsigned)(ns % SECOND_NS / MILLISECOND_NS);
    char line[1400];
    int size = snprintf(line, sizeof line, "%.*s.%03uZ level=%s event=%s %s", (int)now_bytes, now,
                        ms, level_words[level], event, text);
    if (size < 0) return;
    if ((size_t)size > sizeof line - 2) size = sizeof line - 2;
    line[size++] = '\n';
    /* A log that cannot be written has nobody to tell. */
    if (write(logger->fd, line, (size_t)size) < 0) return;
}

void logger_write(struct logger *logger, enum phusa_log_level level, const char *event,
                  const char *format, ...)
{
    if (logger == NULL || level > logger->level_max) return;
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    const int64_t minute = monotonic_ns() / (60 * SECOND_NS);
    pthread_mutex_lock(&logger->mutex);
    struct kind *kind = kind_of(logger, event);
    if (kind->minute != minute) {
        if (kind->dropped > 0) {
            char summary[80];
            snprintf(summary, sizeof summary, "repeated=%llu msg=\"left out in the last minute\"",
                     (unsigned long long)kind->dropped);
            put_line(logger, level, event, summary);
        }
        kind->minute = minute;
        kind->written = kind->dropped = 0;
    }
    if (kind->written < LOG_PER_MINUTE_MAX) {
        kind->written++;
        put_line(logger, level, event, text);
    } else {
        kind->dropped++;
    }
    pthread_mutex_unlock(&logger->mutex);
}

void logger_engine(void *context, enum phusa_log_level level, const char *text)
{
    /* Its messages begin with a word for their subject ("flush: ..."): one kind each. */
    char event[32] = "engine_";
    size_t n = strlen(event);
    for (const char *p = text; n < sizeof event - 1 && *p >= 'a' && *p <= 'z'; p++)
        event[n++] = *p;
    if (n == strlen("engine_")) n--;
    event[n] = '\0';
    char quoted[LOGGER_QUOTED_BYTES];
    logger_write(context, level, event, "msg=%s",
                 logger_quote(quoted, (struct phusa_text){text, strlen(text)}));
}

const char *logger_quote(char out[LOGGER_QUOTED_BYTES], struct phusa_text text)
{
    size_t n = 0;
    out[n++] = '"';
    for (size_t i = 0; i < text.size_bytes && n + 6 < LOGGER_QUOTED_BYTES; i++) {
        const unsigned char c = (unsigned char)text.bytes[i];
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}
