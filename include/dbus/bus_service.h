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

/* What is wrong with a configuration, in words. */
#define BUS_SERVICE_MISTAKE_SIZE 512

/* A key of the configuration; borrowed. */
typedef struct BusSetting {
        const char *section;
        const char *key;
        const char *value;
        const char *origin; /* "/etc/…:7", "default" */
} BusSetting;

typedef void (*BusSettingFound)(const BusSetting *setting, void *userdata);
/* It has changed, which counts from the next start on. */
typedef void (*BusKeyPending)(const char *key, void *userdata);

/* The configuration belongs to the program. All are mandatory. */
typedef struct BusConfigurationHandlers {
        /* Tells each key, in order; -errno. */
        int (*list)(BusSettingFound found, void *found_userdata, void *userdata);
        /* As at SIGHUP. -EINVAL with the first mistake in `mistake` (BUS_SERVICE_MISTAKE_SIZE),
         * -errno: nothing changed. */
        int (*reload)(BusKeyPending pending, void *pending_userdata, char *mistake, void *userdata);
        bool (*is_monitored)(void *userdata);
} BusConfigurationHandlers;

typedef struct BusServiceOptions {
        const char *address; /* "system", "session" or a D-Bus address */
        const char *version;
        const char *const *listen_addresses; /* borrowed for the service's life */
        size_t n_listen_addresses;
        const BusConfigurationHandlers *configuration; /* borrowed */
        void *userdata;                                /* of its handlers */
} BusServiceOptions;

/* `manager` is borrowed, and lives longer. */
int bus_service_new(BusService **ret, EventLoop *loop, DeviceManager *manager,
                    const BusServiceOptions *options);
/* Something changed that the manager does not tell: the configuration. Takes NULL. */
void bus_service_update(BusService *service);
/* Takes NULL. */
BusService *bus_service_free(BusService *service);
DEFINE_CLEANUP(BusService *, bus_service_free);
