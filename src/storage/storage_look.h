#pragma once

/*
 * StorageLook
 *
 * What a task learns that looks at one unit: what is there, or only whether that is write protected.
 * Private to storage.
 */

#include "scsi/scsi_bring_up.h"
#include "storage/storage_unit.h"

typedef struct StorageLook {
        StorageUnit *unit;  /* borrowed */
        ScsiTarget *target; /* borrowed */
        ScsiBringUpOptions options;
        ScsiDisk disk;
        ScsiBringUpResult result;
        bool is_read_only; /* of a look at the modes alone */
} StorageLook;

/* TaskMain, with a StorageLook. A change from then on is not in what is learned. */
int storage_look_run(Task *task, void *userdata);
int storage_look_at_modes(Task *task, void *userdata);

/* Whether bring-up came so far that INQUIRY was answered. */
bool storage_look_has_identity(const StorageLook *look);
/* Of a look at the modes: whether the unit must be looked at as a whole. */
bool storage_look_has_news(const StorageLook *look);
