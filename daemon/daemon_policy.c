/* Reads every file to its end, so that all mistakes are told at once. */

#include "daemon_policy.h"
#include "daemon_complain.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#define PATTERN_SIZE_MAX 4096

static int add_file(DevicePolicy *policy, const char *path, bool is_optional, DaemonComplain *to) {
        int r;

        r = device_policy_add_file(policy, path, daemon_complain_with_column, to);
        return daemon_complain_missing(to, path, r, is_optional);
}

/* Without drop-ins there need be no folder for them. */
static int on_glob_error(const char *path, int error) { return error != ENOENT; }

static int add_drop_ins(DevicePolicy *policy, const char *path, DaemonComplain *to) {
        _cleanup_(globfree) glob_t found = {};
        char pattern[PATTERN_SIZE_MAX];
        int result = 0;

        if ((size_t) snprintf(pattern, sizeof(pattern), "%s.d/*.conf", path) >= sizeof(pattern))
                return -ENAMETOOLONG;
        switch (glob(pattern, 0, on_glob_error, &found)) {
        case 0:
                break;
        case GLOB_NOMATCH:
                return 0;
        case GLOB_NOSPACE:
                return -ENOMEM;
        default:
                to->complain(pattern, 0, "the folder can't be read", to->userdata);
                return -EIO;
        }
        for (size_t i = 0; i < found.gl_pathc; i++) {
                int r = add_file(policy, found.gl_pathv[i], /* is_optional= */ false, to);

                if (result == 0)
                        result = r;
        }
        return result;
}

int daemon_policy_load(DevicePolicy *policy, const char *path, bool is_optional,
                       ConfigComplain complain, void *userdata) {
        DaemonComplain to = { complain, userdata };
        int r, drop_ins_r;

        r = add_file(policy, path, is_optional, &to);
        drop_ins_r = add_drop_ins(policy, path, &to);
        return r < 0 ? r : drop_ins_r;
}
