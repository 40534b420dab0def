#pragma once

/*
 * ScsiDanger
 *
 * What a command can do at the worst, in growing order.
 */

typedef enum ScsiDanger {
        SCSI_DANGER_NONE,       /* reads state */
        SCSI_DANGER_READS_DATA, /* reads the medium */
        SCSI_DANGER_CHANGES_STATE,
        SCSI_DANGER_WRITES_DATA, /* changes the medium */
        SCSI_DANGER_DESTROYS,    /* may lose data beyond what it names, or the device */
        SCSI_DANGER_BLOCKED,     /* never from outside: it would take the device from this driver */
        _SCSI_DANGER_MAX,
} ScsiDanger;

/* As the end of a sentence whose subject is the command: "writes to the medium". */
const char *scsi_danger_to_string(ScsiDanger danger);
