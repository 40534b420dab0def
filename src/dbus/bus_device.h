#pragma once

/*
 * BusDevice
 *
 * A device's object: devices/<port path>, with the interfaces Device, Cache, Performance and
 * Power.
 */

#include "control/control_message.h"
#include "dbus/bus_power.h"
#include "dbus/bus_service_internal.h"
#include "dbus/bus_trace.h"
#include "device/device_view.h"

#define BUS_DEVICE_INTERFACE BUS_SERVICE_NAME ".Device"
#define BUS_DEVICE_CACHE_INTERFACE BUS_SERVICE_NAME ".Cache"
#define BUS_DEVICE_TEXT_SIZE 256
#define BUS_DEVICE_RULE_SIZE DEVICE_RULE_SIZE_MAX
#define BUS_DEVICE_UNIQUE_NAME_SIZE 96

/* What the properties are read from. */
typedef struct BusDeviceFacts {
        char name[64];
        char id[CONTROL_NAME_SIZE_MAX];
        char vendor[BUS_DEVICE_TEXT_SIZE];
        char model[BUS_DEVICE_TEXT_SIZE];
        char serial[BUS_DEVICE_TEXT_SIZE];
        char connection_bus[16];
        char state[16];
        char failure_reason[BUS_DEVICE_TEXT_SIZE];
        char transport[16];
        char policy[16];
        char policy_rule[BUS_DEVICE_RULE_SIZE];
        char quirks[USB_QUIRKS_TEXT_SIZE];
        char cache_mode[16];
        char cache_policy[16];
        uint64_t taken_us;
        uint64_t cache_size_max;
        uint32_t speed_mbps;
        uint32_t transfer_size_max;
        uint32_t degradations; /* ControlDegradation */
        uint32_t learned;      /* UsbFact, and UsbUnitFact of any unit above them */
        uint32_t luns;         /* mask */
        uint32_t worker_pid;
        uint32_t n_restarts;
        int is_read_only;
        int has_read_ahead;
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_version;
} BusDeviceFacts;

struct BusDevice {
        BusDeviceFacts facts;
        BusPowerFacts power;
        BusService *service; /* borrowed */
        uint64_t id;         /* DeviceView::id */
        BusSubject subject;
        char unique_name[BUS_DEVICE_UNIQUE_NAME_SIZE]; /* the name, unless another has it as well */
        char path[BUS_DEVICE_PATH_SIZE_MAX];
        BusLun *luns[CONTROL_LUNS_MAX]; /* owned; NULL: there is none */
        BusTrace *trace;                /* owns itself; NULL: there is none */
        bool is_dirty;
        ListNode node; /* BusService::devices */
};

/* -ENOENT: the manager has no such device. */
int bus_device_new(BusDevice **ret, BusService *service, uint64_t id);
BusDevice *bus_device_free(BusDevice *device);
DEFINE_CLEANUP(BusDevice *, bus_device_free);

BusDevice *bus_device_find(BusService *service, uint64_t id);
BusDevice *bus_device_find_by_path(BusService *service, const char *path);
/* Announces what has changed since it was looked at, of its LUNs as well. */
void bus_device_update(BusDevice *device, sd_bus *bus);
void bus_device_announce(BusDevice *device, sd_bus *bus);
void bus_device_announce_removal(BusDevice *device, sd_bus *bus);
void bus_device_add_lun(BusDevice *device, unsigned number, sd_bus *bus);
void bus_device_remove_lun(BusDevice *device, unsigned number, sd_bus *bus);
int bus_device_attach(BusService *service, sd_bus *bus);
