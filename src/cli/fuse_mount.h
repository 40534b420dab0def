#pragma once

/*
 * FuseMount
 *
 * Mounting a file over a regular file, and unmounting it: by the kernel where we are root, else by
 * fusermount3. Nobody may touch the file between the two steps of a mount: there is no answer before the
 * service serves it.
 */

#include "cli/ctl.h"

typedef enum FuseMountState {
        FUSE_MOUNT_STATE_NONE,
        FUSE_MOUNT_STATE_OURS,
        FUSE_MOUNT_STATE_OTHER, /* something else is mounted there */
} FuseMountState;

typedef struct FuseMountOptions {
        const char *source; /* what the mount is called in tables of mounts */
        bool is_read_only;
        bool allows_others; /* root's always does */
} FuseMountOptions;

/* As the kernel tells, without touching the file. `file` is absolute. */
FuseMountState fuse_mount_look(const char *file);
/* The descriptor of /dev/fuse that the service is to serve; what is wrong has been told. */
CtlExit fuse_mount_begin(const Ctl *ctl, const char *file, const FuseMountOptions *options,
                         int *ret_fd);
/* `is_lazy`: also where it is in use, or nobody serves it any more. */
CtlExit fuse_mount_end(const Ctl *ctl, const char *file, bool is_lazy);
