/* Properties of a logical unit; its methods are in bus_lun_methods.c and bus_scsi.c. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_lun_methods.h"
#include "dbus/bus_optical.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_scsi.h"

#define FIELD(name) offsetof(BusLunFacts, name)

static const sd_bus_vtable lun_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Device", "o", bus_properties_get_path, FIELD(device_path),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Number", "u", NULL, FIELD(number), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Kind", "s", bus_properties_get_text, FIELD(kind),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Vendor", "s", bus_properties_get_text, FIELD(vendor),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Model", "s", bus_properties_get_text, FIELD(model),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Revision", "s", bus_properties_get_text, FIELD(revision),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Serial", "s", bus_properties_get_text, FIELD(serial),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Size", "t", NULL, FIELD(size), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BlockSize", "u", NULL, FIELD(block_size),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PhysicalBlockSize", "u", NULL, FIELD(physical_block_size),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MediaRemovable", "b", NULL, FIELD(is_removable),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MediaAvailable", "b", NULL, FIELD(has_medium),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ReadOnly", "b", NULL, FIELD(is_read_only),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Rotational", "b", NULL, FIELD(is_rotational),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("RotationRate", "i", NULL, FIELD(rotation_rate),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("WWN", "s", bus_properties_get_text, FIELD(wwn),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CanTrim", "b", NULL, FIELD(can_trim), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Export", "s", bus_properties_get_text, FIELD(export_name),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ExportNumber", "t", NULL, FIELD(export_number),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NClients", "u", NULL, FIELD(n_clients),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Mounts", "as", bus_lun_methods_get_mounts, FIELD(mounts),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("OpenNbd", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("h", socket), bus_lun_methods_on_open_nbd,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("h", socket, "t", size, "u", block_size, "q", flags),
                                bus_lun_methods_on_attach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Mount", SD_BUS_ARGS("h", fuse, "a{sv}", options), SD_BUS_NO_RESULT,
                                bus_lun_methods_on_mount, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unmount", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                bus_lun_methods_on_unmount, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable scsi_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("PeripheralType", "y", NULL, FIELD(peripheral_type),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Version", "y", NULL, FIELD(version), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("HasFua", "b", NULL, FIELD(has_fua), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("HasUnmap", "b", NULL, FIELD(can_unmap),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("HasSynchronizeCache", "b", NULL, FIELD(has_synchronize_cache),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LastSense", "s", bus_properties_get_text, FIELD(last_sense),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Commands", "t", bus_scsi_get_counter, 0, 0),
        SD_BUS_PROPERTY("CheckConditions", "t", bus_scsi_get_counter, 0, 0),
        SD_BUS_PROPERTY("Retries", "t", bus_scsi_get_counter, 0, 0),
        SD_BUS_PROPERTY("Timeouts", "t", bus_scsi_get_counter, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Command",
                                SD_BUS_ARGS("ay", cdb, "ay", data, "u", n_in, "a{sv}", options),
                                SD_BUS_RESULT("y", status, "ay", data_in, "ay", sense, "s", words),
                                bus_scsi_on_command, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                bus_scsi_on_reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* As udev and UDisks write it. */
static void set_wwn(BusLunFacts *facts, const char *wwn) {
        char text[sizeof(facts->wwn)];

        snprintf(text, sizeof(text), "%s%s", wwn[0] != '\0' ? "0x" : "", wwn);
        BUS_PROPERTIES_SET_TEXT(facts->wwn, text);
}

static void set_facts(BusLunFacts *facts, const BusDevice *device, const LunView *view) {
        const ControlLunInfo *info = view->info;

        *facts = (BusLunFacts){
                .number = info->lun,
                .size = info->size,
                .block_size = info->block_size,
                .physical_block_size = info->physical_block_size,
                .export_number = view->generation,
                .n_clients = info->n_clients,
                .mounts = view->n_mount_changes,
                .is_removable = info->is_removable,
                .has_medium = info->has_medium,
                .is_read_only = info->is_read_only,
                .is_rotational = info->is_rotational,
                .can_trim = info->can_trim,
                .has_fua = info->has_fua,
                .can_unmap = info->can_unmap,
                .has_synchronize_cache = info->has_synchronize_cache,
                .rotation_rate = info->rotation_rpm,
                .is_optical = info->kind == CONTROL_LUN_KIND_OPTICAL,
                .n_data_tracks = info->n_data_tracks,
                .n_audio_tracks = info->n_audio_tracks,
                .is_blank = info->is_blank,
                .is_locked = info->is_locked,
                .can_eject = info->can_eject,
                .peripheral_type = info->peripheral_type,
                .version = info->version,
        };
        BUS_PROPERTIES_SET_TEXT(facts->device_path, device->path);
        BUS_PROPERTIES_SET_TEXT(facts->kind,
                                control_lun_kind_to_string((ControlLunKind) info->kind));
        BUS_PROPERTIES_SET_TEXT(facts->vendor, info->vendor);
        BUS_PROPERTIES_SET_TEXT(facts->model, info->model);
        BUS_PROPERTIES_SET_TEXT(facts->revision, info->revision);
        BUS_PROPERTIES_SET_TEXT(facts->serial, info->serial);
        set_wwn(facts, info->wwn);
        BUS_PROPERTIES_SET_TEXT(facts->profile, control_lun_info_profile_to_string(info->profile));
        BUS_PROPERTIES_SET_TEXT(facts->tray, control_tray_to_string((ControlTray) info->tray));
        BUS_PROPERTIES_SET_TEXT(facts->export_name, view->export_name);
        BUS_PROPERTIES_SET_TEXT(facts->last_sense, info->last_sense);
}

