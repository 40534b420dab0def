/* Looks at units: see storage_look.h. */

#include "storage/storage_look.h"

int storage_look_run(Task *task, void *userdata) {
        StorageLook *look = userdata;
        StorageUnit *unit = look->unit;

        unit->is_medium_changed = false;
        unit->is_mode_changed = false;
        unit->is_eject_wanted = false;
        unit->retry_ns = 0;
        look->result = scsi_bring_up(task, look->target, (uint8_t) unit->lun, &look->options,
                                     &look->disk);
        storage_medium_watch(&unit->medium, &look->disk,
                             look->result != SCSI_BRING_UP_RESULT_NO_MEDIUM);
        return 0;
}

int storage_look_at_modes(Task *task, void *userdata) {
        StorageLook *look = userdata;

        look->unit->is_mode_changed = false;
        look->unit->mode_ns = event_loop_now_ns(look->target->loop);
        look->result = scsi_bring_up_check_protection(task, look->target, &look->options,
                                                      &look->unit->disk, &look->is_read_only);
        return 0;
}

bool storage_look_has_identity(const StorageLook *look) {
        return look->result == SCSI_BRING_UP_RESULT_READY ||
               look->result == SCSI_BRING_UP_RESULT_NO_MEDIUM ||
               look->result == SCSI_BRING_UP_RESULT_UNSUPPORTED;
}

bool storage_look_has_news(const StorageLook *look) {
        return look->result == SCSI_BRING_UP_RESULT_NO_MEDIUM ||
               (look->result == SCSI_BRING_UP_RESULT_READY &&
                look->is_read_only != look->unit->disk.is_read_only);
}
