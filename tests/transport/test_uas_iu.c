/* UAS's information units as bytes (T10/2095-D, revision 04, 6.2), and the states of a tag. */

#include <check.h>
#include <string.h>

#include "base/macros.h"
#include "transport/uas_iu.h"
#include "transport/uas_task.h"

START_TEST(a_command_iu_is_laid_out_as_specified) {
        static const uint8_t cdb[] = { 0x28, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
        static const uint8_t expected[UAS_IU_COMMAND_SIZE] = {
                0x01, 0, 0x01, 0x02, 0, 0, 0, 0,             /* id, tag, SIMPLE */
                0,    9, 0,    0,    0, 0, 0, 0,             /* LUN */
                0x28, 1, 2,    3,    4, 5, 6, 7, 8, 9, 0, 0, /* CDB */
        };
        uint8_t bytes[UAS_IU_COMMAND_SIZE];

        memset(bytes, 0xEE, sizeof(bytes));
        uas_iu_encode_command(bytes, 0x0102, 9, cdb, sizeof(cdb));
        ck_assert_mem_eq(bytes, expected, sizeof(expected));
}
END_TEST

START_TEST(a_task_management_iu_is_laid_out_as_specified) {
        static const uint8_t expected[UAS_IU_TASK_MANAGEMENT_SIZE] = {
                0x05, 0, 0x00, 0x20, 0x01, 0, 0x01, 0x04, 0, 3, 0, 0, 0, 0, 0, 0,
        };
        uint8_t bytes[UAS_IU_TASK_MANAGEMENT_SIZE];

        memset(bytes, 0xEE, sizeof(bytes));
        uas_iu_encode_task_management(bytes, 0x20, UAS_FUNCTION_ABORT_TASK, 0x104, 3);
        ck_assert_mem_eq(bytes, expected, sizeof(expected));
}
END_TEST

typedef struct DecodeRow {
        uint8_t bytes[24];
        size_t size;
        bool is_good;
        UasIu iu; /* but for `sense` */
} DecodeRow;

static const DecodeRow decode_rows[] = {
        { { 3, 0, 1, 2, 0, 0, 2, [15] = 8 }, 24, true, { 3, 0x102, .status = 2, .sense_size = 8 } },
        { { 3, 0, 0, 2, 0, 0, 2, [15] = 18 }, 20, true, { 3, 2, .status = 2, .sense_size = 4 } },
        { { 3, 0, 0, 2, 0, 0, 2, [15] = 4 }, 24, true, { 3, 2, .status = 2, .sense_size = 4 } },
        { { 3, 0, 0, 2 }, 16, true, { 3, 2 } },
        { { 3, 0, 0, 2, 0, 0, 8, [15] = 4 }, 15, true, { 3, 2, .status = 8 } },
        { { 3, 0, 0, 2, 0, 0, 8 }, 7, true, { 3, 2, .status = 8 } },
        { { 3, 0, 0, 2, 0, 0, 8 }, 6, false, { 0 } },
        { { 4, 0, 0, 7, 0, 0, 0, 8 }, 8, true, { 4, 7, .response = 8 } },
        { { 4, 0, 0, 7, 0, 0, 0 }, 7, false, { 0 } },
        { { 6, 0, 0, 1 }, 4, true, { 6, 1 } },
        { { 7, 0, 0, 1 }, 4, true, { 7, 1 } },
        { { 7, 0, 0 }, 3, false, { 0 } },
        { { 1, 0, 0, 1 }, 24, false, { 0 } },
        { { 0x5A, 0, 0, 1 }, 24, false, { 0 } },
        { { 0 }, 0, false, { 0 } },
};

START_TEST(an_iu_of_the_device_is_decoded) {
        const DecodeRow *row = &decode_rows[_i];
        UasIu iu;

        ck_assert_int_eq(uas_iu_decode(&iu, row->bytes, row->size), row->is_good);
        if (!row->is_good)
                return;
        ck_assert_int_eq(iu.type, row->iu.type);
        ck_assert_uint_eq(iu.tag, row->iu.tag);
        ck_assert_uint_eq(iu.status, row->iu.status);
        ck_assert_uint_eq(iu.response, row->iu.response);
        ck_assert_uint_eq(iu.sense_size, row->iu.sense_size);
        if (iu.sense_size > 0)
                ck_assert_ptr_eq(iu.sense, row->bytes + 16);
}
END_TEST

START_TEST(a_tag_that_the_device_may_know_is_not_free) {
        static const struct {
                UasTaskState state;
                UasTaskEvent event;
                bool is_known;
                UasTaskState next;
        } rows[] = {
                { UAS_TASK_STATE_FREE, UAS_TASK_EVENT_SUBMITTED, false, UAS_TASK_STATE_SENT },
                { UAS_TASK_STATE_SENT, UAS_TASK_EVENT_ANSWERED, false, UAS_TASK_STATE_ANSWERED },
                { UAS_TASK_STATE_SENT, UAS_TASK_EVENT_ABANDONED, true, UAS_TASK_STATE_LEAVING },
                { UAS_TASK_STATE_ANSWERED, UAS_TASK_EVENT_ABANDONED, false,
                  UAS_TASK_STATE_LEAVING },
                { UAS_TASK_STATE_ANSWERED, UAS_TASK_EVENT_HOME, false, UAS_TASK_STATE_FREE },
                { UAS_TASK_STATE_LEAVING, UAS_TASK_EVENT_HOME, false, UAS_TASK_STATE_FREE },
                { UAS_TASK_STATE_LEAVING, UAS_TASK_EVENT_HOME, true, UAS_TASK_STATE_STRAY },
                { UAS_TASK_STATE_LEAVING, UAS_TASK_EVENT_ANSWERED, true, UAS_TASK_STATE_LEAVING },
                { UAS_TASK_STATE_STRAY, UAS_TASK_EVENT_ANSWERED, true, UAS_TASK_STATE_FREE },
                { UAS_TASK_STATE_STRAY, UAS_TASK_EVENT_ABANDONED, true, UAS_TASK_STATE_STRAY },
                { UAS_TASK_STATE_STRAY, UAS_TASK_EVENT_FORGOTTEN, true, UAS_TASK_STATE_FREE },
                { UAS_TASK_STATE_SENT, UAS_TASK_EVENT_FORGOTTEN, true, UAS_TASK_STATE_SENT },
        };

        for (size_t i = 0; i < N_ELEMENTS(rows); i++)
                ck_assert_int_eq(
                                uas_task_next_state(rows[i].state, rows[i].event, rows[i].is_known),
                                rows[i].next);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("uas iu");
        TCase *tcase = tcase_create("uas iu");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, a_command_iu_is_laid_out_as_specified);
        tcase_add_test(tcase, a_task_management_iu_is_laid_out_as_specified);
        tcase_add_loop_test(tcase, an_iu_of_the_device_is_decoded, 0, N_ELEMENTS(decode_rows));
        tcase_add_test(tcase, a_tag_that_the_device_may_know_is_not_free);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
