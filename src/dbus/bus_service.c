/* Puts the objects on each new connection, keeps them like what the manager sees, and announces it. */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "dbus/bus_device.h"
#include "dbus/bus_job.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_manager.h"
#include "dbus/bus_performance.h"
#include "dbus/bus_power.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_request.h"
#include "dbus/bus_service_internal.h"
#include "dbus/bus_sleep.h"
#include "dbus/bus_smart.h"

sd_bus_slot **bus_service_add_slot(BusService *service) {
        assert(service->n_slots < N_ELEMENTS(service->slots));
        return &service->slots[service->n_slots++];
}

sd_bus *bus_service_get_bus(BusService *service) {
        bus_connection_wake(service->connection);
        return bus_connection_get_bus(service->connection);
}

void bus_service_announce_changes(sd_bus *bus, const char *path, const char *interface,
                                  const sd_bus_vtable *vtable, const void *former,
                                  const void *now) {
        const char *names[BUS_PROPERTIES_CHANGED_MAX + 1];

        if (bus_properties_compare(vtable, former, now, names) > 0 && bus)
                (void) sd_bus_emit_properties_changed_strv(bus, path, interface, (char **) names);
}

int bus_service_check(BusService *service, sd_bus_message *message, const char *action,
                      const BusDevice *device, uid_t *ret_uid, sd_bus_error *ret_error) {
        PolkitQuestion question = { .action = action };

        if (device) {
                const BusDeviceFacts *facts = &device->facts;
                const PolkitDetail details[] = {
                        { "device.name", facts->name },          { "device.vendor", facts->vendor },
                        { "device.model", facts->model },        { "device.serial", facts->serial },
                        { "device.bus", facts->connection_bus },
                };

                static_assert(N_ELEMENTS(details) <= POLKIT_CHECK_DETAILS_MAX, "they must fit");
                memcpy(question.details, details, sizeof(details));
                question.n_details = N_ELEMENTS(details);
        }
        return polkit_check_test(service->polkit, message, &question, ret_uid, ret_error);
}

/* What the manager tells */

static void schedule_update(BusService *service) { event_defer_schedule(&service->update); }

static void on_device_added(uint64_t id, void *userdata) {
        BusService *service = userdata;
        BusDevice *device;

        schedule_update(service);
        if (bus_device_find(service, id))
                return;
        if (bus_device_new(&device, service, id) >= 0)
                bus_device_announce(device, bus_service_get_bus(service));
}

static void on_device_changed(uint64_t id, void *userdata) {
        BusService *service = userdata;
        BusDevice *device = bus_device_find(service, id);

        schedule_update(service);
        if (device)
                device->is_dirty = true;
}

static void on_device_removed(uint64_t id, void *userdata) {
        BusService *service = userdata;
        BusDevice *device = bus_device_find(service, id);

        schedule_update(service);
        if (!device)
                return;
        bus_device_announce_removal(device, bus_service_get_bus(service));
        bus_device_free(device);
}

static void on_lun_added(uint64_t id, unsigned lun, void *userdata) {
        BusService *service = userdata;
        BusDevice *device = bus_device_find(service, id);

        schedule_update(service);
        if (device)
                bus_device_add_lun(device, lun, bus_service_get_bus(service));
}

static void on_lun_changed(uint64_t id, unsigned lun, void *userdata) {
        BusService *service = userdata;
        BusDevice *device = bus_device_find(service, id);

        schedule_update(service);
        if (device && device->luns[lun])
                device->luns[lun]->is_dirty = true;
}

static void on_lun_removed(uint64_t id, unsigned lun, void *userdata) {
        BusService *service = userdata;
        BusDevice *device = bus_device_find(service, id);

        schedule_update(service);
        if (device)
                bus_device_remove_lun(device, lun, bus_service_get_bus(service));
}

static void on_event(DeviceEvent event, uint64_t id, unsigned lun, const char *words,
                     void *userdata) {
        BusService *service = userdata;
        BusDevice *device = bus_device_find(service, id);
        const char *path = BUS_SERVICE_PATH;

        if (device && lun < N_ELEMENTS(device->luns) && device->luns[lun])
                path = device->luns[lun]->path;
        else if (device)
                path = device->path;
        schedule_update(service);
        bus_manager_announce_event(service, device_event_to_string(event), path, words);
}

