/*
 * logger.h - the operator's log: one line an event, key=value, to stderr or to a file.
 *
 *     2026-11-24T09:59:38.123Z level=warn event=accept_failed msg="too many open files"
 *
 * One kind of event is written at most LOG_PER_MINUTE_MAX times a minute; then a line says how
 * many were left out. A log that fills the disk is how a small fault becomes a large one.
 *
 * Threads  any.
 */
#ifndef PHUSAD_LOGGER_H
#define PHUSAD_LOGGER_H

#include "phusa.h"

struct logger;

/* path NULL: stderr. NULL with errno set when the file cannot be opened. */
struct logger *logger_open(const char *path, enum phusa_log_level level_max);
void logger_close(struct logger *logger);
/* Open the file anew (after it was moved aside); the old one stays in use when that fails. */
bool logger_reopen(struct logger *logger);
/* `event` is a word that lives for ever: the kind of event. `format` gives the rest of the line,
 * key=value pairs. logger may be NULL: silent. */
void logger_write(struct logger *logger, enum phusa_log_level level, const char *event,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* phusa_log_fn: the engine's words, context is the logger. */
void logger_engine(void *context, enum phusa_log_level level, const char *text);
/* Text made safe for a value: quoted, with control characters, quotes and backslashes escaped. */
#define LOGGER_QUOTED_BYTES 256
const char *logger_quote(char out[LOGGER_QUOTED_BYTES], struct phusa_text text);

#endif
