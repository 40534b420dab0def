/* Numbers of a device or of one of its units, and what could be better. */

#include <errno.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/ctl_call.h"
#include "cli/ctl_facts.h"
#include "cli/ctl_table.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/performance_rates.h"
#include "cli/verb_performance.h"

static const char *const operations[] = {
        "read", "write", "flush", "trim", "cache-hit", "cache-miss", "scsi", "transport",
};

typedef struct Numbers {
        json_object *counters;  /* owned, as all here */
        json_object *rates;     /* array of objects */
        json_object *latencies; /* by operation */
} Numbers;

static void numbers_done(Numbers *numbers) {
        json_object_put(numbers->counters);
        json_object_put(numbers->rates);
        json_object_put(numbers->latencies);
}

static CtlExit get_latency(Ctl *ctl, const char *path, const char *operation, json_object **ret) {
        static const char *const names[] = { "buckets", "p50", "p99", "max" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(json_object_putp) json_object *latency = json_object_new_object();
        CtlExit e;
        int r;

        e = ctl_call_ask(ctl, path, CTL_PERFORMANCE, "GetLatency", &reply, "s", operation);
        if (e != CTL_EXIT_OK)
                return e;
        if (sd_bus_message_has_signature(reply, "a(dt)ddd") <= 0)
                return ctl_call_garbled(ctl, -EBADMSG);
        for (size_t i = 0; i < N_ELEMENTS(names); i++) {
                json_object *value = NULL;

                r = bus_value_read(reply, &value);
                if (r < 0)
                        return ctl_call_garbled(ctl, r);
                json_object_object_add(latency, names[i], value);
        }
        *ret = TAKE_PTR(latency);
        return CTL_EXIT_OK;
}

static CtlExit get_numbers(Ctl *ctl, const char *path, Numbers *numbers) {
        CtlExit e;

        e = ctl_call_get(ctl, path, CTL_PERFORMANCE, "GetCounters", "a{st}", &numbers->counters);
        if (e == CTL_EXIT_OK)
                e = performance_rates_get(ctl, path, &numbers->rates);
        numbers->latencies = json_object_new_object();
        for (size_t i = 0; e == CTL_EXIT_OK && i < N_ELEMENTS(operations); i++) {
                json_object *latency = NULL;

                e = get_latency(ctl, path, operations[i], &latency);
                json_object_object_add(numbers->latencies, operations[i], latency);
        }
        return e;
}

/* How many there were is the last, cumulative bucket. */
static uint64_t count_of(json_object *latency) {
        json_object *buckets = ctl_objects_property(latency, "buckets");
        size_t n = json_object_array_length(buckets);

        return n == 0 ? 0
                      : json_object_get_uint64(json_object_array_get_idx(
                                        json_object_array_get_idx(buckets, n - 1), 1));
}

static void print_latencies(Ctl *ctl, json_object *latencies) {
        static const CtlColumn columns[] = {
                { "OPERATION", .is_default = true },
                { "COUNT", .is_right = true, .is_default = true },
                { "P50", .is_right = true, .is_default = true },
                { "P99", .is_right = true, .is_default = true },
                { "MAX", .is_right = true, .is_default = true },
        };
        static const char *const names[] = { "p50", "p99", "max" };
        _cleanup_(ctl_table_freep) CtlTable *table = ctl_table_new(columns, N_ELEMENTS(columns));

        json_object_object_foreach(latencies, operation, latency) {
                if (count_of(latency) == 0)
                        continue;
                ctl_table_begin_row(table);
                ctl_table_set(table, 0, json_object_new_string(operation), NULL);
                ctl_table_set(table, 1, json_object_new_uint64(count_of(latency)), NULL);
                for (size_t i = 0; i < N_ELEMENTS(names); i++) {
                        json_object *value = ctl_objects_property(latency, names[i]);
                        _cleanup_(freep) char *text =
                                        ctl_text_latency(json_object_get_double(value));

                        ctl_table_set(table, 2 + i, json_object_get(value), text);
                }
        }
        if (ctl_table_n_rows(table) == 0)
                return;
        putchar('\n');
        (void) ctl_table_show(table, ctl);
}

static void print_counters(json_object *counters) {
        putchar('\n');
        json_object_object_foreach(counters, name, value)
                        printf("%-32s %s\n", name, json_object_get_string(value));
}

/* The path of what has the numbers. */
static CtlExit find(Ctl *ctl, CtlObjects *objects, const char *device, const char **ret) {
        CtlTarget target;
        CtlExit e = ctl_target_load(&target, ctl, objects, device, CTL_TARGET_ANY);

        return e != CTL_EXIT_OK ? e
                                : ctl_target_need(&target, ctl, objects, CTL_PERFORMANCE,
                                                  "Performance monitoring", ret);
}

CtlExit verb_performance_stats(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(numbers_done) Numbers numbers = {};
        json_object *all;
        const char *path;
        CtlExit e;

        e = find(ctl, &objects, arguments[0], &path);
        if (e == CTL_EXIT_OK)
                e = get_numbers(ctl, path, &numbers);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_is_json(ctl)) {
                all = json_object_new_object();
                json_object_object_add(all, "rates", TAKE_PTR(numbers.rates));
                json_object_object_add(all, "latency", TAKE_PTR(numbers.latencies));
                json_object_object_add(all, "counters", TAKE_PTR(numbers.counters));
                return ctl_print_json(ctl, all);
        }
        performance_rates_print(ctl, numbers.rates);
        print_latencies(ctl, numbers.latencies);
        print_counters(numbers.counters);
        return CTL_EXIT_OK;
}

static json_object *element(json_object *array, size_t index) {
        return json_object_get(json_object_array_get_idx(array, index));
}

CtlExit verb_performance_advice(Ctl *ctl, char **arguments) {
        static const CtlColumn columns[] = {
                { "ID", .is_default = true },
                { "SEVERITY", .is_default = true },
                { "TEXT", .is_default = true },
        };
        _cleanup_(json_object_putp) json_object *advice = NULL;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(ctl_table_freep) CtlTable *table = NULL;
        const char *path;
        CtlExit e;

        e = find(ctl, &objects, arguments[0], &path);
        if (e == CTL_EXIT_OK)
                e = ctl_call_get(ctl, path, CTL_PERFORMANCE, "GetAdvice", "a(sss)", &advice);
        if (e != CTL_EXIT_OK)
                return e;
        table = ctl_table_new(columns, N_ELEMENTS(columns));
        for (size_t i = 0; i < json_object_array_length(advice); i++) {
                json_object *one = json_object_array_get_idx(advice, i);

                ctl_table_begin_row(table);
                for (size_t j = 0; j < N_ELEMENTS(columns); j++)
                        ctl_table_set(table, j, element(one, j), NULL);
                if (strcmp(json_object_get_string(json_object_array_get_idx(one, 1)), "warning") ==
                    0)
                        ctl_table_set_colour(table, 1, CTL_COLOUR_YELLOW);
        }
        if (ctl_table_n_rows(table) == 0 && !ctl_is_json(ctl)) {
                puts("There is nothing to improve.");
                return CTL_EXIT_OK;
        }
        return ctl_table_show(table, ctl);
}
