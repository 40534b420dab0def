/*
 * Looks a name up in all that could have it. A port path can look like DEV.LUN ("1-4.1"), but what
 * is at "1-4" then is a hub, which is no disk; a name that fits a device as a whole is that device.
 */

#include <inttypes.h>
#include <string.h>

#include "cli/ctl_call.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"

#define LUN_NUMBER_MAX 255

typedef struct Search {
        const CtlObjects *objects;
        const char *text;
        CtlTarget best;
        size_t n_found;
} Search;

static void note(Search *search, const char *device, const char *lun) {
        /* The same under two of its names. */
        if (search->n_found > 0 && search->best.device == device && search->best.lun == lun)
                return;
        search->best = (CtlTarget){
                .device = device,
                .lun = lun,
                .device_properties = ctl_objects_get(search->objects, device, CTL_DEVICE),
                .lun_properties = lun ? ctl_objects_get(search->objects, lun, CTL_LUN) : NULL,
        };
        search->n_found++;
}

static bool is_property(json_object *properties, const char *name, const char *text) {
        const char *value = ctl_objects_string(properties, name);

        return *value != '\0' && strcmp(value, text) == 0;
}

static bool is_device(const Search *search, const char *device, const char *text, bool by_serial) {
        json_object *properties = ctl_objects_get(search->objects, device, CTL_DEVICE);

        return is_property(properties, by_serial ? "Serial" : "Name", text);
}

/* "1-4.0": what is before the last '.' or ':', if a LUN's number is behind it. */
static char *split(const char *text, uint64_t *ret_number) {
        const char *dot = strrchr(text, '.'), *colon = strrchr(text, ':');
        const char *separator = colon && (!dot || colon > dot) ? colon : dot;
        char *device;

        if (!separator || separator == text ||
            ctl_text_parse_number(separator + 1, LUN_NUMBER_MAX, ret_number) < 0)
                return NULL;
        device = ctl_text_copy(text);
        device[separator - text] = '\0';
        return device;
}

static void search_luns(Search *search, const char *device, bool by_number, uint64_t number) {
        _cleanup_(freep) const char **luns = NULL;
        size_t n;

        luns = ctl_objects_luns(search->objects, device, &n);
        for (size_t i = 0; i < n; i++) {
                json_object *lun = ctl_objects_get(search->objects, luns[i], CTL_LUN);

                if (by_number ? ctl_objects_number(lun, "Number") == number
                              : is_property(lun, "Export", search->text) ||
                                                    (is_property(lun, "Serial", search->text) &&
                                                     !is_device(search, device, search->text,
                                                                true)))
                        note(search, device, luns[i]);
        }
}

static void search_devices(Search *search, bool by_serial) {
        _cleanup_(freep) const char **devices = NULL;
        _cleanup_(freep) char *name = NULL;
        uint64_t number = 0;
        size_t n;

        name = split(search->text, &number);
        devices = ctl_objects_devices(search->objects, &n);
        for (size_t i = 0; i < n; i++) {
                if (is_device(search, devices[i], search->text, by_serial))
                        note(search, devices[i], NULL);
                if (by_serial)
                        search_luns(search, devices[i], /* by_number= */ false, 0);
        }
        if (search->n_found > 0 || !name)
                return;
        for (size_t i = 0; i < n; i++)
                if (is_device(search, devices[i], name, by_serial))
                        search_luns(search, devices[i], /* by_number= */ true, number);
}

static CtlTargetResult fit_to_kind(Search *search, CtlTargetKind kind) {
        _cleanup_(freep) const char **luns = NULL;
        size_t n;

        if (kind == CTL_TARGET_DEVICE && search->best.lun)
                return CTL_TARGET_RESULT_NOT_A_DEVICE;
        if (kind != CTL_TARGET_LUN || search->best.lun)
                return CTL_TARGET_RESULT_FOUND;
        luns = ctl_objects_luns(search->objects, search->best.device, &n);
        if (n != 1)
                return n == 0 ? CTL_TARGET_RESULT_NO_LUN : CTL_TARGET_RESULT_SEVERAL_LUNS;
        search->n_found = 0;
        note(search, search->best.device, luns[0]);
        return CTL_TARGET_RESULT_FOUND;
}

