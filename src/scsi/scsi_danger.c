/* The classes in words. */

#include "scsi/scsi_danger.h"

#include "base/macros.h"

const char *scsi_danger_to_string(ScsiDanger danger) {
        switch (danger) {
        case SCSI_DANGER_NONE:
                return "reads state";
        case SCSI_DANGER_READS_DATA:
                return "reads the medium";
        case SCSI_DANGER_CHANGES_STATE:
                return "changes the device's state";
        case SCSI_DANGER_WRITES_DATA:
                return "writes to the medium";
        case SCSI_DANGER_DESTROYS:
                return "may destroy data or the device";
        case SCSI_DANGER_BLOCKED:
                return "is never passed on";
        case _SCSI_DANGER_MAX:
                break;
        }
        assert_not_reached();
}
