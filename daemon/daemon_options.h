#pragma once

/*
 * DaemonOptions
 *
 * What the command line of usb-storaged asks for; plain data.
 */

#include "base/log.h"
#include "device/device_manager.h"

#define DAEMON_QUIRKS_MAX 64
#define DAEMON_SIMULATIONS_MAX DEVICE_MANAGER_DEVICES_MAX

/* What the program is started for. */
typedef enum DaemonOptionsTask {
        DAEMON_OPTIONS_TASK_SERVE,
        DAEMON_OPTIONS_TASK_TEST_CONFIG,
        DAEMON_OPTIONS_TASK_DUMP_CONFIG,
} DaemonOptionsTask;

typedef struct DaemonOptions {
        const char *config_path; /* NULL: the default, if it exists */
        const char *bus;         /* "none", "system", "session" or an address */
        const char *runtime_dir;
        const char *state_dir;
        const char *listen_addresses[DEVICE_MANAGER_LISTENERS_MAX]; /* "unix:PATH", "tcp:HOST:PORT"
                                                                     */
        size_t n_listen_addresses;
        const char *simulations[DAEMON_SIMULATIONS_MAX]; /* SPECs */
        size_t n_simulations;
        const char *quirks[DAEMON_QUIRKS_MAX]; /* VID:PID:letters, one or several each */
        size_t n_quirks;
        const char *log_level; /* beats the configuration's; NULL: that holds */
        bool has_usb;
        DaemonOptionsTask task;
} DaemonOptions;

/*
 * 0: go on. 1: all was said (--help, --version), exit with success. -EINVAL: told on standard
 * error. Strings are borrowed from `argv`.
 */
int daemon_options_parse(DaemonOptions *options, int argc, char **argv);
