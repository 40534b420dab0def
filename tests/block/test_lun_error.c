/* What devices answer, in errno. */

#include <errno.h>

#include "block/lun_error.h"
#include "unit_test.h"

START_TEST(each_result_has_one_error) {
        static const int expected[_SCSI_RESULT_MAX] = {
                [SCSI_RESULT_GOOD] = 0,
                [SCSI_RESULT_CHECK_CONDITION] = -EIO,
                [SCSI_RESULT_BUSY] = -EIO,
                [SCSI_RESULT_RESERVED] = -EPERM,
                [SCSI_RESULT_TRANSPORT_ERROR] = -EIO,
                [SCSI_RESULT_TIMED_OUT] = -ETIMEDOUT,
                [SCSI_RESULT_INVALID] = -EINVAL,
                [SCSI_RESULT_NO_MEMORY] = -ENOMEM,
                [SCSI_RESULT_CANCELLED] = -ECANCELED,
                [SCSI_RESULT_GONE] = -ESHUTDOWN,
        };

        for (ScsiResult result = 0; result < _SCSI_RESULT_MAX; result++) {
                ScsiCommand command = { .result = result,
                                        .sense.key = SCSI_SENSE_KEY_HARDWARE_ERROR };

                ck_assert_int_eq(lun_error_from_command(&command), expected[result]);
        }
}
END_TEST

START_TEST(sense_decides_where_there_is_some) {
        static const struct {
                ScsiSenseKey key;
                uint8_t asc, ascq;
                int error;
                bool is_unsupported;
        } table[] = {
                { SCSI_SENSE_KEY_NO_SENSE, 0, 0x1D, -EIO, false },
                { SCSI_SENSE_KEY_RECOVERED_ERROR, 0x17, 1, 0, false },
                { SCSI_SENSE_KEY_NOT_READY, 0x3A, 0, -EIO, false },
                { SCSI_SENSE_KEY_MEDIUM_ERROR, 0x11, 0, -EIO, false },
                { SCSI_SENSE_KEY_ILLEGAL_REQUEST, 0x21, 0, -EIO, false },
                { SCSI_SENSE_KEY_ILLEGAL_REQUEST, 0x20, 0, -EIO, true },
                { SCSI_SENSE_KEY_ILLEGAL_REQUEST, 0x24, 0, -EIO, true },
                { SCSI_SENSE_KEY_DATA_PROTECT, 0x27, 0, -EPERM, false },
                { SCSI_SENSE_KEY_DATA_PROTECT, 0x27, 7, -ENOSPC, false },
                { SCSI_SENSE_KEY_VOLUME_OVERFLOW, 0, 0, -ENOSPC, false },
                { SCSI_SENSE_KEY_ABORTED_COMMAND, 0x20, 0, -EIO, false },
        };

        for (size_t i = 0; i < N_ELEMENTS(table); i++) {
                ScsiCommand command = {
                        .result = SCSI_RESULT_CHECK_CONDITION,
                        .sense = { .key = table[i].key,
                                   .asc = table[i].asc,
                                   .ascq = table[i].ascq },
                };

                ck_assert_int_eq(lun_error_from_command(&command), table[i].error);
                ck_assert_int_eq(lun_error_is_unsupported(&command), table[i].is_unsupported);
        }
}
END_TEST

/* How QEMU, and bridges that know nothing better, tell of a block that can't be read. */
START_TEST(an_io_process_that_was_terminated_is_of_the_medium) {
        ScsiCommand command = { .result = SCSI_RESULT_CHECK_CONDITION,
                                .sense = { .key = SCSI_SENSE_KEY_ABORTED_COMMAND, .ascq = 0x06 } };

        ck_assert(lun_error_is_of_medium(&command));
        command.sense.ascq = 0;
        ck_assert(!lun_error_is_of_medium(&command));
        command.sense.ascq = 0x06;
        command.sense.is_deferred = true;
        ck_assert(!lun_error_is_of_medium(&command));
        command.sense.is_deferred = false;
        command.sense.key = SCSI_SENSE_KEY_HARDWARE_ERROR;
        ck_assert(!lun_error_is_of_medium(&command));
}
END_TEST

START_TEST(a_bad_block_counts_only_within_the_command) {
        ScsiCommand command = { .result = SCSI_RESULT_CHECK_CONDITION,
                                .sense = { .key = SCSI_SENSE_KEY_MEDIUM_ERROR,
                                           .has_information = true,
                                           .information = 107 } };
        uint64_t lba = 0;

        ck_assert(lun_error_get_bad_block(&command, 100, 8, &lba));
        ck_assert_uint_eq(lba, 107);
        ck_assert(!lun_error_get_bad_block(&command, 100, 7, &lba));
        ck_assert(!lun_error_get_bad_block(&command, 108, 8, &lba));
        command.sense.has_information = false;
        ck_assert(!lun_error_get_bad_block(&command, 100, 8, &lba));
        command.sense.has_information = true;
        command.sense.is_deferred = true;
        ck_assert(!lun_error_get_bad_block(&command, 100, 8, &lba));
        command.sense.is_deferred = false;
        command.sense.key = SCSI_SENSE_KEY_HARDWARE_ERROR;
        ck_assert(!lun_error_get_bad_block(&command, 100, 8, &lba));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                each_result_has_one_error,
                sense_decides_where_there_is_some,
                an_io_process_that_was_terminated_is_of_the_medium,
                a_bad_block_counts_only_within_the_command,
                NULL,
        };

        return run_suite(suite_of("lun_error", tests));
}
