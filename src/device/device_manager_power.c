/* A device's power, for who asks. */

#include <errno.h>

#include "device/device_manager_internal.h"

const DevicePower *device_manager_get_power(const DeviceManager *manager, uint64_t id) {
        const ManagedDevice *device = device_manager_get(manager, id);

        return device ? &device->power : NULL;
}

int device_manager_set_power_timeouts(DeviceManager *manager, uint64_t id,
                                      const DevicePowerTimeouts *timeouts) {
        ManagedDevice *device = device_manager_get(manager, id);

        if (!device)
                return -ENODEV;
        managed_device_set_power_timeouts(device, timeouts);
        return 0;
}
