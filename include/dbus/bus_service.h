#pragma once

/*
 * BusService
 *
 * The service as others see it on D-Bus: org.orion.UsbStorage1 with its objects below
 * /org/orion/UsbStorage1, described in conf/interfaces. A bus that is missing or goes away is no
 * harm: it is tried again.
 */

#include "base/event_loop.h"
#include "device/device_manager.h"

#define BUS_SERVICE_NAME "org.orion.UsbStorage1"
#define BUS_SERVICE_PATH "/org/orion/UsbStorage1"

typedef struct BusService BusService;

typedef struct BusServiceOptions {
        const char *address; /* "system", "session" or a D-Bus address */
        const char *version;
        const char *const *listen_addresses; /* borrowed for the service's life */
        size_t n_listen_addresses;
} BusServiceOptions;

/* `manager` is borrowed, and lives longer. */
int bus_service_new(BusService **ret, EventLoop *loop, DeviceManager *manager,
                    const BusServiceOptions *options);
/* Takes NULL. */
BusService *bus_service_free(BusService *service);
DEFINE_CLEANUP(BusService *, bus_service_free);
