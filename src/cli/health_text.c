/* Facts, a line each, and a table of attributes. */

#include "cli/health_text.h"

#include <inttypes.h>
#include <string.h>

#include "cli/ctl_facts.h"
#include "cli/ctl_names.h"
#include "cli/ctl_table.h"
#include "cli/ctl_text.h"

#define US_PER_S 1000000

CtlColour health_text_get_colour(const char *verdict) {
        if (strcmp(verdict, "good") == 0)
                return CTL_COLOUR_GREEN;
        if (strcmp(verdict, "warning") == 0)
                return CTL_COLOUR_YELLOW;
        return strcmp(verdict, "failing") == 0 ? CTL_COLOUR_RED : CTL_COLOUR_GREY;
}

/* Reasons part at semicolons: one to a line. */
static void print_reasons(const Ctl *ctl, const char *reason) {
        _cleanup_(freep) char *copy = ctl_text_copy(reason);
        char *rest = copy, *part;
        const char *title = "Why";

        while ((part = strsep(&rest, ";"))) {
                part += strspn(part, " ");
                if (*part == '\0')
                        continue;
                if (*title != '\0')
                        ctl_facts_print(ctl, title, "%s", part);
                else
                        printf("%*s%s\n", CTL_FACTS_INDENT + 2, "", part);
                title = "";
        }
}

static void print_verdict(const Ctl *ctl, json_object *data) {
        const char *verdict = ctl_objects_string(data, "verdict");

        ctl_facts_print(ctl, "Health", "%s%s%s",
                        ctl_terminal_colour(&ctl->terminal, health_text_get_colour(verdict)),
                        *verdict != '\0' ? verdict : "unknown", ctl_terminal_plain(&ctl->terminal));
        print_reasons(ctl, ctl_objects_string(data, "reason"));
}

static void print_asked(const Ctl *ctl, const HealthReport *report) {
        uint64_t updated = ctl_objects_number(report->data, "updated");
        _cleanup_(freep) char *time = ctl_names_time(updated * US_PER_S);
        const char *way = ctl_objects_string(report->data, "way");

        if (updated > 0)
                ctl_facts_print(ctl, "Asked", "%s%s%s", time, *way != '\0' ? ", " : "", way);
        ctl_facts_print(ctl, "Not asked now", "%s", report->message ? report->message : "");
}

static void print_identity(const Ctl *ctl, json_object *data) {
        const char *model = ctl_objects_string(data, "model");
        const char *firmware = ctl_objects_string(data, "firmware");
        const char *serial = ctl_objects_string(data, "serial");

        ctl_facts_print(ctl, "Drive", "%s%s%s", ctl_objects_string(data, "kind"),
                        *model != '\0' ? ", " : "", model);
        ctl_facts_print(ctl, "Serial", "%s%s%s", serial, *firmware != '\0' ? ", firmware " : "",
                        firmware);
}

static char *format_celsius(const Ctl *ctl, json_object *data, const char *name) {
        json_object *value = ctl_objects_property(data, name);

        if (!value)
                return NULL;
        return ctl_text_format("%" PRId64 "%s", json_object_get_int64(value),
                               ctl->terminal.has_utf8 ? " °C" : " C");
}

static void print_temperature(const Ctl *ctl, json_object *data) {
        static const struct {
                const char *name;
                const char *words;
        } others[] = {
                { "temperature_min", "least" },
                { "temperature_max", "most" },
                { "temperature_warning", "warns from" },
                { "temperature_critical", "critical from" },
        };
        char *text = format_celsius(ctl, data, "temperature");

        for (size_t i = 0; text && i < N_ELEMENTS(others); i++) {
                _cleanup_(freep) char *other = format_celsius(ctl, data, others[i].name);
                _cleanup_(freep) char *former = NULL;

                if (!other)
                        continue;
                former = text;
                text = ctl_text_format("%s, %s %s", former, others[i].words, other);
        }
        if (text)
                ctl_facts_print(ctl, "Temperature", "%s", text);
        free(text);
}

