#pragma once

/*
 * CtlAction
 *
 * What is done to a device or a unit, takes no more than a switch, and answers nothing.
 */

#include "cli/ctl_target.h"

typedef struct CtlAction {
        const char *interface;
        const char *method;
        const char *needs; /* what has the interface, in words; NULL: every target does */
        CtlTargetKind kind;
        const char *option; /* a boolean that is set; NULL: none */
        const char *done;   /* what to say after the name */
} CtlAction;

CtlExit ctl_action_run(const CtlAction *action, Ctl *ctl, const char *text);
/* Says that it is done: in words, or as JSON with the name in it. */
CtlExit ctl_action_tell(Ctl *ctl, const CtlTarget *target, const char *done);
