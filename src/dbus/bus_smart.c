/* Properties are of the last time that the drive was asked; methods ask it anew, or tell all of it. */

#include "dbus/bus_smart.h"

#include <errno.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_options.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_request.h"
#include "dbus/bus_smart_data.h"

#define FIELD(name) offsetof(BusSmartFacts, name)
#define SECONDS_OF_HOUR UINT64_C(3600)

/* Facts */

static int32_t count_attributes(const SmartData *data, SmartAttributeState state) {
        int32_t n = 0;

        for (size_t i = 0; i < data->n_attributes; i++)
                n += data->attributes[i].state == state;
        return n;
}

static int64_t count_bad_sectors(const SmartData *data) {
        const SmartNumber *replaced = &data->reallocated_sectors;
        const SmartNumber *pending = &data->pending_sectors;

        if (!replaced->is_known && !pending->is_known)
                return -1;
        return (int64_t) ((replaced->is_known ? MIN(replaced->value, (uint64_t) UINT32_MAX) : 0) +
                          (pending->is_known ? MIN(pending->value, (uint64_t) UINT32_MAX) : 0));
}

static void set_data(BusSmartFacts *facts, const SmartData *data) {
        const SmartIdentity *identity = &data->identity;

        facts->is_supported = data->is_supported.is_known ? data->is_supported.value
                                                          : data->kind != SMART_KIND_UNKNOWN;
        facts->is_enabled =
                        data->is_enabled.is_known ? data->is_enabled.value : facts->is_supported;
        if (data->temperature.is_known)
                facts->temperature = data->temperature.value + BUS_SMART_DATA_KELVIN;
        if (data->power_on_hours.is_known)
                facts->power_on_s = MIN(data->power_on_hours.value, (uint64_t) UINT32_MAX) *
                                    SECONDS_OF_HOUR;
        facts->n_bad_sectors = count_bad_sectors(data);
        facts->n_failing = count_attributes(data, SMART_ATTRIBUTE_STATE_FAILING);
        facts->n_failed_before = count_attributes(data, SMART_ATTRIBUTE_STATE_FAILED_BEFORE);
        if (data->answers[SMART_SECTION_HEALTH] == SMART_ANSWER_GOOD)
                facts->critical_warning = data->health.critical_warning;
        BUS_PROPERTIES_SET_TEXT(facts->kind, smart_kind_to_string(data->kind));
        BUS_PROPERTIES_SET_TEXT(facts->model, identity->model);
        BUS_PROPERTIES_SET_TEXT(facts->serial, identity->serial);
        BUS_PROPERTIES_SET_TEXT(facts->firmware, identity->firmware);
        BUS_PROPERTIES_SET_TEXT(
                        facts->self_test_status,
                        bus_smart_data_get_self_test(data, &facts->self_test_remaining_percent));
}

void bus_smart_set_facts(BusSmartFacts *facts, const LunView *view) {
        const ControlSmart *smart = view->smart;
        SmartVerdictKind kind = smart ? smart->verdict.kind : SMART_VERDICT_KIND_UNKNOWN;

        *facts = (BusSmartFacts){ .n_bad_sectors = -1, .self_test_remaining_percent = -1 };
        BUS_PROPERTIES_SET_TEXT(facts->verdict, smart_verdict_kind_to_string(kind));
        BUS_PROPERTIES_SET_TEXT(facts->reason, smart ? view->smart_reason : "it was not asked yet");
        BUS_PROPERTIES_SET_TEXT(facts->kind, smart_kind_to_string(SMART_KIND_UNKNOWN));
        if (!smart)
                return;
        BUS_PROPERTIES_SET_TEXT(facts->changes, view->smart_news);
        BUS_PROPERTIES_SET_TEXT(facts->way, smart->way);
        facts->updated_s = smart->asked_realtime_s;
        facts->is_failing = kind == SMART_VERDICT_KIND_FAILING;
        set_data(facts, &smart->data);
}

