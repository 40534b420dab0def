/* Look-up, call, a word about it. */

#include "cli/ctl_action.h"
#include "cli/bus_value.h"
#include "cli/ctl_call.h"
#include "cli/ctl_job.h"

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
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlTarget target;
        const char *path;
        CtlExit e;
        int r;

        e = ctl_target_load(&target, ctl, &objects, text, action->kind);
        if (e != CTL_EXIT_OK)
                return e;
        path = target.lun ? target.lun : target.device;
        if (action->needs && !ctl_objects_get(&objects, path, action->interface)) {
                ctl_complain(ctl, "%s is no %s", text, action->needs);
                return CTL_EXIT_UNSUPPORTED;
        }
        e = ctl_call_new(ctl, path, action->interface, action->method, &message);
        if (e != CTL_EXIT_OK)
                return e;
        r = action->option ? sd_bus_message_append(message, "a{sv}", 1, action->option, "b", true)
                           : sd_bus_message_append(message, "a{sv}", 0);
        if (r < 0)
                return ctl_call_failed(ctl, NULL, r);
        e = ctl_job_call(ctl, message, path);
        return e != CTL_EXIT_OK ? e : ctl_action_tell(ctl, &target, action->done);
}
