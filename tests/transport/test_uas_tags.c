/*
 * Many commands of a UAS device at once (UAS-3, 4.2 and 6.3.8): answers in any order, one that goes
 * wrong beside others, and tags that run out.
 */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "transport/uas_iu.h"
#include "uas_script.h"

#define N_COMMANDS (UAS_SCRIPT_TAGS - 1)
#define SIZE TRANSPORT_FIXTURE_DATA_SIZE

#define GOOD TRANSPORT_RESULT_GOOD
#define FAILED TRANSPORT_RESULT_FAILED
#define ERROR TRANSPORT_RESULT_ERROR
#define TIMED_OUT TRANSPORT_RESULT_TIMED_OUT
#define CANCELLED TRANSPORT_RESULT_CANCELLED
#define NO_MEMORY TRANSPORT_RESULT_NO_MEMORY
#define PENDING _TRANSPORT_RESULT_MAX

static const uint8_t command_1[] = UAS_COMMAND_IU(1, 0);
static const uint8_t command_2[] = UAS_COMMAND_IU(2, 1);
static const uint8_t command_3[] = UAS_COMMAND_IU(3, 2);
static const uint8_t next_command_1[] = UAS_COMMAND_IU(1, 0);
static const uint8_t good_1[] = UAS_SENSE_IU(1, 0x00);
static const uint8_t good_2[] = UAS_SENSE_IU(2, 0x00);
static const uint8_t good_3[] = UAS_SENSE_IU(3, 0x00);
static const uint8_t check_2[] = UAS_SENSE_IU(2, 0x02);
static const uint8_t invalid_iu_2[] = UAS_RESPONSE_IU(2, 0x02);
static const uint8_t abort_1[] = UAS_MANAGEMENT_IU(0x01, 1, 0);
static const uint8_t abort_2[] = UAS_MANAGEMENT_IU(0x01, 2, 1);
static const uint8_t complete[] = UAS_RESPONSE_IU(UAS_SCRIPT_TAGS, 0x00);

static const UasForms forms[] = { UAS_FORM_HIGH_SPEED, UAS_FORM_SUPER_SPEED };

typedef struct Tags {
        UasScript script;
        TransportRequest requests[N_COMMANDS + 1];
        unsigned n_done;
} Tags;

static Tags tags;

static void on_done(TransportRequest *request) { tags.n_done++; }

static int submit(unsigned index, uint64_t timeout_ns) {
        TransportRequest *request = &tags.requests[index];

        *request = (TransportRequest){
                .lun = (uint8_t) (index % N_COMMANDS),
                .command = { 0xA5 },
                .command_size = 6,
                .deadline_ns = event_loop_now_ns(tags.script.fixture.usb.loop) + timeout_ns,
                .done = on_done,
                .result = PENDING,
        };
        return transport_submit(tags.script.fixture.transport, request);
}

/* All of them, the second one with less time than the others. */
static void start(UasForms form, const char *name, const UsbStep *steps) {
        tags = (Tags){};
        uas_script_init(&tags.script, form, name);
        uas_script_continue(&tags.script, steps);
        for (unsigned i = 0; i < N_COMMANDS; i++)
                ck_assert_int_eq(submit(i, (i == 1 ? 5 : 10) * NS_PER_S), 0);
}

static void run(void) { scripted_usb_run(&tags.script.fixture.usb); }

#define ALL_COMMANDS UAS_COMMAND(command_1), UAS_COMMAND(command_2), UAS_COMMAND(command_3)

typedef struct Dialogue {
        const char *name;
        UasForms forms;
        UsbStep steps[10];
        TransportResult results[N_COMMANDS];
} Dialogue;

