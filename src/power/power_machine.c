/* USB 2.0, 9.1.1.6 and 11.9 (selective suspend); SBC-3, 4.20 and 5.25 (stopped, standby). */

#include "power/power_machine.h"

#include "base/macros.h"

static PowerPhase next_of_awake(PowerPhase phase, PowerEvent event) {
        switch (event) {
        case POWER_EVENT_USED:
                return POWER_PHASE_ACTIVE;
        case POWER_EVENT_RESTED:
                return POWER_PHASE_IDLE;
        case POWER_EVENT_FALL:
                return POWER_PHASE_FALLING;
        case POWER_EVENT_STOPPED: /* by itself, or by a command from outside */
                return POWER_PHASE_STANDBY;
        case POWER_EVENT_ENDED:
                return POWER_PHASE_ENDED;
        case POWER_EVENT_SUSPENDED: /* nobody does that to a device without closing the gate */
        case POWER_EVENT_WANTED:
        case POWER_EVENT_WOKEN:
                return phase;
        case _POWER_EVENT_MAX:
                break;
        }

        assert_not_reached();
}

static PowerPhase next_of_moving(PowerPhase phase, PowerEvent event) {
        switch (event) {
        case POWER_EVENT_STOPPED:
                return POWER_PHASE_STANDBY;
        case POWER_EVENT_SUSPENDED:
                return POWER_PHASE_SUSPENDED;
        case POWER_EVENT_WOKEN:
                return POWER_PHASE_IDLE;
        case POWER_EVENT_ENDED:
                return POWER_PHASE_ENDED;
        case POWER_EVENT_USED:
        case POWER_EVENT_RESTED:
        case POWER_EVENT_FALL:
        case POWER_EVENT_WANTED: /* it waits: whoever moves it looks */
                return phase;
        case _POWER_EVENT_MAX:
                break;
        }

        assert_not_reached();
}

static PowerPhase next_of_asleep(PowerPhase phase, PowerEvent event) {
        switch (event) {
        case POWER_EVENT_FALL: /* deeper */
                return phase == POWER_PHASE_STANDBY ? POWER_PHASE_FALLING : phase;
        case POWER_EVENT_WANTED:
                return POWER_PHASE_WAKING;
        case POWER_EVENT_WOKEN: /* media by a command from outside; a link by nobody else */
                return phase == POWER_PHASE_STANDBY ? POWER_PHASE_IDLE : phase;
        case POWER_EVENT_ENDED:
                return POWER_PHASE_ENDED;
        case POWER_EVENT_USED: /* what needs no medium leaves it as it is */
        case POWER_EVENT_RESTED:
        case POWER_EVENT_STOPPED:
        case POWER_EVENT_SUSPENDED:
                return phase;
        case _POWER_EVENT_MAX:
                break;
        }

        assert_not_reached();
}

PowerPhase power_machine_next(PowerPhase phase, PowerEvent event) {
        switch (phase) {
        case POWER_PHASE_UNKNOWN:
        case POWER_PHASE_ACTIVE:
        case POWER_PHASE_IDLE:
                return next_of_awake(phase, event);
        case POWER_PHASE_FALLING:
        case POWER_PHASE_WAKING:
                return next_of_moving(phase, event);
        case POWER_PHASE_STANDBY:
        case POWER_PHASE_SUSPENDED:
                return next_of_asleep(phase, event);
        case POWER_PHASE_ENDED:
                return phase;
        case _POWER_PHASE_MAX:
                break;
        }

        assert_not_reached();
}

bool power_machine_is_open(PowerPhase phase) {
        switch (phase) {
        case POWER_PHASE_UNKNOWN:
        case POWER_PHASE_ACTIVE:
        case POWER_PHASE_IDLE:
        case POWER_PHASE_ENDED:
                return true;
        case POWER_PHASE_FALLING:
        case POWER_PHASE_STANDBY:
        case POWER_PHASE_SUSPENDED:
        case POWER_PHASE_WAKING:
                return false;
        case _POWER_PHASE_MAX:
                break;
        }

        assert_not_reached();
}

PowerState power_machine_get_state(PowerPhase phase, PowerState before) {
        switch (phase) {
        case POWER_PHASE_ACTIVE:
                return POWER_STATE_ACTIVE;
        case POWER_PHASE_IDLE:
                return POWER_STATE_IDLE;
        case POWER_PHASE_STANDBY:
                return POWER_STATE_STANDBY;
        case POWER_PHASE_SUSPENDED:
                return POWER_STATE_SUSPENDED;
        case POWER_PHASE_FALLING:
        case POWER_PHASE_WAKING:
                return before;
        case POWER_PHASE_UNKNOWN:
        case POWER_PHASE_ENDED:
                return POWER_STATE_UNKNOWN;
        case _POWER_PHASE_MAX:
                break;
        }

        assert_not_reached();
}

const char *power_machine_phase_to_string(PowerPhase phase) {
        static const char *const names[_POWER_PHASE_MAX] = {
                [POWER_PHASE_UNKNOWN] = "unknown", [POWER_PHASE_ACTIVE] = "active",
                [POWER_PHASE_IDLE] = "idle",       [POWER_PHASE_FALLING] = "falling asleep",
                [POWER_PHASE_STANDBY] = "standby", [POWER_PHASE_SUSPENDED] = "suspended",
                [POWER_PHASE_WAKING] = "waking",   [POWER_PHASE_ENDED] = "ended",
        };

        assert(phase < _POWER_PHASE_MAX);
        return names[phase];
}