/* NVM Express 1.4, figure 196, by UDisks2's names. */
static int get_critical_warning(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *ret_error) {
        static const char *const names[] = {
                "spare", "temperature", "degraded", "readonly", "volatile_mem", "pmr_readonly",
        };
        const uint32_t *warnings = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (unsigned bit = 0; bit < N_ELEMENTS(names) && r >= 0; bit++)
                if (*warnings & UINT32_C(1) << bit)
                        r = sd_bus_message_append(reply, "s", names[bit]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Methods */

typedef int (*Append)(sd_bus_message *reply, const LunView *view);

static int reply_with(sd_bus_message *message, void *userdata, Append append,
                      sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const BusLun *lun = container_of(userdata, BusLun, smart);
        LunView view;
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        if (!device_manager_get_lun(lun->device->service->manager, lun->device->id,
                                    lun->facts.number, &view))
                return bus_error_set(ret_error, -ENOENT, "The unit is gone");
        r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;
        r = append(reply, &view);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static int on_get_data(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return reply_with(message, userdata, bus_smart_data_append, ret_error);
}

static int on_get_attributes(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return reply_with(message, userdata, bus_smart_data_append_attributes, ret_error);
}

static int on_get_history(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return reply_with(message, userdata, bus_smart_data_append_history, ret_error);
}

static int on_update(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const BusLun *lun = container_of(userdata, BusLun, smart);
        int must_not_wake = false;
        const BusOption options[] = { { "nowakeup", 'b', &must_not_wake } };
        ControlRequest request = {
                .kind = CONTROL_REQUEST_KIND_SMART_UPDATE,
                .lun = lun->facts.number,
        };
        int r;

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        request.flags = must_not_wake ? CONTROL_REQUEST_NO_WAKE : 0;
        return bus_request_ask(lun->device, message, BUS_ACTION("smart-update"), &request,
                               ret_error);
}

static int ask_for_self_test(sd_bus_message *message, const BusLun *lun, uint32_t self_test,
                             sd_bus_error *ret_error) {
        const ControlRequest request = {
                .kind = CONTROL_REQUEST_KIND_SMART_TEST,
                .lun = lun->facts.number,
                .self_test = self_test,
        };
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        return bus_request_ask(lun->device, message, BUS_ACTION("smart-selftest"), &request,
                               ret_error);
}

/* What a drive can be told to do without knowing more than its name. */
static int parse_self_test(const char *name, uint32_t *ret) {
        static const SmartSelfTestKind kinds[] = {
                SMART_SELF_TEST_KIND_SHORT,
                SMART_SELF_TEST_KIND_EXTENDED,
                SMART_SELF_TEST_KIND_CONVEYANCE,
                SMART_SELF_TEST_KIND_OFFLINE,
        };

        for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
                if (strcmp(name, bus_smart_data_get_self_test_kind(kinds[i])) != 0)
                        continue;
                *ret = kinds[i];
                return 0;
        }
        return -EINVAL;
}

static int on_start_self_test(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const BusLun *lun = container_of(userdata, BusLun, smart);
        uint32_t self_test;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        if (parse_self_test(name, &self_test) < 0)
                return bus_error_set(ret_error, -EINVAL,
                                     "Self-tests are short, extended, conveyance and offline");
        return ask_for_self_test(message, lun, self_test, ret_error);
}

static int on_abort_self_test(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return ask_for_self_test(message, container_of(userdata, BusLun, smart),
                                 CONTROL_SELF_TEST_ABORT, ret_error);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable smart_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Verdict", "s", bus_properties_get_text, FIELD(verdict), CHANGES),
        SD_BUS_PROPERTY("Reason", "s", bus_properties_get_text, FIELD(reason), CHANGES),
        SD_BUS_PROPERTY("Changes", "s", bus_properties_get_text, FIELD(changes), CHANGES),
        SD_BUS_PROPERTY("Way", "s", bus_properties_get_text, FIELD(way), CHANGES),
        SD_BUS_PROPERTY("Kind", "s", bus_properties_get_text, FIELD(kind), CHANGES),
        SD_BUS_PROPERTY("Model", "s", bus_properties_get_text, FIELD(model), CHANGES),
        SD_BUS_PROPERTY("Serial", "s", bus_properties_get_text, FIELD(serial), CHANGES),
        SD_BUS_PROPERTY("Firmware", "s", bus_properties_get_text, FIELD(firmware), CHANGES),
        SD_BUS_PROPERTY("Supported", "b", NULL, FIELD(is_supported), CHANGES),
        SD_BUS_PROPERTY("Enabled", "b", NULL, FIELD(is_enabled), CHANGES),
        SD_BUS_PROPERTY("Updated", "t", NULL, FIELD(updated_s), CHANGES),
        SD_BUS_PROPERTY("Failing", "b", NULL, FIELD(is_failing), CHANGES),
        SD_BUS_PROPERTY("PowerOnSeconds", "t", NULL, FIELD(power_on_s), CHANGES),
        SD_BUS_PROPERTY("Temperature", "d", NULL, FIELD(temperature), CHANGES),
        SD_BUS_PROPERTY("NumAttributesFailing", "i", NULL, FIELD(n_failing), CHANGES),
        SD_BUS_PROPERTY("NumAttributesFailedInThePast", "i", NULL, FIELD(n_failed_before), CHANGES),
        SD_BUS_PROPERTY("NumBadSectors", "x", NULL, FIELD(n_bad_sectors), CHANGES),
        SD_BUS_PROPERTY("SelftestStatus", "s", bus_properties_get_text, FIELD(self_test_status),
                        CHANGES),
        SD_BUS_PROPERTY("SelftestPercentRemaining", "i", NULL, FIELD(self_test_remaining_percent),
                        CHANGES),
        SD_BUS_PROPERTY("CriticalWarning", "as", get_critical_warning, FIELD(critical_warning),
                        CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Update", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                on_update, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetData", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("a{sv}", data), on_get_data,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAttributes", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("a(ysqiiixia{sv})", attributes), on_get_attributes,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHistory", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", samples), on_get_history,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StartSelfTest", SD_BUS_ARGS("s", kind, "a{sv}", options),
                                SD_BUS_NO_RESULT, on_start_self_test, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AbortSelfTest", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                on_abort_self_test, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

void bus_smart_announce(BusLun *lun, sd_bus *bus, const BusSmartFacts *former) {
        bus_service_announce_changes(bus, lun->path, BUS_SMART_INTERFACE, smart_vtable, former,
                                     &lun->smart);
}

static int find_smart(sd_bus *bus, const char *path, const char *interface, void *userdata,
                      void **ret_found, sd_bus_error *ret_error) {
        BusLun *lun = bus_lun_find(userdata, path);

        if (!lun)
                return 0;
        *ret_found = &lun->smart;
        return 1;
}

int bus_smart_attach(BusService *service, sd_bus *bus) {
        return sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service),
                                          BUS_SERVICE_DEVICES_PATH, BUS_SMART_INTERFACE,
                                          smart_vtable, find_smart, service);
}
