/*
 * A request is in the list until it is done. Those that make the device end are answered by the
 * worker, and done when it has ended.
 */

#include "device/device_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "device/managed_device.h"

void device_requests_init(DeviceRequests *requests) {
        *requests = (DeviceRequests){};
        list_init(&requests->pending);
}

static bool ends_device(const DeviceRequest *request) {
        return request->request.kind == CONTROL_REQUEST_KIND_RELEASE ||
               request->request.kind == CONTROL_REQUEST_KIND_REMOVE;
}

/* The owner may free it within. */
static void complete(ManagedDevice *device, DeviceRequest *request, const ControlReply *reply,
                     const uint8_t *data) {
        list_unlink(&request->node);
        device->requests.n_pending--;
        request->fd = fd_close(request->fd);
        request->done(request, reply, data);
}

static void complete_with(ManagedDevice *device, DeviceRequest *request, int error) {
        complete(device, request, &(ControlReply){ .id = request->request.id, .error = error },
                 NULL);
}

/* Asking */

static int check_state(const ManagedDevice *device, const DeviceRequest *request) {
        bool is_history = request->request.kind == CONTROL_REQUEST_KIND_HISTORY;

        switch (device->state) {
        case MANAGED_DEVICE_STATE_RUNNING:
                return 0;
        case MANAGED_DEVICE_STATE_STARTING:
                return ends_device(request) || (is_history && device->worker) ? 0 : -EAGAIN;
        case MANAGED_DEVICE_STATE_PARKED:
        case MANAGED_DEVICE_STATE_PAUSING:
                return ends_device(request) || (is_history && device->worker) ? 0 : -ENODEV;
        case MANAGED_DEVICE_STATE_LEAVING:
        case MANAGED_DEVICE_STATE_STOPPING:
        case MANAGED_DEVICE_STATE_ENDED:
                return -ESHUTDOWN;
        case _MANAGED_DEVICE_STATE_MAX:
                break;
        }
        assert_not_reached();
}

/* How much may come in. */
static uint32_t get_in_size(const ControlRequest *request) {
        if (request->kind == CONTROL_REQUEST_KIND_HISTORY)
                return CONTROL_HISTORY_SIZE_MAX;
        return request->scsi.direction == TRANSPORT_DIRECTION_IN ? request->scsi.data_size : 0;
}

static int make_memfd(DeviceRequest *request) {
        _cleanup_(fd_closep) int fd = -EBADF;
        uint32_t size = request->data ? request->request.scsi.data_size
                                      : get_in_size(&request->request);

        fd = memfd_create("usb-storage-data", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, size) < 0)
                return -errno;
        if (request->data && pwrite(fd, request->data, size, 0) != (ssize_t) size)
                return -EIO;
        request->fd = TAKE_FD(fd);
        return 0;
}

static int take_file(DeviceRequest *request) {
        request->fd = fcntl(request->file, F_DUPFD_CLOEXEC, 0);
        return request->fd < 0 ? -errno : 0;
}

static void send_request(ManagedDevice *device, DeviceRequest *request) {
        const ControlScsi *scsi = &request->request.scsi;
        bool has_fd = request->fd >= 0;
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_REQUEST);
        message.body.request = request->request;
        if (request->data && !has_fd)
                memcpy(message.body.request.scsi.data, request->data, scsi->data_size);
        child_process_send(device->worker, &message, &request->fd, has_fd);
}

static bool has_memfd(const DeviceRequest *request) {
        return request->request.kind == CONTROL_REQUEST_KIND_HISTORY ||
               (request->request.kind == CONTROL_REQUEST_KIND_SCSI_COMMAND &&
                control_scsi_has_memfd(&request->request.scsi));
}

static int prepare(const ManagedDevice *device, DeviceRequest *request) {
        const ControlScsi *scsi = &request->request.scsi;
        bool has_file = request->request.kind == CONTROL_REQUEST_KIND_TRACE;
        int r;

        if (!control_request_is_valid(&request->request, has_memfd(request) || has_file) ||
            (scsi->direction == TRANSPORT_DIRECTION_OUT) != (request->data != NULL))
                return -EINVAL;
        r = check_state(device, request);
        if (r < 0)
                return r;
        if (device->requests.n_pending >= CONTROL_REQUESTS_MAX)
                return -EBUSY;
        if (has_file)
                return take_file(request);
        return has_memfd(request) ? make_memfd(request) : 0;
}

