#pragma once

/*
 * DeviceAdmission
 *
 * What the policy says of devices that come: DeviceManager's part that asks it, and blocks. Private
 * to device.
 */

#include "device/device_policy.h"
#include "device/usb_block.h"

typedef struct DeviceManager DeviceManager;

/* Of a simulated one's descriptors nothing is known. -ENODEV: it is vanishing. */
int device_admission_identify(const DeviceManager *manager, const UsbNode *node, bool is_simulated,
                              DeviceIdentity *ret);
/* Counts for the rules' conditions, and is told in the log. -ENODEV: it is vanishing. */
int device_admission_decide(DeviceManager *manager, const UsbNode *node, DeviceDecision *ret);
/* Whether a rule is about it; nothing is counted. */
bool device_admission_has_rule(const DeviceManager *manager, const UsbNode *node);
/* The same decision as the one that counts for `decision`'s device now; nothing is counted. */
bool device_admission_agrees(const DeviceManager *manager, const UsbNode *node,
                             const DeviceDecision *decision);
DeviceDecision device_admission_decide_simulated(DeviceManager *manager, const UsbNode *node);
/* Nobody gets it. Told in the log; -errno: the kernel keeps it. */
int device_admission_block(DeviceManager *manager, const UsbNode *node, DeviceTarget target);
