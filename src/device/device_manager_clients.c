/* One end of a pair goes to the front or to the worker, the other one to who asked. */

#include "device/device_clients.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "device/device_manager_internal.h"
#include "device/device_peer.h"

/* As the front has it: replies of a megabyte leave in one piece. */
#define SEND_BUFFER_SIZE (2 * MIB)

/* Ours does not block, theirs does. */
static int make_pair(int *ret_ours, int *ret_theirs) {
        int send_buffer_size = (int) SEND_BUFFER_SIZE;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
                int r = -errno;

                fd_close(fds[0]);
                fd_close(fds[1]);
                return r;
        }
        (void) setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &send_buffer_size,
                          sizeof(send_buffer_size));
        *ret_ours = fds[0];
        *ret_theirs = fds[1];
        return 0;
}

static int find_export(const DeviceManager *manager, const ManagedDevice *device, unsigned lun,
                       const ControlExport **ret) {
        if (!device || lun >= CONTROL_LUNS_MAX)
                return -ENODEV;
        if (!device->exports[lun].is_open)
                return -EHOSTDOWN;
        *ret = device_front_find_export(&manager->front, device->exports[lun].generation);
        return *ret ? 0 : -EHOSTDOWN;
}

int device_manager_connect(DeviceManager *manager, uint64_t id, unsigned lun, int *ret_fd) {
        _cleanup_(fd_closep) int ours = -EBADF, theirs = -EBADF;
        const ControlExport *export;
        ControlMessage message;
        int r;

        r = find_export(manager, device_manager_get(manager, id), lun, &export);
        if (r < 0)
                return r;
        if (!manager->front.child)
                return -EAGAIN;
        r = make_pair(&ours, &theirs);
        if (r < 0)
                return r;
        control_message_init(&message, CONTROL_TYPE_CONNECT);
        message.body.connect.generation = export->generation;
        device_front_send(&manager->front, &message, &ours, 1);
        *ret_fd = TAKE_FD(theirs);
        return 0;
}

int device_manager_attach(DeviceManager *manager, uint64_t id, unsigned lun, int *ret_fd,
                          NbdExportInfo *ret_info) {
        _cleanup_(fd_closep) int ours = -EBADF, theirs = -EBADF;
        ManagedDevice *device = device_manager_get(manager, id);
        ControlHandover handover = {};
        const ControlExport *export;
        int r;

        r = find_export(manager, device, lun, &export);
        if (r < 0)
                return r;
        r = make_pair(&ours, &theirs);
        if (r < 0)
                return r;
        handover.lun = lun;
        handover.generation = export->generation;
        r = managed_device_add_client(device, &handover, &ours, 1);
        if (r < 0)
                return -EHOSTDOWN;
        *ret_fd = TAKE_FD(theirs);
        *ret_info = export->info;
        /* DF means something only in structured replies. */
        ret_info->transmission_flags |= NBD_FLAG_HAS_FLAGS;
        ret_info->transmission_flags &= (uint16_t) ~NBD_FLAG_SEND_DF;
        return 0;
}

bool device_manager_get_peer(const DeviceManager *manager, uint64_t id, size_t index,
                             DevicePeer *ret) {
        const ManagedDevice *device = device_manager_get(manager, id);

        return device && device_peers_get(&device->peers, index, ret);
}
