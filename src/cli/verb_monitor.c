/*
 * monitor
 *
 * Events of the service, changed properties, objects that come and go, and the service itself.
 */

#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "cli/bus_value.h"
#include "cli/ctl_call.h"
#include "cli/ctl_names.h"
#include "cli/ctl_text.h"
#include "cli/verb_monitor.h"

typedef struct Monitor {
        Ctl *ctl;
        uint64_t n_left; /* 0: no end */
        bool is_done;
} Monitor;

static void print_line(const Ctl *ctl, const struct timeval *now, const char *kind,
                       const char *object, json_object *text) {
        char clock[16] = "";
        struct tm tm;

        if (localtime_r(&now->tv_sec, &tm))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
        printf("%s%s%s %s%s%s%s%s%s%s\n", ctl_terminal_colour(&ctl->terminal, CTL_COLOUR_GREY),
               clock, ctl_terminal_plain(&ctl->terminal),
               ctl_terminal_colour(&ctl->terminal, CTL_COLOUR_BOLD), kind,
               ctl_terminal_plain(&ctl->terminal), *object != '\0' ? " " : "", object,
               text ? " " : "", text ? json_object_get_string(text) : "");
}

/* Takes `value`, which is a text or what belongs to it. */
static void print_event(Monitor *monitor, const char *kind, const char *path, json_object *value) {
        _cleanup_(json_object_putp) json_object *owned = value;
        _cleanup_(freep) char *object = ctl_names_object(path);
        const Ctl *ctl = monitor->ctl;
        struct timeval now;
        json_object *event;

        if (monitor->is_done)
                return;
        (void) gettimeofday(&now, NULL);
        if (ctl_is_json(ctl)) {
                event = json_object_new_object();
                json_object_object_add(event, "time",
                                       json_object_new_int64((int64_t) now.tv_sec * 1000000 +
                                                             now.tv_usec));
                json_object_object_add(event, "kind", json_object_new_string(kind));
                json_object_object_add(event, "object", json_object_new_string(object));
                json_object_object_add(event, "text", TAKE_PTR(owned));
                (void) ctl_print_json(ctl, event);
        } else {
                print_line(ctl, &now, kind, object, owned);
        }
        (void) fflush(stdout);
        monitor->is_done = (monitor->n_left > 0 && --monitor->n_left == 0) || ferror(stdout);
}

static int on_event(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(freep) char *kind = NULL;
        const char *raw_kind, *path, *text;

        if (sd_bus_message_read(message, "sos", &raw_kind, &path, &text) < 0)
                return 0;
        kind = ctl_text_copy(raw_kind);
        ctl_text_clean(kind);
        print_event(userdata, kind, path, bus_value_string(text));
        return 0;
}

/* "Device.NRestarts=2 Device.State=parked", or the properties as they are for JSON. */
static json_object *describe_changes(const Ctl *ctl, const char *interface,
                                     json_object *properties) {
        _cleanup_(freep) char *text = ctl_text_copy("");
        const char *dot = strrchr(interface, '.');

        if (ctl_is_json(ctl))
                return json_object_get(properties);
        json_object_object_foreach(properties, name, value) {
                char *longer = ctl_text_format("%s%s%s.%s=%s", text, *text != '\0' ? " " : "",
                                               dot ? dot + 1 : interface, name,
                                               value ? json_object_get_string(value) : "-");

                free(text);
                text = longer;
        }
        return json_object_new_string(text);
}

static int on_properties_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(json_object_putp) json_object *properties = NULL;
        Monitor *monitor = userdata;
        const char *interface;

        if (sd_bus_message_has_signature(message, "sa{sv}as") <= 0 ||
            sd_bus_message_read(message, "s", &interface) < 0 ||
            bus_value_read(message, &properties) < 0 || json_object_object_length(properties) == 0)
                return 0;
        print_event(monitor, "changed", sd_bus_message_get_path(message),
                    describe_changes(monitor->ctl, interface, properties));
        return 0;
}

static int on_object_came(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *path;

        if (sd_bus_message_read(message, "o", &path) >= 0)
                print_event(userdata, "object-added", path, NULL);
        return 0;
}

static int on_object_went(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *path;

        if (sd_bus_message_read(message, "o", &path) >= 0)
                print_event(userdata, "object-removed", path, NULL);
        return 0;
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *former, *owner;

        if (sd_bus_message_read(message, "sss", &name, &former, &owner) >= 0)
                print_event(userdata, *owner != '\0' ? "service-started" : "service-stopped", "",
                            NULL);
        return 0;
}

static CtlExit listen(Monitor *monitor) {
        static const struct {
                const char *rule;
                sd_bus_message_handler_t handler;
        } matches[] = {
                { "interface='" CTL_MANAGER "',member='Event'", on_event },
                { "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'",
                  on_properties_changed },
                { "interface='org.freedesktop.DBus.ObjectManager',member='InterfacesAdded'",
                  on_object_came },
                { "interface='org.freedesktop.DBus.ObjectManager',member='InterfacesRemoved'",
                  on_object_went },
        };
        int r;

        for (size_t i = 0; i < N_ELEMENTS(matches); i++) {
                _cleanup_(freep) char *rule = ctl_text_format(
                                "type='signal',sender='" CTL_SERVICE "',%s", matches[i].rule);

                r = sd_bus_add_match(monitor->ctl->bus, NULL, rule, matches[i].handler, monitor);
                if (r < 0)
                        return ctl_call_failed(monitor->ctl, NULL, r);
        }
        r = sd_bus_add_match(monitor->ctl->bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" CTL_SERVICE "'",
                             on_owner_changed, monitor);
        return r < 0 ? ctl_call_failed(monitor->ctl, NULL, r) : CTL_EXIT_OK;
}

CtlExit verb_monitor(Ctl *ctl, char **arguments) {
        Monitor monitor = { .ctl = ctl, .n_left = ctl->options.n_iterations };
        CtlExit e;
        int r;

        e = ctl_call_connect(ctl);
        if (e == CTL_EXIT_OK)
                e = listen(&monitor);
        if (e != CTL_EXIT_OK)
                return e;
        while (!monitor.is_done) {
                r = sd_bus_process(ctl->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(ctl->bus, UINT64_MAX);
                if (r < 0)
                        return ctl_call_failed(ctl, NULL, r);
        }
        return CTL_EXIT_OK;
}
