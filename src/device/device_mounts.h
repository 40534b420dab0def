#pragma once

/*
 * DeviceMounts
 *
 * The mounts of a device's LUNs as the manager keeps them: the descriptor of /dev/fuse, and the memory
 * in which the worker receives requests. Works on a ManagedDevice. Private to device.
 */

#include "control/control_message.h"
#include "device/device_mount.h"

typedef struct ManagedDevice ManagedDevice;

typedef struct DeviceMounts {
        ListNode list; /* DeviceMountEntry::node */
        unsigned n;
        uint32_t last_id;
        uint32_t n_changes[CONTROL_LUNS_MAX]; /* whoever shows them compares it */
        EventTimer timer;                     /* the patience of callers whom no worker serves */
} DeviceMounts;

/* -ENOMEM. */
int device_mounts_init(DeviceMounts *mounts, EventLoop *loop);
/* As device_manager_mount(), of an open export. */
int device_mounts_add(ManagedDevice *device, unsigned lun, int fd,
                      const DeviceMountOptions *options);
int device_mounts_remove(ManagedDevice *device, unsigned lun, const char *path);
const char *device_mounts_get(const ManagedDevice *device, unsigned lun, size_t index);
/* A new worker, before it has the device. */
void device_mounts_on_worker_started(ManagedDevice *device);
void device_mounts_on_worker_ended(ManagedDevice *device);
/* MOUNT_SERVED and MOUNT_ENDED, which may be of a mount that is gone already. */
void device_mounts_on_served(ManagedDevice *device, const ControlMountState *state);
void device_mounts_on_ended(ManagedDevice *device, const ControlMountState *state);
/* The device is no longer driven: callers get errors. Also instead of device_mounts_init(). */
void device_mounts_done(ManagedDevice *device);
