/* GetRates: eight numbers to a window. */

#include <inttypes.h>

#include "cli/ctl_call.h"
#include "cli/ctl_objects.h"
#include "cli/ctl_table.h"
#include "cli/ctl_text.h"
#include "cli/performance_rates.h"

static const char *const names[] = {
        "window",        "reads",        "read_bytes",    "writes",
        "written_bytes", "read_latency", "write_latency", "hit_ratio",
};

CtlExit performance_rates_get(Ctl *ctl, const char *path, json_object **ret) {
        _cleanup_(json_object_putp) json_object *windows = NULL;
        CtlExit e;

        e = ctl_call_get(ctl, path, CTL_PERFORMANCE, "GetRates", "a(uddddddd)", &windows);
        if (e != CTL_EXIT_OK)
                return e;
        *ret = json_object_new_array();
        for (size_t i = 0; i < json_object_array_length(windows); i++) {
                json_object *window = json_object_array_get_idx(windows, i);
                json_object *rate = json_object_new_object();

                for (size_t j = 0; j < N_ELEMENTS(names); j++)
                        json_object_object_add(
                                        rate, names[j],
                                        json_object_get(json_object_array_get_idx(window, j)));
                json_object_array_add(*ret, rate);
        }
        return CTL_EXIT_OK;
}

static void set(CtlTable *table, size_t column, char *text) {
        ctl_table_set(table, column, NULL, text);
        free(text);
}

void performance_rates_print(Ctl *ctl, json_object *rates) {
        static const CtlColumn columns[] = {
                { "WINDOW", .is_right = true, .is_default = true },
                { "READS/S", .is_right = true, .is_default = true },
                { "READ", .is_right = true, .is_default = true },
                { "LATENCY", .is_right = true, .is_default = true },
                { "WRITES/S", .is_right = true, .is_default = true },
                { "WRITTEN", .is_right = true, .is_default = true },
                { "LATENCY", .is_right = true, .is_default = true },
                { "HITS", .is_right = true, .is_default = true },
        };
        _cleanup_(ctl_table_freep) CtlTable *table = ctl_table_new(columns, N_ELEMENTS(columns));

        for (size_t i = 0; i < json_object_array_length(rates); i++) {
                json_object *rate = json_object_array_get_idx(rates, i);
                double values[N_ELEMENTS(names)];

                for (size_t j = 0; j < N_ELEMENTS(names); j++)
                        values[j] = json_object_get_double(ctl_objects_property(rate, names[j]));
                ctl_table_begin_row(table);
                set(table, 0, ctl_text_format("%.0f s", values[0]));
                set(table, 1, ctl_text_format("%.0f", values[1]));
                set(table, 2, ctl_text_rate(values[2]));
                set(table, 3, ctl_text_latency(values[5]));
                set(table, 4, ctl_text_format("%.0f", values[3]));
                set(table, 5, ctl_text_rate(values[4]));
                set(table, 6, ctl_text_latency(values[6]));
                set(table, 7, ctl_text_format("%.0f%%", 100 * values[7]));
        }
        ctl_table_print(table, stdout, &ctl->terminal,
                        !ctl_options_has(&ctl->options, CTL_OPTION_NO_LEGEND));
}
