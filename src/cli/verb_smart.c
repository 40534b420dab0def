/* What a disk knows of its own health. */

#include "cli/verb_smart.h"
#include "cli/ctl_call.h"
#include "cli/ctl_feature.h"

static const CtlFeature feature = { CTL_SMART, "SMART" };

CtlExit verb_smart_info(Ctl *ctl, char **arguments) {
        return ctl_feature_show(&feature, ctl, arguments[0]);
}

CtlExit verb_smart_test(Ctl *ctl, char **arguments) {
        return ctl_feature_do(&feature, ctl, arguments[0], "StartSelfTest",
                              arguments[1] ? arguments[1] : "short", "tests itself now.");
}
