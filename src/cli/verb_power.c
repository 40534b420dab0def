/* The power state of a unit. */

#include "cli/verb_power.h"
#include "cli/ctl_call.h"
#include "cli/ctl_feature.h"

static const CtlFeature feature = { CTL_POWER, "Power management" };

CtlExit verb_power_info(Ctl *ctl, char **arguments) {
        return ctl_feature_show(&feature, ctl, arguments[0]);
}

CtlExit verb_power_set(Ctl *ctl, char **arguments) {
        return ctl_feature_do(&feature, ctl, arguments[0], "SetState", arguments[1],
                              "has changed its power state.");
}
