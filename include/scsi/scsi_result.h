#pragma once

/*
 * ScsiResult
 *
 * How a command ended, in the words that all layers above the transport share.
 */

typedef enum ScsiResult {
        SCSI_RESULT_GOOD,
        SCSI_RESULT_CHECK_CONDITION, /* `sense` tells what */
        SCSI_RESULT_BUSY,            /* the device could not take it now */
        SCSI_RESULT_RESERVED,        /* another initiator has the unit for itself */
        SCSI_RESULT_TRANSPORT_ERROR, /* no proper answer; the device needs, or resisted, recovery */
        SCSI_RESULT_TIMED_OUT,
        SCSI_RESULT_INVALID,   /* not sent: it does not agree with itself or with the unit */
        SCSI_RESULT_NO_MEMORY, /* the host could not transfer this much at once */
        SCSI_RESULT_CANCELLED,
        SCSI_RESULT_GONE, /* unplugged */
        _SCSI_RESULT_MAX,
} ScsiResult;

const char *scsi_result_to_string(ScsiResult result);
