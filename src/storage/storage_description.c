/* All of it is made anew each time, and compared. */

#include "storage/storage_description.h"

#include <stdio.h>
#include <string.h>

#include "block/lun.h"
#include "storage/storage_manager_internal.h"

static uint32_t describe_degradations(const StorageManager *manager,
                                      const StorageStackFacts *facts) {
        uint32_t degradations = 0;

        if (facts->has_given_up_uas)
                degradations |= CONTROL_DEGRADATION_NO_UAS;
        if (manager->cache && manager->options.cache.mode == CACHE_MODE_WRITE_BACK &&
            cache_manager_get_mode(manager->cache) != CACHE_MODE_WRITE_BACK)
                degradations |= CONTROL_DEGRADATION_WRITE_THROUGH;
        return degradations;
}

/* While the device is away its transport is what it was. */
static void describe_device(const StorageManager *manager, ControlDeviceInfo *ret) {
        ErrorHandler *handler =
                        manager->stack ? storage_stack_get_error_handler(manager->stack) : NULL;
        StorageStackFacts facts = { 0 };

        memset(ret, 0, sizeof(*ret));
        ret->protocol = manager->described.device.protocol;
        ret->quirks = manager->options.quirks;
        ret->cache_mode = CACHE_MODE_OFF;
        ret->n_resets = manager->n_resets;
        ret->has_cache = manager->cache != NULL;
        if (handler) {
                const ScsiTarget *target = error_handler_get_target(handler);

                facts = storage_stack_get_facts(manager->stack);
                ret->protocol = storage_stack_get_state(manager->stack).protocol;
                ret->transfer_size_max = (uint32_t) target->transfer_size_max;
                ret->n_in_flight_max = target->n_in_flight_max;
                ret->is_pipelined = storage_stack_get_state(manager->stack).is_pipelined;
        }
        if (manager->cache)
                ret->cache_mode = cache_manager_get_mode(manager->cache);
        ret->degradations = describe_degradations(manager, &facts);
}

static ControlLunKind get_kind(const StorageManager *manager, const ScsiDisk *disk) {
        if (disk->device_type == SCSI_DEVICE_TYPE_OPTICAL)
                return CONTROL_LUN_KIND_OPTICAL;
        if (disk->device_type != SCSI_DEVICE_TYPE_DISK && disk->device_type != SCSI_DEVICE_TYPE_RBC)
                return CONTROL_LUN_KIND_OTHER;
        if (!manager->stack)
                return (ControlLunKind) manager->described.luns[disk->lun].kind;
        return storage_stack_get_command_set(manager->stack) == SCSI_COMMAND_SET_UFI
                               ? CONTROL_LUN_KIND_FLOPPY
                               : CONTROL_LUN_KIND_DISK;
}

static void describe_unit(const StorageUnit *unit, ControlLunInfo *ret) {
        const BlockInfo *info = block_device_get_info(unit->block);

        ret->size = info->size;
        ret->block_size = info->block_size;
        ret->physical_block_size = unit->disk.physical_block_size;
        ret->is_read_only = info->is_read_only;
        ret->can_trim = info->can_trim;
        ret->n_clients = unit->n_sessions;
        if (!unit->lun_device)
                return;

        LunCondition condition = lun_get_condition(unit->lun_device);

        if (condition.is_shortened)
                ret->degradations |= CONTROL_DEGRADATION_SHORT_TRANSFERS;
        if (condition.is_read_only)
                ret->degradations |= CONTROL_DEGRADATION_READ_ONLY;
        if (lun_get_facts(unit->lun_device).is_unmap_refused)
                ret->degradations |= CONTROL_DEGRADATION_NO_TRIM;
}

/* What the layers below made printable stays so whatever they do one day. */
static void copy_text(char *to, size_t size, const char *from) {
        snprintf(to, size, "%s", from);
        for (; *to != '\0'; to++)
                if (*to < ' ' || *to > '~')
                        *to = '?';
}

static void describe_sense(const StorageManager *manager, ControlLunInfo *ret) {
        ErrorHandler *handler =
                        manager->stack ? storage_stack_get_error_handler(manager->stack) : NULL;
        const ScsiSense *sense =
                        handler ? error_handler_get_last_sense(handler, (uint8_t) ret->lun) : NULL;
        char text[SCSI_SENSE_TEXT_SIZE];

        if (!handler)
                memcpy(ret->last_sense, manager->described.luns[ret->lun].last_sense,
                       sizeof(ret->last_sense));
        if (sense)
                copy_text(ret->last_sense, sizeof(ret->last_sense),
                          scsi_sense_format(sense, text, sizeof(text)));
}

