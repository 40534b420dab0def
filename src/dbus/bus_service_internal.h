#pragma once

/* What the parts of the service on the bus share. Private to dbus. */

#include <systemd/sd-bus.h>

#include "dbus/bus_connection.h"
#include "dbus/bus_service.h"
#include "dbus/polkit_check.h"
#include "device/device_observer.h"

#define BUS_SERVICE_DEVICES_PATH BUS_SERVICE_PATH "/devices"
#define BUS_SERVICE_JOBS_PATH BUS_SERVICE_PATH "/jobs"
/* Names of devices are short. */
#define BUS_DEVICE_PATH_SIZE_MAX 304
/* Of any object. */
#define BUS_PATH_SIZE_MAX (BUS_DEVICE_PATH_SIZE_MAX + 16)
/* Slots that last as long as a connection. */
#define BUS_SERVICE_SLOTS_MAX 32
/* How often the progress of jobs is told. */
#define BUS_SERVICE_PROGRESS_INTERVAL_NS (250 * NS_PER_MS)

/* What polkit knows a kind of request as. Every one is in conf/org.orion.UsbStorage1.policy. */
#define BUS_ACTION(name) BUS_SERVICE_NAME "." name

typedef struct BusDevice BusDevice;
typedef struct BusJob BusJob;
typedef struct BusLun BusLun;
typedef struct BusRequest BusRequest;
typedef struct BusSleep BusSleep;

/* Whose numbers are meant: part of each object that has some. */
typedef struct BusSubject {
        BusService *service; /* borrowed */
        uint64_t id;         /* DeviceView::id */
        unsigned lun;        /* CONTROL_LUN_ALL: those of the device as a whole */
} BusSubject;

/* What the root object's properties are read from. */
typedef struct BusManagerFacts {
        uint32_t n_devices;
        uint32_t n_exports;
        int is_monitored;
        uint64_t device_timeout_us;
        uint64_t park_timeout_us;
        char log_level[16];
} BusManagerFacts;

struct BusService {
        EventLoop *loop;        /* borrowed */
        DeviceManager *manager; /* borrowed */
        BusServiceOptions options;
        char *address;                             /* owned: options.address */
        char *version;                             /* owned: options.version */
        BusConnection *connection;                 /* owned */
        PolkitCheck *polkit;                       /* owned */
        BusSleep *sleep;                           /* owned */
        sd_bus_slot *slots[BUS_SERVICE_SLOTS_MAX]; /* owned, of this connection */
        size_t n_slots;
        BusManagerFacts facts;
        DeviceObserver observer;
        ListNode devices;  /* owned: BusDevice::node */
        ListNode requests; /* BusRequest::node; they end themselves */
        unsigned n_requests;
        ListNode jobs;     /* owned: BusJob::node */
        uint64_t n_jobs;   /* so far */
        EventDefer update; /* announces what has changed */
        EventTimer progress_timer;
};

/* Where the next slot of this connection goes. */
sd_bus_slot **bus_service_add_slot(BusService *service);
/* The bus, to send something on it now; NULL: there is none. */
sd_bus *bus_service_get_bus(BusService *service);
/* PropertiesChanged with what differs of an interface, if anything does. `bus` may be NULL. */
void bus_service_announce_changes(sd_bus *bus, const char *path, const char *interface,
                                  const sd_bus_vtable *vtable, const void *former, const void *now);
/*
 * polkit_check_test() of a request that concerns a device (NULL: none), with what is known of it as
 * details.
 */
int bus_service_check(BusService *service, sd_bus_message *message, const char *action,
                      const BusDevice *device, uid_t *ret_uid, sd_bus_error *ret_error);
