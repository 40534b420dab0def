/* Puts the objects on each new connection, and takes them off when it is gone. */

#include <errno.h>
#include <string.h>

#include "dbus/bus_manager.h"
#include "dbus/bus_service_internal.h"

sd_bus_slot **bus_service_add_slot(BusService *service) {
        assert(service->n_slots < N_ELEMENTS(service->slots));
        return &service->slots[service->n_slots++];
}

static int on_opened(BusConnection *connection, sd_bus *bus, void *userdata) {
        BusService *service = userdata;
        int r;

        r = polkit_check_attach(service->polkit, bus);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(bus, bus_service_add_slot(service), BUS_SERVICE_PATH);
        if (r < 0)
                return r;
        return bus_manager_attach(service, bus);
}

static void on_closed(BusConnection *connection, void *userdata) {
        BusService *service = userdata;

        polkit_check_reset(service->polkit);
        while (service->n_slots > 0)
                sd_bus_slot_unref(service->slots[--service->n_slots]);
}

int bus_service_new(BusService **ret, EventLoop *loop, DeviceManager *manager,
                    const BusServiceOptions *options) {
        static const BusConnectionHandlers handlers = {
                .opened = on_opened,
                .closed = on_closed,
        };
        _cleanup_(bus_service_freep) BusService *service = NULL;
        int r;

        service = calloc(1, sizeof(*service));
        if (!service)
                return -ENOMEM;
        service->loop = loop;
        service->manager = manager;
        service->options = *options;
        service->address = strdup(options->address);
        service->version = strdup(options->version);
        if (!service->address || !service->version)
                return -ENOMEM;
        r = bus_connection_new(&service->connection, loop, service->address, BUS_SERVICE_NAME,
                               &handlers, service);
        if (r < 0)
                return r;
        r = polkit_check_new(&service->polkit, service->connection);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(service);
        return 0;
}

BusService *bus_service_free(BusService *service) {
        if (!service)
                return NULL;

        bus_connection_free(service->connection);
        polkit_check_free(service->polkit);
        free(service->address);
        free(service->version);
        free(service);
        return NULL;
}
