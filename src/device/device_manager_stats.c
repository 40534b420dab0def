/* What was measured of a device. */

#include "device/device_manager_internal.h"
#include "device/device_stats.h"

const DeviceStats *device_manager_get_stats(const DeviceManager *manager, uint64_t id) {
        const ManagedDevice *device = device_manager_get(manager, id);

        return device ? &device->stats : NULL;
}
