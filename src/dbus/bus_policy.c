/* What the policy says, from memory and from what sysfs has of a device. */

#include "dbus/bus_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "dbus/bus_error.h"
#include "dbus/bus_options.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_service_internal.h"
#include "device/device_policy.h"

/* Rules are as somebody wrote them, in whatever character set. */
static int append_rule(sd_bus_message *reply, uint32_t number, const char *rule,
                       const char *source) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "uss");
        if (r >= 0)
                r = sd_bus_message_append(reply, "u", number);
        if (r >= 0)
                r = bus_properties_append_text(reply, rule);
        if (r >= 0)
                r = bus_properties_append_text(reply, source);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_policy_on_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        BusService *service = userdata;
        const DevicePolicy *policy = device_manager_get_policy(service->manager);
        size_t n_rules = policy ? device_policy_get_n_rules(policy) : 0;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(uss)");
        for (size_t i = 0; r >= 0 && i < n_rules; i++) {
                const char *source, *rule = device_policy_get_rule(policy, i, &source);

                r = append_rule(reply, (uint32_t) i + 1, rule, source);
        }
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

static int append_quirks(sd_bus_message *reply, const UsbQuirksList *list,
                         const UsbQuirksEntry *entry) {
        char letters[USB_QUIRKS_TEXT_SIZE];
        _cleanup_(freep) char *source = NULL;

        if (asprintf(&source, "%s:%u", list->sources[entry->source], entry->line) < 0)
                return -ENOMEM;
        log_sanitise(source);
        return sd_bus_message_append(reply, "(qqss)", entry->vendor_id, entry->product_id,
                                     usb_quirks_format(entry->quirks, letters), source);
}

int bus_policy_on_list_quirks(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        BusService *service = userdata;
        const UsbQuirksList *list = device_manager_get_options(service->manager)->quirks;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(qqss)");
        for (size_t i = 0; r >= 0 && list && i < list->n_entries; i++)
                r = append_quirks(reply, list, &list->entries[i]);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

int bus_policy_on_test(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        BusService *service = userdata;
        DeviceDecision decision;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        r = device_manager_test_policy(service->manager, name, &decision);
        if (r == -ESHUTDOWN)
                return bus_error_set(ret_error, r, "The service is about to end");
        if (r < 0)
                return bus_error_set(ret_error, r, "No USB disk is plugged in at \"%s\"", name);
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "su", device_target_to_string(decision.target),
                                          (uint32_t) decision.number);
        if (r >= 0)
                r = bus_properties_append_text(reply, decision.rule);
        return r < 0 ? r : sd_bus_message_send(reply);
}

int bus_policy_on_generate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(freep) char *rules = NULL;
        BusService *service = userdata;
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        r = device_manager_generate_policy(service->manager, &rules);
        if (r < 0)
                return bus_error_set(ret_error, r, "%s",
                                     r == -ESHUTDOWN ? "The service is about to end"
                                                     : strerror(-r));
        return sd_bus_reply_method_return(message, "s", rules);
}
