#pragma once

/*
 * LunError
 *
 * The one place where what a device answered becomes -errno. Private to block.
 */

#include "scsi/scsi_command.h"

/* 0, or one of BlockRequest::error. */
int lun_error_from_command(const ScsiCommand *command);
/* The device does not know this command, or not with these fields. */
bool lun_error_is_unsupported(const ScsiCommand *command);
/* Some of its blocks can't be read or written. */
bool lun_error_is_of_medium(const ScsiCommand *command);
/* The block that could not be read or written, if the device told one among `n_blocks` from `lba`
 * on. */
bool lun_error_get_bad_block(const ScsiCommand *command, uint64_t lba, uint32_t n_blocks,
                             uint64_t *ret_lba);
