/* partition.c - see partition.h. */
#include "calendar/partition.h"

#include "calendar/calendar_internal.h"

#include "calendar/civil.h"

#include <assert.h>

#define MONTHS_MAX 120000 /* 10,000 years */

/* Numbers of any width from an hour on fit int32 by far: int64 nanoseconds are 5.1 M hours. */
_Static_assert(UINT64_MAX / (uint64_t)PARTITION_NS_MIN < INT32_MAX, "every number fits");

phusa_status partition_width_check(struct phusa_interval width)
{
    if (width.months < 0 || width.ns < 0 || (width.months > 0) == (width.ns > 0))
        return PHUSA_EINVAL;
    if (width.months > MONTHS_MAX) return PHUSA_ERANGE;
    if (width.months == 0 && width.ns < PARTITION_NS_MIN) return PHUSA_EINVAL;
    return PHUSA_OK;
}

int32_t partition_of(struct phusa_interval width, int64_t time_ns)
{
    assert(partition_width_check(width) == PHUSA_OK);
    if (width.months == 0) return (int32_t)floor_divide(time_ns, width.ns);
    const int64_t days = floor_divide(time_ns, NS_PER_DAY);
    return (int32_t)floor_divide(civil_month_of_days(days), width.months);
}

/* Where a partition begins, cut to int64. */
static int64_t start_of(struct phusa_interval width, int64_t number)
{
    __int128 start_ns;
    if (width.months == 0)
        start_ns = (__int128)number * width.ns;
    else
        start_ns = (__int128)civil_days_of_month(number * width.months) * NS_PER_DAY;
    return start_ns < INT64_MIN ? INT64_MIN : start_ns > INT64_MAX ? INT64_MAX : (int64_t)start_ns;
}

void partition_range(struct phusa_interval width, int32_t number, int64_t *start_ns,
                     int64_t *end_ns)
{
    assert(partition_width_check(width) == PHUSA_OK);
    *start_ns = start_of(width, number);
    *end_ns = start_of(width, (int64_t)number + 1);
}
