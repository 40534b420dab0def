/*
 * Results and sense keys (SPC-4, "Sense key and sense code") to errno. Whether something is worth
 * another try was decided below: what arrives here is final.
 */

#include <errno.h>

#include "block/lun_error.h"

#define SPACE_ALLOCATION_FAILED_WRITE_PROTECT 0x2707
#define INVALID_COMMAND_OPERATION_CODE 0x2000
#define INVALID_FIELD_IN_CDB 0x2400
#define INVALID_FIELD_IN_PARAMETER_LIST 0x2600
#define IO_PROCESS_TERMINATED 0x0006

static int error_from_sense(const ScsiSense *sense) {
        switch (sense->key) {
        case SCSI_SENSE_KEY_RECOVERED_ERROR:
        case SCSI_SENSE_KEY_COMPLETED:
                return 0;
        case SCSI_SENSE_KEY_DATA_PROTECT:
                return SCSI_ASC_ASCQ(sense) == SPACE_ALLOCATION_FAILED_WRITE_PROTECT ? -ENOSPC
                                                                                     : -EPERM;
        case SCSI_SENSE_KEY_VOLUME_OVERFLOW:
                return -ENOSPC;
        case SCSI_SENSE_KEY_NO_SENSE: /* a failure all the same: nobody knows the data */
        case SCSI_SENSE_KEY_NOT_READY:
        case SCSI_SENSE_KEY_MEDIUM_ERROR:
        case SCSI_SENSE_KEY_HARDWARE_ERROR:
        case SCSI_SENSE_KEY_ILLEGAL_REQUEST:
        case SCSI_SENSE_KEY_UNIT_ATTENTION:
        case SCSI_SENSE_KEY_BLANK_CHECK:
        case SCSI_SENSE_KEY_VENDOR_SPECIFIC:
        case SCSI_SENSE_KEY_COPY_ABORTED:
        case SCSI_SENSE_KEY_ABORTED_COMMAND:
        case SCSI_SENSE_KEY_RESERVED:
        case SCSI_SENSE_KEY_MISCOMPARE:
                return -EIO;
        case _SCSI_SENSE_KEY_MAX:
                break;
        }
        assert_not_reached();
}

int lun_error_from_command(const ScsiCommand *command) {
        switch (command->result) {
        case SCSI_RESULT_GOOD:
                return 0;
        case SCSI_RESULT_CHECK_CONDITION:
                return error_from_sense(&command->sense);
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_TRANSPORT_ERROR:
                return -EIO;
        case SCSI_RESULT_RESERVED:
                return -EPERM;
        case SCSI_RESULT_TIMED_OUT:
                return -ETIMEDOUT;
        case SCSI_RESULT_INVALID:
                return -EINVAL;
        case SCSI_RESULT_NO_MEMORY:
                return -ENOMEM;
        case SCSI_RESULT_CANCELLED:
                return -ECANCELED;
        case SCSI_RESULT_GONE:
                return -ESHUTDOWN;
        case _SCSI_RESULT_MAX:
                break;
        }
        assert_not_reached();
}

bool lun_error_is_unsupported(const ScsiCommand *command) {
        uint16_t asc_ascq = SCSI_ASC_ASCQ(&command->sense);

        return command->result == SCSI_RESULT_CHECK_CONDITION &&
               command->sense.key == SCSI_SENSE_KEY_ILLEGAL_REQUEST &&
               (asc_ascq == INVALID_COMMAND_OPERATION_CODE || asc_ascq == INVALID_FIELD_IN_CDB ||
                asc_ascq == INVALID_FIELD_IN_PARAMETER_LIST);
}

/* I/O PROCESS TERMINATED is how QEMU, and bridges that know nothing better, tell of bad blocks. */
bool lun_error_is_of_medium(const ScsiCommand *command) {
        const ScsiSense *sense = &command->sense;

        return command->result == SCSI_RESULT_CHECK_CONDITION && !sense->is_deferred &&
               (sense->key == SCSI_SENSE_KEY_MEDIUM_ERROR ||
                (sense->key == SCSI_SENSE_KEY_ABORTED_COMMAND &&
                 SCSI_ASC_ASCQ(sense) == IO_PROCESS_TERMINATED));
}

bool lun_error_get_bad_block(const ScsiCommand *command, uint64_t lba, uint32_t n_blocks,
                             uint64_t *ret_lba) {
        const ScsiSense *sense = &command->sense;

        if (!lun_error_is_of_medium(command) || !sense->has_information)
                return false;
        if (sense->information < lba || sense->information - lba >= n_blocks)
                return false;
        *ret_lba = sense->information;
        return true;
}
