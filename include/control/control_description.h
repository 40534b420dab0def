#pragma once

/*
 * ControlDescription
 *
 * What a worker tells of its device and of each of its LUNs, at bring-up and whenever it changes.
 * Texts are printable ASCII: whoever passes them on need not look at them again.
 */

#include "cache/cache_manager.h"
#include "usb/usb_storage_device.h"

#define CONTROL_LUNS_MAX 16
#define CONTROL_SENSE_TEXT_SIZE 192

/* What works worse than it could, as a mask. */
typedef enum ControlDegradation {
        CONTROL_DEGRADATION_NO_UAS = 1 << 0, /* it offers UAS, but does not bear it */
        CONTROL_DEGRADATION_SHORT_TRANSFERS = 1 << 1,
        CONTROL_DEGRADATION_READ_ONLY = 1 << 2,     /* it refused writes */
        CONTROL_DEGRADATION_WRITE_THROUGH = 1 << 3, /* it was reset too often */
        CONTROL_DEGRADATION_NO_TRIM = 1 << 4,       /* its UNMAP failed when it was tried out */
} ControlDegradation;

#define CONTROL_DEGRADATIONS_N 5
#define CONTROL_DEGRADATIONS_ALL ((UINT32_C(1) << CONTROL_DEGRADATIONS_N) - 1)

typedef struct ControlDeviceInfo {
        uint32_t protocol;          /* UsbStorageProtocol */
        uint32_t transfer_size_max; /* bytes in one command; 0: the device is away */
        uint32_t n_in_flight_max;   /* commands at once */
        uint32_t quirks;            /* UsbQuirk */
        uint32_t degradations;      /* ControlDegradation */
        uint32_t cache_mode;        /* CacheMode, as it is now; without a cache: OFF */
        uint32_t n_resets;          /* so far, as far as is known */
        uint8_t has_cache;
        uint8_t is_pipelined; /* the parts of a command are sent at once (Bulk-Only) */
        uint8_t unused[2];    /* so that there is no padding: it can be compared as bytes */
} ControlDeviceInfo;

typedef enum ControlLunKind {
        CONTROL_LUN_KIND_DISK,
        CONTROL_LUN_KIND_OPTICAL,
        CONTROL_LUN_KIND_FLOPPY,
        CONTROL_LUN_KIND_OTHER,
        _CONTROL_LUN_KIND_MAX,
} ControlLunKind;

typedef enum ControlTray {
        CONTROL_TRAY_UNKNOWN, /* also: there is none */
        CONTROL_TRAY_OPEN,
        CONTROL_TRAY_CLOSED,
        _CONTROL_TRAY_MAX,
} ControlTray;

#define CONTROL_ROTATION_UNKNOWN (-1)

typedef struct ControlLunInfo {
        uint64_t size; /* bytes; 0: no medium */
        uint32_t lun;
        uint32_t kind;       /* ControlLunKind */
        uint32_t block_size; /* 0: no medium */
        uint32_t physical_block_size;
        uint32_t degradations; /* ControlDegradation: of this LUN */
        uint32_t n_clients;
        int32_t rotation_rpm; /* 0: it does not rotate; or UNKNOWN */
        uint16_t profile;     /* of the disc: MMC-6, "Profile list feature"; 0: none, or not told */
        uint8_t n_data_tracks;
        uint8_t n_audio_tracks;
        uint8_t is_blank; /* the disc */
        uint8_t tray;     /* ControlTray */
        uint8_t is_locked;
        uint8_t can_eject;
        uint8_t is_present; /* 0: there is no such unit (any more); the rest means nothing */
        uint8_t peripheral_type;
        uint8_t version; /* of the INQUIRY data */
        uint8_t is_removable;
        uint8_t has_medium;
        uint8_t is_read_only;
        uint8_t is_rotational;
        uint8_t can_trim;
        uint8_t has_fua;
        uint8_t can_unmap;
        uint8_t has_synchronize_cache;
        char vendor[9];
        char model[17];
        char revision[5];
        char serial[65];
        char wwn[33];                             /* hexadecimal; "": none */
        char last_sense[CONTROL_SENSE_TEXT_SIZE]; /* in words; "": none */
} ControlLunInfo;

_Static_assert(sizeof(ControlLunInfo) == 376, "it has padding and can't be compared as bytes");

bool control_device_info_is_valid(const ControlDeviceInfo *info);
bool control_lun_info_is_valid(const ControlLunInfo *info);
/* Of one bit, as words: "short transfers". */
const char *control_degradation_to_string(ControlDegradation degradation);
/* "disk" */
const char *control_lun_kind_to_string(ControlLunKind kind);
/* "open" */
const char *control_tray_to_string(ControlTray tray);
/* "DVD-ROM"; "": none. */
const char *control_lun_info_profile_to_string(uint16_t profile);