static void print_use(const Ctl *ctl, json_object *data) {
        _cleanup_(freep) char *cycles = NULL;

        cycles = ctl_objects_property(data, "power_cycles")
                                 ? ctl_text_format(", %" PRIu64 " times",
                                                   ctl_objects_number(data, "power_cycles"))
                                 : ctl_text_copy("");
        if (ctl_objects_property(data, "power_on_hours"))
                ctl_facts_print(ctl, "Switched on", "%" PRIu64 " hours%s",
                                ctl_objects_number(data, "power_on_hours"), cycles);
        if (ctl_objects_property(data, "used_percent"))
                ctl_facts_print(ctl, "Worn", "%" PRIu64 "%%",
                                ctl_objects_number(data, "used_percent"));
}

/* "8 replaced, 1 pending", of numbers that are there. */
static void print_counts(const Ctl *ctl, const char *title, json_object *data,
                         const char *const (*names)[2], size_t n_names) {
        char *text = ctl_text_copy("");

        for (size_t i = 0; i < n_names; i++) {
                _cleanup_(freep) char *former = NULL;

                if (!ctl_objects_property(data, names[i][0]))
                        continue;
                former = text;
                text = ctl_text_format("%s%s%" PRIu64 " %s", former, *former != '\0' ? ", " : "",
                                       ctl_objects_number(data, names[i][0]), names[i][1]);
        }
        ctl_facts_print(ctl, title, "%s", text);
        free(text);
}

static void print_damage(const Ctl *ctl, json_object *data) {
        static const char *const sectors[][2] = {
                { "reallocated_sectors", "replaced" },
                { "pending_sectors", "pending" },
                { "uncorrectable_sectors", "uncorrectable" },
        };
        static const char *const health[][2] = {
                { "spare_percent", "% spare" },
                { "media_errors", "media errors" },
                { "unsafe_shutdowns", "unsafe shutdowns" },
        };
        static const char *const scsi[][2] = {
                { "grown_defects", "grown" },
        };
        static const char *const errors[][2] = { { "n_errors", "in its log" } };

        print_counts(ctl, "Sectors", data, sectors, N_ELEMENTS(sectors));
        print_counts(ctl, "Flash", ctl_objects_property(data, "health"), health,
                     N_ELEMENTS(health));
        print_counts(ctl, "Defects", ctl_objects_property(data, "scsi"), scsi, N_ELEMENTS(scsi));
        print_counts(ctl, "Errors", data, errors, N_ELEMENTS(errors));
}

static void print_self_tests(const Ctl *ctl, json_object *data) {
        json_object *tests = ctl_objects_property(data, "self_tests"), *newest;
        _cleanup_(freep) char *at = NULL;

        if (ctl_objects_boolean(data, "self_test_running")) {
                ctl_facts_print(ctl, "Self-test", "in progress, %" PRIu64 "%% left",
                                ctl_objects_number(data, "self_test_remaining_percent"));
                return;
        }
        if (!json_object_is_type(tests, json_type_array) || json_object_array_length(tests) == 0)
                return;
        newest = json_object_array_get_idx(tests, 0);
        at = ctl_objects_property(newest, "power_on_hours")
                             ? ctl_text_format(", at %" PRIu64 " hours",
                                               ctl_objects_number(newest, "power_on_hours"))
                             : ctl_text_copy("");
        ctl_facts_print(ctl, "Self-test", "%s, %s%s", ctl_objects_string(newest, "kind"),
                        health_json_describe_result(ctl_objects_string(newest, "result")), at);
}

static void print_missing(const Ctl *ctl, json_object *data) {
        json_object *missing = ctl_objects_property(data, "missing");

        if (!missing)
                return;
        json_object_object_foreach(missing, section, words) {
                ctl_facts_print(ctl, "Missing", "its %s %s", section,
                                json_object_get_string(words));
        }
}

