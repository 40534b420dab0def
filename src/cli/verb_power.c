/* The power of a device: all its units sleep and wake together. */

#include <inttypes.h>
#include <string.h>

#include "cli/ctl_action.h"
#include "cli/ctl_call.h"
#include "cli/ctl_facts.h"
#include "cli/ctl_job.h"
#include "cli/ctl_names.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/verb_power.h"

static const char *const counters[] = {
        "TimeInState",   "Standbys", "SpinUps",     "Suspends",
        "SleepFailures", "Wakes",    "WakeLatency", NULL,
};

static const char what[] = "Power management";

/* "after 10:00", "never" */
static char *format_timeout(json_object *power, const char *name) {
        uint64_t timeout_us = ctl_objects_number(power, name);
        _cleanup_(freep) char *text = NULL;

        if (timeout_us == 0)
                return ctl_text_copy("never");
        if (timeout_us < 1000000)
                text = ctl_text_latency((double) timeout_us / 1e6);
        else
                text = ctl_text_seconds(timeout_us / 1000000);
        return ctl_text_format("after %s", text);
}

static void print_what_it_can(const Ctl *ctl, json_object *power) {
        _cleanup_(freep) char *standby = format_timeout(power, "StandbyTimeout");
        _cleanup_(freep) char *suspend = format_timeout(power, "SuspendTimeout");
        uint64_t max_power_ma = ctl_objects_number(power, "MaxPower");
        bool is_managed = ctl_objects_boolean(power, "ManagementEnabled");
        const char *otherwise = is_managed ? "" : ", if power management were on";

        ctl_facts_print(ctl, "Standby", "%s%s%s", standby,
                        ctl_objects_number(power, "StandbyTimeout") > 0 ? otherwise : "",
                        ctl_objects_boolean(power, "CanStandby") ? "" : "; it has none");
        ctl_facts_print(ctl, "Suspended", "%s%s%s", suspend,
                        ctl_objects_number(power, "SuspendTimeout") > 0 ? otherwise : "",
                        ctl_objects_boolean(power, "CanSuspend") ? "" : "; it can't be");
        if (max_power_ma > 0)
                ctl_facts_print(ctl, "May draw", "%" PRIu64 " mA, %s-powered", max_power_ma,
                                ctl_objects_boolean(power, "SelfPowered") ? "self" : "bus");
}

static void print_times(const Ctl *ctl, json_object *times) {
        static const char *const states[] = { "active", "idle", "standby", "suspended", "unknown" };
        char *text = ctl_text_copy("");

        for (size_t i = 0; i < N_ELEMENTS(states); i++) {
                uint64_t seconds = ctl_objects_number(times, states[i]) / 1000000;
                _cleanup_(freep) char *time = ctl_text_seconds(seconds), *former = text;

                text = seconds == 0 ? ctl_text_copy(former)
                                    : ctl_text_format("%s%s%s %s", former,
                                                      *former != '\0' ? ", " : "", states[i], time);
        }
        ctl_facts_print(ctl, "Time", "%s", text);
        free(text);
}

static double get_latency(json_object *power, size_t index) {
        json_object *latency = ctl_objects_property(power, "WakeLatency");

        if (!json_object_is_type(latency, json_type_array))
                return 0;
        return json_object_get_double(json_object_array_get_idx(latency, index));
}

static void print_counters(const Ctl *ctl, json_object *power) {
        _cleanup_(freep) char *half = ctl_text_latency(get_latency(power, 0));
        _cleanup_(freep) char *most = ctl_text_latency(get_latency(power, 1));
        _cleanup_(freep) char *all = ctl_text_latency(get_latency(power, 2));
        uint64_t n_wakes = ctl_objects_number(power, "Wakes");

        print_times(ctl, ctl_objects_property(power, "TimeInState"));
        ctl_facts_print(ctl, "Stopped", "%" PRIu64 " times, started %" PRIu64 " times",
                        ctl_objects_number(power, "Standbys"),
                        ctl_objects_number(power, "SpinUps"));
        ctl_facts_print(ctl, "Was suspended", "%" PRIu64 " times",
                        ctl_objects_number(power, "Suspends"));
        ctl_facts_print(ctl, "Did not sleep", "%" PRIu64 " times",
                        ctl_objects_number(power, "SleepFailures"));
        if (n_wakes > 0)
                ctl_facts_print(ctl, "Wakes", "%" PRIu64 ": half in %s, 99%% in %s, all in %s",
                                n_wakes, half, most, all);
}

