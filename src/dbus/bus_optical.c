/* Discs and trays. */

#include "dbus/bus_optical.h"

#include "dbus/bus_device.h"
#include "dbus/bus_options.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_request.h"

#define FIELD(name) offsetof(BusLunFacts, name)

static int on_eject(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const BusLun *lun = container_of(userdata, BusLun, facts);
        int is_forced = false, r;
        const BusOption options[] = { { "force", 'b', &is_forced, NULL } };

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        return bus_request_ask(lun->device, message,
                               is_forced ? BUS_ACTION("eject-busy") : BUS_ACTION("eject"),
                               &(ControlRequest){
                                               .kind = CONTROL_REQUEST_KIND_EJECT,
                                               .lun = lun->facts.number,
                                               .flags = is_forced ? CONTROL_REQUEST_FORCE : 0,
                               },
                               ret_error);
}

static int on_close_tray(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const BusLun *lun = container_of(userdata, BusLun, facts);
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        return bus_request_ask(lun->device, message, BUS_ACTION("eject"),
                               &(ControlRequest){
                                               .kind = CONTROL_REQUEST_KIND_LOAD,
                                               .lun = lun->facts.number,
                               },
                               ret_error);
}

static const sd_bus_vtable optical_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Profile", "s", bus_properties_get_text, FIELD(profile),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Blank", "b", NULL, FIELD(is_blank), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DataTracks", "u", NULL, FIELD(n_data_tracks),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("AudioTracks", "u", NULL, FIELD(n_audio_tracks),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Tray", "s", bus_properties_get_text, FIELD(tray),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Locked", "b", NULL, FIELD(is_locked), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CanEject", "b", NULL, FIELD(can_eject),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("Eject", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, on_eject,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CloseTray", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                on_close_tray, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int bus_optical_attach(BusService *service, sd_bus *bus, sd_bus_object_find_t find_lun) {
        return sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service),
                                          BUS_SERVICE_DEVICES_PATH, BUS_OPTICAL_INTERFACE,
                                          optical_vtable, find_lun, service);
}

void bus_optical_announce_changes(const BusLun *lun, sd_bus *bus, const BusLunFacts *former) {
        if (lun->facts.is_optical)
                bus_service_announce_changes(bus, lun->path, BUS_OPTICAL_INTERFACE, optical_vtable,
                                             former, &lun->facts);
}
