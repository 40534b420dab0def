/*
 * smart, smart-test
 *
 * The drive is asked anew where that is allowed and does not wake it; else what is known is shown, and
 * why it is not newer. `smart` exits with smartctl's mask.
 */

#include "cli/verb_smart.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/ctl_action.h"
#include "cli/ctl_agent.h"
#include "cli/ctl_call.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_progress.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/health_json.h"
#include "cli/health_status.h"
#include "cli/health_text.h"

/* Between two looks at a self-test that runs. */
#define WAIT_MIN_MS 1000
#define WAIT_MAX_MS 16000

typedef struct SmartUnit {
        CtlObjects objects;
        CtlTarget target;
        const char *path;
        char *name; /* owned */
} SmartUnit;

static void smart_unit_done(SmartUnit *unit) {
        ctl_objects_done(&unit->objects);
        free(unit->name);
}

static CtlExit find(SmartUnit *unit, Ctl *ctl, const char *text) {
        CtlExit e = ctl_target_load(&unit->target, ctl, &unit->objects, text, CTL_TARGET_LUN);

        if (e == CTL_EXIT_OK)
                e = ctl_target_need(&unit->target, ctl, &unit->objects, CTL_SMART, "SMART",
                                    &unit->path);
        if (e == CTL_EXIT_OK)
                unit->name = ctl_target_name(&unit->target);
        return e;
}

/* NULL: it was asked. Else why not, to be freed; the error's kind is told as well. */
static char *update(Ctl *ctl, const SmartUnit *unit, bool may_wake, CtlExit *ret_exit) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        char *text;
        int r;

        *ret_exit = ctl_call_new(ctl, unit->path, CTL_SMART, "Update", &message);
        if (*ret_exit != CTL_EXIT_OK)
                return ctl_text_copy("the service can't be reached");
        r = sd_bus_message_append(message, "a{sv}", 1, "nowakeup", "b", !may_wake);
        if (r >= 0) {
                ctl_agent_open(ctl);
                r = sd_bus_call(ctl->bus, message, ctl_call_timeout(ctl, CTL_ACTION_TIMEOUT_S),
                                &error, NULL);
        }
        if (r >= 0)
                return NULL;
        *ret_exit = sd_bus_error_is_set(&error) ? ctl_exit_from_error(&error)
                                                : ctl_exit_from_errno(r);
        text = ctl_text_copy(sd_bus_error_is_set(&error) && error.message ? error.message
                                                                          : strerror(-r));
        ctl_text_clean(text);
        return text;
}

static CtlExit get_data(Ctl *ctl, const SmartUnit *unit, json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CtlExit e = ctl_call_ask(ctl, unit->path, CTL_SMART, "GetData", &reply, "a{sv}", 0);

        return e != CTL_EXIT_OK ? e : ctl_call_read(ctl, reply, "a{sv}", ret);
}

/* What was told already is all that there is to say. */
static CtlExit give_up(CtlExit e) {
        return (CtlExit) (e == CTL_EXIT_UNSUPPORTED ? HEALTH_STATUS_COMMAND
                                                    : HEALTH_STATUS_NOT_ASKED);
}

CtlExit verb_smart_info(Ctl *ctl, char **arguments) {
        bool may_wake = ctl_options_has(&ctl->options, CTL_OPTION_FORCE);
        _cleanup_(smart_unit_done) SmartUnit unit = {};
        _cleanup_(json_object_putp) json_object *data = NULL;
        _cleanup_(freep) char *message = NULL;
        HealthReport report;
        CtlExit e;

        e = find(&unit, ctl, arguments[0]);
        if (e != CTL_EXIT_OK)
                return give_up(e);
        message = update(ctl, &unit, may_wake, &e);
        if (message && e == CTL_EXIT_DENIED)
                e = CTL_EXIT_OK; /* what is known may be seen by all */
        report = (HealthReport){
                .name = unit.name,
                .block_size = ctl_objects_number(unit.target.lun_properties, "BlockSize"),
                .physical_block_size =
                                ctl_objects_number(unit.target.lun_properties, "PhysicalBlockSize"),
                .message = message,
                .argc = 1,
                .argv = arguments,
        };
        if (message && e != CTL_EXIT_OK)
                report.status |= (int) give_up(e);
        e = get_data(ctl, &unit, &data);
        if (e != CTL_EXIT_OK)
                return give_up(e);
        report.data = data;
        report.status |= health_status_get(data);
        if (ctl_is_json(ctl))
                (void) ctl_print_json(ctl, health_json_format(&report));
        else
                health_text_print(ctl, &report);
        return (CtlExit) report.status;
}

