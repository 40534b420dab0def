/* Observers in the order in which they came; one may go when another is told. */

#include "device/device_manager_internal.h"

void device_manager_add_observer(DeviceManager *manager, DeviceObserver *observer) {
        list_init(&observer->node);
        list_append(&manager->observers, &observer->node);
}

void device_manager_remove_observer(DeviceManager *manager, DeviceObserver *observer) {
        list_unlink(&observer->node);
}

typedef void (*TellDevice)(uint64_t id, void *userdata);
typedef void (*TellLun)(uint64_t id, unsigned lun, void *userdata);

static TellDevice get_device_handler(const DeviceObserverHandlers *handlers,
                                     ManagedDeviceNews news) {
        switch (news) {
        case MANAGED_DEVICE_NEWS_ADDED:
                return handlers->device_added;
        case MANAGED_DEVICE_NEWS_CHANGED:
                return handlers->device_changed;
        case MANAGED_DEVICE_NEWS_REMOVED:
                return handlers->device_removed;
        }
        assert_not_reached();
}

static TellLun get_lun_handler(const DeviceObserverHandlers *handlers, ManagedDeviceNews news) {
        switch (news) {
        case MANAGED_DEVICE_NEWS_ADDED:
                return handlers->lun_added;
        case MANAGED_DEVICE_NEWS_CHANGED:
                return handlers->lun_changed;
        case MANAGED_DEVICE_NEWS_REMOVED:
                return handlers->lun_removed;
        }
        assert_not_reached();
}

void device_manager_tell_device(DeviceManager *manager, const ManagedDevice *device,
                                ManagedDeviceNews news) {
        LIST_FOR_EACH (node, &manager->observers) {
                const DeviceObserver *observer = list_entry(node, DeviceObserver, node);
                TellDevice tell = get_device_handler(observer->handlers, news);

                if (tell)
                        tell(device->id, observer->userdata);
        }
}

void device_manager_tell_lun(DeviceManager *manager, const ManagedDevice *device, unsigned lun,
                             ManagedDeviceNews news) {
        LIST_FOR_EACH (node, &manager->observers) {
                const DeviceObserver *observer = list_entry(node, DeviceObserver, node);
                TellLun tell = get_lun_handler(observer->handlers, news);

                if (tell)
                        tell(device->id, lun, observer->userdata);
        }
}

void device_manager_tell_event(DeviceManager *manager, DeviceEvent event, uint64_t id, unsigned lun,
                               const char *words) {
        LIST_FOR_EACH (node, &manager->observers) {
                const DeviceObserver *observer = list_entry(node, DeviceObserver, node);

                if (observer->handlers->event)
                        observer->handlers->event(event, id, lun, words, observer->userdata);
        }
}
