#pragma once

/*
 * DeviceManager, its inside
 *
 * What the files share that make the manager. Private to device.
 */

#include "device/device_front.h"
#include "device/device_observer.h"
#include "device/device_others.h"
#include "device/managed_device.h"
#include "device/taken_devices.h"
#include "device/usb_monitor.h"

typedef enum DeviceManagerState {
        DEVICE_MANAGER_STATE_READY,
        DEVICE_MANAGER_STATE_RUNNING,
        DEVICE_MANAGER_STATE_STOPPING,
        DEVICE_MANAGER_STATE_STOPPED,
} DeviceManagerState;

struct DeviceManager {
        EventLoop *loop; /* borrowed */
        DeviceManagerState state;
        DeviceManagerOptions options;
        CacheStore *store;     /* owned */
        LearnedStore *learned; /* owned */
        TakenDevices *taken;   /* owned */
        StateStore *smart;     /* owned: the history of drives */
        DeviceManagerStopped stopped;
        void *userdata;

        UsbMonitor *monitor; /* owned; NULL without USB */
        bool is_rescanning;
        ListNode devices; /* ManagedDevice::node_of_manager */
        unsigned n_devices;
        unsigned n_simulations; /* that came, also those that are not driven */
        uint64_t last_id;       /* of a device */
        DeviceOthers others;
        ListNode observers; /* DeviceObserver::node */
        uint64_t last_generation;

        ChildProcess *spare; /* owned: a worker that waits for a device */
        EventDefer spare_start;
        DeviceFront front;
        int listeners[DEVICE_MANAGER_LISTENERS_MAX]; /* owned */
        size_t n_listeners;
        bool is_settled; /* the devices that were there at the start had their chance */
        EventTimer settle_timer;
        EventTimer stop_timer; /* the patience with the front and the spare worker */
        EventDefer settle_check;
        EventDefer stop_check;
};

/* One that is gone from its port does not count, though it may be back there soon. NULL: none. */
ManagedDevice *device_manager_find(const DeviceManager *manager, const char *name);
/* NULL: there is none (any more). */
ManagedDevice *device_manager_get(const DeviceManager *manager, uint64_t id);
/* Makes a device under names that are its alone: the first holder of a serial keeps it. */
int device_manager_add(DeviceManager *manager, const UsbNode *node, const DeviceDecision *decision,
                       ManagedDevice **ret);
/* Whether its model has the quirk i, which is told in the log. */
bool device_manager_ignores(const DeviceManager *manager, const UsbNode *node);

/* Each observer is told. */
void device_manager_tell_device(DeviceManager *manager, const ManagedDevice *device,
                                ManagedDeviceNews news);
void device_manager_tell_lun(DeviceManager *manager, const ManagedDevice *device, unsigned lun,
                             ManagedDeviceNews news);
void device_manager_tell_event(DeviceManager *manager, DeviceEvent event, uint64_t id, unsigned lun,
                               const char *words);
