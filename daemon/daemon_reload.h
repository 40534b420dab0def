#pragma once

/* The configuration is read again while the service runs. */

#include "daemon_config.h"

/*
 * Puts another configuration in force, in place of `*config`. What changed is told in the log with
 * from when on it counts, and what counts from the next start on to `pending` as well (NULL: to
 * nobody). -EINVAL: each mistake was told to `complain`, and all is as before; -errno.
 */
int daemon_reload(DaemonConfig **config, const DaemonOptions *options, DeviceManager *manager,
                  ConfigComplain complain, DaemonConfigChanged pending, void *userdata);
