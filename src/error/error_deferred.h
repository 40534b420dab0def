#pragma once

/*
 * ErrorDeferred
 *
 * Deferred errors (SPC-4, "Deferred errors") that no flush has told yet, one for each unit. Plain
 * data, initially zero.
 *
 * A deferred error is of a write that the device had acknowledged. The command that happens to
 * bring it is tried again, and the next flush of the unit that would succeed fails with it instead.
 */

#include "scsi/scsi_processor.h"

typedef struct ErrorDeferred {
        uint16_t luns; /* a bit for each that has one */
        ScsiSense sense[SCSI_PROCESSOR_LUNS_MAX];
} ErrorDeferred;

/* Of a command that failed. True: it told of a write that is lost. */
bool error_deferred_note(ErrorDeferred *deferred, const ScsiCommand *command);
/*
 * A command that ends fails if it is the flush that has to tell: also one that the device does not
 * know, which would pass for a success.
 */
void error_deferred_apply(ErrorDeferred *deferred, ScsiCommand *command);
