/*
 * list
 *
 * A row for each logical unit, one for each device that has none (yet), and one for each device that
 * the service leaves to the kernel. Columns are lsblk's where they mean the same.
 */

#include <inttypes.h>

#include "cli/bus_value.h"
#include "cli/ctl_call.h"
#include "cli/ctl_names.h"
#include "cli/ctl_objects.h"
#include "cli/ctl_table.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/verb_list.h"

typedef enum ListColumn {
        LIST_COLUMN_NAME,
        LIST_COLUMN_PORT,
        LIST_COLUMN_ID,
        LIST_COLUMN_VENDOR,
        LIST_COLUMN_MODEL,
        LIST_COLUMN_SERIAL,
        LIST_COLUMN_SIZE,
        LIST_COLUMN_LBA,
        LIST_COLUMN_PROTO,
        LIST_COLUMN_SPEED,
        LIST_COLUMN_STATE,
        LIST_COLUMN_POLICY,
        LIST_COLUMN_EXPORT,
        LIST_COLUMN_HEALTH,
        LIST_COLUMN_TEMP,
        LIST_COLUMN_POWER,
        _LIST_COLUMN_MAX,
} ListColumn;

static const CtlColumn columns[_LIST_COLUMN_MAX] = {
        [LIST_COLUMN_NAME] = { "NAME", .is_default = true },
        [LIST_COLUMN_PORT] = { "PORT" },
        [LIST_COLUMN_ID] = { "ID", .is_default = true },
        [LIST_COLUMN_VENDOR] = { "VENDOR", .can_shrink = true },
        [LIST_COLUMN_MODEL] = { "MODEL", .is_default = true, .can_shrink = true },
        [LIST_COLUMN_SERIAL] = { "SERIAL", .can_shrink = true },
        [LIST_COLUMN_SIZE] = { "SIZE", .is_right = true, .is_default = true },
        [LIST_COLUMN_LBA] = { "LBA", .is_right = true },
        [LIST_COLUMN_PROTO] = { "PROTO", .is_default = true },
        [LIST_COLUMN_SPEED] = { "SPEED", .is_right = true },
        [LIST_COLUMN_STATE] = { "STATE", .is_default = true },
        [LIST_COLUMN_POLICY] = { "POLICY" },
        [LIST_COLUMN_EXPORT] = { "EXPORT", .is_default = true, .can_shrink = true,
                                 .is_copied = true },
        [LIST_COLUMN_HEALTH] = { "HEALTH" },
        [LIST_COLUMN_TEMP] = { "TEMP", .is_right = true },
        [LIST_COLUMN_POWER] = { "POWER" },
};

/* "" is no value. */
static void set_string(CtlTable *table, ListColumn column, const char *text) {
        if (*text != '\0')
                ctl_table_set(table, column, json_object_new_string(text), NULL);
}

static void set_speed(CtlTable *table, uint64_t speed) {
        _cleanup_(freep) char *text = ctl_names_speed(speed);

        if (speed > 0)
                ctl_table_set(table, LIST_COLUMN_SPEED, json_object_new_uint64(speed), text);
}

/* What a device in and outside of the service has in common. */
static void set_identity(CtlTable *table, json_object *device, json_object *lun) {
        _cleanup_(freep) char *id = ctl_names_id(device);

        set_string(table, LIST_COLUMN_PORT, ctl_objects_string(device, "Name"));
        set_string(table, LIST_COLUMN_ID, id);
        set_string(table, LIST_COLUMN_VENDOR, ctl_names_of(device, lun, "Vendor"));
        set_string(table, LIST_COLUMN_MODEL, ctl_names_of(device, lun, "Model"));
        set_string(table, LIST_COLUMN_SERIAL, ctl_names_of(lun, device, "Serial"));
        set_speed(table, ctl_objects_number(device, "Speed"));
}

static void set_device(CtlTable *table, json_object *device) {
        CtlColour colour = ctl_names_health_colour(device);

        set_string(table, LIST_COLUMN_PROTO,
                   ctl_names_transport(ctl_objects_string(device, "Transport")));
        set_string(table, LIST_COLUMN_STATE, ctl_objects_string(device, "State"));
        set_string(table, LIST_COLUMN_POLICY, ctl_objects_string(device, "Policy"));
        if (colour != CTL_COLOUR_GREEN)
                ctl_table_set_colour(table, LIST_COLUMN_STATE, colour);
}

static void set_lun(CtlTable *table, json_object *lun, bool in_bytes) {
        uint64_t size = ctl_objects_number(lun, "Size");
        _cleanup_(freep) char *text = ctl_text_size(size, in_bytes);

        if (size > 0)
                ctl_table_set(table, LIST_COLUMN_SIZE, json_object_new_uint64(size), text);
        if (ctl_objects_number(lun, "BlockSize") > 0)
                ctl_table_set(table, LIST_COLUMN_LBA,
                              json_object_get(ctl_objects_property(lun, "BlockSize")), NULL);
        set_string(table, LIST_COLUMN_EXPORT, ctl_objects_string(lun, "Export"));
}