/* smart-test */

static void print_progress(const Ctl *ctl, const SmartUnit *unit, json_object *data) {
        if (!isatty(STDERR_FILENO) || ctl_is_json(ctl))
                return;
        if (data)
                fprintf(stderr, "\r\033[K%s tests itself, %" PRIu64 "%% left", unit->name,
                        ctl_objects_number(data, "self_test_remaining_percent"));
        else
                fputs("\r\033[K", stderr);
        (void) fflush(stderr);
}

static CtlExit tell_result(Ctl *ctl, const SmartUnit *unit, json_object *data) {
        json_object *tests = ctl_objects_property(data, "self_tests"), *newest = NULL, *answer;
        const char *result;

        if (json_object_is_type(tests, json_type_array))
                newest = json_object_array_get_idx(tests, 0);
        result = ctl_objects_string(newest, "result");
        if (ctl_is_json(ctl)) {
                answer = json_object_new_object();
                json_object_object_add(answer, "unit", bus_value_string(unit->name));
                json_object_object_add(answer, "result",
                                       *result != '\0' ? bus_value_string(result) : NULL);
                (void) ctl_print_json(ctl, answer);
        } else {
                printf("%s: %s\n", unit->name, health_json_describe_result(result));
        }
        return strcmp(result, "passed") == 0 ? CTL_EXIT_OK : CTL_EXIT_FAILURE;
}

static CtlExit wait_for_end(Ctl *ctl, const SmartUnit *unit) {
        _cleanup_(fd_closep) int interrupt_fd = ctl_interrupt_open();
        int pause_ms = WAIT_MIN_MS;

        for (;;) {
                _cleanup_(json_object_putp) json_object *data = NULL;
                _cleanup_(freep) char *message = NULL;
                CtlExit e;

                message = update(ctl, unit, /* may_wake= */ true, &e);
                if (message && e != CTL_EXIT_DENIED) {
                        print_progress(ctl, unit, NULL);
                        ctl_complain(ctl, "%s: %s", unit->name, message);
                        return e;
                }
                e = get_data(ctl, unit, &data);
                if (e != CTL_EXIT_OK)
                        return e;
                print_progress(ctl, unit,
                               ctl_objects_boolean(data, "self_test_running") ? data : NULL);
                if (!ctl_objects_boolean(data, "self_test_running"))
                        return tell_result(ctl, unit, data);
                if (ctl_interrupt_wait(interrupt_fd, pause_ms)) {
                        print_progress(ctl, unit, NULL);
                        ctl_complain(ctl, "%s goes on testing itself", unit->name);
                        return CTL_EXIT_FAILURE;
                }
                pause_ms = MIN(2 * pause_ms, WAIT_MAX_MS);
        }
}

static CtlExit begin(Ctl *ctl, const SmartUnit *unit, const char *kind) {
        if (strcmp(kind, "abort") == 0)
                return ctl_call_do(ctl, unit->path, CTL_SMART, "AbortSelfTest", NULL, "a{sv}", 0);
        return ctl_call_do(ctl, unit->path, CTL_SMART, "StartSelfTest", NULL, "sa{sv}", kind, 0);
}

CtlExit verb_smart_test(Ctl *ctl, char **arguments) {
        const char *kind = arguments[1] ? arguments[1] : "short";
        bool is_abort = strcmp(kind, "abort") == 0;
        _cleanup_(smart_unit_done) SmartUnit unit = {};
        CtlExit e;

        if (is_abort && ctl_options_has(&ctl->options, CTL_OPTION_WAIT)) {
                ctl_complain(ctl, "There is nothing to wait for after an abort");
                return CTL_EXIT_USAGE;
        }
        if (strcmp(kind, "offline") == 0 && ctl_options_has(&ctl->options, CTL_OPTION_WAIT)) {
                ctl_complain(ctl, "There is nothing to wait for: no log tells how an offline test "
                                  "ended");
                return CTL_EXIT_USAGE;
        }
        e = find(&unit, ctl, arguments[0]);
        if (e == CTL_EXIT_OK)
                e = begin(ctl, &unit, kind);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_options_has(&ctl->options, CTL_OPTION_WAIT))
                return wait_for_end(ctl, &unit);
        return ctl_action_tell(ctl, &unit.target,
                               is_abort ? "no longer tests itself." : "tests itself now.");
}
