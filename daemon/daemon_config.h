#pragma once

/*
 * DaemonConfig
 *
 * The configuration as a whole: the file that --config names, or the default one if it exists, its
 * drop-ins, what the command line says instead, and the quirks of all sources. It does not change;
 * daemon_config_reload() makes another.
 */

#include <stdio.h>

#include "config/config_parser.h"
#include "config/config_writer.h"
#include "daemon_options.h"
#include "daemon_settings.h"

typedef struct DaemonConfig DaemonConfig;

/* Tells every mistake, wherever it is: -EINVAL. -errno. */
int daemon_config_load(DaemonConfig **ret, const DaemonOptions *options, ConfigComplain complain,
                       void *userdata);
DaemonConfig *daemon_config_free(DaemonConfig *config);
DEFINE_CLEANUP(DaemonConfig *, daemon_config_free);

LogLevel daemon_config_get_log_level(const DaemonConfig *config);
/* Sets what the configuration decides; the quirks are borrowed. */
void daemon_config_fill(const DaemonConfig *config, DeviceManagerOptions *options);
/* As a file that can be read back, with where each value came from. -EIO. */
int daemon_config_write(const DaemonConfig *config, FILE *file);

/* config_writer_list() of it. */
int daemon_config_list(const DaemonConfig *config, ConfigWriterFound found, void *userdata);
bool daemon_config_is_monitored(const DaemonConfig *config);
const DaemonSettings *daemon_config_get_settings(const DaemonConfig *config);

/* A key whose value changed. */
typedef void (*DaemonConfigChanged)(const ConfigOption *option, void *userdata);

/* Tells each key that has another value in `b`, or names a file in which something else stands. */
void daemon_config_compare(const DaemonConfig *a, const DaemonConfig *b,
                           DaemonConfigChanged changed, void *userdata);
