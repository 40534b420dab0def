#pragma once

/*
 * BusCaller
 *
 * Who sent a message, found out without waiting: sd-bus's own ways (creds, sd_bus_track) block.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "dbus/bus_connection.h"

typedef struct BusCaller BusCaller;

typedef struct BusCallerHandlers {
        /* Optional. 0 and its user, or -errno. Once, unless `gone` came before. */
        void (*known)(BusCaller *caller, int error, uid_t uid, void *userdata);
        /* Mandatory. It has left the bus; once, and the last that is told. */
        void (*gone)(BusCaller *caller, void *userdata);
} BusCallerHandlers;

/* Of the sender of `message`; `handlers` is borrowed. */
int bus_caller_new(BusCaller **ret, BusConnection *connection, sd_bus_message *message,
                   const BusCallerHandlers *handlers, void *userdata);
/* May be called from within the handlers. Takes NULL. */
BusCaller *bus_caller_free(BusCaller *caller);
DEFINE_CLEANUP(BusCaller *, bus_caller_free);
