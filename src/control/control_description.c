/* What may be believed of a worker's descriptions, and their words. */

#include "control/control_description.h"

#include "control/control_text.h"
#include "usb/usb_quirks.h"

#define PERIPHERAL_TYPE_MAX 0x1F

bool control_device_info_is_valid(const ControlDeviceInfo *info) {
        return info->protocol < _USB_STORAGE_PROTOCOL_MAX &&
               (info->quirks & ~USB_QUIRKS_ALL) == 0 &&
               (info->degradations & ~CONTROL_DEGRADATIONS_ALL) == 0 &&
               info->cache_mode < _CACHE_MODE_MAX && control_is_bool(info->has_cache) &&
               control_is_bool(info->is_pipelined);
}

static bool has_valid_flags(const ControlLunInfo *info) {
        return control_is_bool(info->is_present) && control_is_bool(info->is_removable) &&
               control_is_bool(info->has_medium) && control_is_bool(info->is_read_only) &&
               control_is_bool(info->is_rotational) && control_is_bool(info->can_trim) &&
               control_is_bool(info->has_fua) && control_is_bool(info->can_unmap) &&
               control_is_bool(info->has_synchronize_cache) && control_is_bool(info->is_blank) &&
               control_is_bool(info->is_locked) && control_is_bool(info->can_eject);
}

static bool has_valid_texts(const ControlLunInfo *info) {
        return CONTROL_TEXT_IS_PRINTABLE(info->vendor) && CONTROL_TEXT_IS_PRINTABLE(info->model) &&
               CONTROL_TEXT_IS_PRINTABLE(info->revision) &&
               CONTROL_TEXT_IS_PRINTABLE(info->serial) && CONTROL_TEXT_IS_PRINTABLE(info->wwn) &&
               CONTROL_TEXT_IS_PRINTABLE(info->last_sense);
}

bool control_lun_info_is_valid(const ControlLunInfo *info) {
        return info->lun < CONTROL_LUNS_MAX && info->kind < _CONTROL_LUN_KIND_MAX &&
               info->peripheral_type <= PERIPHERAL_TYPE_MAX && info->tray < _CONTROL_TRAY_MAX &&
               info->rotation_rpm >= CONTROL_ROTATION_UNKNOWN &&
               (info->degradations & ~CONTROL_DEGRADATIONS_ALL) == 0 && has_valid_flags(info) &&
               has_valid_texts(info);
}

const char *control_degradation_to_string(ControlDegradation degradation) {
        switch (degradation) {
        case CONTROL_DEGRADATION_NO_UAS:
                return "driven by Bulk-Only";
        case CONTROL_DEGRADATION_SHORT_TRANSFERS:
                return "short transfers";
        case CONTROL_DEGRADATION_READ_ONLY:
                return "read-only";
        case CONTROL_DEGRADATION_WRITE_THROUGH:
                return "write-through";
        case CONTROL_DEGRADATION_NO_TRIM:
                return "no TRIM";
        }
        assert_not_reached();
}

const char *control_lun_kind_to_string(ControlLunKind kind) {
        static const char *const names[_CONTROL_LUN_KIND_MAX] = {
                [CONTROL_LUN_KIND_DISK] = "disk",
                [CONTROL_LUN_KIND_OPTICAL] = "optical",
                [CONTROL_LUN_KIND_FLOPPY] = "floppy",
                [CONTROL_LUN_KIND_OTHER] = "other",
        };

        assert(kind < _CONTROL_LUN_KIND_MAX);
        return names[kind];
}

const char *control_tray_to_string(ControlTray tray) {
        static const char *const names[_CONTROL_TRAY_MAX] = {
                [CONTROL_TRAY_UNKNOWN] = "unknown",
                [CONTROL_TRAY_OPEN] = "open",
                [CONTROL_TRAY_CLOSED] = "closed",
        };

        assert(tray < _CONTROL_TRAY_MAX);
        return names[tray];
}

/* MMC-6, table "Profile list". */
const char *control_lun_info_profile_to_string(uint16_t profile) {
        static const struct {
                uint16_t profile;
                const char *name;
        } names[] = {
                { 0x0000, "" },
                { 0x0001, "fixed disk" },
                { 0x0002, "removable disk" },
                { 0x0003, "MO erasable" },
                { 0x0004, "MO write once" },
                { 0x0005, "AS-MO" },
                { 0x0008, "CD-ROM" },
                { 0x0009, "CD-R" },
                { 0x000A, "CD-RW" },
                { 0x0010, "DVD-ROM" },
                { 0x0011, "DVD-R" },
                { 0x0012, "DVD-RAM" },
                { 0x0013, "DVD-RW" },
                { 0x0014, "DVD-RW" },
                { 0x0015, "DVD-R DL" },
                { 0x0016, "DVD-R DL" },
                { 0x0017, "DVD-RW DL" },
                { 0x001A, "DVD+RW" },
                { 0x001B, "DVD+R" },
                { 0x002A, "DVD+RW DL" },
                { 0x002B, "DVD+R DL" },
                { 0x0040, "BD-ROM" },
                { 0x0041, "BD-R" },
                { 0x0042, "BD-R" },
                { 0x0043, "BD-RE" },
                { 0x0050, "HD DVD-ROM" },
                { 0x0051, "HD DVD-R" },
                { 0x0052, "HD DVD-RAM" },
                { 0x0053, "HD DVD-RW" },
        };

        for (size_t i = 0; i < N_ELEMENTS(names); i++)
                if (names[i].profile == profile)
                        return names[i].name;
        return "other";
}
