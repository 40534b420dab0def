/* Giving a device back, letting it go, and resetting it. */

#include "dbus/bus_device_methods.h"

#include <errno.h>

#include "dbus/bus_device.h"
#include "dbus/bus_diagnosis.h"
#include "dbus/bus_error.h"
#include "dbus/bus_job.h"
#include "dbus/bus_options.h"
#include "dbus/bus_request.h"

static int end_device(BusDevice *device, sd_bus_message *message, bool is_removal, bool is_forced,
                      uid_t uid, sd_bus_error *ret_error) {
        _cleanup_(bus_request_abandonp) BusRequest *request = NULL;
        BusService *service = device->service;
        BusJob *job;
        int r;

        r = bus_request_new(&request, service, message, ret_error);
        if (r < 0)
                return r;
        r = bus_job_new(&job, request, is_removal ? "remove" : "release", device->path, uid,
                        ret_error);
        if (r < 0)
                return r;
        r = device_manager_release(service->manager, device->id, is_removal, is_forced,
                                   &request->request);
        if (r >= 0)
                bus_job_announce(job);
        return bus_request_sent(TAKE_PTR(request), r, ret_error);
}

static int on_end(sd_bus_message *message, void *userdata, bool is_removal,
                  sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, facts);
        int is_forced = false;
        const BusOption options[] = { { "force", 'b', &is_forced } };
        const char *action;
        uid_t uid;
        int r;

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        if (is_removal)
                action = is_forced ? BUS_ACTION("remove-busy") : BUS_ACTION("remove");
        else
                action = BUS_ACTION("release");
        r = bus_service_check(device->service, message, action, device, &uid, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return end_device(device, message, is_removal, is_forced, uid, ret_error);
}

int bus_device_methods_on_release(sd_bus_message *message, void *userdata,
                                  sd_bus_error *ret_error) {
        return on_end(message, userdata, /* is_removal= */ false, ret_error);
}

int bus_device_methods_on_remove(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return on_end(message, userdata, /* is_removal= */ true, ret_error);
}

int bus_device_methods_on_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        static const ControlRequest request = {
                .kind = CONTROL_REQUEST_KIND_DEVICE_RESET,
                .lun = CONTROL_LUN_ALL,
        };
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        return bus_request_ask(container_of(userdata, BusDevice, facts), message,
                               BUS_ACTION("reset"), &request, ret_error);
}

int bus_device_methods_on_diagnose(sd_bus_message *message, void *userdata,
                                   sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, facts);
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(device->service, message, BUS_ACTION("diagnose"), device, NULL,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return bus_diagnosis_reply(device, message, ret_error);
}
