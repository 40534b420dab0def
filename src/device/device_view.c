/* Words. */

#include "device/device_view.h"

const char *device_view_state_to_string(DeviceViewState state) {
        static const char *const names[_DEVICE_VIEW_STATE_MAX] = {
                [DEVICE_VIEW_STATE_STARTING] = "starting", [DEVICE_VIEW_STATE_RUNNING] = "running",
                [DEVICE_VIEW_STATE_PARKED] = "parked",     [DEVICE_VIEW_STATE_FAILED] = "failed",
                [DEVICE_VIEW_STATE_STOPPING] = "stopping",
        };

        assert(state < _DEVICE_VIEW_STATE_MAX);
        return names[state];
}

const char *device_other_reason_to_string(DeviceOtherReason reason) {
        static const char *const names[_DEVICE_OTHER_REASON_MAX] = {
                [DEVICE_OTHER_REASON_PRESENT] = "present",
                [DEVICE_OTHER_REASON_POLICY] = "policy",
                [DEVICE_OTHER_REASON_BUSY] = "busy",
                [DEVICE_OTHER_REASON_LIMIT] = "limit",
                [DEVICE_OTHER_REASON_RELEASED] = "released",
                [DEVICE_OTHER_REASON_UNSUPPORTED] = "unsupported",
                [DEVICE_OTHER_REASON_FAILED] = "failed",
        };

        assert(reason < _DEVICE_OTHER_REASON_MAX);
        return names[reason];
}
