#pragma once

/*
 * DeviceObserver
 *
 * Who wants to know what becomes of devices. Told from the loop, in the middle of the manager's
 * work: it may look at views and make requests, but must not stop the manager, take or release.
 */

#include "base/list.h"
#include "device/device_manager.h"

typedef enum DeviceEvent {
        DEVICE_EVENT_ADDED,
        DEVICE_EVENT_REMOVED,
        DEVICE_EVENT_PARKED, /* unplugged, and waited for */
        DEVICE_EVENT_RETURNED,
        DEVICE_EVENT_RESET,    /* it was, or may have been */
        DEVICE_EVENT_DEGRADED, /* the words say how */
        DEVICE_EVENT_RECOVERED,
        DEVICE_EVENT_WORKER_DIED,
        DEVICE_EVENT_FAILED, /* it can't be driven */
        DEVICE_EVENT_ASLEEP, /* not more often than anybody wants to hear of it */
        DEVICE_EVENT_AWAKE,
        DEVICE_EVENT_HEALTH, /* the verdict on a unit's drive has changed */
        DEVICE_EVENT_POLICY, /* a device was left alone; `id` 0 */
        _DEVICE_EVENT_MAX,
} DeviceEvent;

typedef struct DeviceObserverHandlers {
        /* All may be NULL. A device is named by DeviceView::id; while `removed` runs it is still
         * found, and so are its LUNs, which were removed before. */
        void (*device_added)(uint64_t id, void *userdata);
        void (*device_changed)(uint64_t id, void *userdata); /* something in its view, or several */
        void (*device_removed)(uint64_t id, void *userdata);
        void (*lun_added)(uint64_t id, unsigned lun, void *userdata);
        void (*lun_changed)(uint64_t id, unsigned lun, void *userdata);
        void (*lun_removed)(uint64_t id, unsigned lun, void *userdata);
        /* `lun` CONTROL_LUN_ALL: of the device. `words` is a line, of printable characters. */
        void (*event)(DeviceEvent event, uint64_t id, unsigned lun, const char *words,
                      void *userdata);
} DeviceObserverHandlers;

/* The owner's; all but `node` is set by it, and constant while it is added. */
typedef struct DeviceObserver {
        const DeviceObserverHandlers *handlers; /* borrowed */
        void *userdata;
        ListNode node; /* DeviceManager::observers */
} DeviceObserver;

/* What is there already is not told. */
void device_manager_add_observer(DeviceManager *manager, DeviceObserver *observer);
/* Harmless twice; not from within one of its handlers. */
void device_manager_remove_observer(DeviceManager *manager, DeviceObserver *observer);

const char *device_event_to_string(DeviceEvent event); /* "worker-died" */
