/* take, release, device-info, device-reset, device-remove. */

#include <inttypes.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/ctl_action.h"
#include "cli/ctl_call.h"
#include "cli/ctl_facts.h"
#include "cli/ctl_names.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/verb_device.h"

/* The object, its units and its cache as one. */
static json_object *device_to_json(const CtlObjects *objects, const char *path) {
        json_object *all = json_object_new_object(), *units = json_object_new_array();
        json_object *device = ctl_objects_get(objects, path, CTL_DEVICE);
        _cleanup_(freep) const char **luns = NULL;
        size_t n;

        json_object_object_foreach(device, name, value)
                        json_object_object_add(all, name, json_object_get(value));
        luns = ctl_objects_luns(objects, path, &n);
        for (size_t i = 0; i < n; i++)
                json_object_array_add(units,
                                      json_object_get(ctl_objects_get(objects, luns[i], CTL_LUN)));
        json_object_object_add(all, "Luns", units);
        return all;
}

static void print_unit(const Ctl *ctl, json_object *lun) {
        bool in_bytes = ctl_options_has(&ctl->options, CTL_OPTION_BYTES);
        _cleanup_(freep) char *size = ctl_text_size(ctl_objects_number(lun, "Size"), in_bytes);
        _cleanup_(freep) char *title =
                        ctl_text_format("LUN %" PRIu64, ctl_objects_number(lun, "Number"));

        ctl_facts_print(ctl, title, "%s %s %s", ctl_objects_string(lun, "Vendor"),
                        ctl_objects_string(lun, "Model"), ctl_objects_string(lun, "Revision"));
        ctl_facts_print(ctl, "Kind", "%s%s%s%s", ctl_objects_string(lun, "Kind"),
                        ctl_objects_boolean(lun, "MediaRemovable") ? ", removable medium" : "",
                        ctl_objects_boolean(lun, "ReadOnly") ? ", read-only" : "",
                        ctl_objects_boolean(lun, "Rotational") ? ", rotating" : "");
        ctl_facts_print(ctl, "Serial", "%s", ctl_objects_string(lun, "Serial"));
        ctl_facts_print(ctl, "WWN", "%s", ctl_objects_string(lun, "WWN"));
        if (ctl_objects_boolean(lun, "MediaAvailable"))
                ctl_facts_print(ctl, "Size", "%s, blocks of %" PRIu64 " (physical %" PRIu64 ")%s",
                                size, ctl_objects_number(lun, "BlockSize"),
                                ctl_objects_number(lun, "PhysicalBlockSize"),
                                ctl_objects_boolean(lun, "CanTrim") ? ", TRIM" : "");
        else
                ctl_facts_print(ctl, "Size", "no medium");
        ctl_facts_print(ctl, "Export", "%s", ctl_objects_string(lun, "Export"));
}

static void print_device(const Ctl *ctl, json_object *device) {
        bool in_bytes = ctl_options_has(&ctl->options, CTL_OPTION_BYTES);
        _cleanup_(freep) char *id = ctl_names_id(device);
        _cleanup_(freep) char *speed = ctl_names_speed(ctl_objects_number(device, "Speed"));
        _cleanup_(freep) char *transfer =
                        ctl_text_size(ctl_objects_number(device, "TransferSizeMax"), in_bytes);
        _cleanup_(freep) char *learned =
                        ctl_facts_join(ctl_objects_property(device, "LearnedFacts"), ", ");
        uint64_t revision = ctl_objects_number(device, "DeviceRevision");

        ctl_facts_print(ctl, "Device", "%s (%s)", ctl_objects_string(device, "Name"),
                        ctl_objects_string(device, "ConnectionBus"));
        ctl_facts_print(ctl, "ID", "%s, revision %" PRIx64 ".%02" PRIx64, id, revision >> 8,
                        revision & 0xff);
        ctl_facts_print(ctl, "Vendor", "%s", ctl_objects_string(device, "Vendor"));
        ctl_facts_print(ctl, "Model", "%s", ctl_objects_string(device, "Model"));
        ctl_facts_print(ctl, "Serial", "%s", ctl_objects_string(device, "Serial"));
        ctl_facts_print(ctl, "Speed", "%s", speed);
        ctl_facts_print(ctl, "State", "%s", ctl_objects_string(device, "State"));
        ctl_facts_print(ctl, "Failure", "%s", ctl_objects_string(device, "FailureReason"));
        ctl_facts_print(ctl, "Transport", "%s",
                        ctl_names_transport(ctl_objects_string(device, "Transport")));
        ctl_facts_print(ctl, "Transfers up to", "%s", transfer);
        ctl_facts_print(ctl, "Quirks", "%s", ctl_objects_string(device, "Quirks"));
        ctl_facts_print(ctl, "Learned", "%s", learned);
        ctl_facts_print(ctl, "Policy", "%s", ctl_objects_string(device, "Policy"));
}

CtlExit verb_device_info(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(json_object_putp) json_object *all = NULL;
        json_object *units;
        CtlTarget target;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_ANY);
        if (e != CTL_EXIT_OK)
                return e;
        all = device_to_json(&objects, target.device);
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, TAKE_PTR(all));
        print_device(ctl, target.device_properties);
        units = ctl_objects_property(all, "Luns");
        for (size_t i = 0; i < json_object_array_length(units); i++)
                print_unit(ctl, json_object_array_get_idx(units, i));
        return CTL_EXIT_OK;
}

CtlExit verb_device_reset(Ctl *ctl, char **arguments) {
        static const CtlAction action = {
                .interface = CTL_DEVICE,
                .method = "Reset",
                .kind = CTL_TARGET_DEVICE,
                .done = "was reset.",
        };

        return ctl_action_run(&action, ctl, arguments[0]);
}

CtlExit verb_device_remove(Ctl *ctl, char **arguments) {
        const CtlAction action = {
                .interface = CTL_DEVICE,
                .method = "Remove",
                .kind = CTL_TARGET_DEVICE,
                .option = ctl_options_has(&ctl->options, CTL_OPTION_FORCE) ? "force" : NULL,
                .done = "is safe to remove: it may be unplugged now.",
        };

        return ctl_action_run(&action, ctl, arguments[0]);
}

CtlExit verb_device_release(Ctl *ctl, char **arguments) {
        static const CtlAction action = {
                .interface = CTL_DEVICE,
                .method = "Release",
                .kind = CTL_TARGET_DEVICE,
                .done = "is no longer driven by the service.",
        };

        return ctl_action_run(&action, ctl, arguments[0]);
}

CtlExit verb_device_take(Ctl *ctl, char **arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        CtlExit e;
        int r;

        e = ctl_call_do(ctl, CTL_PATH, CTL_MANAGER, "Take", &reply, "sa{sv}", arguments[0], 0);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return ctl_call_garbled(ctl, r);
        if (ctl_is_json(ctl)) {
                json_object *answer = json_object_new_object();

                json_object_object_add(answer, "device", bus_value_string(arguments[0]));
                json_object_object_add(answer, "object", bus_value_string(path));
                return ctl_print_json(ctl, answer);
        }
        printf("%s is driven by the service now.\n", arguments[0]);
        return CTL_EXIT_OK;
}
