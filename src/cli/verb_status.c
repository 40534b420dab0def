/*
 * status
 *
 * A dot that tells how a device is, what it is, what the service knows of it, and its logical units
 * as a tree.
 */

#include <inttypes.h>
#include <string.h>

#include "cli/ctl_call.h"
#include "cli/ctl_facts.h"
#include "cli/ctl_names.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/health_text.h"
#include "cli/verb_status.h"

static const char *const cache_counters[] = {
        "DirtyBytes",
        "Hits",
        "Misses",
        NULL,
};

static void print_heading(const Ctl *ctl, json_object *device, json_object *lun) {
        _cleanup_(freep) char *title = ctl_names_title(device, lun);
        _cleanup_(freep) char *id = ctl_names_id(device);
        CtlColour colour = ctl_names_health_colour(device);
        const char *serial = ctl_objects_string(device, "Serial");

        printf("%s%s%s %s%s%s - %s%s(%s)%s%s\n", ctl_terminal_colour(&ctl->terminal, colour),
               ctl->terminal.has_utf8 ? "●" : "*", ctl_terminal_plain(&ctl->terminal),
               ctl_terminal_colour(&ctl->terminal, CTL_COLOUR_BOLD),
               ctl_objects_string(device, "Name"), ctl_terminal_plain(&ctl->terminal), title,
               *title != '\0' ? " " : "", id, *serial != '\0' ? ", serial " : "", serial);
}

static void print_state(const Ctl *ctl, json_object *device) {
        _cleanup_(freep) char *since = ctl_names_time(ctl_objects_number(device, "TimeTaken"));
        const char *reason = ctl_objects_string(device, "FailureReason");
        uint64_t n_restarts = ctl_objects_number(device, "NRestarts");
        uint64_t pid = ctl_objects_number(device, "WorkerPid");

        ctl_facts_print(ctl, "State", "%s%s%s%s%s%s",
                        ctl_terminal_colour(&ctl->terminal, ctl_names_health_colour(device)),
                        ctl_objects_string(device, "State"), ctl_terminal_plain(&ctl->terminal),
                        *reason != '\0'  ? ": "
                        : *since != '\0' ? " since "
                                         : "",
                        *reason != '\0' ? reason : since,
                        ctl_objects_boolean(device, "ReadOnly") ? ", read-only" : "");
        if (pid > 0)
                ctl_facts_print(ctl, "Worker", "process %" PRIu64 ", %" PRIu64 " restart%s", pid,
                                n_restarts, n_restarts == 1 ? "" : "s");
}

static void print_transport(const Ctl *ctl, json_object *device) {
        uint64_t mbit_per_s = ctl_objects_number(device, "Speed");
        _cleanup_(freep) char *speed = ctl_names_speed(mbit_per_s), *at = NULL;
        _cleanup_(freep) char *transfer = ctl_text_size(
                        ctl_objects_number(device, "TransferSizeMax"), /* in_bytes= */ false);
        const char *transport = ctl_names_transport(ctl_objects_string(device, "Transport"));

        at = mbit_per_s > 0 ? ctl_text_format(" at %sb/s", speed) : ctl_text_copy("");
        if (*transport != '\0')
                ctl_facts_print(ctl, "Transport", "%s%s, commands up to %s", transport, at,
                                transfer);
}

static void print_knowledge(const Ctl *ctl, json_object *device) {
        _cleanup_(freep) char *learned =
                        ctl_facts_join(ctl_objects_property(device, "LearnedFacts"), ", ");
        _cleanup_(freep) char *degradations =
                        ctl_facts_join(ctl_objects_property(device, "Degradations"), ", ");
        const char *policy = ctl_objects_string(device, "Policy");
        const char *rule = ctl_objects_string(device, "PolicyRule");

        if (*policy != '\0')
                ctl_facts_print(ctl, "Policy", "%s, by %s", policy,
                                *rule != '\0' ? rule : "default");
        ctl_facts_print(ctl, "Quirks", "%s", ctl_objects_string(device, "Quirks"));
        ctl_facts_print(ctl, "Learned", "%s", learned);
        if (*degradations != '\0')
                ctl_facts_print(ctl, "Degraded", "%s%s%s",
                                ctl_terminal_colour(&ctl->terminal, CTL_COLOUR_YELLOW),
                                degradations, ctl_terminal_plain(&ctl->terminal));
}

