/* One table, and errors as sd-bus's handlers give them back. */

#include <errno.h>
#include <stdarg.h>

#include "dbus/bus_error.h"

static const struct {
        int error;
        const char *name;
} bus_errors[] = {
        { -ECANCELED, BUS_ERROR_CANCELLED },      { -EACCES, BUS_ERROR_NOT_AUTHORIZED },
        { -EPERM, BUS_ERROR_NOT_AUTHORIZED },     { -ENOKEY, BUS_ERROR_NOT_AUTHORIZED_CAN_OBTAIN },
        { -EOPNOTSUPP, BUS_ERROR_NOT_SUPPORTED }, { -ETIMEDOUT, BUS_ERROR_TIMEDOUT },
        { -EBUSY, BUS_ERROR_DEVICE_BUSY },        { -ENOENT, BUS_ERROR_NOT_FOUND },
        { -ENODEV, BUS_ERROR_NOT_FOUND },         { -ESTALE, BUS_ERROR_NOT_FOUND },
        { -EINVAL, BUS_ERROR_INVALID_ARGUMENT },  { -E2BIG, BUS_ERROR_INVALID_ARGUMENT },
        { -ENXIO, BUS_ERROR_NOT_FOUND },          { -ERANGE, BUS_ERROR_INVALID_ARGUMENT },
        { -EHOSTDOWN, BUS_ERROR_WOULD_WAKEUP },
};

const char *bus_error_name(int error) {
        for (size_t i = 0; i < N_ELEMENTS(bus_errors); i++)
                if (bus_errors[i].error == error)
                        return bus_errors[i].name;
        return BUS_ERROR_FAILED;
}

int bus_error_set(sd_bus_error *ret_error, int error, const char *format, ...) {
        va_list arguments;

        assert(error < 0);
        va_start(arguments, format);
        (void) sd_bus_error_setfv(ret_error, bus_error_name(error), format, arguments);
        va_end(arguments);
        return error;
}
