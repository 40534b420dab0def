/* Mounts are a device's: here it is found. */

#include <errno.h>

#include "device/device_manager_internal.h"
#include "device/device_mount.h"

int device_manager_mount(DeviceManager *manager, uint64_t id, unsigned lun, int fd,
                         const DeviceMountOptions *options) {
        ManagedDevice *device = device_manager_get(manager, id);

        if (!device || lun >= CONTROL_LUNS_MAX)
                return -ENODEV;
        if (!device->worker || !device->exports[lun].is_open)
                return -EHOSTDOWN;
        return device_mounts_add(device, lun, fd, options);
}

int device_manager_unmount(DeviceManager *manager, uint64_t id, unsigned lun, const char *path) {
        ManagedDevice *device = device_manager_get(manager, id);

        return device ? device_mounts_remove(device, lun, path) : -ENODEV;
}

const char *device_manager_get_mount(const DeviceManager *manager, uint64_t id, unsigned lun,
                                     size_t index) {
        const ManagedDevice *device = device_manager_get(manager, id);

        return device ? device_mounts_get(device, lun, index) : NULL;
}
