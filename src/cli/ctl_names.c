/* Pure functions from properties to words. */

#include <inttypes.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "cli/ctl_call.h"
#include "cli/ctl_names.h"
#include "cli/ctl_text.h"

#define KELVIN 273.15 /* of 0 degrees Celsius */

const char *ctl_names_transport(const char *transport) {
        static const struct {
                const char *name;
                const char *word;
        } words[] = {
                { "bot", "BOT" }, { "bulk-only", "BOT" }, { "cbi", "CBI" },
                { "cb", "CB" },   { "uas", "UAS" },
        };

        for (size_t i = 0; i < N_ELEMENTS(words); i++)
                if (strcmp(transport, words[i].name) == 0)
                        return words[i].word;
        return transport;
}

char *ctl_names_speed(uint64_t mbit_per_s) {
        if (mbit_per_s == 0)
                return ctl_text_copy("-");
        if (mbit_per_s >= 1000 && mbit_per_s % 1000 == 0)
                return ctl_text_format("%" PRIu64 "G", mbit_per_s / 1000);
        return ctl_text_format("%" PRIu64 "M", mbit_per_s);
}

char *ctl_names_id(json_object *device) {
        return ctl_text_format("%04" PRIx64 ":%04" PRIx64, ctl_objects_number(device, "VendorId"),
                               ctl_objects_number(device, "ProductId"));
}

char *ctl_names_time(uint64_t realtime_us) {
        time_t seconds = (time_t) (realtime_us / 1000000);
        char text[64] = "";
        struct tm tm;

        if (realtime_us > 0 && localtime_r(&seconds, &tm))
                (void) strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        return ctl_text_copy(text);
}

const char *ctl_names_health(json_object *device) {
        json_object *degradations = ctl_objects_property(device, "Degradations");

        if (strcmp(ctl_objects_string(device, "State"), "failed") == 0)
                return "failed";
        if (json_object_is_type(degradations, json_type_array) &&
            json_object_array_length(degradations) > 0)
                return "degraded";
        return "";
}

const char *ctl_names_verdict(json_object *device, json_object *smart) {
        const char *health = ctl_names_health(device);
        const char *verdict = ctl_objects_string(smart, "Verdict");

        if (strcmp(verdict, "failing") == 0)
                return verdict;
        if (strcmp(health, "failed") == 0)
                return health;
        if (strcmp(verdict, "warning") == 0)
                return verdict;
        if (*health != '\0')
                return health;
        return strcmp(verdict, "unknown") != 0 ? verdict : "";
}

bool ctl_names_temperature(json_object *smart, int64_t *ret) {
        double kelvin = json_object_get_double(ctl_objects_property(smart, "Temperature"));

        if (!(kelvin > 0 && kelvin < 1000))
                return false;
        *ret = (int64_t) (kelvin - KELVIN + (kelvin >= KELVIN ? 0.5 : -0.5));
        return true;
}

CtlColour ctl_names_health_colour(json_object *device) {
        const char *health = ctl_names_health(device);

        if (strcmp(health, "failed") == 0)
                return CTL_COLOUR_RED;
        if (strcmp(health, "degraded") == 0)
                return CTL_COLOUR_YELLOW;
        return strcmp(ctl_objects_string(device, "State"), "running") == 0 ? CTL_COLOUR_GREEN
                                                                           : CTL_COLOUR_YELLOW;
}

const char *ctl_names_of(json_object *device, json_object *lun, const char *property) {
        const char *word = ctl_objects_string(lun, property);

        return *word != '\0' ? word : ctl_objects_string(device, property);
}

char *ctl_names_title(json_object *device, json_object *lun) {
        const char *vendor = ctl_names_of(lun, device, "Vendor");
        const char *model = ctl_names_of(lun, device, "Model");

        return ctl_text_format("%s%s%s", vendor, *vendor != '\0' && *model != '\0' ? " " : "",
                               model);
}

char *ctl_names_object(const char *path) {
        _cleanup_(freep) char *device = ctl_text_copy(path), *name = NULL;
        char *unit = strstr(device, "/lun");
        char *text;

        if (unit)
                *unit = '\0';
        if (sd_bus_path_decode(device, CTL_PATH "/devices", &name) <= 0)
                text = ctl_text_copy(path);
        else if (unit)
                text = ctl_text_format("%s.%s", name, unit + strlen("/lun"));
        else
                text = ctl_text_copy(name);
        /* An escaped name may have anything in it. */
        ctl_text_clean(text);
        return text;
}
