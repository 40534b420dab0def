#pragma once

/* The device rules: those of the file, then those of its drop-ins. */

#include "config/config_parser.h"
#include "device/device_policy.h"

#define DAEMON_POLICY_DEFAULT_PATH "/etc/usb-storage/rules.conf"

/* Adds the rules of `path`, then of each `path`.d/NAME.conf in lexical order. Every mistake is told
 * with its place: -EINVAL, and -errno. Blocks. */
int daemon_policy_load(DevicePolicy *policy, const char *path, bool is_optional,
                       ConfigComplain complain, void *userdata);
