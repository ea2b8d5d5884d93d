/* print.c - numbers and times as text, for those who print answers; see phusa.h. */
#include "base/decimal.h"
#include "calendar/civil.h"
#include "phusa.h"

_Static_assert(PHUSA_DOUBLE_BYTES_MAX >= DECIMAL_BYTES_MAX, "a double fits");
_Static_assert(PHUSA_TIME_BYTES_MAX >= CIVIL_BYTES_MAX, "a time fits");

size_t phusa_print_double(double x, char out[PHUSA_DOUBLE_BYTES_MAX])
{
    return decimal_print_double(x, out);
}

size_t phusa_print_time(int64_t ns, char out[PHUSA_TIME_BYTES_MAX])
{
    return civil_print(ns, 0, out);
}
