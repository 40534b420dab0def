#pragma once

/*
 * TakenDevices
 *
 * A folder with a file for each USB device that the service has taken, which outlives a service that is
 * restarted or dies: the next one takes them again, though they were there before it. A file is named by
 * the port and has the node in it, whose number tells one connection from the next. All of it blocks.
 */

#include "device/usb_node.h"

typedef struct TakenDevices TakenDevices;

/* NULL as `folder`: nothing is noted. -ENOMEM. */
int taken_devices_new(TakenDevices **ret, const char *folder);
/* Takes NULL. */
TakenDevices *taken_devices_free(TakenDevices *taken);
DEFINE_CLEANUP(TakenDevices *, taken_devices_free);

/* It can be told of only in the log if it can't be noted. */
void taken_devices_add(TakenDevices *taken, const UsbNode *node);
/* It is the kernel's again, or gone. */
void taken_devices_remove(TakenDevices *taken, const UsbNode *node);
/* Whether it was noted, by whatever service, since it was plugged in. */
bool taken_devices_has(const TakenDevices *taken, const UsbNode *node);
