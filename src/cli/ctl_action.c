/* Look-up, call, a word about it. */

#include "cli/ctl_action.h"
#include "cli/bus_value.h"
#include "cli/ctl_call.h"

CtlExit ctl_action_tell(Ctl *ctl, const CtlTarget *target, const char *done) {
        _cleanup_(freep) char *name = ctl_target_name(target);
        json_object *answer;

        if (!ctl_is_json(ctl)) {
                printf("%s %s\n", name, done);
                return CTL_EXIT_OK;
        }
        answer = json_object_new_object();
        json_object_object_add(answer, target->lun ? "unit" : "device", bus_value_string(name));
        return ctl_print_json(ctl, answer);
}

CtlExit ctl_action_run(const CtlAction *action, Ctl *ctl, const char *text) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlTarget target;
        const char *path;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, text, action->kind);
        if (e != CTL_EXIT_OK)
                return e;
        path = target.lun ? target.lun : target.device;
        e = action->option ? ctl_call_do(ctl, path, action->interface, action->method, NULL,
                                         "a{sv}", 1, action->option, "b", true)
                           : ctl_call_do(ctl, path, action->interface, action->method, NULL,
                                         "a{sv}", 0);
        return e != CTL_EXIT_OK ? e : ctl_action_tell(ctl, &target, action->done);
}
