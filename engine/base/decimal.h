/*
 * decimal.h - numbers as text, in and out, on the hot path of line protocol and answers.
 *
 * One grammar for line protocol, InfluxQL and CSV:  [+-] digits [. digits] [(e|E) [+-] digits],
 * with at least one digit before or after the point. No hex, no inf, no nan, no spaces, and
 * nothing may be left over. The locale plays no part.
 *
 * Threads  any.
 * Errors   PHUSA_ESYNTAX: not of the grammar.  PHUSA_ERANGE: of the grammar, but beyond
 *          the type's range. Outputs untouched.
 */
#ifndef PHUSA_BASE_DECIMAL_H
#define PHUSA_BASE_DECIMAL_H

#include "phusa.h"

/* The nearest double (ties to even); numbers below the smallest are 0 or -0. *decimals says how
 * many digits after the point were written, less the exponent: 21.50 has 2, 1.5e-3 has 4,
 * 12e3 and 7 have 0; PHUSA_DECIMALS_UNKNOWN beyond 18. */
PHUSA_MUST_USE phusa_status decimal_parse_double(const char *text, size_t size_bytes, double *out,
                                                 uint8_t *decimals);
/* [+-] digits. */
PHUSA_MUST_USE phusa_status decimal_parse_int64(const char *text, size_t size_bytes, int64_t *out);
/* [+] digits. */
PHUSA_MUST_USE phusa_status decimal_parse_uint64(const char *text, size_t size_bytes,
                                                 uint64_t *out);

/* Write the number at `out`, which has DECIMAL_BYTES_MAX, without a NUL; returns the size. */
#define DECIMAL_BYTES_MAX 32
/* x finite. The shortest digits that read back as x, laid out as InfluxDB's JSON does: 21.5, 7,
 * -0, 100000000000000000000; 1e-7 below 1e-6 and 1e+21 from 1e21 on. */
size_t decimal_print_double(double x, char *out);
size_t decimal_print_int64(int64_t x, char *out);
size_t decimal_print_uint64(uint64_t x, char *out);

#endif
