/* Dialogues of CBI and CB: each phase as it should be, and each way in which it may fail. */

#include <check.h>
#include <errno.h>

#include "transport_fixture.h"

#define SCSI 0x06
#define UFI 0x04
#define CBI USB_STORAGE_PROTOCOL_CBI
#define CB USB_STORAGE_PROTOCOL_CB
#define NONE TRANSPORT_DIRECTION_NONE
#define IN TRANSPORT_DIRECTION_IN
#define OUT TRANSPORT_DIRECTION_OUT
#define STEPS_MAX 8

static const uint8_t block[6] = { 0xA5 };
static const uint8_t padded[12] = { 0xA5 };
static const uint8_t reset_block[12] = { 0x1D, 0x04, 0xFF, 0xFF, 0xFF, 0xFF,
                                         0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
static const uint8_t passed[] = { 0x00, 0x00 }, failed[] = { 0x00, 0x01 };
static const uint8_t phase_error[] = { 0x00, 0x02 }, persistent[] = { 0x00, 0x03 };
static const uint8_t invalid[] = { 0x00, 0x09 }, wrong_type[] = { 0x01, 0x00 }, cut[] = { 0x00 };
static const uint8_t sense_asc[] = { 0x29, 0x00 }, sense_ascq[] = { 0x00, 0x05 };

#define ADSC USB_CONTROL(0x21, 0x00, 0, 0, block)
#define ADSC_PADDED USB_CONTROL(0x21, 0x00, 0, 0, padded)
#define ADSC_STALL USB_CONTROL_STALL(0x21, 0x00, 0, 0)
#define ADSC_ERROR                                                              \
        USB_STEP_CONTROL(USB_STEP_TRANSFER, 0x21, 0x00, 0, 0, SCRIPTED_USB_ANY, \
                         .result = USB_RESULT_ERROR)
#define CLEAR_INTERRUPT USB_CLEAR_HALT(SCRIPTED_USB_INTERRUPT_IN)
#define INTERRUPT_STALL USB_INTERRUPT_RESULT(USB_RESULT_STALL)

typedef struct Dialogue {
        const char *name;
        UsbStorageProtocol protocol;
        uint8_t subclass;
        TransportDirection direction;
        size_t size;
        TransportResult result;
        size_t actual_size;
        UsbStep steps[STEPS_MAX];
} Dialogue;

static const Dialogue dialogues[] = {
        { "no data",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_GOOD,
          0,
          { ADSC, USB_INTERRUPT_IN(passed) } },
        { "padded",
          CBI,
          UFI,
          NONE,
          0,
          TRANSPORT_RESULT_GOOD,
          0,
          { ADSC_PADDED, USB_INTERRUPT_IN(passed) } },
        { "in",
          CBI,
          SCSI,
          IN,
          512,
          TRANSPORT_RESULT_GOOD,
          512,
          { ADSC, USB_IN_SIZE(512), USB_INTERRUPT_IN(passed) } },
        { "short in",
          CBI,
          SCSI,
          IN,
          512,
          TRANSPORT_RESULT_GOOD,
          36,
          { ADSC, USB_SHORT_IN(36), USB_INTERRUPT_IN(passed) } },
        { "out",
          CBI,
          SCSI,
          OUT,
          512,
          TRANSPORT_RESULT_GOOD,
          512,
          { ADSC, USB_OUT_SIZE(512), USB_INTERRUPT_IN(passed) } },
        { "failed",
          CBI,
          SCSI,
          OUT,
          512,
          TRANSPORT_RESULT_FAILED,
          512,
          { ADSC, USB_OUT_SIZE(512), USB_INTERRUPT_IN(failed) } },
        { "persistent failure",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_FAILED,
          0,
          { ADSC, USB_INTERRUPT_IN(persistent) } },
        { "UFI, ASC",
          CBI,
          UFI,
          NONE,
          0,
          TRANSPORT_RESULT_FAILED,
          0,
          { ADSC_PADDED, USB_INTERRUPT_IN(sense_asc) } },
        { "UFI, ASCQ alone",
          CBI,
          UFI,
          NONE,
          0,
          TRANSPORT_RESULT_FAILED,
          0,
          { ADSC_PADDED, USB_INTERRUPT_IN(sense_ascq) } },
        { "phase error",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_INTERRUPT_IN(phase_error) } },
        { "invalid value",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_INTERRUPT_IN(invalid) } },
        { "wrong type",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_INTERRUPT_IN(wrong_type) } },
        { "short status",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_INTERRUPT_IN(cut) } },
        { "empty status, then a proper one",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_GOOD,
          0,
          { ADSC, USB_INTERRUPT_RESULT(USB_RESULT_OK), USB_INTERRUPT_IN(passed) } },
        { "empty status twice",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_INTERRUPT_RESULT(USB_RESULT_OK), USB_INTERRUPT_RESULT(USB_RESULT_OK) } },
        { "status stalls once",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_FAILED,
          0,
          { ADSC, INTERRUPT_STALL, CLEAR_INTERRUPT, USB_INTERRUPT_IN(failed) } },
        { "status stalls twice",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, INTERRUPT_STALL, CLEAR_INTERRUPT, INTERRUPT_STALL } },
        { "status overflows",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_INTERRUPT_RESULT(USB_RESULT_OVERFLOW) } },
        { "no status",
          CBI,
          SCSI,
          NONE,
          0,
          TRANSPORT_RESULT_TIMED_OUT,
          0,
          { ADSC, USB_INTERRUPT_HANG() } },
        { "command stalls", CBI, SCSI, IN, 512, TRANSPORT_RESULT_FAILED, 0, { ADSC_STALL } },
        { "command fails", CBI, SCSI, IN, 512, TRANSPORT_RESULT_ERROR, 0, { ADSC_ERROR } },
        { "command hangs",
          CBI,
          SCSI,
          IN,
          512,
          TRANSPORT_RESULT_TIMED_OUT,
          0,
          { USB_CONTROL_HANG(0x21, 0x00, 0, 0) } },
        { "data stalls",
          CBI,
          SCSI,
          IN,
          512,
          TRANSPORT_RESULT_FAILED,
          0,
          { ADSC, USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN) } },
        { "data stalls on the way",
          CBI,
          SCSI,
          IN,
          512,
          TRANSPORT_RESULT_FAILED,
          64,
          { ADSC, USB_STALL_IN_AFTER(64), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN) } },
        { "data out stalls",
          CBI,
          SCSI,
          OUT,
          512,
          TRANSPORT_RESULT_FAILED,
          0,
          { ADSC, USB_STALL_OUT(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT) } },
        { "halt stays",
          CBI,
          SCSI,
          OUT,
          512,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_STALL_OUT(), USB_CLEAR_HALT_FAILS(0, USB_RESULT_ERROR) } },
        { "data fails", CBI, SCSI, IN, 512, TRANSPORT_RESULT_ERROR, 0, { ADSC, USB_ERROR_IN() } },
        { "too much data",
          CBI,
          SCSI,
          IN,
          512,
          TRANSPORT_RESULT_ERROR,
          0,
          { ADSC, USB_OVERFLOW_IN() } },
        { "data hangs",
          CBI,
          SCSI,
          OUT,
          512,
          TRANSPORT_RESULT_TIMED_OUT,
          0,
          { ADSC, USB_HANG_OUT() } },
        { "unplugged", CBI, SCSI, IN, 512, TRANSPORT_RESULT_GONE, 0, { ADSC, USB_GONE() } },
        { "CB, no data", CB, UFI, NONE, 0, TRANSPORT_RESULT_UNTOLD, 0, { ADSC_PADDED } },
        { "CB, in",
          CB,
          UFI,
          IN,
          512,
          TRANSPORT_RESULT_GOOD,
          512,
          { ADSC_PADDED, USB_IN_SIZE(512) } },
        { "CB, out",
          CB,
          UFI,
          OUT,
          512,
          TRANSPORT_RESULT_UNTOLD,
          512,
          { ADSC_PADDED, USB_OUT_SIZE(512) } },
        { "CB, command stalls", CB, UFI, NONE, 0, TRANSPORT_RESULT_FAILED, 0, { ADSC_STALL } },
        { "CB, data stalls",
          CB,
          UFI,
          IN,
          512,
          TRANSPORT_RESULT_FAILED,
          0,
          { ADSC_PADDED, USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN) } },
};

