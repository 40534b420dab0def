#pragma once

/*
 * DeviceRequests
 *
 * What a device's worker was asked and has not answered. Works on a ManagedDevice. Private to
 * device.
 */

#include "device/device_request.h"

typedef struct ManagedDevice ManagedDevice;

typedef struct DeviceRequests {
        ListNode pending; /* DeviceRequest::node */
        size_t n_pending;
        uint64_t last_id;
} DeviceRequests;

void device_requests_init(DeviceRequests *requests);
/* As device_manager_request(). */
int device_requests_add(ManagedDevice *device, DeviceRequest *request);
void device_requests_cancel(ManagedDevice *device, DeviceRequest *request);
/* -EBADMSG: the worker answers what it was not asked, or with more than it was asked for. */
int device_requests_on_reply(ManagedDevice *device, const ControlReply *reply);
int device_requests_on_progress(ManagedDevice *device, const ControlProgress *progress);
/* What it had is not answered any more, unless that makes the device end. */
void device_requests_on_worker_ended(ManagedDevice *device);
/* All is done: the device is no longer driven. */
void device_requests_end(ManagedDevice *device);
