/* Properties and methods of the root object. */

#include "dbus/bus_manager.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "dbus/bus_configuration.h"
#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_metrics.h"
#include "dbus/bus_options.h"
#include "dbus/bus_policy.h"
#include "dbus/bus_properties.h"
#include "device/device_request.h"

#define MANAGER_INTERFACE BUS_SERVICE_NAME ".Manager"
#define FIELD(name) offsetof(BusService, name)

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        BusService *service = userdata;

        return sd_bus_message_append(reply, "s", service->version);
}

static int get_listen_addresses(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *ret_error) {
        BusService *service = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; i < service->options.n_listen_addresses && r >= 0; i++)
                r = bus_properties_append_text(reply, service->options.listen_addresses[i]);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

/* Take */

static const char *describe_take_error(int error) {
        switch (error) {
        case -ENODEV:
                return "no USB disk that can be driven is plugged in there";
        case -EBUSY:
                return "it is in use";
        case -EPERM:
                return "it has the quirk i: it is to be left alone";
        case -ENOSPC:
                return "there are too many devices";
        case -ESHUTDOWN:
                return "the service is about to end";
        default:
                return strerror(-error);
        }
}

static int on_take(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusService *service = userdata;
        const BusDevice *device;
        const char *name;
        uint64_t id;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(service, message, BUS_ACTION("take"), NULL, NULL, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = device_manager_take(service->manager, name, &id);
        if (r < 0 && r != -EALREADY)
                return bus_error_set(ret_error, r, "%s: %s", name, describe_take_error(r));
        device = bus_device_find(service, id);
        if (!device)
                return bus_error_set(ret_error, -ENOMEM, "No memory");
        return sd_bus_reply_method_return(message, "o", device->path);
}

/* ListOthers */

static int append_text(sd_bus_message *reply, const char *name, const char *value) {
        char text[BUS_DEVICE_TEXT_SIZE];

        BUS_PROPERTIES_SET_TEXT(text, value);
        return sd_bus_message_append(reply, "{sv}", name, "s", text);
}

static int append_other(sd_bus_message *reply, const DeviceOtherView *view) {
        const struct {
                const char *name, *value;
        } texts[] = {
                { "Name", view->name },
                { "Vendor", view->vendor },
                { "Model", view->model },
                { "Serial", view->serial },
                { "Reason", device_other_reason_to_string(view->reason) },
        };
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
                r = append_text(reply, texts[i].name, texts[i].value);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "VendorId", "q", view->vendor_id,
                                  "ProductId", "q", view->product_id, "Speed", "u",
                                  view->speed_mbps);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int on_list_others(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        BusService *service = userdata;
        DeviceOtherView view;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && device_manager_get_other(service->manager, i, &view); i++)
                r = append_other(reply, &view);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

static int on_get_metrics(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const char *format_name = "openmetrics";
        const BusOption options[] = { { "format", 's', &format_name, NULL } };
        _cleanup_(freep) char *text = NULL;
        MetricsFormat format;
        int r;

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        r = metrics_format_from_string(format_name, &format);
        if (r < 0)
                return bus_error_set(ret_error, r, "There is no format \"%s\"", format_name);
        r = bus_metrics_format(userdata, format, &text);
        if (r < 0)
                return bus_error_set(ret_error, r, "%s", strerror(-r));
        return sd_bus_reply_method_return(message, "s", text);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("NDevices", "u", NULL, FIELD(facts.n_devices),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NExports", "u", NULL, FIELD(facts.n_exports),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LogLevel", "s", bus_properties_get_text, FIELD(facts.log_level),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PerformanceMonitoring", "b", NULL, FIELD(facts.is_monitored),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DeviceTimeout", "t", NULL, FIELD(facts.device_timeout_us),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ParkTimeout", "t", NULL, FIELD(facts.park_timeout_us),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ListenAddresses", "as", get_listen_addresses, 0,
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("Take", SD_BUS_ARGS("s", device, "a{sv}", options),
                                SD_BUS_RESULT("o", object), on_take, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListOthers", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", devices),
                                on_list_others, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("as", pending_keys), bus_configuration_on_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetConfiguration", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("a(ssss)", settings), bus_configuration_on_get,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListPolicy", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(uss)", rules),
                                bus_policy_on_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("TestPolicy", SD_BUS_ARGS("s", device),
                                SD_BUS_RESULT("s", target, "u", number, "s", rule),
                                bus_policy_on_test, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GeneratePolicy", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("s", rules), bus_policy_on_generate,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListQuirks", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(qqss)", quirks),
                                bus_policy_on_list_quirks, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetMetrics", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("s", text), on_get_metrics,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Event", SD_BUS_ARGS("s", kind, "o", object, "s", text), 0),
        SD_BUS_VTABLE_END,
};

int bus_manager_attach(BusService *service, sd_bus *bus) {
        return sd_bus_add_object_vtable(bus, bus_service_add_slot(service), BUS_SERVICE_PATH,
                                        MANAGER_INTERFACE, manager_vtable, service);
}

void bus_manager_update(BusService *service, sd_bus *bus) {
        DeviceManagerCounts counts = device_manager_get_counts(service->manager);
        const DeviceManagerOptions *options = device_manager_get_options(service->manager);
        BusService former = { .facts = service->facts };

        service->facts = (BusManagerFacts){
                .n_devices = counts.n_devices,
                .n_exports = counts.n_exports,
                .is_monitored = service->options.configuration->is_monitored(
                                service->options.userdata),
                .device_timeout_us = options->device_timeout_ms * (NS_PER_MS / NS_PER_US),
                .park_timeout_us = options->cache.is_enabled
                                                   ? options->cache.park_timeout_ms *
                                                                     (NS_PER_MS / NS_PER_US)
                                                   : 0,
        };
        BUS_PROPERTIES_SET_TEXT(service->facts.log_level, log_level_to_string(log_get_level()));
        bus_service_announce_changes(bus, BUS_SERVICE_PATH, MANAGER_INTERFACE, manager_vtable,
                                     &former, service);
}

void bus_manager_announce_event(BusService *service, const char *kind, const char *path,
                                const char *words) {
        sd_bus *bus = bus_service_get_bus(service);
        char text[LOG_MESSAGE_SIZE_MAX];

        BUS_PROPERTIES_SET_TEXT(text, words);
        if (bus)
                (void) sd_bus_emit_signal(bus, BUS_SERVICE_PATH, MANAGER_INTERFACE, "Event", "sos",
                                          kind, path, text);
}