START_TEST(a_dialogue_ends_as_it_must) {
        const Dialogue *dialogue = &dialogues[_i];
        TransportFixture fixture;

        transport_fixture_init_cbi(&fixture, dialogue->protocol, dialogue->subclass, 2,
                                   dialogue->steps);
        transport_fixture_execute(&fixture, dialogue->direction, dialogue->size);
        ck_assert_msg(fixture.request.result == dialogue->result, "%s: %s", dialogue->name,
                      transport_result_to_string(fixture.request.result));
        ck_assert_uint_eq(fixture.request.actual_size, dialogue->actual_size);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_status_of_a_whole_packet_is_borne) {
        static const uint8_t long_status[8] = { 0x00, 0x01, 0xEE };
        static const UsbStep steps[] = { ADSC, USB_INTERRUPT_IN(long_status), {} };
        TransportFixture fixture;

        transport_fixture_init_cbi(&fixture, CBI, SCSI, 8, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE, 0), TRANSPORT_RESULT_FAILED);
        transport_fixture_done(&fixture);
}
END_TEST

static int recover_class(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_recover(fixture->transport, task, TRANSPORT_RECOVERY_CLASS_RESET, 0);
}

static int recover_port(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_recover(fixture->transport, task, TRANSPORT_RECOVERY_PORT_RESET, 0);
}

