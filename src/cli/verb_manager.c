/* Lists and texts of the service. */

#include <inttypes.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/ctl_call.h"
#include "cli/ctl_file.h"
#include "cli/ctl_objects.h"
#include "cli/ctl_table.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/verb_manager.h"

static json_object *at(json_object *array, size_t index) {
        return json_object_array_get_idx(array, index);
}

/* The table, or a word where there is nothing. */
static CtlExit show(Ctl *ctl, const CtlTable *table, const char *none) {
        if (ctl_table_n_rows(table) > 0 || ctl_is_json(ctl))
                return ctl_table_show(table, ctl);
        if (!ctl_options_has(&ctl->options, CTL_OPTION_NO_LEGEND))
                puts(none);
        return CTL_EXIT_OK;
}

/* Rows of values, as many to each as there are columns. */
static CtlExit show_rows(Ctl *ctl, const char *method, const char *signature,
                         const CtlColumn *columns, size_t n_columns, const char *none) {
        _cleanup_(ctl_table_freep) CtlTable *table = ctl_table_new(columns, n_columns);
        _cleanup_(json_object_putp) json_object *rows = NULL;
        CtlExit e;

        e = ctl_call_get(ctl, CTL_PATH, CTL_MANAGER, method, signature, &rows);
        if (e != CTL_EXIT_OK)
                return e;
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                ctl_table_begin_row(table);
                for (size_t j = 0; j < n_columns; j++)
                        ctl_table_set(table, j, json_object_get(at(at(rows, i), j)), NULL);
        }
        return show(ctl, table, none);
}

static CtlExit list_policy(Ctl *ctl) {
        static const CtlColumn columns[] = {
                { "NUMBER", .is_right = true, .is_default = true },
                { "RULE", .is_default = true },
                { "SOURCE", .is_default = true },
        };

        return show_rows(ctl, "ListPolicy", "a(uss)", columns, N_ELEMENTS(columns),
                         "There are no rules: the default is for all.");
}

static CtlExit test_policy(Ctl *ctl, const char *device) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(freep) char *rule = NULL;
        const char *target, *text;
        json_object *answer;
        uint32_t number;
        CtlExit e;
        int r;

        e = ctl_call_ask(ctl, CTL_PATH, CTL_MANAGER, "TestPolicy", &reply, "s", device);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_read(reply, "sus", &target, &number, &text);
        if (r < 0)
                return ctl_call_garbled(ctl, r);
        answer = json_object_new_object();
        json_object_object_add(answer, "target", bus_value_string(target));
        json_object_object_add(answer, "number", json_object_new_int64(number));
        json_object_object_add(answer, "rule", bus_value_string(text));
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, answer);
        if (number > 0)
                rule = ctl_text_format("rule %" PRIu32 ": %s", number,
                                       ctl_objects_string(answer, "rule"));
        printf("%s: %s, by %s\n", device, ctl_objects_string(answer, "target"),
               rule ? rule : "default");
        json_object_put(answer);
        return CTL_EXIT_OK;
}

/* A text as it is, or as the only member of an object. Takes it. */
static CtlExit show_text(const Ctl *ctl, const char *name, json_object *text) {
        _cleanup_(json_object_putp) json_object *answer = json_object_new_object();

        json_object_object_add(answer, name, text);
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, TAKE_PTR(answer));
        fputs(json_object_get_string(text), stdout);
        return CTL_EXIT_OK;
}

static CtlExit generate_policy(Ctl *ctl) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        json_object *text;
        CtlExit e;

        e = ctl_call_do(ctl, CTL_PATH, CTL_MANAGER, "GeneratePolicy", &reply, "a{sv}", 0);
        if (e == CTL_EXIT_OK)
                e = ctl_call_read(ctl, reply, "s", &text);
        return e != CTL_EXIT_OK ? e : show_text(ctl, "rules", text);
}

CtlExit verb_manager_policy(Ctl *ctl, char **arguments) {
        const char *what = arguments[0] ? arguments[0] : "list";
        const char *device = arguments[0] ? arguments[1] : NULL;

        if (strcmp(what, "test") == 0 && device)
                return test_policy(ctl, device);
        if (strcmp(what, "list") == 0 && !device)
                return list_policy(ctl);
        if (strcmp(what, "generate") == 0 && !device)
                return generate_policy(ctl);
        ctl_complain(ctl, "It is 'policy list', 'policy test PORT' or 'policy generate'");
        return CTL_EXIT_USAGE;
}

