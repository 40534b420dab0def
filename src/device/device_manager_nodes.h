#pragma once

/*
 * DeviceManager, its nodes
 *
 * What becomes of USB nodes that come and go: taken, given to who waits for them, or left alone, and
 * why. Works on a DeviceManager. Private to device.
 */

#include "device/device_manager.h"
#include "device/managed_device.h"

/* UsbMonitorHandlers::added, removed and disk_settled; `userdata` is the manager. */
void device_manager_nodes_on_added(const UsbNode *node, bool was_present, void *userdata);
void device_manager_nodes_on_removed(const char *name, void *userdata);
void device_manager_nodes_on_disk_settled(const UsbNode *node, void *userdata);
/* Takes what is plugged in where a former device is done with, or gives it to that. */
void device_manager_nodes_take_successor(DeviceManager *manager, const UsbNode *node,
                                         ManagedDevice *parked);