static int recover_lun(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_recover(fixture->transport, task, TRANSPORT_RECOVERY_LUN_RESET, 0);
}

static int get_max_lun(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_get_max_lun(fixture->transport, task);
}

START_TEST(only_a_recovery_mends_what_is_broken) {
        static const UsbStep broken[] = { ADSC_ERROR, {} }, nothing[] = { {} };
        static const UsbStep reset_fails[] = { USB_CONTROL_STALL(0x21, 0x00, 0, 0), {} };
        static const UsbStep reset[] = { USB_CONTROL(0x21, 0x00, 0, 0, reset_block),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT),
                                         CLEAR_INTERRUPT,
                                         {} };
        static const UsbStep good[] = { ADSC, USB_INTERRUPT_IN(passed), {} };
        TransportFixture fixture;

        transport_fixture_init_cbi(&fixture, CBI, SCSI, 2, broken);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE, 0), TRANSPORT_RESULT_ERROR);
        transport_fixture_continue(&fixture, nothing);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE, 0), TRANSPORT_RESULT_ERROR);
        transport_fixture_continue(&fixture, reset_fails);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover_class), -EIO);
        transport_fixture_continue(&fixture, nothing);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE, 0), TRANSPORT_RESULT_ERROR);
        transport_fixture_continue(&fixture, reset);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover_class), 0);
        transport_fixture_continue(&fixture, good);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE, 0), TRANSPORT_RESULT_GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(without_an_interrupt_endpoint_none_is_cleared) {
        static const UsbStep reset[] = { USB_CONTROL(0x21, 0x00, 0, 0, reset_block),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT),
                                         {} };
        static const UsbStep port[] = { USB_RESET(), {} }, nothing[] = { {} };
        TransportFixture fixture;

        transport_fixture_init_cbi(&fixture, CB, UFI, 2, reset);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover_class), 0);
        transport_fixture_continue(&fixture, port);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover_port), 0);
        transport_fixture_continue(&fixture, nothing);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover_lun), -EOPNOTSUPP);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, get_max_lun), 0);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_cancelled_command_ends_soon) {
        static const UsbStep steps[] = { ADSC, USB_HANG_IN(), {} };
        TransportFixture fixture;

        transport_fixture_init_cbi(&fixture, CBI, SCSI, 2, steps);
        transport_fixture_submit(&fixture, IN, 512);
        scripted_usb_run_for(&fixture.usb, NS_PER_S);
        ck_assert_uint_eq(fixture.n_done, 0);
        transport_cancel(fixture.transport, &fixture.request);
        transport_fixture_run(&fixture);
        ck_assert_int_eq(fixture.request.result, TRANSPORT_RESULT_CANCELLED);
        transport_fixture_done(&fixture);
}
END_TEST

/* The n-th transfer finds no memory: before the command that is nothing, later an error. */
START_TEST(a_transfer_without_memory_is_told) {
        static const UsbStep all[] = { ADSC, USB_IN_SIZE(512), {} };
        TransportFixture fixture;
        UsbStep steps[3] = { {} };

        for (int i = 0; i < _i; i++)
                steps[i] = all[i];
        transport_fixture_init_cbi(&fixture, CBI, SCSI, 2, steps);
        scripted_usb_fail_submit(&fixture.usb, (size_t) _i + 1, -ENOMEM);
        ck_assert_int_eq(transport_fixture_execute(&fixture, IN, 512),
                         _i == 0 ? TRANSPORT_RESULT_NO_MEMORY : TRANSPORT_RESULT_ERROR);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(what_it_can_not_carry_is_refused) {
        static const UsbStep nothing[] = { {} };
        TransportFixture fixture;
        TransportRequest request;

        transport_fixture_init_cbi(&fixture, CBI, UFI, 2, nothing);
        request = (TransportRequest){ .command_size = 16,
                                      .deadline_ns = UINT64_MAX,
                                      .done = (TransportDone) abort };
        ck_assert_int_eq(transport_submit(fixture.transport, &request), -EINVAL);
        request.command_size = 12;
        request.lun = 1;
        ck_assert_int_eq(transport_submit(fixture.transport, &request), -EINVAL);
        transport_fixture_done(&fixture);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cbi_transport");
        TCase *tcase = tcase_create("cbi_transport");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, a_dialogue_ends_as_it_must, 0, N_ELEMENTS(dialogues));
        tcase_add_test(tcase, a_status_of_a_whole_packet_is_borne);
        tcase_add_test(tcase, only_a_recovery_mends_what_is_broken);
        tcase_add_test(tcase, without_an_interrupt_endpoint_none_is_cleared);
        tcase_add_test(tcase, a_cancelled_command_ends_soon);
        tcase_add_loop_test(tcase, a_transfer_without_memory_is_told, 0, 3);
        tcase_add_test(tcase, what_it_can_not_carry_is_refused);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
