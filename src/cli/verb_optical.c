/* Discs that come out and go in. */

#include "cli/verb_optical.h"

#include "cli/ctl_action.h"
#include "cli/ctl_call.h"

CtlExit verb_optical_eject(Ctl *ctl, char **arguments) {
        const CtlAction action = {
                .interface = CTL_OPTICAL,
                .needs = "optical drive",
                .method = "Eject",
                .kind = CTL_TARGET_LUN,
                .option = ctl_options_has(&ctl->options, CTL_OPTION_FORCE) ? "force" : NULL,
                .done = "is out.",
        };

        return ctl_action_run(&action, ctl, arguments[0]);
}

CtlExit verb_optical_load(Ctl *ctl, char **arguments) {
        static const CtlAction action = {
                .interface = CTL_OPTICAL,
                .needs = "optical drive",
                .method = "CloseTray",
                .kind = CTL_TARGET_LUN,
                .done = "has its tray closed.",
        };

        return ctl_action_run(&action, ctl, arguments[0]);
}
