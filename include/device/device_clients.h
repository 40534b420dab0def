#pragma once

/*
 * DeviceClients
 *
 * Clients of a LUN's export that need no socket to connect to: they are given one end of a pair.
 */

#include "base/nbd_protocol.h"
#include "device/device_manager.h"

/*
 * A client before negotiation, which sees that export alone. The caller owns `ret_fd`, which blocks.
 * -ENODEV: there is no such device or LUN; -EHOSTDOWN: it is not exported now; -EAGAIN: the front is
 * being started; -errno.
 */
int device_manager_connect(DeviceManager *manager, uint64_t id, unsigned lun, int *ret_fd);
/*
 * A client in transmission phase, without structured replies, and what negotiation would have told
 * it. Otherwise the same.
 */
int device_manager_attach(DeviceManager *manager, uint64_t id, unsigned lun, int *ret_fd,
                          NbdExportInfo *ret_info);