CtlExit verb_power_info(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(freep) char *since = NULL;
        json_object *power;
        CtlTarget target;
        const char *path;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_ANY);
        if (e == CTL_EXIT_OK)
                e = ctl_target_need(&target, ctl, &objects, CTL_POWER, what, &path);
        if (e != CTL_EXIT_OK)
                return e;
        power = ctl_objects_get(&objects, path, CTL_POWER);
        e = ctl_call_add_properties(ctl, path, CTL_POWER, counters, power);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, json_object_get(power));
        since = ctl_names_time(ctl_objects_number(power, "StateSince"));
        ctl_facts_print(ctl, "Device", "%s", ctl_objects_string(target.device_properties, "Name"));
        ctl_facts_print(ctl, "State", "%s%s%s", ctl_objects_string(power, "State"),
                        *since != '\0' ? " since " : "", since);
        print_what_it_can(ctl, power);
        print_counters(ctl, power);
        return CTL_EXIT_OK;
}

/* power-set */

static int append_timeout(sd_bus_message *message, const Ctl *ctl, CtlOptionId id, const char *name,
                          uint64_t timeout_us) {
        return ctl_options_has(&ctl->options, id)
                               ? sd_bus_message_append(message, "{sv}", name, "t", timeout_us)
                               : 0;
}

static int append_timeouts(sd_bus_message *message, const Ctl *ctl) {
        const CtlOptions *options = &ctl->options;
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0 && ctl_options_has(options, CTL_OPTION_DEFAULT_TIMEOUTS))
                r = sd_bus_message_append(message, "{sv}", "reset", "b", true);
        if (r >= 0)
                r = append_timeout(message, ctl, CTL_OPTION_STANDBY_TIMEOUT, "standby",
                                   options->standby_timeout_us);
        if (r >= 0)
                r = append_timeout(message, ctl, CTL_OPTION_SUSPEND_TIMEOUT, "suspend",
                                   options->suspend_timeout_us);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static CtlExit set_timeouts(Ctl *ctl, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        CtlExit e;
        int r;

        e = ctl_call_new(ctl, path, CTL_POWER, "SetTimeouts", &message);
        if (e != CTL_EXIT_OK)
                return e;
        r = append_timeouts(message, ctl);
        return r < 0 ? ctl_call_failed(ctl, NULL, r) : ctl_call_send(ctl, message, NULL);
}

static CtlExit set_state(Ctl *ctl, const char *path, const char *state) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        CtlExit e;
        int r;

        e = ctl_call_new(ctl, path, CTL_POWER, "SetState", &message);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_append(message, "sa{sv}", state, 0);
        return r < 0 ? ctl_call_failed(ctl, NULL, r) : ctl_job_call(ctl, message, path);
}

static bool has_timeouts(const Ctl *ctl) {
        return ctl_options_has(&ctl->options, CTL_OPTION_STANDBY_TIMEOUT) ||
               ctl_options_has(&ctl->options, CTL_OPTION_SUSPEND_TIMEOUT) ||
               ctl_options_has(&ctl->options, CTL_OPTION_DEFAULT_TIMEOUTS);
}

static CtlExit tell(Ctl *ctl, const CtlTarget *target, const char *state) {
        _cleanup_(freep) char *done = NULL;

        if (!state)
                return ctl_action_tell(ctl, target, "has other timeouts, until it goes.");
        done = strcmp(state, "active") == 0
                               ? ctl_text_copy("is awake.")
                               : ctl_text_format("is %s, until somebody wants something from it.",
                                                 strcmp(state, "standby") == 0 ? "in standby"
                                                                               : state);
        return ctl_action_tell(ctl, target, done);
}

CtlExit verb_power_set(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        const char *state = arguments[1];
        CtlExit e = CTL_EXIT_OK;
        CtlTarget target;
        const char *path;

        if (!state && !has_timeouts(ctl)) {
                ctl_complain(ctl, "power-set needs a state (active, standby, suspended) or a "
                                  "timeout");
                return CTL_EXIT_USAGE;
        }
        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_DEVICE);
        if (e == CTL_EXIT_OK)
                e = ctl_target_need(&target, ctl, &objects, CTL_POWER, what, &path);
        if (e == CTL_EXIT_OK && has_timeouts(ctl))
                e = set_timeouts(ctl, path);
        if (e == CTL_EXIT_OK && state)
                e = set_state(ctl, path, state);
        return e != CTL_EXIT_OK ? e : tell(ctl, &target, state);
}
