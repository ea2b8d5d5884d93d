/* calendar_internal.h - small things that several files of this folder need. */
#ifndef PHUSA_CALENDAR_CALENDAR_INTERNAL_H
#define PHUSA_CALENDAR_CALENDAR_INTERNAL_H

#include "phusa.h"

static inline int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* A place in a text that is being read. */
struct cursor {
    const char *next;
    const char *end;
};

static inline bool take(struct cursor *c, char wanted)
{
    if (c->next == c->end || *c->next != wanted) return false;
    c->next++;
    return true;
}

static inline bool is_digit_next(const struct cursor *c)
{
    return c->next < c->end && *c->next >= '0' && *c->next <= '9';
}

#endif