static void print_cache(const Ctl *ctl, json_object *cache) {
        uint64_t hits = ctl_objects_number(cache, "Hits");
        uint64_t sum = hits + ctl_objects_number(cache, "Misses");
        _cleanup_(freep) char *size_max =
                        ctl_text_size(ctl_objects_number(cache, "SizeMax"), false);
        _cleanup_(freep) char *dirty =
                        ctl_text_size(ctl_objects_number(cache, "DirtyBytes"), false);
        _cleanup_(freep) char *share = NULL;

        if (!cache)
                return;
        share = sum > 0 ? ctl_text_format(", %.0f%% hits", 100.0 * (double) hits / (double) sum)
                        : ctl_text_copy("");
        ctl_facts_print(ctl, "Cache", "%s, up to %s, %s not written yet%s",
                        ctl_objects_string(cache, "Mode"), size_max, dirty, share);
}

/* What is not known is not told. */
static void print_power(const Ctl *ctl, json_object *power) {
        _cleanup_(freep) char *since = ctl_names_time(ctl_objects_number(power, "StateSince"));
        uint64_t max_power_ma = ctl_objects_number(power, "MaxPower");
        _cleanup_(freep) char *current = NULL;

        if (*since == '\0')
                return;
        current = max_power_ma > 0 ? ctl_text_format(", may draw %" PRIu64 " mA", max_power_ma)
                                   : ctl_text_copy("");
        ctl_facts_print(ctl, "Power", "%s since %s%s", ctl_objects_string(power, "State"), since,
                        current);
}

/* "CD-ROM, 1 data track, tray closed, locked" */
static void print_optical(const Ctl *ctl, json_object *optical, const char *line) {
        const char *profile = ctl_objects_string(optical, "Profile");
        uint64_t n_data = ctl_objects_number(optical, "DataTracks");
        uint64_t n_audio = ctl_objects_number(optical, "AudioTracks");

        printf("%*s%s    %s%s", CTL_FACTS_INDENT + 2, "", line,
               *profile != '\0' ? profile : "no disc known",
               ctl_objects_boolean(optical, "Blank") ? ", blank" : "");
        if (n_data > 0)
                printf(", %" PRIu64 " data track%s", n_data, n_data == 1 ? "" : "s");
        if (n_audio > 0)
                printf(", %" PRIu64 " audio track%s", n_audio, n_audio == 1 ? "" : "s");
        printf(", tray %s%s\n", ctl_objects_string(optical, "Tray"),
               ctl_objects_boolean(optical, "Locked") ? ", locked" : "");
}

/* "good, 36 °C" */
static void print_health(const Ctl *ctl, json_object *smart, const char *line) {
        const char *verdict = ctl_objects_string(smart, "Verdict");
        const char *reason = ctl_objects_string(smart, "Reason");
        int64_t celsius;

        if (*verdict == '\0' || ctl_objects_number(smart, "Updated") == 0)
                return;
        printf("%*s%s    health %s%s%s", CTL_FACTS_INDENT + 2, "", line,
               ctl_terminal_colour(&ctl->terminal, health_text_get_colour(verdict)), verdict,
               ctl_terminal_plain(&ctl->terminal));
        if (ctl_names_temperature(smart, &celsius))
                printf(", %" PRId64 "%s", celsius, ctl->terminal.has_utf8 ? " °C" : " C");
        putchar('\n');
        if (*reason != '\0')
                printf("%*s%s    %.*s\n", CTL_FACTS_INDENT + 2, "", line,
                       (int) strcspn(reason, ";"), reason);
}

