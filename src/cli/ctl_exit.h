#pragma once

/*
 * CtlExit
 *
 * How a verb ended, which is what the program exits with. Whoever finds out that something failed
 * has printed why, once; all above only pass this on.
 */

#include <systemd/sd-bus.h>

typedef enum CtlExit {
        CTL_EXIT_OK = 0,
        CTL_EXIT_FAILURE = 1,
        CTL_EXIT_USAGE = 2,
        CTL_EXIT_NOT_FOUND = 3,
        CTL_EXIT_DENIED = 4,
        CTL_EXIT_TIMEOUT = 5,
        CTL_EXIT_UNSUPPORTED = 6,
} CtlExit;

/* By the name of an error that came over D-Bus. */
CtlExit ctl_exit_from_error(const sd_bus_error *error);
/* By a (negative) errno of ours. */
CtlExit ctl_exit_from_errno(int r);
