/* Command blocks as each subclass wants them, and what an interrupt may say. */

#include <check.h>
#include <string.h>

#include "base/macros.h"
#include "transport/cbi_protocol.h"

#define SCSI 0x06
#define UFI 0x04

typedef struct StatusCase {
        uint8_t subclass;
        uint8_t opcode;
        uint8_t bytes[4];
        size_t size;
        CbiStatus status;
} StatusCase;

static const StatusCase statuses[] = {
        { SCSI, 0x28, { 0x00, 0x00 }, 2, CBI_STATUS_PASSED },
        { SCSI, 0x28, { 0x00, 0x01 }, 2, CBI_STATUS_FAILED },
        { SCSI, 0x28, { 0x00, 0x02 }, 2, CBI_STATUS_PHASE_ERROR },
        { SCSI, 0x28, { 0x00, 0x03 }, 2, CBI_STATUS_FAILED },
        { SCSI, 0x28, { 0x00, 0x04 }, 2, CBI_STATUS_INVALID },
        { SCSI, 0x28, { 0x00, 0xF0 }, 2, CBI_STATUS_PASSED },
        { SCSI, 0x28, { 0x00, 0xF1 }, 2, CBI_STATUS_FAILED },
        { SCSI, 0x28, { 0x01, 0x00 }, 2, CBI_STATUS_INVALID },
        { SCSI, 0x28, { 0x00 }, 1, CBI_STATUS_INVALID },
        { SCSI, 0x28, { 0x00 }, 0, CBI_STATUS_INVALID },
        { SCSI, 0x28, { 0x00, 0x00, 0xFF, 0xFF }, 4, CBI_STATUS_PASSED },
        { SCSI, 0x03, { 0x00, 0x01 }, 2, CBI_STATUS_FAILED },
        { UFI, 0x28, { 0x00, 0x00 }, 2, CBI_STATUS_PASSED },
        { UFI, 0x28, { 0x29, 0x00 }, 2, CBI_STATUS_FAILED },
        { UFI, 0x28, { 0x00, 0x05 }, 2, CBI_STATUS_FAILED },
        { UFI, 0x03, { 0x29, 0x00 }, 2, CBI_STATUS_PASSED },
        { UFI, 0x12, { 0x29, 0x00 }, 2, CBI_STATUS_PASSED },
        { UFI, 0x03, { 0x29 }, 1, CBI_STATUS_INVALID },
};

START_TEST(a_status_is_what_the_command_set_makes_of_it) {
        const StatusCase *test = &statuses[_i];

        ck_assert_int_eq(cbi_protocol_decode_status(test->subclass, test->opcode, test->bytes,
                                                    test->size),
                         test->status);
}
END_TEST

START_TEST(command_blocks_are_padded_where_the_command_set_wants_it) {
        static const struct {
                uint8_t subclass;
                size_t size;
                size_t encoded_size;
        } blocks[] = {
                { 0x01, 6, 6 },   { 0x02, 6, 12 }, { 0x04, 6, 12 },  { 0x04, 10, 12 },
                { 0x05, 12, 12 }, { 0x06, 6, 6 },  { 0x06, 16, 16 }, { 0x04, 16, 0 },
                { 0x05, 16, 0 },  { 0x06, 17, 0 },
        };
        uint8_t command[17], block[CBI_COMMAND_SIZE_MAX];

        for (size_t i = 0; i < N_ELEMENTS(blocks); i++) {
                size_t n;

                memset(command, 0xA5, sizeof(command));
                memset(block, 0xEE, sizeof(block));
                n = cbi_protocol_encode_command(block, blocks[i].subclass, command, blocks[i].size);
                ck_assert_uint_eq(n, blocks[i].encoded_size);
                for (size_t j = 0; j < n; j++)
                        ck_assert_uint_eq(block[j], j < blocks[i].size ? 0xA5 : 0);
        }
}
END_TEST

START_TEST(a_reset_is_a_command_block_that_no_command_is) {
        static const uint8_t expected[] = { 0x1D, 0x04, 0xFF, 0xFF, 0xFF, 0xFF,
                                            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
        uint8_t block[CBI_COMMAND_SIZE_PADDED];

        cbi_protocol_encode_reset(block);
        ck_assert_mem_eq(block, expected, sizeof(block));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cbi_protocol");
        TCase *tcase = tcase_create("cbi_protocol");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, a_status_is_what_the_command_set_makes_of_it, 0,
                            N_ELEMENTS(statuses));
        tcase_add_test(tcase, command_blocks_are_padded_where_the_command_set_wants_it);
        tcase_add_test(tcase, a_reset_is_a_command_block_that_no_command_is);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