static const Dialogue dialogues[] = {
        { "in order",
          UAS_FORMS_BOTH,
          { ALL_COMMANDS, UAS_STATUS_OF(1, good_1), UAS_STATUS_OF(2, good_2),
            UAS_STATUS_OF(3, good_3) },
          { GOOD, GOOD, GOOD } },
        { "the other way round",
          UAS_FORMS_BOTH,
          { ALL_COMMANDS, UAS_STATUS_OF(3, good_3), UAS_STATUS_OF(2, good_2),
            UAS_STATUS_OF(1, good_1) },
          { GOOD, GOOD, GOOD } },
        { "one is answered before the next was taken",
          UAS_FORMS_BOTH,
          { UAS_COMMAND(command_1), UAS_COMMAND(command_2), UAS_STATUS_OF(2, good_2),
            UAS_COMMAND(command_3), UAS_STATUS_OF(3, good_3), UAS_STATUS_OF(1, good_1) },
          { GOOD, GOOD, GOOD } },
        { "one fails",
          UAS_FORMS_BOTH,
          { ALL_COMMANDS, UAS_STATUS_OF(2, check_2), UAS_STATUS_OF(1, good_1),
            UAS_STATUS_OF(3, good_3) },
          { GOOD, FAILED, GOOD } },
        { "one is no command for the device",
          UAS_FORMS_BOTH,
          { ALL_COMMANDS, UAS_STATUS_OF(2, invalid_iu_2), UAS_STATUS_OF(1, good_1),
            UAS_STATUS_OF(3, good_3) },
          { GOOD, ERROR, GOOD } },
        { "one is never answered",
          UAS_FORMS_BOTH,
          { ALL_COMMANDS, USB_WAIT_MS(6000), UAS_STATUS_OF(3, good_3), UAS_STATUS_OF(1, good_1) },
          { GOOD, TIMED_OUT, GOOD } },
        { "one is answered too late",
          UAS_FORM_HIGH_SPEED,
          { ALL_COMMANDS, USB_WAIT_MS(6000), UAS_STATUS_OF(2, good_2), UAS_STATUS_OF(3, good_3),
            UAS_STATUS_OF(1, good_1) },
          { GOOD, TIMED_OUT, GOOD } },
        { "one is answered twice",
          UAS_FORM_HIGH_SPEED,
          { ALL_COMMANDS, UAS_STATUS_OF(2, good_2), UAS_STATUS_OF(2, good_2) },
          { ERROR, GOOD, ERROR } },
        { "an answer comes on another's stream",
          UAS_FORM_SUPER_SPEED,
          { ALL_COMMANDS, UAS_STATUS_OF(2, good_1) },
          { ERROR, ERROR, ERROR } },
        { "the command pipe halts",
          UAS_FORMS_BOTH,
          { UAS_COMMAND(command_1), UAS_STATUS_OF(1, good_1),
            UAS_COMMAND_RESULT(USB_RESULT_STALL) },
          { GOOD, ERROR, ERROR } },
};

static bool is_in_step(const Dialogue *dialogue) {
        for (size_t i = 0; i < N_COMMANDS; i++)
                if (dialogue->results[i] != GOOD && dialogue->results[i] != FAILED)
                        return false;
        return true;
}

START_TEST(each_command_has_its_own_end) {
        static const UsbStep next[] = { UAS_COMMAND(next_command_1), UAS_STATUS_OF(1, good_1), {} };
        static const UsbStep nothing[] = { {} };
        const Dialogue *dialogue = &dialogues[(size_t) _i / N_ELEMENTS(forms)];
        UasForms form = forms[(size_t) _i % N_ELEMENTS(forms)];
        UsbStep steps[N_ELEMENTS(dialogue->steps) + 1] = {};

        if (!(dialogue->forms & form))
                return;
        memcpy(steps, dialogue->steps, sizeof(dialogue->steps));
        start(form, dialogue->name, steps);
        run();
        ck_assert_uint_eq(tags.n_done, N_COMMANDS);
        for (size_t i = 0; i < N_COMMANDS; i++)
                ck_assert_int_eq(tags.requests[i].result, dialogue->results[i]);

        /* The tag that has been free longest is the next one: in order, that is the first. */
        if (is_in_step(dialogue) && (size_t) _i >= N_ELEMENTS(forms)) {
                uas_script_done(&tags.script);
                return;
        }
        uas_script_continue(&tags.script, is_in_step(dialogue) ? next : nothing);
        ck_assert_int_eq(submit(0, NS_PER_S), 0);
        run();
        ck_assert_int_eq(tags.requests[0].result, is_in_step(dialogue) ? GOOD : ERROR);
        uas_script_done(&tags.script);
}
END_TEST

