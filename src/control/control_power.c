/* What may be believed of what a worker tells of power. */

#include "control/control_power.h"

#include "control/control_text.h"

bool control_power_options_is_valid(const PowerOptions *options) {
        return control_is_bool(options->is_enabled);
}

bool control_power_is_valid(const ControlPower *power) {
        return power->state < _POWER_STATE_MAX && control_power_options_is_valid(&power->options) &&
               control_is_bool(power->can_suspend) && control_is_bool(power->can_standby) &&
               control_is_bool(power->is_self_powered);
}
