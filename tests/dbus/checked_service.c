/*
 * checked_service ADDRESS: an object whose methods ask polkit, for tests of PolkitCheck. `Try`
 * answers with the caller's user; `Change` lets the next questions be other ones than those that
 * are open; `Hide` takes the object away.
 */

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/systemd_event_loop.h"
#include "dbus/bus_service.h"
#include "dbus/polkit_check.h"

#define OBJECT_PATH "/org/orion/Checked"

typedef struct CheckedService {
        BusConnection *connection;
        PolkitCheck *polkit;
        sd_bus_slot *root_slot;
        sd_bus_slot *object_slot;
        unsigned n_changes;
} CheckedService;

static int on_try(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        CheckedService *service = userdata;
        char n_changes[16];
        PolkitQuestion question = {
                .details = { { "device.name", "sim0" }, { "changes", n_changes } },
                .n_details = 2,
        };
        uid_t uid;
        int r;

        r = sd_bus_message_read(message, "s", &question.action);
        if (r < 0)
                return r;
        snprintf(n_changes, sizeof(n_changes), "%u", service->n_changes);
        r = polkit_check_test(service->polkit, message, &question, &uid, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return sd_bus_reply_method_return(message, "u", (uint32_t) uid);
}

static int on_change(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        CheckedService *service = userdata;

        service->n_changes++;
        return sd_bus_reply_method_return(message, NULL);
}

static int on_hide(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        CheckedService *service = userdata;

        service->object_slot = sd_bus_slot_unref(service->object_slot);
        return sd_bus_reply_method_return(message, NULL);
}

static const sd_bus_vtable checked_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Try", "s", "u", on_try, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Change", NULL, NULL, on_change, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Hide", NULL, NULL, on_hide, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int on_opened(BusConnection *connection, sd_bus *bus, void *userdata) {
        CheckedService *service = userdata;
        int r;

        r = polkit_check_attach(service->polkit, bus);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(bus, &service->root_slot, BUS_SERVICE_PATH,
                                     BUS_SERVICE_NAME ".Control", control_vtable, service);
        if (r < 0)
                return r;
        return sd_bus_add_object_vtable(bus, &service->object_slot, OBJECT_PATH,
                                        BUS_SERVICE_NAME ".Checked", checked_vtable, service);
}

static void on_closed(BusConnection *connection, void *userdata) {
        CheckedService *service = userdata;

        polkit_check_reset(service->polkit);
        service->root_slot = sd_bus_slot_unref(service->root_slot);
        service->object_slot = sd_bus_slot_unref(service->object_slot);
}

int main(int argc, char **argv) {
        static const BusConnectionHandlers handlers = {
                .opened = on_opened,
                .closed = on_closed,
        };
        CheckedService service = { .n_changes = 0 };
        EventLoop *loop;

        if (argc != 2)
                return EXIT_FAILURE;
        log_set_level(LOG_LEVEL_DEBUG);
        if (systemd_event_loop_new(&loop) < 0 ||
            bus_connection_new(&service.connection, loop, argv[1], BUS_SERVICE_NAME, &handlers,
                               &service) < 0 ||
            polkit_check_new(&service.polkit, service.connection) < 0)
                return EXIT_FAILURE;
        return event_loop_run(loop) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
