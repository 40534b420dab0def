/* What is left of a mount that nobody serves any more is taken away before. */

#include "cli/image_mount.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/ctl_call.h"
#include "cli/fuse_mount.h"

/* Nobody serves it: its worker's device is gone for good, or the service is. */
static bool is_dead(const char *file) {
        struct stat status;

        return stat(file, &status) < 0 && errno == ENOTCONN;
}

static CtlExit clear(const Ctl *ctl, const char *file) {
        switch (fuse_mount_look(file)) {
        case FUSE_MOUNT_STATE_NONE:
                return CTL_EXIT_OK;
        case FUSE_MOUNT_STATE_OURS:
                if (is_dead(file))
                        return fuse_mount_end(ctl, file, /* is_lazy= */ true);
                break;
        case FUSE_MOUNT_STATE_OTHER:
                break;
        }
        ctl_complain(ctl, "%s: something is mounted there", file);
        return CTL_EXIT_FAILURE;
}

static CtlExit check_file(const Ctl *ctl, const char *file) {
        struct stat status;

        if (stat(file, &status) < 0) {
                ctl_complain(ctl, "%s: %s", file, strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        if (S_ISREG(status.st_mode))
                return CTL_EXIT_OK;
        ctl_complain(ctl, "%s is not a regular file", file);
        return CTL_EXIT_FAILURE;
}

static CtlExit serve(Ctl *ctl, const char *lun, const char *file, bool is_read_only, int fd) {
        return ctl_call_do(ctl, lun, CTL_LUN, "Mount", NULL, "ha{sv}", fd, 3, "path", "s", file,
                           "read-only", "b", (int) is_read_only, "group", "u",
                           (uint32_t) getegid());
}

CtlExit image_mount_begin(Ctl *ctl, const char *lun, json_object *unit, const char *file) {
        bool is_read_only = ctl_options_has(&ctl->options, CTL_OPTION_READ_ONLY) ||
                            ctl_objects_boolean(unit, "ReadOnly");
        _cleanup_(fd_closep) int fd = -EBADF;
        CtlExit e;

        if (*ctl_objects_string(unit, "Export") == '\0') {
                ctl_complain(ctl, "It is not exported: there is no medium, or it is not ready");
                return CTL_EXIT_FAILURE;
        }
        e = clear(ctl, file);
        if (e == CTL_EXIT_OK)
                e = check_file(ctl, file);
        if (e == CTL_EXIT_OK)
                e = fuse_mount_begin(ctl, file,
                                     &(FuseMountOptions){
                                                     .source = ctl_objects_string(unit, "Export"),
                                                     .is_read_only = is_read_only,
                                                     .allows_others = ctl_options_has(
                                                                     &ctl->options,
                                                                     CTL_OPTION_ALLOW_OTHER),
                                     },
                                     &fd);
        if (e != CTL_EXIT_OK)
                return e;
        e = serve(ctl, lun, file, is_read_only, fd);
        if (e == CTL_EXIT_OK)
                return e;
        /* Nobody else has the descriptor, so nobody waits at it. */
        fd = fd_close(fd);
        (void) fuse_mount_end(ctl, file, /* is_lazy= */ true);
        return e;
}

int image_mount_check(const char *file) {
        struct stat status;

        return stat(file, &status) < 0 ? -errno : 0;
}

bool image_mount_is_served(json_object *unit, const char *file) {
        json_object *mounts = ctl_objects_property(unit, "Mounts");

        if (!json_object_is_type(mounts, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                json_object *mount = json_object_array_get_idx(mounts, i);

                if (strcmp(json_object_get_string(mount), file) == 0)
                        return true;
        }
        return false;
}
