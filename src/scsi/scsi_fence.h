#pragma once

/*
 * ScsiFence
 *
 * Where a device has several commands at once, a reset that it tells of by one of them (UNIT
 * ATTENTION 29h, SPC-4) may have come before a SYNCHRONIZE CACHE whose success is told first: that
 * synchronised nothing. So a SYNCHRONIZE CACHE that succeeded is held until all commands of its LUN
 * have come back that were at the device with it.
 */

#include "base/list.h"
#include "scsi/scsi_command.h"

typedef struct ScsiFence {
        ListNode held;      /* ScsiCommand::node */
        uint64_t last_sent; /* numbers all commands, of all LUNs */
} ScsiFence;

void scsi_fence_init(ScsiFence *fence);
/* It is at the device now. */
void scsi_fence_note_sent(ScsiFence *fence, ScsiCommand *command);
/* Whether the command, which has succeeded, must wait for `n_others` of its LUN; it is in no list
 * before, and then in `held`. */
bool scsi_fence_holds(ScsiFence *fence, ScsiCommand *command, unsigned n_others);
/* A command has come back; without a status it is not known what it would have told. */
void scsi_fence_note_back(ScsiFence *fence, uint8_t lun, uint64_t sent_number, bool has_status);
/* One that need not wait any longer, out of its list; NULL: there is none. */
ScsiCommand *scsi_fence_take(ScsiFence *fence);