void bus_lun_set_path(BusLun *lun) {
        snprintf(lun->path, sizeof(lun->path), "%s/lun%u", lun->device->path, lun->facts.number);
        BUS_PROPERTIES_SET_TEXT(lun->facts.device_path, lun->device->path);
}

int bus_lun_new(BusLun **ret, BusDevice *device, unsigned number) {
        BusLun *lun;
        LunView view;

        if (!device_manager_get_lun(device->service->manager, device->id, number, &view))
                return -ENOENT;
        lun = calloc(1, sizeof(*lun));
        if (!lun)
                return -ENOMEM;
        lun->device = device;
        lun->subject = (BusSubject){ device->service, device->id, number };
        set_facts(&lun->facts, device, &view);
        bus_smart_set_facts(&lun->smart, &view);
        bus_lun_set_path(lun);
        *ret = lun;
        return 0;
}

BusLun *bus_lun_free(BusLun *lun) {
        free(lun);
        return NULL;
}

void bus_lun_update(BusLun *lun, sd_bus *bus) {
        const BusDevice *device = lun->device;
        BusSmartFacts former_smart = lun->smart;
        BusLunFacts former = lun->facts;
        LunView view;

        lun->is_dirty = false;
        if (!device_manager_get_lun(device->service->manager, device->id, former.number, &view))
                return;
        set_facts(&lun->facts, device, &view);
        bus_service_announce_changes(bus, lun->path, BUS_LUN_INTERFACE, lun_vtable, &former,
                                     &lun->facts);
        bus_service_announce_changes(bus, lun->path, BUS_LUN_SCSI_INTERFACE, scsi_vtable, &former,
                                     &lun->facts);
        bus_optical_announce_changes(lun, bus, &former);
        bus_smart_set_facts(&lun->smart, &view);
        bus_smart_announce(lun, bus, &former_smart);
}

void bus_lun_announce(BusLun *lun, sd_bus *bus) {
        if (bus)
                (void) sd_bus_emit_object_added(bus, lun->path);
}

void bus_lun_announce_removal(BusLun *lun, sd_bus *bus) {
        if (bus)
                (void) sd_bus_emit_object_removed(bus, lun->path);
}

BusLun *bus_lun_find(BusService *service, const char *path) {
        LIST_FOR_EACH (node, &service->devices) {
                BusDevice *device = list_entry(node, BusDevice, node);

                for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                        if (device->luns[i] && strcmp(device->luns[i]->path, path) == 0)
                                return device->luns[i];
        }
        return NULL;
}

/* Userdata of its vtables are the facts, where the offsets of properties begin. */
static int find_lun(sd_bus *bus, const char *path, const char *interface, void *userdata,
                    void **ret_found, sd_bus_error *ret_error) {
        BusLun *lun = bus_lun_find(userdata, path);

        if (!lun)
                return 0;
        *ret_found = &lun->facts;
        return 1;
}

static int find_optical(sd_bus *bus, const char *path, const char *interface, void *userdata,
                        void **ret_found, sd_bus_error *ret_error) {
        int r = find_lun(bus, path, interface, userdata, ret_found, ret_error);

        return r > 0 && !((const BusLunFacts *) *ret_found)->is_optical ? 0 : r;
}

int bus_lun_attach(BusService *service, sd_bus *bus) {
        int r;

        r = sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service), BUS_SERVICE_DEVICES_PATH,
                                       BUS_LUN_INTERFACE, lun_vtable, find_lun, service);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service), BUS_SERVICE_DEVICES_PATH,
                                       BUS_LUN_SCSI_INTERFACE, scsi_vtable, find_lun, service);
        if (r < 0)
                return r;
        return bus_optical_attach(service, bus, find_optical);
}
