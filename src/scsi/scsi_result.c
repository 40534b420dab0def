/* The names of results, for the log. */

#include "scsi/scsi_result.h"

#include "base/macros.h"

const char *scsi_result_to_string(ScsiResult result) {
        switch (result) {
        case SCSI_RESULT_GOOD:
                return "good";
        case SCSI_RESULT_CHECK_CONDITION:
                return "check condition";
        case SCSI_RESULT_BUSY:
                return "busy";
        case SCSI_RESULT_RESERVED:
                return "reserved";
        case SCSI_RESULT_TRANSPORT_ERROR:
                return "transport error";
        case SCSI_RESULT_TIMED_OUT:
                return "timed out";
        case SCSI_RESULT_INVALID:
                return "invalid";
        case SCSI_RESULT_NO_MEMORY:
                return "no memory";
        case SCSI_RESULT_CANCELLED:
                return "cancelled";
        case SCSI_RESULT_GONE:
                return "gone";
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}
