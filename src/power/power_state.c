/* The words for it. */

#include "power/power_state.h"

#include "base/macros.h"

const char *power_state_to_string(PowerState state) {
        static const char *const names[_POWER_STATE_MAX] = {
                [POWER_STATE_UNKNOWN] = "unknown",     [POWER_STATE_ACTIVE] = "active",
                [POWER_STATE_IDLE] = "idle",           [POWER_STATE_STANDBY] = "standby",
                [POWER_STATE_SUSPENDED] = "suspended",
        };

        assert(state < _POWER_STATE_MAX);
        return names[state];
}
