/*
 * record.h - what a WAL group says: definitions and points, to bytes and back.
 *
 * Replay and the running store take the same road: the sequencer encodes a record, the WAL
 * makes it durable, and only then is it decoded and applied to index and head.
 *
 * Ownership  Encoders append to the caller's buffer. What decoders hand out points into the
 *            bytes they were given, or into the points_reader, until its next call.
 * Errors     PHUSA_ECORRUPT for bytes that are no record.
 */
#ifndef PHUSA_WAL_RECORD_H
#define PHUSA_WAL_RECORD_H

#include "base/buffer.h"
#include "base/limits.h"

enum record_kind {
    RECORD_MEASUREMENT = 1,
    RECORD_FIELD = 2,
    RECORD_SERIES = 3,
    RECORD_POINTS = 4,
};

/* Definitions precede their first use in the log. */
struct record_measurement {
    uint32_t database, measurement;
    struct phusa_text name;
};
struct record_field {
    uint32_t database, measurement;
    uint16_t field;
    enum phusa_type type;
    struct phusa_text name;
};
struct record_series {
    uint32_t database;
    uint64_t series;       /* measurement << 32 | ordinal */
    struct phusa_text key; /* canonical, index/batch.h */
};

/* ---- points ---- */

struct points_field {
    uint16_t id;
    enum phusa_type type; /* as the field is defined: widening is done */
};
struct points_shape {
    const struct points_field *fields; /* ascending by id */
    uint32_t field_count;
};
/* 8 bytes: the bits of a double, an integer, 0 or 1; for a string see `texts`. */
union points_value {
    double f;
    int64_t i;
    uint64_t u;
};

/* One record holds points of one policy, in the order of their LSNs, which are consecutive
 * from first_lsn. */
struct points_header {
    uint32_t database, policy;
    uint64_t first_lsn;
    uint64_t row_count; /* when written: ignored, points_end() knows */
    bool has_known_at;  /* else a row's known_at is the group's recorded_at */
    int64_t known_at_ns;
};

/* The decimals last written for a field of a shape, so that most floats need not say theirs.
 * Shapes share the slots: a clash costs a byte, never a value. */
#define POINTS_SCALES 256u
struct points_writer {
    struct buffer *out;
    /* private: */
    size_t start;    /* of the record in `out` */
    size_t count_at; /* where the number of rows goes */
    uint64_t row_count;
    uint64_t previous_series;
    int64_t previous_time_ns;
    uint32_t previous_shape;
    uint8_t scales[POINTS_SCALES];
};
void points_begin(struct points_writer *w, struct buffer *out, const struct points_header *header,
                  const struct points_shape *shapes, uint32_t shape_count);
/* texts[k] for string fields (others ignored, NULL where there is none); decimals[k] for floats
 * (NULL: unknown). Floats are finite, strings at most STRING_BYTES_MAX. */
void points_add(struct points_writer *w, uint64_t series, int64_t time_ns, uint32_t shape,
                const struct points_shape *fields, const union points_value *values,
                const uint8_t *decimals, const struct phusa_text *texts);
/* PHUSA_ENOMEM if any step ran out of memory: the buffer is then to be cleared. */
PHUSA_MUST_USE phusa_status points_end(struct points_writer *w);

struct points_row {
    uint64_t series, lsn;
    int64_t time_ns;
    uint32_t shape; /* index among the record's */
    const struct points_shape *fields;
    const union points_value *values;
    const uint8_t *decimals;
    const struct phusa_text *texts;
};
struct points_reader; /* heap; reused for record after record */
struct points_reader *points_reader_create(void);
void points_reader_free(struct points_reader *reader);
PHUSA_MUST_USE phusa_status points_open(struct points_reader *reader, struct phusa_text body,
                                        struct points_header *header);
/* The shapes of the open record. */
const struct points_shape *points_shapes(const struct points_reader *reader, uint32_t *count);
/* *row NULL at the end. */
PHUSA_MUST_USE phusa_status points_next(struct points_reader *reader,
                                        const struct points_row **row);
/* Up to POINTS_ROWS_MAX rows, which live until the next call; *count 0 at the end. */
#define POINTS_ROWS_MAX 64u
PHUSA_MUST_USE phusa_status points_next_rows(struct points_reader *reader,
                                             const struct points_row **rows, size_t *count);

/* ---- records in a group's payload ---- */

void record_put_measurement(struct buffer *out, const struct record_measurement *r);
void record_put_field(struct buffer *out, const struct record_field *r);
void record_put_series(struct buffer *out, const struct record_series *r);
/* points_begin() ... points_end() put a RECORD_POINTS. */

/* Walk a payload: the next record's kind and body; false at the end or (payload->bad) at a
 * malformed one. */
bool record_next(struct reader *payload, enum record_kind *kind, struct phusa_text *body);
PHUSA_MUST_USE phusa_status record_get_measurement(struct phusa_text body,
                                                   struct record_measurement *r);
PHUSA_MUST_USE phusa_status record_get_field(struct phusa_text body, struct record_field *r);
PHUSA_MUST_USE phusa_status record_get_series(struct phusa_text body, struct record_series *r);

#endif
