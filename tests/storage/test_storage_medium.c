/* What the answer to a poll means for a medium that was there, and for one that was not. */

#include <check.h>
#include <stdlib.h>

#include "storage/storage_medium.h"

typedef struct Case {
        ScsiResult result;
        ScsiSense sense;
        StorageMediumNews absent;
        StorageMediumNews present;
} Case;

#define NEWS(n) STORAGE_MEDIUM_NEWS_##n
#define SENSE(k, a, q) \
        SCSI_RESULT_CHECK_CONDITION, { .key = SCSI_SENSE_KEY_##k, .asc = a, .ascq = q }

static const Case cases[] = {
        { SCSI_RESULT_GOOD, { 0 }, NEWS(LOOK), NEWS(NONE) },
        { SENSE(NOT_READY, 0x3A, 0x00), NEWS(NONE), NEWS(LOOK) },
        { SENSE(NOT_READY, 0x3A, 0x02), NEWS(NONE), NEWS(LOOK) },
        { SENSE(NOT_READY, 0x04, 0x01), NEWS(NONE), NEWS(NONE) },
        { SENSE(NOT_READY, 0x04, 0x02), NEWS(LOOK), NEWS(ASLEEP) },
        { SENSE(UNIT_ATTENTION, 0x28, 0x00), NEWS(LOOK), NEWS(LOOK) },
        { SENSE(UNIT_ATTENTION, 0x3A, 0x00), NEWS(LOOK), NEWS(LOOK) },
        { SENSE(UNIT_ATTENTION, 0x2A, 0x09), NEWS(LOOK), NEWS(LOOK) },
        { SENSE(UNIT_ATTENTION, 0x2A, 0x01), NEWS(MODES), NEWS(MODES) },
        { SENSE(UNIT_ATTENTION, 0x29, 0x00), NEWS(NONE), NEWS(NONE) },
        { SENSE(UNIT_ATTENTION, 0x3F, 0x0E), NEWS(NONE), NEWS(NONE) },
        { SENSE(ILLEGAL_REQUEST, 0x20, 0x00), NEWS(NONE), NEWS(NONE) },
        { SENSE(HARDWARE_ERROR, 0x44, 0x00), NEWS(NONE), NEWS(NONE) },
        { SCSI_RESULT_BUSY, { 0 }, NEWS(NONE), NEWS(NONE) },
        { SCSI_RESULT_TIMED_OUT, { 0 }, NEWS(SILENCE), NEWS(SILENCE) },
        { SCSI_RESULT_TRANSPORT_ERROR, { 0 }, NEWS(SILENCE), NEWS(SILENCE) },
        { SCSI_RESULT_GONE, { 0 }, NEWS(SILENCE), NEWS(SILENCE) },
};

START_TEST(each_answer_has_its_meaning) {
        const Case *c = &cases[_i];

        ck_assert_int_eq(storage_medium_judge(false, c->result, &c->sense), c->absent);
        ck_assert_int_eq(storage_medium_judge(true, c->result, &c->sense), c->present);
}
END_TEST

typedef struct EventCase {
        ScsiMediaEvent event;
        StorageMediumNews absent;
        StorageMediumNews present;
} EventCase;

#define EVENT(code, is_present) \
        { SCSI_MEDIA_EVENT_CODE_##code, is_present }

static const EventCase event_cases[] = {
        { EVENT(NONE, false), NEWS(NONE), NEWS(DOUBT) },
        { EVENT(NONE, true), NEWS(DOUBT), NEWS(NONE) },
        { EVENT(EJECT_REQUEST, false), NEWS(EJECT), NEWS(EJECT) },
        { EVENT(EJECT_REQUEST, true), NEWS(EJECT), NEWS(EJECT) },
        { EVENT(NEW_MEDIUM, true), NEWS(LOOK), NEWS(LOOK) },
        { EVENT(CHANGED, true), NEWS(LOOK), NEWS(LOOK) },
        { EVENT(REMOVAL, false), NEWS(NONE), NEWS(LOOK) },
        { EVENT(REMOVAL, true), NEWS(NONE), NEWS(LOOK) },
};

START_TEST(each_event_has_its_meaning) {
        const EventCase *c = &event_cases[_i];

        ck_assert_int_eq(storage_medium_judge_event(false, &c->event), c->absent);
        ck_assert_int_eq(storage_medium_judge_event(true, &c->event), c->present);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("storage medium");
        TCase *tcase = tcase_create("judgement");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, each_answer_has_its_meaning, 0, N_ELEMENTS(cases));
        tcase_add_loop_test(tcase, each_event_has_its_meaning, 0, N_ELEMENTS(event_cases));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