CtlExit verb_manager_quirks(Ctl *ctl, char **arguments) {
        static const CtlColumn columns[] = {
                { "ID", .is_default = true },
                { "QUIRKS", .is_default = true },
                { "SOURCE", .is_default = true },
        };
        _cleanup_(ctl_table_freep) CtlTable *table = ctl_table_new(columns, N_ELEMENTS(columns));
        _cleanup_(json_object_putp) json_object *quirks = NULL;
        CtlExit e;

        e = ctl_call_get(ctl, CTL_PATH, CTL_MANAGER, "ListQuirks", "a(qqss)", &quirks);
        if (e != CTL_EXIT_OK)
                return e;
        for (size_t i = 0; i < json_object_array_length(quirks); i++) {
                json_object *quirk = at(quirks, i);
                _cleanup_(freep) char *id = ctl_text_format("%04" PRIx64 ":%04" PRIx64,
                                                            json_object_get_uint64(at(quirk, 0)),
                                                            json_object_get_uint64(at(quirk, 1)));

                ctl_table_begin_row(table);
                ctl_table_set(table, 0, json_object_new_string(id), NULL);
                ctl_table_set(table, 1, json_object_get(at(quirk, 2)), NULL);
                ctl_table_set(table, 2, json_object_get(at(quirk, 3)), NULL);
        }
        return show(ctl, table, "There are no quirks.");
}

CtlExit verb_manager_config(Ctl *ctl, char **arguments) {
        static const CtlColumn columns[] = {
                { "SECTION", .is_default = true },
                { "KEY", .is_default = true },
                { "VALUE", .is_default = true },
                { "SOURCE", .is_default = true },
        };

        return show_rows(ctl, "GetConfiguration", "a(ssss)", columns, N_ELEMENTS(columns),
                         "There are no settings.");
}

static CtlExit get_metrics(Ctl *ctl, const char *format, json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CtlExit e;

        e = ctl_call_ask(ctl, CTL_PATH, CTL_MANAGER, "GetMetrics", &reply, "a{sv}", 1, "format",
                         "s", format);
        return e != CTL_EXIT_OK ? e : ctl_call_read(ctl, reply, "s", ret);
}

static void write_metrics(FILE *file, const void *userdata) { fputs(userdata, file); }

CtlExit verb_manager_metrics(Ctl *ctl, char **arguments) {
        const char *path = ctl->options.textfile_path;
        json_object *text;
        CtlExit e;
        int r;

        e = get_metrics(ctl, path ? "prometheus" : "openmetrics", &text);
        if (e != CTL_EXIT_OK || !path)
                return e != CTL_EXIT_OK ? e : show_text(ctl, "metrics", text);
        r = ctl_file_replace(path, write_metrics, json_object_get_string(text));
        json_object_put(text);
        if (r < 0) {
                ctl_complain(ctl, "%s: %s", path, strerror(-r));
                return CTL_EXIT_FAILURE;
        }
        return CTL_EXIT_OK;
}

CtlExit verb_manager_reload(Ctl *ctl, char **arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(json_object_putp) json_object *answer = NULL;
        json_object *keys = NULL;
        CtlExit e;

        e = ctl_call_do(ctl, CTL_PATH, CTL_MANAGER, "Reload", &reply, "a{sv}", 0);
        if (e == CTL_EXIT_OK)
                e = ctl_call_read(ctl, reply, "as", &keys);
        if (e != CTL_EXIT_OK)
                return e;
        answer = json_object_new_object();
        json_object_object_add(answer, "pending_keys", keys);
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, TAKE_PTR(answer));
        puts("The configuration was read.");
        for (size_t i = 0; i < json_object_array_length(keys); i++)
                printf("%s will have its new value when the service starts again.\n",
                       json_object_get_string(at(keys, i)));
        return CTL_EXIT_OK;
}

CtlExit verb_manager_diagnose(Ctl *ctl, char **arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        json_object *text;
        CtlTarget target;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_DEVICE);
        if (e == CTL_EXIT_OK)
                e = ctl_call_do(ctl, target.device, CTL_DEVICE, "Diagnose", &reply, "a{sv}", 0);
        if (e == CTL_EXIT_OK)
                e = ctl_call_read(ctl, reply, "s", &text);
        return e != CTL_EXIT_OK ? e : show_text(ctl, "report", text);
}
