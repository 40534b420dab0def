#pragma once

/*
 * DaemonComplain
 *
 * Mistakes in files that are told with their column go to where those of the configuration go.
 */

#include "config/config_parser.h"

typedef struct DaemonComplain {
        ConfigComplain complain;
        void *userdata;
} DaemonComplain;

/* `userdata` is a DaemonComplain. */
void daemon_complain_with_column(const char *source, unsigned line, unsigned column,
                                 const char *text, void *userdata);
/* What came of reading a file: -ENOENT is told, or nothing where it need not be there. */
int daemon_complain_missing(const DaemonComplain *to, const char *path, int r, bool is_optional);
