#pragma once

/* The quirks of all sources, in the order of their precedence. */

#include "daemon_options.h"

typedef struct DaemonQuirksSources {
        char *const *configured; /* of the configuration, NULL-terminated; may be NULL */
        const char *path;        /* of the configuration's file; NULL: none */
        const char *shipped_path;
} DaemonQuirksSources;

/* Whether `text` is one entry VID:PID:letters. */
bool daemon_quirks_is_entry(const char *text);
/*
 * Fills options->quirks_list: command line, configuration, its file, the shipped file if there is
 * one. Every mistake is told on standard error with its place: -EINVAL, and -errno.
 */
int daemon_quirks_load(DaemonOptions *options, const DaemonQuirksSources *sources);
