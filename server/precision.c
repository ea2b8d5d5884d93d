/* precision.c - see precision.h. */
#include "precision.h"

#include <string.h>

int64_t precision_parse(const char *word)
{
    static const struct {
        const char *word;
        int64_t ns;
    } units[] = {
        {"n", 1},
        {"ns", 1},
        {"u", 1000},
        {"us", 1000},
        {"\xc2\xb5", 1000},
        {"ms", 1000000},
        {"s", 1000000000},
        {"m", INT64_C(60000000000)},
        {"h", INT64_C(3600000000000)},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(word, units[i].word) == 0) return units[i].ns;
    return 0;
}
