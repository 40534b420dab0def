#pragma once

/*
 * BusError
 *
 * The names of what can go wrong, as callers on the bus see them.
 */

#include <systemd/sd-bus.h>

#include "base/macros.h"

#define BUS_ERROR_PREFIX "org.orion.UsbStorage1.Error."
#define BUS_ERROR_FAILED BUS_ERROR_PREFIX "Failed"
#define BUS_ERROR_CANCELLED BUS_ERROR_PREFIX "Cancelled"
#define BUS_ERROR_NOT_AUTHORIZED BUS_ERROR_PREFIX "NotAuthorized"
/* The caller may ask again and allow polkit to ask for a password. */
#define BUS_ERROR_NOT_AUTHORIZED_CAN_OBTAIN BUS_ERROR_PREFIX "NotAuthorizedCanObtain"
#define BUS_ERROR_NOT_SUPPORTED BUS_ERROR_PREFIX "NotSupported"
#define BUS_ERROR_TIMEDOUT BUS_ERROR_PREFIX "Timedout"
#define BUS_ERROR_DEVICE_BUSY BUS_ERROR_PREFIX "DeviceBusy"
#define BUS_ERROR_NOT_FOUND BUS_ERROR_PREFIX "NotFound"
#define BUS_ERROR_INVALID_ARGUMENT BUS_ERROR_PREFIX "InvalidArgument"
#define BUS_ERROR_WOULD_WAKEUP BUS_ERROR_PREFIX "WouldWakeup"

/* The name for an -errno of ours; Failed if it has none of its own. */
const char *bus_error_name(int error);
/* Sets `ret_error` and returns what a handler returns then: negative. `error` is an -errno of ours. */
int bus_error_set(sd_bus_error *ret_error, int error, const char *format, ...) _printf_(3, 4);
