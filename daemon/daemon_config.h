#pragma once

/* The configuration file, as far as this release has options. */

#include "daemon_options.h"

/*
 * Reads the file that --config names, or the default one if it exists, with its drop-ins. Every
 * mistake is told on standard error with file and line. -EINVAL, -errno.
 */
int daemon_config_load(DaemonOptions *options);
