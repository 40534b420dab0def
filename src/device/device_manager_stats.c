/* What was measured of a device, and what can be made of it. */

#include "device/device_manager_internal.h"
#include "device/device_stats.h"
#include "device/optimization_advice.h"

const DeviceStats *device_manager_get_stats(const DeviceManager *manager, uint64_t id) {
        const ManagedDevice *device = device_manager_get(manager, id);

        return device ? &device->stats : NULL;
}

size_t device_manager_get_advice(const DeviceManager *manager, uint64_t id,
                                 OptimizationAdvice ret[_OPTIMIZATION_TOPIC_MAX]) {
        const ManagedDevice *device = device_manager_get(manager, id);
        OptimizationFacts facts = {};

        if (!device || !device_stats_get_device(&device->stats, &facts.device))
                return 0;
        facts.quirks = device->quirks;
        device_stats_get_sum(&device->stats, &facts.stats);
        device_power_get_statistics(&device->power, event_loop_now_ns(manager->loop), &facts.power);
        facts.power_options = managed_device_get_power_options(device);
        return optimization_advice_find(&facts, ret);
}
