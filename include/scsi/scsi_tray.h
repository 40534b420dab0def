#pragma once

/*
 * ScsiTray
 *
 * Opens and closes the tray of an optical drive, or takes a medium out and in where there is none.
 */

#include "scsi/scsi_target.h"

/*
 * Waits until the drive is done. GOOD also where there was nothing to do; CHECK_CONDITION with
 * `ret_sense`, such as ILLEGAL REQUEST 53/02 while removal is prevented. The medium's user has
 * flushed it before.
 */
ScsiResult scsi_tray_set_open(Task *task, ScsiTarget *target, uint8_t lun, bool is_open,
                              ScsiSense *ret_sense);
