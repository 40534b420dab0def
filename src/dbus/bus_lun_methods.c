/* Clients of an export whose socket comes over the bus. */

#include "dbus/bus_lun_methods.h"

#include <errno.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_options.h"
#include "device/device_clients.h"

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
