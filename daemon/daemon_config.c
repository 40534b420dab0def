/* See daemon_config.h. */

#include <errno.h>
#include <stdio.h>

#include "daemon_config.h"

int daemon_config_load(DaemonOptions *options) {
        if (!options->config_path)
                return 0;
        fprintf(stderr, "usb-storaged: --config is not supported\n");
        return -EINVAL;
}
