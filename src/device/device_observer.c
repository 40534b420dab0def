/* Words. */

#include "device/device_observer.h"

const char *device_event_to_string(DeviceEvent event) {
        static const char *const names[_DEVICE_EVENT_MAX] = {
                [DEVICE_EVENT_ADDED] = "added",         [DEVICE_EVENT_REMOVED] = "removed",
                [DEVICE_EVENT_PARKED] = "parked",       [DEVICE_EVENT_RETURNED] = "returned",
                [DEVICE_EVENT_RESET] = "reset",         [DEVICE_EVENT_DEGRADED] = "degraded",
                [DEVICE_EVENT_RECOVERED] = "recovered", [DEVICE_EVENT_WORKER_DIED] = "worker-died",
                [DEVICE_EVENT_FAILED] = "failed",       [DEVICE_EVENT_ASLEEP] = "asleep",
                [DEVICE_EVENT_AWAKE] = "awake",         [DEVICE_EVENT_POLICY] = "policy",
                [DEVICE_EVENT_HEALTH] = "health",
        };

        assert(event < _DEVICE_EVENT_MAX);
        return names[event];
}
