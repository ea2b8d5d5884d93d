/*
 * cellvalue.h - the text of a cell to a field's value in line protocol.
 *
 * Numbers keep their digits: they are checked and copied, never converted, so that what was
 * measured as 7.10 is stored as that decimal.
 */
#ifndef PHUSA_CLIENT_CELLVALUE_H
#define PHUSA_CLIENT_CELLVALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/textbuf.h"

enum cell_type { CELL_AUTO, CELL_FLOAT, CELL_INT, CELL_UINT, CELL_BOOL, CELL_STRING };

/* "float", ... to its type; false when there is no such. */
bool cell_type_parse(const char *name, size_t name_bytes, enum cell_type *type);

/* Append the cell as a value of `type` (not CELL_AUTO). Returns NULL, or why it is none (static
 * text), with `to` unchanged. decimal_mark is '.' or ','. */
const char *cell_append(struct textbuf *to, enum cell_type type, const char *text,
                        size_t text_bytes, char decimal_mark);

/* Is it a number: [+-]digits[.digits][e[+-]digits], within the range of a double? */
bool cell_is_number(const char *text, size_t text_bytes, char decimal_mark);

#endif
