/*
 * importrun.h - the work of `phusa import csv`, once the command line is read.
 */
#ifndef PHUSA_CLIENT_IMPORTRUN_H
#define PHUSA_CLIENT_IMPORTRUN_H

#include <stdio.h>

#include "plan.h"
#include "sender.h"
#include "tool.h"

struct import_settings {
    const char *database, *retention_policy;
    const char *columns; /* names, for files without a header row; or NULL */
    const char *state_path, *bad_rows_path;
    uint64_t batch_rows, connections;
    uint64_t options_hash;
    bool gzip, dry_run;
};

/* Import the files in their order; returns a tool_exit. */
int import_run(const struct import_settings *settings, struct plan_spec *spec,
               const char *const *files, size_t file_count);

#endif