START_TEST(no_more_commands_are_taken_than_there_are_tags) {
        static const UsbStep steps[] = {
                ALL_COMMANDS, UAS_STATUS_OF(2, good_2), USB_WAIT_MS(1000), {}
        };
        static const uint8_t next_command_2[] = UAS_COMMAND_IU(2, 0);
        static const UsbStep next[] = { UAS_COMMAND(next_command_2),
                                        UAS_STATUS_OF(2, good_2),
                                        UAS_STATUS_OF(1, good_1),
                                        UAS_STATUS_OF(3, good_3),
                                        {} };

        start(forms[_i], "too many", steps);
        ck_assert_int_eq(submit(N_COMMANDS, NS_PER_S), -EBUSY);
        scripted_usb_run_for(&tags.script.fixture.usb, 2 * NS_PER_S);
        ck_assert_uint_eq(tags.n_done, 1);
        uas_script_continue(&tags.script, next);
        ck_assert_int_eq(submit(N_COMMANDS, NS_PER_S), 0);
        ck_assert_int_eq(submit(1, NS_PER_S), -EBUSY);
        run();
        ck_assert_uint_eq(tags.n_done, N_COMMANDS + 1);
        uas_script_done(&tags.script);
}
END_TEST

/* Of the two that were given up the device may know both tags; the third one's is free. */
START_TEST(what_was_given_up_is_aborted_one_by_one) {
        static const UsbStep steps[] = {
                ALL_COMMANDS, UAS_STATUS_OF(3, good_3), USB_WAIT_MS(1000), {}
        };
        static const UsbStep nothing[] = { {} };
        static const UsbStep recovery[] = {
                USB_CLEAR_HALT(SCRIPTED_USB_UAS_COMMAND),
                USB_CLEAR_HALT(SCRIPTED_USB_UAS_STATUS),
                USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT),
                UAS_COMMAND(abort_1),
                UAS_STATUS_OF(UAS_SCRIPT_TAGS, complete),
                UAS_COMMAND(abort_2),
                UAS_STATUS_OF(UAS_SCRIPT_TAGS, complete),
                {},
        };

        start(forms[_i], "given up", steps);
        scripted_usb_run_for(&tags.script.fixture.usb, 2 * NS_PER_S);
        transport_cancel(tags.script.fixture.transport, &tags.requests[1]);
        transport_cancel(tags.script.fixture.transport, &tags.requests[0]);
        uas_script_continue(&tags.script, nothing);
        run();
        ck_assert_int_eq(tags.requests[0].result, CANCELLED);
        ck_assert_int_eq(tags.requests[1].result, CANCELLED);
        ck_assert_int_eq(tags.requests[2].result, GOOD);
        uas_script_continue(&tags.script, recovery);
        ck_assert_int_eq(uas_script_recover(&tags.script, TRANSPORT_RECOVERY_CLASS_RESET, 0), 0);
        uas_script_done(&tags.script);
}
END_TEST

/* UAS-3, 4.2: its answer ends the tag. */
START_TEST(what_was_answered_too_late_need_not_be_aborted) {
        static const UsbStep steps[] = { ALL_COMMANDS,
                                         USB_WAIT_MS(6000),
                                         UAS_STATUS_OF(2, good_2),
                                         UAS_STATUS_OF(3, good_3),
                                         UAS_STATUS_OF(1, good_1),
                                         {} };
        static const UsbStep recovery[] = {
                USB_CLEAR_HALT(SCRIPTED_USB_UAS_COMMAND),
                USB_CLEAR_HALT(SCRIPTED_USB_UAS_STATUS),
                USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT),
                {},
        };

        start(UAS_FORM_HIGH_SPEED, "too late", steps);
        run();
        ck_assert_int_eq(tags.requests[1].result, TIMED_OUT);
        uas_script_continue(&tags.script, recovery);
        ck_assert_int_eq(uas_script_recover(&tags.script, TRANSPORT_RECOVERY_CLASS_RESET, 0), 0);
        uas_script_done(&tags.script);
}
END_TEST

