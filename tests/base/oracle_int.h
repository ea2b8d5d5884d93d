/*
 * oracle_int.h - a plain big integer, to check exact sums against: sign and magnitude, 32-bit
 * digits, schoolbook operations, one fixed size. Slow and obvious on purpose, and nothing in
 * common with engine/base.
 */
#ifndef TESTS_BASE_ORACLE_INT_H
#define TESTS_BASE_ORACLE_INT_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_DIGITS 640
struct oracle_int {
    bool negative;
    int count; /* without leading zeros */
    uint32_t digit[ORACLE_DIGITS];
};

void oracle_set(struct oracle_int *a, int64_t v);
void oracle_add(struct oracle_int *a, const struct oracle_int *b);
void oracle_subtract(struct oracle_int *a, const struct oracle_int *b);
void oracle_multiply(struct oracle_int *a, const struct oracle_int *b);
void oracle_multiply_small(struct oracle_int *a, uint32_t b);
void oracle_shift_left(struct oracle_int *a, unsigned bits);
int oracle_compare(const struct oracle_int *a, const struct oracle_int *b);

#endif
