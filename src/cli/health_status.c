/* Bit by bit, as smartctl(8) explains them. */

#include "cli/health_status.h"

#include <string.h>

#include "cli/ctl_objects.h"

#define PREFAILURE 0x0001 /* of an attribute's flags */

/* Without one of these nothing can be said; other answers a drive need not have. */
static bool lacks_what_matters(json_object *data) {
        static const char *const sections[] = {
                "identity", "status", "table of attributes", "table of thresholds", "health log",
        };
        json_object *missing = ctl_objects_property(data, "missing");

        for (size_t i = 0; i < N_ELEMENTS(sections); i++)
                if (ctl_objects_property(missing, sections[i]))
                        return true;
        return false;
}

static int judge_attribute(json_object *attribute) {
        const char *state = ctl_objects_string(attribute, "state");
        bool is_prefailure = ctl_objects_number(attribute, "flags") & PREFAILURE;

        if (strcmp(state, "failing-now") == 0)
                return is_prefailure ? HEALTH_STATUS_PREFAILURE : HEALTH_STATUS_PAST;
        return strcmp(state, "failed-before") == 0 ? HEALTH_STATUS_PAST : 0;
}

static int judge_self_tests(json_object *tests) {
        for (size_t i = 0; i < json_object_array_length(tests); i++) {
                json_object *test = json_object_array_get_idx(tests, i);
                const char *result = ctl_objects_string(test, "result");

                if (strcmp(result, "failed") == 0)
                        return HEALTH_STATUS_SELF_TESTS;
                if (strcmp(result, "passed") == 0 &&
                    strcmp(ctl_objects_string(test, "kind"), "extended") == 0)
                        return 0;
        }
        return 0;
}

static json_object *get_array(json_object *data, const char *name) {
        json_object *value = ctl_objects_property(data, name);

        return json_object_is_type(value, json_type_array) ? value : NULL;
}

int health_status_get(json_object *data) {
        json_object *attributes = get_array(data, "attributes");
        json_object *errors = get_array(data, "errors");
        json_object *tests = get_array(data, "self_tests");
        int status = 0;

        if (ctl_objects_number(data, "n_asked") == 0)
                return HEALTH_STATUS_COMMAND;
        if (lacks_what_matters(data))
                status |= HEALTH_STATUS_COMMAND;
        if (strcmp(ctl_objects_string(data, "status"), "failing") == 0)
                status |= HEALTH_STATUS_FAILING;
        for (size_t i = 0; attributes && i < json_object_array_length(attributes); i++)
                status |= judge_attribute(json_object_array_get_idx(attributes, i));
        if (errors && json_object_array_length(errors) > 0)
                status |= HEALTH_STATUS_ERRORS;
        return tests ? status | judge_self_tests(tests) : status;
}
