/* What may be done to a device's cache. */

#include "dbus/bus_cache.h"

#include <errno.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_job.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_options.h"
#include "dbus/bus_performance.h"
#include "dbus/bus_request.h"

int bus_cache_get_counter(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, facts);
        StorageStats totals = bus_performance_get_totals(&device->subject);
        const struct {
                const char *property;
                uint64_t value;
        } counters[] = {
                { "DirtyBytes", totals.cache.dirty_size },
                { "Hits", totals.cache.n_hits },
                { "Misses", totals.cache.n_misses },
                { "ReadAheadUsedBytes", totals.cache.read_ahead_used_size },
                { "ReadAheadWastedBytes", totals.cache.read_ahead_wasted_size },
        };

        for (size_t i = 0; i < N_ELEMENTS(counters); i++)
                if (strcmp(counters[i].property, property) == 0)
                        return sd_bus_message_append(reply, "t", counters[i].value);
        assert_not_reached();
}

static int flush(BusDevice *device, sd_bus_message *message, uint32_t lun, uid_t uid,
                 sd_bus_error *ret_error) {
        _cleanup_(bus_request_abandonp) BusRequest *request = NULL;
        BusService *service = device->service;
        const char *path = lun == CONTROL_LUN_ALL ? device->path : device->luns[lun]->path;
        BusJob *job;
        int r;

        r = bus_request_new(&request, service, message, ret_error);
        if (r < 0)
                return r;
        r = bus_job_new(&job, request, "flush", path, uid, ret_error);
        if (r < 0)
                return r;
        request->request.request.kind = CONTROL_REQUEST_KIND_FLUSH;
        request->request.request.lun = lun;
        r = device_manager_request(service->manager, device->id, &request->request);
        if (r < 0)
                return bus_request_sent(TAKE_PTR(request), r, ret_error);
        bus_request_set_answered(TAKE_PTR(request));
        bus_job_announce(job);
        return sd_bus_reply_method_return(message, "o", job->path);
}

int bus_cache_on_flush(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, facts);
        uint32_t lun = CONTROL_LUN_ALL;
        bool has_lun = false;
        const BusOption options[] = { { "lun", 'u', &lun, &has_lun } };
        uid_t uid;
        int r;

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        if (has_lun && (lun >= N_ELEMENTS(device->luns) || !device->luns[lun]))
                return bus_error_set(ret_error, -ENOENT, "There is no LUN %u", lun);
        r = bus_service_check(device->service, message, BUS_ACTION("flush"), device, &uid,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return flush(device, message, lun, uid, ret_error);
}

int bus_cache_on_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        int discards = false;
        const BusOption options[] = { { "discard-dirty", 'b', &discards } };
        ControlRequest request = {
                .kind = CONTROL_REQUEST_KIND_CACHE_RESET,
                .lun = CONTROL_LUN_ALL,
        };
        int r;

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        request.flags = discards ? CONTROL_REQUEST_DISCARD_DIRTY : 0;
        return bus_request_ask(container_of(userdata, BusDevice, facts), message,
                               discards ? BUS_ACTION("discard") : BUS_ACTION("cache"), &request,
                               ret_error);
}

static int parse_mode(const char *text, CacheMode *ret) {
        for (CacheMode mode = 0; mode < _CACHE_MODE_MAX; mode++) {
                if (strcmp(text, cache_mode_to_string(mode)) != 0)
                        continue;
                *ret = mode;
                return 0;
        }
        return -EINVAL;
}

int bus_cache_on_set_mode(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        ControlRequest request = {
                .kind = CONTROL_REQUEST_KIND_CACHE_MODE,
                .lun = CONTROL_LUN_ALL,
        };
        const char *text;
        CacheMode mode;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        if (r < 0)
                return r;
        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        if (parse_mode(text, &mode) < 0)
                return bus_error_set(ret_error, -EINVAL,
                                     "Modes are write-back, write-through and off");
        request.cache_mode = mode;
        return bus_request_ask(container_of(userdata, BusDevice, facts), message,
                               BUS_ACTION("cache"), &request, ret_error);
}
