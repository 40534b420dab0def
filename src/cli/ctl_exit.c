/* One table of what errors on the bus mean to the shell. */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "cli/ctl_exit.h"

static const struct {
        const char *name;
        CtlExit exit;
} errors[] = {
        { "org.orion.UsbStorage1.Error.InvalidArgument", CTL_EXIT_USAGE },
        { "org.orion.UsbStorage1.Error.NotFound", CTL_EXIT_NOT_FOUND },
        { "org.orion.UsbStorage1.Error.NotAuthorized", CTL_EXIT_DENIED },
        { "org.orion.UsbStorage1.Error.NotAuthorizedCanObtain", CTL_EXIT_DENIED },
        { "org.orion.UsbStorage1.Error.NotAuthorizedDismissed", CTL_EXIT_DENIED },
        { "org.orion.UsbStorage1.Error.NotSupported", CTL_EXIT_UNSUPPORTED },
        { "org.orion.UsbStorage1.Error.Timedout", CTL_EXIT_TIMEOUT },
        { SD_BUS_ERROR_ACCESS_DENIED, CTL_EXIT_DENIED },
        { SD_BUS_ERROR_AUTH_FAILED, CTL_EXIT_DENIED },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, CTL_EXIT_DENIED },
        { SD_BUS_ERROR_INVALID_ARGS, CTL_EXIT_USAGE },
        { SD_BUS_ERROR_NO_REPLY, CTL_EXIT_TIMEOUT },
        { SD_BUS_ERROR_NOT_SUPPORTED, CTL_EXIT_UNSUPPORTED },
        { SD_BUS_ERROR_TIMEOUT, CTL_EXIT_TIMEOUT },
        { SD_BUS_ERROR_UNKNOWN_INTERFACE, CTL_EXIT_UNSUPPORTED },
        { SD_BUS_ERROR_UNKNOWN_METHOD, CTL_EXIT_UNSUPPORTED },
        { SD_BUS_ERROR_UNKNOWN_OBJECT, CTL_EXIT_NOT_FOUND },
        { SD_BUS_ERROR_UNKNOWN_PROPERTY, CTL_EXIT_UNSUPPORTED },
        { "org.freedesktop.DBus.Error.TimedOut", CTL_EXIT_TIMEOUT },
};

CtlExit ctl_exit_from_errno(int r) {
        switch (-r) {
        case EACCES:
        case EPERM:
                return CTL_EXIT_DENIED;
        case ETIMEDOUT:
                return CTL_EXIT_TIMEOUT;
        case EOPNOTSUPP:
                return CTL_EXIT_UNSUPPORTED;
        default:
                return CTL_EXIT_FAILURE;
        }
}

CtlExit ctl_exit_from_error(const sd_bus_error *error) {
        for (size_t i = 0; error->name && i < N_ELEMENTS(errors); i++)
                if (strcmp(error->name, errors[i].name) == 0)
                        return errors[i].exit;
        return CTL_EXIT_FAILURE;
}
