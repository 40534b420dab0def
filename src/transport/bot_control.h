#pragma once

/*
 * BotControl
 *
 * The sequential part of BOT: what goes over the control endpoint or blocks in the kernel. For
 * tasks; none of it touches the state of a command.
 */

#include "transport/transport.h"
#include "usb/usb_storage_device.h"

#define BOT_CONTROL_RESET_TIMEOUT_NS (5 * NS_PER_S)
#define BOT_CONTROL_MAX_LUN_TIMEOUT_NS (10 * NS_PER_S)

/* GET MAX LUN (BOT 1.0, 3.2): 0 to 15; -ENODEV, -ECANCELED. */
int bot_control_get_max_lun(Task *task, UsbDevice *device, const UsbInterface *interface);
/* 0, -EOPNOTSUPP, -ENODEV, -EIO, -ECANCELED. */
int bot_control_recover(Task *task, UsbDevice *device, const UsbStorageDevice *storage_device,
                        TransportRecovery recovery);
