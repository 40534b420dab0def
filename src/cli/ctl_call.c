/* Calls over sd-bus, and what their failures mean in words. */

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/ctl_agent.h"
#include "cli/ctl_call.h"
#include "cli/ctl_text.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

static int open_bus(const char *address, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        if (!address)
                return sd_bus_open_system(ret);
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r < 0)
                return r;
        r = sd_bus_set_bus_client(bus, true);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

CtlExit ctl_call_connect(Ctl *ctl) {
        bool may_ask = !ctl_options_has(&ctl->options, CTL_OPTION_NO_ASK_PASSWORD);
        int r;

        if (ctl->bus)
                return CTL_EXIT_OK;
        r = open_bus(ctl->options.address, &ctl->bus);
        if (r >= 0)
                r = sd_bus_set_allow_interactive_authorization(ctl->bus, may_ask);
        if (r < 0) {
                ctl_complain(ctl, "The bus can't be reached: %s", strerror(-r));
                return ctl_exit_from_errno(r);
        }
        return CTL_EXIT_OK;
}

CtlExit ctl_call_failed(const Ctl *ctl, const sd_bus_error *error, int r) {
        _cleanup_(freep) char *text = NULL;

        if (!sd_bus_error_is_set(error)) {
                ctl_complain(ctl, "%s", strerror(-r));
                return ctl_exit_from_errno(r);
        }
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                   SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                ctl_complain(ctl, "The service is not running (nobody is " CTL_SERVICE ")");
                return CTL_EXIT_FAILURE;
        }
        text = ctl_text_copy(error->message ? error->message : error->name);
        ctl_text_clean(text);
        ctl_complain(ctl, "%s", text);
        return ctl_exit_from_error(error);
}

CtlExit ctl_call_garbled(const Ctl *ctl, int r) {
        ctl_complain(ctl, "The service's answer can't be understood: %s", strerror(-r));
        return CTL_EXIT_FAILURE;
}

CtlExit ctl_call_new(Ctl *ctl, const char *path, const char *interface, const char *method,
                     sd_bus_message **ret) {
        CtlExit e;
        int r;

        e = ctl_call_connect(ctl);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_new_method_call(ctl->bus, ret, CTL_SERVICE, path, interface, method);
        return r < 0 ? ctl_call_failed(ctl, NULL, r) : CTL_EXIT_OK;
}

uint64_t ctl_call_timeout(const Ctl *ctl, uint64_t default_s) {
        return (ctl->options.timeout_s > 0 ? ctl->options.timeout_s : default_s) * 1000000;
}

static CtlExit send_message(Ctl *ctl, sd_bus_message *message, uint64_t timeout_s,
                            sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call(ctl->bus, message, ctl_call_timeout(ctl, timeout_s), &error, ret_reply);
        return r < 0 ? ctl_call_failed(ctl, &error, r) : CTL_EXIT_OK;
}

CtlExit ctl_call_send(Ctl *ctl, sd_bus_message *message, sd_bus_message **ret_reply) {
        ctl_agent_open(ctl);
        return send_message(ctl, message, CTL_ACTION_TIMEOUT_S, ret_reply);
}

static CtlExit new_with(Ctl *ctl, const char *path, const char *interface, const char *method,
                        sd_bus_message **ret, const char *types, va_list arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        CtlExit e;
        int r;

        e = ctl_call_new(ctl, path, interface, method, &message);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_appendv(message, types, arguments);
        if (r < 0)
                return ctl_call_failed(ctl, NULL, r);
        *ret = TAKE_PTR(message);
        return CTL_EXIT_OK;
}

CtlExit ctl_call_ask(Ctl *ctl, const char *path, const char *interface, const char *method,
                     sd_bus_message **ret_reply, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        va_list arguments;
        CtlExit e;

        va_start(arguments, types);
        e = new_with(ctl, path, interface, method, &message, types, arguments);
        va_end(arguments);
        return e != CTL_EXIT_OK ? e : send_message(ctl, message, CTL_QUESTION_TIMEOUT_S, ret_reply);
}

CtlExit ctl_call_do(Ctl *ctl, const char *path, const char *interface, const char *method,
                    sd_bus_message **ret_reply, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        va_list arguments;
        CtlExit e;

        va_start(arguments, types);
        e = new_with(ctl, path, interface, method, &message, types, arguments);
        va_end(arguments);
        return e != CTL_EXIT_OK ? e : ctl_call_send(ctl, message, ret_reply);
}

CtlExit ctl_call_read(const Ctl *ctl, sd_bus_message *reply, const char *signature,
                      json_object **ret) {
        int r = -EBADMSG;

        /* All that looks into it afterwards relies on its types. */
        if (sd_bus_message_has_signature(reply, signature) > 0)
                r = bus_value_read(reply, ret);
        return r < 0 ? ctl_call_garbled(ctl, r) : CTL_EXIT_OK;
}

CtlExit ctl_call_get(Ctl *ctl, const char *path, const char *interface, const char *method,
                     const char *signature, json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CtlExit e = ctl_call_ask(ctl, path, interface, method, &reply, "");

        return e != CTL_EXIT_OK ? e : ctl_call_read(ctl, reply, signature, ret);
}

CtlExit ctl_call_get_properties(Ctl *ctl, const char *path, const char *interface,
                                json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CtlExit e = ctl_call_ask(ctl, path, PROPERTIES, "GetAll", &reply, "s", interface);

        return e != CTL_EXIT_OK ? e : ctl_call_read(ctl, reply, "a{sv}", ret);
}

static CtlExit get_property(Ctl *ctl, const char *path, const char *interface, const char *name,
                            json_object **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(ctl->bus, CTL_SERVICE, path, PROPERTIES, "Get", &error, &reply, "ss",
                               interface, name);
        if (r < 0 && ctl_exit_from_error(&error) == CTL_EXIT_UNSUPPORTED) {
                *ret = NULL;
                return CTL_EXIT_OK;
        }
        if (r < 0)
                return ctl_call_failed(ctl, &error, r);
        return ctl_call_read(ctl, reply, "v", ret);
}

CtlExit ctl_call_add_properties(Ctl *ctl, const char *path, const char *interface,
                                const char *const *names, json_object *properties) {
        for (; *names; names++) {
                json_object *value;
                CtlExit e;

                if (json_object_object_get_ex(properties, *names, NULL))
                        continue;
                e = get_property(ctl, path, interface, *names, &value);
                if (e != CTL_EXIT_OK)
                        return e;
                if (value)
                        json_object_object_add(properties, *names, value);
        }
        return CTL_EXIT_OK;
}
