#pragma once

/*
 * BusLun
 *
 * A logical unit's object: <device>/lun<N>, with the interfaces Lun and Scsi, and Optical where it
 * is such a drive.
 */

#include "control/control_message.h"
#include "dbus/bus_service_internal.h"
#include "dbus/bus_smart.h"
#include "device/device_view.h"

#define BUS_LUN_INTERFACE BUS_SERVICE_NAME ".Lun"
#define BUS_LUN_SCSI_INTERFACE BUS_SERVICE_NAME ".Scsi"

/* What the properties are read from. */
typedef struct BusLunFacts {
        char device_path[BUS_PATH_SIZE_MAX];
        char kind[16];
        char vendor[16];
        char model[32];
        char revision[16];
        char serial[80];
        char wwn[48];
        char profile[16];
        char tray[16];
        char export_name[CONTROL_NAME_SIZE_MAX];
        char last_sense[CONTROL_SENSE_TEXT_SIZE];
        uint64_t size;
        uint64_t export_number;
        uint32_t number;
        uint32_t block_size;
        uint32_t physical_block_size;
        uint32_t n_clients;
        uint32_t n_data_tracks;
        uint32_t n_audio_tracks;
        int32_t rotation_rate;
        uint32_t mounts; /* how often they changed */
        int is_removable;
        int has_medium;
        int is_read_only;
        int is_rotational;
        int can_trim;
        int has_fua;
        int can_unmap;
        int has_synchronize_cache;
        int is_blank;
        int is_locked;
        int can_eject;
        bool is_optical;
        uint8_t peripheral_type;
        uint8_t version;
} BusLunFacts;

struct BusLun {
        BusLunFacts facts;
        BusSmartFacts smart;
        BusDevice *device; /* borrowed */
        BusSubject subject;
        char path[BUS_PATH_SIZE_MAX];
        bool is_dirty;
};

/* -ENOENT: the manager has no such LUN. */
int bus_lun_new(BusLun **ret, BusDevice *device, unsigned number);
BusLun *bus_lun_free(BusLun *lun);
DEFINE_CLEANUP(BusLun *, bus_lun_free);

/* NULL: there is none. */
BusLun *bus_lun_find(BusService *service, const char *path);
/* Its device has another path. */
void bus_lun_set_path(BusLun *lun);
/* Looks at the unit anew, and announces on `bus` (NULL: on none) what has changed. */
void bus_lun_update(BusLun *lun, sd_bus *bus);
void bus_lun_announce(BusLun *lun, sd_bus *bus);
void bus_lun_announce_removal(BusLun *lun, sd_bus *bus);
int bus_lun_attach(BusService *service, sd_bus *bus);