CtlTargetResult ctl_target_find(CtlTarget *target, const CtlObjects *objects, const char *text,
                                CtlTargetKind kind) {
        Search search = { .objects = objects, .text = text };
        CtlTargetResult result;

        /* A port path tells more than a serial number, of which there are clones. */
        search_devices(&search, /* by_serial= */ false);
        if (search.n_found == 0)
                search_devices(&search, /* by_serial= */ true);
        if (search.n_found == 0)
                return CTL_TARGET_RESULT_NONE;
        if (search.n_found > 1)
                return CTL_TARGET_RESULT_AMBIGUOUS;
        result = fit_to_kind(&search, kind);
        if (result == CTL_TARGET_RESULT_FOUND)
                *target = search.best;
        return result;
}

/* Whether it is the unit alone that is missing. */
static bool tell_missing_unit(Ctl *ctl, const CtlObjects *objects, const char *text) {
        uint64_t number;
        _cleanup_(freep) char *device = split(text, &number);
        CtlTarget target;

        if (!device ||
            ctl_target_find(&target, objects, device, CTL_TARGET_DEVICE) != CTL_TARGET_RESULT_FOUND)
                return false;
        ctl_complain(ctl, "%s has no logical unit %" PRIu64, device, number);
        return true;
}

/* It may be one that is left to the kernel. */
static CtlExit tell_none(Ctl *ctl, const CtlObjects *objects, const char *text) {
        _cleanup_(json_object_putp) json_object *others = NULL;
        CtlExit e;

        if (tell_missing_unit(ctl, objects, text))
                return CTL_EXIT_NOT_FOUND;
        e = ctl_call_get(ctl, CTL_PATH, CTL_MANAGER, "ListOthers", "aa{sv}", &others);

        for (size_t i = 0; e == CTL_EXIT_OK && i < json_object_array_length(others); i++) {
                json_object *other = json_object_array_get_idx(others, i);

                if (!is_property(other, "Name", text))
                        continue;
                ctl_complain(ctl, "The service does not drive %s (%s): see 'take'", text,
                             ctl_objects_string(other, "Reason"));
                return CTL_EXIT_NOT_FOUND;
        }
        ctl_complain(ctl, "There is no device '%s'", text);
        return CTL_EXIT_NOT_FOUND;
}

CtlExit ctl_target_get(CtlTarget *target, Ctl *ctl, const CtlObjects *objects, const char *text,
                       CtlTargetKind kind) {
        switch (ctl_target_find(target, objects, text, kind)) {
        case CTL_TARGET_RESULT_FOUND:
                return CTL_EXIT_OK;
        case CTL_TARGET_RESULT_NONE:
                return tell_none(ctl, objects, text);
        case CTL_TARGET_RESULT_AMBIGUOUS:
                ctl_complain(ctl, "There are several '%s': say the port path", text);
                return CTL_EXIT_USAGE;
        case CTL_TARGET_RESULT_NOT_A_DEVICE:
                ctl_complain(ctl, "'%s' is a logical unit: this is done to whole devices", text);
                return CTL_EXIT_USAGE;
        case CTL_TARGET_RESULT_SEVERAL_LUNS:
                ctl_complain(ctl, "'%s' has several logical units: say %s.NUMBER", text, text);
                return CTL_EXIT_USAGE;
        case CTL_TARGET_RESULT_NO_LUN:
                ctl_complain(ctl, "'%s' has no logical unit", text);
                return CTL_EXIT_NOT_FOUND;
        }

        assert_not_reached();
}

CtlExit ctl_target_load(CtlTarget *target, Ctl *ctl, CtlObjects *objects, const char *text,
                        CtlTargetKind kind) {
        CtlExit e = ctl_objects_load(objects, ctl);

        return e != CTL_EXIT_OK ? e : ctl_target_get(target, ctl, objects, text, kind);
}

CtlExit ctl_target_need(const CtlTarget *target, const Ctl *ctl, const CtlObjects *objects,
                        const char *interface, const char *what, const char **ret) {
        const char *const paths[] = { target->lun, target->device };

        for (size_t i = 0; i < N_ELEMENTS(paths); i++)
                if (paths[i] && ctl_objects_get(objects, paths[i], interface)) {
                        *ret = paths[i];
                        return CTL_EXIT_OK;
                }
        ctl_complain(ctl, "%s is not supported: there is no %s", what, interface);
        return CTL_EXIT_UNSUPPORTED;
}

char *ctl_target_name(const CtlTarget *target) {
        const char *device = ctl_objects_string(target->device_properties, "Name");

        if (!target->lun)
                return ctl_text_copy(device);
        return ctl_text_format("%s.%" PRIu64, device,
                               ctl_objects_number(target->lun_properties, "Number"));
}
