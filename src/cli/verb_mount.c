/* The file's path is made absolute before it is mounted over: nobody may look at it while it is not served. */

#include "cli/verb_mount.h"

#include <errno.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/ctl_call.h"
#include "cli/ctl_text.h"
#include "cli/fuse_mount.h"
#include "cli/image_folder.h"
#include "cli/image_mount.h"

/* A file that something dead is mounted over can't be looked at, but its folder can. NULL: there is none;
 * errno. */
static char *make_absolute(const char *file) {
        _cleanup_(freep) char *copy = ctl_text_copy(file), *folder = NULL;
        char *slash = strrchr(copy, '/'), *name = slash ? slash + 1 : copy;
        char *path = realpath(file, NULL);

        if (path || errno != ENOTCONN)
                return path;
        if (slash)
                *slash = '\0';
        folder = realpath(slash ? (slash == copy ? "/" : copy) : ".", NULL);
        return folder ? ctl_text_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name)
                      : NULL;
}

static CtlExit tell_mounted(const Ctl *ctl, const CtlTarget *target, const char *file) {
        _cleanup_(freep) char *name = ctl_target_name(target);
        json_object *answer;

        if (!ctl_is_json(ctl)) {
                printf("%s is mounted at %s\n", name, file);
                return CTL_EXIT_OK;
        }
        answer = json_object_new_object();
        json_object_object_add(answer, "unit", bus_value_string(name));
        json_object_object_add(answer, "file", bus_value_string(file));
        return ctl_print_json(ctl, answer);
}

static CtlExit mount_one(Ctl *ctl, const char *unit, const char *argument) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(freep) char *file = make_absolute(argument);
        CtlTarget target;
        CtlExit e;
        int r;

        if (!file) {
                ctl_complain(ctl, "%s: %s", argument, strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        e = ctl_target_load(&target, ctl, &objects, unit, CTL_TARGET_LUN);
        if (e == CTL_EXIT_OK)
                e = image_mount_begin(ctl, target.lun, target.lun_properties, file);
        if (e != CTL_EXIT_OK)
                return e;
        r = image_mount_check(file);
        if (r == 0)
                return tell_mounted(ctl, &target, file);
        ctl_complain(ctl, "The service does not serve it: %s", strerror(-r));
        (void) fuse_mount_end(ctl, file, /* is_lazy= */ true);
        return CTL_EXIT_FAILURE;
}

CtlExit verb_mount(Ctl *ctl, char **arguments) {
        bool is_all = ctl_options_has(&ctl->options, CTL_OPTION_ALL);

        if (is_all && !arguments[1])
                return image_folder_run(ctl, arguments[0]);
        if (!is_all && arguments[1] && !ctl_options_has(&ctl->options, CTL_OPTION_FOLLOW))
                return mount_one(ctl, arguments[0], arguments[1]);
        ctl_complain(ctl, "It is mount DEV.LUN FILE, or mount --all [--follow] FOLDER");
        return CTL_EXIT_USAGE;
}

/* Unmounting */

static CtlExit end_one(Ctl *ctl, const char *file, json_object *ended) {
        CtlExit e = fuse_mount_end(ctl, file, ctl_options_has(&ctl->options, CTL_OPTION_FORCE));

        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_is_json(ctl))
                json_object_array_add(ended, bus_value_string(file));
        else
                printf("%s is unmounted\n", file);
        return CTL_EXIT_OK;
}

static CtlExit end_unit(Ctl *ctl, const char *unit, json_object *ended) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlExit worst = CTL_EXIT_OK;
        json_object *mounts;
        CtlTarget target;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, unit, CTL_TARGET_LUN);
        if (e != CTL_EXIT_OK)
                return e;
        mounts = ctl_objects_property(target.lun_properties, "Mounts");
        if (!json_object_is_type(mounts, json_type_array) ||
            json_object_array_length(mounts) == 0) {
                ctl_complain(ctl, "%s is not mounted", unit);
                return CTL_EXIT_NOT_FOUND;
        }
        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                const char *file = json_object_get_string(json_object_array_get_idx(mounts, i));

                /* It is what somebody said, and others' mounts are none of ours. */
                if (fuse_mount_look(file) != FUSE_MOUNT_STATE_OURS) {
                        ctl_complain(ctl, "%s is not mounted here", file);
                        worst = CTL_EXIT_NOT_FOUND;
                        continue;
                }
                e = end_one(ctl, file, ended);
                if (e != CTL_EXIT_OK)
                        worst = e;
        }
        return worst;
}

CtlExit verb_mount_end(Ctl *ctl, char **arguments) {
        _cleanup_(freep) char *file = make_absolute(arguments[0]);
        json_object *ended = json_object_new_array();
        CtlExit e;

        if (file && fuse_mount_look(file) == FUSE_MOUNT_STATE_OURS) {
                e = end_one(ctl, file, ended);
        } else if (strchr(arguments[0], '/')) {
                ctl_complain(ctl, "%s: no image is mounted there", arguments[0]);
                e = CTL_EXIT_NOT_FOUND;
        } else {
                e = end_unit(ctl, arguments[0], ended);
        }
        if (!ctl_is_json(ctl) || e != CTL_EXIT_OK) {
                json_object_put(ended);
                return e;
        }
        return ctl_print_json(ctl, ended);
}
