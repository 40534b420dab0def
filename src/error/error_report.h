#pragma once

/*
 * ErrorReport
 *
 * The one line that a failure leaves in the log, whatever was done about it: which command, what
 * the device said, in words, and what came of it.
 */

#include "scsi/scsi_target.h"

/* Of a command that ends, with whatever result; silent where nothing was wrong, or where somebody
 * else told. */
void error_report_end(const ScsiTarget *target, const ScsiCommand *command);
/* Of a failure that an earlier write is to blame for. */
void error_report_deferred(const ScsiTarget *target, const ScsiCommand *command);
