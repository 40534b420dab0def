/* Properties and methods of the root object. */

#include "dbus/bus_manager.h"

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        BusService *service = userdata;

        return sd_bus_message_append(reply, "s", service->version);
}

static int get_listen_addresses(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *userdata,
                                sd_bus_error *ret_error) {
        BusService *service = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; i < service->options.n_listen_addresses && r >= 0; i++)
                r = sd_bus_message_append(reply, "s", service->options.listen_addresses[i]);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ListenAddresses", "as", get_listen_addresses, 0,
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int bus_manager_attach(BusService *service, sd_bus *bus) {
        return sd_bus_add_object_vtable(bus, bus_service_add_slot(service), BUS_SERVICE_PATH,
                                        BUS_SERVICE_NAME ".Manager", manager_vtable, service);
}