/* The column is there for a service that knows. */
static void set_power(CtlTable *table, const CtlObjects *objects, const char *device) {
        json_object *power = ctl_objects_get(objects, device, CTL_POWER);

        set_string(table, LIST_COLUMN_POWER, ctl_objects_string(power, "State"));
}

static void set_health(CtlTable *table, json_object *device, json_object *smart) {
        const char *verdict = ctl_names_verdict(device, smart);
        int64_t celsius;

        set_string(table, LIST_COLUMN_HEALTH, verdict);
        if (*verdict != '\0' && strcmp(verdict, "good") != 0)
                ctl_table_set_colour(table, LIST_COLUMN_HEALTH,
                                     verdict[0] == 'f' ? CTL_COLOUR_RED : CTL_COLOUR_YELLOW);
        if (ctl_names_temperature(smart, &celsius))
                ctl_table_set(table, LIST_COLUMN_TEMP, json_object_new_int64(celsius), NULL);
}

static void add_row(CtlTable *table, const CtlObjects *objects, const char *device, const char *lun,
                    bool in_bytes) {
        const CtlTarget target = {
                .device = device,
                .lun = lun,
                .device_properties = ctl_objects_get(objects, device, CTL_DEVICE),
                .lun_properties = lun ? ctl_objects_get(objects, lun, CTL_LUN) : NULL,
        };
        _cleanup_(freep) char *name = ctl_target_name(&target);

        ctl_table_begin_row(table);
        set_string(table, LIST_COLUMN_NAME, name);
        set_identity(table, target.device_properties, target.lun_properties);
        set_device(table, target.device_properties);
        if (lun)
                set_lun(table, target.lun_properties, in_bytes);
        set_power(table, objects, device);
        set_health(table, target.device_properties,
                   lun ? ctl_objects_get(objects, lun, CTL_SMART) : NULL);
}

static void add_devices(CtlTable *table, const CtlObjects *objects, bool in_bytes) {
        _cleanup_(freep) const char **devices = NULL;
        size_t n_devices;

        devices = ctl_objects_devices(objects, &n_devices);
        for (size_t i = 0; i < n_devices; i++) {
                _cleanup_(freep) const char **luns = NULL;
                size_t n_luns;

                luns = ctl_objects_luns(objects, devices[i], &n_luns);
                if (n_luns == 0)
                        add_row(table, objects, devices[i], NULL, in_bytes);
                for (size_t j = 0; j < n_luns; j++)
                        add_row(table, objects, devices[i], luns[j], in_bytes);
        }
}

static CtlExit add_others(CtlTable *table, Ctl *ctl) {
        _cleanup_(json_object_putp) json_object *others = NULL;
        CtlExit e;

        e = ctl_call_get(ctl, CTL_PATH, CTL_MANAGER, "ListOthers", "aa{sv}", &others);
        if (e != CTL_EXIT_OK)
                return e;
        for (size_t i = 0; i < json_object_array_length(others); i++) {
                json_object *other = json_object_array_get_idx(others, i);

                ctl_table_begin_row(table);
                set_string(table, LIST_COLUMN_NAME, ctl_objects_string(other, "Name"));
                set_identity(table, other, NULL);
                set_string(table, LIST_COLUMN_STATE, ctl_objects_string(other, "Reason"));
                ctl_table_set_colour(table, LIST_COLUMN_STATE, CTL_COLOUR_GREY);
        }
        return CTL_EXIT_OK;
}

CtlExit verb_list(Ctl *ctl, char **arguments) {
        bool in_bytes = ctl_options_has(&ctl->options, CTL_OPTION_BYTES);
        _cleanup_(ctl_table_freep) CtlTable *table = NULL;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(freep) char *wrong = NULL;
        CtlExit e;

        table = ctl_table_new(columns, _LIST_COLUMN_MAX);
        if (ctl->options.columns && ctl_table_select(table, ctl->options.columns, &wrong) < 0) {
                ctl_complain(ctl, "There is no column '%s'", wrong);
                return CTL_EXIT_USAGE;
        }
        e = ctl_objects_load(&objects, ctl);
        if (e != CTL_EXIT_OK)
                return e;
        add_devices(table, &objects, in_bytes);
        e = add_others(table, ctl);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_table_n_rows(table) == 0 && !ctl_is_json(ctl)) {
                puts("No USB disks.");
                return CTL_EXIT_OK;
        }
        return ctl_table_show(table, ctl);
}
