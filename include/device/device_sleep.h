#pragma once

/*
 * DeviceSleep
 *
 * What is done before the host sleeps: everything that is cached is written, on all devices at once.
 * And after it has woken: devices that came and went meanwhile are looked for.
 */

#include "device/device_manager.h"

typedef struct DeviceSleep DeviceSleep;

/* Once, from the loop, later: each device has written what it had, or could not, which was logged.
 * `sleep` may be freed within. */
typedef void (*DeviceSleepReady)(DeviceSleep *sleep, unsigned n_failed, void *userdata);

/* -ENOMEM. Done soon where there is nothing to be done. */
int device_sleep_new(DeviceSleep **ret, EventLoop *loop, DeviceManager *manager,
                     DeviceSleepReady ready, void *userdata);
/* Devices go on, nobody is told. Takes NULL. */
DeviceSleep *device_sleep_free(DeviceSleep *sleep);
DEFINE_CLEANUP(DeviceSleep *, device_sleep_free);

/* USB devices that were plugged in or out without the kernel's word: taken as if they came now, or
 * given up. */
void device_manager_rescan(DeviceManager *manager);