/* Attributes */

typedef enum HealthColumn {
        HEALTH_COLUMN_ID,
        HEALTH_COLUMN_NAME,
        HEALTH_COLUMN_VALUE,
        HEALTH_COLUMN_WORST,
        HEALTH_COLUMN_THRESHOLD,
        HEALTH_COLUMN_STATE,
        HEALTH_COLUMN_RAW,
        _HEALTH_COLUMN_MAX,
} HealthColumn;

static const CtlColumn columns[_HEALTH_COLUMN_MAX] = {
        [HEALTH_COLUMN_ID] = { "ID", .is_right = true, .is_default = true },
        [HEALTH_COLUMN_NAME] = { "ATTRIBUTE", .is_default = true, .can_shrink = true },
        [HEALTH_COLUMN_VALUE] = { "VALUE", .is_right = true, .is_default = true },
        [HEALTH_COLUMN_WORST] = { "WORST", .is_right = true, .is_default = true },
        [HEALTH_COLUMN_THRESHOLD] = { "THRESH", .is_right = true, .is_default = true },
        [HEALTH_COLUMN_STATE] = { "STATE", .is_default = true },
        [HEALTH_COLUMN_RAW] = { "RAW", .is_right = true, .is_default = true },
};

static void add_attribute(CtlTable *table, json_object *attribute) {
        static const char *const names[HEALTH_COLUMN_RAW] = {
                [HEALTH_COLUMN_ID] = "id",       [HEALTH_COLUMN_NAME] = "name",
                [HEALTH_COLUMN_VALUE] = "value", [HEALTH_COLUMN_WORST] = "worst",
                [HEALTH_COLUMN_STATE] = "state", [HEALTH_COLUMN_THRESHOLD] = "threshold",
        };
        const char *state = ctl_objects_string(attribute, "state");
        _cleanup_(freep) char *raw = health_json_format_raw(attribute);

        ctl_table_begin_row(table);
        ctl_table_set(table, HEALTH_COLUMN_RAW,
                      json_object_get(ctl_objects_property(attribute, "raw")), raw);
        for (size_t i = 0; i < HEALTH_COLUMN_RAW; i++) {
                json_object *value = ctl_objects_property(attribute, names[i]);

                if (value)
                        ctl_table_set(table, i, json_object_get(value), NULL);
        }
        if (strcmp(state, "failing-now") == 0)
                ctl_table_set_colour(table, HEALTH_COLUMN_STATE, CTL_COLOUR_RED);
        if (strcmp(state, "failed-before") == 0)
                ctl_table_set_colour(table, HEALTH_COLUMN_STATE, CTL_COLOUR_YELLOW);
}

static void print_attributes(Ctl *ctl, json_object *data) {
        json_object *attributes = ctl_objects_property(data, "attributes");
        _cleanup_(ctl_table_freep) CtlTable *table = NULL;

        if (!json_object_is_type(attributes, json_type_array))
                return;
        table = ctl_table_new(columns, _HEALTH_COLUMN_MAX);
        for (size_t i = 0; i < json_object_array_length(attributes); i++)
                add_attribute(table, json_object_array_get_idx(attributes, i));
        putchar('\n');
        ctl_table_print(table, stdout, &ctl->terminal,
                        !ctl_options_has(&ctl->options, CTL_OPTION_NO_LEGEND));
}

void health_text_print(Ctl *ctl, const HealthReport *report) {
        json_object *data = report->data;

        ctl_facts_print(ctl, "Unit", "%s", report->name);
        print_verdict(ctl, data);
        print_asked(ctl, report);
        if (ctl_objects_number(data, "n_asked") == 0)
                return;
        print_identity(ctl, data);
        print_temperature(ctl, data);
        print_use(ctl, data);
        print_damage(ctl, data);
        print_self_tests(ctl, data);
        print_missing(ctl, data);
        print_attributes(ctl, data);
}