typedef struct RefusalCase {
        size_t n; /* the transfer of the second command that can't be submitted */
        int error;
        TransportResult result;
        TransportResult next; /* of the third one */
} RefusalCase;

/* Status, then command: what was never sent leaves the device in step. */
static const RefusalCase refusal_cases[] = {
        { 1, -ENOMEM, NO_MEMORY, GOOD },
        { 2, -ENOMEM, NO_MEMORY, GOOD },
        { 1, -EIO, ERROR, ERROR },
        { 2, -EIO, ERROR, ERROR },
};

START_TEST(a_transfer_that_is_refused_was_never_sent) {
        static const uint8_t third[] = UAS_COMMAND_IU(3, 2);
        static const UsbStep goes_on[] = { UAS_COMMAND(third), UAS_STATUS_OF(3, good_3), {} };
        static const UsbStep nothing[] = { {} };
        const RefusalCase *c = &refusal_cases[(size_t) _i / N_ELEMENTS(forms)];
        UasForms form = forms[(size_t) _i % N_ELEMENTS(forms)];
        static const UsbStep first[] = { UAS_COMMAND(command_1), UAS_STATUS_OF(1, good_1), {} };

        tags = (Tags){};
        uas_script_init(&tags.script, form, "refused");
        uas_script_continue(&tags.script, first);
        ck_assert_int_eq(submit(0, NS_PER_S), 0);
        run();
        uas_script_continue(&tags.script, nothing);
        scripted_usb_fail_submit(&tags.script.fixture.usb, c->n, c->error);
        ck_assert_int_eq(submit(1, NS_PER_S), 0);
        run();
        ck_assert_int_eq(tags.requests[1].result, c->result);
        uas_script_continue(&tags.script, c->next == GOOD ? goes_on : nothing);
        ck_assert_int_eq(submit(2, NS_PER_S), 0);
        run();
        ck_assert_int_eq(tags.requests[2].result, c->next);
        uas_script_done(&tags.script);
}
END_TEST

START_TEST(what_can_not_be_carried_is_refused) {
        static const UsbStep nothing[] = { {} };
        TransportRequest *request = &tags.requests[0];
        Transport *transport;

        tags = (Tags){};
        uas_script_init(&tags.script, forms[_i], "too much");
        uas_script_continue(&tags.script, nothing);
        transport = tags.script.fixture.transport;
        *request = (TransportRequest){
                .command_size = UAS_IU_CDB_SIZE_MAX + 1,
                .deadline_ns = NS_PER_S,
                .done = on_done,
        };
        ck_assert_int_eq(transport_submit(transport, request), -EINVAL);
        request->command_size = 6;
        request->lun = 16;
        ck_assert_int_eq(transport_submit(transport, request), -EINVAL);
        request->lun = 0;
        request->direction = TRANSPORT_DIRECTION_IN;
        request->data = tags.script.fixture.data;
        request->size = transport->transfer_size_max + 1;
        ck_assert_int_eq(transport_submit(transport, request), -EINVAL);
        ck_assert_uint_eq(tags.n_done, 0);
        uas_script_done(&tags.script);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("uas tags");
        TCase *tcase = tcase_create("uas tags");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, each_command_has_its_own_end, 0,
                            (int) (N_ELEMENTS(dialogues) * N_ELEMENTS(forms)));
        tcase_add_loop_test(tcase, no_more_commands_are_taken_than_there_are_tags, 0,
                            N_ELEMENTS(forms));
        tcase_add_loop_test(tcase, what_was_given_up_is_aborted_one_by_one, 0, N_ELEMENTS(forms));
        tcase_add_test(tcase, what_was_answered_too_late_need_not_be_aborted);
        tcase_add_loop_test(tcase, a_transfer_that_is_refused_was_never_sent, 0,
                            (int) (N_ELEMENTS(refusal_cases) * N_ELEMENTS(forms)));
        tcase_add_loop_test(tcase, what_can_not_be_carried_is_refused, 0, N_ELEMENTS(forms));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