int device_requests_add(ManagedDevice *device, DeviceRequest *request) {
        DeviceRequests *requests = &device->requests;
        int r;

        assert(request->done);

        request->fd = -EBADF;
        request->is_answered = false;
        r = prepare(device, request);
        if (r < 0)
                return r;

        request->request.id = ++requests->last_id;
        list_init(&request->node);
        list_append(&requests->pending, &request->node);
        requests->n_pending++;
        if (request->request.kind == CONTROL_REQUEST_KIND_CACHE_MODE)
                device_cache_prepare_mode(&device->cache, (CacheMode) request->request.cache_mode);
        if (device->worker) {
                send_request(device, request);
        } else {
                request->is_answered = true;
                managed_device_leave(device, request->request.kind == CONTROL_REQUEST_KIND_REMOVE);
        }
        request->data = NULL;
        return 0;
}

static DeviceRequest *find(const ManagedDevice *device, uint64_t id) {
        LIST_FOR_EACH (node, &device->requests.pending) {
                DeviceRequest *request = list_entry(node, DeviceRequest, node);

                if (request->request.id == id)
                        return request;
        }
        return NULL;
}

void device_requests_cancel(ManagedDevice *device, DeviceRequest *request) {
        ControlMessage message;

        if (!device->worker || request->is_answered)
                return;
        control_message_init(&message, CONTROL_TYPE_CANCEL);
        message.body.cancel.id = request->request.id;
        child_process_send(device->worker, &message, NULL, 0);
}

/* Answers */

static bool is_fitting(const DeviceRequest *request, const ControlReply *reply) {
        return reply->data_size <= get_in_size(&request->request);
}

static void complete_with_data(ManagedDevice *device, DeviceRequest *request,
                               const ControlReply *reply) {
        _cleanup_(freep) uint8_t *data = NULL;

        if (request->fd < 0 || reply->data_size == 0) {
                complete(device, request, reply, reply->data);
                return;
        }
        data = malloc(reply->data_size);
        if (!data)
                complete_with(device, request, -ENOMEM);
        else if (pread(request->fd, data, reply->data_size, 0) != (ssize_t) reply->data_size)
                complete_with(device, request, -EIO);
        else
                complete(device, request, reply, data);
}

/* Who is in the way knows nothing of it: who asked is told whom to turn to. */
static bool is_refused_for_others(const DeviceRequest *request, const ControlReply *reply) {
        return reply->error == -EBUSY &&
               (ends_device(request) || request->request.kind == CONTROL_REQUEST_KIND_POWER_STATE);
}

static void complete_refused(ManagedDevice *device, DeviceRequest *request,
                             const ControlReply *reply) {
        ControlReply named = *reply;

        device_peers_append_names(&device->peers, named.words);
        complete(device, request, &named, NULL);
}

int device_requests_on_reply(ManagedDevice *device, const ControlReply *reply) {
        DeviceRequest *request = find(device, reply->id);

        if (!request || request->is_answered || !is_fitting(request, reply))
                return -EBADMSG;
        if (reply->error == 0 && request->request.kind == CONTROL_REQUEST_KIND_CACHE_MODE)
                device_cache_set_mode(&device->cache, (CacheMode) request->request.cache_mode);
        if (is_refused_for_others(request, reply)) {
                complete_refused(device, request, reply);
                return 0;
        }
        if (reply->error < 0 || !ends_device(request)) {
                complete_with_data(device, request, reply);
                return 0;
        }
        request->is_answered = true;
        managed_device_leave(device, request->request.kind == CONTROL_REQUEST_KIND_REMOVE);
        return 0;
}

int device_requests_on_progress(ManagedDevice *device, const ControlProgress *progress) {
        DeviceRequest *request = find(device, progress->id);

        if (!request || request->is_answered)
                return -EBADMSG;
        if (request->progressed)
                request->progressed(request, progress->n_done, progress->n_total);
        return 0;
}

/* From the first on, as each owner may ask again. */
static DeviceRequest *find_open(const ManagedDevice *device, bool is_answered_too) {
        LIST_FOR_EACH (node, &device->requests.pending) {
                DeviceRequest *request = list_entry(node, DeviceRequest, node);

                if (is_answered_too || !request->is_answered)
                        return request;
        }
        return NULL;
}

void device_requests_on_worker_ended(ManagedDevice *device) {
        DeviceRequest *request;

        while ((request = find_open(device, /* is_answered_too= */ false)))
                complete_with(device, request, -ENODEV);
}

void device_requests_end(ManagedDevice *device) {
        DeviceRequest *request;

        while ((request = find_open(device, /* is_answered_too= */ true)))
                complete_with(device, request, request->is_answered ? 0 : -ENODEV);
}
