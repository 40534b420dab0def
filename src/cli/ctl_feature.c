/* Looks for the interface first, so that its absence is told as such. */

#include "cli/ctl_feature.h"
#include "cli/ctl_action.h"
#include "cli/ctl_call.h"
#include "cli/ctl_facts.h"
#include "cli/ctl_target.h"

static CtlExit find(const CtlFeature *feature, Ctl *ctl, const char *device, CtlObjects *objects,
                    CtlTarget *target, const char **ret_path) {
        CtlExit e = ctl_target_load(target, ctl, objects, device, CTL_TARGET_LUN);

        return e != CTL_EXIT_OK ? e
                                : ctl_target_need(target, ctl, objects, feature->interface,
                                                  feature->what, ret_path);
}

CtlExit ctl_feature_show(const CtlFeature *feature, Ctl *ctl, const char *device) {
        _cleanup_(json_object_putp) json_object *properties = NULL;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(freep) char *name = NULL;
        CtlTarget target;
        const char *path;
        CtlExit e;

        e = find(feature, ctl, device, &objects, &target, &path);
        if (e == CTL_EXIT_OK)
                e = ctl_call_get_properties(ctl, path, feature->interface, &properties);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, TAKE_PTR(properties));
        name = ctl_target_name(&target);
        ctl_facts_print(ctl, "Unit", "%s", name);
        ctl_facts_print_all(ctl, properties);
        return CTL_EXIT_OK;
}

CtlExit ctl_feature_do(const CtlFeature *feature, Ctl *ctl, const char *device, const char *method,
                       const char *word, const char *done) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlTarget target;
        const char *path;
        CtlExit e;

        e = find(feature, ctl, device, &objects, &target, &path);
        if (e == CTL_EXIT_OK)
                e = ctl_call_do(ctl, path, feature->interface, method, NULL, "sa{sv}", word, 0);
        return e != CTL_EXIT_OK ? e : ctl_action_tell(ctl, &target, done);
}
