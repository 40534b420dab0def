#pragma once

/*
 * DeviceRequest
 *
 * Something that a device's worker is asked to do. It completes exactly once, whatever becomes of
 * the worker and of the device.
 */

#include "base/list.h"
#include "control/control_request.h"
#include "device/device_manager.h"

typedef struct DeviceRequest DeviceRequest;

/*
 * Once, from the loop, never from within device_manager_request(); the request may be freed within.
 * `data` is what came in, `reply->data_size` bytes, borrowed. Beside the worker's own errors
 * (ControlReply): -ENODEV the worker died, or the device went. RELEASE and REMOVE are done when the
 * device is no longer driven, by this service.
 */
typedef void (*DeviceRequestDone)(DeviceRequest *request, const ControlReply *reply,
                                  const uint8_t *data);
/* Bytes, of FLUSH, RELEASE and REMOVE. */
typedef void (*DeviceRequestProgressed)(DeviceRequest *request, uint64_t n_done, uint64_t n_total);

struct DeviceRequest {
        /* Set by the owner, constant until it is done. */
        ControlRequest request; /* all but `id`; what control_request_is_valid() refuses is -EINVAL.
                                   Data that goes out is in `data` below, not in here */
        const uint8_t *data;    /* of a SCSI command with data out: scsi.data_size bytes; borrowed
                                   until device_manager_request() returns */
        int file;               /* of TRACE: borrowed until device_manager_request() returns */
        DeviceRequestDone done;
        DeviceRequestProgressed progressed; /* NULL: nobody wants to know */
        void *userdata;

        /* The manager's. */
        int fd;           /* owned: the memfd; negative: none */
        int error;        /* of RELEASE and REMOVE, until the device has ended */
        bool is_answered; /* likewise */
        ListNode node;    /* DeviceRequests::pending */
};

/*
 * `id` is DeviceView::id. 0, or at once and without `done`: -ENODEV: there is no such device, or it
 * has no worker now; -EAGAIN: it is being brought up; -ESHUTDOWN: it is about to end; -EBUSY:
 * CONTROL_REQUESTS_MAX are in flight; -EINVAL; -ENOMEM and the like. RELEASE and REMOVE need no
 * worker.
 */
int device_manager_request(DeviceManager *manager, uint64_t id, DeviceRequest *request);
/* The request is done soon, with -ECANCELED unless it was faster. Harmless if it is done. */
void device_manager_cancel(DeviceManager *manager, DeviceRequest *request);

/*
 * Takes a device from the kernel that is plugged in at a port ("1-4.1") and is not driven, whatever
 * was the reason. 0 with its id; -EALREADY likewise: it is driven; -ENODEV: there is none, or no
 * storage; -EBUSY: it is in use; -EPERM: it has the quirk i; -ENOSPC: there are too many devices;
 * -ESHUTDOWN; -errno. Blocks while the kernel flushes.
 */
int device_manager_take(DeviceManager *manager, const char *name, uint64_t *ret_id);
/*
 * Fills in and makes a request: the device is flushed, its clients are ended, and it is the
 * kernel's again; or, with `is_removal`, its media are stopped and nobody drives it. It is not
 * taken again before it is replugged, or by device_manager_take(). -EBUSY in `done` while clients
 * are connected, unless `is_forced`. `request` has `done`, `progressed` and `userdata`.
 */
int device_manager_release(DeviceManager *manager, uint64_t id, bool is_removal, bool is_forced,
                           DeviceRequest *request);