/* Of Clients: unit, process, user, name, who TLS says that it is. */
static void print_clients(json_object *device, uint64_t number, const char *line) {
        json_object *clients = ctl_objects_property(device, "Clients");
        size_t n = json_object_is_type(clients, json_type_array) ? json_object_array_length(clients)
                                                                 : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *client = json_object_array_get_idx(clients, i);
                uint64_t unit = json_object_get_uint64(json_object_array_get_idx(client, 0));
                uint64_t pid = json_object_get_uint64(json_object_array_get_idx(client, 1));
                const char *name = json_object_get_string(json_object_array_get_idx(client, 3));
                const char *identity = json_object_get_string(json_object_array_get_idx(client, 4));
                bool has_identity = identity && *identity != '\0';

                if (unit != number)
                        continue;
                printf("%*s%s    client %s", CTL_FACTS_INDENT + 2, "", line,
                       name && *name != '\0' ? name : "somebody");
                if (pid > 0)
                        printf(" (process %" PRIu64 ", user %" PRIu64 "%s%s)", pid,
                               json_object_get_uint64(json_object_array_get_idx(client, 2)),
                               has_identity ? ", " : "", has_identity ? identity : "");
                else if (has_identity)
                        printf(" (%s)", identity);
                putchar('\n');
        }
}

static void print_mounts(json_object *lun, const char *line) {
        json_object *mounts = ctl_objects_property(lun, "Mounts");

        for (size_t i = 0;
             json_object_is_type(mounts, json_type_array) && i < json_object_array_length(mounts);
             i++)
                printf("%*s%s    mounted at %s\n", CTL_FACTS_INDENT + 2, "", line,
                       json_object_get_string(json_object_array_get_idx(mounts, i)));
}

static void print_lun(const Ctl *ctl, const CtlObjects *objects, const char *path,
                      json_object *device, bool is_last) {
        json_object *lun = ctl_objects_get(objects, path, CTL_LUN);
        json_object *optical = ctl_objects_get(objects, path, CTL_OPTICAL);
        _cleanup_(freep) char *size = ctl_text_size(ctl_objects_number(lun, "Size"), false);
        const char *export = ctl_objects_string(lun, "Export");
        uint64_t n_clients = ctl_objects_number(lun, "NClients");
        bool has_utf8 = ctl->terminal.has_utf8;
        const char *line = is_last ? " " : has_utf8 ? "│" : "|";

        printf("%*s%s%" PRIu64 " %s %s %s %s%s\n", CTL_FACTS_INDENT + 2, "",
               !has_utf8 ? (is_last ? "`-" : "|-")
               : is_last ? "└─"
                         : "├─",
               ctl_objects_number(lun, "Number"), ctl_objects_string(lun, "Kind"),
               ctl_objects_string(lun, "Vendor"), ctl_objects_string(lun, "Model"),
               ctl_objects_boolean(lun, "MediaAvailable") ? size : "no medium",
               ctl_objects_boolean(lun, "ReadOnly") ? ", read-only" : "");
        if (*export != '\0')
                printf("%*s%s    export %s, %" PRIu64 " client%s\n", CTL_FACTS_INDENT + 2, "", line,
                       export, n_clients, n_clients == 1 ? "" : "s");
        print_clients(device, ctl_objects_number(lun, "Number"), line);
        print_mounts(lun, line);
        print_health(ctl, ctl_objects_get(objects, path, CTL_SMART), line);
        if (optical)
                print_optical(ctl, optical, line);
}

