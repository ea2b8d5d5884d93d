/* inspect.c - see inspect.h. */
#include "inspect.h"
#include "phusa.h"

#include <stdio.h>
#include <string.h>

static void print_line(void *context, const char *line)
{
    fprintf(context, "%s\n", line);
}

bool inspect_knows(const char *command)
{
    return strcmp(command, "check") == 0 || strcmp(command, "dump") == 0 ||
           strcmp(command, "stat") == 0;
}

int inspect_run(const char *command, const char *dir)
{
    struct phusa_error error = {0};
    uint64_t faults = 0;
    phusa_status status;
    if (strcmp(command, "check") == 0)
        status = phusa_check_dir(dir, print_line, stdout, &faults, &error);
    else if (strcmp(command, "dump") == 0)
        status = phusa_dump_dir(dir, print_line, stdout, &error);
    else
        status = phusa_stat_dir(dir, print_line, stdout, &error);
    if (fflush(stdout) != 0) return 2;
    if (status != PHUSA_OK) {
        fprintf(stderr, "phusad %s: %s\n", command, error.text);
        return 2;
    }
    if (strcmp(command, "check") == 0)
        printf("%llu fault%s\n", (unsigned long long)faults, faults == 1 ? "" : "s");
    return faults == 0 ? 0 : 1;
}
