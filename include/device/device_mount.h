#pragma once

/*
 * DeviceMount
 *
 * Image files of LUNs, mounted through FUSE by somebody who may: he gives the descriptor of /dev/fuse, the
 * manager keeps it and has the device's worker serve it, and its successor after that. The manager
 * neither mounts nor unmounts anything.
 */

#include <sys/types.h>

#include "device/device_manager.h"

#define DEVICE_MOUNT_PATH_SIZE_MAX 1024

typedef struct DeviceMountOptions {
        const char *path; /* where it is, by its owner's word: "" or any text */
        uid_t uid;        /* the file's owner */
        gid_t gid;
        bool is_read_only;
} DeviceMountOptions;

/*
 * `fd` is borrowed: a duplicate is kept. -ENODEV: there is no such device or LUN; -EHOSTDOWN: it is not
 * exported now; -EINVAL: `fd` is not of /dev/fuse; -ENOSPC: too many mounts of this device; -EEXIST: there is
 * one at this path; -ENAMETOOLONG; -errno. 0: it is about to be served.
 */
int device_manager_mount(DeviceManager *manager, uint64_t id, unsigned lun, int fd,
                         const DeviceMountOptions *options);
/* Those of a LUN at `path` ("": all) are not served any more: their callers get errors once what is in
 * flight is answered. -ENODEV; -ENOENT: there is none. */
int device_manager_unmount(DeviceManager *manager, uint64_t id, unsigned lun, const char *path);
/* The path of a LUN's mount, from 0 on; NULL: there are no more. Borrowed until the loop goes on. */
const char *device_manager_get_mount(const DeviceManager *manager, uint64_t id, unsigned lun,
                                     size_t index);
