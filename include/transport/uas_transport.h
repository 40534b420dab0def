#pragma once

/*
 * UasTransport
 *
 * USB Attached SCSI (T10/2095-D, revision 04): many commands at once, with their sense.
 *
 * At SuperSpeed each command has streams of its own, so all its transfers are posted with it; below,
 * the device says by READ READY and WRITE READY IUs whose data it moves next.
 *
 * Outcomes where the specification leaves a choice:
 *
 *  - A pipe that fails (stall, babble, the wire) or a device that is out of step (an IU that makes
 *    no sense) ends all commands with ERROR. A command that is TIMED_OUT or CANCELLED leaves the
 *    others alone. After any of these nothing is sent until recover() has succeeded.
 *  - CLASS_RESET, which UAS does not have, stands for ABORT TASK of whatever was given up, and
 *    LUN_RESET for LOGICAL UNIT RESET or, where that does not help, I_T NEXUS RESET.
 *  - TASK SET FULL and TASK ABORTED are BUSY.
 *  - NO_MEMORY only if the command was not sent.
 */

#include "transport/transport.h"
#include "usb/usb_storage_device.h"

#define UAS_TAGS_MAX 256
/* Without streams; the kernel's depth there, too. */
#define UAS_TAGS_HIGH_SPEED 32

typedef struct UasOptions {
        size_t transfer_size_max; /* 0: by speed */
        unsigned n_tags_max;      /* 0: UAS_TAGS_MAX; one is kept for task management */
} UasOptions;

/* `device` and `storage_device` are borrowed, and copied, respectively. The depth is known once it
 * was started. -errno. */
int uas_transport_new(Transport **ret, UsbDevice *device, const UsbStorageDevice *storage_device,
                      const UasOptions *options);