static CtlExit show_device(Ctl *ctl, const CtlObjects *objects, const char *path) {
        json_object *device = ctl_objects_get(objects, path, CTL_DEVICE);
        json_object *cache = ctl_objects_get(objects, path, CTL_CACHE);
        _cleanup_(freep) const char **luns = NULL;
        CtlExit e = CTL_EXIT_OK;
        size_t n;

        if (cache)
                e = ctl_call_add_properties(ctl, path, CTL_CACHE, cache_counters, cache);
        if (e != CTL_EXIT_OK)
                return e;
        luns = ctl_objects_luns(objects, path, &n);
        print_heading(ctl, device, n > 0 ? ctl_objects_get(objects, luns[0], CTL_LUN) : NULL);
        print_state(ctl, device);
        print_transport(ctl, device);
        print_knowledge(ctl, device);
        print_cache(ctl, cache);
        print_power(ctl, ctl_objects_get(objects, path, CTL_POWER));
        if (n > 0)
                ctl_facts_print(ctl, "Units", "%zu", n);
        for (size_t i = 0; i < n; i++)
                print_lun(ctl, objects, luns[i], device, i + 1 == n);
        return CTL_EXIT_OK;
}

/* "org.orion.UsbStorage1.Cache": "Cache". */
static json_object *object_to_json(const CtlObjects *objects, const char *path) {
        json_object *all = json_object_new_object();

        json_object_object_foreach(json_object_object_get(objects->tree, path), interface,
                                   properties) {
                const char *dot = strrchr(interface, '.');

                if (strncmp(interface, CTL_SERVICE ".", strlen(CTL_SERVICE ".")) == 0)
                        json_object_object_add(all, dot + 1, json_object_get(properties));
        }
        return all;
}

static json_object *device_to_json(const CtlObjects *objects, const char *path) {
        json_object *all = object_to_json(objects, path), *units = json_object_new_array();
        _cleanup_(freep) const char **luns = NULL;
        size_t n;

        luns = ctl_objects_luns(objects, path, &n);
        for (size_t i = 0; i < n; i++)
                json_object_array_add(units, object_to_json(objects, luns[i]));
        json_object_object_add(all, "Luns", units);
        return all;
}

static void print_service(const Ctl *ctl, json_object *manager) {
        _cleanup_(freep) char *addresses =
                        ctl_facts_join(ctl_objects_property(manager, "ListenAddresses"), ", ");

        printf("usb-storaged %s: %" PRIu64 " devices, %" PRIu64 " exports\n",
               ctl_objects_string(manager, "Version"), ctl_objects_number(manager, "NDevices"),
               ctl_objects_number(manager, "NExports"));
        ctl_facts_print(ctl, "NBD", "%s", addresses);
        ctl_facts_print(ctl, "Log level", "%s", ctl_objects_string(manager, "LogLevel"));
}

/* Of the service and all devices. */
static CtlExit show_all(Ctl *ctl, const CtlObjects *objects) {
        _cleanup_(json_object_putp) json_object *manager = NULL, *list = NULL;
        _cleanup_(freep) const char **devices = NULL;
        json_object *all;
        CtlExit e;
        size_t n;

        e = ctl_call_get_properties(ctl, CTL_PATH, CTL_MANAGER, &manager);
        if (e != CTL_EXIT_OK)
                return e;
        devices = ctl_objects_devices(objects, &n);
        if (!ctl_is_json(ctl)) {
                print_service(ctl, manager);
                for (size_t i = 0; i < n && e == CTL_EXIT_OK; i++) {
                        putchar('\n');
                        e = show_device(ctl, objects, devices[i]);
                }
                return e;
        }
        list = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_object_array_add(list, device_to_json(objects, devices[i]));
        all = json_object_new_object();
        json_object_object_add(all, "Manager", TAKE_PTR(manager));
        json_object_object_add(all, "Devices", TAKE_PTR(list));
        return ctl_print_json(ctl, all);
}

CtlExit verb_status(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlTarget target;
        CtlExit e;

        e = ctl_objects_load(&objects, ctl);
        if (e != CTL_EXIT_OK)
                return e;
        if (!arguments[0])
                return show_all(ctl, &objects);
        e = ctl_target_get(&target, ctl, &objects, arguments[0], CTL_TARGET_ANY);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, device_to_json(&objects, target.device));
        return show_device(ctl, &objects, target.device);
}
