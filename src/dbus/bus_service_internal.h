#pragma once

/* What the parts of the service on the bus share. Private to dbus. */

#include <systemd/sd-bus.h>

#include "dbus/bus_connection.h"
#include "dbus/bus_service.h"
#include "dbus/polkit_check.h"

/* Slots that last as long as a connection. */
#define BUS_SERVICE_SLOTS_MAX 16

struct BusService {
        EventLoop *loop;        /* borrowed */
        DeviceManager *manager; /* borrowed */
        BusServiceOptions options;
        char *address;                             /* owned: options.address */
        char *version;                             /* owned: options.version */
        BusConnection *connection;                 /* owned */
        PolkitCheck *polkit;                       /* owned */
        sd_bus_slot *slots[BUS_SERVICE_SLOTS_MAX]; /* owned, of this connection */
        size_t n_slots;
};

/* Where the next slot of this connection goes. */
sd_bus_slot **bus_service_add_slot(BusService *service);
