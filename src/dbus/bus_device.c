/* Properties of a device, and what becomes of its object; its methods are in bus_device_methods.c
 * and bus_cache.c. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dbus/bus_cache.h"
#include "dbus/bus_device.h"
#include "dbus/bus_device_methods.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_properties.h"
#include "device/device_peer.h"

#define FIELD(name) offsetof(BusDeviceFacts, name)

static int get_degradations(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *ret_error) {
        const uint32_t *degradations = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (unsigned bit = 0; bit < CONTROL_DEGRADATIONS_N && r >= 0; bit++)
                if (*degradations & UINT32_C(1) << bit)
                        r = sd_bus_message_append(reply, "s",
                                                  control_degradation_to_string(1U << bit));
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int get_learned(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const uint32_t *learned = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (unsigned bit = 0; bit < USB_FACTS_N + USB_UNIT_FACTS_N && r >= 0; bit++) {
                const char *name = bit < USB_FACTS_N ? usb_fact_to_string(1U << bit)
                                                     : usb_unit_fact_to_string(
                                                                       1U << (bit - USB_FACTS_N));

                if (*learned & UINT32_C(1) << bit)
                        r = sd_bus_message_append(reply, "s", name);
        }
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

/* As they are now: who changes tells NClients of the unit. */
static int get_clients(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const BusDevice *device = container_of(userdata, BusDevice, facts);
        DevicePeer peer;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(uuuss)");
        for (size_t i = 0;
             r >= 0 && device_manager_get_peer(device->service->manager, device->id, i, &peer); i++)
                r = sd_bus_message_append(reply, "(uuuss)", peer.lun, (uint32_t) peer.pid,
                                          (uint32_t) peer.uid, peer.name, peer.identity);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int get_luns(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const uint32_t *luns = userdata;
        char lun_path[BUS_PATH_SIZE_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "o");
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX && r >= 0; lun++) {
                if (!(*luns & UINT32_C(1) << lun))
                        continue;
                snprintf(lun_path, sizeof(lun_path), "%s/lun%u", path, lun);
                r = sd_bus_message_append(reply, "o", lun_path);
        }
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static const sd_bus_vtable device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", bus_properties_get_text, FIELD(name),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Id", "s", bus_properties_get_text, FIELD(id),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("VendorId", "q", NULL, FIELD(vendor_id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ProductId", "q", NULL, FIELD(product_id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("DeviceRevision", "q", NULL, FIELD(device_version),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Vendor", "s", bus_properties_get_text, FIELD(vendor),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Model", "s", bus_properties_get_text, FIELD(model),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Serial", "s", bus_properties_get_text, FIELD(serial),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Speed", "u", NULL, FIELD(speed_mbps), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ConnectionBus", "s", bus_properties_get_text, FIELD(connection_bus),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", bus_properties_get_text, FIELD(state),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("FailureReason", "s", bus_properties_get_text, FIELD(failure_reason),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Transport", "s", bus_properties_get_text, FIELD(transport),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("TransferSizeMax", "u", NULL, FIELD(transfer_size_max),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Policy", "s", bus_properties_get_text, FIELD(policy),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PolicyRule", "s", bus_properties_get_text, FIELD(policy_rule),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ReadOnly", "b", NULL, FIELD(is_read_only),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Quirks", "s", bus_properties_get_text, FIELD(quirks),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LearnedFacts", "as", get_learned, FIELD(learned),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Degradations", "as", get_degradations, FIELD(degradations),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("WorkerPid", "u", NULL, FIELD(worker_pid),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NRestarts", "u", NULL, FIELD(n_restarts),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("TimeTaken", "t", NULL, FIELD(taken_us), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Luns", "ao", get_luns, FIELD(luns), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Clients", "a(uuuss)", get_clients, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                bus_device_methods_on_release, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Remove", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                bus_device_methods_on_remove, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                bus_device_methods_on_reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Diagnose", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("s", report), bus_device_methods_on_diagnose,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StartTrace", SD_BUS_ARGS("h", file, "a{sv}", options),
                                SD_BUS_NO_RESULT, bus_trace_on_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StopTrace", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("t", n_packets, "t", n_dropped), bus_trace_on_stop,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable cache_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Mode", "s", bus_properties_get_text, FIELD(cache_mode),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Policy", "s", bus_properties_get_text, FIELD(cache_policy),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ReadAhead", "b", NULL, FIELD(has_read_ahead),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SizeMax", "t", NULL, FIELD(cache_size_max),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DirtyBytes", "t", bus_cache_get_counter, 0, 0),
        SD_BUS_PROPERTY("Hits", "t", bus_cache_get_counter, 0, 0),
        SD_BUS_PROPERTY("Misses", "t", bus_cache_get_counter, 0, 0),
        SD_BUS_PROPERTY("ReadAheadUsedBytes", "t", bus_cache_get_counter, 0, 0),
        SD_BUS_PROPERTY("ReadAheadWastedBytes", "t", bus_cache_get_counter, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Flush", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job),
                                bus_cache_on_flush, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                bus_cache_on_reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetMode", SD_BUS_ARGS("s", mode, "a{sv}", options),
                                SD_BUS_NO_RESULT, bus_cache_on_set_mode,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const char *get_transport(UsbStorageProtocol protocol) {
        return protocol == USB_STORAGE_PROTOCOL_BOT ? "bulk-only"
                                                    : usb_storage_protocol_to_string(protocol);
}

static void set_texts(BusDeviceFacts *facts, const DeviceView *view) {
        const ControlDeviceInfo *info = &view->info;

        BUS_PROPERTIES_SET_TEXT(facts->name, view->name);
        BUS_PROPERTIES_SET_TEXT(facts->id, view->base_name);
        BUS_PROPERTIES_SET_TEXT(facts->vendor, view->vendor);
        BUS_PROPERTIES_SET_TEXT(facts->model, view->model);
        BUS_PROPERTIES_SET_TEXT(facts->serial, view->serial);
        BUS_PROPERTIES_SET_TEXT(facts->connection_bus, view->is_simulated ? "simulated" : "usb");
        BUS_PROPERTIES_SET_TEXT(facts->state, device_view_state_to_string(view->state));
        BUS_PROPERTIES_SET_TEXT(facts->policy, device_target_to_string(view->target));
        BUS_PROPERTIES_SET_TEXT(facts->policy_rule, view->rule);
        BUS_PROPERTIES_SET_TEXT(facts->failure_reason, view->failure_reason);
        BUS_PROPERTIES_SET_TEXT(facts->cache_policy,
                                cache_policy_kind_to_string(view->cache_policy));
        usb_quirks_format(view->has_info ? info->quirks : view->quirks, facts->quirks);
        BUS_PROPERTIES_SET_TEXT(facts->cache_mode, cache_mode_to_string(CACHE_MODE_OFF));
        if (!view->has_info)
                return;
        BUS_PROPERTIES_SET_TEXT(facts->transport,
                                get_transport((UsbStorageProtocol) info->protocol));
        BUS_PROPERTIES_SET_TEXT(facts->cache_mode,
                                cache_mode_to_string((CacheMode) info->cache_mode));
}

static uint32_t merge_learned(const UsbLearnedFacts *learned) {
        uint32_t facts = 0;

        for (size_t i = 0; i < N_ELEMENTS(learned->units); i++)
                facts |= learned->units[i].facts;
        return learned->facts | facts << USB_FACTS_N;
}

static void set_facts(BusDevice *device, const DeviceView *view) {
        device->facts = (BusDeviceFacts){
                .vendor_id = view->vendor_id,
                .product_id = view->product_id,
                .device_version = view->device_version,
                .speed_mbps = view->speed_mbps,
                .transfer_size_max = view->has_info ? view->info.transfer_size_max : 0,
                .degradations = view->degradations,
                .learned = merge_learned(&view->learned),
                .worker_pid = (uint32_t) view->worker_pid,
                .n_restarts = view->n_restarts,
                .taken_us = view->taken_us,
                .is_read_only = view->is_read_only,
                .has_read_ahead = view->has_read_ahead,
                .cache_size_max = view->cache_size_max,
        };
        set_texts(&device->facts, view);
        bus_power_set_facts(&device->power, view);
        for (unsigned lun = 0; lun < N_ELEMENTS(device->luns); lun++)
                if (device->luns[lun])
                        device->facts.luns |= UINT32_C(1) << lun;
}

/* Paths */

BusDevice *bus_device_find_by_path(BusService *service, const char *path) {
        LIST_FOR_EACH (node, &service->devices) {
                BusDevice *device = list_entry(node, BusDevice, node);

                if (strcmp(device->path, path) == 0)
                        return device;
        }
        return NULL;
}

static void encode_path(char *ret, const char *name) {
        _cleanup_(freep) char *path = NULL;

        if (sd_bus_path_encode(BUS_SERVICE_DEVICES_PATH, name, &path) < 0 ||
            strlen(path) >= BUS_DEVICE_PATH_SIZE_MAX)
                snprintf(ret, BUS_DEVICE_PATH_SIZE_MAX, "%s/_", BUS_SERVICE_DEVICES_PATH);
        else
                snprintf(ret, BUS_DEVICE_PATH_SIZE_MAX, "%s", path);
}

/* One that is waited for keeps the path of its port, if another is plugged in there meanwhile. */
static void set_path(BusDevice *device, const char *name) {
        char path[BUS_DEVICE_PATH_SIZE_MAX];

        snprintf(device->unique_name, sizeof(device->unique_name), "%s", name);
        encode_path(path, device->unique_name);
        if (bus_device_find_by_path(device->service, path)) {
                snprintf(device->unique_name, sizeof(device->unique_name), "%s at %llu", name,
                         (unsigned long long) device->id);
                encode_path(path, device->unique_name);
        }
        memcpy(device->path, path, sizeof(path));
}

/* Objects */

BusDevice *bus_device_find(BusService *service, uint64_t id) {
        LIST_FOR_EACH (node, &service->devices) {
                BusDevice *device = list_entry(node, BusDevice, node);

                if (device->id == id)
                        return device;
        }
        return NULL;
}

int bus_device_new(BusDevice **ret, BusService *service, uint64_t id) {
        BusDevice *device;
        DeviceView view;

        if (!device_manager_find_device(service->manager, id, &view))
                return -ENOENT;
        device = calloc(1, sizeof(*device));
        if (!device)
                return -ENOMEM;
        device->service = service;
        device->id = id;
        device->subject = (BusSubject){ service, id, CONTROL_LUN_ALL };
        list_init(&device->node);
        set_path(device, view.name);
        for (unsigned lun = 0; lun < N_ELEMENTS(device->luns); lun++)
                (void) bus_lun_new(&device->luns[lun], device, lun);
        set_facts(device, &view);
        list_append(&service->devices, &device->node);
        *ret = device;
        return 0;
}

BusDevice *bus_device_free(BusDevice *device) {
        if (!device)
                return NULL;

        (void) bus_trace_detach(device->trace);
        for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                bus_lun_free(device->luns[i]);
        list_unlink(&device->node);
        free(device);
        return NULL;
}

void bus_device_announce(BusDevice *device, sd_bus *bus) {
        if (bus)
                (void) sd_bus_emit_object_added(bus, device->path);
        for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                if (device->luns[i])
                        bus_lun_announce(device->luns[i], bus);
}

void bus_device_announce_removal(BusDevice *device, sd_bus *bus) {
        for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                if (device->luns[i])
                        bus_lun_announce_removal(device->luns[i], bus);
        if (bus)
                (void) sd_bus_emit_object_removed(bus, device->path);
}

/* It came back at another port: for who looks at objects that is another one. */
static void move(BusDevice *device, const DeviceView *view, sd_bus *bus) {
        bus_device_announce_removal(device, bus);
        device->path[0] = '\0';
        set_path(device, view->name);
        set_facts(device, view);
        for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                if (device->luns[i])
                        bus_lun_set_path(device->luns[i]);
        bus_device_announce(device, bus);
}

static void update_itself(BusDevice *device, sd_bus *bus) {
        BusPowerFacts former_power = device->power;
        BusDeviceFacts former = device->facts;
        DeviceView view;

        device->is_dirty = false;
        if (!device_manager_find_device(device->service->manager, device->id, &view))
                return;
        set_facts(device, &view);
        if (strcmp(former.name, device->facts.name) != 0) {
                move(device, &view, bus);
                return;
        }
        bus_service_announce_changes(bus, device->path, BUS_DEVICE_INTERFACE, device_vtable,
                                     &former, &device->facts);
        bus_service_announce_changes(bus, device->path, BUS_DEVICE_CACHE_INTERFACE, cache_vtable,
                                     &former, &device->facts);
        bus_power_announce_changes(bus, device->path, &former_power, &device->power);
}

void bus_device_update(BusDevice *device, sd_bus *bus) {
        if (device->is_dirty)
                update_itself(device, bus);
        for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                if (device->luns[i] && device->luns[i]->is_dirty)
                        bus_lun_update(device->luns[i], bus);
}

void bus_device_add_lun(BusDevice *device, unsigned number, sd_bus *bus) {
        if (device->luns[number] || bus_lun_new(&device->luns[number], device, number) < 0)
                return;
        bus_lun_announce(device->luns[number], bus);
        device->is_dirty = true;
}

void bus_device_remove_lun(BusDevice *device, unsigned number, sd_bus *bus) {
        if (!device->luns[number])
                return;
        bus_lun_announce_removal(device->luns[number], bus);
        device->luns[number] = bus_lun_free(device->luns[number]);
        device->is_dirty = true;
}

/* Userdata of its vtables are the facts, where the offsets of properties begin. */
static int find_device(sd_bus *bus, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *ret_error) {
        BusDevice *device = bus_device_find_by_path(userdata, path);

        if (!device)
                return 0;
        *ret_found = &device->facts;
        return 1;
}

/* Paths of devices and of their LUNs, for who lists objects. */
static int list_paths(sd_bus *bus, const char *prefix, void *userdata, char ***ret_paths,
                      sd_bus_error *ret_error) {
        BusService *service = userdata;
        size_t n_devices = 0, n_paths = 0;
        char **paths;

        LIST_FOR_EACH (node, &service->devices)
                n_devices++;
        paths = calloc(n_devices * (1 + CONTROL_LUNS_MAX) + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        LIST_FOR_EACH (node, &service->devices) {
                BusDevice *device = list_entry(node, BusDevice, node);

                paths[n_paths++] = strdup(device->path);
                for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                        if (device->luns[i])
                                paths[n_paths++] = strdup(device->luns[i]->path);
        }
        *ret_paths = paths;
        return 1;
}

int bus_device_attach(BusService *service, sd_bus *bus) {
        int r;

        r = sd_bus_add_node_enumerator(bus, bus_service_add_slot(service), BUS_SERVICE_DEVICES_PATH,
                                       list_paths, service);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service), BUS_SERVICE_DEVICES_PATH,
                                       BUS_DEVICE_INTERFACE, device_vtable, find_device, service);
        if (r < 0)
                return r;
        return sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service),
                                          BUS_SERVICE_DEVICES_PATH, BUS_DEVICE_CACHE_INTERFACE,
                                          cache_vtable, find_device, service);
}
