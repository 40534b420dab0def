/* Clients of an export whose socket, or FUSE mount, comes over the bus. */

#include "dbus/bus_lun_methods.h"

#include <errno.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_options.h"
#include "device/device_clients.h"
#include "device/device_mount.h"

/* Whoever does not say which group a file belongs to has it belong to nobody's. */
#define NOBODY 65534

static int check(BusLun *lun, sd_bus_message *message, sd_bus_error *ret_error) {
        BusDevice *device = lun->device;
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        return bus_service_check(device->service, message, BUS_ACTION("open"), device, NULL,
                                 ret_error);
}

static int refuse(int error, sd_bus_error *ret_error) {
        if (error == -EHOSTDOWN) /* it may come, with its medium or its device */
                return bus_error_set(ret_error, -ENOENT, "It is not exported now");
        if (error == -EAGAIN)
                return bus_error_set(ret_error, -EBUSY, "The NBD front is being started");
        if (error == -EINVAL)
                return bus_error_set(ret_error, error, "The descriptor is not one of /dev/fuse");
        if (error == -ENOSPC)
                return bus_error_set(ret_error, -EBUSY, "The device has too many mounts");
        if (error == -EEXIST)
                return bus_error_set(ret_error, -EBUSY, "It is mounted there already");
        if (error == -ENOENT)
                return bus_error_set(ret_error, error, "It is not mounted there");
        return bus_error_set(ret_error, error, "%s", strerror(-error));
}

int bus_lun_methods_on_open_nbd(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusLun *lun = container_of(userdata, BusLun, facts);
        _cleanup_(fd_closep) int fd = -EBADF;
        int r;

        r = check(lun, message, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = device_manager_connect(lun->device->service->manager, lun->device->id,
                                   lun->facts.number, &fd);
        if (r < 0)
                return refuse(r, ret_error);
        return sd_bus_reply_method_return(message, "h", fd);
}

int bus_lun_methods_on_attach(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusLun *lun = container_of(userdata, BusLun, facts);
        _cleanup_(fd_closep) int fd = -EBADF;
        NbdExportInfo info;
        int r;

        r = check(lun, message, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = device_manager_attach(lun->device->service->manager, lun->device->id, lun->facts.number,
                                  &fd, &info);
        if (r < 0)
                return refuse(r, ret_error);
        return sd_bus_reply_method_return(message, "htuq", fd, info.size, lun->facts.block_size,
                                          info.transmission_flags);
}

int bus_lun_methods_on_mount(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusLun *lun = container_of(userdata, BusLun, facts);
        uint32_t group = (uint32_t) -1;
        int fd, is_read_only = 0, r;
        const char *path = "";
        const BusOption options[] = {
                { "path", 's', &path },
                { "read-only", 'b', &is_read_only },
                { "group", 'u', &group },
        };
        uid_t uid;

        r = sd_bus_message_read(message, "h", &fd);
        if (r < 0)
                return r;
        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(lun->device->service, message, BUS_ACTION("mount"), lun->device, &uid,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = device_manager_mount(lun->device->service->manager, lun->device->id, lun->facts.number,
                                 fd,
                                 &(DeviceMountOptions){
                                                 .path = path,
                                                 .uid = uid,
                                                 .gid = group == (uint32_t) -1 ? NOBODY : group,
                                                 .is_read_only = is_read_only,
                                 });
        return r < 0 ? refuse(r, ret_error) : sd_bus_reply_method_return(message, NULL);
}

int bus_lun_methods_on_unmount(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusLun *lun = container_of(userdata, BusLun, facts);
        const char *path = "";
        const BusOption options[] = { { "path", 's', &path } };
        int r;

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(lun->device->service, message, BUS_ACTION("mount"), lun->device, NULL,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = device_manager_unmount(lun->device->service->manager, lun->device->id,
                                   lun->facts.number, path);
        return r < 0 ? refuse(r, ret_error) : sd_bus_reply_method_return(message, NULL);
}

int bus_lun_methods_get_mounts(sd_bus *bus, const char *path, const char *interface,
                               const char *property, sd_bus_message *reply, void *userdata,
                               sd_bus_error *ret_error) {
        const BusLunFacts *facts = container_of((uint32_t *) userdata, BusLunFacts, mounts);
        const BusLun *lun = container_of(facts, BusLun, facts);
        const char *mount;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0; i++) {
                mount = device_manager_get_mount(lun->device->service->manager, lun->device->id,
                                                 facts->number, i);
                if (!mount)
                        break;
                r = sd_bus_message_append(reply, "s", mount);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
