/* A request to the device's worker, which is answered when the recording has ended. */

#include "dbus/bus_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_options.h"
#include "dbus/bus_service_internal.h"
#include "device/device_request.h"

#define SECONDS_DEFAULT 60U
#define SECONDS_MAX (24U * 3600)

struct BusTrace {
        DeviceRequest request;
        BusDevice *device;         /* borrowed; NULL: it is gone */
        sd_bus_message *stop_call; /* owned: who waits for the end; NULL: nobody */
        bool is_done;
        ControlReply reply;
};

static BusTrace *trace_free(BusTrace *trace) {
        sd_bus_message_unref(trace->stop_call);
        if (trace->device)
                trace->device->trace = NULL;
        free(trace);
        return NULL;
}

static int tell_counts(const BusTrace *trace, sd_bus_message *call) {
        if (trace->reply.error < 0)
                return sd_bus_reply_method_errorf(call, bus_error_name(trace->reply.error), "%s",
                                                  strerror(-trace->reply.error));
        return sd_bus_reply_method_return(call, "tt", trace->reply.n_packets,
                                          trace->reply.n_dropped);
}

static void on_done(DeviceRequest *request, const ControlReply *reply, const uint8_t *data) {
        BusTrace *trace = container_of(request, BusTrace, request);

        trace->is_done = true;
        trace->reply = *reply;
        if (trace->stop_call) {
                (void) tell_counts(trace, trace->stop_call);
                if (trace->device)
                        bus_connection_wake(trace->device->service->connection);
        }
        if (trace->stop_call || !trace->device)
                trace_free(trace);
}

BusTrace *bus_trace_detach(BusTrace *trace) {
        if (!trace)
                return NULL;

        trace->device->trace = NULL;
        trace->device = NULL;
        if (trace->is_done)
                trace_free(trace);
        return NULL;
}

/* Whoever may ask for a trace may not have another file written to than he could himself. */
static int check_file(int fd, sd_bus_error *ret_error) {
        struct stat status;
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fstat(fd, &status) < 0)
                return bus_error_set(ret_error, -errno, "The file can't be used");
        if (!S_ISREG(status.st_mode))
                return bus_error_set(ret_error, -EINVAL, "What is recorded goes to a regular file");
        if ((flags & O_ACCMODE) == O_RDONLY)
                return bus_error_set(ret_error, -EINVAL, "The file is not open for writing");
        return 0;
}

static uint64_t get_realtime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static int start(BusDevice *device, int fd, uint32_t seconds, uint32_t data_size,
                 sd_bus_error *ret_error) {
        BusTrace *trace;
        int r;

        trace = calloc(1, sizeof(*trace));
        if (!trace)
                return bus_error_set(ret_error, -ENOMEM, "No memory");
        trace->device = device;
        trace->request.done = on_done;
        trace->request.file = fd;
        trace->request.request = (ControlRequest){
                .kind = CONTROL_REQUEST_KIND_TRACE,
                .lun = CONTROL_LUN_ALL,
                .timeout_ms = seconds * 1000,
                .trace = {
                        .realtime_ns = get_realtime_ns(),
                        .bus_number = 1,
                        .device_number = 1,
                        .data_size_max = data_size,
                },
        };
        r = device_manager_request(device->service->manager, device->id, &trace->request);
        if (r < 0) {
                trace_free(trace);
                return bus_error_set(ret_error, r, "The device can't be recorded now: %s",
                                     strerror(-r));
        }
        device->trace = trace;
        return 0;
}

int bus_trace_on_start(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, facts);
        uint32_t seconds = SECONDS_DEFAULT, data_size = 0;
        const BusOption options[] = {
                { "seconds", 'u', &seconds },
                { "data-size", 'u', &data_size },
        };
        int fd, r;

        r = sd_bus_message_read(message, "h", &fd);
        if (r < 0)
                return r;
        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        if (seconds == 0 || seconds > SECONDS_MAX)
                return bus_error_set(ret_error, -EINVAL, "seconds must be from 1 to %u",
                                     SECONDS_MAX);
        r = check_file(fd, ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(device->service, message, BUS_ACTION("trace"), device, NULL,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (device->trace && !device->trace->is_done)
                return bus_error_set(ret_error, -EBUSY, "The device is being recorded already");
        if (device->trace)
                trace_free(device->trace);
        r = start(device, fd, seconds, data_size, ret_error);
        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

int bus_trace_on_stop(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, facts);
        BusTrace *trace;
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(device->service, message, BUS_ACTION("trace"), device, NULL,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        trace = device->trace;
        if (!trace || trace->stop_call)
                return bus_error_set(ret_error, -ENOENT, "The device is not being recorded");
        if (!trace->is_done) {
                trace->stop_call = sd_bus_message_ref(message);
                device_manager_cancel(device->service->manager, &trace->request);
                return 1;
        }
        r = tell_counts(trace, message);
        trace_free(trace);
        return r;
}