static ControlTray get_tray(const StorageMedium *medium) {
        if (!medium->is_tray_known)
                return CONTROL_TRAY_UNKNOWN;
        return medium->is_tray_open ? CONTROL_TRAY_OPEN : CONTROL_TRAY_CLOSED;
}

/* What it tells of itself without a disc is what it told before, if anything. */
static void describe_optical(const StorageUnit *unit, const ScsiDisk *disk, ControlLunInfo *ret) {
        ret->tray = get_tray(&unit->medium);
        ret->is_locked = unit->medium.is_locked;
        ret->can_eject = !disk->disc.cannot_eject;
        ret->has_medium |= unit->medium.is_present; /* blank ones and audio discs, too */
        if (ret->tray == CONTROL_TRAY_OPEN)
                return;
        ret->profile = disk->disc.profile;
        ret->is_blank = disk->disc.is_blank;
        ret->n_data_tracks = disk->disc.n_data_tracks;
        ret->n_audio_tracks = disk->disc.n_audio_tracks;
}

static int32_t get_rotation(const ScsiDisk *disk) {
        return disk->is_rotation_known ? disk->rotation_rpm : CONTROL_ROTATION_UNKNOWN;
}

static void describe_lun(const StorageManager *manager, unsigned lun, ControlLunInfo *ret) {
        const StorageUnit *unit = &manager->units[lun];
        const ScsiDisk *disk = unit->is_open ? &unit->disk : &unit->seen;

        memset(ret, 0, sizeof(*ret));
        ret->lun = lun;
        if (lun >= manager->n_units || !(unit->is_seen || unit->is_open))
                return;

        ret->is_present = true;
        ret->kind = get_kind(manager, disk);
        ret->peripheral_type = disk->device_type;
        ret->version = disk->scsi_version;
        ret->is_removable = disk->is_removable;
        ret->has_medium = disk->has_medium;
        ret->is_read_only = disk->is_read_only || manager->options.is_read_only;
        ret->is_rotational = disk->is_rotational;
        ret->rotation_rpm = get_rotation(disk);
        ret->has_fua = disk->has_fua;
        ret->can_unmap = disk->can_unmap;
        ret->has_synchronize_cache = !disk->has_no_synchronize;
        copy_text(ret->vendor, sizeof(ret->vendor), disk->vendor);
        copy_text(ret->model, sizeof(ret->model), disk->product);
        copy_text(ret->revision, sizeof(ret->revision), disk->revision);
        copy_text(ret->serial, sizeof(ret->serial), disk->serial);
        copy_text(ret->wwn, sizeof(ret->wwn), disk->wwn);
        if (ret->kind == CONTROL_LUN_KIND_OPTICAL)
                describe_optical(unit, disk, ret);
        if (unit->is_open)
                describe_unit(unit, ret);
        describe_sense(manager, ret);
}

static void tell_device(StorageManager *manager) {
        StorageDescription *described = &manager->described;
        ControlDeviceInfo info;

        describe_device(manager, &info);
        if (described->has_device && memcmp(&info, &described->device, sizeof(info)) == 0)
                return;
        described->device = info;
        described->has_device = true;
        if (manager->handlers->device_described)
                manager->handlers->device_described(manager, &described->device, manager->userdata);
        described->next_ns = event_loop_now_ns(manager->loop) + STORAGE_DESCRIPTION_PERIOD_NS;
}

static void tell_lun(StorageManager *manager, unsigned lun) {
        StorageDescription *described = &manager->described;
        ControlLunInfo info;

        describe_lun(manager, lun, &info);
        /* One that was never there is not told of. */
        if (!info.is_present && !described->luns[lun].is_present)
                return;
        if (memcmp(&info, &described->luns[lun], sizeof(info)) == 0)
                return;
        described->luns[lun] = info;
        if (manager->handlers->lun_described)
                manager->handlers->lun_described(manager, &described->luns[lun], manager->userdata);
        described->next_ns = event_loop_now_ns(manager->loop) + STORAGE_DESCRIPTION_PERIOD_NS;
}

void storage_description_update_now(StorageManager *manager) {
        tell_device(manager);
        for (unsigned lun = 0; lun < STORAGE_LUNS_MAX; lun++)
                tell_lun(manager, lun);
}

uint64_t storage_description_update(StorageManager *manager) {
        StorageDescription *described = &manager->described;

        if (event_loop_now_ns(manager->loop) < described->next_ns)
                return described->next_ns;
        storage_description_update_now(manager);
        return TASK_NEVER;
}