static void on_update(EventDefer *defer) {
        BusService *service = container_of(defer, BusService, update);
        sd_bus *bus = bus_service_get_bus(service);

        LIST_FOR_EACH (node, &service->devices)
                bus_device_update(list_entry(node, BusDevice, node), bus);
        bus_manager_update(service, bus);
}

static void on_progress_timer(EventTimer *timer) {
        BusService *service = container_of(timer, BusService, progress_timer);

        bus_job_update_all(service, bus_service_get_bus(service));
}

static void add_present_devices(BusService *service) {
        DeviceView view;

        for (size_t i = 0; device_manager_get_device(service->manager, i, &view); i++)
                on_device_added(view.id, service);
}

/* Connections */

static int attach(BusService *service, sd_bus *bus) {
        int (*const attachers[])(BusService *, sd_bus *) = {
                bus_manager_attach,     bus_device_attach, bus_lun_attach,   bus_job_attach,
                bus_performance_attach, bus_power_attach,  bus_sleep_attach, bus_smart_attach,
        };
        int r;

        r = sd_bus_add_object_manager(bus, bus_service_add_slot(service), BUS_SERVICE_PATH);
        for (size_t i = 0; i < N_ELEMENTS(attachers) && r >= 0; i++)
                r = attachers[i](service, bus);
        return r;
}

static int on_opened(BusConnection *connection, sd_bus *bus, void *userdata) {
        BusService *service = userdata;
        int r;

        r = polkit_check_attach(service->polkit, bus);
        if (r < 0)
                return r;
        return attach(service, bus);
}

static void on_closed(BusConnection *connection, void *userdata) {
        BusService *service = userdata;

        polkit_check_reset(service->polkit);
        bus_sleep_detach(service->sleep);
        bus_request_drop_callers(service);
        while (service->n_slots > 0)
                sd_bus_slot_unref(service->slots[--service->n_slots]);
}

static int init(BusService *service, EventLoop *loop, DeviceManager *manager) {
        static const DeviceObserverHandlers observer_handlers = {
                .device_added = on_device_added,
                .device_changed = on_device_changed,
                .device_removed = on_device_removed,
                .lun_added = on_lun_added,
                .lun_changed = on_lun_changed,
                .lun_removed = on_lun_removed,
                .event = on_event,
        };

        service->loop = loop;
        service->manager = manager;
        list_init(&service->devices);
        list_init(&service->requests);
        list_init(&service->jobs);
        event_defer_init(&service->update, loop, on_update);
        service->observer.handlers = &observer_handlers;
        service->observer.userdata = service;
        device_manager_add_observer(manager, &service->observer);
        return event_timer_init(&service->progress_timer, loop, on_progress_timer);
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
        r = init(service, loop, manager);
        if (r < 0)
                return r;
        service->options = *options;
        service->address = strdup(options->address);
        service->version = strdup(options->version);
        if (!service->address || !service->version)
                return -ENOMEM;
        r = bus_sleep_new(&service->sleep, service);
        if (r < 0)
                return r;
        r = bus_connection_new(&service->connection, loop, service->address, BUS_SERVICE_NAME,
                               &handlers, service);
        if (r < 0)
                return r;
        r = polkit_check_new(&service->polkit, service->connection);
        if (r < 0)
                return r;
        add_present_devices(service);
        bus_manager_update(service, NULL);
        *ret = TAKE_PTR(service);
        return 0;
}

void bus_service_update(BusService *service) {
        if (service)
                schedule_update(service);
}

BusService *bus_service_free(BusService *service) {
        if (!service)
                return NULL;

        device_manager_remove_observer(service->manager, &service->observer);
        bus_connection_free(service->connection);
        polkit_check_free(service->polkit);
        bus_sleep_free(service->sleep);
        bus_request_detach_all(service);
        LIST_FOR_EACH (node, &service->jobs)
                bus_job_free(list_entry(node, BusJob, node));
        LIST_FOR_EACH (node, &service->devices)
                bus_device_free(list_entry(node, BusDevice, node));
        event_defer_cancel(&service->update);
        event_timer_done(&service->progress_timer);
        free(service->address);
        free(service->version);
        free(service);
        return NULL;
}
