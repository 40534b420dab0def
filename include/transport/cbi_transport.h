#pragma once

/*
 * CbiTransport
 *
 * USB Mass Storage Class, Control/Bulk/Interrupt Transport 1.1, and Control/Bulk, which has no
 * interrupt. One command at a time, one LUN.
 *
 * Outcomes where the specification leaves a choice:
 *
 *  - A control request or a data phase that stalls is FAILED; the halt is cleared before.
 *  - A persistent failure is FAILED, too; a phase error, a status that is none and too much data are
 *    an ERROR.
 *  - UFI tells ASC and ASCQ as status: FAILED if either is not 0, but for INQUIRY and REQUEST SENSE,
 *    whose status says nothing about them.
 *  - CB: what comes in came; all other commands are UNTOLD.
 *  - ERROR, TIMED_OUT and CANCELLED leave the transport broken until recover() succeeds; so does a
 *    recover() that fails. NO_MEMORY only if nothing was sent.
 */

#include "transport/transport.h"
#include "usb/usb_storage_device.h"

/* `device` and `storage_device` are borrowed, and copied, respectively. `transfer_size_max`: bytes in
 * one command; 0: the default. -errno. */
int cbi_transport_new(Transport **ret, UsbDevice *device, const UsbStorageDevice *storage_device,
                      size_t transfer_size_max);
